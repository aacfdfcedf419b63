//! Encryption algorithms, where a key knows more than one.

use core::fmt;
use core::str::FromStr;

/// How data is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EncryptionAlgorithm {
    /// RSAES-OAEP with SHA-1, MGF1-SHA1 and an empty label (RFC 8017, 7.1): for peers that know no other.
    RsaOaepSha1,
    /// RSAES-OAEP with SHA-256, MGF1-SHA256 and an empty label.
    RsaOaepSha256,
    /// The one authenticated algorithm that a symmetric key names by its spec.
    SymmetricDefault,
}

impl EncryptionAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 3] = [Self::RsaOaepSha1, Self::RsaOaepSha256, Self::SymmetricDefault];

    /// The stable name, as in `rsa-oaep-sha256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaepSha1 => "rsa-oaep-sha1",
            Self::RsaOaepSha256 => "rsa-oaep-sha256",
            Self::SymmetricDefault => "symmetric-default",
        }
    }
}

impl fmt::Display for EncryptionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no [`EncryptionAlgorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown encryption algorithm")]
pub struct UnknownEncryptionAlgorithm;

impl FromStr for EncryptionAlgorithm {
    type Err = UnknownEncryptionAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|a| a.name() == text).ok_or(UnknownEncryptionAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for algorithm in EncryptionAlgorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!("rsa-oaep".parse::<EncryptionAlgorithm>(), Err(UnknownEncryptionAlgorithm));
    }
}
