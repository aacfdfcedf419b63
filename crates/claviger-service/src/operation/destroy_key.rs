//! The end of a key: its schedule, the cancellation during the waiting period, and destruction when that is over.
//!
//! What it keeps true: where a ring asks for approval, it is asked for twice. A destruction is scheduled once others have approved it, and is
//! carried out only while as many as the ring then asks for still stand by that; what fails then holds it, until others approve the
//! schedule afresh or somebody cancels it.

use std::time::Duration;

use claviger_core::change::{Change, Restriction};
use claviger_core::key::{Destruction, DestructionBlocked, Key, KeyRecord, KeyRing, KeyVersion};
use claviger_core::port::store::{AliasFilter, Page};
use claviger_core::{Action, Alias, KeyId};

use super::sensitive::{by_ring, seen_key};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, Obstacle, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

const DAY: Duration = Duration::from_secs(86_400);
/// Longest waiting period.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(365 * 86_400);

/// Takes a key out of use at once, and has it destroyed at the end of a waiting period. Of a key whose destruction is held because approvals
/// of it are valid no more, it asks for others, and the wait goes on as it was scheduled.
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

    /// What is scheduled, and for how long; without the approval that it rests on.
    async fn destruction(
        &self,
        view: &View<'_>,
        record: &KeyRecord,
    ) -> Result<(Duration, Destruction), ServiceError> {
        let Some(before) = record.key.destruction else {
            let waiting = self.waiting(&record.ring)?;
            let at = view.now.after(waiting);
            return Ok((waiting, Destruction { scheduled_at: view.now, at, approval: None }));
        };
        let (key, policy) = (record.key.id, &record.ring.policy);
        if view.state.approved_destruction(key, before, policy, view.now).await?.is_ok() {
            refuse_waiting(&record.key)?;
        }
        let waiting = before.at.since(before.scheduled_at);
        if self.waiting.is_some_and(|asked| asked != waiting) {
            let message = "the destruction is scheduled, and is held until others approve it afresh: its wait stays as it is; \
                           `cancel-destroy` it first to ask for another one";
            return Err(ServiceError::invalid(message));
        }
        Ok((waiting, before))
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
        let (waiting, destruction) = self.destruction(view, record).await?;
        let asked = Governed::ScheduleDestroy { key: record.key.id, waiting, reason: view.reason() };
        let quorum = by_ring(&record.ring, record.ring.policy.quorum, [seen_key(&record.key)]);
        let approval = match quorum.approvers {
            0 => None,
            _ => view.state.open_approval(view.caller.principal().id, &asked, view.now).await?,
        };
        let approval = approval.map(|approval| approval.id);
        let key = record.key.to_be_destroyed(Destruction { approval, ..destruction })?;
        let key = Key { reason: view.why, ..key };
        let at = destruction.at.as_micros().to_be_bytes();
        let detail = EntryDetail { reference: reference(&[&at]), ..view.detail() };
        let restrictions = vec![Restriction::Key(key.id)];
        let (output, changes) = (written(record, &key), vec![Change::PutKey(key)]);
        Ok(Staged::restricting(asked, output, changes, restrictions, detail).under(quorum))
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
        let approved = check_approval(view, record).await?;
        if view.state.time.irreversible()? < at {
            return Err(ServiceError::new(ErrorKind::WrongState, "the waiting period is not over"));
        }
        let key = record.key.destroyed()?;
        let versions = view.all_versions().await?;
        let mut destroyed = KeyRecord { versions, ..written(record, &key) };
        let mut changes = vec![Change::PutKey(key), Change::ExpectNoAlias(self.key)];
        changes.extend(aliases_of(view, self.key).await?.into_iter().map(Change::RemoveAlias));
        changes.extend(approved);
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

/// As many as the ring asks for now approved the schedule, and still may. Gives what of that must be so when the key is destroyed.
async fn check_approval(view: &View<'_>, record: &KeyRecord) -> Result<Vec<Change>, ServiceError> {
    let destruction = record.key.destruction.ok_or_else(not_waiting)?;
    let (key, policy) = (record.key.id, &record.ring.policy);
    match view.state.approved_destruction(key, destruction, policy, view.now).await? {
        // The rule of the ring is part of it.
        Ok(expected) => Ok([expected, vec![Change::expect_ring(&record.ring)]].concat()),
        Err(DestructionBlocked::Quorum(quorum)) => {
            let message = format!(
                "destruction in this ring takes the approval of {quorum} custodians who may still approve it, and so many there are not: \
                 it is held until the schedule is approved afresh (`claviger key destroy`), and `cancel-destroy` ends it"
            );
            Err(ServiceError::new(ErrorKind::ApprovalRequired, message))
        }
    }
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
