//! Table `governance`: one row.

use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{Governance, GovernanceId, PrincipalId};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros, span};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "governance";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, quorum, approval_lifetime, human_grant_lifetime, break_glass_lifetime, compromise_burst, set_by, set_at, \
         reason, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Governance,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(10),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM governance WHERE id = ?1"),
    update: "UPDATE governance SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_it(connection: Guarded<'_>) -> Result<Option<Governance>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM governance WHERE id = ?1");
    find(connection, sql, [GovernanceId::ONLY.as_bytes()], parse)
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Governance>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM governance WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Governance, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    if GovernanceId::from_bytes(columns.array()?) != GovernanceId::ONLY {
        return Err(columns.damaged("there is one row of rules, and it has another identifier"));
    }
    let rules = Governance {
        quorum: columns.small()?,
        approval_lifetime: columns.span()?,
        human_grant_lifetime: columns.maybe(Columns::span)?,
        break_glass_lifetime: columns.span()?,
        compromise_burst: columns.small()?,
        set_by: PrincipalId::from_bytes(columns.array()?),
        set_at: columns.instant()?,
        reason: why(&mut columns)?,
        revision: columns.count()?,
    };
    rules.check().map_err(|reason| columns.damaged(reason))?;
    Ok(rules)
}

/// Writes the rules.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, rules: &Governance) -> Result<Applied, StoreError> {
    valid(TABLE, rules)?;
    let stored = find_it(connection)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), rules)? {
        return Ok(Applied::Conflict);
    }
    write_tagged(
        connection,
        &TAGGED,
        &[GovernanceId::ONLY.as_bytes()],
        "INSERT INTO governance (id, quorum, approval_lifetime, human_grant_lifetime, break_glass_lifetime, compromise_burst, \
         set_by, set_at, reason, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT (id) DO UPDATE SET quorum = excluded.quorum, approval_lifetime = excluded.approval_lifetime, \
         human_grant_lifetime = excluded.human_grant_lifetime, break_glass_lifetime = excluded.break_glass_lifetime, \
         compromise_burst = excluded.compromise_burst, set_by = excluded.set_by, set_at = excluded.set_at, \
         reason = excluded.reason, revision = excluded.revision",
        params![
            GovernanceId::ONLY.as_bytes(),
            rules.quorum,
            span(TABLE, rules.approval_lifetime)?,
            rules.human_grant_lifetime.map(|lifetime| span(TABLE, lifetime)).transpose()?,
            span(TABLE, rules.break_glass_lifetime)?,
            rules.compromise_burst,
            rules.set_by.as_bytes(),
            micros(TABLE, rules.set_at)?,
            rules.reason.map(Why::to_bytes),
            next_revision(TABLE, rules.revision)?,
        ],
    )
}
