//! When a key was last used, as the log tells it.

use claviger_core::Action;
use claviger_core::permit::Permit;

use super::{Operation, Staged};
use crate::error::ServiceError;
use crate::log::LastUse;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

/// Most entries that are looked at.
const MOST_ENTRIES: u64 = 200_000;

/// Looks for the last use of a key that came to its end. The log is read backwards, up to a bound; what it does not tell
/// within that bound is not known.
#[derive(Debug)]
pub struct ReadLastUse {
    /// The key.
    pub key: KeyRef,
}

impl Operation for ReadLastUse {
    type Output = LastUse;

    fn action(&self) -> Action {
        Action::DescribeKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<LastUse>, ServiceError> {
        let found = view.log.last_use(view.record()?.key.id, MOST_ENTRIES).await?;
        Ok(Staged::reading(found, view.note()))
    }
}
