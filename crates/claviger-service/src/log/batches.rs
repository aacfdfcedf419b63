//! Holds what the store keeps of each batch, beside its entries, against the entries themselves, the deltas of the fence and the head of the
//! log.

use std::iter::Peekable;
use std::vec::IntoIter;

use claviger_audit::entry::Entry;
use claviger_audit::op::Op;
use claviger_audit::tree::{Frontier, leaf_hash};
use claviger_core::port::StoreError;
use claviger_core::port::store::{ShardHead, StoredBatch};

use super::body::Unpacker;
use super::reader::LogReader;
use crate::error::ServiceError;
use crate::work::At;

/// Batches, and deltas, that are read at once.
const AT_ONCE: u32 = 64;
/// Batches that are named; of more there is no need.
const MOST_NAMED: usize = 16;

/// A walk over the batches.
struct Walk {
    tree: Frontier,
    /// Incarnation of the batch before.
    incarnation: u64,
    /// Where epochs begin: epoch and index, ascending; those that lie before the next batch are gone. None where that does not read.
    epochs: Option<Peekable<IntoIter<(u64, u64)>>>,
    epoch: u64,
    unpacker: Unpacker,
}

impl Walk {
    fn new(epochs: Option<Vec<(u64, u64)>>) -> Self {
        let epochs = epochs.map(|epochs| epochs.into_iter().peekable());
        Self { tree: Frontier::new(), incarnation: 0, epochs, epoch: 0, unpacker: Unpacker::default() }
    }

    /// What of a batch is not so, of which the first entries were seen already: batches before it became one with it meanwhile.
    fn see(&mut self, batch: &StoredBatch, seen: u64) -> Result<Vec<&'static str>, StoreError> {
        let mut starts = (seen > 0).then_some(false);
        for (at, record) in (0_u64..).zip(self.unpacker.records(&batch.body)?) {
            let (entry, _) = record?;
            if at < seen {
                continue;
            }
            starts.get_or_insert_with(|| Entry::decode(entry).is_ok_and(|entry| entry.op == Op::NodeStart));
            self.tree.push(leaf_hash(entry));
        }
        let mut wrong = Vec::new();
        if batch.root != self.tree.root() {
            wrong.push("root");
        }
        if let Some(epochs) = &mut self.epochs {
            while let Some((epoch, _)) = epochs.next_if(|(_, index)| *index <= batch.first_index) {
                self.epoch = epoch;
            }
            if batch.epoch != self.epoch {
                wrong.push("epoch");
            }
        }
        // Each start of a node is a new incarnation, and nothing else is.
        let follows = match starts {
            Some(true) => batch.incarnation > self.incarnation,
            _ => batch.incarnation == self.incarnation,
        };
        if !follows {
            wrong.push("incarnation");
        }
        self.incarnation = batch.incarnation;
        Ok(wrong)
    }
}

impl LogReader {
    /// A sentence for each batch of which something else is kept than what it is, up to this head of the log.
    pub(crate) fn check_batches(&self, at: &At, head: &ShardHead) -> Result<Vec<String>, ServiceError> {
        let mut walk = Walk::new(self.epochs(at)?);
        let (mut found, mut next) = (Vec::new(), 0);
        while next < head.size && found.len() < MOST_NAMED {
            at.check()?;
            let store = self.store();
            let batches = at.runtime().block_on(store.list_batches(self.shard(), next, AT_ONCE))?;
            let begun = next;
            for batch in batches.iter().take_while(|batch| batch.first_index < head.size) {
                let Some(seen) = next.checked_sub(batch.first_index) else { break };
                match walk.see(batch, seen) {
                    Ok(wrong) => found.extend(wrong.into_iter().map(|column| {
                        format!("table `audit_batch`: the batch at entry {next} has another {column} than it is of")
                    })),
                    Err(StoreError::Corrupt(what)) => {
                        found.push(format!("table `audit_batch`: the batch at entry {next}: {what}"));
                        return Ok(found);
                    }
                    Err(error) => return Err(error.into()),
                }
                next = batch.first_index + u64::from(batch.count);
            }
            if next == begun {
                found.push(format!("table `audit_batch`: entry {next} of the log is missing"));
                return Ok(found);
            }
        }
        if found.is_empty() && walk.incarnation != head.incarnation {
            let message =
                "table `audit_batch`: the newest batch is of another incarnation than the one at work";
            found.push(message.to_owned());
        }
        Ok(found)
    }

    /// Where each epoch of the fence begins; none where that does not read, which is said of its table.
    fn epochs(&self, at: &At) -> Result<Option<Vec<(u64, u64)>>, ServiceError> {
        let (mut epochs, mut after) = (Vec::new(), 0);
        loop {
            at.check()?;
            let deltas = at.runtime().block_on(self.store().list_deltas(after, AT_ONCE * 16));
            let deltas = match deltas {
                Ok(deltas) => deltas,
                Err(StoreError::Corrupt(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let Some(last) = deltas.last() else { return Ok(Some(epochs)) };
            after = last.epoch;
            epochs.extend(deltas.iter().map(|delta| (delta.epoch, delta.index)));
        }
    }
}
