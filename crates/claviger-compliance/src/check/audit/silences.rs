//! Times without a cut of the log, and what was recorded in them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use claviger_audit::Op;
use claviger_audit::cut::ShardState;
use claviger_core::Timestamp;

use crate::check::{CutSeen, Event};
use crate::evaluation::Subject;

/// A time without a cut that was longer than it may be, or that goes on.
#[derive(Debug)]
struct Silence {
    /// The first entry in it.
    first: u64,
    /// The cut that ends it.
    to: Timestamp,
    /// Since when the node has been at work in it.
    since: Option<Timestamp>,
    /// The newest entry.
    last: Option<Timestamp>,
    /// Has the node said that it stops?
    is_stopped: bool,
    /// The longest time in it that a node was at work.
    longest: Duration,
}

impl Silence {
    const fn new(from: Option<Timestamp>, to: Timestamp, first: u64) -> Self {
        Self { first, to, since: from, last: None, is_stopped: false, longest: Duration::ZERO }
    }

    fn see(&mut self, op: Op, at: Timestamp) {
        if op == Op::NodeStart {
            // The time between an end and a start is nobody's.
            if let (Some(since), Some(last)) = (self.since, self.last) {
                self.longest = self.longest.max(last.since(since));
            }
            self.since = Some(at);
            self.is_stopped = false;
        }
        self.since.get_or_insert(at);
        self.is_stopped |= op == Op::NodeStop;
        self.last = Some(at);
    }

    /// The longest time in it that a node was at work, if it goes on until then.
    fn longest_until(&self, to: Timestamp) -> Duration {
        let (Some(since), Some(last)) = (self.since, self.last) else { return self.longest };
        let end = if self.is_stopped { last } else { last.max(to) };
        self.longest.max(end.since(since))
    }
}

/// Times without a cut that were longer than a limit.
#[derive(Debug)]
pub(super) struct Silences {
    limit: Duration,
    pub(super) cuts: u64,
    newest: Option<Timestamp>,
    /// Sizes of shards at the newest cut.
    sizes: BTreeMap<u32, u64>,
    /// Those in which a shard grew, by the shard and its size at their ends.
    found: BTreeMap<(u32, u64), Silence>,
    /// Those in which nothing was recorded: begin and end.
    pub(super) quiet: BTreeSet<(Timestamp, Timestamp)>,
    /// What is recorded behind the newest cut, by shard.
    uncut: BTreeMap<u32, Silence>,
    /// Shards whose node has said that it stops.
    stopped: BTreeSet<u32>,
}

/// A time without a cut in which entries were recorded for longer than the limit.
#[derive(Debug)]
pub(super) struct TooLong {
    shard: u32,
    /// The first of the entries.
    pub(super) entry: u64,
    pub(super) at: Timestamp,
    pub(super) length: Duration,
}

impl TooLong {
    pub(super) fn subject(&self) -> Subject {
        Subject::named(format!("entries from {} on of shard {}", self.entry, self.shard))
    }
}

impl Silences {
    pub(super) const fn longer_than(limit: Duration) -> Self {
        Self {
            limit,
            cuts: 0,
            newest: None,
            sizes: BTreeMap::new(),
            found: BTreeMap::new(),
            quiet: BTreeSet::new(),
            uncut: BTreeMap::new(),
            stopped: BTreeSet::new(),
        }
    }

    pub(super) fn cut(&mut self, seen: &CutSeen<'_>) {
        self.cuts += 1;
        let before = self.newest.replace(seen.at);
        let is_long = before.is_none_or(|before| seen.at.since(before) > self.limit);
        for head in &seen.cut.shards {
            let first = self.sizes.insert(head.shard, head.size).unwrap_or_default();
            if !is_long {
                continue;
            }
            if head.size > first {
                self.found.insert((head.shard, head.size), Silence::new(before, seen.at, first));
            } else if head.state == ShardState::Active
                && let Some(before) = before
            {
                self.quiet.insert((before, seen.at));
            }
        }
    }

    pub(super) fn see(&mut self, event: &Event<'_>) {
        let (shard, op) = (event.shard, event.entry.op);
        match op {
            Op::NodeStart => {
                self.stopped.remove(&shard);
            }
            Op::NodeStop => {
                self.stopped.insert(shard);
            }
            _ => {}
        }
        let is_cut = self.sizes.get(&shard).is_some_and(|size| event.index < *size);
        let behind = (Bound::Excluded((shard, event.index)), Bound::Unbounded);
        let next = self.found.range_mut(behind).next();
        let silence = next.filter(|((of, _), silence)| *of == shard && silence.first <= event.index);
        let newest = self.newest;
        match silence {
            Some((_, silence)) => silence.see(op, event.at),
            None if is_cut => {}
            None => {
                let uncut = self.uncut.entry(shard);
                uncut.or_insert_with(|| Silence::new(newest, event.at, event.index)).see(op, event.at);
            }
        }
    }

    /// Those in which entries were recorded for longer than the limit, at an instant.
    pub(super) fn too_long(&self, as_of: Timestamp) -> Vec<TooLong> {
        let ended = self.found.iter().map(|((shard, _), silence)| (*shard, silence, silence.to));
        let open = self.uncut.iter().map(|(shard, silence)| (*shard, silence, as_of));
        let all = ended.chain(open).map(|(shard, silence, at)| {
            let length = silence.longest_until(at);
            TooLong { shard, entry: silence.first, at, length }
        });
        all.filter(|found| found.length > self.limit).collect()
    }

    /// Does the log end, without a stop, longer than the limit before the instant?
    pub(super) fn ends_early(&self, as_of: Timestamp) -> bool {
        self.newest.is_none_or(|newest| as_of.since(newest) > self.limit)
            && self.uncut.is_empty()
            && !self.sizes.keys().all(|shard| self.stopped.contains(shard))
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::cut::ShardHead;
    use claviger_audit::{Cut, Entry, Outcome as Ended};

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn cut(silences: &mut Silences, number: u64, second: u64, size: u64) {
        let (state, root) = (ShardState::Active, [0; 32]);
        let head = ShardHead { shard: 1, state, incarnation: 1, size, root, epoch: 1 };
        let cut = Cut {
            t: second * 1_000_000,
            cut_no: number,
            epoch: 1,
            shards: vec![head],
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        silences.cut(&CutSeen { number, at: at(second), cut: &cut });
    }

    fn see(silences: &mut Silences, index: u64, second: u64, op: Op) {
        let entry = Entry::new(second * 1_000_000, 1, op, Ended::Ok);
        silences.see(&Event { shard: 1, index, at: at(second), entry: &entry, facts: &[] });
    }

    fn lengths(silences: &Silences, as_of: u64) -> Vec<(u64, u64)> {
        silences.too_long(at(as_of)).iter().map(|found| (found.entry, found.length.as_secs())).collect()
    }

    #[test]
    fn entries_between_distant_cuts_are_found_and_those_around_a_stop_are_not() {
        let mut silences = Silences::longer_than(Duration::from_secs(300));
        for (number, second, size) in [(0, 10, 1), (1, 20, 3), (2, 1000, 4), (3, 1001, 4), (4, 2001, 6)] {
            cut(&mut silences, number, second, size);
        }
        for (index, second, op) in [
            (0, 9, Op::NodeStart),
            (1, 15, Op::Encrypt),
            (2, 19, Op::NodeStop),
            (3, 999, Op::NodeStart),
            (4, 1500, Op::Encrypt),
            (5, 1600, Op::Encrypt),
        ] {
            see(&mut silences, index, second, op);
        }
        assert_eq!(lengths(&silences, 2001), [(4, 1000)]);
        assert!(!silences.ends_early(at(2100)) && silences.ends_early(at(2400)));
    }

    #[test]
    fn a_crash_counts_as_long_as_entries_show_that_the_node_was_at_work() {
        for (last, expected) in [(30, vec![]), (500, vec![(1, 490)])] {
            let mut silences = Silences::longer_than(Duration::from_secs(300));
            cut(&mut silences, 0, 10, 1);
            cut(&mut silences, 1, 9000, 3);
            see(&mut silences, 0, 9, Op::NodeStart);
            see(&mut silences, 1, last, Op::Encrypt);
            see(&mut silences, 2, 8999, Op::NodeStart);
            assert_eq!(lengths(&silences, 9000), expected);
        }
    }

    #[test]
    fn what_is_never_cut_is_found_and_silence_without_entries_is_kept_apart() {
        let mut silences = Silences::longer_than(Duration::from_secs(300));
        cut(&mut silences, 0, 10, 1);
        cut(&mut silences, 1, 800, 1);
        see(&mut silences, 0, 9, Op::NodeStart);
        see(&mut silences, 1, 801, Op::Encrypt);
        assert!(lengths(&silences, 900).is_empty());
        assert_eq!(lengths(&silences, 1200), [(1, 400)]);
        assert_eq!(silences.quiet, BTreeSet::from([(at(10), at(800))]));
    }
}
