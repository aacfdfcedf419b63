//! Nobody alone reaches what nobody should reach alone, by the roles and the policy that are shipped, in what `quickstart` and `init` make.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::serving::Site;

/// What no rule of the service prevents, and is named: whoever holds the machine and the PIN, and whoever ran the set-up.
const NAMED: [&str; 2] = ["founder", "machine_and_pin"];
/// All roles.
const ROLES: [&str; 6] =
    ["administrator", "auditor", "custodian", "operator", "responder", "security_officer"];

/// A ring whose grants others approve beside `orders`, with a key in each.
fn furnish(site: &Site) {
    let done = |who: &str, line: &str| site.done(who, &line.split(' ').collect::<Vec<_>>(), b"");
    done("administrator", "ring create cards --data-class cardholder --plaintext-data-keys refused");
    done("administrator", "key create cards/main");
}

/// What is found of persons alone: nothing, by an exit code of 0; with what it is about and what is named.
fn nobody_alone(site: &Site, persons: u64) {
    let analysis = site.done("auditor", &["-o", "json", "access", "analyze", "--size", "1"], b"");
    let analysis: Value = serde_json::from_slice(&analysis).unwrap();
    assert_eq!(analysis["found"].as_array().map(Vec::len), Some(0), "{analysis:#}");
    let looked_at = &analysis["looked_at"];
    let [of_persons, strict_rings] = ["persons", "strict_rings"].map(|what| looked_at[what].as_u64());
    assert_eq!((of_persons, strict_rings), (Some(persons), Some(2)), "{looked_at}");
    let named = analysis["named"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap());
    assert_eq!(named.collect::<BTreeSet<_>>(), BTreeSet::from(NAMED), "{analysis:#}");
    // Each role is somebody's.
    let listed = site.done("auditor", &["-o", "json", "principal", "list"], b"");
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    let roles = listed["items"].as_array().unwrap().iter().filter_map(|one| one["roles"].as_array());
    let roles: BTreeSet<_> = roles.flatten().filter_map(Value::as_str).collect();
    assert_eq!(roles, BTreeSet::from(ROLES), "{listed:#}");
    // Whoever made everybody's keys reaches everything, and a pipeline that asks so is told.
    let strict = site.run("auditor", &["access", "analyze", "--size", "1", "--strict"], b"");
    assert_eq!(strict.status.code(), Some(1), "{strict:?}");
    assert!(String::from_utf8_lossy(&strict.stdout).contains("whoever ran the set-up"), "{strict:?}");
}

#[test]
fn nobody_alone_reaches_anything_in_a_quick_start() {
    let site = Site::set_up();
    let serving = site.serve();
    furnish(&site);
    nobody_alone(&site, 9);
    assert!(serving.stop().status.success());
}

#[test]
fn nobody_alone_reaches_anything_after_init() {
    let site = Site::empty();
    let set_up = site.init(&["--certificates"]);
    assert!(set_up.status.success(), "{set_up:?}");
    let serving = site.serve();
    for arguments in [["ring", "create", "orders"], ["key", "create", "orders/main"]] {
        site.done("administrator", &arguments, b"");
    }
    furnish(&site);
    nobody_alone(&site, 9);
    assert!(serving.stop().status.success());
}
