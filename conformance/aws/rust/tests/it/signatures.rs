//! Signatures, verified by another library with the public key.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use conformance_aws_rust::{key_for, kms};

const MESSAGE: &[u8] = b"attack at dawn";

async fn signs(
    spec: KeySpec,
    algorithm: SigningAlgorithmSpec,
    verification: &'static dyn VerificationAlgorithm,
) {
    let kms = kms().await;
    let key = key_for(&kms, spec.clone(), KeyUsageType::SignVerify).await;
    let sign = kms.sign().key_id(&key).message(Blob::new(MESSAGE)).signing_algorithm(algorithm.clone());
    let signature = sign.send().await.unwrap().signature.unwrap();
    let told = kms.get_public_key().key_id(&key).send().await.unwrap();
    assert_eq!(told.key_spec, Some(spec));
    let public = UnparsedPublicKey::new(verification, told.public_key.unwrap().into_inner());
    public.verify(MESSAGE, signature.as_ref()).unwrap();
    public.verify(b"attack at dusk", signature.as_ref()).unwrap_err();

    let verify = kms.verify().key_id(key).signing_algorithm(algorithm).signature(signature);
    assert!(verify.clone().message(Blob::new(MESSAGE)).send().await.unwrap().signature_valid);
    let other = verify.message(Blob::new(b"attack at dusk".as_slice()));
    let error = other.send().await.unwrap_err().into_service_error();
    assert!(error.is_kms_invalid_signature_exception(), "{error:?}");
}

#[tokio::test]
async fn rsa_signs_with_pss() {
    signs(KeySpec::Rsa2048, SigningAlgorithmSpec::RsassaPssSha256, &RSA_PSS_2048_8192_SHA256).await;
}

#[tokio::test]
async fn rsa_signs_with_pkcs1() {
    signs(KeySpec::Rsa2048, SigningAlgorithmSpec::RsassaPkcs1V15Sha512, &RSA_PKCS1_2048_8192_SHA512).await;
}

#[tokio::test]
async fn p256_signs() {
    signs(KeySpec::EccNistP256, SigningAlgorithmSpec::EcdsaSha256, &ECDSA_P256_SHA256_ASN1).await;
}

#[tokio::test]
async fn ed25519_signs() {
    signs(KeySpec::EccNistEdwards25519, SigningAlgorithmSpec::Ed25519Sha512, &ED25519).await;
}

#[tokio::test]
async fn digest_is_signed_like_its_message() {
    let kms = kms().await;
    let key = key_for(&kms, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let sign = kms.sign().key_id(&key).signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
    let sign = sign.message_type(MessageType::Digest).message(Blob::new(digest(&SHA256, MESSAGE).as_ref()));
    let signature = sign.send().await.unwrap().signature.unwrap();
    let verify = kms.verify().key_id(key).signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
    assert!(verify.message(Blob::new(MESSAGE)).signature(signature).send().await.unwrap().signature_valid);
}
