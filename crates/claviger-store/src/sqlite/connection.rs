//! Connections: what each kind is set to before its first statement.

use std::path::Path;
use std::time::Duration;

use claviger_core::port::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::SqliteOptions;
use super::error::translate;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More than there are distinct statements.
const CACHED_STATEMENTS: usize = 64;

/// A connection that writes.
pub(super) fn writing(database: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let connection = open(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Takes effect on a new file only, and only before WAL is on. 4 KiB: with 8 KiB a commit writes a third more and a
    // batch fills its page worse.
    pragma(&connection, "page_size", 4096)?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0)).map_err(translate)?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!(
            "the file system cannot keep a write-ahead log (mode `{mode}`); use a local one"
        )));
    }
    pragma(&connection, "synchronous", "full")?;
    // Checkpoints are the checkpointer's: none may stand between a commit and its acknowledgement.
    pragma(&connection, "wal_autocheckpoint", 0)?;
    pragma(&connection, "foreign_keys", true)?;
    // What is taken out of a row, material above all, is overwritten and not only forgotten.
    pragma(&connection, "secure_delete", true)?;
    // Nothing reaches the log before its commit.
    pragma(&connection, "cache_spill", false)?;
    if let Some(pages) = options.max_pages {
        pragma(&connection, "max_page_count", pages)?;
    }
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reading(database: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let connection = open(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    pragma(&connection, "query_only", true)?;
    pragma(&connection, "cache_size", -i64::from(options.reader_cache_kib))?;
    Ok(connection)
}

fn open(database: &Path, mode: OpenFlags) -> Result<Connection, StoreError> {
    // Each connection stays with one thread at a time, which the compiler sees to.
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(database, flags).map_err(translate)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(translate)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    for (setting, on) in [
        // After a failed fsync a checkpoint could drop the only good copy: closing never makes one.
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        // A plan depends on no value that is bound: a statement is then prepared once, and not again for each key that it is asked of.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
        // The file may come from elsewhere: nothing in its schema is obeyed.
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(setting, on).map_err(translate)?;
    }
    pragma(&connection, "cell_size_check", true)?;
    pragma(&connection, "temp_store", "memory")?;
    Ok(connection)
}

fn pragma(connection: &Connection, name: &str, value: impl rusqlite::ToSql) -> Result<(), StoreError> {
    connection.pragma_update(None, name, value).map_err(translate)
}
