//! Emergency access by the command line: opened by one person and approved by another, used, shown everywhere, closed, reviewed by a third.

use claviger_client::profile::ProfileFile;
use serde_json::Value;

use crate::approvals::{approve, ask};
use crate::serving::Site;

const OPEN: [&str; 10] = [
    "break-glass",
    "open",
    "--holder",
    "nadia",
    "--key",
    "orders/main",
    "--for",
    "1h",
    "--reason",
    "the shop is down",
];

/// Emergency accesses that stand so.
fn listed(site: &Site, state: &str) -> Vec<Value> {
    let list = ["-o", "json", "break-glass", "list", "--state", state];
    let listed: Value = serde_json::from_slice(&site.done("auditor", &list, b"")).unwrap();
    listed["items"].as_array().unwrap().clone()
}

fn status(site: &Site) -> String {
    String::from_utf8(site.done("operator", &["status"], b"")).unwrap()
}

/// Enters a person without a role, with a profile of both planes.
fn enter(site: &Site, name: &str) {
    site.done("security_officer", &["principal", "create", name, "--kind", "human"], b"");
    site.enter(&[], name, "security_officer");
    let file = site.deployed(&format!("profiles/{name}.toml"));
    let of_app = ProfileFile::read(&site.deployed("profiles/app.toml")).unwrap();
    let profile = ProfileFile { data: of_app.data, ..ProfileFile::read(&file).unwrap() };
    std::fs::write(&file, profile.to_text(&file).unwrap().reveal()).unwrap();
}

#[test]
fn emergency_access_takes_two_others_ends_at_a_word_and_is_shown_until_a_third_has_reviewed_it() {
    let site = Site::set_up();
    let serving = site.serve();
    enter(&site, "nadia");
    let sealed = site.done("app", &["encrypt", "--key", "orders/main"], b"kept");
    let fails = |who: &str, arguments: &[&str]| {
        let output = site.run(who, arguments, b"");
        assert_eq!(output.status.code(), Some(1), "{who} {arguments:?}: {output:?}");
    };
    assert_eq!(site.run("nadia", &["decrypt"], &sealed).status.code(), Some(1));

    // Whoever entered the holder neither opens nor approves it, and no custodian approves it.
    fails("security_officer", &OPEN);
    let id = ask(&site, "responder", &OPEN);
    let shown = String::from_utf8(site.done("security_officer-2", &["approval", "show", &id], b"")).unwrap();
    assert!(shown.contains("open emergency access of nadia* to key orders/main*"), "{shown}");
    assert!(shown.contains("1 responder or security officer"), "{shown}");
    for who in ["security_officer", "responder", "custodian-1", "nadia"] {
        fails(who, &["approval", "approve", &id, "--yes"]);
    }
    approve(&site, "security_officer-2", &id);
    let execute = ["approval", "execute", id.as_str()];
    let executed = site.run("responder", &execute, b"");
    let said = String::from_utf8_lossy(&executed.stderr).into_owned();
    assert!(executed.status.success() || said.contains("(withheld)"), "{said}");

    let open = listed(&site, "open");
    let [access] = open.as_slice() else { panic!("{open:?}") };
    let access = access["id"].as_str().unwrap();
    assert_eq!(site.done("nadia", &["decrypt"], &sealed), b"kept");
    assert!(status(&site).contains("EMERGENCY ACCESS: 1 open"), "{}", status(&site));
    assert!(serving.metric("claviger_break_glass_open") > 0.0);
    let rights = site.done("auditor", &["key", "explain", "orders/main", "--principal", "nadia"], b"");
    assert!(String::from_utf8_lossy(&rights).contains("emergency access"));
    fails("security_officer-2", &["role", "assign", "nadia", "operator", "--reason", "a shift"]);
    serving.stop();
    let serving = site.serve();
    assert!(serving.said().contains("emergency access is open"), "{}", serving.said());

    let shut = ["break-glass", "close", access, "--reason", "the shop is up"];
    site.done("security_officer", &shut, b"");
    assert_eq!(site.run("nadia", &["decrypt"], &sealed).status.code(), Some(1));
    assert!(status(&site).contains("NOT REVIEWED: 1 "), "{}", status(&site));
    let review = ["break-glass", "review", access, "--verdict", "justified", "--reason", "ticket 4711"];
    for who in ["responder", "security_officer-2", "nadia", "custodian-1"] {
        fails(who, &review);
    }
    site.done("administrator", &review, b"");
    assert_eq!((listed(&site, "open").len(), listed(&site, "reviewed").len()), (0, 1));
    assert!(!status(&site).contains("NOT REVIEWED"), "{}", status(&site));
    let found = site.done("auditor", &["-o", "json", "audit", "search", "--op", "open_break_glass"], b"");
    assert!(String::from_utf8_lossy(&found).contains("\"open_break_glass\""));
    site.done("auditor", &["audit", "verify"], b"");
    serving.stop();
}
