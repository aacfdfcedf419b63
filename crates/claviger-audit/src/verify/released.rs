//! How many results left the listeners of a node, as it counted there, against those that the log has of it.

use super::finding::Finding;
use crate::fact::{Facts, FieldValue, Kind, number_of, show_field};
use crate::{Entry, Op, Outcome};

/// How many results entries record since the newest start of the node, by operation.
#[derive(Debug)]
pub(super) struct Recorded(Vec<u64>);

impl Default for Recorded {
    fn default() -> Self {
        Self(vec![0; Op::ALL.iter().map(|op| slot(*op) + 1).max().unwrap_or_default()])
    }
}

impl Recorded {
    pub(super) fn take(&mut self, entry: &Entry<'_>) {
        if entry.op == Op::NodeStart {
            self.0.fill(0);
        } else if entry.out == Outcome::Ok
            && let Some(number) = self.0.get_mut(slot(entry.op))
        {
            *number += 1;
        }
    }

    /// Holds what the node says at an entry against what lies before it. More may be recorded than released: callers leave.
    pub(super) fn hold(&self, (shard, entry): (u32, u64), facts: &Facts, findings: &mut Vec<Finding>) {
        let Some(number) = number_of(Kind::Node, "released") else { return };
        let of_node = facts.facts.iter().filter(|fact| fact.object.kind() == Kind::Node);
        let words =
            of_node.filter_map(|fact| match show_field(Kind::Node, number, fact.fields.get(&number)?) {
                (_, FieldValue::Texts(words)) => Some(words),
                _ => None,
            });
        for (op, released) in words.flatten().filter_map(|word| read(&word)) {
            let recorded = self.0.get(slot(op)).copied().unwrap_or_default();
            if released > recorded {
                findings.push(Finding::ReleasedUnrecorded { shard, entry, op, released, recorded });
            }
        }
    }
}

fn slot(op: Op) -> usize {
    usize::from(op.code())
}

/// `encrypt=12`.
fn read(word: &str) -> Option<(Op, u64)> {
    let (op, number) = word.split_once('=')?;
    Some((Op::from_name(op)?, number.parse().ok()?))
}
