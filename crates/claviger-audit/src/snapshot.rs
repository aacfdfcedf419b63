//! Snapshots: an entry that commits to all objects as they stood behind the first entries of the log.
//!
//! The root is that of an RFC 6962 tree whose leaves are the digests of the newest facts of all objects that are there, in the order
//! of (kind, identifier). The state is that of one read of the store, so the entry comes later than the entries that it is of, and
//! says how many these are.

use crate::Hash;
use crate::tree::{Frontier, leaf_hash};

/// What an entry `snapshot` refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Root over the objects.
    pub root: Hash,
    /// Of the state behind so many entries of the shard.
    pub size: u64,
    /// How many objects there are.
    pub objects: u64,
}

impl Snapshot {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 48;

    /// Of these digests, which come in the order of their objects.
    #[must_use]
    pub fn of(size: u64, digests: impl IntoIterator<Item = Hash>) -> Self {
        let mut tree = StateTree::default();
        digests.into_iter().for_each(|digest| tree.push(&digest));
        tree.snapshot(size)
    }

    /// Root, size and number of objects, the numbers big-endian in 8 bytes each: the reference of the entry.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let parts = [self.root.as_slice(), &self.size.to_be_bytes(), &self.objects.to_be_bytes()];
        for (to, from) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// What [`Self::to_bytes`] wrote; `None` for bytes of another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (root, rest) = bytes.split_first_chunk::<32>()?;
        let (size, objects) = rest.split_first_chunk::<8>()?;
        let (size, objects) = (u64::from_be_bytes(*size), u64::from_be_bytes(objects.try_into().ok()?));
        Some(Self { root: *root, size, objects })
    }
}

/// The tree of a snapshot while it grows: some 2 KiB however many objects there are.
#[derive(Clone, Debug, Default)]
pub struct StateTree(Frontier);

impl StateTree {
    /// Appends the next object by the digest of its newest fact.
    pub fn push(&mut self, digest: &Hash) {
        self.0.push(leaf_hash(digest));
    }

    /// The snapshot of what was pushed, as the state behind so many entries.
    #[must_use]
    pub fn snapshot(&self, size: u64) -> Snapshot {
        Snapshot { root: self.0.root(), size, objects: self.0.size() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::node_hash;

    #[test]
    fn root_is_that_of_rfc_6962() {
        assert_eq!(Snapshot::of(0, []).root, crate::tree::empty_root());
        let (a, b, c) = ([1; 32], [2; 32], [3; 32]);
        let left = node_hash(&leaf_hash(&a), &leaf_hash(&b));
        let snapshot = Snapshot::of(9, [a, b, c]);
        assert_eq!(snapshot, Snapshot { root: node_hash(&left, &leaf_hash(&c)), size: 9, objects: 3 });
        assert_ne!(Snapshot::of(9, [b, a, c]).root, snapshot.root);
    }

    #[test]
    fn reference_reads_back() {
        let snapshot = Snapshot { root: [7; 32], size: 1 << 40, objects: 3 };
        assert_eq!(Snapshot::from_bytes(&snapshot.to_bytes()), Some(snapshot));
        assert_eq!(Snapshot::from_bytes(&snapshot.to_bytes()[1..]), None);
        assert_eq!(Snapshot::from_bytes(&[snapshot.to_bytes().as_slice(), &[0]].concat()), None);
    }
}
