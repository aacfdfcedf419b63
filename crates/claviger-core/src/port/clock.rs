//! Port: what time it is.

use std::time::Duration;

use crate::time::Timestamp;

/// Gives the time. Two clocks, because the response gate compares them.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall-clock time, UTC (`CLOCK_REALTIME`).
    fn now(&self) -> Timestamp;

    /// Time since the machine started, suspension included (`CLOCK_BOOTTIME`).
    fn since_boot(&self) -> Duration;
}
