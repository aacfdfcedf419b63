//! `audit tail`.

use std::time::Duration;

use clap::Args;
use claviger_client::types::audit::ReadEntries;

use super::entry::{Shown, table};
use crate::failure::Failure;
use crate::output::{Format, print_line};
use crate::session::Session;

/// How often a followed log is asked for more.
const PAUSE: Duration = Duration::from_secs(1);

/// How much of the end.
#[derive(Debug, Args)]
#[command(
    after_help = "Followed with `-o json`, entries come as JSON lines; with `-o yaml`, as one document each."
)]
pub struct TailArgs {
    /// How many entries
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    lines: u32,
    /// Go on with those to come, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Show reads of the log too: each look at it is an entry of it
    #[arg(long)]
    with_reads: bool,
}

impl TailArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let first =
            client.read_entries(&ReadEntries { limit: Some(1), ..ReadEntries::default() }).await?.value;
        // Reads are left out unless asked for, so that more than the number asked for is fetched, and then cut.
        let back =
            u64::from(if self.with_reads { self.lines } else { self.lines.saturating_mul(4).min(1000) });
        let mut query = ReadEntries {
            from: first.size.saturating_sub(back),
            limit: Some(1000),
            ..ReadEntries::default()
        };
        let mut shown = Vec::new();
        loop {
            let page = client.read_entries(&query).await?.value;
            for entry in &page.items {
                query.from = entry.index + 1;
                shown.push(Shown::of(entry)?);
            }
            match page.next {
                Some(next) => query.from = next,
                None => break,
            }
        }
        shown.retain(|entry| self.with_reads || !entry.is_reading());
        let surplus = shown.len().saturating_sub(usize::try_from(self.lines).unwrap_or(usize::MAX));
        shown.drain(..surplus);
        if !self.follow {
            return session.format.print(&shown, |shown| table(shown));
        }
        for entry in &shown {
            print(session.format, entry)?;
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            let page = client.read_entries(&query).await?.value;
            for entry in &page.items {
                query.from = entry.index + 1;
                let entry = Shown::of(entry)?;
                if self.with_reads || !entry.is_reading() {
                    print(session.format, &entry)?;
                }
            }
            query.from = page.next.unwrap_or(query.from);
        }
    }
}

fn print(format: Format, entry: &Shown) -> Result<(), Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    match format {
        Format::Table => print_line(&entry.line()),
        Format::Json => print_line(&serde_json::to_string(entry).map_err(|error| broken(&error))?),
        Format::Yaml => {
            print_line(&format!("---\n{}", serde_yaml_ng::to_string(entry).map_err(|error| broken(&error))?))
        }
    }
}
