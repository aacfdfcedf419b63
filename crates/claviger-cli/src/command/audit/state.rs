//! `audit state`: every object as it stood at a moment, rebuilt here from the facts of the log.

use std::fmt::Write as _;

use clap::Args;
use claviger_audit::fact::{Kind, Object};
use claviger_audit::verify::{Moment, Reached, ShownObject};
use claviger_client::types::Instant;
use claviger_core::Timestamp;
use serde::Serialize;

use super::export::export;
use super::offline::{ExportArgs, Verified, verify_at};
use crate::clock;
use crate::failure::Failure;
use crate::input::when;
use crate::input::word::one_of;
use crate::session::Session;

/// Which moment, and which objects.
#[derive(Debug, Args)]
#[command(after_help = "Example: claviger audit state --at 2026-03-01T00:00:00Z --kind grant

The whole log is fetched and verified first; nothing is shown of a log in which something does not hold. What people and callers name \
(names, labels, contexts, networks, texts of reasons) is sealed in the log, and shown as that; `key list`, `ring list` and `principal \
list` name what is live.")]
pub struct StateArgs {
    /// The state at this instant (RFC 3339), or so long ago (2h), by the log's time; without it the newest one
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    at: Option<when::When>,
    /// The state behind this entry
    #[arg(long, value_name = "INDEX", conflicts_with = "at")]
    entry: Option<u64>,
    /// Only objects of this kind
    #[arg(long, value_name = "KIND", value_parser = one_of::<Kind>(Kind::ALL.map(Kind::name)))]
    kind: Option<Kind>,
    /// Only the object with this identifier; of a version KEY/NUMBER
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    export: ExportArgs,
}

/// The objects as they stood.
#[derive(Debug, Serialize)]
struct Report {
    origin: String,
    /// How many entries lie before that moment.
    entries: u64,
    /// The instant of the last of them.
    newest_entry_at: Option<Instant>,
    objects: Vec<ShownObject>,
}

impl StateArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let moment = match (self.at, self.entry) {
            (Some(at), _) => Some(Moment::Instant(at.before(clock::now()).as_micros())),
            (None, entry) => entry.map(Moment::Entry),
        };
        let verified = match self.export.offline()? {
            Some((dir, key)) => verify_at(dir, &key, moment)?,
            None => {
                let client = session.client()?;
                let reported = client.read_checkpoint().await?;
                let key = self.export.key(&reported.value.root_vkey)?;
                let place = self.export.place()?;
                export(&client, &key, place.path(), reported.entry).await?;
                verify_at(place.path(), &key, moment)?
            }
        };
        let report = self.report(verified.whole()?, moment)?;
        session.format.print(&report, text)
    }

    fn report(&self, verified: Verified, moment: Option<Moment>) -> Result<Report, Failure> {
        if moment.is_some() && verified.shards.len() > 1 {
            let message =
                "a log of several shards has no order in which its state at a moment could be shown";
            return Err(Failure::failed(message));
        }
        let reached = match (moment, verified.moment) {
            (None, _) => Reached { size: verified.entries, newest_at: None },
            (Some(_), Some(reached)) => reached,
            (Some(_), None) => {
                let last = verified.entries.saturating_sub(1);
                let message = format!("the log does not reach that moment: its newest entry is {last}");
                return Err(Failure::failed(message));
            }
        };
        if reached.size < verified.unknown_before {
            return Err(Failure::failed(format!(
                "the state is not decidable before entry {}: an older release wrote that part of the log, and kept no facts",
                verified.unknown_before
            )));
        }
        let is_wanted = |object: &Object| {
            self.kind.is_none_or(|kind| kind == object.kind())
                && self.id.as_ref().is_none_or(|id| *id == object.shown_id())
        };
        let objects = verified.objects.rewound();
        let objects = objects.iter().filter(|(object, _)| is_wanted(object));
        Ok(Report {
            origin: verified.origin,
            entries: reached.size,
            newest_entry_at: reached.newest_at.map(|at| Timestamp::from_micros(at).into()),
            objects: objects.map(|(object, current)| ShownObject::new(object, current)).collect(),
        })
    }
}

fn text(report: &Report) -> String {
    let of = report.newest_entry_at.as_ref().map_or_else(String::new, |at| format!(", the last of {at}"));
    let mut text = format!("The state behind {} entries of {}{of}:\n", report.entries, report.origin);
    for object in &report.objects {
        let _ = writeln!(text, "\n{object}");
    }
    text
}
