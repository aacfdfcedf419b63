//! `claviger clock …`: the log's time.

use clap::{Args, Subcommand};
use claviger_client::types::GiveReason;
use claviger_client::types::system::{ConfirmClock, LogClock};

use super::reason::WhyArgs;
use crate::clock;
use crate::failure::Failure;
use crate::input::consent::Consent;
use crate::output::record;
use crate::session::Session;

/// What can be done about the log's time.
#[derive(Debug, Clone, Subcommand)]
pub enum ClockCommand {
    /// Confirm that the server's clock is right: what cannot be undone is no longer held
    ///
    /// The reason says why the clock moved, and how you know that it is right now. Refused when the clock of this machine and
    /// that of the server are more than 5 minutes apart.
    ///
    /// Example: claviger clock confirm --yes --reason "the host was off for a week; its clock is right"
    Confirm(ConfirmArgs),
}

/// What is confirmed.
#[derive(Debug, Clone, Args)]
pub struct ConfirmArgs {
    #[command(flatten)]
    why: WhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl ClockCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::Confirm(ConfirmArgs { why, yes }) = self;
        let question = "What waits for the clock is done at once: keys whose time has come are destroyed. There is no way back.";
        Consent::of(yes).require(question, "confirm")?;
        let GiveReason { reason, reason_code } = why.into();
        let confirm = ConfirmClock { time: clock::now().into(), reason, reason_code };
        let answer = session.client()?.confirm_clock(&confirm).await?;
        session.format.print(&answer.value, table)
    }
}

fn table(clock: &LogClock) -> String {
    record(&rows(clock))
}

fn rows(clock: &LogClock) -> Vec<(&'static str, String)> {
    vec![
        ("log time", clock.log_time.to_string()),
        ("wall clock ahead by", format!("{} s", clock.ahead_seconds)),
        ("held since", clock.held_at.map(|at| at.to_string()).unwrap_or_default()),
    ]
}
