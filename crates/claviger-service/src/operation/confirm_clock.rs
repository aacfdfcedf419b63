//! Confirms that the wall clock of the server is right.

use std::time::Duration;

use claviger_core::change::Change;
use claviger_core::{Action, Timestamp};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;

/// How far the caller's clock and the server's may differ.
const DIFFERENCE: Duration = Duration::from_secs(300);

/// Confirms the time. The log's time is that of the wall clock then, and nothing is held any more.
#[derive(Debug)]
pub struct ConfirmClock {
    /// What time it is by a clock of the caller's own.
    pub time: Timestamp,
}

/// The log's time, and how it stands to the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStatus {
    /// The log's time.
    pub log_time: Timestamp,
    /// How far the wall clock is ahead of it: time that nothing has borne out.
    pub ahead: Duration,
    /// Since when, in log time, what cannot be undone is held; `None` when nothing is.
    pub held_at: Option<Timestamp>,
}

impl ClockStatus {
    /// How it is now.
    pub(crate) fn of(view: &View<'_>) -> Self {
        let time = &view.state.time;
        let log_time = time.log_time();
        Self { log_time, ahead: time.wall().since(log_time), held_at: time.held_at() }
    }
}

impl Operation for ConfirmClock {
    type Output = ClockStatus;

    fn action(&self) -> Action {
        Action::ConfirmClock
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ClockStatus>, ServiceError> {
        let wall = view.state.time.wall();
        if wall.since(self.time).max(self.time.since(wall)) > DIFFERENCE {
            let message = "the clock of the server and the time that you confirm are more than 5 minutes apart; set the \
                           one that is wrong";
            return Err(ServiceError::new(ErrorKind::InvalidArgument, message));
        }
        let record = view.store().load_log_time().await?;
        let confirmed = record.confirmed(view.now);
        let detail =
            EntryDetail { reference: reference(&[&view.now.as_micros().to_be_bytes()]), ..view.detail() };
        let status = ClockStatus { log_time: view.now, ahead: Duration::ZERO, held_at: None };
        Ok(Staged::changing(
            Governed::ConfirmClock { time: self.time, reason: view.reason() },
            status,
            vec![Change::PutLogTime(confirmed)],
            detail,
        ))
    }
}
