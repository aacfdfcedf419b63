//! The hash tree of a log, as far as proofs about some of its entries need it: one walk over the log, in memory that grows with its bundles.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::Hash;
use claviger_audit::tile::{Resource, WIDTH, parse_bundle};
use claviger_audit::tree::{Frontier, inclusion, leaf_hash};
use claviger_audit::verify::{Files, Finding, WalkError, for_each_entry, read};

/// The height of the tree over a full bundle.
const BUNDLE_HEIGHT: u8 = 8;

/// The perfect subtrees of a log from those over full bundles on.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    log: String,
    size: u64,
    high: BTreeMap<(u8, u64), Hash>,
}

/// An entry with the proof that its tree has it (RFC 6962, 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proved {
    pub(crate) bytes: Vec<u8>,
    pub(crate) path: Vec<Hash>,
}

impl Tree {
    /// The tree over the first `size` entries of a log; `each` is shown them in their order.
    pub(crate) fn grow(
        files: &dyn Files,
        log: &str,
        size: u64,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Self, WalkError> {
        let (mut tree, mut high) = (Frontier::new(), BTreeMap::new());
        for_each_entry(files, log, size, |index, bytes| {
            tree.push_reporting(leaf_hash(bytes), |height, at, hash| {
                if height >= BUNDLE_HEIGHT {
                    high.insert((height, at), *hash);
                }
            });
            each(index, bytes);
        })?;
        Ok(Self { log: log.to_owned(), size, high })
    }

    /// How many entries it has.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the full bundles, in their order.
    pub(crate) fn bundles(&self) -> impl Iterator<Item = &Hash> {
        self.high.range((BUNDLE_HEIGHT, 0)..=(BUNDLE_HEIGHT, u64::MAX)).map(|(_, hash)| hash)
    }

    /// Entries with their proofs. One that the log does not have is left out.
    pub(crate) fn prove(
        &self,
        files: &dyn Files,
        wanted: &BTreeSet<u64>,
    ) -> Result<BTreeMap<u64, Proved>, WalkError> {
        let (mut leaves, mut found) = (BTreeMap::new(), BTreeMap::new());
        // Proofs go along the right edge of the tree, where bundles are not full.
        let last = self.size.checked_sub(1);
        for number in wanted.iter().copied().chain(last).map(|index| index / WIDTH) {
            if leaves.contains_key(&number) {
                continue;
            }
            let entries = self.read(files, number)?;
            for (index, bytes) in (number * WIDTH..).zip(&entries) {
                if wanted.contains(&index) {
                    found.insert(index, bytes.clone());
                }
            }
            leaves.insert(number, entries.iter().map(|bytes| leaf_hash(bytes)).collect::<Vec<Hash>>());
        }
        let find = |height: u8, at: u64| match height {
            BUNDLE_HEIGHT.. => self.high.get(&(height, at)).copied(),
            _ => within(&leaves, height, at),
        };
        let proved = |(index, bytes): (u64, Vec<u8>)| {
            let path = inclusion(index, self.size, &find).ok()?;
            Some((index, Proved { bytes, path }))
        };
        Ok(found.into_iter().filter_map(proved).collect())
    }

    fn read(&self, files: &dyn Files, number: u64) -> Result<Vec<Vec<u8>>, WalkError> {
        let Some(bundle) = Resource::bundle(number, self.size) else { return Ok(Vec::new()) };
        let name = format!("{}/{bundle}", self.log);
        let bytes = read(files, &name)?;
        let entries = parse_bundle(&bytes).map_err(|error| {
            WalkError::Finding(Finding::FileMalformed { name: name.clone(), why: error.to_string() })
        })?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }
}

/// The root of a subtree that lies within a bundle.
fn within(leaves: &BTreeMap<u64, Vec<Hash>>, height: u8, at: u64) -> Option<Hash> {
    let (first, width) = (at << height, 1_usize << height);
    let start = usize::try_from(first % WIDTH).ok()?;
    let mut tree = Frontier::new();
    let of_bundle = leaves.get(&(first / WIDTH))?;
    of_bundle.get(start..start + width)?.iter().for_each(|leaf| tree.push(*leaf));
    Some(tree.root())
}

/// Logs in memory, for tests of this and its callers.
#[cfg(test)]
pub(crate) mod fixture {
    use claviger_audit::tile::push_entry;
    use claviger_audit::verify::{NoFile, bundles};

    use super::*;

    /// Files in memory.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Memory(pub(crate) BTreeMap<String, Vec<u8>>);

    impl Files for Memory {
        fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
            self.0.get(name).cloned().ok_or(NoFile::Missing)
        }
    }

    /// A log of so many entries, each its own index.
    pub(crate) fn log(name: &str, size: u64) -> Memory {
        let mut entries = (0..size).map(u64::to_be_bytes);
        let files = bundles(size).map(|bundle| {
            let mut bytes = Vec::new();
            for entry in entries.by_ref().take(256) {
                push_entry(&mut bytes, &entry).unwrap();
            }
            (format!("{name}/{bundle}"), bytes)
        });
        Memory(files.collect())
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::tree::verify_inclusion;

    use super::fixture::log;
    use super::*;

    #[test]
    fn every_entry_of_logs_around_the_width_of_a_bundle_is_proved() {
        for size in [1, 2, 3, 255, 256, 257, 300, 511, 512, 513, 770] {
            let (files, mut root) = (log("7", size), Frontier::new());
            let tree = Tree::grow(&files, "7", size, &mut |_, bytes| root.push(leaf_hash(bytes))).unwrap();
            assert_eq!((tree.size(), tree.bundles().count() as u64), (size, size / WIDTH));
            let proved = tree.prove(&files, &(0..=size).collect()).unwrap();
            assert_eq!(proved.len() as u64, size);
            for (index, Proved { bytes, path }) in &proved {
                assert_eq!(bytes, &index.to_be_bytes());
                let held = verify_inclusion(&leaf_hash(bytes), *index, size, path, &root.root());
                assert_eq!(held, Ok(()), "{index} of {size}");
            }
            let one = tree.prove(&files, &BTreeSet::from([size / 2])).unwrap();
            assert_eq!(one.get(&(size / 2)), proved.get(&(size / 2)));
        }
    }

    #[test]
    fn what_is_not_there_is_found_on_the_way() {
        let (files, none) = (log("7", 300), BTreeSet::new());
        let tree = Tree::grow(&files, "7", 300, &mut |_, _| {}).unwrap();
        assert!(tree.prove(&files, &none).unwrap().is_empty());
        let mut less = files;
        less.0.retain(|name, _| name.ends_with("000"));
        assert!(tree.prove(&less, &none).is_err());
        assert!(Tree::grow(&less, "7", 300, &mut |_, _| {}).is_err());
        assert!(Tree::grow(&less, "8", 0, &mut |_, _| {}).unwrap().prove(&less, &none).unwrap().is_empty());
    }
}
