//! The log in a pack: which files are part of it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use claviger_audit::rows;
use claviger_audit::tile::Resource;
use claviger_audit::verify::{CHECKPOINT, Files, LiveState, NoFile, ROOT, ROOT_VKEY, Verified};

/// A log that remembers which of its files were read.
pub struct ReadLog<'f> {
    files: &'f dyn Files,
    read: RefCell<BTreeSet<String>>,
}

impl fmt::Debug for ReadLog<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadLog").field("read", &self.read).finish_non_exhaustive()
    }
}

impl<'f> ReadLog<'f> {
    /// These files, of which none was read yet.
    #[must_use]
    pub const fn new(files: &'f dyn Files) -> Self {
        Self { files, read: RefCell::new(BTreeSet::new()) }
    }

    /// Is it a file of the log that was verified? Of a log that holds, all files were read, and nothing says of another one what it is.
    /// Of one that does not, the place decides: the walk over it may have ended early.
    #[must_use]
    pub fn has(&self, path: &str, verified: &Verified) -> bool {
        let was_read = self.read.borrow().contains(path);
        // Rows are not looked into where shards have no common order.
        let is_page = path.starts_with("rows/") && verified.live_state == LiveState::SeveralShards;
        was_read || ((is_page || !verified.findings.is_empty()) && is_of_an_export(path))
    }
}

impl Files for ReadLog<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        let bytes = self.files.read(name)?;
        self.read.borrow_mut().insert(name.to_owned());
        Ok(bytes)
    }
}

/// Is it the place of a file of an export of a log?
#[must_use]
pub fn is_of_an_export(path: &str) -> bool {
    if [ROOT_VKEY, CHECKPOINT, rows::HEAD].contains(&path) {
        return true;
    }
    let Some((first, rest)) = path.split_once('/') else { return false };
    let is_resource = |rest: &str| Resource::parse(rest).is_ok();
    let is_shard = |text: &str| text.parse::<u32>().is_ok_and(|shard| shard.to_string() == text);
    match first {
        "rows" => is_digest(rest),
        ROOT => is_resource(rest),
        shard if is_shard(shard) => {
            let key = rest.strip_prefix("node/").and_then(|name| name.strip_suffix(".vkey"));
            let note = rest.strip_prefix("evidence/").and_then(|name| name.strip_suffix(".note"));
            key.or(note).is_some_and(is_digest) || is_resource(rest)
        }
        _ => false,
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_an_export_are_known_by_their_places() {
        let (digest, node) = ("0a".repeat(32), format!("1/node/{}.vkey", "0a".repeat(32)));
        for path in [
            "root.vkey",
            "root/checkpoint",
            "root/tile/entries/000",
            "1/tile/entries/000.p/44",
            "1/tile/facts/000",
            "rows/head",
            &node,
            &format!("1/evidence/{digest}.note"),
            &format!("rows/{digest}"),
        ] {
            assert!(is_of_an_export(path), "{path}");
        }
        let others = ["", "root.vkey.old", "01/tile/entries/000", "1/node/x.vkey", "1/evidence/x.note"];
        for path in others.into_iter().chain(["rows/x", "1/x"]) {
            assert!(!is_of_an_export(path), "{path}");
        }
    }
}
