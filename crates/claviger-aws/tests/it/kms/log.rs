//! What calls leave in the log: each its entries, no more and no fewer, refused ones too.

use std::time::Duration;

use claviger_audit::op::{Op, Outcome};
use serde_json::{Value, json};

use super::deployment::{Answer, Deployment, Recorded};
use super::signer::Signer;

/// Calls an operation; gives the answer and what it left in the log.
async fn leaves(
    deployment: &Deployment,
    signer: &Signer,
    operation: &str,
    body: Value,
) -> (Answer, Vec<Recorded>) {
    let body = body.to_string();
    for _ in 0..5 {
        let from = deployment.log_size().await;
        let answer = deployment.ask_with(signer, operation, body.as_bytes()).await;
        if !answer.is_withheld() {
            return (answer, deployment.recorded_since(from).await);
        }
    }
    panic!("{operation} is withheld each time");
}

fn ended(recorded: &[Recorded]) -> Vec<(Op, Outcome)> {
    recorded.iter().map(|recorded| (recorded.op, recorded.outcome)).collect()
}

/// The answer names the last of its entries.
#[track_caller]
fn names_the_last(answer: &Answer, recorded: &[Recorded]) {
    assert_eq!(answer.entry(), recorded.last().map(|recorded| recorded.index), "{answer:?} {recorded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_leaves_the_entries_of_what_it_did() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let (answer, recorded) =
        leaves(&deployment, &deployment.tool, "Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await;
    let sealed = answer.ok()["CiphertextBlob"].clone();
    assert_eq!(ended(&recorded), [(Op::Encrypt, Outcome::Ok)]);
    names_the_last(&answer, &recorded);
    for (operation, body, expected) in [
        ("Decrypt", json!({ "CiphertextBlob": sealed }), vec![Op::Decrypt]),
        (
            "ReEncrypt",
            json!({ "CiphertextBlob": sealed, "DestinationKeyId": key }),
            vec![Op::Reencrypt, Op::ReencryptInto],
        ),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256" }), vec![Op::GenerateDataKey]),
        ("GenerateRandom", json!({ "NumberOfBytes": 8 }), vec![Op::Random]),
        ("DescribeKey", json!({ "KeyId": key }), vec![Op::DescribeKey]),
        ("ListKeys", json!({}), vec![Op::ListGranted]),
        ("CreateKey", json!({}), vec![Op::ReadSelf, Op::CreateKey]),
        ("DisableKey", json!({ "KeyId": key }), vec![Op::SuspendKey]),
        ("EnableKey", json!({ "KeyId": key }), vec![Op::ResumeKey]),
        ("ScheduleKeyDeletion", json!({ "KeyId": key }), vec![Op::ScheduleDestroy]),
    ] {
        let (answer, recorded) = leaves(&deployment, &deployment.tool, operation, body).await;
        answer.ok();
        let expected: Vec<_> = expected.into_iter().map(|op| (op, Outcome::Ok)).collect();
        assert_eq!(ended(&recorded), expected, "{operation}");
        names_the_last(&answer, &recorded);
        // All entries of one call bear its request id, as a tag.
        assert!(
            recorded.iter().all(|one| one.request.is_some() && one.request == recorded[0].request),
            "{operation}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_have_request_ids_of_their_own() {
    let deployment = Deployment::build().await;
    let random = json!({ "NumberOfBytes": 8 });
    let (first, one) = leaves(&deployment, &deployment.tool, "GenerateRandom", random.clone()).await;
    let (second, other) = leaves(&deployment, &deployment.tool, "GenerateRandom", random).await;
    assert_ne!(first.header("x-amzn-requestid"), second.header("x-amzn-requestid"));
    assert_ne!(one[0].request, other[0].request);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_recorded_as_one() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let sealed =
        deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await.ok()["CiphertextBlob"]
            .clone();
    for (operation, body, expected) in [
        ("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=", "DryRun": true }), vec![Op::Encrypt]),
        ("Decrypt", json!({ "CiphertextBlob": sealed, "DryRun": true }), vec![Op::Decrypt]),
        (
            "ReEncrypt",
            json!({ "CiphertextBlob": sealed, "DestinationKeyId": key, "DryRun": true }),
            vec![Op::Reencrypt, Op::ReencryptInto],
        ),
    ] {
        let (answer, recorded) = leaves(&deployment, &deployment.tool, operation, body).await;
        answer.refused("DryRunOperationException");
        let expected: Vec<_> = expected.into_iter().map(|op| (op, Outcome::DryRun)).collect();
        assert_eq!(ended(&recorded), expected, "{operation}");
        names_the_last(&answer, &recorded);
    }
    let (answer, recorded) = leaves(
        &deployment,
        &deployment.app,
        "Encrypt",
        json!({ "KeyId": key, "Plaintext": "aGk=", "DryRun": true }),
    )
    .await;
    answer.refused("AccessDeniedException");
    assert_eq!(ended(&recorded), [(Op::Encrypt, Outcome::Denied)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_recorded_too() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let mac =
        deployment.create_key(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
    let sealed =
        deployment.ask("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await.ok()["CiphertextBlob"]
            .clone();
    let verify = json!({ "KeyId": mac, "Message": "aGk=", "MacAlgorithm": "HMAC_SHA_256", "Mac": "aGk=" });
    let elsewhere = json!({ "CiphertextBlob": sealed, "EncryptionContext": { "a": "b" } });
    for (operation, body, code, op, outcome) in [
        ("Decrypt", elsewhere, "InvalidCiphertextException", Op::Decrypt, Outcome::BadCiphertext),
        (
            "Encrypt",
            json!({ "KeyId": mac, "Plaintext": "aGk=" }),
            "InvalidKeyUsageException",
            Op::Encrypt,
            Outcome::BadInput,
        ),
        (
            "Encrypt",
            json!({ "KeyId": "30313233-3435-4637-b839-616263646566", "Plaintext": "aGk=" }),
            "NotFoundException",
            Op::Encrypt,
            Outcome::NotFound,
        ),
        // The code was looked at: that it does not fit is an answer.
        ("VerifyMac", verify, "KMSInvalidMacException", Op::VerifyMac, Outcome::Ok),
    ] {
        let (answer, recorded) = leaves(&deployment, &deployment.tool, operation, body).await;
        answer.refused(code);
        assert_eq!(ended(&recorded), [(op, outcome)], "{operation}");
        names_the_last(&answer, &recorded);
    }
    // What cannot be read asks for nothing: that is what is recorded, once a second of each access key.
    for (operation, body, code) in [
        ("Encrypt", json!({ "KeyId": key }), "ValidationException"),
        ("Encrypt", json!({ "KeyId": 7 }), "SerializationException"),
        ("Nothing", json!({}), "UnknownOperationException"),
        ("ConnectCustomKeyStore", json!({ "CustomKeyStoreId": "x" }), "UnsupportedOperationException"),
    ] {
        deployment.clock.advance(Duration::from_secs(1));
        let (answer, recorded) = leaves(&deployment, &deployment.tool, operation, body).await;
        answer.refused(code);
        assert_eq!(ended(&recorded), [(Op::MalformedRequest, Outcome::BadInput)], "{operation}");
        names_the_last(&answer, &recorded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_sign_is_identified_by_the_key_and_learns_nothing_of_the_body() {
    let deployment = Deployment::build().await;
    let forged = Signer { secret: "x".into(), ..deployment.tool.clone() };
    for body in [json!({ "NumberOfBytes": 8 }), json!({ "NumberOfBytes": "many" })] {
        // Of one key, no more than one in a second is recorded.
        deployment.clock.advance(Duration::from_secs(2));
        let (answer, recorded) = leaves(&deployment, &forged, "GenerateRandom", body).await;
        answer.refused("InvalidSignatureException");
        assert_eq!(ended(&recorded), [(Op::AuthenticationFailure, Outcome::Unauthenticated)]);
    }
    let unknown = Signer { id: "AKIAIOSFODNN7EXAMPLE".into(), ..deployment.tool.clone() };
    let answer = deployment.ask_as(&unknown, "Nothing", json!({})).await;
    answer.refused("UnrecognizedClientException");
    assert_eq!(answer.entry(), None);
}
