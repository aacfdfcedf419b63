//! The configuration: one TOML file, overridden by the environment, checked in full before anything starts.
//!
//! What it keeps true: a [`Config`] that exists is valid; no key is ignored; no secret is in it, only where to find one.
//! Relative paths are meant from the folder of the file, so that a deployment can be moved as a whole.

mod alerts;
mod error;
mod file;
mod limits;
mod root;
mod store;
mod template;
mod xks;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_aws::{NotARealm, Realm};
use claviger_core::Name;
use claviger_core::name::NotAName;
use claviger_crypto::digest::sha256;
use claviger_provider::FewAttempts;
use claviger_store::SpaceOptions;

use crate::endpoints::{Each, Endpoint, Listen};
use crate::pki;

pub use alerts::{Alerts, NotAWebhook, Webhook, WebhookUrl};
pub use error::ConfigError;
pub use limits::Limits;
pub use root::{PinSource, Root, SoftwareSeal, TokenSelector};
pub use template::Template;
pub use xks::{Xks, XksClients};

/// What a server runs by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// SHA-256 of the file, and of the variables that override it: of the file alone where none does.
    pub digest: [u8; 32],
    /// Where the store and the log are.
    pub data_dir: PathBuf,
    /// The environment that the deployment is, such as `production`, if it is said.
    pub environment: Option<Name>,
    /// Who answers for the certificates of the server and the authorities that it trusts, if it is said.
    pub certificate_owner: Option<Name>,
    /// Where store and root lie, and who can open the root, as far as it is said.
    pub domains: Domains,
    /// How long after the first of them certificates end that their holders renewed.
    pub renewable_for: Duration,
    /// The name or address by which clients reach it, if it is said: what profiles are written with.
    pub public_host: Option<String>,
    /// The addresses.
    pub listen: Listen,
    /// The certificates.
    pub tls: Tls,
    /// The root.
    pub root: Root,
    /// Whether the token is shown the PIN although it reports that few attempts are left: an option of the command, never
    /// of the file, so that it is not left there.
    pub few_attempts: FewAttempts,
    /// What is kept free on the device of the store.
    pub space: SpaceOptions,
    /// What a listener bears.
    pub limits: Limits,
    /// What is traced, and how.
    pub log: Log,
    /// The log of entries.
    pub audit: Audit,
    /// Who is told of alerts.
    pub alerts: Alerts,
    /// What this deployment is to AWS clients.
    pub aws: Realm,
    /// The external key store proxy, if it is served.
    pub xks: Option<Xks>,
}

/// Storage and custody domains: who has one thing of a domain has, or can take, the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Domains {
    /// Where the bytes of the store lie.
    pub store_storage: Option<Name>,
    /// Where the bytes of the root lie.
    pub root_storage: Option<Name>,
    /// Who can open the root.
    pub root_custody: Option<Name>,
    /// Who can open material that lives in the token.
    pub hsm_material_custody: Option<Name>,
}

/// Files of TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate, and what is between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that clients' certificates are verified against.
    pub client_ca: PathBuf,
}

/// What is traced, on standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A filter such as `info` or `info,claviger_server=debug`.
    pub level: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a trace line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object each.
    Json,
    /// For people.
    Text,
}

/// How the log of entries is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// How often a cut over all shards is made and signed.
    pub cut: Duration,
    /// How far a start moves the log's time towards the wall clock at the most.
    pub clock_step: Duration,
}

impl Config {
    /// Reads and checks the file at `path`, with what the environment overrides.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (file, digest) = file::read_whole(path)?;
        Ok(Self { digest, ..Self::check(&file, path)? })
    }

    /// Checks `text` as if it were the file at `path`; the environment overrides nothing.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key and what is wrong with it.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config = Self::check(&file::parse(text, &path.display().to_string(), [])?, path)?;
        Ok(Self { digest: sha256(text.as_bytes()), ..config })
    }

    /// Refuses a variable of the environment that begins with `CLAVIGER_` and is neither a key of the configuration, nor the one
    /// that the configuration at `path` takes the PIN from, nor one of `known`: those that the command line reads.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`], with the one that was probably meant.
    pub fn check_variables(path: &Path, mut known: Vec<String>) -> Result<(), ConfigError> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        // What is wrong with the file is said when it is read to be used.
        known.extend(file::read(path).ok().and_then(|file| file.root.pin_env));
        file::check_variables(names, &known)
    }

    fn check(file: &file::File, path: &Path) -> Result<Self, ConfigError> {
        let origin = path.display().to_string();
        let base = std::path::absolute(path)
            .ok()
            .and_then(|path| path.parent().map(Path::to_path_buf))
            .unwrap_or_else(|| PathBuf::from("."));
        let required = |key: &str, value: &Option<PathBuf>| match value {
            Some(path) if !path.as_os_str().is_empty() => Ok(base.join(path)),
            _ => Err(invalid(&origin, key, "is missing; write a path".to_owned())),
        };
        Ok(Self {
            file: path.to_path_buf(),
            digest: [0; 32],
            data_dir: required("data_dir", &file.data_dir)?,
            environment: name("environment", file.deployment.environment.as_deref(), &origin)?,
            certificate_owner: name(
                "certificate_owner",
                file.deployment.certificate_owner.as_deref(),
                &origin,
            )?,
            domains: Domains::from_file(&file.deployment, &origin)?,
            renewable_for: renewable_for(&file.deployment, &origin)?,
            public_host: public_host(&file.public, &origin)?,
            listen: listen(&file.listen.0, &origin)?,
            tls: Tls {
                certificate: required("tls.certificate", &file.tls.certificate)?,
                key: required("tls.key", &file.tls.key)?,
                client_ca: required("tls.client_ca", &file.tls.client_ca)?,
            },
            root: Root::from_file(&file.root, &base, &origin)?,
            few_attempts: FewAttempts::Keep,
            space: store::from_file(&file.store, &origin)?,
            limits: Limits::from_file(&file.limits, &origin)?,
            log: Log::from_file(&file.log, &origin)?,
            audit: Audit::from_file(&file.audit, &origin)?,
            alerts: Alerts::from_file(&file.alerts, &base, &origin)?,
            aws: realm(&file.aws, &origin)?,
            xks: Xks::from_file(&file.xks, &origin)?,
        })
    }
}

/// The addresses as they are written, where they are.
fn listen(file: &Each<Option<String>>, origin: &str) -> Result<Listen, ConfigError> {
    let mut listen = Listen::usual();
    for (endpoint, written) in file.iter() {
        let Some(text) = written else { continue };
        listen[endpoint] = text.parse::<SocketAddr>().map_err(|_| {
            let usual = listen[endpoint];
            let reason = format!("is `{text}`; an IP address with a port is expected, like `{usual}`");
            invalid(origin, &endpoint.key(), reason)
        })?;
    }
    check_plain(&listen, origin)?;
    check_apart(&listen, origin)?;
    Ok(listen)
}

fn check_plain(listen: &Listen, origin: &str) -> Result<(), ConfigError> {
    match listen.iter().find(|(endpoint, address)| !endpoint.is_tls() && !address.ip().is_loopback()) {
        Some((endpoint, address)) => {
            let reason = format!(
                "is `{address}`; it speaks plain HTTP, so only a loopback address is possible: put a proxy in front of it"
            );
            Err(invalid(origin, &endpoint.key(), reason))
        }
        None => Ok(()),
    }
}

fn check_apart(listen: &Listen, origin: &str) -> Result<(), ConfigError> {
    for (at, (endpoint, address)) in listen.iter().enumerate() {
        let same = |(_, before): &(Endpoint, &SocketAddr)| *before == address && address.port() != 0;
        if let Some((other, _)) = listen.iter().take(at).find(same) {
            let reason = format!("is `{address}`, the same as `{}`; each needs its own", other.key());
            return Err(invalid(origin, &endpoint.key(), reason));
        }
    }
    Ok(())
}

impl Log {
    fn from_file(file: &file::Log, origin: &str) -> Result<Self, ConfigError> {
        let format = match file.format.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                return Err(invalid(
                    origin,
                    "log.format",
                    format!("is `{other}`; `text` and `json` are possible"),
                ));
            }
        };
        let level = file.level.clone().unwrap_or_else(|| "info".to_owned());
        // A filter takes a word that is no level for the name of a module, and then hides all others.
        let is_level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
        let wrong = |part: &&str| !part.contains('=') && (part.is_empty() || !is_level(part));
        if let Some(word) = level.split(',').map(str::trim).find(wrong) {
            let reason = format!(
                "is `{level}`, and `{word}` is no level: `error`, `warn`, `info`, `debug`, `trace` and `off` are, also for one module as in `info,claviger_server=debug`"
            );
            return Err(invalid(origin, "log.level", reason));
        }
        match tracing_subscriber::EnvFilter::try_new(&level) {
            Ok(_) => Ok(Self { level, format }),
            Err(error) => Err(invalid(origin, "log.level", format!("is `{level}`: {error}"))),
        }
    }
}

impl Audit {
    fn from_file(file: &file::Audit, origin: &str) -> Result<Self, ConfigError> {
        let within = |key: &str, seconds: u64, least: u64| match seconds {
            seconds if (least..=3600).contains(&seconds) => Ok(Duration::from_secs(seconds)),
            other => Err(invalid(origin, key, format!("is {other}; from {least} to 3600 is possible"))),
        };
        Ok(Self {
            cut: within("audit.cut_seconds", file.cut_seconds.unwrap_or(1), 1)?,
            clock_step: within("audit.clock_step_seconds", file.clock_step_seconds.unwrap_or(600), 0)?,
        })
    }
}

impl Domains {
    fn from_file(file: &file::Deployment, origin: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            store_storage: name("storage_domain", file.storage_domain.as_deref(), origin)?,
            root_storage: name("root_storage_domain", file.root_storage_domain.as_deref(), origin)?,
            root_custody: name("root_custody_domain", file.root_custody_domain.as_deref(), origin)?,
            hsm_material_custody: name(
                "hsm_material_custody_domain",
                file.hsm_material_custody_domain.as_deref(),
                origin,
            )?,
        })
    }
}

/// A name in the section of the deployment.
fn name(key: &str, text: Option<&str>, origin: &str) -> Result<Option<Name>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let reason = |error| format!("is `{text}`, {error}");
    let name = text.parse().map(Some);
    name.map_err(|error: NotAName| invalid(origin, &format!("deployment.{key}"), reason(error)))
}

/// Three lives of a certificate, unless said otherwise.
const RENEWAL_DAYS: u64 = 3 * 397;
/// As long as the deployment's own authority lives.
const MOST_RENEWAL_DAYS: u64 = 3650;

fn renewable_for(file: &file::Deployment, origin: &str) -> Result<Duration, ConfigError> {
    match file.renewal_days.unwrap_or(RENEWAL_DAYS) {
        days if days <= MOST_RENEWAL_DAYS => Ok(Duration::from_secs(days * 86_400)),
        other => {
            let reason = format!("is {other}; from 0 to {MOST_RENEWAL_DAYS} is possible");
            Err(invalid(origin, "deployment.renewal_days", reason))
        }
    }
}

fn public_host(file: &file::Public, origin: &str) -> Result<Option<String>, ConfigError> {
    let Some(host) = &file.host else { return Ok(None) };
    if !pki::is_name(host) {
        let reason = format!("is `{host}`; a DNS name or an IP address is expected, without port");
        return Err(invalid(origin, "public.host", reason));
    }
    Ok(Some(host.clone()))
}

/// The realm that AWS clients see.
fn realm(file: &file::Aws, origin: &str) -> Result<Realm, ConfigError> {
    let usual = Realm::default();
    let realm = Realm {
        partition: file.partition.clone().unwrap_or(usual.partition),
        region: file.region.clone().unwrap_or(usual.region),
        account: file.account.clone().unwrap_or(usual.account),
    };
    let (key, said) = match realm.check() {
        Ok(()) => return Ok(realm),
        Err(NotARealm::Account) => ("aws.account", &realm.account),
        Err(NotARealm::Partition) => ("aws.partition", &realm.partition),
        Err(NotARealm::Region) => ("aws.region", &realm.region),
    };
    let why = realm.check().err().map(|error| error.to_string()).unwrap_or_default();
    Err(invalid(origin, key, format!("is `{said}`; {why}")))
}

fn invalid(origin: &str, key: &str, reason: String) -> ConfigError {
    ConfigError::Invalid { origin: origin.to_owned(), key: key.to_owned(), reason }
}

#[cfg(test)]
mod tests;
