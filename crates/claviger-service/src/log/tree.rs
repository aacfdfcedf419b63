//! The tree over a log, as far as appending needs it: the frontier, and the subtree hashes of tiles not yet full.
//!
//! Appending works on a draft; the tree itself moves only after the commit.

use std::sync::{Arc, RwLock};

use claviger_audit::tree::{Frontier, Hash};
use claviger_core::port::store::Tile;

/// Hashes of a tile, by C2SP tlog-tiles.
pub(crate) const TILE_WIDTH: usize = 256;

/// Pending hashes per tile level, from level 1 on: `pending[k]` are the subtrees of height `8 * (k + 1)` since the last
/// full tile of that level.
pub(crate) type Pending = Vec<Vec<Hash>>;

/// The committed tree. Readers share `pending`.
#[derive(Debug)]
pub(crate) struct LogTree {
    frontier: Frontier,
    pending: Arc<RwLock<Arc<Pending>>>,
}

/// The tree with entries that are not committed yet.
#[derive(Debug)]
pub(crate) struct Draft {
    frontier: Frontier,
    base: Arc<Pending>,
    changed: Option<Pending>,
    tiles: Vec<Tile>,
}

impl LogTree {
    pub(crate) fn new(frontier: Frontier, pending: Pending) -> Self {
        Self { frontier, pending: Arc::new(RwLock::new(Arc::new(pending))) }
    }

    /// What readers look into for tiles that are not full yet.
    pub(crate) fn shared_pending(&self) -> Arc<RwLock<Arc<Pending>>> {
        Arc::clone(&self.pending)
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub(crate) fn draft(&self) -> Draft {
        let base = Arc::clone(&self.pending.read().unwrap_or_else(std::sync::PoisonError::into_inner));
        Draft { frontier: self.frontier.clone(), base, changed: None, tiles: Vec::new() }
    }

    /// Takes the draft over, once what it describes is durable.
    pub(crate) fn install(&mut self, draft: Draft) {
        self.frontier = draft.frontier;
        if let Some(changed) = draft.changed {
            *self.pending.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(changed);
        }
    }
}

impl Draft {
    pub(crate) fn push(&mut self, leaf: Hash) {
        let Self { frontier, base, changed, tiles } = self;
        frontier.push_reporting(leaf, |height, index, hash| {
            if height == 0 || height % 8 != 0 {
                return;
            }
            let pending = changed.get_or_insert_with(|| Pending::clone(base));
            collect(pending, tiles, height / 8, index, *hash);
        });
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Tiles that the draft completes.
    pub(crate) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }
}

/// Adds the hash of a subtree to its tile; hands the tile over when it is full.
fn collect(pending: &mut Pending, tiles: &mut Vec<Tile>, level: u8, index: u64, hash: Hash) {
    let at = usize::from(level).saturating_sub(1);
    if pending.len() <= at {
        pending.resize_with(at + 1, Vec::new);
    }
    let Some(hashes) = pending.get_mut(at) else { return };
    hashes.push(hash);
    if hashes.len() == TILE_WIDTH {
        tiles.push(Tile { level, index: index / TILE_WIDTH as u64, hashes: hashes.concat() });
        hashes.clear();
    }
}

/// Rebuilds the pending hashes for a log of `size` entries from hashes of height-8 subtrees and above.
#[derive(Debug, Default)]
pub(crate) struct Rebuild {
    pending: Pending,
}

impl Rebuild {
    /// Puts the hashes of a level that are beyond its last full tile.
    pub(crate) fn put(&mut self, level: u8, hashes: Vec<Hash>) {
        let at = usize::from(level).saturating_sub(1);
        if self.pending.len() <= at {
            self.pending.resize_with(at + 1, Vec::new);
        }
        if let Some(slot) = self.pending.get_mut(at) {
            *slot = hashes;
        }
    }

    pub(crate) fn finish(self, frontier: Frontier) -> LogTree {
        LogTree::new(frontier, self.pending)
    }
}
