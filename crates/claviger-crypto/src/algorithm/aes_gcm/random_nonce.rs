//! AES-GCM with a random 96-bit nonce that the module itself draws (SP 800-38D, 8.2.2), which is the approved
//! service of a FIPS build. Body: `nonce (12) || ciphertext || tag (16)`.

use aws_lc_rs::aead::{Aad, Nonce, RandomizedNonceKey};

use super::{TAG_LEN, check_len, take_back};
use crate::{CryptoError, SecretBytes};

pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Appends the body to `out`, or leaves `out` as it was.
pub(crate) fn seal(
    key: &RandomizedNonceKey,
    plaintext: &[u8],
    aad: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CryptoError> {
    check_len(plaintext)?;
    let start = out.len();
    out.reserve(plaintext.len().saturating_add(OVERHEAD));
    out.extend_from_slice(&[0; NONCE_LEN]);
    out.extend_from_slice(plaintext);
    let sealed = out.get_mut(start..).and_then(|body| body.split_first_chunk_mut::<NONCE_LEN>()).and_then(
        |(slot, data)| {
            let (nonce, tag) = key.seal_in_place_separate_tag(Aad::from(aad), data).ok()?;
            *slot = *nonce.as_ref();
            Some(tag)
        },
    );
    let Some(tag) = sealed else {
        take_back(out, start);
        return Err(CryptoError::Module);
    };
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Opens a body.
pub(crate) fn open(key: &RandomizedNonceKey, body: &[u8], aad: &[u8]) -> Result<SecretBytes, CryptoError> {
    let (nonce, sealed) = body.split_first_chunk::<NONCE_LEN>().ok_or(CryptoError::Failed)?;
    let mut buffer = zeroize::Zeroizing::new(sealed.to_vec());
    let len = key
        .open_in_place(Nonce::from(nonce), Aad::from(aad), &mut buffer)
        .map_err(CryptoError::failed)?
        .len();
    buffer.truncate(len);
    Ok(SecretBytes::new(core::mem::take(&mut *buffer)))
}
