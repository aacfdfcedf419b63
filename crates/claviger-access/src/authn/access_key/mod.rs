//! Access keys: an identifier that goes in clear, and a secret that signs requests and is never sent (AWS Signature
//! Version 4). A short-lived one goes with a session token, which is sent.
//!
//! A signature can be checked only by who has the secret, so that it is kept, sealed by the root and bound to its
//! credential. The session token is kept as a digest.
//!
//! | module | what it holds |
//! |---|---|
//! | [`instant`] | instants as signed requests write them |
//! | `made` | new keys, shown once |
//! | `request` | what a signed request says |
//! | `secret` | the secret in memory, and what it signed |

pub mod instant;
mod made;
mod request;
mod secret;

use claviger_crypto::digest::sha256_parts;

pub use made::NewAccessKey;
pub use request::{Audience, Claim, NotAScope, PRESIGNED_MAX, SKEW, Scope, SignatureRefused, SignedRequest};
pub use secret::SigningSecret;

/// The digest by which the key of that identifier is looked up, whatever the text.
#[must_use]
pub fn digest_of(id: &str) -> [u8; 32] {
    sha256_parts(&[b"claviger/access-key/v1\0", id.as_bytes()])
}

/// The digest that is kept of a session token.
#[must_use]
pub fn session_digest_of(token: &[u8]) -> [u8; 32] {
    sha256_parts(&[b"claviger/session-token/v1\0", token])
}
