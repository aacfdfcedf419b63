//! Checks of governance.

mod changes;
mod custodians;

use std::collections::BTreeMap;

use claviger_audit::Op;
use claviger_audit::fact::{Object, OpenNode};
use claviger_core::{NodeId, Timestamp};

use super::common::is_unreadable;
use super::runs::Runs;
use super::{Check, End, Event};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Setting};

pub(super) const CHECKS: super::Checks = &[
    ("GOV-02", |setting| Box::new(custodians::Custodians::new(setting))),
    ("GOV-05", |setting| Box::new(changes::Changes::new(setting))),
    ("GOV-08", |setting| Box::new(Runs::new(setting))),
    ("GOV-09", |setting| Box::new(Exceptions::new(setting))),
    ("GOV-11", |setting| Box::new(SecureNodes::new(setting))),
];

/// The measures without which key memory can end on a disk.
const MEASURES: [&str; 2] = ["memory_locked", "no_core_dumps"];

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

    pub(super) fn node(insecure: &[&str], hardening: &[&str]) -> OpenNode {
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
}
