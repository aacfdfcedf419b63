//! The clear header of a file envelope.

use super::CHUNK_LOG2;
use crate::CryptoError;
use crate::envelope::Context;

const MAGIC: &[u8; 4] = b"CLVS";
const FORMAT: u8 = 1;
/// AES-256-GCM in STREAM under a key from HKDF-SHA256.
const ALGORITHM: u8 = 1;
const FLAGS: u8 = 0;
pub(super) const COMMITMENT_LEN: usize = 32;
const FIXED_LEN: usize = 4 + 4 + 32 + 32 + 4;

/// Longest wrapped data key in bytes that a header carries.
pub const MAX_WRAPPED_DATA_KEY: usize = 16 * 1024;

/// The header of a file envelope. Nothing in it is authenticated before [`super::Opener::new`] has accepted it.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamHeader {
    pub(super) salt: [u8; 32],
    pub(super) context_digest: [u8; 32],
    pub(super) wrapped_data_key: Vec<u8>,
    pub(super) commitment: [u8; COMMITMENT_LEN],
}

/// What [`StreamHeader::parse`] found at the start of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedHeader {
    /// A whole header, and how many bytes of the input it took. The chunks follow.
    Complete(StreamHeader, usize),
    /// So far a header, but it goes on: have at least this many bytes from the start of the file.
    NeedsBytes(usize),
}

impl StreamHeader {
    /// Reads the header from the first bytes of a file.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] as soon as the bytes cannot be the start of a header of this format.
    pub fn parse(bytes: &[u8]) -> Result<ParsedHeader, CryptoError> {
        let preamble = preamble();
        if !bytes.iter().zip(&preamble).all(|(is, should)| is == should) {
            return Err(CryptoError::Malformed);
        }
        let Some((fixed, rest)) = bytes.split_at_checked(FIXED_LEN) else {
            return Ok(ParsedHeader::NeedsBytes(FIXED_LEN));
        };
        let fields = fixed.get(preamble.len()..).unwrap_or_default();
        let (salt, fields) = fields.split_first_chunk().ok_or(CryptoError::Malformed)?;
        let (context_digest, fields) = fields.split_first_chunk().ok_or(CryptoError::Malformed)?;
        let (len, _) = fields.split_first_chunk().ok_or(CryptoError::Malformed)?;
        let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| CryptoError::Malformed)?;
        if len > MAX_WRAPPED_DATA_KEY {
            return Err(CryptoError::Malformed);
        }
        let total = FIXED_LEN + len + COMMITMENT_LEN;
        let Some((wrapped_data_key, rest)) = rest.split_at_checked(len) else {
            return Ok(ParsedHeader::NeedsBytes(total));
        };
        let Some((commitment, _)) = rest.split_first_chunk() else {
            return Ok(ParsedHeader::NeedsBytes(total));
        };
        let header = Self {
            salt: *salt,
            context_digest: *context_digest,
            wrapped_data_key: wrapped_data_key.to_vec(),
            commitment: *commitment,
        };
        Ok(ParsedHeader::Complete(header, total))
    }

    /// The wrapped data key, as it was given to [`super::Sealer::new`]: send it to the service to be opened.
    #[must_use]
    pub fn wrapped_data_key(&self) -> &[u8] {
        &self.wrapped_data_key
    }

    /// [`Context::digest`] of the context that the file was sealed with.
    #[must_use]
    pub fn context_digest(&self) -> &[u8; 32] {
        &self.context_digest
    }

    pub(super) fn new(
        salt: [u8; 32],
        context: &Context,
        wrapped_data_key: &[u8],
    ) -> Result<Self, CryptoError> {
        if wrapped_data_key.len() > MAX_WRAPPED_DATA_KEY {
            return Err(CryptoError::InputTooLarge);
        }
        Ok(Self {
            salt,
            context_digest: context.digest(),
            wrapped_data_key: wrapped_data_key.to_vec(),
            commitment: [0; COMMITMENT_LEN],
        })
    }

    /// The encoding up to the commitment: what the keys are derived with.
    pub(super) fn encode_committed(&self) -> Result<Vec<u8>, CryptoError> {
        let len = u32::try_from(self.wrapped_data_key.len()).map_err(|_| CryptoError::InputTooLarge)?;
        Ok([
            preamble().as_slice(),
            &self.salt,
            &self.context_digest,
            &len.to_be_bytes(),
            &self.wrapped_data_key,
        ]
        .concat())
    }
}

fn preamble() -> [u8; 8] {
    let [a, b, c, d] = *MAGIC;
    [a, b, c, d, FORMAT, ALGORITHM, CHUNK_LOG2, FLAGS]
}

impl core::fmt::Debug for StreamHeader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StreamHeader")
            .field("wrapped_data_key_len", &self.wrapped_data_key.len())
            .finish_non_exhaustive()
    }
}
