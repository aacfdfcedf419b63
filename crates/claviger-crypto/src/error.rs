//! The one error of this crate. It says what the caller can do about it, and nothing about secrets.

use aws_lc_rs::error::{KeyRejected, Unspecified};

/// Why a cryptographic operation gave no result.
///
/// Opaque on purpose: a wrong key, a changed ciphertext, a forged signature and a different context are all
/// [`CryptoError::Failed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CryptoError {
    /// The check did not hold: wrong key, tag, signature, MAC or context. Which of them is not disclosed.
    #[error("the cryptographic check failed")]
    Failed,
    /// The input is longer than the algorithm or format allows.
    #[error("the input is too large for this algorithm")]
    InputTooLarge,
    /// A parameter does not fit the key: a digest of the wrong length, an algorithm of another family,
    /// additional data where the algorithm has none.
    #[error("a parameter does not fit this key")]
    InvalidParameter,
    /// The bytes are not of the expected form: a header, a key encoding, a point.
    #[error("malformed input")]
    Malformed,
    /// The module refused or broke down (random generator, key generation). Retrying may help.
    #[error("the cryptographic module failed")]
    Module,
    /// This spec cannot do what was asked, or was made ready for another purpose.
    #[error("not supported for this key spec")]
    UnsupportedSpec,
}

impl CryptoError {
    /// Maps the module's opaque error where only the module itself can be the cause.
    pub(crate) fn module(_: Unspecified) -> Self {
        Self::Module
    }

    /// Maps the module's opaque error where a check of untrusted input is the only likely cause.
    pub(crate) fn failed(_: Unspecified) -> Self {
        Self::Failed
    }
}

impl From<KeyRejected> for CryptoError {
    fn from(_: KeyRejected) -> Self {
        Self::Malformed
    }
}
