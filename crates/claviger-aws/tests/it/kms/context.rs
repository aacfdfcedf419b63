//! Rules of rings about uses, as AWS clients meet them: fields that encryption contexts must have, data keys in clear.

use claviger_core::key::{PlaintextDataKeys, RequiredContext};
use claviger_service::operation::{KeyPatch, RingPatch, UpdateKey, UpdateRing};
use claviger_service::{KeyRef, RingRef};
use serde_json::{Value, json};

use super::deployment::Deployment;

#[tokio::test(flavor = "multi_thread")]
async fn where_the_ring_lets_no_data_key_out_in_clear_the_sealed_ones_are_given() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let rule = async |rule| {
        let patch = RingPatch { plaintext_data_keys: Some(rule), ..RingPatch::default() };
        let ring = RingRef::Name("evaluation".parse().unwrap());
        deployment.does("ada", UpdateRing { ring, patch, if_revision: None }).await;
    };
    let data_key = json!({ "KeyId": key, "KeySpec": "AES_256" });
    let pair = json!({ "KeyId": key, "KeyPairSpec": "ECC_NIST_P256" });
    rule(PlaintextDataKeys::Refused).await;
    for (operation, body) in [("GenerateDataKey", &data_key), ("GenerateDataKeyPair", &pair)] {
        let said = deployment.ask(operation, body.clone()).await.refused("AccessDeniedException");
        assert!(said.contains("no data key out in clear"), "{operation}: {said}");
        deployment.ask(&format!("{operation}WithoutPlaintext"), body.clone()).await.ok();
    }
    rule(PlaintextDataKeys::Allowed).await;
    deployment.ask("GenerateDataKey", data_key).await.ok();
    deployment.ask("GenerateDataKeyPair", pair).await.ok();
}

fn required(names: &[&str]) -> Option<RequiredContext> {
    Some(RequiredContext::new(names.iter().map(|name| name.parse().unwrap())).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_field_that_is_required_is_a_validation_exception_that_names_it() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let other = deployment.create_key(json!({})).await;
    let sealed = deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await.ok();
    let patch = RingPatch { context_required: required(&["tenant"]), ..RingPatch::default() };
    let ring = RingRef::Name("evaluation".parse().unwrap());
    deployment.does("ada", UpdateRing { ring, patch, if_revision: None }).await;
    let patch = KeyPatch { context_required: required(&["claviger:asset"]), ..KeyPatch::default() };
    let of = KeyRef::Id(key.parse().unwrap());
    deployment.does("ada", UpdateKey { key: of, patch, if_revision: None }).await;

    let both = json!({ "tenant": "7", "claviger:asset": "a" });
    let with = |mut body: Value, context: &Value| {
        body["EncryptionContext"] = context.clone();
        body
    };
    let encrypt = json!({ "KeyId": key, "Plaintext": "aGk=" });
    let data_key = json!({ "KeyId": key, "KeySpec": "AES_256" });
    let pair = json!({ "KeyId": key, "KeyPairSpec": "ECC_NIST_P256" });
    for (operation, body) in [
        ("Encrypt", encrypt.clone()),
        ("GenerateDataKey", data_key.clone()),
        ("GenerateDataKeyWithoutPlaintext", data_key),
        ("GenerateDataKeyPair", pair.clone()),
        ("GenerateDataKeyPairWithoutPlaintext", pair),
        ("Decrypt", json!({ "CiphertextBlob": sealed["CiphertextBlob"] })),
    ] {
        for (context, field) in [(json!({}), "tenant"), (json!({ "tenant": "7" }), "claviger:asset")] {
            let answer = deployment.ask(operation, with(body.clone(), &context)).await;
            let said = answer.refused("ValidationException");
            assert!(said.contains(&format!("`{field}`")), "{operation}: {said}");
            assert!(answer.entry().is_some(), "{operation}");
        }
        if operation != "Decrypt" {
            deployment.ask(operation, with(body, &both)).await.ok();
        }
    }
    // Both ends of a re-encryption have rules of their own.
    let sealed = deployment.ask("Encrypt", with(encrypt, &both)).await.ok();
    let again = |from: &Value, to: &Value| {
        json!({
            "CiphertextBlob": sealed["CiphertextBlob"], "SourceEncryptionContext": from,
            "DestinationKeyId": other, "DestinationEncryptionContext": to,
        })
    };
    let said = deployment.ask("ReEncrypt", again(&both, &json!({}))).await.refused("ValidationException");
    assert!(said.contains("`tenant`"), "{said}");
    deployment.ask("ReEncrypt", again(&both, &json!({ "tenant": "7" }))).await.ok();
    let said = deployment.ask("ReEncrypt", again(&json!({}), &both)).await.refused("ValidationException");
    assert!(said.contains("`tenant`"), "{said}");
}
