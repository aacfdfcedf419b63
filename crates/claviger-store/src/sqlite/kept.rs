//! What is kept beside the database: a few bytes, the newest of which the next start finds, whatever became of the database.
//!
//! One file of two slots, made once and never grown. Writing takes the slot that holds the older bytes, so that a write which is
//! torn leaves the newer ones, and costs one `fdatasync` of a few pages that are there already. Each slot has a sequence number
//! and a digest.
//!
//! Invariant: what [`KeptFile::keep`] acknowledged is on the disk under the file's name; after a failure nothing is kept any more,
//! because a second sync could call durable what the first one lost.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use claviger_core::port::StoreError;
use claviger_core::port::store::Kept;
use claviger_crypto::digest::sha256;

use super::directory::sync;
use super::error::translate_io;
use crate::failpoint;

/// The file's name in the data directory.
pub(super) const FILE: &str = "newest-shard-checkpoint";

/// A page, and what a disk writes at once or in few pieces.
const SLOT: usize = 4096;
const SLOTS: u64 = 2;
const MAGIC: [u8; 8] = *b"CLVNEWST";
const DIGEST: usize = 32;
/// Magic, sequence, flag with padding, length.
const HEADER: usize = 24;
const MOST: usize = SLOT - HEADER - DIGEST;
const CLOSED: u8 = 1;

/// The file, and what it held when the store was opened.
#[derive(Debug)]
pub(super) struct KeptFile {
    path: PathBuf,
    file: Option<File>,
    sequence: u64,
    broken: Option<StoreError>,
}

/// What the file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Something is written in it, and no slot is whole.
    Damaged,
    /// The newest bytes.
    Kept(Kept),
    /// There is no file, or nothing was ever kept in it.
    Nothing,
}

impl KeptFile {
    /// Reads what is in `directory`. Makes nothing.
    pub(super) fn open(directory: &Path) -> Result<(Self, Found), StoreError> {
        let path = directory.join(FILE);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => {
                let read = file.take(SLOTS * SLOT as u64).read_to_end(&mut bytes);
                read.map_err(|error| translate_io(&error, FILE))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(translate_io(&error, FILE)),
        }
        let newest = bytes.chunks(SLOT).filter_map(decode).max_by_key(|(sequence, _)| *sequence);
        let (sequence, found) = match newest {
            Some((sequence, kept)) => (sequence, Found::Kept(kept)),
            None if bytes.iter().any(|byte| *byte != 0) => (0, Found::Damaged),
            None => (0, Found::Nothing),
        };
        Ok((Self { path, file: None, sequence, broken: None }, found))
    }

    /// Keeps these bytes, durably, in place of the older of the two that are kept.
    pub(super) fn keep(&mut self, kept: &Kept) -> Result<(), StoreError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let done = self.write(kept);
        if let Err(error) = &done {
            self.broken = Some(error.clone());
        }
        done
    }

    fn write(&mut self, kept: &Kept) -> Result<(), StoreError> {
        let sequence = self.sequence + 1;
        let slot = encode(sequence, kept)?;
        if self.file.is_none() {
            self.file = Some(make(&self.path)?);
        }
        let Some(file) = &self.file else { return Ok(()) };
        let trouble = |error: std::io::Error| failed(&error);
        let offset = (sequence % SLOTS) * SLOT as u64;
        failpoint("keep-before");
        let (first, second) = slot.split_at(SLOT / 2);
        file.write_all_at(first, offset).map_err(trouble)?;
        failpoint("keep-torn");
        file.write_all_at(second, offset + first.len() as u64).map_err(trouble)?;
        failpoint("keep-written");
        file.sync_data().map_err(trouble)?;
        // After the sync: a look before it would miss what happens in between.
        let (named, held) = (std::fs::metadata(&self.path), file.metadata());
        let same = matches!((&named, &held), (Ok(named), Ok(held))
            if (named.dev(), named.ino()) == (held.dev(), held.ino()));
        if !same {
            return Err(StoreError::Io(format!(
                "`{}` was moved, replaced or removed while it was in use; put it back, then start again",
                self.path.display()
            )));
        }
        failpoint("keep-after");
        self.sequence = sequence;
        Ok(())
    }
}

/// Whatever the device says, nothing is kept any more, and the process must end.
fn failed(error: &std::io::Error) -> StoreError {
    StoreError::Io(format!("{FILE}: {error}"))
}

/// The file with all its room, so that keeping never needs any more.
fn make(path: &Path) -> Result<File, StoreError> {
    let trouble = |error: std::io::Error| failed(&error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(trouble)?;
    let all = SLOTS * SLOT as u64;
    let there = file.metadata().map_err(trouble)?.len();
    if there < all {
        let missing = usize::try_from(all - there).map_err(|_| failed(&ErrorKind::InvalidData.into()))?;
        file.write_all_at(&vec![0; missing], there).map_err(trouble)?;
        file.sync_all().map_err(trouble)?;
        sync(path.parent())?;
    }
    Ok(file)
}

fn encode(sequence: u64, kept: &Kept) -> Result<[u8; SLOT], StoreError> {
    let long = || StoreError::Refused(format!("{FILE}: {} bytes do not fit", kept.bytes.len()));
    let length = u32::try_from(kept.bytes.len()).map_err(|_| long())?;
    if kept.bytes.len() > MOST {
        return Err(long());
    }
    let flag = [if kept.closed { CLOSED } else { 0 }, 0, 0, 0];
    let mut slot = [0; SLOT];
    let (body, digest) = slot.split_at_mut(SLOT - DIGEST);
    let written = MAGIC.into_iter().chain(sequence.to_be_bytes()).chain(flag).chain(length.to_be_bytes());
    for (place, byte) in body.iter_mut().zip(written.chain(kept.bytes.iter().copied())) {
        *place = byte;
    }
    digest.copy_from_slice(&sha256(body));
    Ok(slot)
}

fn decode(slot: &[u8]) -> Option<(u64, Kept)> {
    let (body, digest) = slot.split_at_checked(SLOT - DIGEST)?;
    if sha256(body).as_slice() != digest {
        return None;
    }
    let rest = body.strip_prefix(&MAGIC)?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let ([flag, ..], rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let bytes = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?.to_vec();
    Some((u64::from_be_bytes(*sequence), Kept { closed: *flag == CLOSED, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(number: u8) -> Kept {
        Kept { closed: number.is_multiple_of(3), bytes: vec![number; 300] }
    }

    fn found(directory: &Path) -> Found {
        KeptFile::open(directory).unwrap().1
    }

    #[test]
    fn the_newest_is_found_again_and_the_file_never_grows() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(found(dir.path()), Found::Nothing);
        for number in 1..9 {
            // Each by a new process, and twice.
            let mut file = KeptFile::open(dir.path()).unwrap().0;
            file.keep(&kept(0)).unwrap();
            file.keep(&kept(number)).unwrap();
            assert_eq!(found(dir.path()), Found::Kept(kept(number)));
            assert_eq!(std::fs::metadata(dir.path().join(FILE)).unwrap().len(), 2 * SLOT as u64);
        }
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().mode();
        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn a_torn_write_leaves_what_was_kept_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let mut file = KeptFile::open(dir.path()).unwrap().0;
        file.keep(&kept(1)).unwrap();
        let before = std::fs::read(&path).unwrap();
        file.keep(&kept(2)).unwrap();
        let after = std::fs::read(&path).unwrap();
        // The write of the second stopped at any byte.
        for at in (0..after.len()).step_by(61) {
            let torn: Vec<_> = after[..at].iter().chain(&before[at..]).copied().collect();
            std::fs::write(&path, torn).unwrap();
            let whole = found(dir.path());
            assert!([Found::Kept(kept(1)), Found::Kept(kept(2))].contains(&whole), "{at}: {whole:?}");
        }
        std::fs::write(&path, vec![7; 2 * SLOT]).unwrap();
        assert_eq!(found(dir.path()), Found::Damaged);
        // A file that a crash left short, while it was made.
        std::fs::write(&path, [0; 100]).unwrap();
        assert_eq!(found(dir.path()), Found::Nothing);
        let mut file = KeptFile::open(dir.path()).unwrap().0;
        file.keep(&kept(4)).unwrap();
        assert_eq!(found(dir.path()), Found::Kept(kept(4)));
    }

    #[test]
    fn nothing_is_kept_after_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = KeptFile::open(dir.path()).unwrap().0;
        file.keep(&kept(1)).unwrap();
        std::fs::rename(dir.path().join(FILE), dir.path().join("away")).unwrap();
        let failed = file.keep(&kept(2)).unwrap_err();
        assert!(failed.to_string().contains("was moved"), "{failed}");
        std::fs::rename(dir.path().join("away"), dir.path().join(FILE)).unwrap();
        assert_eq!(file.keep(&kept(3)), Err(failed));
        let long = Kept { closed: false, bytes: vec![0; SLOT] };
        let mut anew = KeptFile::open(dir.path()).unwrap().0;
        assert!(matches!(anew.keep(&long), Err(StoreError::Refused(_))));
    }
}
