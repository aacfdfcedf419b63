//! `audit snapshot`.

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::record;
use crate::session::Session;

/// Nothing to choose.
#[derive(Debug, Args)]
#[command(after_help = "Example: claviger audit snapshot

The system takes one every day. `claviger audit verify`, and `claviger-verify` on an export, rebuild the state that each is of from the \
facts of the log, and hold the root against it.")]
pub struct SnapshotArgs {}

#[derive(Debug, Serialize)]
struct Shown {
    /// The entry that commits to the state.
    entry: Option<u64>,
    /// It is of the state behind so many entries.
    size: u64,
    objects: u64,
    root: String,
}

impl SnapshotArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let answer = session.client()?.take_snapshot().await?;
        let snapshot = answer.value;
        let root = hex::encode(&snapshot.root.0);
        let shown = Shown { entry: answer.entry, size: snapshot.size, objects: snapshot.objects, root };
        session.format.print(&shown, |shown| {
            record(&[
                ("entry", shown.entry.map(|entry| entry.to_string()).unwrap_or_default()),
                ("state behind", format!("{} entries", shown.size)),
                ("objects", shown.objects.to_string()),
                ("root", shown.root.clone()),
            ])
        })
    }
}
