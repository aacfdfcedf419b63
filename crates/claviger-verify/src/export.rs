//! The export as it lies in a directory.

use std::fs::{self, File, FileType};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use claviger_audit::verify::{Files, NoFile};
use indicatif::{ProgressBar, ProgressStyle};

/// The longest file of an export is a bundle of 256 entries, each with its length of two bytes before it; pages of rows are shorter.
pub(crate) const MAX_FILE: u64 = 256 * (2 + 0xFFFF);

/// The files of a directory. Shows on a terminal which one is read.
pub(crate) struct Export {
    dir: PathBuf,
    progress: ProgressBar,
}

impl Export {
    /// The export in `dir`.
    ///
    /// # Errors
    /// When that is no directory that can be read.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let metadata = fs::metadata(dir).with_context(|| format!("`{}` cannot be read", dir.display()))?;
        if !metadata.is_dir() {
            bail!("`{}` is no directory; unpack the export first", dir.display());
        }
        let style = ProgressStyle::with_template("{spinner} {pos} files read, {elapsed}: {msg}")?;
        Ok(Self { dir: dir.to_owned(), progress: ProgressBar::no_length().with_style(style) })
    }
}

impl Files for Export {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        self.progress.set_message(name.to_owned());
        self.progress.inc(1);
        let read = read(&self.dir.join(name), MAX_FILE, "an export");
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NoFile::Missing,
            _ => NoFile::Unreadable(error.to_string()),
        })
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.progress.finish_and_clear();
    }
}

/// How many files lie in a directory, and below it, that are none of the log that was verified. Links are not followed; a folder that
/// cannot be read counts as one.
pub(crate) fn others(dir: &Path, is_of_log: impl Fn(&str) -> bool) -> usize {
    let (mut others, mut folders) = (0, vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        let Ok(within) = fs::read_dir(dir.join(&folder)) else {
            others += 1;
            continue;
        };
        for entry in within.filter_map(Result::ok) {
            let (name, kind) = (folder.join(entry.file_name()), entry.file_type());
            if kind.as_ref().is_ok_and(FileType::is_dir) {
                folders.push(name);
            } else if kind.is_ok_and(|kind| kind.is_file())
                && name.to_str().is_none_or(|name| !is_of_log(name))
            {
                others += 1;
            }
        }
    }
    others
}

/// A regular file of bounded length: a pipe or a device in a foreign directory would hold or flood the reader.
pub(crate) fn read(path: &Path, most: u64, of: &str) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is longer than any file of {of}")));
    }
    Ok(bytes)
}
