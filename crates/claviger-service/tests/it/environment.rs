//! Environments of rings, keys and principals: a key belongs to one, and nobody of another uses it.

use claviger_audit::Outcome;
use claviger_core::key::KeyRecord;
use claviger_core::object::Object;
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, Name, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{Decrypt, Encrypt, UseKey};
use claviger_service::operation::{
    CreateCredential, CreateGrant, CreateKey, CreatePrincipal, GrantOn, KeyPatch, NewCredential, ReadEntries,
    ReadPrincipal, RingPatch, UpdateKey, UpdateRing,
};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ServiceError};

use crate::deployment::{DAY, Deployment, certificate_of};
use crate::evidence::{hold, replay};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn principal(text: &str) -> PrincipalRef {
    PrincipalRef::Name(name(text))
}

/// An application with a certificate, which may use all keys of ring `orders`.
async fn application(deployment: &Deployment, who: &str, environment: Option<&str>) {
    let create = CreatePrincipal {
        name: name(who),
        kind: PrincipalKind::Workload,
        home: None,
        environment: environment.map(name),
        same_person_as: None,
    };
    deployment.ask("ada", create).await.unwrap();
    let expires_at = deployment.clock.wall().after(DAY * 30);
    let what = NewCredential::Certificate { der: certificate_of(who), chain: Vec::new(), expires_at };
    let credential =
        CreateCredential { principal: principal(who), label: name("main"), what, to_confirm: false };
    deployment.ask("ada", credential).await.unwrap();
    let grant = CreateGrant {
        principal: principal(who),
        on: GrantOn::Ring("orders".parse().unwrap()),
        operations: vec![Action::Encrypt, Action::Decrypt],
        conditions: Default::default(),
        name: None,
        retiring: None,
    };
    deployment.ask("otto", grant).await.unwrap();
}

async fn encrypt(deployment: &Deployment, who: &str, key: &KeyRecord) -> Result<Vec<u8>, ErrorKind> {
    deployment.encrypt(who, key, b"x").await.map_err(|error| error.kind())
}

async fn of_ring(deployment: &Deployment, environment: &str) -> Result<(), ServiceError> {
    let patch = RingPatch { environment: Some(name(environment)), ..RingPatch::default() };
    let update = UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None };
    deployment.ask("ada", update).await.map(drop)
}

async fn of_key(deployment: &Deployment, key: &KeyRecord, environment: &str) -> Result<(), ServiceError> {
    let patch = KeyPatch { environment: Some(name(environment)), ..KeyPatch::default() };
    deployment.ask("ada", UpdateKey { key: KeyRef::Id(key.key.id), patch, if_revision: None }).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_uses_a_key_of_another_environment() {
    let deployment = Deployment::build().await;
    let old = deployment.key("old", Purpose::Encrypt, Spec::Aes256Gcm).await;
    application(&deployment, "shop", Some("production")).await;
    application(&deployment, "trial", Some("test")).await;
    application(&deployment, "plain", None).await;
    // Where nothing is said of the key, everybody uses it.
    let sealed = encrypt(&deployment, "trial", &old).await.unwrap();
    of_ring(&deployment, "production").await.unwrap();
    let new = deployment.key("new", Purpose::Encrypt, Spec::Aes256Gcm).await;
    assert_eq!(new.key.environment, Some(name("production")), "that of its ring");
    let test = CreateKey {
        environment: Some(name("test")),
        ..deployment.new_key("orders", "test", Purpose::Encrypt, Spec::Aes256Gcm)
    };
    let test = deployment.ask("ada", test).await.unwrap().output;
    for key in [&old, &new] {
        encrypt(&deployment, "shop", key).await.unwrap();
        assert_eq!(encrypt(&deployment, "trial", key).await, Err(ErrorKind::Denied));
        // Of whom no environment is known, none is another.
        encrypt(&deployment, "plain", key).await.unwrap();
    }
    encrypt(&deployment, "trial", &test).await.unwrap();
    assert_eq!(encrypt(&deployment, "shop", &test).await, Err(ErrorKind::Denied));
    let open = Decrypt { ciphertext: sealed.into(), context: Context::EMPTY, algorithm: None };
    let refused = deployment.ask("trial", UseKey::by_header(open).unwrap()).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    assert!(refused.public_message().contains("`production`"), "{refused}");

    let filter = EntryFilter { outcome: Some(Outcome::Denied.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 100, filter };
    assert_eq!(deployment.ask("vera", read).await.unwrap().output.entries.len(), 4);
    let shown = deployment.ask("vera", ReadPrincipal { principal: principal("trial") }).await.unwrap().output;
    assert_eq!(shown.environment, Some(name("test")));
    let verified = replay(&deployment).await;
    let fact = verified.objects.find(&Object::Principal(shown.id)).unwrap();
    assert!(fact.fields().contains_key(&15));
    let deployment = deployment.restart().await;
    assert_eq!(encrypt(&deployment, "trial", &new).await, Err(ErrorKind::Denied));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_an_environment_keeps_it() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    of_key(&deployment, &key, "test").await.unwrap();
    of_key(&deployment, &key, "test").await.unwrap();
    let refused = of_key(&deployment, &key, "production").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState);
    of_ring(&deployment, "production").await.unwrap();
    of_ring(&deployment, "production").await.unwrap();
    let refused = of_ring(&deployment, "test").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState);
    // The rule of the ring is not that of a key with one of its own.
    let what = Encrypt { plaintext: b"x".to_vec().into(), context: Context::EMPTY, algorithm: None };
    deployment.ask("app", UseKey::new(KeyRef::Id(key.key.id), what)).await.unwrap();
    hold(&deployment).await;
}
