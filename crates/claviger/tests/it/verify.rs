//! The auditor's program on the export of a real deployment.

use std::path::Path;
use std::process::Command;

use crate::instance::{CLAVIGER, Instance};

/// The program beside the binary under test, as it is now.
fn claviger_verify() -> Command {
    let built = Command::new(env!("CARGO")).args(["build", "--quiet", "-p", "claviger-verify"]).status();
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
        let arguments = ["evidence", "--checkpoint-key", "root.vkey", "--max-age", "1h", "-o", "json"];
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
