//! The machine's clocks behind the port `Clock`.

use std::time::{Duration, SystemTime};

use claviger_core::Timestamp;
use claviger_core::port::Clock;
use rustix::time::{ClockId, clock_gettime};

/// The clocks of the kernel.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else asks")]
    fn now(&self) -> Timestamp {
        // A machine whose clock stands before 1970 has no use for instants; zero makes every check of a time fail closed.
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
    }

    fn since_boot(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_this_century_and_never_step_back() {
        let clock = SystemClock;
        assert!(clock.now() > Timestamp::from_micros(1_700_000_000_000_000));
        let first = clock.since_boot();
        assert!(first > Duration::ZERO && clock.since_boot() >= first);
    }
}
