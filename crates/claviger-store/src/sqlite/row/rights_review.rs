//! Table `rights_review`.

use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::rights_review::{Confirmation, RightsReview};
use claviger_core::row::Row as _;
use claviger_core::{PrincipalId, RightsReviewId};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "rights_review";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, opened_at, digest, officer, officer_at, auditor, auditor_at, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::RightsReview,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(8),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM rights_review WHERE id = ?1"),
    update: "UPDATE rights_review SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: RightsReviewId,
) -> Result<Option<RightsReview>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM rights_review WHERE id = ?1");
    find(connection, sql, [id.as_bytes()], parse)
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<RightsReview>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM rights_review WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<RightsReview, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    let review = RightsReview {
        id: RightsReviewId::from_bytes(columns.array()?),
        opened_at: columns.instant()?,
        digest: columns.maybe(Columns::array)?,
        officer: confirmation(&mut columns)?,
        auditor: confirmation(&mut columns)?,
        revision: columns.count()?,
    };
    review.check().map_err(|reason| columns.damaged(reason))?;
    Ok(review)
}

fn confirmation(columns: &mut Columns<'_>) -> Result<Option<Confirmation>, StoreError> {
    match (columns.maybe(Columns::array)?, columns.maybe(Columns::instant)?) {
        (Some(by), Some(at)) => Ok(Some(Confirmation { by: PrincipalId::from_bytes(by), at })),
        (None, None) => Ok(None),
        _ => Err(columns.damaged("a confirmation without an instant, or the other way round")),
    }
}

/// Writes a review.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, review: &RightsReview) -> Result<Applied, StoreError> {
    valid(TABLE, review)?;
    let stored = find_by_id(connection, review.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), review)? {
        return Ok(Applied::Conflict);
    }
    let at = |one: Option<Confirmation>| one.map(|one| micros(TABLE, one.at)).transpose();
    write_tagged(
        connection,
        &TAGGED,
        &[review.id.as_bytes()],
        "INSERT INTO rights_review (id, opened_at, digest, officer, officer_at, auditor, auditor_at, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, officer = excluded.officer, \
         officer_at = excluded.officer_at, auditor = excluded.auditor, auditor_at = excluded.auditor_at, \
         revision = excluded.revision",
        params![
            review.id.as_bytes(),
            micros(TABLE, review.opened_at)?,
            review.digest,
            review.officer.as_ref().map(|one| one.by.as_bytes()),
            at(review.officer)?,
            review.auditor.as_ref().map(|one| one.by.as_bytes()),
            at(review.auditor)?,
            next_revision(TABLE, review.revision)?,
        ],
    )
}
