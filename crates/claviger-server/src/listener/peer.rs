//! Who is at the other end of a connection, as far as the handshake told. Found out once, and put into every request.

use std::net::{IpAddr, SocketAddr};

use claviger_core::Timestamp;
use claviger_crypto::digest::sha256;
use rustls_pki_types::CertificateDer;

use crate::pki;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address. An IPv4 client of a dual-stack socket has an IPv4 address here, as in every source condition.
    pub source: IpAddr,
    /// The certificate that it showed, if any; chain and possession are verified.
    pub certificate: Option<PeerCertificate>,
}

/// A client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCertificate {
    /// SHA-256 of its DER.
    pub digest: [u8; 32],
    /// When it expires. A resumed session does not verify it again, so every call has to look.
    pub expires_at: Timestamp,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, certificates: Option<&[CertificateDer<'_>]>) -> Self {
        let certificate = certificates.and_then(<[_]>::first).map(|leaf| PeerCertificate {
            digest: sha256(leaf),
            // A certificate that TLS accepted and that cannot be read here counts as expired.
            expires_at: pki::certificate_facts(leaf).map_or(Timestamp::default(), |facts| facts.expires_at),
        });
        Self { source: address.ip().to_canonical(), certificate }
    }
}
