//! Reads the log: pages of entries, tiles and bundles by their C2SP paths, and proofs.
//!
//! All of it is derived from what the store keeps; what cannot be derived is reported, never guessed.

use std::sync::{Arc, RwLock};

use claviger_audit::checkpoint::Checkpoint;
use claviger_audit::cut::Cut;
use claviger_audit::entry::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_audit::tree::{Hash, inclusion};
use claviger_core::port::store::LogId;
use claviger_core::port::{Store, StoreError};
use claviger_core::{Action, KeyId, Timestamp};
use tokio::runtime::Handle;

use super::hashes::{StoredHashes, read_entries};
use super::tree::Pending;
use crate::error::{ErrorKind, ServiceError};

/// How many entries a page looks at before it answers, even with few hits.
const LOOKED_AT: u64 = 65_536;

/// Which entries to give.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Only about this key.
    pub key: Option<KeyId>,
    /// Only with this operation code.
    pub operation: Option<u16>,
    /// Only with this outcome code.
    pub outcome: Option<u8>,
    /// Only from this instant on.
    pub since: Option<Timestamp>,
    /// Only before this instant.
    pub until: Option<Timestamp>,
}

impl EntryFilter {
    fn takes(&self, entry: &Entry<'_>) -> bool {
        self.key.is_none_or(|key| entry.key == Some(*key.as_bytes()))
            && self.operation.is_none_or(|op| entry.op.code() == op)
            && self.outcome.is_none_or(|out| entry.out.code() == out)
            && self.since.is_none_or(|since| entry.t >= since.as_micros())
            && self.until.is_none_or(|until| entry.t < until.as_micros())
    }

    /// The operation code of an action.
    #[must_use]
    pub const fn of_action(action: Action) -> u16 {
        action.code()
    }
}

/// A page of entries.
#[derive(Clone, Debug)]
pub struct EntryPage {
    /// Index and canonical bytes of each.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// Where to go on, if there is more to look at.
    pub next: Option<u64>,
    /// Size of the log.
    pub size: u64,
}

/// What ties an entry to a signed checkpoint.
#[derive(Clone, Debug)]
pub struct EntryProof {
    /// The entry.
    pub entry: Vec<u8>,
    /// Its index in the shard's log.
    pub index: u64,
    /// The shard's checkpoint in the cut, unsigned: the cut vouches for it.
    pub shard_size: u64,
    /// Path from the entry to the shard's root.
    pub shard_path: Vec<Hash>,
    /// The cut.
    pub cut: Vec<u8>,
    /// Its index in the root log.
    pub cut_index: u64,
    /// Path from the cut to the root log's root.
    pub root_path: Vec<Hash>,
    /// The signed note of the root log.
    pub root_note: String,
}

/// When a key was last used, as far as the log was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// The last use that came to its end, if one was found.
    pub used: Option<Used>,
    /// Instant of the oldest entry that was looked at: there was no later use than the one that was found, from then on.
    pub since: Option<Timestamp>,
}

/// A use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What was done.
    pub op: Op,
    /// When.
    pub at: Timestamp,
    /// Index of its entry.
    pub index: u64,
}

/// The log, to read.
#[derive(Clone, Debug)]
pub struct LogReader {
    store: Arc<dyn Store>,
    shard: u32,
    pending: Arc<RwLock<Arc<Pending>>>,
    root_pending: Arc<RwLock<Arc<Pending>>>,
}

impl LogReader {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        shard: u32,
        pending: Arc<RwLock<Arc<Pending>>>,
        root_pending: Arc<RwLock<Arc<Pending>>>,
    ) -> Self {
        Self { store, shard, pending, root_pending }
    }

    /// Sizes of the shard's log and of the root log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sizes(&self) -> Result<(u64, u64), StoreError> {
        let heads = self.store.list_heads().await?;
        let size = heads.iter().find(|head| head.shard == self.shard).map_or(0, |head| head.size);
        Ok((size, self.store.root_head().await?.size))
    }

    /// Entries from `from` on that the filter takes, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn entries(
        &self,
        from: u64,
        limit: u32,
        filter: EntryFilter,
    ) -> Result<EntryPage, ServiceError> {
        let (size, _) = self.sizes().await?;
        let (store, shard) = (Arc::clone(&self.store), self.shard);
        blocking(move |runtime| {
            let mut page = EntryPage { entries: Vec::new(), next: None, size };
            let end = size.min(from.saturating_add(LOOKED_AT));
            let mut at = from;
            while at < end {
                let upto = end.min(at + 1024);
                for (index, bytes) in
                    (at..).zip(read_entries(store.as_ref(), runtime, LogId::Shard(shard), at, upto)?)
                {
                    let entry = Entry::decode(&bytes).map_err(|_| damaged(index))?;
                    if !filter.takes(&entry) {
                        continue;
                    }
                    if page.entries.len() as u64 == u64::from(limit) {
                        page.next = Some(index);
                        return Ok(page);
                    }
                    page.entries.push((index, bytes));
                }
                at = upto;
            }
            page.next = (end < size).then_some(end);
            Ok(page)
        })
        .await
    }

    /// The newest entry that tells a use of that key as done, among the newest `most` entries.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn last_use(&self, key: KeyId, most: u64) -> Result<LastUse, ServiceError> {
        let (size, _) = self.sizes().await?;
        let (store, log) = (Arc::clone(&self.store), LogId::Shard(self.shard));
        blocking(move |runtime| {
            let (end, mut upto) = (size.saturating_sub(most), size);
            let mut last = LastUse { used: None, since: None };
            while upto > end && last.used.is_none() {
                let from = upto.saturating_sub(1024).max(end);
                let entries = read_entries(store.as_ref(), runtime, log, from, upto)?;
                for (index, bytes) in (from..upto).rev().zip(entries.into_iter().rev()) {
                    let entry = Entry::decode(&bytes).map_err(|_| damaged(index))?;
                    let at = Timestamp::from_micros(entry.t);
                    last.since = Some(at);
                    let is_use = entry.op.uses_material() && entry.out == Outcome::Ok;
                    if is_use && entry.key == Some(*key.as_bytes()) {
                        last.used = Some(Used { op: entry.op, at, index });
                        break;
                    }
                }
                upto = from;
            }
            Ok(last)
        })
        .await
    }

    /// Proves that the entry at `index` is in the log that the newest signed checkpoint covers.
    ///
    /// # Errors
    /// Not found beyond that checkpoint: the next one is at most a second away.
    pub async fn prove(&self, index: u64) -> Result<EntryProof, ServiceError> {
        let root_head = self.store.root_head().await?;
        let reader = self.clone();
        blocking(move |runtime| {
            let uncovered = || {
                ServiceError::new(
                    ErrorKind::NotFound,
                    "no signed checkpoint covers that entry yet; try again in a second",
                )
            };
            if root_head.signed_size == 0 {
                return Err(uncovered());
            }
            let cut_index = root_head.signed_size - 1;
            let root = reader.root_hashes(runtime, root_head.signed_size);
            let cut = root.entries(cut_index, cut_index + 1)?.pop().ok_or_else(uncovered)?;
            let decoded = Cut::decode(&cut).map_err(|_| damaged(cut_index))?;
            let head = decoded.shard(reader.shard).ok_or_else(uncovered)?;
            if index >= head.size {
                return Err(uncovered());
            }
            let shard = reader.shard_hashes(runtime, head.size);
            let entry = shard.entries(index, index + 1)?.pop().ok_or_else(uncovered)?;
            Ok(EntryProof {
                entry,
                index,
                shard_size: head.size,
                shard_path: path(index, head.size, &shard)?,
                cut,
                cut_index,
                root_path: path(cut_index, root_head.signed_size, &root)?,
                root_note: root_head.signed_note,
            })
        })
        .await
    }

    /// A hash tile of the shard's log, or of the root log, at its size now; `None` when it has no such tile. `width` of a
    /// partial tile must be what there is.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn tile(
        &self,
        root: bool,
        level: u8,
        index: u64,
        width: u16,
    ) -> Result<Option<Vec<u8>>, ServiceError> {
        let reader = self.clone();
        let (shard_size, root_size) = self.sizes().await?;
        blocking(move |runtime| {
            let hashes = if root {
                reader.root_hashes(runtime, root_size)
            } else {
                reader.shard_hashes(runtime, shard_size)
            };
            let tile = hashes.tile(level, index)?;
            let wanted = usize::from(width);
            Ok(tile.get(..wanted).filter(|_| wanted > 0).map(<[Hash]>::concat))
        })
        .await
    }

    /// Entries `from..to` of the shard's log or of the root log, as far as they are there.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn raw_entries(&self, root: bool, from: u64, to: u64) -> Result<Vec<Vec<u8>>, ServiceError> {
        let (shard_size, root_size) = self.sizes().await?;
        let (log, size) =
            if root { (LogId::Root, root_size) } else { (LogId::Shard(self.shard), shard_size) };
        let store = Arc::clone(&self.store);
        blocking(move |runtime| Ok(read_entries(store.as_ref(), runtime, log, from, to.min(size))?)).await
    }

    /// Size and root of the shard's log as of the newest batch, as an unsigned checkpoint.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shard_checkpoint(&self, origin: &str) -> Result<Checkpoint, StoreError> {
        let heads = self.store.list_heads().await?;
        let head = heads.into_iter().find(|head| head.shard == self.shard);
        let head = head.ok_or_else(|| StoreError::Corrupt("the shard has no head".into()))?;
        Ok(Checkpoint { origin: origin.to_owned(), size: head.size, root: head.root })
    }

    fn shard_hashes(&self, runtime: &Handle, size: u64) -> StoredHashes {
        let pending = Arc::clone(&self.pending.read().unwrap_or_else(std::sync::PoisonError::into_inner));
        StoredHashes::new(
            Arc::clone(&self.store),
            runtime.clone(),
            LogId::Shard(self.shard),
            size,
            Some(pending),
        )
    }

    fn root_hashes(&self, runtime: &Handle, size: u64) -> StoredHashes {
        let pending =
            Arc::clone(&self.root_pending.read().unwrap_or_else(std::sync::PoisonError::into_inner));
        StoredHashes::new(Arc::clone(&self.store), runtime.clone(), LogId::Root, size, Some(pending))
    }
}

fn path(index: u64, size: u64, hashes: &StoredHashes) -> Result<Vec<Hash>, ServiceError> {
    inclusion(index, size, hashes).map_err(|error| match hashes.failure() {
        Some(failure) => failure.into(),
        None => ServiceError::new(ErrorKind::Internal, "the log's tiles are incomplete").caused_by(error),
    })
}

/// What of the log does not read back is said to whoever reads the log: it is what they look for.
fn name_damage(error: ServiceError) -> ServiceError {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<StoreError>());
    let Some(StoreError::Corrupt(what)) = cause else { return error };
    let message = format!("the log does not read back: {what}");
    ServiceError::new(ErrorKind::LogDamaged, message).caused_by(StoreError::Corrupt(what.clone()))
}

fn damaged(index: u64) -> ServiceError {
    StoreError::Corrupt(format!("entry {index} of the log does not decode")).into()
}

/// Runs what waits for the store on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&Handle) -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || work(&runtime)).await;
    done.map_err(|error| ServiceError::new(ErrorKind::Internal, "reading the log failed").caused_by(error))?
        .map_err(name_damage)
}
