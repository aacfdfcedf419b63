//! What a set of changes expects of rows that it does not write: compared inside its transaction.

use claviger_core::change::{Expectation, Row};
use claviger_core::key::Separation;
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use rusqlite::Connection;

use super::columns::{Columns, find};
use super::row::grant;

/// Does it hold, in the transaction that is open?
pub(super) fn compare(connection: &Connection, expected: &Expectation) -> Result<Applied, StoreError> {
    let holds = match expected {
        Expectation::NoMixedUse { ring } => grant::find_mixed_use(connection, *ring)?.is_none(),
        Expectation::NoStrictGrant { to, by } => {
            !grant::list_granters(connection, *to)?.contains(&(*by, Separation::Strict))
        }
        Expectation::Revision { row, revision } => revision_of(connection, *row)? == *revision,
        Expectation::UsesWithin { principal, strictest } => {
            grant::find_strictest_use(connection, *principal)? <= *strictest
        }
    };
    Ok(if holds { Applied::Yes } else { Applied::Conflict })
}

/// The row's revision, 0 for one that is not there.
fn revision_of(connection: &Connection, row: Row) -> Result<u64, StoreError> {
    let of = |table, sql, id: &[u8; 16]| {
        find(connection, sql, [id], |row| Columns::new(table, row).count()).map(Option::unwrap_or_default)
    };
    match row {
        Row::Credential(id) => {
            of("credential", "SELECT revision FROM credential WHERE id = ?1", id.as_bytes())
        }
        Row::Grant(id) => of("grants", "SELECT revision FROM grants WHERE id = ?1", id.as_bytes()),
        Row::Key(id) => of("key", "SELECT revision FROM key WHERE id = ?1", id.as_bytes()),
        Row::Principal(id) => of("principal", "SELECT revision FROM principal WHERE id = ?1", id.as_bytes()),
        Row::Ring(id) => of("ring", "SELECT revision FROM ring WHERE id = ?1", id.as_bytes()),
    }
}
