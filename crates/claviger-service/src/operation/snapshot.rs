//! Commits the log to the whole state: the root over the newest facts of all objects.
//!
//! The state is read at once, beside everything that goes on, and the entry says of how many entries it is the state. Nothing waits for
//! it, and a crash in between leaves no trace.

use std::sync::{Arc, Mutex, PoisonError};

use claviger_audit::{Snapshot, StateTree};
use claviger_core::Action;
use claviger_core::port::Store;
use claviger_core::port::store::FactSink;

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;
use crate::work::Class;

/// Takes a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct TakeSnapshot {}

impl Operation for TakeSnapshot {
    type Output = Snapshot;

    fn action(&self) -> Action {
        Action::Snapshot
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Snapshot>, ServiceError> {
        view.enter(Class::Scan).await?;
        let snapshot = read_state(view.store(), view.system.shard).await?;
        Ok(Staged::reading(snapshot, detail(&snapshot)))
    }
}

/// What the entry of a snapshot says.
pub(crate) fn detail(snapshot: &Snapshot) -> EntryDetail {
    EntryDetail { reference: reference(&[&snapshot.to_bytes()]), ..EntryDetail::default() }
}

#[derive(Clone, Default)]
struct Growing(Arc<Mutex<StateTree>>);

impl FactSink for Growing {
    fn take(&mut self, digest: &[u8; 32]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(digest);
    }
}

/// The snapshot of the state as it stands, without its entry.
pub(crate) async fn read_state(store: &dyn Store, shard: u32) -> Result<Snapshot, ServiceError> {
    let growing = Growing::default();
    let size = store.read_facts(shard, Box::new(growing.clone())).await?;
    let size = size.ok_or_else(|| {
        let message = "the rows of an older release are not all recorded yet; try again when they are";
        ServiceError::new(ErrorKind::Unavailable, message)
    })?;
    let tree = growing.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(tree.snapshot(size))
}
