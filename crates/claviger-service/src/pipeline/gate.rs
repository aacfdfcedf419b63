//! The response gate: a recorded result that took too long, or whose clocks disagree, is withheld.

use std::time::Duration;

use claviger_core::Timestamp;
use claviger_core::port::Clock;

/// How late a recorded result may still be let out: `G`.
const LATEST: Duration = Duration::from_secs(2);
/// How far the two clocks may disagree about the time that passed.
const DISAGREEMENT: Duration = Duration::from_millis(250);
/// How far the wall clock may step back.
const STEP_BACK: Duration = Duration::from_millis(50);

/// Both clocks, read before the fence commit was submitted, and after the work: making a key may take seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    wall: Timestamp,
    boot: Duration,
}

impl Opened {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), boot: clock.since_boot() }
    }

    /// May the result go out now?
    pub(super) fn lets_out(self, clock: &dyn Clock) -> bool {
        let (wall_now, boot_now) = (clock.now(), clock.since_boot());
        if self.wall.since(wall_now) > STEP_BACK {
            return false;
        }
        let (wall, boot) = (wall_now.since(self.wall), boot_now.saturating_sub(self.boot));
        wall.max(boot) <= LATEST && wall.abs_diff(boot) <= DISAGREEMENT
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug)]
    struct Clocks(Mutex<(u64, u64)>);

    impl Clock for Clocks {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.lock().unwrap().0 * 1000)
        }
        fn since_boot(&self) -> Duration {
            Duration::from_millis(self.0.lock().unwrap().1)
        }
    }

    #[test]
    fn late_stepped_and_disagreeing_clocks_withhold() {
        let clocks = Clocks(Mutex::new((10_000, 500)));
        let opened = Opened::now(&clocks);
        for (wall, boot, out) in [
            (10_000, 500, true),
            (12_000, 2_500, true),
            (12_001, 2_501, false),
            (10_300, 500, false),
            (10_000, 751, false),
            (9_960, 520, true),
            (9_940, 500, false),
        ] {
            *clocks.0.lock().unwrap() = (wall, boot);
            assert_eq!(opened.lets_out(&clocks), out, "{wall} {boot}");
        }
    }
}
