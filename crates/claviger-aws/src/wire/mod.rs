//! JSON 1.1 as AWS clients speak it: members are checked as the service model says, unknown ones passed over.

mod blob;
pub(crate) mod grant_token;
mod input;
pub(crate) mod marker;
mod page;
mod pairs;

pub(crate) use blob::Blob;
pub(crate) use input::{Violations, context, grant_tokens, no_recipient, parse};
pub(crate) use marker::Never;
pub(crate) use page::{next_marker, page};
pub(crate) use pairs::Pairs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_core::Timestamp;

/// Bytes as they stand in an answer.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// An instant in an answer: seconds since the Unix epoch, to the millisecond.
pub(crate) fn seconds(at: Timestamp) -> serde_json::Number {
    let millis = at.as_micros() / 1000;
    let whole = serde_json::Number::from(millis / 1000);
    if millis.is_multiple_of(1000) {
        return whole;
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in 53 bits")]
    let exact = millis as f64 / 1000.0;
    serde_json::Number::from_f64(exact).unwrap_or(whole)
}

/// An instant in a request.
pub(crate) fn instant(seconds: f64) -> Option<Timestamp> {
    let valid = seconds.is_finite() && (0.0..9.0e11).contains(&seconds);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and far below the largest number"
    )]
    valid.then(|| Timestamp::from_micros((seconds * 1000.0).round() as u64 * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_seconds_and_come_back() {
        for millis in [0, 999, 1_000, 1_764_115_200_123, 1_764_115_200_000] {
            let at = Timestamp::from_micros(millis * 1000);
            assert_eq!(instant(seconds(at).as_f64().unwrap()), Some(at), "{millis}");
        }
        assert_eq!(seconds(Timestamp::from_micros(5_000_000)).to_string(), "5");
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(instant(bad), None);
        }
    }
}
