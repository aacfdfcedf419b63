//! AES-GCM: `aes-256-gcm` with extended nonces ([`xaes`]), `aes-128-gcm` with random nonces ([`random_nonce`]).

pub(crate) mod random_nonce;
pub(crate) mod xaes;

use zeroize::Zeroize;

use crate::CryptoError;

/// Longest plaintext of one GCM invocation: 2^39 - 256 bits (SP 800-38D, 5.2.1.1).
pub(crate) const MAX_PLAINTEXT: u64 = (1 << 36) - 32;
pub(crate) const TAG_LEN: usize = 16;

fn check_len(plaintext: &[u8]) -> Result<(), CryptoError> {
    match u64::try_from(plaintext.len()) {
        Ok(len) if len <= MAX_PLAINTEXT => Ok(()),
        _ => Err(CryptoError::InputTooLarge),
    }
}

/// Takes back what a failed seal wrote: `out` may already hold plaintext beyond `start`.
fn take_back(out: &mut Vec<u8>, start: usize) {
    if let Some(written) = out.get_mut(start..) {
        written.zeroize();
    }
    out.truncate(start);
}
