//! Checks of storage.

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_audit::fact::{Kind, Object, OpenKey, OpenNode, OpenRing, OpenVersion};
use claviger_audit::{Op, Outcome as Ended, StoreScan};
use claviger_core::key::Wrap;
use claviger_core::{KeyRingId, KeyVersionId, NodeId, Timestamp};

use super::common::{count, is_unreadable};
use super::{Check, End, Event};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Setting, Subject};

pub(super) const CHECKS: super::Checks = &[
    ("STOR-01", |setting| Box::new(NoPlaintext::new(setting))),
    ("STOR-02", |setting| Box::new(WrappingKeys::new(setting))),
    ("STOR-03", |setting| Box::new(RootCustody::new(setting))),
    ("STOR-05", |setting| Box::new(ApartFromData::new(setting))),
    ("STOR-07", |setting| Box::new(NoSubstitution::new(setting))),
];

/// What nodes say of a root that software keeps, whatever holds it.
const SOFTWARE_ROOTS: [&str; 2] = ["insecure_software_root", "insecure_software_token"];
const IN_SOFTWARE: &str =
    "its root is kept by software, and opened by a secret on the host: no hardware module, no components";
/// Strength in bits of the KEK of a ring: 32 random bytes for AES-256.
const RING_KEK_STRENGTH: u16 = 256;

/// The value that a node gives to a word, as in `root_storage=token`.
fn said<'n>(words: &'n [String], name: &str) -> Option<&'n str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn keeps_root_in_software(node: &OpenNode) -> bool {
    node.insecure.iter().any(|weakening| SOFTWARE_ROOTS.contains(&weakening.as_str()))
}

/// Is the root of a node in a hardware module? One that does not say which key of it seals does not say what it is.
fn of_root(node: &OpenNode, in_software: &str) -> Judgement {
    if keeps_root_in_software(node) {
        Judgement::violated(in_software)
    } else if said(&node.root_keys, "seal").is_none() {
        Judgement::unknown("it has not said what its root is")
    } else {
        Judgement::Holds
    }
}

/// Strength of the key of the root that has this task, in bits.
fn strength_of_root(node: &OpenNode, task: &str) -> Option<u16> {
    let line = said(&node.root_keys, task)?;
    // It is the last word; a label may have words of its own.
    line.rsplit(' ').find_map(|word| word.strip_prefix("strength="))?.parse().ok()
}

/// The domain of a word: that of what it refers to.
fn domain<'n>(node: &'n OpenNode, name: &str) -> Option<&'n str> {
    let value = said(&node.domains, name)?;
    let root = if name.ends_with("_custody") { "root_custody" } else { "root_storage" };
    let rests_with_root = value == "root" || name == root || name == "hsm_material_custody";
    match value {
        // What software keeps lies on the node and is opened there, whatever a configuration says of it.
        _ if rests_with_root && keeps_root_in_software(node) => Some("node"),
        "store" => said(&node.domains, "store_storage"),
        "root" => said(&node.domains, root),
        own => Some(own),
    }
}

/// Where a key lies, and who opens it.
type Place<'n> = (Option<&'n str>, Option<&'n str>);

fn place<'n>(node: &'n OpenNode, what: &str) -> Place<'n> {
    (domain(node, &format!("{what}_storage")), domain(node, &format!("{what}_custody")))
}

fn is_there(version: &OpenVersion) -> bool {
    version.wrap_format.is_some() || version.wrap_digest.is_some()
}

/// STOR-01.
struct NoPlaintext {
    ledger: Ledger,
    /// When material lay in the store first.
    first_version: Option<Timestamp>,
    scans: u64,
    last_scan: Option<Scanned>,
    /// How old the newest scan may be.
    scan_age: Duration,
}

/// A scan of the store, and when it was.
#[derive(Clone, Copy)]
struct Scanned {
    at: Timestamp,
    scan: StoreScan,
}

/// What scans are judged as.
fn scans() -> Subject {
    Subject::named("store scan")
}

impl NoPlaintext {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            first_version: None,
            scans: 0,
            last_scan: None,
            scan_age: setting.hours("snapshot_max_age_h"),
        }
    }

    /// From when on no scan is new enough any more; each is, as long as there is nothing to scan.
    fn scanned_until(&self) -> Option<Timestamp> {
        let last = self.last_scan.map(|last| last.at);
        Some(last.or(self.first_version)?.after(self.scan_age))
    }

    /// Says of the time until `at` that nothing was known, where the newest scan was too old.
    fn look_back(&mut self, at: Timestamp) {
        let Some(until) = self.scanned_until().filter(|until| *until < at) else { return };
        let hours = self.scan_age.as_secs() / 3600;
        // That a secret did not open is not mended by not looking again.
        if self.last_scan.is_none_or(|last| last.scan.failed == 0) {
            let why = format!("the stored secrets were not opened within {hours} hours");
            self.ledger.judge(scans(), until, Judgement::unknown(why));
        }
    }

    /// Takes a scan, where the log knows of at least so many secrets that lie in the store.
    fn scanned(&mut self, event: &Event<'_>, known: u64) {
        let scan = event.entry.reference.as_deref().and_then(StoreScan::from_bytes);
        let Some(scan) = scan.filter(|_| event.entry.out == Ended::Ok) else { return };
        self.look_back(event.at);
        self.scans += 1;
        self.last_scan = Some(Scanned { at: event.at, scan });
        let judgement = match scan.failed {
            0 if scan.scanned < known => Judgement::unknown(format!(
                "{} stored secrets were opened, and the log knows of {known} at least",
                scan.scanned
            )),
            0 => Judgement::Holds,
            failed => Judgement::violated(format!(
                "{failed} of {} stored secrets did not open in their place, under what reaches the root",
                scan.scanned
            )),
        };
        self.ledger.judge_by(scans(), event.at, judgement, Some(event.index));
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let Some(version) = estate.versions.get(&id) else { return };
        self.first_version.get_or_insert(at);
        let judgement = match (version.wrap_format, &version.wrap_digest) {
            (None, None) => Judgement::OutOfScope,
            (_, None) => Judgement::violated("its material rests without a wrap that the log knows"),
            (Some(Wrap::UNDER_TOKEN_ROOT), _) => Judgement::Holds,
            (Some(Wrap::UNDER_RING_KEK), _) => match estate.ring_of(id.key) {
                None if !estate.unreadable.is_empty() => {
                    Judgement::unknown("the facts of its key or ring do not read")
                }
                None => Judgement::violated("it is wrapped by the key of a ring that the log does not know"),
                Some((_, ring)) if ring.kek_wrap.is_none() => Judgement::unknown(
                    "what wraps the key of its ring is not known: an older release wrapped it, and it was not opened since",
                ),
                Some(_) => Judgement::Holds,
            },
            (format, _) => {
                let format = format.map_or_else(|| "none".to_owned(), |format| format.to_string());
                Judgement::violated(format!("its material rests in format {format}, which is no wrap"))
            }
        };
        self.ledger.judge(Object::Version(id), at, judgement);
    }
}

impl Check for NoPlaintext {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        if event.entry.op == Op::ScanStore {
            // More lie there: the keys that seal facts outnumber the material that can have come while it was under way.
            let material = estate.versions.values().filter(|version| is_there(version)).count();
            self.scanned(event, count(estate.rings.len().saturating_add(material)));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Version(_) | Object::Node(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) =>
            {
                if matches!(object, Object::Version(_)) {
                    self.first_version.get_or_insert(event.at);
                }
            }
            Object::Version(id) => self.judge(id, event.at, estate),
            Object::Ring(id) => {
                for (key, _) in estate.keys_of(id) {
                    for (version, _) in estate.versions_of(key) {
                        self.judge(version, event.at, estate);
                    }
                }
            }
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                self.ledger.judge(object, event.at, of_root(node, IN_SOFTWARE));
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let has_versions = self.first_version.is_some();
        if end.estate.nodes.is_empty() && has_versions {
            let why = "no node has said what its root is";
            self.ledger.judge(Subject::named("root"), to, Judgement::unknown(why));
        }
        self.look_back(to);
        if has_versions && self.last_scan.is_none() {
            let why = "no scan of the store is recorded: that each wrap is what it should be is found out when it is opened alone";
            self.ledger.judge(scans(), to, Judgement::unknown(why));
        }
        let newest = self.last_scan.map(|last| last.scan);
        Outcome::of(self.ledger, "all material is wrapped, up to a root in hardware")
            .figure("scans", self.scans)
            .figure("secrets_in_newest_scan", newest.map_or(0, |scan| scan.scanned))
            .figure("secrets_unopened_in_newest_scan", newest.map_or(0, |scan| scan.failed))
            .note("what a scan opened is counted by the node that did it; which secrets did not open, its answer and the node's own messages name")
            .note("wraps are of material, then of the key of its ring, then of the root: there is no place for a cycle")
    }
}

/// STOR-02.
struct WrappingKeys {
    ledger: Ledger,
    /// What nodes say of what edges rest on: weakenings, domains, keys of the root.
    nodes: BTreeMap<NodeId, [Vec<String>; 3]>,
}

impl WrappingKeys {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), nodes: BTreeMap::new() }
    }

    /// Does a node say something else than before? Most of its reports do not.
    fn says_anew(&mut self, id: NodeId, estate: &Estate) -> bool {
        let now = estate.nodes.get(&id);
        let now = now.map(|node| [node.insecure.clone(), node.domains.clone(), node.root_keys.clone()]);
        let is_new = self.nodes.get(&id) != now.as_ref();
        match now {
            Some(now) => drop(self.nodes.insert(id, now)),
            None => drop(self.nodes.remove(&id)),
        }
        is_new
    }

    fn judge_ring(&mut self, id: KeyRingId, at: Timestamp, estate: &Estate) {
        let Some(ring) = estate.rings.get(&id) else { return };
        // Where keys lie, nodes say at their start.
        if !estate.nodes.is_empty() {
            self.ledger.judge(Object::Ring(id), at, of_ring(ring, estate));
        }
        for (key, row) in estate.keys_of(id) {
            for (version, _) in estate.versions_of(key) {
                self.judge_version(version, row, at, estate);
            }
        }
    }

    fn judge_version(&mut self, id: KeyVersionId, key: &OpenKey, at: Timestamp, estate: &Estate) {
        let Some(version) = estate.versions.get(&id) else { return };
        if !estate.nodes.is_empty() {
            self.ledger.judge(Object::Version(id), at, of_version(version, key, estate));
        }
    }
}

/// The edge from the root to the KEK of a ring.
fn of_ring(ring: &OpenRing, estate: &Estate) -> Judgement {
    let Some(wrap) = &ring.kek_wrap else {
        return Judgement::unknown("what wraps its key is not known: an older release wrapped it");
    };
    if wrap.strength_bits < RING_KEK_STRENGTH {
        return Judgement::violated(format!(
            "its key of {RING_KEK_STRENGTH} bits is wrapped by {} of {} bits",
            wrap.key, wrap.strength_bits
        ));
    }
    apart(estate, "root", "ring_kek")
}

/// The edge from what wraps material to the material.
fn of_version(version: &OpenVersion, key: &OpenKey, estate: &Estate) -> Judgement {
    let strength = key.spec.strength_bits();
    match version.wrap_format {
        None if !is_there(version) => Judgement::OutOfScope,
        Some(Wrap::UNDER_RING_KEK) if strength > RING_KEK_STRENGTH => {
            Judgement::violated(format!("{strength} bits are wrapped by {RING_KEK_STRENGTH} bits"))
        }
        Some(Wrap::UNDER_RING_KEK) => apart(estate, "ring_kek", "material"),
        Some(Wrap::UNDER_TOKEN_ROOT) => {
            let least = estate.nodes.values().map(|node| strength_of_root(node, "wrap")).min().flatten();
            match least {
                None => Judgement::unknown("a node does not say how strong the key is that wraps it"),
                Some(bits) if bits < strength => {
                    Judgement::violated(format!("{strength} bits are wrapped by {bits} bits"))
                }
                Some(_) => apart(estate, "root", "hsm_material"),
            }
        }
        _ => Judgement::unknown("what wraps it is not known"),
    }
}

/// Do they rest in different storage or custody domains, on each node?
fn apart(estate: &Estate, wrapping: &str, wrapped: &str) -> Judgement {
    for node in estate.nodes.values() {
        match (place(node, wrapping), place(node, wrapped)) {
            ((Some(lies), Some(opens)), (Some(lies_too), Some(opens_too))) => {
                if (lies, opens) == (lies_too, opens_too) {
                    return Judgement::violated(format!(
                        "what wraps it shares storage domain {lies} and custody domain {opens} with it"
                    ));
                }
            }
            _ => return Judgement::unknown("a node does not say where what wraps it lies, and who opens it"),
        }
    }
    Judgement::Holds
}

impl Check for WrappingKeys {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Ring(_) | Object::Version(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Ring(id) => self.judge_ring(id, event.at, estate),
            Object::Version(id) => {
                if let Some(key) = estate.keys.get(&id.key) {
                    self.judge_version(id, key, event.at, estate);
                }
            }
            Object::Node(id) => {
                // What it said before does not count any more.
                if is_unreadable(&mut self.ledger, object, event.at, estate) {
                    self.nodes.remove(&id);
                } else if self.says_anew(id, estate) {
                    self.ledger.judge(object, event.at, Judgement::OutOfScope);
                    for id in estate.rings.keys() {
                        self.judge_ring(*id, event.at, estate);
                    }
                }
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let estate = end.estate;
        if estate.nodes.is_empty() && !estate.rings.is_empty() {
            let why = "no node has said where keys lie, and who opens them";
            self.ledger.judge(Subject::named("domains"), end.setting.as_of(), Judgement::unknown(why));
        }
        let declared = estate.nodes.values().flat_map(|node| &node.domains);
        let declared = declared.filter(|word| word.contains("=declared:")).count();
        Outcome::of(self.ledger, "each wrapping key is as strong as what it wraps, and rests apart from it")
            .figure("declared_domains", count(declared))
            .note("all keys that wrap keys here are symmetric, so that no quantum computer opens them by Shor's algorithm")
            .note("domains that a configuration declares are its word: nothing here can check them")
    }
}

/// STOR-03.
struct RootCustody {
    ledger: Ledger,
}

impl RootCustody {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for RootCustody {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Node(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let Some(node) = estate.nodes.get(&id) else { return };
        let in_software =
            "its root is neither in a hardware module nor in components, and what opens it is on the node";
        self.ledger.judge(object, event.at, of_root(node, in_software));
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each root is in a hardware module")
            .when_empty(Emptiness::Unknown("no node has said what its root is"))
            .needs("ATT-COMPONENT-CUSTODY")
            .note("no root is split into components yet: there are no holders, and none of them to prove possession")
            .note("pin-on-node: a file on the node may hold the PIN of a token; it lets the node start, and is not told in the log")
    }
}

/// STOR-05.
struct ApartFromData {
    ledger: Ledger,
}

impl ApartFromData {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for ApartFromData {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let judgement = match object {
            Object::Asset(_) | Object::Node(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) =>
            {
                return;
            }
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                match keeps_root_in_software(node) {
                    true => Judgement::violated("its root is protected by a secret on the same host alone"),
                    false => Judgement::OutOfScope,
                }
            }
            Object::Asset(id) if estate.assets.contains_key(&id) => Judgement::unknown(
                "the domain in which its data lies is not declared: assets do not keep one yet",
            ),
            Object::Asset(_) => Judgement::OutOfScope,
            _ => return,
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "keys rest apart from the data that they protect").needs("ATT-DATA-LOCATION")
    }
}

/// STOR-07.
struct NoSubstitution {
    ledger: Ledger,
    /// By what the material of each version is known again.
    fingerprints: BTreeMap<KeyVersionId, Vec<u8>>,
    refused: u64,
}

impl NoSubstitution {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), fingerprints: BTreeMap::new(), refused: 0 }
    }

    fn see(&mut self, id: KeyVersionId, event: &Event<'_>, version: &OpenVersion) {
        let object = Object::Version(id);
        // What was substituted stays so.
        if matches!(self.ledger.find(&object.into()), Some(Judgement::Violated(_))) {
            return;
        }
        let is_first = self.ledger.find(&object.into()).is_none();
        let known = self.fingerprints.get(&id);
        let op = event.entry.op;
        let judgement = if is_first && !makes_versions(op) {
            Judgement::violated(format!("it came with an entry of `{op}`, which makes no version"))
        } else {
            match (known, &version.fingerprint) {
                (Some(known), Some(now)) if known != now => {
                    Judgement::violated("its material is another one than before")
                }
                (Some(_), None) => Judgement::unknown("the fingerprint of its material is not told any more"),
                (None, None) if is_there(version) => Judgement::unknown(
                    "no fingerprint of it is kept: it never leaves its token and has no public half, or an older release made it",
                ),
                _ => Judgement::Holds,
            }
        };
        if let Some(fingerprint) = &version.fingerprint {
            self.fingerprints.entry(id).or_insert_with(|| fingerprint.clone());
        }
        self.ledger.judge_by(object.into(), event.at, judgement, Some(event.index));
    }
}

/// Does an entry of that operation bring versions?
const fn makes_versions(op: Op) -> bool {
    matches!(op, Op::CreateKey | Op::RotateKey | Op::ImportMaterial | Op::RecordState)
}

impl Check for NoSubstitution {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if event.entry.op != Op::RowAltered {
            return;
        }
        self.refused += 1;
        let kind = event.entry.reference.as_deref().and_then(|bytes| bytes.first().copied());
        let kind = kind.and_then(Kind::from_code).map_or("another kind", Kind::name);
        let because = "a row was not as it was written, and was refused when it was read: the entry names it";
        let rows = Subject::named(format!("altered rows of kind {kind}"));
        self.ledger.happened(rows, event.at, event.index, Some(because.to_owned()));
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Version(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        if let Some(version) = estate.versions.get(&id) {
            self.see(id, event, version);
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let differing: Vec<_> =
            end.verified.findings.iter().filter(|one| one.code() == "state-differs").collect();
        let judgement = match (differing.first(), end.verified.live_state.is_compared()) {
            (Some(first), _) => {
                Judgement::violated(format!("{} live fields differ from the log: {first}", differing.len()))
            }
            (None, true) => Judgement::Holds,
            (None, false) => Judgement::unknown(format!("live rows were {}", end.verified.live_state)),
        };
        self.ledger.judge(Subject::named("live rows"), to, judgement);
        let destroyed = end.estate.versions.values().filter(|version| version.state.is_destroyed()).count();
        Outcome::of(self.ledger, "rows are as they were recorded, and no version changed its material")
            .figure("versions_with_fingerprint", count(self.fingerprints.len()))
            .figure("versions_destroyed", count(destroyed))
            .figure("altered_rows_refused", self.refused)
            .note("a row that is not as it was written is refused when it is read, and entry `row_altered` tells so")
            .note("live rows are those that the export holds, whichever instant is asked about")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::Entry;

    use super::*;
    use crate::Catalogue;
    use crate::evaluation::Period;

    fn node(domains: &[&str], insecure: &[&str]) -> OpenNode {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        OpenNode {
            incarnation: 1,
            reported_at: Timestamp::from_micros(1),
            environment: None,
            mode: String::new(),
            insecure: words(insecure),
            release: String::new(),
            build: Vec::new(),
            configuration: Vec::new(),
            policy: Vec::new(),
            hardening: Vec::new(),
            listeners: Vec::new(),
            clock_source: String::new(),
            generators: Vec::new(),
            domains: words(domains),
            released: Vec::new(),
            root_keys: words(&["seal=root version=1 algorithm=aes-256-gcm strength=256"]),
            certificates: Vec::new(),
        }
    }

    const DOMAINS: [&str; 9] = [
        "store_storage=declared:rack-7",
        "ring_kek_storage=store",
        "ring_kek_custody=root",
        "material_storage=store",
        "material_custody=node",
        "hsm_material_storage=store",
        "hsm_material_custody=root",
        "root_storage=token",
        "root_custody=token",
    ];

    const HOUR: Duration = Duration::from_secs(3600);

    fn hour(number: u32) -> Timestamp {
        Timestamp::from_micros(0).after(HOUR * number)
    }

    /// What is found of scans of 9 secrets at these hours, each with how many did not open, once material has lain there since hour 1.
    fn scanned(scans_at: &[(u32, u64)], asked: u32) -> Option<Judgement> {
        scanned_of(9, scans_at, asked)
    }

    fn scanned_of(known: u64, scans_at: &[(u32, u64)], asked: u32) -> Option<Judgement> {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: hour(0), to: hour(asked) };
        let mut check = NoPlaintext::new(&Setting::new(&catalogue, None, period));
        check.first_version = Some(hour(1));
        for (at, failed) in scans_at {
            let scan = StoreScan { digest: [1; 32], scanned: 9, failed: *failed };
            let mut entry = Entry::new(hour(*at).as_micros(), 1, Op::ScanStore, Ended::Ok);
            entry.reference = Some(scan.to_bytes().to_vec().into());
            check.scanned(&Event { shard: 1, index: 1, at: hour(*at), entry: &entry, facts: &[] }, known);
        }
        check.look_back(hour(asked));
        check.ledger.find(&scans()).cloned()
    }

    #[test]
    fn the_newest_scan_decides_while_it_is_new() {
        assert_eq!(scanned(&[], 20), None);
        assert!(matches!(scanned(&[], 26), Some(Judgement::Unknown(_))));
        assert_eq!(scanned(&[(10, 0)], 30), Some(Judgement::Holds));
        assert!(matches!(scanned(&[(10, 0)], 35), Some(Judgement::Unknown(_))));
        assert!(matches!(scanned(&[(10, 0), (20, 2)], 30), Some(Judgement::Violated(_))));
        let long_ago = scanned(&[(20, 2)], 300);
        assert!(matches!(long_ago, Some(Judgement::Violated(_))), "not looking mends nothing");
        assert_eq!(scanned(&[(10, 2), (20, 0)], 30), Some(Judgement::Holds));
    }

    #[test]
    fn a_scan_of_fewer_secrets_than_the_log_knows_of_shows_nothing() {
        assert!(matches!(scanned_of(10, &[(10, 0)], 20), Some(Judgement::Unknown(_))));
        assert!(matches!(scanned_of(10, &[(10, 1)], 20), Some(Judgement::Violated(_))));
    }

    #[test]
    fn a_reference_that_is_none_is_no_scan() {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: hour(0), to: hour(9) };
        let mut check = NoPlaintext::new(&Setting::new(&catalogue, None, period));
        let mut entry = Entry::new(1, 1, Op::ScanStore, Ended::Ok);
        entry.reference = Some(vec![1; 47].into());
        check.scanned(&Event { shard: 1, index: 1, at: hour(2), entry: &entry, facts: &[] }, 0);
        assert_eq!((check.scans, check.ledger.find(&scans())), (0, None));
    }

    #[test]
    fn a_root_of_which_a_node_says_nothing_is_not_known() {
        let judged = |node: &OpenNode| of_root(node, "in software");
        let silent = OpenNode { root_keys: Vec::new(), ..node(&[], &[]) };
        assert_eq!(judged(&node(&[], &[])), Judgement::Holds);
        assert_eq!(judged(&silent), Judgement::unknown("it has not said what its root is"));
        assert_eq!(judged(&node(&[], &["insecure_software_root"])), Judgement::violated("in software"));
    }

    #[test]
    fn words_refer_to_each_other() {
        let hardware = node(&DOMAINS, &[]);
        assert_eq!(place(&hardware, "root"), (Some("token"), Some("token")));
        assert_eq!(place(&hardware, "ring_kek"), (Some("declared:rack-7"), Some("token")));
        assert_eq!(place(&hardware, "material"), (Some("declared:rack-7"), Some("node")));
        assert_eq!(place(&hardware, "nothing"), (None, None));
        let software = node(&DOMAINS, &["insecure_software_token"]);
        assert_eq!(place(&software, "root"), (Some("node"), Some("node")));
        assert_eq!(place(&software, "ring_kek"), place(&software, "material"));
        let declared = ["root_storage=declared:hsm-2", "root_custody=declared:custodians"];
        let declared = node(&declared, &["insecure_software_root"]);
        assert_eq!(place(&declared, "root"), (Some("node"), Some("node")), "whatever is declared");
    }

    #[test]
    fn strength_of_a_key_of_the_root_is_read() {
        assert_eq!(strength_of_root(&node(&[], &[]), "seal"), Some(256));
        assert_eq!(strength_of_root(&node(&[], &[]), "wrap"), None);
        let mut named = node(&[], &[]);
        named.root_keys = vec!["seal=a strength=512 version=1 algorithm=aes-128-gcm strength=128".to_owned()];
        assert_eq!(strength_of_root(&named, "seal"), Some(128), "a label is no strength");
    }
}
