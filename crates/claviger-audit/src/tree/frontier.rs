//! The right edge of a growing tree: all it takes to append a leaf and to know the root.

use super::{Hash, empty_root, node_hash};

/// Roots of the perfect subtrees that make up a tree, at most 63 of them, held in place. Cloning copies 2 KiB, which is
/// what a batch does before it is committed.
#[derive(Clone)]
pub struct Frontier {
    size: u64,
    /// The root of the subtree of height `h`, valid where bit `h` of `size` is set.
    nodes: [Hash; 64],
}

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, nodes: [[0; 32]; 64] }
    }

    /// The frontier of a tree of `size` leaves, from the roots of its perfect subtrees. `None` if the reader lacks one of
    /// them, or for `size` of 2^63 and above.
    pub fn from_subtrees(size: u64, reader: impl Fn(u8, u64) -> Option<Hash>) -> Option<Self> {
        if size >> 63 != 0 {
            return None;
        }
        let mut frontier = Self { size, ..Self::new() };
        for (height, node) in (0_u8..).zip(&mut frontier.nodes) {
            if (size >> height) & 1 == 1 {
                // The set bit itself is the subtree's own place: the leaves before it are those of the higher bits.
                *node = reader(height, (size >> height) - 1)?;
            }
        }
        Some(frontier)
    }

    /// Appends a leaf, by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_reporting(leaf, |_, _, _| {});
    }

    /// Appends a leaf and reports every perfect subtree that it completes as (height, index, hash), the leaf itself first.
    /// A report of height 8 is a full tile; heights 8, 16, … are what tiles of higher levels are made of.
    pub fn push_reporting(&mut self, leaf: Hash, mut report: impl FnMut(u8, u64, &Hash)) {
        let at = self.size;
        let mut hash = leaf;
        for (height, node) in (0_u8..).zip(&mut self.nodes) {
            report(height, at >> height, &hash);
            if (at >> height) & 1 == 0 {
                *node = hash;
                break;
            }
            hash = node_hash(node, &hash);
        }
        // 2^63 leaves are the most that `from_subtrees` starts from or pushing one by one could ever reach.
        self.size = at.wrapping_add(1);
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root (RFC 6962, 2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        let perfect = self.nodes.iter().enumerate().filter(|(height, _)| (self.size >> height) & 1 == 1);
        perfect
            .fold(None, |right: Option<Hash>, (_, left)| {
                Some(right.map_or(*left, |right| node_hash(left, &right)))
            })
            .unwrap_or_else(empty_root)
    }
}

impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Frontier {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size
            && self
                .nodes
                .iter()
                .zip(&other.nodes)
                .enumerate()
                .all(|(height, (a, b))| (self.size >> height) & 1 == 0 || a == b)
    }
}

impl Eq for Frontier {}

impl std::fmt::Debug for Frontier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frontier({}, {})", self.size, crate::hash::to_hex(&self.root()))
    }
}
