//! The road's word that an entry is durable. A result is shut until its receipt is there.

use std::fmt::Write as _;
use std::sync::Arc;

/// What all entries of one committed batch share.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchSeal {
    /// Origin of the shard's log, `<deployment>/audit/<shard>`.
    pub origin: Arc<str>,
    /// Size of the log after the batch.
    pub size: u64,
    /// Fence epoch under which the batch was committed.
    pub epoch: u64,
    /// `size;root;sig` in the form of the receipt, ready to append.
    pub tail: Box<str>,
}

/// Proof that an operation's entry, or entries, are durable. Made by the road alone, after the fence commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    index: u64,
    leaf: [u8; 32],
    seal: Arc<BatchSeal>,
}

impl Receipt {
    /// States that the entry at `index`, with that leaf hash, is durable. Guarded: only the sequencer may say so.
    #[must_use]
    pub const fn assertion(index: u64, leaf: [u8; 32], seal: Arc<BatchSeal>) -> Self {
        Self { index, leaf, seal }
    }

    /// Index of the operation's first entry in its shard's log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Leaf hash of that entry (RFC 6962, 2.1).
    #[must_use]
    pub const fn leaf(&self) -> &[u8; 32] {
        &self.leaf
    }

    /// What it shares with its batch.
    #[must_use]
    pub fn seal(&self) -> &BatchSeal {
        &self.seal
    }

    /// The receipt as callers get it: `v1;origin;index;leaf;size;root;sig`, leaf in lower-case hexadecimal.
    #[must_use]
    pub fn to_wire(&self) -> String {
        let mut wire = String::with_capacity(self.seal.origin.len() + self.seal.tail.len() + 96);
        wire.push_str("v1;");
        wire.push_str(&self.seal.origin);
        let _ = write!(wire, ";{};", self.index);
        for byte in self.leaf {
            for nibble in [byte >> 4, byte & 15] {
                wire.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
            }
        }
        wire.push(';');
        wire.push_str(&self.seal.tail);
        wire
    }
}
