//! What is kept of the uses of key versions: derived from the log, and written with cuts.

use crate::{KeyVersionId, Timestamp};

/// How often something was used, and on how much. No sum passes the greatest number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UseCounts {
    /// Uses that made something under it (NIST SP 800-57 part 1, 5.3.5: originator usage).
    pub protected: u64,
    /// Uses on what was made under it before (the same: recipient usage).
    pub processed: u64,
    /// Bytes of the inputs, each rounded up to a power of two, as the log records them.
    pub bytes: u64,
    /// Keys that were wrapped under it: data keys and private keys that were made, and keys that callers supplied.
    pub children: u64,
}

impl UseCounts {
    /// These, and more.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            protected: self.protected.saturating_add(more.protected),
            processed: self.processed.saturating_add(more.processed),
            bytes: self.bytes.saturating_add(more.bytes),
            children: self.children.saturating_add(more.children),
        }
    }

    /// These, without some of them.
    #[must_use]
    pub const fn without(self, some: Self) -> Self {
        Self {
            protected: self.protected.saturating_sub(some.protected),
            processed: self.processed.saturating_sub(some.processed),
            bytes: self.bytes.saturating_sub(some.bytes),
            children: self.children.saturating_sub(some.children),
        }
    }
}

/// What is kept of the uses of a key version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionUsage {
    /// The version.
    pub version: KeyVersionId,
    /// Every entry of the log before this index is considered.
    pub counted_to: u64,
    /// Index of the entry that records the last use that came to its end.
    pub last_index: u64,
    /// When that was.
    pub last_at: Timestamp,
    /// Operation code of that use.
    pub last_operation: u16,
    /// All uses before `counted_to`; in what is written, those that the row does not have yet.
    pub counts: UseCounts,
}

/// What is kept of uses, to be written with a cut.
#[derive(Debug, Clone, Copy)]
pub struct UsageRows<'a> {
    /// The versions whose row changes.
    pub rows: &'a [VersionUsage],
    /// With these rows, the table considers every entry of the log before this index.
    pub counted_to: u64,
}
