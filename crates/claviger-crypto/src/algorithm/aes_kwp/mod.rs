//! AES key wrap with padding (RFC 5649; SP 800-38F, KWP) under a 256-bit key. Deterministic, no additional data.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};

use crate::{CryptoError, SecretBytes};

/// Longest key in bytes that one call wraps. The algorithm could take 2^32 - 1; no key is that long.
pub const MAX_WRAPPED_KEY: usize = 64 * 1024;

const SEMIBLOCK: usize = 8;

/// A wrapping key. The module consumes its key object with each use, so the bytes are kept and it is made anew.
pub(crate) struct Kwp(SecretBytes);

impl Kwp {
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        if key.len() != 32 {
            return Err(CryptoError::Malformed);
        }
        Ok(Self(SecretBytes::copied_from(key)))
    }

    #[expect(clippy::disallowed_methods, reason = "algorithm body: makes the module's key object")]
    fn kek(&self) -> Result<AesKek, CryptoError> {
        AesKek::new(&AES_256, self.0.expose()).map_err(CryptoError::module)
    }

    pub(crate) fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if plain.is_empty() {
            return Err(CryptoError::InvalidParameter);
        }
        if plain.len() > MAX_WRAPPED_KEY {
            return Err(CryptoError::InputTooLarge);
        }
        let mut out = vec![0; plain.len().next_multiple_of(SEMIBLOCK) + SEMIBLOCK];
        let len = self.kek()?.wrap_with_padding(plain, &mut out).map_err(CryptoError::module)?.len();
        out.truncate(len);
        Ok(out)
    }

    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        if wrapped.len() > MAX_WRAPPED_KEY + SEMIBLOCK {
            return Err(CryptoError::InputTooLarge);
        }
        // The module wants room for the padded key, then says how much of it the key is.
        let mut out = zeroize::Zeroizing::new(vec![0; wrapped.len()]);
        let len = self.kek()?.unwrap_with_padding(wrapped, &mut out).map_err(CryptoError::failed)?.len();
        out.truncate(len);
        Ok(SecretBytes::new(core::mem::take(&mut *out)))
    }
}
