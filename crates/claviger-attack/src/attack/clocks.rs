//! Clocks that are set.
//!
//! **Attack.** The server is stopped and starts with a clock that is 31 days ahead, while a key waits for its destruction in 30
//! days; in another deployment it starts with a clock that is four minutes back, after a token has expired. The time since the
//! machine booted shows that neither is so.
//!
//! **Breaks.** The key is destroyed at once; the token is accepted again.
//!
//! **Holds.** The key still waits, and the token stays expired.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::client::{Answer, post};
use crate::machine;
use crate::site::{Lab, Plane, Site};
use crate::verdict::{Findings, Verdict};

/// How long jobs get after the start. They are done at once, and each minute after.
const JOBS: Duration = Duration::from_secs(5);
/// How long the token lives.
const LIFETIME: Duration = Duration::from_secs(5);

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let mut findings = Findings::default();
    ahead(lab, &mut findings)?;
    back(lab, &mut findings)?;
    Ok(findings.verdict())
}

fn ahead(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let mut site = Site::set_up_for_evaluation(lab)?;
    let owner = site.evaluation_key()?;
    let key = owner.create_key()?;
    owner.done("ScheduleKeyDeletion", &json!({ "KeyId": key, "PendingWindowInDays": 30 }))?;
    site.stop()?;
    site.set_clock("+31d")?;
    if let Some(status) = site.try_serve()? {
        findings.held(format!("31 days ahead: the server does not start ({status})"));
        return Ok(());
    }
    let begun = machine::now();
    while machine::now() - begun < JOBS {
        let shown = site.done("auditor", &["key", "show", &key])?;
        let state = shown.get("state").and_then(Value::as_str).context("a key without a state")?;
        if state.starts_with("destroyed") {
            let after = (machine::now() - begun).as_secs();
            findings.broken(format!("31 days ahead: the key is {state} {after} s after the start"));
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    findings.held("31 days ahead: the key still waits");
    Ok(())
}

fn back(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let mut site = Site::set_up(lab)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    site.done("administrator", &["key", "create", "orders/main"])?;
    site.create_workload("brief", None)?;
    let lifetime = format!("{}s", LIFETIME.as_secs());
    let create = ["credential", "create", "brief", "--token", "--lifetime", &lifetime];
    let made = site.done_by_any(&site.makers(), &create)?;
    let token = made.get("token").and_then(Value::as_str).context("no token was shown")?.to_owned();
    grant_to(&site, "brief")?;
    grant_to(&site, "app")?;
    let used = encrypt(&site, &token)?;
    ensure!(used.is_done(), "the token gives nothing while it lives: {}", used.shown());
    std::thread::sleep(LIFETIME + Duration::from_secs(1));
    let expired = encrypt(&site, &token)?;
    ensure!(expired.status == 401, "the token does not expire: {}", expired.shown());
    // Something is recorded after that.
    site.done("auditor", &["ring", "list"])?;
    site.done("administrator", &["ring", "create", "later"])?;
    site.stop()?;
    site.set_clock("-4m")?;
    if let Some(status) = site.try_serve()? {
        findings.held(format!("four minutes back: the server does not start ({status})"));
        return Ok(());
    }
    let revived = encrypt(&site, &token)?;
    findings.add(
        !revived.is_done(),
        format!("four minutes back: the token that had expired gets {}", revived.status),
    );
    Ok(())
}

fn grant_to(site: &Site, who: &str) -> Result<()> {
    site.grant(&[who, "--key", "orders/main", "--operations", "encrypt"]).map(drop)
}

fn encrypt(site: &Site, token: &str) -> Result<Answer> {
    let authorization = format!("Bearer {token}");
    let headers = [("content-type", "application/octet-stream"), ("authorization", authorization.as_str())];
    let request = post("/v1/keys/orders%2Fmain/encrypt", &headers, b"4111-1111");
    site.ask(Plane::Data, &site.nobody()?, &request)
}
