//! Keeps the newest checkpoint of the shard beside the store, signed by the node's key: what the next start holds the store
//! against (`opening`).
//!
//! What it keeps true:
//! * a checkpoint is kept after the commit that it is of, so that an honest store is never behind it;
//! * no restricting call returns before a checkpoint that covers it is durable; those that wait together share one sync;
//! * without restricting calls it is at most a second behind, and the calls of that second pay nothing for it;
//! * what is kept never goes back, and after it failed once nothing is kept and nothing served any more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use claviger_audit::tree::Hash;
use claviger_audit::{Checkpoint, KeptCheckpoint, SigningKey};
use claviger_core::port::store::Kept;
use claviger_core::port::{Store, StoreError};

use crate::road::Road;

/// How often it is looked whether there is something newer to keep.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps checkpoints of one incarnation.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: Arc<dyn Store>,
    key: Arc<SigningKey>,
    origin: Arc<str>,
    incarnation: u64,
    /// Size of the log that is kept, to look at without waiting for a write.
    size: AtomicU64,
    newest: Mutex<Newest>,
}

/// What is kept by now.
#[derive(Debug, Default)]
struct Newest {
    /// Index of the entry that names the node's key; nothing is kept before it is there.
    start: Option<u64>,
    size: u64,
    closed: bool,
}

/// A committed head of the shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) epoch: u64,
}

impl Keeper {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        key: Arc<SigningKey>,
        origin: Arc<str>,
        incarnation: u64,
    ) -> Self {
        Self { store, key, origin, incarnation, size: AtomicU64::new(0), newest: Mutex::default() }
    }

    /// Says where the entry is that names the node's key.
    pub(crate) fn begin(&self, start: u64) {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).start = Some(start);
    }

    /// Size of the log that is kept.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Keeps a head, unless a newer one is kept. Blocking.
    pub(crate) fn keep(&self, head: Head) -> Result<(), StoreError> {
        self.write(head, false)
    }

    /// Keeps the last head of an orderly end. Blocking.
    pub(crate) fn close(&self, head: Head) -> Result<(), StoreError> {
        self.write(head, true)
    }

    fn write(&self, head: Head, closed: bool) -> Result<(), StoreError> {
        // Held over the sync: whoever comes in between has an older head, or waits for its own.
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.closed || (newest.size >= head.size && !closed) {
            return Ok(());
        }
        if closed && newest.start.is_none() {
            // It ended before it began: what was kept before is still the newest.
            return Ok(());
        }
        let start = newest.start.ok_or_else(|| refused("before the node's key is in the log"))?;
        let kept = KeptCheckpoint {
            head: Checkpoint { origin: self.origin.to_string(), size: head.size, root: head.root },
            epoch: head.epoch,
            incarnation: self.incarnation,
            start,
            closed,
        };
        let bytes = kept.sign(&self.key).map_err(refused)?;
        self.store.keep_beside(&Kept { closed, bytes })?;
        (newest.size, newest.closed) = (head.size, closed);
        self.size.store(head.size, Ordering::Relaxed);
        Ok(())
    }
}

fn refused(why: impl std::fmt::Display) -> StoreError {
    StoreError::Refused(format!("the newest checkpoint is not kept: {why}"))
}

/// Keeps the newest head once a second, if it moved, until the road stops.
pub(crate) async fn keep_on(road: Road) {
    let mut ticks = road.ticks(Duration::ZERO, EVERY);
    while ticks.next().await.is_some() {
        if let Err(error) = road.keep_newest().await {
            road.figures().failures.fetch_add(1, Ordering::Relaxed);
            // A store that is too busy to be read is asked again; a checkpoint that cannot be kept ends the service.
            match error {
                StoreError::Unavailable(_) => {
                    tracing::warn!(%error, "the newest checkpoint waits for the store")
                }
                error => return road.give_up(format!("the newest checkpoint cannot be kept: {error}")).await,
            }
        }
    }
}

impl Road {
    /// Keeps the newest head that is committed.
    pub(crate) async fn keep_newest(&self) -> Result<(), StoreError> {
        if self.figures().size.load(Ordering::Relaxed) <= self.keeper.size() {
            return Ok(());
        }
        let heads = self.state.store.list_heads().await?;
        let head = heads.into_iter().find(|head| head.shard == self.facts.shard);
        let head = head.ok_or_else(|| StoreError::Corrupt("the shard has no head".into()))?;
        let head = Head { size: head.size, root: head.root, epoch: head.epoch };
        let keeper = Arc::clone(&self.keeper);
        let kept = tokio::task::spawn_blocking(move || keeper.keep(head)).await;
        kept.unwrap_or_else(|error| Err(refused(error)))
    }
}
