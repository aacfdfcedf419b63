//! Table `review`.

use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, Page, ReviewFilter};
use claviger_core::reason::Why;
use claviger_core::review::{self, ReviewClosed, ReviewScope};
use claviger_core::row::Row as _;
use claviger_core::{KeyRingId, PrincipalId, Review, ReviewId};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "review";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, scope, ring, population, items, opened_by, opened_at, due_at, closed_by, closed_at, reason, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Review,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(12),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM review WHERE id = ?1"),
    update: "UPDATE review SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: ReviewId,
) -> Result<Option<Review>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM review WHERE id = ?1"), [id.as_bytes()], parse)
}

/// Those that a filter takes, in the order of their identifiers.
pub(in crate::sqlite) fn list_by(
    connection: Guarded<'_>,
    filter: ReviewFilter,
    page: &Page<ReviewId>,
) -> Result<Vec<Review>, StoreError> {
    let after = page.after.as_ref().map_or(&[][..], |after| after.as_bytes().as_slice());
    let sql = match filter.open {
        None => return list_from(connection, after, page.limit),
        Some(true) => concat!(
            "SELECT ",
            columns!(),
            " FROM review INDEXED BY review_open WHERE closed_at IS NULL AND id > ?1 ORDER BY id LIMIT ?2"
        ),
        Some(false) => concat!(
            "SELECT ",
            columns!(),
            " FROM review WHERE id > ?1 AND closed_at IS NOT NULL ORDER BY id LIMIT ?2"
        ),
    };
    list(connection, sql, params![after, page.limit], parse)
}

/// How many are not closed.
pub(in crate::sqlite) fn count_open(connection: Guarded<'_>) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM review INDEXED BY review_open WHERE closed_at IS NULL AND id >= x''";
    let counted = find(connection, sql, [], |row| Columns::new(TABLE, row).count())?;
    Ok(counted.unwrap_or_default())
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Review>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM review WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Review, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    let review = Review {
        id: ReviewId::from_bytes(columns.array()?),
        scope: {
            let code = columns.small()?;
            ReviewScope::from_code(code).ok_or_else(|| columns.damaged("a scope that is not known"))?
        },
        ring: columns.maybe(Columns::array)?.map(KeyRingId::from_bytes),
        population: columns.array()?,
        items: review::decode_items(columns.bytes()?).map_err(|reason| columns.damaged(reason))?,
        opened_by: PrincipalId::from_bytes(columns.array()?),
        opened_at: columns.instant()?,
        due_at: columns.instant()?,
        closed: closed(&mut columns)?,
        reason: why(&mut columns)?,
        revision: columns.count()?,
    };
    review.check().map_err(|reason| columns.damaged(reason))?;
    Ok(review)
}

fn closed(columns: &mut Columns<'_>) -> Result<Option<ReviewClosed>, StoreError> {
    match (columns.maybe(Columns::array)?, columns.maybe(Columns::instant)?) {
        (Some(by), Some(at)) => Ok(Some(ReviewClosed { by: PrincipalId::from_bytes(by), at })),
        (None, None) => Ok(None),
        _ => Err(columns.damaged("a close without an instant, or the other way round")),
    }
}

/// Writes a review. Its population is fixed; items are decided, and it is closed once.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, review: &Review) -> Result<Applied, StoreError> {
    valid(TABLE, review)?;
    let stored = find_by_id(connection, review.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), review)? {
        return Ok(Applied::Conflict);
    }
    let closed = review.closed.as_ref();
    write_tagged(
        connection,
        &TAGGED,
        &[review.id.as_bytes()],
        "INSERT INTO review (id, scope, ring, population, items, opened_by, opened_at, due_at, closed_by, closed_at, reason, \
         revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (id) DO UPDATE SET items = excluded.items, closed_by = excluded.closed_by, \
         closed_at = excluded.closed_at, reason = excluded.reason, revision = excluded.revision",
        params![
            review.id.as_bytes(),
            review.scope.code(),
            review.ring.as_ref().map(KeyRingId::as_bytes),
            review.population,
            review::encode_items(&review.items),
            review.opened_by.as_bytes(),
            micros(TABLE, review.opened_at)?,
            micros(TABLE, review.due_at)?,
            closed.map(|closed| closed.by.as_bytes()),
            closed.map(|closed| micros(TABLE, closed.at)).transpose()?,
            review.reason.map(Why::to_bytes),
            next_revision(TABLE, review.revision)?,
        ],
    )
}
