//! Checks of governance.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Object, OpenNode};
use claviger_audit::{Op, Outcome as Ended, to_hex};
use claviger_core::action::Effect;
use claviger_core::declaration::Declared;
use claviger_core::principal::{Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, GrantId, NodeId, PrincipalId, Timestamp};

use super::common::is_unreadable;
use super::runs::Runs;
use super::{Check, End, Event};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) const CHECKS: super::Checks = &[
    ("GOV-02", |setting| Box::new(Custodians::new(setting))),
    ("GOV-05", |setting| Box::new(Changes::new(setting))),
    ("GOV-08", |setting| Box::new(Runs::new(setting))),
    ("GOV-09", |setting| Box::new(Exceptions::new(setting))),
    ("GOV-11", |setting| Box::new(SecureNodes::new(setting))),
];

/// The measures without which key memory can end on a disk.
const MEASURES: [&str; 2] = ["memory_locked", "no_core_dumps"];
const NOT_APPROVED: &str = "and nobody approved it: this release collects no approvals";

/// Does it administer a key?
fn administers(action: Action) -> bool {
    let is_of_key = action.target_kind() == TargetKind::Key || action == Action::CreateKey;
    is_of_key && action.effect() == Effect::Manage
}

/// GOV-02.
struct Custodians {
    ledger: Ledger,
    /// Grants to administer keys, by who holds them.
    administering: BTreeMap<PrincipalId, BTreeSet<GrantId>>,
    was_exercised: bool,
}

impl Custodians {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), administering: BTreeMap::new(), was_exercised: false }
    }

    fn judge(&mut self, id: PrincipalId, at: Timestamp, estate: &Estate) {
        let Some(principal) = estate.principals.get(&id) else { return };
        let by_role =
            principal.roles.iter().any(|role| matches!(role, Role::Administrator | Role::Custodian));
        let mut grants = self.administering.get(&id).into_iter().flatten();
        let by_grant = grants.any(|grant| {
            estate.grants.get(grant).is_some_and(|grant| {
                grant.status == Status::Active && grant.until.is_none_or(|until| until > at)
            })
        });
        let is_custodian = principal.status == Status::Active && (by_role || by_grant);
        let judgement = if is_custodian { Judgement::Holds } else { Judgement::OutOfScope };
        self.ledger.judge(Object::Principal(id), at, judgement);
    }
}

impl Check for Custodians {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let entry = event.entry;
        let is_act =
            entry.out == Ended::Ok && entry.ses.is_some() && entry.op.action().is_some_and(administers);
        if is_act && !self.was_exercised {
            self.was_exercised = true;
            let because = format!(
                "somebody did `{}`, and no custodian has acknowledged his duties: this release collects no acknowledgements",
                entry.op
            );
            let subject = Subject::named("administration of keys");
            self.ledger.judge_by(subject, event.at, Judgement::violated(because), Some(event.index));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Grant(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
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
        let holders: Vec<_> = self.administering.keys().copied().collect();
        for holder in holders {
            self.judge(holder, end.setting.as_of(), end.estate);
        }
        Outcome::of(self.ledger, "no custodian has acted before he acknowledged his duties")
            .needs("ATT-CUSTODIAN-ACK")
            .needs("ATT-CUSTODIAN-TRAINING")
            .note("custodians are those who may administer keys, by role or grant, and those who approve; nobody holds components, and nothing is exported")
            .note("who acted is sealed in the session that the entry names; as nobody has acknowledged anything, it was before an acknowledgement whoever it was")
    }
}

/// GOV-05.
struct Changes {
    ledger: Ledger,
    period: Period,
    /// What nodes said last of what they run by.
    known: BTreeMap<NodeId, Digests>,
    changes: u64,
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
        Self { ledger: setting.ledger(), period: setting.period, known: BTreeMap::new(), changes: 0 }
    }

    fn happened(&mut self, object: Object, event: &Event<'_>, what: &str) {
        self.changes += u64::from(self.period.holds(event.at));
        self.ledger.happened(object, event.at, event.index, Some(format!("{what}, {NOT_APPROVED}")));
    }
}

impl Check for Changes {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Declaration(_) | Object::Node(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                let now = Digests::of(node);
                // What it says first is no change.
                let changes = self.known.get(&id).map(|before| now.changes_since(before)).unwrap_or_default();
                self.known.insert(id, now);
                for what in changes {
                    self.happened(object, event, &what);
                }
                let why = "no list of approved programs is kept, so that its own cannot be held against one";
                self.ledger.judge(object, event.at, Judgement::unknown(why));
            }
            Object::Ring(_) if event.entry.out == Ended::Ok => {
                let op = event.entry.op;
                if matches!(op, Op::SetRingSeparation | Op::UpdateRing) {
                    self.happened(object, event, &format!("its policy was changed by `{op}`"));
                }
            }
            Object::Declaration(id) if event.entry.out == Ended::Ok => {
                let declared = estate.declarations.get(&id).map(|declaration| &declaration.declared);
                if let Some(Declared::Parameter(parameter)) = declared {
                    let (name, op) = (&parameter.name, event.entry.op);
                    self.happened(object, event, &format!("parameter {name} was changed by `{op}`"));
                }
            }
            _ => {}
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each change of program, configuration and policy was approved before")
            .when_empty(Emptiness::Unknown("no node has said what it runs by"))
            .figure("changes", self.changes)
            .note("program, configuration and built-in policy are known by what the running process says of itself at its start, and when it reads its files again")
            .note("whoever changes the policy of a ring says why, and that is kept beside the log; approvals are not collected yet")
            .note("parameters of controls change with the program, or by a declaration")
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
    use super::*;

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
    fn what_changed_is_told_from_what_to_what() {
        let before = Digests::of(&node(&[], &[]));
        let now = Digests { build: vec![9], ..Digests::of(&node(&[], &[])) };
        assert_eq!(before.changes_since(&before), Vec::<String>::new());
        assert_eq!(now.changes_since(&before), ["its program changed from 01 to 09"]);
    }
}
