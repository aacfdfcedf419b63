//! Reads keys.

use std::sync::Arc;

use claviger_core::key::{Key, KeyRecord, State};
use claviger_core::permit::Permit;
use claviger_core::port::store::{KeyFilter, Page};
use claviger_core::{Action, KeyName};

use super::{Operation, Staged};
use crate::error::ServiceError;
use crate::reference::{KeyRef, RingRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Reads a key with its versions.
#[derive(Debug)]
pub struct ReadKey {
    /// The key.
    pub key: KeyRef,
}

impl Operation for ReadKey {
    type Output = Arc<KeyRecord>;

    fn action(&self) -> Action {
        Action::ReadKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Arc<KeyRecord>>, ServiceError> {
        Ok(Staged::reading(Arc::clone(view.record()?), view.detail()))
    }
}

/// Which keys to list.
#[derive(Debug, Default)]
pub struct KeyFilterRef {
    /// Only of this ring.
    pub ring: Option<RingRef>,
    /// Only in this state.
    pub state: Option<State>,
}

/// Lists keys in the order of their names.
#[derive(Debug)]
pub struct ListKeys {
    /// Which.
    pub filter: KeyFilterRef,
    /// Which page.
    pub page: Page<KeyName>,
}

impl Operation for ListKeys {
    type Output = Vec<(KeyName, Key)>;

    fn action(&self) -> Action {
        Action::ListKeys
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        view.enter(Class::Listing).await?;
        let ring = match &self.filter.ring {
            None => None,
            Some(ring) => Some(view.state.ring(ring).await?.id),
        };
        let filter = KeyFilter { ring, state: self.filter.state };
        Ok(Staged::reading(view.store().list_keys(filter, self.page.clone()).await?, view.detail()))
    }
}
