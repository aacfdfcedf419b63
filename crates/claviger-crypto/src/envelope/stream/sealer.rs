//! Sealing a file envelope.

use aws_lc_rs::aead::Aad;
use zeroize::Zeroizing;

use super::header::StreamHeader;
use super::keys::{ChunkKey, Position};
use super::{CHUNK_LEN, SEALED_CHUNK_LEN};
use crate::envelope::Context;
use crate::{CryptoError, SecretBytes, random};

/// Seals one file, piece by piece. After an error the file is lost: start again.
pub struct Sealer {
    keys: ChunkKey,
    /// Plaintext not yet sealed; at most one chunk. A full one waits until it is known not to be the last.
    pending: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// Starts a file under `data_key` (32 bytes) and appends its header to `out`. `wrapped_data_key` is the same
    /// key as the service gave it out sealed; it goes into the header as it is.
    ///
    /// # Errors
    /// [`CryptoError::InvalidParameter`] if the data key is not 32 bytes; [`CryptoError::InputTooLarge`] if the
    /// wrapped one exceeds [`super::MAX_WRAPPED_DATA_KEY`]; [`CryptoError::Module`] if no salt can be drawn.
    pub fn new(
        data_key: &SecretBytes,
        wrapped_data_key: &[u8],
        context: &Context,
        out: &mut Vec<u8>,
    ) -> Result<Self, CryptoError> {
        Self::with_salt(random::array()?, data_key, wrapped_data_key, context, out)
    }

    pub(super) fn with_salt(
        salt: [u8; 32],
        data_key: &SecretBytes,
        wrapped_data_key: &[u8],
        context: &Context,
        out: &mut Vec<u8>,
    ) -> Result<Self, CryptoError> {
        let header = StreamHeader::new(salt, context, wrapped_data_key)?;
        let (keys, commitment) = ChunkKey::derive(data_key, &header)?;
        out.extend_from_slice(&header.encode_committed()?);
        out.extend_from_slice(&commitment);
        Ok(Self { keys, pending: Zeroizing::new(Vec::with_capacity(CHUNK_LEN)) })
    }

    /// Takes the next piece of plaintext, of any length, and appends what can be sealed to `out`.
    ///
    /// # Errors
    /// [`CryptoError::InputTooLarge`] beyond 2^32 chunks (256 TiB).
    pub fn update(&mut self, mut plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        while !plaintext.is_empty() {
            if self.pending.len() == CHUNK_LEN {
                self.seal_pending(Position::Inner, out)?;
            }
            let room = CHUNK_LEN.saturating_sub(self.pending.len());
            let (now, later) = plaintext.split_at_checked(room).unwrap_or((plaintext, &[]));
            self.pending.extend_from_slice(now);
            plaintext = later;
        }
        Ok(())
    }

    /// Seals the last chunk and appends it to `out`. A file that was not finished does not open.
    ///
    /// # Errors
    /// [`CryptoError::InputTooLarge`] beyond 2^32 chunks (256 TiB).
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.seal_pending(Position::Last, out)
    }

    fn seal_pending(&mut self, position: Position, out: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = self.keys.next_nonce(position)?;
        let tag = self
            .keys
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut self.pending)
            .map_err(CryptoError::module)?;
        out.reserve(SEALED_CHUNK_LEN);
        out.extend_from_slice(&self.pending);
        out.extend_from_slice(tag.as_ref());
        // What is there is ciphertext by now; the buffer stays for the next chunk.
        self.pending.clear();
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, counter: u32) {
        self.keys.skip_to(counter);
    }
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sealer(..)")
    }
}
