//! A cut: all shard heads at one instant, as a leaf of the root log.
//!
//! Deterministic CBOR: `{0:1, 1:t, 2:cut_no, 3:epoch, 4:[[shard, state, incarnation, size, root, epoch], ...], 5:erase_generation,
//! 6:capsule_hash, 7:row_tags, 8:rows}`, 5 and 6 only where erasure has begun. Shards ascend. A cut with field 7 or 8 is of version 2.

use crate::cbor::{self, CborError, Reader};
use crate::hash::Hash;

/// The most shards of a cut.
pub const MAX_SHARDS: usize = 1024;
const VERSION: u64 = 1;
/// Of cuts that say that rows carry tags, and which there are.
const WITH_ROW_TAGS: u64 = 2;
/// The rule by which rows of objects carry tags: keyed, over every column.
pub const ROW_TAGS: u64 = 1;

/// What a shard is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ShardState {
    /// A node may append to it.
    Active = 1,
    /// Closed: nobody appends until a new incarnation opens it.
    Closed = 2,
    /// Closed for good. Later cuts may leave it out.
    Retired = 3,
}

impl ShardState {
    /// The one with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Active),
            2 => Some(Self::Closed),
            3 => Some(Self::Retired),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// The head of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardHead {
    /// Number of the shard.
    pub shard: u32,
    /// What it is doing.
    pub state: ShardState,
    /// Number of the process that owns it; grows with every owner.
    pub incarnation: u64,
    /// The number of entries.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// Its fence epoch.
    pub epoch: u64,
}

/// One cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Clock of the leader in microseconds since 1970, UTC. Advisory.
    pub t: u64,
    /// Number of the cut, from 0; equal to its index in the root log.
    pub cut_no: u64,
    /// Fence epoch of the deployment.
    pub epoch: u64,
    /// All shards, ascending by number.
    pub shards: Vec<ShardHead>,
    /// Generation of the erasable state.
    pub erase_generation: Option<u64>,
    /// Hash of the erasure capsule.
    pub capsule_hash: Option<Hash>,
    /// By which rule rows carry tags, since they do: [`ROW_TAGS`].
    pub row_tags: Option<u64>,
    /// The root over which rows there are, and in which revisions; of the state behind all entries of the cut, or of a later one.
    pub rows: Option<Hash>,
}

/// Why bytes are not a cut, or a value cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// Not deterministic CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A version that is not known.
    #[error("cut version {0} is not known")]
    UnknownVersion(u64),
    /// A field is missing, out of order or not in the schema.
    #[error("field {0} is not expected here")]
    Field(u64),
    /// Shards do not ascend.
    #[error("shard {0} is out of order")]
    ShardOrder(u32),
    /// A state that is not known.
    #[error("shard state {0} is not known")]
    UnknownState(u8),
    /// More than [`MAX_SHARDS`].
    #[error("too many shards")]
    TooManyShards,
}

impl Cut {
    /// The leaf of the root log.
    ///
    /// # Errors
    /// [`CutError::ShardOrder`] if the shards do not ascend, [`CutError::TooManyShards`].
    pub fn encode(&self) -> Result<Vec<u8>, CutError> {
        check_order(&self.shards)?;
        let mut out = Vec::with_capacity(64 + self.shards.len() * 64);
        let optional = [
            self.erase_generation.is_some(),
            self.capsule_hash.is_some(),
            self.row_tags.is_some(),
            self.rows.is_some(),
        ];
        let optional = optional.into_iter().filter(|is_there| *is_there).count() as u64;
        cbor::put_map(&mut out, 5 + optional);
        for (field, value) in [(0, self.version()), (1, self.t), (2, self.cut_no), (3, self.epoch)] {
            cbor::put_uint(&mut out, field);
            cbor::put_uint(&mut out, value);
        }
        cbor::put_uint(&mut out, 4);
        cbor::put_array(&mut out, self.shards.len() as u64);
        for head in &self.shards {
            head.write(&mut out);
        }
        if let Some(generation) = self.erase_generation {
            cbor::put_uint(&mut out, 5);
            cbor::put_uint(&mut out, generation);
        }
        if let Some(hash) = &self.capsule_hash {
            cbor::put_uint(&mut out, 6);
            cbor::put_bytes(&mut out, hash);
        }
        if let Some(rule) = self.row_tags {
            cbor::put_uint(&mut out, 7);
            cbor::put_uint(&mut out, rule);
        }
        if let Some(root) = &self.rows {
            cbor::put_uint(&mut out, 8);
            cbor::put_bytes(&mut out, root);
        }
        Ok(out)
    }

    /// A reader that does not know a field refuses the cut by its version.
    const fn version(&self) -> u64 {
        if self.row_tags.is_some() || self.rows.is_some() { WITH_ROW_TAGS } else { VERSION }
    }

    /// Reads a leaf of the root log. What is read encodes to the same bytes again.
    ///
    /// # Errors
    /// [`CutError`] for everything that [`Self::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, CutError> {
        let mut reader = Reader::new(bytes);
        let mut fields = reader.map()?;
        let version = numbered(&mut reader, &mut fields, 0)?;
        if ![VERSION, WITH_ROW_TAGS].contains(&version) {
            return Err(CutError::UnknownVersion(version));
        }
        let t = numbered(&mut reader, &mut fields, 1)?;
        let cut_no = numbered(&mut reader, &mut fields, 2)?;
        let epoch = numbered(&mut reader, &mut fields, 3)?;
        field(&mut reader, &mut fields, 4)?;
        let count = reader.array()?;
        if count > MAX_SHARDS as u64 {
            return Err(CutError::TooManyShards);
        }
        let shards: Vec<_> = (0..count).map(|_| ShardHead::read(&mut reader)).collect::<Result<_, _>>()?;
        check_order(&shards)?;
        let mut cut = Self {
            t,
            cut_no,
            epoch,
            shards,
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        let mut last = 4;
        while fields > 0 {
            fields -= 1;
            match reader.uint()? {
                5 if last < 5 => (last, cut.erase_generation) = (5, Some(reader.uint()?)),
                6 if last < 6 => (last, cut.capsule_hash) = (6, Some(reader.fixed()?)),
                7 if last < 7 => (last, cut.row_tags) = (7, Some(reader.uint()?)),
                8 if last < 8 => (last, cut.rows) = (8, Some(reader.fixed()?)),
                other => return Err(CutError::Field(other)),
            }
        }
        reader.end()?;
        if cut.version() != version {
            return Err(CutError::Field(7));
        }
        Ok(cut)
    }

    /// The head of a shard, if the cut lists it.
    #[must_use]
    pub fn shard(&self, number: u32) -> Option<&ShardHead> {
        self.shards.binary_search_by_key(&number, |head| head.shard).ok().and_then(|at| self.shards.get(at))
    }
}

impl ShardHead {
    fn write(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, 6);
        for value in [u64::from(self.shard), u64::from(self.state.code()), self.incarnation, self.size] {
            cbor::put_uint(out, value);
        }
        cbor::put_bytes(out, &self.root);
        cbor::put_uint(out, self.epoch);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CutError> {
        if reader.array()? != 6 {
            return Err(CborError::Unexpected.into());
        }
        let shard = reader.small()?;
        let state = reader.small()?;
        Ok(Self {
            shard,
            state: ShardState::from_code(state).ok_or(CutError::UnknownState(state))?,
            incarnation: reader.uint()?,
            size: reader.uint()?,
            root: reader.fixed()?,
            epoch: reader.uint()?,
        })
    }
}

fn field(reader: &mut Reader<'_>, fields: &mut u64, number: u64) -> Result<(), CutError> {
    *fields = fields.checked_sub(1).ok_or(CutError::Field(number))?;
    match reader.uint()? {
        found if found == number => Ok(()),
        found => Err(CutError::Field(found)),
    }
}

fn numbered(reader: &mut Reader<'_>, fields: &mut u64, number: u64) -> Result<u64, CutError> {
    field(reader, fields, number)?;
    Ok(reader.uint()?)
}

fn check_order(shards: &[ShardHead]) -> Result<(), CutError> {
    if shards.len() > MAX_SHARDS {
        return Err(CutError::TooManyShards);
    }
    match shards.iter().zip(shards.iter().skip(1)).find(|(a, b)| a.shard >= b.shard) {
        Some((_, b)) => Err(CutError::ShardOrder(b.shard)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(shard: u32) -> ShardHead {
        ShardHead {
            shard,
            state: ShardState::Active,
            incarnation: 2,
            size: 300,
            root: [shard.to_be_bytes()[3]; 32],
            epoch: 4,
        }
    }

    #[test]
    fn cut_reads_back_and_has_one_encoding() {
        let mut cut = Cut {
            t: 9,
            cut_no: 1,
            epoch: 4,
            shards: vec![head(0), head(7)],
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        for (generation, hash) in
            [(None, None), (Some(3), None), (None, Some([5; 32])), (Some(3), Some([5; 32]))]
        {
            (cut.erase_generation, cut.capsule_hash) = (generation, hash);
            let bytes = cut.encode().unwrap();
            assert_eq!(Cut::decode(&bytes), Ok(cut.clone()));
            for end in 0..bytes.len() {
                assert!(Cut::decode(&bytes[..end]).is_err());
            }
        }
        assert_eq!((cut.shard(7), cut.shard(1)), (Some(&head(7)), None));
    }

    #[test]
    fn disorder_is_refused_both_ways() {
        let cut = Cut {
            t: 9,
            cut_no: 1,
            epoch: 4,
            shards: vec![head(1), head(2)],
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        let mut swapped = cut.clone();
        swapped.shards.reverse();
        assert_eq!(swapped.encode(), Err(CutError::ShardOrder(1)));
        let mut bytes = cut.encode().unwrap();
        let second = bytes.iter().rposition(|byte| *byte == 0x86).unwrap() + 1;
        bytes[second] = 1;
        assert_eq!(Cut::decode(&bytes), Err(CutError::ShardOrder(1)));
        bytes[second] = 2;
        bytes[second + 1] = 9;
        assert_eq!(Cut::decode(&bytes), Err(CutError::UnknownState(9)));
    }
}
