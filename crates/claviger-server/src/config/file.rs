//! The configuration as it is written: every key optional, no key unknown. What it means is decided in `super`.

use std::fmt;
use std::path::{Path, PathBuf};

use claviger_crypto::digest::Sha256;
use figment::Figment;
use figment::error::{Error, Kind};
use figment::providers::{Env, Format as _, Serialized, Toml};
use figment::value::Value;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::ConfigError;
use crate::endpoints::{Each, Endpoint};

/// Environment variables with this prefix and a double underscore override the file: `CLAVIGER_LISTEN__CONTROL`.
const ENV_PREFIX: &str = "CLAVIGER_";

/// What errors call it.
const ENVIRONMENT: &str = "the environment";

/// The sections of the file.
const SECTIONS: [&str; 12] = [
    "alerts",
    "audit",
    "aws",
    "deployment",
    "limits",
    "listen",
    "log",
    "public",
    "root",
    "store",
    "tls",
    "xks",
];

/// The environment variable for the one key that belongs to no section.
const ENV_DATA_DIR: &str = "DATA_DIR";

/// Sections, and keys of others, whose values are no text.
const NO_TEXT: [&str; 6] =
    ["audit.", "deployment.renewal_days", "limits.", "store.", "root.slot", "xks.require_client_certificate"];

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) deployment: Deployment,
    pub(super) public: Public,
    pub(super) listen: Listen,
    pub(super) tls: Tls,
    pub(super) root: Root,
    pub(super) store: Store,
    pub(super) limits: Limits,
    pub(super) log: Log,
    pub(super) audit: Audit,
    pub(super) alerts: Alerts,
    pub(super) aws: Aws,
    pub(super) xks: Xks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Deployment {
    pub(super) environment: Option<String>,
    pub(super) certificate_owner: Option<String>,
    pub(super) storage_domain: Option<String>,
    pub(super) root_storage_domain: Option<String>,
    pub(super) root_custody_domain: Option<String>,
    pub(super) hsm_material_custody_domain: Option<String>,
    pub(super) renewal_days: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Public {
    pub(super) host: Option<String>,
}

/// The section of the addresses: a key for each endpoint.
#[derive(Debug, Default)]
pub(super) struct Listen(pub(super) Each<Option<String>>);

const ENDPOINTS: [&str; Endpoint::ALL.len()] = {
    let mut names = [""; Endpoint::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        #[expect(clippy::indexing_slicing, reason = "the compiler runs this, and would refuse it")]
        {
            names[at] = Endpoint::ALL[at].name();
        }
        at += 1;
    }
    names
};

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Section;

        impl<'de> Visitor<'de> for Section {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("struct Listen")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listen, A::Error> {
                let mut listen = Listen::default();
                while let Some(EndpointKey(endpoint)) = map.next_key()? {
                    listen.0[endpoint] = map.next_value()?;
                }
                Ok(listen)
            }
        }

        deserializer.deserialize_struct("Listen", &ENDPOINTS, Section)
    }
}

/// A key of that section.
struct EndpointKey(Endpoint);

impl<'de> Deserialize<'de> for EndpointKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;

        impl Visitor<'_> for Key {
            type Value = EndpointKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("field identifier")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<EndpointKey, E> {
                text.parse::<Endpoint>().map(EndpointKey).map_err(|_| E::unknown_field(text, &ENDPOINTS))
            }
        }

        deserializer.deserialize_identifier(Key)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Root {
    pub(super) kind: Option<String>,
    pub(super) library: Option<PathBuf>,
    pub(super) token: Option<String>,
    pub(super) slot: Option<u64>,
    pub(super) pin_file: Option<PathBuf>,
    pub(super) pin_env: Option<String>,
    pub(super) passphrase_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Store {
    pub(super) min_free_mib: Option<u64>,
    pub(super) reserve_mib: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) body_bytes: Option<u64>,
    pub(super) header_bytes: Option<u64>,
    pub(super) headers: Option<u64>,
    pub(super) connections: Option<u64>,
    pub(super) concurrency: Option<u64>,
    pub(super) handshakes: Option<u64>,
    pub(super) handshakes_per_address: Option<u64>,
    pub(super) unproved_connections: Option<u64>,
    pub(super) unproved_connections_per_address: Option<u64>,
    pub(super) unproved_body_bytes: Option<u64>,
    pub(super) unproved_body_bytes_per_address: Option<u64>,
    pub(super) unproved_body_seconds: Option<u64>,
    pub(super) failures_per_address: Option<u64>,
    pub(super) backlog: Option<u64>,
    pub(super) header_seconds: Option<u64>,
    pub(super) request_seconds: Option<u64>,
    pub(super) idle_seconds: Option<u64>,
    pub(super) write_stall_seconds: Option<u64>,
    pub(super) shutdown_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: Option<String>,
    pub(super) format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Audit {
    pub(super) cut_seconds: Option<u64>,
    pub(super) clock_step_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Alerts {
    pub(super) webhook: Vec<Webhook>,
}

/// One receiver. Its address may be a secret in part.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) url: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook(..)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Aws {
    pub(super) partition: Option<String>,
    pub(super) region: Option<String>,
    pub(super) account: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Xks {
    pub(super) uri_prefix: Option<String>,
    pub(super) require_client_certificate: Option<bool>,
    pub(super) client_name: Option<String>,
}

/// Reads `path`, lets the environment override it, and refuses any key that is not in the list.
pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
    read_whole(path).map(|(file, _)| file)
}

/// The same, with SHA-256 of the file and of the variables that override it, a line `key=value` each, in their order.
pub(super) fn read_whole(path: &Path) -> Result<(File, [u8; 32]), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: path.to_path_buf(), reason: error.to_string() })?;
    let mut variables = environment();
    variables.sort();
    let digest = digest_of(&text, &variables);
    Ok((parse(&text, &path.display().to_string(), variables)?, digest))
}

fn digest_of(text: &str, variables: &[(String, String)]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(text.as_bytes());
    for (key, value) in variables {
        digest.update(format!("\n{key}={value}").as_bytes());
    }
    digest.finish()
}

/// Parses `text`, of which errors say that it came from `origin`.
///
/// # Errors
/// [`ConfigError`]: what is wrong, and whether the text or the environment says it.
pub(super) fn parse(
    text: &str,
    origin: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<File, ConfigError> {
    // The text alone first: its errors then name the file, and what remains is the environment's.
    let file = Figment::from(Toml::string(text));
    file.extract::<File>().map_err(|error| explain(error, origin))?;
    let overridden = variables.into_iter().fold(file, |file, (key, text)| {
        // What is meant as text stays as it is written: an account number is not a number.
        let value =
            if NO_TEXT.iter().any(|start| key.starts_with(start)) { parsed(&text) } else { text.into() };
        file.merge(Serialized::default(&key, value))
    });
    overridden.extract().map_err(|error| explain(error, ENVIRONMENT))
}

fn parsed(text: &str) -> Value {
    match text.parse() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// Refuses a variable that looks like one of ours and is none. `known` are those of the command line.
///
/// # Errors
/// [`ConfigError::UnknownKey`].
pub(super) fn check_variables(
    names: impl IntoIterator<Item = String>,
    known: &[String],
) -> Result<(), ConfigError> {
    for name in names {
        let Some(key) = name.strip_prefix(ENV_PREFIX) else { continue };
        // The configuration judges its own keys when it is read.
        if key.contains("__") || key == ENV_DATA_DIR || known.contains(&name) {
            continue;
        }
        let candidates: Vec<_> = known.iter().map(String::as_str).collect();
        let nearest = variable_of_section(key).or_else(|| nearest(&name, &candidates).map(str::to_owned));
        return Err(ConfigError::UnknownKey { origin: ENVIRONMENT.to_owned(), key: name, nearest });
    }
    Ok(())
}

/// `LISTEN_CONTROL` is meant as `CLAVIGER_LISTEN__CONTROL`.
fn variable_of_section(key: &str) -> Option<String> {
    let (section, rest) = key.split_once('_')?;
    let known = SECTIONS.contains(&section.to_ascii_lowercase().as_str());
    known.then(|| format!("{ENV_PREFIX}{section}__{rest}"))
}

/// The variables that are meant as configuration, by the keys that they override. `CLAVIGER_PROFILE` and others of the command
/// line have no `__`.
fn environment() -> Vec<(String, String)> {
    let variables = Env::prefixed(ENV_PREFIX)
        .filter(|key| key.as_str().contains("__") || key.as_str().eq_ignore_ascii_case(ENV_DATA_DIR))
        .split("__");
    variables.iter().map(|(key, text)| (key.into_string(), text)).collect()
}

fn explain(error: Error, origin: &str) -> ConfigError {
    let path = error.path.join(".");
    match error.kind {
        Kind::UnknownField(field, expected) => unknown_key(&path, &field, expected, origin),
        kind if path.is_empty() => malformed(&kind, origin),
        kind => {
            ConfigError::Invalid { origin: origin.to_owned(), key: path, reason: format!("is wrong: {kind}") }
        }
    }
}

fn malformed(kind: &Kind, origin: &str) -> ConfigError {
    ConfigError::Malformed { origin: origin.to_owned(), reason: kind.to_string().trim_end().to_owned() }
}

/// `path` ends with the field itself when the parser knew it, and with its section when not.
fn unknown_key(path: &str, field: &str, expected: &[&str], origin: &str) -> ConfigError {
    let section = match path.strip_suffix(field) {
        Some(section) => section.trim_end_matches('.'),
        None => path,
    };
    let dotted = |key: &str| if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    ConfigError::UnknownKey {
        origin: origin.to_owned(),
        key: dotted(field),
        nearest: nearest(field, expected).map(dotted),
    }
}

/// The expected key that is most like `field`, if any is like it at all.
fn nearest<'a>(field: &str, expected: &[&'a str]) -> Option<&'a str> {
    expected
        .iter()
        .map(|key| (strsim::jaro_winkler(field, key), *key))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}
