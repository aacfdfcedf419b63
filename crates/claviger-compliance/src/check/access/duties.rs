//! USE-03: who administers keys neither uses them nor administers the log, and nobody approves what they ask for: no person does, by
//! whatever accounts.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Object, OpenGrant};
use claviger_core::key::Separation;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::{Action, ApprovalId, GrantId, PrincipalId, Timestamp};

use super::grants::{Force, Index, covers, in_force};
use super::is_unreadable;
use crate::check::common::count;
use crate::check::rules::{Rules, administers, uses};
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Setting};

pub(super) struct SeparatedDuties {
    ledger: Ledger,
    index: Index,
    administrators: BTreeSet<Role>,
    auditors: BTreeSet<Role>,
    /// Grants that administer, by their holders.
    administering: BTreeMap<PrincipalId, BTreeSet<GrantId>>,
    /// The accounts of each person, by the one that stood for them first.
    accounts: BTreeMap<PrincipalId, BTreeSet<PrincipalId>>,
    ends: BTreeSet<(Timestamp, GrantId)>,
}

/// What a person may do by the roles of some accounts, as far as duties conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Duties {
    administers: bool,
    audits: bool,
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
            accounts: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }

    fn duties_by_role(&self, accounts: &BTreeSet<PrincipalId>, estate: &Estate) -> Duties {
        let mut duties = Duties::default();
        for principal in accounts.iter().filter_map(|id| estate.principals.get(id)) {
            if principal.status == Status::Active {
                let holds = |roles: &BTreeSet<Role>| principal.roles.iter().any(|role| roles.contains(role));
                duties.administers |= holds(&self.administrators);
                duties.audits |= holds(&self.auditors);
            }
        }
        duties
    }

    /// The grants of the accounts that are in force and use keys.
    fn uses_of(
        &self,
        accounts: &BTreeSet<PrincipalId>,
        at: Timestamp,
        estate: &Estate,
    ) -> impl Iterator<Item = GrantId> {
        let is_use = move |grant: &GrantId| {
            let is_use = |row: &OpenGrant| row.operations.iter().any(|action| uses(*action));
            estate.grants.get(grant).is_some_and(is_use) && in_force(estate, *grant, at).is_on()
        };
        accounts.iter().flat_map(move |id| self.index.of(*id)).filter(is_use)
    }

    /// Judges a principal with all other accounts of the same person: each of them is in what they do together.
    fn judge(&mut self, id: PrincipalId, at: Timestamp, estate: &Estate) {
        let person = estate.person_of(id);
        let accounts = self.accounts.entry(person).or_default();
        accounts.insert(id);
        let accounts = accounts.clone();
        let conflict = self.conflict(&accounts, at, estate);
        for id in accounts {
            let Some(principal) = estate.principals.get(&id) else { continue };
            let is_out = principal.status == Status::Revoked || principal.kind == PrincipalKind::System;
            let judgement = if is_out { Judgement::OutOfScope } else { Judgement::of(conflict.clone()) };
            self.ledger.judge(Object::Principal(id), at, judgement);
        }
    }

    fn conflict(&self, accounts: &BTreeSet<PrincipalId>, at: Timestamp, estate: &Estate) -> Option<String> {
        let it = if accounts.len() > 1 { "its person, by all accounts," } else { "it" };
        let duties = self.duties_by_role(accounts, estate);
        if duties.administers && duties.audits {
            return Some(format!("{it} administers keys and the log"));
        }
        if duties.administers
            && let Some(grant) = self.uses_of(accounts, at, estate).next()
        {
            return Some(format!("{it} administers keys by a role, and uses some by grant {grant}"));
        }
        let administering = accounts.iter().filter_map(|id| self.administering.get(id)).flatten();
        let administering: Vec<_> =
            administering.filter(|grant| in_force(estate, **grant, at).is_on()).collect();
        if administering.is_empty() {
            return None;
        }
        if duties.audits {
            return Some(format!("{it} administers the log by a role, and keys by a grant"));
        }
        for used in self.uses_of(accounts, at, estate) {
            let of_one_key = |grant: &&&GrantId| match (estate.grants.get(**grant), estate.grants.get(&used))
            {
                (Some(one), Some(other)) => overlap(estate, one, other),
                _ => false,
            };
            if let Some(administered) = administering.iter().find(of_one_key) {
                return Some(format!(
                    "{it} administers by grant {administered} what is used by grant {used}"
                ));
            }
        }
        None
    }

    /// Judges what somebody asked for, for as long as it can be done: nobody who asks is among those who approve.
    fn judge_approval(&mut self, id: ApprovalId, event: &Event<'_>, estate: &Estate) {
        let Some(approval) = estate.approvals.get(&id) else { return };
        let asks = estate.person_of(approval.requester);
        let own = approval.decisions.iter().find(|decided| estate.person_of(decided.by) == asks);
        let because = own.map(|decided| format!("principal {} asked for it and decided on it", decided.by));
        let subject = Object::Approval(id);
        if because.is_some() {
            self.ledger.happened(subject, event.at, event.index, because.clone());
        }
        let judgement = if approval.ended.is_some() { Judgement::OutOfScope } else { Judgement::of(because) };
        self.ledger.judge_by(subject.into(), event.at, judgement, Some(event.index));
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
            Object::Approval(_) | Object::Grant(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Approval(id) => self.judge_approval(id, event, estate),
            Object::Grant(id) => {
                let Some(grant) = estate.grants.get(&id) else { return };
                self.index.take(id, grant);
                if grant.operations.iter().any(|action| administers(*action)) {
                    self.administering.entry(grant.principal).or_default().insert(id);
                }
            }
            Object::Principal(id) => {
                if estate.principals.contains_key(&id) {
                    self.judge(id, event.at, estate);
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
        let several = self.accounts.values().filter(|accounts| accounts.len() > 1).count();
        let outcome = Outcome::of(
            self.ledger,
            "nobody both administers a key and uses it or the log, and nobody decides on what they ask for",
        )
        .figure("persons_with_several_accounts", count(several))
        .figure("relaxed_rings", count(relaxed))
        .note("administering the log is taken to be exporting or disclosing it: nobody can change it, and nobody else decides what is shown of it")
        .note("two accounts are two persons unless one was entered as another account of the same: that is the word of whoever entered them")
        .note("nobody administers evaluations: they are a function of the log");
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
    use claviger_audit::Op;
    use claviger_audit::fact::{OpenPrincipal, OpenRow};
    use claviger_core::approval::Verdict;
    use claviger_core::grant::{Basis, GrantOrigin};

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{ADA, ANNA, CUSTODIANS, KEY, OTTO, Story, at, human, person, principal};

    /// Who was there from the start.
    const PEOPLE: u64 = 6;

    fn story() -> Story {
        Story::of("USE-03")
    }

    fn grant(to: PrincipalId) -> (Object, OpenRow) {
        let row = OpenGrant {
            principal: to,
            key: Some(KEY),
            ring: None,
            operations: vec![Action::Decrypt],
            is_conditional: false,
            until: Some(at(500)),
            created_by: OTTO,
            created_at: at(1),
            basis: Basis::Role,
            origin: GrantOrigin::Direct,
            status: Status::Active,
            ended_by: None,
            ended_at: None,
        };
        (Object::Grant(GrantId::from_bytes([60; 16])), OpenRow::Grant(row))
    }

    #[test]
    fn people_with_one_duty_each_are_apart() {
        let mut story = story();
        story.act(Op::CreateGrant, None, vec![grant(ANNA)]);
        let told = story.told(Mode::Period);
        told.holds_of(PEOPLE);
        assert_eq!(told.figures["persons_with_several_accounts"], 0);
    }

    #[test]
    fn two_accounts_of_one_person_have_one_persons_duties() {
        let again = |of: PrincipalId, roles: &[Role]| {
            principal(person(61), OpenPrincipal { same_person_as: Some(of), ..human(roles) })
        };
        for (row, more) in [
            (again(ADA, &[Role::Auditor]), vec![]),
            (again(ADA, &[]), vec![grant(person(61))]),
            (again(ANNA, &[Role::Administrator]), vec![grant(ANNA)]),
        ] {
            let mut story = story();
            story.act(Op::CreatePrincipal, None, vec![row]);
            story.act(Op::CreateGrant, None, more);
            let told = story.told(Mode::Period);
            assert_eq!(told.violations.len(), 2, "{told:?}");
            assert!(told.violations.iter().all(|one| one.contains("its person, by all accounts")));
        }
        // Of other persons, the same is none.
        let mut story = story();
        story.act(Op::CreatePrincipal, None, vec![principal(person(61), human(&[Role::Auditor]))]);
        story.told(Mode::State).holds_of(PEOPLE + 1);
    }

    #[test]
    fn an_account_that_is_revoked_has_no_duties_any_more() {
        let mut story = story();
        let again = OpenPrincipal { same_person_as: Some(ADA), ..human(&[Role::Auditor]) };
        let revoked = OpenPrincipal { status: Status::Revoked, ..again.clone() };
        story.act(Op::CreatePrincipal, None, vec![principal(person(61), again)]);
        story.wait(1);
        story.act(Op::RevokePrincipal, None, vec![principal(person(61), revoked)]);
        story.wait(1);
        story.act(Op::CreateGrant, None, vec![grant(ANNA)]);
        story.told(Mode::State).holds_of(PEOPLE);
    }

    #[test]
    fn who_asks_and_decides_is_named_and_others_are_not() {
        let decided = |by: PrincipalId| {
            let mut story = story();
            let again = OpenPrincipal { same_person_as: Some(ADA), ..human(&[]) };
            let card = story.certificate(ANNA);
            story.act(Op::CreatePrincipal, None, vec![principal(ANNA, again), card]);
            let id = story.ask(story.asked(ADA, Action::ScheduleDestroy, true, &[Object::Key(KEY)]));
            let decided = story.decision(id, by, Verdict::Approve);
            story.decide(id, decided);
            let done = story.executed(id);
            story.act(Op::ScheduleDestroy, Some(KEY), vec![done]);
            story
        };
        decided(CUSTODIANS[0]).told(Mode::Period).holds_of(PEOPLE + 1);
        decided(ANNA).told(Mode::Period).is_violated("asked for it and decided on it");
        decided(ADA).told(Mode::Period).is_violated("asked for it and decided on it");
        // What is over is of the period.
        decided(ADA).told(Mode::State).holds_of(PEOPLE);
    }
}
