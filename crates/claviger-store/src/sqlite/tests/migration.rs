//! Stores of earlier schemas open, and have what they would have had if they had been made today.

use claviger_core::port::store::{GrantFilter, MixedUse};
use claviger_core::{Action, GrantId};
use rusqlite::Connection;

use super::super::{directory, schema};
use super::*;

/// A store of the first schema, with what `rows` say, as an earlier release leaves it.
fn of_schema_1(rows: &str) -> (SqliteStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let place = directory::Directory::take(&data).unwrap();
    let connection = Connection::open(place.database()).unwrap();
    schema::migrate_to(&connection, 1).unwrap();
    connection.execute_batch(rows).unwrap();
    drop((connection, place));
    (SqliteStore::open(&data, SqliteOptions::default()).unwrap(), directory)
}

#[tokio::test]
async fn grants_of_schema_1_are_found_by_ring_and_by_what_they_give() {
    let rows = "
        INSERT INTO ring VALUES (x'00000000000000000000000000000001', 'orders', 'software', NULL, NULL, NULL, 1, 0, 'relaxed', x'00', 0, 1);
        INSERT INTO key VALUES (x'00000000000000000000000000000002', x'00000000000000000000000000000001', 'orders', 'main', 'encrypt', 'aes-256-gcm',
            'software', 'internal', '', zeroblob(16), NULL, NULL, 'active', 1, 0, NULL, 0, 1);
        INSERT INTO principal VALUES (x'00000000000000000000000000000003', 'app', 'workload', 'active', '', NULL, x'00', 0, 1);
        INSERT INTO principal VALUES (x'00000000000000000000000000000004', 'batch', 'workload', 'active', '', NULL, x'00', 0, 1);
        INSERT INTO grants VALUES (x'00000000000000000000000000000005', x'00000000000000000000000000000003', x'00000000000000000000000000000002', NULL,
            'encrypt,rotate_key', NULL, 'why', 'name', NULL, zeroblob(16), 0, 'active', 1);
        INSERT INTO grants VALUES (x'00000000000000000000000000000006', x'00000000000000000000000000000004', NULL, x'00000000000000000000000000000001',
            'encrypt,decrypt', NULL, 'why', NULL, NULL, zeroblob(16), 0, 'revoked', 2);";
    let (store, _directory) = of_schema_1(rows);
    let id = |last: u8| {
        let mut id = [0; 16];
        id[15] = last;
        id
    };
    let everything = GrantFilter { with_revoked: true, ..GrantFilter::default() };
    let grants = store.list_grants(everything, Page { after: None, limit: 10 }).await.unwrap();
    let ids: Vec<_> = grants.iter().map(|grant| grant.id).collect();
    assert_eq!(ids, [GrantId::from_bytes(id(5)), GrantId::from_bytes(id(6))]);
    assert_eq!(grants[0].operations, [Action::Encrypt, Action::RotateKey]);
    let (ring, app) = (KeyRingId::from_bytes(id(1)), PrincipalId::from_bytes(id(3)));
    let mixed = MixedUse { principal: app, administers: true };
    assert_eq!(store.find_mixed_use(ring).await.unwrap(), Some(mixed));
    assert!(store.find_strictest_use(app).await.unwrap().is_some());
    assert_eq!(store.find_strictest_use(PrincipalId::from_bytes(id(4))).await.unwrap(), None);
}
