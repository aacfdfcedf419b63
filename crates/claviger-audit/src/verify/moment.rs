//! Moments in the life of a log.

use crate::Entry;

/// Of which moment the objects are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Behind this entry.
    Entry(u64),
    /// At this instant of the log's time, in microseconds since 1970: behind the last entry before the first one that is later.
    Instant(u64),
}

/// A moment as the log has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// How many entries lie before it.
    pub size: u64,
    /// The instant of the last of them, in microseconds since 1970; none before the first entry.
    pub newest_at: Option<u64>,
}

impl Moment {
    /// Does it lie before this entry?
    #[must_use]
    pub const fn is_before(self, index: u64, entry: &Entry<'_>) -> bool {
        match self {
            Self::Entry(last) => index > last,
            Self::Instant(instant) => entry.t > instant,
        }
    }

    /// Is it in a log that ends so, without an entry behind it?
    pub(super) fn is_in(self, end: Reached, newest_cut: u64) -> bool {
        match self {
            Self::Entry(last) => last < end.size,
            Self::Instant(instant) => instant <= newest_cut.max(end.newest_at.unwrap_or_default()),
        }
    }
}
