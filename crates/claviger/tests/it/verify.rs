//! The auditor's program on the export of a real deployment.

use std::path::Path;
use std::process::Command;

use crate::instance::{CLAVIGER, Instance};

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
