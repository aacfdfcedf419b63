//! What is said about a key, with the uses that the caller was granted.

use std::sync::Arc;

use claviger_access::DenyReason;
use claviger_core::Action;
use claviger_core::key::KeyRecord;
use claviger_crypto::envelope::Context;

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

/// A key and what the caller has of it.
#[derive(Debug)]
pub struct Described {
    /// The key.
    pub record: Arc<KeyRecord>,
    /// Does it serve new data now?
    pub protects: bool,
    /// Which of the uses that were asked about the caller was granted, if only for some calls.
    pub granted: Vec<Action>,
}

/// Reads what is said about a key, as one who uses it, and which of some uses were granted to the caller.
#[derive(Debug)]
pub struct DescribeUses {
    /// The key.
    pub key: KeyRef,
    /// The uses.
    pub uses: &'static [Action],
    /// What conditions of grants are held against.
    pub context: Context,
}

impl Operation for DescribeUses {
    type Output = Described;

    fn action(&self) -> Action {
        Action::DescribeKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    fn contexts(&self) -> impl Iterator<Item = &Context> + Send {
        std::iter::once(&self.context)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Described>, ServiceError> {
        let record = Arc::clone(view.record()?);
        let mut granted = Vec::with_capacity(self.uses.len());
        for action in self.uses {
            match view.hindrance(*action, &self.context).await? {
                // What is asked now is no use: conditions may well be met by one.
                None | Some(DenyReason::ConditionsUnmet(_)) => granted.push(*action),
                Some(_) => {}
            }
        }
        let protects = record.protecting(view.now).is_ok();
        Ok(Staged::reading(Described { record, protects, granted }, view.detail()))
    }
}
