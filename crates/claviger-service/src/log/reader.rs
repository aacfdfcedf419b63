//! Reads the log: pages of entries, tiles and bundles by their C2SP paths, and proofs.
//!
//! All of it is derived from what the store keeps; what cannot be derived is reported, never guessed. What takes its time
//! runs on a thread that may wait, and stops when nobody waits for it any more.

use std::collections::hash_map::{self, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, RwLock};

use claviger_audit::checkpoint::Checkpoint;
use claviger_audit::cut::Cut;
use claviger_audit::entry::{Entry, NamedAsset};
use claviger_audit::fact::Facts;
use claviger_audit::op::Outcome;
use claviger_audit::tree::{Hash, inclusion};
use claviger_core::port::store::{LogId, RootHead};
use claviger_core::port::{Store, StoreError};
use claviger_core::reason::Why;
use claviger_core::{Action, AssetId, KeyId, KeyVersionId, Timestamp};

use super::body::Record;
use super::hashes::{Source, StoredHashes, read_entries};
use super::tree::Pending;
use super::usage::{Recounted, Used, Uses};
use crate::error::{ErrorKind, ServiceError};
use crate::work::At;

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
    /// Only what was refused, with whatever outcome that is.
    pub refused: bool,
    /// Only from this instant on.
    pub since: Option<Timestamp>,
    /// Only before this instant.
    pub until: Option<Timestamp>,
    /// Only uses on this data asset.
    pub asset: Option<AssetId>,
}

impl EntryFilter {
    pub(super) fn takes(&self, entry: &Entry<'_>) -> bool {
        self.key.is_none_or(|key| entry.key == Some(*key.as_bytes()))
            && self.operation.is_none_or(|op| entry.op.code() == op)
            && self.outcome.is_none_or(|out| entry.out.code() == out)
            && (!self.refused || entry.out.is_refusal())
            && self.since.is_none_or(|since| entry.t >= since.as_micros())
            && self.until.is_none_or(|until| entry.t < until.as_micros())
            && self.asset.is_none_or(|asset| entry.ast == Some(NamedAsset::Known(*asset.as_bytes())))
    }

    /// The operation code of an action.
    #[must_use]
    pub const fn of_action(action: Action) -> u16 {
        action.code()
    }
}

/// An entry that was found.
#[derive(Clone, Debug)]
pub struct FoundEntry {
    /// Its index.
    pub index: u64,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// Why it was made, as its facts have it.
    pub why: Option<Why>,
}

impl FoundEntry {
    /// The key that it is about. Every role that reads the log may read the names of keys.
    pub(crate) fn key(&self) -> Option<KeyId> {
        Entry::decode(&self.bytes).ok()?.key.map(KeyId::from_bytes)
    }
}

/// A page of entries.
#[derive(Clone, Debug)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<FoundEntry>,
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

    /// Entries from `from` on that the filter takes, at most `limit`, of a log of `size` entries.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) fn entries(
        &self,
        at: &At,
        size: u64,
        from: u64,
        limit: u32,
        filter: &EntryFilter,
    ) -> Result<EntryPage, ServiceError> {
        let mut page = EntryPage { entries: Vec::new(), next: None, size };
        let end = size.min(from.saturating_add(LOOKED_AT));
        self.source(at, false).walk(from, end, |index, Record { entry: bytes, facts }| {
            let entry = Entry::decode(&bytes).map_err(|_| damaged(index))?;
            if !filter.takes(&entry) {
                return Ok(ControlFlow::Continue(()));
            }
            if page.entries.len() as u64 == u64::from(limit) {
                page.next = Some(index);
                return Ok::<_, ServiceError>(ControlFlow::Break(()));
            }
            // Beside a session lies its record.
            let facts = facts.filter(|_| entry.fct.is_some());
            let why = facts.as_deref().map_or(Ok(None), Facts::why_of).map_err(|_| damaged(index))?;
            page.entries.push(FoundEntry { index, bytes, why });
            Ok(ControlFlow::Continue(()))
        })?;
        if page.next.is_none() {
            page.next = (end < size).then_some(end);
        }
        Ok(page)
    }

    /// The uses of key versions that the entries `from..to` record and the table does not have.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) fn uses(&self, at: &At, from: u64, to: u64) -> Result<Recounted, ServiceError> {
        let (mut uses, mut rows) = (Recounted::new(), HashMap::new());
        self.source(at, false).walk(from, to, |index, Record { entry: bytes, .. }| {
            let entry = Entry::decode(&bytes).map_err(|_| damaged(index))?;
            let (true, Outcome::Ok, Some(key)) = (entry.op.uses_material(), entry.out, entry.key) else {
                return Ok(ControlFlow::Continue(()));
            };
            let version = KeyVersionId { key: KeyId::from_bytes(key), number: entry.kv.unwrap_or(0) };
            let row = match rows.entry(version) {
                hash_map::Entry::Occupied(known) => *known.get(),
                hash_map::Entry::Vacant(place) => {
                    let of_version = self.store.list_usage(version.key, version.number..=version.number);
                    let row = at.runtime().block_on(of_version)?.pop();
                    *place.insert(row.map_or(0, |row| row.counted_to))
                }
            };
            if index >= row {
                let used = Used { op: entry.op, at: Timestamp::from_micros(entry.t), index };
                let one = Uses::one(used, entry.n);
                uses.entry(version)
                    .and_modify(|(known, _): &mut (Uses, u64)| *known = known.and(one))
                    .or_insert((one, row.max(from)));
            }
            Ok::<_, ServiceError>(ControlFlow::Continue(()))
        })?;
        Ok(uses)
    }

    /// Proves that the entry at `index` is in the log that the newest signed checkpoint covers: `root_head`'s.
    ///
    /// # Errors
    /// Not found beyond that checkpoint: the next one is at most a second away.
    pub(crate) fn prove(&self, at: &At, root_head: RootHead, index: u64) -> Result<EntryProof, ServiceError> {
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
        let root = self.root_hashes(at, root_head.signed_size);
        let cut = root.entries(cut_index, cut_index + 1)?.pop().ok_or_else(uncovered)?;
        let decoded = Cut::decode(&cut).map_err(|_| damaged(cut_index))?;
        let head = decoded.shard(self.shard).ok_or_else(uncovered)?;
        if index >= head.size {
            return Err(uncovered());
        }
        let shard = self.shard_hashes(at, head.size);
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
    }

    /// A hash tile of the shard's log, or of the root log, at its `size`; `None` when it has no such tile. `width` of a
    /// partial tile must be what there is.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) fn tile(
        &self,
        at: &At,
        (root, size): (bool, u64),
        level: u8,
        index: u64,
        width: u16,
    ) -> Result<Option<Vec<u8>>, ServiceError> {
        let hashes = if root { self.root_hashes(at, size) } else { self.shard_hashes(at, size) };
        let tile = hashes.tile(level, index)?;
        let wanted = usize::from(width);
        Ok(tile.get(..wanted).filter(|_| wanted > 0).map(<[Hash]>::concat))
    }

    /// Entries `from..to` of the shard's log or of the root log, as far as they are there at its `size`.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) fn raw_entries(
        &self,
        at: &At,
        (root, size): (bool, u64),
        from: u64,
        to: u64,
    ) -> Result<Vec<Vec<u8>>, ServiceError> {
        Ok(read_entries(self.source(at, root), from, to.min(size))?)
    }

    /// The facts of entries `from..to` of the shard's log: the place of each from `from` on, and what belongs to it.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) fn raw_facts(&self, at: &At, from: u64, to: u64) -> Result<Vec<(u64, Vec<u8>)>, ServiceError> {
        let mut all = Vec::new();
        self.source(at, false).walk(from, to, |index, record| {
            all.extend(record.facts.map(|facts| (index - from, facts)));
            Ok::<_, StoreError>(ControlFlow::Continue(()))
        })?;
        Ok(all)
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

    /// Where it is read from.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// The shard of this log.
    pub(super) const fn shard(&self) -> u32 {
        self.shard
    }

    pub(super) fn source<'a>(&'a self, at: &'a At, root: bool) -> Source<'a> {
        let log = if root { LogId::Root } else { LogId::Shard(self.shard) };
        Source { store: self.store.as_ref(), log, at }
    }

    fn shard_hashes(&self, at: &At, size: u64) -> StoredHashes {
        let pending = Arc::clone(&self.pending.read().unwrap_or_else(std::sync::PoisonError::into_inner));
        let log = LogId::Shard(self.shard);
        StoredHashes::new(Arc::clone(&self.store), at.clone(), log, size, Some(pending))
    }

    fn root_hashes(&self, at: &At, size: u64) -> StoredHashes {
        let pending =
            Arc::clone(&self.root_pending.read().unwrap_or_else(std::sync::PoisonError::into_inner));
        StoredHashes::new(Arc::clone(&self.store), at.clone(), LogId::Root, size, Some(pending))
    }
}

fn path(index: u64, size: u64, hashes: &StoredHashes) -> Result<Vec<Hash>, ServiceError> {
    inclusion(index, size, hashes).map_err(|error| match hashes.failure() {
        Some(failure) => failure.into(),
        None => ServiceError::new(ErrorKind::Internal, "the log's tiles are incomplete").caused_by(error),
    })
}

/// What of the log does not read back is said to whoever reads the log: it is what they look for.
pub(crate) fn name_damage(error: ServiceError) -> ServiceError {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<StoreError>());
    let Some(StoreError::Corrupt(what)) = cause else { return error };
    let message = format!("the log does not read back: {what}");
    ServiceError::new(ErrorKind::LogDamaged, message).caused_by(StoreError::Corrupt(what.clone()))
}

pub(super) fn damaged(index: u64) -> ServiceError {
    StoreError::Corrupt(format!("entry {index} of the log does not decode")).into()
}
