//! What a signed request says of who signed it, when, and for whom.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use claviger_core::{CredentialId, Timestamp};
use claviger_crypto::secret::ct_eq;

use super::{SigningSecret, instant};

/// How far the clocks of signer and verifier may be apart.
pub const SKEW: Duration = Duration::from_secs(5 * 60);
/// Longest time that a presigned request may count.
pub const PRESIGNED_MAX: Duration = Duration::from_secs(7 * 86_400);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// Longest name of a region or service.
const MAX_NAME: usize = 64;

/// What a signing key is good for: `<date>/<region>/<service>/aws4_request`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    date: Box<str>,
    region: Box<str>,
    service: Box<str>,
}

/// Text that is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: `<date>/<region>/<service>/aws4_request` is expected")]
pub struct NotAScope;

impl Scope {
    /// The day, as `20150830`.
    #[must_use]
    pub const fn date(&self) -> &str {
        &self.date
    }

    /// The region.
    #[must_use]
    pub const fn region(&self) -> &str {
        &self.region
    }

    /// The service.
    #[must_use]
    pub const fn service(&self) -> &str {
        &self.service
    }

    /// Derives the signing key step by step: each takes the tag of the one before as its key.
    pub(super) fn steps(&self) -> [&str; 4] {
        [&self.date, &self.region, &self.service, TERMINATOR]
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or(NotAScope);
        let (date, region, service, end) = (next()?, next()?, next()?, next()?);
        let is_date = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
        if !is_date
            || end != TERMINATOR
            || parts.next().is_some()
            || ![region, service].into_iter().all(is_name)
        {
            return Err(NotAScope);
        }
        Ok(Self { date: date.into(), region: region.into(), service: service.into() })
    }
}

fn is_name(text: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(valid)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [date, region, service, end] = self.steps();
        write!(f, "{date}/{region}/{service}/{end}")
    }
}

/// For whom a request must be signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audience {
    /// The service.
    pub service: &'static str,
    /// The region; none takes any.
    pub region: Option<Arc<str>>,
}

/// What a signed request says. That it is well-formed is the reader's word; whether it holds, authentication finds out.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// Digest of the identifier of the access key it names.
    pub access_key: [u8; 32],
    /// What the signing key was derived for.
    pub scope: Scope,
    /// When it was signed, to the second.
    pub signed_at: Timestamp,
    /// How long it is valid from then on, if it is presigned.
    pub presigned_for: Option<Duration>,
    /// Digest of the session token that it carries.
    pub session: Option<[u8; 32]>,
    /// SHA-256 of the canonical request.
    pub canonical: [u8; 32],
    /// The signature that it claims.
    pub signature: [u8; 32],
    /// For whom it must be signed.
    pub audience: Audience,
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedRequest({}, at {}, ..)", self.scope, instant::format(self.signed_at))
    }
}

/// A signed request on its way, and by which credential it was found to be signed.
///
/// Who signed is asked more than once: before a request takes a place, and again by each attempt of the operation. A request
/// does not change, nor does the secret of a credential, so that its signature is computed once; whether the credential is in
/// force, and the request current, is asked each time.
pub struct Claim {
    request: SignedRequest,
    signed_by: OnceLock<CredentialId>,
}

impl Claim {
    pub(in crate::authn) const fn new(request: SignedRequest) -> Self {
        Self { request, signed_by: OnceLock::new() }
    }

    /// What the request says.
    #[must_use]
    pub const fn request(&self) -> &SignedRequest {
        &self.request
    }

    /// Holds the request against the secret of `credential`, the audience and the clock. The signature goes first: who has
    /// not the secret learns nothing else.
    pub(in crate::authn) fn verify(
        &self,
        credential: CredentialId,
        secret: &SigningSecret,
        now: Timestamp,
    ) -> Result<(), SignatureRefused> {
        if self.signed_by.get() != Some(&credential) {
            self.request.is_signed_with(secret)?;
            // Another attempt may have found the same.
            let _ = self.signed_by.set(credential);
        }
        self.request.is_meant_and_current(now)
    }
}

impl PartialEq for Claim {
    fn eq(&self, other: &Self) -> bool {
        self.request == other.request
    }
}

impl Eq for Claim {}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

/// Why a signed request does not prove the access key that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefused {
    /// It is no longer valid.
    #[error("the signature has expired")]
    Expired {
        /// When it ended.
        ended_at: Timestamp,
        /// When it came.
        now: Timestamp,
        /// When it was signed.
        signed_at: Timestamp,
    },
    /// It is not what the secret signed.
    #[error("the signature does not match")]
    Mismatch,
    /// It is not valid yet.
    #[error("the signature is not yet current")]
    NotYetCurrent {
        /// When it came.
        now: Timestamp,
        /// When it was signed.
        signed_at: Timestamp,
    },
    /// It is for another region.
    #[error("the signature is for another region")]
    Region,
    /// It is for another service.
    #[error("the signature is for another service")]
    Service,
    /// The session token is not that of the key.
    #[error("the session token does not belong to the access key")]
    SessionToken,
}

impl SignedRequest {
    /// What the secret has to have signed.
    #[must_use]
    pub fn string_to_sign(&self) -> String {
        let at = instant::format(self.signed_at);
        let mut canonical = [0; 64];
        // Twice as many digits as bytes always fit.
        let _ = hex::encode_to_slice(self.canonical, &mut canonical);
        let canonical = std::str::from_utf8(&canonical).unwrap_or_default();
        let mut text = String::with_capacity(256);
        let [date, region, service, end] = self.scope.steps();
        for part in [ALGORITHM, "\n", &at, "\n", date, "/", region, "/", service, "/", end, "\n", canonical] {
            text.push_str(part);
        }
        text
    }

    /// Does the session token belong to a key that is kept with that digest?
    pub(crate) fn fits_session(&self, kept: Option<&[u8; 32]>) -> bool {
        match (&self.session, kept) {
            (None, None) => true,
            (Some(shown), Some(kept)) => ct_eq(shown, kept),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    fn is_signed_with(&self, secret: &SigningSecret) -> Result<(), SignatureRefused> {
        if !instant::format(self.signed_at).starts_with(self.scope.date()) || !secret.has_signed(self) {
            return Err(SignatureRefused::Mismatch);
        }
        Ok(())
    }

    fn is_meant_and_current(&self, now: Timestamp) -> Result<(), SignatureRefused> {
        if self.scope.service() != self.audience.service {
            return Err(SignatureRefused::Service);
        }
        if self.audience.region.as_deref().is_some_and(|region| region != self.scope.region()) {
            return Err(SignatureRefused::Region);
        }
        self.is_current(now)
    }

    fn is_current(&self, now: Timestamp) -> Result<(), SignatureRefused> {
        let signed_at = self.signed_at;
        if signed_at > now.after(SKEW) {
            return Err(SignatureRefused::NotYetCurrent { now, signed_at });
        }
        let ended_at = signed_at.after(self.presigned_for.unwrap_or(SKEW));
        if now > ended_at {
            return Err(SignatureRefused::Expired { ended_at, now, signed_at });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use claviger_crypto::SecretBytes;

    use super::*;

    #[test]
    fn what_one_credential_signed_another_has_not() {
        let secret = |text: &[u8]| SigningSecret::new(&SecretBytes::copied_from(text));
        let (signer, other) = (secret(b"the secret that signs"), secret(b"a secret of somebody else"));
        let at = instant::parse(b"20150830T123600Z").unwrap();
        let mut request = SignedRequest {
            access_key: [0; 32],
            scope: "20150830/us-east-1/kms/aws4_request".parse().unwrap(),
            signed_at: at,
            presigned_for: None,
            session: None,
            canonical: [7; 32],
            signature: [0; 32],
            audience: Audience { service: "kms", region: None },
        };
        request.signature = signer.sign(&request);
        let claim = Claim::new(request);
        let (first, second) = (CredentialId::from_bytes([1; 16]), CredentialId::from_bytes([2; 16]));
        assert_eq!(claim.verify(second, &other, at), Err(SignatureRefused::Mismatch));
        assert_eq!(claim.verify(first, &signer, at), Ok(()));
        assert_eq!(claim.verify(second, &other, at), Err(SignatureRefused::Mismatch));
        let late = claim.verify(first, &signer, at.after(SKEW + Duration::from_secs(1)));
        assert!(matches!(late, Err(SignatureRefused::Expired { .. })));
    }

    #[test]
    fn a_scope_has_four_parts_and_one_spelling() {
        let text = "20150830/us-east-1/kms/aws4_request";
        let scope: Scope = text.parse().unwrap();
        assert_eq!((scope.date(), scope.region(), scope.service()), ("20150830", "us-east-1", "kms"));
        assert_eq!(scope.to_string(), text);
        for bad in [
            "",
            "20150830/us-east-1/kms",
            "20150830/us-east-1/kms/aws4_request/",
            "2015083/us-east-1/kms/aws4_request",
            "2015083O/us-east-1/kms/aws4_request",
            "20150830//kms/aws4_request",
            "20150830/us-east-1//aws4_request",
            "20150830/us east/kms/aws4_request",
            "20150830/us-east-1/kms/aws4_requests",
            "20150830/us-east-1/k\u{fc}s/aws4_request",
        ] {
            assert_eq!(bad.parse::<Scope>(), Err(NotAScope), "{bad}");
        }
        assert!(format!("20150830/{}/kms/aws4_request", "r".repeat(65)).parse::<Scope>().is_err());
    }
}
