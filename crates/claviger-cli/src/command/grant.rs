//! `claviger grant …`.

use clap::{Args, Subcommand};
use claviger_client::types::grant::{Conditions, CreateGrant, Grant, GrantOn, ListGrants};
use claviger_client::types::text::{Covered, NetworkText};
use claviger_client::types::{GiveReason, Pairs};
use claviger_core::grant::GrantOrigin;
use claviger_core::{Action, GrantId, Timestamp};

use super::paging::Paging;
use super::principal::maker;
use super::reason::{self, WhyArgs};
use crate::clock;
use crate::failure::Failure;
use crate::input::word::one_of;
use crate::input::{pair, when};
use crate::output::{Table, named, record};
use crate::session::Session;

/// Commands about grants.
#[derive(Debug, Subcommand)]
pub enum GrantCommand {
    /// Grant a principal uses of one key, or of all keys of a ring
    Create(CreateArgs),
    /// List grants, and what those rest on or ended with that applications passed on
    ///
    /// A grant that was passed on ends with what it rests on: `active until` says when, `ended with grant ID: expired` what
    /// ended it. For example: claviger grant list --key orders/main
    List(ListArgs),
    /// Show one grant
    Show(ShowArgs),
    /// Revoke a grant, at once and on every node
    Revoke(RevokeArgs),
}

/// A new grant.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("on").required(true).args(["key", "ring"])))]
pub struct CreateArgs {
    /// To whom: principal, by name or id
    principal: String,
    /// On this key, as RING/NAME or id
    #[arg(long)]
    key: Option<String>,
    /// On every key of this ring, those to come included
    #[arg(long)]
    ring: Option<String>,
    /// Which uses, as in encrypt,decrypt
    #[arg(long, required = true, value_delimiter = ',', value_name = "OPERATION", value_parser = one_of::<Action>(uses().map(Action::name)))]
    operations: Vec<Action>,
    /// Only with this pair in the encryption context; may be given many times
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair::parse)]
    context: Vec<(String, String)>,
    /// Only from this network, as in 10.0.0.0/8; may be given many times
    #[arg(long = "source", value_name = "CIDR")]
    sources: Vec<NetworkText>,
    /// Only until this instant (RFC 3339), or for so long from now (30d)
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    until: Option<when::When>,
    #[command(flatten)]
    why: WhyArgs,
}

/// Which grants.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only to this principal
    #[arg(long)]
    principal: Option<String>,
    /// Only on this key
    #[arg(long)]
    key: Option<String>,
    /// Only on this ring itself
    #[arg(long)]
    ring: Option<String>,
    /// Revoked ones too
    #[arg(long)]
    with_revoked: bool,
    #[command(flatten)]
    paging: Paging,
}

/// Which grant.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Grant, by id
    grant: GrantId,
}

/// Which grant to revoke.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Grant, by id
    grant: GrantId,
    #[command(flatten)]
    why: WhyArgs,
}

/// What can be granted; in a strict ring a part of it.
fn uses() -> impl Iterator<Item = Action> {
    Action::ALL.into_iter().filter(|action| action.is_grantable_when_relaxed())
}

impl CreateArgs {
    fn to_request(&self, now: Timestamp) -> Result<CreateGrant, Failure> {
        let on = match (&self.key, &self.ring) {
            (Some(key), None) => GrantOn::Key(key.clone()),
            (None, Some(ring)) => GrantOn::Ring(ring.clone()),
            _ => return Err(Failure::usage("exactly one of `--key` and `--ring` is expected")),
        };
        let until = self.until.map(|until| until.after(now));
        if until.is_some_and(|until| until <= now) {
            return Err(Failure::usage("`--until` is in the past: such a grant would never be honoured"));
        }
        let GiveReason { reason, reason_code } = self.why.clone().into();
        Ok(CreateGrant {
            principal: self.principal.clone(),
            on,
            operations: self.operations.iter().copied().map(Into::into).collect(),
            conditions: Conditions {
                context_equals: Pairs(pair::to_map(&self.context, "context")?),
                context_exactly: None,
                source_networks: self.sources.clone(),
                until: until.map(Into::into),
            },
            reason,
            reason_code,
            name: None,
            retiring: None,
        })
    }
}

impl GrantCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let grant = match self {
            Self::List(args) => return args.run(session).await,
            Self::Create(args) => client.create_grant(&args.to_request(clock::now())?).await?,
            Self::Show(args) => client.read_grant(args.grant).await?,
            Self::Revoke(args) => client.revoke_grant(args.grant, &args.why.into()).await?,
        };
        session.format.print(&grant.value, table)
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let fetch = async |cursor, limit| {
            let query = ListGrants {
                principal: self.principal.clone(),
                key: self.key.clone(),
                ring: self.ring.clone(),
                with_revoked: self.with_revoked,
                cursor,
                limit,
            };
            Ok(client.list_grants(&query).await?.value)
        };
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let mut table =
                Table::new("grants", &["id", "principal", "on", "operations", "if", "given because", "is"]);
            for grant in &page.items {
                table.row([
                    grant.id.to_string(),
                    named(&grant.names, grant.principal),
                    covered(grant),
                    operations(grant),
                    conditions(&grant.conditions),
                    reason::reported(grant.reason.as_ref()),
                    state(grant),
                ]);
            }
            table.text()
        })
    }
}

fn covered(grant: &Grant) -> String {
    match &grant.on {
        Covered::Key(id) => format!("key {}", named(&grant.names, id)),
        Covered::Ring(id) => format!("ring {}", named(&grant.names, id)),
    }
}

fn operations(grant: &Grant) -> String {
    grant.operations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Conditions in one line; empty when there are none.
fn conditions(conditions: &Conditions) -> String {
    let context = conditions.context_equals.0.iter().map(|(name, value)| format!("{name}={value}"));
    let sources = conditions.source_networks.iter().map(|network| format!("from {network}"));
    let until = conditions.until.iter().map(|until| format!("until {until}"));
    context.chain(sources).chain(until).collect::<Vec<_>>().join(", ")
}

/// Whether it is honoured, until when, or what ended it, in a few words.
fn state(grant: &Grant) -> String {
    let Some(ended) = &grant.ended else {
        let what = match *grant.origin {
            GrantOrigin::BreakGlass => "EMERGENCY ACCESS",
            GrantOrigin::Direct | GrantOrigin::KeyPolicy => "active",
        };
        return match &grant.ends {
            Some(ends) => format!("{what} until {ends}"),
            None => what.to_owned(),
        };
    };
    let what = match (&ended.grant, &ended.principal) {
        (Some(of), _) if *of == grant.id => String::new(),
        (Some(of), _) => format!(" with grant {of}"),
        (None, Some(principal)) => format!(" with principal {}", named(&grant.names, principal)),
        (None, None) => String::new(),
    };
    let at = ended.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
    let by = ended.reason.as_ref().and_then(|why| why.given_by.as_ref());
    let by = by.map(|by| format!(" by {}", named(&grant.names, by))).unwrap_or_default();
    let why =
        ended.reason.as_ref().map(|why| format!(" ({})", reason::reported(Some(why)))).unwrap_or_default();
    format!("ended{what}: {}{at}{by}{why}", ended.how.to_string().replace('_', " "))
}

pub(super) fn table(grant: &Grant) -> String {
    let rests_on: Vec<_> = grant.rests_on.iter().map(ToString::to_string).collect();
    record(&[
        ("id", grant.id.to_string()),
        ("principal", named(&grant.names, grant.principal)),
        ("on", covered(grant)),
        ("operations", operations(grant)),
        ("conditions", conditions(&grant.conditions)),
        ("reason", reason::reported(grant.reason.as_ref())),
        ("reason id", reason::id_of(grant.reason.as_ref())),
        ("given", grant.origin.to_string().replace('_', " ")),
        ("rests on", if rests_on.is_empty() { "a role".to_owned() } else { rests_on.join(", ") }),
        ("is", state(grant)),
        ("ended: reason id", reason::id_of(grant.ended.as_ref().and_then(|ended| ended.reason.as_ref()))),
        ("created by", maker(Some(&grant.created_by), &grant.names)),
        ("created at", grant.created_at.to_string()),
        ("revision", grant.revision.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> CreateArgs {
        CreateArgs {
            principal: "shop".into(),
            key: Some("orders/pan".into()),
            ring: None,
            operations: vec![Action::Encrypt, Action::Decrypt],
            context: vec![("tenant".into(), "a".into())],
            sources: vec!["10.0.0.0/8".parse().unwrap()],
            until: Some(when::parse("1d").unwrap()),
            why: "the shop".into(),
        }
    }

    #[test]
    fn request_carries_every_condition() {
        let now = Timestamp::from_micros(1_000_000_000_000_000);
        let request = args().to_request(now).unwrap();
        let json = serde_json::to_value(&request).unwrap();
        assert_eq!(json["on"], serde_json::json!({"key": "orders/pan"}));
        assert_eq!(json["operations"], serde_json::json!(["encrypt", "decrypt"]));
        assert_eq!(conditions(&request.conditions), "tenant=a, from 10.0.0.0/8, until 2001-09-10T01:46:40Z");
    }

    #[test]
    fn grant_that_would_never_count_is_refused_here() {
        let past = CreateArgs { until: Some(when::parse("1990-01-01T00:00:00Z").unwrap()), ..args() };
        assert!(past.to_request(Timestamp::from_micros(1_000_000_000_000_000)).is_err());
    }
}
