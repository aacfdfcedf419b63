//! GEN-01: which generators versions were drawn from, and whether the self-tests had passed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Object, OpenNode, OpenVersion};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::key::{Generator, Origin};
use claviger_core::{KeyVersionId, Timestamp};

use super::generators::{drbg, serial_in, serial_of};
use crate::check::common::{count, is_unreadable};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting};

/// What a node says whose token is a program.
const SOFTWARE_TOKEN: &str = "insecure_software_token";

pub(super) struct Randomness {
    ledger: Ledger,
    /// Whether the newest self-test since the start of the node that writes a shard has passed.
    passed: BTreeMap<u32, bool>,
    /// Modules whose generator a node named: is it one of SP 800-90A?
    drbgs: BTreeMap<String, bool>,
    /// Tokens that a node named, by serial number: are they hardware?
    tokens: BTreeMap<String, bool>,
    made: BTreeMap<KeyVersionId, Made>,
    /// Versions that a rotation made between the start of a node and its first self-test, by shard.
    waiting: BTreeMap<u32, BTreeSet<KeyVersionId>>,
    /// Versions of which it is not known yet: since when, and why.
    open: BTreeMap<KeyVersionId, (Timestamp, Judgement)>,
    failed_tests: u64,
    from_older_releases: u64,
}

/// What is known of how a version was made.
struct Made {
    tested: Tested,
    /// What was found of its generator. It stays: nodes may say something else of themselves later.
    found: Option<Judgement>,
}

/// Does a self-test stand behind a version?
#[derive(Clone, Copy)]
enum Tested {
    Yes,
    NotYet,
    No(&'static str),
}

const TEST_FAILED: Tested = Tested::No("it was made after a self-test had failed, and before one passed");
const NO_TEST: Tested = Tested::No("it was made before a self-test had passed since the start of the node");

impl Randomness {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            passed: BTreeMap::new(),
            drbgs: BTreeMap::new(),
            tokens: BTreeMap::new(),
            made: BTreeMap::new(),
            waiting: BTreeMap::new(),
            open: BTreeMap::new(),
            failed_tests: 0,
            from_older_releases: 0,
        }
    }

    fn see(&mut self, id: KeyVersionId, event: &Event<'_>, estate: &Estate) {
        if let Entry::Vacant(place) = self.made.entry(id) {
            let is_recorded = event.entry.op == Op::RecordState;
            let tested = match (event.entry.op, self.passed.get(&event.shard)) {
                (Op::RecordState, _) | (_, Some(true)) => Tested::Yes,
                (_, Some(false)) => TEST_FAILED,
                // A node catches up with rotations while it starts.
                (Op::RotateKey, None) => {
                    self.waiting.entry(event.shard).or_default().insert(id);
                    Tested::NotYet
                }
                (_, None) => NO_TEST,
            };
            place.insert(Made { tested, found: None });
            self.from_older_releases += u64::from(is_recorded && find_generated(id, estate).is_some());
        }
        if is_unreadable(&mut self.ledger, Object::Version(id), event.at, estate) {
            self.open.remove(&id);
            return;
        }
        if find_generated(id, estate).is_none() {
            self.ledger.judge(Object::Version(id), event.at, Judgement::OutOfScope);
            return;
        }
        self.judge(id, event.at, estate);
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let (Some(version), Some(made)) = (find_generated(id, estate), self.made.get_mut(&id)) else {
            return;
        };
        let judgement = if version.state.is_destroyed() {
            Judgement::OutOfScope
        } else if let Tested::No(why) = made.tested {
            Judgement::violated(why)
        } else if !version.health_ok {
            Judgement::violated("the self-tests of the module had not passed when it was made")
        } else if version.generator == Generator::Elsewhere {
            Judgement::violated("it was made here, and its generator is said to be elsewhere")
        } else if matches!(made.tested, Tested::NotYet) {
            Judgement::unknown("it was made while its node started, and no self-test is recorded since")
        } else if let Some(found) = &made.found {
            found.clone()
        } else {
            let found = drawn(version, &self.drbgs, &self.tokens);
            if !matches!(found, Judgement::Unknown(_)) {
                made.found = Some(found.clone());
            }
            found
        };
        self.put(id, at, judgement);
    }

    fn put(&mut self, id: KeyVersionId, at: Timestamp, judgement: Judgement) {
        let object = Object::Version(id);
        if matches!(judgement, Judgement::Unknown(_)) {
            // Nodes say what they are while they start: it is judged then, from here on.
            let since = self.open.get(&id).map_or(at, |(since, _)| *since);
            self.open.insert(id, (since, judgement));
            return;
        }
        let at = match self.open.remove(&id) {
            Some((since, unknown)) if judgement == Judgement::OutOfScope => {
                self.ledger.judge(object, since, unknown);
                at
            }
            Some((since, _)) => since,
            None => at,
        };
        self.ledger.judge(object, at, judgement);
    }

    /// Takes the self-test, or the lack of one, that versions of a shard wait for.
    fn settle(&mut self, event: &Event<'_>, tested: Tested, estate: &Estate) {
        for id in self.waiting.remove(&event.shard).unwrap_or_default() {
            if let Some(made) = self.made.get_mut(&id) {
                made.tested = tested;
            }
            self.judge(id, event.at, estate);
        }
    }

    /// Takes what a node says of its generators. Was something of it not known?
    fn take(&mut self, node: &OpenNode) -> bool {
        let is_hardware = !node.insecure.iter().any(|weakening| weakening == SOFTWARE_TOKEN);
        let mut is_new = false;
        for line in &node.generators {
            if let Some((module, is_approved)) = drbg(line) {
                is_new |= learn(&mut self.drbgs, module, is_approved);
            } else if let Some(serial) = serial_in(line) {
                is_new |= learn(&mut self.tokens, serial, is_hardware);
            }
        }
        is_new
    }
}

fn find_generated(id: KeyVersionId, estate: &Estate) -> Option<&OpenVersion> {
    estate.versions.get(&id).filter(|version| version.origin == Origin::Generated)
}

/// Keeps whether something is as it should be; what was said to be otherwise once stays so. Was it not known?
fn learn(known: &mut BTreeMap<String, bool>, name: &str, is_good: bool) -> bool {
    if let Some(before) = known.get_mut(name) {
        *before &= is_good;
        return false;
    }
    known.insert(name.to_owned(), is_good);
    true
}

/// Is the generator that a version was drawn from an approved one?
fn drawn(
    version: &OpenVersion,
    drbgs: &BTreeMap<String, bool>,
    tokens: &BTreeMap<String, bool>,
) -> Judgement {
    let module = &version.module;
    match version.generator {
        Generator::ModuleDrbg => match drbgs.get(module) {
            Some(true) => Judgement::Holds,
            Some(false) => Judgement::violated(format!("the generator of {module} is none of SP 800-90A")),
            None => Judgement::unknown(format!(
                "no node has said which construction the generator of {module} is"
            )),
        },
        Generator::Token | Generator::TokenSeed => {
            match serial_of(module).and_then(|serial| tokens.get(&serial)) {
                Some(true) => Judgement::Holds,
                Some(false) => Judgement::violated(format!(
                    "it was drawn from a token that is a program, and no hardware module: {module}"
                )),
                None => Judgement::unknown(format!(
                    "no node has said what the token is that it was drawn from: {module}"
                )),
            }
        }
        Generator::Elsewhere => Judgement::violated("its generator is not known"),
    }
}

impl Check for Randomness {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        match event.entry.op {
            Op::NodeStart => {
                self.passed.remove(&event.shard);
                self.settle(event, NO_TEST, estate);
            }
            Op::SelfTest => {
                let has_passed = event.entry.out == Ended::Ok;
                self.failed_tests += u64::from(!has_passed);
                self.passed.insert(event.shard, has_passed);
                self.settle(event, if has_passed { Tested::Yes } else { TEST_FAILED }, estate);
            }
            _ => {}
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Version(id) => self.see(id, event, estate),
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                if self.take(node) {
                    let open: Vec<_> = self.open.keys().copied().collect();
                    for version in open {
                        self.judge(version, event.at, estate);
                    }
                }
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        for (id, (since, unknown)) in std::mem::take(&mut self.open) {
            self.ledger.judge(Object::Version(id), since, unknown);
        }
        let mut outcome = Outcome::of(
            self.ledger,
            "each was drawn from an approved generator of a module that had passed its self-tests",
        );
        for generator in Generator::ALL {
            let drawn = end.estate.versions.values().filter(|version| {
                version.origin == Origin::Generated
                    && version.generator == generator
                    && !version.state.is_destroyed()
            });
            outcome = outcome.figure(&format!("versions_from_{generator}"), count(drawn.count()));
        }
        outcome
            .figure("self_tests_failed", self.failed_tests)
            .figure("versions_made_before_facts", self.from_older_releases)
            .note("generators of SP 800-90A and those of hardware tokens are allowed in every framework; no version is drawn from the operating system alone")
            .note("which generator was at work is the word of the node and of the module; that its physical source of entropy is sound is shown by nothing here")
            .note("of versions that a release made which recorded no self-tests, the module says that they had passed, and no entry does")
            .note("a version that was destroyed is not asked about any more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_to_be_bad_once_stays_so() {
        let mut known = BTreeMap::new();
        assert!(learn(&mut known, "m", true));
        for (is_good, holds) in [(true, true), (false, false), (true, false)] {
            assert!(!learn(&mut known, "m", is_good));
            assert_eq!(known.get("m"), Some(&holds));
        }
    }
}
