//! The embedded store: one SQLite file in a directory that one process holds (mechanisms, 1.5).
//!
//! | file | what it holds |
//! |---|---|
//! | [`directory`] | the directory, its lock, its modes |
//! | [`connection`], [`schema`] | settings of connections, migrations, the check at the start |
//! | [`journal`] | the one writer |
//! | [`pool`], [`read`] | the readers |
//! | [`checkpoint`] | keeps SQLite's write-ahead log short |
//! | [`row`], [`log`] | the tables of state, the tables of the log |

mod checkpoint;
mod columns;
mod connection;
mod directory;
mod error;
mod expectation;
mod journal;
mod log;
mod pairs;
#[cfg(test)]
mod plan;
mod pool;
mod read;
mod row;
mod schema;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use claviger_core::port::StoreError;
use rusqlite::Connection;

use checkpoint::Checkpointer;
use directory::Directory;
use journal::SqliteJournal;
use pool::Pool;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Threads that read, each with a connection; at least one is started.
    pub readers: u32,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// Bound on the database file, in pages of 4 KiB; beyond it writes fail with [`StoreError::Full`]. `None`: the device's.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 2, reader_cache_kib: 16 << 10, max_pages: None }
    }
}

/// The embedded store.
///
/// It holds its directory until it and all its journals are dropped; then the write-ahead log is moved into the database,
/// so that `store.db` alone is the whole state.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

impl SqliteStore {
    /// Opens the store in `directory`, making both if they are not there (mode 0700, files 0600).
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process, or another store of this one, holds the directory;
    /// [`StoreError::Newer`] for a store of a newer release; [`StoreError::ReadOnly`] where nothing may be written;
    /// [`StoreError::Corrupt`] when the file is no store, or its head, log and fence do not agree; other kinds as SQLite
    /// and the file system have it.
    pub fn open(directory: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let directory = Directory::take(directory)?;
        let first = connection::writing(directory.database(), &options)?;
        schema::migrate(&first)?;
        schema::check(&first)?;
        drop(first);
        let checkpointer = Checkpointer::start(directory.database(), &options)?;
        let pool = Pool::start(directory.database(), &options)?;
        let has_journal = AtomicBool::new(false);
        Ok(Self { inner: Arc::new(Inner { pool, checkpointer, has_journal, options, directory }) })
    }
}

/// What store and journals share. The fields are dropped in this order: readers, checkpoints, and last the lock.
#[derive(Debug)]
struct Inner {
    pool: Pool,
    checkpointer: Checkpointer,
    has_journal: AtomicBool,
    options: SqliteOptions,
    directory: Directory,
}

impl Inner {
    fn database(&self) -> &Path {
        self.directory.database()
    }

    /// Fails once an outcome was not known or the device failed: only a restart finds out what is true.
    fn whole(&self) -> Result<(), StoreError> {
        self.checkpointer.pressure().broken().map_or(Ok(()), |error| Err(error.clone()))
    }

    fn break_off(&self, error: StoreError) {
        self.checkpointer.pressure().break_off(error);
    }

    /// Tells the checkpointer of a commit with a body of that many bytes, and lends it a hand.
    fn committed(&self, connection: &Connection, body: usize) {
        // Beside the body: the leaf that takes its head, the shard's head, and the first page.
        const PAGES: u64 = 3 * 4096;
        self.checkpointer.pressure().wrote(body as u64 + PAGES);
        self.checkpointer.pressure().help(connection);
    }

    fn open_journal(self: &Arc<Self>, shard: u32) -> Result<SqliteJournal, StoreError> {
        self.has_journal.store(true, Ordering::Release);
        SqliteJournal::open(Arc::clone(self), shard)
    }
}
