//! AUD-01: results that left nodes, held against those that entries record.

use std::collections::BTreeMap;

use claviger_audit::fact::Object;
use claviger_audit::{Op, Outcome as Ended};

use super::not_known;
use crate::check::common::is_unreadable;
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Ledger, Outcome, Period, Setting, Subject};

pub(super) struct Reconciled {
    ledger: Ledger,
    period: Period,
    /// Results of uses that entries record since the newest start of each node, by its shard.
    recorded: BTreeMap<u32, BTreeMap<Op, u64>>,
    /// How many of them lie behind the newest count of each node.
    uncounted: BTreeMap<u32, u64>,
    /// How many lay behind the last count of nodes that were started again.
    never_counted: u64,
    counts: u64,
}

impl Reconciled {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            recorded: BTreeMap::new(),
            uncounted: BTreeMap::new(),
            never_counted: 0,
            counts: 0,
        }
    }
}

/// Are its results counted where they leave?
fn is_counted(op: Op) -> bool {
    op.uses_material() || op == Op::Random
}

/// Reads `encrypt=12`.
fn read_count(word: &str) -> Option<(Op, u64)> {
    let (op, number) = word.split_once('=')?;
    Some((Op::from_name(op)?, number.parse().ok()?))
}

impl Check for Reconciled {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let op = event.entry.op;
        if op == Op::NodeStart {
            self.recorded.remove(&event.shard);
            let lost = self.uncounted.remove(&event.shard).unwrap_or_default();
            self.never_counted += if self.period.holds(event.at) { lost } else { 0 };
        } else if event.entry.out == Ended::Ok && is_counted(op) {
            *self.recorded.entry(event.shard).or_default().entry(op).or_default() += 1;
            *self.uncounted.entry(event.shard).or_default() += 1;
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Node(id) = object else { return };
        if event.entry.op != Op::ReleasedResults || is_unreadable(&mut self.ledger, object, event.at, estate)
        {
            return;
        }
        let Some(node) = estate.nodes.get(&id) else { return };
        self.counts += u64::from(self.period.holds(event.at));
        self.uncounted.remove(&event.shard);
        for word in &node.released {
            let Some((op, released)) = read_count(word) else {
                let because = format!("it counts `{word}`, which is no operation of the log");
                self.ledger.happened(object, event.at, event.index, Some(because));
                continue;
            };
            let recorded = self.recorded.get(&event.shard).and_then(|recorded| recorded.get(&op));
            let recorded = recorded.copied().unwrap_or_default();
            let because = (released > recorded).then(|| {
                format!("{released} results of `{op}` left the node since its start, and the log records {recorded}")
            });
            let subject = Subject::named(format!("{object} {op}"));
            self.ledger.happened(subject, event.at, event.index, because);
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let why = "no operations are made whose absence from the log would show what it leaves out";
        not_known(&mut self.ledger, "canaries", to, why);
        let why = "only results of uses are counted where they leave: changes, refusals and reads of metadata are not";
        not_known(&mut self.ledger, "operations other than uses", to, why);
        if self.never_counted > 0 {
            let why = format!(
                "{} recorded results lie behind the last count of a node that was started again without another one",
                self.never_counted
            );
            not_known(&mut self.ledger, "results before a restart", to, why);
        }
        Outcome::of(self.ledger, "no more results left a node than entries record")
            .figure("counts_compared", self.counts)
            .figure("results_behind_last_count", self.uncounted.values().sum())
            .note("more may be recorded than left: a caller that went away is recorded, and gets nothing")
            .note("no operation can be left out of the log by configuration")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        assert_eq!(read_count("encrypt=12"), Some((Op::Encrypt, 12)));
        for word in ["encrypt", "encrypt=", "encrypt=-1", "nothing=1"] {
            assert_eq!(read_count(word), None, "{word}");
        }
    }
}
