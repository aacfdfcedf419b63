//! Data under keys, data keys and MACs.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeySpec, KeyUsageType, MacAlgorithmSpec};
use conformance_aws_rust::{key_for, kms, new_key};

const CARD: &[u8] = b"4111-1111-1111-1111";

#[tokio::test]
async fn what_was_encrypted_comes_back_under_the_same_context_only() {
    let kms = kms().await;
    let key = new_key(&kms).await;
    let sealed =
        kms.encrypt().key_id(key.key_id).plaintext(Blob::new(CARD)).encryption_context("order", "17");
    let sealed = sealed.send().await.unwrap();
    assert_eq!(sealed.key_id, key.arn);
    let decrypt = || kms.decrypt().ciphertext_blob(sealed.ciphertext_blob.clone().unwrap());

    let opened = decrypt().encryption_context("order", "17").send().await.unwrap();
    assert_eq!(opened.plaintext.unwrap().as_ref(), CARD);
    assert_eq!(opened.key_id, key.arn);
    for call in [decrypt(), decrypt().encryption_context("order", "18")] {
        let error = call.send().await.unwrap_err().into_service_error();
        assert!(error.is_invalid_ciphertext_exception(), "{error:?}");
        // Which of many things was wrong is not told.
        assert_eq!(error.meta().message().unwrap_or_default(), "");
    }
}

#[tokio::test]
async fn data_key_seals_here_and_opens_there() {
    let kms = kms().await;
    let key = new_key(&kms).await;
    let made = kms.generate_data_key().key_id(key.key_id).key_spec(DataKeySpec::Aes256);
    let made = made.encryption_context("object", "a").send().await.unwrap();
    let mut body = vec![7; 100_000];
    let local = |key: &Blob| LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let sealing = local(made.plaintext.as_ref().unwrap());
    sealing.seal_in_place_append_tag(nonce(), Aad::empty(), &mut body).unwrap();

    let opened =
        kms.decrypt().ciphertext_blob(made.ciphertext_blob.unwrap()).encryption_context("object", "a");
    let opened = opened.send().await.unwrap().plaintext.unwrap();
    let clear = local(&opened).open_in_place(nonce(), Aad::empty(), &mut body).unwrap();
    assert_eq!(clear, vec![7; 100_000]);
}

#[tokio::test]
async fn reencryption_moves_a_ciphertext_to_another_key_and_context() {
    let kms = kms().await;
    let (from, to) = (new_key(&kms).await, new_key(&kms).await);
    let sealed =
        kms.encrypt().key_id(from.key_id).plaintext(Blob::new(CARD)).encryption_context("order", "17");
    let sealed = sealed.send().await.unwrap().ciphertext_blob.unwrap();
    let moved = kms.re_encrypt().ciphertext_blob(sealed).source_encryption_context("order", "17");
    let moved = moved.destination_key_id(&to.key_id).destination_encryption_context("order", "18");
    let moved = moved.send().await.unwrap();
    assert_eq!((moved.source_key_id, moved.key_id), (from.arn, to.arn));
    let opened =
        kms.decrypt().ciphertext_blob(moved.ciphertext_blob.unwrap()).encryption_context("order", "18");
    assert_eq!(opened.send().await.unwrap().plaintext.unwrap().as_ref(), CARD);
}

#[tokio::test]
async fn mac_verifies_and_a_changed_one_does_not() {
    let kms = kms().await;
    let key = key_for(&kms, KeySpec::Hmac384, KeyUsageType::GenerateVerifyMac).await;
    let message = Blob::new(b"message".as_slice());
    let made =
        kms.generate_mac().key_id(&key).message(message.clone()).mac_algorithm(MacAlgorithmSpec::HmacSha384);
    let mac = made.send().await.unwrap().mac.unwrap();
    let verify = kms.verify_mac().key_id(key).message(message).mac_algorithm(MacAlgorithmSpec::HmacSha384);
    assert!(verify.clone().mac(mac).send().await.unwrap().mac_valid);
    let error = verify.mac(Blob::new([0; 48])).send().await.unwrap_err().into_service_error();
    assert!(error.is_kms_invalid_mac_exception(), "{error:?}");
}
