//! When each key version was last used: kept as the log grows, so that nobody searches for it.
//!
//! The sequencer notes the uses of each batch that it committed, in memory; each cut carries the oldest of them into a narrow
//! table, a bounded number at a time. What was not carried when a process ended is counted again from the log, in the
//! background, beginning where the table ends. Until that is done, an answer says how far it is good.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use claviger_audit::op::Op;
use claviger_core::key::KeyRecord;
use claviger_core::port::store::VersionUsage;
use claviger_core::port::{Store, StoreError};
use claviger_core::{KeyVersionId, Timestamp};

/// Rows that one cut carries into the table at most: commits wait for no more than that.
const MOST_ROWS: usize = 512;
/// Entries that are counted again in one job.
const PIECE: u64 = 65_536;

/// A use of a key that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What was done.
    pub op: Op,
    /// When.
    pub at: Timestamp,
    /// Index of its entry.
    pub index: u64,
}

/// When a key was last used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// The last use that came to its end, if there was one.
    pub used: Option<Used>,
    /// There was no later use among this many entries of the log.
    pub log_size: u64,
    /// The answer is not good for the whole log: older entries are still being counted, and what is known without gaps
    /// begins here.
    pub since: Option<Timestamp>,
}

/// What is kept of uses, beside what is in the table.
#[derive(Debug)]
pub(crate) struct Usage {
    /// Size of the log when this process took it over: what came later was noted as it was committed.
    opened_at: u64,
    opened: Timestamp,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// Every entry before this index was counted, by this process or into the table by an earlier one.
    counted_to: u64,
    /// Entries of the log, all of which from `opened_at` on were noted.
    size: u64,
    /// Uses that the table does not have yet.
    waiting: HashMap<KeyVersionId, Waiting>,
    /// Those versions, in the order in which they began to wait.
    order: BTreeMap<u64, KeyVersionId>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    last: Used,
    /// Index of the oldest use since the table's row.
    since: u64,
}

/// Uses of a batch, a version's later ones in the place of its earlier ones where they follow each other.
pub(crate) type Noted = Vec<(KeyVersionId, Used)>;

/// Notes a use of a batch that is being filled.
pub(crate) fn note(noted: &mut Noted, version: KeyVersionId, used: Used) {
    match noted.last_mut() {
        Some((last, known)) if *last == version => *known = used,
        _ => noted.push((version, used)),
    }
}

impl Usage {
    /// For a log of `size` entries, of which the table considers `counted_to`.
    pub(crate) fn new(counted_to: u64, size: u64, now: Timestamp) -> Self {
        let kept = Kept { counted_to, size, waiting: HashMap::new(), order: BTreeMap::new() };
        Self { opened_at: size, opened: now, kept: Mutex::new(kept) }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch was committed, and the log has `size` entries.
    pub(crate) fn committed(&self, noted: &Noted, size: u64) {
        let mut kept = self.lock();
        kept.size = size;
        for (version, used) in noted {
            kept.note(*version, *used);
        }
    }

    /// What the next cut carries into the table, and up to which index the table then considers the log.
    pub(crate) fn due(&self) -> (Vec<VersionUsage>, u64) {
        let kept = self.lock();
        let counted_to = kept.seen_to(self.opened_at);
        let mut order = kept.order.iter();
        let rows = order.by_ref().take(MOST_ROWS).filter_map(|(_, version)| {
            kept.waiting.get(version).map(|waiting| VersionUsage {
                version: *version,
                counted_to,
                last_index: waiting.last.index,
                last_at: waiting.last.at,
                last_operation: waiting.last.op.code(),
            })
        });
        let rows = rows.collect();
        // What still waits is in no row.
        let rest = order.next().map_or(counted_to, |(since, _)| counted_to.min(*since));
        (rows, rest)
    }

    /// These rows are in the table.
    pub(crate) fn carried(&self, rows: &[VersionUsage]) {
        let mut kept = self.lock();
        for row in rows {
            let Some(waiting) = kept.waiting.get(&row.version).copied() else { continue };
            kept.order.remove(&waiting.since);
            if waiting.last.index <= row.last_index {
                kept.waiting.remove(&row.version);
            } else {
                // Used again since: from some entry behind the row's on.
                let since = row.last_index + 1;
                kept.order.insert(since, row.version);
                kept.waiting.insert(row.version, Waiting { since, ..waiting });
            }
        }
    }

    /// The next entries that are to be counted again, if any are left.
    pub(crate) fn gap(&self) -> Option<(u64, u64)> {
        let from = self.lock().counted_to;
        (from < self.opened_at).then(|| (from, from.saturating_add(PIECE).min(self.opened_at)))
    }

    /// The entries before `upto` were counted, which tell of these uses.
    pub(crate) fn counted(&self, uses: HashMap<KeyVersionId, Used>, upto: u64) {
        let mut kept = self.lock();
        for (version, used) in uses {
            kept.note(version, used);
        }
        kept.counted_to = upto;
    }

    /// The last use of a key.
    pub(crate) async fn last_of(&self, record: &KeyRecord, store: &dyn Store) -> Result<LastUse, StoreError> {
        // Memory first: what leaves it is in the table by then.
        let (noted, counted_to, size) = {
            let kept = self.lock();
            let later = |used: Option<Used>, waiting: &Waiting| {
                [used, Some(waiting.last)].into_iter().flatten().max_by_key(|used| used.index)
            };
            // An entry that names no version tells of version 0.
            let noted = if kept.waiting.len() < usize::try_from(record.newest()).unwrap_or(usize::MAX) {
                let of_key = kept.waiting.iter().filter(|(version, _)| version.key == record.key.id);
                of_key.map(|(_, waiting)| waiting).fold(None, later)
            } else {
                let of = |number| kept.waiting.get(&KeyVersionId { key: record.key.id, number });
                (0..=record.newest()).filter_map(of).fold(None, later)
            };
            (noted, kept.counted_to, kept.size)
        };
        let rows = store.list_usage(record.key.id).await?.into_iter().filter_map(|row| {
            let op = Op::from_code(row.last_operation)?;
            Some(Used { op, at: row.last_at, index: row.last_index })
        });
        let used = rows.chain(noted).max_by_key(|used| used.index);
        // A use that this process noted is later than all that is left to be counted.
        let whole = counted_to >= self.opened_at || used.is_some_and(|used| used.index >= self.opened_at);
        let (log_size, since) = if whole { (size, None) } else { (counted_to, Some(self.opened)) };
        Ok(LastUse { used, log_size, since })
    }
}

impl Kept {
    fn note(&mut self, version: KeyVersionId, used: Used) {
        match self.waiting.get_mut(&version) {
            Some(waiting) if waiting.last.index >= used.index => {}
            Some(waiting) => waiting.last = used,
            None => {
                self.waiting.insert(version, Waiting { last: used, since: used.index });
                self.order.insert(used.index, version);
            }
        }
    }

    /// Up to where every entry was seen.
    fn seen_to(&self, opened_at: u64) -> u64 {
        if self.counted_to >= opened_at { self.size } else { self.counted_to }
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::KeyId;

    use super::*;

    fn version(number: u32) -> KeyVersionId {
        KeyVersionId { key: KeyId::from_bytes([7; 16]), number }
    }

    fn used(index: u64) -> Used {
        Used { op: Op::Encrypt, at: Timestamp::from_micros(index * 10), index }
    }

    fn due(usage: &Usage) -> (Vec<(u32, u64)>, u64) {
        let (rows, upto) = usage.due();
        (rows.iter().map(|row| (row.version.number, row.last_index)).collect(), upto)
    }

    #[test]
    fn uses_that_follow_each_other_are_one_note() {
        let mut noted = Noted::new();
        for (number, index) in [(1, 3), (1, 4), (2, 5), (1, 6)] {
            note(&mut noted, version(number), used(index));
        }
        assert_eq!(noted, [(version(1), used(4)), (version(2), used(5)), (version(1), used(6))]);
    }

    #[test]
    fn rows_are_carried_once_and_a_later_use_waits_again() {
        let usage = Usage::new(0, 0, Timestamp::default());
        usage.committed(&vec![(version(1), used(0)), (version(2), used(1)), (version(1), used(2))], 3);
        let (rows, upto) = usage.due();
        assert_eq!((due(&usage), upto), ((vec![(1, 2), (2, 1)], 3), 3));
        // Used again before the cut is durable.
        usage.committed(&vec![(version(2), used(3))], 4);
        usage.carried(&rows);
        assert_eq!(due(&usage), (vec![(2, 3)], 4));
        usage.carried(&usage.due().0);
        assert_eq!(due(&usage), (vec![], 4));
    }

    #[test]
    fn a_cut_carries_a_bounded_number_and_the_table_reaches_no_further_than_that() {
        let usage = Usage::new(0, 0, Timestamp::default());
        let most = u32::try_from(MOST_ROWS).unwrap();
        let noted: Noted = (0..most + 2).map(|number| (version(number), used(u64::from(number)))).collect();
        usage.committed(&noted, 10_000);
        let (rows, upto) = usage.due();
        assert_eq!((rows.len(), upto), (MOST_ROWS, u64::from(most)));
        usage.carried(&rows);
        assert_eq!(due(&usage), (vec![(most, u64::from(most)), (most + 1, u64::from(most) + 1)], 10_000));
    }

    #[test]
    fn what_an_earlier_process_left_is_counted_again_before_the_table_reaches_beyond() {
        let usage = Usage::new(100, 200_000, Timestamp::default());
        usage.committed(&vec![(version(1), used(200_000))], 200_001);
        // The row of the later use goes into the table, which does not reach beyond what was counted.
        assert_eq!(due(&usage), (vec![(1, 200_000)], 100));
        usage.carried(&usage.due().0);
        assert_eq!(usage.gap(), Some((100, 100 + PIECE)));
        usage.counted([(version(1), used(150)), (version(2), used(160))].into(), 100 + PIECE);
        assert_eq!(due(&usage).1, 100 + PIECE);
        while let Some((_, upto)) = usage.gap() {
            usage.counted(HashMap::new(), upto);
        }
        assert_eq!(due(&usage), (vec![(1, 150), (2, 160)], 200_001));
    }
}
