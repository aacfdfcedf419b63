//! ECDH, X25519 and ML-KEM against Wycheproof.
#![expect(clippy::disallowed_methods, reason = "compares shared secrets with published answers")]

use claviger_crypto::{CryptoError, PublicKey, ReadyKey, SecretBytes, Spec, import};

use crate::vectors::{Tally, bytes, has_flag, wycheproof};

/// `ECPrivateKey` (RFC 5915) with the scalar padded to the length of the curve.
fn sec1(spec: Spec, scalar: &[u8]) -> SecretBytes {
    let (len, oid) = match spec {
        Spec::EcP256 => (32, "06082a8648ce3d030107"),
        Spec::EcP384 => (48, "06052b81040022"),
        _ => (66, "06052b81040023"),
    };
    let start = scalar.iter().position(|byte| *byte != 0).unwrap_or(scalar.len());
    let digits = &scalar[start..];
    let padded = [vec![0; len - digits.len()], digits.to_vec()].concat();
    let oid = hex::decode(oid).unwrap();
    let short = |len: usize| u8::try_from(len).unwrap();
    let content =
        [&[0x02, 0x01, 0x01, 0x04, short(len)], padded.as_slice(), &[0xa0, short(oid.len())], oid.as_slice()]
            .concat();
    SecretBytes::new([&[0x30, short(content.len())], content.as_slice()].concat())
}

fn ecdh(name: &str, spec: Spec) -> Tally {
    let mut tally = Tally::default();
    for (_, test) in wycheproof(name) {
        let material = import(spec, &sec1(spec, &bytes(&test, "private"))).unwrap();
        let key = ReadyKey::from_material(spec, &material.secret).unwrap();
        let shared = key.agree(&bytes(&test, "public"));
        match &shared {
            Ok(shared) => assert_eq!(shared.expose(), bytes(&test, "shared"), "case {}", test["tcId"]),
            Err(error) => assert_eq!(*error, CryptoError::Malformed, "case {}", test["tcId"]),
        }
        tally.check(&test, shared.is_ok());
        // One encoding per key: what is merely acceptable in `SubjectPublicKeyInfo` is refused.
        if has_flag(&test, "InvalidAsn") || has_flag(&test, "UnnamedCurve") {
            assert!(shared.is_err(), "case {}", test["tcId"]);
        }
    }
    tally
}

#[test]
fn ecdh_p256() {
    ecdh("ecdh_secp256r1", Spec::EcP256).at_least(330, 270);
}

#[test]
fn ecdh_p384() {
    ecdh("ecdh_secp384r1_ecpoint", Spec::EcP384).at_least(771, 18);
}

#[test]
fn ecdh_p521() {
    ecdh("ecdh_secp521r1", Spec::EcP521).at_least(632, 270);
    ecdh("ecdh_secp521r1_ecpoint", Spec::EcP521).at_least(632, 28);
}

/// All valid cases agree; of the acceptable ones, exactly those with an all-zero secret are refused.
#[test]
fn x25519() {
    let mut tally = Tally::default();
    let prefix = hex::decode("302e020100300506032b656e04220420").unwrap();
    for (_, test) in wycheproof("x25519") {
        let material = SecretBytes::new([prefix.clone(), bytes(&test, "private")].concat());
        let key = ReadyKey::from_material(Spec::X25519, &material).unwrap();
        let expected = bytes(&test, "shared");
        let shared = key.agree(&bytes(&test, "public"));
        assert_eq!(shared.is_err(), expected.iter().all(|byte| *byte == 0), "case {}", test["tcId"]);
        if let Ok(shared) = &shared {
            assert_eq!(shared.expose(), expected, "case {}", test["tcId"]);
        }
        tally.check(&test, shared.is_ok());
    }
    tally.at_least(264, 20);
}

fn frame(prefix: &str, raw: Vec<u8>) -> Vec<u8> {
    [hex::decode(prefix).unwrap(), raw].concat()
}

const PKCS8_768: &str = "30820978020100300b060960864801650304040204820964048209 60";
const PKCS8_1024: &str = "30820c78020100300b060960864801650304040304820c6404820c60";

#[test]
fn ml_kem_decapsulation_keys_are_checked() {
    for (name, spec, prefix) in [
        ("mlkem_768_semi_expanded_decaps", Spec::MlKem768, PKCS8_768.replace(' ', "")),
        ("mlkem_1024_semi_expanded_decaps", Spec::MlKem1024, PKCS8_1024.to_owned()),
    ] {
        let mut tally = Tally::default();
        for (_, test) in wycheproof(name) {
            let material = SecretBytes::new(frame(&prefix, bytes(&test, "dk")));
            let shared =
                ReadyKey::from_material(spec, &material).and_then(|key| key.decapsulate(&bytes(&test, "c")));
            if let (Ok(shared), "valid") = (&shared, test["result"].as_str().unwrap()) {
                assert_eq!(shared.expose(), bytes(&test, "K"), "case {}", test["tcId"]);
            }
            tally.check(&test, shared.is_ok());
        }
        tally.at_least(3, 6);
    }
}

#[test]
fn ml_kem_768_keys_hold_their_public_keys() {
    let mut tally = Tally::default();
    for (_, test) in wycheproof("mlkem_768_keygen_seed") {
        let der = SecretBytes::new(frame(&PKCS8_768.replace(' ', ""), bytes(&test, "dk")));
        let material = import(Spec::MlKem768, &der).unwrap();
        let key = ReadyKey::from_material(Spec::MlKem768, &material.secret).unwrap();
        assert_eq!(key.public().unwrap().raw().unwrap(), bytes(&test, "ek"), "case {}", test["tcId"]);
        let made = key.encapsulate().unwrap();
        assert!(key.decapsulate(&made.ciphertext).unwrap().ct_eq(&made.shared));
        tally.check(&test, true);
    }
    tally.at_least(100, 0);
}

/// Seeds cannot be used; what can is that every valid encapsulation key encapsulates.
#[test]
fn ml_kem_encapsulation_keys_are_taken() {
    for (name, spec, prefix, len) in [
        ("mlkem_512", Spec::MlKem512, "30820332300b06096086480165030404010382032100", 768),
        ("mlkem_1024", Spec::MlKem1024, "30820632300b06096086480165030404030382062100", 1568),
    ] {
        let mut tally = Tally::default();
        for (_, test) in wycheproof(name) {
            if test["result"] != "valid" {
                continue;
            }
            let made = PublicKey::from_spki(spec, &frame(prefix, bytes(&test, "ek")))
                .and_then(|key| key.encapsulate());
            assert_eq!(made.as_ref().unwrap().ciphertext.len(), len);
            tally.count(made.is_ok());
        }
        tally.at_least(150, 0);
    }
}
