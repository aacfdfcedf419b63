//! Table `log_time`: one row.

use claviger_core::log_time::{Step, TimeRecord};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::row::Row as _;
use rusqlite::params;

use super::super::columns::{Columns, find, micros};
use super::super::plain::{self, LOG_TIME};
use super::super::tag::{Guarded, Line};
use super::{Seen, next_revision, seen, valid, write};

const TABLE: &str = "log_time";

/// What is remembered; the default before anything is.
pub(in crate::sqlite) fn load(connection: Guarded<'_>) -> Result<TimeRecord, StoreError> {
    Ok(find_row(connection)?.unwrap_or_default())
}

fn find_row(connection: Guarded<'_>) -> Result<Option<TimeRecord>, StoreError> {
    find(connection, &plain::select(&LOG_TIME), [1], |row| {
        connection.hold_plain(&LOG_TIME, row.row)?;
        parse(row)
    })
}

fn parse(row: &Line<'_>) -> Result<TimeRecord, StoreError> {
    let mut columns = Columns::new(TABLE, row).behind(2);
    let record = TimeRecord {
        confirmed_at: columns.maybe(Columns::instant)?,
        held_at: columns.maybe(Columns::instant)?,
        steps: columns
            .bytes()
            .and_then(|bytes| decode(bytes).ok_or_else(|| columns.damaged("these are no steps")))?,
        snapshot_at: columns.maybe(Columns::instant)?,
        scanned_at: columns.maybe(Columns::instant)?,
        evaluated_at: columns.maybe(Columns::instant)?,
        revision: columns.count()?,
    };
    record.check().map_err(|reason| columns.damaged(reason))?;
    Ok(record)
}

fn decode(bytes: &[u8]) -> Option<Vec<Step>> {
    let (pairs, []) = bytes.as_chunks::<16>() else { return None };
    let number = |half: &[u8]| half.try_into().ok().map(u64::from_be_bytes);
    pairs.iter().map(|pair| Some(Step { hour: number(&pair[..8])?, micros: number(&pair[8..])? })).collect()
}

fn encode(steps: &[Step]) -> Vec<u8> {
    steps.iter().flat_map(|step| [step.hour.to_be_bytes(), step.micros.to_be_bytes()].concat()).collect()
}

/// Writes the row.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, record: &TimeRecord) -> Result<Applied, StoreError> {
    valid(TABLE, record)?;
    let stored = find_row(connection)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), record)? {
        return Ok(Applied::Conflict);
    }
    let applied = write(
        connection,
        "INSERT INTO log_time (id, confirmed_at, held_at, steps, snapshot_at, scanned_at, evaluated_at, revision) \
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (id) DO UPDATE SET confirmed_at = excluded.confirmed_at, held_at = excluded.held_at, \
         steps = excluded.steps, snapshot_at = excluded.snapshot_at, scanned_at = excluded.scanned_at, \
         evaluated_at = excluded.evaluated_at, revision = excluded.revision",
        params![
            record.confirmed_at.map(|at| micros(TABLE, at)).transpose()?,
            record.held_at.map(|at| micros(TABLE, at)).transpose()?,
            encode(&record.steps),
            record.snapshot_at.map(|at| micros(TABLE, at)).transpose()?,
            record.scanned_at.map(|at| micros(TABLE, at)).transpose()?,
            record.evaluated_at.map(|at| micros(TABLE, at)).transpose()?,
            next_revision(TABLE, record.revision)?,
        ],
    )?;
    connection.stamp_plain(&LOG_TIME, &[&1])?;
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_back_as_they_were_written() {
        let steps = vec![Step { hour: 472_222, micros: 1 }, Step { hour: 472_223, micros: u64::MAX }];
        assert_eq!(decode(&encode(&steps)), Some(steps));
        assert_eq!(decode(&[0; 15]), None);
        assert_eq!(decode(&[]), Some(Vec::new()));
    }
}
