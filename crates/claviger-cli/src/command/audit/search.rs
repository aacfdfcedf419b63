//! `audit search`.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use claviger_audit::{Op, Outcome};
use claviger_client::Client;
use claviger_client::types::audit::SearchAudit;
use claviger_core::{AssetId, CredentialId, KeyId};
use serde::Serialize;

use super::entry::{Shown, table_of_search};
use super::place::{self, Place};
use crate::clock;
use crate::failure::Failure;
use crate::input::when;
use crate::output::{Format, note, print_line};
use crate::session::Session;

/// The most that one call brings.
const PAGE: u32 = 1000;

/// What to look for. All that is given must hold.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger audit search --key shop/cards --from 7d       who used a key in the last week, and from where
  claviger audit search --credential ID --from monday    what a credential did since Monday
  claviger audit search --principal ada --outcome refused")]
pub struct SearchArgs {
    /// About this key, as RING/NAME or id
    #[arg(long)]
    key: Option<String>,
    /// On this data asset, by name or id
    #[arg(long, value_name = "ASSET")]
    asset: Option<String>,
    /// Of this principal, by name or id
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// Under this credential; refused attempts with it too
    #[arg(long, value_name = "ID")]
    credential: Option<CredentialId>,
    /// Of this operation, as in decrypt
    #[arg(long, visible_alias = "op", value_name = "OPERATION", value_parser = operations())]
    operation: Option<Op>,
    /// With this outcome; `refused` is every one by which somebody was refused
    #[arg(long, value_parser = outcomes())]
    outcome: Option<Ended>,
    /// From this index on, or from this instant on: RFC 3339, a date, a day of the week, or so long ago (7d)
    #[arg(long, default_value = "0", value_name = "INDEX|TIME", value_parser = place::parse)]
    from: Place,
    /// Before this index, or before this instant
    #[arg(long, value_name = "INDEX|TIME", value_parser = place::parse)]
    to: Option<Place>,
    /// From this instant on (RFC 3339), or from so long ago (2h)
    #[arg(long, hide = true, value_name = "TIME", value_parser = when::parse)]
    since: Option<when::When>,
    /// Before this instant (RFC 3339), or so long ago (2h)
    #[arg(long, hide = true, value_name = "TIME", value_parser = when::parse, conflicts_with = "to")]
    until: Option<when::When>,
    /// How many at most
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// All there are
    #[arg(long, conflicts_with = "limit")]
    page_all: bool,
}

/// How what is looked for ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// With this outcome.
    By(Outcome),
    /// With any by which somebody was refused.
    Refused,
}

impl Ended {
    const REFUSED: &str = "refused";

    fn from_name(word: &str) -> Option<Self> {
        if word == Self::REFUSED { Some(Self::Refused) } else { Outcome::from_name(word).map(Self::By) }
    }

    fn code(self) -> Option<u8> {
        match self {
            Self::By(outcome) => Some(outcome.code()),
            Self::Refused => None,
        }
    }
}

/// A word of a closed set, as the log writes it or with hyphens, as commands do.
fn words<T: Clone + Send + Sync + 'static>(
    all: impl IntoIterator<Item = &'static str>,
    read: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let word = |word: &'static str| PossibleValue::new(word).alias(word.replace('_', "-"));
    let parser = PossibleValuesParser::new(all.into_iter().map(word));
    parser.try_map(move |word| read(&word.replace('-', "_")).ok_or("no such word"))
}

fn operations() -> impl TypedValueParser<Value = Op> {
    words(Op::ALL.map(Op::name), Op::from_name)
}

fn outcomes() -> impl TypedValueParser<Value = Ended> {
    words(Outcome::ALL.map(Outcome::name).into_iter().chain([Ended::REFUSED]), Ended::from_name)
}

#[derive(Debug, Default, Serialize)]
struct Found {
    items: Vec<Shown>,
    next: Option<u64>,
    log_size: u64,
    undecided: u64,
}

impl SearchArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let now = clock::now();
        let instant = |place: Option<Place>, when: Option<when::When>| {
            let at = place.and_then(|place| place.instant(now)).or(when.map(|when| when.before(now)));
            at.map(Into::into)
        };
        let end = self.to.and_then(Place::index);
        let mut query = SearchAudit {
            from: self.from.index().unwrap_or(0),
            size: end,
            limit: None,
            key: key_id(&client, self.key.as_deref()).await?.map(Into::into),
            operation: self.operation.map(Op::code),
            outcome: self.outcome.and_then(Ended::code),
            refused: self.outcome == Some(Ended::Refused),
            since: instant(Some(self.from), self.since),
            until: instant(self.to, self.until),
            principal: self.principal,
            credential: self.credential.map(Into::into),
            asset: asset_id(&client, self.asset.as_deref()).await?.map(Into::into),
        };
        let most = if self.page_all { u32::MAX } else { self.limit };
        // All there are may be more than memory holds: for people they are shown as they come.
        let at_once = !(self.page_all && session.format == Format::Table);
        let mut found = Found::default();
        loop {
            let have = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
            query.limit = Some(most.saturating_sub(have).clamp(1, PAGE));
            let page = client.search_audit(&query).await?.value;
            for entry in page.items {
                let entry = Shown::of_search(entry, &page.names)?;
                if at_once {
                    found.items.push(entry);
                } else {
                    print_line(&entry.line_of_search())?;
                }
            }
            found.undecided += page.undecided;
            (found.next, found.log_size) = (page.next, page.size);
            query.size = Some(page.size);
            let have = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
            match page.next {
                Some(next) if have < most => query.from = next,
                _ => break,
            }
        }
        if let Some(next) = found.next {
            note(&format!("there may be more: `--page-all`, or `--from {next}`"));
        }
        if found.undecided > 0 {
            note(&format!(
                "{} entries were passed over: nothing says whose they are (`claviger audit verify` says whether somebody changed that)",
                found.undecided
            ));
        }
        if !at_once {
            return Ok(());
        }
        session.format.print(&found, |found| table_of_search(&found.items))
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

/// The same of a data asset.
async fn asset_id(client: &Client, asset: Option<&str>) -> Result<Option<AssetId>, Failure> {
    let Some(asset) = asset else { return Ok(None) };
    if let Ok(id) = asset.parse() {
        return Ok(Some(id));
    }
    Ok(Some(*client.read_asset(asset).await?.value.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_commands_and_of_the_log_are_both_understood() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: SearchArgs,
        }
        let parse = |words: &[&str]| {
            let line = ["search"].iter().chain(words);
            <Line as clap::Parser>::try_parse_from(line).map(|line| line.args)
        };
        for word in ["verify-mac", "verify_mac"] {
            assert_eq!(parse(&["--operation", word]).unwrap().operation, Some(Op::VerifyMac));
        }
        let outcome = |word: &str| parse(&["--outcome", word]).unwrap().outcome;
        assert_eq!(outcome("wrong-state"), Some(Ended::By(Outcome::WrongState)));
        assert_eq!(outcome("refused"), Some(Ended::Refused));
        let refused = |words: &[&str]| parse(words).unwrap_err().to_string();
        assert!(refused(&["--op", "burn"]).contains("rotate_key"));
        assert!(refused(&["--outcome", "fine"]).contains("denied"));
    }
}
