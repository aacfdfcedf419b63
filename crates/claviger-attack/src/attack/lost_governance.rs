//! Nobody left who governs.
//!
//! **Attack.** One responder revokes every security officer; in another deployment each security officer withdraws the role from
//! itself.
//!
//! **Breaks.** No security officer is left, so that nobody can ever make one again.
//!
//! **Holds.** The last of them stays, and can still make a person.

use anyhow::{Result, ensure};

use crate::site::{Lab, Site};
use crate::verdict::{Findings, Verdict};

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let mut findings = Findings::default();
    let site = Site::set_up(lab)?;
    try_all(&site, "a responder revokes every officer", &mut findings, |officer| {
        (
            "responder".to_owned(),
            ["principal", "revoke", officer, "--yes", "--reason", "attack"].map(str::to_owned).to_vec(),
        )
    })?;
    let site = Site::set_up(lab)?;
    try_all(&site, "officers withdraw their own role", &mut findings, |officer| {
        let withdraw = ["role", "withdraw", officer, "security_officer", "--reason", "attack"];
        (officer.to_owned(), withdraw.map(str::to_owned).to_vec())
    })?;
    Ok(findings.verdict())
}

/// Does it to all officers; what counts is whether one of them can still do what only officers can.
fn try_all(
    site: &Site,
    what: &str,
    findings: &mut Findings,
    act: impl Fn(&str) -> (String, Vec<String>),
) -> Result<()> {
    let officers = site.all("security_officer");
    ensure!(!officers.is_empty(), "a deployment without security officers");
    let mut refused = Vec::new();
    for officer in &officers {
        let (who, arguments) = act(officer);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let said = site.run(&who, &arguments)?;
        if !said.is_done() {
            refused.push(said.reason());
        }
    }
    let create = ["principal", "create", "successor", "--kind", "human"];
    let left = site.done_by_any(&officers, &create).is_ok();
    findings.add(
        left,
        format!(
            "{what}: of {} officers {} are left{}",
            officers.len(),
            if left { "some" } else { "none" },
            refused.first().map(|reason| format!("; refused: {reason}")).unwrap_or_default()
        ),
    );
    Ok(())
}
