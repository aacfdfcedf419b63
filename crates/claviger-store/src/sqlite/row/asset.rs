//! Table `asset`.

use claviger_core::asset::Asset;
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::{AssetId, Name, PrincipalId};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::{Seen, next_revision, seen, write_tagged};

const TABLE: &str = "asset";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, name, owner, class, created_by, created_at, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Asset,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(7),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM asset WHERE id = ?1"),
    update: "UPDATE asset SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: AssetId,
) -> Result<Option<Asset>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM asset WHERE id = ?1"), [id.as_bytes()], parse)
}

pub(in crate::sqlite) fn find_by_name(
    connection: Guarded<'_>,
    name: &Name,
) -> Result<Option<Asset>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM asset WHERE name = ?1");
    let found = find(connection, sql, [name.as_str()], parse)?;
    connection.only(found, |asset| asset.name == *name, |asset| Object::Asset(asset.id))
}

/// At most `limit` assets behind `after`, in the order of their names.
pub(in crate::sqlite) fn list_after(
    connection: Guarded<'_>,
    after: Option<&Name>,
    limit: u32,
) -> Result<Vec<Asset>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM asset WHERE name > ?1 ORDER BY name LIMIT ?2");
    list(connection, sql, params![after.map_or("", Name::as_str), limit], parse)
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Asset>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM asset WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Asset, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    Ok(Asset {
        id: AssetId::from_bytes(columns.array()?),
        name: columns.word()?,
        owner: PrincipalId::from_bytes(columns.array()?),
        class: columns.word()?,
        created_by: PrincipalId::from_bytes(columns.array()?),
        created_at: columns.instant()?,
        revision: columns.count()?,
    })
}

/// Writes an asset. Its name and how it came about are fixed.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, asset: &Asset) -> Result<Applied, StoreError> {
    let stored = find_by_id(connection, asset.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), asset)? {
        return Ok(Applied::Conflict);
    }
    write_tagged(
        connection,
        &TAGGED,
        &[asset.id.as_bytes()],
        "INSERT INTO asset (id, name, owner, class, created_by, created_at, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, class = excluded.class, revision = excluded.revision",
        params![
            asset.id.as_bytes(),
            asset.name.as_str(),
            asset.owner.as_bytes(),
            asset.class.name(),
            asset.created_by.as_bytes(),
            micros(TABLE, asset.created_at)?,
            next_revision(TABLE, asset.revision)?,
        ],
    )
}
