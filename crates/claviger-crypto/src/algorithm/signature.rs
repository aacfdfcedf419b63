//! Signature algorithms, and messages in the two forms in which callers bring them.

use core::fmt;
use core::str::FromStr;

use aws_lc_rs::digest::{self, Digest};

use crate::CryptoError;

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PSS, SHA-256, MGF1-SHA256, salt of 32 bytes (RFC 8017, 8.1).
    RsaPssSha256,
    /// RSASSA-PSS, SHA-384, MGF1-SHA384, salt of 48 bytes.
    RsaPssSha384,
    /// RSASSA-PSS, SHA-512, MGF1-SHA512, salt of 64 bytes.
    RsaPssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2).
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// ECDSA with SHA-256 on P-256 or secp256k1; signatures in DER (FIPS 186-5, RFC 3279).
    EcdsaSha256,
    /// ECDSA with SHA-384 on P-384; signatures in DER.
    EcdsaSha384,
    /// ECDSA with SHA-512 on P-521; signatures in DER.
    EcdsaSha512,
    /// Pure Ed25519 (RFC 8032, 5.1). No pre-hashed form.
    Ed25519,
    /// Pure ML-DSA with an empty context (FIPS 204, algorithm 2), hedged. No pre-hashed form.
    MlDsa,
}

impl SignatureAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 11] = [
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::Ed25519,
        Self::MlDsa,
    ];

    /// The stable name, as in `rsa-pss-sha256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::RsaPssSha384 => "rsa-pss-sha384",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaPkcs1Sha256 => "rsa-pkcs1-sha256",
            Self::RsaPkcs1Sha384 => "rsa-pkcs1-sha384",
            Self::RsaPkcs1Sha512 => "rsa-pkcs1-sha512",
            Self::EcdsaSha256 => "ecdsa-sha256",
            Self::EcdsaSha384 => "ecdsa-sha384",
            Self::EcdsaSha512 => "ecdsa-sha512",
            Self::Ed25519 => "ed25519",
            Self::MlDsa => "ml-dsa",
        }
    }

    /// Length in bytes of the digest that [`Message::Digest`] must bring; `None` if only whole messages are signed.
    #[must_use]
    pub fn digest_len(self) -> Option<usize> {
        self.digest_algorithm().map(digest::Algorithm::output_len)
    }

    fn digest_algorithm(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::RsaPssSha256 | Self::RsaPkcs1Sha256 | Self::EcdsaSha256 => Some(&digest::SHA256),
            Self::RsaPssSha384 | Self::RsaPkcs1Sha384 | Self::EcdsaSha384 => Some(&digest::SHA384),
            Self::RsaPssSha512 | Self::RsaPkcs1Sha512 | Self::EcdsaSha512 => Some(&digest::SHA512),
            Self::Ed25519 | Self::MlDsa => None,
        }
    }

    /// The caller's digest in the module's form, if this algorithm takes one and the length is right.
    pub(crate) fn import_digest(self, bytes: &[u8]) -> Result<Digest, CryptoError> {
        let algorithm = self.digest_algorithm().ok_or(CryptoError::InvalidParameter)?;
        Digest::import_less_safe(bytes, algorithm).map_err(|_| CryptoError::InvalidParameter)
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no [`SignatureAlgorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown signature algorithm")]
pub struct UnknownSignatureAlgorithm;

impl FromStr for SignatureAlgorithm {
    type Err = UnknownSignatureAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|a| a.name() == text).ok_or(UnknownSignatureAlgorithm)
    }
}

/// What is signed or verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// The digest of the message by the algorithm's own hash function; the message stays with the caller.
    Digest(&'a [u8]),
    /// The whole message.
    Raw(&'a [u8]),
}
