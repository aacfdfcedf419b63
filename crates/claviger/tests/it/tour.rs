//! Commands of documents, pasted as they stand.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::documents::commands;
use crate::instance::{CLAVIGER, Instance};
use crate::verify::claviger_verify;

/// Runs the commands of each document in a quick start of its own.
macro_rules! documents {
    ($($test:ident: $document:literal by $run:ident;)*) => {
        /// The documents whose blocks are run here.
        pub(crate) const DOCUMENTS: &[&str] = &[$($document),*];
        $(
            #[test]
            fn $test() {
                let dir = tempfile::tempdir().unwrap();
                let instance = Instance::start(dir.path(), &[]);
                $run(&instance, &commands($document));
                instance.stop();
            }
        )*
    };
}

documents! {
    tour_of_the_readme_holds_line_by_line: "README.md" by readme;
    guide_for_auditors_holds_line_by_line: "docs/auditor.md" by auditor;
    guide_to_aws_holds_line_by_line: "docs/aws.md" by aws;
    guide_to_compliance_holds_line_by_line: "docs/compliance.md" by compliance;
    guide_to_governance_holds_line_by_line: "docs/governance.md" by governance;
    guide_to_keys_holds_line_by_line: "docs/keys.md" by keys;
    guide_to_people_holds_line_by_line: "docs/people.md" by people;
    guide_to_policy_holds_line_by_line: "docs/policy.md" by policy;
    guide_to_rest_holds_line_by_line: "docs/rest.md" by rest;
    guide_to_verifying_holds_line_by_line: "docs/verify.md" by verify;
    guide_to_external_key_stores_holds_line_by_line: "docs/xks.md" by xks;
}

/// Runs commands where the profiles of a quick start lie.
fn pasted_by_profiles(instance: &Instance, script: &str) -> String {
    pasted(instance, &format!("cd claviger-data/profiles\n{script}"))
}

/// The text with each word replaced, which must be there.
fn replaced(script: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(script.to_owned(), |script, (word, by)| {
        assert!(script.contains(word), "the document has no `{word}` any more");
        script.replace(word, by)
    })
}

/// Runs commands where a quick start is at work. Gives what they printed.
fn pasted(instance: &Instance, script: &str) -> String {
    let folder = Path::new(CLAVIGER).parent().unwrap().display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let output = crate::instance::unset(Command::new("bash"))
        .args(["-euo", "pipefail", "-c", script])
        .env("PATH", path)
        .current_dir(&instance.dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn readme(instance: &Instance, script: &str) {
    claviger_verify();
    let said = pasted(instance, script);
    assert_eq!(
        said.matches("4111-1111").count(),
        2,
        "opened before and after the rotation, never else: {said}"
    );
    assert_eq!(said.matches("refused, as it should be").count(), 3, "{said}");
    // The call that two custodians had approved.
    assert_eq!(said.lines().filter(|line| line.starts_with("destroyed at")).count(), 1, "{said}");
    let key = json(instance, "administrator", &["key", "show", "orders/old"]);
    assert_eq!((&key["state"], &key["destroy_at"]), (&"suspended".into(), &Value::Null), "{key}");
    // The verification of the live log and that of the copy; by the auditor's program of the copy; of the pack as it is made, and by that program.
    let findings: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("findings ")).collect();
    assert_eq!(findings.iter().map(|found| found.trim()).collect::<Vec<_>>(), ["none"; 5], "{said}");
    assert_eq!(said.matches("Everything holds.").count(), 1, "{said}");
    assert!(said.contains("The pack holds"), "{said}");
}

fn rest(instance: &Instance, script: &str) {
    let url = |plane: &str| instance.ready["urls"][plane].as_str().unwrap().trim_end_matches('/').to_owned();
    let script = replaced(
        script,
        &[("https://127.0.0.1:7400", &url("control")), ("https://127.0.0.1:7401", &url("data"))],
    );
    let said = pasted(instance, &script);
    assert!(said.contains(r#""plaintext":"NDExMS0xMTEx""#) && said.contains("4111-1111"), "{said}");
    assert!(said.contains(r#""code":"denied""#) && said.contains(r#""code":"bad-ciphertext""#), "{said}");
    assert_eq!(said.matches("refused, as it should be").count(), 2, "{said}");
    let tokens: Vec<_> = said.lines().filter(|line| line.contains(r#""name":"shop/tokens""#)).collect();
    assert!(matches!(tokens[..], [one, two] if one == two), "{said}");
}

fn json(instance: &Instance, who: &str, arguments: &[&str]) -> Value {
    serde_json::from_slice(&instance.done(who, &[&["-o", "json"][..], arguments].concat(), b"")).unwrap()
}

fn profiles(instance: &Instance) -> PathBuf {
    instance.dir.join("claviger-data/profiles")
}

fn auditor(instance: &Instance, script: &str) {
    claviger_verify();
    instance.done("administrator", &["ring", "create", "shop"], b"");
    instance.done("administrator", &["key", "create", "shop/cards"], b"");
    let said = pasted_by_profiles(instance, script);
    assert!(said.matches("Everything holds.").count() >= 2, "{said}");
    let digest = |name: &str| said.lines().find(|line| line.ends_with(name)).unwrap()[..64].to_owned();
    assert_eq!(digest("  verify.html"), digest("  pack/verify.html"), "{said}");
}

fn compliance(instance: &Instance, script: &str) {
    claviger_verify();
    let said = pasted_by_profiles(instance, script);
    assert!(said.contains("RESULTS OF SEVERITY"), "{said}");
    assert!(profiles(instance).join("evaluation.json").exists());
    for words in ["pci-dss", "82", "3.6.1.2", "V:PCI-3.6.1.2", "GOV-11", "No secret key rests in plaintext"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Who asks for a table that is not there, or a control that is none, learns what there is.
    let refusal = |arguments: &[&str]| {
        let refused = instance.run("auditor", arguments, b"");
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(refused.stderr).unwrap()
    };
    assert!(
        refusal(&["compliance", "controls", "--framework", "gdpr", "--crosswalk"])
            .contains("leave `--crosswalk`")
    );
    assert!(refusal(&["compliance", "controls", "--framework", "sox"]).contains("nydfs"));
    assert!(refusal(&["compliance", "explain", "STOR-99"]).contains("STOR-01"));
    let explained = json(instance, "auditor", &["compliance", "explain", "GEN-01"]);
    assert_eq!(explained["defaults"][0]["name"], "allowed_generators");
    assert_eq!(explained["clauses"]["pci-dss"][0]["mark"], "V:PCI-4.0");
}

fn governance(instance: &Instance, script: &str) {
    let said = pasted_by_profiles(instance, script);
    // What the custodian was shown, and what the administrator then had done.
    assert!(said.contains("destroy key orders/customer-data") && said.contains("must approve"), "{said}");
    let key = json(instance, "administrator", &["key", "show", "orders/customer-data"]);
    assert_eq!((&key["state"], key["destroy_at"].is_string()), (&"suspended".into(), true), "{key}");
    let rules = json(instance, "auditor", &["governance", "show"]);
    assert_eq!(
        (&rules["quorum"], &rules["approval_lifetime_seconds"]),
        (&2.into(), &(3 * 86_400).into()),
        "{rules}"
    );
    let principal = |name: &str| json(instance, "auditor", &["principal", "show", name]);
    assert_eq!(principal("dora")["roles"], serde_json::json!(["custodian"]));
    assert_eq!(principal("auditor")["capacities"][0]["capacity"], "dpo");
    assert_eq!(principal("operator")["roles"], serde_json::json!([]), "a review has taken it away");
    let reviews = json(instance, "auditor", &["access", "review", "list", "--state", "closed"]);
    assert_eq!(reviews["items"][0]["decided"], reviews["items"][0]["items"], "{reviews}");
    assert_eq!(principal("gina")["same_person_as"], principal("custodian-2")["id"]);
    let left = principal("custodian-3");
    assert_eq!((&left["standing"], &left["roles"]), (&"revoked".into(), &serde_json::json!([])), "{left}");
    assert!(said.contains("roles that ended"), "{said}");
    instance.done("auditor", &["audit", "verify"], b"");
}

fn keys(instance: &Instance, script: &str) {
    instance.done("administrator", &["ring", "create", "orders"], b"");
    instance.done("security_officer", &["principal", "create", "ada", "--kind", "human"], b"");
    let grant = ["grant", "create", "app", "--ring", "orders", "--operations", "encrypt", "--reason", "test"];
    instance.done("security_officer", &grant, b"");
    std::fs::write(profiles(instance).join("record"), b"a record").unwrap();
    for (name, byte) in [("aes.key", 1), ("cvv.key", 2)] {
        std::fs::write(profiles(instance).join(name), [byte; 32]).unwrap();
    }
    pasted_by_profiles(instance, script);
    assert!(profiles(instance).join("record.sealed").exists());
    let key =
        |key: &str| json(instance, "administrator", &["key", "versions", key])["items"][0]["state"].clone();
    assert_eq!((key("orders/pan"), key("orders/cvv")), ("suspended".into(), "active".into()));
    let without_asset = ["encrypt", "--key", "orders/cards", "--context", "tenant=clinic"];
    let refused = instance.run("app", &without_asset, b"a record");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("claviger:asset"), "{said}");
}

fn people(instance: &Instance, script: &str) {
    let url = instance.ready["urls"]["control"].as_str().unwrap().trim_end_matches('/');
    let words = [("https://kms.example.org:7400", url), ("--ca ca.crt", "--ca ../pki/ca.crt")];
    let said = pasted_by_profiles(instance, &replaced(script, &words));
    assert_eq!(said.matches("refused, as it should be").count(), 2, "{said}");
    let shown: Vec<_> = said.lines().filter(|line| line.starts_with("status ")).collect();
    assert!(shown.iter().any(|line| line.ends_with("active")), "{said}");
    assert!(said.lines().any(|line| line.starts_with("roles") && line.ends_with("administrator")), "{said}");
    let listed = json(instance, "auditor", &["principal", "list", "--page-all"]);
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(!names.contains(&&Value::from("ada")), "{listed}");
}

fn policy(instance: &Instance, script: &str) {
    let said = pasted_by_profiles(instance, script);
    assert_eq!(said.lines().filter(|line| *line == "no difference").count(), 3, "{said}");
    assert!(said.contains("payments/pan") && said.contains("responder to rosa"), "{said}");
    // What was recorded is the digest that others make of the files.
    let list = ["declaration", "list", "--kind", "policy_files"];
    let declared = json(instance, "auditor", &list)["items"][0]["declared"]["policy_files"].clone();
    let digest = declared["sha256"].as_str().unwrap();
    assert!(said.lines().any(|line| line == format!("{digest}  -")), "{digest}: {said}");
    assert_eq!(declared["differences"], 0, "{declared}");
    let rosa = json(instance, "auditor", &["principal", "show", "rosa"]);
    assert_eq!(rosa["roles"], serde_json::json!(["responder"]));
    let grants = json(instance, "auditor", &["grant", "list", "--principal", "till"]);
    assert_eq!(grants["items"].as_array().unwrap().len(), 1, "{grants}");
    let approvals = json(instance, "auditor", &["approval", "list", "--state", "ended"]);
    let plans: Vec<_> = approvals["items"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert_eq!(plans, ["apply_plan"], "role and grant at once: {approvals}");
    instance.done("auditor", &["audit", "verify"], b"");
}

fn verify(instance: &Instance, script: &str) {
    claviger_verify();
    for (ring, key) in [("orders", "orders/pan"), ("shop", "shop/cards")] {
        instance.done("administrator", &["ring", "create", ring], b"");
        instance.done("administrator", &["key", "create", key], b"");
        let grant = ["grant", "create", "app", "--key", key, "--operations", "encrypt", "--reason", "test"];
        instance.done("security_officer", &grant, b"");
        instance.done("app", &["encrypt", "--key", key], b"4111");
    }
    instance.done("security_officer", &["principal", "create", "ada", "--kind", "human"], b"");
    let credential =
        json(instance, "auditor", &["credential", "list", "--principal", "app"])["items"][0]["id"].clone();
    let now =
        Command::new("date").args(["--utc", "+%Y-%m-%dT%H:%M:%SZ", "--date", "1 second"]).output().unwrap();
    let now = String::from_utf8(now.stdout).unwrap();
    let script = replaced(
        script,
        &[
            ("2026-03-01T00:00:00Z", now.trim()),
            ("--credential ID", &format!("--credential {}", credential.as_str().unwrap())),
            ("--from 1000 --to 2000", "--from 1 --to 5"),
        ],
    );
    std::thread::sleep(std::time::Duration::from_secs(2));
    let said = pasted_by_profiles(instance, &script);
    assert!(said.matches("Everything holds.").count() >= 2, "{said}");
    assert!(profiles(instance).join("who.disclosure").exists(), "{said}");
    for expected in ["create_key", "role auditor", "no entries", "disclosed "] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

fn aws(instance: &Instance, script: &str) {
    for ring in ["orders", "terraform"] {
        instance.done("administrator", &["ring", "create", ring], b"");
    }
    instance.done("administrator", &["key", "create", "orders/main"], b"");
    instance.done("administrator", &["principal", "create", "deploy", "--kind", "workload"], b"");
    pasted_by_profiles(instance, script);
    let secret = std::fs::read_to_string(profiles(instance).join("shop.env")).unwrap();
    assert!(
        secret.contains("AWS_ACCESS_KEY_ID=AKIA") && secret.contains("AWS_SECRET_ACCESS_KEY="),
        "{secret}"
    );
    let grants =
        |who: &str| json(instance, "auditor", &["grant", "list", "--principal", who])["items"].clone();
    assert_eq!(
        (grants("shop").as_array().unwrap().len(), grants("terraform").as_array().unwrap().len()),
        (2, 1)
    );
    let ring = json(instance, "auditor", &["ring", "show", "terraform"]);
    assert_eq!(ring["policy"]["separation"], "relaxed");
}

fn xks(instance: &Instance, script: &str) {
    pasted_by_profiles(instance, script);
    let grants = json(instance, "auditor", &["grant", "list", "--principal", "aws-kms"]);
    let both = grants["items"].as_array().unwrap();
    assert_eq!(both.len(), 2, "{grants}");
    assert!(grants.to_string().contains("kmsKeyArn"), "{grants}");
}

#[test]
fn quick_start_run_again_has_the_same_data() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    instance.done("administrator", &["ring", "create", "orders"], b"");
    instance.stop();
    let instance = Instance::start(dir.path(), &[]);
    let rings = instance.done("administrator", &["-o", "json", "ring", "list"], b"");
    assert!(String::from_utf8_lossy(&rings).contains("\"orders\""));
    instance.done("auditor", &["audit", "verify"], b"");
    instance.stop();
}
