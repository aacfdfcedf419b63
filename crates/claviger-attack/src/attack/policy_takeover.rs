//! A key policy as a weapon against rights of others.
//!
//! **Attack.** A holder of a grant with `delegate_grant` on a key of a relaxed ring, and with nothing more, puts a key policy that
//! gives nobody anything (AWS `PutKeyPolicy`). On that key an application has its right by a policy that the owner put, and another by a
//! grant of a security officer whose name begins as those of policies do.
//!
//! **Breaks.** Either application is refused afterwards.
//!
//! **Holds.** Both may still encrypt. Then the owner puts the same empty policy, which ends what the policy gave and leaves the officer's
//! grant alone.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::client::aws::{refusal, user};
use crate::client::http::post;
use crate::site::{Lab, Plane, Site};
use crate::verdict::{Findings, Verdict};

const JSON: (&str, &str) = ("content-type", "application/json");

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let site = Site::set_up_for_evaluation(lab)?;
    let owner = site.evaluation_key()?;
    let key = owner.create_key()?;
    let holder = site.create_aws_workload("holder", None)?;
    let [by_policy, by_officer] =
        ["by-policy", "by-officer"].map(|name| site.create_aws_workload(name, None));
    let (by_policy, by_officer) = (by_policy?, by_officer?);
    site.grant(&["holder", "--key", &key, "--operations", "encrypt,delegate_grant"])?;
    owner.done("PutKeyPolicy", &json!({ "KeyId": key, "Policy": policy(Some("by-policy")) }))?;
    grant_by_name(&site, &key)?;
    for (who, application) in [("by policy", &by_policy), ("by grant", &by_officer)] {
        ensure!(application.encrypt(&key)?.is_done(), "the right {who} gives nothing before the attack");
    }
    let mut findings = Findings::default();
    let empty = json!({ "KeyId": key, "Policy": policy(None) });
    let put = holder.call("PutKeyPolicy", &empty)?;
    findings.add(!put.is_done(), format!("PutKeyPolicy of a holder of `delegate_grant`: {}", put.status));
    for (whose, application) in [("owner's policy", &by_policy), ("officer's grant", &by_officer)] {
        let used = application.encrypt(&key)?;
        let what = if used.is_done() { "still gives its right".to_owned() } else { refusal(&used) };
        findings.add(used.is_done(), format!("the {whose}: {what}"));
    }
    owner.done("PutKeyPolicy", &empty)?;
    findings.add(!by_policy.encrypt(&key)?.is_done(), "the owner's empty policy ends what the policy gave");
    findings.add(
        by_officer.encrypt(&key)?.is_done(),
        "the owner's empty policy leaves the officer's grant alone",
    );
    Ok(findings.verdict())
}

/// A policy that gives `encrypt` to one application, or nothing to nobody.
fn policy(to: Option<&str>) -> String {
    let allow = |principal: &str, action: &str| json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": action, "Resource": "*" });
    let mut statements = vec![allow("arn:aws:iam::000000000000:root", "kms:*")];
    statements.extend(to.map(|to| allow(&user(to), "kms:Encrypt")));
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// An officer's grant whose name is one that a policy's might be. The command line has no option for names.
fn grant_by_name(site: &Site, key: &str) -> Result<()> {
    let body = json!({
        "principal": "by-officer",
        "on": { "key": key },
        "operations": ["encrypt"],
        "reason": "attack",
        "name": "key-policy/by-officer",
    });
    let request = post("/v1/grants", &[JSON], body.to_string().as_bytes());
    let mut answers = Vec::new();
    for officer in site.all("security_officer") {
        let answer = site.ask(Plane::Control, &site.identity(&officer)?, &request)?;
        if answer.is_done() {
            return Ok(());
        }
        answers.push(answer.shown());
    }
    anyhow::bail!("no officer could grant: {}", answers.join("; "))
}
