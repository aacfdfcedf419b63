//! Table `reason`. Its texts are sealed, each under a key of its own in `veil`.

use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::reason::{Erasure, KeptReason, ReasonCode, ReasonRecord, TextAtRest, Why};
use claviger_core::{Action, PrincipalId, ReasonId, Timestamp};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::{Seen, next_revision, seen, valid, veil, write_tagged};

const TABLE: &str = "reason";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, action, code, text, sealed, given_by, given_at, erased_by, erased_at, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Reason,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(10),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM reason WHERE id = ?1"),
    update: "UPDATE reason SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: ReasonId,
) -> Result<Option<ReasonRecord>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM reason WHERE id = ?1"), [id.as_bytes()], parse)
}

/// Those of these reasons that are there, whether or not they hold: no decision is taken on why something was done.
pub(in crate::sqlite) fn list_with_veils(
    connection: Guarded<'_>,
    ids: &[ReasonId],
) -> Result<Vec<KeptReason>, StoreError> {
    let (found, altered) = connection.noting(|connection| {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(record) = find_by_id(connection, *id)? else { continue };
            let name = Object::Reason(*id).veil_name();
            let key = name.map(|name| veil::find_by_name(connection, name)).transpose()?.flatten();
            found.push((record, key));
        }
        Ok(found)
    })?;
    let kept = |(record, key): (ReasonRecord, _)| KeptReason {
        holds: !altered.contains(&Object::Reason(record.id)),
        record,
        key,
    };
    Ok(found.into_iter().map(kept).collect())
}

/// How many reasons somebody gave for an action since then.
pub(in crate::sqlite) fn count_by(
    connection: Guarded<'_>,
    by: PrincipalId,
    action: Action,
    since: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM reason INDEXED BY reason_of_one \
               WHERE given_by = ?1 AND action = ?2 AND given_at >= ?3";
    let since = micros(TABLE, since)?;
    let counted = find(connection, sql, params![by.as_bytes(), action.code(), since], |row| {
        Columns::new(TABLE, row).count()
    })?;
    Ok(counted.unwrap_or_default())
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<ReasonRecord>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM reason WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

/// Why a row of another table is as it is.
pub(in crate::sqlite) fn why(columns: &mut Columns<'_>) -> Result<Option<Why>, StoreError> {
    let Some(bytes) = columns.maybe(Columns::bytes)? else { return Ok(None) };
    Why::from_bytes(bytes).map(Some).ok_or_else(|| columns.damaged("this is no reason"))
}

fn parse(row: &Line<'_>) -> Result<ReasonRecord, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    Ok(ReasonRecord {
        id: ReasonId::from_bytes(columns.array()?),
        action: {
            let code = columns.small()?;
            Action::from_code(code).ok_or_else(|| columns.damaged("an action that is not known"))?
        },
        code: match columns.maybe(Columns::small)? {
            None => None,
            Some(code) => {
                Some(ReasonCode::from_code(code).ok_or_else(|| columns.damaged("a code that is not known"))?)
            }
        },
        text: match (columns.maybe(Columns::text)?, columns.maybe(Columns::bytes)?) {
            (None, None) => TextAtRest::None,
            (None, Some(sealed)) => TextAtRest::Sealed(sealed.to_vec()),
            (Some(clear), None) => TextAtRest::Clear(clear.to_owned()),
            (Some(_), Some(_)) => return Err(columns.damaged("a text both sealed and in clear")),
        },
        given_by: PrincipalId::from_bytes(columns.array()?),
        given_at: columns.instant()?,
        erasure: erasure(&mut columns)?,
        revision: columns.count()?,
    })
}

/// Who erased what the row is about, and when.
pub(super) fn erasure(columns: &mut Columns<'_>) -> Result<Option<Erasure>, StoreError> {
    match (columns.maybe(Columns::array)?, columns.maybe(Columns::instant)?) {
        (Some(by), Some(at)) => Ok(Some(Erasure { by: PrincipalId::from_bytes(by), at })),
        (None, None) => Ok(None),
        _ => Err(columns.damaged("an erasure without an instant, or the other way round")),
    }
}

/// Writes a reason. What was given is fixed; its text can be erased.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, reason: &ReasonRecord) -> Result<Applied, StoreError> {
    let sealed = match &reason.text {
        TextAtRest::Sealed(sealed) => Some(sealed),
        TextAtRest::Clear(_) | TextAtRest::None => None,
    };
    valid(TABLE, reason)?;
    let stored = find_by_id(connection, reason.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), reason)? {
        return Ok(Applied::Conflict);
    }
    write_tagged(
        connection,
        &TAGGED,
        &[reason.id.as_bytes()],
        "INSERT INTO reason (id, action, code, sealed, given_by, given_at, erased_by, erased_at, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, erased_by = excluded.erased_by, \
         erased_at = excluded.erased_at, revision = excluded.revision",
        params![
            reason.id.as_bytes(),
            reason.action.code(),
            reason.code.map(ReasonCode::code),
            sealed,
            reason.given_by.as_bytes(),
            micros(TABLE, reason.given_at)?,
            reason.erasure.as_ref().map(|erasure| erasure.by.as_bytes()),
            reason.erasure.map(|erasure| micros(TABLE, erasure.at)).transpose()?,
            next_revision(TABLE, reason.revision)?,
        ],
    )
}

/// Seals a text that an older release kept in clear.
pub(in crate::sqlite) fn seal(
    connection: Guarded<'_>,
    id: ReasonId,
    sealed: &[u8],
) -> Result<Applied, StoreError> {
    let sql = "UPDATE reason SET text = NULL, sealed = ?2 WHERE id = ?1 AND text IS NOT NULL";
    write_tagged(connection, &TAGGED, &[id.as_bytes()], sql, params![id.as_bytes(), sealed])
}
