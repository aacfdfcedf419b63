//! XAES-256-GCM (C2SP `XAES-256-GCM`): AES-256-GCM under a key derived per message from the first half of a
//! random 192-bit nonce by AES-CMAC in counter mode (SP 800-108r1, 4.1), so that random nonces never limit
//! the number of messages. Body: `nonce (24) || ciphertext || tag (16)`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use zeroize::Zeroizing;

use super::{TAG_LEN, check_len, take_back};
use crate::{CryptoError, SecretBytes, random};

const BLOCK_LEN: usize = 16;
const HALF_NONCE_LEN: usize = 12;
pub(crate) const NONCE_LEN: usize = 2 * HALF_NONCE_LEN;
pub(crate) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// The AES key schedule and the CMAC subkey K1, from which each message key takes two block encryptions.
pub(crate) struct Xaes256Gcm {
    block_cipher: EncryptingKey,
    k1: Zeroizing<[u8; BLOCK_LEN]>,
}

impl Xaes256Gcm {
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        let unbound = UnboundCipherKey::new(&AES_256, key).map_err(|_| CryptoError::Malformed)?;
        let block_cipher = EncryptingKey::ecb(unbound).map_err(CryptoError::module)?;
        let mut l = Zeroizing::new([0; BLOCK_LEN]);
        encrypt_blocks(&block_cipher, l.as_mut_slice())?;
        let k1 = Zeroizing::new(doubled(&l));
        Ok(Self { block_cipher, k1 })
    }

    /// Appends the body to `out`, or leaves `out` as it was.
    pub(crate) fn seal(&self, plaintext: &[u8], aad: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = random::array()?;
        self.seal_with_nonce(&nonce, plaintext, aad, out)
    }

    /// [`Self::seal`] with the nonce given. A nonce must never be used twice, so only tests choose one.
    pub(crate) fn seal_with_nonce(
        &self,
        nonce: &[u8; NONCE_LEN],
        plaintext: &[u8],
        aad: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        check_len(plaintext)?;
        let (key, nonce_x) = self.message_key(nonce)?;
        let start = out.len();
        out.reserve(plaintext.len().saturating_add(OVERHEAD));
        out.extend_from_slice(nonce);
        out.extend_from_slice(plaintext);
        let sealed = out
            .get_mut(start..)
            .and_then(|body| body.get_mut(NONCE_LEN..))
            .and_then(|data| key.seal_in_place_separate_tag(nonce_x, Aad::from(aad), data).ok());
        let Some(tag) = sealed else {
            take_back(out, start);
            return Err(CryptoError::Module);
        };
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens a body.
    pub(crate) fn open(&self, body: &[u8], aad: &[u8]) -> Result<SecretBytes, CryptoError> {
        let (nonce, sealed) = body.split_first_chunk::<NONCE_LEN>().ok_or(CryptoError::Failed)?;
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(CryptoError::Failed)?;
        let (key, nonce_x) = self.message_key(nonce)?;
        let mut plaintext = SecretBytes::zeroed(ciphertext.len());
        key.open_separate_gather(nonce_x, Aad::from(aad), ciphertext, tag, plaintext.expose_mut())
            .map_err(CryptoError::failed)?;
        Ok(plaintext)
    }

    /// Kx and Nx of the specification.
    fn message_key(&self, nonce: &[u8; NONCE_LEN]) -> Result<(LessSafeKey, Nonce), CryptoError> {
        let (head, tail) = nonce.split_at(HALF_NONCE_LEN);
        let mut kx = Zeroizing::new([0; 2 * BLOCK_LEN]);
        for (counter, block) in [1, 2].into_iter().zip(kx.chunks_exact_mut(BLOCK_LEN)) {
            let message = [0, counter, b'X', 0].into_iter().chain(head.iter().copied());
            for ((to, from), mask) in block.iter_mut().zip(message).zip(self.k1.iter()) {
                *to = from ^ mask;
            }
        }
        encrypt_blocks(&self.block_cipher, kx.as_mut_slice())?;
        let key = UnboundKey::new(&AES_256_GCM, kx.as_slice()).map_err(CryptoError::module)?;
        let nonce_x = Nonce::try_assume_unique_for_key(tail).map_err(CryptoError::module)?;
        Ok((LessSafeKey::new(key), nonce_x))
    }
}

fn encrypt_blocks(cipher: &EncryptingKey, blocks: &mut [u8]) -> Result<(), CryptoError> {
    cipher.less_safe_encrypt(blocks, EncryptionContext::None).map(drop).map_err(CryptoError::module)
}

/// Doubling in GF(2^128) (SP 800-38B, 6.1), without branching on the secret.
fn doubled(block: &[u8; BLOCK_LEN]) -> [u8; BLOCK_LEN] {
    let value = u128::from_be_bytes(*block);
    let carry = value >> 127;
    ((value << 1) ^ (carry * 0x87)).to_be_bytes()
}

#[cfg(test)]
mod tests;
