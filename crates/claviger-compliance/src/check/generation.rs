//! Checks of generation.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Object, OpenGrant, OpenKey, OpenNode, OpenRing, OpenVersion};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::key::{Generator, Origin, State, Wrap};
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{GrantId, KeyId, KeyRingId, KeyVersionId, PrincipalId, Purpose, Timestamp};

use super::common::{count, is_unreadable, keys_about, protects, versions_about};
use super::{Check, End, Event};
use crate::algorithm::{Algorithm, Algorithms};
use crate::cryptoperiod;
use crate::evaluation::{Class, Emptiness, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) const CHECKS: super::Checks = &[
    ("GEN-01", |setting| Box::new(Randomness::new(setting))),
    ("GEN-02", |setting| Box::new(AllowedAlgorithms::new(setting))),
    ("GEN-03", |setting| Box::new(Metadata::new(setting))),
    ("GEN-04", |setting| Box::new(Imports::new(setting))),
    ("GEN-05", |setting| Box::new(Modules::new(setting))),
    ("GEN-06", |setting| Box::new(RootCeremony::new(setting))),
    ("GEN-07", |setting| Box::new(Environments::new(setting))),
];

/// The framework of federal rules: approved algorithms in validated modules.
pub(super) const FEDERAL: &str = "nist-800-53";
/// Generators of SP 800-90A.
const DRBGS: [&str; 3] = ["CTR_DRBG", "HMAC_DRBG", "Hash_DRBG"];
/// What a node says whose token is a program.
const SOFTWARE_TOKEN: &str = "insecure_software_token";
/// What transport of a key must have at least, in bits, unless the key is weaker.
const TRANSPORT_STRENGTH: u16 = 128;
const NO_KEY: &str = "its key is not there, or its facts do not read";

/// GEN-01.
struct Randomness {
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
    fn new(setting: &Setting<'_>) -> Self {
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

/// The serial number of the token that a node's line is about, as in `token=that of NAME (LABEL (SERIAL)); …`.
fn serial_in(line: &str) -> Option<&str> {
    if !line.starts_with("token=") {
        return None;
    }
    Some(module(line)?.strip_suffix("))")?.rsplit_once(" (")?.1)
}

/// The serial number of the token that a version was drawn from, as nodes write it.
fn serial_of(module: &str) -> Option<String> {
    module.rsplit_once(", serial ").map(|(_, serial)| serial.replace(',', ";"))
}

/// The module of a node's line about its generator, and whether that is one of SP 800-90A.
fn drbg(line: &str) -> Option<(&str, bool)> {
    let (construction, rest) = line.strip_prefix("module_drbg=")?.split_once(" of ")?;
    let (module, _) = rest.split_once("; ")?;
    let is_approved =
        construction.contains("SP 800-90A") && DRBGS.iter().any(|name| construction.starts_with(name));
    Some((module, is_approved))
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

/// GEN-02.
struct AllowedAlgorithms {
    ledger: Ledger,
    period: Period,
    algorithms: Algorithms,
    framework: Option<String>,
    least_new: u64,
    least_existing: u64,
    refused_uses: u64,
}

impl AllowedAlgorithms {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            algorithms: setting.catalogue.algorithms().clone(),
            framework: setting.framework.map(str::to_owned),
            least_new: setting.number("min_strength_new_bits"),
            least_existing: setting.number("min_strength_existing_bits"),
            refused_uses: 0,
        }
    }

    fn judge_key(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        let Some(key) = estate.keys.get(&id) else { return };
        let judgement = if key.state.is_destroyed() || !self.period.holds(key.created_at) {
            Judgement::OutOfScope
        } else {
            let bits = key.spec.strength_bits();
            let is_weak = u64::from(bits) < self.least_new;
            Judgement::of(is_weak.then(|| {
                format!("it was created in the period with {bits} bits, and new keys need {}", self.least_new)
            }))
        };
        self.ledger.judge(Object::Key(id), at, judgement);
    }

    fn judge_version(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let object = Object::Version(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let judgement = match estate.keys.get(&id.key) {
            Some(key) => self.of_version(key, version),
            None if version.state.is_destroyed() => Judgement::OutOfScope,
            None => Judgement::unknown(NO_KEY),
        };
        self.ledger.judge(object, at, judgement);
    }

    fn of_version(&self, key: &OpenKey, version: &OpenVersion) -> Judgement {
        let state = key.state.stricter(version.state);
        if !state.processes() {
            return Judgement::OutOfScope;
        }
        let (spec, purpose) = (key.spec, key.purpose.name());
        let Some(row) = self.algorithms.find(spec, key.purpose) else {
            return Judgement::violated(format!("{spec} has no standing for the purpose {purpose}"));
        };
        if let Some(framework) = self.framework.as_deref().filter(|framework| row.is_disallowed_in(framework))
        {
            return Judgement::violated(format!(
                "{spec} is disallowed for the purpose {purpose} in {framework}"
            ));
        }
        let bits = spec.strength_bits();
        if u64::from(bits) < self.least_existing {
            return Judgement::violated(format!(
                "{spec} has {bits} bits, and {} are needed",
                self.least_existing
            ));
        }
        let protects = state.protects();
        let ends = end_of_standing(row, protects);
        let what = if protects { "protect new data" } else { "process old data" };
        Judgement::holds_until(ends, || {
            format!("the time is over in which {spec} may {what} for the purpose {purpose}")
        })
    }

    /// Does the standing of the algorithm end before the use of the version does?
    fn is_expiring(&self, id: KeyVersionId, key: &OpenKey, version: &OpenVersion, estate: &Estate) -> bool {
        let protects = key.state.stricter(version.state).protects();
        let row = self.algorithms.find(key.spec, key.purpose);
        let Some(standing) = row.and_then(|row| end_of_standing(row, protects)) else { return false };
        let known = (version.activated_at, cryptoperiod::find(key), estate.ring_of(id.key));
        let (Some(activated_at), Some(period), Some((_, ring))) = known else { return true };
        let ends = period.ends(&ring.policy, activated_at);
        let end_of_use = if protects { Some(ends.protect) } else { ends.process };
        end_of_use.is_none_or(|end| standing < end)
    }
}

/// The first instant at which an algorithm may not do it any more, by the dates of both columns.
fn end_of_standing(row: &Algorithm, protects: bool) -> Option<Timestamp> {
    let quantum = row.quantum().filter(|_| protects);
    row.permitted_until(protects).into_iter().chain(quantum).min()
}

impl Check for AllowedAlgorithms {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let entry = event.entry;
        if entry.out != Ended::Ok || !protects(entry) || !self.period.holds(event.at) {
            return;
        }
        let Some(id) = entry.key.map(KeyId::from_bytes) else { return };
        let Some(key) = estate.keys.get(&id) else { return };
        let status = self.algorithms.status(key.spec, key.purpose, true, event.at);
        if !status.permits(true) {
            self.refused_uses += 1;
            let because = format!("`{}` succeeded, and the standing of {} was {status}", entry.op, key.spec);
            self.ledger.happened(Object::Key(id), event.at, event.index, Some(because));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Key(id) => {
                if is_unreadable(&mut self.ledger, object, event.at, estate) {
                    return;
                }
                self.judge_key(id, event.at, estate);
            }
            Object::Version(_) => {}
            _ => return,
        }
        for id in versions_about(object, estate) {
            self.judge_version(id, event.at, estate);
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, estate) = (end.setting.as_of(), end.estate);
        let (mut expiring, mut broken_by_quantum) = (0, 0);
        let mut table = BTreeMap::<String, u64>::new();
        for (id, version) in &estate.versions {
            let Some(key) = estate.keys.get(&id.key) else { continue };
            let state = key.state.stricter(version.state);
            if !state.processes() {
                continue;
            }
            let status = self.algorithms.status(key.spec, key.purpose, state.protects(), to);
            let what = if state.protects() { "protecting" } else { "processing" };
            *table.entry(format!("{what}_{}_{status}", key.spec)).or_default() += 1;
            expiring += u64::from(self.is_expiring(*id, key, version, estate));
            broken_by_quantum += u64::from(!key.spec.pq());
        }
        let mut outcome = Outcome::of(self.ledger, "each algorithm may be used for what its keys do")
            .figure("protecting_uses_not_allowed", self.refused_uses)
            .figure("versions_expiring", expiring)
            .figure("versions_broken_by_quantum_computers", broken_by_quantum);
        for (name, versions) in table {
            outcome = outcome.figure(&name, versions);
        }
        if expiring > 0 {
            outcome = outcome.note(format!(
                "expiring: the standing of the algorithm of {expiring} versions ends before their cryptoperiod does"
            ));
        }
        outcome
            .note("versions that may protect are held to the standing for new data, those that only process to that for old; others are not in use")
            .note("after 2035 public-key algorithms that a quantum computer breaks protect no new data: by a draft, which may change")
            .note("the strength that existing keys need grows to 128 bits after 2030 by the dates of the table")
    }
}

/// GEN-03.
struct Metadata {
    ledger: Ledger,
    owners: BTreeMap<KeyId, PrincipalId>,
    owned: BTreeMap<PrincipalId, BTreeSet<KeyId>>,
    /// Keys and rings as they stood before an entry that does not record a change of what is said about them.
    keys: BTreeMap<KeyId, OpenKey>,
    rings: BTreeMap<KeyRingId, OpenRing>,
    /// What changed otherwise.
    unrecorded: BTreeMap<KeyId, &'static str>,
    deployment: Option<String>,
    has_begun: bool,
}

impl Metadata {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            owners: BTreeMap::new(),
            owned: BTreeMap::new(),
            keys: BTreeMap::new(),
            rings: BTreeMap::new(),
            unrecorded: BTreeMap::new(),
            deployment: None,
            has_begun: false,
        }
    }

    fn judge(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        // Where a node has not reported, the log is in the middle of recording how things stand.
        if !self.has_begun || is_unreadable(&mut self.ledger, Object::Key(id), at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let is_asked = |version: &OpenVersion| {
            matches!(
                version.state,
                State::Active | State::Suspended | State::Deactivated | State::Compromised
            )
        };
        if key.state.is_destroyed() || !estate.versions_of(id).any(|(_, version)| is_asked(version)) {
            self.ledger.judge(Object::Key(id), at, Judgement::OutOfScope);
            return;
        }
        let mut defects = defects(id, key, estate);
        defects.extend(self.unrecorded.get(&id));
        let mut missing = [Object::Principal(key.owner), Object::Ring(key.ring)].into_iter();
        let judgement = match missing.find(|object| estate.unreadable.contains(object)) {
            Some(object) if defects.is_empty() => {
                Judgement::unknown(format!("the facts of its {object} do not read"))
            }
            _ => Judgement::of((!defects.is_empty()).then(|| defects.join("; "))),
        };
        self.ledger.judge(Object::Key(id), at, judgement);
    }

    fn judge_all(&mut self, at: Timestamp, estate: &Estate) {
        self.has_begun = true;
        self.deployment = estate.environment().map(str::to_owned);
        for id in estate.keys.keys() {
            self.judge(*id, at, estate);
        }
        for object in &estate.unreadable {
            if let Object::Key(id) = object {
                self.judge(*id, at, estate);
            }
        }
    }

    /// Takes who answers for a key.
    fn take_owner(&mut self, id: KeyId, owner: PrincipalId) {
        match self.owners.insert(id, owner) {
            Some(before) if before == owner => return,
            Some(before) => {
                if let Some(keys) = self.owned.get_mut(&before) {
                    keys.remove(&id);
                }
            }
            None => {}
        }
        self.owned.entry(owner).or_default().insert(id);
    }
}

/// What a key lacks.
fn defects(id: KeyId, key: &OpenKey, estate: &Estate) -> Vec<&'static str> {
    let mut defects = Vec::new();
    let reads = |object: Object| !estate.unreadable.contains(&object);
    let has_ring = reads(Object::Ring(key.ring));
    match estate.principals.get(&key.owner) {
        None if !reads(Object::Principal(key.owner)) => {}
        None => defects.push("its owner is not known"),
        Some(owner) if owner.kind != PrincipalKind::Human => defects.push("its owner is no person"),
        Some(owner) if owner.status != Status::Active => defects.push("its owner is revoked"),
        Some(_) => {}
    }
    if has_ring && estate.environment_of(id).is_none() {
        defects.push("it belongs to no environment");
    }
    match estate.ring_of(id) {
        None if !has_ring => {}
        None => defects.push("its ring is not known"),
        Some((_, ring)) => {
            if ring.policy.protect_period.is_none() {
                defects.push("no period is set for which its versions may protect");
            }
            if ring.policy.process_period.is_none() && key.purpose != Purpose::Sign {
                defects.push("no period is set for which its versions may process");
            }
        }
    }
    defects
}

/// What is different of a key that must be recorded when it changes.
fn moved(before: &OpenKey, now: &OpenKey) -> Option<&'static str> {
    let fields = [
        (before.owner != now.owner, "its owner was changed by an entry that does not record it"),
        (before.purpose != now.purpose, "its purpose was changed"),
        (before.spec != now.spec, "its spec was changed"),
        (
            before.data_class != now.data_class,
            "its data class was changed by an entry that does not record it",
        ),
        (
            before.environment != now.environment,
            "its environment was changed by an entry that does not record it",
        ),
        (before.ring != now.ring, "its ring was changed"),
    ];
    fields.into_iter().find(|(is_so, _)| *is_so).map(|(_, what)| what)
}

/// The same of a ring, of what its keys have of it.
fn ring_moved(before: &OpenRing, now: &OpenRing) -> bool {
    let (before, now) = (&before.policy, &now.policy);
    before.environment != now.environment
        || before.protect_period != now.protect_period
        || before.process_period != now.process_period
}

impl Check for Metadata {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.keys.clear();
        self.rings.clear();
        let op = event.entry.op;
        for fact in event.facts {
            match fact.object {
                Object::Key(id) if op != Op::UpdateKey => {
                    self.keys.extend(estate.keys.get(&id).map(|key| (id, key.clone())));
                }
                Object::Ring(id) if op != Op::UpdateRing => {
                    self.rings.extend(estate.rings.get(&id).map(|ring| (id, ring.clone())));
                }
                _ => {}
            }
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Key(id) => {
                if let Some(now) = estate.keys.get(&id) {
                    self.take_owner(id, now.owner);
                    if let Some(what) = self.keys.get(&id).and_then(|before| moved(before, now)) {
                        self.unrecorded.entry(id).or_insert(what);
                    }
                }
            }
            Object::Ring(id) => {
                let before = self.rings.get(&id).zip(estate.rings.get(&id));
                if before.is_some_and(|(before, now)| ring_moved(before, now)) {
                    for (key, _) in estate.keys_of(id) {
                        let what = "the rules of its ring were changed by an entry that does not record it";
                        self.unrecorded.entry(key).or_insert(what);
                    }
                }
            }
            Object::Principal(id) => {
                for key in self.owned.get(&id).cloned().unwrap_or_default() {
                    self.judge(key, event.at, estate);
                }
            }
            Object::Node(_) if !self.has_begun || self.deployment.as_deref() != estate.environment() => {
                self.judge_all(event.at, estate);
            }
            _ => {}
        }
        for key in keys_about(object, estate) {
            self.judge(key, event.at, estate);
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        if !self.has_begun {
            self.judge_all(end.setting.as_of(), end.estate);
        }
        Outcome::of(self.ledger, "each key in use has an owner, a purpose, a class, an environment and a cryptoperiod")
            .figure("changes_not_recorded", count(self.unrecorded.len()))
            .note("no key is without purpose, spec and data class: the service makes none; type and usage follow from purpose and spec, the regimes from the class")
            .note("a ring sets the cryptoperiod of its keys; defaults of this catalogue and schedules of rotation are not taken for one")
            .note("what owners say in words of what a key is for is sealed, and not asked for")
            .note("that live rows are what the log says is decided by STOR-07 and AUD-10")
    }
}

/// GEN-04.
struct Imports {
    ledger: Ledger,
    persons: u64,
}

impl Imports {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), persons: setting.number("dual_control_min_persons") }
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let object = Object::Version(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let is_in_scope =
            version.origin == Origin::Imported && !version.state.is_destroyed() && was_imported(version);
        let judgement = if !is_in_scope {
            Judgement::OutOfScope
        } else {
            match estate.keys.get(&id.key) {
                None => Judgement::unknown(NO_KEY),
                Some(key) => self.of_import(key, version),
            }
        };
        self.ledger.judge(object, at, judgement);
    }

    fn of_import(&self, key: &OpenKey, version: &OpenVersion) -> Judgement {
        let mut defects = Vec::new();
        let strength = key.spec.strength_bits();
        if let Some(transport) = version.transport_strength
            && transport < strength.min(TRANSPORT_STRENGTH)
        {
            let by = version.transport_spec.as_deref().unwrap_or("an unknown key");
            defects.push(format!("a key of {strength} bits came under {by} of {transport} bits"));
        }
        if Class::from(key.data_class) == Class::Restricted {
            defects.push(format!(
                "its data is restricted, and no {} persons approved its import: this release collects no approvals",
                self.persons
            ));
        }
        defects.push("where it came from is recorded nowhere: this release asks for no source".to_owned());
        if version.transport_strength.is_none() {
            defects
                .push("how it was wrapped on its way is not known: an older release took it in".to_owned());
        }
        Judgement::violated(defects.join("; "))
    }
}

/// Did material come in? A version that waits for it has none of these.
fn was_imported(version: &OpenVersion) -> bool {
    let is_here = version.wrap_format.is_some() || version.wrap_digest.is_some();
    is_here
        || version.transport_strength.is_some()
        || version.fingerprint.is_some()
        || version.activated_at.is_some()
}

impl Check for Imports {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        if !matches!(object, Object::Key(_) | Object::Version(_)) {
            return;
        }
        for id in versions_about(object, estate) {
            self.judge(id, event.at, estate);
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let is_imported = |version: &&OpenVersion| {
            version.origin == Origin::Imported && !version.state.is_destroyed() && was_imported(version)
        };
        let imported: Vec<_> = end.estate.versions.values().filter(is_imported).collect();
        let least = imported.iter().filter_map(|version| version.transport_strength).min();
        let mut outcome = Outcome::of(
            self.ledger,
            "each import is recorded with its origin, its transport and its approval",
        )
        .figure("imported_versions", count(imported.len()));
        if let Some(least) = least {
            outcome = outcome.figure("least_transport_strength_bits", u64::from(least));
        }
        outcome
            .needs("ATT-IMPORT-ORIGIN")
            .note("material comes in wrapped for a key of the service, or not at all; that it was imported stays with a version for life")
    }
}

/// GEN-05. It is of an instant alone, and decided at the end.
struct Modules {
    ledger: Ledger,
    is_validation_required: bool,
}

impl Modules {
    fn new(setting: &Setting<'_>) -> Self {
        let parameter = setting.catalogue.find_parameter("fips140_3_required");
        let is_required = parameter.is_some_and(|parameter| parameter.default.starts_with("true"));
        let is_federal = setting.framework == Some(FEDERAL);
        Self { ledger: setting.ledger(), is_validation_required: is_required || is_federal }
    }

    fn of_module(&self, module: &str, is_one_validated: bool) -> Judgement {
        if claims_validation(module) {
            Judgement::unknown(
                "it says that it is validated; its certificate, the status of that and when both were checked are not kept",
            )
        } else if self.is_validation_required && !is_one_validated {
            Judgement::violated("FIPS 140-3 is required, and no module in use says that it is validated")
        } else {
            Judgement::Holds
        }
    }
}

/// The module that a line about a generator names.
fn module(line: &str) -> Option<&str> {
    if let Some(token) = line.strip_prefix("token=that of ") {
        return Some(token.split_once("; it does not say").map_or(token, |(name, _)| name));
    }
    drbg(line).map(|(module, _)| module)
}

/// Does a module say of itself that it is validated? The label of a token can be any text, and does not say so.
fn claims_validation(module: &str) -> bool {
    let release = module.rsplit_once(" (FIPS module ").and_then(|(_, rest)| rest.strip_suffix(')'));
    module.ends_with(" (FIPS)")
        || release.is_some_and(|release| release.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Check for Modules {
    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, estate) = (end.setting.as_of(), end.estate);
        let lines = || estate.nodes.values().flat_map(|node| &node.generators);
        let is_one_validated = lines().filter_map(|line| module(line)).any(claims_validation);
        for (id, node) in &estate.nodes {
            let mut is_listed = false;
            for line in &node.generators {
                let Some(module) = module(line) else {
                    let subject = Subject::named(format!("module of node {id}: {line}"));
                    self.ledger.judge(
                        subject,
                        to,
                        Judgement::unknown("what the node says of it does not read"),
                    );
                    continue;
                };
                is_listed = true;
                let judgement = self.of_module(module, is_one_validated);
                self.ledger.judge(Subject::named(format!("module {module} of node {id}")), to, judgement);
            }
            if !is_listed {
                self.ledger.judge(
                    Object::Node(*id),
                    to,
                    Judgement::violated("it uses a module, and lists none"),
                );
            }
        }
        for object in &estate.unreadable {
            if let Object::Node(_) = object {
                is_unreadable(&mut self.ledger, *object, to, estate);
            }
        }
        let is_in_token = |version: &OpenVersion| version.wrap_format == Some(Wrap::UNDER_TOKEN_ROOT);
        let has_token = lines().any(|line| line.starts_with("token="));
        if !has_token && estate.versions.values().any(is_in_token) {
            let why = Judgement::violated("keys work in a token, and no node lists one");
            self.ledger.judge(Subject::named("module of the token"), to, why);
        }
        let holds = if is_one_validated { "each module is listed" } else { "no validated module in use" };
        let outcome = Outcome::of(self.ledger, holds)
            .when_empty(Emptiness::Unknown("no node has said which modules it uses"))
            .note("certificates of modules, their level and status are not kept: what is said here is what each module says of itself")
            .note("TLS and the log use the module of the library; nothing is claimed of a token but its name");
        if is_one_validated { outcome.needs("ATT-MODULE-CERT") } else { outcome }
    }
}

/// GEN-06.
struct RootCeremony {
    ledger: Ledger,
    initialized: u64,
}

impl RootCeremony {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), initialized: 0 }
    }
}

impl Check for RootCeremony {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        self.initialized += u64::from(event.entry.op == Op::Initialize && event.entry.out == Ended::Ok);
        // Whoever writes a log has a root.
        if self.ledger.is_empty() {
            let why = "no ceremony of its making is recorded: this release has none, and one person makes a root alone";
            let judgement = Judgement::violated(why);
            self.ledger.judge_by(Subject::named("root"), event.at, judgement, Some(event.index));
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "the root was made in a ceremony")
            .when_empty(Emptiness::Unknown("the log does not begin: whether there is a root is not known"))
            .figure("initializations", self.initialized)
            .needs("ATT-CEREMONY")
            .note("a root is violated from the first entry on, and until it is replaced in a ceremony")
    }
}

/// GEN-07.
struct Environments {
    ledger: Ledger,
    period: Period,
    /// The environment of each key, as it was looked at last.
    of_key: BTreeMap<KeyId, Option<String>>,
    /// The environment that each version was in first.
    first: BTreeMap<KeyVersionId, String>,
    /// The versions that have the same material, by what it is known again and by their environments.
    fingerprints: BTreeMap<Vec<u8>, BTreeMap<String, BTreeSet<KeyVersionId>>>,
    deployment: Option<String>,
    has_begun: bool,
    on_key: BTreeMap<KeyId, BTreeSet<GrantId>>,
    on_ring: BTreeMap<KeyRingId, BTreeSet<GrantId>>,
    /// Principals that belong to an environment of their own.
    apart: BTreeSet<PrincipalId>,
    /// Keys that nobody of another environment held a grant on, as rights stand.
    clean: BTreeSet<KeyId>,
    uses_in_doubt: u64,
}

impl Environments {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            of_key: BTreeMap::new(),
            first: BTreeMap::new(),
            fingerprints: BTreeMap::new(),
            deployment: None,
            has_begun: false,
            on_key: BTreeMap::new(),
            on_ring: BTreeMap::new(),
            apart: BTreeSet::new(),
            clean: BTreeSet::new(),
            uses_in_doubt: 0,
        }
    }

    fn look_at_all(&mut self, at: Timestamp, estate: &Estate) {
        self.has_begun = true;
        self.deployment = estate.environment().map(str::to_owned);
        self.of_key.clear();
        for id in estate.keys.keys() {
            self.look_at_key(*id, at, estate);
        }
        for object in &estate.unreadable {
            if let Object::Version(_) = object {
                is_unreadable(&mut self.ledger, *object, at, estate);
            }
        }
    }

    /// Takes the environment of a key, where it is another one than before.
    fn look_at_key(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        if !self.has_begun {
            return;
        }
        let environment = environment_of(id, estate).map(str::to_owned);
        if self.of_key.get(&id) == Some(&environment) {
            return;
        }
        self.of_key.insert(id, environment);
        for (version, _) in estate.versions_of(id) {
            self.look_at_version(version, at, estate);
        }
    }

    fn look_at_version(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        if !self.has_begun || is_unreadable(&mut self.ledger, Object::Version(id), at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let environment = environment_of(id.key, estate).filter(|_| !version.state.is_destroyed());
        let mut sharing = BTreeSet::from([id]);
        if let Some(fingerprint) = &version.fingerprint {
            let holders = self.fingerprints.entry(fingerprint.clone()).or_default();
            let before = holders.len();
            for ids in holders.values_mut() {
                ids.remove(&id);
            }
            if let Some(environment) = environment {
                holders.entry(environment.to_owned()).or_default().insert(id);
            }
            holders.retain(|_, ids| !ids.is_empty());
            // The others are judged by whether there is a second environment.
            if holders.len() != before {
                sharing.extend(holders.values().flatten());
            }
        }
        if let Some(environment) = environment {
            self.first.entry(id).or_insert_with(|| environment.to_owned());
        }
        for id in sharing {
            self.judge(id, at, estate);
        }
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let Some(version) = estate.versions.get(&id) else { return };
        let judgement = self.of_version(id, version, estate);
        self.ledger.judge(Object::Version(id), at, judgement);
    }

    fn of_version(&self, id: KeyVersionId, version: &OpenVersion, estate: &Estate) -> Judgement {
        let has_material = version.wrap_digest.is_some() || version.wrap_format.is_some();
        if version.state.is_destroyed() || !has_material {
            return Judgement::OutOfScope;
        }
        let Some(environment) = environment_of(id.key, estate) else {
            return Judgement::unknown("neither its key nor its ring nor the deployment says an environment");
        };
        let holders = version.fingerprint.as_ref().and_then(|fingerprint| self.fingerprints.get(fingerprint));
        let elsewhere = holders.into_iter().flatten().find(|(of_other, _)| of_other.as_str() != environment);
        if let Some((of_other, ids)) = elsewhere
            && let Some(other) = ids.first()
        {
            return Judgement::violated(format!(
                "it is of {environment}, and has the same material as version {other} of {of_other}"
            ));
        }
        match (self.first.get(&id), estate.environment()) {
            (Some(first), _) if first != environment => Judgement::violated(format!(
                "its material was of {first} before, and is of {environment} now: it was not replaced"
            )),
            (_, Some(deployment)) if deployment != environment => Judgement::violated(format!(
                "it is of {environment}, and lies in a deployment that is {deployment}"
            )),
            (_, None) => {
                Judgement::unknown("of which environment the deployment is, in which it lies, is not said")
            }
            _ if version.fingerprint.is_none() && version.wrap_format != Some(Wrap::UNDER_TOKEN_ROOT) => {
                Judgement::unknown("no fingerprint of it is kept: an older release made it")
            }
            _ => Judgement::Holds,
        }
    }

    /// Does somebody of another environment hold a grant on the key, as far as grants and principals read?
    fn is_granted_apart(&self, key: KeyId, at: Timestamp, estate: &Estate) -> bool {
        let is_right = |object: &Object| matches!(object, Object::Grant(_) | Object::Principal(_));
        if estate.unreadable.iter().any(is_right) {
            return true;
        }
        let environment = environment_of(key, estate);
        let is_of_deployment = environment == estate.environment();
        if is_of_deployment && self.apart.is_empty() {
            return false;
        }
        let ring = estate.keys.get(&key).map(|row| row.ring);
        let on_ring = ring.and_then(|ring| self.on_ring.get(&ring));
        let grants = self.on_key.get(&key).into_iter().chain(on_ring).flatten();
        let is_in_force =
            |grant: &&OpenGrant| grant.status == Status::Active && grant.until.is_none_or(|until| at < until);
        let holders = grants.filter_map(|id| estate.grants.get(id)).filter(is_in_force);
        holders.filter_map(|grant| estate.principals.get(&grant.principal)).any(|holder| {
            let of_holder = holder.environment.as_deref().or_else(|| estate.environment());
            of_holder.is_some_and(|of_holder| environment.is_some_and(|environment| environment != of_holder))
        })
    }

    fn take_grant(&mut self, id: GrantId, estate: &Estate) {
        let Some(grant) = estate.grants.get(&id) else { return };
        if let Some(key) = grant.key {
            self.on_key.entry(key).or_default().insert(id);
        } else if let Some(ring) = grant.ring {
            self.on_ring.entry(ring).or_default().insert(id);
        }
    }
}

/// The environment of a key; none where the ring that would say it does not read.
fn environment_of(key: KeyId, estate: &Estate) -> Option<&str> {
    let row = estate.keys.get(&key)?;
    let is_missing = row.environment.is_none() && estate.unreadable.contains(&Object::Ring(row.ring));
    if is_missing { None } else { estate.environment_of(key) }
}

/// All environments that something belongs to.
fn named_environments(estate: &Estate) -> BTreeSet<&str> {
    let of_nodes = estate.nodes.values().filter_map(|node| node.environment.as_deref());
    let of_rings = estate.rings.values().filter_map(|ring| ring.policy.environment.as_ref());
    let of_keys = estate.keys.values().filter_map(|key| key.environment.as_deref());
    let of_principals = estate.principals.values().filter_map(|principal| principal.environment.as_deref());
    of_nodes.chain(of_rings.map(|name| name.as_str())).chain(of_keys).chain(of_principals).collect()
}

impl Check for Environments {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let entry = event.entry;
        if entry.out != Ended::Ok || !entry.op.uses_material() || !self.period.holds(event.at) {
            return;
        }
        let Some(key) = entry.key.map(KeyId::from_bytes) else { return };
        if self.clean.contains(&key) {
            return;
        }
        if !self.is_granted_apart(key, event.at, estate) {
            self.clean.insert(key);
            return;
        }
        self.uses_in_doubt += 1;
        // It says nothing of what is before or after.
        let why = "it was used while a principal of another environment, or one whose facts do not read, may have held a grant on it, and \
                   who used it is sealed";
        let subject = || Subject::named(format!("uses of {}", Object::Key(key)));
        self.ledger.judge(subject(), event.at, Judgement::unknown(why));
        self.ledger.judge(subject(), event.at, Judgement::OutOfScope);
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Version(id) => self.look_at_version(id, event.at, estate),
            Object::Key(id) => {
                self.clean.remove(&id);
                self.look_at_key(id, event.at, estate);
            }
            Object::Ring(_) => {
                self.clean.clear();
                for key in keys_about(object, estate) {
                    self.look_at_key(key, event.at, estate);
                }
            }
            Object::Node(_) if !self.has_begun || self.deployment.as_deref() != estate.environment() => {
                self.clean.clear();
                self.look_at_all(event.at, estate);
            }
            Object::Grant(id) => {
                self.clean.clear();
                self.take_grant(id, estate);
            }
            Object::Principal(id) => {
                self.clean.clear();
                if estate.principals.get(&id).is_some_and(|principal| principal.environment.is_some()) {
                    self.apart.insert(id);
                }
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        if !self.has_begun {
            self.look_at_all(end.setting.as_of(), end.estate);
        }
        let environments = named_environments(end.estate).len();
        let with_fingerprint = self.fingerprints.values().filter(|holders| !holders.is_empty()).count();
        let outcome = Outcome::of(self.ledger, "no material is in two environments, and each lies in a deployment of its own")
            .figure("environments_named", count(environments))
            .figure("fingerprints_compared", count(with_fingerprint))
            .figure("uses_in_doubt", self.uses_in_doubt)
            .note("fingerprints are keyed by the deployment: within it they are compared, with those of other deployments they cannot be")
            .note("who used a key is sealed: a use is taken for one of the key's environment where nobody of another one held a grant on it; that each use was by a grant is decided by USE-01")
            .note("no restore is recorded by this release; a copy that is started as another environment, and continues this log, is seen by that its keys are of another environment than before")
            .note("material that never leaves its token and has no public half has no fingerprint, and no copy outside that token's root");
        if environments > 1 { outcome.needs("ATT-ENV-LIST") } else { outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "module_drbg=CTR_DRBG with AES-256 (SP 800-90A) of aws-lc 1.60.0 (not FIPS); seeded by jitter of the CPU and \
                           by the operating system";
    const TOKEN: &str =
        "token=that of SoftHSM 2.6; model (claviger (1)); it does not say where its entropy is from";

    #[test]
    fn generators_of_sp_800_90a_are_known_by_their_words() {
        assert_eq!(drbg(LIBRARY), Some(("aws-lc 1.60.0 (not FIPS)", true)));
        let other = LIBRARY.replace("CTR_DRBG", "Dual_EC_DRBG");
        assert_eq!(drbg(&other), Some(("aws-lc 1.60.0 (not FIPS)", false)));
        assert_eq!(drbg("module_drbg=something of m; s"), Some(("m", false)));
        assert_eq!((drbg(TOKEN), drbg("module_drbg="), drbg("")), (None, None, None));
    }

    #[test]
    fn modules_are_named_and_claim_what_they_say() {
        assert_eq!(module(LIBRARY), Some("aws-lc 1.60.0 (not FIPS)"));
        assert_eq!(module(TOKEN), Some("SoftHSM 2.6; model (claviger (1))"));
        assert_eq!(module("store_storage=node"), None);
        assert!(!claims_validation("aws-lc 1.60.0 (not FIPS)"));
        assert!(
            claims_validation("aws-lc 1.60.0 (FIPS)") && claims_validation("aws-lc 1.60.0 (FIPS module 3)")
        );
        for label in ["FIPS", "FIPS)", "a (FIPS module 3"] {
            assert!(!claims_validation(&format!("SoftHSM 2.6; model ({label} (1))")), "{label}");
        }
    }

    #[test]
    fn tokens_are_known_by_their_serial_numbers() {
        assert_eq!((serial_in(TOKEN), serial_in(LIBRARY), serial_in("token=")), (Some("1"), None, None));
        assert_eq!(serial_of("model firmware 2.6, serial 1").as_deref(), Some("1"));
        assert_eq!(
            serial_of("aws-lc 1.60.0 (not FIPS), seeded by model firmware 2.6, serial 1").as_deref(),
            Some("1")
        );
        assert_eq!(serial_of("aws-lc 1.60.0 (not FIPS)"), None);
    }

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
