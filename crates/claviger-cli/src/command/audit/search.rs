//! `audit search`.

use clap::Args;
use claviger_audit::{Op, Outcome};
use claviger_client::Client;
use claviger_client::types::audit::ReadEntries;
use claviger_core::KeyId;
use serde::Serialize;

use super::entry::{Shown, table};
use crate::clock;
use crate::failure::Failure;
use crate::input::when;
use crate::output::note;
use crate::session::Session;

/// The most that one call brings.
const PAGE: u32 = 1000;

/// What to look for. All that is given must hold.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// About this key, as RING/NAME or id
    #[arg(long)]
    key: Option<String>,
    /// Of this operation, as in decrypt
    #[arg(long, visible_alias = "operation", value_name = "OPERATION", value_parser = parse_op)]
    op: Option<Op>,
    /// With this outcome, as in denied
    #[arg(long, value_parser = parse_outcome)]
    outcome: Option<Outcome>,
    /// From this instant on (RFC 3339), or from so long ago (2h)
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<when::When>,
    /// Before this instant (RFC 3339), or so long ago (2h)
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    until: Option<when::When>,
    /// From this index on
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    from: u64,
    /// How many at most
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// All there are
    #[arg(long, conflicts_with = "limit")]
    page_all: bool,
}

fn parse_op(text: &str) -> Result<Op, String> {
    let words = || Op::ALL.map(Op::name).join(", ");
    Op::from_name(&text.replace('-', "_")).ok_or_else(|| format!("one of {} is expected", words()))
}

fn parse_outcome(text: &str) -> Result<Outcome, String> {
    let words = || Outcome::ALL.map(Outcome::name).join(", ");
    Outcome::from_name(&text.replace('-', "_")).ok_or_else(|| format!("one of {} is expected", words()))
}

#[derive(Debug, Serialize)]
struct Found {
    items: Vec<Shown>,
    next: Option<u64>,
    log_size: u64,
}

impl SearchArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let now = clock::now();
        let mut query = ReadEntries {
            from: self.from,
            limit: None,
            key: key_id(&client, self.key.as_deref()).await?.map(Into::into),
            operation: self.op.map(Op::code),
            outcome: self.outcome.map(Outcome::code),
            since: self.since.map(|since| since.before(now).into()),
            until: self.until.map(|until| until.before(now).into()),
        };
        let most = if self.page_all { u32::MAX } else { self.limit };
        let mut found = Found { items: Vec::new(), next: None, log_size: 0 };
        loop {
            let have = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
            query.limit = Some(most.saturating_sub(have).clamp(1, PAGE));
            let page = client.read_entries(&query).await?.value;
            for entry in &page.items {
                found.items.push(Shown::of(entry)?);
            }
            (found.next, found.log_size) = (page.next, page.size);
            let have = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
            match page.next {
                Some(next) if have < most => query.from = next,
                _ => break,
            }
        }
        if let Some(next) = found.next {
            note(&format!("there may be more: `--page-all`, or `--from {next}`"));
        }
        session.format.print(&found, |found| table(&found.items))
    }
}

/// The identifier of a key that is named by identifier or name. The log knows identifiers only.
async fn key_id(client: &Client, key: Option<&str>) -> Result<Option<KeyId>, Failure> {
    let Some(key) = key else { return Ok(None) };
    if let Ok(id) = key.parse() {
        return Ok(Some(id));
    }
    Ok(Some(*client.read_key(key).await?.value.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_commands_and_of_the_log_are_both_understood() {
        assert_eq!(parse_op("verify-mac"), Ok(Op::VerifyMac));
        assert_eq!(parse_op("verify_mac"), Ok(Op::VerifyMac));
        assert_eq!(parse_outcome("wrong-state"), Ok(Outcome::WrongState));
        assert!(parse_op("burn").unwrap_err().contains("rotate_key"));
        assert!(parse_outcome("fine").unwrap_err().contains("denied"));
    }
}
