//! `audit tail`.

use std::time::Duration;

use clap::Args;
use claviger_client::types::audit::ReadEntries;
use claviger_client::{Client, ClientError};

use super::entry::{Shown, table};
use crate::failure::Failure;
use crate::output::{Format, print_line, warn};
use crate::session::Session;

/// How often a followed log is asked for more.
const PAUSE: Duration = Duration::from_secs(1);

/// How much of the end.
#[derive(Debug, Args)]
#[command(
    after_help = "Followed with `-o json`, entries come as JSON lines; with `-o yaml`, as one document each. Following goes on when the deployment
was away for a while, and leaves no entry out.

Example, feeding a collector that was last given entry 4711:
  claviger -o json audit tail --follow --from 4712"
)]
pub struct TailArgs {
    /// How many entries
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    lines: u32,
    /// All entries from this one on instead, in their order
    #[arg(long, value_name = "INDEX", conflicts_with = "lines")]
    from: Option<u64>,
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
        if let Some(from) = self.from {
            return self.stream(session, &client, from).await;
        }
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
            for entry in page.items {
                query.from = entry.index + 1;
                shown.push(Shown::of(entry, &page.names)?);
            }
            match page.next {
                Some(next) => query.from = next,
                None => break,
            }
        }
        shown.retain(|shown| self.with_reads || !shown.entry.is_reading());
        let surplus = shown.len().saturating_sub(usize::try_from(self.lines).unwrap_or(usize::MAX));
        shown.drain(..surplus);
        if !self.follow {
            return session.format.print(&shown, |shown| table(shown));
        }
        for entry in &shown {
            print(session.format, entry)?;
        }
        tokio::time::sleep(PAUSE).await;
        self.stream(session, &client, query.from).await
    }

    /// Prints entries from `from` on, one by one: those that are there, and with `--follow` those to come.
    async fn stream(&self, session: &Session, client: &Client, from: u64) -> Result<(), Failure> {
        let mut query = ReadEntries { from, limit: Some(1000), ..ReadEntries::default() };
        let mut is_away = false;
        loop {
            let page = match client.read_entries(&query).await {
                Ok(answer) => answer.value,
                Err(error) if self.follow && is_passing(&error) => {
                    if !is_away {
                        warn(&format!("{error}; going on from entry {} when it answers", query.from));
                    }
                    is_away = true;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            is_away = false;
            for entry in page.items {
                query.from = entry.index + 1;
                let shown = Shown::of(entry, &page.names)?;
                if self.with_reads || !shown.entry.is_reading() {
                    print(session.format, &shown)?;
                }
            }
            match page.next {
                Some(next) => query.from = next,
                None if self.follow => tokio::time::sleep(PAUSE).await,
                None => return Ok(()),
            }
        }
    }
}

/// Is it over when the deployment has started again, or has less to do?
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Transport(_) => true,
        ClientError::Problem(problem) => problem.status == 503,
        ClientError::Decode(_) | ClientError::Setup(_) => false,
    }
}

fn print(format: Format, entry: &Shown) -> Result<(), Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    match format {
        Format::Table => print_line(&entry.line()),
        Format::Json => print_line(&serde_json::to_string(entry).map_err(|error| broken(&error))?),
        Format::Yaml => print_line(&format!("---\n{}", format.encode(entry)?)),
    }
}
