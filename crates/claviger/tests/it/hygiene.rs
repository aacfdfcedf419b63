//! Marked secrets go through the real binary, and are looked for in everything that it leaves behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::approvals;
use crate::instance::Instance;

/// Stands for a plaintext, a context and a wrapped material.
const MARK: &str = "marked-6f1c0a9e4d";

/// The forms in which a leaked secret would be found.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let base64 = STANDARD.encode(secret);
    // The end depends on what follows, so that only whole groups are looked for.
    let whole = base64.len() / 4 * 4 - 4;
    vec![secret.to_vec(), base64.as_bytes()[..whole].to_vec(), hex::encode(secret).into_bytes()]
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// Asserts that no form of a secret is in any file below `dir` but those that `may` names.
fn assert_nowhere(dir: &Path, secrets: &[Vec<u8>], may: &[&str]) {
    for file in files(dir) {
        let name = file.strip_prefix(dir).unwrap().display().to_string();
        if may.contains(&name.as_str()) {
            continue;
        }
        let content = std::fs::read(&file).unwrap();
        for form in secrets.iter().flat_map(|secret| forms(secret)) {
            assert!(!contains(&content, &form), "a secret is in `{name}`");
        }
    }
}

#[test]
fn marked_secrets_are_in_nothing_that_the_server_leaves_behind() {
    let dir = tempfile::tempdir().unwrap();
    // The first start writes the configuration that the variable overrides.
    Instance::start(dir.path(), &[]).stop();
    let instance = Instance::start(dir.path(), &[("CLAVIGER_LOG__LEVEL", "trace"), ("RUST_BACKTRACE", "1")]);
    instance.done("administrator", &["ring", "create", "orders"], b"");
    for (name, purpose) in [("main", "encrypt"), ("tags", "mac"), ("outer", "wrap")] {
        let name = format!("orders/{name}");
        instance.done("administrator", &["key", "create", &name, "--purpose", purpose], b"");
    }
    let operations = "encrypt,decrypt,generate-data-key,mac,wrap,unwrap";
    let grant =
        ["grant", "create", "app", "--ring", "orders", "--operations", operations, "--reason", "test"];
    instance.done("security_officer", &grant, b"");

    let context = format!("who={MARK}");
    let use_main = ["--key", "orders/main", "--context", &context];
    let sealed = instance.done("app", &[&["encrypt"][..], &use_main].concat(), MARK.as_bytes());
    assert!(!contains(&sealed, MARK.as_bytes()));
    let opened = instance.done("app", &["decrypt", "--context", &context], &sealed);
    assert_eq!(opened, MARK.as_bytes());
    instance.done("app", &["mac", "--key", "orders/tags"], MARK.as_bytes());
    instance.done("app", &["wrap", "--key", "orders/outer"], MARK.as_bytes());

    // Refusals and failures of every kind say nothing of what they were given.
    let token = approvals::done(
        &instance,
        "security_officer-2",
        &["-o", "json", "credential", "create", "app", "--token", "--lifetime", "1d", "--label", "second"],
    );
    let token: serde_json::Value = serde_json::from_slice(&token).unwrap();
    let token = token["token"].as_str().unwrap().as_bytes().to_vec();
    let key = approvals::done(
        &instance,
        "security_officer-2",
        &[
            "-o",
            "json",
            "credential",
            "create",
            "app",
            "--kind",
            "access-key",
            "--short-lived",
            "--label",
            "sdk",
        ],
    );
    let key: serde_json::Value = serde_json::from_slice(&key).unwrap();
    let of_key =
        ["secret_access_key", "session_token"].map(|name| key[name].as_str().unwrap().as_bytes().to_vec());
    let mut said = Vec::new();
    for (who, arguments, input) in [
        ("administrator", &["encrypt", "--key", "orders/main", "--context", &context][..], MARK.as_bytes()),
        ("app", &["decrypt", "--context", &context], MARK.as_bytes()),
        ("app", &["decrypt", "--context", "who=another"], &sealed),
        ("app", &["unwrap", "--key", "orders/outer"], MARK.as_bytes()),
        ("app", &["encrypt", "--key", "orders/none"], MARK.as_bytes()),
    ] {
        let output = instance.run(who, arguments, input);
        assert!(!output.status.success(), "{arguments:?}");
        said.extend([output.stdout, output.stderr].concat());
    }
    let metrics = instance.ready["urls"]["metrics"].as_str().unwrap();
    let metrics = metrics.strip_prefix("http://").unwrap().replace(':', "/");
    let ask = format!(
        "exec 3<>/dev/tcp/{metrics}; printf 'GET /metrics HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
    );
    let metrics = Command::new("bash").args(["-c", &ask]).output().unwrap().stdout;
    assert!(contains(&metrics, b"claviger_requests_total"));
    said.extend(metrics);
    std::fs::write(dir.path().join("said"), said).unwrap();
    instance.stop();

    let trace = std::fs::read(dir.path().join("trace")).unwrap();
    assert!(contains(&trace, b"TRACE"), "the trace is not as talkative as it can be");
    let [secret, session] = of_key;
    assert_nowhere(dir.path(), &[MARK.as_bytes().to_vec(), token, secret, session], &[]);
}
