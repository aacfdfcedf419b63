//! Certificates as they are entered, judged by the verifier that the handshakes use.
//!
//! What it keeps true: what is entered can be shown on a listener at once. So a certificate whose time has not come is
//! refused like one whose time is over: rules that ask whether somebody can still act count credentials from their entry.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use claviger_core::port::{CertificateFault, EnteredCertificate, IssueFault, Trust};
use claviger_core::{Name, Timestamp};
use rustls::CertificateError;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::tls::{self, TlsError};
use crate::authority;
use crate::config;
use crate::error::ServerError;
use crate::pki::{CLOCK_SKEW, PkiError, certificate_facts};

/// The authorities whose certificates the listeners take.
#[derive(Debug)]
pub struct ClientTrust(ArcSwap<Read>);

/// What was read of the files, and which they are.
#[derive(Debug)]
struct Read {
    verifier: Arc<dyn ClientCertVerifier>,
    files: config::Tls,
}

impl Read {
    fn of(files: &config::Tls) -> Result<Self, TlsError> {
        Ok(Self { verifier: tls::client_verifier(files)?, files: files.clone() })
    }
}

impl ClientTrust {
    /// The authorities of `tls.client_ca`.
    ///
    /// # Errors
    /// [`TlsError`], which names the file and what to do.
    pub fn load(files: &config::Tls) -> Result<Self, TlsError> {
        Ok(Self(ArcSwap::from_pointee(Read::of(files)?)))
    }

    /// Reads them again; what was read before stays if something is wrong.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn reload(&self, files: &config::Tls) -> Result<(), TlsError> {
        self.0.store(Arc::new(Read::of(files)?));
        Ok(())
    }
}

impl Trust for ClientTrust {
    fn judge(
        &self,
        certificate: EnteredCertificate<'_>,
        now: Timestamp,
    ) -> Result<Timestamp, CertificateFault> {
        let der = certificate.der;
        if der.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(CertificateFault::Pem);
        }
        let facts = certificate_facts(der).ok_or(CertificateFault::Unreadable)?;
        if facts.version != 3 {
            return Err(CertificateFault::Version(facts.version));
        }
        if facts.expires_at <= now {
            return Err(CertificateFault::Expired);
        }
        if facts.valid_from > now.after(CLOCK_SKEW) {
            return Err(CertificateFault::NotYetValid);
        }
        if facts.is_authority {
            return Err(CertificateFault::Authority);
        }
        let between: Vec<CertificateDer<'_>> =
            certificate.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        // The authority's clock may be a little ahead of ours.
        let at = UnixTime::since_unix_epoch(Duration::from_micros(now.max(facts.valid_from).as_micros()));
        match self.0.load().verifier.verify_client_cert(&CertificateDer::from(der), &between, at) {
            Ok(_) => Ok(facts.expires_at),
            Err(error) => Err(fault(error, facts.names_itself)),
        }
    }

    /// The authority's key is where the set-up made it, if nobody took it away: it is read for this, and not kept.
    fn issue(
        &self,
        request: &[u8],
        principal: &Name,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<u8>, IssueFault> {
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "no certificate could be issued");
            IssueFault::Authority
        };
        let authority = match authority::load_authority(&self.0.load().files) {
            Ok(authority) => authority,
            Err(ServerError::AuthorityKeyMissing { .. }) => return Err(IssueFault::KeyElsewhere),
            Err(error) => return Err(failed(&error)),
        };
        match authority.sign_client(request, principal, until, now) {
            Ok(signed) => Ok(signed.der),
            Err(PkiError::Request) => Err(IssueFault::Request),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// What the verifier says, in the words of whoever enters the certificate.
fn fault(error: rustls::Error, names_itself: bool) -> CertificateFault {
    use CertificateError as E;
    match error {
        // A signature that does not fit is that of another authority of the same name.
        rustls::Error::InvalidCertificate(E::UnknownIssuer | E::BadSignature) if names_itself => {
            CertificateFault::SelfSigned
        }
        rustls::Error::InvalidCertificate(E::UnknownIssuer | E::BadSignature) => CertificateFault::Issuer,
        rustls::Error::InvalidCertificate(E::InvalidPurpose | E::InvalidPurposeContext { .. }) => {
            CertificateFault::Purpose
        }
        other => CertificateFault::Refused(other.to_string()),
    }
}
