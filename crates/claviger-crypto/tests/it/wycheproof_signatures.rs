//! ECDSA, Ed25519 and ML-DSA against Wycheproof.

use claviger_crypto::{Message, PublicKey, ReadyKey, SecretBytes, SignatureAlgorithm, Spec, digest, import};

use crate::vectors::{Tally, bytes, wycheproof};

fn run(name: &str, spec: Spec, algorithm: SignatureAlgorithm, encode: fn(Vec<u8>) -> Vec<u8>) -> Tally {
    let mut tally = Tally::default();
    for (group, test) in wycheproof(name) {
        let (message, signature) = (bytes(&test, "msg"), encode(bytes(&test, "sig")));
        let key =
            PublicKey::from_spki(spec, &bytes(&group, "publicKeyDer")).expect("published keys are valid");
        let accepted = key.verify(algorithm, Message::Raw(&message), &signature).is_ok();
        let hashed = match algorithm {
            SignatureAlgorithm::EcdsaSha256 => digest::sha256(&message).to_vec(),
            SignatureAlgorithm::EcdsaSha384 => digest::sha384(&message).to_vec(),
            SignatureAlgorithm::EcdsaSha512 => digest::sha512(&message).to_vec(),
            _ => Vec::new(),
        };
        if !hashed.is_empty() {
            let by_digest = key.verify(algorithm, Message::Digest(&hashed), &signature).is_ok();
            assert_eq!(accepted, by_digest, "case {}: digest and message differ", test["tcId"]);
        }
        tally.check(&test, accepted);
    }
    tally
}

/// `r || s` as the DER that the API takes. Of the wrong length, it stays as it is, which is no DER.
fn der_from_p1363(len: usize, signature: Vec<u8>) -> Vec<u8> {
    if signature.len() != len {
        return signature;
    }
    let integer = |half: &[u8]| {
        let start = half.iter().position(|byte| *byte != 0).unwrap_or(half.len() - 1);
        let mut value = half[start..].to_vec();
        if value[0] & 0x80 != 0 {
            value.insert(0, 0);
        }
        [&[0x02, u8::try_from(value.len()).unwrap()], &value[..]].concat()
    };
    let (r, s) = signature.split_at(len / 2);
    let content = [integer(r), integer(s)].concat();
    let content_len = u8::try_from(content.len()).unwrap();
    let head = if content_len < 0x80 { vec![0x30, content_len] } else { vec![0x30, 0x81, content_len] };
    [head, content].concat()
}

#[test]
fn ecdsa_p256() {
    run("ecdsa_secp256r1_sha256", Spec::EcP256, SignatureAlgorithm::EcdsaSha256, |s| s).at_least(174, 310);
    run("ecdsa_secp256r1_sha256_p1363", Spec::EcP256, SignatureAlgorithm::EcdsaSha256, |s| {
        der_from_p1363(64, s)
    })
    .at_least(150, 60);
}

#[test]
fn ecdsa_p384() {
    run("ecdsa_secp384r1_sha384_p1363", Spec::EcP384, SignatureAlgorithm::EcdsaSha384, |s| {
        der_from_p1363(96, s)
    })
    .at_least(150, 60);
}

#[test]
fn ecdsa_p521() {
    run("ecdsa_secp521r1_sha512", Spec::EcP521, SignatureAlgorithm::EcdsaSha512, |s| s).at_least(200, 300);
    run("ecdsa_secp521r1_sha512_p1363", Spec::EcP521, SignatureAlgorithm::EcdsaSha512, |s| {
        der_from_p1363(132, s)
    })
    .at_least(150, 60);
}

#[test]
fn ecdsa_secp256k1() {
    run("ecdsa_secp256k1_sha256", Spec::EcSecp256k1, SignatureAlgorithm::EcdsaSha256, |s| s)
        .at_least(150, 300);
}

#[test]
fn ed25519() {
    run("ed25519", Spec::Ed25519, SignatureAlgorithm::Ed25519, |s| s).at_least(88, 63);
}

/// The API has no context string; signatures made with one are signatures of something else.
fn verify_ml_dsa(tally: &mut Tally, key: &PublicKey, test: &serde_json::Value) {
    let signature = bytes(test, "sig");
    let accepted =
        key.verify(SignatureAlgorithm::MlDsa, Message::Raw(&bytes(test, "msg")), &signature).is_ok();
    if test["ctx"].as_str().is_some_and(|context| !context.is_empty()) {
        assert!(!accepted, "case {} has a context", test["tcId"]);
        tally.count(false);
    } else {
        tally.check(test, accepted);
    }
}

#[test]
fn ml_dsa_verify() {
    for (name, spec, accepted, refused) in
        [("mldsa_44_verify", Spec::MlDsa44, 75, 105), ("mldsa_65_verify", Spec::MlDsa65, 55, 120)]
    {
        let mut tally = Tally::default();
        for (group, test) in wycheproof(name) {
            match PublicKey::from_spki(spec, &bytes(&group, "publicKeyDer")) {
                Ok(key) => verify_ml_dsa(&mut tally, &key, &test),
                Err(_) => tally.check(&test, false),
            }
        }
        tally.at_least(accepted, refused);
    }
}

#[test]
fn ml_dsa_65_seeds_give_the_published_keys() {
    let mut tally = Tally::default();
    for (group, test) in wycheproof("mldsa_65_sign_seed") {
        let prefix = hex::decode("3034020100300b060960864801650304031204228020").unwrap();
        let der = SecretBytes::new([prefix, bytes(&group, "privateSeed")].concat());
        let Ok(material) = import(Spec::MlDsa65, &der) else {
            assert_eq!(test["result"], "invalid", "case {}", test["tcId"]);
            tally.count(false);
            continue;
        };
        let key = ReadyKey::from_material(Spec::MlDsa65, &material.secret).unwrap();
        let public = key.public().unwrap();
        assert_eq!(public.raw().unwrap(), bytes(&group, "publicKey"), "case {}", test["tcId"]);
        // Some tests sign a message representative ("external mu"), which the API cannot take.
        if test["result"] == "valid" && test["msg"].is_string() {
            verify_ml_dsa(&mut tally, public, &test);
            let message = bytes(&test, "msg");
            let own = key.sign(SignatureAlgorithm::MlDsa, Message::Raw(&message)).unwrap();
            assert_eq!(own.len(), bytes(&test, "sig").len());
            assert_eq!(public.verify(SignatureAlgorithm::MlDsa, Message::Raw(&message), &own), Ok(()));
        }
    }
    tally.at_least(55, 1);
}

/// These files hold expanded private keys, which cannot be kept; their signatures are verified.
#[test]
fn ml_dsa_published_signatures_verify() {
    for (name, spec, prefix, minimum) in [
        ("mldsa_44_sign_noseed", Spec::MlDsa44, "30820532300b06096086480165030403110382052100", 40),
        ("mldsa_65_sign_noseed", Spec::MlDsa65, "308207b2300b0609608648016503040312038207a100", 50),
        ("mldsa_87_sign_noseed", Spec::MlDsa87, "30820a32300b060960864801650304031303820a2100", 40),
    ] {
        let mut tally = Tally::default();
        for (group, test) in wycheproof(name) {
            if test["result"] != "valid" || !test["msg"].is_string() {
                continue;
            }
            let spki = [hex::decode(prefix).unwrap(), bytes(&group, "publicKey")].concat();
            let key = PublicKey::from_spki(spec, &spki).unwrap();
            verify_ml_dsa(&mut tally, &key, &test);
            let mut changed = bytes(&test, "sig");
            changed[40] ^= 1;
            let message = bytes(&test, "msg");
            assert!(key.verify(SignatureAlgorithm::MlDsa, Message::Raw(&message), &changed).is_err());
        }
        tally.at_least(minimum, 1);
    }
}

#[test]
fn ml_dsa_expanded_private_keys_are_refused() {
    let (group, _) = wycheproof("mldsa_65_sign_noseed").remove(0);
    let expanded = SecretBytes::new(bytes(&group, "privateKey"));
    assert!(import(Spec::MlDsa65, &expanded).is_err());
}
