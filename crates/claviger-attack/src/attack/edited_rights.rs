//! Rights that are edited in the database.
//!
//! **Attack.** Somebody who can write the stopped store gives a responder the role of an administrator, lets an application decrypt
//! that may only encrypt, and takes the quorum of a ring and of the deployment away: one `UPDATE` each, without touching the log.
//!
//! **Breaks.** Any of it decides: the responder does what an administrator does, the application or anybody else uses the key. Or nobody
//! finds out: `claviger audit verify` or `claviger doctor` finds nothing, or does not say what was edited.
//!
//! **Holds.** Whoever comes by an edited row, or needs one, is refused, what they were entitled to before included; others go on.
//! `claviger audit verify` ends with exit code 4, and names role, operations and both quorums, each with its object; so does the log, with
//! an entry for each row that was refused.

use anyhow::{Context as _, Result};
use rusqlite::Connection;

use crate::site::{Lab, Site};
use crate::verdict::{Findings, Verdict};

/// What is edited, and by which word a finding names it.
const EDITS: [(&str, &str); 4] = [
    ("UPDATE principal SET roles = 'administrator' WHERE roles = 'responder'", "roles"),
    ("UPDATE grants SET operations = 'encrypt,decrypt' WHERE operations = 'encrypt'", "operations"),
    ("UPDATE ring SET quorum = 0 WHERE name = 'orders'", "quorum"),
    ("UPDATE governance SET quorum = 0", "governance"),
];
/// What a refusal for an edited row says.
const ALTERED: &str = "not what was written";
/// "Does not verify", as the command line has it.
const UNVERIFIED: i32 = 4;

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let mut site = Site::set_up(lab)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    site.done("administrator", &["key", "create", "orders/main"])?;
    site.grant(&["app", "--key", "orders/main", "--operations", "encrypt"])?;
    site.done("security_officer-2", &["principal", "create", "nova", "--kind", "human"])?;
    let reader = site.all("auditor").into_iter().next().context("nobody who reads the log")?;
    let before = site.run(&reader, &["audit", "verify"])?;
    let mut findings = Findings::default();
    findings.add(before.is_done(), format!("untouched, it ends with {} {}", before.status, before.reason()));
    site.stop()?;
    let database = Connection::open(site.deployed("data").join("store.db"))?;
    let mut edited = 0;
    for (edit, _) in EDITS {
        edited += database.execute(edit, [])?;
    }
    database.close().map_err(|(_, error)| error)?;
    site.serve()?;
    let refused: [(&str, &str, &[&str]); 5] = [
        ("an edited role", "responder", &["ring", "create", "stolen"]),
        ("an edited grant", "app", &["encrypt", "card", "--key", "orders/main"]),
        ("a key of an edited ring", "administrator", &["key", "show", "orders/main"]),
        ("an edited ring", "administrator", &["key", "create", "orders/more"]),
        (
            "an edited rule of the deployment",
            "security_officer",
            &["role", "assign", "nova", "auditor", "--reason", "attack"],
        ),
    ];
    std::fs::write(site.path("card"), "4111-1111")?;
    for (what, who, arguments) in refused {
        let who = site.all(who).into_iter().next().unwrap_or_else(|| who.to_owned());
        let said = site.run(&who, arguments)?;
        let is_refused = !said.is_done() && said.reason().contains(ALTERED);
        findings.add(is_refused, format!("{what}: {} {}", said.status, said.reason()));
    }
    let other = site.run("administrator", &["ring", "create", "others"])?;
    findings
        .add(other.is_done(), format!("what rests on no edited row: {} {}", other.status, other.reason()));
    let after = site.run(&reader, &["audit", "verify"])?;
    let reported = format!("{}{}", after.output, after.complaint);
    findings.add(
        after.status.code() == Some(UNVERIFIED),
        format!("after {edited} edited rows `audit verify` ends with {}", after.status),
    );
    for (_, named) in EDITS {
        findings.add(
            reported.contains(named),
            format!("`{named}` {} named", if reported.contains(named) { "is" } else { "is not" }),
        );
    }
    Ok(findings.verdict())
}
