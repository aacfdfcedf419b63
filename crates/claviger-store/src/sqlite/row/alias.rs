//! Table `alias`.

use claviger_core::alias::{Alias, AliasName};
use claviger_core::port::StoreError;
use claviger_core::port::store::{AliasFilter, Applied};
use claviger_core::{KeyId, KeyRingId};
use rusqlite::{Connection, Row, params};

use super::super::columns::{Columns, find, list, micros};
use super::super::error::{refused, translate};
use super::{Seen, compare, next_revision, write};

const TABLE: &str = "alias";

macro_rules! columns {
    () => {
        "a.name, a.key, a.ring, a.created_at, a.updated_at, a.revision"
    };
}

pub(in crate::sqlite) fn find_by_name(
    connection: &Connection,
    name: &AliasName,
) -> Result<Option<Alias>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM alias a WHERE a.name = ?1");
    find(connection, sql, [name.as_str()], parse)
}

/// At most `limit` aliases behind `after`, in the order of their names.
pub(in crate::sqlite) fn list_after(
    connection: &Connection,
    filter: &AliasFilter,
    after: Option<&AliasName>,
    limit: u32,
) -> Result<Vec<Alias>, StoreError> {
    let after = after.map_or("", AliasName::as_str);
    match (filter.key, filter.ring) {
        (None, None) => {
            let sql =
                concat!("SELECT ", columns!(), " FROM alias a WHERE a.name > ?1 ORDER BY a.name LIMIT ?2");
            list(connection, sql, params![after, limit], parse)
        }
        (Some(key), None) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM alias a WHERE a.key = ?3 AND a.name > ?1 ORDER BY a.name LIMIT ?2"
            );
            list(connection, sql, params![after, limit, key.as_bytes()], parse)
        }
        (None, Some(ring)) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM alias a WHERE a.ring = ?3 AND a.name > ?1 ORDER BY a.name LIMIT ?2"
            );
            list(connection, sql, params![after, limit, ring.as_bytes()], parse)
        }
        (Some(key), Some(ring)) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM alias a WHERE a.key = ?3 AND +a.ring = ?4 AND a.name > ?1 ORDER BY a.name LIMIT ?2"
            );
            list(connection, sql, params![after, limit, key.as_bytes(), ring.as_bytes()], parse)
        }
    }
}

fn parse(row: &Row<'_>) -> Result<Alias, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    Ok(Alias {
        name: columns.word()?,
        key: KeyId::from_bytes(columns.array()?),
        ring: KeyRingId::from_bytes(columns.array()?),
        created_at: columns.instant()?,
        updated_at: columns.instant()?,
        revision: columns.count()?,
    })
}

/// Was the value computed from the row as it stands? A name that was taken away and given again counts from 1 anew: the
/// instant of its making tells the two apart.
fn seen(stored: Option<&Alias>, alias: &Alias) -> Seen {
    let made_at = stored.map_or(alias.created_at, |stored| stored.created_at);
    match compare(stored.map(|stored| stored.revision), alias.revision) {
        Seen::Current if made_at == alias.created_at => Seen::Current,
        Seen::Current | Seen::Moved => Seen::Moved,
    }
}

/// Writes an alias. Its key must stand already, in the ring that it says.
pub(in crate::sqlite) fn put(connection: &Connection, alias: &Alias) -> Result<Applied, StoreError> {
    if let Seen::Moved = seen(find_by_name(connection, &alias.name)?.as_ref(), alias) {
        return Ok(Applied::Conflict);
    }
    let Some(key) = super::key::find_by_id(connection, alias.key)? else { return Ok(Applied::Conflict) };
    if key.ring != alias.ring {
        return Err(refused(TABLE, "its ring is not that of its key"));
    }
    write(
        connection,
        "INSERT INTO alias (name, key, ring, created_at, updated_at, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (name) DO UPDATE SET key = excluded.key, ring = excluded.ring, \
         updated_at = excluded.updated_at, revision = excluded.revision",
        params![
            alias.name.as_str(),
            alias.key.as_bytes(),
            alias.ring.as_bytes(),
            micros(TABLE, alias.created_at)?,
            micros(TABLE, alias.updated_at)?,
            next_revision(TABLE, alias.revision)?,
        ],
    )
}

/// Takes an alias away, if it is as it was seen.
pub(in crate::sqlite) fn remove(connection: &Connection, alias: &Alias) -> Result<Applied, StoreError> {
    if find_by_name(connection, &alias.name)?.as_ref() != Some(alias) {
        return Ok(Applied::Conflict);
    }
    write(connection, "DELETE FROM alias WHERE name = ?1", [alias.name.as_str()])
}

/// Takes all aliases of a key away.
pub(in crate::sqlite) fn remove_all(connection: &Connection, key: KeyId) -> Result<Applied, StoreError> {
    connection
        .prepare_cached("DELETE FROM alias WHERE key = ?1")
        .and_then(|mut delete| delete.execute([key.as_bytes()]))
        .map_err(translate)?;
    Ok(Applied::Yes)
}
