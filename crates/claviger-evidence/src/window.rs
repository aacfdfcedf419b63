//! Which entries lie in a period, by the cuts of the log: cuts have the log's time, and what was cut until an instant was there then.
//!
//! The last cut before the begin says where the period begins in each shard, the last one that is not behind the end where it ends. What came
//! within the time between two cuts counts with the later one.

use std::collections::BTreeMap;
use std::ops::Range;

use claviger_audit::cut::Cut;
use claviger_audit::verify::{CHECKPOINT, Files, Finding, ROOT, WalkError, for_each_entry, read};
use claviger_audit::{Checkpoint, VerifierKey};
use claviger_compliance::Period;
use claviger_core::Timestamp;

/// The entries of a period, by shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    period: Period,
    /// Sizes of the shards at the last cut before the period, and at the last one in it.
    before: BTreeMap<u32, u64>,
    until: BTreeMap<u32, u64>,
}

impl Window {
    /// Of a period, before any cut was seen.
    #[must_use]
    pub const fn new(period: Period) -> Self {
        Self { period, before: BTreeMap::new(), until: BTreeMap::new() }
    }

    /// Of a log whose cuts are read now. That they are those that the checkpoint commits to is for a verification to say.
    ///
    /// # Errors
    /// When checkpoint or cuts cannot be read.
    pub fn of(files: &dyn Files, key: &VerifierKey, period: Period) -> Result<Self, WalkError> {
        let head = Checkpoint::open(&read(files, CHECKPOINT)?, key);
        let head =
            head.map_err(|error| WalkError::Finding(Finding::CheckpointInvalid { why: error.to_string() }))?;
        let mut window = Self::new(period);
        for_each_entry(files, ROOT, head.size, |_, bytes| {
            if let Ok(cut) = Cut::decode(bytes) {
                window.cut(&cut);
            }
        })?;
        Ok(window)
    }

    /// Takes the next cut.
    pub fn cut(&mut self, cut: &Cut) {
        let at = Timestamp::from_micros(cut.t);
        let sizes = cut.shards.iter().map(|head| (head.shard, head.size));
        if at < self.period.from {
            self.before.extend(sizes.clone());
        }
        if at <= self.period.to {
            self.until.extend(sizes);
        }
    }

    /// The entries of a shard.
    #[must_use]
    pub fn range(&self, shard: u32) -> Range<u64> {
        let end = self.until.get(&shard).copied().unwrap_or_default();
        self.before.get(&shard).copied().unwrap_or_default().min(end)..end
    }

    /// Does it hold that entry?
    #[must_use]
    pub fn holds(&self, shard: u32, index: u64) -> bool {
        self.range(shard).contains(&index)
    }

    /// The entries of all shards, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, Range<u64>)> {
        self.until.keys().map(|shard| (*shard, self.range(*shard)))
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::{ShardHead, ShardState};

    use super::*;

    fn cut(t: u64, sizes: &[(u32, u64)]) -> Cut {
        let head = |(shard, size): &(u32, u64)| ShardHead {
            shard: *shard,
            state: ShardState::Active,
            incarnation: 1,
            size: *size,
            root: [0; 32],
            epoch: 1,
        };
        Cut {
            t,
            cut_no: 0,
            epoch: 1,
            shards: sizes.iter().map(head).collect(),
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        }
    }

    #[test]
    fn a_period_begins_behind_the_last_cut_before_it_and_ends_with_the_last_one_in_it() {
        let at = Timestamp::from_micros;
        let mut window = Window::new(Period { from: at(10), to: at(20) });
        assert_eq!((window.range(1), window.ranges().count()), (0..0, 0));
        let cuts: [(u64, &[(u32, u64)]); 5] = [
            (5, &[(1, 3)]),
            (9, &[(1, 4)]),
            (10, &[(1, 5), (2, 7)]),
            (20, &[(1, 9), (2, 7)]),
            (21, &[(1, 12), (2, 8), (3, 1)]),
        ];
        for (t, sizes) in cuts {
            window.cut(&cut(t, sizes));
        }
        assert_eq!(window.ranges().collect::<Vec<_>>(), [(1, 4..9), (2, 0..7)]);
        assert!(window.holds(1, 4) && !window.holds(1, 3) && !window.holds(1, 9) && !window.holds(3, 0));
    }
}
