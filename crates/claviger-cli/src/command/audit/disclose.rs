//! `audit disclose`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use claviger_audit::session::{DisclosedName, DisclosedSession, Disclosure, Level};
use claviger_client::Client;
use claviger_client::types::audit::DiscloseAudit;
use serde::Serialize;

use crate::failure::Failure;
use crate::file::placed::{ForceArgs, Placed, Privacy};
use crate::input::word::one_of;
use crate::output::record;
use crate::session::Session;

/// Which entries, how much, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Levels:
  minimal     how callers proved who they are, over what, from what class of address
  pseudonym   the same, with identifiers of principals and credentials, and names of keys and rings
  full        everything, with names of principals and addresses

Example:
  claviger audit disclose --from 1000 --to 2000 --level pseudonym --out who.disclosure
  claviger-verify evidence --root-vkey root.vkey --disclosure who.disclosure")]
pub struct DiscloseArgs {
    /// Index of the first entry
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    from: u64,
    /// Index of the first entry behind the range; the end of the log unless given
    #[arg(long, value_name = "INDEX")]
    to: Option<u64>,
    /// How much is disclosed
    #[arg(long, default_value = "pseudonym", value_name = "LEVEL", value_parser = one_of::<Level>(Level::ALL.map(Level::name)))]
    level: Level,
    /// File for the disclosure
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
}

#[derive(Debug, Serialize)]
struct Shown {
    file: String,
    origin: String,
    from: u64,
    to: u64,
    level: &'static str,
    sessions: usize,
    names: usize,
}

impl DiscloseArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.force.check([&self.out])?;
        let client = session.client()?;
        let to = match self.to {
            Some(to) => to,
            None => client.read_checkpoint().await?.value.shard_size,
        };
        let disclosure = disclosed(&client, self.from, to, self.level).await?;
        let bytes = disclosure.encode().map_err(no_disclosure)?;
        // It names people, at the level `full`.
        Placed::write(&self.out, Privacy::Owner, self.force.existing(), &bytes)?;
        let shown = Shown {
            file: self.out.display().to_string(),
            origin: disclosure.origin,
            from: disclosure.from,
            to: disclosure.to,
            level: disclosure.level.name(),
            sessions: disclosure.sessions.len(),
            names: disclosure.names.len(),
        };
        session.format.print(&shown, |shown| {
            record(&[
                ("file", shown.file.clone()),
                ("log", shown.origin.clone()),
                ("entries", format!("{} to {}", shown.from, shown.to.saturating_sub(1))),
                ("level", shown.level.to_owned()),
                ("sessions", shown.sessions.to_string()),
                ("names", shown.names.to_string()),
            ])
        })
    }
}

/// Asks who stands behind the entries `from..to`, as far as the level lets it out.
///
/// # Errors
/// When the deployment refuses, or what it gives does not read.
pub(crate) async fn disclosed(
    client: &Client,
    from: u64,
    to: u64,
    level: Level,
) -> Result<Disclosure, Failure> {
    let mut query = DiscloseAudit { from, to, level: level.to_string() };
    let (mut sessions, mut names) = (BTreeMap::new(), BTreeMap::new());
    let origin = loop {
        let page = client.disclose_audit(&query).await?.value;
        for bytes in &page.sessions {
            let found = DisclosedSession::decode(bytes.as_ref()).map_err(no_disclosure)?;
            sessions.insert(found.entry, found);
        }
        for bytes in &page.names {
            let found = DisclosedName::decode(bytes.as_ref()).map_err(no_disclosure)?;
            names.insert((found.object, found.number), found);
        }
        match page.next {
            Some(next) => query.from = next,
            None => break page.origin,
        }
    };
    let (sessions, names) = (sessions.into_values().collect(), names.into_values().collect());
    Ok(Disclosure { origin, from, to, level, sessions, names })
}

pub(crate) fn no_disclosure(error: claviger_audit::session::DisclosureError) -> Failure {
    Failure::unverified(format!("what the deployment discloses does not read: {error}"))
}
