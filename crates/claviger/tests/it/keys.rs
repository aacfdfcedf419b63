//! Other names of keys and their end, from the command line.

use serde_json::Value;

use crate::approvals::{self, ask};
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

    // Where custodians must approve, one person asks, and takes back what was asked for.
    let approval = ask(&instance, "administrator", &["key", "destroy", "orders/main", "--reason", "over"]);
    ada(&["approval", "cancel", &approval, "--reason", "not yet"]);
    let shown = json(&ada(&["-o", "json", "key", "show", "orders/main"]));
    assert_eq!((&shown["state"], &shown["destroy_at"]), (&Value::from("active"), &Value::Null));
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
    ada(&["clock", "confirm", "--yes", "--reason", "the clock was never wrong"]);
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

#[test]
fn material_is_wrapped_by_the_command_line_or_by_openssl_and_opens_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    let ada = |arguments: &[&str]| instance.done("administrator", arguments, b"");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let [material, public, token, wrapped] = ["material", "wrap.pem", "token", "wrapped"].map(path);
    std::fs::write(&material, [7; 32]).unwrap();
    ada(&["ring", "create", "own"]);
    for key in ["own/here", "own/there"] {
        ada(&["key", "create", key, "--imported"]);
    }
    let operations = "encrypt,decrypt,reencrypt,reencrypt_into";
    let grant = ["grant", "create", "app", "--ring", "own", "--operations", operations, "--reason", "test"];
    instance.done("security_officer", &grant, b"");

    let refused = instance.run("app", &["encrypt", "--key", "own/here"], b"data");
    assert!(!refused.status.success(), "a key without material encrypts");
    let import = ["-o", "json", "key", "import", "own/here", "--material", &material, "--expires", "365d"];
    let imported: Value = serde_json::from_slice(&ada(&import)).unwrap();
    let owner = imported["key"]["owner"].as_str().unwrap();
    assert_eq!(imported["key"]["names"][owner], "administrator", "{imported}");
    let parameters = ["key", "import-parameters", "own/there", "--wrapping", "rsaes-oaep-sha256"];
    ada(&[&parameters[..], &["--public-key", &public, "--import-token", &token]].concat());
    let openssl = std::process::Command::new("openssl")
        .args(["pkeyutl", "-encrypt", "-pubin", "-inkey", &public, "-in", &material, "-out", &wrapped])
        .args(["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"])
        .output()
        .unwrap();
    assert!(openssl.status.success(), "{openssl:?}");
    ada(&["key", "import", "own/there", "--wrapped", &wrapped, "--import-token", &token]);
    let versions = String::from_utf8(ada(&["key", "versions", "own/here"])).unwrap();
    assert!(versions.contains("imported until "), "{versions}");

    let sealed = instance.done("app", &["encrypt", "--key", "own/here", "--context", "order=17"], b"data");
    for encoding in ["base64", "hex"] {
        let text = instance.done("app", &["encrypt", "--key", "own/here", "--encoding", encoding], b"data");
        assert_eq!(instance.done("app", &["decrypt"], &text), b"data", "{encoding}");
    }
    let moved = instance.done(
        "app",
        &["reencrypt", "--context", "order=17", "--to", "own/there", "--to-context", "year=2026"],
        &sealed,
    );
    assert_eq!(instance.done("app", &["decrypt", "--context", "year=2026"], &moved), b"data");

    // Into a key that is in use nobody alone imports. What custodians approve is this token and these bytes, so that they are sent again.
    ask(&instance, "administrator", &["key", "import", "own/here", "--material", &material]);
    let again = ["key", "import", "own/there", "--wrapped", &wrapped, "--import-token", &token];
    approvals::done(&instance, "administrator", &again);
    assert_eq!(instance.done("app", &["decrypt", "--context", "year=2026"], &moved), b"data");
    let unasked = instance.run("administrator", &["key", "remove-material", "own/there"], b"own/there\n");
    assert_eq!(unasked.status.code(), Some(2), "{}", String::from_utf8_lossy(&unasked.stderr));
    ada(&["key", "remove-material", "own/there", "--yes", "--reason", "kept elsewhere"]);
    assert!(!instance.run("app", &["decrypt", "--context", "year=2026"], &moved).status.success());
    instance.done("auditor", &["audit", "verify"], b"");
    instance.stop();
}
