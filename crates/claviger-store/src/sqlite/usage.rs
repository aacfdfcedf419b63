//! What is kept of the uses of key versions.

use claviger_core::port::StoreError;
use claviger_core::port::store::{UsageRows, VersionUsage};
use claviger_core::{KeyId, KeyVersionId};
use rusqlite::params;

use super::columns::{Columns, find, integer, list, micros};
use super::error::translate;
use super::tag::Guarded;

const TABLE: &str = "version_usage";

/// Writes rows into the open transaction. What is kept already of a later use stays.
pub(super) fn put(connection: Guarded<'_>, shard: u32, usage: UsageRows<'_>) -> Result<(), StoreError> {
    let mut upsert = connection
        .prepare_cached(
            "INSERT INTO version_usage (key, number, counted_to, last_index, last_at, last_op) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key, number) DO UPDATE SET \
             counted_to = max(counted_to, excluded.counted_to), last_index = excluded.last_index, \
             last_at = excluded.last_at, last_op = excluded.last_op WHERE excluded.last_index > last_index",
        )
        .map_err(translate)?;
    for row in usage.rows {
        upsert
            .execute(params![
                row.version.key.as_bytes(),
                row.version.number,
                integer(TABLE, row.counted_to)?,
                integer(TABLE, row.last_index)?,
                micros(TABLE, row.last_at)?,
                row.last_operation
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

/// What is kept of the versions of a key.
pub(super) fn list_of_key(connection: Guarded<'_>, key: KeyId) -> Result<Vec<VersionUsage>, StoreError> {
    let sql = "SELECT number, counted_to, last_index, last_at, last_op FROM version_usage WHERE key = ?1";
    list(connection, sql, [key.as_bytes()], |row| {
        let mut columns = Columns::new(TABLE, row);
        Ok(VersionUsage {
            version: KeyVersionId { key, number: columns.small()? },
            counted_to: columns.count()?,
            last_index: columns.count()?,
            last_at: columns.instant()?,
            last_operation: columns.small()?,
        })
    })
}

/// Up to which index the table considers the log of a shard.
pub(super) fn counted_to(connection: Guarded<'_>, shard: u32) -> Result<u64, StoreError> {
    let sql = "SELECT counted_to FROM usage_head WHERE shard_id = ?1";
    let found = find(connection, sql, [shard], |row| Columns::new("usage_head", row).count())?;
    Ok(found.unwrap_or(0))
}
