//! The embedded store: one SQLite file in a directory that one process holds.
//!
//! | file | what it holds |
//! |---|---|
//! | [`directory`] | the directory, its lock, its modes |
//! | [`connection`], [`schema`] | settings of connections, migrations, the check at the start |
//! | [`journal`] | the one writer |
//! | [`kept`], [`tail`] | what is kept beside the database; what a crash left of it |
//! | [`pool`], [`read`], [`integrity`] | the readers; whether indexes say what rows say |
//! | [`facts`] | the digests of the newest facts of all rows, at once |
//! | [`wal_checkpoint`] | keeps SQLite's write-ahead log short |
//! | [`space`] | room on the device, and the reserve |
//! | [`tag`], [`inventory`], [`plain`] | whether a row is as it was written, and none is missing or older |
//! | [`row`], [`log`], [`usage`] | the tables of state, the tables of the log, what is kept of uses |

mod columns;
mod connection;
mod directory;
mod error;
mod expectation;
mod facts;
mod integrity;
mod inventory;
mod journal;
mod kept;
mod log;
mod pairs;
mod plain;
#[cfg(test)]
mod plan;
mod pool;
mod read;
mod row;
mod rows;
mod schema;
mod space;
mod sums;
mod tag;
mod tail;
#[cfg(test)]
mod tests;
mod usage;
mod wal_checkpoint;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::port::StoreError;
use claviger_core::port::store::{Kept, LeftBehind};
use rusqlite::Connection;

use directory::Directory;
use error::translate;
use journal::SqliteJournal;
use kept::{Found, KeptFile};
use pool::Pool;
use space::Space;
use tag::{Guard, Guarded};
use wal_checkpoint::WalCheckpointer;

use crate::failpoint;

pub use space::SpaceOptions;

/// About as many bytes as one step of an upgrade writes.
const ABOUT_AN_UPGRADE: usize = 512 << 10;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Threads that read, each with a connection; at least one is started.
    pub readers: u32,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// Bound on the database file, in pages of 4 KiB; beyond it writes fail with [`StoreError::Full`]. `None`: the device's.
    pub max_pages: Option<u32>,
    /// Open the store though a process that did not end in order left a write-ahead log that is not whole. What was in it is
    /// lost then, and [`LeftBehind::lost_tail`] says so.
    pub accept_lost_tail: bool,
    /// What is kept free on the device; `None`: nothing.
    pub space: Option<SpaceOptions>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 2, reader_cache_kib: 4 << 10, max_pages: None, accept_lost_tail: false, space: None }
    }
}

/// The embedded store.
///
/// It holds its directory until it and all its journals are dropped. Behind an orderly end, which the last checkpoint that was
/// kept says, the write-ahead log is then moved into the database, so that `store.db` alone is the whole state. Behind any other
/// the log stays as it is, for the next start to look at.
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
    /// [`StoreError::Corrupt`] when the file is no store, or its head, log and fence do not agree; [`StoreError::LostTail`] when
    /// the write-ahead log of a process that did not end in order is not whole; other kinds as SQLite and the file system have it.
    pub fn open(directory: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let path = directory;
        let directory = Directory::take(path)?;
        // Before SQLite opens anything: it would begin the log anew.
        let (file, left) = look_behind(&directory, options.accept_lost_tail)?;
        let space = Space::open(path, options.space)?;
        let first = connection::writing(directory.database(), &options)?;
        schema::migrate(&first)?;
        schema::check(&first)?;
        drop(first);
        let checkpointer = WalCheckpointer::start(directory.database(), &options)?;
        checkpointer.pressure().closed(left.kept.as_ref().is_none_or(|kept| kept.closed));
        let guard = Arc::new(Guard::locked());
        let pool = Pool::start(directory.database(), &options, Arc::clone(&guard))?;
        let has_journal = AtomicBool::new(false);
        let (kept, checking) = (Mutex::new(file), AtomicBool::new(false));
        let inner =
            Inner { pool, guard, checkpointer, has_journal, checking, options, kept, left, space, directory };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// What the last process left beside the database.
fn look_behind(directory: &Directory, accept_lost_tail: bool) -> Result<(KeptFile, LeftBehind), StoreError> {
    let (file, found) = KeptFile::open(directory.path())?;
    let mut left = LeftBehind::default();
    match found {
        Found::Damaged => left.damaged = true,
        Found::Kept(kept) => left.kept = Some(kept),
        Found::Nothing => {}
    }
    if left.kept.as_ref().is_some_and(|kept| !kept.closed) {
        left.lost_tail = tail::lost(directory.database())?;
    }
    match &left.lost_tail {
        Some(lost) if !accept_lost_tail => Err(StoreError::LostTail(lost.clone())),
        _ => Ok((file, left)),
    }
}

/// What store and journals share. The fields are dropped in this order: readers, the WAL checkpointer, and last the lock.
#[derive(Debug)]
struct Inner {
    pool: Pool,
    guard: Arc<Guard>,
    checkpointer: WalCheckpointer,
    has_journal: AtomicBool,
    /// Are the indexes being checked?
    checking: AtomicBool,
    options: SqliteOptions,
    kept: Mutex<KeptFile>,
    left: LeftBehind,
    space: Space,
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

    /// What `write` does in a transaction of its own, before there is a journal.
    fn before_journals<T>(
        &self,
        write: impl FnOnce(Guarded<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.whole()?;
        if self.has_journal.load(Ordering::Acquire) {
            let message = "this is written before the first journal is opened";
            return Err(StoreError::Unavailable(message.to_owned()));
        }
        let writer = connection::writing(self.database(), &self.options)?;
        let transaction = writer.unchecked_transaction().map_err(translate)?;
        let written = write(Guarded::new(&writer, &self.guard))?;
        failpoint("upgrade-inside");
        transaction.commit().map_err(translate)?;
        failpoint("upgrade-after");
        // A log that grows over all rows of a large store makes each later read slower.
        self.committed(&writer, ABOUT_AN_UPGRADE);
        Ok(written)
    }

    /// Keeps these bytes beside the database.
    fn keep(&self, kept: &Kept) -> Result<(), StoreError> {
        let mut file = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.closed {
            // Whatever becomes of the write: from now on an end is not orderly before it is said to be.
            self.checkpointer.pressure().closed(false);
        }
        file.keep(kept)?;
        self.checkpointer.pressure().closed(kept.closed);
        Ok(())
    }

    /// Reports to the checkpointer a commit with a body of that many bytes, and lends it a hand.
    fn committed(&self, connection: &Connection, body: usize) {
        // Beside the body: the leaf that takes its head, the shard's head, and the first page.
        const PAGES: u64 = 3 * 4096;
        self.checkpointer.pressure().wrote(body as u64 + PAGES);
        self.space.wrote(body as u64 + PAGES);
        self.checkpointer.pressure().help(connection);
    }

    fn open_journal(self: &Arc<Self>, shard: u32) -> Result<SqliteJournal, StoreError> {
        self.has_journal.store(true, Ordering::Release);
        SqliteJournal::open(Arc::clone(self), shard)
    }
}
