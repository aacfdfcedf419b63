//! USE-01: each use of a key held against the grant or the rule by which the service says that it was permitted.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::Outcome as Ended;
use claviger_audit::fact::Object;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::{Action, KeyId, PrincipalId};

use super::grants::{Found, Index};
use super::is_unreadable;
use crate::check::rules::{Rules, uses};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) struct GrantedUses {
    ledger: Ledger,
    period: Period,
    rules: Rules,
    index: Index,
    holders: BTreeMap<Role, BTreeSet<PrincipalId>>,
    /// Keys that something was done with in the period.
    seen: BTreeSet<KeyId>,
    /// Have facts begun? What lies before them was done under rights that are not known.
    has_facts: bool,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    replayed: u64,
    by_grant: u64,
    by_rule: u64,
    conditional: u64,
    unknown: u64,
    unmatched: u64,
    before_facts: u64,
    denied: u64,
}

impl GrantedUses {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            rules: Rules::read(),
            index: Index::default(),
            holders: BTreeMap::new(),
            seen: BTreeSet::new(),
            has_facts: false,
            counts: Counts::default(),
        }
    }

    fn replay(&mut self, key: KeyId, action: Action, event: &Event<'_>, estate: &Estate) {
        if !self.has_facts {
            self.counts.before_facts += 1;
            return;
        }
        self.counts.replayed += 1;
        let because = self.unmatched(key, action, event, estate);
        if because.is_some() {
            self.counts.unmatched += 1;
        } else if !self.seen.insert(key) {
            return;
        }
        self.ledger.happened(Object::Key(key), event.at, event.index, because);
    }

    /// Why the operation matches nothing that permits it.
    fn unmatched(
        &mut self,
        key: KeyId,
        action: Action,
        event: &Event<'_>,
        estate: &Estate,
    ) -> Option<String> {
        let Some(digest) = event.entry.pol else {
            return Some(format!("`{action}` was done, and its entry names nothing that permits it"));
        };
        // Which rights are among those that do not read, nothing tells.
        let reads = estate.unreadable.is_empty();
        let acts = permitted_as(action);
        let acts = if acts.is_empty() { std::slice::from_ref(&action) } else { acts };
        if let Some(rule) = self.rules.find(digest) {
            let is_listed = rule.actions.iter().any(|listed| acts.contains(listed));
            let is_held = match (rule.role, rule.kind) {
                (Some(role), _) => self.holders.get(&role).is_some_and(|holders| !holders.is_empty()),
                // The house has no session.
                (None, Some(PrincipalKind::System)) => event.entry.ses.is_none(),
                (None, _) => true,
            };
            if is_listed && is_held {
                self.counts.by_rule += 1;
                return None;
            }
            if is_listed && !reads {
                self.counts.unknown += 1;
                return None;
            }
            return Some(if is_listed {
                format!("`{action}` was done by a rule that was for nobody then")
            } else {
                format!("`{action}` was done by a rule that does not give it")
            });
        }
        match self.index.find(estate, digest, (acts, key), event.at) {
            Found::Named(_) => {
                self.counts.by_grant += 1;
                None
            }
            Found::Conditional => {
                self.counts.conditional += 1;
                None
            }
            Found::NotInForce(_) | Found::Nothing if !reads => {
                self.counts.unknown += 1;
                None
            }
            Found::NotInForce(id) => {
                Some(format!("`{action}` was done by grant {id}, which did not give it then"))
            }
            Found::Nothing if !uses(action) && !self.knows_policy(estate) => {
                self.counts.unknown += 1;
                None
            }
            Found::Nothing => Some(format!("`{action}` was done, and no grant was in force that gives it")),
        }
    }

    /// Do all nodes decide by the policy that this release knows?
    fn knows_policy(&self, estate: &Estate) -> bool {
        !estate.nodes.is_empty() && estate.nodes.values().all(|node| self.rules.are_those_of(&node.policy))
    }
}

/// What the permit of an act may have been for, where it may be part of another act; nothing where it stands for itself alone.
const fn permitted_as(action: Action) -> &'static [Action] {
    match action {
        Action::CreateGrant => &[Action::CreateGrant, Action::OpenBreakGlass],
        Action::DelegateGrant => &[Action::DelegateGrant, Action::PutKeyPolicy],
        Action::RevokeGrant => {
            &[Action::RevokeGrant, Action::CloseBreakGlass, Action::CloseReview, Action::ReviewBreakGlass]
        }
        Action::WithdrawDelegatedGrant => &[Action::WithdrawDelegatedGrant, Action::PutKeyPolicy],
        _ => &[],
    }
}

impl Check for GrantedUses {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let entry = event.entry;
        if self.period.holds(event.at) {
            match (entry.op.action(), entry.out, entry.key) {
                (Some(action), Ended::Ok, Some(key)) => {
                    self.replay(KeyId::from_bytes(key), action, event, estate);
                }
                (Some(_), Ended::Denied, _) => self.counts.denied += 1,
                _ => {}
            }
        }
        self.has_facts |= !event.facts.is_empty();
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Grant(_) | Object::Key(_) | Object::Node(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Grant(id) => {
                let Some(grant) = estate.grants.get(&id) else { return };
                self.index.take(id, grant);
                let judgement = match (grant.status, grant.key, grant.ring) {
                    (Status::Revoked, ..) => Judgement::OutOfScope,
                    (Status::Active, None, None) => Judgement::violated("it is on neither a key nor a ring"),
                    (Status::Active, ..) => Judgement::Holds,
                };
                self.ledger.judge(object, event.at, judgement);
            }
            Object::Principal(id) => {
                let principal = estate.principals.get(&id);
                let roles = principal.filter(|principal| principal.status == Status::Active);
                let roles = roles.map(|principal| principal.roles.as_slice()).unwrap_or_default();
                for holders in self.holders.values_mut() {
                    holders.remove(&id);
                }
                for role in roles {
                    self.holders.entry(*role).or_default().insert(id);
                }
            }
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                let judgement = if self.rules.are_those_of(&node.policy) {
                    Judgement::Holds
                } else {
                    Judgement::unknown(
                        "it decides by another built-in policy than that of this release: what that permits is not known here",
                    )
                };
                self.ledger.judge(object, event.at, judgement);
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        for (id, grant) in &end.estate.grants {
            if let Some(until) = grant.until.filter(|until| *until <= to && grant.status == Status::Active) {
                self.ledger.judge(Object::Grant(*id), until, Judgement::OutOfScope);
            }
        }
        if self.counts.unknown > 0 {
            let why = format!(
                "{} operations of the period name what permits them, and it is not known here: a rule of another built-in policy, or rights whose facts do not read",
                self.counts.unknown
            );
            self.ledger.judge(Subject::named("operations by unknown rights"), to, Judgement::unknown(why));
        }
        let counts = self.counts;
        Outcome::of(self.ledger, "every operation on a key matches a grant or a rule that was in force")
            .figure("operations_replayed", counts.replayed)
            .figure("operations_matched_by_grant", counts.by_grant)
            .figure("operations_matched_by_rule", counts.by_rule)
            .figure("operations_matched_by_conditional_grant", counts.conditional)
            .figure("operations_by_unknown_rights", counts.unknown)
            .figure("operations_unmatched", counts.unmatched)
            .figure("operations_before_facts", counts.before_facts)
            .figure("calls_denied", counts.denied)
            .note("an entry names the statement that permitted it by a digest; that the caller was its holder is sealed, and is shown by a disclosure")
            .note("what a grant asks of context and network is sealed: where an entry names such a grant, it was held that one was in force for the key and the operation; that its conditions were met is the word of the service")
            .note("each grant is to one principal, on one key or one ring; there is none to everybody, and none to callers without a proof")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_that_are_part_of_others_can_stand_for_themselves() {
        for action in Action::ALL {
            let acts = permitted_as(action);
            assert!(acts.is_empty() || acts.first() == Some(&action), "{action}");
            assert!(acts.is_empty() || !uses(action), "{action}");
        }
    }
}
