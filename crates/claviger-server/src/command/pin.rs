//! The option that risks the PIN of a token.

use clap::Args;
use claviger_provider::FewAttempts;

/// Whether the PIN is shown to a token that is near its lock.
#[derive(Debug, Args)]
pub(super) struct PinArgs {
    /// Log in although the token reports that few attempts are left before it locks the PIN
    #[arg(long)]
    risk_pin_lock: bool,
}

impl PinArgs {
    pub(super) const fn few_attempts(&self) -> FewAttempts {
        if self.risk_pin_lock { FewAttempts::Risk } else { FewAttempts::Keep }
    }
}
