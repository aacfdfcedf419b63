//! Rows of every table of objects, as they stand.

use claviger_core::object::{Kind, Object, RowCursor, StateRow};
use claviger_core::port::StoreError;
use rusqlite::Connection;

use super::row::{alias, credential, grant, key, principal, ring, version};

/// Rows of a kind in the order of their identifiers.
pub(super) fn list(
    connection: &Connection,
    RowCursor { kind, after }: RowCursor,
    limit: u32,
) -> Result<Vec<StateRow>, StoreError> {
    let id = after.map(|after| after.id()).unwrap_or_default();
    fn all<T>(rows: Vec<T>, of: fn(T) -> StateRow) -> Vec<StateRow> {
        rows.into_iter().map(of).collect()
    }
    Ok(match kind {
        Kind::Alias => all(alias::list_from(connection, &id, limit)?, StateRow::Alias),
        Kind::Credential => all(credential::list_from(connection, &id, limit)?, StateRow::Credential),
        Kind::Grant => all(grant::list_from(connection, &id, limit)?, StateRow::Grant),
        Kind::Key => all(key::list_from(connection, &id, limit)?, StateRow::Key),
        Kind::Principal => all(principal::list_from(connection, &id, limit)?, StateRow::Principal),
        Kind::Ring => all(ring::list_from(connection, &id, limit)?, StateRow::Ring),
        Kind::Version => {
            let after = match after {
                Some(Object::Version(version)) => Some(version),
                _ => None,
            };
            all(version::list_from(connection, after, limit)?, StateRow::Version)
        }
    })
}
