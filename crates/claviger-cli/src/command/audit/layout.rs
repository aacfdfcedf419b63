//! Where the parts of an exported log lie:
//!
//! ```text
//! root.vkey                          key of the root log (C2SP vkey)
//! root/checkpoint                    its newest signed checkpoint; written last, covers all the rest
//! root/tile/entries/…                its cuts, 256 to a bundle (C2SP tlog-tiles)
//! <shard>/tile/entries/…             the entries of a shard's log
//! <shard>/node/<hex>.vkey            keys of its nodes, by their SHA-256: what receipts are checked with
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use claviger_audit::tile::{Resource, WIDTH, parse_bundle};

use crate::failure::Failure;

/// The root log, as paths name it.
pub(super) const ROOT: &str = "root";

/// The file of the root log's key.
pub(super) fn root_vkey(dir: &Path) -> PathBuf {
    dir.join("root.vkey")
}

/// The file of the newest checkpoint.
pub(super) fn checkpoint(dir: &Path) -> PathBuf {
    dir.join(ROOT).join("checkpoint")
}

/// The bundles of a log of `size` entries, as paths within the log.
pub(super) fn bundles(size: u64) -> impl Iterator<Item = Resource> {
    (0..size.div_ceil(WIDTH)).filter_map(move |index| Resource::bundle(index, size))
}

/// The entries of a log, bundle by bundle, as they lie in `dir`.
///
/// # Errors
/// Exit code 4 when a bundle is not there, or not what it should be.
pub(super) fn for_each_entry(
    dir: &Path,
    log: &str,
    size: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut index = 0;
    for bundle in bundles(size) {
        let name = format!("{log}/{bundle}");
        let bytes = read(dir, &name)?;
        let entries =
            parse_bundle(&bytes).map_err(|error| Failure::unverified(format!("`{name}`: {error}")))?;
        let left = size - index;
        if u64::try_from(entries.len()).unwrap_or(u64::MAX) != left.min(WIDTH) {
            return Err(Failure::unverified(format!("`{name}` holds {} entries", entries.len())));
        }
        for entry in entries {
            each(index, entry)?;
            index += 1;
        }
    }
    Ok(())
}

/// A file of the export.
///
/// # Errors
/// Exit code 4 when it is not there: an export without it proves nothing.
pub(super) fn read(dir: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let path = dir.join(name);
    fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::unverified(format!("`{name}` is missing")),
        _ => Failure::file(&path, &error),
    })
}
