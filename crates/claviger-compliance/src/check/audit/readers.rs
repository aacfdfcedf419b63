//! AUD-06: who reads the log, and what they must not have beside.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Object, OpenPrincipal};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::principal::{Role, Status};
use claviger_core::{GrantId, PrincipalId, Timestamp};

use super::not_known;
use crate::check::common::is_unreadable;
use crate::check::rules::{Rules, administers};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting};

/// What is done to read the log, and to hand it on under a signature.
const READS: [Op; 5] = [Op::ReadAudit, Op::ExportAudit, Op::SearchAudit, Op::DiscloseAudit, Op::SignEvidence];

pub(super) struct LogReaders {
    ledger: Ledger,
    period: Period,
    allowed: BTreeSet<Role>,
    /// The roles to which the policy of this release gives the log to read.
    reading: BTreeSet<Role>,
    rules: Rules,
    /// Grants to administer keys, by who holds them.
    administering: BTreeMap<PrincipalId, BTreeSet<GrantId>>,
    reads: BTreeMap<Op, u64>,
    refused: u64,
}

impl LogReaders {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let allowed = setting.text("audit_reader_roles");
        let rules = Rules::read();
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            allowed: allowed.split(", ").filter_map(|role| role.parse().ok()).collect(),
            reading: rules.roles_that(|action| READS.contains(&action.into())),
            rules,
            administering: BTreeMap::new(),
            reads: BTreeMap::new(),
            refused: 0,
        }
    }

    fn judge(&mut self, id: PrincipalId, at: Timestamp, estate: &Estate) {
        let Some(principal) = estate.principals.get(&id) else { return };
        let reads = principal.roles.iter().any(|role| self.reading.contains(role));
        let judgement = if reads && principal.status == Status::Active {
            Judgement::of(self.conflict(id, principal, at, estate))
        } else {
            Judgement::OutOfScope
        };
        self.ledger.judge(Object::Principal(id), at, judgement);
    }

    /// What one who reads the log must not have beside.
    fn conflict(
        &self,
        id: PrincipalId,
        principal: &OpenPrincipal,
        at: Timestamp,
        estate: &Estate,
    ) -> Option<String> {
        if let Some(role) = principal.roles.iter().find(|role| !self.allowed.contains(role)) {
            return Some(format!("it reads the log, and holds role {role}"));
        }
        let mut grants = self.administering.get(&id)?.iter();
        let grant = grants.find(|grant| {
            estate.grants.get(*grant).is_some_and(|grant| {
                grant.status == Status::Active && grant.until.is_none_or(|until| until > at)
            })
        })?;
        Some(format!("it reads the log, and administers keys by grant {grant}"))
    }
}

impl Check for LogReaders {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let op = event.entry.op;
        if READS.contains(&op) && self.period.holds(event.at) {
            if event.entry.out == Ended::Ok {
                *self.reads.entry(op).or_default() += 1;
            } else {
                self.refused += 1;
            }
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Grant(_) | Object::Node(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Principal(id) => self.judge(id, event.at, estate),
            Object::Grant(id) => {
                let Some(grant) = estate.grants.get(&id) else { return };
                if grant.operations.iter().any(|action| administers(*action)) {
                    self.administering.entry(grant.principal).or_default().insert(id);
                    self.judge(grant.principal, event.at, estate);
                }
            }
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                let judgement = if self.rules.are_those_of(&node.policy) {
                    Judgement::Holds
                } else {
                    Judgement::unknown(
                        "it decides by another built-in policy than that of this release: who reads the log by that is not known here",
                    )
                };
                self.ledger.judge(object, event.at, judgement);
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let holders: Vec<_> = self.administering.keys().copied().collect();
        for holder in holders {
            self.judge(holder, to, end.estate);
        }
        if end.estate.nodes.is_empty() && !end.estate.principals.is_empty() {
            let why = "no node has said by which policy it decides";
            not_known(&mut self.ledger, "policy", to, why);
        }
        let mut outcome = Outcome::of(self.ledger, "only who should reads the log, and nobody can change it")
            .figure("reads_refused", self.refused)
            .note("no action changes, deletes or shortens the log, so that nobody can be given it; whoever has the machine can, and is found out by AUD-03")
            .note("reads and exports are calls like any other, recorded before they are answered; a copy of the store that is taken on the machine is not a call")
            .note("nobody is given the log by a grant: it is read by role alone");
        for op in READS {
            let number = self.reads.get(&op).copied().unwrap_or_default();
            outcome = outcome.figure(&format!("entries_{op}"), number);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_is_read_by_the_roles_that_the_policy_names() {
        let readers = Rules::read().roles_that(|action| READS.contains(&action.into()));
        assert_eq!(readers, BTreeSet::from([Role::Auditor, Role::Responder, Role::SecurityOfficer]));
    }
}
