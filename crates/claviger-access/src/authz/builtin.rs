//! The built-in policy, read from `roles.cedar` once, its rules kept by what they can bear on.

use std::str::FromStr;

use cedar_policy::{
    Effect, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint,
    ValidationMode, Validator,
};
use claviger_core::Timestamp;
use claviger_core::permit::Rule;
use claviger_core::principal::Role;
use claviger_crypto::digest::sha256;

use super::PolicyError;
use super::prepared::{PREPARED_BYTES, Prepared};
use super::vocabulary::{Node, Vocabulary};

/// The rules as they are written.
pub const RULES: &str = include_str!("roles.cedar");

/// On what a decision rests: one policy, and what is to be known of it once it has decided.
#[derive(Clone, Debug)]
pub(super) struct DecisionBasis {
    pub(super) rule: Rule,
    /// First eight bytes of SHA-256 of the policy's text.
    pub(super) digest: [u8; 8],
    /// The instant from which it is no longer valid.
    pub(super) until: Option<Timestamp>,
    /// Does it hold whatever the call says of itself, its instant apart?
    pub(super) unconditional: bool,
    /// Its conditions in words, empty when it has none.
    pub(super) conditions: String,
}

pub(super) struct BuiltinRule {
    pub(super) policy: Policy,
    pub(super) basis: DecisionBasis,
    caller: Scope,
    target: Scope,
}

pub(super) struct Builtin {
    pub(super) vocabulary: Vocabulary,
    pub(super) engine: cedar_policy::Authorizer,
    pub(super) prepared: Prepared,
    validator: Validator,
    rules: Vec<BuiltinRule>,
}

impl Builtin {
    pub(super) fn open() -> Result<Self, PolicyError> {
        let vocabulary = Vocabulary::load()?;
        let set =
            PolicySet::from_str(RULES).map_err(|error| PolicyError::new("the built-in policy", error))?;
        let rules = set
            .policies()
            .map(|policy| BuiltinRule::read(policy, &vocabulary))
            .collect::<Result<Vec<_>, _>>()?;
        let validator = Validator::new(vocabulary.schema.clone());
        let prepared = Prepared::with_bytes(PREPARED_BYTES);
        let builtin =
            Self { vocabulary, engine: cedar_policy::Authorizer::new(), prepared, validator, rules };
        builtin.validate(&set)?;
        Ok(builtin)
    }

    /// Strict validation: types, names and scopes all fit the schema.
    pub(super) fn validate(&self, set: &PolicySet) -> Result<(), PolicyError> {
        let found = self.validator.validate(set, ValidationMode::Strict);
        match found.validation_errors().next() {
            Some(error) => Err(PolicyError::new("a policy that does not fit the schema", error.clone())),
            None => Ok(()),
        }
    }

    /// The rules that can bear on this caller and this target. The others could not match, whatever the action.
    pub(super) fn rules_for(&self, caller: &Node, target: &Node) -> impl Iterator<Item = &BuiltinRule> {
        self.rules.iter().filter(|rule| rule.caller.covers(caller) && rule.target.covers(target))
    }
}

impl BuiltinRule {
    fn read(policy: &Policy, vocabulary: &Vocabulary) -> Result<Self, PolicyError> {
        let caller = Scope::from(policy.principal_constraint());
        let target = Scope::from(policy.resource_constraint());
        let rule = match &caller {
            Scope::In(role) if policy.effect() == Effect::Permit && vocabulary.is_role(role.type_name()) => {
                let word = role.id().unescaped();
                Rule::Role(Role::from_str(word).map_err(|error| PolicyError::new("a role's rule", error))?)
            }
            Scope::Any | Scope::Eq(_) | Scope::In(_) | Scope::Is(_) | Scope::IsIn(..) => {
                Rule::Builtin(name_of(policy)?)
            }
        };
        let basis = DecisionBasis {
            rule,
            digest: digest_prefix(&policy.to_string()),
            until: None,
            unconditional: true,
            conditions: String::new(),
        };
        Ok(Self { policy: policy.new_id(PolicyId::new(name_of(policy)?)), basis, caller, target })
    }
}

/// The rule's name, as it stands in the text of the rules, which lives as long as the program.
fn name_of(policy: &Policy) -> Result<&'static str, PolicyError> {
    let unnamed = PolicyError::missing("a rule without a name");
    let Some(name) = policy.annotation("id") else { return Err(unnamed) };
    let marked = format!("@id(\"{name}\")");
    let start = RULES.find(&marked).map(|at| at + "@id(\"".len());
    start.and_then(|start| RULES.get(start..start + name.len())).ok_or(unnamed)
}

/// First eight bytes of SHA-256 of a policy's text: field `pol` of the log entry.
pub(super) fn digest_prefix(text: &str) -> [u8; 8] {
    let mut prefix = [0; 8];
    for (to, from) in prefix.iter_mut().zip(sha256(text.as_bytes())) {
        *to = from;
    }
    prefix
}

/// What a policy's head says of its principal or its resource.
enum Scope {
    Any,
    Eq(EntityUid),
    In(EntityUid),
    Is(EntityTypeName),
    IsIn(EntityTypeName, EntityUid),
}

impl Scope {
    fn covers(&self, node: &Node) -> bool {
        let within = |uid: &EntityUid| node.uid == *uid || node.parents.contains(uid);
        match self {
            Self::Any => true,
            Self::Eq(uid) => node.uid == *uid,
            Self::In(uid) => within(uid),
            Self::Is(of) => node.uid.type_name() == of,
            Self::IsIn(of, uid) => node.uid.type_name() == of && within(uid),
        }
    }
}

impl From<PrincipalConstraint> for Scope {
    fn from(constraint: PrincipalConstraint) -> Self {
        match constraint {
            PrincipalConstraint::Any => Self::Any,
            PrincipalConstraint::In(uid) => Self::In(uid),
            PrincipalConstraint::Eq(uid) => Self::Eq(uid),
            PrincipalConstraint::Is(of) => Self::Is(of),
            PrincipalConstraint::IsIn(of, uid) => Self::IsIn(of, uid),
        }
    }
}

impl From<ResourceConstraint> for Scope {
    fn from(constraint: ResourceConstraint) -> Self {
        match constraint {
            ResourceConstraint::Any => Self::Any,
            ResourceConstraint::In(uid) => Self::In(uid),
            ResourceConstraint::Eq(uid) => Self::Eq(uid),
            ResourceConstraint::Is(of) => Self::Is(of),
            ResourceConstraint::IsIn(of, uid) => Self::IsIn(of, uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_pass_strict_validation_without_a_warning() {
        let builtin = Builtin::open().unwrap();
        let set = PolicySet::from_str(RULES).unwrap();
        let found = builtin.validator.validate(&set, ValidationMode::Strict);
        let warnings: Vec<_> = found.validation_warnings().map(ToString::to_string).collect();
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn every_role_has_its_rule_and_every_rule_its_own_name() {
        let builtin = Builtin::open().unwrap();
        let mut names: Vec<_> = builtin.rules.iter().map(|rule| rule.policy.id().to_string()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(count, RULES.matches("@id(").count());
        for role in Role::ALL {
            assert!(builtin.rules.iter().any(|rule| rule.basis.rule == Rule::Role(role)), "{role}");
        }
    }

    #[test]
    fn nonsense_does_not_pass_validation() {
        let builtin = Builtin::open().unwrap();
        for bad in [
            r#"permit (principal, action == Action::"no_such_action", resource);"#,
            r#"permit (principal, action == Action::"encrypt", resource) when { context.now == "noon" };"#,
            r#"permit (principal is Workload, action == Action::"encrypt", resource) when { principal.has_role };"#,
        ] {
            assert!(builtin.validate(&PolicySet::from_str(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn digest_is_of_the_text_as_written() {
        let builtin = Builtin::open().unwrap();
        let random = builtin.rules.iter().find(|rule| rule.basis.rule == Rule::Builtin("random")).unwrap();
        let written = random.policy.to_string();
        assert!(RULES.contains(&written), "{written}");
        assert_eq!(random.basis.digest, sha256(written.as_bytes())[..8]);
    }
}
