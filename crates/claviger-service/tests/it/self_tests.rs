//! Self-tests while a node runs: each is an entry, and after a failed one nothing is generated.

use claviger_audit::{Entry, Op, Outcome};
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_crypto::provenance::{self, SelfTestFailure};
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{
    Encapsulate, GenerateDataKey, GenerateDataKeyPair, GenerateDataKeyWithoutPlaintext, PairSpec, Random,
    UseKey,
};
use claviger_service::operation::{
    ChangeKeyState, CreateCredential, CreatePrincipal, CreateRing, NewCredential, Operation, ReadEntries,
    ReadSystem, RotateKey,
};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef};

use crate::deployment::{DAY, Deployment};
use crate::evidence::hold;

async fn entries(deployment: &Deployment) -> Vec<(Outcome, Option<Vec<u8>>)> {
    let filter = EntryFilter { operation: Some(Op::SelfTest.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 100, filter };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let entries = page.entries.iter().map(|found| Entry::decode(&found.bytes).unwrap());
    entries.map(|entry| (entry.out, entry.reference.map(|reported| reported.to_vec()))).collect()
}

async fn refused<O: Operation>(deployment: &Deployment, who: &str, operation: O) -> Option<String> {
    let refused = deployment.ask(who, operation).await.map(drop).err()?;
    (refused.kind() == ErrorKind::Unavailable).then(|| refused.public_message().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_generated_after_a_failed_test_until_a_start_has_passed_them() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let kem = deployment.key("kem", Purpose::Encapsulate, Spec::MlKem768).await;
    let uses = [
        Action::Encrypt,
        Action::Decrypt,
        Action::GenerateDataKey,
        Action::GenerateDataKeyPair,
        Action::GenerateDataKeyWithoutPlaintext,
    ];
    deployment.grant(&key, &uses).await;
    deployment.grant(&kem, &[Action::Encapsulate]).await;
    deployment.road.take_self_test(provenance::self_test()).await.unwrap();
    assert_eq!(entries(&deployment).await, [(Outcome::Ok, None)]);
    let sealed = deployment.encrypt("app", &key, b"x").await.unwrap();
    let spare = CreatePrincipal {
        name: "spare".parse().unwrap(),
        kind: PrincipalKind::Workload,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("ada", spare).await.unwrap();

    deployment.road.take_self_test(Err(SelfTestFailure { family: "drbg" })).await.unwrap();
    assert_eq!(entries(&deployment).await[1], (Outcome::ProviderError, Some(b"drbg".to_vec())));
    let status = deployment.ask("vera", ReadSystem {}).await.unwrap().output;
    assert!(!status.provider.unwrap().self_test_ok);
    assert!(!deployment.road.provider_health().await.unwrap().self_test_ok);
    let id = || KeyRef::Id(key.key.id);
    let (context, algorithm) = (Context::EMPTY, None);
    let new = deployment.new_key("orders", "new", Purpose::Encrypt, Spec::Aes256Gcm);
    let rsa = deployment.new_key("orders", "rsa", Purpose::Encrypt, Spec::Rsa2048);
    let person = CreatePrincipal {
        name: "new".parse().unwrap(),
        kind: PrincipalKind::Workload,
        home: None,
        environment: None,
        same_person_as: None,
    };
    let token = CreateCredential {
        principal: PrincipalRef::Name("spare".parse().unwrap()),
        label: "token".parse().unwrap(),
        what: NewCredential::Token { lifetime: DAY },
        to_confirm: false,
    };
    let ring = CreateRing { name: "more".parse().unwrap(), policy: Default::default() };
    let data_key = GenerateDataKey { bytes: 32, context: context.clone(), algorithm };
    let sealed_only = GenerateDataKeyWithoutPlaintext { bytes: 32, context: context.clone(), algorithm };
    let pair = GenerateDataKeyPair { spec: PairSpec::new(Spec::EcP256).unwrap(), context };
    for (what, reported) in [
        ("key", refused(&deployment, "ada", new).await),
        ("rsa", refused(&deployment, "ada", rsa).await),
        ("version", refused(&deployment, "ada", RotateKey { key: id() }).await),
        ("ring", refused(&deployment, "ada", ring).await),
        ("principal", refused(&deployment, "ada", person).await),
        ("token", refused(&deployment, "ada", token).await),
        ("data key", refused(&deployment, "app", UseKey::new(id(), data_key)).await),
        ("sealed data key", refused(&deployment, "app", UseKey::new(id(), sealed_only)).await),
        ("pair", refused(&deployment, "app", UseKey::new(id(), pair)).await),
        ("secret", refused(&deployment, "app", UseKey::new(KeyRef::Id(kem.key.id), Encapsulate {})).await),
        ("bytes", refused(&deployment, "app", Random { bytes: 32 }).await),
    ] {
        assert!(
            reported.as_ref().is_some_and(|reported| reported.contains("(drbg)")),
            "{what}: {reported:?}"
        );
    }
    // Uses of what there is go on, and so does what restricts. A later success takes nothing back.
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"x");
    deployment.road.take_self_test(Ok(())).await.unwrap();
    let new = deployment.new_key("orders", "new", Purpose::Encrypt, Spec::Aes256Gcm);
    assert!(refused(&deployment, "ada", new).await.is_some());
    let suspend = ChangeKeyState::new(id(), None, claviger_core::key::Event::Suspend).unwrap();
    deployment.ask("ada", suspend).await.unwrap();
    hold(&deployment).await;

    let deployment = deployment.restart().await;
    deployment.key("new", Purpose::Encrypt, Spec::Aes256Gcm).await;
    assert!(deployment.road.provider_health().await.unwrap().self_test_ok);
}
