//! AES-GCM, AES-KWP, HMAC, HKDF and PBKDF2 against Wycheproof.
#![expect(clippy::disallowed_methods, reason = "compares secrets with published answers")]

use core::num::NonZeroU32;

use claviger_crypto::{CryptoError, ReadyKey, RecordKey, SecretBytes, Spec, kdf};

use crate::vectors::{Tally, bytes, number, secret, wycheproof};

/// Opening is checked with the published nonces; sealing draws its own, so its result is opened again.
#[test]
fn aes_gcm() {
    let mut tally = Tally::default();
    for (group, test) in wycheproof("aes_gcm") {
        if number(&group, "ivSize") != 96 || number(&group, "tagSize") != 128 {
            continue;
        }
        let (key, aad, plain) = (secret(&test, "key"), bytes(&test, "aad"), bytes(&test, "msg"));
        let body = [bytes(&test, "iv"), bytes(&test, "ct"), bytes(&test, "tag")].concat();
        let opened = match number(&group, "keySize") {
            128 => {
                let key = ReadyKey::from_material(Spec::Aes128Gcm, &key).unwrap();
                let mut again = Vec::new();
                key.seal(&plain, &aad, &mut again).unwrap();
                assert_eq!(key.open(&again, &aad).unwrap().expose(), plain);
                key.open(&body, &aad)
            }
            256 => {
                let key = RecordKey::new(&key).unwrap();
                let again = key.seal(&aad, &plain).unwrap();
                assert_eq!(key.open(&aad, &again).unwrap().expose(), plain);
                key.open(&aad, &body)
            }
            _ => continue,
        };
        match &opened {
            Ok(opened) => assert_eq!(opened.expose(), plain, "case {}", test["tcId"]),
            Err(error) => assert_eq!(*error, CryptoError::Failed, "case {}", test["tcId"]),
        }
        tally.check(&test, opened.is_ok());
    }
    tally.at_least(75, 50);
}

#[test]
fn aes_kwp() {
    let mut tally = Tally::default();
    for (group, test) in wycheproof("aes_kwp") {
        if number(&group, "keySize") != 256 {
            continue;
        }
        let key = ReadyKey::from_material(Spec::Aes256Kwp, &secret(&test, "key")).unwrap();
        let (plain, wrapped) = (bytes(&test, "msg"), bytes(&test, "ct"));
        let unwrapped = key.unwrap(&wrapped);
        let accepted = unwrapped.as_ref().is_ok_and(|u| u.expose() == plain);
        if accepted {
            assert_eq!(key.wrap(&SecretBytes::new(plain)).unwrap(), wrapped, "case {}", test["tcId"]);
        } else {
            assert_eq!(unwrapped.unwrap_err(), CryptoError::Failed, "case {}", test["tcId"]);
        }
        tally.check(&test, accepted);
    }
    tally.at_least(25, 50);
}

#[test]
fn hmac() {
    for (name, spec) in [
        ("hmac_sha256", Spec::HmacSha256),
        ("hmac_sha384", Spec::HmacSha384),
        ("hmac_sha512", Spec::HmacSha512),
    ] {
        let mut tally = Tally::default();
        for (group, test) in wycheproof(name) {
            let key = ReadyKey::from_material(spec, &secret(&test, "key")).unwrap();
            let (data, tag) = (bytes(&test, "msg"), bytes(&test, "tag"));
            let computed = key.mac(&data).unwrap();
            let truncated = number(&group, "tagSize") / 8 < computed.len() as u64;
            // Truncated tags are refused by design, so there only the computation is compared.
            let accepted =
                if truncated { computed.starts_with(&tag) } else { key.verify_mac(&data, &tag).is_ok() };
            if truncated {
                assert_eq!(key.verify_mac(&data, &tag), Err(CryptoError::Failed));
            }
            tally.check(&test, accepted);
        }
        tally.at_least(66, 108);
    }
}

#[test]
fn hkdf() {
    let mut tally = Tally::default();
    for (_, test) in wycheproof("hkdf_sha256") {
        let size = usize::try_from(number(&test, "size")).unwrap();
        let okm =
            kdf::hkdf_sha256(&secret(&test, "ikm"), &bytes(&test, "salt"), &[&bytes(&test, "info")], size);
        match &okm {
            Ok(okm) => assert_eq!(okm.expose(), bytes(&test, "okm"), "case {}", test["tcId"]),
            Err(error) => assert_eq!(*error, CryptoError::InputTooLarge),
        }
        tally.check(&test, okm.is_ok());
    }
    tally.at_least(83, 3);
}

#[test]
fn pbkdf2() {
    let mut tally = Tally::default();
    for (_, test) in wycheproof("pbkdf2_hmacsha256") {
        let iterations = NonZeroU32::new(u32::try_from(number(&test, "iterationCount")).unwrap()).unwrap();
        let len = usize::try_from(number(&test, "dkLen")).unwrap();
        let key = kdf::pbkdf2_hmac_sha256(&secret(&test, "password"), &bytes(&test, "salt"), iterations, len);
        assert_eq!(key.expose(), bytes(&test, "dk"), "case {}", test["tcId"]);
        tally.check(&test, true);
    }
    tally.at_least(40, 0);
}
