//! HMAC (FIPS 198-1) with full-length tags.

use aws_lc_rs::hmac::{self, Algorithm};

use super::Spec;
use crate::CryptoError;

/// Shortest imported key: 112 bits, the least that may protect anything (SP 800-131A rev. 2).
const MIN_KEY: usize = 14;
/// Longest imported key in bytes. Beyond the hash's block size a key is hashed and gains nothing.
const MAX_KEY: usize = 1024;

pub(crate) struct HmacKey(hmac::Key);

impl HmacKey {
    pub(crate) fn new(spec: Spec, key: &[u8]) -> Result<Self, CryptoError> {
        if !(MIN_KEY..=MAX_KEY).contains(&key.len()) {
            return Err(CryptoError::Malformed);
        }
        Ok(Self(hmac::Key::new(algorithm(spec)?, key)))
    }

    pub(crate) fn mac(&self, data: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, data).as_ref().to_vec()
    }

    /// Compares the whole tag in constant time; a truncated tag is a wrong tag.
    pub(crate) fn verify(&self, data: &[u8], tag: &[u8]) -> Result<(), CryptoError> {
        hmac::verify(&self.0, data, tag).map_err(CryptoError::failed)
    }
}

/// From the length of the tag, below which a key weakens it (SP 800-107 rev. 1, 5.3.4), to that of the hash's block,
/// beyond which it is hashed.
pub(crate) fn is_valid_len(spec: Spec, len: usize) -> bool {
    let block = match spec {
        Spec::HmacSha384 | Spec::HmacSha512 => 128,
        _ => 64,
    };
    spec.symmetric_len().is_some_and(|least| (least..=block).contains(&len))
}

fn algorithm(spec: Spec) -> Result<Algorithm, CryptoError> {
    match spec {
        Spec::HmacSha224 => Ok(hmac::HMAC_SHA224),
        Spec::HmacSha256 => Ok(hmac::HMAC_SHA256),
        Spec::HmacSha384 => Ok(hmac::HMAC_SHA384),
        Spec::HmacSha512 => Ok(hmac::HMAC_SHA512),
        _ => Err(CryptoError::UnsupportedSpec),
    }
}
