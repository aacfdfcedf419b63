//! The auditor's program on the export of a real deployment.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use crate::instance::{CLAVIGER, Instance};
use crate::serving::Site;

/// The program beside the binary under test, as it is now. With the features of the workspace, so that little is built again.
pub(crate) fn claviger_verify() -> Command {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bin", "claviger-verify"])
        .status();
    assert!(built.unwrap().success(), "`claviger-verify` is not built");
    Command::new(Path::new(CLAVIGER).with_file_name("claviger-verify"))
}

#[test]
fn export_of_a_real_deployment_holds_until_somebody_changes_it() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    instance.done("administrator", &["ring", "create", "orders"], b"");
    instance.done("administrator", &["key", "create", "orders/main"], b"");
    instance.done("auditor", &["audit", "export", "--out", "evidence"], b"");
    let checkpoint = instance.done("auditor", &["-o", "json", "audit", "checkpoint"], b"");
    let checkpoint: serde_json::Value = serde_json::from_slice(&checkpoint).unwrap();
    std::fs::write(dir.path().join("root.vkey"), checkpoint["signed_by"].as_str().unwrap()).unwrap();
    instance.stop();

    let verify = || {
        let arguments = ["evidence", "--root-vkey", "root.vkey", "--max-age", "1h", "-o", "json"];
        let output = claviger_verify().current_dir(dir.path()).args(arguments).output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report)
    };
    let (exit, report) = verify();
    assert_eq!(exit, Some(0), "{report}");
    assert!(report["entries"].as_u64().unwrap() > 5, "{report}");

    let entries = dir.path().join("evidence/1/tile/entries");
    let bundle = std::fs::read_dir(entries.join("000.p")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&bundle).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let (exit, report) = verify();
    assert_eq!(exit, Some(4));
    assert_eq!(report["findings"][0]["code"], "entries-altered", "{report}");
}

/// Exports what a deployment holds, and gives what the program says of it.
fn exported(site: &Site, name: &str, further: &[&str]) -> (Option<i32>, serde_json::Value) {
    let export = ["audit", "export", "--out", site.path(name).to_str().unwrap()].map(str::to_owned);
    let export: Vec<_> = export.iter().map(String::as_str).chain(further.iter().copied()).collect();
    site.done("auditor", &export, b"");
    verified(site, name)
}

/// What the program says of an export.
fn verified(site: &Site, name: &str) -> (Option<i32>, serde_json::Value) {
    let key = site.path("root.vkey");
    let arguments = [site.path(name).to_str().unwrap(), "--root-vkey", key.to_str().unwrap(), "-o", "json"]
        .map(str::to_owned);
    let output = claviger_verify().args(arguments).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_row_that_was_edited_in_the_database_is_named_from_the_export_alone() {
    let site = Site::set_up();
    let serving = site.serve();
    let key = site.path("root.vkey");
    site.done("auditor", &["audit", "root-vkey", "--out", key.to_str().unwrap()], b"");
    let (exit, report) = exported(&site, "honest", &[]);
    assert_eq!((exit, &report["live_state"]["state"]), (Some(0), &"compared".into()), "{report}");
    assert_eq!(report["live_state"]["rows"], report["objects"], "{report}");
    let (exit, report) = exported(&site, "alone", &["--without-state"]);
    assert_eq!((exit, &report["live_state"]["state"]), (Some(0), &"not_held".into()), "{report}");
    assert!(serving.stop().status.success());

    let database = Connection::open(site.deployed("data/store.db")).unwrap();
    let edit = "UPDATE key SET data_class = 'internal' WHERE name = 'main'";
    assert_eq!(database.execute(edit, []).unwrap(), 1);
    database.close().unwrap();
    let serving = site.serve();
    // The log goes on in both; the rows of the honest export stay those that it was made with.
    site.done(
        "auditor",
        &["audit", "export", "--without-state", "--out", site.path("honest").to_str().unwrap()],
        b"",
    );
    let (exit, report) = verified(&site, "honest");
    assert_eq!(exit, Some(0), "{report}");
    let (exit, report) = exported(&site, "edited", &[]);
    assert!(serving.stop().status.success());
    assert_eq!(exit, Some(4), "{report}");
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["code"] == "state-differs"), "{report}");
    let details: Vec<_> = findings.iter().map(|finding| finding["detail"].as_str().unwrap()).collect();
    for field in ["tag", "data_class"] {
        let named = format!("live is another {field} than");
        assert!(
            details.iter().any(|detail| detail.starts_with("key ") && detail.contains(&named)),
            "{details:?}"
        );
    }

    for file in std::fs::read_dir(site.path("honest").join("rows")).unwrap() {
        let path = file.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        std::fs::write(&path, changed).unwrap();
        let (exit, report) = verified(&site, "honest");
        assert_eq!((exit, &report["findings"][0]["code"]), (Some(4), &"file-malformed".into()), "{report}");
        std::fs::write(&path, whole).unwrap();
    }
}

#[test]
fn rows_that_change_all_the_time_are_no_finding() {
    let site = Site::set_up();
    let _serving = site.serve();
    let key = site.path("root.vkey");
    site.done("auditor", &["audit", "root-vkey", "--out", key.to_str().unwrap()], b"");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                site.done("administrator", &["key", "suspend", "orders/toggled", "--reason", "test"], b"");
                site.done("administrator", &["key", "resume", "orders/toggled"], b"");
            }
        });
        let checked = std::panic::catch_unwind(|| {
            for _ in 0..3 {
                site.done("auditor", &["audit", "verify"], b"");
                let (exit, report) = exported(&site, "export", &[]);
                assert_eq!((exit, &report["live_state"]["state"]), (Some(0), &"compared".into()), "{report}");
            }
        });
        is_over.store(true, Ordering::Relaxed);
        checked.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked));
    });
}

#[test]
fn who_used_a_key_is_answered_disclosed_and_checked_against_the_export() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    instance.done("administrator", &["ring", "create", "orders"], b"");
    instance.done("administrator", &["key", "create", "orders/main"], b"");
    instance.done("administrator", &["key", "rotate", "orders/main"], b"");
    let read = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&instance.done("auditor", &[&["-o", "json"][..], arguments].concat(), b""))
            .unwrap()
    };
    let rotate = ["audit", "search", "--key", "orders/main", "--operation", "rotate-key", "--from", "1h"];
    let found = read(&rotate);
    let who = &found["items"][0]["who"];
    assert_eq!(
        (who["name"].as_str(), who["state"].as_str()),
        (Some("administrator"), Some("known")),
        "{found}"
    );
    assert_eq!(
        (who["method"].as_str(), who["factors"][0].as_str()),
        (Some("certificate"), Some("proof_of_key"))
    );
    assert_eq!((who["tls_version"].as_str(), who["origin"].as_str()), (Some("TLS 1.3"), Some("loopback")));
    assert_eq!(who["group"].as_str(), Some("X25519MLKEM768"), "{found}");
    let credential = who["credential"].as_str().unwrap();
    let did = read(&["audit", "search", "--credential", credential, "--from", "monday", "--page-all"]);
    let operations: Vec<_> =
        did["items"].as_array().unwrap().iter().map(|entry| entry["operation"].as_str().unwrap()).collect();
    for operation in ["session", "create_ring", "create_key", "rotate_key"] {
        assert!(operations.contains(&operation), "{operations:?}");
    }
    let table = String::from_utf8(instance.done("auditor", &rotate, b"")).unwrap();
    assert!(table.contains("administrator") && table.contains("127.0.0.1 (loopback)"), "{table}");

    let size = read(&["audit", "checkpoint"])["shard_size"].to_string();
    for level in ["minimal", "pseudonym", "full"] {
        let out = format!("{level}.disclosure");
        instance.done("auditor", &["audit", "disclose", "--to", &size, "--level", level, "--out", &out], b"");
    }
    instance.done("auditor", &["audit", "export", "--out", "evidence"], b"");
    let key = read(&["audit", "checkpoint"])["signed_by"].as_str().unwrap().to_owned();
    std::fs::write(dir.path().join("root.vkey"), key).unwrap();
    instance.stop();
    let verify = |disclosure: &str| {
        let arguments = ["evidence", "--root-vkey", "root.vkey", "--disclosure", disclosure, "-o", "json"];
        let output = claviger_verify().current_dir(dir.path()).args(arguments).output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), report)
    };
    for (level, named) in [("minimal", false), ("pseudonym", false), ("full", true)] {
        let (exit, report) = verify(&format!("{level}.disclosure"));
        assert_eq!(exit, Some(0), "{report}");
        let text = report.to_string();
        assert_eq!(text.contains("\"administrator\""), named, "{text}");
        assert_eq!(text.contains(credential), level != "minimal", "{text}");
        assert!(text.contains("TLS 1.3"), "{text}");
    }
    // One byte of it, whichever, and it is not what the log commits to, or no disclosure any more.
    let whole = std::fs::read(dir.path().join("full.disclosure")).unwrap();
    for at in (0..whole.len()).step_by(97) {
        let mut edited = whole.clone();
        edited[at] ^= 1;
        std::fs::write(dir.path().join("edited.disclosure"), edited).unwrap();
        let (exit, report) = verify("edited.disclosure");
        assert!(matches!(exit, Some(1 | 4)), "byte {at}: {report}");
    }
}
