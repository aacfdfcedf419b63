//! The token is gone when it matters.
//!
//! **Attack.** A server is started, and before anybody has called it the token of its root is taken away. Then something happens
//! that a responder must stop.
//!
//! **Breaks.** The responder cannot suspend a key or revoke a principal, nobody can see how the server is, or what was restricted
//! can be used.
//!
//! **Holds.** Both are done, the key and the principal are refused, and after the token's return the log verifies.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::client::{Answer, post};
use crate::machine;
use crate::site::{Lab, Plane, Site};
use crate::token::Token;
use crate::verdict::{Findings, Verdict};

/// How long the server may take to see that the token is back and to sign what it could not.
const RETURN: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_secs(2);

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let token = Token::create()?;
    let mut site = Site::set_up_in(lab, &token)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    for key in ["orders/main", "orders/other"] {
        site.done("administrator", &["key", "create", key])?;
    }
    site.grant(&["app", "--ring", "orders", "--operations", "encrypt"])?;
    ensure!(encrypt(&site, "main")?.is_done(), "the grant gives nothing");
    site.stop()?;
    site.serve()?;
    token.go_away()?;

    let mut findings = Findings::default();
    let acts: [(&str, &str, &[&str]); 3] = [
        ("status", "operator", &["status"]),
        ("suspending a key", "responder", &["key", "suspend", "orders/main", "--reason", "incident"]),
        (
            "revoking a principal",
            "responder",
            &["principal", "revoke", "app", "--yes", "--reason", "incident"],
        ),
    ];
    for (what, who, arguments) in acts {
        let said = site.run(who, arguments)?;
        let how =
            if said.is_done() { "is done".to_owned() } else { format!("is refused: {}", said.reason()) };
        findings.add(said.is_done(), format!("without the token, {what} {how}"));
    }
    for key in ["main", "other"] {
        let answer = encrypt(&site, key);
        let used = answer.as_ref().is_ok_and(Answer::is_done);
        findings.add(
            !used,
            format!("a call of whom was revoked {}", if used { "is done" } else { "is refused" }),
        );
    }

    token.come_back()?;
    let begun = machine::now();
    let verified = loop {
        let said = site.run("auditor", &["audit", "verify"])?;
        if said.is_done() || machine::now() - begun > RETURN {
            break said;
        }
        std::thread::sleep(LOOK);
    };
    let how =
        if verified.is_done() { "verifies".to_owned() } else { format!("does not: {}", verified.reason()) };
    findings.add(verified.is_done(), format!("after its return the log {how}"));
    Ok(findings.verdict())
}

fn encrypt(site: &Site, key: &str) -> Result<Answer> {
    let octets = [("content-type", "application/octet-stream")];
    let request = post(&format!("/v1/keys/orders%2F{key}/encrypt"), &octets, b"4111-1111");
    site.ask(Plane::Data, &site.identity("app")?, &request)
}
