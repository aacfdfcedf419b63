//! The data plane: every use of a key, in JSON, as raw bytes and in batches.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claviger_core::action::Surface;
use http::Method;
use serde_json::{Value, json};

use crate::deployment::{As, Deployment, request};

const HELLO: &str = "aGVsbG8=";

fn bytes_of(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

async fn sealing() -> Deployment {
    let deployment = Deployment::with_ring().await;
    let operations =
        ["encrypt", "decrypt", "reencrypt", "generate_data_key", "generate_data_key_without_plaintext"];
    deployment.key("main", "encrypt", "aes-256-gcm", &operations).await;
    deployment
}

const MAIN: &str = "/v1/keys/orders%2Fmain";

#[tokio::test]
async fn json_and_raw_bytes_open_what_the_other_sealed() {
    let deployment = sealing().await;
    let context = json!({"tenant": "7"});
    let sealed = deployment
        .data("app", &format!("{MAIN}/encrypt"), json!({"plaintext": HELLO, "context": context}))
        .await
        .ok();
    assert!(sealed.header("claviger-entry").is_some());
    assert!(sealed.header("audit-receipt").unwrap().starts_with("v1;test/audit/1;"));
    let ciphertext = bytes_of(&sealed.json()["ciphertext"]);
    let header = STANDARD.encode(context.to_string());
    let headers = [("claviger-context", header.as_str())];

    let opened =
        deployment.octets("app", &format!("{MAIN}/decrypt"), &headers, ciphertext.clone().into()).await.ok();
    assert_eq!(opened.body, "hello");
    assert_eq!(opened.header("content-type"), Some("application/octet-stream"));
    assert_eq!(opened.header("claviger-version"), Some("1"));
    assert_eq!(opened.header("claviger-key"), sealed.json()["key"].as_str());
    let by_header = deployment.octets("app", "/v1/decrypt", &headers, ciphertext.into()).await.ok();
    assert_eq!(by_header.body, "hello");

    let raw = deployment.octets("app", &format!("{MAIN}/encrypt"), &headers, "hello".into()).await.ok();
    let ask = json!({"ciphertext": STANDARD.encode(&raw.body), "context": context});
    for path in [format!("{MAIN}/decrypt"), "/v1/decrypt".into()] {
        assert_eq!(deployment.data("app", &path, ask.clone()).await.ok().json()["plaintext"], HELLO);
    }
    // The empty message is a message.
    let nothing = deployment.octets("app", &format!("{MAIN}/encrypt"), &[], Bytes::new()).await.ok();
    assert_eq!(deployment.octets("app", "/v1/decrypt", &[], nothing.body).await.ok().body, "");
}

#[tokio::test]
async fn re_encryption_under_another_key_takes_both_rights_and_shows_nothing() {
    let deployment = sealing().await;
    deployment.key("archive", "encrypt", "aes-256-gcm", &["reencrypt_into", "decrypt"]).await;
    deployment.key("closed", "encrypt", "aes-256-gcm", &["decrypt"]).await;
    let context = json!({"order": "17"});
    let ask = json!({"plaintext": HELLO, "context": context});
    let sealed = deployment.data("app", &format!("{MAIN}/encrypt"), ask).await.ok().json();
    let reencrypt = async |to: Value, to_context: Value| {
        let ask = json!({"ciphertext": sealed["ciphertext"], "context": context, "to": to, "to_context": to_context});
        deployment.data("app", &format!("{MAIN}/reencrypt"), ask).await
    };
    let decrypt = async |key: &str, sealed: &Value, context: &Value| {
        let ask = json!({"ciphertext": sealed["ciphertext"], "context": context});
        deployment.data("app", &format!("/v1/keys/orders%2F{key}/decrypt"), ask).await
    };

    let moved = reencrypt("orders/archive".into(), Value::Null).await.ok().json();
    assert_ne!(moved["key"], sealed["key"]);
    assert_eq!(decrypt("archive", &moved, &context).await.ok().json()["plaintext"], HELLO);
    let other = json!({"year": "2026"});
    let moved = reencrypt(moved["key"].clone(), other.clone()).await.ok().json();
    assert_eq!(decrypt("archive", &moved, &other).await.ok().json()["plaintext"], HELLO);
    decrypt("archive", &moved, &context).await.problem(400, "bad-ciphertext");

    reencrypt("orders/closed".into(), Value::Null).await.problem(403, "denied");
    reencrypt("orders/nothing".into(), Value::Null).await.problem(404, "not-found");
    reencrypt(Value::Null, other).await.problem(400, "invalid-argument");
    let item = json!({"ciphertext": sealed["ciphertext"], "context": context, "to": "orders/archive"});
    deployment
        .data("app", &format!("{MAIN}/reencrypt/batch"), json!({ "items": [item] }))
        .await
        .problem(400, "invalid-argument");
}

#[tokio::test]
async fn wrong_context_wrong_bytes_and_wrong_key_are_one_problem() {
    let deployment = sealing().await;
    deployment.key("other", "encrypt", "aes-256-gcm", &["decrypt"]).await;
    let sealed = deployment.octets("app", &format!("{MAIN}/encrypt"), &[], "hello".into()).await.ok().body;
    let mut changed = sealed.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let context = STANDARD.encode(r#"{"a":"b"}"#);
    for (path, headers, body) in [
        (format!("{MAIN}/decrypt"), vec![("claviger-context", context.as_str())], sealed.clone()),
        (format!("{MAIN}/decrypt"), vec![], changed.into()),
        ("/v1/keys/orders%2Fother/decrypt".into(), vec![], sealed.clone()),
        (format!("{MAIN}/decrypt"), vec![], "nonsense".into()),
        ("/v1/decrypt".into(), vec![], "nonsense".into()),
    ] {
        deployment.octets("app", &path, &headers, body).await.problem(400, "bad-ciphertext");
    }
    for bad in ["e", "bm9uc2Vuc2U=", "W10=", ""] {
        let headers = [("claviger-context", bad)];
        deployment
            .octets("app", &format!("{MAIN}/decrypt"), &headers, sealed.clone())
            .await
            .problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn reencryption_moves_to_the_newest_version() {
    let deployment = sealing().await;
    let old = deployment.octets("app", &format!("{MAIN}/encrypt"), &[], "hello".into()).await.ok().body;
    deployment.control("ada", Method::POST, &format!("{MAIN}/rotate"), Value::Null).await.ok();
    let ask = json!({"ciphertext": STANDARD.encode(&old)});
    let new = deployment.data("app", &format!("{MAIN}/reencrypt"), ask).await.ok().json();
    assert_eq!(new["version"], 2);
    let opened = deployment.octets("app", "/v1/decrypt", &[], bytes_of(&new["ciphertext"]).into()).await.ok();
    assert_eq!((opened.body.as_ref(), opened.header("claviger-version")), (b"hello".as_slice(), Some("2")));
    assert_eq!(deployment.octets("app", "/v1/decrypt", &[], old).await.ok().body, "hello");
}

#[tokio::test]
async fn data_keys_come_in_clear_only_when_asked_for() {
    let deployment = sealing().await;
    let path = format!("{MAIN}/datakey");
    let shown = deployment.data("app", &path, Value::Null).await.ok().json();
    let clear = bytes_of(&shown["plaintext"]);
    assert_eq!(clear.len(), 32);
    let opened =
        deployment.octets("app", "/v1/decrypt", &[], bytes_of(&shown["ciphertext"]).into()).await.ok();
    assert_eq!(opened.body, clear);
    let sealed = deployment.data("app", &path, json!({"bytes": 16, "plaintext": false})).await.ok().json();
    assert_eq!(sealed.get("plaintext"), None);
    let batch = format!("{path}/batch");
    let mixed = json!({"items": [{"plaintext": true}, {"plaintext": false}]});
    deployment.data("app", &batch, mixed).await.problem(400, "invalid-argument");
    let many = deployment.data("app", &batch, json!({"items": [{}, {"bytes": 64}]})).await.ok().json();
    assert_eq!(bytes_of(&many["items"][1]["ok"]["plaintext"]).len(), 64);
}

#[tokio::test]
async fn a_batch_answers_item_by_item() {
    let deployment = sealing().await;
    let items = json!({"items": [{"plaintext": HELLO}, {"plaintext": HELLO, "context": {"a": "b"}}]});
    let sealed = deployment.data("app", &format!("{MAIN}/encrypt/batch"), items).await.ok();
    assert!(sealed.header("claviger-entry").is_some());
    let sealed = sealed.json();
    let one = &sealed["items"][0]["ok"]["ciphertext"];
    let two = &sealed["items"][1]["ok"]["ciphertext"];
    let items = json!({"items": [{"ciphertext": one}, {"ciphertext": two}, {"ciphertext": two, "context": {"a": "b"}}]});
    let opened = deployment.data("app", &format!("{MAIN}/decrypt/batch"), items).await.ok().json();
    assert_eq!(opened["items"][0]["ok"]["plaintext"], HELLO);
    assert_eq!(opened["items"][1]["error"]["code"], "bad-ciphertext");
    assert_eq!(opened["items"][2]["ok"]["plaintext"], HELLO);
}

#[tokio::test]
async fn signatures_are_made_and_verified_in_both_forms() {
    let deployment = Deployment::with_ring().await;
    for (name, spec) in [("ec", "ec-p256"), ("ed", "ed25519"), ("rsa", "rsa-2048"), ("pq", "ml-dsa-87")] {
        deployment.key(name, "sign", spec, &["sign", "verify", "read_public_key"]).await;
        let path = format!("/v1/keys/orders%2F{name}");
        let raw = deployment.octets("app", &format!("{path}/sign"), &[], "hello".into()).await.ok();
        let algorithm = raw.header("claviger-algorithm").unwrap().to_owned();
        let signature = STANDARD.encode(&raw.body);
        let ask = json!({"message": HELLO, "signature": signature, "algorithm": algorithm});
        assert_eq!(deployment.data("app", &format!("{path}/verify"), ask).await.ok().json()["valid"], true);
        let headers = [("claviger-signature", signature.as_str()), ("claviger-version", "1")];
        let verified =
            deployment.octets("app", &format!("{path}/verify"), &headers, "hello".into()).await.ok();
        assert_eq!(verified.json()["valid"], true, "{spec}");
        let forged = deployment.octets("app", &format!("{path}/verify"), &headers, "hullo".into()).await.ok();
        assert_eq!(forged.json()["valid"], false, "{spec}");
        let public = deployment.send(
            Surface::Data,
            As::Name("app"),
            request(Method::GET, &format!("{path}/public-key?version=1"), &Value::Null),
        );
        assert_eq!(public.await.ok().json()["spec"], spec);
    }
    let digest = STANDARD.encode([7; 32]);
    let signed = deployment
        .data("app", "/v1/keys/orders%2Fec/sign", json!({"message": digest, "prehashed": true}))
        .await
        .ok();
    let signature = signed.json()["signature"].as_str().unwrap().to_owned();
    let headers = [("claviger-signature", signature.as_str()), ("claviger-prehashed", "true")];
    let verified =
        deployment.octets("app", "/v1/keys/orders%2Fec/verify", &headers, vec![7; 32].into()).await.ok();
    assert_eq!(verified.json()["valid"], true);
    let path = "/v1/keys/orders%2Fec/verify";
    deployment.octets("app", path, &[], "hello".into()).await.problem(400, "malformed-request");
    for header in [("claviger-version", "one"), ("claviger-prehashed", "yes"), ("claviger-signature", "!")] {
        deployment
            .octets("app", path, &[("claviger-tag", "AA=="), header], "hello".into())
            .await
            .problem(400, "malformed-request");
    }
    let odd = [("claviger-algorithm", "md5")];
    deployment
        .octets("app", "/v1/keys/orders%2Fec/sign", &odd, "hello".into())
        .await
        .problem(400, "invalid-argument");
}

#[tokio::test]
async fn codes_are_made_and_checked_in_both_forms() {
    let deployment = Deployment::with_ring().await;
    deployment.key("auth", "mac", "hmac-sha256", &["mac", "verify_mac"]).await;
    let path = "/v1/keys/orders%2Fauth";
    let raw = deployment.octets("app", &format!("{path}/mac"), &[], "hello".into()).await.ok();
    let json = deployment.data("app", &format!("{path}/mac"), json!({"data": HELLO})).await.ok().json();
    assert_eq!(bytes_of(&json["tag"]), raw.body);
    let tag = json["tag"].as_str().unwrap();
    for (data, valid) in [("hello", true), ("hullo", false)] {
        let checked = deployment
            .octets("app", &format!("{path}/verify-mac"), &[("claviger-tag", tag)], data.into())
            .await
            .ok();
        assert_eq!(checked.json()["valid"], valid);
        let ask = json!({"data": STANDARD.encode(data), "tag": tag, "version": 1});
        assert_eq!(
            deployment.data("app", &format!("{path}/verify-mac"), ask).await.ok().json()["valid"],
            valid
        );
    }
    let items = json!({"items": [{"data": HELLO}, {"data": ""}]});
    assert_eq!(
        deployment.data("app", &format!("{path}/mac/batch"), items).await.ok().json()["items"][0]["ok"]["tag"],
        tag
    );
}

#[tokio::test]
async fn keys_are_wrapped_and_secrets_shared() {
    let deployment = Deployment::with_ring().await;
    deployment.key("wrapper", "wrap", "aes-256-kwp", &["wrap", "unwrap"]).await;
    let material = STANDARD.encode([9; 32]);
    let wrapped = deployment
        .data("app", "/v1/keys/orders%2Fwrapper/wrap", json!({"material": material}))
        .await
        .ok()
        .json();
    let ask = json!({"wrapped": wrapped["ciphertext"]});
    let opened = deployment.data("app", "/v1/keys/orders%2Fwrapper/unwrap", ask).await.ok().json();
    assert_eq!(opened["plaintext"], material.as_str());

    deployment.key("kem", "encapsulate", "ml-kem-768", &["encapsulate", "decapsulate"]).await;
    let capsule = deployment.data("app", "/v1/keys/orders%2Fkem/encapsulate", Value::Null).await.ok().json();
    let ask = json!({"ciphertext": capsule["ciphertext"], "version": 1});
    let opened = deployment.data("app", "/v1/keys/orders%2Fkem/decapsulate", ask).await.ok().json();
    assert_eq!(opened["plaintext"], capsule["secret"]);
    let many = deployment
        .data("app", "/v1/keys/orders%2Fkem/encapsulate/batch", json!({"items": [{}, {}]}))
        .await
        .ok()
        .json();
    assert_ne!(many["items"][0]["ok"]["secret"], many["items"][1]["ok"]["secret"]);

    for name in ["one", "two"] {
        deployment.key(name, "agree", "x25519", &["agree", "read_public_key"]).await;
    }
    let mut secrets = Vec::new();
    for (mine, theirs) in [("one", "two"), ("two", "one")] {
        let path = format!("/v1/keys/orders%2F{theirs}/public-key");
        let peer = deployment
            .send(Surface::Data, As::Name("app"), request(Method::GET, &path, &Value::Null))
            .await
            .ok()
            .json();
        let ask = json!({"peer": peer["public_key"]});
        let agreed =
            deployment.data("app", &format!("/v1/keys/orders%2F{mine}/agree"), ask).await.ok().json();
        secrets.push(agreed["plaintext"].clone());
    }
    assert_eq!(secrets[0], secrets[1]);
}

#[tokio::test]
async fn random_bytes_are_as_many_as_asked_for() {
    let deployment = Deployment::build().await;
    let drawn = deployment.data("app", "/v1/random", json!({"bytes": 48})).await.ok().json();
    assert_eq!(bytes_of(&drawn["bytes"]).len(), 48);
    assert!(deployment.data("app", "/v1/random", json!({"bytes": 0})).await.status.is_client_error());
    deployment.data("app", "/v1/random", json!({"bytes": -1})).await.problem(400, "malformed-request");
    deployment
        .data("app", "/v1/random", json!({"bytes": 4_294_967_296_u64}))
        .await
        .problem(400, "malformed-request");
}

#[tokio::test]
async fn a_suspended_key_refuses_at_once_and_in_every_form() {
    let deployment = sealing().await;
    let sealed = deployment.octets("app", &format!("{MAIN}/encrypt"), &[], "hello".into()).await.ok().body;
    deployment
        .control("ada", Method::POST, &format!("{MAIN}/suspend"), json!({"reason": "a test"}))
        .await
        .ok();
    deployment
        .octets("app", &format!("{MAIN}/encrypt"), &[], "hello".into())
        .await
        .problem(409, "wrong-state");
    deployment.octets("app", "/v1/decrypt", &[], sealed).await.problem(409, "wrong-state");
    deployment
        .data("app", &format!("{MAIN}/encrypt"), json!({"plaintext": ""}))
        .await
        .problem(409, "wrong-state");
    let batch =
        deployment.data("app", &format!("{MAIN}/encrypt/batch"), json!({"items": [{"plaintext": ""}]})).await;
    match batch.status.as_u16() {
        200 => assert_eq!(batch.json()["items"][0]["error"]["code"], "wrong-state"),
        _ => batch.problem(409, "wrong-state"),
    }
}
