//! A deployment begins with codes: each person enrols where they work, with a key that nobody else has seen, and what takes others takes
//! them from then on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::approvals::{CUSTODIANS, done_under};
use crate::instance::{claviger, run};
use crate::serving::{Serving, Site};

/// Whom a set-up makes.
const PEOPLE: [&str; 9] = [
    "administrator",
    "auditor",
    "custodian-1",
    "custodian-2",
    "custodian-3",
    "operator",
    "responder",
    "security_officer",
    "security_officer-2",
];

/// Those of them who decide on emergency access.
const DECIDING: [&str; 3] = ["responder", "security_officer", "security_officer-2"];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// Redeems the code of that file, into the folder that the profiles are in.
fn enrol(site: &Site, serving: &Serving, code: &Path, more: &[&str]) -> Output {
    let urls = serving.urls().unwrap();
    let mut command = claviger();
    command.current_dir(site.path("")).stdin(Stdio::null());
    command.args(["-o", "json", "enrol", "--url", urls["control"].as_str().unwrap(), "--ca"]);
    command.arg(site.deployed("pki/ca.crt")).arg("--code-file").arg(code);
    command.arg("--out").arg(site.deployed("profiles")).args(more).output().unwrap()
}

fn enrolled(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// By what whom is known, once all have enrolled.
fn all_enrol(site: &Site, serving: &Serving) -> Vec<(&'static str, String)> {
    let of = |name: &&'static str| {
        let done = enrolled(&enrol(site, serving, &site.deployed(&format!("profiles/{name}.code")), &[]));
        assert_eq!(done["name"], *name);
        let key = site.deployed(&format!("profiles/{name}.key"));
        assert_eq!((done["key_file"].as_str(), mode(&key)), (key.to_str(), 0o600));
        (*name, done["id"].as_str().unwrap().to_owned())
    };
    PEOPLE.iter().map(of).collect()
}

#[test]
fn everybody_enrols_by_a_code_of_the_set_up_and_destruction_takes_two_of_them() {
    let site = Site::empty();
    let set_up = site.init(&[]);
    assert!(set_up.status.success(), "{}", said(&set_up));
    assert!(said(&set_up).contains("claviger enrol --url https://"), "{}", said(&set_up));
    // Nobody's key is here, and each code is for the eyes of one.
    let mut files: Vec<_> = std::fs::read_dir(site.deployed("profiles")).unwrap().collect();
    assert_eq!(files.len(), PEOPLE.len() + 1);
    for file in files.drain(..).map(|file| file.unwrap().path()) {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("code") => assert_eq!(mode(&file), 0o600, "{}", file.display()),
            Some("crt") => assert_eq!(file.file_name().unwrap(), "ca.crt"),
            other => panic!("{other:?}"),
        }
    }
    let serving = site.serve();
    // What is there is not overwritten, and the code is still good then.
    let taken = site.deployed("profiles/auditor.toml");
    std::fs::write(&taken, "mine").unwrap();
    let refused = enrol(&site, &serving, &site.deployed("profiles/auditor.code"), &[]);
    assert!(!refused.status.success() && said(&refused).contains("auditor.toml"), "{}", said(&refused));
    assert!(!site.deployed("profiles/auditor.key").exists());
    std::fs::remove_file(&taken).unwrap();
    let credentials = all_enrol(&site, &serving);
    // Each code is spent.
    let again = enrol(&site, &serving, &site.deployed("profiles/auditor.code"), &["--label", "again"]);
    assert!(said(&again).contains("the code is spent"), "{}", said(&again));
    assert!(!site.deployed("profiles/again.key").exists());

    site.done("administrator", &["ring", "create", "orders"], b"");
    site.done("administrator", &["key", "create", "orders/main"], b"");
    let destroy = ["key", "destroy", "orders/main", "--reason", "moved"];
    done_under(&site, &CUSTODIANS, "administrator", &destroy);
    let key = site.done("administrator", &["-o", "json", "key", "show", "orders/main"], b"");
    let key: Value = serde_json::from_slice(&key).unwrap();
    assert!(key["state"] == "suspended" && key["destroy_at"].is_string(), "{key}");

    // Whoever ran the set-up could have redeemed all codes, until others say that their keys are theirs.
    site.done("auditor", &["access", "analyze"], b"");
    let strict = ["access", "analyze", "--strict", "--goal", "2"];
    let reached = site.run("auditor", &strict, b"");
    assert_eq!(reached.status.code(), Some(1), "{}", said(&reached));
    assert!(said(&reached).contains("whoever ran the set-up"), "{}", said(&reached));
    let sign = |names: &[&str]| {
        for (name, credential) in credentials.iter().filter(|(name, _)| names.contains(name)) {
            let scope = format!("credential:{credential}");
            site.done(name, &["attest", "ATT-ENROLMENT", "--scope", &scope, "--yes"], b"");
        }
    };
    sign(&CUSTODIANS);
    // Emergency access takes one other person, and is left.
    let reached = site.run("auditor", &strict, b"");
    assert_eq!(reached.status.code(), Some(1), "{}", said(&reached));
    assert!(said(&reached).contains("claviger break-glass open"), "{}", said(&reached));
    sign(&DECIDING);
    site.done("auditor", &strict, b"");
    site.done("auditor", &["audit", "verify"], b"");
    assert!(serving.stop().status.success());
}

#[test]
fn whoever_made_a_key_before_gives_a_request_and_gets_no_code() {
    let site = Site::empty();
    let mut request = claviger();
    request.current_dir(site.path("")).args(["credential", "renew", "--request", "auditor.csr"]);
    assert!(request.status().unwrap().success());
    for wrong in [
        ["--request", "nobody=auditor.csr"].as_slice(),
        &["--request", "auditor=auditor.key"],
        &["--request", "auditor=auditor.csr", "--request", "auditor=auditor.csr"],
        &["--request", "auditor=auditor.csr", "--certificates"],
        &["--request", "auditor"],
    ] {
        assert!(!site.init(wrong).status.success(), "{wrong:?}");
        assert!(!site.deployed("claviger.toml").exists(), "{wrong:?}");
    }
    let set_up = site.init(&["--request", "auditor=auditor.csr"]);
    assert!(set_up.status.success(), "{}", said(&set_up));
    let there = |name: &str| site.deployed(&format!("profiles/{name}")).exists();
    assert!(there("auditor.crt") && there("auditor.toml") && there("operator.code"));
    assert!(!there("auditor.code") && !there("auditor.key") && !there("operator.crt"));
    // The key has never been here: its owner puts it beside the profile.
    std::fs::rename(site.path("auditor.key"), site.deployed("profiles/auditor.key")).unwrap();
    let serving = site.serve();
    site.done("auditor", &["status"], b"");
    assert!(serving.stop().status.success());
}

#[test]
fn the_keys_of_all_are_made_where_that_is_asked_for() {
    let site = Site::empty();
    let set_up = site.init(&["--certificates"]);
    assert!(set_up.status.success(), "{}", said(&set_up));
    let serving = site.serve();
    for name in PEOPLE {
        assert!(site.deployed(&format!("profiles/{name}.key")).exists(), "{name}");
        assert!(!site.deployed(&format!("profiles/{name}.code")).exists(), "{name}");
    }
    site.done("auditor", &["status"], b"");
    assert!(serving.stop().status.success());
}

#[test]
fn a_newcomer_enrols_and_confirms_what_is_made_later() {
    let site = Site::set_up();
    let serving = site.serve();
    let words = |line: &'static str| line.split(' ').collect::<Vec<_>>();
    site.done("security_officer", &words("principal create nora --kind human"), b"");
    site.done("security_officer-2", &words("credential create nora --enrolment-code --out nora.code"), b"");
    assert_eq!(mode(&site.path("nora.code")), 0o600);
    let done = enrolled(&enrol(&site, &serving, &site.path("nora.code"), &["--lifetime", "90d"]));
    let profile = site.deployed("profiles/nora.toml");
    assert_eq!((done["profile"].as_str(), mode(&profile)), (profile.to_str(), 0o600));
    site.done("nora", &words("credential create nora --token --out nora.token"), b"");
    // A code in a profile does nothing but enrol.
    let code = site.done("nora", &words("credential create nora --enrolment-code"), b"");
    let code = String::from_utf8(code).unwrap();
    let text = std::fs::read_to_string(&profile).unwrap();
    let (head, _) = text.split_once("[credential]").unwrap();
    let by_code = site.path("by-code.toml");
    std::fs::write(&by_code, format!("{head}[credential]\ntoken = \"{}\"\n", code.trim())).unwrap();
    std::fs::set_permissions(&by_code, std::fs::Permissions::from_mode(0o600)).unwrap();
    let denied = run(&site.path(""), &by_code, &words("credential create nora --token"), b"");
    assert!(said(&denied).contains("good for one thing"), "{}", said(&denied));

    // Another certificate, which an officer enters: it is good once she says so.
    site.done("nora", &words("credential renew --request next.csr"), b"");
    let mut sign = claviger();
    sign.current_dir(site.path("")).args(["init", "--sign", "next.csr", "--for", "nora", "--config"]);
    assert!(sign.arg(site.deployed("claviger.toml")).status().unwrap().success());
    let create = words("-o json credential create nora --label next --certificate next.crt --to-confirm");
    let made: Value = serde_json::from_slice(&site.done("security_officer-2", &create, b"")).unwrap();
    assert_eq!(made["awaits_confirmation"], true, "{made}");
    let next = site.path("next.toml");
    let (certificate, key) = (site.path("next.crt"), site.path("next.key"));
    let credential = format!("certificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display());
    std::fs::write(&next, format!("{head}[credential]\n{credential}")).unwrap();
    let confirm = ["credential", "confirm", made["id"].as_str().unwrap()];
    let own = ["credential", "create", "nora", "--token", "--out", "other.token"];
    for arguments in [&confirm[..], &own] {
        let unknown = run(&site.path(""), &next, arguments, b"");
        assert!(said(&unknown).contains("no valid credential"), "{}", said(&unknown));
    }
    assert!(!site.run("security_officer-2", &confirm, b"").status.success());
    site.done("nora", &confirm, b"");
    assert!(run(&site.path(""), &next, &own, b"").status.success());
    site.done("auditor", &["audit", "verify"], b"");
    assert!(serving.stop().status.success());
}
