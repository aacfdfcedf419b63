//! How key versions are used, and when they were last: kept as the log grows, so that nobody searches for it.
//!
//! The sequencer notes the uses of each batch that it committed, in memory; each cut carries the oldest of them into a narrow
//! table, a bounded number at a time. What was not carried when a process ended is counted again from the log, in the
//! background, beginning where the table ends. Until that is done, an answer says how far it is good.
//!
//! A row says up to where all uses of its version are in it. So what this process notes waits until what an earlier one left is
//! counted, and what is counted again leaves out what a row has.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use claviger_audit::op::Op;
use claviger_core::key::KeyRecord;
use claviger_core::port::store::{UseCounts, VersionUsage};
use claviger_core::port::{Store, StoreError};
use claviger_core::{Action, KeyId, KeyVersionId, Timestamp};

/// Rows that one cut carries into the table at most: commits wait for no more than that.
const MOST_ROWS: usize = 512;
/// Entries that are counted again in one job.
const PIECE: u64 = 65_536;
/// How often memory and table are read until no row came from the one into the other in between: they do so once a cut.
const MOST_TRIES: usize = 8;

/// A use of a key that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What was done.
    pub op: Op,
    /// When it came to its end.
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

/// Uses of one key version that came to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    /// The last one.
    pub last: Used,
    /// How many they are.
    pub counts: UseCounts,
}

impl Uses {
    /// A single one, whose entry records that size of its input: `ceil(log2(bytes))`.
    pub(crate) fn one(used: Used, size: Option<u8>) -> Self {
        let bytes = size.map_or(0, |size| 1_u64.checked_shl(size.into()).unwrap_or(u64::MAX));
        let both = matches!(used.op.action(), Some(Action::Reencrypt));
        let counts = UseCounts {
            protected: u64::from(used.op.protects()),
            processed: u64::from(!used.op.protects() || both),
            bytes,
            children: u64::from(used.op.action().is_some_and(Action::wraps_a_key)),
        };
        Self { last: used, counts }
    }

    /// These and others of the same version.
    pub(crate) fn and(self, other: Self) -> Self {
        let last = if other.last.index >= self.last.index { other.last } else { self.last };
        Self { last, counts: self.counts.and(other.counts) }
    }
}

/// How versions of a key were used.
#[derive(Clone, Debug, Default)]
pub struct KeyUses {
    of: HashMap<u32, Uses>,
    /// Older entries are still being counted, and may record more uses.
    pub is_counting: bool,
}

impl KeyUses {
    /// Of the version of that number, if it was used.
    #[must_use]
    pub fn of(&self, number: u32) -> Option<&Uses> {
        self.of.get(&number)
    }
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
    /// Uses that the table does not have yet, of entries before which all are counted.
    waiting: HashMap<KeyVersionId, Waiting>,
    /// Those versions, by the index from which on the table does not have them.
    order: BTreeSet<(u64, KeyVersionId)>,
    /// What this process noted while an earlier one's uses are being counted.
    later: HashMap<KeyVersionId, Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    uses: Uses,
    /// The table has no use of the entries from this index on.
    since: u64,
}

/// Uses of a batch, a version's later ones with its earlier ones where they follow each other.
pub(crate) type Noted = Vec<(KeyVersionId, Uses)>;

/// Uses that were counted again, with the index from which on the table has none of their version.
pub(crate) type Recounted = HashMap<KeyVersionId, (Uses, u64)>;

/// Notes a use of a batch that is being filled.
pub(crate) fn note(noted: &mut Noted, version: KeyVersionId, uses: Uses) {
    match noted.last_mut() {
        Some((last, known)) if *last == version => *known = known.and(uses),
        _ => noted.push((version, uses)),
    }
}

impl Usage {
    /// For a log of `size` entries, of which the table considers `counted_to`.
    pub(crate) fn new(counted_to: u64, size: u64, now: Timestamp) -> Self {
        let kept =
            Kept { counted_to, size, waiting: HashMap::new(), order: BTreeSet::new(), later: HashMap::new() };
        Self { opened_at: size, opened: now, kept: Mutex::new(kept) }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch was committed, and the log has `size` entries.
    pub(crate) fn committed(&self, noted: &Noted, size: u64) {
        let mut kept = self.lock();
        let from = std::mem::replace(&mut kept.size, size);
        let is_whole = kept.is_whole(self.opened_at);
        for (version, uses) in noted {
            if is_whole {
                kept.wait(*version, *uses, from);
            } else {
                kept.later
                    .entry(*version)
                    .and_modify(|later| later.uses = later.uses.and(*uses))
                    .or_insert(Waiting { uses: *uses, since: self.opened_at });
            }
        }
    }

    /// What the next cut carries into the table, and up to which index the table then considers the log.
    pub(crate) fn due(&self) -> (Vec<VersionUsage>, u64) {
        let kept = self.lock();
        let counted_to = kept.seen_to(self.opened_at);
        let mut order = kept.order.iter();
        let rows = order.by_ref().take(MOST_ROWS).filter_map(|(_, version)| {
            kept.waiting.get(version).map(|Waiting { uses, .. }| VersionUsage {
                version: *version,
                counted_to,
                last_index: uses.last.index,
                last_at: uses.last.at,
                last_operation: uses.last.op.code(),
                counts: uses.counts,
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
            let Some(Waiting { uses, since }) = kept.waiting.remove(&row.version) else { continue };
            kept.order.remove(&(since, row.version));
            if uses.last.index > row.last_index {
                // Used again since.
                let rest = Uses { counts: uses.counts.without(row.counts), ..uses };
                kept.wait(row.version, rest, row.counted_to);
            }
        }
    }

    /// The next entries that are to be counted again, if any are left.
    pub(crate) fn gap(&self) -> Option<(u64, u64)> {
        let from = self.lock().counted_to;
        (from < self.opened_at).then(|| (from, from.saturating_add(PIECE).min(self.opened_at)))
    }

    /// The entries before `upto` were counted: they record these uses, which no row has.
    pub(crate) fn counted(&self, found: Recounted, upto: u64) {
        let mut kept = self.lock();
        for (version, (uses, since)) in found {
            kept.wait(version, uses, since);
        }
        kept.counted_to = upto;
        if kept.is_whole(self.opened_at) {
            for (version, Waiting { uses, since }) in std::mem::take(&mut kept.later) {
                kept.wait(version, uses, since);
            }
        }
    }

    /// The last use of a key.
    pub(crate) async fn last_of(&self, record: &KeyRecord, store: &dyn Store) -> Result<LastUse, StoreError> {
        // Memory first: what leaves it is in the table by then.
        let (noted, counted_to, size) = {
            let kept = self.lock();
            let noted = kept.of_key(record.key.id, 0..=record.newest()).into_iter();
            let noted = noted.map(|(_, waiting)| waiting.uses.last).max_by_key(|used| used.index);
            (noted, kept.counted_to, kept.size)
        };
        let rows = store.list_usage(record.key.id, 0..=record.newest()).await?;
        let used = rows.iter().filter_map(last_of_row).chain(noted).max_by_key(|used| used.index);
        // A use that this process noted is later than all that is left to be counted.
        let whole = counted_to >= self.opened_at || used.is_some_and(|used| used.index >= self.opened_at);
        let (log_size, since) = if whole { (size, None) } else { (counted_to, Some(self.opened)) };
        Ok(LastUse { used, log_size, since })
    }

    /// How versions of a key of these numbers were used.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when cuts carried uses into the table each time that it was looked at.
    pub(crate) async fn of_versions(
        &self,
        key: KeyId,
        numbers: RangeInclusive<u32>,
        store: &dyn Store,
    ) -> Result<KeyUses, StoreError> {
        for _ in 0..MOST_TRIES {
            let (noted, is_counting) = {
                let kept = self.lock();
                (kept.of_key(key, numbers.clone()), !kept.is_whole(self.opened_at))
            };
            let rows = store.list_usage(key, numbers.clone()).await?;
            let is_in_both = |row: &VersionUsage| {
                let mut of_row = noted.iter().filter(|(number, _)| *number == row.version.number);
                of_row.any(|(_, waiting)| waiting.since < row.counted_to)
            };
            if rows.iter().any(is_in_both) {
                continue;
            }
            let rows = rows.iter().filter_map(|row| {
                Some((row.version.number, Uses { last: last_of_row(row)?, counts: row.counts }))
            });
            let mut of: HashMap<u32, Uses> = HashMap::new();
            for (number, uses) in rows.chain(noted.iter().map(|(number, waiting)| (*number, waiting.uses))) {
                of.entry(number).and_modify(|known| *known = known.and(uses)).or_insert(uses);
            }
            return Ok(KeyUses { of, is_counting });
        }
        Err(StoreError::Unavailable("the uses of this key are being written; try again".to_owned()))
    }
}

fn last_of_row(row: &VersionUsage) -> Option<Used> {
    Some(Used { op: Op::from_code(row.last_operation)?, at: row.last_at, index: row.last_index })
}

impl Kept {
    /// Keeps uses until a cut carries them; the table has none of the entries from `since` on.
    fn wait(&mut self, version: KeyVersionId, uses: Uses, since: u64) {
        match self.waiting.get_mut(&version) {
            Some(waiting) => waiting.uses = waiting.uses.and(uses),
            None => {
                self.waiting.insert(version, Waiting { uses, since });
                self.order.insert((since, version));
            }
        }
    }

    /// What is not in the table of versions of a key, by their numbers, of which some come twice.
    fn of_key(&self, key: KeyId, numbers: RangeInclusive<u32>) -> Vec<(u32, Waiting)> {
        let maps = [&self.waiting, &self.later];
        let several = usize::try_from(numbers.end().saturating_sub(*numbers.start())).unwrap_or(usize::MAX);
        if self.waiting.len().saturating_add(self.later.len()) < several {
            let all = maps.into_iter().flatten();
            let of_key = all.filter(|(version, _)| version.key == key && numbers.contains(&version.number));
            return of_key.map(|(version, waiting)| (version.number, *waiting)).collect();
        }
        let of = |number| {
            let version = KeyVersionId { key, number };
            maps.into_iter().filter_map(move |map| Some((number, *map.get(&version)?)))
        };
        numbers.flat_map(of).collect()
    }

    /// Is nothing left to be counted again?
    const fn is_whole(&self, opened_at: u64) -> bool {
        self.counted_to >= opened_at
    }

    /// Up to where every entry was seen.
    const fn seen_to(&self, opened_at: u64) -> u64 {
        if self.is_whole(opened_at) { self.size } else { self.counted_to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> KeyVersionId {
        KeyVersionId { key: KeyId::from_bytes([7; 16]), number }
    }

    fn used(index: u64) -> Uses {
        Uses::one(Used { op: Op::Encrypt, at: Timestamp::from_micros(index * 10), index }, Some(3))
    }

    /// So many encryptions of 8 bytes, the last of them at that index.
    fn several(count: u64, index: u64) -> Uses {
        (1..count).fold(used(index), |uses, _| used(index - 1).and(uses))
    }

    /// Of each row its version, its last index and how many uses it adds.
    fn due(usage: &Usage) -> (Vec<(u32, u64, u64)>, u64) {
        let (rows, upto) = usage.due();
        let row = |row: &VersionUsage| (row.version.number, row.last_index, row.counts.protected);
        (rows.iter().map(row).collect(), upto)
    }

    #[test]
    fn uses_that_follow_each_other_are_one_note() {
        let mut noted = Noted::new();
        for (number, index) in [(1, 3), (1, 4), (2, 5), (1, 6)] {
            note(&mut noted, version(number), used(index));
        }
        assert_eq!(noted, [(version(1), several(2, 4)), (version(2), used(5)), (version(1), used(6))]);
    }

    #[test]
    fn a_use_is_counted_by_what_it_does_and_on_how_much() {
        let counts = |op, size| Uses::one(Used { op, at: Timestamp::default(), index: 0 }, size).counts;
        let all = |protected, processed, bytes, children| UseCounts { protected, processed, bytes, children };
        assert_eq!(counts(Op::Encrypt, Some(10)), all(1, 0, 1024, 0));
        assert_eq!(counts(Op::Decrypt, Some(0)), all(0, 1, 1, 0));
        assert_eq!(counts(Op::Reencrypt, None), all(1, 1, 0, 0));
        assert_eq!(counts(Op::GenerateDataKeyPair, None), all(1, 0, 0, 1));
        assert_eq!(counts(Op::Wrap, Some(5)), all(1, 0, 32, 1));
        assert_eq!(counts(Op::Verify, Some(64)), all(0, 1, u64::MAX, 0));
        let most = all(u64::MAX, 1, u64::MAX, 0);
        assert_eq!(most.and(all(1, 1, 1, 1)), all(u64::MAX, 2, u64::MAX, 1));
        assert_eq!(all(5, 4, 3, 2).without(all(1, 1, 1, 1)), all(4, 3, 2, 1));
    }

    #[test]
    fn rows_are_carried_once_and_a_later_use_waits_again() {
        let usage = Usage::new(0, 0, Timestamp::default());
        usage.committed(&vec![(version(1), used(0)), (version(2), used(1)), (version(1), used(2))], 3);
        let (rows, upto) = usage.due();
        assert_eq!((due(&usage), upto), ((vec![(1, 2, 2), (2, 1, 1)], 3), 3));
        // Used again before the cut is durable.
        usage.committed(&vec![(version(2), used(3))], 4);
        usage.carried(&rows);
        assert_eq!(due(&usage), (vec![(2, 3, 1)], 4));
        usage.carried(&usage.due().0);
        assert_eq!(due(&usage), (vec![], 4));
    }

    #[test]
    fn a_cut_carries_a_bounded_number_and_the_table_reaches_no_further_than_that() {
        let usage = Usage::new(0, 0, Timestamp::default());
        let most = u32::try_from(MOST_ROWS).unwrap();
        for number in 0..most + 2 {
            usage.committed(&vec![(version(number), used(number.into()))], u64::from(number) + 1);
        }
        usage.committed(&Noted::new(), 10_000);
        let (rows, upto) = usage.due();
        assert_eq!((rows.len(), upto), (MOST_ROWS, u64::from(most)));
        usage.carried(&rows);
        let left = [most, most + 1].map(|number| (number, u64::from(number), 1));
        assert_eq!(due(&usage), (left.to_vec(), 10_000));
    }

    #[test]
    fn versions_that_wait_from_the_same_index_on_are_carried_all() {
        let usage = Usage::new(0, 0, Timestamp::default());
        usage.committed(&vec![(version(1), used(0))], 1);
        let (rows, _) = usage.due();
        usage.committed(&vec![(version(2), used(1)), (version(1), used(2))], 3);
        usage.carried(&rows);
        assert_eq!(due(&usage), (vec![(1, 2, 1), (2, 1, 1)], 3));
    }

    #[test]
    fn what_an_earlier_process_left_is_counted_again_before_what_this_one_notes_is_carried() {
        let usage = Usage::new(100, 200_000, Timestamp::default());
        usage.committed(&vec![(version(1), used(200_000))], 200_001);
        assert_eq!(due(&usage), (vec![], 100));
        assert_eq!(usage.gap(), Some((100, 100 + PIECE)));
        let found = [(version(1), (several(3, 150), 120)), (version(2), (used(160), 100))];
        usage.counted(found.into(), 100 + PIECE);
        assert_eq!(due(&usage), (vec![(2, 160, 1), (1, 150, 3)], 100 + PIECE));
        let (rows, _) = usage.due();
        while let Some((_, upto)) = usage.gap() {
            usage.counted(HashMap::new(), upto);
        }
        usage.carried(&rows);
        assert_eq!(due(&usage), (vec![(1, 200_000, 1)], 200_001));
    }
}
