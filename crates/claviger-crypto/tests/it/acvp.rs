//! ML-KEM, ML-DSA, Ed25519 and AES-GCM against NIST ACVP sample vectors, from the folder that `CLAVIGER_VECTORS` names.
//!
//! No package ships them. `golden/absent-data.txt` lists each test of this file, and nothing else.
#![expect(clippy::disallowed_methods, reason = "compares shared secrets with published answers")]

use std::collections::HashMap;
use std::io::Read as _;
use std::path::PathBuf;

use claviger_crypto::{
    CryptoError, Message, PublicKey, ReadyKey, SecretBytes, SignatureAlgorithm, Spec, random::RandomSource,
};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::vectors::{Tally, bytes};

/// The JSON in `<folder>/acvp/<path>.json.gz`.
fn load(path: &str) -> Value {
    let folder = std::env::var_os("CLAVIGER_VECTORS").map(PathBuf::from);
    let folder = folder.expect("CLAVIGER_VECTORS names no folder: the samples of ACVP are absent");
    let file = folder.join("acvp").join(format!("{path}.json.gz"));
    let packed = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("vectors are gzip");
    serde_json::from_str(&text).expect("vectors are JSON")
}

/// Every test of a file with its group and its expected result.
fn cases(name: &str) -> Vec<(Value, Value, Value)> {
    let body = |part: &str| {
        let file = load(&format!("{name}/{part}"));
        if file.is_array() { file[1].clone() } else { file }
    };
    let (prompt, expected) = (body("prompt"), body("expectedResults"));
    let answers: HashMap<u64, Value> = expected["testGroups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["tests"].as_array().unwrap())
        .map(|test| (test["tcId"].as_u64().unwrap(), test.clone()))
        .collect();
    let mut out = Vec::new();
    for group in prompt["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            out.push((group.clone(), test.clone(), answers[&test["tcId"].as_u64().unwrap()].clone()));
        }
    }
    out
}

fn ml_kem(group: &Value) -> Option<(Spec, &'static str, &'static str)> {
    match group["parameterSet"].as_str()? {
        "ML-KEM-512" => Some((
            Spec::MlKem512,
            "30820678020100300b06096086480165030404010482066404820660",
            "30820332300b06096086480165030404010382032100",
        )),
        "ML-KEM-768" => Some((
            Spec::MlKem768,
            "30820978020100300b06096086480165030404020482096404820960",
            "308204b2300b0609608648016503040402038204a100",
        )),
        "ML-KEM-1024" => Some((
            Spec::MlKem1024,
            "30820c78020100300b060960864801650304040304820c6404820c60",
            "30820632300b06096086480165030404030382062100",
        )),
        _ => None,
    }
}

fn framed(prefix: &str, raw: Vec<u8>) -> Vec<u8> {
    [hex::decode(prefix).unwrap(), raw].concat()
}

#[test]
fn ml_kem_decapsulation_and_key_checks() {
    let (mut decapsulated, mut checked) = (Tally::default(), Tally::default());
    for (group, test, expected) in cases("ML-KEM-encapDecap-FIPS203") {
        let Some((spec, pkcs8, spki)) = ml_kem(&group) else { continue };
        match group["function"].as_str().unwrap() {
            "decapsulation" => {
                let dk = if test["dk"].is_string() { bytes(&test, "dk") } else { bytes(&group, "dk") };
                let key = ReadyKey::from_material(spec, &SecretBytes::new(framed(pkcs8, dk))).unwrap();
                let shared = key.decapsulate(&bytes(&test, "c")).unwrap();
                assert_eq!(shared.expose(), bytes(&expected, "k"), "case {}", test["tcId"]);
                decapsulated.count(true);
            }
            "decapsulationKeyCheck" => {
                let material = SecretBytes::new(framed(pkcs8, bytes(&test, "dk")));
                let accepted = ReadyKey::from_material(spec, &material).is_ok();
                assert_eq!(accepted, expected["testPassed"] == true, "case {}", test["tcId"]);
                checked.count(accepted);
            }
            "encapsulationKeyCheck" => {
                let accepted = PublicKey::from_spki(spec, &framed(spki, bytes(&test, "ek")))
                    .and_then(|key| key.encapsulate())
                    .is_ok();
                assert_eq!(accepted, expected["testPassed"] == true, "case {}", test["tcId"]);
                checked.count(accepted);
            }
            // Encapsulation with a given message cannot be expressed; that the key is taken can.
            "encapsulation" => {
                let key = PublicKey::from_spki(spec, &framed(spki, bytes(&test, "ek"))).unwrap();
                assert_eq!(key.encapsulate().unwrap().ciphertext.len(), bytes(&expected, "c").len());
            }
            other => panic!("unknown function {other}"),
        }
    }
    decapsulated.at_least(30, 0);
    checked.at_least(15, 15);
}

#[test]
fn ml_kem_generated_keys() {
    let mut tally = Tally::default();
    for (group, test, expected) in cases("ML-KEM-keyGen-FIPS203") {
        let Some((spec, pkcs8, _)) = ml_kem(&group) else { continue };
        let material = SecretBytes::new(framed(pkcs8, bytes(&expected, "dk")));
        let key = ReadyKey::from_material(spec, &material).unwrap();
        assert_eq!(key.public().unwrap().raw().unwrap(), bytes(&expected, "ek"), "case {}", test["tcId"]);
        tally.count(true);
    }
    tally.at_least(75, 0);
}

/// Hands out a published seed.
struct Fixed(Vec<u8>);

impl RandomSource for Fixed {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

#[test]
fn ml_dsa_key_generation() {
    let mut tally = Tally::default();
    for (group, test, expected) in cases("ML-DSA-keyGen-FIPS204") {
        let spec = match group["parameterSet"].as_str().unwrap() {
            "ML-DSA-44" => Spec::MlDsa44,
            "ML-DSA-65" => Spec::MlDsa65,
            "ML-DSA-87" => Spec::MlDsa87,
            _ => continue,
        };
        let material = claviger_crypto::generate(spec, &mut Fixed(bytes(&test, "seed"))).unwrap();
        let key = PublicKey::from_spki(spec, &material.public.unwrap()).unwrap();
        assert_eq!(key.raw().unwrap(), bytes(&expected, "pk"), "case {}", test["tcId"]);
        tally.count(true);
    }
    tally.at_least(75, 0);
}

#[test]
fn ed25519_verification() {
    let mut tally = Tally::default();
    for (group, test, expected) in cases("EDDSA-SigVer-1.0") {
        if group["curve"] != "ED-25519" || group["preHash"] != false {
            continue;
        }
        let spki = framed("302a300506032b6570032100", bytes(&test, "q"));
        let accepted = PublicKey::from_spki(Spec::Ed25519, &spki)
            .and_then(|key| {
                let message = bytes(&test, "message");
                key.verify(SignatureAlgorithm::Ed25519, Message::Raw(&message), &bytes(&test, "signature"))
            })
            .is_ok();
        assert_eq!(accepted, expected["testPassed"] == true, "case {}", test["tcId"]);
        tally.count(accepted);
    }
    tally.at_least(1, 1);
}

#[test]
fn aes_gcm_opening() {
    let mut tally = Tally::default();
    for (group, test, expected) in cases("ACVP-AES-GCM-1.0") {
        let of = |field: &str| group[field].as_u64().unwrap();
        if of("ivLen") != 96 || of("tagLen") != 128 || of("keyLen") != 128 {
            continue;
        }
        let encrypt = group["direction"] == "encrypt";
        let (ct, tag, pt) = if encrypt {
            (bytes(&expected, "ct"), bytes(&expected, "tag"), Some(bytes(&test, "pt")))
        } else {
            let plain = expected["pt"].is_string().then(|| bytes(&expected, "pt"));
            (bytes(&test, "ct"), bytes(&test, "tag"), plain)
        };
        let key = ReadyKey::from_material(Spec::Aes128Gcm, &SecretBytes::new(bytes(&test, "key"))).unwrap();
        let opened = key.open(&[bytes(&test, "iv"), ct, tag].concat(), &bytes(&test, "aad"));
        match (&opened, pt) {
            (Ok(opened), Some(plain)) => assert_eq!(opened.expose(), plain, "case {}", test["tcId"]),
            (Err(error), None) => assert_eq!(*error, CryptoError::Failed),
            (_, pt) => panic!("case {}: {opened:?}, published {pt:?}", test["tcId"]),
        }
        tally.count(opened.is_ok());
    }
    tally.at_least(15, 0);
}
