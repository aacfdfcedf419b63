//! The built-in policy, as far as checks ask: which rule gives which actions to whom, and by which digest entries name it.

use std::collections::BTreeSet;

use claviger_audit::{Hash, sha256};
use claviger_core::Action;
use claviger_core::action::Effect;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::target::TargetKind;

/// The policy that this release decides by, as it is written.
const RULES: &str = include_str!("../../../claviger-access/src/authz/roles.cedar");

/// A rule that permits.
#[derive(Debug)]
pub(super) struct Rule {
    /// First bytes of SHA-256 of its text: field `pol` of entries.
    digest: [u8; 8],
    /// The role that it is for.
    pub(super) role: Option<Role>,
    /// The kind of principals that it is for.
    pub(super) kind: Option<PrincipalKind>,
    /// What it permits.
    pub(super) actions: Vec<Action>,
}

/// The rules that permit.
#[derive(Debug)]
pub(super) struct Rules {
    digest: Hash,
    rules: Vec<Rule>,
}

impl Rules {
    pub(super) fn read() -> Self {
        let begins = RULES.match_indices("@id(").filter_map(|(at, _)| RULES.get(at..));
        let texts = begins.filter_map(|rest| rest.get(..=rest.find(';')?));
        Self { digest: sha256(RULES.as_bytes()), rules: texts.filter_map(Rule::read).collect() }
    }

    /// The rule that an entry names.
    pub(super) fn find(&self, digest: [u8; 8]) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.digest == digest)
    }

    /// Is it the digest of this policy?
    pub(super) fn are_those_of(&self, digest: &[u8]) -> bool {
        digest == self.digest.as_slice()
    }

    /// The roles to which an action is permitted of which this holds.
    pub(super) fn roles_that(&self, may: impl Fn(Action) -> bool) -> BTreeSet<Role> {
        let with = self.rules.iter().filter(|rule| rule.actions.iter().any(|action| may(*action)));
        with.filter_map(|rule| rule.role).collect()
    }
}

impl Rule {
    fn read(text: &str) -> Option<Self> {
        // Conditions stand behind the head.
        let (head, _) = text.split_once("\n)")?;
        if !head.contains("\npermit (") {
            return None;
        }
        let word = |behind: &str| {
            let rest = head.split_once(behind)?.1;
            rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()
        };
        let kind = match word("principal is ") {
            Some("Human") => Some(PrincipalKind::Human),
            Some("System") => Some(PrincipalKind::System),
            Some("Workload") => Some(PrincipalKind::Workload),
            _ => None,
        };
        let role = word("principal in Role::\"").and_then(|role| role.parse().ok());
        let named = head.split("Action::\"").skip(1).filter_map(|rest| rest.split('"').next());
        let actions = named.filter_map(|action| action.parse().ok()).collect();
        Some(Self { digest: prefix(text), role, kind, actions })
    }
}

/// First bytes of SHA-256 of a policy's text, as entries name it.
pub(super) fn prefix(text: &str) -> [u8; 8] {
    let mut prefix = [0; 8];
    for (to, from) in prefix.iter_mut().zip(sha256(text.as_bytes())) {
        *to = from;
    }
    prefix
}

/// Does it administer a key: change it, set its policy, or end it for good? Who passes a right on administers nothing by that.
pub(super) fn administers(action: Action) -> bool {
    match action {
        Action::DestroyKey
        | Action::PutKeyPolicy
        | Action::RemoveImportedMaterial
        | Action::ScheduleDestroy => true,
        other => other.target_kind() == TargetKind::Key && other.effect() == Effect::Manage,
    }
}

/// Does it use material?
pub(super) fn uses(action: Action) -> bool {
    matches!(action.effect(), Effect::Protect | Effect::Process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_rule() {
        let rules = Rules::read();
        for role in Role::ALL {
            assert!(rules.rules.iter().any(|rule| rule.role == Some(role)), "{role}");
        }
        assert_eq!(rules.roles_that(administers), BTreeSet::from([Role::Administrator]));
        assert_eq!(rules.roles_that(uses), BTreeSet::new());
        assert_eq!(rules.roles_that(|action| action == Action::ExportAudit), BTreeSet::from([Role::Auditor]));
    }

    #[test]
    fn rules_are_found_by_what_entries_name() {
        let rules = Rules::read();
        let text = "@id(\"random\")\npermit (\n    principal is Workload,\n    action == Action::\"random\",\n    resource is Deployment\n);";
        assert!(RULES.contains(text));
        let rule = rules.find(prefix(text)).unwrap();
        assert_eq!((rule.role, rule.kind), (None, Some(PrincipalKind::Workload)));
        assert_eq!(rule.actions, [Action::Random]);
        assert!(rules.find([0; 8]).is_none());
        let of_house = rules.rules.iter().filter(|rule| rule.kind == Some(PrincipalKind::System));
        assert!(of_house.flat_map(|rule| &rule.actions).any(|action| *action == Action::RotateKey));
    }

    #[test]
    fn what_forbids_is_no_rule_that_permits() {
        let rules = Rules::read();
        assert_eq!(rules.rules.len(), RULES.matches("\npermit (").count());
    }
}
