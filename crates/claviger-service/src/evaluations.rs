//! The evaluation of the controls, as the log has it: its runs, and whether one was missed. What a run comes to is decided elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claviger_audit::EvaluationRun;
use claviger_audit::op::Op;
use claviger_core::Timestamp;
use claviger_core::change::Change;
use claviger_core::log_time::TimeRecord;
use claviger_core::port::store::Room;

use crate::error::{ErrorKind, ServiceError};
use crate::job::take_snapshot;
use crate::log::CommittedLog;
use crate::record::{EntryDetail, EntryHeader, reference};
use crate::road::Road;

/// The first run is missed if it is not recorded so long after a start.
const FIRST_WITHIN: Duration = Duration::from_secs(3600);

/// A run that this process recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedEvaluation {
    /// Its entry.
    pub entry: u64,
    /// What it came to.
    pub run: EvaluationRun,
}

/// How the evaluation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluationFigures {
    /// When the newest run was recorded, in log time; none before the first.
    pub recorded_at: Option<Timestamp>,
    /// That run, where it was recorded since the start.
    pub newest: Option<RecordedEvaluation>,
    /// Was a run missed: is the newest older than twice the time between two?
    pub is_missed: bool,
    /// Runs that failed since the start.
    pub failed: u64,
}

/// What is known of runs.
#[derive(Debug, Default)]
pub(crate) struct Evaluations(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Since when runs are expected, and how often; nothing where nobody evaluates.
    expected: Option<(Timestamp, Duration)>,
    recorded_at: Option<Timestamp>,
    newest: Option<RecordedEvaluation>,
    failed: u64,
}

impl Known {
    fn is_missed(&self, now: Timestamp) -> bool {
        let Some((since, every)) = self.expected else { return false };
        match self.recorded_at {
            Some(recorded_at) => now.since(recorded_at) > every.saturating_mul(2),
            None => now.since(since) > FIRST_WITHIN,
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let Some((_, every)) = self.expected else { return false };
        self.recorded_at.is_none_or(|recorded_at| now.since(recorded_at) >= every)
    }
}

impl Evaluations {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Was a run missed, and is the process at work for long enough to have made it?
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        let known = self.lock();
        known.is_missed(now) && known.expected.is_some_and(|(since, _)| now.since(since) > FIRST_WITHIN)
    }

    pub(crate) fn figures(&self, now: Timestamp) -> EvaluationFigures {
        let known = self.lock();
        EvaluationFigures {
            recorded_at: known.recorded_at,
            newest: known.newest,
            is_missed: known.is_missed(now),
            failed: known.failed,
        }
    }
}

impl Road {
    /// From now on a run is expected each time so much has passed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn expect_evaluations(&self, every: Duration) -> Result<(), ServiceError> {
        let recorded_at = self.state.store.load_log_time().await?.evaluated_at;
        let mut known = self.state.evaluations.lock();
        known.expected = Some((self.state.time.log_time(), every));
        known.recorded_at = recorded_at;
        Ok(())
    }

    /// How the evaluation stands.
    #[must_use]
    pub fn evaluation_figures(&self) -> EvaluationFigures {
        self.state.evaluations.figures(self.state.time.log_time())
    }

    /// Is a run due?
    #[must_use]
    pub fn evaluation_is_due(&self) -> bool {
        self.state.evaluations.lock().is_due(self.state.time.log_time())
    }

    /// Counts a run that failed.
    pub fn evaluation_failed(&self) {
        let mut known = self.state.evaluations.lock();
        known.failed = known.failed.saturating_add(1);
    }

    /// Takes a snapshot of the state, and gives the log with it, to be evaluated.
    ///
    /// # Errors
    /// When no snapshot can be taken now, or the log cannot be cut.
    pub async fn log_to_evaluate(&self) -> Result<CommittedLog, ServiceError> {
        if self.room() != Room::Plenty {
            let message = "the disk is nearly full: only calls that restrict are recorded";
            return Err(ServiceError::new(ErrorKind::Unavailable, message));
        }
        take_snapshot::take(self).await?;
        self.cut().await?;
        self.committed_log().await?.ok_or_else(|| {
            ServiceError::new(ErrorKind::Unavailable, "no checkpoint of the log is signed yet")
        })
    }

    /// Records a run; gives its entry. That it was made is in the commit of its entry.
    ///
    /// # Errors
    /// When the log takes no entry.
    pub async fn record_evaluation(&self, run: EvaluationRun) -> Result<u64, ServiceError> {
        let recorded_at = Some(self.state.time.log_time());
        let record = TimeRecord { evaluated_at: recorded_at, ..self.state.store.load_log_time().await? };
        let header = EntryHeader::of_system(Op::RecordEvaluation, self.now());
        let detail = EntryDetail { reference: reference(&[&run.to_bytes()]), ..EntryDetail::default() };
        let entry = self.record(header, detail, vec![Change::PutLogTime(record)], None).await?;
        let mut known = self.state.evaluations.lock();
        (known.recorded_at, known.newest) = (recorded_at, Some(RecordedEvaluation { entry, run }));
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_run_is_due_after_its_time_and_missed_after_twice_as_long() {
        let begin = Timestamp::from_micros(1 << 50);
        let mut known = Known { recorded_at: Some(begin), ..Known::default() };
        let of = |known: &Known, span: Duration| {
            (known.is_due(begin.after(span)), known.is_missed(begin.after(span)))
        };
        assert_eq!(of(&known, DAY * 9), (false, false), "nobody evaluates");
        known.expected = Some((begin, DAY));
        assert_eq!(of(&known, DAY / 2), (false, false));
        assert_eq!(of(&known, DAY), (true, false));
        assert_eq!(of(&known, DAY * 2), (true, false));
        assert_eq!(of(&known, DAY * 2 + Duration::from_secs(1)), (true, true));
        known.recorded_at = None;
        assert_eq!(of(&known, Duration::ZERO), (true, false));
        assert_eq!(of(&known, FIRST_WITHIN * 2), (true, true));
    }
}
