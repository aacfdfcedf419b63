//! Names that an application takes before their owner does.
//!
//! **Attack.** An application that may create keys and aliases in its own ring takes the free name `alias/orders` for a key of
//! its own, and grants the victim, an application of another ring, `Encrypt` on that key. The victim encrypts under
//! `alias/orders`, which its administrator has not made yet.
//!
//! **Breaks.** The victim's `Encrypt` succeeds, under the key of the attacker, who can then decrypt.
//!
//! **Holds.** The name does not lead the victim to the attacker's key.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::client::aws::{refusal, user};
use crate::site::{Lab, Site};
use crate::verdict::Verdict;

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let site = Site::set_up_for_evaluation(lab)?;
    for ring in ["attackers", "victims"] {
        site.done("administrator", &["ring", "create", ring])?;
    }
    site.done("security_officer", &["ring", "separation", "attackers", "relaxed", "--reason", "attack"])?;
    let attacker = site.create_aws_workload("attacker", Some("attackers"))?;
    let victim = site.create_aws_workload("victim", Some("victims"))?;
    let operations = "create_key,describe_key,put_alias,remove_alias,delegate_grant,encrypt,decrypt";
    site.grant(&["attacker", "--ring", "attackers", "--operations", operations])?;
    let key = attacker.create_key()?;
    let taken = attacker.call("CreateAlias", &json!({ "AliasName": "alias/orders", "TargetKeyId": key }))?;
    if !taken.is_done() {
        return Ok(Verdict::Held(format!("taking the name is refused: {}", refusal(&taken))));
    }
    let grant = json!({ "KeyId": key, "GranteePrincipal": user("victim"), "Operations": ["Encrypt"] });
    let granted = attacker.call("CreateGrant", &grant)?;
    let sealed = victim.encrypt("alias/orders")?;
    if !sealed.is_done() {
        let granted = if granted.is_done() { "granted" } else { "not granted" };
        return Ok(Verdict::Held(format!("the victim, {granted}, gets {}", refusal(&sealed))));
    }
    let answer = sealed.json();
    let under = answer.get("KeyId").and_then(Value::as_str).context("an answer without a key")?.to_owned();
    let text = answer.get("CiphertextBlob").context("an answer without a ciphertext")?;
    let opened = attacker.call("Decrypt", &json!({ "CiphertextBlob": text }))?;
    let reads = if opened.is_done() { "who reads it" } else { "who cannot read it" };
    Ok(Verdict::Broken(format!(
        "the victim's `Encrypt` under alias/orders used {under}, of the attacker, {reads}"
    )))
}
