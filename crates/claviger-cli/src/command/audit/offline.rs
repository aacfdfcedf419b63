//! Verifies an exported log on this machine, with nothing but its files and one public key.
//!
//! What is checked: the root log is the one that the checkpoint signs; its cuts follow each other, and no shard shrinks, goes
//! back in its epochs or disappears; each shard's log has, at every size that a cut names, the root that the cut names; every
//! entry has the one form that entries have, and no entry goes back in its epoch; the states of keys follow from the entries.

use std::collections::BTreeMap;
use std::path::Path;

use claviger_audit::cut::{Cut, ShardHead, ShardState};
use claviger_audit::tree::{Frontier, leaf_hash};
use claviger_audit::{Checkpoint, Entry, Hash, VerifierKey};
use serde::Serialize;

use super::layout::{self, for_each_entry};
use super::replay::{Replay, States};
use crate::failure::Failure;

/// What was verified.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    /// The root log.
    pub(crate) origin: String,
    /// Its cuts.
    pub(crate) cuts: u64,
    /// Entries of all shards.
    pub(crate) entries: u64,
    /// Sizes of the shards.
    pub(crate) shards: BTreeMap<u32, u64>,
    /// Key versions of which the log tells the state.
    pub(crate) key_versions: usize,
    /// The states that the log yields.
    #[serde(skip)]
    pub(super) states: States,
    /// What does not hold.
    pub(crate) findings: Vec<String>,
}

/// Verifies the export in `dir` with the root log's key, which must come from elsewhere to mean anything.
///
/// # Errors
/// Exit code 4 when the export is not whole or not signed, so that nothing can be said of the rest; what can be said of single
/// entries and states is in the findings.
pub(crate) fn verify(dir: &Path, key: &VerifierKey) -> Result<Verified, Failure> {
    let note = layout::read(dir, "root/checkpoint")?;
    let head = Checkpoint::open(&note, key)
        .map_err(|error| Failure::unverified(format!("the checkpoint does not hold: {error}")))?;
    let mut findings = Vec::new();
    let heads = verify_root(dir, &head, &mut findings)?;
    let mut replay = Replay::default();
    let mut entries = 0;
    let mut shards = BTreeMap::new();
    for (shard, cuts) in &heads {
        let size = cuts.last_key_value().map_or(0, |(size, _)| *size);
        verify_shard(dir, *shard, cuts, &mut replay, &mut findings)?;
        entries += size;
        shards.insert(*shard, size);
    }
    let (states, impossible) = replay.finish();
    findings.extend(impossible);
    Ok(Verified {
        origin: head.origin,
        cuts: head.size,
        entries,
        shards,
        key_versions: states.len(),
        states,
        findings,
    })
}

/// The key that lies in the export: its own word, no more.
pub(crate) fn key_in(dir: &Path) -> Result<VerifierKey, Failure> {
    let text = layout::read(dir, "root.vkey")?;
    VerifierKey::parse(String::from_utf8_lossy(&text).trim())
        .map_err(|error| Failure::unverified(format!("`root.vkey`: {error}")))
}

/// Roots of a shard by the sizes that cuts name.
type Roots = BTreeMap<u64, Hash>;

fn verify_root(
    dir: &Path,
    head: &Checkpoint,
    findings: &mut Vec<String>,
) -> Result<BTreeMap<u32, Roots>, Failure> {
    let mut tree = Frontier::new();
    let mut roots: BTreeMap<u32, Roots> = BTreeMap::new();
    let mut before: Option<Cut> = None;
    for_each_entry(dir, layout::ROOT, head.size, |index, bytes| {
        tree.push(leaf_hash(bytes));
        let cut = match Cut::decode(bytes) {
            Ok(cut) => cut,
            Err(error) => {
                findings.push(format!("cut {index} is no cut: {error}"));
                return Ok(());
            }
        };
        if cut.cut_no != index {
            findings.push(format!("cut {index} calls itself {}", cut.cut_no));
        }
        if let Some(before) = &before {
            findings.extend(steps_back(before, &cut));
        }
        for shard in &cut.shards {
            let known = roots.entry(shard.shard).or_default().insert(shard.size, shard.root);
            if known.is_some_and(|known| known != shard.root) {
                findings.push(format!(
                    "cut {index}: shard {} had another root at {} entries",
                    shard.shard, shard.size
                ));
            }
        }
        before = Some(cut);
        Ok(())
    })?;
    if tree.root() != head.root {
        return Err(Failure::unverified("the root log is not the one that the checkpoint signs"));
    }
    Ok(roots)
}

/// What `cut` takes back of the cut before it.
fn steps_back(before: &Cut, cut: &Cut) -> Vec<String> {
    let mut findings = Vec::new();
    if cut.epoch < before.epoch {
        findings.push(format!("cut {} goes back from epoch {} to {}", cut.cut_no, before.epoch, cut.epoch));
    }
    for old in &before.shards {
        let back = |new: &ShardHead| {
            new.size < old.size || new.epoch < old.epoch || new.incarnation < old.incarnation
        };
        match cut.shard(old.shard) {
            Some(new) if back(new) => {
                findings.push(format!("cut {}: shard {} goes back", cut.cut_no, old.shard))
            }
            None if old.state != ShardState::Retired => {
                findings.push(format!("cut {} leaves out shard {}", cut.cut_no, old.shard));
            }
            Some(_) | None => {}
        }
    }
    findings
}

fn verify_shard(
    dir: &Path,
    shard: u32,
    roots: &Roots,
    replay: &mut Replay,
    findings: &mut Vec<String>,
) -> Result<(), Failure> {
    let size = roots.last_key_value().map_or(0, |(size, _)| *size);
    let mut tree = Frontier::new();
    let mut epoch = 0;
    let mut differs = None;
    check_root(roots, &tree, &mut differs);
    for_each_entry(dir, &shard.to_string(), size, |index, bytes| {
        tree.push(leaf_hash(bytes));
        check_root(roots, &tree, &mut differs);
        match Entry::decode(bytes) {
            Ok(entry) => {
                if entry.e < epoch {
                    findings.push(format!(
                        "entry {index} of shard {shard} goes back from epoch {epoch} to {}",
                        entry.e
                    ));
                }
                epoch = epoch.max(entry.e);
                replay.take(index, &entry);
            }
            Err(error) => findings.push(format!("entry {index} of shard {shard} is no entry: {error}")),
        }
        Ok(())
    })?;
    match differs {
        None => Ok(()),
        Some(at) => {
            findings.push(format!("the log of shard {shard} is not the one that was cut at {at} entries"));
            Ok(())
        }
    }
}

/// Notes the first size at which the tree has another root than a cut names.
fn check_root(roots: &Roots, tree: &Frontier, differs: &mut Option<u64>) {
    if roots.get(&tree.size()).is_some_and(|root| *root != tree.root()) {
        differs.get_or_insert(tree.size());
    }
}

/// What an export holds, for tests of this and its callers.
#[cfg(test)]
pub(crate) mod fixture {
    use claviger_audit::{Op, Outcome, SigningKey};

    use super::*;

    /// Writes an export of one shard with `count` entries, cut after every hundred; gives the key of the root log.
    pub(crate) fn export(dir: &Path, count: u64) -> VerifierKey {
        let (mut shard, mut root) = (Frontier::new(), Frontier::new());
        let (mut entries, mut cuts) = (Vec::new(), Vec::new());
        for t in 0..count {
            let op = if t == 0 { Op::CreateKey } else { Op::Encrypt };
            let mut entry = Entry::new(t, 1, op, Outcome::Ok);
            entry.key = Some([7; 16]);
            entry.kv = Some(1);
            entry.reference = (t == 0).then_some(std::borrow::Cow::Borrowed(&[1]));
            let mut bytes = Vec::new();
            entry.encode_into(&mut bytes).unwrap();
            shard.push(leaf_hash(&bytes));
            entries.push(bytes);
            if (t + 1) % 100 == 0 || t + 1 == count {
                let state = ShardState::Active;
                let head = ShardHead {
                    shard: 1,
                    state,
                    incarnation: 1,
                    size: shard.size(),
                    root: shard.root(),
                    epoch: 1,
                };
                let cut_no = root.size();
                let cut = Cut {
                    t,
                    cut_no,
                    epoch: 1,
                    shards: vec![head],
                    erase_generation: None,
                    capsule_hash: None,
                };
                let bytes = cut.encode().unwrap();
                root.push(leaf_hash(&bytes));
                cuts.push(bytes);
            }
        }
        let signing = SigningKey::from_seed("d/audit/root", &[7; 32]).unwrap();
        let head = Checkpoint { origin: "d/audit/root".into(), size: root.size(), root: root.root() };
        write(dir, "root", &cuts);
        write(dir, "1", &entries);
        std::fs::write(dir.join("root/checkpoint"), head.sign(&signing).unwrap()).unwrap();
        std::fs::write(dir.join("root.vkey"), signing.verifier_key().to_string()).unwrap();
        signing.verifier_key().clone()
    }

    fn write(dir: &Path, log: &str, entries: &[Vec<u8>]) {
        for (resource, part) in layout::bundles(entries.len() as u64).zip(entries.chunks(256)) {
            let mut bundle = Vec::new();
            for entry in part {
                claviger_audit::tile::push_entry(&mut bundle, entry).unwrap();
            }
            let path = dir.join(format!("{log}/{resource}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bundle).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn whole_export_holds_and_yields_the_states() {
        let dir = tempfile::tempdir().unwrap();
        let key = fixture::export(dir.path(), 700);
        let verified = verify(dir.path(), &key).unwrap();
        assert!(verified.findings.is_empty(), "{:?}", verified.findings);
        assert_eq!((verified.cuts, verified.entries, verified.key_versions), (7, 700, 1));
        assert_eq!(key_in(dir.path()).unwrap().to_string(), key.to_string());
    }

    #[test]
    fn a_changed_byte_anywhere_is_detected() {
        let dir = tempfile::tempdir().unwrap();
        let key = fixture::export(dir.path(), 300);
        for name in
            ["root/checkpoint", "root/tile/entries/000.p/3", "1/tile/entries/000", "1/tile/entries/001.p/44"]
        {
            let path = dir.path().join(name);
            let good = fs::read(&path).unwrap();
            for at in (0..good.len()).step_by(37) {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(&path, bad).unwrap();
                let detected =
                    verify(dir.path(), &key).map_or(true, |verified| !verified.findings.is_empty());
                assert!(detected, "{name} byte {at}");
            }
            fs::write(&path, good).unwrap();
        }
        assert!(verify(dir.path(), &key).unwrap().findings.is_empty());
    }

    #[test]
    fn missing_bundle_and_other_key_are_detected() {
        let dir = tempfile::tempdir().unwrap();
        let key = fixture::export(dir.path(), 300);
        let other = claviger_audit::SigningKey::from_seed("d/audit/root", &[8; 32]).unwrap();
        assert!(verify(dir.path(), other.verifier_key()).is_err());
        fs::remove_file(dir.path().join("1/tile/entries/000")).unwrap();
        let failure = verify(dir.path(), &key).unwrap_err();
        assert!(failure.to_string().contains("missing"), "{failure}");
        assert_eq!(failure.exit(), crate::failure::Exit::Unverified);
    }

    #[test]
    fn cut_that_takes_something_back_is_found() {
        let head = |size, epoch| ShardHead {
            shard: 1,
            state: ShardState::Active,
            incarnation: 1,
            size,
            root: [0; 32],
            epoch,
        };
        let cut = |cut_no, epoch, shards| Cut {
            t: 0,
            cut_no,
            epoch,
            shards,
            erase_generation: None,
            capsule_hash: None,
        };
        let before = cut(0, 5, vec![head(10, 5)]);
        assert!(steps_back(&before, &cut(1, 5, vec![head(10, 5)])).is_empty());
        for bad in [
            cut(1, 4, vec![head(10, 5)]),
            cut(1, 5, vec![head(9, 5)]),
            cut(1, 5, vec![head(10, 4)]),
            cut(1, 5, vec![]),
        ] {
            assert_eq!(steps_back(&before, &bad).len(), 1, "{bad:?}");
        }
    }
}
