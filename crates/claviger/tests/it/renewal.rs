//! People renew their certificates by one command each, before these end: day 397 is a day like others.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use claviger_attack::machine;
use claviger_client::profile::ProfileFile;
use serde_json::Value;

use crate::instance::{claviger, printed};
use crate::serving::Site;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// A clock that is ahead by so many days.
struct Ahead([(String, String); 4]);

impl Ahead {
    fn days(days: u32) -> Self {
        Self(machine::clock(&format!("+{days}d")).unwrap())
    }

    fn variables(&self) -> [(&str, &str); 4] {
        self.0.each_ref().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Runs a command with the profile of `who`.
    fn run(&self, site: &Site, who: &str, arguments: &[&str]) -> Output {
        site.run_with(&self.variables(), who, arguments)
    }

    fn done(&self, site: &Site, who: &str, arguments: &[&str]) -> Vec<u8> {
        printed(arguments, || self.run(site, who, arguments))
    }

    /// A command of the machine itself.
    fn local(&self, site: &Site, arguments: &[&str]) -> Output {
        let mut command = claviger();
        command.current_dir(site.path("")).envs(self.variables());
        command.args(arguments).arg("--config").arg(site.deployed("claviger.toml")).output().unwrap()
    }
}

fn profile(site: &Site, who: &str) -> ProfileFile {
    ProfileFile::read(&site.deployed(&format!("profiles/{who}.toml"))).unwrap()
}

#[test]
fn certificates_and_tokens_are_renewed_by_their_holders_and_outlive_day_397() {
    let site = Site::set_up();
    let early = Ahead::days(200);
    let serving = site.try_serve(&early.variables()).unwrap();
    let refused = early.run(&site, "auditor", &["credential", "renew"]);
    assert!(!refused.status.success() && said(&refused).contains("last third"), "{}", said(&refused));
    assert_eq!(profile(&site, "auditor").credential.certificate, Some("auditor.crt".into()));
    serving.stop();

    let ahead = Ahead::days(300);
    let serving = site.try_serve(&ahead.variables()).unwrap();
    let renewed = ahead.done(&site, "auditor", &["-o", "json", "credential", "renew"]);
    let renewed: Value = serde_json::from_slice(&renewed).unwrap();
    assert_eq!(renewed["renews"], renewed["before"]["id"]);
    let key = std::fs::metadata(renewed["key_file"].as_str().unwrap()).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert_ne!(profile(&site, "auditor").credential.certificate, Some("auditor.crt".into()));
    ahead.done(&site, "auditor", &["status"]);
    let again = ahead.run(&site, "auditor", &["credential", "renew"]);
    assert!(!again.status.success() && said(&again).contains("last third"), "{}", said(&again));
    // A token of their own, for later.
    let token = ["credential", "create", "responder", "--token", "--lifetime", "120d", "--out", "t.token"];
    ahead.done(&site, "responder", &token);
    // Where the authority's key is kept elsewhere, whoever keeps it signs a request.
    let (kept, elsewhere) = (site.deployed("pki/ca.key"), site.path("ca.key"));
    std::fs::rename(&kept, &elsewhere).unwrap();
    let refused = ahead.run(&site, "security_officer", &["credential", "renew"]);
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(said(&refused).contains("--request"), "{}", said(&refused));
    ahead.done(&site, "security_officer", &["credential", "renew", "--request", "next.csr"]);
    let sign = ["init", "--sign", "next.csr", "--for", "security_officer"];
    let missing = ahead.local(&site, &sign);
    assert!(!missing.status.success() && said(&missing).contains("ca.key"), "{}", said(&missing));
    std::fs::rename(&elsewhere, &kept).unwrap();
    let signed = ahead.local(&site, &sign);
    assert!(signed.status.success(), "{}", said(&signed));
    let twice = ahead.local(&site, &sign);
    assert!(!twice.status.success() && said(&twice).contains("there already"), "{}", said(&twice));
    // What is to be done with it is printed; its holder does that.
    let advice = said(&signed);
    let entering = "`claviger credential create security_officer --certificate next.crt`";
    assert!(advice.contains(" days in `next.crt`") && advice.contains(entering), "{advice}");
    let (_, renewing) = advice.split_once("puts it to use by `claviger ").unwrap();
    let (renewing, _) = renewing.split_once("--key KEY`").unwrap();
    let renewing: Vec<_> = renewing.split_whitespace().chain(["--key", "next.key"]).collect();
    ahead.done(&site, "security_officer", &renewing);
    ahead.done(&site, "security_officer", &["principal", "list"]);
    serving.stop();

    // Whose certificate ends soon, `doctor` says.
    let examined = said(&Ahead::days(375).local(&site, &["doctor"]));
    assert!(
        examined.contains("the last credentials of") && examined.contains("`administrator`"),
        "{examined}"
    );
    assert!(!examined.contains("`auditor`") && examined.contains("expires in"), "{examined}");

    let late = Ahead::days(405);
    let server = late.local(&site, &["init", "--renew"]);
    assert!(server.status.success(), "{}", said(&server));
    let serving = site.try_serve(&late.variables()).unwrap();
    for who in ["auditor", "security_officer"] {
        late.done(&site, who, &["status"]);
    }
    for who in ["administrator", "security_officer-2"] {
        assert!(!late.run(&site, who, &["status"]).status.success(), "{who}");
    }
    // A profile with a token is renewed in its file.
    let mut by_token = profile(&site, "responder");
    by_token.credential.certificate = None;
    by_token.credential.key = None;
    by_token.credential.token_file = Some(site.path("t.token"));
    let path = site.deployed("profiles/responder.toml");
    std::fs::write(&path, by_token.to_text(&path).unwrap().reveal()).unwrap();
    let before = std::fs::read(site.path("t.token")).unwrap();
    late.done(&site, "responder", &["credential", "renew"]);
    assert_ne!(std::fs::read(site.path("t.token")).unwrap(), before);
    late.done(&site, "responder", &["status"]);
    late.done(&site, "auditor", &["audit", "verify"]);
    // Whoever revokes what was renewed revokes what renewed it.
    let list = ["-o", "json", "credential", "list", "--principal", "auditor"];
    let list: Value = serde_json::from_slice(&late.done(&site, "security_officer", &list)).unwrap();
    let first = list["items"].as_array().unwrap().iter().find(|one| one["renews"].is_null()).unwrap();
    let revoke = ["credential", "revoke", first["id"].as_str().unwrap(), "--reason", "stolen"];
    late.done(&site, "security_officer", &revoke);
    assert!(!late.run(&site, "auditor", &["status"]).status.success());
    serving.stop();
}
