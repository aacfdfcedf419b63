//! The clock of the road: wall clock and log time together (`claviger_core::log_time`).
//!
//! Calls are judged by the later of the two, so that a wall clock set back revives nothing that had expired. What cannot be
//! undone goes by log time alone. The newest log time is recorded by each cut.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use claviger_core::Timestamp;
use claviger_core::log_time::TimeRecord;
use claviger_core::port::Clock;

use crate::error::{ErrorKind, ServiceError};

/// Wall clock and log time of a process.
#[derive(Debug)]
pub(crate) struct LogTime {
    clock: Arc<dyn Clock>,
    /// The log's time when it was last asked for, in microseconds: at most one cut old.
    floor: AtomicU64,
    /// When, since the machine started, that was.
    asked: Mutex<Duration>,
    held: AtomicBool,
    held_at: Mutex<Option<Timestamp>>,
}

impl LogTime {
    /// The log's time begins at `now`.
    pub(crate) fn new(clock: Arc<dyn Clock>, now: Timestamp, record: &TimeRecord) -> Self {
        let asked = Mutex::new(clock.since_boot());
        let time = Self {
            clock,
            floor: AtomicU64::new(now.as_micros()),
            asked,
            held: AtomicBool::new(false),
            held_at: Mutex::new(None),
        };
        time.adopt(record);
        time
    }

    /// Takes over what is remembered now.
    pub(crate) fn adopt(&self, record: &TimeRecord) {
        if let Some(confirmed) = record.confirmed_at {
            self.floor.fetch_max(confirmed.as_micros(), Ordering::AcqRel);
        }
        *self.held_at.lock().unwrap_or_else(PoisonError::into_inner) = record.held_at;
        self.held.store(record.held_at.is_some(), Ordering::Release);
    }

    /// What calls are judged by: the later of wall clock and log time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().max(Timestamp::from_micros(self.floor.load(Ordering::Acquire)))
    }

    /// What the wall clock says.
    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.now()
    }

    /// The log's time now. It follows the wall clock, no faster than the clock that counts since the machine started.
    pub(crate) fn log_time(&self) -> Timestamp {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (moment, wall) = (self.clock.since_boot(), self.clock.now());
        let floor = Timestamp::from_micros(self.floor.load(Ordering::Acquire));
        let reached = floor.max(wall.min(floor.after(moment.saturating_sub(*asked))));
        *asked = moment;
        self.floor.fetch_max(reached.as_micros(), Ordering::AcqRel);
        reached
    }

    /// Since when what cannot be undone is held, if it is.
    pub(crate) fn held_at(&self) -> Option<Timestamp> {
        *self.held_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is what cannot be undone held?
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// The instant that decides whether something that cannot be undone is due.
    ///
    /// # Errors
    /// While such acts are held.
    pub(crate) fn irreversible(&self) -> Result<Timestamp, ServiceError> {
        if self.is_held() {
            let message = "the clock of the server moved too far between its last starts, so nothing is destroyed or \
                           deleted; see to the clock, then `claviger clock confirm`";
            return Err(ServiceError::new(ErrorKind::WrongState, message));
        }
        Ok(self.log_time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[derive(Debug, Default)]
    struct Clocks {
        wall: AtomicU64,
        boot: AtomicU64,
    }

    impl Clock for Clocks {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.wall.load(Ordering::SeqCst))
        }
        fn since_boot(&self) -> Duration {
            Duration::from_micros(self.boot.load(Ordering::SeqCst))
        }
    }

    impl Clocks {
        fn pass(&self, span: Duration) {
            let micros = u64::try_from(span.as_micros()).unwrap();
            self.wall.fetch_add(micros, Ordering::SeqCst);
            self.boot.fetch_add(micros, Ordering::SeqCst);
        }
        fn set(&self, wall: Timestamp) {
            self.wall.store(wall.as_micros(), Ordering::SeqCst);
        }
    }

    fn begun() -> (Arc<Clocks>, LogTime, Timestamp) {
        let clocks = Arc::new(Clocks::default());
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        clocks.set(start);
        let time = LogTime::new(Arc::<Clocks>::clone(&clocks), start, &TimeRecord::default());
        (clocks, time, start)
    }

    #[test]
    fn jump_forward_while_running_is_not_borne_out_and_heals() {
        let (clocks, time, start) = begun();
        clocks.pass(DAY);
        clocks.set(start.after(DAY * 201));
        assert_eq!(time.log_time(), start.after(DAY));
        assert_eq!(time.now(), start.after(DAY * 201));
        clocks.set(start.after(DAY));
        clocks.pass(DAY);
        assert_eq!((time.log_time(), time.now()), (start.after(DAY * 2), start.after(DAY * 2)));
    }

    #[test]
    fn step_back_revives_nothing() {
        let (clocks, time, start) = begun();
        clocks.pass(DAY);
        assert_eq!(time.log_time(), start.after(DAY));
        clocks.set(start);
        clocks.pass(DAY / 2);
        assert_eq!((time.log_time(), time.now()), (start.after(DAY), start.after(DAY)));
        clocks.pass(DAY);
        assert_eq!(time.log_time(), start.after(DAY + DAY / 2));
    }

    #[test]
    fn what_is_held_stays_held_until_the_time_is_confirmed() {
        let (_, time, start) = begun();
        time.adopt(&TimeRecord { held_at: Some(start), ..TimeRecord::default() });
        assert_eq!(time.irreversible().unwrap_err().kind(), ErrorKind::WrongState);
        time.adopt(&TimeRecord::default().confirmed(start.after(DAY)));
        assert_eq!(time.irreversible().unwrap(), start.after(DAY));
    }
}
