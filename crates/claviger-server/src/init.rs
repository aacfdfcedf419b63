//! `claviger init`: sets a deployment up, once.
//!
//! Nobody's private key is made here, unless the keys of all are asked for in one place: each of the first people gets a code, and makes
//! a key of their own where they redeem it, or has made one already and gives a request for a certificate.
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
use crate::bootstrap::{self, Proofs, ROLE_HOLDERS};
use crate::clock::SystemClock;
use crate::config::{Config, Root, Template};
use crate::deployment::{Deployment, Jobs, LostTail};
use crate::error::ServerError;
use crate::files;
use crate::pki::{self, LEAF_LIFETIME, PkiError};
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
    /// By what the first people prove themselves.
    pub people: FirstPeople,
}

/// By what the first people prove themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstPeople {
    /// By keys that are made here, all of them in one folder: whoever runs the set-up can act as all.
    Certificates,
    /// By keys of their own. Whoever has a certificate request here, by name and file, gets a certificate for it, and everybody else a code.
    OwnKeys(Vec<(Name, PathBuf)>),
}

impl FirstPeople {
    /// The requests as they are read, each of one of those whom the set-up makes.
    fn requests(&self) -> Result<Vec<(Name, Vec<u8>)>, ServerError> {
        let Self::OwnKeys(requests) = self else { return Ok(Vec::new()) };
        let mut read: Vec<(Name, Vec<u8>)> = Vec::with_capacity(requests.len());
        for (name, file) in requests {
            let wrong = |what| ServerError::FirstRequest { name: name.clone(), what };
            if !SetUp::names().any(|holder| holder == name.as_str()) {
                return Err(wrong("the set-up makes nobody of that name; `claviger init --help` says whom"));
            }
            if read.iter().any(|(known, _)| known == name) {
                return Err(wrong("it is given twice"));
            }
            let der = read_request(file)?;
            if !pki::is_request(&der) {
                return Err(PkiError::Request.into());
            }
            read.push((name.clone(), der));
        }
        Ok(read)
    }
}

/// What was set up.
#[derive(Debug)]
pub struct SetUp {
    /// The configuration.
    pub config: PathBuf,
    /// The profiles, by name: of those who have a certificate already.
    pub profiles: Vec<(&'static str, PathBuf)>,
    /// The files of the codes, by name: of those who enrol first.
    pub codes: Vec<(&'static str, PathBuf)>,
    /// By what the first people prove themselves.
    pub people: FirstPeople,
    /// The address at which people enrol.
    pub control: String,
    /// What the root is.
    pub root: String,
    /// How many custodians must approve what concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
}

impl SetUp {
    /// How many custodians there are.
    pub const CUSTODIANS: u8 = bootstrap::CUSTODIANS;
    /// For how many days codes can be redeemed.
    pub const CODE_DAYS: u64 = bootstrap::CODE_LIFETIME.as_secs() / 86_400;
    /// The file of the authority's certificate that lies beside the codes.
    pub const AUTHORITY: &str = bootstrap::AUTHORITY;

    /// The names of those whom a set-up makes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROLE_HOLDERS.iter().map(|holder| holder.name)
    }
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
    let requests = options.people.requests()?;
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
    let proofs = match &options.people {
        FirstPeople::Certificates => Proofs::Certificates,
        FirstPeople::OwnKeys(_) => Proofs::OwnKeys(&requests),
    };
    let (quorum, road) = (options.quorum, &at_work.road);
    let entered = bootstrap::register(&ROLE_HOLDERS, proofs, quorum, &authority, road, &config).await;
    let root = deployment.provider().module().name;
    drop(deployment);
    at_work.stop().await;
    entered?;
    let (control, data) = authority::public_urls(&config);
    let profiles = bootstrap::write_profiles(&ROLE_HOLDERS, &config, (&control, &data))?;
    let codes = bootstrap::codes(&ROLE_HOLDERS, &config);
    let (people, quorum) = (options.people.clone(), options.quorum);
    Ok(SetUp { config: config.file, profiles, codes, people, control, root, quorum })
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
