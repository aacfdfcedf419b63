//! The lives of keys, and who may use them.

use std::collections::BTreeSet;

use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{GrantOperation, KeyState, RotationType, Tag};
use conformance_aws_rust::{kms, new_key, stranger};

const CARD: &[u8] = b"4111-1111-1111-1111";

async fn sealed(kms: &Client, key: &str) -> Blob {
    let sealed = kms.encrypt().key_id(key).plaintext(Blob::new(CARD)).send().await;
    sealed.unwrap().ciphertext_blob.unwrap()
}

async fn opened(kms: &Client, blob: &Blob) -> Vec<u8> {
    let opened = kms.decrypt().ciphertext_blob(blob.clone()).send().await;
    opened.unwrap().plaintext.unwrap().into_inner()
}

#[tokio::test]
async fn key_is_described_as_it_was_made() {
    let kms = kms().await;
    let made = new_key(&kms).await;
    let told =
        kms.describe_key().key_id(made.arn.as_ref().unwrap()).send().await.unwrap().key_metadata.unwrap();
    assert_eq!((told.key_id, told.description.as_deref()), (made.key_id, Some("from Rust")));
    assert_eq!((told.key_state, told.enabled), (Some(KeyState::Enabled), true));
    assert_eq!(told.creation_date, made.creation_date);
}

#[tokio::test]
async fn tags_come_and_go() {
    let kms = kms().await;
    let key = new_key(&kms).await.key_id;
    let tag = Tag::builder().tag_key("team").tag_value("blue").build().unwrap();
    kms.tag_resource().key_id(&key).tags(tag.clone()).send().await.unwrap();
    assert!(kms.list_resource_tags().key_id(&key).send().await.unwrap().tags().contains(&tag));
    kms.untag_resource().key_id(&key).tag_keys("team").send().await.unwrap();
    assert!(!kms.list_resource_tags().key_id(&key).send().await.unwrap().tags().contains(&tag));
}

#[tokio::test]
async fn alias_names_the_key_that_it_was_moved_to() {
    let kms = kms().await;
    let (one, two) = (new_key(&kms).await, new_key(&kms).await);
    let alias = format!("alias/rust-{}", one.key_id);
    kms.create_alias().alias_name(&alias).target_key_id(&one.key_id).send().await.unwrap();
    let named = || async { kms.describe_key().key_id(&alias).send().await };
    assert_eq!(named().await.unwrap().key_metadata.unwrap().key_id, one.key_id);
    kms.update_alias().alias_name(&alias).target_key_id(&two.key_id).send().await.unwrap();
    assert_eq!(named().await.unwrap().key_metadata.unwrap().key_id, two.key_id);
    kms.delete_alias().alias_name(&alias).send().await.unwrap();
    assert!(named().await.unwrap_err().into_service_error().is_not_found_exception());
}

#[tokio::test]
async fn rotated_key_opens_what_it_sealed_before() {
    let kms = kms().await;
    let key = new_key(&kms).await.key_id;
    kms.enable_key_rotation().key_id(&key).rotation_period_in_days(180).send().await.unwrap();
    let status = kms.get_key_rotation_status().key_id(&key).send().await.unwrap();
    assert_eq!((status.key_rotation_enabled, status.rotation_period_in_days), (true, Some(180)));
    let blob = sealed(&kms, &key).await;
    for _ in 0..3 {
        kms.rotate_key_on_demand().key_id(&key).send().await.unwrap();
    }
    assert_eq!(opened(&kms, &blob).await, CARD);
    let pages = kms.list_key_rotations().key_id(&key).limit(2).into_paginator().items().send();
    let rotations = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    let kinds: Vec<_> = rotations.into_iter().filter_map(|rotation| rotation.rotation_type).collect();
    assert_eq!(kinds, vec![RotationType::OnDemand; 3]);
}

#[tokio::test]
async fn pages_of_keys_hold_each_key_once() {
    let kms = kms().await;
    let made = [new_key(&kms).await.key_id, new_key(&kms).await.key_id, new_key(&kms).await.key_id];
    let pages = kms.list_keys().limit(2).into_paginator().items().send();
    let found = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    let ids: BTreeSet<_> = found.iter().filter_map(|key| key.key_id.clone()).collect();
    assert_eq!(ids.len(), found.len());
    assert!(made.iter().all(|key| ids.contains(key)));
}

#[tokio::test]
async fn key_that_waits_for_deletion_is_of_no_use_until_that_is_called_off() {
    let kms = kms().await;
    let key = new_key(&kms).await.key_id;
    let blob = sealed(&kms, &key).await;
    let waits = kms.schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    assert_eq!((waits.key_state, waits.pending_window_in_days), (Some(KeyState::PendingDeletion), Some(7)));
    let decrypt = || kms.decrypt().ciphertext_blob(blob.clone()).send();
    assert!(decrypt().await.unwrap_err().into_service_error().is_kms_invalid_state_exception());
    kms.cancel_key_deletion().key_id(&key).send().await.unwrap();
    assert!(decrypt().await.unwrap_err().into_service_error().is_disabled_exception());
    kms.enable_key().key_id(&key).send().await.unwrap();
    assert_eq!(opened(&kms, &blob).await, CARD);
}

#[tokio::test]
async fn grant_lets_a_stranger_in_and_its_end_locks_him_out() {
    let kms = kms().await;
    let (other, name) = stranger().await;
    let key = new_key(&kms).await;
    let blob = sealed(&kms, &key.key_id).await;
    let denied = || async {
        let error = other.decrypt().ciphertext_blob(blob.clone()).send().await.unwrap_err();
        assert_eq!(error.code(), Some("AccessDeniedException"), "{error:?}");
    };
    denied().await;
    let grantee = format!("arn:aws:iam::{}:user/{name}", key.aws_account_id.unwrap());
    let grant = kms.create_grant().key_id(&key.key_id).grantee_principal(grantee);
    let grant = grant.operations(GrantOperation::Decrypt).send().await.unwrap().grant_id.unwrap();
    assert_eq!(opened(&other, &blob).await, CARD);
    kms.revoke_grant().key_id(&key.key_id).grant_id(grant).send().await.unwrap();
    denied().await;
}
