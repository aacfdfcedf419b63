//! The Merkle tree of RFC 6962, section 2.1: hashes, the frontier that grows it, and proofs over it.
//!
//! A perfect subtree is named by its height (0 is a leaf) and its index among the subtrees of that height, from the left.

mod frontier;
mod proof;

pub use frontier::Frontier;
pub use proof::{
    HashReader, TreeError, consistency, inclusion, root_of, verify_consistency, verify_inclusion,
};

pub use crate::hash::Hash;

/// The hash of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    crate::hash::sha256(&[])
}

/// `SHA-256(0x00 || entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    crate::hash::sha256_prefixed(0, entry)
}

/// `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut both = [0; 64];
    let (l, r) = both.split_at_mut(32);
    l.copy_from_slice(left);
    r.copy_from_slice(right);
    crate::hash::sha256_prefixed(1, &both)
}
