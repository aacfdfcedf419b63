//! WAL checkpoints: how what is committed moves from SQLite's write-ahead log into the database file, and the log stays small.
//!
//! A thread with a connection of its own makes them, so that no commit waits for one. Under steady load it never catches
//! up, since SQLite begins the log anew only when all of it has been moved: beyond a limit the writer moves the rest, which
//! is little, between two commits.
//!
//! Invariant: after a failed checkpoint there is never another one in this process. The kernel may have dropped the pages
//! that it could not write, and a second fsync would call them durable; the next start moves them again, from the log.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use claviger_core::port::StoreError;
use rusqlite::Connection;

use super::SqliteOptions;
use super::connection;
use super::error::translate;

/// Written bytes that wake the checkpointer.
const WAKE_AFTER: u64 = 4 << 20;
/// Pages in the log beyond which the writer helps: 64 MiB.
const HELP_BEYOND: u64 = 16 << 10;

/// What journals and the checkpointer signal to each other.
#[derive(Debug)]
pub(super) struct Pressure {
    written: AtomicU64,
    help: AtomicBool,
    /// Would an end be orderly now?
    closed: AtomicBool,
    broken: OnceLock<StoreError>,
    wake: SyncSender<Wake>,
}

#[derive(Debug)]
enum Wake {
    Checkpoint,
    Stop,
}

impl Pressure {
    /// A commit wrote about so many bytes.
    pub(super) fn wrote(&self, bytes: u64) {
        if self.written.fetch_add(bytes, Ordering::Relaxed) + bytes >= WAKE_AFTER {
            self.written.store(0, Ordering::Relaxed);
            // Refused when it is awake already, or the store is closing.
            drop(self.wake.try_send(Wake::Checkpoint));
        }
    }

    /// Moves the rest of an overlong log, between two commits of the caller's.
    pub(super) fn help(&self, connection: &Connection) {
        if self.help.swap(false, Ordering::Relaxed) && self.broken().is_none() {
            let _later = self.wal_checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
        }
    }

    /// Says whether an end would be orderly from now on.
    pub(super) fn closed(&self, closed: bool) {
        self.closed.store(closed, Ordering::Release);
    }

    /// Why nothing may be written any more, if so.
    pub(super) fn broken(&self) -> Option<&StoreError> {
        self.broken.get()
    }

    /// From now on nothing is written.
    pub(super) fn break_off(&self, error: StoreError) {
        drop(self.broken.set(error));
    }

    /// Gives (pages in the log, pages of them moved).
    fn wal_checkpoint(&self, connection: &Connection, sql: &str) -> Option<(u64, u64)> {
        let count = |row: &rusqlite::Row<'_>, at| {
            row.get::<_, i64>(at).map(|pages| u64::try_from(pages).unwrap_or(0))
        };
        // A busy checkpoint reports no pages (-1), which counts as none.
        match connection.query_row(sql, [], |row| Ok((count(row, 1)?, count(row, 2)?))) {
            Ok(pages) => Some(pages),
            Err(error) => {
                match translate(error) {
                    // Nothing was lost: the log keeps it, and the next attempt may find room or a quiet moment.
                    StoreError::Full | StoreError::Unavailable(_) => {}
                    error => self.break_off(error),
                }
                None
            }
        }
    }
}

/// The thread. Dropping it behind an orderly end moves all that is left and empties the log. Behind any other the log stays: an
/// empty one is what the next start would call lost.
#[derive(Debug)]
pub(super) struct WalCheckpointer {
    pressure: Arc<Pressure>,
    thread: Option<JoinHandle<()>>,
}

impl WalCheckpointer {
    pub(super) fn start(database: &Path, options: &SqliteOptions) -> Result<Self, StoreError> {
        let connection = connection::writing(database, options)?;
        let (wake, woken) = sync_channel(1);
        let (written, help, broken) = (AtomicU64::new(0), AtomicBool::new(false), OnceLock::new());
        let closed = AtomicBool::new(true);
        let pressure = Arc::new(Pressure { written, help, closed, broken, wake });
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn({
                let pressure = Arc::clone(&pressure);
                move || run(&connection, &pressure, &woken)
            })
            .map_err(|error| StoreError::Unavailable(format!("no thread for checkpoints: {error}")))?;
        Ok(Self { pressure, thread: Some(thread) })
    }

    pub(super) const fn pressure(&self) -> &Arc<Pressure> {
        &self.pressure
    }
}

impl Drop for WalCheckpointer {
    fn drop(&mut self) {
        // Fails only when the thread has ended already.
        drop(self.pressure.wake.send(Wake::Stop));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, pressure: &Pressure, woken: &Receiver<Wake>) {
    for wake in woken {
        if pressure.broken().is_some() {
            return;
        }
        match wake {
            Wake::Checkpoint => {
                let moved = pressure.wal_checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
                if moved.is_some_and(|(logged, _)| logged > HELP_BEYOND) {
                    pressure.help.store(true, Ordering::Relaxed);
                }
            }
            Wake::Stop => {
                if pressure.closed.load(Ordering::Acquire) {
                    pressure.wal_checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
                }
                return;
            }
        }
    }
}
