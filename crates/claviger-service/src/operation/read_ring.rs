//! Reads rings.

use claviger_core::key::KeyRing;
use claviger_core::port::store::Page;
use claviger_core::{Action, Name};

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::record::{EntryDetail, reference};
use crate::reference::{RingRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Reads a ring.
#[derive(Debug)]
pub struct ReadRing {
    /// The ring.
    pub ring: RingRef,
}

impl Operation for ReadRing {
    type Output = KeyRing;

    fn action(&self) -> Action {
        Action::ReadRing
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Ring(&self.ring)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRing>, ServiceError> {
        let ring = KeyRing::clone(view.ring()?);
        let detail = EntryDetail { reference: reference(&[ring.id.as_bytes()]), ..view.detail() };
        Ok(Staged::reading(ring, detail))
    }
}

/// Lists rings in the order of their names.
#[derive(Debug)]
pub struct ListRings {
    /// The page of the list.
    pub page: Page<Name>,
}

impl Operation for ListRings {
    type Output = Vec<KeyRing>;

    fn action(&self) -> Action {
        Action::ListKeys
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<KeyRing>>, ServiceError> {
        view.enter(Class::Listing).await?;
        Ok(Staged::reading(view.store().list_rings(self.page.clone()).await?, view.detail()))
    }
}
