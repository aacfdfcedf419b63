//! `audit verify`: the whole log, checked here, and the live state held against it.

use std::path::Path;

use clap::Args;
use claviger_audit::VerifierKey;
use claviger_audit::fact::Field;
use claviger_audit::verify::{Comparison, LiveRow};
use claviger_client::Client;
use claviger_client::types::audit::{ListRows, LiveField, LiveRow as WireRow};
use claviger_core::object::Object;
use serde::Serialize;

use super::export::export;
use super::offline::{ExportArgs, Verified, reported, verify};
use crate::failure::Failure;
use crate::output::{record, warn};
use crate::session::Session;

/// How often live state and log are compared when they differ: a change between the two readings is no finding.
const TRIES: u32 = 3;

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
    /// Live rows that were compared; absent when no deployment was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    live_rows: Option<usize>,
}

impl VerifyArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let key_known_beforehand = self.export.knows_key();
        let (verified, live_rows) = match self.export.offline()? {
            Some((dir, key)) => (verify(dir, &key)?, None),
            None => self.verify_live(session).await?,
        };
        let verified = verified.whole()?;
        let report = Report { verified, key_known_beforehand, live_rows };
        session.format.print(&report, text)
    }

    async fn verify_live(&self, session: &Session) -> Result<(Verified, Option<usize>), Failure> {
        let client = session.client()?;
        let key = self.export.key(&client.read_checkpoint().await?.value.root_vkey)?;
        let place = self.export.place()?;
        let indexes = client.check_indexes().await?.value.findings;
        let indexes: Vec<_> = indexes.iter().map(|index| format!("index-damaged: {index}")).collect();
        let mut lasting = None;
        let mut tries = 1;
        loop {
            let (verified, live, found) = compare(&client, &key, place.path()).await?;
            let found = still(lasting, found);
            if found.is_empty() || tries == TRIES {
                let findings = verified.findings.into_iter().chain(found).chain(indexes).collect();
                return Ok((Verified { findings, ..verified }, Some(live)));
            }
            warn("live state and log differ; comparing again, in case something changed in between");
            (lasting, tries) = (Some(found), tries + 1);
        }
    }
}

/// What was found of what had been found each time before: where changes go on, every reading differs from the log in others.
fn still(before: Option<Vec<String>>, mut found: Vec<String>) -> Vec<String> {
    if let Some(before) = before {
        found.retain(|finding| before.contains(finding));
    }
    found
}

/// Reads the live rows, then the log up to and beyond that reading, and compares: what the log is, how many rows there are, and where they
/// differ from it.
///
/// # Errors
/// When rows or log cannot be read.
pub(crate) async fn compare(
    client: &Client,
    key: &VerifierKey,
    dir: &Path,
) -> Result<(Verified, usize, Vec<String>), Failure> {
    let (live, entry) = live_rows(client).await?;
    export(client, key, dir, entry).await?;
    let verified = verify(dir, key)?;
    let mut comparison = Comparison::new(&verified.objects);
    live.iter().for_each(|row| comparison.see(row));
    let found = comparison.finish().iter().map(reported).collect();
    Ok((verified, live.len(), found))
}

/// The live rows, and the log entry of the last reading of them.
async fn live_rows(client: &Client) -> Result<(Vec<LiveRow>, Option<u64>), Failure> {
    let mut rows = Vec::new();
    let mut query = ListRows { cursor: None, limit: Some(1000) };
    loop {
        let answer = client.list_rows(&query).await?;
        for row in answer.value.items {
            rows.push(read(row).ok_or_else(|| Failure::failed("the service gave a row that does not read"))?);
        }
        match answer.value.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok((rows, answer.entry)),
        }
    }
}

fn read(row: WireRow) -> Option<LiveRow> {
    let object = Object::from_id(row.kind.parse().ok()?, &row.id.0)?;
    let field = |field: LiveField| {
        let shown = match (field.value, field.commitment) {
            (Some(value), None) => Field::Open(value.0.to_vec()),
            (None, Some(commitment)) => Field::Hidden(commitment.0.as_ref().try_into().ok()?),
            _ => return None,
        };
        Some((field.number, shown))
    };
    let fields = row.fields.into_iter().map(field).collect::<Option<_>>()?;
    Some(LiveRow { object, revision: row.revision, fields, holds: !row.altered })
}

fn text(report: &Report) -> String {
    let verified = &report.verified;
    let live = report.live_rows.map(|count| format!("{count} rows are as the log says"));
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
        ("live state", live.unwrap_or_else(|| "not asked".to_owned())),
        (
            "root key",
            if report.key_known_beforehand { "the one you gave" } else { "the log's own word" }.to_owned(),
        ),
        ("findings", "none".to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_each_time_is_found_and_what_changes_meanwhile_is_not() {
        let found = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let first = still(None, found(&["edited", "made between"]));
        assert_eq!(first, ["edited", "made between"]);
        let second = still(Some(first), found(&["made later", "edited"]));
        assert_eq!(second, ["edited"]);
        assert!(still(Some(second), found(&["made last"])).is_empty());
    }
}
