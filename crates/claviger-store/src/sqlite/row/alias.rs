//! Table `alias`.

use claviger_core::alias::{Alias, AliasName, AliasScope};
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::{AliasFilter, Applied, Home};
use claviger_core::{AliasId, KeyId, KeyRingId, Name};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::error::refused;
use super::super::plain::{self, ALIAS_NAME};
use super::super::tag::{Guarded, Line, Tagged};
use super::{Seen, next_revision, seen, write, write_tagged};

const TABLE: &str = "alias";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "a.fact, a.name, a.key, a.ring, a.created_at, a.updated_at, a.revision, a.scope, a.id"
    };
}
macro_rules! columns {
    () => {
        concat!("a.tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Alias,
    what: TABLE,
    columns: covered!(),
    id: 8,
    revision: Some(6),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM alias a WHERE a.id = ?1"),
    update: "UPDATE alias SET tag = ?1, fact = ?2 WHERE id = ?3",
};

/// The aliases that name their key to a caller whose home is ?4, or all if ?3.
macro_rules! seen {
    () => {
        "(?3 OR a.scope = 'deployment' OR +a.ring = ?4)"
    };
}

pub(in crate::sqlite) fn find_by_name(
    connection: Guarded<'_>,
    name: &AliasName,
) -> Result<Option<Alias>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM alias a WHERE a.name = ?1");
    let found = find(connection, sql, [name.as_str()], parse)?;
    connection.only(found, |alias| alias.name == *name, |alias| Object::Alias(alias.id))
}

/// The ring that a name belongs to, borne by an alias now or not.
pub(in crate::sqlite) fn find_owner(
    connection: Guarded<'_>,
    name: &AliasName,
) -> Result<Option<KeyRingId>, StoreError> {
    find(connection, &plain::select(&ALIAS_NAME), [name.as_str()], |row| {
        connection.hold_plain(&ALIAS_NAME, row.row)?;
        Ok(KeyRingId::from_bytes(Columns::new(ALIAS_NAME.table, row).behind(2).array()?))
    })
}

/// An alias that reads as the full name of a key of a ring of this name.
pub(in crate::sqlite) fn find_like(
    connection: Guarded<'_>,
    ring: &Name,
) -> Result<Option<Alias>, StoreError> {
    // Names that begin with `ring/`: `0` is the character behind `/`. What follows is to be a name.
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM alias a WHERE a.name > ?1 || '/' AND a.name < ?1 || '0' \
         AND substr(a.name, ?2) GLOB '[a-z0-9]*' AND substr(a.name, ?2) NOT GLOB '*[^a-z0-9._-]*' \
         AND length(a.name) < ?2 + ?3 LIMIT 1"
    );
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (behind, longest) = (number(ring.as_str().len() + 2), number(Name::MAX_LEN));
    find(connection, sql, params![ring.as_str(), behind, longest], parse)
}

/// At most `limit` aliases behind `after`, in the order of their names.
pub(in crate::sqlite) fn list_after(
    connection: Guarded<'_>,
    filter: &AliasFilter,
    after: Option<&AliasName>,
    limit: u32,
) -> Result<Vec<Alias>, StoreError> {
    let after = after.map_or("", AliasName::as_str);
    let (all, home) = match &filter.seen_from {
        None => (true, None),
        Some(Home(home)) => (false, home.as_ref().map(KeyRingId::as_bytes)),
    };
    match (filter.key, filter.ring) {
        (None, None) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM alias a WHERE a.name > ?1 AND ",
                seen!(),
                " ORDER BY a.name LIMIT ?2"
            );
            list(connection, sql, params![after, limit, all, home], parse)
        }
        (Some(key), None) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM alias a WHERE a.key = ?5 AND a.name > ?1 AND ",
                seen!(),
                " ORDER BY a.name LIMIT ?2"
            );
            list(connection, sql, params![after, limit, all, home, key.as_bytes()], parse)
        }
        (None, Some(ring)) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM alias a WHERE a.ring = ?5 AND a.name > ?1 AND ",
                seen!(),
                " ORDER BY a.name LIMIT ?2"
            );
            list(connection, sql, params![after, limit, all, home, ring.as_bytes()], parse)
        }
        (Some(key), Some(ring)) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM alias a WHERE a.key = ?5 AND +a.ring = ?6 AND a.name > ?1 AND ",
                seen!(),
                " ORDER BY a.name LIMIT ?2"
            );
            list(connection, sql, params![after, limit, all, home, key.as_bytes(), ring.as_bytes()], parse)
        }
    }
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Alias>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM alias a WHERE a.id > ?1 ORDER BY a.id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Alias, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    Ok(Alias {
        name: columns.word()?,
        key: KeyId::from_bytes(columns.array()?),
        ring: KeyRingId::from_bytes(columns.array()?),
        created_at: columns.instant()?,
        updated_at: columns.instant()?,
        revision: columns.count()?,
        scope: columns.word()?,
        id: AliasId::from_bytes(columns.array()?),
    })
}

/// Was the value computed from the row as it stands? A name that was taken away and given again is that of another alias.
fn seen_by_name(stored: Option<&Alias>, alias: &Alias) -> Result<Seen, StoreError> {
    if stored.is_some_and(|stored| stored.id != alias.id) {
        return Ok(Seen::Moved);
    }
    seen(TABLE, stored, alias)
}

/// Writes an alias. Its key must stand already, in the ring that it says.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, alias: &Alias) -> Result<Applied, StoreError> {
    let stored = find_by_name(connection, &alias.name)?;
    if let Seen::Moved = seen_by_name(stored.as_ref(), alias)? {
        return Ok(Applied::Conflict);
    }
    let Some(key) = super::key::find_by_id(connection, alias.key)? else { return Ok(Applied::Conflict) };
    if key.ring != alias.ring {
        return Err(refused(TABLE, "its ring is not that of its key"));
    }
    let owner = find_owner(connection, &alias.name)?;
    if alias.scope == AliasScope::Ring && owner.is_some_and(|owner| owner != alias.ring) {
        // Another ring came to the name since it was read. Only an administrator takes it from there.
        return Ok(Applied::Conflict);
    }
    write(
        connection,
        "INSERT INTO alias_name (name, ring) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET ring = excluded.ring",
        params![alias.name.as_str(), alias.ring.as_bytes()],
    )?;
    connection.stamp_plain(&ALIAS_NAME, &[&alias.name.as_str()])?;
    write_tagged(
        connection,
        &TAGGED,
        &[alias.id.as_bytes()],
        "INSERT INTO alias (name, key, ring, created_at, updated_at, revision, scope, id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (name) DO UPDATE SET key = excluded.key, ring = excluded.ring, \
         updated_at = excluded.updated_at, revision = excluded.revision, scope = excluded.scope",
        params![
            alias.name.as_str(),
            alias.key.as_bytes(),
            alias.ring.as_bytes(),
            micros(TABLE, alias.created_at)?,
            micros(TABLE, alias.updated_at)?,
            next_revision(TABLE, alias.revision)?,
            alias.scope.name(),
            alias.id.as_bytes(),
        ],
    )
}

/// Takes an alias away, if it is as it was seen.
pub(in crate::sqlite) fn remove(connection: Guarded<'_>, alias: &Alias) -> Result<Applied, StoreError> {
    if find_by_name(connection, &alias.name)?.as_ref() != Some(alias) {
        return Ok(Applied::Conflict);
    }
    write(connection, "DELETE FROM alias WHERE name = ?1", [alias.name.as_str()])
}

/// A conflict if the key has an alias.
pub(in crate::sqlite) fn expect_none(connection: Guarded<'_>, key: KeyId) -> Result<Applied, StoreError> {
    let sql = "SELECT 1 FROM alias WHERE key = ?1 LIMIT 1";
    let found = find(connection, sql, [key.as_bytes()], |_| Ok(()))?;
    Ok(if found.is_some() { Applied::Conflict } else { Applied::Yes })
}
