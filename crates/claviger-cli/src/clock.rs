//! What time it is, for spans that count from now and for measured steps.

use std::time::Instant;

use claviger_core::Timestamp;

/// Now, by the clock of this machine.
pub(crate) fn now() -> Timestamp {
    let micros = jiff::Timestamp::now().as_microsecond();
    Timestamp::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The start of something that is measured.
#[expect(
    clippy::disallowed_methods,
    reason = "a client has no `Clock` port: it measures how long its own steps take"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}
