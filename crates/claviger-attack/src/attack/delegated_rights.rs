//! Delegated rights that outlive what they rest on.
//!
//! **Attack.** A holder of a grant with `delegate_grant` on a key of a relaxed ring grants the same to itself, or to another
//! application, without end (AWS `CreateGrant`). Then the first grant ends: it expires, is revoked, is retired by its holder, or
//! its holder is revoked.
//!
//! **Breaks.** `Encrypt` under the delegated grant still succeeds after that.
//!
//! **Holds.** It is refused from then on, or the delegation was refused in the first place. Before the end, what was delegated
//! may be used.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::client::AccessKey;
use crate::client::aws::{refusal, user};
use crate::machine;
use crate::site::{Lab, Site};
use crate::verdict::{Findings, Verdict};

/// How long the grant lives that expires.
const LIFETIME: Duration = Duration::from_secs(6);
/// How long after its end it is used.
const AFTER: Duration = Duration::from_secs(1);

/// How the first grant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Expiry,
    Retirement,
    Revocation,
    RevocationOfHolder,
}

impl End {
    const ALL: [Self; 4] = [Self::Expiry, Self::Retirement, Self::Revocation, Self::RevocationOfHolder];

    const fn name(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::Retirement => "retirement",
            Self::Revocation => "revocation",
            Self::RevocationOfHolder => "holder-revoked",
        }
    }
}

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let site = Site::set_up_for_evaluation(lab)?;
    let owner = site.evaluation_key()?;
    let mut findings = Findings::default();
    for end in End::ALL {
        outlive(&site, &owner, end, &mut findings).with_context(|| end.name())?;
    }
    Ok(findings.verdict())
}

fn outlive(site: &Site, owner: &AccessKey, end: End, findings: &mut Findings) -> Result<()> {
    let key = owner.create_key()?;
    let (holder_name, other_name) = (format!("holder-{}", end.name()), format!("other-{}", end.name()));
    let holder = site.create_aws_workload(&holder_name, None)?;
    let begun = machine::now();
    let grant = give(site, &key, &holder_name, end)?;
    let (grantee, grantee_name) = match end {
        End::RevocationOfHolder => (site.create_aws_workload(&other_name, None)?, &other_name),
        _ => (holder.clone(), &holder_name),
    };
    ensure!(holder.encrypt(&key)?.is_done(), "the first grant gives nothing");
    let operations = ["Encrypt", "Decrypt"];
    let delegate = json!({ "KeyId": key, "GranteePrincipal": user(grantee_name), "Operations": operations });
    let delegated = holder.call("CreateGrant", &delegate)?;
    if !delegated.is_done() {
        findings.held(format!("{}: delegating is refused, {}", end.name(), refusal(&delegated)));
        return Ok(());
    }
    ensure!(grantee.encrypt(&key)?.is_done(), "the delegated grant gives nothing while the first lasts");
    match end {
        End::Expiry => std::thread::sleep((begun + LIFETIME + AFTER).saturating_sub(machine::now())),
        End::Retirement => {
            holder.done("RetireGrant", &json!({ "KeyId": key, "GrantId": grant }))?;
        }
        End::Revocation => {
            site.done_by_any(
                &site.all("security_officer"),
                &["grant", "revoke", &grant, "--reason", "attack"],
            )?;
        }
        End::RevocationOfHolder => {
            let revoke = ["principal", "revoke", &holder_name, "--yes", "--reason", "attack"];
            site.done_by_any(&[site.all("responder"), site.makers()].concat(), &revoke)?;
        }
    }
    let used = grantee.encrypt(&key)?;
    let what = if used.is_done() {
        format!("{}: `Encrypt` under the delegated grant still answers {}", end.name(), used.status)
    } else {
        format!("{}: {}", end.name(), refusal(&used))
    };
    findings.add(!used.is_done(), what);
    Ok(())
}

/// Gives the first grant; its identifier.
fn give(site: &Site, key: &str, holder: &str, end: End) -> Result<String> {
    let lifetime = format!("{}s", LIFETIME.as_secs());
    let mut grant = vec![holder, "--key", key, "--operations", "encrypt,decrypt,delegate_grant,retire_grant"];
    if end == End::Expiry {
        grant.extend(["--until", &lifetime]);
    }
    let given = site.grant(&grant)?;
    Ok(given.get("id").and_then(Value::as_str).context("a grant without an identifier")?.to_owned())
}
