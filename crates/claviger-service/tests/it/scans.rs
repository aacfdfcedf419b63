//! Scans: every stored secret opens in its place, and one that does not is found and named.

use std::sync::Arc;
use std::time::Duration;

use claviger_audit::{Entry, Op, StoreScan};
use claviger_core::action::Surface;
use claviger_core::{KeyId, Purpose, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::{ReadEntries, ReadSystem, ScanStore};
use claviger_service::{ErrorKind, ScanReport, SecretKind, WrappedBy};
use rusqlite::Connection;

use crate::deployment::{DAY, Deployment};
use crate::edited_rows::furnish;
use crate::evidence::hold;

async fn furnished() -> Deployment {
    let deployment = Deployment::build().await;
    furnish(&deployment).await;
    deployment
}

/// The scans that the log has.
async fn scans(deployment: &Deployment) -> Vec<StoreScan> {
    let filter = EntryFilter { operation: Some(Op::ScanStore.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 1000, filter };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let decoded = |bytes: &[u8]| StoreScan::from_bytes(Entry::decode(bytes).unwrap().reference.as_deref()?);
    page.entries.iter().filter_map(|entry| decoded(&entry.bytes)).collect()
}

/// The places of what does not open, with its kind.
fn unopened(report: &ScanReport) -> Vec<(SecretKind, String)> {
    report.findings.iter().map(|finding| (finding.kind, finding.place.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_secret_of_a_healthy_store_opens_and_the_entry_counts_them() {
    let deployment = furnished().await;
    let done = deployment.ask("vera", ScanStore {}).await.unwrap();
    let report = done.output;
    assert_eq!((report.failed(), report.findings.as_slice()), (0, &[][..]));
    let of = |kind| report.counts.iter().find(|count| count.kind == kind).unwrap();
    let [kek, material] = [SecretKind::RingKek, SecretKind::Material].map(of);
    assert_eq!((kek.scanned, kek.wrapped_by), (1, WrappedBy::Root));
    assert_eq!((material.scanned, material.wrapped_by), (2, WrappedBy::RingKek));
    assert_eq!((of(SecretKind::AccessKeySecret).scanned, of(SecretKind::Deployment).scanned), (1, 4));
    assert!(of(SecretKind::SubjectKey).scanned > 1 && of(SecretKind::VeilKey).scanned > 1, "{report:?}");
    assert_eq!(scans(&deployment).await, [report.summary()]);
    let status = deployment.ask("vera", ReadSystem {}).await.unwrap().output;
    assert_eq!(status.scan, Some(report));
    deployment.ask("otto", ScanStore {}).await.unwrap();
    for who in ["ada", "app"] {
        let refused = deployment.ask_by(who, Surface::Control, ScanStore {}).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Denied | ErrorKind::NotFound), "{who}: {refused:?}");
    }
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_have_a_few_scans_made_and_each_call_has_its_entry() {
    let deployment = Arc::new(furnished().await);
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let deployment = Arc::clone(&deployment);
            tokio::spawn(async move { deployment.ask("vera", ScanStore {}).await.unwrap().output })
        })
        .collect();
    let mut made = Vec::<Arc<ScanReport>>::new();
    for call in calls {
        let report = call.await.unwrap();
        if !made.iter().any(|one| Arc::ptr_eq(one, &report)) {
            made.push(report);
        }
    }
    // Two, if all had asked before the first ended.
    assert!(made.len() < 20, "{} scans", made.len());
    assert_eq!(scans(&deployment).await.len(), 40);
    // What ended before it was asked for is no answer.
    let [first, second] = [
        deployment.ask("vera", ScanStore {}).await.unwrap().output,
        deployment.ask("otto", ScanStore {}).await.unwrap().output,
    ];
    assert!(!Arc::ptr_eq(&first, &second) && !made.iter().any(|one| Arc::ptr_eq(one, &first)));
}

/// Flips a bit of what lies sealed in a row: of its authentication tag.
fn flip(database: &Connection, [table, column, name]: [&str; 3], id: &[u8]) {
    let sql = format!("SELECT {column} FROM {table} WHERE {name} = ?1");
    let mut bytes: Vec<u8> = database.query_row(&sql, [id], |row| row.get(0)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {name} = ?2");
    assert_eq!(database.execute(&sql, rusqlite::params![bytes, id]).unwrap(), 1, "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_wraps_are_found_and_named() {
    let deployment = furnished().await;
    let key = deployment.key("third", Purpose::Encrypt, Spec::Aes256Gcm).await.key.id;
    let deployment = deployment
        .restart_after(move |database| {
            let database = Connection::open(database).unwrap();
            let first = |sql: &str| database.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0)).unwrap();
            flip(&database, ["key_version", "wrap", "key"], key.as_bytes());
            let access_key = first("SELECT id FROM credential WHERE sealed_secret IS NOT NULL");
            flip(&database, ["credential", "sealed_secret", "id"], &access_key);
            let veil = first("SELECT max(name) FROM veil");
            flip(&database, ["veil", "sealed", "name"], &veil);
        })
        .await;
    let report = deployment.ask("vera", ScanStore {}).await.unwrap().output;
    assert_eq!(report.failed(), 3, "{report:?}");
    let found = unopened(&report);
    assert_eq!(found[0], (SecretKind::Material, format!("version {key}/1")));
    assert_eq!([found[1].0, found[2].0], [SecretKind::AccessKeySecret, SecretKind::VeilKey]);
    assert!(found[2].1.starts_with("approval "), "{found:?}");
    assert_eq!(scans(&deployment).await, [report.summary()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wraps_that_were_exchanged_between_two_rows_are_both_found() {
    let deployment = Deployment::build().await;
    let one = deployment.key("one", Purpose::Encrypt, Spec::Aes256Gcm).await.key.id;
    let other = deployment.key("other", Purpose::Encrypt, Spec::Aes256Gcm).await.key.id;
    let deployment = deployment
        .restart_after(move |database| {
            let database = Connection::open(database).unwrap();
            let wrap = |key: KeyId| {
                let sql = "SELECT wrap FROM key_version WHERE key = ?1";
                database.query_row(sql, [key.as_bytes()], |row| row.get::<_, Vec<u8>>(0)).unwrap()
            };
            for (key, wrap) in [(one, wrap(other)), (other, wrap(one))] {
                let sql = "UPDATE key_version SET wrap = ?1 WHERE key = ?2";
                assert_eq!(database.execute(sql, rusqlite::params![wrap, key.as_bytes()]).unwrap(), 1);
            }
        })
        .await;
    let report = deployment.ask("vera", ScanStore {}).await.unwrap().output;
    let mut places: Vec<_> = [one, other].iter().map(|key| format!("version {key}/1")).collect();
    places.sort();
    let mut found: Vec<_> = unopened(&report).into_iter().map(|(_, place)| place).collect();
    found.sort();
    assert_eq!((report.failed(), found), (2, places));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_without_its_kek_fails_with_all_that_is_under_it() {
    for sql in ["UPDATE ring SET kek = x''", "DELETE FROM ring"] {
        let deployment = furnished().await;
        let deployment = deployment
            .restart_after(move |database| {
                let database = Connection::open(database).unwrap();
                database.execute_batch("PRAGMA foreign_keys = off").unwrap();
                assert_eq!(database.execute(sql, []).unwrap(), 1);
            })
            .await;
        let report = deployment.ask("vera", ScanStore {}).await.unwrap().output;
        let of = |kind| report.counts.iter().find(|count| count.kind == kind).map_or(0, |count| count.failed);
        assert_eq!(of(SecretKind::Material), 2, "{sql}: {report:?}");
        assert_eq!(of(SecretKind::RingKek), u64::from(sql.starts_with("UPDATE")), "{sql}: {report:?}");
        let places = unopened(&report);
        let is_ring = |place: &str| place.starts_with("ring ");
        assert_eq!(places.iter().any(|(_, place)| is_ring(place)), sql.starts_with("UPDATE"));
        assert_eq!(scans(&deployment).await, [report.summary()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_scans_before_the_newest_scan_is_a_day_old_and_none_twice() {
    let deployment = furnished().await;
    assert!(!deployment.road.scan_when_due().await.unwrap(), "on its first day there is time");
    deployment.clock.advance(DAY / 2 + Duration::from_secs(60));
    assert!(deployment.road.scan_when_due().await.unwrap());
    assert!(!deployment.road.scan_when_due().await.unwrap());
    let deployment = deployment.restart().await;
    assert!(!deployment.road.scan_when_due().await.unwrap(), "a restart scans nothing again");
    assert_eq!(deployment.road.last_scan(), None);
    deployment.clock.advance(DAY / 2 + Duration::from_secs(60));
    assert!(deployment.road.scan_when_due().await.unwrap());
    let taken = scans(&deployment).await;
    assert_eq!((taken.len(), taken[0].failed, taken[1].failed), (2, 0, 0));
    assert_eq!(deployment.road.last_scan().unwrap().summary(), taken[1]);
    hold(&deployment).await;
}
