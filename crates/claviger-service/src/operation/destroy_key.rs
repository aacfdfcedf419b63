//! The end of a key: its schedule, the cancellation during the waiting period, and destruction when that is over.

use std::time::Duration;

use claviger_core::change::{Change, Restriction};
use claviger_core::key::{Destruction, DestructionBlocked, Key, KeyRecord, KeyRing, KeyVersion};
use claviger_core::port::store::{AliasFilter, Page};
use claviger_core::{Action, Alias, KeyId};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, Obstacle, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

const DAY: Duration = Duration::from_secs(86_400);
/// Longest waiting period.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(365 * 86_400);

/// Takes a key out of use at once, and has it destroyed at the end of a waiting period.
#[derive(Debug)]
pub struct ScheduleDestroy {
    /// The key.
    pub key: KeyRef,
    /// How long to wait; as long as the ring says by default.
    pub waiting: Option<Duration>,
}

impl ScheduleDestroy {
    /// How long to wait.
    fn waiting(&self, ring: &KeyRing) -> Result<Duration, ServiceError> {
        let least = ring.policy.least_destroy_wait();
        let waiting = self.waiting.unwrap_or(ring.policy.destroy_waiting_period);
        if waiting < least || waiting > LONGEST_WAIT {
            let days = |span: Duration| span.as_secs().div_ceil(DAY.as_secs());
            let message =
                format!("the waiting period is {} to {} days here", days(least), days(LONGEST_WAIT));
            return Err(ServiceError::invalid(message));
        }
        Ok(waiting)
    }
}

impl Operation for ScheduleDestroy {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        Action::ScheduleDestroy
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        let record = view.record()?;
        check_approval(record.ring.policy.blocks_destruction())?;
        refuse_waiting(&record.key)?;
        let waiting = self.waiting(&record.ring)?;
        let at = view.now.after(waiting);
        let key = record.key.to_be_destroyed(Destruction { scheduled_at: view.now, at })?;
        let key = Key { reason: view.why, ..key };
        let detail = EntryDetail { reference: reference(&[&at.as_micros().to_be_bytes()]), ..view.detail() };
        let restrictions = vec![Restriction::Key(key.id)];
        let asked = Governed::ScheduleDestroy { key: key.id, waiting, reason: view.reason() };
        Ok(Staged::restricting(asked, written(record, &key), vec![Change::PutKey(key)], restrictions, detail))
    }
}

/// Ends the waiting period without destroying. The key stays out of use until somebody brings it back.
#[derive(Debug)]
pub struct CancelDestroy {
    /// The key.
    pub key: KeyRef,
}

impl Operation for CancelDestroy {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        Action::CancelDestroy
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        let record = view.record()?;
        if record.key.destruction.is_none() {
            return Err(not_waiting());
        }
        let key = Key { destruction: None, reason: view.why, ..record.key.clone() };
        let asked = Governed::CancelDestroy { key: key.id, reason: view.reason() };
        Ok(Staged::changing(asked, written(record, &key), vec![Change::PutKey(key)], view.detail()))
    }
}

/// Makes a key's material unrecoverable from here on, once its waiting period is over and nothing that its ring asks for
/// now stands in the way. Tombstones stay; aliases go. All material lies wrapped in the rows of the versions, whatever their protection: nothing is left to erase elsewhere.
#[derive(Debug)]
pub struct DestroyKey {
    /// The key.
    pub key: KeyId,
}

impl Operation for DestroyKey {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        Action::DestroyKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::KeyId(self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        let record = view.record()?;
        let at = record.destroy_at().ok_or_else(not_waiting)?;
        check_approval(record.destruction_blocked())?;
        if view.state.time.irreversible()? < at {
            return Err(ServiceError::new(ErrorKind::WrongState, "the waiting period is not over"));
        }
        let key = record.key.destroyed()?;
        let versions = view.all_versions().await?;
        let mut destroyed = KeyRecord { versions, ..written(record, &key) };
        let mut changes = vec![Change::PutKey(key), Change::ExpectNoAlias(self.key)];
        changes.extend(aliases_of(view, self.key).await?.into_iter().map(Change::RemoveAlias));
        for version in destroyed.versions.iter_mut().filter(|version| !version.state.is_destroyed()) {
            let gone = KeyVersion { reason: view.why, ..version.destroyed(view.now)? };
            changes.push(Change::PutVersion(gone.clone()));
            *version = KeyVersion { revision: gone.revision + 1, ..gone };
        }
        let asked = Governed::DestroyKey { key: self.key };
        Ok(Staged::restricting(asked, destroyed, changes, vec![Restriction::Key(self.key)], view.detail()))
    }
}

/// All aliases of a key.
async fn aliases_of(view: &View<'_>, key: KeyId) -> Result<Vec<Alias>, ServiceError> {
    let filter = AliasFilter { key: Some(key), ..AliasFilter::default() };
    let mut page = Page { after: None, limit: Alias::MOST_OF_A_KEY };
    let mut all = Vec::new();
    loop {
        let aliases = view.store().list_aliases(filter.clone(), page.clone()).await?;
        let Some(last) = aliases.last() else { return Ok(all) };
        page.after = Some(last.name.clone());
        all.extend(aliases);
    }
}

/// The record once `key` is written.
fn written(record: &KeyRecord, key: &Key) -> KeyRecord {
    KeyRecord { key: Key { revision: key.revision + 1, ..key.clone() }, ..record.clone() }
}

fn not_waiting() -> ServiceError {
    ServiceError::new(ErrorKind::WrongState, "the key does not wait for its destruction")
}

/// Where custodians must approve, nobody can destroy yet: their approval cannot be collected by this release.
fn check_approval(blocked: Option<DestructionBlocked>) -> Result<(), ServiceError> {
    let Some(DestructionBlocked::Quorum(quorum)) = blocked else { return Ok(()) };
    let message = format!(
        "destruction in this ring takes the approval of {quorum} custodians, which this release cannot collect yet; \
         `suspend` and `compromise` take a key out of use at once, and `cancel-destroy` ends a schedule"
    );
    Err(ServiceError::new(ErrorKind::ApprovalRequired, message))
}

/// Refuses what is not done to a key that waits for its destruction.
pub(super) fn refuse_waiting(key: &Key) -> Result<(), ServiceError> {
    if key.destruction.is_none() {
        return Ok(());
    }
    let message = "the key waits for its destruction; `cancel-destroy` ends that";
    Err(ServiceError::new(ErrorKind::WrongState, message).because_of(Obstacle::Waiting))
}

/// Refuses what is done to living keys only.
pub(super) fn refuse_ended(key: &Key) -> Result<(), ServiceError> {
    if key.state.is_destroyed() {
        let error = ServiceError::new(ErrorKind::WrongState, format!("the key is {}", key.state));
        return Err(error.because_of(Obstacle::State(key.state)));
    }
    refuse_waiting(key)
}
