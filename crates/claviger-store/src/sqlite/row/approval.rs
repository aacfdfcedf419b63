//! Table `approval`.

use claviger_core::approval::{self, Ended, Outcome};
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, ApprovalFilter, Page};
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{Action, Approval, ApprovalId, KeyRingId, PrincipalId, Timestamp};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "approval";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, action, ring, requester, asked, salt, request, digest, seen, quorum, eligible, requested_at, expires_at, \
         decisions, outcome, ended_at, ended_by, reason, revision, done"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Approval,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(19),
    has_fact: true,
    later: 1,
    select: concat!("SELECT ", covered!(), " FROM approval WHERE id = ?1"),
    update: "UPDATE approval SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: ApprovalId,
) -> Result<Option<Approval>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM approval WHERE id = ?1"), [id.as_bytes()], parse)
}

/// The one of a request that was not ended, or else the newest that was.
pub(in crate::sqlite) fn find_by_tag(
    connection: Guarded<'_>,
    requester: PrincipalId,
    tag: &[u8; 32],
) -> Result<Option<Approval>, StoreError> {
    let open = concat!(
        "SELECT ",
        columns!(),
        " FROM approval INDEXED BY approval_open_request WHERE requester = ?1 AND request = ?2 AND outcome IS NULL"
    );
    let newest = concat!(
        "SELECT ",
        columns!(),
        " FROM approval INDEXED BY approval_request WHERE requester = ?1 AND request = ?2 \
         ORDER BY requested_at DESC, id DESC LIMIT 1"
    );
    let found = match find(connection, open, params![requester.as_bytes(), tag], parse)? {
        Some(open) => Some(open),
        None => find(connection, newest, params![requester.as_bytes(), tag], parse)?,
    };
    let is_wanted = |one: &Approval| one.requester == requester && one.tag == *tag;
    connection.only(found, is_wanted, |one| Object::Approval(one.id))
}

/// Those that a filter takes, in the order of their identifiers.
pub(in crate::sqlite) fn list_by(
    connection: Guarded<'_>,
    filter: &ApprovalFilter,
    page: &Page<ApprovalId>,
) -> Result<Vec<Approval>, StoreError> {
    let after = page.after.as_ref().map_or(&[][..], |after| after.as_bytes().as_slice());
    let now = micros(TABLE, filter.now)?;
    match (filter.requester, filter.open) {
        (Some(requester), open) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM approval INDEXED BY approval_of_one WHERE requester = ?1 AND id > ?2 \
                 AND (?3 IS NULL OR (outcome IS NULL AND expires_at > ?4) = ?3) ORDER BY id LIMIT ?5"
            );
            list(connection, sql, params![requester.as_bytes(), after, open, now, page.limit], parse)
        }
        (None, Some(true)) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM approval INDEXED BY approval_open \
                 WHERE outcome IS NULL AND id > ?1 AND expires_at > ?2 ORDER BY id LIMIT ?3"
            );
            list(connection, sql, params![after, now, page.limit], parse)
        }
        (None, Some(false)) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM approval WHERE id > ?1 AND (outcome IS NOT NULL OR expires_at <= ?2) ORDER BY id LIMIT ?3"
            );
            list(connection, sql, params![after, now, page.limit], parse)
        }
        (None, None) => list_from(connection, after, page.limit),
    }
}

/// How many somebody asked for that are open.
pub(in crate::sqlite) fn count_open(
    connection: Guarded<'_>,
    requester: PrincipalId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM approval INDEXED BY approval_open_of_one \
               WHERE requester = ?1 AND outcome IS NULL AND expires_at > ?2";
    let counted = find(connection, sql, params![requester.as_bytes(), micros(TABLE, now)?], |row| {
        Columns::new(TABLE, row).count()
    })?;
    Ok(counted.unwrap_or_default())
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Approval>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM approval WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Approval, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    let approval = Approval {
        id: ApprovalId::from_bytes(columns.array()?),
        action: {
            let code = columns.small()?;
            Action::from_code(code).ok_or_else(|| columns.damaged("an action that is not known"))?
        },
        ring: columns.maybe(Columns::array)?.map(KeyRingId::from_bytes),
        requester: PrincipalId::from_bytes(columns.array()?),
        asked: columns.bytes()?.to_vec(),
        salt: columns.array()?,
        tag: columns.array()?,
        digest: columns.array()?,
        rows: approval::decode_rows(columns.bytes()?).map_err(|reason| columns.damaged(reason))?,
        quorum: columns.small()?,
        eligible: columns.word()?,
        requested_at: columns.instant()?,
        expires_at: columns.instant()?,
        decisions: approval::decode_decisions(columns.bytes()?).map_err(|reason| columns.damaged(reason))?,
        ended: ended(&mut columns)?,
        reason: why(&mut columns)?,
        revision: columns.count()?,
        done: match columns.maybe(Columns::bytes)? {
            None => Vec::new(),
            Some(done) => approval::decode_done(done).map_err(|reason| columns.damaged(reason))?,
        },
    };
    approval.check().map_err(|reason| columns.damaged(reason))?;
    Ok(approval)
}

fn ended(columns: &mut Columns<'_>) -> Result<Option<Ended>, StoreError> {
    let outcome = columns.maybe(Columns::word::<Outcome>)?;
    match (outcome, columns.maybe(Columns::instant)?, columns.maybe(Columns::array)?) {
        (Some(outcome), Some(at), Some(by)) => {
            Ok(Some(Ended { outcome, at, by: PrincipalId::from_bytes(by) }))
        }
        (None, None, None) => Ok(None),
        _ => {
            Err(columns.damaged("an end without an outcome, an instant or somebody, or the other way round"))
        }
    }
}

/// Writes an approval. What was asked for is fixed; decisions and steps that were done are added, and it ends once.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, approval: &Approval) -> Result<Applied, StoreError> {
    valid(TABLE, approval)?;
    let stored = find_by_id(connection, approval.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), approval)? {
        return Ok(Applied::Conflict);
    }
    let ended = approval.ended.as_ref();
    write_tagged(
        connection,
        &TAGGED,
        &[approval.id.as_bytes()],
        "INSERT INTO approval (id, action, ring, requester, asked, salt, request, digest, seen, quorum, eligible, requested_at, \
         expires_at, decisions, outcome, ended_at, ended_by, reason, revision, done) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
         ON CONFLICT (id) DO UPDATE SET decisions = excluded.decisions, outcome = excluded.outcome, \
         ended_at = excluded.ended_at, ended_by = excluded.ended_by, revision = excluded.revision, done = excluded.done",
        params![
            approval.id.as_bytes(),
            approval.action.code(),
            approval.ring.as_ref().map(KeyRingId::as_bytes),
            approval.requester.as_bytes(),
            approval.asked,
            approval.salt,
            approval.tag,
            approval.digest,
            approval::encode_rows(&approval.rows),
            approval.quorum,
            approval.eligible.name(),
            micros(TABLE, approval.requested_at)?,
            micros(TABLE, approval.expires_at)?,
            approval::encode_decisions(&approval.decisions),
            ended.map(|ended| ended.outcome.name()),
            ended.map(|ended| micros(TABLE, ended.at)).transpose()?,
            ended.map(|ended| ended.by.as_bytes()),
            approval.reason.map(Why::to_bytes),
            next_revision(TABLE, approval.revision)?,
            (!approval.done.is_empty()).then(|| approval::encode_done(&approval.done)),
        ],
    )
}
