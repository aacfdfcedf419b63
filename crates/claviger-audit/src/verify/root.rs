//! The root log: the cuts, and what they say of the shards.

use std::collections::BTreeMap;

use super::files::{Files, Newer, ROOT, WalkError, for_each_entry};
use super::finding::Finding;
use super::watch::Watching;
use crate::cut::{Cut, CutError, ShardHead, ShardState};
use crate::tree::{Frontier, leaf_hash};
use crate::{Checkpoint, Hash};

/// Roots of a shard by the sizes that cuts name.
pub(super) type Roots = BTreeMap<u64, Hash>;

/// What the cuts say.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    pub(super) shards: BTreeMap<u32, Roots>,
    pub(super) newest_at: u64,
}

/// Verifies the root log against its head and, where there is one, a head that was known before.
pub(super) fn verify(
    files: &dyn Files,
    head: &Checkpoint,
    known: Option<&Checkpoint>,
    findings: &mut Vec<Finding>,
    watcher: &mut Watching<'_>,
) -> Result<Cuts, WalkError> {
    let (mut tree, mut cuts) = (Frontier::new(), Cuts::default());
    let (mut before, mut newer): (Option<Cut>, _) = (None, None);
    // An empty log is the beginning of every log.
    let mut known_root = known.filter(|known| known.size == 0).map(|_| tree.root());
    for_each_entry(files, ROOT, head.size, |index, bytes| {
        tree.push(leaf_hash(bytes));
        if known.is_some_and(|known| known.size == tree.size()) {
            known_root = Some(tree.root());
        }
        match Cut::decode(bytes) {
            Ok(cut) => {
                cuts.take(index, before.as_ref(), &cut, findings);
                if let Some(watcher) = watcher {
                    watcher.cut(index, &cut);
                }
                before = Some(cut);
            }
            Err(error @ CutError::UnknownVersion(_)) => {
                newer.get_or_insert(Newer { what: "cut".to_owned(), index, why: error.to_string() });
            }
            Err(error) => findings.push(Finding::CutMalformed { cut: index, why: error.to_string() }),
        }
    })?;
    if tree.root() != head.root {
        return Err(WalkError::Finding(Finding::RootLogAltered));
    }
    match known {
        Some(known) if known.size > head.size => {
            findings.push(Finding::RolledBack { known: known.size, size: head.size });
        }
        Some(known) if known_root != Some(known.root) => findings.push(Finding::Forked { size: known.size }),
        Some(_) | None => {}
    }
    newer.map_or(Ok(cuts), |newer| Err(WalkError::Newer(newer)))
}

impl Cuts {
    fn take(&mut self, index: u64, before: Option<&Cut>, cut: &Cut, findings: &mut Vec<Finding>) {
        if cut.cut_no != index || before.is_some_and(|before| cut.epoch < before.epoch) {
            findings.push(Finding::CutOutOfOrder { cut: index });
        }
        if let Some(before) = before {
            findings.extend(before.shards.iter().filter_map(|old| taken_back(index, old, cut)));
        }
        for head in &cut.shards {
            let known = self.shards.entry(head.shard).or_default().insert(head.size, head.root);
            if known.is_some_and(|known| known != head.root) {
                findings.push(Finding::ShardForked { cut: index, shard: head.shard });
            }
        }
        self.newest_at = cut.t;
    }
}

/// What a cut takes back of a shard's head in the cut before it.
fn taken_back(index: u64, old: &ShardHead, cut: &Cut) -> Option<Finding> {
    match cut.shard(old.shard) {
        Some(new) => {
            let back = new.size < old.size || new.epoch < old.epoch || new.incarnation < old.incarnation;
            back.then_some(Finding::ShardWentBack { cut: index, shard: old.shard })
        }
        None if old.state == ShardState::Retired => None,
        None => Some(Finding::ShardDropped { cut: index, shard: old.shard }),
    }
}
