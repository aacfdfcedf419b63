//! Policy as files by the command line: written out, changed, applied by those who may, approved by others, and held against what is there.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::approvals::{CUSTODIANS, approve, pending};
use crate::serving::Site;

/// How a command ends that finds a difference.
const DIFFERS: i32 = 4;

fn append(path: &Path, text: &str) {
    let before = std::fs::read_to_string(path).unwrap_or_default();
    std::fs::write(path, format!("{before}\n{text}")).unwrap();
}

fn apply(site: &Site, who: &str) -> Output {
    site.run(who, &["apply", "-f", "policy", "--reason", "as reviewed", "--yes"], b"")
}

/// All that a command said, where it ended so.
#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn compared(site: &Site, who: &str) -> Value {
    let compare = ["-o", "json", "plan", "-f", "policy"];
    serde_json::from_slice(&site.done(who, &compare, b"")).unwrap()
}

#[test]
fn what_reviewed_files_say_is_applied_approved_by_others_and_compared_again() {
    let site = Site::set_up();
    let serving = site.serve();
    let files = site.path("policy");

    site.done("administrator", &["export", "policy", "--out", "policy"], b"");
    for who in ["administrator", "security_officer", "auditor"] {
        let same = site.done(who, &["plan", "-f", "policy", "--exit-code"], b"");
        assert_eq!(String::from_utf8_lossy(&same).trim_end(), "no difference");
    }
    site.done("auditor", &["export", "policy", "--out", "again"], b"");
    for entry in std::fs::read_dir(&files).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        let [one, other] = [&files, &site.path("again")].map(|dir| std::fs::read(dir.join(name)).unwrap());
        assert_eq!(one, other, "{name:?} is the same, whoever writes it");
        let text = String::from_utf8(one).unwrap();
        for secret in ["BEGIN", "credential", "token", "ck_"] {
            assert!(!text.contains(secret), "{name:?}: {text}");
        }
    }
    // Files that stay would be read with the new ones.
    said(&site.run("auditor", &["export", "policy", "--out", "policy"], b""), 2);

    append(&files.join("rings.toml"), "[[ring]]\nname = \"cards\"\ndata_class = \"cardholder\"\n");
    append(
        &files.join("keys.toml"),
        "[[key]]\nname = \"cards/pan\"\npurpose = \"encrypt\"\nspec = \"aes-256-gcm\"\n",
    );
    append(
        &files.join("principals.toml"),
        "[[principal]]\nname = \"shift\"\nkind = \"human\"\nroles = [\"operator\"]\n",
    );
    assert_eq!(compared(&site, "auditor")["differences"], 4);
    let differs = site.run("auditor", &["plan", "-f", "policy", "--exit-code"], b"");
    assert!(said(&differs, DIFFERS).contains("cards/pan"));

    // Who may do something does it, and is told what another must do.
    let by_administrator = said(&apply(&site, "administrator"), 1);
    assert!(by_administrator.contains("create key cards/pan"), "{by_administrator}");
    site.done("administrator", &["key", "show", "cards/pan"], b"");
    // Who enters a person gives nothing to that person.
    let by_maker = said(&apply(&site, "security_officer-2"), 1);
    assert!(by_maker.contains("create principal shift") && by_maker.contains("separation"), "{by_maker}");
    let waits = apply(&site, "security_officer");
    let id = pending(&waits);
    assert_eq!(pending(&apply(&site, "security_officer")), id, "it is asked for once");
    let shown = site.done("custodian-1", &["approval", "show", &id], b"");
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("shift") && shown.contains("operator"), "{shown}");
    for custodian in CUSTODIANS {
        approve(&site, custodian, &id);
    }
    said(&site.run("auditor", &["drift", "-f", "policy"], b""), DIFFERS);
    said(&apply(&site, "security_officer"), 0);
    said(&site.run("auditor", &["drift", "-f", "policy"], b""), 0);

    // What is there and in no file is told, and stays.
    site.done("administrator", &["ring", "create", "other"], b"");
    let absent = compared(&site, "auditor");
    assert_eq!(absent["differences"], 1, "{absent}");
    assert_eq!(absent["absent"][0]["name"], "other", "{absent}");
    said(&apply(&site, "administrator"), 0);
    site.done("auditor", &["ring", "show", "other"], b"");
    let record = ["drift", "-f", "policy", "--record"];
    assert!(said(&site.run("administrator", &record, b""), DIFFERS).contains("recorded: declaration"));
    let list = ["-o", "json", "declaration", "list", "--kind", "policy_files"];
    let declared: Value = serde_json::from_slice(&site.done("auditor", &list, b"")).unwrap();
    let [one] = declared["items"].as_array().unwrap().as_slice() else { panic!("{declared}") };
    assert_eq!(one["declared"]["policy_files"]["differences"], 1, "{one}");
    assert_eq!(one["declared"]["policy_files"]["sha256"], absent["files"], "{one}");

    append(&files.join("rings.toml"), "colour = \"red\"\n");
    let wrong = said(&site.run("administrator", &["plan", "-f", "policy"], b""), 1);
    assert!(wrong.contains("rings.toml, line ") && wrong.contains("unknown field `colour`"), "{wrong}");
    site.done("auditor", &["audit", "verify"], b"");
    serving.stop();
}
