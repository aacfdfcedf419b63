//! Many calls that write one row at the same moment.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use claviger_access::Presented;
use claviger_core::key::Event;
use claviger_core::{Purpose, Spec};
use claviger_service::operation::{ChangeKeyState, KeyPatch, Operation, UpdateKey};
use claviger_service::{Call, KeyRef, Released, Road, ServiceError};

use crate::deployment::{Deployment, reason_of};

async fn by_ada<O: Operation>(road: Road, operation: O) -> Result<Released<O::Output>, ServiceError> {
    let surface = operation.action().surface();
    let call = Call {
        presented: Presented::certificate(b"certificate of ada"),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
        listener: surface.into(),
        plane: surface.into(),
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        reason: reason_of(surface.into(), operation.action()),
        operation,
    };
    road.perform(call).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_changes_of_one_key_at_the_same_moment_are_made_one_after_the_other() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let changes: Vec<_> = (0..100)
        .map(|number| {
            let patch = KeyPatch { description: Some(format!("change {number}")), ..KeyPatch::default() };
            let change = UpdateKey { key: KeyRef::Id(key.key.id), patch, if_revision: None };
            tokio::spawn(by_ada(deployment.road.clone(), change))
        })
        .collect();
    let mut revisions = Vec::new();
    for one in changes {
        revisions.push(one.await.unwrap().unwrap().output.key.revision);
    }
    revisions.sort_unstable();
    assert!(revisions.iter().copied().eq(2..=101), "each builds on the one before: {revisions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_suspended_in_the_midst_of_changes_and_used_meanwhile() {
    let deployment = Arc::new(Deployment::build().await);
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[claviger_core::Action::Encrypt]).await;
    let changes: Vec<_> = (0..60)
        .map(|number| {
            let patch = KeyPatch { description: Some(format!("change {number}")), ..KeyPatch::default() };
            let change = UpdateKey { key: KeyRef::Id(key.key.id), patch, if_revision: None };
            tokio::spawn(by_ada(deployment.road.clone(), change))
        })
        .collect();
    for _ in 0..20 {
        deployment.encrypt("app", &key, b"x").await.unwrap();
    }
    let suspend = ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Suspend).unwrap();
    by_ada(deployment.road.clone(), suspend).await.unwrap();
    assert!(deployment.encrypt("app", &key, b"x").await.is_err());
    for one in changes {
        one.await.unwrap().unwrap();
    }
}
