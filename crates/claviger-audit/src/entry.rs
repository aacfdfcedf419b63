//! One entry of the log: what was done, to which key, by whom, and how it ended.
//!
//! Invariants: the schema is an allowlist, and nothing that callers choose stands in it in clear; each entry has exactly
//! one encoding (deterministic CBOR, RFC 8949, 4.2.1), and only that one is decoded.

mod shown;

use std::borrow::Cow;

use crate::cbor::{self, CborError, Reader};
use crate::op::{Op, Outcome};

pub use shown::ShownEntry;

/// The longest encoding of an entry, in bytes.
pub const MAX_ENTRY: usize = 4096;
/// The longest reference, in bytes.
pub const MAX_REFERENCE: usize = 64;
/// The schema version of entries with neither facts nor an asset, of those with facts, and of those that name an asset, with facts
/// or without.
const VERSION: u64 = 1;
const WITH_FACTS: u64 = 2;
const WITH_ASSET: u64 = 3;

/// One entry. Fields carry the short names of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Clock of the node in microseconds since 1970, UTC. Advisory: order comes from index and epoch.
    pub t: u64,
    /// Fence epoch under which the operation was authorized and committed.
    pub e: u64,
    /// The operation.
    pub op: Op,
    /// How it ended.
    pub out: Outcome,
    /// Key id.
    pub key: Option<[u8; 16]>,
    /// Key version.
    pub kv: Option<u32>,
    /// Actor tag ([`crate::identity`]).
    pub act: Option<[u8; 16]>,
    /// Index, in this shard, of the session entry that carries the caller's sealed identity.
    pub ses: Option<u64>,
    /// `ceil(log2(input bytes))`, at most 64.
    pub n: Option<u8>,
    /// Tag of the encryption context ([`crate::identity::context_tag`]).
    pub ctx: Option<[u8; 16]>,
    /// Tag of the caller's request id ([`crate::identity::request_tag`]).
    pub rid: Option<[u8; 16]>,
    /// First bytes of the digest of the policy statement that decided.
    pub pol: Option<[u8; 8]>,
    /// Sealed personal data; sessions and 3xx entries only.
    pub enc: Option<Cow<'a, [u8]>>,
    /// Public bytes whose meaning the operation gives, at most [`MAX_REFERENCE`].
    pub reference: Option<Cow<'a, [u8]>>,
    /// Digest of the [facts](crate::fact) of the commit.
    pub fct: Option<[u8; 32]>,
    /// The data asset that the encryption context names.
    pub ast: Option<NamedAsset>,
}

/// What an encryption context names as the asset that a use is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedAsset {
    /// An asset, by its identifier: a byte string of 16 bytes.
    Known([u8; 16]),
    /// Something else, which is written nowhere: an empty byte string.
    Unknown,
}

impl NamedAsset {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Known(id) => id,
            Self::Unknown => &[],
        }
    }
}

/// Why bytes are not an entry, or a value cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not deterministic CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// More than [`MAX_ENTRY`] bytes.
    #[error("entry is longer than 4096 bytes")]
    TooLong,
    /// A schema version that is not known.
    #[error("schema version {0} is not known")]
    UnknownVersion(u64),
    /// A field that the schema does not have.
    #[error("field {0} is not in the schema")]
    UnknownField(u64),
    /// Fields do not ascend, or one stands twice.
    #[error("field {0} is out of order")]
    OutOfOrder(u64),
    /// A field that every entry has is absent.
    #[error("field {0} is missing")]
    Missing(u64),
    /// An operation code that is not known.
    #[error("operation {0} is not known")]
    UnknownOp(u64),
    /// An outcome that is not known.
    #[error("outcome {0} is not known")]
    UnknownOutcome(u64),
    /// Sealed data on an operation that may carry none.
    #[error("operation `{0}` carries no sealed data")]
    SealedNotAllowed(Op),
    /// The schema version is not that of an entry with these fields.
    #[error("schema version {0} does not go with the presence of facts or of an asset")]
    Facts(u64),
    /// An asset is neither an identifier nor nothing.
    #[error("an asset of {0} bytes")]
    Asset(usize),
    /// The reference is longer than [`MAX_REFERENCE`].
    #[error("reference is longer than 64 bytes")]
    ReferenceTooLong,
    /// The size class is above 64.
    #[error("size class {0} is above 64")]
    SizeClass(u8),
}

impl<'a> Entry<'a> {
    /// An entry with its required fields and no other.
    #[must_use]
    pub const fn new(t: u64, e: u64, op: Op, out: Outcome) -> Self {
        Self {
            t,
            e,
            op,
            out,
            key: None,
            kv: None,
            act: None,
            ses: None,
            n: None,
            ctx: None,
            rid: None,
            pol: None,
            enc: None,
            reference: None,
            fct: None,
            ast: None,
        }
    }

    /// Appends the encoding to `out`. On an error, `out` is as it was.
    ///
    /// # Errors
    /// [`EntryError::SealedNotAllowed`], [`EntryError::ReferenceTooLong`], [`EntryError::SizeClass`] and
    /// [`EntryError::TooLong`] for values that the schema does not allow.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), EntryError> {
        self.check()?;
        // Everything but the sealed data takes less than 300 bytes.
        let start = out.len();
        out.reserve(128);
        self.write(out, self.enc.as_deref());
        if out.len() - start > MAX_ENTRY {
            out.truncate(start);
            return Err(EntryError::TooLong);
        }
        Ok(())
    }

    /// What a session entry commits to ([`crate::session`]); `None` for other entries, and for sessions that an older release
    /// recorded.
    #[must_use]
    pub fn session_commitment(&self) -> Option<[u8; 32]> {
        if self.op != Op::Session {
            return None;
        }
        self.reference.as_deref()?.try_into().ok()
    }

    /// Does something lie beside the entry: facts, or the record of a session?
    #[must_use]
    pub fn has_beside(&self) -> bool {
        self.fct.is_some() || self.session_commitment().is_some()
    }

    /// The encoding without the sealed data: what the seal is bound to.
    #[must_use]
    pub fn seal_context(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.write(&mut out, None);
        out
    }

    const fn version(&self) -> u64 {
        match (&self.ast, &self.fct) {
            (Some(_), _) => WITH_ASSET,
            (None, Some(_)) => WITH_FACTS,
            (None, None) => VERSION,
        }
    }

    fn check(&self) -> Result<(), EntryError> {
        if self.enc.is_some() && !self.op.may_seal() {
            return Err(EntryError::SealedNotAllowed(self.op));
        }
        if self.reference.as_ref().is_some_and(|bytes| bytes.len() > MAX_REFERENCE) {
            return Err(EntryError::ReferenceTooLong);
        }
        match self.n {
            Some(n) if n > 64 => Err(EntryError::SizeClass(n)),
            _ => Ok(()),
        }
    }

    fn write(&self, out: &mut Vec<u8>, enc: Option<&[u8]>) {
        let present = [
            self.key.is_some(),
            self.kv.is_some(),
            self.act.is_some(),
            self.ses.is_some(),
            self.n.is_some(),
            self.ctx.is_some(),
            self.rid.is_some(),
            self.pol.is_some(),
            enc.is_some(),
            self.reference.is_some(),
            self.fct.is_some(),
            self.ast.is_some(),
        ];
        cbor::put_map(out, 5 + present.iter().map(|is| u64::from(*is)).sum::<u64>());
        put_number(out, 0, self.version());
        put_number(out, 1, self.t);
        put_number(out, 2, self.e);
        put_number(out, 3, u64::from(self.op.code()));
        put_number(out, 4, u64::from(self.out.code()));
        put_string(out, 5, self.key.as_ref().map(<[u8; 16]>::as_slice));
        if let Some(kv) = self.kv {
            put_number(out, 6, u64::from(kv));
        }
        put_string(out, 7, self.act.as_ref().map(<[u8; 16]>::as_slice));
        if let Some(ses) = self.ses {
            put_number(out, 8, ses);
        }
        if let Some(n) = self.n {
            put_number(out, 9, u64::from(n));
        }
        put_string(out, 10, self.ctx.as_ref().map(<[u8; 16]>::as_slice));
        put_string(out, 11, self.rid.as_ref().map(<[u8; 16]>::as_slice));
        put_string(out, 12, self.pol.as_ref().map(<[u8; 8]>::as_slice));
        put_string(out, 13, enc);
        put_string(out, 14, self.reference.as_deref());
        put_string(out, 15, self.fct.as_ref().map(<[u8; 32]>::as_slice));
        put_string(out, 16, self.ast.as_ref().map(NamedAsset::as_bytes));
    }

    /// The operation of an entry, for who looks for one among many: nothing else of it is read.
    #[must_use]
    pub(crate) fn operation_of(bytes: &[u8]) -> Option<Op> {
        let mut reader = Reader::new(bytes);
        reader.map().ok()?;
        for field in 0..3 {
            required(&mut reader, field).ok()?;
        }
        required(&mut reader, 3).ok().and_then(|op| Op::from_code(u16::try_from(op).ok()?))
    }

    /// Reads an entry. What is read encodes to the same bytes again.
    ///
    /// # Errors
    /// [`EntryError`] for everything that [`Self::encode_into`] would not have written.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY {
            return Err(EntryError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        let mut optional = reader.map()?.checked_sub(5).ok_or(EntryError::Missing(4))?;
        let version = required(&mut reader, 0)?;
        if ![VERSION, WITH_FACTS, WITH_ASSET].contains(&version) {
            return Err(EntryError::UnknownVersion(version));
        }
        let (t, e) = (required(&mut reader, 1)?, required(&mut reader, 2)?);
        let op = required(&mut reader, 3)?;
        let op = u16::try_from(op).ok().and_then(Op::from_code).ok_or(EntryError::UnknownOp(op))?;
        let out = required(&mut reader, 4)?;
        let out =
            u8::try_from(out).ok().and_then(Outcome::from_code).ok_or(EntryError::UnknownOutcome(out))?;
        let mut entry = Self::new(t, e, op, out);
        let mut last = 4;
        while optional > 0 {
            optional -= 1;
            let field = reader.uint()?;
            if field <= last {
                return Err(EntryError::OutOfOrder(field));
            }
            last = field;
            entry.read_field(field, &mut reader)?;
        }
        reader.end()?;
        if version != entry.version() {
            return Err(EntryError::Facts(version));
        }
        entry.check()?;
        Ok(entry)
    }

    fn read_field(&mut self, field: u64, reader: &mut Reader<'a>) -> Result<(), EntryError> {
        match field {
            5 => self.key = Some(reader.fixed()?),
            6 => self.kv = Some(reader.small()?),
            7 => self.act = Some(reader.fixed()?),
            8 => self.ses = Some(reader.uint()?),
            9 => self.n = Some(reader.small()?),
            10 => self.ctx = Some(reader.fixed()?),
            11 => self.rid = Some(reader.fixed()?),
            12 => self.pol = Some(reader.fixed()?),
            13 => self.enc = Some(Cow::Borrowed(reader.bytes()?)),
            14 => self.reference = Some(Cow::Borrowed(reader.bytes()?)),
            15 => self.fct = Some(reader.fixed()?),
            16 => self.ast = Some(named_asset(reader.bytes()?)?),
            unknown => return Err(EntryError::UnknownField(unknown)),
        }
        Ok(())
    }
}

fn named_asset(bytes: &[u8]) -> Result<NamedAsset, EntryError> {
    if bytes.is_empty() {
        return Ok(NamedAsset::Unknown);
    }
    bytes.try_into().map(NamedAsset::Known).map_err(|_| EntryError::Asset(bytes.len()))
}

#[inline]
fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    cbor::put_uint(out, field);
    cbor::put_uint(out, value);
}

#[inline]
fn put_string(out: &mut Vec<u8>, field: u64, bytes: Option<&[u8]>) {
    if let Some(bytes) = bytes {
        cbor::put_uint(out, field);
        cbor::put_bytes(out, bytes);
    }
}

fn required(reader: &mut Reader<'_>, field: u64) -> Result<u64, EntryError> {
    match reader.uint()? {
        found if found == field => Ok(reader.uint()?),
        found if found > field => Err(EntryError::Missing(field)),
        found => Err(EntryError::OutOfOrder(found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(entry: &Entry<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        entry.encode_into(&mut out).unwrap();
        out
    }

    #[test]
    fn bytes_are_those_of_the_schema() {
        let mut entry = Entry::new(1_000_000, 7, Op::Encrypt, Outcome::Ok);
        entry.kv = Some(2);
        entry.pol = Some([9; 8]);
        assert_eq!(
            crate::hash::to_hex(&encoded(&entry)),
            "a70001011a000f42400207031865040006020c480909090909090909"
        );
        assert_eq!(Entry::operation_of(&encoded(&entry)), Some(Op::Encrypt));
        assert_eq!(Entry::operation_of(&encoded(&entry)[1..]), None);
        assert_eq!(Entry::decode(&encoded(&entry)), Ok(entry));
    }

    #[test]
    fn sealed_data_is_for_sessions_and_identity_only() {
        let mut entry = Entry::new(1, 1, Op::Decrypt, Outcome::Ok);
        entry.enc = Some(Cow::Borrowed(&[1, 2]));
        let mut out = vec![7];
        assert_eq!(entry.encode_into(&mut out), Err(EntryError::SealedNotAllowed(Op::Decrypt)));
        assert_eq!(out, [7]);
        entry.op = Op::Session;
        let sealed = encoded(&entry);
        entry.enc = None;
        assert_eq!(entry.seal_context(), encoded(&entry));
        assert_ne!(entry.seal_context(), sealed);
    }

    #[test]
    fn what_the_schema_lacks_is_refused_by_name() {
        let good = encoded(&Entry::new(1, 1, Op::Encrypt, Outcome::Ok));
        assert_eq!(crate::hash::to_hex(&good), "a5000101010201031865".to_owned() + "0400");
        let with = |tail: &[u8], pairs: u8| {
            let mut bytes = good.clone();
            bytes[0] = 0xa0 | pairs;
            bytes.extend_from_slice(tail);
            Entry::decode(&bytes).map(|_| ())
        };
        assert_eq!(with(&[17, 0], 6), Err(EntryError::UnknownField(17)));
        assert_eq!(with(&[16, 0x40], 6), Err(EntryError::Facts(1)));
        assert_eq!(with(&[16, 0x41, 7], 6), Err(EntryError::Asset(1)));
        let facts = [&[15, 0x58, 32][..], &[7; 32]].concat();
        assert_eq!(with(&facts, 6), Err(EntryError::Facts(1)));
        assert_eq!(with(&[8, 0, 6, 0], 7), Err(EntryError::OutOfOrder(6)));
        assert_eq!(with(&[6, 0, 6, 0], 7), Err(EntryError::OutOfOrder(6)));
        assert_eq!(with(&[6, 0], 5), Err(EntryError::Cbor(CborError::Trailing)));
        assert_eq!(with(&[6, 0x18, 1], 6), Err(EntryError::Cbor(CborError::NotShortest)));
        assert_eq!(with(&[13, 0x40], 6), Err(EntryError::SealedNotAllowed(Op::Encrypt)));
        assert_eq!(with(&[9, 0x18, 65], 6), Err(EntryError::SizeClass(65)));
        assert_eq!(with(&[], 4), Err(EntryError::Missing(4)));
        assert_eq!(Entry::decode(&[0; MAX_ENTRY + 1]), Err(EntryError::TooLong));
    }

    #[test]
    fn an_asset_has_a_version_of_its_own() {
        let plain = encoded(&Entry::new(1, 1, Op::Encrypt, Outcome::Ok));
        for (asset, facts, tail) in [
            (NamedAsset::Known([7; 16]), None, [&[16, 0x50][..], &[7; 16]].concat()),
            (NamedAsset::Unknown, None, vec![16, 0x40]),
            (NamedAsset::Unknown, Some([9; 32]), [&[15, 0x58, 32][..], &[9; 32], &[16, 0x40]].concat()),
        ] {
            let entry = Entry { ast: Some(asset), fct: facts, ..Entry::new(1, 1, Op::Encrypt, Outcome::Ok) };
            let bytes = encoded(&entry);
            assert_eq!((bytes[2], &bytes[3..plain.len()]), (3, &plain[3..]));
            assert_eq!(bytes[plain.len()..], tail);
            assert_eq!(Entry::decode(&bytes), Ok(entry));
            let older = [&[bytes[0], 0, 2][..], &bytes[3..]].concat();
            assert_eq!(Entry::decode(&older), Err(EntryError::Facts(2)));
        }
    }

    #[test]
    fn no_entry_is_longer_than_the_limit() {
        let mut entry = Entry::new(1, 1, Op::Session, Outcome::Ok);
        entry.enc = Some(Cow::Owned(vec![0; MAX_ENTRY]));
        assert_eq!(entry.encode_into(&mut Vec::new()), Err(EntryError::TooLong));
        entry.enc = None;
        entry.reference = Some(Cow::Owned(vec![0; MAX_REFERENCE + 1]));
        assert_eq!(entry.encode_into(&mut Vec::new()), Err(EntryError::ReferenceTooLong));
    }
}
