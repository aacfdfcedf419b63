//! Uses of key versions are counted, each of them once, however a process ends and whatever became of the table.

#![expect(
    clippy::indexing_slicing,
    reason = "a version that the model does not know is a mistake of this test"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_core::key::KeyRecord;
use claviger_core::port::Store as _;
use claviger_core::port::store::{Page, UseCounts};
use claviger_core::{Action, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_service::KeyRef;
use claviger_service::operation::usage::{Encrypt, GenerateDataKey, UseBatch, UseKey};
use claviger_service::operation::{ListVersions, RotateKey};

use crate::deployment::Deployment;

/// What was done, by version.
#[derive(Default)]
struct Model(BTreeMap<u32, UseCounts>);

impl Model {
    fn add(&mut self, version: u32, protected: u64, processed: u64, input: usize, children: u64) {
        let bytes = input.next_power_of_two() as u64;
        let counts = self.0.entry(version).or_default();
        *counts = counts.and(UseCounts { protected, processed, bytes, children });
    }

    /// The deployment says the same, once nothing is left to be counted.
    async fn hold(&self, deployment: &Deployment, key: &KeyRecord, when: &str) {
        for _ in 0..1000 {
            let list = ListVersions { key: KeyRef::Id(key.key.id), page: Page { after: None, limit: 100 } };
            let found = deployment.ask("vera", list).await.unwrap().output;
            let uses = found.uses.unwrap();
            let of = |number| uses.of(number).map(|uses| (number, uses.counts));
            let said: BTreeMap<_, _> = found.versions.iter().filter_map(|one| of(one.id.number)).collect();
            if !uses.is_counting {
                assert_eq!(said, self.0, "{when}");
                return;
            }
            let is_less = |(number, counts): (&u32, &UseCounts)| counts.protected <= self.0[number].protected;
            assert!(said.iter().all(is_less), "{when}: {said:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{when}: it is still being counted");
    }
}

/// Some of each.
async fn use_it(deployment: &Deployment, key: &KeyRecord, version: u32, model: &mut Model) {
    let mut sealed = Vec::new();
    for data in [&b"five5"[..], b"nine nine", b""] {
        sealed.push(deployment.encrypt("app", key, data).await.unwrap());
        model.add(version, 1, 0, data.len(), 0);
    }
    for sealed in &sealed[..2] {
        deployment.decrypt("app", sealed).await.unwrap();
        model.add(version, 0, 1, sealed.len(), 0);
    }
    // Neither a refusal nor what does not open.
    deployment.decrypt("outsider", &sealed[0]).await.unwrap_err();
    let at = sealed[0].len() - 1;
    sealed[0][at] ^= 1;
    deployment.decrypt("app", &sealed[0]).await.unwrap_err();
    let what = GenerateDataKey { bytes: 32, context: Context::EMPTY, algorithm: None };
    drop(deployment.ask("app", UseKey::new(KeyRef::Id(key.key.id), what)).await.unwrap());
    model.add(version, 1, 0, 0, 1);
    let item = || Encrypt { plaintext: vec![7; 100].into(), context: Context::EMPTY, algorithm: None };
    let batch = UseBatch { key: KeyRef::Id(key.key.id), items: vec![item(), item(), item()] };
    drop(deployment.ask("app", batch).await.unwrap());
    (0..3).for_each(|_| model.add(version, 1, 0, 100, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_use_is_counted_once_over_cuts_restarts_and_crashes() {
    let mut deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let other = deployment.key("other", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for key in [&key, &other] {
        deployment.grant(key, &[Action::Encrypt, Action::Decrypt, Action::GenerateDataKey]).await;
    }
    let (mut model, mut of_other) = (Model::default(), Model::default());
    for round in 1..=8 {
        use_it(&deployment, &key, round, &mut model).await;
        use_it(&deployment, &other, 1, &mut of_other).await;
        model.hold(&deployment, &key, &format!("round {round}, from memory")).await;
        deployment.ask("ada", RotateKey { key: KeyRef::Id(key.key.id) }).await.unwrap();
        let sql = |sql: &'static str| {
            move |database: &std::path::Path| {
                rusqlite::Connection::open(database).unwrap().execute_batch(sql).unwrap();
            }
        };
        deployment = match round {
            1 | 5 => {
                deployment.road.cut().await.unwrap();
                deployment
            }
            2 | 6 => deployment.crash().await,
            // As of a store whose table ends long before its log, or of which rows are there and not how far they go.
            3 => deployment.restart_after(sql("DELETE FROM version_usage; DELETE FROM usage_head")).await,
            4 => deployment.restart_after(sql("DELETE FROM usage_head")).await,
            7 => deployment.restart_after(sql("UPDATE usage_head SET counted_to = counted_to / 2")).await,
            _ => deployment.restart().await,
        };
        model.hold(&deployment, &key, &format!("behind round {round}")).await;
        of_other.hold(&deployment, &other, &format!("the other, behind round {round}")).await;
    }
    deployment.road.cut().await.unwrap();
    deployment.road.cut().await.unwrap();
    let rows = deployment.store.list_usage(key.key.id, 0..=100).await.unwrap();
    let rows: BTreeMap<_, _> = rows.iter().map(|row| (row.version.number, row.counts)).collect();
    assert_eq!(rows, model.0, "the table has them all in the end");
}
