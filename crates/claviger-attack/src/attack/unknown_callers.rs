//! What a caller without a credential learns.
//!
//! **Attack.** A caller with a made-up token, or an access key that nobody has, asks for routes and operations that exist and
//! that do not, with bodies that are right and that are not. A caller with a credential sends a body with a secret in the place
//! of a member's name.
//!
//! **Breaks.** An answer differs by whether the route exists or the body is right, or gives a part of the body back.
//!
//! **Holds.** Every caller without a credential is refused as such, in the same words, and nothing of a body is given back.

use anyhow::Result;
use serde_json::{Value, json};

use super::earnest::JSON;
use super::intake::token;
use crate::client::aws::refusal;
use crate::client::{Answer, get, post};
use crate::site::{Lab, Plane, Site};
use crate::verdict::{Findings, Verdict};

const SECRET: &str = "hunter2-4111-1111";

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let site = Site::set_up_for_evaluation(lab)?;
    let mut findings = Findings::default();
    for plane in [Plane::Control, Plane::Data] {
        by_rest(&site, plane, &mut findings)?;
    }
    by_aws(&site, &mut findings)?;
    by_holder(&site, &mut findings)?;
    Ok(findings.verdict())
}

/// A made-up token: each request, whether its route exists and its body is right or not.
fn by_rest(site: &Site, plane: Plane, findings: &mut Findings) -> Result<()> {
    let token = format!("Bearer {}", token(1, 1));
    let made_up = ("authorization", token.as_str());
    let requests = [
        get("/v1/keys/none", &[made_up]),
        get("/v1/nothing-of-the-kind", &[made_up]),
        post("/v1/keys/orders%2Fmain/encrypt", &[made_up, JSON], br#"{"plaintext":"aGVsbG8="}"#),
        post("/v1/keys/orders%2Fmain/encrypt", &[made_up, JSON], SECRET.as_bytes()),
        post("/v1/keys/orders%2Fmain/nothing", &[made_up, JSON], b"{}"),
    ];
    let nobody = site.nobody()?;
    let reported =
        requests.iter().map(|request| site.ask(plane, &nobody, request).map(|answer| reported(&answer)));
    let mut reported = reported.collect::<Result<Vec<_>>>()?;
    reported.dedup();
    let same = matches!(&reported[..], [one] if one.starts_with("401"));
    findings.add(same, format!("a made-up token on the {plane:?} plane is answered {}", reported.join(", ")));
    Ok(())
}

/// An access key that nobody has.
fn by_aws(site: &Site, findings: &mut Findings) -> Result<()> {
    let key = site.evaluation_key()?.unknown();
    let calls = [
        ("ListKeys", json!({})),
        ("NothingOfTheKind", json!({})),
        ("Encrypt", json!({ "KeyId": "alias/none", "Plaintext": "aGVsbG8=" })),
        ("Encrypt", json!({ (SECRET): 1 })),
    ];
    let reported = calls.iter().map(|(operation, input)| Ok(refusal(&key.call(operation, input)?)));
    let mut reported = reported.collect::<Result<Vec<_>>>()?;
    reported.dedup();
    let same = reported.len() == 1;
    findings.add(same, format!("an access key that nobody has is answered {}", reported.join(", ")));
    Ok(())
}

/// Somebody with a credential whose body holds a secret where a name belongs.
fn by_holder(site: &Site, findings: &mut Findings) -> Result<()> {
    let body = json!({ "ring": "none", (SECRET): SECRET }).to_string();
    let administrator = site.identity("administrator")?;
    let rest = site.ask(Plane::Control, &administrator, &post("/v1/keys", &[JSON], body.as_bytes()))?;
    let aws = site.evaluation_key()?.call("Encrypt", &json!({ "KeyId": "none", (SECRET): SECRET }))?;
    for (what, answer) in [("REST", rest), ("AWS", aws)] {
        let quoted = String::from_utf8_lossy(&answer.body).contains(SECRET);
        let how = if quoted { "gives back" } else { "does not give back" };
        findings.add(!quoted, format!("a refusal by {what} ({}) {how} what was sent", answer.status));
    }
    Ok(())
}

/// Status and code: what does not differ from one request to the next.
fn reported(answer: &Answer) -> String {
    let body = answer.json();
    format!("{} {}", answer.status, body.get("code").and_then(Value::as_str).unwrap_or("without a code"))
}
