//! Table `break_glass`.

use claviger_core::break_glass::{BreakGlassClosed, BreakGlassReviewed, BreakGlassVerdict};
use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, BreakGlassCount, BreakGlassFilter, Page};
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{ApprovalId, BreakGlass, BreakGlassId, GrantId, KeyId, PrincipalId, Timestamp};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "break_glass";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, holder, keys, grants, opened_by, approval, opened_at, ends_at, closed_by, closed_at, verdict, reviewed_by, \
         reviewed_at, reason, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::BreakGlass,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(15),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM break_glass WHERE id = ?1"),
    update: "UPDATE break_glass SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: BreakGlassId,
) -> Result<Option<BreakGlass>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM break_glass WHERE id = ?1");
    find(connection, sql, [id.as_bytes()], parse)
}

/// What a filter takes of those that another condition finds, as of ?4.
macro_rules! taken {
    () => {
        " AND (?1 IS NULL OR holder = ?1) AND (?3 IS NULL OR (ends_at > ?4 AND coalesce(closed_at, ends_at) > ?4) = ?3) \
         AND (?5 IS NULL OR (reviewed_at IS NOT NULL) = ?5) ORDER BY id LIMIT ?6"
    };
}

/// Those that a filter takes, in the order of their identifiers.
pub(in crate::sqlite) fn list_by(
    connection: Guarded<'_>,
    filter: &BreakGlassFilter,
    page: &Page<BreakGlassId>,
) -> Result<Vec<BreakGlass>, StoreError> {
    let after = page.after.as_ref().map_or(&[][..], |after| after.as_bytes().as_slice());
    let sql = match (&filter.holder, filter.reviewed) {
        (Some(_), _) => concat!(
            "SELECT ",
            columns!(),
            " FROM break_glass INDEXED BY break_glass_by_holder WHERE holder = ?1 AND id > ?2",
            taken!()
        ),
        (None, Some(false)) => concat!(
            "SELECT ",
            columns!(),
            " FROM break_glass INDEXED BY break_glass_unreviewed WHERE reviewed_at IS NULL AND id > ?2",
            taken!()
        ),
        (None, _) => concat!("SELECT ", columns!(), " FROM break_glass WHERE id > ?2", taken!()),
    };
    let holder = filter.holder.as_ref().map(PrincipalId::as_bytes);
    let now = micros(TABLE, filter.now)?;
    list(connection, sql, params![holder, after, filter.open, now, filter.reviewed, page.limit], parse)
}

/// How many are open at `now`, and how many nobody has reviewed.
pub(in crate::sqlite) fn count(
    connection: Guarded<'_>,
    now: Timestamp,
) -> Result<BreakGlassCount, StoreError> {
    let open = "SELECT count(*) FROM break_glass INDEXED BY break_glass_by_end \
                WHERE ends_at > ?1 AND coalesce(closed_at, ends_at) > ?1";
    let unreviewed = "SELECT count(*) FROM break_glass INDEXED BY break_glass_unreviewed \
                      WHERE reviewed_at IS NULL AND id >= x''";
    let open = find(connection, open, [micros(TABLE, now)?], |row| Columns::new(TABLE, row).count())?;
    let unreviewed = find(connection, unreviewed, [], |row| Columns::new(TABLE, row).count())?;
    Ok(BreakGlassCount { open: open.unwrap_or_default(), unreviewed: unreviewed.unwrap_or_default() })
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<BreakGlass>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM break_glass WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<BreakGlass, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    let access = BreakGlass {
        id: BreakGlassId::from_bytes(columns.array()?),
        holder: PrincipalId::from_bytes(columns.array()?),
        keys: identifiers(&mut columns, KeyId::from_bytes)?,
        grants: identifiers(&mut columns, GrantId::from_bytes)?,
        opened_by: PrincipalId::from_bytes(columns.array()?),
        approval: columns.maybe(Columns::array)?.map(ApprovalId::from_bytes),
        opened_at: columns.instant()?,
        ends_at: columns.instant()?,
        closed: closed(&mut columns)?,
        reviewed: reviewed(&mut columns)?,
        reason: why(&mut columns)?,
        revision: columns.count()?,
    };
    access.check().map_err(|reason| columns.damaged(reason))?;
    Ok(access)
}

/// Identifiers one after the other.
fn identifiers<T>(columns: &mut Columns<'_>, of: fn([u8; 16]) -> T) -> Result<Vec<T>, StoreError> {
    let (ids, rest) = columns.bytes()?.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(columns.damaged("an identifier is cut off"));
    }
    Ok(ids.iter().map(|id| of(*id)).collect())
}

fn closed(columns: &mut Columns<'_>) -> Result<Option<BreakGlassClosed>, StoreError> {
    match (columns.maybe(Columns::array)?, columns.maybe(Columns::instant)?) {
        (Some(by), Some(at)) => Ok(Some(BreakGlassClosed { by: PrincipalId::from_bytes(by), at })),
        (None, None) => Ok(None),
        _ => Err(columns.damaged("a close without an instant, or the other way round")),
    }
}

fn reviewed(columns: &mut Columns<'_>) -> Result<Option<BreakGlassReviewed>, StoreError> {
    let verdict = columns.maybe(Columns::word::<BreakGlassVerdict>)?;
    match (verdict, columns.maybe(Columns::array)?, columns.maybe(Columns::instant)?) {
        (Some(verdict), Some(by), Some(at)) => {
            Ok(Some(BreakGlassReviewed { verdict, by: PrincipalId::from_bytes(by), at }))
        }
        (None, None, None) => Ok(None),
        _ => {
            Err(columns.damaged("a review without a verdict, an instant or somebody, or the other way round"))
        }
    }
}

/// Writes an emergency access. Who gets what until when is fixed; it is closed once, and reviewed once.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, access: &BreakGlass) -> Result<Applied, StoreError> {
    valid(TABLE, access)?;
    let stored = find_by_id(connection, access.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), access)? {
        return Ok(Applied::Conflict);
    }
    let (closed, reviewed) = (access.closed.as_ref(), access.reviewed.as_ref());
    let keys: Vec<u8> = access.keys.iter().flat_map(|key| *key.as_bytes()).collect();
    let grants: Vec<u8> = access.grants.iter().flat_map(|grant| *grant.as_bytes()).collect();
    write_tagged(
        connection,
        &TAGGED,
        &[access.id.as_bytes()],
        "INSERT INTO break_glass (id, holder, keys, grants, opened_by, approval, opened_at, ends_at, closed_by, closed_at, \
         verdict, reviewed_by, reviewed_at, reason, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
         ON CONFLICT (id) DO UPDATE SET closed_by = excluded.closed_by, closed_at = excluded.closed_at, \
         verdict = excluded.verdict, reviewed_by = excluded.reviewed_by, reviewed_at = excluded.reviewed_at, \
         revision = excluded.revision",
        params![
            access.id.as_bytes(),
            access.holder.as_bytes(),
            keys,
            grants,
            access.opened_by.as_bytes(),
            access.approval.as_ref().map(ApprovalId::as_bytes),
            micros(TABLE, access.opened_at)?,
            micros(TABLE, access.ends_at)?,
            closed.map(|closed| closed.by.as_bytes()),
            closed.map(|closed| micros(TABLE, closed.at)).transpose()?,
            reviewed.map(|reviewed| reviewed.verdict.name()),
            reviewed.map(|reviewed| reviewed.by.as_bytes()),
            reviewed.map(|reviewed| micros(TABLE, reviewed.at)).transpose()?,
            access.reason.map(Why::to_bytes),
            next_revision(TABLE, access.revision)?,
        ],
    )
}
