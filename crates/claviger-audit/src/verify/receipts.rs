//! Receipts against the log: signed by a node that the log says has started, and kept.

use std::collections::BTreeMap;

use super::Verified;
use super::files::{Files, WalkError, node_vkey, read_vkey};
use super::finding::Finding;
use super::shard::Nodes;
use crate::receipt::ReceiptError;
use crate::{Frontier, Hash, NoteError, Receipt, VerifierKey};

/// The receipts of a request, by shard.
pub(super) struct Receipts {
    by_shard: BTreeMap<u32, Vec<(usize, Receipt)>>,
}

/// What the receipts of one shard need to know of it: leaves by index, roots by size.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    leaves: BTreeMap<u64, Option<Hash>>,
    roots: BTreeMap<u64, Option<Hash>>,
}

impl Wanted {
    /// Notes what is wanted of the entry that was just pushed.
    pub(super) fn saw(&mut self, index: u64, leaf: Hash, tree: &Frontier) {
        if let Some(wanted) = self.leaves.get_mut(&index) {
            *wanted = Some(leaf);
        }
        if let Some(wanted) = self.roots.get_mut(&tree.size()) {
            *wanted = Some(tree.root());
        }
    }
}

impl Receipts {
    /// Reads receipts; what is none, or is of another log than that of the root log `origin`, is a finding.
    pub(super) fn parse(wire: &[String], origin: &str, findings: &mut Vec<Finding>) -> Self {
        let logs = origin.strip_suffix(super::ROOT).unwrap_or(origin);
        let mut by_shard: BTreeMap<u32, Vec<(usize, Receipt)>> = BTreeMap::new();
        for (at, wire) in wire.iter().enumerate() {
            let shard = Receipt::parse(wire.trim()).map_err(|error| error.to_string()).and_then(|receipt| {
                let shard = receipt.origin.strip_prefix(logs).and_then(|shard| shard.parse().ok());
                shard.map(|shard| (shard, receipt)).ok_or_else(|| "it is of another log".to_owned())
            });
            match shard {
                Ok((shard, receipt)) => by_shard.entry(shard).or_default().push((at, receipt)),
                Err(why) => findings.push(Finding::ReceiptForged { receipt: at, why }),
            }
        }
        Self { by_shard }
    }

    /// What to look for in a shard.
    pub(super) fn wanted(&self, shard: u32) -> Wanted {
        let of_shard = self.by_shard.get(&shard).map(Vec::as_slice).unwrap_or_default();
        Wanted {
            leaves: of_shard.iter().map(|(_, receipt)| (receipt.index, None)).collect(),
            roots: of_shard.iter().map(|(_, receipt)| (receipt.size, None)).collect(),
        }
    }

    /// Takes out the receipts of a shard.
    pub(super) fn of(&mut self, shard: u32) -> OfShard {
        OfShard(self.by_shard.remove(&shard).unwrap_or_default())
    }

    /// What is left is of shards that the log does not have.
    pub(super) fn judge_rest(self, known: &[VerifierKey], findings: &mut Vec<Finding>) {
        let rest = self.by_shard.into_values().flatten();
        let nothing = Wanted::default();
        findings.extend(rest.filter_map(|(at, receipt)| judge(&receipt, at, 0, &nothing, &[], known)));
    }
}

/// The receipts of one shard.
pub(super) struct OfShard(Vec<(usize, Receipt)>);

impl OfShard {
    /// Judges them by what was seen of the shard of this size. The keys of its nodes are looked at in any case.
    pub(super) fn judge(
        self,
        files: &dyn Files,
        (shard, size): (u32, u64),
        wanted: &Wanted,
        nodes: &Nodes,
        known: &[VerifierKey],
        verified: &mut Verified,
    ) -> Result<(), WalkError> {
        let keys = keys(files, shard, nodes)?;
        for (at, receipt) in self.0 {
            match judge(&receipt, at, size, wanted, &keys, known) {
                None => verified.receipts_kept += 1,
                Some(finding) => verified.findings.push(finding),
            }
        }
        Ok(())
    }
}

fn judge(
    receipt: &Receipt,
    at: usize,
    size: u64,
    wanted: &Wanted,
    keys: &[VerifierKey],
    known: &[VerifierKey],
) -> Option<Finding> {
    let entry = receipt.index;
    let tried = |keys: &[VerifierKey]| {
        keys.iter().map(|key| receipt.verify(key)).find(|tried| *tried != Err(NOT_THIS_KEY))
    };
    let started = match (tried(keys), tried(known)) {
        (Some(Ok(())), _) => true,
        // A node that the log does not know, and whose key the caller kept.
        (None, Some(Ok(()))) => false,
        (Some(Err(error)), _) | (None, Some(Err(error))) => {
            return Some(Finding::ReceiptForged { receipt: at, why: error.to_string() });
        }
        (None, None) => return Some(Finding::ReceiptOfUnknownNode { receipt: at, entry }),
    };
    if receipt.size > size {
        return Some(Finding::ReceiptBeyondLog { receipt: at, entry });
    }
    let leaf = wanted.leaves.get(&entry).copied().flatten();
    let root = wanted.roots.get(&receipt.size).copied().flatten();
    if !started || root != Some(receipt.root) {
        return Some(Finding::ReceiptOfAnotherHistory { receipt: at, entry, size: receipt.size });
    }
    (leaf != Some(receipt.leaf)).then_some(Finding::ReceiptBroken { receipt: at, entry })
}

const NOT_THIS_KEY: ReceiptError = ReceiptError::Note(NoteError::NotSigned);

/// The keys of the nodes. One whose file is not the key that the start of the node names is a finding.
fn keys(files: &dyn Files, shard: u32, nodes: &Nodes) -> Result<Vec<VerifierKey>, WalkError> {
    let one = |digest: &Vec<u8>| {
        let name = node_vkey(shard, digest);
        let key = read_vkey(files, &name)?;
        if key.digest().as_slice() == digest.as_slice() {
            return Ok(key);
        }
        let why = "it is another key than the one that started".to_owned();
        Err(WalkError::Finding(Finding::FileMalformed { name, why }))
    };
    nodes.iter().map(one).collect()
}
