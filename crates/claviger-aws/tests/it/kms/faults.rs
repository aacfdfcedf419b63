//! What fails on our side: reported as a fault that clients try again, and of which they learn nothing.

use claviger_core::port::ProviderError;
use claviger_store::sqlite::SqliteOptions;
use serde_json::{Value, json};

use super::deployment::{Answer, Deployment};

/// What stands in the source of a fault, and is for the trace alone.
const INSIDE: &str = "slot-17-of-the-token";

fn fault(answer: &Answer, code: &str) {
    let message = answer.refused(code);
    assert_eq!(answer.status.as_u16(), 500, "{answer:?}");
    assert!(!message.is_empty() && !message.contains(INSIDE), "{message}");
}

/// Calls that take the module to work: one that makes material, some that use it, one that draws.
fn calls(key: &str, ciphertext: &Value) -> [(&'static str, Value); 5] {
    [
        ("CreateKey", json!({})),
        ("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })),
        ("Decrypt", json!({ "CiphertextBlob": ciphertext })),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256" })),
        ("GenerateRandom", json!({ "NumberOfBytes": 8 })),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_away_is_a_timeout_and_a_broken_one_an_internal_fault() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let sealed = deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await.ok();
    for (why, code) in [
        (ProviderError::Unavailable(INSIDE), "DependencyTimeoutException"),
        (ProviderError::LoginRefused, "DependencyTimeoutException"),
        (ProviderError::BadWrap, "KMSInternalException"),
        (ProviderError::SelfTestFailed, "KMSInternalException"),
    ] {
        for (operation, body) in calls(&key, &sealed["CiphertextBlob"]) {
            deployment.fault.set(Some(why.clone()));
            let answer = deployment.ask(operation, body.clone()).await;
            fault(&answer, code);
            // A call that failed is in the log like any other.
            assert!(answer.entry().is_some(), "{operation} {answer:?}");
            deployment.fault.set(None);
            deployment.ask(operation, body).await.ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_away_gives_no_parameters_for_import() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({ "Origin": "EXTERNAL" })).await;
    let parameters =
        json!({ "KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048" });
    deployment.fault.set(Some(ProviderError::Unavailable(INSIDE)));
    fault(&deployment.ask("GetParametersForImport", parameters).await, "DependencyTimeoutException");
}

/// Calls one after the other until the store is full; gives the answer that says so. Some calls fit where a larger one did not.
async fn fill(deployment: &Deployment, operation: &str, body: Value) -> Answer {
    for _ in 0..1000 {
        let answer = deployment.ask(operation, body.clone()).await;
        if answer.status.is_server_error() {
            return answer;
        }
    }
    panic!("the store never fills");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_store_cannot_record_is_not_done() {
    let deployment =
        Deployment::build_in(SqliteOptions { max_pages: Some(400), ..SqliteOptions::default() }).await;
    let key = deployment.create_key(json!({})).await;
    let described = |letter: &str| json!({ "KeyId": key, "Description": letter.repeat(8192) });
    for (operation, body) in
        [("CreateKey", json!({ "Description": "x".repeat(8192) })), ("UpdateKeyDescription", described("y"))]
    {
        let full = fill(&deployment, operation, body).await;
        fault(&full, "DependencyTimeoutException");
        assert_eq!(full.entry(), None, "nothing was recorded");
    }
}
