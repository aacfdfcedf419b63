//! `claviger audit …`.

pub(crate) mod checkpoint;
pub(crate) mod disclose;
mod entry;
pub(crate) mod export;
mod follow;
pub(crate) mod offline;
mod place;
pub(crate) mod prove;
mod rows;
mod scan;
mod search;
mod snapshot;
mod state;
pub(crate) mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::session::Session;

/// Commands about the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Show the newest entries, and with `--follow` those to come
    Tail(follow::TailArgs),
    /// Find who did what: entries by key, caller, operation, outcome and time
    Search(search::SearchArgs),
    /// Prove that an entry is in the log, and check the proof here
    Prove(prove::ProveArgs),
    /// Show the newest signed checkpoint, and check its signature here
    Checkpoint(checkpoint::CheckpointArgs),
    /// Write the verifier key of the root log: what everybody checks the log with
    RootVkey(checkpoint::RootVkeyArgs),
    /// Verify the whole log here, and the live state against it; exit code 4 with findings
    Verify(verify::VerifyArgs),
    /// Commit the log to all objects as they stand, so that nobody can say later that they were others
    Snapshot(snapshot::SnapshotArgs),
    /// Open every stored secret in its place, and name those that do not open; exit code 4 with one
    Scan(scan::ScanArgs),
    /// Show every object as it stood at a moment, rebuilt here from the log
    State(state::StateArgs),
    /// Take log and live state out as files that can be verified anywhere
    Export(export::ExportArgs),
    /// Make a file that discloses who stands behind entries, to be checked against an export
    Disclose(disclose::DiscloseArgs),
}

impl AuditCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Tail(args) => args.run(session).await,
            Self::Search(args) => args.run(session).await,
            Self::Prove(args) => args.run(session).await,
            Self::Checkpoint(args) => args.run(session).await,
            Self::RootVkey(args) => args.run(session).await,
            Self::Verify(args) => args.run(session).await,
            Self::Snapshot(args) => args.run(session).await,
            Self::Scan(args) => args.run(session).await,
            Self::State(args) => args.run(session).await,
            Self::Export(args) => args.run(session).await,
            Self::Disclose(args) => args.run(session).await,
        }
    }
}
