//! Rings whose keys hand out no data key in clear, and the class of data that a ring is for.

use claviger_audit::Outcome;
use claviger_core::key::{DataClass, KeyRing, PlaintextDataKeys, RingPolicy};
use claviger_core::reason::{ReasonText, Why};
use claviger_core::{Action, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{
    GenerateDataKey, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext,
    GenerateDataKeyWithoutPlaintext, KeyUse, PairSpec, UseKey,
};
use claviger_service::operation::{CreateKey, CreateRing, ReadEntries, RingPatch, UpdateRing};
use claviger_service::{ErrorKind, KeyRef, ServiceError};

use crate::approvals::do_approved;
use crate::deployment::Deployment;
use crate::evidence::hold;

fn policy(class: Option<DataClass>) -> RingPolicy {
    let plaintext_data_keys = PlaintextDataKeys::for_class(class);
    RingPolicy { data_class: class, plaintext_data_keys, ..RingPolicy::default() }
}

async fn create(
    deployment: &Deployment,
    name: &str,
    policy: RingPolicy,
    reason: Option<&str>,
) -> Result<KeyRing, ServiceError> {
    let reason = reason.map(|text| text.parse::<ReasonText>().unwrap().into());
    let create = CreateRing { name: name.parse().unwrap(), policy };
    Ok(deployment.ask_because("ada", reason, create).await?.output)
}

fn rule(ring: &str, rule: PlaintextDataKeys) -> UpdateRing {
    let patch = RingPatch { plaintext_data_keys: Some(rule), ..RingPatch::default() };
    UpdateRing { ring: ring.parse().unwrap(), patch, if_revision: None }
}

async fn used<U: KeyUse>(deployment: &Deployment, key: &KeyRef, what: U) -> Result<(), ErrorKind> {
    deployment.ask("app", UseKey::new(key.clone(), what)).await.map(drop).map_err(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_for_restricted_data_hands_out_data_keys_in_clear_only_for_a_reason() {
    let deployment = Deployment::build().await;
    for class in DataClass::ALL {
        let restricted = matches!(
            class,
            DataClass::Authentication | DataClass::Cardholder | DataClass::Ephi | DataClass::PersonalSpecial
        );
        let name = class.name().replace('_', "-");
        let made = create(&deployment, &name, policy(Some(class)), None).await.unwrap();
        let refuses = made.policy.plaintext_data_keys == PlaintextDataKeys::Refused;
        assert_eq!(refuses, restricted, "{class}");
        let allowing = RingPolicy { plaintext_data_keys: PlaintextDataKeys::Allowed, ..policy(Some(class)) };
        let silent = create(&deployment, &format!("{name}-2"), allowing.clone(), None).await;
        assert_eq!(
            silent.map(drop).map_err(|error| error.kind()).err(),
            restricted.then_some(ErrorKind::ReasonRequired)
        );
        let reported =
            create(&deployment, &format!("{name}-3"), allowing, Some("envelopes of the shop")).await.unwrap();
        assert!(matches!(reported.reason, Some(Why::Given(_))), "{class}");
    }
    assert_eq!(policy(None).plaintext_data_keys, PlaintextDataKeys::Allowed);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ring_refuses_is_handed_out_to_nobody_and_sealed_ones_are() {
    let deployment = Deployment::build().await;
    create(&deployment, "cards", policy(Some(DataClass::Cardholder)), None).await.unwrap();
    let new = CreateKey {
        data_class: None,
        ..deployment.new_key("cards", "main", Purpose::Encrypt, Spec::Aes256Gcm)
    };
    let key = deployment.ask("ada", new).await.unwrap().output;
    assert_eq!(key.key.data_class, DataClass::Cardholder, "as its ring says");
    let uses = [
        Action::GenerateDataKey,
        Action::GenerateDataKeyPair,
        Action::GenerateDataKeyWithoutPlaintext,
        Action::GenerateDataKeyPairWithoutPlaintext,
    ];
    deployment.grant(&key, &uses).await;
    let id = KeyRef::Id(key.key.id);
    let context = || Context::EMPTY;
    let shown = || GenerateDataKey { bytes: 32, context: context(), algorithm: None };
    let spec = PairSpec::new(Spec::EcP256).unwrap();
    let pair = || GenerateDataKeyPair { spec, context: context() };
    assert_eq!(used(&deployment, &id, shown()).await, Err(ErrorKind::Denied));
    assert_eq!(used(&deployment, &id, pair()).await, Err(ErrorKind::Denied));
    let sealed = GenerateDataKeyWithoutPlaintext { bytes: 32, context: context(), algorithm: None };
    assert_eq!(used(&deployment, &id, sealed).await, Ok(()));
    let sealed = GenerateDataKeyPairWithoutPlaintext { spec, context: context() };
    assert_eq!(used(&deployment, &id, sealed).await, Ok(()));

    do_approved(&deployment, "ada", || rule("cards", PlaintextDataKeys::Allowed)).await;
    assert_eq!(used(&deployment, &id, shown()).await, Ok(()));
    assert_eq!(used(&deployment, &id, pair()).await, Ok(()));
    deployment.ask("ada", rule("cards", PlaintextDataKeys::Refused)).await.unwrap();
    assert_eq!(used(&deployment, &id, shown()).await, Err(ErrorKind::Denied));
    let filter = EntryFilter {
        operation: Some(Action::GenerateDataKey.code()),
        outcome: Some(Outcome::Denied.code()),
        ..EntryFilter::default()
    };
    let read = ReadEntries { from: 0, limit: 100, filter };
    assert_eq!(deployment.ask("vera", read).await.unwrap().output.entries.len(), 2);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_ring_without_a_class_are_confidential() {
    let deployment = Deployment::build().await;
    create(&deployment, "plain", policy(None), None).await.unwrap();
    let new = |name: &str, data_class| CreateKey {
        data_class,
        ..deployment.new_key("plain", name, Purpose::Encrypt, Spec::Aes256Gcm)
    };
    let key = deployment.ask("ada", new("one", None)).await.unwrap().output;
    assert_eq!(key.key.data_class, DataClass::Confidential);
    let patch = RingPatch { data_class: Some(Some(DataClass::Personal)), ..RingPatch::default() };
    let ring = || "plain".parse().unwrap();
    deployment.ask("ada", UpdateRing { ring: ring(), patch, if_revision: None }).await.unwrap();
    let key = deployment.ask("ada", new("two", None)).await.unwrap().output;
    assert_eq!(key.key.data_class, DataClass::Personal);
    let key = deployment.ask("ada", new("three", Some(DataClass::Internal))).await.unwrap().output;
    assert_eq!(key.key.data_class, DataClass::Internal);
}
