//! The schema: migrations, and what is checked when a store is opened.

use claviger_core::port::StoreError;
use claviger_crypto::random;
use rusqlite::{Connection, Params};

use super::columns::{Columns, find, list};
use super::error::{damaged, translate};
use super::log;
use super::row::grant;
use super::tag::Guarded;

/// `Clav`: distinguishes a store from every other SQLite file.
const APPLICATION_ID: u32 = 0x436c_6176;

/// One after the other, each brings a store from its index to the next version. What is released is never edited.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../migrations/sqlite/0001.sql"),
    include_str!("../../migrations/sqlite/0002.sql"),
    include_str!("../../migrations/sqlite/0003.sql"),
];

/// Brings the schema up to this release, or makes it.
pub(super) fn migrate(connection: &Connection) -> Result<(), StoreError> {
    migrate_to(connection, u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX))
}

/// Brings the schema up to version `known`, beyond which nothing is known.
pub(super) fn migrate_to(connection: &Connection, known: u32) -> Result<(), StoreError> {
    let found = version(connection)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (at, migration) in (1..=known).zip(MIGRATIONS).skip_while(|(at, _)| *at <= found) {
        connection.execute_batch("BEGIN IMMEDIATE").map_err(translate)?;
        let outcome = step(connection, at, migration);
        if outcome.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK").map_err(translate)?;
        }
        outcome?;
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<u32, StoreError> {
    let application = pragma(connection, "PRAGMA application_id")?;
    let version = pragma(connection, "PRAGMA user_version")?;
    let is_empty = scalar(connection, "SELECT count(*) FROM sqlite_schema", [])? == 0;
    match (application, version) {
        (0, 0) if is_empty => Ok(0),
        (id, version) if id == u64::from(APPLICATION_ID) && version > 0 && !is_empty => {
            u32::try_from(version)
                .map_err(|_| damaged("sqlite_schema", "the version of the schema is out of range"))
        }
        _ => Err(StoreError::Corrupt("`store.db` is not a store of Claviger".to_owned())),
    }
}

fn step(connection: &Connection, version: u32, migration: &str) -> Result<(), StoreError> {
    connection.execute_batch(migration).map_err(translate)?;
    if version == 1 {
        let uuid: [u8; 16] = random::array().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        connection
            .execute("INSERT INTO fence (id, epoch, state_seq, db_uuid) VALUES (1, 0, 0, ?1)", [uuid])
            .map_err(translate)?;
        // RFC 6962, 2.1: the root of a tree without leaves.
        connection
            .execute(
                "INSERT INTO root_head (id, size, root, signed_size, signed_note) VALUES (1, 0, ?1, 0, '')",
                [EMPTY_ROOT],
            )
            .map_err(translate)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(translate)?;
    }
    if version == 2 {
        grant::complete(Guarded::off(connection))?;
    }
    connection.pragma_update(None, "user_version", version).map_err(translate)?;
    connection.execute_batch("COMMIT").map_err(translate)
}

/// SHA-256 of nothing.
pub(super) const EMPTY_ROOT: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// What can be checked of a store of any size at once: the small tables page by page, and that heads, last batches, last
/// deltas and last cuts agree. The rest is checked row by row as it is read.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    for table in ["fence", "shard_head", "root_head"] {
        let sql = format!("PRAGMA quick_check({table})");
        let verdicts = list(Guarded::off(connection), &sql, [], |row| {
            Columns::new("sqlite_schema", row).text().map(str::to_owned)
        })?;
        if verdicts != ["ok"] {
            return Err(damaged(table, verdicts.join("; ")));
        }
    }
    let epoch = log::epoch(Guarded::off(connection))?;
    let deltas = scalar(connection, "SELECT coalesce(max(epoch), 0) FROM fence_delta", [])?;
    if deltas != epoch {
        return Err(damaged("fence_delta", format_args!("its last epoch is {deltas}, the fence's {epoch}")));
    }
    let root = log::root_head(Guarded::off(connection))?;
    let cuts = scalar(connection, "SELECT coalesce(max(idx) + 1, 0) FROM root_leaf", [])?;
    if cuts != root.size {
        return Err(damaged("root_leaf", format_args!("there are {cuts} cuts, the head says {}", root.size)));
    }
    for head in log::list_heads(Guarded::off(connection))? {
        let last = match head.size.checked_sub(1) {
            None => None,
            Some(last) => {
                log::list_batches(Guarded::off(connection), head.shard, last, 2)?.into_iter().next_back()
            }
        };
        let (size, root) =
            last.map_or((0, EMPTY_ROOT), |batch| (batch.first_index + u64::from(batch.count), batch.root));
        if (size, root) != (head.size, head.root) {
            return Err(damaged(
                "audit_batch",
                format_args!("the last batch is not the one that the head of shard {} names", head.shard),
            ));
        }
        if head.epoch != epoch {
            return Err(damaged(
                "shard_head",
                format_args!("shard {} is not at the fence's epoch", head.shard),
            ));
        }
    }
    Ok(())
}

fn pragma(connection: &Connection, sql: &str) -> Result<u64, StoreError> {
    scalar(connection, sql, [])
}

fn scalar(connection: &Connection, sql: &str, params: impl Params) -> Result<u64, StoreError> {
    let number =
        find(Guarded::off(connection), sql, params, |row| Columns::new("sqlite_schema", row).count())?;
    number.ok_or_else(|| damaged("sqlite_schema", "a number is missing"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use claviger_core::change::RequestScheme;
    use claviger_core::object::RowCursor;
    use claviger_core::port::Store as _;
    use claviger_core::{KeyId, KeyRingId, PrincipalId};
    use claviger_crypto::SecretBytes;
    use claviger_crypto::kdf::HmacSha256;

    use super::*;
    use crate::{SqliteOptions, SqliteStore};

    #[tokio::test]
    async fn a_store_of_schema_1_is_migrated_to_this_one_and_keeps_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        {
            let old = Connection::open(directory.path().join("store.db")).unwrap();
            old.execute_batch("BEGIN IMMEDIATE").unwrap();
            step(&old, 1, MIGRATIONS[0]).unwrap();
            old.execute("INSERT INTO document (name, bytes) VALUES ('deployment', x'61')", []).unwrap();
            let call = "INSERT INTO idempotency (principal, key_digest, request_digest, created, created_at) \
                        VALUES (?1, ?2, ?2, ?1, 7)";
            old.execute(call, ([1; 16], [2; 32])).unwrap();
            let ring = "INSERT INTO ring (id, name, protection, destroy_waiting_period, quorum, separation, kek, created_at, revision) \
                        VALUES (?1, 'orders', 'software', 7, 2, 'strict', x'61', 7, 1)";
            old.execute(ring, [[3; 16]]).unwrap();
        }
        let store = SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap();
        assert_eq!(store.find_document("deployment").await.unwrap(), Some(vec![b'a']));
        let key = Arc::new(HmacSha256::new(&SecretBytes::new(vec![1; 32])));
        let mut next = Some(RowCursor::default());
        while let Some(from) = next {
            next = store.tag_rows(Arc::clone(&key), from, 100).await.unwrap();
        }
        store.open_rows(key);
        // What wraps the KEK, that release did not keep.
        let ring = store.find_ring(KeyRingId::from_bytes([3; 16])).await.unwrap().unwrap();
        assert_eq!((ring.kek, ring.kek_wrap), (vec![b'a'], None));
        // What it is the digest of, only the release knew that wrote it.
        let call = store.find_idempotency(PrincipalId::from_bytes([1; 16]), &[2; 32]).await.unwrap().unwrap();
        assert_eq!((call.scheme, call.request_digest), (RequestScheme::Text, [2; 32]));
        assert_eq!(store.usage_counted_to(1).await.unwrap(), 0);
        assert!(store.list_usage(KeyId::from_bytes([1; 16]), 0..=9).await.unwrap().is_empty());
        drop(store);
        let connection = Connection::open(directory.path().join("store.db")).unwrap();
        assert_eq!(version(&connection).unwrap(), u32::try_from(MIGRATIONS.len()).unwrap());
    }

    #[test]
    fn a_store_of_a_newer_release_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap());
        let connection = Connection::open(directory.path().join("store.db")).unwrap();
        let known = u32::try_from(MIGRATIONS.len()).unwrap();
        connection.pragma_update(None, "user_version", known + 1).unwrap();
        drop(connection);
        let refused = SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap_err();
        assert_eq!(refused, StoreError::Newer { found: known + 1, known });
    }
}
