//! An invented database of one crate, so that the verdicts do not change with the real one.

use super::*;

fn advisory(extra: &str, patched: &str) -> String {
    format!(
        "```toml\n[advisory]\nid = \"RUSTSEC-2020-0001\"\npackage = \"bad\"\ndate = \"2020-01-01\"\n{extra}\n\
         [versions]\npatched = [{patched}]\nunaffected = [\"< 0.5.0\"]\n```\n\n# It leaks\n"
    )
}

fn locked(version: &str) -> Locked {
    Locked { name: "bad".to_owned(), version: version.to_owned(), checksum: None }
}

fn reported(text: &str, version: &str) -> Option<String> {
    finding(text, &locked(version)).unwrap().map(|found| found.reported)
}

fn database(text: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("crates/bad");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("RUSTSEC-2020-0001.md"), text).unwrap();
    place
}

#[test]
fn a_version_between_unaffected_and_patched_is_found() {
    let text = advisory("", "\">= 1.2.3, < 2.0.0\", \">= 2.1.0\"");
    assert_eq!(reported(&text, "1.2.2").unwrap(), "bad 1.2.2 is vulnerable: It leaks");
    assert!(reported(&text, "2.0.0").is_some());
    for spared in ["0.4.9", "1.2.3", "2.1.0"] {
        assert_eq!(reported(&text, spared), None, "{spared}");
    }
}

#[test]
fn a_pre_release_counts_as_concerned() {
    assert!(reported(&advisory("", "\">= 1.0.0\""), "1.1.0-rc.1").is_some());
}

#[test]
fn what_was_withdrawn_is_spared_and_what_is_unmaintained_is_not() {
    assert_eq!(reported(&advisory("withdrawn = \"2021-01-01\"", ""), "1.0.0"), None);
    let unmaintained = reported(&advisory("informational = \"unmaintained\"", ""), "1.0.0").unwrap();
    assert_eq!(unmaintained, "bad 1.0.0 is unmaintained: It leaks");
}

#[test]
fn an_advisory_that_cannot_be_read_is_an_error() {
    for broken in ["", "```toml\n", &advisory("", "\"nonsense\""), &advisory("", "7")] {
        assert!(finding(broken, &locked("1.0.0")).is_err(), "{broken}");
    }
}

#[test]
fn a_folder_is_searched_by_the_names_of_what_is_locked() {
    let place = database(&advisory("", ""));
    let other = Locked { name: "good".to_owned(), version: "1.0.0".to_owned(), checksum: None };
    let opened = Opened::open(place.path()).unwrap();
    let (known, findings) = search(&opened.path, &[other, locked("1.0.0")]).unwrap();
    assert_eq!((known, findings.len()), (1, 1));
}

#[test]
fn a_missing_database_says_what_to_name() {
    let place = tempfile::tempdir().unwrap();
    let error = run(Some(place.path())).unwrap_err().to_string();
    assert!(error.contains("no advisory database") && error.contains("--db"), "{error}");
    std::fs::create_dir(place.path().join("crates")).unwrap();
    assert!(run(Some(place.path())).unwrap_err().to_string().contains("no advisory under"));
}

#[test]
fn an_exemption_needs_a_reason_and_something_to_bear() {
    let found = [Finding { id: "RUSTSEC-1".to_owned(), reported: "bad".to_owned() }];
    let exemption = |id: &str, reason: &str| Exemption { id: id.to_owned(), reason: reason.to_owned() };
    assert_eq!(faults(&found, &[]), ["  RUSTSEC-1 bad"]);
    assert!(faults(&found, &[exemption("RUSTSEC-1", "It is not reached.")]).is_empty());
    assert_eq!(faults(&found, &[exemption("RUSTSEC-1", " ")]).len(), 1);
    assert_eq!(faults(&[], &[exemption("RUSTSEC-1", "It is not reached.")]).len(), 1);
}
