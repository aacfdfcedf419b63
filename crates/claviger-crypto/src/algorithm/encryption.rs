//! Encryption algorithms, where a key knows more than one.

use core::fmt;
use core::str::FromStr;

use super::{Spec, rsa};

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

    /// Longest plaintext in bytes under a key of that spec (RFC 8017, 7.1.1); `None` where the spec does not go with the
    /// algorithm.
    #[must_use]
    pub const fn max_plaintext(self, spec: Spec) -> Option<u64> {
        let bits = match spec {
            Spec::Rsa2048 => 2048,
            Spec::Rsa3072 => 3072,
            Spec::Rsa4096 => 4096,
            _ => 0,
        };
        match (self, spec) {
            (Self::RsaOaepSha1, _) if bits > 0 => Some(rsa::max_plaintext(bits, rsa::SHA1_LEN) as u64),
            (Self::RsaOaepSha256, _) if bits > 0 => Some(rsa::max_plaintext(bits, rsa::SHA256_LEN) as u64),
            (Self::SymmetricDefault, Spec::Aes256Gcm | Spec::Aes128Gcm) => spec.max_plaintext(),
            _ => None,
        }
    }

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
