//! Rows that are older ones, or missing, though the tag of each that is there holds.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use claviger_core::alert::{Alert, AlertAct, AlertRule};
use claviger_core::change::Change;
use claviger_core::key::KeyVersion;
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, RowRoot};
use claviger_core::principal::{Principal, PrincipalKind};
use claviger_core::{
    AlertId, BreakGlassId, Governance, GovernanceId, KeyId, KeyRingId, KeyVersionId, PrincipalId, ReviewId,
};
use rusqlite::Connection;

use super::*;

fn database(shelf: &Shelf) -> Connection {
    let database = Connection::open(shelf.directory.path().join("data/store.db")).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}

const APP: PrincipalId = PrincipalId::from_bytes([3; 16]);

/// The next revision of a principal, with a home that says which it is.
fn next(principal: &Principal, home: u8) -> Change {
    Change::PutPrincipal(Principal { home: Some(KeyRingId::from_bytes([home; 16])), ..principal.clone() })
}

#[tokio::test]
async fn an_older_row_with_its_tag_is_refused_and_so_is_one_whose_index_says_otherwise() {
    let mut shelf = counted_shelf().await;
    shelf.ring(1, None);
    let principal = shelf.principal(3, PrincipalKind::Workload);
    let database = database(&shelf);
    database.execute_batch("CREATE TEMP TABLE older AS SELECT * FROM principal").unwrap();
    let tag: Vec<u8> = database.query_row("SELECT tag FROM older", [], |row| row.get(0)).unwrap();
    assert_eq!(shelf.apply(&[next(&principal, 1)]), Applied::Yes);
    database.execute_batch("CREATE TEMP TABLE newer AS SELECT * FROM principal").unwrap();
    let refused = Err(StoreError::RowAltered(Object::Principal(APP)));
    assert_eq!(shelf.store.find_principal(APP).await.unwrap().unwrap().revision, 2);

    database.execute_batch("DELETE FROM principal; INSERT INTO principal SELECT * FROM older").unwrap();
    assert_eq!(shelf.store.find_principal(APP).await, refused);
    assert_eq!(shelf.store.find_principal_by_name(&principal.name).await, refused);
    assert_eq!(shelf.store.count_wrong_blocks(Kind::Principal).await.unwrap(), 1);
    database.execute_batch("DELETE FROM principal").unwrap();
    assert_eq!(shelf.store.find_principal(APP).await, refused);
    assert_eq!(shelf.store.count_wrong_blocks(Kind::Principal).await.unwrap(), 1);
    database.execute_batch("INSERT INTO principal SELECT * FROM newer").unwrap();
    assert_eq!(shelf.store.find_principal(APP).await.unwrap().unwrap().revision, 2);
    assert_eq!(shelf.store.count_wrong_blocks(Kind::Principal).await.unwrap(), 0);

    // The older row, under an index that still has the newer revision.
    database.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    database
        .execute_batch(
            "PRAGMA writable_schema = ON; \
             CREATE TABLE aside AS SELECT * FROM sqlite_schema WHERE name = 'principal_revision'; \
             DELETE FROM sqlite_schema WHERE name = 'principal_revision'",
        )
        .unwrap();
    let Shelf { store, journal, directory, .. } = shelf;
    drop((store, journal));
    let path = directory.path().join("data/store.db");
    drop(database);
    let older = Connection::open(&path).unwrap();
    older.pragma_update(None, "foreign_keys", false).unwrap();
    older.execute("UPDATE principal SET home = NULL, revision = 1, tag = ?1", [tag]).unwrap();
    older.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    older
        .execute_batch(
            "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM aside; DROP TABLE aside",
        )
        .unwrap();
    drop(older);
    let store = SqliteStore::open(&directory.path().join("data"), SqliteOptions::default()).unwrap();
    store.open_rows(row_key());
    store.load_row_blocks().await.unwrap();
    assert_eq!(store.count_wrong_blocks(Kind::Principal).await.unwrap(), 0, "the index is as it was");
    assert_eq!(store.find_principal(APP).await, refused);
}

/// What lies with a row that was taken out is not written, so that no commit takes what is left for all there was; and what its name is
/// free for again is not made.
#[tokio::test]
async fn a_row_that_was_taken_out_is_not_forgotten_by_the_next_commit() {
    let mut shelf = counted_shelf().await;
    shelf.ring(1, None);
    let taken_out = shelf.principal(3, PrincipalKind::Workload);
    let mut near = [3; 16];
    near[15] = 4;
    let near =
        Principal { id: PrincipalId::from_bytes(near), name: "near".parse().unwrap(), ..taken_out.clone() };
    let near = Principal { revision: 0, ..near };
    let far = Principal { id: PrincipalId::from_bytes([0x80; 16]), ..near.clone() };
    let database = database(&shelf);
    database
        .execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM principal; DELETE FROM principal")
        .unwrap();
    let put = |shelf: &mut Shelf, principal: &Principal| {
        let applied = shelf.journal.apply(&[Change::PutPrincipal(principal.clone())]);
        shelf.journal.roll_back();
        applied
    };
    let refused = |principal: &Principal| Err(StoreError::RowAltered(Object::Principal(principal.id)));
    assert_eq!(put(&mut shelf, &near), refused(&near));
    // Elsewhere, as long as nobody has looked; by the name that is free.
    let squatter = Principal { name: taken_out.name.clone(), ..far.clone() };
    assert_eq!(put(&mut shelf, &squatter), Ok(Applied::Yes));
    assert_eq!(shelf.store.count_wrong_blocks(Kind::Principal).await.unwrap(), 1);
    assert_eq!(put(&mut shelf, &squatter), refused(&far));
    assert_eq!(put(&mut shelf, &far), refused(&far));
    // Rows of other kinds are made.
    shelf.ring(2, None);
    database.execute_batch("INSERT INTO principal SELECT * FROM kept").unwrap();
    assert_eq!(shelf.store.count_wrong_blocks(Kind::Principal).await.unwrap(), 0);
    assert_eq!(put(&mut shelf, &near), Ok(Applied::Yes));
    assert_eq!(put(&mut shelf, &far), Ok(Applied::Yes));
}

#[tokio::test]
async fn rules_of_the_deployment_that_are_taken_out_or_older_ones_are_refused() {
    let mut shelf = counted_shelf().await;
    let lax = Governance { quorum: 0, ..Governance::of_new_deployment(APP, at(1)) };
    assert_eq!(shelf.apply(&[Change::PutGovernance(lax.clone())]), Applied::Yes);
    let database = database(&shelf);
    database.execute_batch("CREATE TEMP TABLE older AS SELECT * FROM governance").unwrap();
    let strict = Governance { quorum: 2, revision: 1, ..lax };
    assert_eq!(shelf.apply(&[Change::PutGovernance(strict.clone())]), Applied::Yes);
    database.execute_batch("CREATE TEMP TABLE newer AS SELECT * FROM governance").unwrap();
    let refused = Err(StoreError::RowAltered(Object::Governance(GovernanceId::ONLY)));
    for edit in ["", "INSERT INTO governance SELECT * FROM older"] {
        database.execute_batch(&format!("DELETE FROM governance; {edit}")).unwrap();
        assert_eq!(shelf.store.find_governance().await, refused, "{edit}");
        let lower = Governance { quorum: 1, revision: 1, ..strict.clone() };
        let written = shelf.journal.apply(&[Change::PutGovernance(lower)]);
        assert!(matches!(written, Err(StoreError::RowAltered(_))), "{edit}: {written:?}");
        shelf.journal.roll_back();
    }
    database.execute_batch("DELETE FROM governance; INSERT INTO governance SELECT * FROM newer").unwrap();
    let found = shelf.store.find_governance().await.unwrap();
    assert_eq!(found, Some(Governance { revision: 2, ..strict }));
}

/// The root of a store without rows, as a release had it that knew the first 14 kinds.
const OF_14_KINDS: [u8; 32] = [
    0x00, 0xd8, 0xdf, 0x93, 0x40, 0x9b, 0x44, 0x6e, 0xa3, 0xe2, 0x68, 0xae, 0xcb, 0x59, 0xde, 0x98, 0x87,
    0x9a, 0xd4, 0xd3, 0xaf, 0xc6, 0x1b, 0x4f, 0xcb, 0x5e, 0x2a, 0x9e, 0xb6, 0x34, 0x44, 0x70,
];

#[tokio::test]
async fn of_a_later_kind_the_root_speaks_from_its_first_row_on_and_none_is_taken_out_unseen() {
    let mut shelf = counted_shelf().await;
    assert_eq!(shelf.journal.row_root(), OF_14_KINDS);
    let mut roots = BTreeSet::from([OF_14_KINDS]);
    let raised = shelf::alert(1, AlertRule::BreakGlassOpened, None);
    for change in [
        Change::PutBreakGlass(shelf::break_glass(1, APP)),
        Change::PutAlert(raised.clone()),
        Change::PutReview(shelf::review(1)),
    ] {
        assert_eq!(shelf.apply(&[change]), Applied::Yes);
        assert!(roots.insert(shelf.journal.row_root()));
    }
    let database = database(&shelf);
    let id = [1; 16];
    for kind in [Kind::Review, Kind::Alert, Kind::BreakGlass] {
        let taken_out = format!("CREATE TEMP TABLE kept AS SELECT * FROM {kind}; DELETE FROM {kind}");
        database.execute_batch(&taken_out).unwrap();
        let found = match kind {
            Kind::Review => shelf.store.find_review(ReviewId::from_bytes(id)).await.err(),
            Kind::Alert => shelf.store.find_alert(AlertId::from_bytes(id)).await.err(),
            _ => shelf.store.find_break_glass(BreakGlassId::from_bytes(id)).await.err(),
        };
        assert_eq!(found, Object::from_id(kind, &id).map(StoreError::RowAltered));
        assert_eq!(shelf.store.count_wrong_blocks(kind).await.unwrap(), 1, "{kind}");
        database.execute_batch(&format!("INSERT INTO {kind} SELECT * FROM kept; DROP TABLE kept")).unwrap();
        assert_eq!(shelf.store.count_wrong_blocks(kind).await.unwrap(), 0, "{kind}");
    }
    // An alert that somebody closed is not open again by its older row, and not found again by it.
    database.execute_batch("CREATE TEMP TABLE older AS SELECT * FROM alert").unwrap();
    let act = Some(AlertAct { by: APP, at: at(2) });
    let closed = Alert { closed: act, revision: 1, ..raised.clone() };
    assert_eq!(shelf.apply(&[Change::PutAlert(closed)]), Applied::Yes);
    database.execute_batch("DELETE FROM alert; INSERT INTO alert SELECT * FROM older").unwrap();
    let refused = Err(StoreError::RowAltered(Object::Alert(raised.id)));
    assert_eq!(shelf.store.find_alert(raised.id).await, refused);
    assert_eq!(shelf.store.find_open_alert(raised.rule, raised.subject).await, refused);
    let again = Change::PutAlert(Alert { count: 2, revision: 1, ..raised });
    assert!(matches!(shelf.journal.apply(&[again]), Err(StoreError::RowAltered(_))));
    shelf.journal.roll_back();
}

#[tokio::test]
async fn what_is_kept_follows_each_commit_and_reads_back_the_same() {
    let mut shelf = counted_shelf().await;
    let mut roots = vec![shelf.journal.row_root()];
    shelf.ring(1, None);
    roots.push(shelf.journal.row_root());
    let principal = shelf.principal(3, PrincipalKind::Workload);
    roots.push(shelf.journal.row_root());
    // What is taken back changes nothing, whatever comes behind it.
    shelf.journal.apply(&[next(&principal, 1)]).unwrap();
    shelf.journal.roll_back();
    assert_eq!(shelf.journal.row_root(), roots[2]);
    assert_eq!(shelf.apply(&[next(&principal, 1)]), Applied::Yes);
    roots.push(shelf.journal.row_root());
    let all: BTreeSet<_> = roots.iter().collect();
    assert_eq!(all.len(), roots.len());
    let kept = shelf.store.find_row_root().await.unwrap().unwrap();
    assert_eq!(kept, RowRoot { root: roots[3], log_size: 3, log_root: [1; 32] });
    let path = shelf.directory.path().join("data");
    let Shelf { store, journal, directory: _directory, .. } = shelf;
    drop((store, journal));
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    store.open_rows(row_key());
    assert_eq!(store.load_row_blocks().await.unwrap(), roots[3]);
    // Made anew of the rows, it is the same.
    store.make_row_root(kept.log_size, kept.log_root).await.unwrap();
    assert_eq!(store.load_row_blocks().await.unwrap(), roots[3]);
    drop(store);
    let edited = Connection::open(path.join("store.db")).unwrap();
    edited.execute("UPDATE row_root SET log_size = 2", []).unwrap();
    drop(edited);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    store.open_rows(row_key());
    assert!(matches!(store.find_row_root().await, Err(StoreError::Corrupt(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_change_all_the_time_are_read_without_a_false_alarm() {
    let mut shelf = counted_shelf().await;
    for ring in 1..=9 {
        shelf.ring(ring, None);
    }
    let mut principal = shelf.principal(3, PrincipalKind::Workload);
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (store, done) = (shelf.store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut reads, mut newest) = (0_u32, 0);
                while !done.load(Ordering::Relaxed) {
                    let found = store.find_principal(APP).await.unwrap().unwrap();
                    assert!(found.revision >= newest, "an older row than was read before");
                    newest = found.revision;
                    assert_eq!(store.count_wrong_blocks(Kind::Principal).await.unwrap(), 0);
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for turn in 0..400_u32 {
        let home = u8::try_from(turn % 9).unwrap() + 1;
        assert_eq!(shelf.apply(&[next(&principal, home)]), Applied::Yes);
        principal.revision += 1;
        if turn % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(shelf.store.altered_rows(), 0);
}

#[tokio::test]
async fn versions_of_a_key_lie_in_blocks_of_128_and_none_is_taken_out_unseen() {
    const LAST: u32 = 600;
    let mut shelf = counted_shelf().await;
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 0xff, |_| {});
    let first = shelf::version_of(&shelf, &key).await;
    let version = |number| Change::PutVersion(KeyVersion { id: id(number), revision: 0, ..first.clone() });
    let numbers: Vec<u32> = (2..=LAST).collect();
    for some in numbers.chunks(100) {
        let changes: Vec<_> = some.iter().map(|number| version(*number)).collect();
        assert_eq!(shelf.apply(&changes), Applied::Yes);
    }
    let database = database(&shelf);
    let blocks = |database: &Connection| -> Vec<i64> {
        let sql = "SELECT block FROM row_block WHERE kind = ?1 ORDER BY block";
        let mut select = database.prepare(sql).unwrap();
        let rows = select.query_map([Kind::Version.code()], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    // The last block of all is followed by the first.
    assert_eq!(blocks(&database), [0, 1, 2, 3, 16_383]);
    assert_eq!(shelf.store.count_wrong_blocks(Kind::Version).await.unwrap(), 0);
    // One more touches one of them.
    let before = shelf.journal.row_root();
    assert_eq!(shelf.apply(&[version(LAST + 1)]), Applied::Yes);
    assert_ne!(shelf.journal.row_root(), before);
    assert_eq!(blocks(&database).len(), 5);

    database.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM key_version").unwrap();
    let back = "DELETE FROM key_version; INSERT INTO key_version SELECT * FROM kept";
    // The newest; all of the last block; all but the first block, which leaves nothing that looks cut off.
    for from in [LAST + 1, 513, 129] {
        database.execute("DELETE FROM key_version WHERE number >= ?1", [from]).unwrap();
        let refused = shelf.store.find_key(key.id).await;
        assert!(matches!(refused, Err(StoreError::RowAltered(_))), "from {from}: {refused:?}");
        let refused = shelf.store.find_version(id(from)).await;
        assert_eq!(refused, Err(StoreError::RowAltered(Object::Version(id(from)))));
        database.execute_batch(back).unwrap();
    }
    // One in the middle: what lies with it is refused, the version before it, which might be the last, and nothing else.
    database.execute("DELETE FROM key_version WHERE number = 200", []).unwrap();
    for (number, is_refused) in
        [(127, false), (128, true), (129, true), (200, true), (256, true), (257, false)]
    {
        assert_eq!(shelf.store.find_version(id(number)).await.is_err(), is_refused, "{number}");
    }
    assert_eq!(shelf.store.find_key(key.id).await.unwrap().unwrap().versions.len(), 65);
    assert_eq!(shelf.store.count_wrong_blocks(Kind::Version).await.unwrap(), 1);
    database.execute_batch(back).unwrap();
    assert_eq!(shelf.store.count_wrong_blocks(Kind::Version).await.unwrap(), 0);

    fn id(number: u32) -> KeyVersionId {
        KeyVersionId { key: KeyId::from_bytes([0xff; 16]), number }
    }
}
