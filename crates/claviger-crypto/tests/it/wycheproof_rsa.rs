//! RSA PKCS #1 v1.5, PSS and OAEP against Wycheproof.
#![expect(clippy::disallowed_methods, reason = "compares plaintext with published answers")]

use claviger_crypto::{
    CryptoError, EncryptionAlgorithm, Message, PublicKey, ReadyKey, SignatureAlgorithm, Spec, digest, import,
};
use serde_json::Value;

use crate::vectors::{Tally, bytes, number, secret, text, wycheproof};

fn spec_of(bits: u64) -> Option<Spec> {
    match bits {
        2048 => Some(Spec::Rsa2048),
        3072 => Some(Spec::Rsa3072),
        4096 => Some(Spec::Rsa4096),
        _ => None,
    }
}

fn check(tally: &mut Tally, group: &Value, test: &Value, algorithm: SignatureAlgorithm) {
    let spec = spec_of(number(group, "keySize")).unwrap();
    let key = PublicKey::from_spki(spec, &bytes(group, "publicKeyDer")).expect("published keys are valid");
    let (message, signature) = (bytes(test, "msg"), bytes(test, "sig"));
    let accepted = key.verify(algorithm, Message::Raw(&message), &signature).is_ok();
    let hashed = match algorithm.digest_len() {
        Some(32) => digest::sha256(&message).to_vec(),
        Some(48) => digest::sha384(&message).to_vec(),
        _ => digest::sha512(&message).to_vec(),
    };
    let by_digest = key.verify(algorithm, Message::Digest(&hashed), &signature).is_ok();
    assert_eq!(accepted, by_digest, "case {}: digest and message differ", test["tcId"]);
    tally.check(test, accepted);
}

#[test]
fn pkcs1_signatures() {
    for (name, algorithm) in [
        ("rsa_signature_2048_sha256", SignatureAlgorithm::RsaPkcs1Sha256),
        ("rsa_signature_2048_sha512", SignatureAlgorithm::RsaPkcs1Sha512),
        ("rsa_signature_3072_sha256", SignatureAlgorithm::RsaPkcs1Sha256),
        ("rsa_signature_3072_sha384", SignatureAlgorithm::RsaPkcs1Sha384),
        ("rsa_signature_3072_sha512", SignatureAlgorithm::RsaPkcs1Sha512),
        ("rsa_signature_4096_sha384", SignatureAlgorithm::RsaPkcs1Sha384),
        ("rsa_signature_4096_sha512", SignatureAlgorithm::RsaPkcs1Sha512),
    ] {
        let mut tally = Tally::default();
        for (group, test) in wycheproof(name) {
            check(&mut tally, &group, &test, algorithm);
        }
        tally.at_least(7, 240);
    }
}

#[test]
fn pss_signatures() {
    for (name, algorithm) in [
        ("rsa_pss_3072_sha256_mgf1_32", SignatureAlgorithm::RsaPssSha256),
        ("rsa_pss_4096_sha256_mgf1_32", SignatureAlgorithm::RsaPssSha256),
        ("rsa_pss_4096_sha384_mgf1_48", SignatureAlgorithm::RsaPssSha384),
        ("rsa_pss_4096_sha512_mgf1_64", SignatureAlgorithm::RsaPssSha512),
    ] {
        let mut tally = Tally::default();
        for (group, test) in wycheproof(name) {
            check(&mut tally, &group, &test, algorithm);
        }
        tally.at_least(40, 40);
    }
}

/// Every combination of digest, mask generation and salt length is valid PSS; only ours may verify.
#[test]
fn pss_parameters_are_fixed() {
    let mut tally = Tally::default();
    for (group, test) in wycheproof("rsa_pss_misc") {
        let key = PublicKey::from_spki(Spec::Rsa2048, &bytes(&group, "publicKeyDer")).unwrap();
        for (algorithm, sha, salt_len) in [
            (SignatureAlgorithm::RsaPssSha256, "SHA-256", 32),
            (SignatureAlgorithm::RsaPssSha384, "SHA-384", 48),
            (SignatureAlgorithm::RsaPssSha512, "SHA-512", 64),
        ] {
            let ours = text(&group, "sha") == sha
                && text(&group, "mgfSha") == sha
                && number(&group, "sLen") == salt_len;
            let accepted =
                key.verify(algorithm, Message::Raw(&bytes(&test, "msg")), &bytes(&test, "sig")).is_ok();
            assert_eq!(accepted, ours, "case {} with {algorithm}", test["tcId"]);
            tally.count(accepted);
        }
    }
    tally.at_least(3, 447);
}

#[test]
fn oaep_decryption() {
    let mut tally = Tally::default();
    for name in ["rsa_oaep_2048_sha1_mgf1sha1", "rsa_oaep_3072_sha256_mgf1sha256", "rsa_oaep_misc"] {
        let mut last: Option<(String, ReadyKey)> = None;
        for (group, test) in wycheproof(name) {
            let Some(spec) = spec_of(number(&group, "keySize")) else { continue };
            let pkcs8 = text(&group, "privateKeyPkcs8");
            if last.as_ref().is_none_or(|(known, _)| known != pkcs8) {
                let material = import(spec, &secret(&group, "privateKeyPkcs8")).unwrap();
                last = Some((pkcs8.to_owned(), ReadyKey::from_material(spec, &material.secret).unwrap()));
            }
            let key = &last.as_ref().unwrap().1;
            let hash = text(&group, "sha");
            let algorithm = match hash {
                "SHA-1" => EncryptionAlgorithm::RsaOaepSha1,
                _ => EncryptionAlgorithm::RsaOaepSha256,
            };
            let ours = matches!(hash, "SHA-1" | "SHA-256")
                && text(&group, "mgfSha") == hash
                && text(&test, "label").is_empty();
            let opened = key.open_with(algorithm, &bytes(&test, "ct"), b"");
            if let Ok(opened) = &opened {
                assert_eq!(opened.expose(), bytes(&test, "msg"), "case {}", test["tcId"]);
            }
            if ours {
                tally.check(&test, opened.is_ok());
            } else {
                assert_eq!(opened.unwrap_err(), CryptoError::Failed, "case {}", test["tcId"]);
                tally.count(false);
            }
        }
    }
    tally.at_least(19, 220);
}
