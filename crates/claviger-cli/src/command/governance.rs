//! `claviger governance …`: the rules of the deployment itself.

use std::time::Duration;

use clap::{Args, Subcommand};
use claviger_client::types::GiveReason;
use claviger_client::types::governance::{Governance, UpdateGovernance};

use super::principal::maker;
use super::reason::{self, WhyArgs};
use super::ring::{Period, parse_period, seconds};
use crate::failure::Failure;
use crate::input::when::parse_span;
use crate::output::{note, record};
use crate::session::Session;

/// Commands about the rules of the deployment.
#[derive(Debug, Subcommand)]
pub enum GovernanceCommand {
    /// Show the rules of the deployment
    Show,
    /// Change rules of the deployment
    ///
    /// What asks for less than before is done by the approval of custodians alone: a lower quorum, approvals that live longer, longer
    /// rights, more keys that one person declares compromised. What asks for more is done at once.
    Set(SetArgs),
}

/// What changes.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// How many custodians must approve what concerns the whole deployment: roles, credentials of those who hold one, rules
    #[arg(long, value_name = "M")]
    quorum: Option<u8>,
    /// How long an approval can be decided and done, from an hour to 30d
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    approval_lifetime: Option<Duration>,
    /// The longest that a grant to a person lasts, from a day on; `never` is without end
    #[arg(long, value_name = "SPAN", value_parser = parse_period)]
    human_grant_lifetime: Option<Period>,
    /// The longest that emergency access lasts, from 15m to 24h
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    break_glass_lifetime: Option<Duration>,
    /// How many keys one person declares compromised in an hour before others must approve the next
    #[arg(long, value_name = "N")]
    compromise_burst: Option<u16>,
    /// Only if the rules still have this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    #[command(flatten)]
    why: WhyArgs,
}

impl SetArgs {
    fn to_update(&self) -> Result<UpdateGovernance, Failure> {
        let update = UpdateGovernance {
            quorum: self.quorum,
            approval_lifetime_seconds: self.approval_lifetime.map(|span| span.as_secs()),
            human_grant_lifetime_seconds: self.human_grant_lifetime.map(Period::to_seconds),
            break_glass_lifetime_seconds: self.break_glass_lifetime.map(|span| span.as_secs()),
            compromise_burst: self.compromise_burst,
            reason: None,
            reason_code: None,
        };
        if update == UpdateGovernance::default() {
            return Err(Failure::usage("nothing to change: give at least one of the rules"));
        }
        let GiveReason { reason, reason_code } = self.why.clone().into();
        Ok(UpdateGovernance { reason, reason_code, ..update })
    }
}

impl GovernanceCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let rules = match self {
            Self::Show => session.client()?.read_governance().await?.value,
            Self::Set(args) => {
                let update = args.to_update()?;
                session.client()?.update_governance(&update, args.if_revision).await?.value
            }
        };
        session.format.print(&rules, table)?;
        if rules.quorum == 0 {
            note(
                "nobody must approve what concerns the whole deployment: one person alone gives roles and makes credentials for those who hold \
                 one; `claviger governance set --quorum 2 --reason TEXT` changes that, once there are custodians",
            );
        }
        Ok(())
    }
}

/// The rules as text.
pub(super) fn table(rules: &Governance) -> String {
    let set_by = rules.set_by.as_deref().map(|by| maker(Some(by), &rules.names));
    record(&[
        ("quorum", rules.quorum.to_string()),
        ("approvals live for", seconds(Some(rules.approval_lifetime_seconds), "")),
        ("grants to people last for", seconds(rules.human_grant_lifetime_seconds, "no end")),
        ("emergency access lasts for", seconds(Some(rules.break_glass_lifetime_seconds), "")),
        ("keys declared compromised in an hour", rules.compromise_burst.to_string()),
        ("set by", set_by.unwrap_or_default()),
        ("set at", rules.set_at.map(|at| at.to_string()).unwrap_or_default()),
        ("reason", reason::reported(rules.reason.as_ref())),
        ("reason id", reason::id_of(rules.reason.as_ref())),
        ("revision", rules.revision.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(subcommand)]
        command: GovernanceCommand,
    }

    fn set(words: &[&str]) -> SetArgs {
        let line = ["governance", "set", "--reason", "why"].iter().chain(words);
        let Line { command } = <Line as clap::Parser>::try_parse_from(line).unwrap();
        let GovernanceCommand::Set(args) = command else { panic!("{command:?}") };
        args
    }

    #[test]
    fn what_is_not_given_stays_and_no_end_is_given() {
        let update = set(&["--quorum", "3", "--human-grant-lifetime", "never"]).to_update().unwrap();
        assert_eq!((update.quorum, update.human_grant_lifetime_seconds), (Some(3), Some(None)));
        assert_eq!((update.approval_lifetime_seconds, update.compromise_burst), (None, None));
        assert_eq!(update.reason.as_deref(), Some("why"));
        let update = set(&["--approval-lifetime", "3d", "--break-glass-lifetime", "30m"]);
        let update = update.to_update().unwrap();
        assert_eq!(update.approval_lifetime_seconds, Some(3 * 86_400));
        assert_eq!(update.break_glass_lifetime_seconds, Some(1800));
        assert_eq!(update.human_grant_lifetime_seconds, None);
        assert!(set(&[]).to_update().is_err());
    }

    #[test]
    fn rules_that_nobody_set_say_so_by_what_is_not_there() {
        let json = serde_json::json!({
            "quorum": 0, "approval_lifetime_seconds": 604_800, "human_grant_lifetime_seconds": null,
            "break_glass_lifetime_seconds": 14_400, "compromise_burst": 10, "revision": 0,
        });
        let said = table(&serde_json::from_value(json).unwrap());
        assert!(said.contains("no end") && said.contains("7d") && !said.contains("set by"), "{said}");
    }
}
