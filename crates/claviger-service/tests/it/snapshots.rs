//! Snapshots: the log is committed to all objects as they stood, and a verifier finds when it says otherwise.

use std::time::Duration;

use claviger_audit::verify::{Finding, Moment};
use claviger_audit::{Entry, Op, Snapshot};
use claviger_core::port::Store as _;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::ErrorKind;
use claviger_service::log::EntryFilter;
use claviger_service::operation::{ReadEntries, TakeSnapshot};

use crate::deployment::{DAY, Deployment};
use crate::evidence::{hold, replay, replay_at};

/// The snapshots that the log has, with their entries.
async fn snapshots(deployment: &Deployment) -> Vec<(u64, Snapshot)> {
    let filter = EntryFilter { operation: Some(Op::Snapshot.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 1000, filter };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let decoded = |bytes: &[u8]| Snapshot::from_bytes(&Entry::decode(bytes).unwrap().reference.unwrap());
    page.entries.iter().filter_map(|entry| Some((entry.index, decoded(&entry.bytes)?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_over_the_newest_facts_of_all_objects() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes128Gcm).await;
    let first = deployment.ask("vera", TakeSnapshot {}).await.unwrap();
    deployment.grant(&key, &[Action::Encrypt]).await;
    deployment.encrypt("app", &key, b"x").await.unwrap();
    let second = deployment.ask("otto", TakeSnapshot {}).await.unwrap();
    assert_ne!(first.output.root, second.output.root);
    assert!(first.output.objects < second.output.objects);
    for taken in [first, second] {
        let (entry, snapshot) = (taken.receipt.index(), taken.output);
        assert!(snapshot.size <= entry);
        let verified = replay_at(&deployment, Moment::Entry(snapshot.size - 1)).await;
        let objects = verified.objects.rewound();
        let of_log = Snapshot::of(snapshot.size, objects.iter().map(|(_, current)| current.digest));
        assert_eq!(of_log, snapshot);
    }
    let verified = replay(&deployment).await;
    assert_eq!((verified.findings.as_slice(), verified.snapshots), (&[][..], 2));
    for who in ["ada", "app"] {
        let surface = claviger_core::action::Surface::Control;
        let refused = deployment.ask_by(who, surface, TakeSnapshot {}).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Denied | ErrorKind::NotFound), "{who}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_takes_one_a_day_and_none_twice() {
    let deployment = Deployment::build().await;
    deployment.key("cards", Purpose::Encrypt, Spec::Aes128Gcm).await;
    deployment.road.do_what_is_due().await;
    assert_eq!(snapshots(&deployment).await.len(), 0, "on its first day there is nothing to look back on");
    deployment.clock.advance(DAY + Duration::from_secs(60));
    deployment.road.do_what_is_due().await;
    deployment.road.do_what_is_due().await;
    assert_eq!(snapshots(&deployment).await.len(), 1);
    let deployment = deployment.restart().await;
    deployment.road.do_what_is_due().await;
    assert_eq!(snapshots(&deployment).await.len(), 1, "a restart takes none");
    deployment.clock.advance(DAY + Duration::from_secs(60));
    deployment.road.do_what_is_due().await;
    assert_eq!(snapshots(&deployment).await.len(), 2);
    // Behind a kill between the commit and whatever follows it, the day's is still taken.
    let deployment = deployment.crash().await;
    deployment.road.do_what_is_due().await;
    assert_eq!(snapshots(&deployment).await.len(), 2);
    assert_eq!(replay(&deployment).await.snapshots, 2);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_state_is_found() {
    let deployment = Deployment::build().await;
    deployment.key("cards", Purpose::Encrypt, Spec::Aes128Gcm).await;
    // As who edits the database would have it: the digests of facts are not those that the log has.
    let deployment = deployment
        .restart_after(|database| {
            let database = rusqlite::Connection::open(database).unwrap();
            let edited = "UPDATE key SET fact = zeroblob(32)";
            assert_eq!(database.execute(edited, []).unwrap(), 1);
        })
        .await;
    deployment.ask("vera", TakeSnapshot {}).await.unwrap();
    let verified = replay(&deployment).await;
    assert!(
        matches!(verified.findings.as_slice(), [Finding::SnapshotDiffers { .. }]),
        "{:?}",
        verified.findings
    );
    assert!(verified.findings[0].to_string().contains("another root"), "{}", verified.findings[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_a_store_at_work_hold() {
    let deployment = std::sync::Arc::new(Deployment::build().await);
    deployment.key("first", Purpose::Encrypt, Spec::Aes128Gcm).await;
    let working = std::sync::Arc::clone(&deployment);
    let work = tokio::spawn(async move {
        for number in 0..60 {
            working.key(&format!("key-{number}"), Purpose::Encrypt, Spec::Aes128Gcm).await;
        }
    });
    let mut taken = 0;
    while !work.is_finished() {
        deployment.ask("vera", TakeSnapshot {}).await.unwrap();
        taken += 1;
    }
    work.await.unwrap();
    let verified = replay(&deployment).await;
    assert_eq!((verified.findings.as_slice(), verified.snapshots), (&[][..], taken));
    let behind = snapshots(&deployment).await.into_iter().filter(|(entry, taken)| taken.size < *entry);
    assert!(behind.count() > 0, "some were overtaken while they were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_older_release_are_recorded_before_the_first_snapshot() {
    let deployment = Deployment::build().await;
    deployment.key("cards", Purpose::Encrypt, Spec::Aes128Gcm).await;
    let deployment = deployment
        .restart_after(|database| {
            let database = rusqlite::Connection::open(database).unwrap();
            database.execute("INSERT INTO fact_head (id, kind, after) VALUES (1, 1, x'')", []).unwrap();
        })
        .await;
    assert_eq!(deployment.store.fact_head().await.unwrap(), None);
    deployment.ask("vera", TakeSnapshot {}).await.unwrap();
    let verified = replay(&deployment).await;
    assert_eq!((verified.findings.as_slice(), verified.snapshots), (&[][..], 1));
    assert!(verified.unknown_before > 0);
    hold(&deployment).await;
}
