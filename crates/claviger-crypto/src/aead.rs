//! Small records of the service under a key of its own: AES-256-GCM (SP 800-38D) with random 96-bit nonces.
//!
//! For keys of callers there is [`crate::ReadyKey`]. A record key seals at most 2^32 records
//! ([`RecordKey::INVOCATION_LIMIT`], SP 800-38D, 8.3): derive one per purpose and period, never one for ever.
#![expect(clippy::disallowed_methods, reason = "algorithm body: makes a key schedule from a secret")]

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};

use crate::algorithm::aes_gcm::random_nonce;
use crate::{CryptoError, SecretBytes};

/// A key for sealing small records. The body is `nonce (12) || ciphertext || tag (16)`.
pub struct RecordKey(RandomizedNonceKey);

impl RecordKey {
    /// Bytes that sealing adds to a plaintext.
    pub const OVERHEAD: usize = random_nonce::OVERHEAD;
    /// Records that one key may seal before the chance of a repeated nonce exceeds 2^-32.
    pub const INVOCATION_LIMIT: u64 = 1 << 32;

    /// Takes 32 bytes of key.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if `key` is not 32 bytes long.
    pub fn new(key: &SecretBytes) -> Result<Self, CryptoError> {
        RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map(Self).map_err(|_| CryptoError::Malformed)
    }

    /// Seals `plaintext`, bound to `aad`.
    ///
    /// # Errors
    /// [`CryptoError::InputTooLarge`] beyond the limit of GCM, [`CryptoError::Module`] if no nonce can be drawn.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut out = Vec::with_capacity(plaintext.len().saturating_add(Self::OVERHEAD));
        random_nonce::seal(&self.0, plaintext, aad, &mut out)?;
        Ok(out)
    }

    /// Opens what [`RecordKey::seal`] made, with the same `aad`.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if anything differs: key, body or `aad`.
    pub fn open(&self, aad: &[u8], body: &[u8]) -> Result<SecretBytes, CryptoError> {
        random_nonce::open(&self.0, body, aad)
    }
}

impl core::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RecordKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_opens_under_its_key_and_aad_only() {
        let key = RecordKey::new(&SecretBytes::new(vec![3; 32])).unwrap();
        let other = RecordKey::new(&SecretBytes::new(vec![4; 32])).unwrap();
        let body = key.seal(b"aad", b"payload").unwrap();
        assert_eq!(body.len(), 7 + RecordKey::OVERHEAD);
        assert_eq!(key.open(b"aad", &body).unwrap().expose(), b"payload");
        assert_eq!(key.open(b"aae", &body).unwrap_err(), CryptoError::Failed);
        assert_eq!(other.open(b"aad", &body).unwrap_err(), CryptoError::Failed);
        assert_eq!(key.open(b"aad", &body[..27]).unwrap_err(), CryptoError::Failed);
        assert_eq!(RecordKey::new(&SecretBytes::new(vec![3; 16])).unwrap_err(), CryptoError::Malformed);
    }
}
