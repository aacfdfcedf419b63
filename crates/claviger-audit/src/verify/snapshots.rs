//! Snapshots held against the state that the facts yield.
//!
//! A snapshot is of a state that lies before its entry. So that one walk over the facts is enough, and no older state is kept, the
//! entries are looked through for snapshots first, by their operation alone.

use std::collections::BTreeMap;

use super::files::{Files, Part, for_each_of_first};
use super::finding::Finding;
use super::objects::Objects;
use crate::snapshot::Snapshot;
use crate::{Entry, Op, Outcome};

/// What the snapshots of a shard say, by the sizes of the log that they are of.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    said: BTreeMap<u64, Vec<Said>>,
    checked: u64,
    /// What the objects came to when they were last summed up, and how many facts had been taken then.
    summed: Option<(u64, Snapshot)>,
}

#[derive(Debug)]
struct Said {
    entry: u64,
    snapshot: Snapshot,
}

impl Snapshots {
    /// Looks through that part of a shard. Files that are not what they should be are for the walk to find.
    pub(super) fn find(files: &dyn Files, shard: u32, part: Part, findings: &mut Vec<Finding>) -> Self {
        let mut found = Self::default();
        let _ = for_each_of_first(files, &shard.to_string(), part, |entry, bytes| {
            if Entry::operation_of(bytes) != Some(Op::Snapshot) {
                return;
            }
            match Entry::decode(bytes) {
                Ok(decoded) if decoded.out == Outcome::Ok => {
                    let reference = decoded.reference.as_deref().unwrap_or_default();
                    match Snapshot::from_bytes(reference).filter(|snapshot| snapshot.size <= entry) {
                        Some(snapshot) => {
                            found.said.entry(snapshot.size).or_default().push(Said { entry, snapshot });
                        }
                        None => findings.push(Finding::SnapshotDiffers {
                            shard,
                            entry,
                            why: "it does not say of which state it is".to_owned(),
                        }),
                    }
                }
                Ok(_) | Err(_) => {}
            }
        });
        found
    }

    /// The objects stand as they do behind the first `size` entries: holds what snapshots say of that against them.
    pub(super) fn hold(&mut self, shard: u32, size: u64, objects: &Objects, findings: &mut Vec<Finding>) {
        let Some(said) = self.said.remove(&size) else { return };
        let facts = objects.taken();
        let now = match self.summed {
            Some((at, snapshot)) if at == facts => Snapshot { size, ..snapshot },
            _ => Snapshot::of(size, objects.iter().map(|(_, current)| current.digest)),
        };
        self.summed = Some((facts, now));
        for Said { entry, snapshot } in said {
            self.checked += 1;
            if snapshot == now {
                continue;
            }
            let why = if snapshot.objects == now.objects {
                format!("the {} objects behind the first {size} entries have another root", now.objects)
            } else {
                format!(
                    "it counts {} objects behind the first {size} entries, and the facts yield {}",
                    snapshot.objects, now.objects
                )
            };
            findings.push(Finding::SnapshotDiffers { shard, entry, why });
        }
    }

    /// How many were held against the state.
    pub(super) const fn checked(&self) -> u64 {
        self.checked
    }
}
