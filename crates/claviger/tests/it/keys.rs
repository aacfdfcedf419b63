//! Other names of keys and their end, from the command line.

use serde_json::Value;

use crate::instance::Instance;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_key_is_named_otherwise_scheduled_and_brought_back() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    let ada = |arguments: &[&str]| instance.done("administrator", arguments, b"");
    ada(&["ring", "create", "orders"]);
    ada(&["key", "create", "orders/main", "--description", "cards at rest"]);
    ada(&["key", "create", "orders/next"]);
    ada(&["key", "alias", "add", "app/Orders", "orders/main"]);
    let shown = String::from_utf8(ada(&["key", "show", "orders/main"])).unwrap();
    assert!(shown.contains("app/Orders") && shown.contains("cards at rest"), "{shown}");
    ada(&["key", "alias", "move", "app/Orders", "orders/next"]);
    let listed = json(&ada(&["-o", "json", "key", "alias", "list", "--ring", "orders"]));
    let next = json(&ada(&["-o", "json", "key", "show", "orders/next"]));
    assert_eq!(listed["items"][0]["key"], next["id"]);
    ada(&["key", "alias", "remove", "app/Orders"]);

    // Where custodians must approve, nobody can destroy yet, and nothing is pending.
    let refused = instance.run("administrator", &["key", "destroy", "orders/main", "--reason", "over"], b"");
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("approval of 2 custodians"), "{said}");
    let relax = ["ring", "separation", "trials", "relaxed", "--reason", "evaluation"];
    ada(&["ring", "create", "trials"]);
    instance.done("security_officer", &relax, b"");
    ada(&["ring", "update", "trials", "--quorum", "0", "--reason", "trials"]);
    ada(&["key", "create", "trials/main"]);
    ada(&["key", "destroy", "trials/main", "--in", "7", "--reason", "over"]);
    let waiting = json(&ada(&["-o", "json", "key", "show", "trials/main"]));
    assert_eq!(waiting["state"], "suspended");
    assert!(waiting["destroy_at"].is_string(), "{waiting}");
    assert_eq!(instance.run("administrator", &["key", "resume", "trials/main"], b"").status.code(), Some(1));
    ada(&["key", "cancel-destroy", "trials/main"]);
    let back = json(&ada(&["-o", "json", "key", "show", "trials/main"]));
    assert_eq!((&back["state"], &back["destroy_at"]), (&Value::from("suspended"), &Value::Null));
    ada(&["key", "resume", "trials/main"]);
    ada(&["clock", "confirm", "--reason", "the clock was never wrong"]);
    // What the log yields of the ring is what it is, and what it was.
    let auditor =
        |arguments: &[&str]| json(&instance.done("auditor", &[&["-o", "json"], arguments].concat(), b""));
    let taken = auditor(&["audit", "snapshot"]);
    assert!(taken["entry"].as_u64() >= taken["size"].as_u64(), "{taken}");
    let now = auditor(&["audit", "state", "--kind", "ring"]);
    let quorums = |state: &Value| -> Vec<_> {
        let rings = state["objects"].as_array().unwrap();
        rings.iter().map(|ring| ring["fields"]["quorum"].as_u64().unwrap()).collect()
    };
    assert!(quorums(&now).contains(&0), "{now}");
    let changed =
        now["objects"].as_array().unwrap().iter().filter_map(|ring| ring["entry"].as_u64()).max().unwrap();
    let before = auditor(&["audit", "state", "--kind", "ring", "--entry", &(changed - 1).to_string()]);
    assert_eq!(quorums(&before), [2, 2]);
    let verified = auditor(&["audit", "verify"]);
    assert!(verified["snapshots"].as_u64() >= Some(1), "{verified}");
    instance.stop();
}
