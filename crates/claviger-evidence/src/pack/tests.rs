use std::collections::BTreeMap;

use claviger_audit::cut::{Cut, ShardHead, ShardState};
use claviger_audit::fact::VeilKey;
use claviger_audit::session::{DisclosedSession, Disclosure, Level, SessionRecord, Who};
use claviger_audit::tile::{Resource, push_entry, push_facts};
use claviger_audit::tree::{Frontier, leaf_hash};
use claviger_audit::verify::{CHECKPOINT, Files, NoFile, ROOT_VKEY, bundles};
use claviger_audit::{Checkpoint, Entry, Op, Outcome, SigningKey, VerifierKey, sha256, to_hex};
use claviger_compliance::{Catalogue, Evaluation, Period, Verdict};
use claviger_core::principal::CredentialKind;
use claviger_core::{CredentialId, PrincipalId, Source};

use super::*;
use crate::disclosed::DISCLOSURE;
use crate::dossier::Asked;
use crate::samples::{SAMPLES, Samples};

/// An export in memory.
#[derive(Default)]
struct Export(BTreeMap<String, Vec<u8>>);

impl Files for Export {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        self.0.get(name).cloned().ok_or(NoFile::Missing)
    }
}

impl Export {
    /// A shard in which a key is made and encrypts, an entry each second; one cut.
    fn new(count: u64) -> (Self, VerifierKey) {
        Self::of(count, None)
    }

    /// The same, whose second entry begins a session, which the later ones are of.
    fn of(count: u64, session: Option<&SessionRecord>) -> (Self, VerifierKey) {
        let (mut shard, mut entries) = (Frontier::new(), Vec::new());
        for second in 0..count {
            let op = match (second, session) {
                (0, _) => Op::CreateKey,
                (1, Some(_)) => Op::Session,
                _ => Op::Encrypt,
            };
            let mut entry = Entry::new(second * 1_000_000, 1, op, Outcome::Ok);
            match session.filter(|_| op == Op::Session) {
                Some(session) => entry.reference = Some(session.commitment().to_vec().into()),
                None => {
                    (entry.key, entry.kv) = (Some([7; 16]), Some(1));
                    entry.reference = (second == 0).then_some(std::borrow::Cow::Borrowed(&[1]));
                    entry.ses = session.filter(|_| second > 1).map(|_| 1);
                }
            }
            let mut bytes = Vec::new();
            entry.encode_into(&mut bytes).unwrap();
            shard.push(leaf_hash(&bytes));
            entries.push(bytes);
        }
        let (size, root) = (shard.size(), shard.root());
        let head = ShardHead { shard: 1, state: ShardState::Active, incarnation: 1, size, root, epoch: 1 };
        let cut = Cut {
            t: count * 1_000_000,
            cut_no: 0,
            epoch: 1,
            shards: vec![head],
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        let cut = cut.encode().unwrap();
        let mut tree = Frontier::new();
        tree.push(leaf_hash(&cut));
        let signing = SigningKey::from_seed("d/audit/root", &[7; 32]).unwrap();
        let head = Checkpoint { origin: "d/audit/root".into(), size: 1, root: tree.root() };
        let mut export = Self::default();
        export.put_log("root", &[cut]);
        export.put_log("1", &entries);
        export.0.insert(CHECKPOINT.to_owned(), head.sign(&signing).unwrap().into_bytes());
        export.0.insert(ROOT_VKEY.to_owned(), signing.verifier_key().to_string().into_bytes());
        if let Some(session) = session {
            let mut beside = Vec::new();
            push_facts(&mut beside, 1, &session.encode().unwrap()).unwrap();
            export.0.insert(format!("1/{}", Resource::facts(0, count).unwrap()), beside);
        }
        (export, signing.verifier_key().clone())
    }

    fn put_log(&mut self, log: &str, entries: &[Vec<u8>]) {
        for (resource, part) in bundles(entries.len() as u64).zip(entries.chunks(256)) {
            let mut bundle = Vec::new();
            part.iter().for_each(|entry| push_entry(&mut bundle, entry).unwrap());
            self.0.insert(format!("{log}/{resource}"), bundle);
        }
    }

    fn made(&self, key: &VerifierKey, framework: Option<&str>) -> (Vec<PackFile>, Vec<u8>, String) {
        let catalogue = Catalogue::load().unwrap();
        let dossier = Dossier::gather(self, key, asked(&catalogue, framework), &mut |_| {}).unwrap();
        let files = files(&dossier).unwrap();
        let own = files.iter().map(|file| Listed::new(file.path.as_str(), &file.bytes));
        let of_log = self.0.iter().map(|(path, bytes)| Listed::new(format!("{LOG}{path}"), bytes));
        let manifest = manifest(&dossier, own.chain(of_log).collect()).unwrap();
        (files, manifest, id(&dossier))
    }
}

fn asked<'c>(catalogue: &'c Catalogue, framework: Option<&str>) -> Asked<'c> {
    let at = |second: u64| Timestamp::from_micros(second * 1_000_000);
    let framework = framework.map(|id| catalogue.find_framework(id).unwrap());
    Asked { catalogue, framework, period: Period { from: at(0), to: at(20) }, disclosed: None }
}

fn bytes_of<'f>(files: &'f [PackFile], path: &str) -> &'f [u8] {
    &files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path}")).bytes
}

#[test]
fn same_log_makes_the_same_bytes_and_another_question_another_pack() {
    let (export, key) = Export::new(20);
    let (files, manifest, id) = export.made(&key, Some("pci-dss"));
    let again = export.made(&key, Some("pci-dss"));
    assert_eq!((&files, &manifest, &id), (&again.0, &again.1, &again.2));
    assert_eq!(id, &to_hex(&sha256(bytes_of(&files, INPUTS)))[..32]);
    let other = export.made(&key, Some("gdpr"));
    assert_ne!(other.2, id);
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    assert!(paths.is_sorted());
    for path in [
        "LIMITS.md",
        "READ-ME-FIRST.md",
        "cbom/cbom.json",
        "redaction.json",
        "report/keys.csv",
        "report/report.html",
        INPUTS,
        RESULTS,
        SAMPLES,
        "state/objects.jsonl",
        "state/proof.json",
        "verify.html",
    ] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
    assert!(paths.iter().any(|path| path.starts_with("oscal/")));
    let read = Manifest::read(&manifest).unwrap();
    assert_eq!((read.pack, read.framework.as_deref()), (id, Some("pci-dss")));
    assert_eq!(read.files.len(), files.len() + export.0.len());
}

#[test]
fn results_read_back_and_what_is_asked_with_them() {
    let (export, key) = Export::new(20);
    let (files, ..) = export.made(&key, None);
    let results: Evaluation = serde_json::from_slice(bytes_of(&files, RESULTS)).unwrap();
    let inputs = Inputs::read(bytes_of(&files, INPUTS)).unwrap();
    assert_eq!((results.period, &results.log), (inputs.period, &inputs.log));
    assert_eq!(inputs.needs_another(&Catalogue::load().unwrap()).unwrap(), None);
    let limits = String::from_utf8(bytes_of(&files, "LIMITS.md").to_vec()).unwrap();
    let undecided = results.results.iter().filter(|result| result.result == Verdict::Indeterminate);
    for result in undecided {
        assert!(limits.contains(&format!("* {}, {}: ", result.control, result.mode)), "{}", result.control);
    }
    let readme = String::from_utf8(bytes_of(&files, "READ-ME-FIRST.md").to_vec()).unwrap();
    assert!(readme.contains(&to_hex(&key.digest())) && readme.contains("--root-vkey"), "{readme}");
    assert!(!readme.contains('%'));
}

#[test]
fn pack_of_a_broken_log_is_made_and_passes_nothing() {
    let (mut export, key) = Export::new(20);
    export.0.retain(|path, _| !path.starts_with("1/"));
    let (files, ..) = export.made(&key, None);
    let results: Evaluation = serde_json::from_slice(bytes_of(&files, RESULTS)).unwrap();
    assert!(results.results.iter().all(|result| result.result != Verdict::Pass));
    let limits = String::from_utf8(bytes_of(&files, "LIMITS.md").to_vec()).unwrap();
    assert!(limits.contains("It does not hold: entries-missing"), "{limits}");
}

#[test]
fn what_a_log_that_holds_was_not_verified_by_is_none_of_its_files() {
    let (mut export, key) = Export::new(300);
    let catalogue = Catalogue::load().unwrap();
    let honest: Vec<_> = export.0.keys().cloned().collect();
    let page = format!("rows/{}", "0a".repeat(32));
    let strange = ["1/tile/entries/001.p/7", "1/tile/facts/000", "1/tile/0/000", "2/tile/entries/000", &page];
    export.0.extend(strange.map(|path| (path.to_owned(), vec![7])));
    let verified_of = |export: &Export| {
        let log = ReadLog::new(export);
        let verified = Dossier::gather(&log, &key, asked(&catalogue, None), &mut |_| {}).unwrap().verified;
        let mut left = honest.iter().filter(|path| export.0.contains_key(*path));
        assert!(left.all(|path| log.has(path, &verified)));
        assert!(!log.has("notes.txt", &verified));
        (verified.findings.is_empty(), strange.map(|path| log.has(path, &verified)))
    };
    assert_eq!(verified_of(&export), (true, [false; 5]));
    export.0.remove("1/tile/entries/000").unwrap();
    assert_eq!(verified_of(&export), (false, [true; 5]), "it may be evidence");
}

#[test]
fn canonical_json_has_sorted_names_and_instants_milliseconds() {
    let value = serde_json::json!({"b": 1, "a": [{"d": 2, "c": "\u{1f}\n/"}]});
    assert_eq!(canonical(&value).unwrap(), br#"{"a":[{"c":"\u001f\n/","d":2}],"b":1}"#);
    assert_eq!(instant(Timestamp::from_micros(1_772_366_400_000_999)), "2026-03-01T12:00:00.000Z");
    assert_eq!(instant(Timestamp::from_micros(0)), "1970-01-01T00:00:00.000Z");
}

/// Somebody's session, and what of it a level lets out.
fn session() -> (SessionRecord, impl Fn(Level, (u64, u64)) -> Disclosed) {
    let who = Who {
        principal: PrincipalId::from_bytes([1; 16]),
        credential: CredentialId::from_bytes([2; 16]),
        method: CredentialKind::Certificate,
        source: Source::from(std::net::IpAddr::from([203, 0, 113, 9])),
    };
    let key = VeilKey::new([5; 32]);
    let record = key.seal_session(&who, None, [9; 16]).unwrap();
    let kept = record.clone();
    let disclosed = move |level: Level, (from, to): (u64, u64)| {
        let fields = key.open_session(&kept).unwrap().disclosed(level);
        let sessions = vec![DisclosedSession::new(1, &kept, Some(fields))];
        let origin = "d/audit/1".to_owned();
        let of = Disclosure { origin, from, to, level, sessions, names: Vec::new() };
        Disclosed::read(of.encode().unwrap()).unwrap()
    };
    (record, disclosed)
}

#[test]
fn a_level_adds_openings_and_changes_no_result() {
    let (record, disclosed) = session();
    let (export, key) = Export::of(20, Some(&record));
    let catalogue = Catalogue::load().unwrap();
    let made = |disclosed: Option<&Disclosed>| {
        let asked = Asked { disclosed, ..asked(&catalogue, None) };
        let dossier = Dossier::gather(&export, &key, asked, &mut |_| {}).unwrap();
        assert!(dossier.verified.findings.is_empty() && dossier.misdisclosed.is_empty());
        (files(&dossier).unwrap(), id(&dossier))
    };
    let (plain, plain_id) = made(None);
    let value = |files: &[PackFile], path: &str| -> serde_json::Value {
        serde_json::from_slice(bytes_of(files, path)).unwrap()
    };
    assert_eq!(value(&plain, "redaction.json")["level"], "none");
    assert!(!plain.iter().any(|file| [DISCLOSURE, "report/sessions.csv"].contains(&file.path.as_str())));
    let mut ids = std::collections::BTreeSet::from([plain_id]);
    for level in Level::ALL {
        let disclosed = disclosed(level, (0, 20));
        let (files, id) = made(Some(&disclosed));
        assert!(ids.insert(id), "{level}");
        for path in [RESULTS, SAMPLES, "state/objects.jsonl", "report/keys.csv"] {
            assert_eq!(bytes_of(&files, path), bytes_of(&plain, path), "{level}: {path}");
        }
        let redaction = value(&files, "redaction.json");
        assert_eq!(redaction["level"], level.name());
        assert_eq!(redaction["disclosed"]["sessions"], 1);
        let inputs = Inputs::read(bytes_of(&files, INPUTS)).unwrap();
        assert_eq!(inputs.redaction, level.name());
        let digest = to_hex(&sha256(bytes_of(&files, DISCLOSURE)));
        assert_eq!(inputs.disclosure, Some(DisclosureUsed { sha256: digest, from: 0, to: 20 }));
        let sessions = String::from_utf8(bytes_of(&files, "report/sessions.csv").to_vec()).unwrap();
        let named = PrincipalId::from_bytes([1; 16]).to_string();
        assert_eq!(sessions.contains(&named), level != Level::Minimal, "{sessions}");
        assert_eq!(sessions.contains("203.0.113.9"), level == Level::Full, "{sessions}");
        let page = String::from_utf8(bytes_of(&files, "report/report.html").to_vec()).unwrap();
        assert!(page.contains(&format!("The level of this pack is <strong>{level}</strong>")));
    }
}

#[test]
fn what_is_disclosed_otherwise_than_the_log_commits_to_is_found_and_changes_no_result() {
    let (record, disclosed) = session();
    let (export, key) = Export::of(20, Some(&record));
    let catalogue = Catalogue::load().unwrap();
    let found = |disclosed: &Disclosed| {
        let asked = Asked { disclosed: Some(disclosed), ..asked(&catalogue, None) };
        let dossier = Dossier::gather(&export, &key, asked, &mut |_| {}).unwrap();
        assert!(dossier.verified.findings.is_empty() && dossier.evaluation.findings.is_empty());
        dossier.misdisclosed.iter().map(|(code, _)| *code).collect::<Vec<_>>()
    };
    assert!(found(&disclosed(Level::Full, (0, 20))).is_empty());
    assert_eq!(found(&disclosed(Level::Full, (0, 19))), ["disclosure-of-another-period"]);
    let changed = |change: &dyn Fn(&mut Disclosure)| {
        let mut of = disclosed(Level::Full, (0, 20)).disclosure().clone();
        change(&mut of);
        Disclosed::read(of.encode().unwrap()).unwrap()
    };
    assert_eq!(found(&changed(&|of| of.sessions.clear())), ["disclosure-incomplete"]);
    assert_eq!(found(&changed(&|of| of.sessions[0].seed = [0; 16])), ["disclosed-session"]);
    let elsewhere = found(&changed(&|of| of.origin = "e/audit/1".to_owned()));
    assert_eq!(elsewhere, ["disclosure-of-another-log", "disclosure-of-another-period"]);
}

#[test]
fn samples_hold_against_the_checkpoint_alone_and_changed_ones_do_not() {
    let (export, key) = Export::new(300);
    let catalogue = Catalogue::load().unwrap();
    let at = |second: u64| Timestamp::from_micros(second * 1_000_000);
    let of = |from: u64| Asked { period: Period { from: at(from), to: at(300) }, ..asked(&catalogue, None) };
    let dossier = Dossier::gather(&export, &key, of(0), &mut |_| {}).unwrap();
    let file = dossier.samples.file().unwrap();
    let samples = Samples::read(&file.bytes).unwrap();
    assert_eq!((file.path.as_str(), &samples), (SAMPLES, &dossier.samples));
    let head = Checkpoint::open(&export.0[CHECKPOINT], &key).unwrap();
    let held = samples.hold(&head).unwrap();
    assert_eq!((held.samples, held.entries), (samples.samples.len() as u64, samples.entries.len() as u64));
    let all = &samples.samples[0];
    assert_eq!((all.of.as_str(), all.entries, all.drawn.len()), ("log", 300, 25));
    assert!(samples.entries.iter().all(|entry| entry.index < 300 && !entry.proof.is_empty()));
    type Edit<'e> = &'e dyn Fn(&mut Samples);
    let changes: [(&str, Edit<'_>); 9] = [
        ("another log", &|samples| samples.root = "00".repeat(32)),
        ("another log", &|samples| samples.origin.push('x')),
        ("no cut", &|samples| samples.cut = None),
        ("cut 0", &|samples| samples.cut.as_mut().unwrap().bytes = "AAAA".to_owned()),
        ("entry", &|samples| samples.entries[3].index += 1),
        ("entry", &|samples| samples.entries[3].bytes = samples.entries[4].bytes.clone()),
        ("entry", &|samples| drop(samples.entries[3].proof.pop())),
        ("has no proof", &|samples| drop(samples.entries.remove(3))),
        ("as many entries", &|samples| drop(samples.samples[0].drawn.pop())),
    ];
    for (words, change) in changes {
        let mut changed = samples.clone();
        change(&mut changed);
        let why = changed.hold(&head).unwrap_err().to_string();
        assert!(why.contains(words), "{words}: {why}");
    }
    // The page's own sample is of bundles, and a log that does not hold has none.
    let mut broken = export;
    broken.0.retain(|path, _| !path.starts_with("1/"));
    let dossier = Dossier::gather(&broken, &key, of(0), &mut |_| {}).unwrap();
    assert!(dossier.samples.samples.is_empty() && dossier.samples.why_none.is_some());
}
