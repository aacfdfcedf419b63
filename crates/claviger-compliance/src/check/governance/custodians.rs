//! GOV-02: whoever can administer keys or approve what others ask for knows their duties, and was trained for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::declaration::deployment_of;
use claviger_audit::fact::{Object, OpenPrincipal};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::action::Effect;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, GrantId, PrincipalId, Timestamp};

use crate::check::common::{count, is_unreadable};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting, SignedAbout, SignedByEach, Subject};

/// What each custodian signs.
const ACKNOWLEDGEMENT: &str = "ATT-CUSTODIAN-ACK";
/// What is signed of each by another.
const TRAINING: &str = "ATT-CUSTODIAN-TRAINING";

/// Does it administer a key?
fn administers(action: Action) -> bool {
    let is_of_key = action.target_kind() == TargetKind::Key || action == Action::CreateKey;
    is_of_key && action.effect() == Effect::Manage
}

pub(super) struct Custodians {
    ledger: Ledger,
    /// For how long an acknowledgement is good.
    within: Duration,
    /// Grants to administer keys, by who holds them.
    administering: BTreeMap<PrincipalId, BTreeSet<GrantId>>,
    /// The people who may administer keys.
    administrators: BTreeSet<PrincipalId>,
    /// Were these others when keys were administered last?
    are_others: bool,
    /// The first act of administration of each set of people who may have done it.
    acts: Vec<Administered>,
    /// When each decided first on what others ask for, by which entry.
    decided: BTreeMap<PrincipalId, (Timestamp, u64)>,
}

/// That keys were administered. Who did it is sealed.
struct Administered {
    op: Op,
    at: Timestamp,
    entry: u64,
    people: BTreeSet<PrincipalId>,
}

impl Custodians {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            within: setting.days("ack_days"),
            administering: BTreeMap::new(),
            administrators: BTreeSet::new(),
            are_others: true,
            acts: Vec::new(),
            decided: BTreeMap::new(),
        }
    }

    /// May the person administer keys?
    fn administers(&self, id: PrincipalId, at: Timestamp, estate: &Estate) -> bool {
        let mut grants = self.administering.get(&id).into_iter().flatten();
        let by_grant = grants.any(|grant| {
            estate.grants.get(grant).is_some_and(|grant| {
                grant.status == Status::Active && grant.until.is_none_or(|until| until > at)
            })
        });
        let person = estate
            .principals
            .get(&id)
            .filter(|principal| principal.status == Status::Active && principal.kind == PrincipalKind::Human);
        person.is_some_and(|person| by_grant || person.roles.contains(&Role::Administrator))
    }

    fn is_custodian(&self, id: PrincipalId, at: Timestamp, estate: &Estate) -> bool {
        let approves =
            |role: &Role| matches!(role, Role::Custodian | Role::Responder | Role::SecurityOfficer);
        let holds = |principal: &OpenPrincipal| {
            principal.status == Status::Active && principal.roles.iter().any(approves)
        };
        estate.principals.get(&id).is_some_and(holds) || self.administers(id, at, estate)
    }

    fn judge(&mut self, id: PrincipalId, at: Timestamp, estate: &Estate) {
        let administers = self.administers(id, at, estate);
        self.are_others |=
            if administers { self.administrators.insert(id) } else { self.administrators.remove(&id) };
        let is_custodian = self.is_custodian(id, at, estate);
        let judgement = if is_custodian { Judgement::Holds } else { Judgement::OutOfScope };
        self.ledger.judge(Object::Principal(id), at, judgement);
    }

    /// Judges who decided before they acknowledged what that asks of them.
    fn judge_decisions(&mut self, signed: &SignedByEach) {
        for (id, (at, entry)) in &self.decided {
            if signed.first.get(id).is_none_or(|first| first > at) {
                let because = "it decided on what others asked for before it acknowledged its duties";
                let subject = Object::Principal(*id).into();
                self.ledger.judge_by(subject, *at, Judgement::violated(because), Some(*entry));
            }
        }
    }

    /// Judges what was done by people of whom all, none or some had acknowledged their duties.
    fn judge_acts(&mut self, signed: &SignedByEach) {
        let mut worst: Option<(&Administered, Judgement)> = None;
        for act in &self.acts {
            let has = |id: &PrincipalId| signed.first.get(id).is_some_and(|first| *first <= act.at);
            let had = act.people.iter().filter(|id| has(id)).count();
            let judgement = match (had, act.people.len()) {
                (had, all) if had == all && all > 0 => Judgement::Holds,
                (0, _) => Judgement::violated(format!(
                    "somebody did `{}`, and nobody who could have had acknowledged their duties",
                    act.op
                )),
                (had, all) => Judgement::unknown(format!(
                    "somebody did `{}`, who is sealed: {had} of {all} who could have had acknowledged their duties",
                    act.op
                )),
            };
            let is_violated = |judgement: &Judgement| matches!(judgement, Judgement::Violated(_));
            let is_worse = match &worst {
                None => true,
                Some((_, Judgement::Holds)) => judgement != Judgement::Holds,
                Some((_, before)) => is_violated(&judgement) && !is_violated(before),
            };
            if is_worse {
                worst = Some((act, judgement));
            }
        }
        if let Some((act, judgement)) = worst {
            let subject = Subject::named("administration of keys");
            self.ledger.judge_by(subject, act.at, judgement, Some(act.entry));
        }
    }
}

impl Check for Custodians {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let entry = event.entry;
        let is_act =
            entry.out == Ended::Ok && entry.ses.is_some() && entry.op.action().is_some_and(administers);
        if is_act && self.are_others {
            self.are_others = false;
            let people = self.administrators.clone();
            self.acts.push(Administered { op: entry.op, at: event.at, entry: event.index, people });
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Approval(_) | Object::Declaration(_) | Object::Grant(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Approval(id) => {
                let decisions = estate.approvals.get(&id).map(|approval| approval.decisions.as_slice());
                for decided in decisions.unwrap_or_default() {
                    self.decided.entry(decided.by).or_insert((event.at, event.index));
                }
            }
            Object::Principal(id) => self.judge(id, event.at, estate),
            Object::Grant(id) => {
                let Some(grant) = estate.grants.get(&id) else { return };
                if grant.operations.iter().any(|action| administers(*action)) {
                    self.administering.entry(grant.principal).or_default().insert(id);
                    self.judge(grant.principal, event.at, estate);
                }
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, estate) = (end.setting.as_of(), end.estate);
        let holders: Vec<_> = self.administering.keys().copied().collect();
        for holder in holders {
            self.judge(holder, to, estate);
        }
        let deployment = deployment_of(&end.verified.origin).unwrap_or_default();
        let statement = end.setting.catalogue.find_statement(ACKNOWLEDGEMENT);
        let signed = statement.map(|one| SignedByEach::of(one, deployment, (to, self.within), estate));
        let signed = signed.unwrap_or_default();
        self.judge_decisions(&signed);
        self.judge_acts(&signed);
        let custodians = estate.principals.keys().filter(|id| self.is_custodian(**id, to, estate));
        let (good, missing) =
            custodians.copied().partition::<Vec<PrincipalId>, _>(|id| signed.good.contains(id));
        let all = || good.iter().chain(&missing);
        let training = end.setting.catalogue.find_statement(TRAINING);
        let training = training.map(|one| SignedAbout::of(one, deployment, to, estate)).unwrap_or_default();
        let is_trained = |id: &&PrincipalId| {
            let mut signers = training.signers(Object::Principal(**id), Timestamp::default());
            // Nobody says of themselves that they were trained.
            signers.any(|signer| estate.person_of(signer) != estate.person_of(**id))
        };
        let trained = all().filter(is_trained).count();
        let outcome = Outcome::of(self.ledger, "no custodian has acted before they acknowledged their duties")
            .figure("custodians", count(all().count()))
            .figure("custodians_who_acknowledged", count(good.len()))
            .figure("custodians_who_were_trained", count(trained))
            .note("custodians are the people who may administer keys, by role or grant, and those who approve: custodians, and for emergency access responders and security officers; nobody holds components, and nothing is exported")
            .note("each signs for themselves that they know their duties; who administered keys is sealed in the session that the entry names, and is held to have acknowledged them where everybody had who could have done it");
        let outcome = if trained < all().count() { outcome.needs(TRAINING) } else { outcome };
        match missing.first() {
            None => outcome,
            Some(first) => outcome.needs(ACKNOWLEDGEMENT).note(format!(
                "{} custodians have no acknowledgement that is good; principal {first} is the first",
                missing.len()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::capacity::Capacity;

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{ADA, ANNA, CUSTODIANS, KEY, OTTO, Story, answering, human, principal};

    /// Whoever administers keys or approves.
    fn all() -> impl Iterator<Item = PrincipalId> {
        [ADA, OTTO].into_iter().chain(CUSTODIANS)
    }

    /// All of them have acknowledged their duties, late in the period.
    fn acknowledged() -> Story {
        let mut story = Story::with_people("GOV-02");
        story.wait(900);
        for custodian in all() {
            story.acknowledge(custodian);
        }
        story
    }

    #[test]
    fn custodians_who_acknowledged_their_duties_before_they_act_are_in_order() {
        let mut story = acknowledged();
        story.with_a_key();
        let on: (bool, &[Object]) = (true, &[Object::Key(KEY)]);
        story.approved_act(ADA, Op::ScheduleDestroy, on, vec![]);
        let told = story.told(Mode::State);
        // Five people, and what they did.
        told.holds_of(6);
        assert_eq!(told.needs, BTreeSet::from([TRAINING.to_owned()]));
        assert_eq!((told.figures["custodians"], told.figures["custodians_who_acknowledged"]), (5, 5));
    }

    #[test]
    fn whoever_answers_for_it_says_of_each_custodian_that_they_were_trained_and_nobody_of_themselves() {
        let needs = |manager: PrincipalId, about: &[Object]| {
            let mut story = acknowledged();
            let card = story.certificate(ANNA);
            let roles: &[Role] = if manager == OTTO { &[Role::SecurityOfficer] } else { &[] };
            let row = answering(roles, &[Capacity::Ciso]);
            story.act(Op::AssignCapacity, None, vec![principal(manager, row), card]);
            story.attest(manager, TRAINING, about);
            story.told(Mode::State).needs.contains(TRAINING)
        };
        let everybody: Vec<_> = all().map(Object::Principal).collect();
        assert!(!needs(ANNA, &everybody));
        assert!(needs(ANNA, &everybody[1..]) && needs(ANNA, &[]) && needs(OTTO, &everybody));
        let mut story = acknowledged();
        story.attest(CUSTODIANS[0], TRAINING, &everybody);
        assert!(story.told(Mode::State).needs.contains(TRAINING), "nobody asked that one");
    }

    #[test]
    fn an_acknowledgement_that_is_old_is_missing_and_one_that_came_late_heals_nothing() {
        let mut story = Story::with_people("GOV-02");
        for custodian in all() {
            story.acknowledge(custodian);
        }
        story.with_a_key();
        let told = story.told(Mode::State);
        assert!(told.violations.is_empty() && told.needs.contains(ACKNOWLEDGEMENT), "{told:?}");

        let mut story = Story::of("GOV-02");
        story.acknowledge(ADA);
        let told = story.told(Mode::State);
        told.is_violated("nobody who could have had acknowledged their duties");

        let mut story = Story::with_people("GOV-02");
        let asked = story.asked(ADA, Action::AssignRole, false, &[Object::Principal(ANNA)]);
        let id = story.ask(asked);
        story.approve(id, CUSTODIANS[0]);
        story.acknowledge(CUSTODIANS[0]);
        story.told(Mode::State).is_violated("it decided on what others asked for before it acknowledged");
    }

    #[test]
    fn a_security_officer_who_approves_emergency_access_is_a_custodian() {
        let mut story = Story::of("GOV-02");
        story.emergency(2, |_, _| {});
        let told = story.told(Mode::State);
        let named = |one: &String| one.contains("it decided on what others asked for before it acknowledged");
        assert!(told.violations.iter().any(named), "{told:?}");
    }

    #[test]
    fn who_of_several_administered_keys_is_not_known() {
        let mut story = Story::with_people("GOV-02");
        story.act(Op::AssignRole, None, vec![principal(ANNA, human(&[Role::Administrator]))]);
        story.acknowledge(ADA);
        story.with_a_key();
        let told = story.told(Mode::State);
        assert_eq!((told.violations.len(), told.undecided.len()), (0, 1), "{told:?}");
        assert!(told.undecided[0].contains("1 of 2 who could have"), "{told:?}");
    }
}
