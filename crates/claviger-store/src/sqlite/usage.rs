//! What is kept of the uses of key versions.

use std::ops::RangeInclusive;

use claviger_core::port::StoreError;
use claviger_core::port::store::{UsageRows, UseCounts, VersionUsage};
use claviger_core::{KeyId, KeyVersionId};
use rusqlite::{OptionalExtension as _, params};

use super::columns::{Columns, find, integer, list, micros};
use super::error::translate;
use super::tag::Guarded;

const TABLE: &str = "version_usage";

/// Writes rows into the open transaction: what a row counts comes to what is there. What is kept already of a later use stays.
pub(super) fn put(connection: Guarded<'_>, shard: u32, usage: UsageRows<'_>) -> Result<(), StoreError> {
    let mut read = connection
        .prepare_cached(
            "SELECT last_index, protected, processed, bytes, children FROM version_usage WHERE key = ?1 AND number = ?2",
        )
        .map_err(translate)?;
    let mut upsert = connection
        .prepare_cached(
            "INSERT INTO version_usage (key, number, counted_to, last_index, last_at, last_op, protected, processed, bytes, children) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (key, number) DO UPDATE SET \
             counted_to = max(counted_to, excluded.counted_to), last_index = excluded.last_index, \
             last_at = excluded.last_at, last_op = excluded.last_op, protected = excluded.protected, \
             processed = excluded.processed, bytes = excluded.bytes, children = excluded.children",
        )
        .map_err(translate)?;
    for row in usage.rows {
        let (key, number) = (row.version.key.as_bytes(), row.version.number);
        let kept = read
            .query_row(params![key, number], |kept| {
                let count = |at| kept.get::<_, i64>(at).map(i64::cast_unsigned);
                let counts = UseCounts {
                    protected: count(1)?,
                    processed: count(2)?,
                    bytes: count(3)?,
                    children: count(4)?,
                };
                Ok((count(0)?, counts))
            })
            .optional()
            .map_err(translate)?;
        if kept.is_some_and(|(last_index, _)| last_index >= row.last_index) {
            continue;
        }
        let counts = kept.map_or(row.counts, |(_, counts)| counts.and(row.counts));
        upsert
            .execute(params![
                key,
                number,
                integer(TABLE, row.counted_to)?,
                integer(TABLE, row.last_index)?,
                micros(TABLE, row.last_at)?,
                row.last_operation,
                most(counts.protected),
                most(counts.processed),
                most(counts.bytes),
                most(counts.children),
            ])
            .map_err(translate)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO usage_head (shard_id, counted_to) VALUES (?1, ?2) ON CONFLICT (shard_id) DO UPDATE \
             SET counted_to = excluded.counted_to WHERE excluded.counted_to > counted_to",
        )
        .and_then(|mut upsert| upsert.execute(params![shard, usage.counted_to.cast_signed()]))
        .map_err(translate)?;
    Ok(())
}

/// A sum as a column has it: none passes the greatest number that fits.
fn most(sum: u64) -> i64 {
    i64::try_from(sum).unwrap_or(i64::MAX)
}

/// What is kept of versions of a key.
pub(super) fn list_of_key(
    connection: Guarded<'_>,
    key: KeyId,
    numbers: &RangeInclusive<u32>,
) -> Result<Vec<VersionUsage>, StoreError> {
    let sql = "SELECT number, counted_to, last_index, last_at, last_op, protected, processed, bytes, children FROM version_usage \
               WHERE key = ?1 AND number BETWEEN ?2 AND ?3 ORDER BY number";
    list(connection, sql, params![key.as_bytes(), numbers.start(), numbers.end()], |row| {
        let mut columns = Columns::new(TABLE, row);
        Ok(VersionUsage {
            version: KeyVersionId { key, number: columns.small()? },
            counted_to: columns.count()?,
            last_index: columns.count()?,
            last_at: columns.instant()?,
            last_operation: columns.small()?,
            counts: UseCounts {
                protected: columns.count()?,
                processed: columns.count()?,
                bytes: columns.count()?,
                children: columns.count()?,
            },
        })
    })
}

/// Up to which index the table considers the log of a shard.
pub(super) fn counted_to(connection: Guarded<'_>, shard: u32) -> Result<u64, StoreError> {
    let sql = "SELECT counted_to FROM usage_head WHERE shard_id = ?1";
    let found = find(connection, sql, [shard], |row| Columns::new("usage_head", row).count())?;
    Ok(found.unwrap_or(0))
}
