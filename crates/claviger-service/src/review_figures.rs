//! How access reviews stand, for whoever watches. Nothing is decided on it.

use claviger_core::Timestamp;
use claviger_core::port::store::{Page, ReviewFilter};
use claviger_core::port::{Store, StoreError};

/// Reviews that are read at once: each with all its items.
const AT_ONCE: u32 = 8;

/// How access reviews stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReviewFigures {
    /// Those that are not closed.
    pub open: u64,
    /// Those of them that should have been by now.
    pub overdue: u64,
}

impl ReviewFigures {
    /// As the store has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(store: &dyn Store, now: Timestamp) -> Result<Self, StoreError> {
        // Nearly always there is none, and no row is read.
        let mut figures = Self { open: store.count_open_reviews().await?, overdue: 0 };
        if figures.open == 0 {
            return Ok(figures);
        }
        let (filter, mut page) = (ReviewFilter { open: Some(true) }, Page { after: None, limit: AT_ONCE });
        loop {
            let reviews = store.list_reviews(filter, page.clone()).await?;
            let Some(last) = reviews.last() else { return Ok(figures) };
            page.after = Some(last.id);
            let overdue = reviews.iter().filter(|review| review.due_at <= now).count();
            figures.overdue += u64::try_from(overdue).unwrap_or_default();
        }
    }
}
