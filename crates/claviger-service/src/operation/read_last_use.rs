//! When a key was last used.

use claviger_core::Action;

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::log::LastUse;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

/// Asks for the last use of a key that came to its end, as it is kept beside the log.
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

    async fn run(&self, view: &View<'_>) -> Result<Staged<LastUse>, ServiceError> {
        let last = view.usage.last_of(view.record()?, view.store()).await?;
        Ok(Staged::reading(last, view.detail()))
    }
}
