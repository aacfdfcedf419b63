//! `cbom/cbom.json`: the inventory as a cryptographic bill of materials (CycloneDX 1.6).
//!
//! | component | what it is of |
//! |---|---|
//! | `algorithm/SPEC/PURPOSE/PROTECTION` | what keys that are not destroyed are of, by where their material is used |
//! | `wrapping/ALGORITHM` | how material and keys of rings are wrapped |
//! | `generator/N` | a deterministic random bit generator, as nodes say it |
//! | `protocol/NODE/LISTENER` | TLS, as a node says that the listener takes it |
//! | `root/LABEL/VERSION` | a key of the root that wraps keys of rings |
//! | `kek/RING` | the key of a ring that wraps material |
//! | `key/ID` | a key |
//! | `credential/ID` | a credential that is valid |
//!
//! A key is one component, however many versions it has: they are counted, and state and dates are those of its primary one; `report/versions.csv` has
//! each. Keys that are destroyed have no material and no component; the number of them is a property of the whole. No certification is claimed of
//! anything: a property says what a module says of itself.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{OpenKey, OpenRing, OpenVersion};
use claviger_compliance::FRAMEWORKS;
use claviger_compliance::algorithm::Algorithms;
use claviger_compliance::evaluation::{Class, Estate, LogHead};
use claviger_core::key::{Protection, State, Wrap, WrappingKey};
use claviger_core::principal::{CredentialKind, Status};
use claviger_core::{KeyId, KeyVersionId, Purpose, Spec, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::dossier::Dossier;
use crate::inventory::GeneratorLine;
use crate::pack::{self, PackFile, Unmade, instant};

/// The namespace of serial numbers: version 5 of this among URLs.
const NAMESPACE: &str = "https://claviger.dev/ns/cbom";
/// What nodes say of a token that is a program.
const SOFTWARE_TOKEN: &str = "insecure_software_token";
/// Length in bits of the KEK of a ring.
const RING_KEK_BITS: u64 = 256;

/// The bill of materials.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn files(dossier: &Dossier<'_>) -> Result<Vec<PackFile>, Unmade> {
    let bill = Bill::of(&Basis {
        pack: pack::id(dossier),
        as_of: dossier.asked.period.to,
        log: &dossier.evaluation.log,
        estate: &dossier.estate,
        algorithms: dossier.asked.catalogue.algorithms(),
        generators: &dossier.inventory.generators,
    });
    // Members of each object are declared in the order of the canonical form.
    Ok(vec![PackFile::new("cbom/cbom.json", serde_json::to_vec(&bill)?)])
}

/// What it is written from.
struct Basis<'d> {
    /// Identifier of the pack.
    pack: String,
    as_of: Timestamp,
    log: &'d LogHead,
    estate: &'d Estate,
    algorithms: &'d Algorithms,
    generators: &'d [GeneratorLine],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bill {
    bom_format: &'static str,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
    metadata: Metadata,
    serial_number: String,
    spec_version: &'static str,
    version: u32,
}

#[derive(Debug, Serialize)]
struct Metadata {
    component: Component,
    lifecycles: [Lifecycle; 1],
    properties: Vec<Property>,
    timestamp: String,
    tools: Tools,
}

#[derive(Debug, Serialize)]
struct Lifecycle {
    phase: &'static str,
}

#[derive(Debug, Serialize)]
struct Tools {
    components: [Component; 1],
}

#[derive(Debug, Serialize)]
struct Component {
    #[serde(rename = "bom-ref")]
    reference: String,
    #[serde(rename = "cryptoProperties", skip_serializing_if = "Option::is_none")]
    crypto: Option<Crypto>,
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

#[derive(Debug, Serialize)]
struct Property {
    name: String,
    value: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Crypto {
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm_properties: Option<Algorithm>,
    asset_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_properties: Option<Certificate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_properties: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    related_crypto_material_properties: Option<Material>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Algorithm {
    #[serde(skip_serializing_if = "Option::is_none")]
    classical_security_level: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    crypto_functions: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    curve: Option<&'static str>,
    execution_environment: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nist_quantum_security_level: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    padding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter_set_identifier: Option<&'static str>,
    primitive: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    certificate_format: &'static str,
    not_valid_after: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Protocol {
    cipher_suites: Vec<Suite>,
    #[serde(rename = "type")]
    kind: &'static str,
    version: String,
}

#[derive(Debug, Serialize)]
struct Suite {
    name: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(skip_serializing_if = "Option::is_none")]
    activation_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<String>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secured_by: Option<SecuredBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SecuredBy {
    algorithm_ref: String,
    mechanism: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    depends_on: BTreeSet<String>,
    #[serde(rename = "ref")]
    reference: String,
}

fn property(name: &str, value: impl ToString) -> Property {
    Property { name: format!("claviger:{name}"), value: value.to_string() }
}

impl Component {
    fn program(reference: &str) -> Self {
        Self {
            reference: reference.to_owned(),
            crypto: None,
            name: "claviger".to_owned(),
            properties: Vec::new(),
            kind: "application",
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }

    fn asset(reference: String, name: impl Into<String>, crypto: Crypto, properties: Vec<Property>) -> Self {
        let (name, crypto) = (name.into(), Some(crypto));
        Self { reference, crypto, name, properties, kind: "cryptographic-asset", version: None }
    }
}

impl Crypto {
    fn algorithm(algorithm: Algorithm) -> Self {
        Self { algorithm_properties: Some(algorithm), asset_type: "algorithm", ..Self::default() }
    }

    fn material(material: Material) -> Self {
        let asset_type = "related-crypto-material";
        Self { asset_type, related_crypto_material_properties: Some(material), ..Self::default() }
    }
}

impl Bill {
    fn of(basis: &Basis<'_>) -> Self {
        let mut bill = Parts { basis, components: Vec::new(), dependencies: BTreeMap::new() };
        bill.algorithms();
        bill.wrappings();
        bill.generators();
        bill.protocols();
        bill.root_keys();
        bill.rings();
        bill.keys();
        bill.credentials();
        let Parts { components, dependencies, .. } = bill;
        let dependencies = dependencies.into_iter();
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, NAMESPACE.as_bytes());
        Self {
            bom_format: "CycloneDX",
            components,
            dependencies: dependencies
                .map(|(reference, depends_on)| Dependency { depends_on, reference })
                .collect(),
            metadata: Metadata::of(basis),
            serial_number: Uuid::new_v5(&namespace, basis.pack.as_bytes()).urn().to_string(),
            spec_version: "1.6",
            version: 1,
        }
    }
}

impl Metadata {
    fn of(basis: &Basis<'_>) -> Self {
        let log = basis.log;
        let destroyed = basis.estate.keys.values().filter(|key| key.state.is_destroyed());
        Self {
            component: Component::program("claviger"),
            lifecycles: [Lifecycle { phase: "operations" }],
            properties: vec![
                property("pack", &basis.pack),
                property("log_origin", &log.origin),
                property("log_size", log.size),
                property("log_root", &log.root),
                property("keys_destroyed", destroyed.count()),
                property("states", "those of keys and of their primary versions, the stricter one of both"),
            ],
            timestamp: instant(basis.as_of),
            tools: Tools { components: [Component::program("claviger/evidence")] },
        }
    }
}

/// What a bill grows of.
struct Parts<'b, 'd> {
    basis: &'b Basis<'d>,
    components: Vec<Component>,
    dependencies: BTreeMap<String, BTreeSet<String>>,
}

impl<'d> Parts<'_, 'd> {
    /// The keys that are not destroyed.
    fn live_keys(&self) -> impl Iterator<Item = (KeyId, &'d OpenKey)> + use<'d> {
        let keys = self.basis.estate.keys.iter();
        keys.filter(|(_, key)| !key.state.is_destroyed()).map(|(id, key)| (*id, key))
    }

    fn primary(&self, id: KeyId, key: &OpenKey) -> Option<&'d OpenVersion> {
        self.basis.estate.versions.get(&KeyVersionId { key: id, number: key.primary })
    }

    fn depends(&mut self, reference: &str, on: impl IntoIterator<Item = String>) {
        self.dependencies.entry(reference.to_owned()).or_default().extend(on);
    }

    /// Where material of a protection works, as nodes say it.
    fn environment(&self, protection: Protection) -> &'static str {
        let nodes = &self.basis.estate.nodes;
        let says = |word: &str| nodes.values().any(|node| node.insecure.iter().any(|one| one == word));
        match protection {
            Protection::Software => "software-plain-ram",
            Protection::Hsm if nodes.is_empty() => "unknown",
            Protection::Hsm if says(SOFTWARE_TOKEN) => "software-plain-ram",
            Protection::Hsm => "hardware",
        }
    }

    fn algorithms(&mut self) {
        let used: BTreeSet<(Spec, Purpose, Protection)> =
            self.live_keys().map(|(_, key)| (key.spec, key.purpose, key.protection)).collect();
        for (spec, purpose, protection) in used {
            let (table, as_of) = (self.basis.algorithms, self.basis.as_of);
            let row = table.find(spec, purpose);
            let until = row.and_then(|row| row.permitted_until(true));
            let mut properties = vec![
                property("spec", spec),
                property("purpose", purpose),
                property("protection", protection),
                property("standing", table.status(spec, purpose, true, as_of)),
                property("standing_for_old_data", table.status(spec, purpose, false, as_of)),
            ];
            properties.extend(until.map(|until| property("standing_until", instant(until))));
            let disallowing =
                FRAMEWORKS.into_iter().filter(|id| row.is_some_and(|row| row.is_disallowed_in(id)));
            properties.extend(disallowing.map(|id| property("disallowed_in", id)));
            let crypto = Crypto::algorithm(of_spec(spec, purpose, self.environment(protection)));
            let reference = algorithm_ref(spec, purpose, protection);
            self.components.push(Component::asset(reference, name(spec, protection), crypto, properties));
        }
    }

    fn wrappings(&mut self) {
        let estate = self.basis.estate;
        let of_versions = self.live_keys().filter_map(|(id, key)| wrapping(self.primary(id, key)?));
        let mut used: BTreeSet<&str> = of_versions.map(|(_, algorithm)| algorithm).collect();
        used.extend(
            estate.rings.values().filter_map(|ring| Some(ring.kek_wrap.as_ref()?.algorithm.as_str())),
        );
        for algorithm in used {
            let properties = match algorithm.parse::<Spec>() {
                Ok(spec) => {
                    of_spec(spec, spec.purposes().first().copied().unwrap_or(Purpose::Wrap), "unknown")
                }
                Err(_) => Algorithm {
                    execution_environment: "unknown",
                    primitive: "unknown",
                    ..Algorithm::default()
                },
            };
            let crypto = Crypto::algorithm(properties);
            self.components.push(Component::asset(wrapping_ref(algorithm), algorithm, crypto, Vec::new()));
        }
    }

    fn generators(&mut self) {
        let said = self.basis.generators.iter().filter_map(|line| {
            Some((line.drbg.as_deref()?, line.module.as_deref().unwrap_or_default(), line.entropy.as_deref()))
        });
        let said: BTreeSet<_> = said.collect();
        for (number, (construction, module, entropy)) in (1_u32..).zip(said) {
            let mut properties = vec![property("module", module)];
            properties.extend(entropy.map(|entropy| property("entropy", entropy)));
            let crypto = Crypto::algorithm(Algorithm {
                crypto_functions: vec!["generate"],
                execution_environment: "software-plain-ram",
                primitive: "drbg",
                ..Algorithm::default()
            });
            let reference = format!("generator/{number}");
            self.components.push(Component::asset(reference, construction, crypto, properties));
        }
    }

    fn protocols(&mut self) {
        for (id, node) in &self.basis.estate.nodes {
            for line in &node.listeners {
                // `NAME ADDRESS TLS VERSIONS SUITES GROUPS`, with what is asked of clients behind it.
                let words: Vec<&str> = line.split(' ').collect();
                let [listener, _, "TLS", versions, suites, groups, asks @ ..] = words.as_slice() else {
                    continue;
                };
                let protocol = Protocol {
                    cipher_suites: suites.split('+').map(|name| Suite { name: name.to_owned() }).collect(),
                    kind: "tls",
                    version: (*versions).to_owned(),
                };
                let mut properties = vec![property("node", id), property("listener", listener)];
                properties.extend(groups.split('+').map(|group| property("group", group)));
                properties.push(property("clients_show", asks.join(" ")));
                let crypto = Crypto {
                    asset_type: "protocol",
                    protocol_properties: Some(protocol),
                    ..Crypto::default()
                };
                let reference = format!("protocol/{id}/{listener}");
                self.components.push(Component::asset(
                    reference,
                    format!("TLS {versions}"),
                    crypto,
                    properties,
                ));
            }
        }
    }

    fn root_keys(&mut self) {
        let wraps = self.basis.estate.rings.values().filter_map(|ring| ring.kek_wrap.as_ref());
        let used: BTreeSet<_> =
            wraps.map(|wrap| (&wrap.key, wrap.version, &wrap.algorithm, wrap.strength_bits)).collect();
        for (label, version, algorithm, strength_bits) in used {
            let reference = root_ref(label, version);
            if self.dependencies.contains_key(&reference) {
                continue;
            }
            let on = wrapping_ref(algorithm);
            let material = Material {
                algorithm_ref: Some(on.clone()),
                id: format!("{label}/{version}"),
                kind: "secret-key",
                ..Material::default()
            };
            let properties = vec![property("strength_bits", strength_bits)];
            let name = format!("key of the root {label}, version {version}");
            self.depends(&reference, [on]);
            self.components.push(Component::asset(reference, name, Crypto::material(material), properties));
        }
    }

    fn rings(&mut self) {
        for (id, ring) in &self.basis.estate.rings {
            let OpenRing { kek_wrap, created_at, .. } = ring;
            let material = Material {
                creation_date: Some(instant(*created_at)),
                id: id.to_string(),
                secured_by: kek_wrap.as_ref().map(|wrap| SecuredBy {
                    algorithm_ref: wrapping_ref(&wrap.algorithm),
                    mechanism: "root",
                }),
                size: Some(RING_KEK_BITS),
                kind: "secret-key",
                ..Material::default()
            };
            let reference = format!("kek/{id}");
            let on = kek_wrap.iter().map(|wrap| root_ref(&wrap.key, wrap.version));
            self.depends(&reference, on);
            let (name, crypto) = (format!("key of ring {id}"), Crypto::material(material));
            self.components.push(Component::asset(reference, name, crypto, Vec::new()));
        }
    }

    fn keys(&mut self) {
        let keys: Vec<_> = self.live_keys().collect();
        for (id, key) in keys {
            let primary = self.primary(id, key);
            let wrap = primary.and_then(wrapping);
            let algorithm = algorithm_ref(key.spec, key.purpose, key.protection);
            let reference = format!("key/{id}");
            let is_under_kek = wrap.is_some_and(|(by, _)| by == WrappingKey::RingKek)
                && self.basis.estate.rings.contains_key(&key.ring);
            let kek = is_under_kek.then(|| format!("kek/{}", key.ring));
            self.depends(&reference, [Some(algorithm.clone()), kek].into_iter().flatten());
            let state = primary.map_or(key.state, |version| key.state.stricter(version.state));
            let material = Material {
                activation_date: primary.and_then(|version| version.activated_at).map(instant),
                algorithm_ref: Some(algorithm),
                creation_date: Some(instant(key.created_at)),
                expiration_date: primary.and_then(|version| version.material_expires_at).map(instant),
                id: id.to_string(),
                secured_by: wrap.map(|(by, algorithm)| SecuredBy {
                    algorithm_ref: wrapping_ref(algorithm),
                    mechanism: by.name(),
                }),
                size: key
                    .spec
                    .symmetric_len()
                    .and_then(|bytes| u64::try_from(bytes).ok())
                    .map(|bytes| 8 * bytes),
                state: Some(state_name(state)),
                kind: if key.spec.is_asymmetric() { "private-key" } else { "secret-key" },
            };
            let properties = vec![
                property("ring", key.ring),
                property("class", Class::from(key.data_class)),
                property("versions", self.basis.estate.versions_of(id).count()),
            ];
            let (name, crypto) = (format!("key {id}"), Crypto::material(material));
            self.components.push(Component::asset(reference, name, crypto, properties));
        }
    }

    fn credentials(&mut self) {
        let all = self.basis.estate.credentials.iter();
        let as_of = self.basis.as_of;
        for (id, row) in all.filter(|(_, row)| row.status == Status::Active && row.expires_at > as_of) {
            let crypto = match row.kind {
                CredentialKind::Certificate => Crypto {
                    asset_type: "certificate",
                    certificate_properties: Some(Certificate {
                        certificate_format: "X.509",
                        not_valid_after: instant(row.expires_at),
                    }),
                    ..Crypto::default()
                },
                CredentialKind::AccessKey | CredentialKind::EnrolmentCode | CredentialKind::Token => {
                    Crypto::material(Material {
                        creation_date: Some(instant(row.created_at)),
                        expiration_date: Some(instant(row.expires_at)),
                        id: id.to_string(),
                        state: Some("active"),
                        kind: if row.kind == CredentialKind::Token { "token" } else { "credential" },
                        ..Material::default()
                    })
                }
            };
            let properties = vec![property("kind", row.kind), property("principal", row.principal)];
            let name = format!("credential {id}");
            self.components.push(Component::asset(format!("credential/{id}"), name, crypto, properties));
        }
    }
}

fn algorithm_ref(spec: Spec, purpose: Purpose, protection: Protection) -> String {
    format!("algorithm/{spec}/{purpose}/{protection}")
}

fn wrapping_ref(algorithm: &str) -> String {
    format!("wrapping/{algorithm}")
}

fn root_ref(label: &str, version: u32) -> String {
    format!("root/{label}/{version}")
}

/// What wraps the material of a version, and how.
fn wrapping(version: &OpenVersion) -> Option<(WrappingKey, &'static str)> {
    Wrap { format: version.wrap_format?, bytes: Vec::new() }.wrapping()
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::PreActive => "pre-activation",
        State::Active => "active",
        State::Suspended => "suspended",
        State::Deactivated => "deactivated",
        State::Compromised => "compromised",
        State::Destroyed | State::DestroyedCompromised => "destroyed",
    }
}

/// What standards call it. In the process, AES-256 in GCM has extended nonces.
const fn name(spec: Spec, protection: Protection) -> &'static str {
    match (spec, protection) {
        (Spec::Aes256Gcm, Protection::Software) => "XAES-256-GCM",
        (Spec::Aes256Gcm, Protection::Hsm) => "AES-256-GCM",
        (Spec::Aes128Gcm, _) => "AES-128-GCM",
        (Spec::Aes256Kwp, _) => "AES-256-KWP",
        (Spec::HmacSha224, _) => "HMAC-SHA-224",
        (Spec::HmacSha256, _) => "HMAC-SHA-256",
        (Spec::HmacSha384, _) => "HMAC-SHA-384",
        (Spec::HmacSha512, _) => "HMAC-SHA-512",
        (Spec::Rsa2048, _) => "RSA-2048",
        (Spec::Rsa3072, _) => "RSA-3072",
        (Spec::Rsa4096, _) => "RSA-4096",
        (Spec::EcP256, _) => "EC P-256",
        (Spec::EcP384, _) => "EC P-384",
        (Spec::EcP521, _) => "EC P-521",
        (Spec::EcSecp256k1, _) => "EC secp256k1",
        (Spec::Ed25519, _) => "Ed25519",
        (Spec::X25519, _) => "X25519",
        (Spec::MlKem512, _) => "ML-KEM-512",
        (Spec::MlKem768, _) => "ML-KEM-768",
        (Spec::MlKem1024, _) => "ML-KEM-1024",
        (Spec::MlDsa44, _) => "ML-DSA-44",
        (Spec::MlDsa65, _) => "ML-DSA-65",
        (Spec::MlDsa87, _) => "ML-DSA-87",
    }
}

fn of_spec(spec: Spec, purpose: Purpose, execution_environment: &'static str) -> Algorithm {
    let parameter_set_identifier = match spec {
        Spec::Aes128Gcm => Some("128"),
        Spec::Aes256Gcm | Spec::Aes256Kwp | Spec::HmacSha256 => Some("256"),
        Spec::HmacSha224 => Some("224"),
        Spec::HmacSha384 => Some("384"),
        Spec::HmacSha512 | Spec::MlKem512 => Some("512"),
        Spec::Rsa2048 => Some("2048"),
        Spec::Rsa3072 => Some("3072"),
        Spec::Rsa4096 => Some("4096"),
        Spec::MlKem768 => Some("768"),
        Spec::MlKem1024 => Some("1024"),
        Spec::MlDsa44 => Some("44"),
        Spec::MlDsa65 => Some("65"),
        Spec::MlDsa87 => Some("87"),
        Spec::EcP256 | Spec::EcP384 | Spec::EcP521 | Spec::EcSecp256k1 | Spec::Ed25519 | Spec::X25519 => None,
    };
    let curve = match spec {
        Spec::EcP256 => Some("nist/P-256"),
        Spec::EcP384 => Some("nist/P-384"),
        Spec::EcP521 => Some("nist/P-521"),
        Spec::EcSecp256k1 => Some("secg/secp256k1"),
        Spec::Ed25519 => Some("other/Ed25519"),
        Spec::X25519 => Some("other/Curve25519"),
        _ => None,
    };
    let mode = match spec {
        Spec::Aes128Gcm | Spec::Aes256Gcm => Some("gcm"),
        Spec::Aes256Kwp => Some("other"),
        _ => None,
    };
    let (primitive, functions) = match (purpose, spec.is_asymmetric()) {
        (Purpose::Agree, _) => ("key-agree", ["keygen", "keyderive"].as_slice()),
        (Purpose::Encapsulate, _) => ("kem", ["keygen", "encapsulate", "decapsulate"].as_slice()),
        (Purpose::Encrypt, true) => ("pke", ["keygen", "encrypt", "decrypt"].as_slice()),
        (Purpose::Encrypt, false) | (Purpose::Wrap, _) => ("ae", ["keygen", "encrypt", "decrypt"].as_slice()),
        (Purpose::Mac, _) => ("mac", ["keygen", "tag", "verify"].as_slice()),
        (Purpose::Sign, _) => ("signature", ["keygen", "sign", "verify"].as_slice()),
    };
    Algorithm {
        classical_security_level: Some(spec.strength_bits()),
        crypto_functions: functions.to_vec(),
        curve,
        execution_environment,
        mode,
        nist_quantum_security_level: Some(spec.nist_category().unwrap_or(0)),
        padding: (purpose == Purpose::Encrypt && spec.is_asymmetric()).then_some("oaep"),
        parameter_set_identifier,
        primitive,
    }
}

#[cfg(test)]
mod tests;
