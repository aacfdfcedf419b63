//! Table `declaration`.

use claviger_core::declaration::{DeclarationKind, Plain, Withdrawal};
use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, DeclarationFilter, Page};
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{Declaration, DeclarationId, PrincipalId};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "declaration";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, kind, subject, body, text, declared_by, declared_at, withdrawn_by, withdrawn_at, reason, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Declaration,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(11),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM declaration WHERE id = ?1"),
    update: "UPDATE declaration SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: DeclarationId,
) -> Result<Option<Declaration>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM declaration WHERE id = ?1");
    find(connection, sql, [id.as_bytes()], parse)
}

/// Those that a filter takes, in the order of their identifiers.
pub(in crate::sqlite) fn list_by(
    connection: Guarded<'_>,
    filter: &DeclarationFilter,
    page: &Page<DeclarationId>,
) -> Result<Vec<Declaration>, StoreError> {
    let after = page.after.as_ref().map_or(&[][..], |after| after.as_bytes().as_slice());
    let kind = filter.kind.map(DeclarationKind::name);
    match (filter.subject.as_ref().map(Plain::as_str), kind) {
        (Some(subject), kind) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM declaration INDEXED BY declaration_subject \
                 WHERE subject = ?1 AND id > ?2 AND (?3 IS NULL OR kind = ?3) ORDER BY id LIMIT ?4"
            );
            list(connection, sql, params![subject, after, kind, page.limit], parse)
        }
        (None, Some(kind)) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM declaration INDEXED BY declaration_kind WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
            );
            list(connection, sql, params![kind, after, page.limit], parse)
        }
        (None, None) => list_from(connection, after, page.limit),
    }
}

/// How many somebody made, withdrawn ones among them.
pub(in crate::sqlite) fn count_by(connection: Guarded<'_>, by: PrincipalId) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM declaration INDEXED BY declaration_of_one WHERE declared_by = ?1";
    let counted = find(connection, sql, [by.as_bytes()], |row| Columns::new(TABLE, row).count())?;
    Ok(counted.unwrap_or_default())
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Declaration>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM declaration WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Declaration, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    let declaration = Declaration {
        id: DeclarationId::from_bytes(columns.array()?),
        kind: columns.word()?,
        subject: columns.word()?,
        body: columns.bytes()?.to_vec(),
        text: columns.text()?.to_owned(),
        declared_by: PrincipalId::from_bytes(columns.array()?),
        declared_at: columns.instant()?,
        withdrawal: withdrawal(&mut columns)?,
        reason: why(&mut columns)?,
        revision: columns.count()?,
    };
    declaration.check().map_err(|reason| columns.damaged(reason))?;
    Ok(declaration)
}

fn withdrawal(columns: &mut Columns<'_>) -> Result<Option<Withdrawal>, StoreError> {
    match (columns.maybe(Columns::array)?, columns.maybe(Columns::instant)?) {
        (Some(by), Some(at)) => Ok(Some(Withdrawal { by: PrincipalId::from_bytes(by), at })),
        (None, None) => Ok(None),
        _ => Err(columns.damaged("a withdrawal without an instant, or the other way round")),
    }
}

/// Writes a declaration. What was declared is fixed; it can be withdrawn.
pub(in crate::sqlite) fn put(
    connection: Guarded<'_>,
    declaration: &Declaration,
) -> Result<Applied, StoreError> {
    valid(TABLE, declaration)?;
    let stored = find_by_id(connection, declaration.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), declaration)? {
        return Ok(Applied::Conflict);
    }
    write_tagged(
        connection,
        &TAGGED,
        &[declaration.id.as_bytes()],
        "INSERT INTO declaration (id, kind, subject, body, text, declared_by, declared_at, withdrawn_by, withdrawn_at, reason, \
         revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
         ON CONFLICT (id) DO UPDATE SET withdrawn_by = excluded.withdrawn_by, withdrawn_at = excluded.withdrawn_at, \
         reason = excluded.reason, revision = excluded.revision",
        params![
            declaration.id.as_bytes(),
            declaration.kind.name(),
            declaration.subject.as_str(),
            declaration.body,
            declaration.text,
            declaration.declared_by.as_bytes(),
            micros(TABLE, declaration.declared_at)?,
            declaration.withdrawal.as_ref().map(|withdrawal| withdrawal.by.as_bytes()),
            declaration.withdrawal.map(|withdrawal| micros(TABLE, withdrawal.at)).transpose()?,
            declaration.reason.map(Why::to_bytes),
            next_revision(TABLE, declaration.revision)?,
        ],
    )
}
