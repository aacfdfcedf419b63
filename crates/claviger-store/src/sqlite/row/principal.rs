//! Table `principal`.

use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::principal::{Principal, Recovery, Role};
use claviger_core::{KeyRingId, Name, PrincipalId};
use rusqlite::{Connection, Row, params};

use super::super::columns::{Columns, find, join, list, micros};
use super::super::error::refused;
use super::{Seen, compare, fixed, next_revision, write};

const TABLE: &str = "principal";

macro_rules! columns {
    () => {
        "id, name, kind, standing, roles, home, subject_key, created_at, revision, role_givers, created_by, recovered_at, \
         acknowledged_by"
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

/// Those that a recovery made and nobody acknowledged, the oldest first.
pub(in crate::sqlite) fn list_unacknowledged(connection: &Connection) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM principal INDEXED BY principal_unacknowledged \
         WHERE recovered_at >= 0 AND acknowledged_by IS NULL ORDER BY recovered_at"
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

/// The names of those that are there.
pub(in crate::sqlite) fn list_names(
    connection: &Connection,
    ids: &[PrincipalId],
) -> Result<Vec<(PrincipalId, Name)>, StoreError> {
    let mut names = Vec::with_capacity(ids.len());
    for id in ids {
        let name = find(connection, "SELECT name FROM principal WHERE id = ?1", [id.as_bytes()], |row| {
            Columns::new(TABLE, row).word()
        })?;
        names.extend(name.map(|name| (*id, name)));
    }
    Ok(names)
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: &Connection,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM principal WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
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
        role_givers: givers(columns.text()?)
            .ok_or_else(|| columns.damaged("who gave a role does not read"))?,
        created_by: columns.maybe(Columns::array)?.map(PrincipalId::from_bytes),
        recovery: recovery(&mut columns)?,
    };
    check(&principal).map_err(|reason| columns.damaged(reason))?;
    Ok(principal)
}

fn recovery(columns: &mut Columns<'_>) -> Result<Option<Recovery>, StoreError> {
    let at = columns.maybe(Columns::instant)?;
    let acknowledged_by = columns.maybe(Columns::array)?.map(PrincipalId::from_bytes);
    match (at, acknowledged_by) {
        (Some(at), acknowledged_by) => Ok(Some(Recovery { at, acknowledged_by })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(columns.damaged("a recovery that never was is acknowledged")),
    }
}

/// `role=identifier`, joined by commas.
fn givers(text: &str) -> Option<Vec<(Role, PrincipalId)>> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    let read = |pair: &str| {
        let (role, giver) = pair.split_once('=')?;
        Some((role.parse().ok()?, giver.parse().ok()?))
    };
    pairs.map(read).collect()
}

fn join_givers(givers: &[(Role, PrincipalId)]) -> String {
    join(&givers.iter().map(|(role, giver)| format!("{role}={giver}")).collect::<Vec<_>>())
}

fn check(principal: &Principal) -> Result<(), &'static str> {
    if !principal.roles.is_sorted_by(|a, b| a < b) {
        return Err("roles are ascending, each once");
    }
    let givers = &principal.role_givers;
    if !givers.is_sorted_by(|(a, _), (b, _)| a < b)
        || !givers.iter().all(|(role, _)| principal.roles.contains(role))
    {
        return Err("those who gave roles are ascending, one for each role that is held");
    }
    Ok(())
}

/// Writes a principal. Its name and kind are fixed.
pub(in crate::sqlite) fn put(connection: &Connection, principal: &Principal) -> Result<Applied, StoreError> {
    check(principal).map_err(|reason| refused(TABLE, reason))?;
    let stored = find_by_id(connection, principal.id)?;
    if let Seen::Moved = compare(stored.as_ref().map(|stored| stored.revision), principal.revision) {
        return Ok(Applied::Conflict);
    }
    if let Some(stored) = stored {
        let bound = |principal: &Principal| {
            let made = (principal.created_by, principal.created_at, principal.recovery.map(|made| made.at));
            (principal.name.clone(), principal.kind, made)
        };
        fixed(TABLE, bound(&stored) == bound(principal))?;
    }
    write(
        connection,
        "INSERT INTO principal (id, name, kind, standing, roles, home, subject_key, created_at, revision, role_givers, \
         created_by, recovered_at, acknowledged_by) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
         ON CONFLICT (id) DO UPDATE SET standing = excluded.standing, roles = excluded.roles, \
         home = excluded.home, subject_key = excluded.subject_key, revision = excluded.revision, \
         role_givers = excluded.role_givers, acknowledged_by = excluded.acknowledged_by",
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
            join_givers(&principal.role_givers),
            principal.created_by.as_ref().map(PrincipalId::as_bytes),
            principal.recovery.map(|made| micros(TABLE, made.at)).transpose()?,
            principal
                .recovery
                .as_ref()
                .and_then(|made| made.acknowledged_by.as_ref())
                .map(PrincipalId::as_bytes),
        ],
    )
}
