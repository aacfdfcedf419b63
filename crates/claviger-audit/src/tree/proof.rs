//! Inclusion and consistency proofs: made from perfect subtrees, checked from the leaf up (RFC 9162, 2.1.3 and 2.1.4).

use super::{Hash, empty_root, node_hash};

/// Perfect subtrees of a tree, by height and index.
pub trait HashReader {
    /// The root of the perfect subtree, or `None` if it is not there.
    fn hash(&self, height: u8, index: u64) -> Option<Hash>;
}

impl<F: Fn(u8, u64) -> Option<Hash>> HashReader for F {
    fn hash(&self, height: u8, index: u64) -> Option<Hash> {
        self(height, index)
    }
}

/// A proof that does not prove, or cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The index or the older size is beyond the tree.
    #[error("index or older size is beyond the tree")]
    BeyondTree,
    /// The subtree that is needed is not there.
    #[error("subtree {index} of height {height} is missing")]
    Missing {
        /// Its height.
        height: u8,
        /// Its index among those of this height.
        index: u64,
    },
    /// The proof has too few or too many hashes.
    #[error("proof has the wrong length")]
    Length,
    /// The proof leads to another root.
    #[error("proof leads to another root")]
    Root,
}

/// The leaves `from..to`, where `from` is where a subtree of that extent may begin.
#[derive(Clone, Copy)]
struct Range {
    from: u64,
    to: u64,
}

impl Range {
    const fn width(self) -> u64 {
        self.to - self.from
    }

    /// The largest power of two below the width (RFC 6962, 2.1), for ranges of two leaves or more.
    const fn split(self) -> u64 {
        self.from + (1 << (63 - (self.width() - 1).leading_zeros()))
    }

    /// Its root: perfect subtrees from the left, folded from the right.
    fn root(self, reader: &impl HashReader) -> Result<Hash, TreeError> {
        if self.width().is_power_of_two() {
            let height = height(self.width());
            let index = self.from >> height;
            return reader.hash(height, index).ok_or(TreeError::Missing { height, index });
        }
        if self.width() == 0 {
            return Ok(empty_root());
        }
        let split = self.split();
        let left = Self { from: self.from, to: split }.root(reader)?;
        let right = Self { from: split, to: self.to }.root(reader)?;
        Ok(node_hash(&left, &right))
    }
}

fn height(width: u64) -> u8 {
    u8::try_from(width.trailing_zeros()).unwrap_or(u8::MAX)
}

/// The root of the tree of `size` leaves.
///
/// # Errors
/// [`TreeError::Missing`] if the reader lacks a subtree.
pub fn root_of(size: u64, reader: &impl HashReader) -> Result<Hash, TreeError> {
    Range { from: 0, to: size }.root(reader)
}

/// Proves that the leaf `index` is in the tree of `size` leaves (RFC 9162, 2.1.3.1): sibling of the leaf first.
///
/// # Errors
/// [`TreeError::BeyondTree`], or [`TreeError::Missing`] if the reader lacks a subtree.
pub fn inclusion(index: u64, size: u64, reader: &impl HashReader) -> Result<Vec<Hash>, TreeError> {
    if index >= size {
        return Err(TreeError::BeyondTree);
    }
    let mut range = Range { from: 0, to: size };
    let mut path = Vec::new();
    while range.width() > 1 {
        let split = range.split();
        let (left, right) = (Range { to: split, ..range }, Range { from: split, ..range });
        let (inside, sibling) = if index < split { (left, right) } else { (right, left) };
        path.push(sibling.root(reader)?);
        range = inside;
    }
    path.reverse();
    Ok(path)
}

/// Proves that the tree of `older` leaves is the beginning of the tree of `newer` leaves (RFC 9162, 2.1.4.1). Between equal
/// sizes, and from the empty tree, the proof is empty.
///
/// # Errors
/// [`TreeError::BeyondTree`], or [`TreeError::Missing`] if the reader lacks a subtree.
pub fn consistency(older: u64, newer: u64, reader: &impl HashReader) -> Result<Vec<Hash>, TreeError> {
    if older > newer {
        return Err(TreeError::BeyondTree);
    }
    if older == 0 || older == newer {
        return Ok(Vec::new());
    }
    let mut range = Range { from: 0, to: newer };
    let mut path = Vec::new();
    let mut whole = true;
    while older != range.to {
        let split = range.split();
        let (left, right) = (Range { to: split, ..range }, Range { from: split, ..range });
        if older <= split {
            path.push(right.root(reader)?);
            range = left;
        } else {
            path.push(left.root(reader)?);
            range = right;
            whole = false;
        }
    }
    // The older tree's root need not be in the proof when it is the whole of what was reached; the verifier has it.
    if !whole {
        path.push(range.root(reader)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks an inclusion proof (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`TreeError::BeyondTree`], [`TreeError::Length`] or [`TreeError::Root`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), TreeError> {
    if index >= size {
        return Err(TreeError::BeyondTree);
    }
    let (mut fringe, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return Err(TreeError::Length);
        }
        if fringe & 1 == 1 || fringe == last {
            hash = node_hash(sibling, &hash);
            while fringe & 1 == 0 && fringe != 0 {
                fringe >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        fringe >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(TreeError::Length);
    }
    if hash == *root { Ok(()) } else { Err(TreeError::Root) }
}

/// Checks a consistency proof (RFC 9162, 2.1.4.2). Equal sizes need equal roots and an empty proof; the empty tree is the
/// beginning of every tree.
///
/// # Errors
/// [`TreeError::BeyondTree`], [`TreeError::Length`] or [`TreeError::Root`].
pub fn verify_consistency(older: (u64, &Hash), newer: (u64, &Hash), path: &[Hash]) -> Result<(), TreeError> {
    let ((older, older_root), (newer, newer_root)) = (older, newer);
    if older > newer {
        return Err(TreeError::BeyondTree);
    }
    if older == 0 || older == newer {
        let expected = if older == newer { *newer_root } else { empty_root() };
        return match path {
            [] if expected == *older_root => Ok(()),
            [] => Err(TreeError::Root),
            _ => Err(TreeError::Length),
        };
    }
    // An older tree that is a perfect subtree of the newer is not repeated in the proof.
    let mut siblings = path.iter();
    let start = if older.is_power_of_two() { Some(older_root) } else { siblings.next() };
    let start = *start.ok_or(TreeError::Length)?;
    let (mut fringe, mut last) = (older - 1, newer - 1);
    while fringe & 1 == 1 {
        fringe >>= 1;
        last >>= 1;
    }
    let (mut first_hash, mut second_hash) = (start, start);
    for sibling in siblings {
        if last == 0 {
            return Err(TreeError::Length);
        }
        if fringe & 1 == 1 || fringe == last {
            first_hash = node_hash(sibling, &first_hash);
            second_hash = node_hash(sibling, &second_hash);
            while fringe & 1 == 0 && fringe != 0 {
                fringe >>= 1;
                last >>= 1;
            }
        } else {
            second_hash = node_hash(&second_hash, sibling);
        }
        fringe >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(TreeError::Length);
    }
    if first_hash == *older_root && second_hash == *newer_root { Ok(()) } else { Err(TreeError::Root) }
}
