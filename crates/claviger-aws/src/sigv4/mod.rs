//! Signature Version 4: what a signed request says of who signed it.
//!
//! A request is read as it was received, and the signature is held against that: nothing is rebuilt from what this side
//! knows of itself. What could be read in two ways is refused. Whether the signature holds, authentication finds out:
//! it alone has the secret.
//!
//! | module | what it holds |
//! |---|---|
//! | `canonical` | the form that is signed |
//! | `claim` | who claims to have signed, in the header or in the query |
//! | `date` | the instant of signing |
//! | `error` | what is wrong with a request |
//! | `received` | the request as it came |
//!
//! Spellings of a path or query with the same canonical form are the same request to a signer. Whoever routes goes by the
//! path as received, so that another spelling finds nothing or the same.

mod canonical;
mod claim;
mod date;
mod error;
mod received;

#[cfg(test)]
mod tests;

use claviger_access::NamedCredential;
use claviger_access::authn::access_key::{self, Audience, SignedRequest};
use claviger_core::principal::CredentialKind;
use claviger_crypto::digest::sha256;
use http::request::Parts;

pub use error::{Part, SigV4Error};

use claim::Claim;
use received::Received;

/// The access key that a request names, read from its head before the rest of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedKey {
    /// Digest of its identifier.
    pub access_key: [u8; 32],
    /// Digest of the session token that came with it.
    pub session: Option<[u8; 32]>,
}

impl NamedKey {
    /// As what is looked up.
    #[must_use]
    pub const fn named(&self) -> NamedCredential<'_> {
        NamedCredential {
            kind: CredentialKind::AccessKey,
            digest: &self.access_key,
            session: self.session.as_ref(),
        }
    }
}

/// Reads from the head of a signed request which access key it names.
///
/// # Errors
/// [`SigV4Error`] as [`read`] gives it, for all that shows without the body.
pub fn named(parts: &Parts) -> Result<NamedKey, SigV4Error> {
    let received = Received::new(parts)?;
    let claim = Claim::find(&received)?;
    Ok(NamedKey {
        access_key: access_key::digest_of(claim.access_key_id),
        session: claim.session_token.map(access_key::session_digest_of),
    })
}

/// The identifier that header `Authorization` names, read as loosely as can be. It serves to find in memory what would be
/// found by [`named`], and for nothing else: what it misses or mistakes is read again, by the book.
#[must_use]
pub fn glimpse(parts: &Parts) -> Option<[u8; 32]> {
    let value = parts.headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (id, _) = value.split_once("Credential=")?.1.split_once('/')?;
    (id.len() <= claim::MAX_ACCESS_KEY_ID).then(|| access_key::digest_of(id))
}

/// Reads the claim of a signed request; `body` is all of its body, `audience` is for whom it must be signed.
///
/// # Errors
/// [`SigV4Error`] when there is no signature, when a part is missing or malformed, when something that must be signed is
/// not, and when there is more than one way to read it.
pub fn read(parts: &Parts, body: &[u8], audience: &Audience) -> Result<SignedRequest, SigV4Error> {
    let received = Received::new(parts)?;
    let claim = Claim::find(&received)?;
    let mut body_digest = [0; 64];
    // Twice as many digits as bytes always fit.
    let _ = hex::encode_to_slice(sha256(body), &mut body_digest);
    claim.covers(&received, &body_digest)?;
    let canonical = canonical::request(&received, &claim, &body_digest)?;
    Ok(SignedRequest {
        access_key: access_key::digest_of(claim.access_key_id),
        scope: claim.scope,
        signed_at: claim.signed_at,
        presigned_for: claim.presigned_for,
        session: claim.session_token.map(access_key::session_digest_of),
        canonical: sha256(&canonical),
        signature: claim.signature,
        audience: audience.clone(),
    })
}
