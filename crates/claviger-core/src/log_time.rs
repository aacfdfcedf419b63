//! The log's time: an instant that a clock which lies cannot push forward.
//!
//! While a process runs, the log's time follows the wall clock, but never faster than the clock that counts since the machine
//! started. Between two processes nothing bears out what the wall clock says; a start therefore takes one bounded step
//! towards it. Steps add up: when those of a day come to more than [`MOST_STEPS`], no further one is taken, and what cannot be
//! undone is held until an administrator confirms the time.
//!
//! Expiry is judged by the later of wall clock and log time ([`TimeRecord`] knows nothing of that: the wall clock never enters
//! it), so a clock that was set forward by mistake heals when it is right again, and one that was set back revives nothing.

use std::time::Duration;

use crate::time::Timestamp;

/// How far the steps of [`WINDOW_HOURS`] may move the log's time together.
pub const MOST_STEPS: Duration = Duration::from_secs(3600);
/// Steps older than that many begun hours of log time are forgotten: at least 24 whole ones.
pub const WINDOW_HOURS: u64 = 25;

const HOUR_MICROS: u64 = 3_600_000_000;

/// What is remembered of the log's time from one start to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeRecord {
    /// The time that an administrator confirmed last: the log's time is not before it.
    pub confirmed_at: Option<Timestamp>,
    /// Since when, in log time, what cannot be undone is held.
    pub held_at: Option<Timestamp>,
    /// Steps of starts, by the hour of log time in which they ended; ascending, each hour once.
    pub steps: Vec<Step>,
    /// When the system last took a snapshot of the whole state, in log time.
    pub snapshot_at: Option<Timestamp>,
    /// When the system last opened every stored secret, in log time.
    pub scanned_at: Option<Timestamp>,
    /// When the system last evaluated the controls, in log time.
    pub evaluated_at: Option<Timestamp>,
    /// Counts the writes of this row.
    pub revision: u64,
}

/// How far starts within one hour of log time moved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The hour, counted since the Unix epoch.
    pub hour: u64,
    /// How far, in microseconds.
    pub micros: u64,
}

impl TimeRecord {
    /// Where the log's time begins at a start, and what is remembered from then on. `newest` is the newest instant of log
    /// time that is recorded, `None` before the first; `most` is the longest step.
    #[must_use]
    pub fn start(&self, newest: Option<Timestamp>, wall: Timestamp, most: Duration) -> (Timestamp, Self) {
        let Some(newest) = newest.max(self.confirmed_at) else { return (wall, self.clone()) };
        let step = wall.since(newest).min(most);
        if step.is_zero() {
            return (newest, self.clone());
        }
        let reached = newest.after(step);
        let mut next = self.clone();
        next.steps.retain(|step| step.hour + WINDOW_HOURS > hour(reached));
        let before = Duration::from_micros(next.steps.iter().map(|step| step.micros).sum());
        if next.held_at.is_some() || before + step > MOST_STEPS {
            next.held_at.get_or_insert(newest);
            return (newest, next);
        }
        next.add(hour(reached), u64::try_from(step.as_micros()).unwrap_or(u64::MAX));
        (reached, next)
    }

    fn add(&mut self, hour: u64, micros: u64) {
        match self.steps.last_mut().filter(|last| last.hour == hour) {
            Some(last) => last.micros = last.micros.saturating_add(micros),
            None => self.steps.push(Step { hour, micros }),
        }
    }

    /// Once an administrator has confirmed that it is `now`: nothing is held, and no step is remembered.
    #[must_use]
    pub const fn confirmed(&self, now: Timestamp) -> Self {
        let Self { snapshot_at, scanned_at, evaluated_at, revision, .. } = *self;
        Self {
            confirmed_at: Some(now),
            held_at: None,
            steps: Vec::new(),
            snapshot_at,
            scanned_at,
            evaluated_at,
            revision,
        }
    }
}

const fn hour(at: Timestamp) -> u64 {
    at.as_micros() / HOUR_MICROS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);
    const MOST: Duration = Duration::from_secs(600);

    fn at(span: Duration) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).after(span)
    }

    #[test]
    fn first_start_takes_the_wall_clock() {
        assert_eq!(TimeRecord::default().start(None, at(DAY), MOST), (at(DAY), TimeRecord::default()));
    }

    #[test]
    fn start_a_month_ahead_moves_by_one_step() {
        let (time, record) = TimeRecord::default().start(Some(at(Duration::ZERO)), at(DAY * 31), MOST);
        assert_eq!((time, record.held_at), (at(MOST), None));
    }

    #[test]
    fn wall_clock_that_went_back_moves_nothing() {
        let now = at(MINUTE * 4);
        assert_eq!(TimeRecord::default().start(Some(now), at(Duration::ZERO), MOST).0, now);
    }

    #[test]
    fn steps_of_a_day_add_up_and_then_hold() {
        let (mut record, mut time, mut wall) =
            (TimeRecord::default(), at(Duration::ZERO), at(Duration::ZERO));
        for _ in 0..720 {
            wall = wall.after(MINUTE * 59);
            (time, record) = record.start(Some(time), wall, MOST);
        }
        assert!(time <= at(MOST_STEPS), "{time:?}");
        assert_eq!(record.held_at, Some(time));
        let confirmed = record.confirmed(wall);
        assert_eq!((confirmed.held_at, confirmed.steps.len()), (None, 0));
        assert_eq!(confirmed.start(Some(time), wall, MOST).0, wall);
    }

    #[test]
    fn steps_of_days_past_are_forgotten() {
        let (mut record, mut time) = (TimeRecord::default(), at(Duration::ZERO));
        for _ in 0..100 {
            (time, record) = record.start(Some(time), time.after(MINUTE * 20), MOST);
            time = time.after(DAY);
        }
        assert_eq!(record.held_at, None);
        assert!(record.steps.len() <= 2, "{record:?}");
    }

    proptest! {
        /// Whatever the wall clock does at however many starts, without time that was borne out in between the log's time
        /// moves by no more than what a day's steps may come to, and never back.
        #[test]
        fn starts_alone_never_move_it_by_more_than_a_days_steps(walls in prop::collection::vec(0_u64..400 * 86_400, 0..200)) {
            let (mut record, mut time) = (TimeRecord::default(), at(Duration::ZERO));
            for wall in walls {
                let (next, kept) = record.start(Some(time), at(Duration::from_secs(wall)), MOST);
                prop_assert!(next >= time);
                (time, record) = (next, kept);
                prop_assert!(record.steps.len() <= 26);
            }
            prop_assert!(time <= at(MOST_STEPS));
        }
    }
}
