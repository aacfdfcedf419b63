//! `audit scan`.

use std::fmt::Write as _;

use clap::Args;
use claviger_client::types::audit::{SecretFinding, StoreScan};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::record;
use crate::session::Session;

/// Nothing to choose.
#[derive(Debug, Args)]
#[command(after_help = "Example: claviger audit scan

Every secret that lies in the store (keys of rings, material, subject keys, secrets of access keys, keys that seal facts, those of the \
deployment) is opened where it lies, under what wraps it, and forgotten. One that does not open is named, and exit code 4 says that there \
is one. The system does the same twice a day; each scan is an entry, which the control STOR-01 reads.")]
pub struct ScanArgs {}

#[derive(Debug, Serialize)]
struct Shown {
    /// The entry that has the numbers, and the digest of the result.
    entry: Option<u64>,
    #[serde(flatten)]
    scan: StoreScan,
}

impl ScanArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let answer = session.client()?.scan_store().await?;
        let shown = Shown { entry: answer.entry, scan: answer.value };
        session.format.print(&shown, table)?;
        match shown.scan.failed {
            0 => Ok(()),
            failed => Err(Failure::unverified(format!("{failed} stored secrets do not open in their place"))),
        }
    }
}

fn table(shown: &Shown) -> String {
    let scan = &shown.scan;
    let mut lines = vec![
        ("entry", shown.entry.map(|entry| entry.to_string()).unwrap_or_default()),
        ("begun", scan.at.to_string()),
        ("secrets", scan.scanned.to_string()),
        ("that do not open", scan.failed.to_string()),
        ("digest", scan.digest.clone()),
    ];
    for count in &scan.counts {
        let found = match count.failed {
            0 => format!("{}, under {}", count.scanned, count.wrapped_by),
            failed => format!("{}, under {}; {failed} DO NOT OPEN", count.scanned, count.wrapped_by),
        };
        lines.push((count.kind.as_str(), found));
    }
    let mut text = record(&lines);
    for SecretFinding { kind, place, because } in &scan.findings {
        let _ = writeln!(text, "DOES NOT OPEN: {kind} of {place}: {because}");
    }
    text
}
