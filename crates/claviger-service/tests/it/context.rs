//! Fields that ring or key ask encryption contexts for: no use without them.

use std::sync::Arc;

use claviger_audit::{Entry, Op, Outcome};
use claviger_core::key::{KeyRecord, RequiredContext};
use claviger_core::object::Object;
use claviger_core::{Action, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{
    Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, KeyUse, Mac, Reencrypt, UseBatch,
    UseKey,
};
use claviger_service::operation::{
    CreateKey, KeyPatch, ReadEntries, ReadKey, RingPatch, UpdateKey, UpdateRing,
};
use claviger_service::{ErrorKind, KeyRef, ServiceError};

use crate::approvals::do_approved;
use crate::deployment::Deployment;
use crate::evidence::{hold, replay};

const USES: [Action; 6] = [
    Action::Encrypt,
    Action::Decrypt,
    Action::Reencrypt,
    Action::GenerateDataKey,
    Action::GenerateDataKeyWithoutPlaintext,
    Action::Mac,
];

fn required(names: &[&str]) -> RequiredContext {
    RequiredContext::new(names.iter().map(|name| name.parse().unwrap())).unwrap()
}

fn context(names: &[&str]) -> Context {
    Context::from_pairs(names.iter().map(|name| (*name, "7"))).unwrap()
}

fn id(key: &KeyRecord) -> KeyRef {
    KeyRef::Id(key.key.id)
}

fn ring_asks_for(names: &[&str]) -> UpdateRing {
    let patch = RingPatch { context_required: Some(required(names)), ..RingPatch::default() };
    UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None }
}

async fn of_ring(deployment: &Deployment, names: &[&str]) {
    deployment.ask("ada", ring_asks_for(names)).await.unwrap();
}

fn key_asks_for(key: &KeyRecord, names: &[&str]) -> UpdateKey {
    let patch = KeyPatch { context_required: Some(required(names)), ..KeyPatch::default() };
    UpdateKey { key: id(key), patch, if_revision: None }
}

async fn of_key(deployment: &Deployment, key: &KeyRecord, names: &[&str]) -> Result<(), ServiceError> {
    deployment.ask("ada", key_asks_for(key, names)).await.map(drop)
}

fn seal(names: &[&str]) -> Encrypt {
    Encrypt { plaintext: b"x".to_vec().into(), context: context(names), algorithm: None }
}

async fn used<U: KeyUse>(
    deployment: &Deployment,
    key: &KeyRecord,
    what: U,
) -> Result<U::Output, ServiceError> {
    Ok(deployment.ask("app", UseKey::new(id(key), what)).await?.output)
}

#[track_caller]
fn asks_for<T>(done: Result<T, ServiceError>, field: &str) {
    let Err(error) = done else { panic!("done without `{field}`") };
    assert_eq!(error.kind(), ErrorKind::ContextRequired, "{error}");
    assert!(error.public_message().contains(&format!("`{field}`")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_use_of_a_key_goes_without_what_its_ring_or_it_asks_for() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let other = deployment.key("other", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for key in [&key, &other] {
        deployment.grant(key, &USES).await;
    }
    let old = used(&deployment, &key, seal(&[])).await.unwrap().ciphertext;
    of_ring(&deployment, &["tenant"]).await;
    of_key(&deployment, &key, &["claviger:asset"]).await.unwrap();

    asks_for(used(&deployment, &key, seal(&[])).await, "tenant");
    asks_for(used(&deployment, &key, seal(&["claviger:asset", "Tenant"])).await, "tenant");
    asks_for(used(&deployment, &key, seal(&["tenant"])).await, "claviger:asset");
    let both = ["claviger:asset", "tenant"];
    let sealed = used(&deployment, &key, seal(&both)).await.unwrap().ciphertext;
    // The rule of one key is that of no other.
    used(&deployment, &other, seal(&["tenant", "more"])).await.unwrap();
    asks_for(used(&deployment, &other, seal(&["more"])).await, "tenant");

    let open = |ciphertext: &[u8], names: &[&str]| Decrypt {
        ciphertext: ciphertext.to_vec().into(),
        context: context(names),
        algorithm: None,
    };
    asks_for(used(&deployment, &key, open(&old, &[])).await, "tenant");
    used(&deployment, &key, open(&sealed, &both)).await.unwrap();
    let again = Reencrypt { ciphertext: old.clone().into(), context: Context::EMPTY };
    asks_for(used(&deployment, &key, again).await, "tenant");
    let data_key = |names: &[&str]| GenerateDataKey { bytes: 32, context: context(names), algorithm: None };
    asks_for(used(&deployment, &key, data_key(&["tenant"])).await, "claviger:asset");
    used(&deployment, &key, data_key(&both)).await.unwrap();
    let sealed_only = GenerateDataKeyWithoutPlaintext { bytes: 32, context: Context::EMPTY, algorithm: None };
    asks_for(used(&deployment, &key, sealed_only).await, "tenant");

    // Of a batch, what has the fields is done.
    let batch = UseBatch { key: id(&key), items: vec![seal(&both), seal(&["tenant"]), seal(&both)] };
    let done = deployment.ask("app", batch).await.unwrap().output;
    assert!(done[0].is_ok() && done[2].is_ok());
    asks_for(done.into_iter().nth(1).unwrap(), "claviger:asset");

    // Each refusal is an entry.
    let filter = EntryFilter { outcome: Some(Outcome::BadInput.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 1000, filter };
    let refused = deployment.ask("vera", read).await.unwrap().output.entries;
    let ops: Vec<_> = refused.iter().map(|found| Entry::decode(&found.bytes).unwrap().op).collect();
    assert_eq!(ops.iter().filter(|op| **op == Op::Encrypt).count(), 5, "{ops:?}");
    assert_eq!(ops.iter().filter(|op| **op == Op::Decrypt).count(), 1, "{ops:?}");

    // What the rule asked for, the log says; without it, old data opens again.
    let verified = replay(&deployment).await;
    let fact = verified.objects.find(&Object::Key(key.key.id)).unwrap();
    assert!(fact.fields().contains_key(&19));
    do_approved(&deployment, "ada", || ring_asks_for(&[])).await;
    do_approved(&deployment, "ada", || key_asks_for(&key, &[])).await;
    used(&deployment, &key, open(&old, &[])).await.unwrap();
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_whose_uses_take_no_context_are_asked_for_none() {
    let deployment = Deployment::build().await;
    let mac = deployment.key("mac", Purpose::Mac, Spec::HmacSha256).await;
    of_key_before_ring(&deployment).await;
    deployment.grant(&mac, &[Action::Mac]).await;
    of_ring(&deployment, &["tenant"]).await;
    used(&deployment, &mac, Mac { data: b"x".to_vec().into(), spec: None }).await.unwrap();
    let refused = of_key(&deployment, &mac, &["tenant"]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    of_key(&deployment, &mac, &[]).await.unwrap();
    let new = CreateKey {
        context_required: required(&["tenant"]),
        ..deployment.new_key("orders", "rsa", Purpose::Encrypt, Spec::Rsa2048)
    };
    assert_eq!(deployment.ask("ada", new).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

/// A key is made with its rule, which is shown, survives a restart, and stays through rotations and changes of other things.
async fn of_key_before_ring(deployment: &Deployment) {
    let new = CreateKey {
        context_required: required(&["tenant", "claviger:asset", "tenant"]),
        ..deployment.new_key("orders", "with-rule", Purpose::Encrypt, Spec::Aes256Gcm)
    };
    let key = deployment.ask("ada", new).await.unwrap().output;
    deployment.grant(&key, &USES).await;
    let patch = KeyPatch { description: Some("other".into()), ..KeyPatch::default() };
    deployment.ask("ada", UpdateKey { key: id(&key), patch, if_revision: None }).await.unwrap();
    let shown = deployment.ask("vera", ReadKey { key: id(&key) }).await.unwrap().output;
    assert_eq!(shown.key.context_required, required(&["claviger:asset", "tenant"]));
    asks_for(used(deployment, &key, seal(&["tenant"])).await, "claviger:asset");
}

/// Once the rule is set, no use ends without the field, however many are under way.
#[tokio::test(flavor = "multi_thread")]
async fn uses_that_are_under_way_end_before_the_rule_or_with_the_field() {
    let deployment = Arc::new(Deployment::build().await);
    let key = Arc::new(deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await);
    deployment.grant(&key, &USES).await;
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (deployment, key) = (Arc::clone(&deployment), Arc::clone(&key));
            tokio::spawn(async move {
                let mut last = 0;
                loop {
                    match deployment.ask("app", UseKey::new(id(&key), seal(&[]))).await {
                        Ok(done) => last = done.receipt.index(),
                        Err(error) if error.kind() == ErrorKind::ContextRequired => return last,
                        // Recorded before the rule, and not let out behind it.
                        Err(error) if error.kind() == ErrorKind::Withheld => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let patch = RingPatch { context_required: Some(required(&["tenant"])), ..RingPatch::default() };
    let update = UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None };
    let set = deployment.ask("ada", update).await.unwrap().receipt.index();
    for worker in workers {
        assert!(worker.await.unwrap() < set, "a use without the field behind the rule");
    }
}
