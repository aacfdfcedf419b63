//! Table `principal`.

use claviger_core::capacity::HeldCapacity;
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::principal::{Principal, Recovery, Role};
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{KeyRingId, Name, PrincipalId};
use rusqlite::params;

use super::super::columns::{Columns, find, join, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::{erasure, why};
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "principal";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, name, kind, standing, roles, home, subject_key, created_at, revision, role_givers, created_by, recovered_at, \
         acknowledged_by, reason, erased_by, erased_at, environment, same_person_as, capacities"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Principal,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(9),
    has_fact: true,
    later: 1,
    select: concat!("SELECT ", covered!(), " FROM principal WHERE id = ?1"),
    update: "UPDATE principal SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: PrincipalId,
) -> Result<Option<Principal>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM principal WHERE id = ?1"), [id.as_bytes()], parse)
}

pub(in crate::sqlite) fn find_by_name(
    connection: Guarded<'_>,
    name: &Name,
) -> Result<Option<Principal>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM principal WHERE name = ?1");
    let found = find(connection, sql, [name.as_str()], parse)?;
    connection.only(found, |one| one.name == *name, |one| Object::Principal(one.id))
}

/// Those that are not revoked and hold a role. Rows that were altered are left out.
pub(in crate::sqlite) fn list_role_holders(connection: Guarded<'_>) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM principal INDEXED BY principal_with_roles WHERE roles <> '' AND standing = 'active'"
    );
    list_sound(connection, sql)
}

/// Those that are not revoked and hold a capacity. Rows that were altered are left out.
pub(in crate::sqlite) fn list_capacity_holders(
    connection: Guarded<'_>,
) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM principal INDEXED BY principal_with_capacities WHERE capacities IS NOT NULL AND standing = 'active'"
    );
    list_sound(connection, sql)
}

/// Those that a recovery made and nobody acknowledged, the oldest first. Rows that were altered are left out.
pub(in crate::sqlite) fn list_unacknowledged(connection: Guarded<'_>) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM principal INDEXED BY principal_unacknowledged \
         WHERE recovered_at >= 0 AND acknowledged_by IS NULL ORDER BY recovered_at"
    );
    list_sound(connection, sql)
}

/// A server starts, and says how it is, though a row was altered: whom it is of can do nothing.
fn list_sound(connection: Guarded<'_>, sql: &str) -> Result<Vec<Principal>, StoreError> {
    let found = list(connection, sql, [], |row| match parse(row) {
        Err(StoreError::RowAltered(_)) => Ok(None),
        found => found.map(Some),
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// At most `limit` principals behind `after`, in the order of their names.
pub(in crate::sqlite) fn list_after(
    connection: Guarded<'_>,
    after: Option<&Name>,
    limit: u32,
) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM principal WHERE name > ?1 ORDER BY name LIMIT ?2");
    list(connection, sql, params![after.map_or("", Name::as_str), limit], parse)
}

/// The accounts of a person, by the first of them.
pub(in crate::sqlite) fn list_accounts(
    connection: Guarded<'_>,
    person: PrincipalId,
) -> Result<Vec<PrincipalId>, StoreError> {
    let sql = "SELECT id FROM principal INDEXED BY principal_accounts WHERE same_person_as = ?1";
    let mut accounts = list(connection, sql, [person.as_bytes()], |row| {
        Columns::new(TABLE, row).array().map(PrincipalId::from_bytes)
    })?;
    accounts.push(person);
    Ok(accounts)
}

/// At most `limit` principals that one created and that are not revoked, in the order of their names.
pub(in crate::sqlite) fn list_made_by(
    connection: Guarded<'_>,
    maker: PrincipalId,
    limit: u32,
) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM principal INDEXED BY principal_by_maker WHERE created_by = ?1 AND standing = 'active' \
         ORDER BY name LIMIT ?2"
    );
    list(connection, sql, params![maker.as_bytes(), limit], parse)
}

/// The names of those that are there.
pub(in crate::sqlite) fn list_names(
    connection: Guarded<'_>,
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
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Principal>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM principal WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Principal, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    let principal = Principal {
        id: PrincipalId::from_bytes(columns.array()?),
        name: columns.word()?,
        kind: columns.word()?,
        status: columns.word()?,
        roles: columns.words()?,
        home: columns.maybe(Columns::array)?.map(KeyRingId::from_bytes),
        subject_key: columns.bytes()?.to_vec(),
        created_at: columns.instant()?,
        revision: columns.count()?,
        role_givers: givers(columns.text()?)
            .ok_or_else(|| columns.damaged("who gave a role does not read"))?,
        created_by: columns.maybe(Columns::array)?.map(PrincipalId::from_bytes),
        recovery: recovery(&mut columns)?,
        reason: why(&mut columns)?,
        erasure: erasure(&mut columns)?,
        environment: columns.maybe(Columns::word)?,
        same_person_as: columns.maybe(Columns::array)?.map(PrincipalId::from_bytes),
        capacities: match columns.maybe(Columns::text)? {
            None => Vec::new(),
            Some(text) => {
                capacities(text).ok_or_else(|| columns.damaged("what it answers for does not read"))?
            }
        },
    };
    principal.check().map_err(|reason| columns.damaged(reason))?;
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

/// `capacity=identifier`, joined by commas, the second that of who gave it.
fn capacities(text: &str) -> Option<Vec<HeldCapacity>> {
    let read = |pair: &str| {
        let (capacity, giver) = pair.split_once('=')?;
        Some(HeldCapacity { capacity: capacity.parse().ok()?, given_by: giver.parse().ok()? })
    };
    text.split(',').map(read).collect()
}

fn join_capacities(held: &[HeldCapacity]) -> Option<String> {
    let pairs: Vec<_> = held.iter().map(|held| format!("{}={}", held.capacity, held.given_by)).collect();
    (!pairs.is_empty()).then(|| join(&pairs))
}

/// Writes a principal. Its kind, its environment and whose account it is are fixed, and so is its name but for an erasure, which nothing
/// undoes.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, principal: &Principal) -> Result<Applied, StoreError> {
    valid(TABLE, principal)?;
    let stored = find_by_id(connection, principal.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), principal)? {
        return Ok(Applied::Conflict);
    }
    write_tagged(
        connection,
        &TAGGED,
        &[principal.id.as_bytes()],
        "INSERT INTO principal (id, name, kind, standing, roles, home, subject_key, created_at, revision, role_givers, \
         created_by, recovered_at, acknowledged_by, reason, erased_by, erased_at, environment, same_person_as, capacities) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, standing = excluded.standing, roles = excluded.roles, \
         home = excluded.home, subject_key = excluded.subject_key, revision = excluded.revision, \
         role_givers = excluded.role_givers, acknowledged_by = excluded.acknowledged_by, \
         reason = excluded.reason, erased_by = excluded.erased_by, erased_at = excluded.erased_at, \
         capacities = excluded.capacities",
        params![
            principal.id.as_bytes(),
            principal.name.as_str(),
            principal.kind.name(),
            principal.status.name(),
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
            principal.reason.map(Why::to_bytes),
            principal.erasure.as_ref().map(|erasure| erasure.by.as_bytes()),
            principal.erasure.map(|erasure| micros(TABLE, erasure.at)).transpose()?,
            principal.environment.as_ref().map(Name::as_str),
            principal.same_person_as.as_ref().map(PrincipalId::as_bytes),
            join_capacities(&principal.capacities),
        ],
    )
}
