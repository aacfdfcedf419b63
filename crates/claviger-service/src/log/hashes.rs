//! Hashes of subtrees, read from where they are: entries for the leaves, tiles for what is above, memory for tiles not full yet.
//!
//! Blocking: for threads that may wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use claviger_audit::tree::{Hash, HashReader, leaf_hash, node_hash};
use claviger_core::port::store::LogId;
use claviger_core::port::{Store, StoreError};
use tokio::runtime::Handle;

use super::body;
use super::tree::{Pending, TILE_WIDTH};

const WIDTH: u64 = TILE_WIDTH as u64;
/// How many batches or cuts are read at once.
const READ_AT_ONCE: u32 = 64;

/// Tiles that were read, by level and number.
type Tiles = HashMap<(u8, u64), Rc<Vec<Hash>>>;

/// The hashes of one log, as of one size.
pub(crate) struct StoredHashes {
    store: Arc<dyn Store>,
    runtime: Handle,
    log: LogId,
    size: u64,
    /// What the appender knows of tiles that are not full, if it is asked and at least of that size.
    pending: Option<Arc<Pending>>,
    tiles: RefCell<Tiles>,
    failure: RefCell<Option<StoreError>>,
}

impl StoredHashes {
    /// Reads the log as of `size`. Call from a thread that may block.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        runtime: Handle,
        log: LogId,
        size: u64,
        pending: Option<Arc<Pending>>,
    ) -> Self {
        Self { store, runtime, log, size, pending, tiles: RefCell::default(), failure: RefCell::default() }
    }

    /// What went wrong with the store, if a hash was missing for that reason.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        self.failure.borrow().clone()
    }

    /// The entries `from..to`.
    pub(crate) fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        read_entries(self.store.as_ref(), &self.runtime, self.log, from, to.min(self.size))
    }

    /// All hashes that the tile has at this size; empty when it has none.
    pub(crate) fn tile(&self, level: u8, index: u64) -> Result<Rc<Vec<Hash>>, StoreError> {
        if let Some(tile) = self.tiles.borrow().get(&(level, index)) {
            return Ok(Rc::clone(tile));
        }
        let tile = Rc::new(self.load_tile(level, index)?);
        self.tiles.borrow_mut().insert((level, index), Rc::clone(&tile));
        Ok(tile)
    }

    fn load_tile(&self, level: u8, index: u64) -> Result<Vec<Hash>, StoreError> {
        let shift = 8 * u32::from(level);
        let there = self.size.checked_shr(shift).unwrap_or(0);
        let first = index.saturating_mul(WIDTH);
        let count = there.saturating_sub(first).min(WIDTH);
        if level == 0 {
            return Ok(self.entries(first, first + count)?.iter().map(|entry| leaf_hash(entry)).collect());
        }
        if count == WIDTH {
            let bytes = self.runtime.block_on(self.store.find_tile(self.log, level, index))?;
            return bytes
                .map(|bytes| bytes.as_chunks::<32>().0.to_vec())
                .filter(|hashes| hashes.len() == TILE_WIDTH)
                .ok_or_else(|| StoreError::Corrupt(format!("tile {level}/{index} of the log is missing")));
        }
        let wanted = usize::try_from(count).unwrap_or(TILE_WIDTH);
        if let Some(known) = self.remembered(level, index, wanted) {
            return Ok(known);
        }
        (first..first + count).map(|child| Ok(fold(&self.tile(level - 1, child)?))).collect()
    }

    /// From the appender's memory, when it still holds that tile.
    fn remembered(&self, level: u8, index: u64, wanted: usize) -> Option<Vec<Hash>> {
        let hashes = self.pending.as_ref()?.get(usize::from(level).checked_sub(1)?)?;
        // Its memory is of the newest tile; an older size may ask for a tile that has since been filled.
        let newest = self.size.checked_shr(8 * u32::from(level))? / WIDTH;
        (newest == index).then(|| hashes.get(..wanted)).flatten().map(<[Hash]>::to_vec)
    }
}

impl HashReader for StoredHashes {
    fn hash(&self, height: u8, index: u64) -> Option<Hash> {
        let (level, rest) = (height / 8, u32::from(height % 8));
        let first = index.checked_shl(rest)?;
        let tile =
            self.tile(level, first / WIDTH).map_err(|error| *self.failure.borrow_mut() = Some(error)).ok()?;
        let from = usize::try_from(first % WIDTH).ok()?;
        tile.get(from..from + (1 << rest)).map(fold)
    }
}

/// Root of a perfect subtree over these hashes.
fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        [] => claviger_audit::tree::empty_root(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            node_hash(&fold(left), &fold(right))
        }
    }
}

/// Reads entries `from..to` of a log.
pub(crate) fn read_entries(
    store: &dyn Store,
    runtime: &Handle,
    log: LogId,
    from: u64,
    to: u64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut entries = Vec::new();
    let mut next = from;
    while next < to {
        let read = match log {
            LogId::Root => {
                let limit = u32::try_from(to - next).unwrap_or(u32::MAX).min(1024);
                runtime.block_on(store.list_cuts(next, limit))?
            }
            LogId::Shard(shard) => read_batches(store, runtime, shard, next)?,
        };
        if read.is_empty() {
            return Err(StoreError::Corrupt(format!("entry {next} of the log is missing")));
        }
        next += read.len() as u64;
        entries.extend(read);
    }
    entries.truncate(usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX));
    Ok(entries)
}

/// Entries from `index` on, as far as a few batches reach.
fn read_batches(
    store: &dyn Store,
    runtime: &Handle,
    shard: u32,
    index: u64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let batches = runtime.block_on(store.list_batches(shard, index, READ_AT_ONCE))?;
    let mut entries = Vec::new();
    for batch in batches {
        let unpacked = body::unpack(&batch.body)?;
        if unpacked.len() as u64 != u64::from(batch.count) {
            return Err(StoreError::Corrupt(format!(
                "the batch at {} has another number of entries",
                batch.first_index
            )));
        }
        let expected = index + entries.len() as u64;
        let skipped = expected.checked_sub(batch.first_index);
        let Some(skip) =
            skipped.and_then(|skip| usize::try_from(skip).ok()).filter(|skip| *skip < unpacked.len())
        else {
            return Err(StoreError::Corrupt(format!("entry {expected} of the log is missing")));
        };
        entries.extend(unpacked.into_iter().skip(skip));
    }
    Ok(entries)
}
