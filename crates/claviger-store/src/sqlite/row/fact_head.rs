//! Table `fact_head`: how far the rows that stood before there were facts are recorded.

use claviger_core::object::{Kind, Object, RowCursor};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use rusqlite::params;

use super::super::columns::{Columns, find};
use super::super::tag::Guarded;
use super::write;

const TABLE: &str = "fact_head";

pub(in crate::sqlite) fn find_it(connection: Guarded<'_>) -> Result<Option<RowCursor>, StoreError> {
    find(connection, "SELECT kind, after FROM fact_head WHERE id = 1", [], |row| {
        let mut columns = Columns::new(TABLE, row);
        let (kind, after) = (columns.small::<u8>()?, columns.bytes()?);
        let kind = Kind::from_code(kind).ok_or_else(|| columns.damaged("no kind of objects"))?;
        let after = match after {
            [] => None,
            id => {
                Some(Object::from_id(kind, id).ok_or_else(|| columns.damaged("no identifier of its kind"))?)
            }
        };
        Ok(RowCursor { kind, after })
    })
}

/// Goes on to there, or ends.
pub(in crate::sqlite) fn put(
    connection: Guarded<'_>,
    next: Option<RowCursor>,
) -> Result<Applied, StoreError> {
    let Some(RowCursor { kind, after }) = next else {
        return write(connection, "DELETE FROM fact_head WHERE id = 1", []);
    };
    let after = after.map(|after| after.id()).unwrap_or_default();
    write(connection, "UPDATE fact_head SET kind = ?1, after = ?2 WHERE id = 1", params![kind.code(), after])
}
