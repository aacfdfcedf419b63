//! What goes with imported material: a token for one key, for a day.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::{EncryptionAlgorithm, PublicKey, Spec};
use serde_json::{Value, json};

use super::approver::{guarded, request_in};
use super::deployment::{DAY, Deployment};

/// Parameters to import material.
async fn parameters(deployment: &Deployment, key: &str) -> Value {
    let ask =
        json!({ "KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048" });
    deployment.ask("GetParametersForImport", ask).await.ok()
}

/// A call that imports material with those parameters.
fn import(key: &str, parameters: &Value) -> Value {
    import_of(key, parameters, [7; 32])
}

fn import_of(key: &str, parameters: &Value, material: [u8; 32]) -> Value {
    let public = STANDARD.decode(parameters["PublicKey"].as_str().unwrap()).unwrap();
    let public = PublicKey::from_spki(Spec::Rsa2048, &public).unwrap();
    let mut wrapped = Vec::new();
    public.seal(EncryptionAlgorithm::RsaOaepSha256, &material, b"", &mut wrapped).unwrap();
    json!({
        "KeyId": key,
        "ImportToken": parameters["ImportToken"],
        "EncryptedKeyMaterial": STANDARD.encode(wrapped),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_for_a_day() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({ "Origin": "EXTERNAL" })).await;
    let old = parameters(&deployment, &key).await;
    let ends = old["ParametersValidTo"].as_f64().unwrap();
    deployment.clock.advance(DAY);
    let refused = deployment.ask("ImportKeyMaterial", import(&key, &old)).await;
    refused.refused("ExpiredImportTokenException");
    assert!(ends * 1e6 <= deployment.clock.in_seconds(0).as_micros() as f64);
    let state = |answer: Value| answer["KeyMetadata"]["KeyState"].clone();
    assert_eq!(state(deployment.ask("DescribeKey", json!({ "KeyId": key })).await.ok()), "PendingImport");

    let new = parameters(&deployment, &key).await;
    deployment.clock.advance(DAY - std::time::Duration::from_secs(60));
    deployment.ask("ImportKeyMaterial", import(&key, &new)).await.ok();
    assert_eq!(state(deployment.ask("DescribeKey", json!({ "KeyId": key })).await.ok()), "Enabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_one_key() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({ "Origin": "EXTERNAL" })).await;
    let other = deployment.create_key(json!({ "Origin": "EXTERNAL" })).await;
    let theirs = parameters(&deployment, &other).await;
    let refused = deployment.ask("ImportKeyMaterial", import(&key, &theirs)).await;
    refused.refused("InvalidImportTokenException");
    let mut changed = import(&key, &parameters(&deployment, &key).await);
    changed["ImportToken"] = json!(STANDARD.encode([7; 200]));
    deployment.ask("ImportKeyMaterial", changed).await.refused("InvalidImportTokenException");
    deployment.ask("ImportKeyMaterial", import(&other, &theirs)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn naming_a_material_discloses_no_more_of_a_key_than_its_name() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({ "Origin": "EXTERNAL" })).await;
    let mut import = import(&key, &parameters(&deployment, &key).await);
    import["KeyMaterialId"] = json!("ab".repeat(32));
    deployment.ask("ImportKeyMaterial", import.clone()).await.refused("IncorrectKeyMaterialException");
    let denied = deployment.ask_as(&deployment.app, "ImportKeyMaterial", import.clone()).await;
    denied.refused("AccessDeniedException");
    import["KeyId"] = json!("30313233-3435-4637-b839-616263646566");
    deployment.ask("ImportKeyMaterial", import.clone()).await.refused("NotFoundException");
    let delete = json!({ "KeyId": key, "KeyMaterialId": import["KeyMaterialId"] });
    deployment.ask("DeleteImportedKeyMaterial", delete).await.refused("NotFoundException");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_material_beside_some_that_waits_is_described_with_both() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({ "Origin": "EXTERNAL" })).await;
    let mut ids = Vec::new();
    for (number, kind) in [(1, "EXISTING_KEY_MATERIAL"), (2, "NEW_KEY_MATERIAL")] {
        let mut import = import_of(&key, &parameters(&deployment, &key).await, [number; 32]);
        import["ImportType"] = json!(kind);
        let imported = deployment.ask("ImportKeyMaterial", import).await.ok();
        ids.push(imported["KeyMaterialId"].as_str().unwrap().to_owned());
    }
    let mut third = import_of(&key, &parameters(&deployment, &key).await, [3; 32]);
    third["ImportType"] = json!("NEW_KEY_MATERIAL");
    let said = deployment.ask("ImportKeyMaterial", third).await.refused("KMSInvalidStateException");
    let (start, end) = said.split_once(" cannot be imported into KMS key ").unwrap();
    let id = start.strip_prefix("New key material (id: ").unwrap().strip_suffix(")").unwrap();
    assert!(id.len() == 64 && !ids.iter().any(|known| known == id), "{said}");
    let arn = format!("arn:aws:kms:us-east-1:000000000000:key/{key}");
    assert_eq!(end, format!("{arn}, because another key material (id: {}) is pending rotation.", ids[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn material_for_a_key_in_use_comes_in_by_the_same_call_once_it_is_approved() {
    let deployment = Deployment::build().await;
    let custodians = guarded(&deployment).await;
    let key = deployment.create_key(json!({ "Origin": "EXTERNAL" })).await;
    let wrapped = async |number: u8| {
        let mut import = import_of(&key, &parameters(&deployment, &key).await, [number; 32]);
        import["ImportType"] = json!("NEW_KEY_MATERIAL");
        import
    };
    // The first material of a key is nothing that anybody uses.
    deployment.ask("ImportKeyMaterial", import(&key, &parameters(&deployment, &key).await)).await.ok();
    let sent = wrapped(8).await;
    let request = request_in(&deployment.ask("ImportKeyMaterial", sent.clone()).await);
    for custodian in &custodians {
        assert_eq!(request_in(&deployment.ask("ImportKeyMaterial", sent.clone()).await), request);
        custodian.approve(&deployment, request).await;
    }
    // The same material under another token is another request: what was approved are the bytes that were sent.
    assert_ne!(request_in(&deployment.ask("ImportKeyMaterial", wrapped(8).await).await), request);
    deployment.ask("ImportKeyMaterial", sent).await.ok();
}
