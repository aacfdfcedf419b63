//! `claviger break-glass …`: emergency access.

use std::time::Duration;

use clap::{Args, Subcommand};
use claviger_client::types::break_glass::{
    BreakGlass, BreakGlassClosed, BreakGlassReviewed, BreakGlassState, ListBreakGlass, OpenBreakGlass,
    ReviewBreakGlass,
};
use claviger_client::types::text::PrincipalIdText;
use claviger_client::types::{GiveReason, Instant};
use claviger_core::BreakGlassId;
use claviger_core::break_glass::BreakGlassVerdict;

use super::paging::Paging;
use super::reason::{self, WhyArgs};
use crate::failure::Failure;
use crate::input::when::parse_span;
use crate::input::word::one_of;
use crate::output::{Table, named, note, record};
use crate::session::Session;

/// Commands about emergency access.
#[derive(Debug, Subcommand)]
pub enum BreakGlassCommand {
    /// Open emergency access: a person without a role decrypts, verifies or unwraps what named keys protected before
    ///
    /// One responder or security officer approves it first, in place of the custodians whom a ring asks for otherwise: the command asks for
    /// that, and ends with exit code 3 and the identifier of the approval. Nobody opens or approves it for themselves, or for somebody whose
    /// account or credential they made. It ends by itself, and raises an alert at once.
    Open(OpenArgs),
    /// List emergency accesses
    List(ListArgs),
    /// Show one emergency access
    Show(ShowArgs),
    /// End emergency access before its time
    Close(CloseArgs),
    /// Say what a review of emergency access found, once it has ended
    ///
    /// Another person than who had the access, opened it or approved it. What was done stands in the log: `claviger audit search --principal
    /// HOLDER --from TIME`. Until somebody has reviewed it, `status`, `doctor`, a metric and each start say so.
    Review(ReviewArgs),
}

/// For whom, to what, and for how long.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// Who gets it, by name or id: a person without a role, by whatever account
    #[arg(long, value_name = "PRINCIPAL")]
    holder: String,
    /// Key, as `ring/name` or id; once for each
    #[arg(long = "key", value_name = "KEY", required = true)]
    keys: Vec<String>,
    /// For how long, no longer than `governance show` says; 2h where nothing is said
    #[arg(long = "for", value_name = "SPAN", value_parser = parse_span)]
    lifetime: Option<Duration>,
    #[command(flatten)]
    why: WhyArgs,
}

/// Which of them.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Those that are open, that have ended and await a review, or that were reviewed; all where nothing is said
    #[arg(long, value_parser = one_of::<BreakGlassState>(BreakGlassState::ALL.map(BreakGlassState::name)))]
    state: Option<BreakGlassState>,
    #[command(flatten)]
    paging: Paging,
}

/// Which.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Emergency access, by id
    #[arg(value_name = "ID")]
    access: BreakGlassId,
}

/// Which to close.
#[derive(Debug, Args)]
pub struct CloseArgs {
    /// Emergency access, by id
    #[arg(value_name = "ID")]
    access: BreakGlassId,
    #[command(flatten)]
    why: WhyArgs,
}

/// What was found.
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// Emergency access, by id
    #[arg(value_name = "ID")]
    access: BreakGlassId,
    /// What was found
    #[arg(long, value_parser = one_of::<BreakGlassVerdict>(BreakGlassVerdict::ALL.map(BreakGlassVerdict::name)))]
    verdict: BreakGlassVerdict,
    #[command(flatten)]
    why: WhyArgs,
}

impl OpenArgs {
    fn to_request(&self) -> OpenBreakGlass {
        let GiveReason { reason, reason_code } = self.why.clone().into();
        OpenBreakGlass {
            holder: self.holder.clone(),
            keys: self.keys.clone(),
            lifetime_seconds: self.lifetime.map(|span| span.as_secs()),
            reason,
            reason_code,
        }
    }
}

impl BreakGlassCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let access = match self {
            Self::List(args) => return args.run(session).await,
            Self::Open(args) => client.open_break_glass(&args.to_request()).await?.value,
            Self::Show(args) => client.read_break_glass(args.access).await?.value,
            Self::Close(args) => client.close_break_glass(args.access, &args.why.into()).await?.value,
            Self::Review(args) => {
                let GiveReason { reason, reason_code } = args.why.into();
                let review = ReviewBreakGlass { verdict: args.verdict.into(), reason, reason_code };
                client.review_break_glass(args.access, &review).await?.value
            }
        };
        session.format.print(&access, table)?;
        if let Some(next) = next(&access) {
            note(&next);
        }
        Ok(())
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let fetch = async |cursor, limit| {
            let query = ListBreakGlass { state: self.state.map(Into::into), cursor, limit };
            Ok(client.list_break_glass(&query).await?.value)
        };
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let heads = ["id", "holder", "keys", "opened by", "because", "is"];
            let mut table = Table::new("emergency accesses", &heads);
            for access in &page.items {
                table.row([
                    access.id.to_string(),
                    named(&access.names, access.holder),
                    keys(access),
                    named(&access.names, access.opened_by),
                    reason::reported(access.reason.as_ref()),
                    state(access),
                ]);
            }
            table.text()
        })
    }
}

fn keys(access: &BreakGlass) -> String {
    access.keys.iter().map(|key| named(&access.names, key)).collect::<Vec<_>>().join(", ")
}

/// How it stands, and since or until when.
fn state(access: &BreakGlass) -> String {
    match *access.state {
        BreakGlassState::Ended => format!("ended at {}, NOT REVIEWED", ended_at(access)),
        BreakGlassState::Open => format!("OPEN until {}", access.ends_at),
        BreakGlassState::Reviewed => {
            let verdict = access.reviewed.map(|reviewed| reviewed.verdict.to_string());
            format!("reviewed: {}", verdict.unwrap_or_default())
        }
    }
}

fn ended_at(access: &BreakGlass) -> Instant {
    access.closed.map_or(access.ends_at, |closed| closed.at)
}

/// What is to be done next.
fn next(access: &BreakGlass) -> Option<String> {
    let id = access.id;
    match *access.state {
        BreakGlassState::Ended => Some(format!(
            "another person than who had, opened or approved it reviews it: `claviger break-glass review {id} --verdict justified|unjustified \
             --reason TEXT`"
        )),
        BreakGlassState::Open => Some(format!(
            "it ends by itself, or by `claviger break-glass close {id} --reason TEXT`, and is reviewed then"
        )),
        BreakGlassState::Reviewed => None,
    }
}

/// One emergency access as text.
pub(super) fn table(access: &BreakGlass) -> String {
    let by = |one: PrincipalIdText| named(&access.names, one);
    let closed = access.closed.map(|BreakGlassClosed { by: who, at }| format!("by {} at {at}", by(who)));
    let reviewed = access
        .reviewed
        .map(|BreakGlassReviewed { verdict, by: who, at }| format!("{verdict}, by {} at {at}", by(who)));
    record(&[
        ("id", access.id.to_string()),
        ("is", state(access)),
        ("holder", named(&access.names, access.holder)),
        ("keys", keys(access)),
        ("grants", access.grants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("reason", reason::reported(access.reason.as_ref())),
        ("reason id", reason::id_of(access.reason.as_ref())),
        ("opened by", by(access.opened_by)),
        ("opened at", access.opened_at.to_string()),
        ("approval", access.approval.map_or_else(|| "asked of nobody".to_owned(), |id| id.to_string())),
        ("ends at", access.ends_at.to_string()),
        ("closed", closed.unwrap_or_default()),
        ("reviewed", reviewed.unwrap_or_default()),
        ("revision", access.revision.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(state: &str) -> BreakGlass {
        let id = |last: char| format!("01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4{last}");
        let json = serde_json::json!({
            "id": id('0'), "state": state, "holder": id('1'), "keys": [id('2'), id('3')], "grants": [id('4'), id('5')],
            "opened_by": id('6'), "approval": id('7'), "opened_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T02:00:00Z",
            "closed": null, "reviewed": null, "names": {(id('1')): "nadia", (id('2')): "orders/pan"}, "revision": 1,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_is_open_or_unreviewed_says_so_and_what_to_do() {
        let open = access("open");
        let said = table(&open);
        assert!(said.contains("OPEN until 2026-01-01T02:00:00Z") && said.contains("nadia"), "{said}");
        assert!(said.contains("orders/pan, 01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d43"), "{said}");
        assert!(next(&open).is_some_and(|next| next.contains("break-glass close")));
        let ended = access("ended");
        assert!(table(&ended).contains("ended at 2026-01-01T02:00:00Z, NOT REVIEWED"));
        assert!(next(&ended).is_some_and(|next| next.contains("break-glass review")));
        assert_eq!(next(&access("reviewed")), None);
    }

    #[test]
    fn a_request_says_for_how_long_where_that_is_said() {
        let args = |lifetime: Option<u64>| OpenArgs {
            holder: "nadia".to_owned(),
            keys: vec!["orders/pan".to_owned()],
            lifetime: lifetime.map(Duration::from_secs),
            why: "down".into(),
        };
        assert_eq!(args(Some(7200)).to_request().lifetime_seconds, Some(7200));
        let request = args(None).to_request();
        assert_eq!((request.lifetime_seconds, request.reason.as_deref()), (None, Some("down")));
    }
}
