//! The program as auditors run it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::log::{Log, root_key};

/// What an auditor holds besides the export.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) known_checkpoint: Option<String>,
    pub(crate) receipts: Vec<String>,
    pub(crate) node_key: Option<String>,
    pub(crate) max_age: Option<&'static str>,
}

impl Held {
    pub(crate) fn receipt(receipt: String) -> Self {
        Self { receipts: vec![receipt], ..Self::default() }
    }

    pub(crate) fn checkpoint(note: String) -> Self {
        Self { known_checkpoint: Some(note), ..Self::default() }
    }
}

/// Runs the program.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_claviger-verify")).args(arguments).output().unwrap()
}

/// Verifies the export in `dir` with the true key; gives the exit code and the report.
pub(crate) fn verify(dir: &Path, held: &Held) -> (i32, Value) {
    let own = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = own.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mut arguments = vec![dir.display().to_string(), "-o".to_owned(), "json".to_owned()];
    arguments.extend(["--root-vkey".to_owned(), file("key", &root_key().verifier_key().to_string())]);
    if let Some(note) = &held.known_checkpoint {
        arguments.extend(["--known-checkpoint".to_owned(), file("known", note)]);
    }
    if !held.receipts.is_empty() {
        arguments.extend(["--receipt".to_owned(), file("receipts", &held.receipts.join("\n"))]);
    }
    if let Some(key) = &held.node_key {
        arguments.extend(["--node-key".to_owned(), file("node", key)]);
    }
    if let Some(age) = held.max_age {
        arguments.extend(["--max-age".to_owned(), age.to_owned()]);
    }
    let output = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), report)
}

/// The codes of what is found in a log, each once.
pub(crate) fn found(log: &Log, held: &Held) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    log.write(dir.path());
    found_in(dir.path(), held)
}

/// The codes of what is found in a directory, each once.
pub(crate) fn found_in(dir: &Path, held: &Held) -> Vec<String> {
    let (exit, report) = verify(dir, held);
    let findings = report["findings"].as_array().unwrap();
    let mut codes: Vec<_> = findings.iter().map(|found| found["code"].as_str().unwrap().to_owned()).collect();
    codes.dedup();
    assert_eq!(exit, if codes.is_empty() { 0 } else { 4 }, "{report}");
    assert_eq!(report["verified"], codes.is_empty());
    codes
}
