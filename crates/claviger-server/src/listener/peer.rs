//! Who is at the other end of a connection, as far as the handshake showed. Found out once, and put into every request.

use std::net::SocketAddr;

use claviger_core::{Source, Timestamp, TlsParameters};
use claviger_crypto::digest::sha256;
use rustls::ServerConnection;
use rustls_pki_types::CertificateDer;

use crate::pki;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address. An IPv4 client of a dual-stack socket has an IPv4 address here, as in every source condition.
    pub address: SocketAddr,
    /// The certificate that it showed, if any; chain and possession are verified.
    pub certificate: Option<PeerCertificate>,
    /// What the handshake agreed on.
    pub tls: Option<TlsParameters>,
}

/// A client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCertificate {
    /// SHA-256 of its DER.
    pub digest: [u8; 32],
    /// SHA-256 of the common name of its subject, if it has one.
    pub common_name: Option<[u8; 32]>,
    /// When it expires. Neither an open connection nor a resumed session verifies it again, so every request looks.
    pub expires_at: Timestamp,
}

impl Peer {
    /// Who is at the other end of a connection whose handshake is done.
    pub(super) fn of(address: SocketAddr, connection: &ServerConnection) -> Self {
        Self { tls: agreed_on(connection), ..Self::new(address, connection.peer_certificates()) }
    }

    fn new(address: SocketAddr, certificates: Option<&[CertificateDer<'_>]>) -> Self {
        let certificate = certificates.and_then(<[_]>::first).map(|leaf| {
            let facts = pki::certificate_facts(leaf);
            PeerCertificate {
                digest: sha256(leaf),
                common_name: facts
                    .as_ref()
                    .and_then(|facts| Some(sha256(facts.common_name.as_ref()?.as_bytes()))),
                // A certificate that TLS accepted and that cannot be read here counts as expired.
                expires_at: facts.map_or(Timestamp::default(), |facts| facts.expires_at),
            }
        });
        Self { address: SocketAddr::new(address.ip().to_canonical(), address.port()), certificate, tls: None }
    }

    /// The source of what comes over the connection.
    pub(crate) const fn source(&self) -> Source {
        Source { address: self.address.ip(), tls: self.tls }
    }

    /// The same, at `now`: a certificate that expired since the handshake proves nothing any more.
    pub(super) fn at(&self, now: Timestamp) -> Self {
        Self { certificate: self.certificate.filter(|certificate| now < certificate.expires_at), ..*self }
    }
}

/// What a handshake agreed on, once it is done.
fn agreed_on(connection: &ServerConnection) -> Option<TlsParameters> {
    let (version, suite) = (connection.protocol_version()?, connection.negotiated_cipher_suite()?);
    let group = connection.negotiated_key_exchange_group().map(|group| group.name().into());
    Some(TlsParameters { version: version.into(), cipher_suite: suite.suite().into(), group })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    #[test]
    fn certificate_counts_until_it_expires_and_not_longer() {
        let (authority, _) = pki::Authority::create(NOW).unwrap();
        let issued = authority.issue_client(&"app".parse().unwrap(), NOW).unwrap();
        let leaf = CertificateDer::from(issued.der);
        let peer = Peer::new("[::ffff:10.1.2.3]:9".parse().unwrap(), Some(&[leaf]));
        assert_eq!(peer.address, "10.1.2.3:9".parse().unwrap());
        let end = NOW.after(pki::LEAF_LIFETIME);
        assert_eq!(peer.at(NOW).certificate, peer.certificate);
        assert_eq!(peer.certificate.unwrap().common_name, Some(sha256(b"app")));
        assert!(peer.at(Timestamp::from_micros(end.as_micros() - 1)).certificate.is_some());
        assert_eq!(peer.at(end).certificate, None);
        assert_eq!(peer.at(end.after(Duration::from_secs(1))).address, peer.address);
    }

    #[test]
    fn certificate_that_cannot_be_read_proves_nothing() {
        let peer = Peer::new("10.1.2.3:9".parse().unwrap(), Some(&[CertificateDer::from(vec![0x30, 0])]));
        assert_eq!(peer.at(NOW).certificate, None);
    }
}
