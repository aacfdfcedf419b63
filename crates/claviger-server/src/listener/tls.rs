//! TLS of the listeners: 1.3 only, the hybrid group first, clients' certificates verified when they are shown.
//!
//! What it keeps true: nothing here depends on a process-wide default; early data is never accepted, because it can be
//! replayed; a session can be resumed only under the configuration that it began with.

use std::sync::Arc;

use claviger_crypto::provenance;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, cipher_suite, default_provider, kx_group};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, version};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config;
use crate::files::{self, FileError};
use crate::pki::{self, PkiError};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] PkiError),
    /// The key cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// `tls.client_ca` has nothing that a client's certificate can be verified against.
    #[error("`tls.client_ca` cannot be used: {0}; it must hold the certificates of authorities")]
    ClientAuthority(String),
    /// The key is under a passphrase, which nobody would be there to enter.
    #[error(
        "`tls.key` is encrypted, and the server asks for no passphrase; decrypt it (`openssl pkey -in KEY -out PLAIN`) into a file that its user alone reads"
    )]
    EncryptedKey,
    /// The key is no PEM private key.
    #[error("`tls.key` holds no PEM private key; restore it, or make a new certificate")]
    Key,
    /// The library refused; most often the certificate is of another key.
    #[error("`tls.certificate` and `tls.key` cannot be used together: {0}")]
    Refused(#[from] rustls::Error),
}

/// The one set of primitives that TLS uses here, for servers and clients of this process. Over a FIPS build of the library
/// those that are approved, and no others.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..default_provider()
    };
    if provenance::module().fips {
        provider.cipher_suites.retain(|suite| suite.fips());
        provider.kx_groups.retain(|group| group.fips());
    }
    Arc::new(provider)
}

/// Reads the files and makes the configuration of a listener.
///
/// # Errors
/// [`TlsError`], which names the file and what to do.
pub fn load(files: &config::Tls) -> Result<ServerConfig, TlsError> {
    let chain = pki::read_certificates(&files.certificate)?;
    let key = private_key(files)?;
    let provider = provider();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(client_verifier(files)?)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Resumption keeps the client's certificate, so its end is looked at again with every call. No early data: replay.
    config.ticketer = Ticketer::new()?;
    config.send_tls13_tickets = 1;
    config.max_early_data_size = 0;
    Ok(config)
}

/// Verifies certificates of clients, which need not show one, against `tls.client_ca`.
pub(super) fn client_verifier(files: &config::Tls) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(files)?), provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsError::ClientAuthority(error.to_string()))
}

#[expect(clippy::disallowed_methods, reason = "the server's private key goes into the TLS library")]
fn private_key(files: &config::Tls) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = files::read_secret(&files.key)?;
    // PKCS #8 (RFC 5958, 3) and the older form of OpenSSL (RFC 1421, 4.6.1.1).
    let is_encrypted = [&b"-----BEGIN ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| pem.expose().windows(mark.len()).any(|part| part == *mark));
    PrivateKeyDer::from_pem_slice(pem.expose())
        .map_err(|_| if is_encrypted { TlsError::EncryptedKey } else { TlsError::Key })
}

fn authorities(files: &config::Tls) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for der in pki::read_certificates(&files.client_ca)? {
        store.add(der).map_err(|error| TlsError::ClientAuthority(error.to_string()))?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use claviger_core::port::Clock as _;

    use super::*;
    use crate::clock::SystemClock;

    fn files(dir: &Path) -> config::Tls {
        let now = SystemClock.now();
        let (authority, ca) = pki::Authority::create(now).unwrap();
        ca.write(&dir.join("ca.crt"), &dir.join("ca.key")).unwrap();
        let server = authority.issue_server(&pki::server_names(&[]), now).unwrap();
        server.write(&dir.join("server.crt"), &dir.join("server.key")).unwrap();
        config::Tls {
            certificate: dir.join("server.crt"),
            key: dir.join("server.key"),
            client_ca: dir.join("ca.crt"),
        }
    }

    #[test]
    fn hybrid_group_is_preferred_and_early_data_is_off() {
        let dir = tempfile::tempdir().unwrap();
        let config = load(&files(dir.path())).unwrap();
        let groups: Vec<_> = config.crypto_provider().kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(groups.first(), Some(&rustls::NamedGroup::X25519MLKEM768));
        assert_eq!(config.max_early_data_size, 0);
        assert!(config.ticketer.enabled());
    }

    #[test]
    fn tls_is_in_fips_mode_when_the_library_is() {
        let dir = tempfile::tempdir().unwrap();
        let config = load(&files(dir.path())).unwrap();
        assert_eq!(config.fips(), provenance::module().fips);
        assert_eq!(provenance::module().fips, cfg!(feature = "fips"));
    }

    #[test]
    fn key_of_another_certificate_and_broken_files_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let good = files(dir.path());
        let other_key = config::Tls { key: dir.path().join("ca.key"), ..good.clone() };
        assert!(load(&other_key).unwrap_err().to_string().contains("`tls.key`"));
        files::write_private(&dir.path().join("junk"), b"junk").unwrap();
        let junk_key = config::Tls { key: dir.path().join("junk"), ..good.clone() };
        assert!(matches!(load(&junk_key), Err(TlsError::Key)));
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        std::fs::write(&junk_key.key, encrypted).unwrap();
        assert!(matches!(load(&junk_key), Err(TlsError::EncryptedKey)));
        let junk_ca = config::Tls { client_ca: dir.path().join("junk"), ..good };
        assert!(load(&junk_ca).unwrap_err().to_string().contains("junk"));
    }
}
