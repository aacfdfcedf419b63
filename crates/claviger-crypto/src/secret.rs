//! Secrets in memory: bytes that are wiped when dropped and that say nothing about themselves.
//!
//! Invariant: the only ways to the bytes are [`SecretBytes::expose`] (guarded by `clippy.toml`), [`SecretBytes::expose_mut`], for
//! who fills them, and [`SecretBody`], which serves them as a response body and wipes them afterwards.

use core::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

/// Key material or plaintext in clear, wiped on drop. `Debug` prints `SecretBytes(..)`.
///
/// No `Clone`, no `Serialize`, no `==`: each is a way out that nobody asked for. The length is not a secret.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership of `bytes`; the whole allocation is wiped on drop.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `len` zero bytes, to be filled through [`SecretBytes::expose_mut`].
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self(Zeroizing::new(vec![0; len]))
    }

    /// Copies `bytes`. The caller still owns, and should wipe, the original.
    #[must_use]
    pub fn copied_from(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes in clear. Guarded: allowed in algorithm bodies, providers and response encoders only.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes in clear, for filling a fresh secret in place. Allowed where [`SecretBytes::expose`] is.
    #[must_use]
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in constant time (the lengths are compared first, and openly).
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// Compares with plain bytes in constant time (the lengths are compared first, and openly).
    #[must_use]
    pub fn ct_eq_bytes(&self, other: &[u8]) -> bool {
        verify_slices_are_equal(&self.0, other).is_ok()
    }

    /// Hands the secret over as a response body: no copy, wiped when the body is dropped.
    #[must_use]
    pub fn into_body(self) -> SecretBody {
        SecretBody(self)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// A secret on its way out to the caller who may have it, for `bytes::Bytes::from_owner` and the like.
///
/// Wiped on drop, like the [`SecretBytes`] it was made from. Made only by [`SecretBytes::into_body`], so that
/// a search for `into_body` finds every place that releases one.
pub struct SecretBody(SecretBytes);

impl AsRef<[u8]> for SecretBody {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}

impl fmt::Debug for SecretBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBody(..)")
    }
}

/// Compares two byte strings in constant time (the lengths are compared first, and openly).
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_discloses_nothing() {
        let secret = SecretBytes::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "SecretBytes(..)");
        assert_eq!(format!("{:?}", secret.into_body()), "SecretBody(..)");
    }

    #[test]
    fn equality_is_by_content() {
        let one = SecretBytes::new(vec![1, 2, 3]);
        assert!(one.ct_eq(&SecretBytes::copied_from(&[1, 2, 3])));
        assert!(!one.ct_eq(&SecretBytes::new(vec![1, 2, 4])));
        assert!(!one.ct_eq(&SecretBytes::new(vec![1, 2])));
        assert!(one.ct_eq_bytes(&[1, 2, 3]));
    }

    #[test]
    fn body_serves_the_same_allocation() {
        let bytes = vec![7; 100];
        let address = bytes.as_ptr();
        assert_eq!(SecretBytes::new(bytes).into_body().as_ref().as_ptr(), address);
    }
}
