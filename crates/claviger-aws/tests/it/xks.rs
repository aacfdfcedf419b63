//! The external key store proxy as AWS KMS asks it: its four calls, their errors, and what takes a key away.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claviger_core::key::{Event, KeyRecord, RequiredContext};
use claviger_core::{Action, Purpose, Spec};
use claviger_crypto::digest::sha256;
use claviger_service::operation::{
    ChangeKeyState, CreateAlias, KeyPatch, RevokeCredential, RotateKey, UpdateKey,
};
use claviger_service::{ErrorKind, KeyRef};
use http::Method;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use crate::deployment::{Deployment, PREFIX, Signer, is_kind, now};

const ALL: [Action; 3] = [Action::DescribeKey, Action::Encrypt, Action::Decrypt];
const ALICE: &str = "arn:aws:iam::123456789012:user/Alice";

/// A deployment with a key that AWS KMS may use, and the access key that it signs with.
struct Store {
    deployment: Deployment,
    signer: Signer,
    key: KeyRecord,
}

impl Store {
    async fn open() -> Self {
        let deployment = Deployment::build().await;
        let key = deployment.key("main", Purpose::Encrypt, Spec::Aes256Gcm).await;
        deployment.grant(&key, &ALL, &[]).await;
        let signer = deployment.signer("kms").await;
        Self { deployment, signer, key }
    }

    fn path(&self, verb: &str) -> String {
        format!("keys/{}/{verb}", self.key.key.id)
    }

    async fn encrypt(&self, body: &Value) -> Value {
        self.deployment.call(&self.signer, &self.path("encrypt"), body).await.ok()
    }

    async fn decrypt(&self, body: &Value) -> crate::deployment::Answer {
        self.deployment.call(&self.signer, &self.path("decrypt"), body).await
    }
}

fn said(principal: &str, operation: &str) -> Value {
    json!({
        "awsPrincipalArn": principal,
        "kmsKeyArn": "arn:aws:kms:us-east-2:123456789012:/key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "kmsOperation": operation,
        "kmsRequestId": "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
        "kmsViaService": "ebs",
    })
}

fn encryption(plaintext: &[u8], aad: Option<&[u8]>) -> Value {
    let mut body = json!({
        "requestMetadata": said(ALICE, "Encrypt"),
        "plaintext": STANDARD.encode(plaintext),
        "encryptionAlgorithm": "AES_GCM",
    });
    if let Some(aad) = aad {
        body["additionalAuthenticatedData"] = STANDARD.encode(aad).into();
    }
    body
}

fn decryption(sealed: &Value, aad: Option<&[u8]>) -> Value {
    let mut body = json!({
        "requestMetadata": said(ALICE, "Decrypt"),
        "encryptionAlgorithm": "AES_GCM",
        "ciphertext": sealed["ciphertext"],
        "ciphertextMetadata": sealed["ciphertextMetadata"],
        "initializationVector": sealed["initializationVector"],
        "authenticationTag": sealed["authenticationTag"],
    });
    if let Some(aad) = aad {
        body["additionalAuthenticatedData"] = STANDARD.encode(aad).into();
    }
    body
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn health() -> Value {
    json!({ "requestMetadata": { "kmsOperation": "KmsHealthCheck", "kmsRequestId": "a" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn health_shows_the_module_after_it_worked() {
    let store = Store::open().await;
    let recorded = store.deployment.call(&store.signer, "health", &health()).await.ok();
    assert_eq!(recorded["xksProxyFleetSize"], 1);
    assert_eq!(
        (&recorded["xksProxyVendor"], &recorded["ekmVendor"]),
        (&json!("Claviger"), &json!("Claviger"))
    );
    assert!(recorded["xksProxyModel"].as_str().unwrap().contains("XKS proxy"));
    let fleet = recorded["ekmFleetDetails"].as_array().unwrap();
    assert_eq!(
        (fleet.len(), &fleet[0]["id"], &fleet[0]["healthStatus"]),
        (1, &json!("test"), &json!("ACTIVE"))
    );
    assert!(!fleet[0]["model"].as_str().unwrap().is_empty());
    // Whoever is known may ask, whatever they were granted.
    let outsider = store.deployment.signer("outsider").await;
    store.deployment.call(&outsider, "health", &health()).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_to_no_operation_is_recorded_as_that() {
    let store = Store::open().await;
    let answer = store.deployment.call(&store.signer, "nothing", &json!({})).await;
    answer.is(404, "InvalidUriPathException");
    assert!(answer.entry.is_some(), "{answer:?}");
    for call in ["health", &store.path("metadata")] {
        store.deployment.call(&store.signer, call, &json!({})).await.is(400, "ValidationException");
    }
    assert_eq!(store.deployment.road.malformed_requests(), 3);
    // What an operation refuses has the entry of that.
    let path = "keys/1234abcd-12ab-34cd-56ef-1234567890ab/encrypt";
    let answer = store.deployment.call(&store.signer, path, &encryption(b"x", None)).await;
    assert!(answer.entry.is_some() && !answer.status.is_success(), "{answer:?}");
    assert_eq!(store.deployment.road.malformed_requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_shows_what_was_granted_and_whether_the_key_serves() {
    let store = Store::open().await;
    let body = json!({ "requestMetadata": said(ALICE, "CreateKey") });
    let recorded = store.deployment.call(&store.signer, &store.path("metadata"), &body).await.ok();
    assert_eq!(
        recorded,
        json!({ "keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED" })
    );

    let half = store.deployment.key("half", Purpose::Encrypt, Spec::Aes256Gcm).await;
    store.deployment.grant(&half, &[Action::DescribeKey, Action::Decrypt], &[]).await;
    let path = format!("keys/{}/metadata", half.key.id);
    let recorded = store.deployment.call(&store.signer, &path, &body).await.ok();
    assert_eq!(recorded["keyUsage"], json!(["DECRYPT"]));

    let suspend = ChangeKeyState::new(KeyRef::Id(half.key.id), None, Event::Suspend).unwrap();
    store.deployment.ask("ada", suspend).await.unwrap();
    let recorded = store.deployment.call(&store.signer, &path, &body).await.ok();
    assert_eq!(recorded["keyStatus"], "DISABLED");

    let short = store.deployment.key("short", Purpose::Encrypt, Spec::Aes128Gcm).await;
    store.deployment.grant(&short, &ALL, &[]).await;
    let path = format!("keys/{}/metadata", short.key.id);
    store.deployment.call(&store.signer, &path, &body).await.is(501, "UnsupportedOperationException");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_encrypted_decrypts_with_the_same_additional_data_alone() {
    let store = Store::open().await;
    let aad = &b"project=nile,department=marketing"[..];
    for (plaintext, aad) in [
        (&b"Hello World!"[..], None),
        (b"Hello World!", Some(aad)),
        (b"Hello World!", Some(b"")),
        (&[7; 4300], Some(&[8; 8192][..])),
    ] {
        let sealed = store.encrypt(&encryption(plaintext, aad)).await;
        assert_eq!(bytes(&sealed["ciphertext"]).len(), plaintext.len());
        assert_eq!(bytes(&sealed["initializationVector"]).len(), 12);
        assert_eq!(bytes(&sealed["authenticationTag"]).len(), 16);
        assert!(bytes(&sealed["ciphertextMetadata"]).len() <= 20);
        assert_eq!(sealed.get("ciphertextDataIntegrityValue"), None);
        let opened = store.decrypt(&decryption(&sealed, aad)).await.ok();
        assert_eq!(bytes(&opened["plaintext"]), plaintext);
    }
    let sealed = store.encrypt(&encryption(b"Hello World!", Some(aad))).await;
    for wrong in [None, Some(&b"project=blue,department=finance"[..]), Some(&aad[1..])] {
        store.decrypt(&decryption(&sealed, wrong)).await.is(400, "InvalidCiphertextException");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_changed_part_is_an_invalid_ciphertext() {
    let store = Store::open().await;
    let sealed = store.encrypt(&encryption(b"Hello World!", None)).await;
    for part in ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"] {
        let good = bytes(&sealed[part]);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let mut other = sealed.clone();
            other[part] = STANDARD.encode(&bad).into();
            store.decrypt(&decryption(&other, None)).await.is(400, "InvalidCiphertextException");
        }
    }
    // What goes with the ciphertext is no additional data, and the other way round.
    let mut moved = decryption(&sealed, None);
    moved["additionalAuthenticatedData"] = moved["ciphertextMetadata"].take();
    store.decrypt(&moved).await.is(400, "InvalidCiphertextException");
    let mut long = sealed.clone();
    long["initializationVector"] = STANDARD.encode([1; 16]).into();
    store.decrypt(&decryption(&long, None)).await.is(400, "InvalidCiphertextException");
}

#[tokio::test(flavor = "multi_thread")]
async fn integrity_value_is_the_digest_of_all_parts_and_takes_the_right_to_decrypt() {
    let store = Store::open().await;
    for aad in [None, Some(&b"project=nile"[..])] {
        let mut body = encryption(b"a data key", aad);
        body["ciphertextDataIntegrityValueAlgorithm"] = "SHA_256".into();
        let sealed = store.encrypt(&body).await;
        let parts = ["ciphertextMetadata", "initializationVector", "ciphertext", "authenticationTag"];
        let mut all = aad.unwrap_or_default().to_vec();
        all.extend(parts.iter().flat_map(|part| bytes(&sealed[part])));
        assert_eq!(bytes(&sealed["ciphertextDataIntegrityValue"]), sha256(&all));
        assert_eq!(bytes(&store.decrypt(&decryption(&sealed, aad)).await.ok()["plaintext"]), b"a data key");
    }
    let key = store.deployment.key("sealing", Purpose::Encrypt, Spec::Aes256Gcm).await;
    store.deployment.grant(&key, &[Action::Encrypt], &[]).await;
    let path = format!("keys/{}/encrypt", key.key.id);
    let mut body = encryption(b"a data key", None);
    store.deployment.call(&store.signer, &path, &body).await.ok();
    body["ciphertextDataIntegrityValueAlgorithm"] = "SHA_256".into();
    store.deployment.call(&store.signer, &path, &body).await.is(400, "InvalidKeyUsageException");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_is_for_what_was_granted_of_it() {
    let store = Store::open().await;
    let sealed = store.encrypt(&encryption(b"data", None)).await;
    for (name, purpose, spec, granted, encrypts) in [
        ("encrypt-only", Purpose::Encrypt, Spec::Aes256Gcm, Action::Encrypt, true),
        ("decrypt-only", Purpose::Encrypt, Spec::Aes256Gcm, Action::Decrypt, false),
        ("signing", Purpose::Sign, Spec::EcP256, Action::Sign, false),
        ("short", Purpose::Encrypt, Spec::Aes128Gcm, Action::Encrypt, false),
        ("other-way", Purpose::Encrypt, Spec::Rsa2048, Action::Encrypt, false),
    ] {
        let key = store.deployment.key(name, purpose, spec).await;
        store.deployment.grant(&key, &[granted], &[]).await;
        let path = |verb: &str| format!("keys/{}/{verb}", key.key.id);
        let answer = store.deployment.call(&store.signer, &path("encrypt"), &encryption(b"data", None)).await;
        if encrypts {
            let sealed = answer.ok();
            let answer =
                store.deployment.call(&store.signer, &path("decrypt"), &decryption(&sealed, None)).await;
            answer.is(400, "InvalidKeyUsageException");
            // What one key sealed is nothing to another.
            store.decrypt(&decryption(&sealed, None)).await.is(400, "InvalidCiphertextException");
        } else {
            answer.is(400, "InvalidKeyUsageException");
        }
    }
    assert_eq!(bytes(&store.decrypt(&decryption(&sealed, None)).await.ok()["plaintext"]), b"data");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_grants_are_held_against_what_is_said_of_the_call() {
    let store = Store::open().await;
    let key = store.deployment.key("alices", Purpose::Encrypt, Spec::Aes256Gcm).await;
    store.deployment.grant(&key, &ALL, &[("awsPrincipalArn", ALICE), ("kmsOperation", "Encrypt")]).await;
    let path = format!("keys/{}/encrypt", key.key.id);
    let mut body = encryption(b"data", None);
    store.deployment.call(&store.signer, &path, &body).await.ok();
    for (principal, operation) in
        [("arn:aws:iam::123456789012:user/Bob", "Encrypt"), (ALICE, "GenerateDataKey")]
    {
        body["requestMetadata"] = said(principal, operation);
        store.deployment.call(&store.signer, &path, &body).await.is(403, "AccessDeniedException");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_ungranted_keys_are_not_found_alike() {
    let store = Store::open().await;
    let hidden = store.deployment.key("hidden", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for id in ["non_existing_key", "0b6bd4c5-6ea0-4e4d-a1ad-46f9e5a8d2d5", "a.b", &hidden.key.id.to_string()]
    {
        for (verb, body) in [
            ("metadata", json!({ "requestMetadata": said(ALICE, "DescribeKey") })),
            ("encrypt", encryption(b"data", None)),
        ] {
            let answer = store.deployment.call(&store.signer, &format!("keys/{id}/{verb}"), &body).await;
            answer.is(404, "KeyNotFoundException");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alias_names_a_key_too() {
    let store = Store::open().await;
    let create = CreateAlias { name: "store-main".parse().unwrap(), key: KeyRef::Id(store.key.key.id) };
    store.deployment.ask("ada", create).await.unwrap();
    let sealed = store
        .deployment
        .call(&store.signer, "keys/store-main/encrypt", &encryption(b"data", None))
        .await
        .ok();
    assert_eq!(bytes(&store.decrypt(&decryption(&sealed, None)).await.ok()["plaintext"]), b"data");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_key_opens_what_its_older_versions_sealed() {
    let store = Store::open().await;
    let old = store.encrypt(&encryption(b"old", None)).await;
    let rotate = RotateKey { key: KeyRef::Id(store.key.key.id) };
    store.deployment.ask("ada", rotate).await.unwrap();
    let new = store.encrypt(&encryption(b"new", None)).await;
    assert_ne!(bytes(&old["ciphertextMetadata"])[..5], bytes(&new["ciphertextMetadata"])[..5]);
    for (sealed, plaintext) in [(&old, b"old"), (&new, b"new")] {
        assert_eq!(bytes(&store.decrypt(&decryption(sealed, None)).await.ok()["plaintext"]), plaintext);
    }
    // The version that is named is the one that opens, and no other.
    let mut other = old.clone();
    let mut metadata = bytes(&old["ciphertextMetadata"]);
    metadata[..5].copy_from_slice(&bytes(&new["ciphertextMetadata"])[..5]);
    other["ciphertextMetadata"] = STANDARD.encode(metadata).into();
    store.decrypt(&decryption(&other, None)).await.is(400, "InvalidCiphertextException");
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_key_serves_nothing_from_that_moment_and_resumes() {
    let store = Store::open().await;
    let sealed = store.encrypt(&encryption(b"data", None)).await;
    let change = |event| ChangeKeyState::new(KeyRef::Id(store.key.key.id), None, event).unwrap();
    store.deployment.ask("otto", change(Event::Suspend)).await.unwrap();
    store.decrypt(&decryption(&sealed, None)).await.is(400, "InvalidStateException");
    let answer =
        store.deployment.call(&store.signer, &store.path("encrypt"), &encryption(b"data", None)).await;
    answer.is(400, "InvalidStateException");
    assert!(answer.entry.is_some());
    is_kind(store.deployment.ask("otto", change(Event::Resume)).await, ErrorKind::Denied);
    store.deployment.ask("ada", change(Event::Resume)).await.unwrap();
    assert_eq!(bytes(&store.decrypt(&decryption(&sealed, None)).await.ok()["plaintext"]), b"data");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_access_keys_count_at_once_until_one_is_revoked() {
    let store = Store::open().await;
    let second = store.deployment.signer("kms").await;
    for signer in [&store.signer, &second] {
        assert_eq!(signer.secret.len(), 44);
        store.deployment.call(signer, "health", &health()).await.ok();
    }
    store.deployment.ask("otto", RevokeCredential { credential: store.signer.credential }).await.unwrap();
    store.deployment.call(&store.signer, "health", &health()).await.is(401, "AuthenticationFailedException");
    store.deployment.call(&second, "health", &health()).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_signature_for_this_protocol_at_this_time_counts() {
    let store = Store::open().await;
    let (path, body) = (format!("{PREFIX}/kms/xks/v1/health"), health().to_string());
    let post = (Method::POST, path.as_str());
    let failed = |request| async {
        store.deployment.send(true, request).await.is(401, "AuthenticationFailedException");
    };
    failed(store.signer.sign(post.clone(), &body, now(), "kms")).await;
    let six_minutes = Duration::from_secs(360);
    let early = claviger_core::Timestamp::from_micros(now().as_micros() - 360_000_000);
    failed(store.signer.sign(post.clone(), &body, early, "kms-xks-proxy")).await;
    failed(store.signer.sign(post.clone(), &body, now().after(six_minutes), "kms-xks-proxy")).await;
    let unknown = Signer { id: format!("Invalid{}", store.signer.id), ..store.signer.clone() };
    failed(unknown.sign(post.clone(), &body, now(), "kms-xks-proxy")).await;
    let wrong = Signer { secret: format!("Invalid{}", store.signer.secret), ..store.signer.clone() };
    failed(wrong.sign(post.clone(), &body, now(), "kms-xks-proxy")).await;
    // Whoever is not known learns nothing of what is wrong with their request.
    failed(wrong.sign(post.clone(), "{}", now(), "kms-xks-proxy")).await;
    let mut unsigned = store.signer.sign(post.clone(), &body, now(), "kms-xks-proxy");
    unsigned.headers_mut().remove("authorization");
    failed(unsigned).await;
    let answer = store.deployment.send(false, store.signer.sign(post, &body, now(), "kms-xks-proxy")).await;
    answer.is(401, "AuthenticationFailedException");
    assert!(answer.body["errorMessage"].as_str().unwrap().contains("certificate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_refused() {
    let store = Store::open().await;
    let body = health().to_string();
    for path in [
        "/kms/xks/v1/health".to_owned(),
        format!("{PREFIX}/invalid/kms/xks/v1/health"),
        format!("{PREFIX}/kms/xks/v1/explode"),
        format!("{PREFIX}/kms/xks/v1/keys/{}/destroy", store.key.key.id),
    ] {
        let request = store.signer.sign((Method::POST, &path), &body, now(), "kms-xks-proxy");
        store.deployment.send(true, request).await.is(404, "InvalidUriPathException");
    }
    for call in ["health".to_owned(), store.path("encrypt"), store.path("decrypt"), store.path("metadata")] {
        let path = format!("{PREFIX}/kms/xks/v1/{call}");
        let request = store.signer.sign((Method::GET, &path), &body, now(), "kms-xks-proxy");
        let answer = store.deployment.send(true, request).await;
        assert_eq!((answer.status.as_u16(), answer.allow.as_deref()), (405, Some("POST")), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_unknown_learns_so_before_body_or_path_is_looked_at() {
    let store = Store::open().await;
    let untouchable =
        || Body::new(Full::new(Bytes::from_static(b"{}")).map_frame(|_| panic!("the body was read")));
    let unknown = Signer { id: "AKIAIOSFODNN7EXAMPLE".into(), ..store.signer.clone() };
    for path in [format!("{PREFIX}/kms/xks/v1/health"), format!("{PREFIX}/kms/xks/v1/explode")] {
        for (signer, is_admitted) in [(&unknown, true), (&store.signer, false)] {
            let request = signer.sign((Method::POST, &path), "{}", now(), "kms-xks-proxy");
            let answer = store.deployment.send(is_admitted, request.map(|_| untouchable())).await;
            answer.is(401, "AuthenticationFailedException");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_required_stands_in_the_additional_data_or_the_call_is_refused() {
    let store = Store::open().await;
    let fields = ["tenant"].map(|name| name.parse().unwrap());
    let patch =
        KeyPatch { context_required: Some(RequiredContext::new(fields).unwrap()), ..KeyPatch::default() };
    let update = UpdateKey { key: KeyRef::Id(store.key.key.id), patch, if_revision: None };
    store.deployment.ask("ada", update).await.unwrap();
    let (good, bad) = (b"project=nile,tenant=7", b"project=nile,tenants=7");
    let sealed = store.encrypt(&encryption(b"data", Some(good))).await;
    assert_eq!(bytes(&store.decrypt(&decryption(&sealed, Some(good))).await.ok()["plaintext"]), b"data");
    for aad in [None, Some(&bad[..])] {
        let answer =
            store.deployment.call(&store.signer, &store.path("encrypt"), &encryption(b"data", aad)).await;
        answer.is(400, "ValidationException");
        assert!(answer.entry.is_some(), "{answer:?}");
        store.decrypt(&decryption(&sealed, aad)).await.is(400, "ValidationException");
    }
    // What AWS KMS says of the call is not authenticated with it.
    let mut said = encryption(b"data", None);
    said["requestMetadata"]["tenant"] = "7".into();
    store.deployment.call(&store.signer, &store.path("encrypt"), &said).await.is(400, "ValidationException");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_are_answered_so() {
    let store = Store::open().await;
    for call in ["health".to_owned(), store.path("metadata"), store.path("encrypt"), store.path("decrypt")] {
        for body in [json!({}), json!({ "requestMetadata": {} }), json!([]), Value::Null] {
            store.deployment.call(&store.signer, &call, &body).await.is(400, "ValidationException");
        }
    }
    let mut body = encryption(b"data", None);
    body.as_object_mut().unwrap().remove("plaintext");
    store.deployment.call(&store.signer, &store.path("encrypt"), &body).await.is(400, "ValidationException");
    let long = encryption(&[0; 4301], None);
    let answer = store.deployment.call(&store.signer, &store.path("encrypt"), &long).await;
    answer.is(501, "UnsupportedOperationException");
    // An operation of AWS KMS that is not known here is none of our business.
    let mut body = encryption(b"data", None);
    body["requestMetadata"] = said(ALICE, "BulkEncrypt");
    store.encrypt(&body).await;
}
