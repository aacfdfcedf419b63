//! Holds a log against what callers were answered: each answered call is there, once, and the whole log verifies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use claviger_audit::verify::{
    CHECKPOINT, Files, NoFile, ROOT_VKEY, Request, Verified, for_each_entry, verify,
};
use claviger_audit::{Entry, Op, Outcome, VerifierKey};

use crate::load::Answered;
use crate::serving::Site;

/// An export of the log that is updated again and again, by the auditor.
pub(crate) struct Evidence {
    pub(crate) dir: PathBuf,
    key: VerifierKey,
    /// The checkpoint that was held the last time.
    known: Vec<u8>,
}

/// What of an entry is held against an answer.
struct Recorded {
    op: Op,
    outcome: Outcome,
    key: Option<[u8; 16]>,
}

struct Export<'a>(&'a Path);

impl Files for Export<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        std::fs::read(self.0.join(name)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => NoFile::Missing,
            _ => NoFile::Unreadable(error.to_string()),
        })
    }
}

impl Evidence {
    /// Exports the log for the first time and keeps its key, which counts from then on.
    pub(crate) fn begin(site: &Site) -> Self {
        let dir = site.path("export");
        site.done("auditor", &["audit", "export", "--out", dir.to_str().unwrap()], b"");
        let vkey = std::fs::read_to_string(dir.join(ROOT_VKEY)).unwrap();
        std::fs::write(site.path(ROOT_VKEY), &vkey).unwrap();
        let known = std::fs::read(dir.join(CHECKPOINT)).unwrap();
        Self { dir, key: VerifierKey::parse(vkey.trim()).unwrap(), known }
    }

    /// Asserts that the log is the one that was known, grown; that it verifies; that the live state follows from it; that all
    /// that was answered is in it as it was answered; and that nothing is in it twice. Gives what was verified.
    pub(crate) fn hold(&mut self, site: &Site, answered: &[Answered]) -> Verified {
        let (dir, key) = (self.dir.to_str().unwrap(), site.path(ROOT_VKEY));
        // The command compares the live state with the log; it exports up to its own last entry, behind all that was answered.
        site.done("auditor", &["audit", "verify", "--dir", dir, "--root-vkey", key.to_str().unwrap()], b"");
        let receipts: Vec<String> = answered.iter().filter_map(|answer| answer.receipt.clone()).collect();
        let request = Request { known: Some(&self.known), receipts: &receipts, ..Request::new(&self.key) };
        let verified = verify(&Export(&self.dir), &request).unwrap();
        assert!(verified.findings.is_empty(), "{:?}", verified.findings);
        assert_eq!(verified.receipts_kept, receipts.len());
        self.known = std::fs::read(self.dir.join(CHECKPOINT)).unwrap();
        let recorded = self.entries(&verified);
        let mut indexes = BTreeSet::new();
        for answer in answered {
            let entry = &recorded[usize::try_from(answer.entry).unwrap()];
            assert!(indexes.insert(answer.entry), "two answers have one entry: {answer:?}");
            assert_eq!((entry.op, entry.outcome), (answer.op, answer.outcome), "{answer:?}");
            assert!(answer.key.is_none() || entry.key == answer.key, "{answer:?}");
        }
        verified
    }

    /// All entries of the one shard. What was done under one request identifier was done once.
    fn entries(&self, verified: &Verified) -> Vec<Recorded> {
        assert_eq!(verified.shards.len(), 1);
        let (shard, size) = verified.shards.first_key_value().unwrap();
        let (mut recorded, mut done) = (Vec::new(), BTreeSet::new());
        for_each_entry(&Export(&self.dir), &shard.to_string(), *size, |index, bytes| {
            let entry = Entry::decode(bytes).unwrap();
            if let (Some(tag), Outcome::Ok) = (entry.rid, entry.out) {
                assert!(done.insert((tag, entry.op)), "entry {index} is there twice");
            }
            recorded.push(Recorded { op: entry.op, outcome: entry.out, key: entry.key });
        })
        .unwrap();
        recorded
    }
}
