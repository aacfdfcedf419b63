//! USE-03: who administers keys neither uses them nor administers the log.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Object, OpenGrant};
use claviger_core::key::Separation;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::{Action, GrantId, PrincipalId, Timestamp};

use super::grants::{Force, Index, covers, in_force, is_active};
use super::is_unreadable;
use crate::check::rules::{Rules, administers, uses};
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Setting, Subject};

const PERSONS: &str = "persons behind accounts";

pub(super) struct SeparatedDuties {
    ledger: Ledger,
    index: Index,
    administrators: BTreeSet<Role>,
    auditors: BTreeSet<Role>,
    /// Grants that administer, by their holders.
    administering: BTreeMap<PrincipalId, BTreeSet<GrantId>>,
    /// People.
    people: BTreeSet<PrincipalId>,
    ends: BTreeSet<(Timestamp, GrantId)>,
}

/// What an account may do, as far as duties conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Duties {
    administers: bool,
    audits: bool,
    uses: bool,
}

impl Duties {
    /// Would these two conflict in one person's hands?
    const fn conflict_with(self, other: Self) -> bool {
        self.administers && (other.audits || other.uses) || other.administers && (self.audits || self.uses)
    }
}

impl SeparatedDuties {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let rules = Rules::read();
        Self {
            ledger: setting.ledger(),
            index: Index::default(),
            administrators: rules.roles_that(administers),
            auditors: rules
                .roles_that(|action| matches!(action, Action::ExportAudit | Action::DiscloseAudit)),
            administering: BTreeMap::new(),
            people: BTreeSet::new(),
            ends: BTreeSet::new(),
        }
    }

    fn duties_by_role(&self, id: PrincipalId, estate: &Estate) -> Duties {
        let principal = estate.principals.get(&id).filter(|principal| principal.status == Status::Active);
        let holds = |roles: &BTreeSet<Role>| {
            principal.is_some_and(|principal| principal.roles.iter().any(|role| roles.contains(role)))
        };
        Duties { administers: holds(&self.administrators), audits: holds(&self.auditors), uses: false }
    }

    /// A grant of the principal in force that uses keys, if it has one.
    fn use_of(&self, id: PrincipalId, at: Timestamp, estate: &Estate) -> Option<GrantId> {
        self.index.of(id).find(|grant| {
            let is_use = |row: &OpenGrant| row.operations.iter().any(|action| uses(*action));
            estate.grants.get(grant).is_some_and(is_use) && in_force(estate, *grant, at).is_on()
        })
    }

    fn judge(&mut self, id: PrincipalId, at: Timestamp, estate: &Estate) {
        let Some(principal) = estate.principals.get(&id) else { return };
        if principal.status == Status::Revoked || principal.kind == PrincipalKind::System {
            self.ledger.judge(Object::Principal(id), at, Judgement::OutOfScope);
            return;
        }
        let because = self.conflict(id, at, estate);
        self.ledger.judge(Object::Principal(id), at, Judgement::of(because));
    }

    fn conflict(&self, id: PrincipalId, at: Timestamp, estate: &Estate) -> Option<String> {
        let duties = self.duties_by_role(id, estate);
        if duties.administers && duties.audits {
            return Some("it administers keys and the log".to_owned());
        }
        if duties.administers
            && let Some(grant) = self.use_of(id, at, estate)
        {
            return Some(format!("it administers keys by its role, and uses some by grant {grant}"));
        }
        let administering = self.administering.get(&id)?;
        let in_force = |grant: &GrantId| in_force(estate, *grant, at).is_on();
        let administering: Vec<_> = administering.iter().filter(|grant| in_force(grant)).collect();
        if administering.is_empty() {
            return None;
        }
        if duties.audits {
            return Some("it administers the log by its role, and keys by a grant".to_owned());
        }
        let using = self.index.of(id).filter(|id| {
            let is_use = |row: &OpenGrant| row.operations.iter().any(|action| uses(*action));
            estate.grants.get(id).is_some_and(is_use) && in_force(id)
        });
        for used in using {
            let of_one_key = |grant: &&&GrantId| match (estate.grants.get(**grant), estate.grants.get(&used))
            {
                (Some(one), Some(other)) => overlap(estate, one, other),
                _ => false,
            };
            if let Some(administered) = administering.iter().find(of_one_key) {
                return Some(format!("it administers by grant {administered} what it uses by grant {used}"));
            }
        }
        None
    }

    /// Which two accounts one person must not have, nobody can tell.
    fn judge_persons(&mut self, at: Timestamp, estate: &Estate) {
        // Two accounts with the same duties stand for all that have them.
        let mut duties: Vec<Duties> = Vec::new();
        for id in self.people.iter().filter(|id| is_active(estate, **id)) {
            let uses = self.use_of(*id, at, estate).is_some();
            let of_person = Duties { uses, ..self.duties_by_role(*id, estate) };
            if duties.iter().filter(|known| **known == of_person).count() < 2 {
                duties.push(of_person);
            }
        }
        let mut pairs = (1_usize..)
            .zip(&duties)
            .flat_map(|(next, one)| duties.iter().skip(next).map(move |other| (*one, *other)));
        let is_open = pairs.any(|(one, other)| one.conflict_with(other));
        let judgement = if is_open {
            Judgement::unknown(
                "two accounts of people would conflict in one person's hands, and which person has an account is not kept",
            )
        } else {
            Judgement::OutOfScope
        };
        self.ledger.judge(Subject::named(PERSONS), at, judgement);
    }

    fn judge_holders(&mut self, grants: &BTreeSet<GrantId>, at: Timestamp, estate: &Estate) {
        let mut holders = BTreeSet::new();
        for id in grants {
            let Some(grant) = estate.grants.get(id) else { continue };
            if let Force::Until(Some(until)) = in_force(estate, *id, at) {
                self.ends.insert((until, *id));
            }
            holders.insert(grant.principal);
        }
        for holder in &holders {
            self.judge(*holder, at, estate);
        }
        if holders.iter().any(|holder| self.people.contains(holder)) {
            self.judge_persons(at, estate);
        }
    }

    fn pass(&mut self, until: Timestamp, estate: &Estate) {
        while let Some((at, id)) = self.ends.first().copied().filter(|(at, _)| *at <= until) {
            self.ends.remove(&(at, id));
            self.judge_holders(&BTreeSet::from([id]), at, estate);
        }
    }
}

/// Is there a key that both cover?
fn overlap(estate: &Estate, one: &OpenGrant, other: &OpenGrant) -> bool {
    match (one.key, other.key) {
        (Some(key), _) => covers(estate, other, key),
        (None, Some(key)) => covers(estate, one, key),
        (None, None) => one.ring == other.ring,
    }
}

impl Check for SeparatedDuties {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.pass(event.at, estate);
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Grant(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Grant(id) => {
                let Some(grant) = estate.grants.get(&id) else { return };
                self.index.take(id, grant);
                if grant.operations.iter().any(|action| administers(*action)) {
                    self.administering.entry(grant.principal).or_default().insert(id);
                }
            }
            Object::Principal(id) => {
                let Some(principal) = estate.principals.get(&id) else { return };
                self.judge(id, event.at, estate);
                if principal.kind == PrincipalKind::Human {
                    self.people.insert(id);
                    self.judge_persons(event.at, estate);
                }
            }
            _ => return,
        }
        let affected = self.index.affected_by(object);
        self.judge_holders(&affected, event.at, estate);
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        self.pass(end.setting.as_of(), end.estate);
        let rings = end.estate.rings.values();
        let relaxed = rings.filter(|ring| ring.policy.separation == Separation::Relaxed).count();
        let outcome = Outcome::of(self.ledger, "nobody both administers a key and uses it or the log")
            .figure("relaxed_rings", u64::try_from(relaxed).unwrap_or(u64::MAX))
            .note("administering the log is taken to be exporting or disclosing it: nobody can change it, and nobody else decides what is shown of it")
            .note("nobody administers evaluations, and nobody approves what another asks for: this release has neither");
        let mut assets = end.estate.assets.values();
        if assets.any(|asset| Class::from(asset.class) == Class::Restricted) {
            outcome.needs("ATT-DATA-ADMINS")
        } else {
            outcome
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duties_conflict_both_ways() {
        let administers = Duties { administers: true, ..Duties::default() };
        let audits = Duties { audits: true, ..Duties::default() };
        let uses = Duties { uses: true, ..Duties::default() };
        for (one, other) in [(administers, audits), (administers, uses)] {
            assert!(one.conflict_with(other) && other.conflict_with(one));
        }
        assert!(!audits.conflict_with(uses) && !administers.conflict_with(administers));
    }
}
