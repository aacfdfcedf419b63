//! From what was presented to who calls.

use std::net::IpAddr;
use std::sync::Arc;

use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Status};
use claviger_core::{CredentialId, PrincipalId, Source, Timestamp};
use claviger_crypto::secret::ct_eq;

use super::access_key::{Claim, SignatureRefused, SignedRequest, SigningSecret};
use super::{TokenError, certificate, enrolment_code, token};

/// What a call showed of who it is from, reduced to what is looked up and held against it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presented {
    /// A client certificate, verified in the TLS handshake.
    Certificate {
        /// SHA-256 of its DER.
        digest: [u8; 32],
    },
    /// A code to enrol with, as a bearer presents it.
    EnrolmentCode {
        /// SHA-256 of its text.
        digest: [u8; 32],
    },
    /// Nothing.
    None,
    /// A request signed by an access key.
    Signed(Arc<Claim>),
    /// A bearer token.
    Token {
        /// SHA-256 of its text.
        digest: [u8; 32],
    },
}

impl Presented {
    /// A client certificate (DER) that the handshake has verified.
    #[must_use]
    pub fn certificate(der: &[u8]) -> Self {
        Self::Certificate { digest: certificate::fingerprint(der) }
    }

    /// What a bearer presents: a token, or a code to enrol with, as its first characters say.
    ///
    /// # Errors
    /// [`TokenError`] when the text is neither.
    pub fn bearer(text: &str) -> Result<Self, TokenError> {
        if enrolment_code::claims_to_be(text) {
            return enrolment_code::digest_of(text).map(|digest| Self::EnrolmentCode { digest });
        }
        Self::token(text)
    }

    /// A bearer token.
    ///
    /// # Errors
    /// [`TokenError`] when the text is not a token.
    pub fn token(text: &str) -> Result<Self, TokenError> {
        token::digest_of(text).map(|digest| Self::Token { digest })
    }

    /// A request that claims to be signed.
    #[must_use]
    pub fn signed(request: SignedRequest) -> Self {
        Self::Signed(Arc::new(Claim::new(request)))
    }

    /// The credential that it names, if anything was presented.
    #[must_use]
    pub fn named(&self) -> Option<NamedCredential<'_>> {
        let of = |kind, digest| Some(NamedCredential { kind, digest, session: None });
        match self {
            Self::Certificate { digest } => of(CredentialKind::Certificate, digest),
            Self::EnrolmentCode { digest } => of(CredentialKind::EnrolmentCode, digest),
            Self::None => None,
            Self::Signed(claim) => Some(NamedCredential {
                kind: CredentialKind::AccessKey,
                digest: &claim.request().access_key,
                session: claim.request().session.as_ref(),
            }),
            Self::Token { digest } => of(CredentialKind::Token, digest),
        }
    }
}

/// A credential as the head of a request names it. Whoever shows a token, a code or a certificate has proved it by that; an access
/// key is only named, and proved by the signature over the whole request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NamedCredential<'a> {
    /// Of what kind it is.
    pub kind: CredentialKind,
    /// What it is looked up by.
    pub digest: &'a [u8; 32],
    /// Digest of the session token that came with an access key.
    pub session: Option<&'a [u8; 32]>,
}

/// Someone who has proved who they are.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: Arc<Principal>,
    credential: Option<Arc<Credential>>,
    source: Option<Source>,
}

impl Caller {
    /// A part of the system itself, which needs no proof: a job, start-up.
    ///
    /// # Errors
    /// [`AuthnError::Mismatch`] for a principal that is not of the system, [`AuthnError::PrincipalRevoked`] for one that was revoked.
    pub fn system(principal: Arc<Principal>) -> Result<Self, AuthnError> {
        if principal.kind != PrincipalKind::System {
            return Err(AuthnError::Mismatch);
        }
        check_active(&principal)?;
        Ok(Self { principal, credential: None, source: None })
    }

    /// Who it is.
    #[must_use]
    pub const fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// By what it was proved; `None` for a part of the system.
    #[must_use]
    pub const fn credential(&self) -> Option<&Arc<Credential>> {
        self.credential.as_ref()
    }

    /// The credential's identifier; all zeros for a part of the system, which has none.
    #[must_use]
    pub fn credential_id(&self) -> CredentialId {
        self.credential.as_ref().map_or(CredentialId::from_bytes([0; 16]), |credential| credential.id)
    }

    /// The address the call came from, when it came over a network.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.source.map(|source| source.address)
    }

    /// The same, with what the TLS handshake of its connection agreed on.
    #[must_use]
    pub const fn connection(&self) -> Option<Source> {
        self.source
    }

    /// Has the proof run out by `now`?
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.credential.as_ref().is_some_and(|credential| credential.expires_at <= now)
    }
}

/// Why a call is from nobody. The variants are for the log; a caller reads [`AuthnError::public_message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthnError {
    /// The credential's holder has not confirmed it yet, by another one.
    #[error("credential `{0}` awaits the confirmation of its holder")]
    AwaitsConfirmation(CredentialId),
    /// The credential's time is over.
    #[error("credential `{0}` has expired")]
    Expired(CredentialId),
    /// What was looked up is not what was presented: another kind, digest or principal.
    #[error("what was presented and what was found do not fit")]
    Mismatch,
    /// Nothing was presented.
    #[error("no credential was presented")]
    Missing,
    /// The principal was revoked.
    #[error("principal `{0}` was revoked")]
    PrincipalRevoked(PrincipalId),
    /// The credential was revoked.
    #[error("credential `{0}` was revoked")]
    Revoked(CredentialId),
    /// The time of a short-lived access key is over, and its session token is the right one.
    #[error("the session of credential `{0}` has expired")]
    SessionExpired(CredentialId),
    /// The request is not signed as the access key signs.
    #[error("credential `{0}`: {1}")]
    Signature(CredentialId, SignatureRefused),
    /// Nobody has this credential.
    #[error("the credential is unknown")]
    Unknown,
}

impl AuthnError {
    /// What the caller may read: the same for all.
    #[must_use]
    pub const fn public_message(&self) -> &'static str {
        "no valid credential was presented"
    }

    /// As much of it as protocols with signed requests disclose to the signer.
    #[must_use]
    pub const fn reason(&self) -> AuthnReason {
        match self {
            Self::Missing => AuthnReason::Missing,
            Self::SessionExpired(_) => AuthnReason::SessionExpired,
            Self::Signature(_, refused) => AuthnReason::Signature(*refused),
            Self::AwaitsConfirmation(_)
            | Self::Expired(_)
            | Self::Mismatch
            | Self::PrincipalRevoked(_)
            | Self::Revoked(_)
            | Self::Unknown => AuthnReason::Unknown,
        }
    }
}

/// What a signer may learn of why they were refused. What was revoked, or awaits its confirmation, is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthnReason {
    /// Nothing was presented.
    Missing,
    /// The session of a short-lived access key is over.
    SessionExpired,
    /// The access key is known, and did not sign this so.
    Signature(SignatureRefused),
    /// What was presented is not valid.
    Unknown,
}

/// Who calls: `credential`, `secret` and `principal` are what was found for `presented`, `source` is where the call came
/// from. Only an access key has a `secret`.
///
/// # Errors
/// [`AuthnError`] unless the credential is what was presented, active, confirmed, not expired, and of an active principal,
/// and has signed a request that is signed.
pub fn authenticate(
    presented: &Presented,
    credential: Option<&Arc<Credential>>,
    secret: Option<&SigningSecret>,
    principal: Option<&Arc<Principal>>,
    source: Option<Source>,
    now: Timestamp,
) -> Result<Caller, AuthnError> {
    let named = presented.named().ok_or(AuthnError::Missing)?;
    let (credential, principal) = in_force(named, credential, principal, now)?;
    if let Presented::Signed(claim) = presented {
        has_signed(credential, secret, claim, now)?;
    }
    Ok(Caller { principal: Arc::clone(principal), credential: Some(Arc::clone(credential)), source })
}

/// Holds what was looked up against what was named: the part of authentication that needs the head of a request alone. For
/// a token, a code or a certificate it is all of it; an access key has still to sign.
///
/// # Errors
/// [`AuthnError`] unless the credential is the one that was named, active, confirmed, not expired, and of an active principal.
pub fn in_force<'a>(
    named: NamedCredential<'_>,
    credential: Option<&'a Arc<Credential>>,
    principal: Option<&'a Arc<Principal>>,
    now: Timestamp,
) -> Result<(&'a Arc<Credential>, &'a Arc<Principal>), AuthnError> {
    let credential = credential.ok_or(AuthnError::Unknown)?;
    if credential.kind != named.kind || !ct_eq(&credential.digest, named.digest) {
        return Err(AuthnError::Mismatch);
    }
    if credential.status != Status::Active {
        return Err(AuthnError::Revoked(credential.id));
    }
    let principal = principal.ok_or(AuthnError::Unknown)?;
    if credential.principal != principal.id {
        return Err(AuthnError::Mismatch);
    }
    check_active(principal)?;
    if credential.expires_at <= now {
        return Err(expired(named, credential));
    }
    if credential.awaits_confirmation {
        return Err(AuthnError::AwaitsConfirmation(credential.id));
    }
    Ok((credential, principal))
}

fn has_signed(
    credential: &Credential,
    secret: Option<&SigningSecret>,
    claim: &Claim,
    now: Timestamp,
) -> Result<(), AuthnError> {
    let (kept, secret) = credential.access_key.as_ref().zip(secret).ok_or(AuthnError::Mismatch)?;
    if !claim.request().fits_session(kept.session_digest.as_ref()) {
        return Err(AuthnError::Signature(credential.id, SignatureRefused::SessionToken));
    }
    claim.verify(credential.id, secret, now).map_err(|refused| AuthnError::Signature(credential.id, refused))
}

/// Who has the session token learns that its time is over; to everyone else the key is unknown.
fn expired(named: NamedCredential<'_>, credential: &Credential) -> AuthnError {
    let kept = credential.access_key.as_ref().and_then(|kept| kept.session_digest.as_ref());
    match (named.session, kept) {
        (Some(shown), Some(kept)) if ct_eq(shown, kept) => AuthnError::SessionExpired(credential.id),
        _ => AuthnError::Expired(credential.id),
    }
}

fn check_active(principal: &Principal) -> Result<(), AuthnError> {
    match principal.status {
        Status::Active => Ok(()),
        Status::Revoked => Err(AuthnError::PrincipalRevoked(principal.id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000);

    fn principal() -> Principal {
        Principal {
            revision: 1,
            ..Principal::new(
                PrincipalId::from_bytes([1; 16]),
                "orders".parse().unwrap(),
                PrincipalKind::Workload,
                NOW,
            )
        }
    }

    fn credential() -> Credential {
        Credential {
            id: CredentialId::from_bytes([2; 16]),
            principal: principal().id,
            kind: CredentialKind::Token,
            digest: [7; 32],
            access_key: None,
            label: "laptop".parse().unwrap(),
            status: Status::Active,
            created_by: None,
            renews: None,
            awaits_confirmation: false,
            created_at: Timestamp::from_micros(0),
            expires_at: Timestamp::from_micros(1_001),
            reason: None,
            revision: 1,
        }
    }

    fn ask(
        presented: Presented,
        credential: Option<Credential>,
        principal: Option<Principal>,
    ) -> Result<Caller, AuthnError> {
        authenticate(
            &presented,
            credential.map(Arc::new).as_ref(),
            None,
            principal.map(Arc::new).as_ref(),
            None,
            NOW,
        )
    }

    #[test]
    fn active_credential_proves_its_principal() {
        let caller =
            ask(Presented::Token { digest: [7; 32] }, Some(credential()), Some(principal())).unwrap();
        assert_eq!(caller.principal().id, principal().id);
        assert_eq!(caller.credential_id(), credential().id);
        assert!(!caller.has_expired(NOW));
        assert!(caller.has_expired(Timestamp::from_micros(1_001)));
    }

    #[test]
    fn each_defect_refuses_and_all_look_alike_from_outside() {
        let token = || Presented::Token { digest: [7; 32] };
        let (id, who) = (credential().id, principal().id);
        let revoked = Status::Revoked;
        let cases = [
            (Presented::None, Some(credential()), Some(principal()), AuthnError::Missing),
            (token(), None, Some(principal()), AuthnError::Unknown),
            (token(), Some(credential()), None, AuthnError::Unknown),
            (
                Presented::Certificate { digest: [7; 32] },
                Some(credential()),
                Some(principal()),
                AuthnError::Mismatch,
            ),
            (
                Presented::Token { digest: [8; 32] },
                Some(credential()),
                Some(principal()),
                AuthnError::Mismatch,
            ),
            (
                token(),
                Some(Credential { status: revoked, ..credential() }),
                Some(principal()),
                AuthnError::Revoked(id),
            ),
            (
                token(),
                Some(Credential { expires_at: NOW, ..credential() }),
                Some(principal()),
                AuthnError::Expired(id),
            ),
            (
                token(),
                Some(Credential { awaits_confirmation: true, ..credential() }),
                Some(principal()),
                AuthnError::AwaitsConfirmation(id),
            ),
            (
                Presented::EnrolmentCode { digest: [7; 32] },
                Some(credential()),
                Some(principal()),
                AuthnError::Mismatch,
            ),
            (
                token(),
                Some(Credential { kind: CredentialKind::EnrolmentCode, ..credential() }),
                Some(principal()),
                AuthnError::Mismatch,
            ),
            (
                token(),
                Some(credential()),
                Some(Principal { status: revoked, ..principal() }),
                AuthnError::PrincipalRevoked(who),
            ),
            (
                token(),
                Some(credential()),
                Some(Principal { id: PrincipalId::from_bytes([9; 16]), ..principal() }),
                AuthnError::Mismatch,
            ),
        ];
        for (presented, credential, principal, expected) in cases {
            let refused = ask(presented, credential, principal).unwrap_err();
            assert_eq!(refused, expected);
            assert_eq!(refused.public_message(), AuthnError::Unknown.public_message());
        }
    }

    #[test]
    fn only_the_system_needs_no_proof() {
        assert_eq!(Caller::system(Arc::new(principal())).unwrap_err(), AuthnError::Mismatch);
        let job = Principal { kind: PrincipalKind::System, ..principal() };
        assert_eq!(
            Caller::system(Arc::new(job.clone())).unwrap().credential_id(),
            CredentialId::from_bytes([0; 16])
        );
        let revoked = Principal { status: Status::Revoked, ..job };
        assert_eq!(
            Caller::system(Arc::new(revoked)).unwrap_err(),
            AuthnError::PrincipalRevoked(principal().id)
        );
    }
}
