//! `audit verify`: the whole log, checked here, and the live state held against it.

use std::path::Path;

use clap::Args;
use claviger_audit::VerifierKey;
use claviger_client::Client;
use serde::Serialize;

use super::export::export_with_rows;
use super::offline::{ExportArgs, Verified, verify};
use crate::failure::Failure;
use crate::output::record;
use crate::session::Session;

/// What to verify.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    export: ExportArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    verified: Verified,
    key_known_beforehand: bool,
}

impl VerifyArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let key_known_beforehand = self.export.knows_key();
        let verified = match self.export.offline()? {
            Some((dir, key)) => verify(dir, &key)?,
            None => self.verify_live(session).await?,
        };
        let report = Report { verified: verified.whole()?, key_known_beforehand };
        session.format.print(&report, text)
    }

    async fn verify_live(&self, session: &Session) -> Result<Verified, Failure> {
        let client = session.client()?;
        let key = self.export.key(&client.read_checkpoint().await?.value.root_vkey)?;
        let place = self.export.place()?;
        let indexes = client.check_indexes().await?.value.findings;
        let mut verified = compare(&client, &key, place.path()).await?;
        verified.findings.extend(indexes.iter().map(|index| format!("index-damaged: {index}")));
        Ok(verified)
    }
}

/// Exports log and live rows into a directory, and verifies what lies there, as whoever is offline would.
///
/// # Errors
/// When rows or log cannot be read.
pub(crate) async fn compare(client: &Client, key: &VerifierKey, dir: &Path) -> Result<Verified, Failure> {
    export_with_rows(client, key, dir).await?;
    verify(dir, key)
}

fn text(report: &Report) -> String {
    let verified = &report.verified;
    record(&[
        ("verified", format!("{}, {} cuts, {} entries", verified.origin, verified.cuts, verified.entries)),
        (
            "shards",
            verified
                .shards
                .iter()
                .map(|(shard, size)| format!("{shard}: {size}"))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("key versions in the log", verified.key_versions.to_string()),
        ("objects in the log", verified.objects.len().to_string()),
        ("snapshots that hold", verified.snapshots.to_string()),
        ("live state", verified.live_state.to_string()),
        (
            "root key",
            if report.key_known_beforehand { "the one you gave" } else { "the log's own word" }.to_owned(),
        ),
        ("findings", "none".to_owned()),
    ])
}
