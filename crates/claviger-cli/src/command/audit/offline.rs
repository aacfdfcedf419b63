//! Verifies an exported log on this machine, with nothing but its files and one public key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use claviger_audit::cut::{Cut, CutError};
use claviger_audit::tile::{Resource, WIDTH, parse_bundle};
use claviger_audit::verify::{
    self as audit, CHECKPOINT, Files, Finding, LiveState, Moment, Newer, NoFile, Objects, ROOT, ROOT_VKEY,
    Reached, Request, WalkError, Watcher,
};
use claviger_audit::{Checkpoint, VerifierKey};
use serde::{Serialize, Serializer};

use super::checkpoint::root_key;
use crate::failure::Failure;
use crate::input::bytes::Source;

/// An export as it lies in a directory.
pub(crate) struct Export<'a>(pub(crate) &'a Path);

impl Files for Export<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        fs::read(self.0.join(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NoFile::Missing,
            _ => NoFile::Unreadable(error.to_string()),
        })
    }
}

/// Which log is verified: a deployment's, fetched first, or an export as it is.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Directory of an export: updated first; a temporary one unless said otherwise
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Take the export as it is, without asking any deployment
    #[arg(long, requires = "dir")]
    offline: bool,
    /// The verifier key of the root log, as you know it from elsewhere (`audit root-vkey` writes it); without it the log's own word is taken
    #[arg(long, value_name = "FILE")]
    root_vkey: Option<Source>,
}

/// Where an export lies.
pub(crate) enum Place<'a> {
    Given(&'a Path),
    /// Gone with this value.
    Temporary(tempfile::TempDir),
}

impl Place<'_> {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

impl ExportArgs {
    /// The export that is taken as it is, with the key to verify it by.
    ///
    /// # Errors
    /// When it has no key, or another one than is known.
    pub(crate) fn offline(&self) -> Result<Option<(&Path, VerifierKey)>, Failure> {
        let Some(dir) = self.dir.as_deref().filter(|_| self.offline) else { return Ok(None) };
        Ok(Some((dir, self.key(&key_in(dir)?.to_string())?)))
    }

    /// The key to verify by, where this one is given.
    ///
    /// # Errors
    /// As of [`root_key`].
    pub(crate) fn key(&self, reported: &str) -> Result<VerifierKey, Failure> {
        root_key(self.root_vkey.as_ref(), reported)
    }

    /// The directory that is named.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Is the key known from elsewhere?
    pub(super) const fn knows_key(&self) -> bool {
        self.root_vkey.is_some()
    }

    /// Where the export is to lie.
    ///
    /// # Errors
    /// When there is no temporary directory.
    pub(crate) fn place(&self) -> Result<Place<'_>, Failure> {
        match &self.dir {
            Some(dir) => Ok(Place::Given(dir)),
            None => tempfile::tempdir()
                .map(Place::Temporary)
                .map_err(|error| Failure::failed(format!("no temporary directory: {error}"))),
        }
    }
}

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
    pub(crate) shards: std::collections::BTreeMap<u32, u64>,
    /// Key versions of which the log shows the state.
    pub(crate) key_versions: usize,
    /// The objects that the facts of the log yield.
    #[serde(serialize_with = "count")]
    pub(super) objects: Objects,
    /// Snapshots that were held against the state.
    pub(super) snapshots: u64,
    /// Whether live rows were held against the log.
    pub(crate) live_state: LiveState,
    /// The moment that was asked for, if the log reaches it.
    #[serde(skip)]
    pub(super) moment: Option<Reached>,
    /// How many entries lie before the first behind which the whole state is known.
    #[serde(skip)]
    pub(super) unknown_before: u64,
    /// What does not hold.
    pub(crate) findings: Vec<String>,
}

impl Verified {
    /// The same, if everything holds.
    ///
    /// # Errors
    /// With what does not hold.
    pub(super) fn whole(mut self) -> Result<Self, Failure> {
        let findings = std::mem::take(&mut self.findings);
        if findings.is_empty() { Ok(self) } else { Err(not_whole(&self.origin, self.entries, findings)) }
    }
}

/// What does not hold of a log with so many entries, as a failure of the command.
pub(crate) fn not_whole(origin: &str, entries: u64, findings: Vec<String>) -> Failure {
    let message = format!("{origin} of {entries} entries: {} findings", findings.len());
    let failure = Failure::unverified(message).with_findings(findings);
    failure.advise("keep log, export and checkpoints as they are: they are evidence")
}

/// Verifies the export in `dir` with the root log's key, which must come from elsewhere to mean anything.
///
/// # Errors
/// When a file cannot be read, or a newer release wrote the log. What does not hold is in the findings.
pub(crate) fn verify(dir: &Path, key: &VerifierKey) -> Result<Verified, Failure> {
    verify_at(dir, key, None)
}

/// The same, with the objects as they stood at a moment.
///
/// # Errors
/// As of [`verify`].
pub(super) fn verify_at(dir: &Path, key: &VerifierKey, moment: Option<Moment>) -> Result<Verified, Failure> {
    let verified = audit::verify(&Export(dir), &Request { moment, ..Request::new(key) })
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Verified {
        entries: verified.entries(),
        key_versions: verified.states.len(),
        findings: verified.findings.iter().map(reported).collect(),
        origin: verified.origin,
        cuts: verified.cuts,
        shards: verified.shards,
        objects: verified.objects,
        snapshots: verified.snapshots,
        live_state: verified.live_state,
        moment: verified.moment,
        unknown_before: verified.unknown_before,
    })
}

/// Verifies the export in `dir` in sight of somebody who looks on. Findings and errors are those of [`verify`].
///
/// # Errors
/// As of [`verify`].
pub(crate) fn verify_watched(
    dir: &Path,
    key: &VerifierKey,
    watcher: &mut dyn Watcher,
) -> Result<audit::Verified, Failure> {
    audit::verify_watched(&Export(dir), &Request::new(key), watcher)
        .map_err(|error| Failure::failed(error.to_string()))
}

/// The newest cut of the export in `dir`, if there is one. That the log is the one that its checkpoint commits to is for a
/// verification to say.
///
/// # Errors
/// When checkpoint or cut do not read.
pub(crate) fn newest_cut(dir: &Path, key: &VerifierKey) -> Result<Option<Cut>, Failure> {
    let note = audit::read(&Export(dir), CHECKPOINT).map_err(failure)?;
    let head = Checkpoint::open(&note, key)
        .map_err(|error| Failure::unverified(format!("the checkpoint does not hold: {error}")))?;
    last_cut(dir, head.size)
}

/// The last of the first `size` cuts of the export in `dir`.
///
/// # Errors
/// When it does not read.
pub(super) fn last_cut(dir: &Path, size: u64) -> Result<Option<Cut>, Failure> {
    let Some(last) = size.checked_sub(1) else { return Ok(None) };
    let Some(bundle) = Resource::bundle(last / WIDTH, size) else { return Ok(None) };
    let name = format!("{ROOT}/{bundle}");
    let bytes = audit::read(&Export(dir), &name).map_err(failure)?;
    let cuts = parse_bundle(&bytes).map_err(|error| Failure::unverified(format!("`{name}`: {error}")))?;
    let cut = cuts.last().map(|bytes| Cut::decode(bytes)).transpose();
    cut.map_err(|error| match error {
        CutError::UnknownVersion(_) => {
            failure(WalkError::Newer(Newer { what: "cut".to_owned(), index: last, why: error.to_string() }))
        }
        _ => Failure::unverified(format!("the last cut: {error}")),
    })
}

/// A finding as it is shown: its code, and what it says.
fn reported(finding: &Finding) -> String {
    format!("{}: {finding}", finding.code())
}

fn count<S: Serializer>(objects: &Objects, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(objects.len() as u64)
}

/// The key that lies in the export: its own word, no more.
pub(crate) fn key_in(dir: &Path) -> Result<VerifierKey, Failure> {
    audit::read_vkey(&Export(dir), ROOT_VKEY).map_err(failure)
}

/// A walk over an export that ended early, as a failure of the command.
pub(super) fn failure(error: WalkError) -> Failure {
    match error {
        WalkError::Finding(finding) => Failure::unverified(finding.to_string()),
        other @ (WalkError::Unreadable { .. } | WalkError::Newer(_)) => Failure::failed(other.to_string()),
    }
}

/// What an export holds, for tests of this and its callers.
#[cfg(test)]
pub(crate) mod fixture {
    use claviger_audit::cut::{Cut, ShardHead, ShardState};
    use claviger_audit::tree::{Frontier, leaf_hash};
    use claviger_audit::{Checkpoint, Entry, Op, Outcome, SigningKey};

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
                    row_tags: None,
                    rows: None,
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
        fs::write(dir.join("root/checkpoint"), head.sign(&signing).unwrap()).unwrap();
        fs::write(dir.join("root.vkey"), signing.verifier_key().to_string()).unwrap();
        signing.verifier_key().clone()
    }

    fn write(dir: &Path, log: &str, entries: &[Vec<u8>]) {
        for (resource, part) in audit::bundles(entries.len() as u64).zip(entries.chunks(256)) {
            let mut bundle = Vec::new();
            for entry in part {
                claviger_audit::tile::push_entry(&mut bundle, entry).unwrap();
            }
            let path = dir.join(format!("{log}/{resource}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bundle).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn newest_cut_is_the_last_of_those_that_the_checkpoint_covers() {
        let dir = tempfile::tempdir().unwrap();
        let key = fixture::export(dir.path(), 260);
        let cut = newest_cut(dir.path(), &key).unwrap().unwrap();
        assert_eq!((cut.cut_no, cut.t, cut.shards[0].size), (2, 259, 260));
        fs::remove_dir_all(dir.path().join("root/tile")).unwrap();
        let missing = newest_cut(dir.path(), &key).unwrap_err();
        assert_eq!(missing.exit(), crate::failure::Exit::Unverified, "{missing}");
    }

    #[test]
    fn missing_file_is_a_finding_and_one_that_cannot_be_read_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let key = fixture::export(dir.path(), 300);
        let bundle = dir.path().join("1/tile/entries/000");
        fs::remove_file(&bundle).unwrap();
        assert_eq!(
            verify(dir.path(), &key).unwrap().findings,
            ["entries-missing: entries 0 to 255 of shard 1 are missing: `1/tile/entries/000` is not there"]
        );
        fs::create_dir(&bundle).unwrap();
        assert_eq!(verify(dir.path(), &key).unwrap_err().exit(), crate::failure::Exit::Failed);
        assert!(key_in(&dir.path().join("1")).is_err());
    }
}
