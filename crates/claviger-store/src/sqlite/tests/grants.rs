//! Grants in the database.

use claviger_core::change::Change;
use claviger_core::grant::MAX_ACTIVE;
use claviger_core::port::store::{Applied, GrantRoom};
use claviger_core::principal::PrincipalKind;

use super::*;

#[tokio::test]
async fn active_grants_on_a_key_are_counted_and_bounded() {
    let mut shelf = shelf();
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let app = shelf.principal(1, PrincipalKind::Workload);
    let (first, second, third) = (
        numbered(1, &app, &key, &[]),
        numbered(2, &app, &key, &[("a", "1")]),
        numbered(3, &app, &key, &[("b", "1")]),
    );
    shelf.give(&first);
    // As if there were as many as there can be, save one.
    let database = shelf.directory.path().join("data/store.db");
    let filled = rusqlite::Connection::open(database).unwrap();
    let changed = filled.execute("UPDATE grant_count SET active = ?1", [MAX_ACTIVE as i64 - 1]).unwrap();
    assert_eq!(changed, 1);
    drop(filled);
    shelf.give(&second);
    assert_eq!(shelf.store.find_grant_room(third.clone()).await.unwrap(), GrantRoom::TooManyOnTarget);
    assert_eq!(shelf.apply(&[Change::PutGrant(third.clone())]), Applied::Conflict);
    assert_eq!(shelf.apply(&[revoked(&first)]), Applied::Yes);
    shelf.give(&third);
    assert_eq!(shelf.store.find_grant_room(first).await.unwrap(), GrantRoom::TooManyOnTarget);
}
