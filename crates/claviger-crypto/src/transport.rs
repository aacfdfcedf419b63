//! Key transport: material on its way in, wrapped for an RSA key of the service (RFC 8017, 7.1; RFC 5649).
//!
//! Either OAEP holds the material itself, which must then be short, or it holds an AES-256 key that wraps the material:
//! the OAEP ciphertext comes first, as long as the modulus, and the key wrap with padding follows.

use core::fmt;
use core::str::FromStr;

use crate::algorithm::EncryptionAlgorithm;
use crate::random::RandomSource;
use crate::{CryptoError, PublicKey, Purpose, ReadyKey, SecretBytes, Spec};

/// How material is wrapped for transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WrappingAlgorithm {
    /// An AES-256 key in OAEP with SHA-1, the material under that key.
    RsaAesKeyWrapSha1,
    /// An AES-256 key in OAEP with SHA-256, the material under that key.
    RsaAesKeyWrapSha256,
    /// The material itself in OAEP with SHA-1.
    RsaesOaepSha1,
    /// The material itself in OAEP with SHA-256.
    RsaesOaepSha256,
}

impl WrappingAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 4] =
        [Self::RsaAesKeyWrapSha1, Self::RsaAesKeyWrapSha256, Self::RsaesOaepSha1, Self::RsaesOaepSha256];

    /// The stable name, as in `rsaes-oaep-sha256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaAesKeyWrapSha1 => "rsa-aes-key-wrap-sha1",
            Self::RsaAesKeyWrapSha256 => "rsa-aes-key-wrap-sha256",
            Self::RsaesOaepSha1 => "rsaes-oaep-sha1",
            Self::RsaesOaepSha256 => "rsaes-oaep-sha256",
        }
    }

    /// The stable number that stands in stored bytes. Never reused, never zero.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::RsaesOaepSha1 => 1,
            Self::RsaesOaepSha256 => 2,
            Self::RsaAesKeyWrapSha1 => 3,
            Self::RsaAesKeyWrapSha256 => 4,
        }
    }

    /// The algorithm with this [`WrappingAlgorithm::code`], if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.code() == code)
    }

    const fn oaep(self) -> EncryptionAlgorithm {
        match self {
            Self::RsaAesKeyWrapSha1 | Self::RsaesOaepSha1 => EncryptionAlgorithm::RsaOaepSha1,
            Self::RsaAesKeyWrapSha256 | Self::RsaesOaepSha256 => EncryptionAlgorithm::RsaOaepSha256,
        }
    }

    /// Wraps material for the holder of an RSA key. What key lies between the two is drawn from `random`.
    ///
    /// # Errors
    /// [`CryptoError::InputTooLarge`] if the material is longer than OAEP under this key takes; [`CryptoError::Module`] if `random` delivers
    /// nothing; [`CryptoError::UnsupportedSpec`] if `key` is no RSA key.
    #[expect(clippy::disallowed_methods, reason = "material is encrypted for its recipient")]
    pub fn wrap(
        self,
        key: &PublicKey,
        material: &SecretBytes,
        random: &mut impl RandomSource,
    ) -> Result<Vec<u8>, CryptoError> {
        let mut wrapped = Vec::new();
        match self {
            Self::RsaesOaepSha1 | Self::RsaesOaepSha256 => {
                key.seal(self.oaep(), material.expose(), b"", &mut wrapped)?;
            }
            Self::RsaAesKeyWrapSha1 | Self::RsaAesKeyWrapSha256 => {
                let mut kek = SecretBytes::zeroed(32);
                random.fill(kek.expose_mut())?;
                key.seal(self.oaep(), kek.expose(), b"", &mut wrapped)?;
                let kek = ReadyKey::for_purpose(Spec::Aes256Kwp, Purpose::Wrap, &kek)?;
                wrapped.extend(kek.wrap(material)?);
            }
        }
        Ok(wrapped)
    }

    /// Takes the material out. `key` is the RSA key of `spec` that it was wrapped for.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if it was not wrapped for this key in this way, whatever differs;
    /// [`CryptoError::UnsupportedSpec`] or [`CryptoError::Malformed`] if `key` is no RSA key of `spec`.
    pub fn unwrap(self, spec: Spec, key: &SecretBytes, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        let key = ReadyKey::for_purpose(spec, Purpose::Encrypt, key)?;
        match self {
            Self::RsaesOaepSha1 | Self::RsaesOaepSha256 => key.open_with(self.oaep(), wrapped, b""),
            Self::RsaAesKeyWrapSha1 | Self::RsaAesKeyWrapSha256 => {
                let (head, body) = wrapped.split_at_checked(modulus_len(spec)?).ok_or(CryptoError::Failed)?;
                let kek = key.open_with(self.oaep(), head, b"")?;
                let kek = ReadyKey::for_purpose(Spec::Aes256Kwp, Purpose::Wrap, &kek);
                kek.and_then(|kek| kek.unwrap(body)).map_err(|_| CryptoError::Failed)
            }
        }
    }
}

fn modulus_len(spec: Spec) -> Result<usize, CryptoError> {
    Ok(crate::algorithm::rsa::modulus_bits(spec)? / 8)
}

impl fmt::Display for WrappingAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no [`WrappingAlgorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown wrapping algorithm")]
pub struct UnknownWrappingAlgorithm;

impl FromStr for WrappingAlgorithm {
    type Err = UnknownWrappingAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|a| a.name() == text).ok_or(UnknownWrappingAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::ModuleRandom;
    use crate::{Material, generate};

    #[test]
    fn names_and_codes_lead_back() {
        for algorithm in WrappingAlgorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
            assert_eq!(WrappingAlgorithm::from_code(algorithm.code()), Some(algorithm));
        }
        assert_eq!(WrappingAlgorithm::from_code(0), None);
    }

    fn wrap(algorithm: WrappingAlgorithm, public: &PublicKey, material: &[u8]) -> Vec<u8> {
        algorithm.wrap(public, &SecretBytes::copied_from(material), &mut ModuleRandom).unwrap()
    }

    #[test]
    fn what_was_wrapped_comes_out_and_only_as_it_was_wrapped() {
        let Material { secret, public } = generate(Spec::Rsa2048, &mut ModuleRandom).unwrap();
        let public = PublicKey::from_spki(Spec::Rsa2048, &public.unwrap()).unwrap();
        for algorithm in WrappingAlgorithm::ALL {
            let wrapped = wrap(algorithm, &public, b"material of 24 bytes len");
            let unwrap = |algorithm: WrappingAlgorithm, wrapped: &[u8]| {
                algorithm.unwrap(Spec::Rsa2048, &secret, wrapped)
            };
            assert!(unwrap(algorithm, &wrapped).unwrap().ct_eq_bytes(b"material of 24 bytes len"));
            for other in WrappingAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert_eq!(unwrap(other, &wrapped).unwrap_err(), CryptoError::Failed, "{algorithm} {other}");
            }
            for at in [0, wrapped.len() - 1] {
                let mut changed = wrapped.clone();
                changed[at] ^= 1;
                assert_eq!(unwrap(algorithm, &changed).unwrap_err(), CryptoError::Failed, "{algorithm}");
            }
            for len in [0, 1, 255, wrapped.len() - 1] {
                assert_eq!(
                    unwrap(algorithm, &wrapped[..len]).unwrap_err(),
                    CryptoError::Failed,
                    "{algorithm}"
                );
            }
        }
        let wrong = WrappingAlgorithm::RsaesOaepSha1.unwrap(Spec::EcP256, &secret, b"");
        assert_eq!(wrong.unwrap_err(), CryptoError::UnsupportedSpec);
    }

    #[test]
    fn a_transport_key_of_another_length_is_refused() {
        let Material { secret, public } = generate(Spec::Rsa2048, &mut ModuleRandom).unwrap();
        let public = PublicKey::from_spki(Spec::Rsa2048, &public.unwrap()).unwrap();
        let mut wrapped = Vec::new();
        public.seal(EncryptionAlgorithm::RsaOaepSha256, &[9; 16], b"", &mut wrapped).unwrap();
        wrapped.extend([0; 24]);
        let refused = WrappingAlgorithm::RsaAesKeyWrapSha256.unwrap(Spec::Rsa2048, &secret, &wrapped);
        assert_eq!(refused.unwrap_err(), CryptoError::Failed);
    }
}
