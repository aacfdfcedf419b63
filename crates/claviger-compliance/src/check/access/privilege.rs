//! USE-02: how many can administer a key, which people may read what is restricted, and which grants outlive their need.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::fact::{Object, OpenGrant};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::action::Effect;
use claviger_core::grant::GrantOrigin;
use claviger_core::key::State;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::{GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};

use super::grants::{Force, Index, in_force};
use super::is_unreadable;
use crate::check::rules::{Rules, administers};
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Setting};

pub(super) struct LeastPrivilege {
    ledger: Ledger,
    index: Index,
    /// Roles whose holders administer all keys.
    administrators: BTreeSet<Role>,
    /// Who holds one.
    by_role: BTreeSet<PrincipalId>,
    /// Grants that let their holder administer, or a person process.
    on_key: BTreeMap<KeyId, BTreeSet<GrantId>>,
    on_ring: BTreeMap<KeyRingId, BTreeSet<GrantId>>,
    /// When grants end by themselves.
    ends: BTreeSet<(Timestamp, GrantId)>,
    /// When grants were last used.
    used: BTreeMap<GrantId, Timestamp>,
    most_administrators: u64,
    most_people: u64,
    unused: Duration,
    longest: Duration,
}

impl LeastPrivilege {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            index: Index::default(),
            administrators: Rules::read().roles_that(administers),
            by_role: BTreeSet::new(),
            on_key: BTreeMap::new(),
            on_ring: BTreeMap::new(),
            ends: BTreeSet::new(),
            used: BTreeMap::new(),
            most_administrators: setting.number("max_admins_per_key"),
            most_people: setting.number("max_humans_with_process"),
            unused: setting.days("grant_unused_days"),
            longest: setting.days("human_grant_ttl_days"),
        }
    }

    fn take(&mut self, id: GrantId, event: &Event<'_>, estate: &Estate) {
        let Some(grant) = estate.grants.get(&id) else { return };
        self.index.take(id, grant);
        if event.entry.op == Op::RecordState {
            // What its uses were before there were facts, nothing tells.
            self.used.entry(id).or_insert(event.at);
        }
        if !bears_on_keys(grant, estate) {
            return;
        }
        if let Some(key) = grant.key {
            self.on_key.entry(key).or_default().insert(id);
        } else if let Some(ring) = grant.ring {
            self.on_ring.entry(ring).or_default().insert(id);
        }
    }

    fn judge_grant(&mut self, id: GrantId, at: Timestamp, estate: &Estate) {
        let Some(grant) = estate.grants.get(&id) else { return };
        let last = self.used.get(&id).copied().unwrap_or(grant.created_at).max(grant.created_at);
        let judgement = match in_force(estate, id, at) {
            Force::Ended => Judgement::OutOfScope,
            Force::Until(until) => {
                self.ends.extend(until.map(|until| (until, id)));
                self.judgement(grant, until, last, estate)
            }
        };
        // What was used since it was last judged was not unused until now.
        if matches!(self.ledger.find(&Object::Grant(id).into()), Some(Judgement::HoldsUntil(..))) {
            let since_use = Judgement::HoldsUntil(last.after(self.unused), self.unused_since().into());
            self.ledger.judge(Object::Grant(id), last, since_use);
        }
        self.ledger.judge(Object::Grant(id), at, judgement);
    }

    fn judgement(
        &self,
        grant: &OpenGrant,
        until: Option<Timestamp>,
        last: Timestamp,
        estate: &Estate,
    ) -> Judgement {
        let holder = estate.principals.get(&grant.principal);
        if holder.is_none_or(|holder| holder.kind == PrincipalKind::Human) {
            match until {
                None => return Judgement::violated("it is a person's, and has no end"),
                Some(until) if until.since(grant.created_at) > self.longest => {
                    let days = until.since(grant.created_at).as_secs() / 86_400;
                    return Judgement::violated(format!("it is a person's, and lasts for {days} days"));
                }
                Some(_) => {}
            }
        }
        // Which uses are by a grant with conditions cannot be told.
        if grant.is_conditional {
            return Judgement::Holds;
        }
        Judgement::HoldsUntil(last.after(self.unused), self.unused_since().into())
    }

    fn unused_since(&self) -> String {
        format!("it was not used for {} days, and is in force still", self.unused.as_secs() / 86_400)
    }

    fn judge_key(&mut self, key: KeyId, at: Timestamp, estate: &Estate) {
        let Some(row) = estate.keys.get(&key) else { return };
        if matches!(row.state, State::Destroyed | State::DestroyedCompromised) {
            self.ledger.judge(Object::Key(key), at, Judgement::OutOfScope);
            return;
        }
        let mut administrators = self.by_role.clone();
        let mut people = BTreeSet::new();
        let on_key = self.on_key.get(&key).into_iter().flatten();
        let on_ring = self.on_ring.get(&row.ring).into_iter().flatten();
        for id in on_key.chain(on_ring) {
            let Some(grant) = estate.grants.get(id) else { continue };
            if !in_force(estate, *id, at).is_on() {
                continue;
            }
            if grant.operations.iter().any(|action| administers(*action)) {
                administrators.insert(grant.principal);
            }
            if lets_a_person_process(grant, estate) {
                people.insert(estate.person_of(grant.principal));
            }
        }
        let count = |principals: &BTreeSet<PrincipalId>| u64::try_from(principals.len()).unwrap_or(u64::MAX);
        let (administrators, people) = (count(&administrators), count(&people));
        let is_restricted = estate.class_of(key) == Some(Class::Restricted);
        let because = if administrators > self.most_administrators {
            Some(format!(
                "{administrators} principals can administer it, and at most {} should",
                self.most_administrators
            ))
        } else if is_restricted && people > self.most_people {
            Some(format!(
                "its data is restricted, and {people} people have standing grants to process it, where at most {} should",
                self.most_people
            ))
        } else {
            None
        };
        self.ledger.judge(Object::Key(key), at, Judgement::of(because));
    }

    fn judge_all(&mut self, grants: &BTreeSet<GrantId>, at: Timestamp, estate: &Estate) {
        let mut keys = BTreeSet::new();
        for id in grants {
            self.judge_grant(*id, at, estate);
            let Some(grant) = estate.grants.get(id).filter(|grant| bears_on_keys(grant, estate)) else {
                continue;
            };
            keys.extend(grant.key);
            keys.extend(grant.ring.into_iter().flat_map(|ring| estate.keys_of(ring)).map(|(key, _)| key));
        }
        for key in keys {
            self.judge_key(key, at, estate);
        }
    }

    /// Judges what ended by itself until then, when it did.
    fn pass(&mut self, until: Timestamp, estate: &Estate) {
        while let Some((at, id)) = self.ends.first().copied().filter(|(at, _)| *at <= until) {
            self.ends.remove(&(at, id));
            self.judge_all(&BTreeSet::from([id]), at, estate);
        }
    }
}

/// Does it bear on who administers a key, or on which people may process under it?
fn bears_on_keys(grant: &OpenGrant, estate: &Estate) -> bool {
    grant.operations.iter().any(|action| administers(*action)) || lets_a_person_process(grant, estate)
}

/// Does it stand, and let a person process? Emergency access does not stand: it has a control of its own.
fn lets_a_person_process(grant: &OpenGrant, estate: &Estate) -> bool {
    let holder = estate.principals.get(&grant.principal);
    holder.is_none_or(|holder| holder.kind == PrincipalKind::Human)
        && grant.origin != GrantOrigin::BreakGlass
        && grant.operations.iter().any(|action| action.effect() == Effect::Process)
}

impl Check for LeastPrivilege {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.pass(event.at, estate);
        let (Ended::Ok, Some(digest)) = (event.entry.out, event.entry.pol) else { return };
        let Some(id) = self.index.named(digest) else { return };
        let created_at = estate.grants.get(&id).map_or(event.at, |grant| grant.created_at);
        let before = self.used.insert(id, event.at).unwrap_or(created_at);
        if event.at >= before.after(self.unused) {
            // It was unused for too long: that is kept before this use is forgiven.
            self.used.insert(id, before);
            self.judge_grant(id, before.max(created_at), estate);
            self.used.insert(id, event.at);
            self.judge_grant(id, event.at, estate);
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Grant(_) | Object::Key(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Grant(id) => self.take(id, event, estate),
            Object::Key(id) => self.judge_key(id, event.at, estate),
            Object::Principal(id) => {
                let is_administrator = estate.principals.get(&id).is_some_and(|principal| {
                    principal.status == Status::Active
                        && principal.roles.iter().any(|role| self.administrators.contains(role))
                });
                let moved = if is_administrator { self.by_role.insert(id) } else { self.by_role.remove(&id) };
                if moved {
                    for key in estate.keys.keys() {
                        self.judge_key(*key, event.at, estate);
                    }
                }
            }
            _ => return,
        }
        let affected = self.index.affected_by(object);
        self.judge_all(&affected, event.at, estate);
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, estate) = (end.setting.as_of(), end.estate);
        self.pass(to, estate);
        let mut in_force_at_end = 0;
        for (id, grant) in &estate.grants {
            if !in_force(estate, *id, to).is_on() {
                continue;
            }
            in_force_at_end += 1;
            let idle_from = grant.created_at.after(self.unused);
            if !grant.is_conditional {
                let last = self.used.get(id).copied().unwrap_or(grant.created_at).max(grant.created_at);
                if matches!(self.ledger.find(&Object::Grant(*id).into()), Some(Judgement::HoldsUntil(..))) {
                    let holds = Judgement::HoldsUntil(last.after(self.unused), self.unused_since().into());
                    self.ledger.judge(Object::Grant(*id), last, holds);
                }
            } else if idle_from <= to
                && self.ledger.find(&Object::Grant(*id).into()) == Some(&Judgement::Holds)
            {
                let why = "what it asks of context or network is sealed, so that its last use cannot be told";
                self.ledger.judge(Object::Grant(*id), idle_from, Judgement::unknown(why));
            }
        }
        let outcome =
            Outcome::of(self.ledger, "few can administer each key, and each grant has an end and is used")
                .figure("grants_in_force", in_force_at_end)
                .figure("administrators_by_role", u64::try_from(self.by_role.len()).unwrap_or(u64::MAX));
        let outcome = match estate.rules().human_grant_lifetime {
            Some(most) => outcome.figure("days_of_grants_to_people_at_most", most.as_secs() / 86_400),
            None => outcome.note("the rules of the deployment ask for no end of grants to people"),
        };
        outcome
            .needs("ATT-FEWEST-CUSTODIANS")
            .note("able to administer a key is who may change it, set its policy or end it for good: holders of a role that does so with all keys, and of grants that do so with this one; who stops keys alone is not counted")
            .note("uses by grants that were given before facts were kept count from then on")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{OpenKey, OpenRow};
    use claviger_core::Action;
    use claviger_core::grant::Basis;
    use claviger_core::key::DataClass;

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{ANNA, KEY, OTTO, Story, at, key, open_key, rules};

    fn granted(until: Option<Timestamp>) -> Story {
        let row = OpenGrant {
            principal: ANNA,
            key: Some(KEY),
            ring: None,
            operations: vec![Action::Encrypt],
            is_conditional: false,
            until,
            created_by: OTTO,
            created_at: at(1),
            basis: Basis::Role,
            origin: GrantOrigin::Direct,
            status: Status::Active,
            ended_by: None,
            ended_at: None,
        };
        let mut story = Story::of("USE-02");
        let object = Object::Grant(GrantId::from_bytes([70; 16]));
        story.act(Op::CreateGrant, None, vec![(object, OpenRow::Grant(row))]);
        story
    }

    #[test]
    fn a_grant_to_a_person_has_an_end_within_the_days_that_are_asked() {
        granted(None).told(Mode::Period).is_violated("it is a person's, and has no end");
        granted(Some(at(300))).told(Mode::Period).is_violated("it is a person's, and lasts for 299 days");
        // The key and the grant.
        let told = granted(Some(at(60))).told(Mode::Period);
        told.holds_of(2);
        assert_eq!(told.figures["days_of_grants_to_people_at_most"], 90);
        assert!(told.needs.contains("ATT-FEWEST-CUSTODIANS"));
    }

    #[test]
    fn a_grant_that_nobody_uses_is_in_force_for_too_long() {
        let told = granted(Some(at(150))).told(Mode::Period);
        told.is_violated("it was not used for 90 days");
    }

    #[test]
    fn emergency_access_to_restricted_data_does_not_stand() {
        let restricted = OpenKey { data_class: DataClass::Ephi, ..open_key() };
        let mut story = Story::of("USE-02");
        story.act(Op::UpdateKey, Some(KEY), vec![key(restricted)]);
        story.emergency(2, |_, _| {});
        // The key; the grant has ended.
        assert_eq!(story.told(Mode::Period).violations, Vec::<String>::new());
    }

    #[test]
    fn rules_that_nobody_set_ask_for_no_end() {
        let mut story = Story::of("USE-02");
        let (object, _) = rules(0);
        story.act_unread(Op::SetGovernance, None, object);
        assert!(!story.told(Mode::State).figures.contains_key("days_of_grants_to_people_at_most"));
    }
}
