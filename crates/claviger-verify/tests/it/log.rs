//! A log of two shards, as an honest service writes it; and the powers of whoever holds its keys.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use claviger_audit::cut::{Cut, ShardHead, ShardState};
use claviger_audit::fact::Facts;
use claviger_audit::tile::{Resource, WIDTH, push_entry, push_facts};
use claviger_audit::tree::{Frontier, leaf_hash};
use claviger_audit::verify::{CHECKPOINT, ROOT_VKEY, bundles, evidence_note, node_vkey};
use claviger_audit::{
    Checkpoint, Entry, EvidenceSigner, Op, Outcome, Receipt, SigningKey, assemble_note, evidence,
};

pub(crate) const ORIGIN: &str = "d/audit/root";
pub(crate) const KEY: [u8; 16] = [7; 16];
/// A cut of the honest log follows on so many entries of its first shard.
pub(crate) const PACE: u64 = 50;

/// The log with all its keys.
#[derive(Clone)]
pub(crate) struct Log {
    /// Entries by shard.
    pub(crate) shards: BTreeMap<u32, Vec<Vec<u8>>>,
    pub(crate) cuts: Vec<Vec<u8>>,
    /// Facts by shard and entry.
    pub(crate) facts: BTreeMap<u32, BTreeMap<u64, Vec<u8>>>,
    /// Announcements of evidence keys, by their places.
    pub(crate) notes: BTreeMap<String, Vec<u8>>,
    /// The instant of the next entry, in microseconds since 1970.
    pub(crate) clock: u64,
}

pub(crate) fn root_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

pub(crate) fn node_key(shard: u32) -> SigningKey {
    SigningKey::from_seed(&format!("d/audit/{shard}"), &[u8::try_from(shard).unwrap() + 2; 32]).unwrap()
}

/// An evidence key of the deployment.
pub(crate) fn evidence_key(seed: u8) -> EvidenceSigner {
    EvidenceSigner::from_seed(&evidence::key_name(ORIGIN), &[seed; 32]).unwrap()
}

pub(crate) fn bytes_of(entry: &Entry<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry.encode_into(&mut bytes).unwrap();
    bytes
}

impl Log {
    pub(crate) fn empty() -> Self {
        let (shards, cuts, facts) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { shards, cuts, facts, notes: BTreeMap::new(), clock: 1_790_000_000_000_000 }
    }

    /// 300 entries in shard 0 and 60 in shard 3, in 7 cuts.
    pub(crate) fn honest() -> Self {
        let mut log = Self::empty();
        for (shard, first) in [(0, KEY), (3, [8; 16])] {
            let digest = node_key(shard).verifier_key().digest();
            log.push(shard, Op::NodeStart, |entry| entry.reference = Some(Cow::Owned(digest.to_vec())));
            log.push(shard, Op::Session, |entry| entry.act = Some([5; 16]));
            log.push(shard, Op::CreateKey, |entry| {
                (entry.key, entry.kv, entry.ses) = (Some(first), Some(1), Some(1));
                entry.reference = Some(Cow::Borrowed(&[1]));
            });
        }
        log.work(0, KEY, 297);
        log.work(3, [8; 16], 57);
        log.cut();
        log
    }

    /// The same, after a start of a release that has an evidence key.
    pub(crate) fn announcing() -> Self {
        let mut log = Self::honest();
        log.announce(0, &evidence_key(9));
        log.cut();
        log
    }

    /// Announces an evidence key, as a start does.
    pub(crate) fn announce(&mut self, shard: u32, signer: &EvidenceSigner) {
        let (digest, root) = (signer.key().digest(), root_key());
        self.push(shard, Op::AnnounceEvidenceKey, |entry| {
            entry.reference = Some(Cow::Owned(digest.to_vec()));
        });
        let (text, key) = (evidence::announcement(ORIGIN, signer.key()), root.verifier_key());
        let note = assemble_note(&text, key.name(), key.key_id(), &root.sign(&text)).unwrap();
        self.notes.insert(evidence_note(shard, &digest), note.into_bytes());
    }

    /// Encrypts so many times, cutting on the way.
    pub(crate) fn work(&mut self, shard: u32, key: [u8; 16], count: u64) {
        for _ in 0..count {
            self.encrypt(shard, key);
            if shard == 0 && self.size(0).is_multiple_of(PACE) {
                self.cut();
            }
        }
    }

    pub(crate) fn encrypt(&mut self, shard: u32, key: [u8; 16]) {
        self.push(shard, Op::Encrypt, |entry| {
            (entry.key, entry.kv, entry.ses, entry.n) = (Some(key), Some(1), Some(1), Some(10));
        });
    }

    pub(crate) fn push(&mut self, shard: u32, op: Op, fill: impl FnOnce(&mut Entry<'static>)) {
        self.clock += 1_000;
        let mut entry = Entry::new(self.clock, 1, op, Outcome::Ok);
        fill(&mut entry);
        self.shards.entry(shard).or_default().push(bytes_of(&entry));
    }

    /// An entry whose commit made this true.
    pub(crate) fn push_facts(&mut self, shard: u32, op: Op, facts: &Facts) {
        let index = self.shards.get(&shard).map_or(0, |entries| entries.len() as u64);
        self.facts.entry(shard).or_default().insert(index, facts.encode().unwrap());
        self.push(shard, op, |entry| entry.fct = Some(facts.digest()));
    }

    pub(crate) fn size(&self, shard: u32) -> u64 {
        self.shards[&shard].len() as u64
    }

    /// The tree of the first `size` entries of a shard.
    fn tree(&self, shard: u32, size: u64) -> Frontier {
        let mut tree = Frontier::new();
        let size = usize::try_from(size).unwrap();
        self.shards[&shard].iter().take(size).for_each(|entry| tree.push(leaf_hash(entry)));
        tree
    }

    fn head(&self, shard: u32, size: u64) -> ShardHead {
        let root = self.tree(shard, size).root();
        ShardHead { shard, state: ShardState::Active, incarnation: 1, size, root, epoch: 1 }
    }

    /// Cuts all shards as they stand.
    pub(crate) fn cut(&mut self) {
        let shards = self.shards.keys().map(|shard| self.head(*shard, self.size(*shard))).collect();
        self.cut_as(|cut| cut.shards = shards);
    }

    /// Appends a cut with whatever in it.
    pub(crate) fn cut_as(&mut self, fill: impl FnOnce(&mut Cut)) {
        let (t, cut_no) = (self.clock, self.cuts.len() as u64);
        let mut cut = Cut {
            t,
            cut_no,
            epoch: 1,
            shards: Vec::new(),
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        fill(&mut cut);
        self.cuts.push(cut.encode().unwrap());
    }

    pub(crate) fn cuts(&self) -> Vec<Cut> {
        self.cuts.iter().map(|bytes| Cut::decode(bytes).unwrap()).collect()
    }

    /// Makes every cut anew from the entries as they are now, as who holds the root key can.
    pub(crate) fn cut_anew(&mut self) {
        let anew = self.cuts().into_iter().map(|mut cut| {
            for head in &mut cut.shards {
                head.root = self.tree(head.shard, head.size).root();
            }
            cut.encode().unwrap()
        });
        self.cuts = anew.collect();
    }

    /// The checkpoint of the root log as it stands.
    pub(crate) fn checkpoint(&self) -> String {
        let mut tree = Frontier::new();
        self.cuts.iter().for_each(|cut| tree.push(leaf_hash(cut)));
        let head = Checkpoint { origin: ORIGIN.to_owned(), size: tree.size(), root: tree.root() };
        head.sign(&root_key()).unwrap()
    }

    /// The receipt that the node gave for an entry, in a batch that ended the log as it stands.
    pub(crate) fn receipt(&self, shard: u32, index: u64) -> String {
        self.receipt_by(&node_key(shard), shard, index)
    }

    pub(crate) fn receipt_by(&self, key: &SigningKey, shard: u32, index: u64) -> String {
        let origin = format!("d/audit/{shard}");
        let head = self.head(shard, self.size(shard));
        let signature = key.sign_checkpoint(&origin, head.size, &head.root).unwrap();
        let (key_id, signature) = signature.split_first_chunk().unwrap();
        Receipt {
            origin,
            index,
            leaf: leaf_hash(&self.shards[&shard][usize::try_from(index).unwrap()]),
            size: head.size,
            root: head.root,
            key_id: *key_id,
            signature: signature.to_vec(),
        }
        .to_string()
    }

    /// Writes the export.
    pub(crate) fn write(&self, dir: &Path) {
        write_bundles(dir, "root", &self.cuts);
        for (shard, entries) in &self.shards {
            write_bundles(dir, &shard.to_string(), entries);
            self.write_facts(dir, *shard);
            let key = node_key(*shard);
            let name = node_vkey(*shard, &key.verifier_key().digest());
            put(dir, &name, key.verifier_key().to_string().as_bytes());
        }
        self.notes.iter().for_each(|(name, note)| put(dir, name, note));
        put(dir, CHECKPOINT, self.checkpoint().as_bytes());
        put(dir, ROOT_VKEY, format!("{}\n", root_key().verifier_key()).as_bytes());
    }
}

impl Log {
    fn write_facts(&self, dir: &Path, shard: u32) {
        let Some(facts) = self.facts.get(&shard) else { return };
        let size = self.size(shard);
        for index in 0..size.div_ceil(WIDTH) {
            let mut bundle = Vec::new();
            for (entry, facts) in facts.range(index * WIDTH..(index + 1) * WIDTH) {
                push_facts(&mut bundle, u8::try_from(entry % WIDTH).unwrap(), facts).unwrap();
            }
            let name = Resource::facts(index, size).unwrap();
            put(dir, &format!("{shard}/{name}"), &bundle);
        }
    }
}

/// Writes entries as bundles.
pub(crate) fn write_bundles(dir: &Path, log: &str, entries: &[Vec<u8>]) {
    for (resource, part) in bundles(entries.len() as u64).zip(entries.chunks(256)) {
        let mut bundle = Vec::new();
        part.iter().for_each(|entry| push_entry(&mut bundle, entry).unwrap());
        put(dir, &format!("{log}/{resource}"), &bundle);
    }
}

pub(crate) fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
