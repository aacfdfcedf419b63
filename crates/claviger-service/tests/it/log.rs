//! The log as an outsider checks it.

use std::time::Duration;

use claviger_audit::checkpoint::Checkpoint;
use claviger_audit::cut::Cut;
use claviger_audit::entry::Entry;
use claviger_audit::key::VerifierKey;
use claviger_audit::op::{Op, Outcome};
use claviger_audit::receipt::Receipt;
use claviger_audit::tree::{leaf_hash, verify_inclusion};
use claviger_core::port::Store as _;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{Encrypt, UseKey};
use claviger_service::operation::{Prove, ReadCheckpoint, ReadEntries, ReadLastUse};
use claviger_service::{ErrorKind, KeyRef};

use crate::deployment::Deployment;

#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_its_entry_and_refusals_too() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    deployment.encrypt("app", &key, b"x").await.unwrap();
    let refused = deployment.encrypt("outsider", &key, b"x").await.unwrap_err();
    let read = ReadEntries { from: 0, limit: 1000, filter: EntryFilter::default() };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let entries: Vec<_> = page.entries.iter().map(|found| Entry::decode(&found.bytes).unwrap()).collect();
    assert_eq!(entries.first().unwrap().op, Op::NodeStart);
    let at = usize::try_from(refused.entry().unwrap()).unwrap();
    assert_eq!((entries[at].op, entries[at].out), (Op::Encrypt, Outcome::Denied));
    let uses = entries.iter().filter(|entry| entry.op == Op::Encrypt && entry.out == Outcome::Ok);
    assert_eq!(uses.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_found_whatever_its_outcome_is() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    let sealed = deployment.encrypt("app", &key, b"x").await.unwrap();
    let mut broken = sealed.clone();
    *broken.last_mut().unwrap() ^= 1;
    let absent = ReadLastUse { key: KeyRef::Name("orders/absent".parse().unwrap()) };
    let refused = [
        deployment.encrypt("outsider", &key, b"x").await.map(drop).unwrap_err(),
        deployment.decrypt("app", &broken).await.map(drop).unwrap_err(),
        deployment.decrypt("outsider", &sealed).await.map(drop).unwrap_err(),
        deployment.ask("app", absent).await.map(drop).unwrap_err(),
    ];
    let read = |filter| ReadEntries { from: 0, limit: 1000, filter };
    let found = read(EntryFilter { refused: true, ..EntryFilter::default() });
    let found = deployment.ask("vera", found).await.unwrap().output.entries;
    let indexes: Vec<_> = found.iter().map(|found| found.index).collect();
    assert_eq!(indexes, refused.iter().map(|error| error.entry().unwrap()).collect::<Vec<_>>());
    let outcomes: std::collections::BTreeSet<_> =
        found.iter().map(|found| Entry::decode(&found.bytes).unwrap().out).collect();
    assert!(outcomes.len() > 1 && outcomes.iter().all(|outcome| outcome.is_refusal()), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_verify_and_upgrade_to_proofs() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    let mut receipts = Vec::new();
    // More than one tile, so that the proof needs tiles above the leaves.
    for _ in 0..600 {
        let what = Encrypt { plaintext: vec![1; 10].into(), context: Default::default(), algorithm: None };
        let done = deployment.ask("app", UseKey::new(KeyRef::Id(key.key.id), what)).await.unwrap();
        receipts.push(done.receipt.to_wire());
    }
    deployment.road.cut().await.unwrap();
    let checkpoints = deployment.ask("vera", ReadCheckpoint {}).await.unwrap().output;
    let node: VerifierKey = VerifierKey::parse(&checkpoints.node_vkey).unwrap();
    let root: VerifierKey = VerifierKey::parse(&checkpoints.root_vkey).unwrap();
    for wire in [&receipts[0], &receipts[300], &receipts[599]] {
        let receipt = Receipt::parse(wire).unwrap();
        receipt.verify(&node).unwrap();
        let proof = deployment.ask("vera", Prove { index: receipt.index }).await.unwrap().output;
        assert_eq!(leaf_hash(&proof.entry), receipt.leaf);
        let signed = Checkpoint::open(proof.root_note.as_bytes(), &root).unwrap();
        let cut = Cut::decode(&proof.cut).unwrap();
        let head = cut.shard(1).unwrap();
        verify_inclusion(&receipt.leaf, proof.index, head.size, &proof.shard_path, &head.root).unwrap();
        verify_inclusion(
            &leaf_hash(&proof.cut),
            proof.cut_index,
            signed.size,
            &proof.root_path,
            &signed.root,
        )
        .unwrap();
    }
    let beyond = deployment.ask("vera", Prove { index: 1_000_000 }).await.unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_on_where_it_was_over_restarts() {
    let mut deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    for _ in 0..3 {
        for _ in 0..100 {
            deployment.encrypt("app", &key, b"x").await.unwrap();
        }
        deployment = deployment.restart().await;
    }
    let read = ReadEntries {
        from: 0,
        limit: 1000,
        filter: EntryFilter { operation: Some(101), ..Default::default() },
    };
    let page = deployment.ask("vera", read).await.unwrap().output;
    assert_eq!(page.entries.len(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_found_in_the_log() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let other = deployment.key("other", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for key in [&key, &other] {
        deployment.grant(key, &[Action::Encrypt, Action::Decrypt, Action::DescribeKey]).await;
    }
    let last =
        async || deployment.ask("app", ReadLastUse { key: KeyRef::Id(key.key.id) }).await.unwrap().output;
    let never = last().await;
    assert_eq!(never.used, None);
    assert!(never.since.is_none() && never.log_size > 0);
    let sealed = deployment.encrypt("app", &key, b"x").await.unwrap();
    deployment.decrypt("app", &sealed).await.unwrap();
    // Neither refusals nor uses of other keys nor what is no use count.
    deployment.decrypt("outsider", &sealed).await.unwrap_err();
    for _ in 0..1100 {
        deployment.encrypt("app", &other, b"x").await.unwrap();
    }
    let used = last().await.used.unwrap();
    assert_eq!(used.op, Op::Decrypt);
    assert!(used.at >= key.key.created_at);
    let read = ReadEntries { from: used.index, limit: 1, filter: EntryFilter::default() };
    let page = deployment.ask("vera", read).await.unwrap().output;
    assert_eq!(Entry::decode(&page.entries[0].bytes).unwrap().op, Op::Decrypt);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_known_after_a_restart_and_after_the_table_was_lost() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt, Action::DescribeKey]).await;
    deployment.encrypt("app", &key, b"x").await.unwrap();
    let last = async |deployment: &Deployment| {
        deployment.ask("app", ReadLastUse { key: KeyRef::Id(key.key.id) }).await.unwrap().output
    };
    let known = last(&deployment).await.used.unwrap();
    // The end of a process carries it into the table.
    let deployment = deployment.restart().await;
    let row = deployment.store.list_usage(key.key.id, 0..=1).await.unwrap();
    assert_eq!(row.iter().map(|row| row.last_index).collect::<Vec<_>>(), [known.index]);
    assert_eq!(last(&deployment).await.used, Some(known));
    // As a store of an earlier release, or one whose table ends long before its log.
    let deployment = deployment
        .restart_after(|database| {
            let connection = rusqlite::Connection::open(database).unwrap();
            connection.execute_batch("DELETE FROM version_usage; DELETE FROM usage_head").unwrap();
        })
        .await;
    let counted = loop {
        let answer = last(&deployment).await;
        if answer.since.is_none() {
            break answer;
        }
        assert!(answer.used.is_none_or(|used| used == known) && answer.log_size < known.index + 100);
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(counted.used, Some(known));
}
