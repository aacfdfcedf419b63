//! The end of a key in a ring as it comes: asked for by one, approved by two, waited for, and held where an approval no longer holds.

use std::process::Output;

use claviger_attack::machine;
use serde_json::Value;

use crate::approvals::{CUSTODIANS, approve, ask, done_under, pending};
use crate::instance::printed;
use crate::serving::{Serving, Site, eventually};

const KEY: &str = "orders/main";
const DESTROY: [&str; 5] = ["key", "destroy", KEY, "--reason", "moved"];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(site: &Site, who: &str, arguments: &[&str]) -> Value {
    serde_json::from_slice(&site.done(who, &[&["-o", "json"][..], arguments].concat(), b"")).unwrap()
}

fn is_shown(serving: &Serving, metric: &str, value: f64) -> bool {
    eventually(|| serving.metric(metric).total_cmp(&value).is_eq())
}

#[test]
fn destruction_takes_two_others_and_is_done_once() {
    let site = Site::set_up();
    let serving = site.serve();
    let approval = pending(&site.run("administrator", &DESTROY, b""));
    // To ask again is to ask for the same, in whatever form the answer comes.
    let again = [&["-o", "json"][..], &DESTROY].concat();
    assert_eq!(pending(&site.run("administrator", &again, b"")), approval);
    site.done("app", &["encrypt", "--key", KEY], b"data");
    assert!(is_shown(&serving, "claviger_approvals_open", 1.0));
    let listed = json(&site, "custodian-3", &["approval", "list"]);
    assert_eq!(listed["items"][0]["id"], approval.as_str(), "{listed}");
    // Neither who asked approves, nor who is no custodian, and to approve twice is to approve.
    let approving = ["approval", "approve", &approval, "--yes"];
    for who in ["administrator", "security_officer", "responder"] {
        let refused = site.run(who, &approving, b"");
        assert_eq!(refused.status.code(), Some(1), "{who}: {}", said(&refused));
    }
    for _ in 0..2 {
        approve(&site, CUSTODIANS[0], &approval);
    }
    assert_eq!(pending(&site.run("administrator", &DESTROY, b"")), approval);
    let shown = |approval: &str| json(&site, "auditor", &["approval", "show", approval]);
    assert_eq!((&shown(&approval)["state"], &shown(&approval)["approved"]), (&"open".into(), &1.into()));
    approve(&site, CUSTODIANS[1], &approval);
    assert_eq!(shown(&approval)["state"], "ready");
    site.done("app", &["encrypt", "--key", KEY], b"data");

    site.done("administrator", &DESTROY, b"");
    assert_eq!(shown(&approval)["state"], "executed");
    let key = || json(&site, "administrator", &["key", "show", KEY]);
    assert_eq!(key()["state"], "suspended");
    assert!(key()["destroy_at"].is_string(), "{}", key());
    assert!(!site.run("app", &["encrypt", "--key", KEY], b"data").status.success());
    assert!(is_shown(&serving, "claviger_approvals_open", 0.0));
    let twice = site.run("administrator", &DESTROY, b"");
    assert_eq!(twice.status.code(), Some(1), "{}", said(&twice));

    // One person takes it back, and then the same wish is another one.
    site.done("administrator", &["key", "cancel-destroy", KEY], b"");
    assert_eq!(key()["destroy_at"], Value::Null);
    assert_ne!(ask(&site, "administrator", &DESTROY), approval);
    site.done("auditor", &["audit", "verify"], b"");
    assert!(serving.stop().status.success());
}

#[test]
fn destruction_that_one_denies_or_that_is_given_up_is_not_done() {
    let site = Site::set_up();
    let serving = site.serve();
    let approval = ask(&site, "administrator", &DESTROY);
    approve(&site, CUSTODIANS[0], &approval);
    approve(&site, CUSTODIANS[1], &approval);
    let deny = ["approval", "deny", &approval, "--reason", "it is still in use", "--yes"];
    site.done("custodian-3", &deny, b"");
    let refused = site.run("administrator", &DESTROY, b"");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("denied"), "{}", said(&refused));
    let other = ["key", "destroy", "orders/seal", "--reason", "moved"];
    let approval = ask(&site, "administrator", &other);
    approve(&site, CUSTODIANS[0], &approval);
    let cancel = ["approval", "cancel", &approval, "--reason", "no longer wanted"];
    site.done("administrator", &cancel, b"");
    let late = site.run(CUSTODIANS[1], &["approval", "approve", &approval, "--yes"], b"");
    assert!(!late.status.success());
    assert_ne!(ask(&site, "administrator", &other), approval);
    for key in [KEY, "orders/seal"] {
        assert_eq!(json(&site, "administrator", &["key", "show", key])["state"], "active", "{key}");
    }
    assert!(serving.stop().status.success());
}

#[test]
fn destruction_comes_after_its_wait_and_is_held_while_an_approver_is_gone() {
    let site = Site::set_up();
    let serving = site.serve();
    let held = ["key", "destroy", "orders/toggled", "--reason", "moved"];
    done_under(&site, &["custodian-2", "custodian-3"], "administrator", &DESTROY);
    done_under(&site, &["custodian-1", "custodian-2"], "administrator", &held);
    let gone = ["principal", "revoke", "custodian-1", "--yes", "--reason", "left"];
    site.done("responder", &gone, b"");
    assert!(serving.stop().status.success());

    let clock = machine::clock("+31d").unwrap();
    let clock = clock.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    let at = |who: &str, arguments: &[&str]| site.run_with(&clock, who, arguments);
    let done = |who: &str, arguments: &[&str]| printed(arguments, || at(who, arguments));
    let key = |key: &str| -> Value {
        serde_json::from_slice(&done("auditor", &["-o", "json", "key", "show", key])).unwrap()
    };
    let serving = site.try_serve(&clock).unwrap();
    done("administrator", &["clock", "confirm", "--yes", "--reason", "a month has passed"]);
    serving.stop();
    // Jobs are done at a start.
    let serving = site.try_serve(&clock).unwrap();
    assert!(eventually(|| key(KEY)["state"] == "destroyed"), "{}", key(KEY));
    assert!(is_shown(&serving, "claviger_destructions_blocked", 1.0));
    assert_eq!(key("orders/toggled")["state"], "suspended");
    // Approved afresh, it goes on from where it is held.
    done_under(&at, &["custodian-2", "custodian-3"], "administrator", &held);
    serving.stop();
    let serving = site.try_serve(&clock).unwrap();
    assert!(eventually(|| key("orders/toggled")["state"] == "destroyed"), "{}", key("orders/toggled"));
    done("auditor", &["audit", "verify"]);
    serving.stop();
}

#[test]
fn destruction_that_its_ring_blocks_is_counted_until_it_is_cancelled() {
    let site = Site::set_up();
    // Jobs are done at a start.
    let blocked = |count: f64| {
        let serving = site.serve();
        assert!(is_shown(&serving, "claviger_destructions_blocked", count), "{count} are not shown");
        serving
    };
    let relax = ["ring", "separation", "lab", "relaxed", "--reason", "test"];
    let update = |quorum| ["ring", "update", "lab", "--quorum", quorum, "--reason", "test"];
    let serving = site.serve();
    site.done("administrator", &["ring", "create", "lab"], b"");
    site.done("security_officer", &relax, b"");
    site.done("administrator", &update("0"), b"");
    site.done("administrator", &["key", "create", "lab/main"], b"");
    site.done("administrator", &["key", "destroy", "lab/main", "--in", "1", "--reason", "test"], b"");
    serving.stop();
    let serving = blocked(0.0);
    site.done("administrator", &update("2"), b"");
    serving.stop();
    let serving = blocked(1.0);
    site.done("administrator", &["key", "cancel-destroy", "lab/main", "--reason", "test"], b"");
    serving.stop();
    assert!(blocked(0.0).stop().status.success());
}
