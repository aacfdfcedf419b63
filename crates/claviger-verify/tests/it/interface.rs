//! What the program says, and how it ends.

use std::fs;
use std::process::Output;

use crate::log::{Log, node_key, root_key};
use crate::program::run;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_export_s_own_word_is_called_that() {
    let dir = tempfile::tempdir().unwrap();
    Log::honest().write(dir.path());
    let output = run(&[dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("the export's own word"), "{}", said(&output));
    let key = dir.path().join("key");
    fs::write(&key, format!("{}\n", root_key().verifier_key())).unwrap();
    let output = run(&[dir.path().to_str().unwrap(), "--checkpoint-key", key.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("The log holds."), "{}", said(&output));
}

#[test]
fn finding_is_reported_with_its_code_and_exit_4() {
    let dir = tempfile::tempdir().unwrap();
    Log::honest().write(dir.path());
    let key = dir.path().join("key");
    fs::write(&key, node_key(0).verifier_key().to_string()).unwrap();
    let output = run(&[dir.path().to_str().unwrap(), "--root-vkey", key.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).contains("file-malformed: `root.vkey`"), "{}", said(&output));
    assert!(said(&output).contains("it is evidence"), "{}", said(&output));
}

#[test]
fn what_cannot_be_read_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    for (arguments, exit, wanted) in [
        (&["/nowhere/at/all"][..], 1, "cannot be read"),
        (&[path], 1, "claviger audit export"),
        (&[path, "--root-vkey", "/nowhere/key"], 1, "`/nowhere/key` cannot be read"),
        (&[path, "--max-age", "soon"], 2, "--max-age"),
        (&[], 2, "Usage"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(exit), "{}", said(&output));
        assert!(output.stdout.is_empty());
        assert!(said(&output).contains(wanted), "{}", said(&output));
    }
}

/// What this release does not know is neither called good nor called wrong, unless the log is not as it was cut.
#[test]
fn what_a_newer_release_wrote_is_refused_and_no_finding() {
    /// A schema version to come, where entries and cuts have theirs.
    const NEWER: u8 = 9;
    let newer_entry = |log: &mut Log| log.shards.get_mut(&0).unwrap()[120][2] = NEWER;
    let newer_cut = |log: &mut Log| log.cuts.last_mut().unwrap()[2] = NEWER;
    let verified = |change: &dyn Fn(&mut Log)| {
        let (dir, mut log) = (tempfile::tempdir().unwrap(), Log::honest());
        change(&mut log);
        log.write(dir.path());
        let key = dir.path().join("key");
        fs::write(&key, root_key().verifier_key().to_string()).unwrap();
        run(&[dir.path().to_str().unwrap(), "--root-vkey", key.to_str().unwrap()])
    };
    let entry_as_cut = |log: &mut Log| {
        newer_entry(log);
        log.cut_anew();
    };
    for (output, wanted) in [
        (verified(&entry_as_cut), "a newer release wrote this log: shard 0, entry 120 is of a form"),
        (verified(&newer_cut), "a newer release wrote this log: cut 6 is of a form"),
    ] {
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(output.stdout.is_empty());
        assert!(said(&output).contains(wanted), "{}", said(&output));
    }
    // Under the cuts of the honest log, and beside something else that does not hold.
    let padded_too = |log: &mut Log| {
        log.shards.get_mut(&0).unwrap()[130].push(0);
        entry_as_cut(log);
    };
    for (output, wanted) in
        [(verified(&newer_entry), "entries-altered"), (verified(&padded_too), "entry-malformed")]
    {
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(said(&output).contains(wanted), "{}", said(&output));
    }
}

#[test]
fn what_is_no_file_or_too_long_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Log::honest().write(dir.path());
    let bundle = dir.path().join("3/tile/entries/000.p/60");
    fs::File::options().write(true).open(&bundle).unwrap().set_len(1 << 40).unwrap();
    let output = run(&[dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("longer than any file of an export"), "{}", said(&output));
    fs::remove_file(&bundle).unwrap();
    fs::create_dir(&bundle).unwrap();
    let output = run(&[dir.path().to_str().unwrap(), "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no regular file"), "{}", said(&output));
}

#[test]
fn report_says_which_entries_were_read() {
    let dir = tempfile::tempdir().unwrap();
    Log::honest().write(dir.path());
    let path = dir.path().to_str().unwrap();
    let output = run(&[path]);
    for line in ["shard 0         entries 0 to 299", "shard 3         entries 0 to 59"] {
        assert!(said(&output).lines().any(|one| one == line), "{}", said(&output));
    }
    let report: serde_json::Value = serde_json::from_slice(&run(&[path, "-o", "json"]).stdout).unwrap();
    assert_eq!(report["read"]["3"], serde_json::json!({"first": 0, "last": 59}));
}

#[test]
fn entries_are_shown_of_what_holds_and_of_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    Log::honest().write(dir.path());
    let path = dir.path().to_str().unwrap();
    let output = run(&["entries", path, "--from", "254", "--to", "258", "--shard", "0", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let entries = document["entries"].as_array().unwrap();
    let indexes: Vec<_> = entries.iter().map(|entry| entry["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [254, 255, 256, 257]);
    for entry in entries {
        assert_eq!((&entry["shard"], &entry["operation"]), (&0.into(), &"encrypt".into()));
        assert_eq!(entry["key"], "07070707-0707-0707-0707-070707070707");
    }

    let output = run(&["entries", path, "--from", "1", "--to", "3"]);
    let text = said(&output);
    assert!(
        text.contains("Entries 1 to 2 of shard 0:") && text.contains("Entries 1 to 2 of shard 3:"),
        "{text}"
    );
    assert_eq!(text.lines().filter(|line| line.contains(" create_key ")).count(), 2, "{text}");

    let output = run(&["entries", path, "--from", "300", "--shard", "0"]);
    assert!(said(&output).contains("No such entries in shard 0."), "{}", said(&output));
    let output = run(&["entries", path, "--shard", "7"]);
    assert_eq!(output.status.code(), Some(1));

    let bundle = dir.path().join("0/tile/entries/000");
    let mut bytes = fs::read(&bundle).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let output = run(&["entries", path]);
    assert_eq!(output.status.code(), Some(4));
    assert!(!said(&output).contains("of shard 0:"), "{}", said(&output));
}

#[test]
fn usage_errors_have_the_form_that_is_asked_for() {
    for (line, wanted) in [
        (&["-o", "json", "pack", "--max-age", "soon"][..], "--max-age"),
        (&["entries", "--output=json"], "Usage:"),
    ] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(output.stdout.is_empty());
        let failed: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(failed["verified"], false);
        assert!(failed["error"].as_str().unwrap().contains(wanted), "{failed}");
    }
    assert!(said(&run(&["pack", "--max-age", "soon"])).starts_with("error: "));
    let help = run(&["--help", "-o", "json"]);
    assert_eq!((help.status.code(), help.stderr.is_empty()), (Some(0), true));
}
