//! Whether a PIN may be shown to a token: tokens lock themselves after a few wrong ones.
//!
//! What it keeps true: after a token has refused a PIN, nothing in this process shows a PIN to a token again, whichever
//! provider asks; a token that says of itself that it is near its lock is shown none, unless the operator said so.

use std::sync::{LazyLock, Mutex, PoisonError};

use claviger_crypto::SecretBytes;
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;
use tokio::sync::watch;

use super::error::Pkcs11OpenError;
use super::fault::refuses_pin;

/// Whether the PIN may be shown to a token that reports that few attempts are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FewAttempts {
    /// It is not shown: what is left is for a person to spend.
    #[default]
    Keep,
    /// It is shown once all the same.
    Risk,
}

/// True once the PIN was refused: this process will never log in again.
static ENDED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Becomes true once a token refused the PIN. From then on this process shows no PIN to any token, so it does well to end.
/// A token that only reports that few attempts are left has refused nothing: while it does, it is as if it were away.
#[must_use]
pub fn pin_refused() -> watch::Receiver<bool> {
    ENDED.subscribe()
}

/// From here on no PIN is shown.
pub(super) fn end() {
    ENDED.send_replace(true);
}

/// One attempt, never a second.
#[expect(clippy::disallowed_methods, reason = "the token takes the PIN")]
pub(super) fn log_in(
    pkcs11: &Pkcs11,
    slot: Slot,
    session: &Session,
    pin: &SecretBytes,
    few: FewAttempts,
) -> Result<(), Pkcs11OpenError> {
    // Held during the attempt: two that begin at once would both show a wrong PIN.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if *ENDED.borrow() {
        return Err(Pkcs11OpenError::LoginRefused);
    }
    may_be_shown(&pkcs11.get_token_info(slot)?, few)?;
    let pin = RawAuthPin::new(Box::new(pin.expose().to_vec()));
    match session.login_with_raw(UserType::User, &pin) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(error) if refuses_pin(&error) => {
            end();
            Err(Pkcs11OpenError::LoginRefused)
        }
        Err(error) => Err(error.into()),
    }
}

fn may_be_shown(token: &TokenInfo, few: FewAttempts) -> Result<(), Pkcs11OpenError> {
    let report = Report {
        is_locked: token.user_pin_locked(),
        is_final_try: token.user_pin_final_try(),
        is_count_low: token.user_pin_count_low(),
    };
    report.judge(few)
}

/// What a token says of the attempts that are left (PKCS#11 v2.40, 4.4: `CKF_USER_PIN_*`).
#[derive(Debug, Clone, Copy, Default)]
struct Report {
    is_locked: bool,
    is_final_try: bool,
    is_count_low: bool,
}

impl Report {
    const fn judge(self, few: FewAttempts) -> Result<(), Pkcs11OpenError> {
        match (self, few) {
            // No PIN opens it, so there is nothing to risk.
            (Self { is_locked: true, .. }, _) => Err(Pkcs11OpenError::PinLocked),
            (Self { is_final_try: true, .. }, FewAttempts::Keep) => {
                Err(Pkcs11OpenError::PinAtRisk("one attempt is left before it locks the PIN"))
            }
            (Self { is_count_low: true, .. }, FewAttempts::Keep) => {
                Err(Pkcs11OpenError::PinAtRisk("a wrong PIN was entered since the last right one"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_reports_decides_whether_it_is_shown_the_pin() {
        let clear = Report::default();
        let (low, last) = (Report { is_count_low: true, ..clear }, Report { is_final_try: true, ..clear });
        let locked = Report { is_locked: true, ..last };
        for few in [FewAttempts::Keep, FewAttempts::Risk] {
            assert!(clear.judge(few).is_ok());
            assert!(matches!(locked.judge(few), Err(Pkcs11OpenError::PinLocked)));
        }
        for report in [low, last, Report { is_count_low: true, ..last }] {
            assert!(matches!(report.judge(FewAttempts::Keep), Err(Pkcs11OpenError::PinAtRisk(_))));
            assert!(report.judge(FewAttempts::Risk).is_ok());
        }
    }
}
