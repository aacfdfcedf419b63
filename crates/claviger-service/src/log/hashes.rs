//! Hashes of subtrees, read from where they are: entries for the leaves, tiles for what is above, memory for tiles not full yet.
//!
//! Blocking: for threads that may wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use claviger_audit::tree::{Hash, HashReader, leaf_hash, node_hash};
use claviger_core::port::store::{LogId, StoredBatch};
use claviger_core::port::{Store, StoreError};

use super::body::{self, Record, Unpacker};
use super::tree::{Pending, TILE_WIDTH};
use crate::work::At;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Batches that are read at once: at first, at most, and about how many bytes they may have together.
const FIRST_READ: u32 = 2;
const MOST_READ: u32 = 64;
const PIECE_BYTES: usize = 256 << 10;

/// Tiles that were read, by level and number.
type Tiles = HashMap<(u8, u64), Rc<Vec<Hash>>>;

/// The hashes of one log, as of one size.
pub(crate) struct StoredHashes {
    store: Arc<dyn Store>,
    at: At,
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
        at: At,
        log: LogId,
        size: u64,
        pending: Option<Arc<Pending>>,
    ) -> Self {
        Self { store, at, log, size, pending, tiles: RefCell::default(), failure: RefCell::default() }
    }

    /// What went wrong with the store, if a hash was missing for that reason.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        self.failure.borrow().clone()
    }

    /// The entries `from..to`.
    pub(crate) fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        read_entries(self.source(), from, to.min(self.size))
    }

    fn source(&self) -> Source<'_> {
        Source { store: self.store.as_ref(), log: self.log, at: &self.at }
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
            self.at.check()?;
            let bytes = self.at.runtime().block_on(self.store.find_tile(self.log, level, index))?;
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

/// A log, as a job reads it.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) log: LogId,
    pub(crate) at: &'a At,
}

impl Source<'_> {
    /// Shows entries `from..to` one after the other, until `see` breaks off. A piece of the log is in memory at a time.
    pub(crate) fn walk<E: From<StoreError>>(
        self,
        from: u64,
        to: u64,
        mut see: impl FnMut(u64, Record) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let (mut next, mut at_once) = (from, FIRST_READ);
        while next < to {
            self.at.check()?;
            let piece = self.read(next, to, at_once)?;
            if piece.entries.is_empty() {
                return Err(StoreError::Corrupt(format!("entry {next} of the log is missing")).into());
            }
            at_once = next_read(piece.packed, at_once);
            for record in piece.entries {
                if next == to || see(next, record)?.is_break() {
                    return Ok(());
                }
                next += 1;
            }
        }
        Ok(())
    }

    /// Shows entries `from..to` of a shard with what lies beside them, as [`Self::walk`] does, and copies nothing.
    pub(crate) fn scan<E: From<StoreError>>(
        self,
        shard: u32,
        from: u64,
        to: u64,
        mut see: impl FnMut(u64, &[u8], Option<&[u8]>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let (mut next, mut at_once, mut unpacker) = (from, FIRST_READ, Unpacker::default());
        while next < to {
            self.at.check()?;
            let batches = self.at.runtime().block_on(self.store.list_batches(shard, next, at_once))?;
            let packed = batches.iter().map(|batch| batch.body.len()).sum();
            at_once = next_read(packed, at_once);
            let begun = next;
            for batch in &batches {
                let mut index = batch.first_index;
                if index > next {
                    break;
                }
                for record in unpacker.records(&batch.body)? {
                    let (entry, beside) = record?;
                    if index == to {
                        return Ok(());
                    }
                    if index >= next && see(index, entry, beside)?.is_break() {
                        return Ok(());
                    }
                    index += 1;
                }
                if index != batch.first_index + u64::from(batch.count) {
                    let what = format!("the batch at {} has another number of entries", batch.first_index);
                    return Err(StoreError::Corrupt(what).into());
                }
                next = next.max(index);
            }
            if next == begun {
                return Err(StoreError::Corrupt(format!("entry {next} of the log is missing")).into());
            }
        }
        Ok(())
    }

    fn read(self, next: u64, to: u64, at_once: u32) -> Result<Piece, StoreError> {
        let runtime = self.at.runtime();
        match self.log {
            LogId::Root => {
                let limit = u32::try_from(to - next).unwrap_or(u32::MAX).min(1024);
                let cuts = runtime.block_on(self.store.list_cuts(next, limit))?;
                let entries = cuts.into_iter().map(|entry| Record { entry, facts: None }).collect();
                Ok(Piece { entries, packed: 0 })
            }
            LogId::Shard(shard) => {
                let batches = runtime.block_on(self.store.list_batches(shard, next, at_once))?;
                let packed = batches.iter().map(|batch| batch.body.len()).sum();
                Ok(Piece { entries: unpack_from(batches, next)?, packed })
            }
        }
    }
}

/// Entries that were read at once.
struct Piece {
    entries: Vec<Record>,
    /// Size of their batches as they are stored.
    packed: usize,
}

/// How many batches to read next behind `at_once` of that size, so that a piece stays small: batches are of one entry or of
/// thousands.
fn next_read(packed: usize, at_once: u32) -> u32 {
    let each = (packed / usize::try_from(at_once).unwrap_or(1).max(1)).max(1);
    u32::try_from(PIECE_BYTES / each).unwrap_or(MOST_READ).clamp(1, MOST_READ)
}

/// Reads entries `from..to` of a log.
pub(crate) fn read_entries(source: Source<'_>, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut entries = Vec::new();
    source.walk(from, to, |_, record| {
        entries.push(record.entry);
        Ok::<_, StoreError>(ControlFlow::Continue(()))
    })?;
    Ok(entries)
}

/// The entries of these batches from `index` on.
fn unpack_from(batches: Vec<StoredBatch>, index: u64) -> Result<Vec<Record>, StoreError> {
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
