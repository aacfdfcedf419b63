//! The data directory: whose it is, and who may read it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use claviger_core::port::StoreError;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::translate_io;

/// A data directory that this process holds. Dropping it, or the end of the process in any way, gives it free.
#[derive(Debug)]
pub(super) struct Directory {
    database: PathBuf,
    // The lock belongs to this open file: no other one in this process can lose it, and none outlives the process.
    _lock: File,
}

impl Directory {
    /// Makes the directory if there is none (mode 0700), and takes hold of it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        if !path.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| translate_io(&error, "directory"))?;
            sync(path.parent())?;
        }
        let lock = open(&path.join("store.lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(StoreError::Locked),
            Err(error) => return Err(translate_io(&error.into(), "store.lock")),
        }
        // SQLite gives its other files the mode of the database, so the database is made here.
        let database = path.join("store.db");
        open(&database)?;
        sync(Some(path))?;
        Ok(Self { database, _lock: lock })
    }

    /// The database file.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// The directory itself.
    pub(super) fn path(&self) -> &Path {
        self.database.parent().unwrap_or(Path::new("."))
    }
}

/// The files that commits go to, as the file system tells them apart.
#[derive(Debug)]
pub(super) struct InPlace {
    files: [(PathBuf, (u64, u64)); 2],
}

impl InPlace {
    /// The database and its write-ahead log, both of which a connection has just opened by name.
    pub(super) fn of(database: &Path) -> Result<Self, StoreError> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let known = |path: PathBuf| match identity(&path) {
            Ok(identity) => Ok((path, identity)),
            Err(error) => Err(translate_io(&error, &path.display().to_string())),
        };
        Ok(Self { files: [known(database.to_owned())?, known(log.into())?] })
    }

    /// Fails once a name leads elsewhere. SQLite goes on writing to files that were moved, replaced or removed under it, and
    /// the next start would know nothing of what it wrote.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.files.iter().find(|(path, known)| identity(path).ok() != Some(*known)) {
            None => Ok(()),
            Some((path, _)) => Err(StoreError::Unavailable(format!(
                "`{}` was moved, replaced or removed while it was in use; put it back, then start again",
                path.display()
            ))),
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Opens a file of the store to write, making it if there is none, for this account alone.
pub(super) fn open(path: &Path) -> Result<File, StoreError> {
    let trouble = |error: std::io::Error| translate_io(&error, &path.display().to_string());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(trouble)?;
    if file.metadata().map_err(trouble)?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(trouble)?;
    }
    Ok(file)
}

/// Makes the names in a directory durable.
pub(super) fn sync(directory: Option<&Path>) -> Result<(), StoreError> {
    let Some(directory) = directory else { return Ok(()) };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| translate_io(&error, &directory.display().to_string()))
}
