//! Looks at every row once after a start, so that one that was altered is found though nobody asks for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use claviger_core::object::RowCursor;

use crate::error::ServiceError;
use crate::road::Road;
use crate::rows;
use crate::state::State;

/// Rows that are read at once: a reader of the store is taken for a millisecond or two.
const AT_ONCE: u32 = 256;
/// How long to wait before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// How far the pass over all rows is.
#[derive(Debug, Default)]
pub(crate) struct RowCheck {
    rows: AtomicU64,
    checked: AtomicU64,
    is_done: AtomicBool,
}

/// How far the pass over all rows is, and what was found since the start, by it or by calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowFigures {
    /// Rows there were when it began.
    pub rows: u64,
    /// Rows that it looked at.
    pub checked: u64,
    /// Did it come to its end?
    pub is_done: bool,
    /// How often a row was read that is not as it was written.
    pub altered: u64,
}

impl Road {
    /// How far the pass over all rows is.
    #[must_use]
    pub fn row_figures(&self) -> RowFigures {
        self.state.row_figures()
    }
}

impl State {
    pub(crate) fn row_figures(&self) -> RowFigures {
        let check = &self.row_check;
        RowFigures {
            rows: check.rows.load(Ordering::Relaxed),
            checked: check.checked.load(Ordering::Relaxed),
            is_done: check.is_done.load(Ordering::Relaxed),
            altered: self.store.altered_rows(),
        }
    }
}

/// Looks at every row, at half the pace that the store allows, until the road stops.
pub(crate) async fn check_rows(road: Road) {
    let mut from = RowCursor::default();
    loop {
        let step = tokio::select! {
            step = step(&road, from) => step,
            () = road.stopping() => return,
        };
        let rest = match step {
            Ok((Some(next), took)) => {
                from = next;
                took
            }
            Ok((None, _)) => return road.state.row_check.is_done.store(true, Ordering::Relaxed),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "rows were not looked at");
                PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = road.stopping() => return,
        }
    }
}

/// Looks at some rows. Gives where to go on, and how long it took.
async fn step(road: &Road, from: RowCursor) -> Result<(Option<RowCursor>, Duration), ServiceError> {
    let (store, check) = (&road.state.store, &road.state.row_check);
    if from == RowCursor::default() {
        check.checked.store(0, Ordering::Relaxed);
        check.rows.store(store.count_rows().await?, Ordering::Relaxed);
    }
    let begun = road.clock.since_boot();
    let found = store.list_rows(from, AT_ONCE).await?;
    let took = road.clock.since_boot().saturating_sub(begun);
    check.checked.fetch_add(found.len() as u64, Ordering::Relaxed);
    let is_full = found.len() as u64 >= u64::from(AT_ONCE);
    if !is_full {
        // All of the kind were read: none is missing, and none is an older one?
        rows::hold_blocks(store.as_ref(), from.kind).await?;
    }
    Ok((from.next(found.last().map(|found| found.row.object()), is_full), took.min(PAUSE)))
}
