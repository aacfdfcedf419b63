//! `claviger init`: sets a deployment up, once.
//!
//! What it keeps true: until the one commit that records the first principals, the deployment is not set up, and running
//! `init` again finishes what was begun; after it, `init` refuses. No crash in between leaves anything to repair.

use std::path::{Path, PathBuf};

use claviger_core::port::Clock as _;
use claviger_core::{Name, Timestamp};
use claviger_provider::FewAttempts;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;

use crate::authority;
use crate::bootstrap::{self, ROLE_HOLDERS};
use crate::clock::SystemClock;
use crate::config::{Config, Root, Template};
use crate::deployment::{Deployment, Jobs, LostTail};
use crate::error::ServerError;
use crate::files;
use crate::pki::{LEAF_LIFETIME, PkiError};
use crate::root::Making;

/// How a deployment is set up.
#[derive(Debug)]
pub struct InitOptions {
    /// The configuration; written first if it is not there.
    pub config: PathBuf,
    /// The root that a new configuration names.
    pub root: Option<Root>,
    /// Whether the token is shown the PIN although it reports that few attempts are left.
    pub few_attempts: FewAttempts,
    /// More names that the server's certificate is for.
    pub names: Vec<String>,
    /// The deployment's name, the origin of its logs; a random one if none is given.
    pub deployment: Option<Name>,
    /// How many custodians must approve what concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
}

/// What was set up.
#[derive(Debug)]
pub struct SetUp {
    /// The configuration.
    pub config: PathBuf,
    /// The profiles, by name.
    pub profiles: Vec<(&'static str, PathBuf)>,
    /// What the root is.
    pub root: String,
    /// How many custodians must approve what concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
}

impl SetUp {
    /// How many custodians there are.
    pub const CUSTODIANS: u8 = bootstrap::CUSTODIANS;
}

/// Sets a deployment up: data directory, certificates, root, first principals.
///
/// # Errors
/// [`ServerError`]; [`ServerError::AlreadySetUp`] when it was done before, and [`ServerError::QuorumTooLarge`] when as many custodians
/// as must approve would not be there.
pub async fn init(options: &InitOptions) -> Result<SetUp, ServerError> {
    if options.quorum > SetUp::CUSTODIANS {
        return Err(ServerError::QuorumTooLarge { quorum: options.quorum, custodians: SetUp::CUSTODIANS });
    }
    if !options.config.exists() {
        let root = options.root.clone().ok_or(ServerError::RootUndescribed(
            "`--root` with the first set-up; or write the configuration yourself",
        ))?;
        write_config(&options.config, &Template::new(root))?;
    }
    let mut config = Config::load(&options.config)?;
    config.few_attempts = options.few_attempts;
    let deployment =
        Deployment::open(&config, Making::IfMissing, options.deployment.as_ref(), LostTail::Refuse).await?;
    if deployment.is_set_up().await? {
        return Err(ServerError::AlreadySetUp { data_dir: config.data_dir });
    }
    let now = SystemClock.now();
    let authority = authority::ensure_authority(&config.tls, now)?;
    authority::ensure_server_certificate(&config, &authority, &options.names, now)?;
    let at_work = deployment.start(&config, Jobs::Off).await?;
    let entered =
        bootstrap::register(&ROLE_HOLDERS, options.quorum, &authority, &at_work.road, &config).await;
    let root = deployment.provider().module().name;
    drop(deployment);
    at_work.stop().await;
    entered?;
    let (control, data) = authority::public_urls(&config);
    let profiles = bootstrap::write_profiles(&ROLE_HOLDERS, &config, (&control, &data))?;
    Ok(SetUp { config: config.file, profiles, root, quorum: options.quorum })
}

/// Makes a new certificate for the server.
///
/// # Errors
/// [`ServerError`]; [`ServerError::AuthorityKeyMissing`] when the authority's key is kept elsewhere.
pub fn renew(path: &Path, names: &[String]) -> Result<PathBuf, ServerError> {
    let config = Config::load(path)?;
    let now = SystemClock.now();
    let key = authority::key_path(&config.tls);
    if !config.tls.client_ca.exists() || !key.exists() {
        return Err(ServerError::AuthorityKeyMissing { certificate: config.tls.client_ca, key });
    }
    let authority = authority::ensure_authority(&config.tls, now)?;
    authority::issue_server_certificate(&config, &authority, names, now)?;
    Ok(config.tls.certificate)
}

/// Signs the certificate request of a principal, by the deployment's authority, and writes the certificate to `out`. Gives when it
/// expires.
///
/// # Errors
/// [`ServerError`]; [`ServerError::AuthorityKeyMissing`] when the authority's key is kept elsewhere.
pub fn sign(path: &Path, request: &Path, principal: &Name, out: &Path) -> Result<Timestamp, ServerError> {
    if out.exists() {
        let message = format!("`{}` is there already; name another file with `--out`", out.display());
        return Err(ServerError::Fatal(message));
    }
    let config = Config::load(path)?;
    let authority = authority::load_authority(&config.tls)?;
    let (der, now) = (read_request(request)?, SystemClock.now());
    let signed = authority.sign_client(&der, principal, now.after(LEAF_LIFETIME), now)?;
    files::write_public(out, signed.certificate_pem.as_bytes())?;
    Ok(signed.expires_at)
}

/// A certificate request of a file, in PEM or DER.
fn read_request(path: &Path) -> Result<Vec<u8>, ServerError> {
    let bytes = files::read(path)?;
    if !bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
        return Ok(bytes);
    }
    let request = CertificateSigningRequestDer::from_pem_slice(&bytes).map_err(|_| PkiError::Request)?;
    Ok(request.to_vec())
}

/// Writes a configuration where there is none.
pub(crate) fn write_config(path: &Path, template: &Template) -> Result<(), ServerError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::create_private_dir(folder)?;
    }
    Ok(files::write_private(path, template.to_toml().as_bytes())?)
}
