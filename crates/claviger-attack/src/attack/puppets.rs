//! A security officer who acts under the names of others.
//!
//! **Attack.** An application encrypts under a key of a strict ring. A security officer alone makes a token for that
//! application, or for an application of its own to which it then grants the key, and decrypts with it; makes a person of
//! its own whom it then makes a custodian; and makes a token for each custodian that there is.
//!
//! **Breaks.** The officer holds a credential with which the data is read, or one of a custodian.
//!
//! **Holds.** Each way is refused at one of its steps.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{Answer, get, post};
use crate::site::{Lab, Plane, Site};
use crate::verdict::{Findings, Verdict};

const OFFICER: &str = "security_officer";
const PLAIN: &str = "4111-1111";
const JSON: (&str, &str) = ("content-type", "application/json");

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let site = Site::set_up(lab)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    site.done("administrator", &["key", "create", "orders/main"])?;
    // The officer who attacks is the one who granted.
    let grant = ["grant", "create", "app", "--key", "orders/main", "--operations", "encrypt,decrypt"];
    site.done(OFFICER, &[grant.as_slice(), &["--reason", "the shop"]].concat())?;
    let sealed = seal(&site)?;
    let mut findings = Findings::default();
    further_token(&site, &sealed, &mut findings)?;
    own_application(&site, &sealed, &mut findings)?;
    own_custodian(&site, &mut findings)?;
    further_custodians(&site, &mut findings)?;
    Ok(findings.verdict())
}

fn seal(site: &Site) -> Result<String> {
    let body = json!({ "plaintext": STANDARD.encode(PLAIN) }).to_string();
    let request = post("/v1/keys/orders%2Fmain/encrypt", &[JSON], body.as_bytes());
    let answer = site.ask(Plane::Data, &site.identity("app")?, &request)?;
    ensure!(answer.is_done(), "the application cannot encrypt: {}", answer.shown());
    let sealed = answer.json();
    Ok(sealed.get("ciphertext").and_then(Value::as_str).context("no ciphertext")?.to_owned())
}

/// A further token for the application that has the grant.
fn further_token(site: &Site, sealed: &str, findings: &mut Findings) -> Result<()> {
    let what = "a further token for `app`";
    let Some(token) = make_token(site, "app", what, findings)? else { return Ok(()) };
    let opened = open(site, &token, sealed)?;
    findings.add(!reads(&opened), format!("{what}: decrypting answers {}", opened.status));
    Ok(())
}

/// An application of the officer's own, which it then grants the key.
fn own_application(site: &Site, sealed: &str, findings: &mut Findings) -> Result<()> {
    let what = "a grant to an application of its own";
    let create = ["principal", "create", "puppet", "--kind", "workload"];
    if !may(site, &create, what, findings)? {
        return Ok(());
    }
    let Some(token) = make_token(site, "puppet", what, findings)? else { return Ok(()) };
    let grant = ["grant", "create", "puppet", "--key", "orders/main", "--operations", "decrypt"];
    if !may(site, &[grant.as_slice(), &["--reason", "attack"]].concat(), what, findings)? {
        return Ok(());
    }
    let opened = open(site, &token, sealed)?;
    findings.add(!reads(&opened), format!("{what}: decrypting answers {}", opened.status));
    Ok(())
}

/// A person of the officer's own, whom it then makes a custodian.
fn own_custodian(site: &Site, findings: &mut Findings) -> Result<()> {
    let what = "a custodian of its own";
    if !may(site, &["principal", "create", "shadow", "--kind", "human"], what, findings)? {
        return Ok(());
    }
    let Some(token) = make_token(site, "shadow", what, findings)? else { return Ok(()) };
    if !may(site, &["role", "assign", "shadow", "custodian", "--reason", "attack"], what, findings)? {
        return Ok(());
    }
    let request = get("/v1/rings", &[("authorization", &format!("Bearer {token}"))]);
    let listed = site.ask(Plane::Control, &site.nobody()?, &request)?;
    findings.add(!listed.is_done(), format!("{what}: the control plane answers {}", listed.status));
    Ok(())
}

/// A further token for each custodian of the set-up.
fn further_custodians(site: &Site, findings: &mut Findings) -> Result<()> {
    for custodian in site.all("custodian") {
        let what = format!("a further token for `{custodian}`");
        if make_token(site, &custodian, &what, findings)?.is_some() {
            findings.broken(format!("{what}: the officer holds it"));
        }
    }
    Ok(())
}

/// Does a step as the officer, unless it is refused, which is held.
fn may(site: &Site, arguments: &[&str], what: &str, findings: &mut Findings) -> Result<bool> {
    let said = site.run(OFFICER, arguments)?;
    if !said.is_done() {
        findings.held(format!("{what}: `{}` is refused: {}", arguments.join(" "), said.reason()));
    }
    Ok(said.is_done())
}

fn make_token(site: &Site, whose: &str, what: &str, findings: &mut Findings) -> Result<Option<String>> {
    let arguments = ["credential", "create", whose, "--token", "--label", "puppet"];
    let said = site.run(OFFICER, &arguments)?;
    if !said.is_done() {
        findings.held(format!("{what}: a token is refused: {}", said.reason()));
        return Ok(None);
    }
    let made = said.json();
    Ok(Some(made.get("token").and_then(Value::as_str).context("no token was shown")?.to_owned()))
}

fn open(site: &Site, token: &str, sealed: &str) -> Result<Answer> {
    let body = json!({ "ciphertext": sealed }).to_string();
    let headers = [JSON, ("authorization", &format!("Bearer {token}"))];
    site.ask(Plane::Data, &site.nobody()?, &post("/v1/decrypt", &headers, body.as_bytes()))
}

fn reads(answer: &Answer) -> bool {
    answer.json().get("plaintext").and_then(Value::as_str) == Some(STANDARD.encode(PLAIN).as_str())
}
