//! Table `alert`.

use claviger_core::alert::{AlertAct, AlertRule};
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::{AlertFilter, Applied, Page};
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{Alert, AlertId, PrincipalId};
use rusqlite::params;

use super::super::columns::{Columns, find, integer, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "alert";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, rule, subject, raised_at, last_at, count, triaged_by, triaged_at, closed_by, closed_at, reason, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Alert,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(12),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM alert WHERE id = ?1"),
    update: "UPDATE alert SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: AlertId,
) -> Result<Option<Alert>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM alert WHERE id = ?1"), [id.as_bytes()], parse)
}

/// The one by that rule about that subject that is not closed.
pub(in crate::sqlite) fn find_open(
    connection: Guarded<'_>,
    rule: AlertRule,
    subject: Option<Object>,
) -> Result<Option<Alert>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM alert INDEXED BY alert_open_finding WHERE rule = ?1 AND subject = ?2 AND closed_at IS NULL"
    );
    let found = find(connection, sql, params![rule.code(), encode(subject)], parse)?;
    let is_wanted = |one: &Alert| one.rule == rule && one.subject == subject && one.is_open();
    connection.only(found, is_wanted, |one| Object::Alert(one.id))
}

/// What a filter takes of those that another condition finds.
macro_rules! taken {
    () => {
        " AND (?2 IS NULL OR rule = ?2) AND (?3 IS NULL OR subject = ?3) AND (?4 IS NULL OR (closed_at IS NULL) = ?4) \
         ORDER BY id LIMIT ?5"
    };
}

/// Those that a filter takes, in the order of their identifiers.
pub(in crate::sqlite) fn list_by(
    connection: Guarded<'_>,
    filter: &AlertFilter,
    page: &Page<AlertId>,
) -> Result<Vec<Alert>, StoreError> {
    let after = page.after.as_ref().map_or(&[][..], |after| after.as_bytes().as_slice());
    let rule = filter.rule.map(AlertRule::code);
    let subject = filter.subject.map(|subject| encode(Some(subject)));
    // Of those that are open there are never many; of what was closed there is more each year.
    let sql = match (filter.open, rule, &subject) {
        (Some(true), ..) => concat!(
            "SELECT ",
            columns!(),
            " FROM alert INDEXED BY alert_open WHERE closed_at IS NULL AND id > ?1",
            taken!()
        ),
        (_, _, Some(_)) => concat!(
            "SELECT ",
            columns!(),
            " FROM alert INDEXED BY alert_by_subject WHERE subject = ?3 AND id > ?1",
            taken!()
        ),
        (_, Some(_), None) => concat!(
            "SELECT ",
            columns!(),
            " FROM alert INDEXED BY alert_by_rule WHERE rule = ?2 AND id > ?1",
            taken!()
        ),
        (_, None, None) => concat!("SELECT ", columns!(), " FROM alert WHERE id > ?1", taken!()),
    };
    list(connection, sql, params![after, rule, subject, filter.open, page.limit], parse)
}

/// How many are not closed, by each rule by which there are some, in the order of the rules' numbers.
pub(in crate::sqlite) fn count_open(connection: Guarded<'_>) -> Result<Vec<(AlertRule, u64)>, StoreError> {
    let sql = "SELECT rule, count(*) FROM alert INDEXED BY alert_open_finding WHERE closed_at IS NULL AND rule >= 0 \
               GROUP BY rule ORDER BY rule";
    list(connection, sql, [], |row| {
        let mut columns = Columns::new(TABLE, row);
        Ok((rule(&mut columns)?, columns.count()?))
    })
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Alert>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM alert WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Alert, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    let alert = Alert {
        id: AlertId::from_bytes(columns.array()?),
        rule: rule(&mut columns)?,
        subject: subject(&mut columns)?,
        raised_at: columns.instant()?,
        last_at: columns.instant()?,
        count: columns.count()?,
        triaged: act(&mut columns)?,
        closed: act(&mut columns)?,
        reason: why(&mut columns)?,
        revision: columns.count()?,
    };
    alert.check().map_err(|reason| columns.damaged(reason))?;
    Ok(alert)
}

fn rule(columns: &mut Columns<'_>) -> Result<AlertRule, StoreError> {
    let code = columns.small()?;
    AlertRule::from_code(code).ok_or_else(|| columns.damaged("a rule that is not known"))
}

fn act(columns: &mut Columns<'_>) -> Result<Option<AlertAct>, StoreError> {
    match (columns.maybe(Columns::array)?, columns.maybe(Columns::instant)?) {
        (Some(by), Some(at)) => Ok(Some(AlertAct { by: PrincipalId::from_bytes(by), at })),
        (None, None) => Ok(None),
        _ => Err(columns.damaged("an act without an instant, or the other way round")),
    }
}

/// The kind of an object and its identifier; nothing for the whole deployment, so that an index tells one from another.
fn encode(subject: Option<Object>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(object) = subject {
        bytes.push(object.kind().code());
        bytes.extend(object.id());
    }
    bytes
}

fn subject(columns: &mut Columns<'_>) -> Result<Option<Object>, StoreError> {
    let Some((kind, id)) = columns.bytes()?.split_first() else { return Ok(None) };
    let object = Kind::from_code(*kind).and_then(|kind| Object::from_id(kind, id));
    object.map(Some).ok_or_else(|| columns.damaged("what it is about does not read"))
}

/// Writes an alert. What it is about is fixed; findings are counted, it is looked at, and it is closed once.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, alert: &Alert) -> Result<Applied, StoreError> {
    valid(TABLE, alert)?;
    let stored = find_by_id(connection, alert.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), alert)? {
        return Ok(Applied::Conflict);
    }
    let (triaged, closed) = (alert.triaged.as_ref(), alert.closed.as_ref());
    write_tagged(
        connection,
        &TAGGED,
        &[alert.id.as_bytes()],
        "INSERT INTO alert (id, rule, subject, raised_at, last_at, count, triaged_by, triaged_at, closed_by, closed_at, reason, \
         revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at, count = excluded.count, \
         triaged_by = excluded.triaged_by, triaged_at = excluded.triaged_at, closed_by = excluded.closed_by, \
         closed_at = excluded.closed_at, reason = excluded.reason, revision = excluded.revision",
        params![
            alert.id.as_bytes(),
            alert.rule.code(),
            encode(alert.subject),
            micros(TABLE, alert.raised_at)?,
            micros(TABLE, alert.last_at)?,
            integer(TABLE, alert.count)?,
            triaged.map(|act| act.by.as_bytes()),
            triaged.map(|act| micros(TABLE, act.at)).transpose()?,
            closed.map(|act| act.by.as_bytes()),
            closed.map(|act| micros(TABLE, act.at)).transpose()?,
            alert.reason.map(Why::to_bytes),
            next_revision(TABLE, alert.revision)?,
        ],
    )
}
