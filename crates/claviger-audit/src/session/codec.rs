//! What lies beside a session entry, as bytes: one encoding, one commitment.

use crate::Hash;
use crate::cbor::{self, CborError, Reader};
use crate::hash::{sha256, sha256_prefixed};

/// The longest encoding of a record, in bytes.
pub const MAX_RECORD: usize = 4096;
/// The schema version that is written and read.
const VERSION: u64 = 1;

const SESSION: u8 = 7;
const SEALED: u8 = 6;

/// Why bytes are not the record of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not deterministic CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// More than [`MAX_RECORD`] bytes.
    #[error("the record of a session is longer than 4096 bytes")]
    TooLong,
    /// A schema version that is not known.
    #[error("schema version {0} of sessions is not known")]
    UnknownVersion(u64),
    /// More or fewer members than the schema has.
    #[error("the record of a session has {0} members")]
    Members(u64),
}

/// What lies beside a session entry. Without the key of its principal it leads to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Random, and of this session alone.
    pub seed: [u8; 16],
    /// By what the principal's key knows it.
    pub locator: [u8; 16],
    /// Digest of the commitments to its fields.
    pub fields: Hash,
    /// The fields, sealed.
    pub sealed: Vec<u8>,
}

impl SessionRecord {
    /// What the entry carries.
    #[must_use]
    pub fn commitment(&self) -> Hash {
        commitment(&self.seed, &self.locator, &self.fields, &self.sealed_digest())
    }

    /// Digest of the sealed bytes.
    #[must_use]
    pub fn sealed_digest(&self) -> Hash {
        sha256_prefixed(SEALED, &self.sealed)
    }

    /// The encoding.
    ///
    /// # Errors
    /// [`RecordError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let mut out = Vec::with_capacity(96 + self.sealed.len());
        cbor::put_array(&mut out, 5);
        cbor::put_uint(&mut out, VERSION);
        cbor::put_bytes(&mut out, &self.seed);
        cbor::put_bytes(&mut out, &self.locator);
        cbor::put_bytes(&mut out, &self.fields);
        cbor::put_bytes(&mut out, &self.sealed);
        if out.len() > MAX_RECORD { Err(RecordError::TooLong) } else { Ok(out) }
    }

    /// Reads a record. What is read encodes to the same bytes again.
    ///
    /// # Errors
    /// [`RecordError`] for everything that [`Self::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MAX_RECORD {
            return Err(RecordError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        let members = reader.array()?;
        let version = reader.uint()?;
        if version != VERSION {
            return Err(RecordError::UnknownVersion(version));
        }
        if members != 5 {
            return Err(RecordError::Members(members));
        }
        let record = Self {
            seed: reader.fixed()?,
            locator: reader.fixed()?,
            fields: reader.fixed()?,
            sealed: reader.bytes()?.to_vec(),
        };
        reader.end()?;
        Ok(record)
    }
}

pub(super) fn commitment(seed: &[u8; 16], locator: &[u8; 16], fields: &Hash, sealed: &Hash) -> Hash {
    sha256(&[&[SESSION], seed.as_slice(), locator, fields, sealed].concat())
}
