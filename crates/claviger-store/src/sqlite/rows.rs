//! Rows of every table of objects, as they stand.

use claviger_core::object::{FoundRow, Kind, Object, RowCursor, StateRow};
use claviger_core::port::StoreError;
use claviger_crypto::kdf::HmacSha256;
use rusqlite::ToSql;

use super::error::{damaged, translate};
use super::plain;
use super::row::{
    alert, alias, approval, asset, break_glass, credential, declaration, governance, grant, key, node,
    principal, reason, review, rights_review, ring, version,
};
use super::tag::{Guarded, Tagged};

/// What has a tag of its own in the row of an object.
fn tags_of(kind: Kind) -> &'static [&'static Tagged] {
    match kind {
        Kind::Alert => &[&alert::TAGGED],
        Kind::Alias => &[&alias::TAGGED],
        Kind::Approval => &[&approval::TAGGED],
        Kind::Asset => &[&asset::TAGGED],
        Kind::BreakGlass => &[&break_glass::TAGGED],
        Kind::Credential => &[&credential::TAGGED],
        Kind::Declaration => &[&declaration::TAGGED],
        Kind::Governance => &[&governance::TAGGED],
        Kind::Grant => &[&grant::TAGGED],
        Kind::Key => &[&key::TAGGED],
        Kind::Node => &[&node::TAGGED],
        Kind::Principal => &[&principal::TAGGED],
        Kind::Reason => &[&reason::TAGGED],
        Kind::Review => &[&review::TAGGED],
        Kind::RightsReview => &[&rights_review::TAGGED],
        Kind::Ring => &[&ring::TAGGED],
        Kind::Version => &[&version::TAGGED, &version::COUNTED],
    }
}

/// Rows of a kind in the order of their identifiers, whether or not they hold.
pub(super) fn list(
    connection: Guarded<'_>,
    from: RowCursor,
    limit: u32,
) -> Result<Vec<FoundRow>, StoreError> {
    let (rows, altered) = connection.noting(|connection| list_rows(connection, from, limit))?;
    let found = |row: StateRow| FoundRow { holds: !altered.contains(&row.object()), row };
    Ok(rows.into_iter().map(found).collect())
}

/// How many rows there are of all kinds.
pub(super) fn count(connection: Guarded<'_>) -> Result<u64, StoreError> {
    let mut rows = 0;
    const TABLES: [&str; 17] = [
        "alert",
        "alias",
        "approval",
        "asset",
        "break_glass",
        "credential",
        "declaration",
        "governance",
        "grants",
        "key",
        "key_version",
        "node",
        "principal",
        "reason",
        "review",
        "rights_review",
        "ring",
    ];
    for table in TABLES {
        let count = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        rows += count.map(i64::cast_unsigned).map_err(translate)?;
    }
    Ok(rows)
}

/// Gives the row of an object, as it stands, the digest of the fact that is recorded of it.
pub(super) fn stamp(connection: Guarded<'_>, object: Object) -> Result<(), StoreError> {
    let tagged = tags_of(object.kind()).iter().find(|tagged| tagged.has_fact);
    let tagged = tagged.ok_or_else(|| damaged("fact", "a kind of rows without facts"))?;
    with_name(object, |named| connection.stamp(tagged, named))
}

/// Has the parameters that name the row of an object.
fn with_name<T>(object: Object, then: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
    match object {
        Object::Version(version) => then(&[version.key.as_bytes(), &version.number]),
        _ => then(&[&object.id()]),
    }
}

/// Gives tags under `key` to the rows of a kind, as they stand. Gives where to go on.
pub(super) fn tag(
    connection: Guarded<'_>,
    key: &HmacSha256,
    from: RowCursor,
    limit: u32,
) -> Result<Option<RowCursor>, StoreError> {
    let rows = list(connection, from, limit)?;
    for row in &rows {
        let object = row.row.object();
        with_name(object, |named| {
            let mut tags = tags_of(object.kind()).iter();
            tags.try_for_each(|tagged| connection.stamp_under(key, tagged, named))
        })?;
    }
    let is_full = rows.len() as u64 >= u64::from(limit);
    if !is_full && from.kind.next().is_none() {
        plain::tag_all(connection, key)?;
    }
    Ok(from.next(rows.last().map(|found| found.row.object()), is_full))
}

fn list_rows(
    connection: Guarded<'_>,
    RowCursor { kind, after }: RowCursor,
    limit: u32,
) -> Result<Vec<StateRow>, StoreError> {
    let id = after.map(|after| after.id()).unwrap_or_default();
    fn all<T>(rows: Vec<T>, of: fn(T) -> StateRow) -> Vec<StateRow> {
        rows.into_iter().map(of).collect()
    }
    Ok(match kind {
        Kind::Alert => all(alert::list_from(connection, &id, limit)?, StateRow::Alert),
        Kind::Alias => all(alias::list_from(connection, &id, limit)?, StateRow::Alias),
        Kind::Approval => all(approval::list_from(connection, &id, limit)?, StateRow::Approval),
        Kind::Asset => all(asset::list_from(connection, &id, limit)?, StateRow::Asset),
        Kind::BreakGlass => all(break_glass::list_from(connection, &id, limit)?, StateRow::BreakGlass),
        Kind::Credential => all(credential::list_from(connection, &id, limit)?, StateRow::Credential),
        Kind::Declaration => all(declaration::list_from(connection, &id, limit)?, StateRow::Declaration),
        Kind::Governance => all(governance::list_from(connection, &id, limit)?, StateRow::Governance),
        Kind::Grant => all(grant::list_from(connection, &id, limit)?, StateRow::Grant),
        Kind::Key => all(key::list_from(connection, &id, limit)?, StateRow::Key),
        Kind::Node => all(node::list_from(connection, &id, limit)?, StateRow::Node),
        Kind::Principal => all(principal::list_from(connection, &id, limit)?, StateRow::Principal),
        Kind::Reason => all(reason::list_from(connection, &id, limit)?, StateRow::Reason),
        Kind::Review => all(review::list_from(connection, &id, limit)?, StateRow::Review),
        Kind::RightsReview => all(rights_review::list_from(connection, &id, limit)?, StateRow::RightsReview),
        Kind::Ring => all(ring::list_from(connection, &id, limit)?, StateRow::Ring),
        Kind::Version => {
            let after = match after {
                Some(Object::Version(version)) => Some(version),
                _ => None,
            };
            all(version::list_from(connection, after, limit)?, StateRow::Version)
        }
    })
}
