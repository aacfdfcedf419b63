//! Connections: from an address of one's choice, with or without a certificate, each step within a time limit.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// A TLS connection.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Who a client is to TLS: nobody, or the holder of a certificate.
#[derive(Debug, Clone)]
pub struct Identity(Arc<ClientConfig>);

impl Identity {
    /// A caller without a certificate, who trusts the authorities in a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn nobody(authority: &Path) -> Result<Self> {
        let builder = builder(authority)?;
        Ok(Self::from_config(builder.with_no_client_auth(), b"http/1.1"))
    }

    /// The same, who speaks HTTP/2.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn nobody_by_http2(authority: &Path) -> Result<Self> {
        Ok(Self::from_config(builder(authority)?.with_no_client_auth(), b"h2"))
    }

    /// The holder of a certificate.
    ///
    /// # Errors
    /// When a file cannot be read, or does not belong to the others.
    pub fn holder(authority: &Path, certificate: &Path, key: &Path) -> Result<Self> {
        let key = PrivateKeyDer::from_pem_file(key).with_context(|| key.display().to_string())?;
        let config = builder(authority)?.with_client_auth_cert(certificates(certificate)?, key)?;
        Ok(Self::from_config(config, b"http/1.1"))
    }

    fn from_config(mut config: ClientConfig, protocol: &[u8]) -> Self {
        config.alpn_protocols = vec![protocol.to_vec()];
        // Each handshake is a whole one: what is resumed costs the server less.
        config.resumption = rustls::client::Resumption::disabled();
        Self(Arc::new(config))
    }
}

fn builder(authority: &Path) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
    let mut roots = RootCertStore::empty();
    for der in certificates(authority)? {
        roots.add(der)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(builder.with_root_certificates(roots))
}

/// The first message of a handshake with a listener, to be sent as it is.
///
/// # Errors
/// When there is none.
pub fn client_hello(identity: &Identity, listener: SocketAddr) -> Result<Vec<u8>> {
    let mut tls = ClientConnection::new(Arc::clone(&identity.0), ServerName::from(listener.ip()))?;
    let mut hello = Vec::new();
    tls.write_tls(&mut hello)?;
    Ok(hello)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).with_context(|| path.display().to_string())?;
    found.map(|der| der.with_context(|| path.display().to_string())).collect()
}

/// A way to a listener.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The listener.
    pub to: SocketAddr,
    /// The address to come from, where that matters.
    pub from: Option<IpAddr>,
    /// How long connecting, and each read or write, may take.
    pub patience: Duration,
    /// Closed without a trace in the client's kernel: an attacker does not run out of ports.
    pub abrupt: bool,
}

impl Route {
    /// How somebody comes who means well.
    #[must_use]
    pub const fn honest(to: SocketAddr) -> Self {
        Self { to, from: None, patience: Duration::from_secs(10), abrupt: false }
    }

    /// Connects, without TLS.
    ///
    /// # Errors
    /// When it is refused, or takes too long.
    pub fn connect(&self) -> Result<TcpStream> {
        let family = if self.to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket(family, SocketType::STREAM, None).context("no socket")?;
        // On Linux the time limit of sending is that of connecting too.
        for which in [Timeout::Send, Timeout::Recv] {
            set_socket_timeout(&socket, which, Some(self.patience))?;
        }
        if self.abrupt {
            set_socket_linger(&socket, Some(Duration::ZERO))?;
        }
        if let Some(from) = self.from {
            bind(&socket, &SocketAddr::new(from, 0)).context("no port is free")?;
        }
        connect(&socket, &self.to).context("no connection")?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Connects, and completes the TLS handshake.
    ///
    /// # Errors
    /// When either is refused, or takes too long.
    pub fn open(&self, identity: &Identity) -> Result<Stream> {
        let mut socket = self.connect()?;
        let mut tls = ClientConnection::new(Arc::clone(&identity.0), ServerName::from(self.to.ip()))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).context("no TLS")?;
        }
        Ok(StreamOwned::new(tls, socket))
    }
}
