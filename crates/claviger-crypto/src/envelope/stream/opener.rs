//! Opening a file envelope.

use aws_lc_rs::aead::Aad;
use zeroize::Zeroizing;

use super::SEALED_CHUNK_LEN;
use super::header::StreamHeader;
use super::keys::{ChunkKey, Position};
use crate::envelope::Context;
use crate::secret::ct_eq;
use crate::{CryptoError, SecretBytes};

/// Opens one file, piece by piece. After an error it opens nothing more.
pub struct Opener {
    /// `None` once anything has failed.
    keys: Option<ChunkKey>,
    /// Ciphertext not yet opened; at most one chunk. A full one waits until it is known not to be the last.
    pending: Zeroizing<Vec<u8>>,
}

impl Opener {
    /// Starts a file whose header has been parsed, under the data key that the service opened for it.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if data key, header or context differ from those the file was sealed with;
    /// [`CryptoError::InvalidParameter`] if the data key is not 32 bytes.
    pub fn new(
        header: &StreamHeader,
        data_key: &SecretBytes,
        context: &Context,
    ) -> Result<Self, CryptoError> {
        let (keys, commitment) = ChunkKey::derive(data_key, header)?;
        let same_context = ct_eq(&context.digest(), &header.context_digest);
        if !ct_eq(&commitment, &header.commitment) || !same_context {
            return Err(CryptoError::Failed);
        }
        Ok(Self { keys: Some(keys), pending: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_LEN)) })
    }

    /// Takes the next piece of the file after its header, of any length, and appends the plaintext of the chunks
    /// that have proved authentic to `out`.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if a chunk is not the one that belongs here, now and for good.
    pub fn update(&mut self, mut sealed: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        if self.keys.is_none() {
            return Err(CryptoError::Failed);
        }
        while !sealed.is_empty() {
            if self.pending.len() == SEALED_CHUNK_LEN {
                self.open_pending(Position::Inner, out)?;
            }
            let room = SEALED_CHUNK_LEN.saturating_sub(self.pending.len());
            let (now, later) = sealed.split_at_checked(room).unwrap_or((sealed, &[]));
            self.pending.extend_from_slice(now);
            sealed = later;
        }
        Ok(())
    }

    /// Opens the last chunk and appends its plaintext to `out`. Only now is the file known to be whole.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if the file was truncated, or anything failed before.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.open_pending(Position::Last, out)
    }

    fn open_pending(&mut self, position: Position, out: &mut Vec<u8>) -> Result<(), CryptoError> {
        // Taken out and put back on success only: whatever fails, the opener stays shut.
        let mut keys = self.keys.take().ok_or(CryptoError::Failed)?;
        let first = keys.at_first();
        let nonce = keys.next_nonce(position).map_err(|_| CryptoError::Failed)?;
        let plaintext =
            keys.key.open_in_place(nonce, Aad::empty(), &mut self.pending).map_err(CryptoError::failed)?;
        // Only the empty file ends in an empty chunk: every file has one form.
        if plaintext.is_empty() && !first {
            return Err(CryptoError::Failed);
        }
        out.extend_from_slice(plaintext);
        self.pending.clear();
        self.keys = Some(keys);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, counter: u32) {
        if let Some(keys) = &mut self.keys {
            keys.skip_to(counter);
        }
    }
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Opener(..)")
    }
}
