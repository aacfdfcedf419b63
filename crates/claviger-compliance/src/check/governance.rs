//! Checks of governance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::declaration::deployment_of;
use claviger_audit::fact::{Object, OpenNode, OpenPrincipal};
use claviger_audit::{Op, Outcome as Ended, to_hex};
use claviger_core::action::Effect;
use claviger_core::declaration::Declared;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::reason::Why;
use claviger_core::target::TargetKind;
use claviger_core::{Action, GrantId, NodeId, PrincipalId, Timestamp};

use super::approvals::{Act, Approvals, Rule, executed};
use super::common::{count, is_unreadable};
use super::runs::Runs;
use super::{Check, End, Event};
use crate::evaluation::{
    Emptiness, Estate, Judgement, Ledger, Outcome, Period, Setting, SignedByEach, Subject,
};

pub(super) const CHECKS: super::Checks = &[
    ("GOV-02", |setting| Box::new(Custodians::new(setting))),
    ("GOV-05", |setting| Box::new(Changes::new(setting))),
    ("GOV-08", |setting| Box::new(Runs::new(setting))),
    ("GOV-09", |setting| Box::new(Exceptions::new(setting))),
    ("GOV-11", |setting| Box::new(SecureNodes::new(setting))),
];

/// The measures without which key memory can end on a disk.
const MEASURES: [&str; 2] = ["memory_locked", "no_core_dumps"];
const NOT_ASKED: &str = "and nobody approved it: this release collects no approvals of that";
/// What each custodian signs.
const ACKNOWLEDGEMENT: &str = "ATT-CUSTODIAN-ACK";

/// Does it administer a key?
fn administers(action: Action) -> bool {
    let is_of_key = action.target_kind() == TargetKind::Key || action == Action::CreateKey;
    is_of_key && action.effect() == Effect::Manage
}

/// GOV-02.
struct Custodians {
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
    fn new(setting: &Setting<'_>) -> Self {
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
        let holds = |principal: &OpenPrincipal| {
            principal.status == Status::Active && principal.roles.contains(&Role::Custodian)
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
        let outcome = Outcome::of(self.ledger, "no custodian has acted before they acknowledged their duties")
            .figure("custodians", count(good.len() + missing.len()))
            .figure("custodians_who_acknowledged", count(good.len()))
            .needs("ATT-CUSTODIAN-TRAINING")
            .note("custodians are the people who may administer keys, by role or grant, and those who approve; nobody holds components, and nothing is exported")
            .note("each signs for themselves that they know their duties; who administered keys is sealed in the session that the entry names, and is held to have acknowledged them where everybody had who could have done it");
        match missing.first() {
            None => outcome,
            Some(first) => outcome.needs(ACKNOWLEDGEMENT).note(format!(
                "{} custodians have no acknowledgement that is good; principal {first} is the first",
                missing.len()
            )),
        }
    }
}

/// GOV-05.
struct Changes {
    ledger: Ledger,
    period: Period,
    approvals: Approvals,
    /// What nodes said last of what they run by.
    known: BTreeMap<NodeId, Digests>,
    changes: u64,
    approved: u64,
}

/// What a node runs by.
#[derive(Debug, PartialEq, Eq)]
struct Digests {
    configuration: Vec<u8>,
    build: Vec<u8>,
    policy: Vec<u8>,
}

impl Digests {
    fn of(node: &OpenNode) -> Self {
        let OpenNode { configuration, build, policy, .. } = node;
        Self { configuration: configuration.clone(), build: build.clone(), policy: policy.clone() }
    }

    /// What changed since, and from what to what.
    fn changes_since(&self, before: &Self) -> Vec<String> {
        let all = [
            ("configuration", &before.configuration, &self.configuration),
            ("program", &before.build, &self.build),
            ("built-in policy", &before.policy, &self.policy),
        ];
        let changed = all.into_iter().filter(|(_, before, now)| before != now);
        changed
            .map(|(what, before, now)| {
                format!("its {what} changed from {} to {}", to_hex(before), to_hex(now))
            })
            .collect()
    }
}

impl Changes {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            approvals: Approvals::new(setting),
            known: BTreeMap::new(),
            changes: 0,
            approved: 0,
        }
    }

    /// Something changed; with what is wrong with its approval, in words behind that.
    fn happened(&mut self, object: Object, event: &Event<'_>, what: &str, defect: Option<&str>) {
        if self.period.holds(event.at) {
            self.changes += 1;
            self.approved += u64::from(defect.is_none());
        }
        let violation = defect.map(|defect| format!("{what}, {defect}"));
        self.ledger.happened(object, event.at, event.index, violation);
    }

    /// The same of what others can be asked to approve. What is asked for with a reason is changed with one.
    fn changed_by(
        &mut self,
        (object, what): (Object, &str),
        (on, rule): (Option<Object>, Rule),
        event: &Event<'_>,
        estate: &Estate,
    ) {
        let Some(action) = event.entry.op.action() else { return };
        let act = Act { action, on, rule, appointed: None };
        let is_unreasoned = || {
            let approval = executed(action, event, estate).map(|(_, approval)| approval);
            approval.is_some_and(|approval| approval.reason.and_then(Why::given).is_none())
        };
        let defect = self.approvals.defect(&act, event, estate).or_else(|| {
            (on.is_some() && is_unreasoned()).then(|| "and it was asked for without a reason".to_owned())
        });
        self.happened(object, event, what, defect.as_deref());
    }
}

impl Check for Changes {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        self.approvals.changed(object, event);
        let op = event.entry.op;
        match object {
            Object::Approval(_)
            | Object::Declaration(_)
            | Object::Governance(_)
            | Object::Node(_)
            | Object::Ring(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                let now = Digests::of(node);
                // What it says first is no change.
                let changes = self.known.get(&id).map(|before| now.changes_since(before)).unwrap_or_default();
                self.known.insert(id, now);
                for what in changes {
                    self.happened(object, event, &what, Some(NOT_ASKED));
                }
                let why = "no list of approved programs is kept, so that its own cannot be held against one";
                self.ledger.judge(object, event.at, Judgement::unknown(why));
            }
            Object::Ring(id) if matches!(op, Op::SetRingSeparation | Op::UpdateRing) => {
                let what = format!("its policy was changed by `{op}`");
                self.changed_by((object, &what), (Some(object), Rule::of_ring(id, 1)), event, estate);
            }
            Object::Governance(_) if op == Op::SetGovernance => {
                let rule = Rule::of_deployment(estate).asking(1);
                let what = "the rules of the deployment were changed";
                self.changed_by((object, what), (Some(object), rule), event, estate);
            }
            Object::Declaration(id) => {
                let declared = estate.declarations.get(&id).map(|declaration| &declaration.declared);
                if let Some(Declared::Parameter(parameter)) = declared {
                    let what = format!("parameter {} was changed by `{op}`", parameter.name);
                    let rule = Rule::of_deployment(estate).asking(1);
                    // It says itself where its value comes from, and of one that is new nobody was shown a row.
                    self.changed_by((object, &what), (None, rule), event, estate);
                }
            }
            _ => {}
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each change of program, configuration and policy was approved before")
            .when_empty(Emptiness::Unknown("no node has said what it runs by"))
            .figure("changes", self.changes)
            .figure("changes_approved", self.approved)
            .note("program, configuration and built-in policy are known by what the running process says of itself at its start, and when it reads its files again; this release collects no approvals of them")
            .note("rules of the deployment and policies of rings are changed with the approval of others where they ask for less than before; what asks for more one person changes, and that is a change without an approval")
            .note("parameters of controls change with the program, or by a declaration that others approve")
    }
}

/// GOV-09.
struct Exceptions {
    ledger: Ledger,
}

impl Exceptions {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for Exceptions {
    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each exception is approved, compensated and ends")
            .needs("ATT-COMPENSATING")
            .note("this release has no exceptions: whatever deviates reads FAIL, and nobody can soften that here; exceptions that are kept elsewhere are not known")
    }
}

/// GOV-11.
struct SecureNodes {
    ledger: Ledger,
    /// Nodes that have started and have not said yet what they are.
    silent: BTreeMap<NodeId, Timestamp>,
}

impl SecureNodes {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), silent: BTreeMap::new() }
    }
}

const SAID_NOTHING: &str = "it started, and did not say what it is";

/// Why a node does not run as it should, by its own word.
fn weakness(node: &OpenNode) -> Option<String> {
    if let Some(first) = node.insecure.first() {
        return Some(match node.insecure.len() {
            1 => format!("it runs with `{first}`"),
            more => format!("it runs with `{first}` and {} more weakenings", more - 1),
        });
    }
    if node.mode != "secure" {
        return Some(format!("it runs in mode `{}`", node.mode));
    }
    let missed = MEASURES.iter().find(|measure| holds(node, measure) == Some(false))?;
    Some(format!("it says `{missed}=no`, and no exception is registered"))
}

/// Does a measure hold, by its own word?
fn holds(node: &OpenNode, measure: &str) -> Option<bool> {
    let said = node.hardening.iter().find_map(|word| word.strip_prefix(measure)?.strip_prefix('='));
    match said {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => None,
    }
}

fn of_node(node: &OpenNode) -> Judgement {
    if let Some(because) = weakness(node) {
        return Judgement::violated(because);
    }
    match MEASURES.iter().find(|measure| holds(node, measure).is_none()) {
        Some(unsaid) => Judgement::unknown(format!("it does not say whether `{unsaid}` holds")),
        None => Judgement::unknown(
            "whether its program is a signed one is not verified, and which listeners are expected is not kept",
        ),
    }
}

impl Check for SecureNodes {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if event.entry.op != Op::NodeStart {
            return;
        }
        let id = NodeId::of_shard(event.shard);
        if self.silent.insert(id, event.at).is_some() {
            self.ledger.judge(Object::Node(id), event.at, Judgement::unknown(SAID_NOTHING));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Node(id) = object else { return };
        if event.entry.op == Op::NodeReport {
            self.silent.remove(&id);
        }
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        if let Some(node) = estate.nodes.get(&id) {
            self.ledger.judge(object, event.at, of_node(node));
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        for (id, since) in &self.silent {
            let object = Object::Node(*id);
            // What it said before that start, and was wrong, is worse than what it does not say.
            if !matches!(self.ledger.find(&object.into()), Some(Judgement::Violated(_))) {
                self.ledger.judge(object, *since, Judgement::unknown(SAID_NOTHING));
            }
        }
        let listeners: usize = end.estate.nodes.values().map(|node| node.listeners.len()).sum();
        Outcome::of(self.ledger, "each node runs a known program, hardened and without weakenings")
            .when_empty(Emptiness::Unknown("no node has said what it is"))
            .needs("ATT-HOST-HARDENING")
            .figure("nodes", u64::try_from(end.estate.nodes.len()).unwrap_or(u64::MAX))
            .figure("listeners", u64::try_from(listeners).unwrap_or(u64::MAX))
            .note("all of it is what the running process says of itself: one that was replaced can say the same")
            .note("there are no credentials that come with the program: each is made for its deployment")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{OpenApproval, OpenRow};
    use claviger_core::key::RingPolicy;

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{
        ADA, ANNA, CUSTODIANS, KEY, OTTO, Story, human, principal, ring, rules,
    };

    fn node(insecure: &[&str], hardening: &[&str]) -> OpenNode {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        OpenNode {
            incarnation: 1,
            reported_at: Timestamp::from_micros(1),
            environment: None,
            mode: if insecure.is_empty() { "secure" } else { "insecure" }.to_owned(),
            insecure: words(insecure),
            release: String::new(),
            build: vec![1],
            configuration: vec![2],
            policy: vec![3],
            hardening: words(hardening),
            listeners: Vec::new(),
            clock_source: String::new(),
            generators: Vec::new(),
            domains: Vec::new(),
            released: Vec::new(),
            root_keys: Vec::new(),
            certificates: Vec::new(),
        }
    }

    const HARDENED: [&str; 3] = ["no_core_dumps=yes", "memory_locked=yes", "no_new_privileges=yes"];

    #[test]
    fn weak_nodes_are_found_and_no_node_passes_by_its_own_word() {
        assert_eq!(weakness(&node(&[], &HARDENED)), None);
        assert!(matches!(of_node(&node(&[], &HARDENED)), Judgement::Unknown(_)));
        assert!(matches!(of_node(&node(&["insecure_software_root"], &HARDENED)), Judgement::Violated(_)));
        assert!(matches!(
            of_node(&node(&[], &["no_core_dumps=yes", "memory_locked=no"])),
            Judgement::Violated(_)
        ));
        assert!(matches!(of_node(&node(&[], &["no_core_dumps=yes"])), Judgement::Unknown(_)));
        assert_eq!(holds(&node(&[], &["memory_locked_later=yes"]), "memory_locked"), None);
    }

    #[test]
    fn custodians_who_acknowledged_their_duties_before_they_act_are_in_order() {
        let mut story = Story::with_people("GOV-02");
        story.wait(900);
        for custodian in [ADA].into_iter().chain(CUSTODIANS) {
            story.acknowledge(custodian);
        }
        story.with_a_key();
        let on: (bool, &[Object]) = (true, &[Object::Key(KEY)]);
        story.approved_act(ADA, Op::ScheduleDestroy, on, vec![]);
        let told = story.told(Mode::State);
        // Four people, and what they did.
        told.holds_of(5);
        assert_eq!(told.needs, BTreeSet::from(["ATT-CUSTODIAN-TRAINING".to_owned()]));
        assert_eq!((told.figures["custodians"], told.figures["custodians_who_acknowledged"]), (4, 4));
    }

    #[test]
    fn an_acknowledgement_that_is_old_is_missing_and_one_that_came_late_heals_nothing() {
        let mut story = Story::with_people("GOV-02");
        for custodian in [ADA].into_iter().chain(CUSTODIANS) {
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
    fn who_of_several_administered_keys_is_not_known() {
        let mut story = Story::with_people("GOV-02");
        story.act(Op::AssignRole, None, vec![principal(ANNA, human(&[Role::Administrator]))]);
        story.acknowledge(ADA);
        story.with_a_key();
        let told = story.told(Mode::State);
        assert_eq!((told.violations.len(), told.undecided.len()), (0, 1), "{told:?}");
        assert!(told.undecided[0].contains("1 of 2 who could have"), "{told:?}");
    }

    #[test]
    fn a_change_is_approved_before_and_has_a_reason() {
        type Edit<'e> = &'e dyn Fn(&mut Story, Vec<(Object, OpenRow)>);
        let changed = |edit: Edit<'_>| {
            let mut story = Story::of("GOV-05");
            let policy = RingPolicy { quorum: 1, ..RingPolicy::default() };
            edit(&mut story, vec![ring(policy)]);
            story.told(Mode::Period)
        };
        changed(&|story, rows| {
            story.approved_act(ADA, Op::UpdateRing, (true, &[]), rows);
        })
        .holds_of(1);
        changed(&|story, rows| story.act(Op::UpdateRing, None, rows)).is_violated("and nobody approved it");
        let unreasoned = changed(&|story, rows| {
            let asked = story.asked(ADA, Action::UpdateRing, true, &[]);
            let id = story.ask(OpenApproval { reason: None, ..asked });
            for custodian in &CUSTODIANS[..2] {
                story.approve(id, *custodian);
            }
            let done = story.executed(id);
            story.act(Op::UpdateRing, None, rows.into_iter().chain([done]).collect());
        });
        unreasoned.is_violated("asked for without a reason");
        let rules = changed(&|story, _| {
            story.approved_act(OTTO, Op::SetGovernance, (false, &[]), vec![rules(1)]);
            story.act(Op::SetGovernance, None, vec![rules(3)]);
        });
        rules.is_violated("the rules of the deployment were changed, and nobody approved it");
        assert_eq!((rules.figures["changes"], rules.figures["changes_approved"]), (2, 1));
    }

    #[test]
    fn what_changed_is_told_from_what_to_what() {
        let before = Digests::of(&node(&[], &[]));
        let now = Digests { build: vec![9], ..Digests::of(&node(&[], &[])) };
        assert_eq!(before.changes_since(&before), Vec::<String>::new());
        assert_eq!(now.changes_since(&before), ["its program changed from 01 to 09"]);
    }
}
