//! One person who decides for several.
//!
//! **Attack.** An administrator asks for the destruction of a key of a strict ring, approves that itself, and has it done although nobody
//! approved. One custodian approves twice. A security officer has it done in the place of who asked. Then somebody who has the files writes
//! into the stopped store that one approval is enough, and the administrator asks again.
//!
//! **Breaks.** The key waits for its destruction, though fewer than two others approved.
//!
//! **Holds.** Each step is refused, or leaves the key in use.

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use serde_json::Value;

use crate::site::{Lab, Site};
use crate::verdict::{Findings, Verdict};

const KEY: &str = "orders/main";
const DESTROY: [&str; 5] = ["key", "destroy", KEY, "--reason", "attack"];

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let mut site = Site::set_up(lab)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    site.done("administrator", &["key", "create", KEY])?;
    let approval = ask(&site)?;
    let approve = ["approval", "approve", approval.as_str(), "--yes"];
    let execute = ["approval", "execute", approval.as_str()];
    let custodian = site.all("custodian").into_iter().next().context("nobody who approves")?;
    let mut findings = Findings::default();
    let steps: [(&str, &str, &[&str]); 3] = [
        ("who asked approves it", "administrator", &approve),
        ("who asked has it done without an approval", "administrator", &execute),
        ("a security officer approves it", "security_officer", &approve),
    ];
    for (what, who, arguments) in steps {
        attempt(&site, (what, who, arguments), &mut findings)?;
    }
    for _ in 0..2 {
        site.done(&custodian, &approve)?;
    }
    let steps: [(&str, &str, &[&str]); 3] = [
        ("who asked has it done though one alone approved", "administrator", &execute),
        ("who asked asks again though one alone approved", "administrator", &DESTROY),
        ("a security officer has it done though one alone approved", "security_officer", &execute),
    ];
    for (what, who, arguments) in steps {
        attempt(&site, (what, who, arguments), &mut findings)?;
    }
    site.stop()?;
    let database = Connection::open(site.deployed("data").join("store.db"))?;
    let edited = database.execute("UPDATE approval SET quorum = 1", [])?;
    ensure!(edited == 1, "{edited} approvals are in the store");
    database.close().map_err(|(_, error)| error)?;
    site.serve()?;
    let edit = "who asked asks again after the store was edited";
    attempt(&site, (edit, "administrator", &DESTROY), &mut findings)?;
    Ok(findings.verdict())
}

/// Asks for the destruction; gives the approval that it waits for.
fn ask(site: &Site) -> Result<String> {
    let said = site.run("administrator", &DESTROY)?;
    ensure!(!said.is_done(), "one person alone begins a destruction");
    said.approval().with_context(|| format!("the destruction is refused: {}", said.reason()))
}

/// Does a step, and looks at the key behind it.
fn attempt(
    site: &Site,
    (what, who, arguments): (&str, &str, &[&str]),
    findings: &mut Findings,
) -> Result<()> {
    let said = site.run(who, arguments)?;
    let how = if said.is_done() { "it is done".to_owned() } else { said.reason() };
    let shown = site.done("auditor", &["key", "show", KEY])?;
    let waits = shown.get("destroy_at").is_some_and(Value::is_string);
    findings.add(!waits && !said.is_done(), format!("{what}: {how}"));
    Ok(())
}
