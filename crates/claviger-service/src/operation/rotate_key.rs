//! Rotates a key: a new version protects from now on; the old one processes what it protected.

use claviger_core::change::{Change, Restriction};
use claviger_core::key::{Event, Key, KeyRecord, KeyVersion, Origin, Rotation, State};
use claviger_core::{Action, KeyId};

use super::create_key::make_version;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, Obstacle, ServiceError};
use crate::governed::Governed;
use crate::record::EntryDetail;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

/// Rotates a key because somebody asks for it.
#[derive(Debug)]
pub struct RotateKey {
    /// The key.
    pub key: KeyRef,
}

impl Operation for RotateKey {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        Action::RotateKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        let asked = Governed::RotateKey { key: view.record()?.key.id };
        rotate(view, asked, Rotation::OnDemand).await
    }
}

/// Rotates a key if that is due by policy.
#[derive(Debug)]
pub struct RotateDueKey {
    /// The key.
    pub key: KeyId,
}

impl Operation for RotateDueKey {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        Action::RotateKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::KeyId(self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        // Somebody may have rotated or suspended it since it was found due.
        if view.record()?.next_rotation_at().is_none_or(|at| view.now < at) {
            return Err(ServiceError::new(ErrorKind::WrongState, "the key's rotation is not due"));
        }
        rotate(view, Governed::RotateDueKey { key: self.key }, Rotation::ByPolicy).await
    }
}

async fn rotate(
    view: &View<'_>,
    asked: Governed,
    rotation: Rotation,
) -> Result<Staged<KeyRecord>, ServiceError> {
    let record = view.record()?;
    if record.key.state != State::Active {
        let message = format!("a key that is {} is not rotated", record.key.state);
        return Err(
            ServiceError::new(ErrorKind::WrongState, message).because_of(Obstacle::State(record.key.state))
        );
    }
    let fresh = next_version(view, record, rotation).await?.after(Event::Activate, view.now)?;
    let number = fresh.id.number;
    // A rotation on demand does not move the schedule.
    let rotates_from = match rotation {
        Rotation::ByPolicy => view.now,
        Rotation::OnDemand => record.key.rotates_from,
    };
    let key = Key { primary: number, rotates_from, ..record.key.clone() };
    let mut changes = vec![Change::PutVersion(fresh.clone())];
    let mut versions = Vec::with_capacity(record.versions.len() + 1);
    for version in record.versions.iter().filter(|version| version.id.number != number) {
        // SP 800-57 part 1, 5.3.5: the originator-usage period of the old version ends here.
        let ends = version.id.number == record.key.primary && version.state == State::Active;
        if ends {
            let ended = version.after(Event::Deactivate, view.now)?;
            changes.push(Change::PutVersion(ended.clone()));
            versions.push(KeyVersion { revision: ended.revision + 1, ..ended });
        } else {
            versions.push(version.clone());
        }
    }
    versions.push(KeyVersion { revision: fresh.revision + 1, ..fresh });
    changes.push(Change::PutKey(key.clone()));
    let detail = EntryDetail { version: Some(number), ..view.detail() };
    let rotated =
        KeyRecord { ring: record.ring.clone(), key: Key { revision: key.revision + 1, ..key }, versions };
    // The old version protects no more: that is a restriction, and calls on their way under it are decided again.
    Ok(Staged::restricting(asked, rotated, changes, vec![Restriction::Key(record.key.id)], detail))
}

/// The version that takes over: one with material made now, or, where material is imported, one that waits with its own.
async fn next_version(
    view: &View<'_>,
    record: &KeyRecord,
    rotation: Rotation,
) -> Result<KeyVersion, ServiceError> {
    if record.origin() == Origin::Imported {
        let waiting = record.waiting().cloned().ok_or_else(|| {
            let message = "the key's material is imported; import new material first, then rotate";
            ServiceError::new(ErrorKind::WrongState, message)
        })?;
        return Ok(KeyVersion { rotated: Some(rotation), ..waiting });
    }
    let number =
        record.newest().checked_add(1).ok_or_else(|| ServiceError::invalid("the key has no version left"))?;
    make_version(view, &record.ring, &record.key, number, Some(rotation)).await
}
