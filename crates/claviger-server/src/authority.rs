//! The certificates that a deployment needs before it can listen: made if missing, kept if there.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use claviger_core::Timestamp;

use crate::assemble;
use crate::config::{Config, Tls};
use crate::endpoints::{Endpoint, Listen, Urls};
use crate::error::ServerError;
use crate::files;
use crate::pki::{self, Authority, EXPIRY_WARNING};

/// The endpoints whose addresses are names of the server's certificate: those that profiles are written with.
const NAMED: [Endpoint; 2] = [Endpoint::Control, Endpoint::Data];

/// Where the authority's key is: beside its certificate.
pub(crate) fn key_path(tls: &Tls) -> PathBuf {
    tls.client_ca.with_extension("key")
}

/// The deployment's authority. An authority's certificate without its key is somebody else's: it is never replaced.
pub(crate) fn ensure_authority(tls: &Tls, now: Timestamp) -> Result<Authority, ServerError> {
    let key = key_path(tls);
    match (tls.client_ca.exists(), key.exists()) {
        (true, true) => Ok(Authority::load(&tls.client_ca, &key)?),
        (true, false) => Err(ServerError::AuthorityKeyMissing { certificate: tls.client_ca.clone(), key }),
        // A key without a certificate is what a crash left between the two: nothing was ever signed by it.
        (false, _) => {
            make_folders(tls)?;
            let (authority, issued) = Authority::create(now)?;
            issued.write(&tls.client_ca, &key)?;
            Ok(authority)
        }
    }
}

/// The deployment's authority, which must be there.
pub(crate) fn load_authority(tls: &Tls) -> Result<Authority, ServerError> {
    let key = key_path(tls);
    if !tls.client_ca.exists() || !key.exists() {
        return Err(ServerError::AuthorityKeyMissing { certificate: tls.client_ca.clone(), key });
    }
    Ok(Authority::load(&tls.client_ca, &key)?)
}

/// The server's certificate, unless there is one.
pub(crate) fn ensure_server_certificate(
    config: &Config,
    authority: &Authority,
    more_names: &[String],
    now: Timestamp,
) -> Result<(), ServerError> {
    if config.tls.certificate.exists() {
        return Ok(());
    }
    issue_server_certificate(config, authority, more_names, now)
}

/// A new certificate of the server, in place of one that will expire soon.
pub(crate) fn renew_server_certificate_if_due(config: &Config, now: Timestamp) -> Result<(), ServerError> {
    let due = pki::read_facts(&config.tls.certificate)?.expires_at <= now.after(EXPIRY_WARNING);
    if !due || !key_path(&config.tls).exists() {
        return Ok(());
    }
    let authority = ensure_authority(&config.tls, now)?;
    issue_server_certificate(config, &authority, &[], now)
}

/// A new certificate of the server, in place of what was there, whose names it keeps.
pub(crate) fn issue_server_certificate(
    config: &Config,
    authority: &Authority,
    more_names: &[String],
    now: Timestamp,
) -> Result<(), ServerError> {
    make_folders(&config.tls)?;
    // A certificate that cannot be read has no names to keep: it is replaced like one that is not there.
    let kept = pki::read_facts(&config.tls.certificate).map(|facts| facts.names).unwrap_or_default();
    let mut names = pki::server_names(&[more_names, &kept].concat());
    for address in NAMED.map(|endpoint| config.listen[endpoint]) {
        let name = address.ip().to_string();
        if !address.ip().is_unspecified() && !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(authority.issue_server(&names, now)?.write(&config.tls.certificate, &config.tls.key)?)
}

/// Where clients elsewhere reach the control plane and the data plane: by the name that the configuration says, else by the first
/// in the server's certificate that is not this machine's own, else by the addresses of the listeners.
pub(crate) fn public_urls(config: &Config) -> (String, String) {
    let host = public_host(config);
    let url = |address| public_url(host.as_deref(), address);
    (url(config.listen[Endpoint::Control]), url(config.listen[Endpoint::Data]))
}

/// The same of what a server listens on; metrics are for this machine alone. An address that names an interface stays what it is.
pub(crate) fn reachable(config: &Config, bound: Listen) -> Urls {
    let host = public_host(config);
    let url =
        |address: SocketAddr| public_url(host.as_deref().filter(|_| address.ip().is_unspecified()), address);
    Urls::new(|endpoint| match endpoint.is_tls() {
        true => url(bound[endpoint]),
        false => assemble::url("http", bound[endpoint]),
    })
}

fn public_host(config: &Config) -> Option<String> {
    let certified = || {
        let names = pki::read_facts(&config.tls.certificate).map(|facts| facts.names).unwrap_or_default();
        let listened = NAMED.map(|endpoint| config.listen[endpoint].ip().to_string());
        names
            .into_iter()
            .find(|name| !pki::is_own_name(name) && !listened.contains(name) && !name.starts_with('*'))
    };
    config.public_host.clone().or_else(certified)
}

fn public_url(host: Option<&str>, address: SocketAddr) -> String {
    match host {
        None => assemble::url("https", address),
        Some(host) if host.parse::<Ipv6Addr>().is_ok() => format!("https://[{host}]:{}", address.port()),
        Some(host) => format!("https://{host}:{}", address.port()),
    }
}

fn make_folders(tls: &Tls) -> Result<(), ServerError> {
    for path in [&tls.certificate, &tls.key, &tls.client_ca] {
        if let Some(folder) = path.parent() {
            files::create_private_dir(folder)?;
        }
    }
    Ok(())
}
