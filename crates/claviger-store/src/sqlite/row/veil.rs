//! Table `veil`.

use claviger_core::change::{VeilName, VeilRecord};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use rusqlite::params;

use super::super::columns::{Columns, find, list as find_all};
use super::super::sums;
use super::super::tag::Guarded;
use super::write;

const TABLE: &str = sums::VEIL;

pub(in crate::sqlite) fn find_by_name(
    connection: Guarded<'_>,
    name: VeilName,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT sealed FROM veil WHERE name = ?1";
    find(connection, sql, [name.to_bytes()], |row| Ok(Columns::new(TABLE, row).bytes()?.to_vec()))
}

/// Keys of the objects of one kind, in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list(
    connection: Guarded<'_>,
    kind: u8,
    after: Option<[u8; 16]>,
    limit: u32,
) -> Result<Vec<VeilRecord>, StoreError> {
    let name = |id| VeilName { kind, id }.to_bytes();
    let after = after.map_or_else(|| vec![kind], |id| name(id).to_vec());
    let sql = "SELECT name, sealed FROM veil WHERE name > ?1 AND name <= ?2 ORDER BY name LIMIT ?3";
    find_all(connection, sql, params![after, name([0xff; 16]), limit], |row| {
        let mut columns = Columns::new(TABLE, row);
        Ok(VeilRecord { name: VeilName::from_bytes(columns.array()?), sealed: columns.bytes()?.to_vec() })
    })
}

/// Takes a key away. That there is none is a conflict.
pub(in crate::sqlite) fn remove(connection: Guarded<'_>, name: VeilName) -> Result<Applied, StoreError> {
    let Some(sealed) = find_by_name(connection, name)? else { return Ok(Applied::Conflict) };
    let name = name.to_bytes();
    connection.sum(TABLE, Some(connection.veil_tag(&name, &sealed)?), None);
    write(connection, "DELETE FROM veil WHERE name = ?1", [name])
}

/// Keeps a key. Another one in its place is a conflict.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, record: &VeilRecord) -> Result<Applied, StoreError> {
    let name = record.name.to_bytes();
    let params = params![name, record.sealed];
    let applied = write(connection, "INSERT INTO veil (name, sealed) VALUES (?1, ?2)", params)?;
    if applied == Applied::Yes {
        connection.sum(TABLE, None, Some(connection.veil_tag(&name, &record.sealed)?));
    }
    Ok(applied)
}
