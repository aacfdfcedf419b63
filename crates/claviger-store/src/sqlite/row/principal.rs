//! Table `principal`.

use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::principal::Principal;
use claviger_core::{KeyRingId, Name, PrincipalId};
use rusqlite::{Connection, Row, params};

use super::super::columns::{Columns, find, join, list, micros};
use super::super::error::refused;
use super::{Seen, compare, fixed, next_revision, write};

const TABLE: &str = "principal";

macro_rules! columns {
    () => {
        "id, name, kind, standing, roles, home, subject_key, created_at, revision"
    };
}

pub(in crate::sqlite) fn find_by_id(
    connection: &Connection,
    id: PrincipalId,
) -> Result<Option<Principal>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM principal WHERE id = ?1"), [id.as_bytes()], parse)
}

pub(in crate::sqlite) fn find_by_name(
    connection: &Connection,
    name: &Name,
) -> Result<Option<Principal>, StoreError> {
    find(
        connection,
        concat!("SELECT ", columns!(), " FROM principal WHERE name = ?1"),
        [name.as_str()],
        parse,
    )
}

/// Those that are not revoked and hold a role.
pub(in crate::sqlite) fn list_role_holders(connection: &Connection) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM principal INDEXED BY principal_with_roles WHERE roles <> '' AND standing = 'active'"
    );
    list(connection, sql, [], parse)
}

/// At most `limit` principals behind `after`, in the order of their names.
pub(in crate::sqlite) fn list_after(
    connection: &Connection,
    after: Option<&Name>,
    limit: u32,
) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM principal WHERE name > ?1 ORDER BY name LIMIT ?2");
    list(connection, sql, params![after.map_or("", Name::as_str), limit], parse)
}

fn parse(row: &Row<'_>) -> Result<Principal, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    let principal = Principal {
        id: PrincipalId::from_bytes(columns.array()?),
        name: columns.word()?,
        kind: columns.word()?,
        standing: columns.word()?,
        roles: columns.words()?,
        home: columns.maybe(Columns::array)?.map(KeyRingId::from_bytes),
        subject_key: columns.bytes()?.to_vec(),
        created_at: columns.instant()?,
        revision: columns.count()?,
    };
    check(&principal).map_err(|reason| columns.damaged(reason))?;
    Ok(principal)
}

fn check(principal: &Principal) -> Result<(), &'static str> {
    if principal.roles.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err("roles are ascending, each once") }
}

/// Writes a principal. Its name and kind are fixed.
pub(in crate::sqlite) fn put(connection: &Connection, principal: &Principal) -> Result<Applied, StoreError> {
    check(principal).map_err(|reason| refused(TABLE, reason))?;
    let stored = find_by_id(connection, principal.id)?;
    if let Seen::Moved = compare(stored.as_ref().map(|stored| stored.revision), principal.revision) {
        return Ok(Applied::Conflict);
    }
    if let Some(stored) = stored {
        let bound = |principal: &Principal| (principal.name.clone(), principal.kind, principal.created_at);
        fixed(TABLE, bound(&stored) == bound(principal))?;
    }
    write(
        connection,
        "INSERT INTO principal (id, name, kind, standing, roles, home, subject_key, created_at, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (id) DO UPDATE SET standing = excluded.standing, roles = excluded.roles, \
         home = excluded.home, subject_key = excluded.subject_key, revision = excluded.revision",
        params![
            principal.id.as_bytes(),
            principal.name.as_str(),
            principal.kind.name(),
            principal.standing.name(),
            join(&principal.roles),
            principal.home.as_ref().map(KeyRingId::as_bytes),
            principal.subject_key,
            micros(TABLE, principal.created_at)?,
            next_revision(TABLE, principal.revision)?,
        ],
    )
}
