//! Live rows beside a log: held against it, and not changed unseen.

use std::fs;
use std::path::Path;

use claviger_audit::fact::{Field, Object};
use claviger_audit::rows::{HEAD, LiveRow, RowsHead, digest_of_page, encode_page, page_name};
use serde_json::{Value, json};

use crate::log::{Log, put, root_key};
use crate::program::{Held, found_in, run, verify};
use crate::state::{log, number, person, ring, words};

fn ring_row(revision: u64, quorum: u64) -> LiveRow {
    let fields = [(1, Field::Hidden([9; 32])), (7, number(quorum))];
    LiveRow { object: ring(), revision, fields: fields.into(), holds: true }
}

fn person_row() -> LiveRow {
    LiveRow { object: person(), revision: 1, fields: [(4, words(&["auditor"]))].into(), holds: true }
}

/// Each row on a page of its own, read while the log grew from the one size to the other.
fn write_rows(dir: &Path, (before, after): (u64, u64), rows: &[LiveRow]) {
    let mut pages = Vec::new();
    for row in rows {
        let page = encode_page(std::slice::from_ref(row)).unwrap();
        let digest = digest_of_page(&page);
        put(dir, &page_name(&digest), &page);
        pages.push(digest);
    }
    put(dir, HEAD, &RowsHead { shard: 0, before, after, pages }.encode().unwrap());
}

/// An export of the four entries of [`log`], with these rows.
fn export(window: (u64, u64), rows: &[LiveRow]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log();
    log.cut();
    log.write(dir.path());
    write_rows(dir.path(), window, rows);
    dir
}

/// What is said of the live state, and what is found.
fn verified(window: (u64, u64), rows: &[LiveRow]) -> (Value, Vec<String>) {
    let (exit, report) = verify(export(window, rows).path(), &Held::default());
    let findings = report["findings"].as_array().unwrap();
    let line =
        |found: &Value| format!("{}: {}", found["code"].as_str().unwrap(), found["detail"].as_str().unwrap());
    let findings: Vec<_> = findings.iter().map(line).collect();
    assert_eq!(exit, if findings.is_empty() { 0 } else { 4 }, "{report}");
    (report["live_state"].clone(), findings)
}

#[test]
fn rows_that_the_log_yields_are_counted_and_those_that_it_does_not_are_named() {
    let (state, found) = verified((4, 4), &[ring_row(2, 0), person_row()]);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(state, json!({"state": "compared", "rows": 2, "entries_before": 4, "entries_after": 4}));
    let foreign = Object::from_id(claviger_audit::fact::Kind::Ring, &[7; 16]).unwrap();
    let (ring, person) = ("ring 01010101-0101-0101-0101-010101010101", "principal 02020202-");
    for (rows, object, field) in [
        (vec![ring_row(2, 1), person_row()], ring, "another quorum"),
        (vec![LiveRow { holds: false, ..ring_row(2, 0) }, person_row()], ring, "another tag"),
        (vec![ring_row(1, 2), person_row()], ring, "another revision"),
        (vec![ring_row(2, 0)], person, "it is not there"),
        (
            vec![ring_row(2, 0), person_row(), LiveRow { object: foreign, ..ring_row(1, 2) }],
            "ring 07070707-",
            "the log knows no such object",
        ),
    ] {
        let (state, found) = verified((4, 4), &rows);
        assert_eq!(state["state"], "compared");
        let is_named = |line: &String| line.starts_with("state-differs: ") && line.contains(object);
        assert!(found.iter().all(is_named) && found[0].contains(field), "{field}: {found:?}");
    }
}

#[test]
fn a_row_that_changes_while_rows_are_read_is_no_finding() {
    for (window, revisions) in [((3, 4), [true, true]), ((3, 3), [true, false]), ((4, 4), [false, true])] {
        for (row, holds) in [ring_row(1, 2), ring_row(2, 0)].into_iter().zip(revisions) {
            let found = verified(window, &[row, person_row()]).1;
            assert_eq!(found.is_empty(), holds, "{window:?}: {found:?}");
        }
    }
    // The person was made meanwhile, and is missed once it was there all the time.
    assert_eq!(verified((2, 3), &[ring_row(1, 2)]).1, Vec::<String>::new());
    assert_eq!(verified((3, 3), &[ring_row(1, 2)]).1.len(), 1);
}

#[test]
fn an_export_without_rows_is_not_called_good() {
    let dir = export((4, 4), &[ring_row(2, 0), person_row()]);
    let key = dir.path().join("key");
    fs::write(&key, root_key().verifier_key().to_string()).unwrap();
    let said = || {
        let arguments = [dir.path().to_str().unwrap(), "--root-vkey", key.to_str().unwrap()];
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let whole = said();
    assert!(whole.contains("2 rows compared") && whole.contains("Everything holds."), "{whole}");
    // The key lies there too, and whatever else whoever gave the export put beside it.
    let beside = |said: &str| said.lines().find(|line| line.starts_with("beside ")).map(str::to_owned);
    let before = beside(&whole).unwrap();
    assert!(before.ends_with(" other files, which were not looked at"), "{before}");
    fs::create_dir(dir.path().join("opinion")).unwrap();
    fs::write(dir.path().join("opinion/opinion.html"), "all is well").unwrap();
    assert_ne!(beside(&said()).unwrap(), before);
    fs::remove_file(dir.path().join(HEAD)).unwrap();
    let without = said();
    assert!(without.contains("the export holds no rows") && !without.contains("Everything"), "{without}");
    let (_, report) = verify(dir.path(), &Held::default());
    assert_eq!(report["live_state"], json!({"state": "not_held"}));
}

#[test]
fn rows_of_a_log_of_several_shards_are_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    Log::honest().write(dir.path());
    write_rows(dir.path(), (0, 0), &[ring_row(1, 2)]);
    let (exit, report) = verify(dir.path(), &Held::default());
    assert_eq!((exit, &report["live_state"]["state"]), (0, &json!("several_shards")));
}

#[test]
fn rows_that_were_read_of_a_longer_log_are_not_of_this_export() {
    let (state, found) = verified((4, 5), &[ring_row(2, 0), person_row()]);
    assert_eq!(state, json!({"state": "not_compared"}));
    assert!(found.len() == 1 && found[0].starts_with("file-malformed: `rows/head`"), "{found:?}");
}

#[test]
fn any_bit_of_the_rows_flipped_and_any_page_taken_out() {
    let dir = export((3, 4), &[ring_row(2, 0), person_row()]);
    let held = Held::default();
    for file in fs::read_dir(dir.path().join("rows")).unwrap() {
        let path = file.unwrap().path();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            assert_eq!(found_in(dir.path(), &held), ["file-malformed"], "byte {at} of {}", path.display());
        }
        if !path.ends_with(HEAD) {
            fs::remove_file(&path).unwrap();
            assert_eq!(found_in(dir.path(), &held), ["file-missing"]);
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(found_in(dir.path(), &held), Vec::<String>::new());
}
