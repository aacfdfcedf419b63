//! Material that is imported: how it comes, goes and comes back.
#![expect(clippy::disallowed_methods, reason = "the tests wrap material as its owner does")]

use std::time::Duration;

use bytes::Bytes;
use claviger_core::key::{DataClass, Event, KeyRecord, Origin, RingPolicy, State};
use claviger_core::port::{Clock as _, Store as _};
use claviger_core::{Action, KeyVersionId, Purpose, Spec, Timestamp};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{Message, PublicKey, SecretBytes, SignatureAlgorithm, WrappingAlgorithm, generate};
use claviger_service::operation::usage::{Sign, UseKey};
use claviger_service::operation::{
    ChangeKeyState, CreateKey, CreateRing, ImportMaterial, ImportParameters, KeyPatch, MaterialImported,
    ReadImportParameters, RemoveImportedMaterial, RotateKey, ScheduleDestroy, UpdateKey,
};
use claviger_service::{ErrorKind, KeyRef, ServiceError};

use crate::deployment::{DAY, Deployment, system};
use crate::evidence;

use WrappingAlgorithm::{RsaAesKeyWrapSha256, RsaesOaepSha1, RsaesOaepSha256};

const MATERIAL: [u8; 32] = [0x5a; 32];
const OTHER: [u8; 32] = [0xa5; 32];
const ENCRYPTING: [Action; 2] = [Action::Encrypt, Action::Decrypt];

async fn awaiting(deployment: &Deployment, name: &str, purpose: Purpose, spec: Spec) -> KeyRecord {
    deployment.relaxed_ring("orders").await;
    awaiting_in(deployment, "orders", name, purpose, spec, DataClass::Confidential).await
}

async fn awaiting_in(
    deployment: &Deployment,
    ring: &str,
    name: &str,
    purpose: Purpose,
    spec: Spec,
    data_class: DataClass,
) -> KeyRecord {
    let new = CreateKey { data_class: Some(data_class), ..deployment.new_key(ring, name, purpose, spec) };
    let create = CreateKey { origin: Origin::Imported, ..new };
    deployment.ask("ada", create).await.unwrap().output
}

async fn parameters(
    deployment: &Deployment,
    key: &KeyRecord,
    wrapping: WrappingAlgorithm,
) -> Result<ImportParameters, ServiceError> {
    let asked = ReadImportParameters { key: KeyRef::Id(key.key.id), wrapping, wrapping_spec: Spec::Rsa2048 };
    Ok(deployment.ask("ada", asked).await?.output)
}

/// Wraps as the owner of the material does, with nothing but the public key.
fn wrapped(parameters: &ImportParameters, wrapping: WrappingAlgorithm, material: &[u8]) -> Bytes {
    let public = PublicKey::from_spki(Spec::Rsa2048, &parameters.public_key).unwrap();
    wrapping.wrap(&public, &SecretBytes::copied_from(material), &mut ModuleRandom).unwrap().into()
}

/// Asks for parameters and imports material.
async fn import(
    deployment: &Deployment,
    key: &KeyRecord,
    wrapping: WrappingAlgorithm,
    material: &[u8],
    change: impl FnOnce(&mut ImportMaterial),
) -> Result<MaterialImported, ServiceError> {
    let parameters = parameters(deployment, key, wrapping).await?;
    let mut import = ImportMaterial {
        key: KeyRef::Id(key.key.id),
        token: parameters.token.clone().into(),
        material: wrapped(&parameters, wrapping, material),
        expires_at: None,
        new_material: false,
        version: None,
    };
    change(&mut import);
    Ok(deployment.ask("ada", import).await?.output)
}

async fn remove(deployment: &Deployment, key: &KeyRecord, version: Option<u32>) -> KeyRecord {
    let remove = RemoveImportedMaterial { key: KeyRef::Id(key.key.id), version, only_if_expired: false };
    deployment.ask("ada", remove).await.unwrap().output
}

/// Imports material, or not: whichever the key allows.
pub(crate) async fn import_once(
    deployment: &Deployment,
    key: &KeyRecord,
    wrapping: WrappingAlgorithm,
    material: &[u8],
    new_material: bool,
) -> Result<MaterialImported, ServiceError> {
    import(deployment, key, wrapping, material, |import| import.new_material = new_material).await
}

/// Removes imported material, or not: whichever the key allows.
pub(crate) async fn remove_once(deployment: &Deployment, key: &KeyRecord) -> Result<KeyRecord, ServiceError> {
    let remove =
        RemoveImportedMaterial { key: KeyRef::Id(key.key.id), version: None, only_if_expired: false };
    Ok(deployment.ask("ada", remove).await?.output)
}

fn kind<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// What is recorded of material says whose it is, how it came, and that it is the same elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn imported_material_is_known_again_and_so_is_its_transport() {
    let deployment = Deployment::build().await;
    let key = awaiting(&deployment, "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let other = awaiting(&deployment, "other", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let parameters = parameters(&deployment, &key, RsaesOaepSha256).await.unwrap();
    let come = ImportMaterial {
        key: KeyRef::Id(key.key.id),
        token: parameters.token.clone().into(),
        material: wrapped(&parameters, RsaesOaepSha256, &MATERIAL),
        expires_at: None,
        new_material: false,
        version: None,
    };
    let first = deployment.ask("ada", come).await.unwrap().output.record.versions.remove(0);
    let transport = first.imported.as_ref().unwrap().transport.unwrap();
    assert_eq!((transport.algorithm, transport.spec), (RsaesOaepSha256, Spec::Rsa2048));
    assert_eq!(transport.key, claviger_crypto::digest::sha256(&parameters.public_key));
    assert_eq!(transport.strength_bits(), 112);
    let print = |version: &claviger_core::key::KeyVersion| version.provenance.fingerprint.unwrap();
    let same = import(&deployment, &other, RsaAesKeyWrapSha256, &MATERIAL, |_| {}).await.unwrap();
    assert_eq!(print(&same.record.versions[0]), print(&first), "under another key");
    assert_ne!(
        same.record.versions[0].imported.as_ref().unwrap().digest,
        first.imported.as_ref().unwrap().digest
    );
    // It comes another way the next time, and is the same.
    remove(&deployment, &key, None).await;
    let again =
        import(&deployment, &key, RsaesOaepSha1, &MATERIAL, |_| {}).await.unwrap().record.versions.remove(0);
    assert_eq!(print(&again), print(&first));
    assert_eq!(again.imported.unwrap().transport.unwrap().algorithm, RsaesOaepSha1);
    // What is made here has one, too, and no other has the same.
    let made = deployment.key("made", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let pair = deployment.key("pair", Purpose::Sign, Spec::EcP256).await;
    let prints = [print(&made.versions[0]), print(&pair.versions[0]), print(&first)];
    assert!(prints[0] != prints[1] && prints[1] != prints[2] && prints[0] != prints[2]);
    assert!(made.versions[0].imported.is_none());
    evidence::hold(&deployment).await;
    let deployment = deployment.restart().await;
    let stands = deployment.store.find_key(key.key.id).await.unwrap().unwrap().versions.remove(0);
    assert_eq!(print(&stands), print(&first));
    assert_eq!(stands.imported.unwrap().transport.unwrap().algorithm, RsaesOaepSha1);
}

#[tokio::test(flavor = "multi_thread")]
async fn material_comes_goes_and_comes_back() {
    let deployment = Deployment::build().await;
    let key = awaiting(&deployment, "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    assert_eq!((key.key.state, key.versions[0].state), (State::PreActive, State::PreActive));
    assert!(key.versions[0].is_pending_import());
    deployment.grant(&key, &ENCRYPTING).await;
    assert_eq!(kind(deployment.encrypt("app", &key, b"x").await), ErrorKind::WrongState);
    let activate = ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Activate).unwrap();
    assert_eq!(kind(deployment.ask("ada", activate).await), ErrorKind::WrongState);

    let imported = import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |_| {}).await.unwrap();
    assert_eq!((imported.version, imported.record.key.state), (1, State::Active));
    let sealed = deployment.encrypt("app", &key, b"kept").await.unwrap();

    let away = remove(&deployment, &key, None).await;
    assert_eq!((away.key.state, away.versions[0].state), (State::Active, State::Suspended));
    assert_eq!(kind(deployment.decrypt("app", &sealed).await), ErrorKind::WrongState);
    let resume = ChangeKeyState::new(KeyRef::Id(key.key.id), Some(1), Event::Resume).unwrap();
    assert_eq!(kind(deployment.ask("ada", resume).await), ErrorKind::WrongState);
    remove(&deployment, &key, None).await;

    let deployment = deployment.restart().await;
    assert_eq!(kind(deployment.decrypt("app", &sealed).await), ErrorKind::WrongState);
    assert_eq!(
        kind(import(&deployment, &key, RsaesOaepSha1, &OTHER, |_| {}).await),
        ErrorKind::WrongMaterial
    );
    import(&deployment, &key, RsaesOaepSha1, &MATERIAL, |_| {}).await.unwrap();
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"kept");
    evidence::hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_for_one_key_and_one_day() {
    let deployment = Deployment::build().await;
    let key = awaiting(&deployment, "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let other = awaiting(&deployment, "other", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let theirs = parameters(&deployment, &other, RsaesOaepSha256).await.unwrap();
    let foreign =
        import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |import| import.token = theirs.token.into());
    assert_eq!(kind(foreign.await), ErrorKind::ImportTokenInvalid);
    for token in [vec![], vec![0; 100], vec![0; 10_000]] {
        let refused =
            import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |import| import.token = token.into());
        assert_eq!(kind(refused.await), ErrorKind::ImportTokenInvalid);
    }
    let mut changed = parameters(&deployment, &key, RsaesOaepSha256).await.unwrap().token;
    *changed.last_mut().unwrap() ^= 1;
    let refused =
        import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |import| import.token = changed.into());
    assert_eq!(kind(refused.await), ErrorKind::ImportTokenInvalid);

    let old = parameters(&deployment, &key, RsaesOaepSha256).await.unwrap();
    assert!(old.token.len() <= 6144);
    let import = || ImportMaterial {
        key: KeyRef::Id(key.key.id),
        token: old.token.clone().into(),
        material: wrapped(&old, RsaesOaepSha256, &MATERIAL),
        expires_at: None,
        new_material: false,
        version: None,
    };
    deployment.clock.advance(DAY);
    assert_eq!(kind(deployment.ask("ada", import()).await), ErrorKind::ImportTokenExpired);
    evidence::hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_wrapped_for_the_token_does_not_come_in() {
    let deployment = Deployment::build().await;
    let key = awaiting(&deployment, "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for material in [Bytes::new(), vec![1; 256].into(), vec![1; 300].into()] {
        let refused =
            import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |import| import.material = material);
        assert_eq!(kind(refused.await), ErrorKind::BadCiphertext);
    }
    for length in [0, 16, 31, 33] {
        let refused = import(&deployment, &key, RsaesOaepSha256, &vec![7; length], |_| {}).await;
        assert_eq!(kind(refused), ErrorKind::WrongMaterial, "{length} bytes");
    }
    let past = Timestamp::from_micros(1);
    let refused =
        import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |import| import.expires_at = Some(past));
    assert_eq!(kind(refused.await), ErrorKind::InvalidArgument);
    let made_here = deployment.key("own", Purpose::Encrypt, Spec::Aes256Gcm).await;
    assert_eq!(kind(parameters(&deployment, &made_here, RsaesOaepSha256).await), ErrorKind::Unsupported);
    let remove =
        RemoveImportedMaterial { key: KeyRef::Id(made_here.key.id), version: None, only_if_expired: false };
    assert_eq!(kind(deployment.ask("ada", remove).await), ErrorKind::Unsupported);
    let mut hsm = key.clone();
    hsm.key.id = made_here.key.id;
    assert_eq!(
        kind(import(&deployment, &hsm, RsaesOaepSha256, &MATERIAL, |_| {}).await),
        ErrorKind::Unsupported
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn private_keys_and_mac_keys_come_in() {
    let deployment = Deployment::build().await;
    for (name, spec, algorithm) in [
        ("rsa", Spec::Rsa2048, SignatureAlgorithm::RsaPssSha256),
        ("p256", Spec::EcP256, SignatureAlgorithm::EcdsaSha256),
        ("k1", Spec::EcSecp256k1, SignatureAlgorithm::EcdsaSha256),
        ("ed", Spec::Ed25519, SignatureAlgorithm::Ed25519),
    ] {
        let made = generate(spec, &mut ModuleRandom).unwrap();
        let key = awaiting(&deployment, name, Purpose::Sign, spec).await;
        deployment.grant(&key, &[Action::Sign]).await;
        let imported =
            import(&deployment, &key, RsaAesKeyWrapSha256, made.secret.expose(), |_| {}).await.unwrap();
        assert_eq!(imported.record.versions[0].public_key, made.public, "{spec}");
        let sign = Sign { message: b"m".as_slice().into(), algorithm: Some(algorithm), prehashed: false };
        let signed = deployment.ask("app", UseKey::new(KeyRef::Id(key.key.id), sign)).await.unwrap().output;
        let public = PublicKey::from_spki(spec, &made.public.unwrap()).unwrap();
        public.verify(algorithm, Message::Raw(b"m"), &signed.signature).unwrap();
        let another = generate(spec, &mut ModuleRandom).unwrap();
        let refused = import(&deployment, &key, RsaAesKeyWrapSha256, another.secret.expose(), |_| {}).await;
        assert_eq!(kind(refused), ErrorKind::WrongMaterial, "{spec}");
    }
    let mac = awaiting(&deployment, "mac", Purpose::Mac, Spec::HmacSha256).await;
    assert_eq!(
        kind(import(&deployment, &mac, RsaesOaepSha256, &[1; 20], |_| {}).await),
        ErrorKind::WrongMaterial
    );
    import(&deployment, &mac, RsaesOaepSha256, &[1; 48], |_| {}).await.unwrap();
    evidence::hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_material_is_not_used_and_the_system_takes_it_away() {
    let deployment = Deployment::build().await;
    let key = awaiting(&deployment, "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &ENCRYPTING).await;
    let until = deployment.clock.now().after(Duration::from_secs(3600));
    import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |import| import.expires_at = Some(until))
        .await
        .unwrap();
    let sealed = deployment.encrypt("app", &key, b"x").await.unwrap();
    let due =
        || RemoveImportedMaterial { key: KeyRef::Id(key.key.id), version: Some(1), only_if_expired: true };
    assert_eq!(kind(deployment.road.perform_for_system(system(), due()).await), ErrorKind::WrongState);
    assert!(deployment.store.list_expired_material(deployment.clock.now(), 10).await.unwrap().is_empty());

    deployment.clock.advance(Duration::from_secs(3601));
    assert_eq!(kind(deployment.decrypt("app", &sealed).await), ErrorKind::WrongState);
    assert_eq!(kind(deployment.encrypt("app", &key, b"x").await), ErrorKind::WrongState);
    let id = KeyVersionId { key: key.key.id, number: 1 };
    assert_eq!(deployment.store.list_expired_material(deployment.clock.now(), 10).await.unwrap(), [id]);
    deployment.road.do_what_is_due().await;
    assert!(deployment.store.list_expired_material(deployment.clock.now(), 10).await.unwrap().is_empty());
    let stored = deployment.store.find_key(key.key.id).await.unwrap().unwrap();
    assert!(stored.versions[0].wrap.is_none() && stored.versions[0].is_pending_import());

    import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |_| {}).await.unwrap();
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"x");
    evidence::hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_destruction_takes_no_material_and_dies_without_any() {
    let deployment = Deployment::build().await;
    deployment.relaxed_ring("orders").await;
    let key = awaiting(&deployment, "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |_| {}).await.unwrap();
    let parameters = parameters(&deployment, &key, RsaesOaepSha256).await.unwrap();
    let schedule = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY * 7) };
    deployment.ask("ada", schedule).await.unwrap();
    let import = ImportMaterial {
        key: KeyRef::Id(key.key.id),
        token: parameters.token.clone().into(),
        material: wrapped(&parameters, RsaesOaepSha256, &MATERIAL),
        expires_at: None,
        new_material: false,
        version: None,
    };
    assert_eq!(kind(deployment.ask("ada", import).await), ErrorKind::WrongState);
    remove(&deployment, &key, None).await;
    deployment.clock.advance(DAY * 8);
    deployment.road.do_what_is_due().await;
    let stored = deployment.store.find_key(key.key.id).await.unwrap().unwrap();
    assert_eq!(stored.versions[0].state, State::Destroyed);
    evidence::hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_policy_rotates_a_key_whose_material_is_imported() {
    let deployment = Deployment::build().await;
    let key = awaiting(&deployment, "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |_| {}).await.unwrap();
    let patch = KeyPatch { rotation_period: Some(Some(DAY)), ..KeyPatch::default() };
    let update = UpdateKey { key: KeyRef::Id(key.key.id), patch, if_revision: None };
    deployment.ask("ada", update).await.unwrap();
    deployment.clock.advance(DAY * 2);
    assert!(deployment.store.list_rotation_due(deployment.clock.now(), 10).await.unwrap().is_empty());
    deployment.road.do_what_is_due().await;
    assert_eq!(deployment.store.find_key(key.key.id).await.unwrap().unwrap().key.primary, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_material_waits_for_rotation() {
    let deployment = Deployment::build().await;
    let key = awaiting(&deployment, "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &ENCRYPTING).await;
    let rotate = || RotateKey { key: KeyRef::Id(key.key.id) };
    let as_new = |import: &mut ImportMaterial| import.new_material = true;
    import(&deployment, &key, RsaesOaepSha256, &MATERIAL, as_new).await.unwrap();
    assert_eq!(kind(deployment.ask("ada", rotate()).await), ErrorKind::WrongState);
    let old = deployment.encrypt("app", &key, b"old").await.unwrap();
    assert_eq!(
        kind(import(&deployment, &key, RsaesOaepSha256, &MATERIAL, as_new).await),
        ErrorKind::WrongMaterial
    );
    let waiting = import(&deployment, &key, RsaesOaepSha256, &OTHER, as_new).await.unwrap();
    assert_eq!((waiting.version, waiting.record.key.primary), (2, 1));
    let third = import(&deployment, &key, RsaesOaepSha256, &[1; 32], as_new).await;
    assert_eq!(kind(third), ErrorKind::WrongState);
    let rotated = deployment.ask("ada", rotate()).await.unwrap().output;
    assert_eq!((rotated.key.primary, rotated.versions.len()), (2, 2));
    let new = deployment.encrypt("app", &key, b"new").await.unwrap();
    assert_ne!(old[..28], new[..28]);

    remove(&deployment, &key, Some(1)).await;
    assert_eq!(kind(deployment.decrypt("app", &old).await), ErrorKind::WrongState);
    assert_eq!(deployment.decrypt("app", &new).await.unwrap(), b"new");
    let back = import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |_| {}).await.unwrap();
    assert_eq!((back.version, back.record.versions[0].state), (1, State::Deactivated));
    assert_eq!(deployment.decrypt("app", &old).await.unwrap(), b"old");
    evidence::hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_alone_imports_into_what_is_in_use_or_restricted_in_a_strict_ring() {
    let deployment = Deployment::build().await;
    let create = CreateRing { name: "strict".parse().unwrap(), policy: RingPolicy::default() };
    deployment.ask("ada", create).await.unwrap();
    for (name, class, is_refused) in [
        ("internal", DataClass::Internal, false),
        ("confidential", DataClass::Confidential, false),
        ("personal", DataClass::Personal, false),
        ("special", DataClass::PersonalSpecial, true),
        ("cards", DataClass::Cardholder, true),
        ("health", DataClass::Ephi, true),
        ("passwords", DataClass::Authentication, true),
        ("trial", DataClass::Test, false),
    ] {
        let key = awaiting_in(&deployment, "strict", name, Purpose::Encrypt, Spec::Aes256Gcm, class).await;
        let first = import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |_| ()).await;
        if is_refused {
            assert_eq!(kind(first), ErrorKind::ApprovalRequired, "{name}");
            continue;
        }
        let record = first.unwrap().record;
        assert_eq!(record.key.state, State::Active, "{name}");
        let second = import(&deployment, &key, RsaesOaepSha256, &OTHER, |import| import.new_material = true);
        assert_eq!(kind(second.await), ErrorKind::ApprovalRequired, "{name}");
        // What is needed to import is no right to do so.
        assert!(parameters(&deployment, &key, RsaesOaepSha256).await.is_ok(), "{name}");
        deployment
            .ask("ada", ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Suspend).unwrap())
            .await
            .unwrap();
        assert!(parameters(&deployment, &key, RsaesOaepSha256).await.is_ok(), "{name}");
        // Out of use for a moment is in use: nobody alone has its material expire.
        let expires_at = Some(deployment.clock.wall().after(Duration::from_secs(60)));
        let again =
            import(&deployment, &key, RsaesOaepSha256, &MATERIAL, |import| import.expires_at = expires_at);
        assert_eq!(kind(again.await), ErrorKind::ApprovalRequired, "{name}");
    }
}
