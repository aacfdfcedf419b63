//! Reads keys.

use std::sync::Arc;

use claviger_core::key::{Key, KeyRecord, KeyVersion, State};
use claviger_core::port::store::{KeyFilter, Page};
use claviger_core::{Action, KeyName};

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::log::KeyUses;
use crate::reference::{KeyRef, RingRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Reads a key.
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

    async fn run(&self, view: &View<'_>) -> Result<Staged<Arc<KeyRecord>>, ServiceError> {
        Ok(Staged::reading(Arc::clone(view.record()?), view.detail()))
    }
}

/// Versions of a key, with the key.
#[derive(Debug)]
pub struct KeyVersions {
    /// The key, with what is at hand of it.
    pub record: Arc<KeyRecord>,
    /// The versions that were asked for, by number.
    pub versions: Vec<KeyVersion>,
    /// How they were used, for those who administer the key.
    pub uses: Option<KeyUses>,
}

impl KeyVersions {
    async fn read(view: &View<'_>, page: &Page<u32>) -> Result<Self, ServiceError> {
        let record = Arc::clone(view.record()?);
        let after = page.after.unwrap_or(0);
        let versions = if record.is_whole() {
            let behind = record.versions.iter().filter(|version| version.id.number > after);
            behind.take(usize::try_from(page.limit).unwrap_or(usize::MAX)).cloned().collect()
        } else {
            view.enter(Class::Listing).await?;
            view.store().list_versions(record.key.id, page.clone()).await?
        };
        Ok(Self { record, versions, uses: None })
    }
}

/// Lists versions of a key, by number.
#[derive(Debug)]
pub struct ListVersions {
    /// The key.
    pub key: KeyRef,
    /// The page of the list.
    pub page: Page<u32>,
}

impl Operation for ListVersions {
    type Output = KeyVersions;

    fn action(&self) -> Action {
        Action::ReadKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyVersions>, ServiceError> {
        let mut found = KeyVersions::read(view, &self.page).await?;
        if let (Some(first), Some(last)) = (found.versions.first(), found.versions.last()) {
            let (key, numbers) = (first.id.key, first.id.number..=last.id.number);
            found.uses = Some(view.usage.of_versions(key, numbers, view.store()).await?);
        }
        Ok(Staged::reading(found, view.detail()))
    }
}

/// The same, as one who uses the key.
#[derive(Debug)]
pub struct DescribeVersions {
    /// The key.
    pub key: KeyRef,
    /// The page of the list.
    pub page: Page<u32>,
}

impl Operation for DescribeVersions {
    type Output = KeyVersions;

    fn action(&self) -> Action {
        Action::DescribeKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyVersions>, ServiceError> {
        Ok(Staged::reading(KeyVersions::read(view, &self.page).await?, view.detail()))
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
    /// Which keys are wanted.
    pub filter: KeyFilterRef,
    /// The page of the list.
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

    async fn run(&self, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        view.enter(Class::Listing).await?;
        let ring = match &self.filter.ring {
            None => None,
            Some(ring) => Some(view.state.ring(ring).await?.id),
        };
        let filter = KeyFilter { ring, state: self.filter.state };
        Ok(Staged::reading(view.store().list_keys(filter, self.page.clone()).await?, view.detail()))
    }
}
