//! Where the parts of an exported log lie, and how they are read:
//!
//! ```text
//! root.vkey                          key of the root log (C2SP vkey)
//! root/checkpoint                    its newest signed checkpoint; written last, covers all the rest
//! root/tile/entries/…                its cuts, 256 to a bundle (C2SP tlog-tiles)
//! <shard>/tile/entries/…             the entries of a shard's log
//! <shard>/tile/facts/…               the facts of those entries, beside each bundle
//! <shard>/node/<hex>.vkey            keys of its nodes, by their SHA-256: what receipts are checked with
//! <shard>/evidence/<hex>.note        the note by which the root announces the evidence key, by the SHA-256 of that
//! rows/head                          which live rows were read beside the log, and when; not in every export
//! rows/<hex>                         a page of them, by its SHA-256
//! ```

use super::finding::Finding;
use crate::tile::{Resource, WIDTH, parse_bundle};
use crate::{NoteError, VerifierKey};

/// The root log, as names have it.
pub const ROOT: &str = "root";
/// The key of the root log.
pub const ROOT_VKEY: &str = "root.vkey";
/// The newest checkpoint.
pub const CHECKPOINT: &str = "root/checkpoint";

/// The key of a node, by the digest that its start carries.
#[must_use]
pub fn node_vkey(shard: u32, digest: &[u8]) -> String {
    format!("{shard}/node/{}.vkey", crate::hash::to_hex(digest))
}

/// The announcement of an evidence key, by the digest that its entry carries.
#[must_use]
pub fn evidence_note(shard: u32, digest: &[u8]) -> String {
    format!("{shard}/evidence/{}.note", crate::hash::to_hex(digest))
}

/// Gives the files of an export.
pub trait Files {
    /// The content of a file, or why there is none.
    ///
    /// # Errors
    /// [`NoFile`].
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile>;
}

/// Why a file is not there for the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFile {
    /// There is none of that name.
    Missing,
    /// It cannot be read, for this reason.
    Unreadable(String),
}

/// Why a walk over a log ends early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// Something does not hold.
    #[error("{0}")]
    Finding(Finding),
    /// A file could not be read, which says nothing about the log.
    #[error("`{name}` cannot be read: {why}")]
    Unreadable {
        /// Its name.
        name: String,
        /// The reason.
        why: String,
    },
    /// A newer release wrote part of the log.
    #[error("{0}")]
    Newer(Newer),
}

/// What a newer release wrote, where the log is as it was cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a newer release wrote this log: {what} {index} is of a form that this one does not know ({why}); verify it with that release"
)]
pub struct Newer {
    /// What of the log: a cut, or an entry of a shard.
    pub what: String,
    /// Its index.
    pub index: u64,
    /// What is not known of it.
    pub why: String,
}

/// A file of the export.
///
/// # Errors
/// [`Finding::FileMissing`]: an export without it proves nothing; or [`WalkError::Unreadable`].
pub fn read(files: &dyn Files, name: &str) -> Result<Vec<u8>, WalkError> {
    files.read(name).map_err(|no_file| match no_file {
        NoFile::Missing => WalkError::Finding(Finding::FileMissing { name: name.to_owned() }),
        NoFile::Unreadable(why) => WalkError::Unreadable { name: name.to_owned(), why },
    })
}

/// A key as a file of the export holds it: its vkey, and at most a line feed.
///
/// # Errors
/// Those of [`read`], and [`Finding::FileMalformed`] for what is no key.
pub fn read_vkey(files: &dyn Files, name: &str) -> Result<VerifierKey, WalkError> {
    let bytes = read(files, name)?;
    let text = std::str::from_utf8(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
    let key = text.map_err(|_| NoteError::VerifierKey).and_then(VerifierKey::parse);
    key.map_err(|error| {
        WalkError::Finding(Finding::FileMalformed { name: name.to_owned(), why: error.to_string() })
    })
}

/// The bundles of a log of `size` entries.
pub fn bundles(size: u64) -> impl Iterator<Item = Resource> {
    (0..size.div_ceil(WIDTH)).filter_map(move |index| Resource::bundle(index, size))
}

/// The first `size` entries of a log, in order.
///
/// # Errors
/// Those of [`read`], [`Finding::EntriesMissing`] for a bundle of a shard that is not there, and [`Finding::FileMalformed`] for
/// one that is not what it should be.
pub fn for_each_entry(
    files: &dyn Files,
    log: &str,
    size: u64,
    each: impl FnMut(u64, &[u8]),
) -> Result<(), WalkError> {
    for_each_of_first(files, log, Part { size, whole: size }, each)
}

/// The first entries of a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// How many.
    pub(super) size: u64,
    /// How many the log has: bundles are as wide as it makes them.
    pub(super) whole: u64,
}

/// The entries of a part of a log, in order.
///
/// # Errors
/// As of [`for_each_entry`].
pub(super) fn for_each_of_first(
    files: &dyn Files,
    log: &str,
    Part { size, whole }: Part,
    mut each: impl FnMut(u64, &[u8]),
) -> Result<(), WalkError> {
    let mut index = 0;
    for bundle in bundles(whole) {
        if index >= size {
            break;
        }
        let name = format!("{log}/{bundle}");
        let bytes = read(files, &name).map_err(|error| match (error, log.parse()) {
            (WalkError::Finding(Finding::FileMissing { name }), Ok(shard)) => {
                let end = size.min(index + WIDTH);
                WalkError::Finding(Finding::EntriesMissing { shard, first: index, end, name })
            }
            (other, _) => other,
        })?;
        let malformed = |why: String| WalkError::Finding(Finding::FileMalformed { name: name.clone(), why });
        let entries = parse_bundle(&bytes).map_err(|error| malformed(error.to_string()))?;
        if u64::try_from(entries.len()).unwrap_or(u64::MAX) != (whole - index).min(WIDTH) {
            return Err(malformed(format!("it holds {} entries", entries.len())));
        }
        for entry in entries {
            if index == size {
                break;
            }
            each(index, entry);
            index += 1;
        }
    }
    Ok(())
}
