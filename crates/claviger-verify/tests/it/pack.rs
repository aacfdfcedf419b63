//! Packs: each thing that one can do to one is done, and must be found and named.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::LazyLock;

use claviger_audit::note::signature_line;
use claviger_audit::verify::{Files, NoFile};
use claviger_audit::{EvidenceSigner, SigningKey, assemble_note, evidence, sha256};
use claviger_compliance::{Catalogue, Period};
use claviger_evidence::disclosed::DISCLOSURE;
use claviger_evidence::pack::{
    self, DisclosureUsed, INPUTS, Inputs, LOG, Listed, MANIFEST, Manifest, RESULTS, SIGNATURE,
};
use claviger_evidence::samples::SAMPLES;
use claviger_evidence::{Asked, Dossier};
use serde_json::{Value, json};

use crate::log::{Log, ORIGIN, evidence_key, node_key, put, root_key};
use crate::program::{Held, run, verify};

struct Dir<'a>(&'a Path);

impl Files for Dir<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        fs::read(self.0.join(name)).map_err(|_| NoFile::Missing)
    }
}

fn instant(micros: u64) -> String {
    jiff::Timestamp::from_microsecond(i64::try_from(micros).unwrap()).unwrap().to_string()
}

/// Makes all files of a pack from the log that lies in it, for a period that ends at the newest cut or `behind` microseconds later.
fn make(dir: &Path, log: &Log, behind: i64) {
    let (key, catalogue) = (root_key().verifier_key().clone(), Catalogue::load().unwrap());
    let to = log.clock.checked_add_signed(behind).unwrap();
    let period: Period =
        serde_json::from_value(json!({"from": instant(to - 1_000_000), "to": instant(to)})).unwrap();
    let framework = catalogue.find_framework("pci-dss");
    let asked = Asked { catalogue: &catalogue, framework, period, disclosed: None };
    let dossier = Dossier::gather(&Dir(&dir.join(LOG)), &key, asked, &mut |_| {}).unwrap();
    let mut listed = Vec::new();
    for file in pack::files(&dossier).unwrap() {
        put(dir, &file.path, &file.bytes);
        listed.push(Listed::new(file.path, &file.bytes));
    }
    for path in paths(&dir.join(LOG)) {
        let bytes = fs::read(dir.join(LOG).join(&path)).unwrap();
        listed.push(Listed::new(format!("{LOG}{path}"), &bytes));
    }
    put(dir, MANIFEST, &pack::manifest(&dossier, listed).unwrap());
    sign(dir, &root_key());
}

fn sign(dir: &Path, key: &SigningKey) {
    sign_by(dir, key, &[&evidence_key(9)]);
}

/// Signs the manifest by a key in the place of the root's, and by evidence keys.
fn sign_by(dir: &Path, key: &SigningKey, others: &[&EvidenceSigner]) {
    let text = evidence::text(ORIGIN, &sha256(&fs::read(dir.join(MANIFEST)).unwrap()));
    put(dir, SIGNATURE, signed(&text, key, others).as_bytes());
}

fn signed(text: &str, key: &SigningKey, others: &[&EvidenceSigner]) -> String {
    let name = key.verifier_key().name();
    let mut note = assemble_note(text, name, key.verifier_key().key_id(), &key.sign(text)).unwrap();
    others.iter().for_each(|other| note.push_str(&other.line(text).unwrap()));
    note
}

/// The files below a directory.
fn paths(dir: &Path) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(dir.join(&folder)).unwrap().map(Result::unwrap) {
            let name = format!("{folder}{}", entry.file_name().into_string().unwrap());
            if entry.path().is_dir() { folders.push(format!("{name}/")) } else { files.push(name) }
        }
    }
    files
}

/// The files of an honest pack: made once, for all tests.
static HONEST: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::announcing());
    log.write(&dir.path().join(LOG));
    make(dir.path(), &log, 0);
    let read = |path: String| (path.clone(), fs::read(dir.path().join(path)).unwrap());
    paths(dir.path()).into_iter().map(read).collect()
});

/// An honest pack.
fn honest(dir: &Path) {
    HONEST.iter().for_each(|(path, bytes)| put(dir, path, bytes));
}

/// What is found of a pack after something was done to it: codes with details.
fn after(attack: impl FnOnce(&Path)) -> Vec<(String, String)> {
    let dir = tempfile::tempdir().unwrap();
    honest(dir.path());
    attack(dir.path());
    let (exit, report) = verify(dir.path(), &Held::default());
    let found: Vec<_> = report["findings"].as_array().unwrap().iter().map(named).collect();
    assert_eq!(exit, if found.is_empty() { 0 } else { 4 }, "{report}");
    found
}

fn named(finding: &Value) -> (String, String) {
    let text = |name: &str| finding[name].as_str().unwrap().to_owned();
    (text("code"), text("detail"))
}

fn codes(found: &[(String, String)]) -> Vec<&str> {
    let mut codes: Vec<_> = found.iter().map(|(code, _)| code.as_str()).collect();
    codes.dedup();
    codes
}

/// The manifest with other files in it, signed by nobody.
fn list_anew(dir: &Path, change: impl FnOnce(&mut Vec<Listed>)) {
    let mut manifest = Manifest::read(&fs::read(dir.join(MANIFEST)).unwrap()).unwrap();
    change(&mut manifest.files);
    manifest.files.sort();
    put(dir, MANIFEST, &manifest.bytes().unwrap());
    fs::remove_file(dir.join(SIGNATURE)).unwrap();
}

#[test]
fn honest_pack_holds_and_says_what_was_made_again_and_what_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    honest(dir.path());
    let (exit, report) = verify(dir.path(), &Held::default());
    assert_eq!((exit, &report["findings"]), (0, &json!([])), "{report}");
    let pack = &report["pack"];
    assert_eq!((&pack["framework"], &pack["signature"]), (&"pci-dss".into(), &"root".into()));
    assert_eq!((&pack["evidence_signature"], &pack["redaction"]), (&"evidence-key".into(), &"none".into()));
    let digest = claviger_audit::to_hex(&evidence_key(9).key().digest());
    assert_eq!((&pack["evidence_key_sha256"], &pack["other_signatures"]), (&digest.into(), &0.into()));
    assert!(pack["samples"]["entries"].as_u64().unwrap() >= 25, "{pack}");
    assert!(pack["made_again"].as_u64().unwrap() > 10 && pack["results"].as_u64().unwrap() > 10, "{pack}");
    assert_eq!(pack["id"].as_str().unwrap().len(), 32);
    let path = dir.path().to_str().unwrap();
    let (exit, text) = run_on(dir.path());
    assert_eq!(exit, Some(0), "{text}");
    let key = claviger_audit::to_hex(&root_key().verifier_key().digest());
    assert!(text.starts_with("The key is the pack's own word") && text.contains(&key), "{text}");
    for words in [
        "made again",
        "not shown",
        "agrees with itself",
        "of the key of the root log",
        "and of the evidence key (ML-DSA-65) that the log announces",
        "each of which its own proof shows",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // What is asked of an export is asked of the log in a pack.
    for line in [&["state", path][..], &["entries", path, "--to", "3"]] {
        assert_eq!(run(line).status.code(), Some(0), "{line:?}");
    }
    let known = Held::checkpoint(Log::honest().checkpoint());
    assert_eq!(verify(dir.path(), &known).0, 0);
    let stale = Held { max_age: Some("1s"), ..Held::default() };
    let (exit, report) = verify(dir.path(), &stale);
    let findings: Vec<_> = report["findings"].as_array().unwrap().iter().map(named).collect();
    assert_eq!((exit, codes(&findings)), (4, vec!["checkpoint-stale"]));
}

#[test]
fn each_file_that_is_altered_missing_or_too_many_is_named() {
    let made = HONEST.iter().map(|(path, _)| path.as_str());
    let made = made.filter(|path| !path.starts_with(LOG) && ![MANIFEST, SIGNATURE].contains(path));
    let made: Vec<_> = made.collect();
    let is_named = |found: &[(String, String)], code: &str, path: &str| {
        found.iter().any(|(of, detail)| of == code && detail.contains(&format!("`{path}`")))
    };
    let altered = after(|dir| {
        for path in &made {
            let bytes = [fs::read(dir.join(path)).unwrap().as_slice(), b" "].concat();
            put(dir, path, &bytes);
        }
    });
    assert_eq!(altered.len(), 2 * made.len(), "{altered:?}");
    let without_inputs = after(|dir| fs::remove_file(dir.join(INPUTS)).unwrap());
    assert_eq!(without_inputs, [("file-missing".to_owned(), format!("`{INPUTS}` is missing"))]);
    let others: Vec<_> = made.iter().copied().filter(|path| *path != INPUTS).collect();
    let missing = after(|dir| others.iter().for_each(|path| fs::remove_file(dir.join(path)).unwrap()));
    assert_eq!(missing.len(), others.len(), "{missing:?}");
    for path in &made {
        let is_altered =
            ["file-altered", "pack-file-differs"].iter().all(|code| is_named(&altered, code, path));
        assert!(is_altered, "{path}: {altered:?}");
        assert!(*path == INPUTS || is_named(&missing, "file-missing", path), "{path}: {missing:?}");
    }
    // The last two have places of files of a log, but this log does not have them.
    for path in ["report/more.html", "log/notes.txt", "log/9/tile/entries/000", "log/0/tile/facts/000"] {
        let extra = after(|dir| put(dir, path, b"more"));
        assert_eq!(extra, [("file-extra".to_owned(), format!("`{path}` is no file of the pack"))]);
        // Nor does it help to list it.
        let listed = after(|dir| {
            put(dir, path, b"more");
            list_anew(dir, |files| files.push(Listed::new(path, b"more")));
        });
        assert!(codes(&listed).contains(&"file-extra"), "{listed:?}");
    }
    let linked = after(|dir| std::os::unix::fs::symlink("/etc/passwd", dir.join("report/passwd")).unwrap());
    assert_eq!(codes(&linked), ["file-extra"]);
    let without_manifest = after(|dir| fs::remove_file(dir.join(MANIFEST)).unwrap());
    assert!(is_named(&without_manifest, "file-missing", MANIFEST), "{without_manifest:?}");
}

#[test]
fn nothing_hides_under_a_name_that_is_no_utf_8() {
    let found = after(|dir| {
        let hidden = dir.join(OsStr::from_bytes(b"report/\xff"));
        fs::create_dir(&hidden).unwrap();
        fs::write(hidden.join("opinion.html"), "all is well").unwrap();
        // A folder that has the name which the other one seems to have.
        fs::create_dir(dir.join("report/\u{fffd}")).unwrap();
    });
    let extra = "`report/\u{fffd}` is no file of the pack".to_owned();
    assert_eq!(found, [("file-extra".to_owned(), extra)]);
}

#[test]
fn what_was_chosen_and_what_was_not_looked_at_is_said() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::announcing());
    log.write(&dir.path().join(LOG));
    make(dir.path(), &log, -1);
    let signer = node_key(0);
    let key = signer.verifier_key();
    let line = signature_line(key.name(), key.key_id(), &[7; 64]).unwrap();
    let note = fs::read_to_string(dir.path().join(SIGNATURE)).unwrap() + &line;
    put(dir.path(), SIGNATURE, note.as_bytes());
    let (exit, report) = verify(dir.path(), &Held::default());
    let pack = &report["pack"];
    assert_eq!((exit, &pack["other_signatures"]), (0, &1.into()), "{report}");
    assert_eq!(pack["log_goes_on_until"], instant(log.clock));
    let verdicts = pack["verdicts"].as_object().unwrap();
    let counted: u64 = verdicts.values().map(|number| number.as_u64().unwrap()).sum();
    assert!(pack["results"] == counted && verdicts.contains_key("INDETERMINATE"), "{pack}");
    let (_, said) = run_on(dir.path());
    for words in ["that time is in no result", "1 of other keys", " INDETERMINATE", "--known-checkpoint"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let own = tempfile::tempdir().unwrap();
    put(own.path(), "key", root_key().verifier_key().to_string().as_bytes());
    let key = own.path().join("key");
    let output = run(&[dir.path().to_str().unwrap(), "--root-vkey", key.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("The pack holds") && said.contains("Of the live state nothing was shown"),
        "{said}"
    );
}

#[test]
fn pack_is_held_as_one_whatever_is_taken_away_and_whatever_lies_beside() {
    for kept in [INPUTS, RESULTS, SIGNATURE, "report/report.html"] {
        let dir = tempfile::tempdir().unwrap();
        Log::honest().write(dir.path());
        assert_eq!(verify(dir.path(), &Held::default()).0, 0, "an export");
        put(dir.path(), kept, b"better");
        let (exit, _) = run_on(dir.path());
        assert_ne!(exit, Some(0), "{kept}");
    }
    // Of the log alone it is not said that everything holds.
    let dir = tempfile::tempdir().unwrap();
    honest(dir.path());
    put(dir.path(), RESULTS, b"better");
    let output = run(&["entries", dir.path().to_str().unwrap(), "--to", "1"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("nothing else of the pack was looked at"), "{said}");
}

#[test]
fn names_in_a_pack_command_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    honest(dir.path());
    put(dir.path(), "report/\u{1b}[2J", b"");
    let (exit, said) = run_on(dir.path());
    assert_eq!(exit, Some(4), "{said}");
    assert!(said.contains("file-extra: `report/\u{fffd}[2J`") && !said.contains('\u{1b}'), "{said:?}");
}

/// How the program ends for people, and what it says.
fn run_on(dir: &Path) -> (Option<i32>, String) {
    let output = run(&[dir.to_str().unwrap()]);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn result_that_the_log_does_not_yield_is_found_though_the_manifest_has_it() {
    let found = after(|dir| {
        let results = fs::read_to_string(dir.join(RESULTS)).unwrap();
        let better = results.replacen("INDETERMINATE", "PASS", 1);
        assert_ne!(better, results);
        fs::write(dir.join(RESULTS), &better).unwrap();
        list_anew(dir, |files| {
            files.retain(|file| file.path != RESULTS);
            files.push(Listed::new(RESULTS, better.as_bytes()));
        });
    });
    assert_eq!(codes(&found), ["manifest-differs", "pack-file-differs"]);
    let (_, detail) = found.last().unwrap();
    assert!(detail.contains(RESULTS) && detail.contains("at /results/"), "{detail}");
}

#[test]
fn signature_is_of_this_manifest_and_by_the_key_of_the_root() {
    let by_node = after(|dir| sign(dir, &node_key(0)));
    assert_eq!(codes(&by_node), ["signature-wrong"]);
    let of_another = after(|dir| {
        let note = signed(&evidence::text(ORIGIN, &[7; 32]), &root_key(), &[&evidence_key(9)]);
        put(dir, SIGNATURE, note.as_bytes());
    });
    assert_eq!(codes(&of_another), ["signature-wrong"]);
    assert!(of_another[0].1.contains("not of this `MANIFEST.json`"), "{of_another:?}");
    // A pack of an export alone has none, and says so.
    let dir = tempfile::tempdir().unwrap();
    honest(dir.path());
    fs::remove_file(dir.path().join(SIGNATURE)).unwrap();
    let (exit, report) = verify(dir.path(), &Held::default());
    assert_eq!((exit, &report["pack"]["signature"]), (0, &"none".into()), "{report}");
}

#[test]
fn second_signature_is_by_the_evidence_key_that_the_log_announces() {
    let (own, other) = (evidence_key(9), evidence_key(8));
    let removed = after(|dir| sign_by(dir, &root_key(), &[]));
    assert_eq!(codes(&removed), ["signature-missing"]);
    assert!(removed[0].1.contains("d/audit/evidence"), "{removed:?}");
    let by_another = after(|dir| sign_by(dir, &root_key(), &[&other]));
    assert_eq!(codes(&by_another), ["signature-wrong"]);
    let id = claviger_audit::to_hex(&other.key().key_id());
    assert!(by_another[0].1.contains(&id) && by_another[0].1.contains("announces"), "{by_another:?}");
    // Under the name and id of the key, and of this key, but of another text.
    let of_another = after(|dir| {
        let line = own.line("another\n").unwrap();
        let text = evidence::text(ORIGIN, &sha256(&fs::read(dir.join(MANIFEST)).unwrap()));
        put(dir, SIGNATURE, (signed(&text, &root_key(), &[]) + &line).as_bytes());
    });
    assert_eq!(codes(&of_another), ["signature-wrong"]);
    // A line more of another one is counted, and changes nothing.
    let dir = tempfile::tempdir().unwrap();
    honest(dir.path());
    sign_by(dir.path(), &root_key(), &[&own, &other]);
    let (exit, report) = verify(dir.path(), &Held::default());
    assert_eq!((exit, &report["pack"]["other_signatures"]), (0, &1.into()), "{report}");
    // The note of the announcement is exchanged for one of the other key, which the root signed as well.
    let mut forged = Log::announcing();
    forged.announce(0, &other);
    let note = forged.notes.values().find(|note| **note != announcement_of(&own)).unwrap().clone();
    let exchanged = after(|dir| {
        let place = Log::announcing().notes.into_keys().next().unwrap();
        put(dir, &format!("{LOG}{place}"), &note);
        sign_by(dir, &root_key(), &[&other]);
    });
    let exchanged = codes(&exchanged);
    assert!(exchanged.contains(&"file-altered") && exchanged.contains(&"file-malformed"), "{exchanged:?}");
}

/// What the root says of an evidence key.
fn announcement_of(signer: &EvidenceSigner) -> Vec<u8> {
    signed(&evidence::announcement(ORIGIN, signer.key()), &root_key(), &[]).into_bytes()
}

#[test]
fn log_that_announces_another_evidence_key_later_or_none_is_named() {
    let signature_of = |log: &Log| {
        let dir = tempfile::tempdir().unwrap();
        log.write(&dir.path().join(LOG));
        make(dir.path(), log, 0);
        let (exit, report) = verify(dir.path(), &Held::default());
        let found: Vec<_> = report["findings"].as_array().unwrap().iter().map(named).collect();
        (exit, report["pack"]["evidence_signature"].clone(), found)
    };
    let mut two = Log::announcing();
    two.announce(0, &evidence_key(8));
    two.cut();
    let (exit, signature, found) = signature_of(&two);
    assert_eq!((exit, signature), (4, "evidence-key".into()));
    assert_eq!(codes(&found), ["evidence-key-changed"], "{found:?}");
    // A start more announces the same.
    let mut again = Log::announcing();
    again.announce(3, &evidence_key(9));
    again.cut();
    assert_eq!(signature_of(&again).0, 0);
    let (exit, signature, _) = signature_of(&Log::honest());
    assert_eq!((exit, signature), (0, "not-announced".into()));
}

#[test]
fn samples_are_held_by_their_own_proofs_and_drawn_again() {
    let edited = |change: &dyn Fn(&mut Value)| {
        after(|dir| {
            let mut samples: Value = serde_json::from_slice(&fs::read(dir.join(SAMPLES)).unwrap()).unwrap();
            change(&mut samples);
            let bytes = pack::canonical(&samples).unwrap();
            put(dir, SAMPLES, &bytes);
            list_anew(dir, |files| {
                files.retain(|file| file.path != SAMPLES);
                files.push(Listed::new(SAMPLES, &bytes));
            });
        })
    };
    let moved = edited(&|samples| {
        samples["entries"][0]["index"] = (samples["entries"][0]["index"].as_u64().unwrap() + 1).into();
    });
    assert_eq!(codes(&moved), ["manifest-differs", "pack-file-differs", "sample-wrong"]);
    // Others that are in the log as well: their proofs hold, and the log does not yield them.
    let chosen = edited(&|samples| {
        let kept = samples["samples"][0]["drawn"][0].clone();
        samples["samples"][0]["drawn"][1] = kept;
    });
    assert_eq!(codes(&chosen), ["manifest-differs", "pack-file-differs"]);
}

#[test]
fn disclosure_that_the_inputs_do_not_have_is_no_file_of_the_pack() {
    let extra = after(|dir| put(dir, DISCLOSURE, b"somebody"));
    assert_eq!(codes(&extra), ["file-extra"]);
    let said = after(|dir| {
        let mut inputs = Inputs::read(&fs::read(dir.join(INPUTS)).unwrap()).unwrap();
        inputs.redaction = "full".to_owned();
        inputs.disclosure = Some(DisclosureUsed { sha256: "00".repeat(32), from: 0, to: 1 });
        put(dir, INPUTS, &pack::canonical(&inputs).unwrap());
    });
    assert!(codes(&said).contains(&"file-missing"), "{said:?}");
    assert!(codes(&said).contains(&"pack-file-differs"), "{said:?}");
}

#[test]
fn manifest_whose_paths_lead_out_of_the_pack_is_refused() {
    for path in ["../root.vkey", "/etc/passwd", "log/../../x"] {
        let found = after(|dir| list_anew(dir, |files| files.push(Listed::new(path, b""))));
        assert_eq!(codes(&found), ["manifest-malformed"], "{path}");
        assert!(found[0].1.contains(path), "{found:?}");
    }
}

#[test]
fn altered_log_is_found_and_so_is_all_that_does_not_follow_from_it() {
    let found = after(|dir| {
        let bundle = dir.join("log/0/tile/entries/000");
        let mut bytes = fs::read(&bundle).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(bundle, bytes).unwrap();
    });
    let codes = codes(&found);
    for code in ["file-altered", "pack-file-differs", "entries-altered"] {
        assert!(codes.contains(&code), "{code}: {found:?}");
    }
}

#[test]
fn what_the_log_does_not_reach_is_no_period_and_another_release_makes_its_own_results_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::announcing();
    log.write(&dir.path().join(LOG));
    make(dir.path(), &log, 1_000_000);
    let (exit, report) = verify(dir.path(), &Held::default());
    assert_eq!((exit, &report["findings"][0]["code"]), (4, &"period-beyond-log".into()), "{report}");
    let newer = after(|dir| {
        let mut inputs = Inputs::read(&fs::read(dir.join(INPUTS)).unwrap()).unwrap();
        inputs.version = "99.0.0".to_owned();
        put(dir, INPUTS, &pack::canonical(&inputs).unwrap());
    });
    assert_eq!(codes(&newer), ["file-altered", "release-differs"]);
    assert!(newer[1].1.contains("need release 99.0.0"), "{newer:?}");
}

#[test]
fn page_comes_from_the_program_too() {
    let dir = tempfile::tempdir().unwrap();
    honest(dir.path());
    let output = run(&["page"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, fs::read(dir.path().join("verify.html")).unwrap());
}
