//! What the listener knows of the other end, and hands over with each request.

use std::net::SocketAddr;

use claviger_core::{Source, TlsParameters};

/// Who is at the other end of the connection, as the TLS handshake proved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// SHA-256 of the client certificate (DER) that the handshake verified, if one was presented.
    pub certificate: Option<[u8; 32]>,
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// What the handshake agreed on.
    pub tls: Option<TlsParameters>,
}

impl PeerIdentity {
    /// The source of what comes over the connection.
    #[must_use]
    pub const fn source(&self) -> Source {
        Source { address: self.address.ip(), tls: self.tls }
    }
}
