//! Controls on real deployments: what each comes to, and that a change from outside is noticed.
//!
//! A quick start as it comes and a deployment in which all is set that can be are worked with, exported and evaluated from their exports
//! alone. What the product itself prevents is done to a copy of an export.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use claviger_attack::token::Token;
use claviger_audit::RowsHead;
use claviger_audit::cbor::put_text;
use claviger_audit::fact::{Field, Kind, field_name};
use claviger_audit::rows::{HEAD as ROWS_HEAD, decode_page, digest_of_page, encode_page, page_name};
use serde_json::Value;

use crate::approvals;
use crate::documents::read;
use crate::instance::{Instance, claviger};

const GOLDEN: &str = "golden/controls.txt";
const HEAD: &str = "\
# What each control comes to on two deployments, a line for each of its modes. UPDATE_GOLDEN=1 rewrites this file.
# quickstart: a quick start as it comes, with a root in software; keys that were used, rotated and suspended, and a grant.
# reference: the root in a token (SoftHSM2); environment, domains, a ring for cardholder data with a rotation period, required context and
# assets and no data keys in clear, an asset, owners of keys and certificates, labels, a grant with conditions; used, rotated and suspended the same way.
# Administrator, security officers and custodians signed that they know their duties; the program, a role, a capacity, two grants (one to a person, with
# an end) and the destruction of a key were approved by two custodians each. Emergency access was opened, closed and reviewed, and who has what was
# reviewed; an auditor and somebody who answers for the organization signed of both.
";
/// Where an export of a test lies.
const EXPORT: &str = "evidence";
/// Controls that ask whether log and state hold, and are decided where nothing else is.
const OF_THE_LOG: [&str; 2] = ["AUD-03", "AUD-10"];
/// Who signs that they know their duties: whoever can administer keys, or approves what others ask for.
const DUTIES: [&str; 6] =
    ["administrator", "custodian-1", "custodian-2", "custodian-3", "security_officer", "security_officer-2"];
/// What a deployment says of itself.
const CONFIGURED: [(&str, &str); 6] = [
    ("CLAVIGER_DEPLOYMENT__CERTIFICATE_OWNER", "platform-team"),
    ("CLAVIGER_DEPLOYMENT__ENVIRONMENT", "production"),
    ("CLAVIGER_DEPLOYMENT__HSM_MATERIAL_CUSTODY_DOMAIN", "hsm-officers"),
    ("CLAVIGER_DEPLOYMENT__ROOT_CUSTODY_DOMAIN", "custodians"),
    ("CLAVIGER_DEPLOYMENT__ROOT_STORAGE_DOMAIN", "hsm-2"),
    ("CLAVIGER_DEPLOYMENT__STORAGE_DOMAIN", "rack-7"),
];

#[test]
fn controls_come_to_what_the_list_says_and_changes_from_outside_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let quick_start = quick_start(dir.path());
    same_export_comes_to_the_same_bytes(dir.path());
    exit_code_is_by_severity_and_by_what_is_shown(dir.path(), &quick_start);
    edited_row_is_named(dir.path());
    flipped_byte_leaves_nothing_that_passes(dir.path(), &quick_start);
    hold_golden(&quick_start, &reference());
}

/// A quick start that was worked with; gives the evaluation of its export, which stays in `dir`.
fn quick_start(dir: &Path) -> Value {
    let instance = Instance::start(dir, &[]);
    let administrator = |line: &str| done(&instance, "administrator", line);
    administrator("ring create orders");
    administrator("key create orders/main");
    done(
        &instance,
        "security_officer",
        "grant create app --ring orders --operations encrypt,decrypt --reason test",
    );
    use_and_rotate(&instance, "orders/main", &[]);
    done(&instance, "auditor", &format!("audit export --out {EXPORT}"));
    let evaluation = evaluated(dir, EXPORT, &[]).1;
    let satisfied = controls(&evaluation, |results| results.iter().all(|result| is_satisfied(result)));
    // From the deployment itself, into a folder of its own.
    let id = satisfied.first().unwrap();
    let shown = done(&instance, "auditor", &format!("compliance evaluate --control {id} --fail-on low"));
    assert!(shown.contains(id.as_str()) && shown.contains("subjects"), "{shown}");
    instance.stop();
    evaluation
}

/// A deployment in which all is set that can be, worked with; gives the evaluation of its export.
fn reference() -> Value {
    let (dir, token) = (tempfile::tempdir().unwrap(), Token::create().unwrap());
    let variables = token.variables(Token::PIN);
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).chain(CONFIGURED).collect();
    let instance = Instance::start(dir.path(), &variables);
    assert_eq!(instance.ready["root"], "pkcs11", "{}", instance.ready);
    let administrator = |line: &str| done(&instance, "administrator", line);
    done(&instance, "security_officer", "principal create ada --kind human");
    let data = "--data-class cardholder --plaintext-data-keys refused --context-required tenant";
    let rules = "--assets required --rotation-period 90d --environment production";
    administrator(&format!("ring create cards {data} {rules}"));
    administrator("asset add payments --class cardholder --owner ada");
    let asset = of_json(&administrator("-o json asset show payments"));
    for custodian in DUTIES {
        done(&instance, custodian, "attest ATT-CUSTODIAN-ACK --yes");
    }
    let build = of_json(&administrator("-o json status"))["node"]["build"].clone();
    let build = format!("declaration add build --digest {} --title release", build.as_str().unwrap());
    approved(&instance, "administrator", &build);
    let said_of_it = "--owner ada --description payments --label team=payments --label tier=1";
    administrator(&format!("key create cards/pan {said_of_it}"));
    let conditions = "--context tenant=clinic --source 127.0.0.0/8 --until 90d";
    let grant = "grant create app --key cards/pan --operations encrypt,decrypt";
    approved(&instance, "security_officer", &format!("{grant} {conditions} --reason test"));
    done(&instance, "security_officer", "principal create rita --kind human");
    // Who entered a person gives them nothing: that takes another officer.
    approved(&instance, "security_officer-2", "role assign rita responder --reason on-call");
    let grant = "grant create ada --key cards/pan --operations encrypt --until 60d --reason reports";
    approved(&instance, "security_officer-2", grant);
    administrator(&format!("key create cards/old {said_of_it} --data-class internal"));
    approved(&instance, "administrator", "key destroy cards/old --reason moved");
    let context = format!("claviger:asset={}", asset["id"].as_str().unwrap());
    use_and_rotate(&instance, "cards/pan", &["--context", "tenant=clinic", "--context", &context]);
    emergency(&instance);
    review(&instance);
    done(&instance, "auditor", "audit snapshot");
    let scan = of_json(&done(&instance, "auditor", "-o json audit scan"));
    assert!(scan["failed"] == 0 && scan["scanned"].as_u64() > Some(10), "{scan}");
    done(&instance, "auditor", &format!("audit export --out {EXPORT}"));
    instance.stop();
    evaluated(dir.path(), EXPORT, &[]).1
}

/// Somebody who holds no role gets emergency access, which another person than who opened and approved it looks at afterwards.
fn emergency(instance: &Instance) {
    done(instance, "security_officer", "principal create hanna --kind human");
    let code = "credential create hanna --enrolment-code --lifetime 1d --out hanna.code";
    done(instance, "security_officer", code);
    let url = instance.ready["urls"]["control"].as_str().unwrap();
    let enrol = ["enrol", "--url", url, "--ca", "claviger-data/pki/ca.crt", "--code-file", "hanna.code"];
    let mut command = claviger();
    let output = command.current_dir(&instance.dir).args(enrol).args(["--out", "hanna"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let open = "break-glass open --holder hanna --key cards/pan --for 1h --reason drill";
    let open: Vec<_> = open.split(' ').collect();
    approvals::done_under(instance, &["security_officer-2"], "administrator", &open);
    let id = only(&of_json(&done(instance, "auditor", "-o json break-glass list")));
    done(instance, "administrator", &format!("break-glass close {id} --reason over"));
    let justified = "--verdict justified --reason drill";
    done(instance, "security_officer", &format!("break-glass review {id} {justified}"));
    done(instance, "auditor", &format!("attest ATT-BREAKGLASS-REVIEW --scope break_glass:{id} --yes"));
    let raised = "-o json alert list --rule break_glass_opened";
    let alert = only(&of_json(&done(instance, "auditor", raised)));
    done(instance, "security_officer", &format!("alert triage {alert} --reason drill"));
}

/// Who has what is reviewed, and stays; who answers for the organization signs of it.
fn review(instance: &Instance) {
    approved(instance, "security_officer", "capacity give auditor executive --reason board");
    done(instance, "administrator", "access review open --due-in 7d --reason half-year");
    let id = only(&of_json(&done(instance, "auditor", "-o json access review list")));
    done(instance, "security_officer", &format!("access review decide {id} --keep-rest"));
    done(instance, "administrator", &format!("access review decide {id} --keep security_officer"));
    done(instance, "security_officer", &format!("access review close {id} --yes --reason decided"));
    done(instance, "auditor", &format!("attest ATT-ACCESS-REVIEW --scope review:{id} --yes"));
}

fn of_json(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// The identifier of the one that is listed.
fn only(listed: &Value) -> String {
    let items = listed["items"].as_array().unwrap();
    let [one] = items.as_slice() else { panic!("{listed}") };
    one["id"].as_str().unwrap().to_owned()
}

/// Runs a command that must succeed; its words have no spaces.
fn done(instance: &Instance, who: &str, line: &str) -> String {
    let printed = instance.done(who, &line.split(' ').collect::<Vec<_>>(), b"");
    String::from_utf8(printed).unwrap()
}

/// The same, where two custodians must approve it.
fn approved(instance: &Instance, who: &str, line: &str) {
    approvals::executed(instance, who, &line.split(' ').collect::<Vec<_>>());
}

/// What every key lives through: it is used, rotated, suspended for a while, and opens what it sealed before.
fn use_and_rotate(instance: &Instance, key: &str, context: &[&str]) {
    let sealed = instance.done("app", &[&["encrypt", "--key", key][..], context].concat(), b"4111-1111");
    done(instance, "administrator", &format!("key rotate {key}"));
    done(instance, "administrator", &format!("key suspend {key} --reason incident"));
    let refused = instance.run("app", &[&["decrypt"][..], context].concat(), &sealed);
    assert!(!refused.status.success(), "a suspended key opens");
    done(instance, "administrator", &format!("key resume {key}"));
    assert_eq!(instance.done("app", &[&["decrypt"][..], context].concat(), &sealed), b"4111-1111");
}

/// Evaluates an export in `dir` without a deployment: the exit code, the results, and what was said beside them.
fn evaluated(dir: &Path, export: &str, further: &[&str]) -> (Option<i32>, Value, String) {
    let output = claviger()
        .current_dir(dir)
        .args(["-o", "json", "compliance", "evaluate", "--offline", "--dir", export])
        .args(further)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

fn results(evaluation: &Value) -> &Vec<Value> {
    evaluation["results"].as_array().unwrap_or_else(|| panic!("no results: {evaluation}"))
}

fn is_satisfied(result: &Value) -> bool {
    ["PASS", "NOT_APPLICABLE"].contains(&word(result, "result"))
}

fn word<'a>(result: &'a Value, name: &str) -> &'a str {
    result[name].as_str().unwrap_or_else(|| panic!("no `{name}`: {result}"))
}

/// What a control comes to, of each of its modes.
fn of<'a>(evaluation: &'a Value, control: &str) -> Vec<&'a str> {
    let found = results(evaluation).iter().filter(|result| result["control"] == control);
    found.map(|result| word(result, "result")).collect()
}

/// The controls whose results are so.
fn controls(evaluation: &Value, are_so: impl Fn(&[&Value]) -> bool) -> Vec<String> {
    let all = results(evaluation);
    let mut ids: Vec<_> = all.iter().map(|result| word(result, "control")).collect();
    ids.dedup();
    let of = |id: &str| all.iter().filter(|result| word(result, "control") == id).collect::<Vec<_>>();
    ids.into_iter().filter(|id| are_so(&of(id))).map(str::to_owned).collect()
}

fn same_export_comes_to_the_same_bytes(dir: &Path) {
    let bytes = |out: &str| {
        let (code, evaluation, said) = evaluated(dir, EXPORT, &["--out", out]);
        assert_eq!(code, Some(1), "{said}");
        let bytes = std::fs::read(dir.join(out)).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), evaluation);
        bytes
    };
    assert_eq!(bytes("one.json"), bytes("two.json"));
    // What is shown may be less; the file has all of it.
    let id = word(&results(&evaluated(dir, EXPORT, &[]).1)[0], "control").to_owned();
    let (_, shown, said) = evaluated(dir, EXPORT, &["--control", &id, "--out", "three.json"]);
    assert!(results(&shown).iter().all(|result| word(result, "control") == id), "{said}");
    assert_eq!(std::fs::read(dir.join("three.json")).unwrap(), std::fs::read(dir.join("one.json")).unwrap());
    let (code, _, said) = evaluated(dir, EXPORT, &["--out", "one.json"]);
    assert!(code == Some(2) && said.contains("--force"), "{said}");

    let table = claviger()
        .current_dir(dir)
        .args(["compliance", "evaluate", "--offline", "--dir", EXPORT])
        .output()
        .unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    for words in ["STOR-01", "INDETERMINATE", "critical", "RESULTS OF SEVERITY"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    assert!(!table.contains("compliant with"), "{table}");
}

fn exit_code_is_by_severity_and_by_what_is_shown(dir: &Path, evaluation: &Value) {
    let code = |further: &[&str]| {
        let (code, _, said) = evaluated(dir, EXPORT, further);
        (code.unwrap(), said)
    };
    let satisfied = controls(evaluation, |results| results.iter().all(|result| is_satisfied(result)));
    let unsatisfied = |is_critical: bool| {
        let counts = |result: &&Value| (result["severity"] == "critical") == is_critical;
        controls(evaluation, |results| results.iter().any(|result| counts(result) && !is_satisfied(result)))
    };
    let [critical, other] = [true, false].map(|is_critical| unsatisfied(is_critical).remove(0));
    let (critical, other) = (critical.as_str(), other.as_str());
    assert_eq!(code(&["--control", &satisfied[0], "--fail-on", "low"]).0, 0);
    assert_eq!(code(&["--control", other]).0, 0);
    for line in [&["--control", critical][..], &["--control", other, "--fail-on", "low"]] {
        let (code, said) = code(line);
        assert!(code == 1 && said.contains(line[1]) && said.contains("advice"), "{line:?}: {said}");
    }
    let later = "2999-01-01T00:00:00Z";
    for line in [&["--as-of", later][..], &["--as-of", "1d", "--from", later]] {
        let (code, said) = code(line);
        assert!(code == 2 && said.contains("advice"), "{line:?}: {said}");
    }
    // Of a time that the log does not tell of, nothing is said to hold but of the log itself.
    let (_, before, _) = evaluated(dir, EXPORT, &["--as-of", "2001-01-01T00:00:00Z"]);
    let passes = controls(&before, |results| results.iter().any(|result| word(result, "result") == "PASS"));
    assert!(passes.iter().all(|id| OF_THE_LOG.contains(&id.as_str())), "{passes:?}");
}

/// Rows as a deployment gives them out when somebody edited them in its database.
fn edited_row_is_named(dir: &Path) {
    let edited = copied(dir, "edited");
    let head = RowsHead::decode(&std::fs::read(edited.join(ROWS_HEAD)).unwrap()).unwrap();
    let class = (0..u16::MAX).find(|number| field_name(Kind::Key, *number) == Some("data_class")).unwrap();
    let mut internal = Vec::new();
    put_text(&mut internal, "internal");
    let pages = head.pages.iter().map(|digest| {
        let mut rows = decode_page(&std::fs::read(edited.join(page_name(digest))).unwrap()).unwrap();
        for row in rows.iter_mut().filter(|row| row.object.kind() == Kind::Key) {
            row.fields.insert(class, Field::Open(internal.clone()));
            row.holds = false;
        }
        let page = encode_page(&rows).unwrap();
        let digest = digest_of_page(&page);
        std::fs::write(edited.join(page_name(&digest)), page).unwrap();
        digest
    });
    let head = RowsHead { pages: pages.collect(), ..head.clone() };
    std::fs::write(edited.join(ROWS_HEAD), head.encode().unwrap()).unwrap();

    let (code, evaluation, said) = evaluated(dir, "edited", &[]);
    assert_eq!(code, Some(4), "{said}");
    let findings = evaluation["findings"].as_array().unwrap();
    assert!(!findings.is_empty(), "{evaluation}");
    assert!(findings.iter().all(|finding| finding.as_str().unwrap().starts_with("state-differs: key ")));
    for control in ["AUD-10", "STOR-07"] {
        assert!(of(&evaluation, control).contains(&"FAIL"), "{control}: {evaluation}");
    }
    assert_eq!(of(&evaluation, "AUD-03"), of(&evaluated(dir, EXPORT, &[]).1, "AUD-03"), "the log holds");
}

fn flipped_byte_leaves_nothing_that_passes(dir: &Path, whole: &Value) {
    let bundle = bundle(&copied(dir, "flipped"));
    let mut bytes = std::fs::read(&bundle).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let (code, evaluation, said) = evaluated(dir, "flipped", &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("entries-altered"), "{said}");
    assert_eq!(of(&evaluation, "AUD-03"), ["FAIL"], "{evaluation}");
    assert_eq!(results(whole).len(), results(&evaluation).len());
    for (was, result) in results(whole).iter().zip(results(&evaluation)) {
        assert_eq!((&was["control"], &was["mode"]), (&result["control"], &result["mode"]));
        // Nothing waits for statements alone, and nothing is out of scope: nobody knows what was in the log.
        assert!(["FAIL", "INDETERMINATE"].contains(&word(result, "result")), "{result}");
    }
}

/// A copy of the export beside it.
fn copied(dir: &Path, name: &str) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                copy(&from, &to);
            } else {
                std::fs::copy(&from, &to).unwrap();
            }
        }
    }
    let copied = dir.join(name);
    copy(&dir.join(EXPORT), &copied);
    copied
}

/// The first bundle of entries of an export.
fn bundle(export: &Path) -> PathBuf {
    let entries = export.join("1/tile/entries");
    let (whole, part) = (entries.join("000"), entries.join("000.p"));
    if whole.exists() { whole } else { std::fs::read_dir(part).unwrap().next().unwrap().unwrap().path() }
}

/// Holds the results of both deployments against the list.
fn hold_golden(quick_start: &Value, reference: &Value) {
    let mut printed = HEAD.to_owned();
    let mut line = |words: [&str; 4]| {
        let [control, mode, quick_start, reference] = words;
        writeln!(printed, "{control:<9}{mode:<8}{quick_start:<19}{reference}").unwrap();
    };
    line(["control", "mode", "quickstart", "reference"]);
    let (quick_start, reference) = (results(quick_start), results(reference));
    assert_eq!(quick_start.len(), reference.len());
    for (one, other) in quick_start.iter().zip(reference) {
        let [control, mode, result] = ["control", "mode", "result"].map(|name| word(one, name));
        assert_eq!([control, mode], ["control", "mode"].map(|name| word(other, name)));
        line([control, mode, result, word(other, "result")]);
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(GOLDEN), &printed).unwrap();
    }
    assert_eq!(read(GOLDEN), printed, "{GOLDEN} differs; UPDATE_GOLDEN=1 rewrites it");
}
