//! The root log: the cuts, and what they say of the shards.

use std::collections::BTreeMap;

use super::files::{CHECKPOINT, Files, Newer, Part, ROOT, WalkError, for_each_entry, read};
use super::finding::Finding;
use super::watch::Watching;
use crate::cut::{Cut, CutError, ShardHead, ShardState};
use crate::tile::{Resource, WIDTH, parse_bundle};
use crate::tree::{Frontier, leaf_hash};
use crate::{Checkpoint, Hash, VerifierKey};

/// Roots of a shard by the sizes that cuts name.
pub(super) type Roots = BTreeMap<u64, Hash>;

/// What the cuts say.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    pub(super) shards: BTreeMap<u32, Roots>,
    pub(super) newest_at: u64,
    /// How many they are, and the root over them.
    pub(super) size: u64,
    pub(super) root: Hash,
    /// How many entries each shard has by the newest cut of all, also where that is not one of these.
    wholes: BTreeMap<u32, u64>,
}

/// Verifies the root log against its head and, where there is one, a head that was known before. What the cuts say is that of the first
/// `upto` of them, if that is given.
pub(super) fn verify(
    files: &dyn Files,
    head: &Checkpoint,
    known: Option<&Checkpoint>,
    upto: Option<u64>,
    findings: &mut Vec<Finding>,
    watcher: &mut Watching<'_>,
) -> Result<Cuts, WalkError> {
    let size = upto.map_or(head.size, |upto| upto.min(head.size));
    let mut tree = Frontier::new();
    let mut cuts = Cuts { size, root: tree.root(), ..Cuts::default() };
    let (mut before, mut newer): (Option<Cut>, _) = (None, None);
    // An empty log is the beginning of every log.
    let mut known_root = known.filter(|known| known.size == 0).map(|_| tree.root());
    for_each_entry(files, ROOT, head.size, |index, bytes| {
        tree.push(leaf_hash(bytes));
        if known.is_some_and(|known| known.size == tree.size()) {
            known_root = Some(tree.root());
        }
        if tree.size() == size {
            cuts.root = tree.root();
        }
        let decoded = Cut::decode(bytes);
        if let Ok(cut) = &decoded {
            cuts.wholes.extend(cut.shards.iter().map(|head| (head.shard, head.size)));
        }
        match decoded {
            Ok(cut) if index < size => {
                cuts.take(index, before.as_ref(), &cut, findings);
                if let Some(watcher) = watcher {
                    watcher.cut(index, &cut);
                }
                before = Some(cut);
            }
            Err(error @ CutError::UnknownVersion(_)) => {
                newer.get_or_insert(Newer { what: "cut".to_owned(), index, why: error.to_string() });
            }
            Err(error) if index < size => {
                findings.push(Finding::CutMalformed { cut: index, why: error.to_string() });
            }
            Ok(_) | Err(_) => {}
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

/// A cut, by its number; none where the log does not have it. That the log is the one that its checkpoint commits to is for a verification
/// to say.
///
/// # Errors
/// Where the checkpoint does not hold, or the cut does not read.
pub fn find_cut(files: &dyn Files, key: &VerifierKey, number: u64) -> Result<Option<Cut>, WalkError> {
    let head = super::open(&read(files, CHECKPOINT)?, key, "")?;
    let bundle = Resource::bundle(number / WIDTH, head.size).filter(|_| number < head.size);
    let Some(bundle) = bundle else { return Ok(None) };
    let name = format!("{ROOT}/{bundle}");
    let bytes = read(files, &name)?;
    let malformed = |why: String| WalkError::Finding(Finding::FileMalformed { name: name.clone(), why });
    let cuts = parse_bundle(&bytes).map_err(|error| malformed(error.to_string()))?;
    let place = usize::try_from(number % WIDTH).unwrap_or(usize::MAX);
    let Some(cut) = cuts.get(place) else { return Err(malformed(format!("it does not hold cut {number}"))) };
    Cut::decode(cut).map(Some).map_err(|error| match error {
        CutError::UnknownVersion(_) => {
            WalkError::Newer(Newer { what: "cut".to_owned(), index: number, why: error.to_string() })
        }
        _ => WalkError::Finding(Finding::CutMalformed { cut: number, why: error.to_string() }),
    })
}

impl Cuts {
    /// A shard as of the newest of these cuts.
    pub(super) fn part_of(&self, shard: u32) -> Part {
        let of_shard = self.shards.get(&shard).and_then(BTreeMap::last_key_value);
        let size = of_shard.map_or(0, |(size, _)| *size);
        Part { size, whole: self.wholes.get(&shard).map_or(size, |whole| size.max(*whole)) }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::push_entry;
    use crate::verify::{NoFile, ROOT_VKEY, Request, SeenEntry, Verified, Watcher, bundles, verify_watched};
    use crate::{Entry, Op, Outcome, SigningKey};

    const ORIGIN: &str = "d/audit/root";

    struct Exported(BTreeMap<String, Vec<u8>>);

    impl Files for Exported {
        fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
            self.0.get(name).cloned().ok_or(NoFile::Missing)
        }
    }

    impl Exported {
        fn put(&mut self, log: &str, entries: &[Vec<u8>]) {
            for (resource, part) in bundles(entries.len() as u64).zip(entries.chunks(256)) {
                let mut bundle = Vec::new();
                part.iter().for_each(|entry| push_entry(&mut bundle, entry).unwrap());
                self.0.insert(format!("{log}/{resource}"), bundle);
            }
        }
    }

    fn key() -> SigningKey {
        SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
    }

    fn entries(count: u64) -> Vec<Vec<u8>> {
        let bytes = |t: u64| {
            let mut bytes = Vec::new();
            Entry::new(t, 1, Op::SelfTest, Outcome::Ok).encode_into(&mut bytes).unwrap();
            bytes
        };
        (1..=count).map(bytes).collect()
    }

    fn cuts(entries: &[Vec<u8>], sizes: &[usize]) -> Vec<Vec<u8>> {
        let cut = |(cut_no, size): (u64, &usize)| {
            let mut tree = Frontier::new();
            entries[..*size].iter().for_each(|entry| tree.push(leaf_hash(entry)));
            let (shard, state, size, root) = (1, ShardState::Active, tree.size(), tree.root());
            let shards = vec![ShardHead { shard, state, incarnation: 1, size, root, epoch: 1 }];
            let (erase_generation, capsule_hash, row_tags, rows) = (None, None, None, None);
            let t = 1_000 + cut_no;
            Cut { t, cut_no, epoch: 1, shards, erase_generation, capsule_hash, row_tags, rows }
                .encode()
                .unwrap()
        };
        (0..).zip(sizes).map(cut).collect()
    }

    fn exported(entries: &[Vec<u8>], cuts: &[Vec<u8>]) -> Exported {
        let mut exported = Exported(BTreeMap::new());
        exported.put("1", entries);
        exported.put(ROOT, cuts);
        let mut tree = Frontier::new();
        cuts.iter().for_each(|cut| tree.push(leaf_hash(cut)));
        let head = Checkpoint { origin: ORIGIN.to_owned(), size: tree.size(), root: tree.root() };
        exported.0.insert(CHECKPOINT.to_owned(), head.sign(&key()).unwrap().into_bytes());
        exported.0.insert(ROOT_VKEY.to_owned(), key().verifier_key().to_string().into_bytes());
        exported
    }

    /// All that a watcher is shown.
    #[derive(Debug, Default, PartialEq)]
    struct Shown(Vec<String>);

    impl Watcher for Shown {
        fn cut(&mut self, number: u64, cut: &Cut) {
            self.0.push(format!("{number} {cut:?}"));
        }

        fn entry(&mut self, seen: &SeenEntry<'_>) {
            self.0.push(format!("{} {:?}", seen.index, seen.entry));
        }

        fn root(&mut self, size: u64, root: &Hash) {
            self.0.push(format!("{size} {root:?}"));
        }
    }

    fn seen(files: &Exported, upto: Option<u64>) -> (Verified, Shown) {
        let (key, mut shown) = (key(), Shown::default());
        let request = Request { upto, ..Request::new(key.verifier_key()) };
        (verify_watched(files, &request, &mut shown).unwrap(), shown)
    }

    const SIZES: [usize; 5] = [1, 255, 256, 300, 600];

    #[test]
    fn a_log_up_to_a_cut_is_what_it_was_with_that_cut() {
        let entries = entries(600);
        let cuts = cuts(&entries, &SIZES);
        let whole = exported(&entries, &cuts);
        for (number, size) in SIZES.into_iter().enumerate() {
            let then = exported(&entries[..size], &cuts[..=number]);
            let upto = seen(&whole, Some(number as u64 + 1));
            assert_eq!(upto, seen(&then, None), "{number}");
            assert_eq!((upto.0.entries(), upto.0.findings.len()), (size as u64, 0));
        }
        assert_eq!(seen(&whole, Some(9)), seen(&whole, None), "it has no more");
        assert_eq!(seen(&whole, Some(0)).0.entries(), 0);
    }

    #[test]
    fn what_is_behind_the_cut_is_not_looked_at_but_the_root_log_is() {
        let mut entries = entries(600);
        let mut cuts = cuts(&entries, &SIZES);
        entries[400] = entries[0].clone();
        let altered = exported(&entries, &cuts);
        assert!(matches!(seen(&altered, None).0.findings[..], [Finding::EntriesAltered { .. }]));
        assert!(seen(&altered, Some(4)).0.findings.is_empty());
        let mut forged = altered;
        cuts[4] = cuts[0].clone();
        forged.put(ROOT, &cuts);
        assert_eq!(seen(&forged, Some(4)).0.findings, [Finding::RootLogAltered]);
    }

    #[test]
    fn a_cut_is_found_by_its_number() {
        let entries = entries(600);
        let cuts = cuts(&entries, &SIZES);
        let mut files = exported(&entries, &cuts);
        let find = |files: &Exported, number: u64| find_cut(files, key().verifier_key(), number);
        assert_eq!(find(&files, 3).unwrap().map(|cut| (cut.cut_no, cut.t)), Some((3, 1_003)));
        assert_eq!(find(&files, 5), Ok(None));
        assert_eq!(find(&files, 256), Ok(None));
        files.0.retain(|name, _| !name.starts_with("root/tile"));
        assert!(matches!(find(&files, 3), Err(WalkError::Finding(Finding::FileMissing { .. }))));
    }
}
