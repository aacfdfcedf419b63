//! Evidence packs of real deployments: made by the real command, held by the auditor's program, changed and forged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use claviger_audit::{SigningKey, sha256, to_hex};
use claviger_client::{Client, Profile};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::instance::{Instance, claviger, unset};
use crate::verify::claviger_verify;

/// Files that every pack for PCI DSS of a deployment as below has.
const LAYOUT: [&str; 44] = [
    "LIMITS.md",
    "MANIFEST.json",
    "MANIFEST.sig",
    "READ-ME-FIRST.md",
    "cbom/cbom.json",
    "disclosure/who.disclosure",
    "log/root.vkey",
    "log/root/checkpoint",
    "log/rows/head",
    "oscal/assessment-plan.json",
    "oscal/assessment-results.json",
    "oscal/catalog.json",
    "oscal/component-definition.json",
    "oscal/poam.json",
    "oscal/profile.json",
    "redaction.json",
    "report/alerts.csv",
    "report/algorithms.csv",
    "report/approvals.csv",
    "report/assets.csv",
    "report/break_glass.csv",
    "report/capacities.csv",
    "report/clauses.csv",
    "report/credentials.csv",
    "report/declarations.csv",
    "report/generators.csv",
    "report/keys.csv",
    "report/names.csv",
    "report/nodes.csv",
    "report/report.html",
    "report/report.md",
    "report/results.csv",
    "report/review_items.csv",
    "report/reviews.csv",
    "report/rings.csv",
    "report/sessions.csv",
    "report/versions.csv",
    "report/violations.csv",
    "results/inputs.json",
    "results/results.json",
    "samples.json",
    "state/objects.jsonl",
    "state/proof.json",
    "verify.html",
];
/// Changes of one byte where the run does not say how many.
const CHANGES: u32 = 60;
/// Copies of a pack that are changed at a time.
const AT_ONCE: u32 = 2;

const INPUTS: &str = "results/inputs.json";
const RESULTS: &str = "results/results.json";
const MANIFEST: &str = "MANIFEST.json";
const SIGNATURE: &str = "MANIFEST.sig";
const DISCLOSURE: &str = "disclosure/who.disclosure";
const SESSIONS: &str = "report/sessions.csv";

type Edit = fn(&str) -> String;

/// What somebody who would like another pack does to a file of it.
const FORGED: [(&str, Edit); 14] = [
    (RESULTS, |text| replaced(text, r#""result":"FAIL""#, r#""result":"PASS""#)),
    (RESULTS, |text| replaced(text, r#""subjects":"#, r#""subjects":1"#)),
    ("report/report.html", |text| replaced(text, r#"id="f-results">"#, r#"id="f-results">1"#)),
    ("report/keys.csv", without_last_line),
    ("report/violations.csv", without_last_line),
    ("oscal/assessment-results.json", |text| {
        replaced(text, r#""state":"not-satisfied""#, r#""state":"satisfied""#)
    }),
    ("cbom/cbom.json", |text| replaced(text, r#""components":["#, r#""components":[{},"#)),
    ("state/objects.jsonl", without_last_line),
    ("state/proof.json", |text| replaced(text, r#""objects":"#, r#""objects":1"#)),
    ("LIMITS.md", without_last_line),
    ("READ-ME-FIRST.md", without_last_line),
    ("redaction.json", |text| replaced(text, r#""objects":"#, r#""objects":1"#)),
    ("samples.json", |text| replaced(text, r#""subjects":"#, r#""subjects":1"#)),
    (SESSIONS, without_last_line),
];

#[test]
fn pack_of_a_real_deployment_holds_and_forgeries_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (instance, auditor) = at_work(dir.path());
    let pack = reported(&instance);
    every_file_is_there_and_holds(&auditor, &pack);
    signature_covers_one_manifest(&instance, &auditor, &pack);
    nothing_is_left_of_a_report_that_fails(&instance);
    instance.stop();
    let offline = same_log_makes_the_same_bytes(dir.path(), &pack);
    for (file, edit) in FORGED {
        let forged = forged(&offline, file, edit);
        let details = auditor.finds(&forged, "pack-file-differs");
        let named = format!("`{file}` is not what the log yields");
        assert!(details.iter().any(|detail| detail.starts_with(&named)), "{file}: {details:?}");
    }
    what_was_asked_is_not_changed_unseen(&auditor, &offline);
    errors_say_what_to_do(&auditor, &offline);
    assert_eq!(auditor.verify(&offline).0, Some(0), "the pack itself was left as it was");
}

#[test]
fn no_byte_of_a_pack_is_changed_unseen() {
    let dir = tempfile::tempdir().unwrap();
    let (instance, auditor) = at_work(dir.path());
    let pack = reported(&instance);
    instance.stop();
    let changes = std::env::var("CLAVIGER_PACK_CHANGES").map_or(CHANGES, |changes| changes.parse().unwrap());
    let files = tree(&pack);
    let files: Vec<_> = files.iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
    std::thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (own, auditor, files) = (copied(&pack, &format!("changed-{worker}")), &auditor, &files);
            scope.spawn(move || {
                for number in (worker..changes).step_by(AT_ONCE as usize) {
                    // Without chance: the same number is the same change again.
                    let drawn = sha256(&number.to_be_bytes());
                    let (name, whole) = files[below(&drawn[..8], files.len())];
                    let at = below(&drawn[8..16], whole.len());
                    let mut changed = whole.clone();
                    changed[at] ^= drawn[16].max(1);
                    fs::write(own.join(name), &changed).unwrap();
                    let (exit, report) = auditor.verify(&own);
                    let named = details(&report).iter().any(|detail| detail.contains(&format!("`{name}`")));
                    assert!(exit == Some(4) && named, "change {number}, byte {at} of {name}: {report}");
                    fs::write(own.join(name), whole).unwrap();
                }
                assert_eq!(auditor.verify(&own).0, Some(0));
            });
        }
    });
}

/// What a pack says of who called is of its level; what controls come to is the same at each.
#[test]
fn each_level_holds_and_changes_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let (instance, auditor) = at_work(dir.path());
    done(&instance, "auditor", "compliance report --framework pci-dss --redaction minimal --out minimal");
    let minimal = dir.path().join("minimal");
    let inputs: Value = serde_json::from_slice(&fs::read(minimal.join(INPUTS)).unwrap()).unwrap();
    let [from, to] = ["from", "to"].map(|end| inputs["disclosure"][end].as_u64().unwrap());
    for level in ["pseudonym", "full"] {
        let range = format!("--from {from} --to {to} --level {level} --out {level}.disclosure");
        done(&instance, "auditor", &format!("audit disclose {range}"));
    }
    let other = format!("--from {from} --to {} --level full --out other.disclosure", to - 1);
    done(&instance, "auditor", &format!("audit disclose {other}"));
    instance.stop();
    let report = |out: &str, disclosure: Option<&str>| {
        let mut command = claviger();
        command.current_dir(dir.path());
        command.args(["compliance", "report", "--framework", "pci-dss", "--offline", "--dir", "minimal/log"]);
        command.args(["--root-vkey", "root.vkey", "--out", out]);
        command.args(disclosure.iter().flat_map(|file| ["--disclosure", *file]));
        command.output().unwrap()
    };
    let levels: [(&str, Option<&str>); 4] = [
        ("none", None),
        ("minimal", Some("minimal/disclosure/who.disclosure")),
        ("pseudonym", Some("pseudonym.disclosure")),
        ("full", Some("full.disclosure")),
    ];
    let mut results = Vec::new();
    for (level, disclosure) in levels {
        let (out, pack) = (format!("of-{level}"), dir.path().join(format!("of-{level}")));
        let output = report(&out, disclosure);
        assert_eq!(output.status.code(), Some(0), "{level}: {}", String::from_utf8_lossy(&output.stderr));
        let (exit, held) = auditor.verify(&pack);
        assert_eq!((exit, &held["pack"]["redaction"]), (Some(0), &level.into()), "{held}");
        assert_eq!(pack.join(DISCLOSURE).exists(), level != "none");
        results.push(fs::read(pack.join(RESULTS)).unwrap());
        let said = fs::read_to_string(pack.join(SESSIONS)).unwrap_or_default();
        // The name of a person, the kind of credential, and where it was.
        for (words, least) in [("certificate", 1), ("auditor", 3), ("127.0.0.1", 3)] {
            let is_said = levels.iter().position(|(one, _)| *one == level) >= Some(least);
            assert_eq!(said.contains(words), is_said, "{level}, {words}: {said}");
        }
    }
    assert!(results.iter().all(|result| *result == results[0]));
    let refused = report("of-other", Some("other.disclosure"));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("disclosure-of-another-period") && said.contains(&format!("--to {to}")), "{said}");
    assert!(!dir.path().join("of-other").exists());
    // Another disclosure in the place of the one that the inputs name.
    let forged = copied(&dir.path().join("of-full"), "forged");
    fs::copy(dir.path().join("pseudonym.disclosure"), forged.join(DISCLOSURE)).unwrap();
    list_anew(&forged);
    let wrong = auditor.finds(&forged, "disclosure-wrong");
    assert!(wrong[0].contains(DISCLOSURE), "{wrong:?}");
}

#[test]
fn pack_of_a_deployment_whose_rows_were_edited_is_made_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (instance, auditor) = at_work(dir.path());
    instance.stop();
    let database = Connection::open(dir.path().join("claviger-data/data/store.db")).unwrap();
    let edit = "UPDATE key SET data_class = 'internal' WHERE name = 'main'";
    assert_eq!(database.execute(edit, []).unwrap(), 1);
    database.close().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    let words = ["compliance", "report", "--framework", "pci-dss", "--out", "pack"];
    let output = instance.run("auditor", &words, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("state-differs: key "), "{said}");
    instance.stop();
    let pack = dir.path().join("pack");
    assert!(pack.join(SIGNATURE).exists());
    let html = fs::read_to_string(pack.join("report/report.html")).unwrap();
    assert!(html.contains("state-differs"), "the report is silent on it");
    // The pack is what its log yields: what does not hold is in the rows alone.
    let (exit, report) = auditor.verify(&pack);
    assert_eq!(exit, Some(4), "{report}");
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["code"] == "state-differs"), "{report}");
    assert!(report["pack"]["made_again"].as_u64() > Some(20), "{report}");
}

/// A quick start that was worked with, and its auditor.
fn at_work(dir: &Path) -> (Instance, Auditor) {
    let instance = Instance::start(dir, &[]);
    done(&instance, "administrator", "ring create orders");
    for (name, purpose) in [("main", "encrypt"), ("seal", "sign"), ("old", "encrypt")] {
        done(&instance, "administrator", &format!("key create orders/{name} --purpose {purpose}"));
    }
    let grant = "grant create app --ring orders --operations encrypt,decrypt,sign --reason test";
    done(&instance, "security_officer", grant);
    let sealed = instance.done("app", &["encrypt", "--key", "orders/main"], b"4111-1111");
    done(&instance, "administrator", "key rotate orders/main");
    assert_eq!(instance.done("app", &["decrypt"], &sealed), b"4111-1111");
    done(&instance, "administrator", "key suspend orders/old --reason incident");
    let refused = instance.run("app", &["encrypt", "--key", "orders/old"], b"x");
    assert!(!refused.status.success(), "a suspended key encrypts");
    done(&instance, "auditor", "audit snapshot");
    done(&instance, "auditor", "audit root-vkey --out root.vkey");
    (instance, Auditor::new(dir))
}

/// Runs a command that must succeed; its words have no spaces.
fn done(instance: &Instance, who: &str, line: &str) -> String {
    let printed = instance.done(who, &line.split(' ').collect::<Vec<_>>(), b"");
    String::from_utf8(printed).unwrap()
}

/// Has the auditor make a pack.
fn reported(instance: &Instance) -> PathBuf {
    let made = done(instance, "auditor", "-o json compliance report --framework pci-dss --out pack");
    let made: Value = serde_json::from_str(&made).unwrap();
    let pack = instance.dir.join("pack");
    let listed = tree(&pack).len() - [MANIFEST, SIGNATURE].len();
    assert_eq!((&made["signed"], &made["files"]), (&true.into(), &listed.into()), "{made}");
    pack
}

/// Whoever has the auditor's program, and the key of the root log from elsewhere.
struct Auditor {
    program: PathBuf,
    key: String,
}

impl Auditor {
    fn new(dir: &Path) -> Self {
        let key = dir.join("root.vkey").to_str().unwrap().to_owned();
        Self { program: claviger_verify().get_program().into(), key }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        unset(Command::new(&self.program)).args(arguments).output().unwrap()
    }

    /// The exit code, and the report.
    fn verify(&self, pack: &Path) -> (Option<i32>, Value) {
        let output = self.run(&[pack.to_str().unwrap(), "--root-vkey", &self.key, "-o", "json"]);
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// What is found of a pack that does not hold: all that has this code, of which there must be some. That no file is another one than
    /// the manifest has shows that the manifest was made good again.
    fn finds(&self, pack: &Path, code: &str) -> Vec<String> {
        let (exit, report) = self.verify(pack);
        assert_eq!(exit, Some(4), "{}: {report}", pack.display());
        let findings = report["findings"].as_array().unwrap();
        assert!(findings.iter().all(|finding| finding["code"] != "file-altered"), "{report}");
        let found: Vec<_> = findings
            .iter()
            .filter(|finding| finding["code"] == code)
            .map(|finding| finding["detail"].as_str().unwrap().to_owned())
            .collect();
        assert!(!found.is_empty(), "{code}: {report}");
        found
    }
}

fn details(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().filter_map(|finding| finding["detail"].as_str()).collect()
}

fn every_file_is_there_and_holds(auditor: &Auditor, pack: &Path) {
    let files = tree(pack);
    for name in LAYOUT {
        assert!(files.get(name).is_some_and(|bytes| !bytes.is_empty()), "{name}: {:?}", files.keys());
    }
    let html = String::from_utf8(files["report/report.html"].clone()).unwrap();
    assert!(html.len() < 5_000_000 && !html.contains("compliant with"));
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("oscal/")) {
        let text = std::str::from_utf8(bytes).unwrap();
        for link in text.split(r#""href":"../"#).skip(1) {
            let path = link.split(['"', '#']).next().unwrap();
            assert!(files.contains_key(path), "{name} refers to {path}");
        }
    }
    let (exit, report) = auditor.verify(pack);
    assert_eq!((exit, &report["verified"]), (Some(0), &true.into()), "{report}");
    let held = &report["pack"];
    assert_eq!((&held["signature"], &held["framework"]), (&"root".into(), &"pci-dss".into()), "{report}");
    let (second, redaction) = (&held["evidence_signature"], &held["redaction"]);
    assert_eq!((second, redaction), (&"evidence-key".into(), &"pseudonym".into()), "{report}");
    assert!(held["samples"]["entries"].as_u64() > Some(0), "{report}");
    assert!(held["results"].as_u64() > Some(20), "{report}");

    let pack = pack.to_str().unwrap();
    let with_key = auditor.run(&[pack, "--root-vkey", &auditor.key]);
    let said = String::from_utf8(with_key.stdout).unwrap();
    assert!(said.contains("The pack holds") && said.contains("the one that you gave"), "{said}");
    let without = auditor.run(&[pack]);
    let said = String::from_utf8(without.stdout).unwrap();
    assert_eq!(without.status.code(), Some(0), "{said}");
    assert!(said.starts_with("The key is the pack's own word"), "{said}");
    assert!(said.contains("The pack agrees with itself"), "{said}");
    let vkey = fs::read_to_string(&auditor.key).unwrap();
    assert!(said.contains(&to_hex(&sha256(vkey.trim().as_bytes()))), "no fingerprint of the key: {said}");
}

/// The deployment signs what it is asked to sign: that makes no file follow from the log.
fn signature_covers_one_manifest(instance: &Instance, auditor: &Auditor, pack: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let profile = instance.dir.join(instance.ready["profiles"]["auditor"].as_str().unwrap());
    let profile = Profile::load(&profile).unwrap();
    let client = Client::new(&profile).unwrap();
    for (file, edit) in &FORGED[..3] {
        let forged = forged(pack, file, *edit);
        // The signature is that of the pack before.
        let of_another = auditor.finds(&forged, "signature-wrong");
        assert!(of_another[0].contains(SIGNATURE), "{of_another:?}");
        let manifest = to_hex(&sha256(&fs::read(forged.join(MANIFEST)).unwrap()));
        let signed = runtime.block_on(client.sign_evidence(&manifest)).unwrap();
        fs::write(forged.join(SIGNATURE), signed.value.note).unwrap();
        let (_, report) = auditor.verify(&forged);
        assert_eq!(report["pack"]["signature"], "root", "{report}");
        let differs = auditor.finds(&forged, "pack-file-differs");
        assert!(differs.iter().any(|detail| detail.contains(file)), "{file}: {differs:?}");
    }
}

fn nothing_is_left_of_a_report_that_fails(instance: &Instance) {
    let before = names(&instance.dir);
    let refused = instance.run("administrator", &["compliance", "report", "--out", "refused"], b"");
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
    let key = SigningKey::from_seed("other/audit/root", &[7; 32]).unwrap().verifier_key().to_string();
    fs::write(instance.dir.join("other.vkey"), key).unwrap();
    let words = ["compliance", "report", "--root-vkey", "other.vkey", "--out", "unknown"];
    let unknown = instance.run("auditor", &words, b"");
    assert_eq!(unknown.status.code(), Some(4), "{}", String::from_utf8_lossy(&unknown.stderr));
    fs::remove_file(instance.dir.join("other.vkey")).unwrap();
    assert_eq!(names(&instance.dir), before);
}

/// A pack is made again from its own log alone, and what is there is left as it is. Gives that pack, which nobody signed.
fn same_log_makes_the_same_bytes(dir: &Path, pack: &Path) -> PathBuf {
    let report = |out: &str, further: &[&str]| {
        claviger()
            .current_dir(dir)
            .args(["compliance", "report", "--framework", "pci-dss", "--offline", "--dir", "pack/log"])
            .args(["--root-vkey", "root.vkey", "--disclosure", "pack/disclosure/who.disclosure"])
            .args(["--out", out])
            .args(further)
            .output()
            .unwrap()
    };
    let mut signed = tree(pack);
    signed.remove(SIGNATURE);
    for out in ["one", "two"] {
        let output = report(out, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let made = tree(&dir.join(out));
        assert!(made.keys().eq(signed.keys()), "{:?}", made.keys());
        for (name, bytes) in &made {
            assert!(signed[name] == *bytes, "{name} differs from the one that was made before");
        }
    }
    fs::create_dir(dir.join("mine")).unwrap();
    fs::write(dir.join("mine/notes"), "mine").unwrap();
    let before = names(dir);
    let taken: [(&str, &[&str], &str); 4] = [
        ("one", &[], "--force"),
        ("mine", &[], "no pack"),
        ("mine", &["--force"], "no pack"),
        ("root.vkey", &[], "no folder"),
    ];
    for (out, further, words) in taken {
        let output = report(out, further);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(words), "{out}: {said}");
    }
    assert_eq!(fs::read(dir.join("mine/notes")).unwrap(), b"mine");
    assert_eq!(report("two", &["--force"]).status.code(), Some(0));
    assert_eq!(tree(&dir.join("two")), tree(&dir.join("one")));
    assert_eq!(names(dir), before);
    dir.join("one")
}

/// Another question has other answers; a catalogue that nobody has is no question.
fn what_was_asked_is_not_changed_unseen(auditor: &Auditor, pack: &Path) {
    let shorter = forged(pack, INPUTS, |text| {
        let mut inputs: Value = serde_json::from_str(text).unwrap();
        inputs["period"]["from"] = inputs["period"]["to"].clone();
        canonical(inputs)
    });
    let differs = auditor.finds(&shorter, "pack-file-differs");
    assert!(differs.iter().any(|detail| detail.contains(RESULTS)), "{differs:?}");
    let other = forged(pack, INPUTS, |text| {
        let mut inputs: Value = serde_json::from_str(text).unwrap();
        inputs["catalogue"]["sha256"] = "00".repeat(32).into();
        canonical(inputs)
    });
    let needs = auditor.finds(&other, "release-differs");
    assert!(needs[0].contains(&"00".repeat(32)), "{needs:?}");
    let (_, report) = auditor.verify(&other);
    assert_eq!(report["pack"]["made_again"], 0, "{report}");
    // What the manifest says of the pack follows from the log as well.
    let named = copied(pack, "named");
    let manifest = fs::read_to_string(named.join(MANIFEST)).unwrap();
    let manifest = replaced(&manifest, r#""framework":"pci-dss""#, r#""framework":"pci-dsz""#);
    fs::write(named.join(MANIFEST), manifest).unwrap();
    let differs = auditor.finds(&named, "manifest-differs");
    assert!(differs[0].contains("/framework"), "{differs:?}");
    // Files more, each with a line of its own in the manifest, and a file less.
    let (more, page) = (copied(pack, "more"), format!("log/rows/{}", "00".repeat(32)));
    for name in [page.as_str(), "report/opinion.html"] {
        fs::write(more.join(name), "all is well").unwrap();
    }
    list_anew(&more);
    let extra = auditor.finds(&more, "file-extra");
    assert!(extra.len() == 2 && extra[0].contains(&page) && extra[1].contains("opinion"), "{extra:?}");
    let less = copied(pack, "less");
    fs::remove_file(less.join("LIMITS.md")).unwrap();
    list_anew(&less);
    assert!(auditor.finds(&less, "file-missing")[0].contains("LIMITS.md"));
}

fn errors_say_what_to_do(auditor: &Auditor, pack: &Path) {
    let failed = |arguments: &[&str], exit: i32, words: &str| {
        let output = auditor.run(arguments);
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(output.status.code() == Some(exit) && said.contains(words), "{arguments:?}: {said}");
    };
    let (shown, beside) = (pack.to_str().unwrap(), pack.parent().unwrap());
    failed(&[pack.join(MANIFEST).to_str().unwrap(), "--root-vkey", &auditor.key], 1, "is no directory");
    failed(&[beside.join("mine").to_str().unwrap()], 1, "is no export");
    failed(&[beside.join("nowhere").to_str().unwrap(), "--root-vkey", &auditor.key], 1, "cannot be read");
    let other = SigningKey::from_seed("other/audit/root", &[7; 32]).unwrap().verifier_key().to_string();
    let other_key = beside.join("other.vkey");
    fs::write(&other_key, other).unwrap();
    let words = "another key than the one to verify with";
    failed(&[shown, "--root-vkey", other_key.to_str().unwrap()], 4, words);
    failed(&[shown, "--root-vkey", pack.join("LIMITS.md").to_str().unwrap()], 1, "holds no key");
    let newer = copied(pack, "newer");
    let manifest = fs::read_to_string(newer.join(MANIFEST)).unwrap();
    let manifest = replaced(&manifest, "claviger-evidence-pack/1", "claviger-evidence-pack/2");
    fs::write(newer.join(MANIFEST), manifest).unwrap();
    let words = "its form is `claviger-evidence-pack/2`, which this release does not know";
    failed(&[newer.to_str().unwrap(), "--root-vkey", &auditor.key], 4, words);
    fs::remove_file(newer.join(MANIFEST)).unwrap();
    failed(&[newer.to_str().unwrap(), "--root-vkey", &auditor.key], 4, "`MANIFEST.json` is missing");
}

/// A copy of a pack beside it, a file of which says something else, with a manifest that knows it so.
fn forged(pack: &Path, file: &str, edit: Edit) -> PathBuf {
    let forged = copied(pack, "forged");
    let path = forged.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let edited = edit(&text);
    assert_ne!(edited, text, "{file} is as it was");
    fs::write(&path, edited).unwrap();
    list_anew(&forged);
    forged
}

/// Makes the manifest good again: all files as they lie there now, and what it says of what was asked.
fn list_anew(pack: &Path) {
    let mut manifest: Value = serde_json::from_slice(&fs::read(pack.join(MANIFEST)).unwrap()).unwrap();
    let files = tree(pack);
    let inputs: Value = serde_json::from_slice(&files[INPUTS]).unwrap();
    manifest["pack"] = to_hex(&sha256(&files[INPUTS]))[..32].to_owned().into();
    manifest["period"] = inputs["period"].clone();
    let listed = files.iter().filter(|(name, _)| ![MANIFEST, SIGNATURE].contains(&name.as_str()));
    let listed = listed.map(|(name, bytes)| {
        let (size, digest) = (bytes.len(), to_hex(&sha256(bytes)));
        json!({"path": name, "size": size, "sha256": digest})
    });
    manifest["files"] = listed.collect();
    fs::write(pack.join(MANIFEST), canonical(manifest)).unwrap();
}

/// Canonical JSON of values without fractions and with names in ASCII.
fn canonical(mut value: Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

/// The text with the first of these words replaced.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "there is no {from} any more");
    text.replacen(from, to, 1)
}

fn without_last_line(text: &str) -> String {
    let end = text.trim_end().rfind('\n').unwrap();
    text[..=end].to_owned()
}

/// A number below another, by eight bytes of chance.
fn below(bytes: &[u8], end: usize) -> usize {
    let drawn = u64::from_be_bytes(bytes.try_into().unwrap());
    usize::try_from(drawn % end as u64).unwrap()
}

/// A copy of a pack beside it, in the place of an earlier one of that name.
fn copied(pack: &Path, name: &str) -> PathBuf {
    let copy = pack.with_file_name(name);
    let _ = fs::remove_dir_all(&copy);
    for (name, bytes) in tree(pack) {
        let path = copy.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    copy
}

/// All files below a folder by their names relative to it.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// What lies in a folder.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
