//! Certificates that the deployment's authority issues, for keys that were made elsewhere.

use claviger_access::authn::certificate::fingerprint;
use claviger_core::Timestamp;
use claviger_core::port::EnteredCertificate;

use crate::error::ServiceError;
use crate::view::View;

/// A certificate that was issued now.
pub(super) struct IssuedCertificate {
    /// The certificate (DER). Kept nowhere.
    pub(super) der: Vec<u8>,
    /// By what it is known.
    pub(super) digest: [u8; 32],
    /// When it ends as a credential.
    pub(super) expires_at: Timestamp,
}

impl View<'_> {
    /// A certificate for the caller, for the key of its request (PKCS #10, DER), which ends then or before.
    ///
    /// # Errors
    /// As [`View::issued`] and [`View::entered`]; unavailable after a failed self-test.
    pub(super) fn issue_to_caller(
        &self,
        request: &[u8],
        until: Timestamp,
    ) -> Result<IssuedCertificate, ServiceError> {
        self.state.self_tests.may_generate()?;
        let der = self.issued(request, until)?;
        let expires_at = self.entered(EnteredCertificate { der: &der, chain: &[] }, until)?;
        Ok(IssuedCertificate { digest: fingerprint(&der), der, expires_at })
    }
}
