//! A revoked key, grant or credential is dead at once: random load against revocations, judged by its history.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use claviger_core::key::Event;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{ChangeKeyState, RevokeGrant};
use claviger_service::{ErrorKind, KeyRef};

use crate::deployment::Deployment;

/// What an encryption came to: index of its entry.
type Done = u64;

async fn encrypt_until(
    deployment: Arc<Deployment>,
    key: Arc<claviger_core::key::KeyRecord>,
    stop: Arc<AtomicBool>,
) -> Vec<Done> {
    use claviger_service::operation::usage::{Encrypt, UseKey};
    let mut done = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let what = Encrypt { plaintext: vec![0; 64].into(), context: Default::default(), algorithm: None };
        if let Ok(released) = deployment.ask("app", UseKey::new(KeyRef::Id(key.key.id), what)).await {
            done.push(released.receipt.index());
        }
        tokio::task::yield_now().await;
    }
    done
}

/// Entries of released results that lie between a suspension and its end.
async fn violations(deployment: Deployment, rounds: usize) -> usize {
    let key = Arc::new(deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await);
    deployment.grant(&key, &[Action::Encrypt]).await;
    let (deployment, stop) = (Arc::new(deployment), Arc::new(AtomicBool::new(false)));
    let load: Vec<_> = (0..8)
        .map(|_| tokio::spawn(encrypt_until(Arc::clone(&deployment), Arc::clone(&key), Arc::clone(&stop))))
        .collect();
    let mut suspended = Vec::new();
    for _ in 0..rounds {
        let event = |event| ChangeKeyState::new(KeyRef::Id(key.key.id), None, event).unwrap();
        let from = deployment.ask("ada", event(Event::Suspend)).await.unwrap().receipt.index();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let until = deployment.ask("ada", event(Event::Resume)).await.unwrap().receipt.index();
        suspended.push(from..until);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut released, mut within) = (0, 0);
    for task in load {
        for index in task.await.unwrap() {
            released += 1;
            within += usize::from(suspended.iter().any(|span| span.contains(&index)));
        }
    }
    assert!(released > rounds, "the load must run for the history to mean anything: {released}");
    within
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_result_is_released_between_suspension_and_resumption() {
    assert_eq!(violations(Deployment::build().await, 150).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_history_test_sees_the_fence_missing() {
    assert!(
        violations(Deployment::build_with(true).await, 400).await > 0,
        "without the fence there must be violations"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_grant_is_dead_when_the_call_returns() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for _ in 0..20 {
        let grant = deployment.grant(&key, &[Action::Encrypt]).await;
        deployment.encrypt("app", &key, b"x").await.unwrap();
        deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
        assert_eq!(deployment.encrypt("app", &key, b"x").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
