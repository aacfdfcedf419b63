//! How the generator shows who it is: TLS 1.3, the deployment's authority, and a client certificate.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use claviger_server::listener::tls;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A client that trusts `authority` and shows `certificate`.
///
/// # Errors
/// When a file cannot be read, or does not belong to the others.
pub fn client(authority: &Path, certificate: &Path, key: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for der in certificates(authority)? {
        roots.add(der)?;
    }
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| key.display().to_string())?;
    let mut config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(certificate)?, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates of a file, in DER.
///
/// # Errors
/// When the file cannot be read.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).with_context(|| path.display().to_string())?;
    found.map(|der| der.with_context(|| path.display().to_string())).collect()
}
