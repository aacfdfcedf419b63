//! Refusals, as the SDK's own types tell them.

use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::operation::RequestId as _;
use aws_sdk_kms::primitives::Blob;
use conformance_aws_rust::{kms, kms_of, new_key, stranger, variable};

const CARD: &[u8] = b"4111-1111-1111-1111";

#[tokio::test]
async fn disabled_key_is_disabled() {
    let kms = kms().await;
    let key = new_key(&kms).await;
    kms.disable_key().key_id(&key.key_id).send().await.unwrap();
    let encrypt = || kms.encrypt().key_id(&key.key_id).plaintext(Blob::new(CARD)).send();
    let error = encrypt().await.unwrap_err();
    assert!(error.request_id().is_some());
    let error = error.into_service_error();
    assert!(error.is_disabled_exception(), "{error:?}");
    assert_eq!(error.meta().message(), Some(format!("{} is disabled.", key.arn.unwrap()).as_str()));
    kms.enable_key().key_id(&key.key_id).send().await.unwrap();
    encrypt().await.unwrap();
}

#[tokio::test]
async fn changed_ciphertext_is_invalid() {
    let kms = kms().await;
    let key = new_key(&kms).await.key_id;
    let sealed = kms.encrypt().key_id(key).plaintext(Blob::new(CARD)).send().await.unwrap();
    let mut blob = sealed.ciphertext_blob.unwrap().into_inner();
    *blob.last_mut().unwrap() ^= 1;
    let error = kms.decrypt().ciphertext_blob(Blob::new(blob)).send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_ciphertext_exception(), "{error:?}");
}

#[tokio::test]
async fn ciphertext_of_another_key_is_told_when_a_key_is_named() {
    let kms = kms().await;
    let (one, two) = (new_key(&kms).await.key_id, new_key(&kms).await.key_id);
    let sealed = kms.encrypt().key_id(one).plaintext(Blob::new(CARD)).send().await.unwrap();
    let decrypt = kms.decrypt().key_id(two).ciphertext_blob(sealed.ciphertext_blob.unwrap());
    let error = decrypt.send().await.unwrap_err().into_service_error();
    assert!(error.is_incorrect_key_exception(), "{error:?}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let kms = kms().await;
    for key in ["00000000-0000-4000-8000-000000000000", "alias/nobody-made-this"] {
        let error = kms.describe_key().key_id(key).send().await.unwrap_err().into_service_error();
        assert!(error.is_not_found_exception(), "{error:?}");
    }
}

#[tokio::test]
async fn dry_run_tells_by_an_error_that_it_would_have_worked() {
    let kms = kms().await;
    let key = new_key(&kms).await.key_id;
    let encrypt = kms.encrypt().key_id(key).plaintext(Blob::new(CARD)).dry_run(true);
    let error = encrypt.send().await.unwrap_err().into_service_error();
    assert!(error.is_dry_run_operation_exception(), "{error:?}");
}

#[tokio::test]
async fn key_that_exists_is_denied_by_its_id_and_not_found_by_its_alias_to_one_who_has_no_rights() {
    let kms = kms().await;
    let (other, _) = stranger().await;
    let key = new_key(&kms).await.key_id;
    let alias = format!("alias/rust-{key}");
    kms.create_alias().alias_name(&alias).target_key_id(&key).send().await.unwrap();
    let encrypt = |key: &str| other.encrypt().key_id(key).plaintext(Blob::new(CARD)).send();
    assert_eq!(encrypt(&key).await.unwrap_err().code(), Some("AccessDeniedException"));
    assert!(encrypt(&alias).await.unwrap_err().into_service_error().is_not_found_exception());
    assert_eq!(other.list_keys().send().await.unwrap().keys().len(), 0);
}

#[tokio::test]
async fn wrong_secret_and_unknown_access_key_are_told_apart() {
    let id = variable("AWS_ACCESS_KEY_ID");
    let secret = variable("AWS_SECRET_ACCESS_KEY");
    for (id, secret, code) in [
        (id.as_str(), "another", "InvalidSignatureException"),
        ("AKIAAAAAAAAAAAAAAAAA", secret.as_str(), "UnrecognizedClientException"),
    ] {
        let error = kms_of(id, secret).await.list_keys().send().await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{error:?}");
    }
}
