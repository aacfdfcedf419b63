//! The secret of an access key in memory, ready to check what it signed.
//!
//! The key that signs is derived from the secret for one day, region and service. The last one that verified something
//! is kept, so that a caller who stays costs one tag a call; a request that does not verify moves nothing.

use std::sync::{Arc, RwLock};

use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use claviger_crypto::secret::ct_eq;
use zeroize::Zeroizing;

use super::request::{Scope, SignedRequest};

const PREFIX: &[u8] = b"AWS4";

/// The secret of an access key. Wiped on drop, and silent in `Debug`.
#[derive(Debug)]
pub struct SigningSecret {
    secret: HmacSha256,
    derived: RwLock<Option<Arc<Derived>>>,
}

/// A signing key with what it is for.
#[derive(Debug)]
struct Derived {
    scope: Scope,
    key: HmacSha256,
}

impl SigningSecret {
    /// Takes the secret as it was shown.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the secret becomes the first key of the derivation")]
    pub fn new(secret: &SecretBytes) -> Self {
        let mut first = SecretBytes::zeroed(PREFIX.len() + secret.len());
        for (to, from) in first.expose_mut().iter_mut().zip(PREFIX.iter().chain(secret.expose())) {
            *to = *from;
        }
        Self { secret: HmacSha256::new(&first), derived: RwLock::default() }
    }

    /// Is the signature that the request claims the one that this secret makes?
    pub(super) fn has_signed(&self, request: &SignedRequest) -> bool {
        if let Some(derived) = self.remembered(&request.scope) {
            return derived.has_signed(request);
        }
        let derived = self.derive(&request.scope);
        let has_signed = derived.has_signed(request);
        if has_signed && let Ok(mut remembered) = self.derived.write() {
            *remembered = Some(Arc::new(derived));
        }
        has_signed
    }

    /// The signature that belongs to the request.
    #[cfg(test)]
    pub(super) fn sign(&self, request: &SignedRequest) -> [u8; 32] {
        self.derive(&request.scope).key.tag(&[request.string_to_sign().as_bytes()])
    }

    fn remembered(&self, scope: &Scope) -> Option<Arc<Derived>> {
        let remembered = self.derived.read().ok()?;
        remembered.as_ref().filter(|derived| derived.scope == *scope).cloned()
    }

    fn derive(&self, scope: &Scope) -> Derived {
        let [date, rest @ ..] = scope.steps();
        let first = keyed_by(self.secret.tag(&[date.as_bytes()]));
        let key = rest.iter().fold(first, |key, step| keyed_by(key.tag(&[step.as_bytes()])));
        Derived { scope: scope.clone(), key }
    }
}

fn keyed_by(tag: [u8; 32]) -> HmacSha256 {
    let tag = Zeroizing::new(tag);
    HmacSha256::new(&SecretBytes::copied_from(tag.as_slice()))
}

impl Derived {
    fn has_signed(&self, request: &SignedRequest) -> bool {
        ct_eq(&self.key.tag(&[request.string_to_sign().as_bytes()]), &request.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Audience, instant};
    use super::*;

    fn secret() -> SigningSecret {
        SigningSecret::new(&SecretBytes::copied_from(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
    }

    fn signed(region: &str) -> SignedRequest {
        let scope: Scope = format!("20150830/{region}/kms/aws4_request").parse().unwrap();
        let mut request = SignedRequest {
            access_key: [0; 32],
            signed_at: instant::parse(b"20150830T123600Z").unwrap(),
            presigned_for: None,
            session: None,
            canonical: [7; 32],
            signature: [0; 32],
            audience: Audience { service: "kms", region: None },
            scope,
        };
        request.signature = secret().sign(&request);
        request
    }

    /// The region whose key is at hand.
    fn at_hand(secret: &SigningSecret) -> Option<String> {
        secret.derived.read().unwrap().as_ref().map(|derived| derived.scope.region().to_owned())
    }

    #[test]
    fn the_key_of_the_last_scope_that_verified_is_at_hand() {
        let secret = secret();
        assert_eq!(at_hand(&secret), None);
        for region in ["north", "north", "south", "north"] {
            assert!(secret.has_signed(&signed(region)));
            assert_eq!(at_hand(&secret).as_deref(), Some(region));
        }
        let moved = SignedRequest { scope: signed("south").scope, ..signed("north") };
        assert!(!secret.has_signed(&moved));
        assert_eq!(at_hand(&secret).as_deref(), Some("north"), "what does not verify moves nothing");
        assert!(!secret.has_signed(&SignedRequest { signature: [0; 32], ..signed("north") }));
    }

    #[test]
    fn another_secret_has_not_signed_it() {
        let other =
            SigningSecret::new(&SecretBytes::copied_from(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEX"));
        assert!(secret().has_signed(&signed("north")) && !other.has_signed(&signed("north")));
        assert!(!format!("{:?}", secret()).contains("wJalr"));
    }
}
