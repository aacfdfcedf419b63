//! What of all policies can bear on one principal and one target, ready to be asked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{
    Context, Decision as Answer, Entities, EntityUid, PolicyId, PolicySet, Request, RestrictedExpression,
};
use claviger_core::grant::{Grant, Selector};
use claviger_core::permit::Rule;
use claviger_core::principal::{Principal, PrincipalKind, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, GrantId, PrincipalId, Target, Timestamp};

use super::PolicyError;
use super::builtin::{Builtin, DecisionBasis};
use super::choose::choose;
use super::decision::{Cacheable, Decision, Denial, DenyReason, Mark, RequestContext, admits, permit};
use super::grant::{address_text, long};
use crate::authn::Caller;

/// The policies and entities that bear on one principal and one target. Immutable. Building one parses
/// the grants, which costs many times what asking does: it is worth keeping for as long as nothing changes.
pub struct Slice {
    builtin: Arc<Builtin>,
    principal: Principal,
    kind: TargetKind,
    target: Mark,
    who: EntityUid,
    what: EntityUid,
    entities: Entities,
    policies: PolicySet,
    bases: HashMap<PolicyId, DecisionBasis>,
    grants: Vec<Given>,
    looks_at: LooksAt,
}

/// What is to be remembered of a grant: to say why not, and whether the target may be known.
struct Given {
    id: GrantId,
    operations: Vec<Action>,
    until: Option<Timestamp>,
}

impl Given {
    fn counts_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What of a call the grants look at; the rest need not be prepared.
#[derive(Clone, Copy)]
struct LooksAt {
    encryption: bool,
    source: bool,
}

/// What the policies say, before it becomes a decision on a caller.
pub(super) enum Verdict<'a> {
    Denied(DenyReason),
    /// All that permit, at least one.
    Permitted(Vec<&'a DecisionBasis>),
}

impl Slice {
    pub(super) fn build(
        builtin: &Arc<Builtin>,
        principal: &Principal,
        target: &Target,
        grants: &[Grant],
    ) -> Result<Self, PolicyError> {
        let bearing: Vec<_> = grants.iter().filter(|grant| bears_on(grant, principal, target)).collect();
        Self::of(builtin, principal, target, &bearing, &bearing)
    }

    /// What bears on one call: of the grants that it meets, the one that gives its permit.
    pub(super) fn for_call(
        builtin: &Arc<Builtin>,
        caller: &Caller,
        action: Action,
        target: &Target,
        grants: &[Grant],
        request: &RequestContext<'_>,
    ) -> Result<Self, PolicyError> {
        let principal = caller.principal();
        let bearing: Vec<_> = grants.iter().filter(|grant| bears_on(grant, principal, target)).collect();
        let asked: Vec<_> = choose(&bearing, action, request, caller.source()).into_iter().collect();
        Self::of(builtin, principal, target, &bearing, &asked)
    }

    /// The slice with the policies of the grants that are `asked`; those that are `bearing` say why not.
    fn of(
        builtin: &Arc<Builtin>,
        principal: &Principal,
        target: &Target,
        bearing: &[&Grant],
        asked: &[&Grant],
    ) -> Result<Self, PolicyError> {
        let (who, what) = (builtin.vocabulary.caller(principal)?, builtin.vocabulary.target(target)?);
        let entities = builtin.vocabulary.entities(&who, principal, &what, target)?;
        let mut policies = PolicySet::new();
        let mut bases = HashMap::new();
        for rule in builtin.rules_for(&who, &what) {
            add(&mut policies, &mut bases, rule.policy.clone(), rule.basis.clone())?;
        }
        if matches!(target.kind(), TargetKind::Key | TargetKind::Ring) {
            for grant in asked {
                let prepared = builtin.prepared.of(grant, principal.kind)?;
                add(&mut policies, &mut bases, prepared.policy.clone(), prepared.basis.clone())?;
            }
        }
        Ok(Self {
            builtin: Arc::clone(builtin),
            principal: Principal { subject_key: Vec::new(), ..principal.clone() },
            kind: target.kind(),
            target: Mark::from(target),
            who: who.uid,
            what: what.uid,
            entities,
            policies,
            bases,
            looks_at: LooksAt {
                encryption: asked.iter().any(|grant| grant.conditions.look_at_context()),
                source: asked.iter().any(|grant| !grant.conditions.source_networks.is_empty()),
            },
            grants: bearing.iter().copied().map(given).collect(),
        })
    }

    /// Whom it is about.
    #[must_use]
    pub const fn principal_id(&self) -> PrincipalId {
        self.principal.id
    }

    /// May the caller do this to the slice's target? A caller that the slice was not built for may nothing.
    #[must_use]
    pub fn decide(&self, caller: &Caller, action: Action, request: &RequestContext<'_>) -> Decision {
        let principal = caller.principal();
        if principal.id != self.principal.id || principal.revision != self.principal.revision {
            return Decision::Deny(Denial { reason: DenyReason::Unsound, hidden: true });
        }
        if caller.has_expired(request.now) {
            return Decision::Deny(Denial { reason: DenyReason::CredentialExpired, hidden: true });
        }
        match self.ask(action, request, caller.source()) {
            Verdict::Denied(reason) => Decision::Deny(Denial { reason, hidden: self.hides(request.now) }),
            Verdict::Permitted(bases) => match best(&bases) {
                Some(basis) => Decision::Permit {
                    permit: permit(caller, action, basis, request.now),
                    cacheable: Cacheable::of(&self.principal, action, self.target, basis),
                },
                None => Decision::Deny(Denial { reason: DenyReason::Unsound, hidden: true }),
            },
        }
    }

    /// What the policies say, and all of them that say so.
    pub(super) fn ask(
        &self,
        action: Action,
        request: &RequestContext<'_>,
        source: Option<IpAddr>,
    ) -> Verdict<'_> {
        if let Err(reason) = admits(self.principal.kind, action) {
            return Verdict::Denied(reason);
        }
        if action.target_kind() != self.kind {
            return Verdict::Denied(DenyReason::WrongTarget);
        }
        let Ok(question) = self.question(action, request, source) else {
            return Verdict::Denied(DenyReason::Unsound);
        };
        let answer = self.builtin.engine.is_authorized(&question, &self.policies, &self.entities);
        // Cedar passes over a policy that fails to evaluate. Had it been one that forbids, nobody would know.
        if answer.diagnostics().errors().next().is_some() {
            return Verdict::Denied(DenyReason::Unsound);
        }
        let bases: Vec<_> = answer.diagnostics().reason().filter_map(|id| self.bases.get(id)).collect();
        match answer.decision() {
            Answer::Allow => Verdict::Permitted(bases),
            Answer::Deny => Verdict::Denied(self.why_not(action, request.now, &bases)),
        }
    }

    fn question(
        &self,
        action: Action,
        request: &RequestContext<'_>,
        source: Option<IpAddr>,
    ) -> Result<Request, PolicyError> {
        let mut pairs = Vec::new();
        if self.looks_at.encryption {
            pairs.reserve(request.context.len());
            for (name, value) in request.context {
                pairs.push(pair(name, value)?);
            }
        }
        let mut said = vec![
            ("encryption".to_owned(), RestrictedExpression::new_set(pairs)),
            ("now".to_owned(), RestrictedExpression::new_long(long(request.now))),
        ];
        if let Some(source) = source.filter(|_| self.looks_at.source) {
            said.push(("source".to_owned(), RestrictedExpression::new_ip(address_text(source))));
        }
        let context =
            Context::from_pairs(said).map_err(|error| PolicyError::new("the context of a call", error))?;
        let action = self.builtin.vocabulary.action(action)?.clone();
        Request::new(self.who.clone(), action, self.what.clone(), context, None)
            .map_err(|error| PolicyError::new("a call", error))
    }

    fn why_not(&self, action: Action, now: Timestamp, forbidding: &[&DecisionBasis]) -> DenyReason {
        let forbidden = forbidding.iter().filter_map(|basis| match basis.rule {
            Rule::Builtin(name) => Some(name),
            Rule::Grant(_) | Rule::Role(_) => None,
        });
        if let Some(name) = forbidden.min() {
            return DenyReason::Forbidden(name);
        }
        let for_this = || self.grants.iter().filter(|grant| grant.operations.contains(&action));
        let unmet = for_this().filter(|grant| grant.counts_at(now)).map(|grant| grant.id).min();
        let ended = for_this().map(|grant| grant.id).min();
        unmet
            .map(DenyReason::ConditionsUnmet)
            .or_else(|| ended.map(DenyReason::GrantEnded))
            .unwrap_or(DenyReason::NoRule)
    }

    /// May the caller not know that the target is there?
    fn hides(&self, now: Timestamp) -> bool {
        let known_by_grant = || self.grants.iter().any(|grant| grant.counts_at(now));
        match self.kind {
            TargetKind::System => false,
            TargetKind::Key => !known_by_grant() && !self.reads(Action::ReadKey, now),
            TargetKind::Ring => !known_by_grant() && !self.reads(Action::ReadRing, now),
            TargetKind::Principal => {
                self.target != Mark::NewPrincipal
                    && self.target != Mark::Principal(self.principal.id)
                    && !self.reads_lists(Action::ReadPrincipal, now)
            }
            TargetKind::Grant => !self.reads_lists(Action::ReadGrant, now),
        }
    }

    fn reads(&self, action: Action, now: Timestamp) -> bool {
        matches!(self.ask(action, &RequestContext::at(now), None), Verdict::Permitted(_))
    }

    /// Principals and grants are read by asking the system for them.
    fn reads_lists(&self, action: Action, now: Timestamp) -> bool {
        Self::build(&self.builtin, &self.principal, &Target::System, &[])
            .is_ok_and(|system| system.reads(action, now))
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slice")
            .field("principal", &self.principal.id)
            .field("target", &self.kind)
            .finish_non_exhaustive()
    }
}

fn add(
    policies: &mut PolicySet,
    bases: &mut HashMap<PolicyId, DecisionBasis>,
    policy: cedar_policy::Policy,
    basis: DecisionBasis,
) -> Result<(), PolicyError> {
    bases.insert(policy.id().clone(), basis);
    policies.add(policy).map_err(|error| PolicyError::new("a set of policies", error))
}

fn bears_on(grant: &Grant, principal: &Principal, target: &Target) -> bool {
    let selected = match grant.selector {
        Selector::Key(id) => target.key_id() == Some(id),
        Selector::Ring(id) => target.ring_id() == Some(id),
    };
    // Nothing is granted to a part of the system, and people administer by their roles, never by grants.
    let may_hold = match principal.kind {
        PrincipalKind::Human => grant.operations.iter().all(|action| action.is_grantable()),
        PrincipalKind::System => false,
        PrincipalKind::Workload => true,
    };
    may_hold && grant.principal == principal.id && selected && grant.status == Status::Active
}

fn given(grant: &Grant) -> Given {
    Given { id: grant.id, operations: grant.operations.clone(), until: grant.conditions.until }
}

fn pair(name: &str, value: &str) -> Result<RestrictedExpression, PolicyError> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    RestrictedExpression::new_record([("name".to_owned(), text(name)), ("value".to_owned(), text(value))])
        .map_err(|error| PolicyError::new("a pair of the encryption context", error))
}

/// The basis to name when several permit: one that can be kept, for as long as can be; the lowest identifier at last.
fn best<'a>(bases: &[&'a DecisionBasis]) -> Option<&'a DecisionBasis> {
    let rank = |basis: &DecisionBasis| {
        let until = basis.until.map_or(u64::MAX, Timestamp::as_micros);
        let id = match basis.rule {
            Rule::Grant(id) => *id.as_bytes(),
            Rule::Role(_) | Rule::Builtin(_) => [0; 16],
        };
        (!basis.unconditional, u64::MAX - until, id, basis.digest)
    };
    bases.iter().copied().min_by_key(|basis| rank(basis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::Policy;

    fn slice() -> Slice {
        let principal = Principal {
            revision: 1,
            ..Principal::new(
                PrincipalId::from_bytes([1; 16]),
                "orders".parse().unwrap(),
                PrincipalKind::Workload,
                Timestamp::default(),
            )
        };
        Slice::build(&Arc::new(Builtin::open().unwrap()), &principal, &Target::System, &[]).unwrap()
    }

    /// Cedar passes over a policy that fails and decides by the others: here it would permit.
    #[test]
    fn policy_that_cannot_be_evaluated_denies() {
        let mut slice = slice();
        let now = RequestContext::at(Timestamp::default());
        assert!(matches!(slice.ask(Action::Random, &now, None), Verdict::Permitted(_)));
        let failing = "forbid (principal, action, resource) when { resource.nothing };";
        slice.policies.add(Policy::parse(Some(PolicyId::new("failing")), failing).unwrap()).unwrap();
        let question = slice.question(Action::Random, &now, None).unwrap();
        let answer = slice.builtin.engine.is_authorized(&question, &slice.policies, &slice.entities);
        assert_eq!(answer.decision(), Answer::Allow);
        assert!(matches!(slice.ask(Action::Random, &now, None), Verdict::Denied(DenyReason::Unsound)));
    }

    /// A slice that does not know which rule permitted has no permit to give.
    #[test]
    fn policy_of_unknown_basis_gives_no_permit() {
        let mut slice = slice();
        slice.bases.clear();
        let now = RequestContext::at(Timestamp::default());
        let Verdict::Permitted(bases) = slice.ask(Action::Random, &now, None) else { panic!("permitted") };
        assert!(best(&bases).is_none());
    }
}
