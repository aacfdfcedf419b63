//! Data assets: uses say which one they are on, by identifier, and nothing else of what callers said is kept.

use std::sync::Arc;

use claviger_audit::{Entry, NamedAsset, Op, Outcome};
use claviger_core::asset::Asset;
use claviger_core::key::{AssetRule, DataClass, KeyRecord};
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::{Action, AssetId, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{
    Decrypt, Encrypt, GenerateDataKey, KeyUse, Mac, UseBatch, UseKey, XksEncrypt,
};
use claviger_service::operation::{CreateAsset, ListAssets, ReadAsset, ReadEntries, RingPatch, UpdateRing};
use claviger_service::{AssetRef, ErrorKind, KeyRef, ServiceError};

use crate::approvals::do_approved;
use crate::deployment::Deployment;
use crate::evidence::{hold, replay};

const USES: [Action; 4] = [Action::Encrypt, Action::Decrypt, Action::GenerateDataKey, Action::Mac];

async fn enter(deployment: &Deployment, name: &str) -> Asset {
    let create = CreateAsset { name: name.parse().unwrap(), owner: None, class: DataClass::Ephi };
    deployment.ask("ada", create).await.unwrap().output
}

fn rule(rule: AssetRule) -> UpdateRing {
    let patch = RingPatch { assets: Some(rule), ..RingPatch::default() };
    UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None }
}

fn named(value: &str) -> Context {
    Context::from_pairs([(Asset::FIELD, value), ("tenant", "7")]).unwrap()
}

fn seal(context: Context) -> Encrypt {
    Encrypt { plaintext: b"x".to_vec().into(), context, algorithm: None }
}

async fn used<U: KeyUse>(
    deployment: &Deployment,
    key: &KeyRecord,
    what: U,
) -> Result<U::Output, ServiceError> {
    Ok(deployment.ask("app", UseKey::new(KeyRef::Id(key.key.id), what)).await?.output)
}

/// What entries of uses say of assets, the oldest first; and all bytes of the log's entries.
async fn logged(deployment: &Deployment) -> (Vec<(Op, Outcome, Option<NamedAsset>)>, Vec<u8>) {
    let read = ReadEntries { from: 0, limit: 1000, filter: EntryFilter::default() };
    let found = deployment.ask("vera", read).await.unwrap().output.entries;
    let all = found.iter().flat_map(|found| found.bytes.clone()).collect();
    let entries = found.iter().map(|found| Entry::decode(&found.bytes).unwrap());
    let of_uses = entries.filter(|entry| entry.op.code() < 200);
    (of_uses.map(|entry| (entry.op, entry.out, entry.ast)).collect(), all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_says_which_asset_it_is_on_and_the_log_has_nothing_else_of_it() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &USES).await;
    let asset = enter(&deployment, "patients").await;
    let id = asset.id.to_string();
    let known = Some(NamedAsset::Known(*asset.id.as_bytes()));
    let unknown = Some(NamedAsset::Unknown);

    let sealed = used(&deployment, &key, seal(named(&id))).await.unwrap().ciphertext;
    let open = Decrypt { ciphertext: sealed.into(), context: named(&id), algorithm: None };
    used(&deployment, &key, open).await.unwrap();
    let data_key = GenerateDataKey { bytes: 32, context: named(&id), algorithm: None };
    used(&deployment, &key, data_key).await.unwrap();
    // Neither a name, nor another spelling, nor the identifier of something else.
    let person = "patient-anna-4711";
    for other in [person, "patients", &id.to_uppercase(), &AssetId::random().unwrap().to_string(), ""] {
        used(&deployment, &key, seal(named(other))).await.unwrap();
    }
    used(&deployment, &key, seal(Context::from_pairs([("tenant", "7")]).unwrap())).await.unwrap();
    let items = vec![seal(named(&id)), seal(named(person)), seal(Context::EMPTY)];
    let done = deployment.ask("app", UseBatch { key: KeyRef::Id(key.key.id), items }).await.unwrap().output;
    assert!(done.iter().all(Result::is_ok));
    let request = Context::from_pairs([("kms:operation", "Encrypt")]).unwrap();
    let xks = |aad: &str| XksEncrypt {
        plaintext: b"x".to_vec().into(),
        aad: aad.as_bytes().to_vec(),
        request: request.clone(),
        prove: false,
    };
    used(&deployment, &key, xks(&format!("{}={id},tenant=7", Asset::FIELD))).await.unwrap();
    used(&deployment, &key, xks(&format!("{}={person}", Asset::FIELD))).await.unwrap();

    let (said, bytes) = logged(&deployment).await;
    let assets: Vec<_> = said.iter().map(|said| said.2).collect();
    let expected =
        [vec![known; 3], vec![unknown; 5], vec![None], vec![known, unknown, None], vec![known, unknown]];
    assert_eq!(assets, expected.concat());
    let filter = EntryFilter { asset: Some(asset.id), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 1000, filter };
    assert_eq!(deployment.ask("vera", read).await.unwrap().output.entries.len(), 5);
    assert!(!bytes.windows(person.len()).any(|window| window == person.as_bytes()), "what callers said");
    let verified = replay(&deployment).await;
    let fact = verified.objects.find(&Object::Asset(asset.id)).unwrap();
    assert!(fact.fields().contains_key(&3));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_ring_requires_assets_no_use_goes_without_one_that_is_there() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let mac = deployment.key("mac", Purpose::Mac, Spec::HmacSha256).await;
    for key in [&key, &mac] {
        deployment.grant(key, &USES).await;
    }
    let asset = enter(&deployment, "patients").await;
    let id = asset.id.to_string();
    let old = used(&deployment, &key, seal(Context::EMPTY)).await.unwrap().ciphertext;
    deployment.ask("ada", rule(AssetRule::Required)).await.unwrap();

    let missing = AssetId::random().unwrap().to_string();
    for refused in [Context::EMPTY, named("patients"), named(&missing), named("")] {
        let error = used(&deployment, &key, seal(refused)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContextRequired);
        assert!(error.public_message().contains("`claviger:asset`"), "{error}");
        assert!(!error.public_message().contains(&missing), "{error}");
    }
    used(&deployment, &key, seal(named(&id))).await.unwrap();
    let open = || Decrypt { ciphertext: old.clone().into(), context: Context::EMPTY, algorithm: None };
    assert_eq!(used(&deployment, &key, open()).await.unwrap_err().kind(), ErrorKind::ContextRequired);
    let batch =
        UseBatch { key: KeyRef::Id(key.key.id), items: vec![seal(named(&id)), seal(named(&missing))] };
    let done = deployment.ask("app", batch).await.unwrap().output;
    assert!(done[0].is_ok());
    assert_eq!(done[1].as_ref().unwrap_err().kind(), ErrorKind::ContextRequired);
    // Uses without a context name nothing.
    used(&deployment, &mac, Mac { data: b"x".to_vec().into(), spec: None }).await.unwrap();

    let (said, _) = logged(&deployment).await;
    let refused = said.iter().filter(|said| said.1 == Outcome::BadInput).count();
    assert_eq!(refused, 6, "{said:?}");
    // It survives a restart, in which nothing is remembered.
    let deployment = deployment.restart().await;
    assert_eq!(
        used(&deployment, &key, seal(named(&missing))).await.unwrap_err().kind(),
        ErrorKind::ContextRequired
    );
    used(&deployment, &key, seal(named(&id))).await.unwrap();
    do_approved(&deployment, "ada", || rule(AssetRule::Optional)).await;
    used(&deployment, &key, open()).await.unwrap();
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_was_none_is_known_from_the_moment_that_it_is_entered() {
    let deployment = Arc::new(Deployment::build().await);
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &USES).await;
    let first = enter(&deployment, "first").await;
    for _ in 0..3 {
        used(&deployment, &key, seal(named(&AssetId::random().unwrap().to_string()))).await.unwrap();
    }
    let second = enter(&deployment, "second").await;
    for asset in [&first, &second] {
        used(&deployment, &key, seal(named(&asset.id.to_string()))).await.unwrap();
    }
    let (said, _) = logged(&deployment).await;
    let known = |asset: &Asset| Some(NamedAsset::Known(*asset.id.as_bytes()));
    let assets: Vec<_> = said.iter().map(|said| said.2).collect();
    assert_eq!(assets[3..], [known(&first), known(&second)]);
}

/// What is remembered of assets is not read again: a store whose rows were taken away meanwhile is not asked.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_asked_once() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &USES).await;
    let asset = enter(&deployment, "patients").await;
    let missing = AssetId::random().unwrap();
    for id in [asset.id, missing] {
        used(&deployment, &key, seal(named(&id.to_string()))).await.unwrap();
    }
    let database = rusqlite::Connection::open(deployment.directory.path().join("data/store.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    database.execute("UPDATE asset SET class = 'internal'", []).unwrap();
    assert!(deployment.store.find_asset(asset.id).await.is_err(), "an edited row is refused");
    for id in [asset.id, missing] {
        used(&deployment, &key, seal(named(&id.to_string()))).await.unwrap();
    }
    let (said, _) = logged(&deployment).await;
    let known = Some(NamedAsset::Known(*asset.id.as_bytes()));
    let unknown = Some(NamedAsset::Unknown);
    let assets: Vec<_> = said.iter().map(|said| said.2).collect();
    assert_eq!(assets, [known, unknown, known, unknown]);
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_entered_once_by_administrators_and_read_by_people() {
    let deployment = Deployment::build().await;
    let asset = enter(&deployment, "patients").await;
    assert_eq!((asset.owner, asset.revision), (asset.created_by, 1));
    let create = |name: &str, owner: Option<&str>| CreateAsset {
        name: name.parse().unwrap(),
        owner: owner.map(|owner| owner.parse().unwrap()),
        class: DataClass::Internal,
    };
    let again = deployment.ask("ada", create("patients", None)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let of_app = deployment.ask("ada", create("other", Some("app"))).await.unwrap_err();
    assert_eq!(of_app.kind(), ErrorKind::InvalidArgument);
    assert_eq!(deployment.ask("otto", create("other", None)).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(deployment.ask("app", create("other", None)).await.unwrap_err().kind(), ErrorKind::Denied);
    let one = deployment.ask_once("ada", "once", create("once", Some("vera"))).await.unwrap().output;
    let same = deployment.ask_once("ada", "once", create("once", Some("vera"))).await.unwrap().output;
    assert_eq!(one, same);

    for asset in [AssetRef::Id(one.id), AssetRef::Name(one.name.clone())] {
        assert_eq!(deployment.ask("vera", ReadAsset { asset }).await.unwrap().output, one);
    }
    let page = claviger_core::port::store::Page { after: None, limit: 10 };
    let all = deployment.ask("vera", ListAssets { page }).await.unwrap().output;
    assert_eq!(all, [one, asset.clone()]);
    let missing = ReadAsset { asset: "nothing".parse().unwrap() };
    assert_eq!(deployment.ask("vera", missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    let denied = deployment.ask("app", ReadAsset { asset: AssetRef::Id(asset.id) }).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied);
    hold(&deployment).await;
}
