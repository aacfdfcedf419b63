//! What is derived from the data key of a file, and the nonces of its chunks.
#![expect(clippy::disallowed_methods, reason = "algorithm body: splits derived keys")]

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, Nonce, UnboundKey};

use super::DATA_KEY_LEN;
use super::header::{COMMITMENT_LEN, StreamHeader};
use crate::{CryptoError, SecretBytes, kdf};

const LABEL: &[u8] = b"claviger/stream/v1\0";
const KEY_LEN: usize = 32;
const PREFIX_LEN: usize = 7;

/// Whether a chunk is the last of its file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Inner,
    Last,
}

/// The key of one file, counting its chunks. Every nonce is given out once.
pub(super) struct ChunkKey {
    pub(super) key: LessSafeKey,
    prefix: [u8; PREFIX_LEN],
    next: Option<u32>,
}

impl ChunkKey {
    /// Derives the chunk key and the key commitment of a header.
    pub(super) fn derive(
        data_key: &SecretBytes,
        header: &StreamHeader,
    ) -> Result<(Self, [u8; COMMITMENT_LEN]), CryptoError> {
        if data_key.len() != DATA_KEY_LEN {
            return Err(CryptoError::InvalidParameter);
        }
        let info = header.encode_committed()?;
        let len = KEY_LEN + PREFIX_LEN + COMMITMENT_LEN;
        let okm = kdf::hkdf_sha256(data_key, &header.salt, &[LABEL, &info], len)?;
        let (key, rest) = okm.expose().split_first_chunk::<KEY_LEN>().ok_or(CryptoError::Module)?;
        let (prefix, rest) = rest.split_first_chunk().ok_or(CryptoError::Module)?;
        let (commitment, _) = rest.split_first_chunk().ok_or(CryptoError::Module)?;
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(CryptoError::module)?;
        Ok((Self { key: LessSafeKey::new(key), prefix: *prefix, next: Some(0) }, *commitment))
    }

    /// The nonce of the next chunk.
    pub(super) fn next_nonce(&mut self, position: Position) -> Result<Nonce, CryptoError> {
        let counter = self.next.ok_or(CryptoError::InputTooLarge)?;
        self.next = counter.checked_add(1);
        let mut nonce = [0; PREFIX_LEN + 4 + 1];
        let fields = self
            .prefix
            .into_iter()
            .chain(counter.to_be_bytes())
            .chain([u8::from(position == Position::Last)]);
        for (to, from) in nonce.iter_mut().zip(fields) {
            *to = from;
        }
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Whether no chunk has been numbered yet.
    pub(super) fn at_first(&self) -> bool {
        self.next == Some(0)
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, counter: u32) {
        self.next = Some(counter);
    }
}
