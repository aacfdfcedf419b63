//! One file per table of state: its columns, how a row is parsed, and how a value is checked and written.
//!
//! Each has `parse`, which refuses a row that is no valid value, and `put`, which writes. What is valid, and what never changes, the rules of
//! [`claviger_core::row`] say.

pub(super) mod alert;
pub(super) mod alias;
pub(super) mod approval;
pub(super) mod asset;
pub(super) mod break_glass;
pub(super) mod credential;
pub(super) mod declaration;
pub(super) mod fact_head;
pub(super) mod governance;
pub(super) mod grant;
pub(super) mod grant_index;
pub(super) mod idempotency;
pub(super) mod key;
pub(super) mod log_time;
pub(super) mod node;
pub(super) mod policy_document;
pub(super) mod principal;
pub(super) mod reason;
pub(super) mod review;
pub(super) mod rights_review;
pub(super) mod ring;
pub(super) mod veil;
pub(super) mod version;

use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::row::Row;
use rusqlite::{Params, ToSql};

use super::error::{is_conflict, refused, translate};
use super::tag::{Guarded, Tagged};

/// What becomes of a write, given the row as it stands.
pub(super) enum Seen {
    /// The value was computed from this very row, or from there being none.
    Current,
    /// Another write came in between.
    Moved,
}

/// Refuses a value that is no valid row.
pub(super) fn valid(table: &str, value: &impl Row) -> Result<(), StoreError> {
    value.check().map_err(|reason| refused(table, reason))
}

/// Compares a value with the row as it stands, and refuses one that changes what is fixed for ever.
pub(super) fn seen<T: Row>(table: &str, stored: Option<&T>, value: &T) -> Result<Seen, StoreError> {
    let revision = value.revision();
    match stored {
        None if revision == 0 => Ok(Seen::Current),
        Some(stored) if stored.revision() == revision && revision != 0 => {
            if value.follows(stored) {
                Ok(Seen::Current)
            } else {
                Err(refused(table, "it changes what is fixed for ever"))
            }
        }
        None | Some(_) => Ok(Seen::Moved),
    }
}

/// The revision that a write of a value of `revision` gives the row.
pub(super) fn next_revision(table: &str, revision: u64) -> Result<i64, StoreError> {
    super::columns::integer(table, revision.saturating_add(1))
}

/// Writes one row.
pub(super) fn write(connection: Guarded<'_>, sql: &str, params: impl Params) -> Result<Applied, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(translate)?;
    match statement.execute(params) {
        Ok(1) => Ok(Applied::Yes),
        Ok(_) => Ok(Applied::Conflict),
        Err(error) if is_conflict(&error) => Ok(Applied::Conflict),
        Err(error) => Err(translate(error)),
    }
}

/// Writes one row of an object, and the tag of it as it then stands.
pub(super) fn write_tagged(
    connection: Guarded<'_>,
    of: &Tagged,
    named: &[&dyn ToSql],
    sql: &str,
    params: impl Params,
) -> Result<Applied, StoreError> {
    let applied = write(connection, sql, params)?;
    if applied == Applied::Yes {
        connection.stamp(of, named)?;
    }
    Ok(applied)
}
