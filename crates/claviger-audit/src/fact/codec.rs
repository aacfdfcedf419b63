//! Facts as bytes: one encoding, one digest.

use std::collections::BTreeMap;

use claviger_core::reason::Why;

use super::{Fact, Field, Kind, Object, Sealed};
use crate::Hash;
use crate::cbor::{self, CborError, Reader};
use crate::hash::{HmacKey, sha256, sha256_parts};

/// The longest encoding of the facts of one entry, in bytes.
pub const MAX_FACTS: usize = 4 << 20;
/// Most facts of one entry.
const MAX_COUNT: u64 = 1 << 16;
/// The schema version that is written and read.
const VERSION: u64 = 1;

const FIELD: u8 = 2;
const FACT: u8 = 3;
const FACTS: u8 = 4;
const WHY: u8 = 5;

/// Why bytes are not facts, or values cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// Not deterministic CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// More than [`MAX_FACTS`] bytes.
    #[error("facts are longer than 4 MiB")]
    TooLong,
    /// A schema version that is not known.
    #[error("schema version {0} of facts is not known")]
    UnknownVersion(u64),
    /// A kind of object that is not known.
    #[error("kind {0} of objects is not known")]
    UnknownKind(u64),
    /// A member that the schema does not have, has twice, or has elsewhere.
    #[error("member {0} is out of place")]
    Misplaced(u64),
    /// An identifier that is none of its kind.
    #[error("an identifier does not fit its kind")]
    Identifier,
    /// No facts, or more than 65 536.
    #[error("an entry has 1 to 65 536 facts")]
    Count,
    /// A reason that is none, or whose own fact is not among these.
    #[error("the reason of an entry is not among its facts")]
    Reason,
    /// A field that is open and hidden, or sealed bytes without a hidden field.
    #[error("a field is given twice, or sealed bytes are not of a field")]
    Sealed,
}

/// The facts of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the salts of open fields come from: random, and of these facts alone.
    pub seed: [u8; 16],
    /// Why it was done: the reason, whose first fact is among these, or why there is none. Absent where nobody is asked for one,
    /// and from what an older release recorded.
    pub why: Option<Why>,
    /// One for each row that was written.
    pub facts: Vec<Fact>,
}

/// Commits to the value of a field under a salt.
pub(crate) fn commit(number: u16, salt: &[u8; 16], value: &[u8]) -> Hash {
    sha256_parts(&[&[FIELD], number.to_be_bytes().as_slice(), salt, value])
}

/// The first bytes of a tag.
pub(crate) fn salt_of(tag: &Hash) -> [u8; 16] {
    let mut salt = [0; 16];
    salt.iter_mut().zip(tag).for_each(|(to, from)| *to = *from);
    salt
}

/// The digest of a fact whose open fields have salts under this key.
fn digest_of(fact: &Fact, salts: &HmacKey) -> Hash {
    let id = fact.object.id();
    let kind = fact.object.kind().code();
    let mut all = Vec::with_capacity(64 + fact.fields.len() * 34);
    all.extend_from_slice(&[FACT, kind, u8::try_from(id.len()).unwrap_or_default()]);
    all.extend_from_slice(&id);
    all.extend_from_slice(&fact.revision.to_be_bytes());
    for (number, field) in &fact.fields {
        let number_bytes = number.to_be_bytes();
        all.extend_from_slice(&number_bytes);
        let commitment = match field {
            Field::Hidden(commitment) => *commitment,
            Field::Open(value) => {
                commit(*number, &salt_of(&salts.tag(&[&[kind], &id, &number_bytes])), value)
            }
        };
        all.extend_from_slice(&commitment);
    }
    if let Some(sealed) = &fact.sealed {
        all.extend_from_slice(&sealed.digest());
    }
    sha256(&all)
}

impl Facts {
    /// The digest that an entry carries of its facts.
    #[must_use]
    pub fn digest(&self) -> Hash {
        self.digest_over(&self.digests())
    }

    /// The digest of each of these facts, in their order.
    #[must_use]
    pub fn digests(&self) -> Vec<Hash> {
        let salts = HmacKey::new(&self.seed);
        self.facts.iter().map(|fact| digest_of(fact, &salts)).collect()
    }

    /// The same as [`Self::digest`], for who has what [`Self::digests`] gave.
    #[must_use]
    pub fn digest_over(&self, digests: &[Hash]) -> Hash {
        let mut all = vec![FACTS];
        if let Some(why) = self.why {
            all.extend_from_slice(&digest_of_why(why));
        }
        digests.iter().for_each(|digest| all.extend_from_slice(digest));
        sha256(&all)
    }

    /// The encoding.
    ///
    /// # Errors
    /// [`FactError::Count`], [`FactError::Sealed`] and [`FactError::TooLong`] for values that the schema does not allow.
    pub fn encode(&self) -> Result<Vec<u8>, FactError> {
        self.check()?;
        let mut out = Vec::with_capacity(512);
        cbor::put_array(&mut out, 4);
        cbor::put_uint(&mut out, VERSION);
        cbor::put_bytes(&mut out, &self.seed);
        put_why(&mut out, self.why);
        cbor::put_array(&mut out, self.facts.len() as u64);
        for fact in &self.facts {
            put_fact(&mut out, fact);
        }
        if out.len() > MAX_FACTS { Err(FactError::TooLong) } else { Ok(out) }
    }

    /// Why an entry was made whose facts these are, without reading the rest of them.
    ///
    /// # Errors
    /// [`FactError`] when their head is not that of facts.
    pub fn why_of(bytes: &[u8]) -> Result<Option<Why>, FactError> {
        read_head(&mut Reader::new(bytes)).map(|(_, why)| why)
    }

    fn check(&self) -> Result<(), FactError> {
        if self.facts.is_empty() || self.facts.len() as u64 > MAX_COUNT {
            return Err(FactError::Count);
        }
        let is_hidden = |field: &Field| matches!(field, Field::Hidden(_));
        let has_nothing_to_seal = |fact: &Fact| fact.sealed.is_some() && !fact.fields.values().any(is_hidden);
        if self.facts.iter().any(has_nothing_to_seal) {
            return Err(FactError::Sealed);
        }
        if let Some(id) = self.why.and_then(Why::given)
            && !self.facts.iter().any(|fact| fact.object == Object::Reason(id) && fact.revision == 1)
        {
            return Err(FactError::Reason);
        }
        Ok(())
    }

    /// Reads facts. What is read encodes to the same bytes again.
    ///
    /// # Errors
    /// [`FactError`] for everything that [`Self::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, FactError> {
        let mut facts = Vec::new();
        let (seed, why) = Self::read(bytes, |raw| facts.push(raw.into()))?;
        let facts = Self { seed, why, facts };
        facts.check()?;
        Ok(facts)
    }

    /// Shows the facts in these bytes one after the other, without copying anything: for who looks for some of them.
    ///
    /// # Errors
    /// [`FactError`]; some may have been shown then.
    pub fn skim<'a>(bytes: &'a [u8], see: impl FnMut(RawFact<'a>)) -> Result<(), FactError> {
        Self::read(bytes, see).map(drop)
    }

    fn read<'a>(
        bytes: &'a [u8],
        mut see: impl FnMut(RawFact<'a>),
    ) -> Result<([u8; 16], Option<Why>), FactError> {
        if bytes.len() > MAX_FACTS {
            return Err(FactError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        let head = read_head(&mut reader)?;
        let count = reader.array()?;
        if count > MAX_COUNT {
            return Err(FactError::Count);
        }
        for _ in 0..count {
            see(RawFact::read(&mut reader)?);
        }
        reader.end()?;
        Ok(head)
    }
}

impl Fact {
    /// Fields in one piece, for memory.
    pub(crate) fn pack_fields(fields: &BTreeMap<u16, Field>) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, field) in fields {
            cbor::put_uint(&mut out, u64::from(*number));
            match field {
                Field::Hidden(commitment) => {
                    cbor::put_array(&mut out, 1);
                    cbor::put_bytes(&mut out, commitment);
                }
                Field::Open(value) => cbor::put_bytes(&mut out, value),
            }
        }
        out
    }

    /// What [`Self::pack_fields`] packed.
    pub(crate) fn unpack_fields(packed: &[u8]) -> BTreeMap<u16, Field> {
        let mut reader = Reader::new(packed);
        let mut fields = BTreeMap::new();
        while reader.end().is_err() {
            let Ok(number) = reader.small() else { break };
            let field = match reader.array() {
                Ok(_) => reader.fixed().map(Field::Hidden),
                Err(_) => reader.bytes().map(|value| Field::Open(value.to_vec())),
            };
            let Ok(field) = field else { break };
            fields.insert(number, field);
        }
        fields
    }
}

/// The digest of why something was done.
fn digest_of_why(why: Why) -> Hash {
    sha256(&[&[WHY], why.to_bytes().as_slice()].concat())
}

/// Writes sealed bytes as member `number`, or the digest of withheld ones as the next.
fn put_sealed(out: &mut Vec<u8>, number: u64, sealed: &Sealed) {
    match sealed {
        Sealed::Here(bytes) => {
            cbor::put_uint(out, number);
            cbor::put_bytes(out, bytes);
        }
        Sealed::Withheld(digest) => {
            cbor::put_uint(out, number + 1);
            cbor::put_bytes(out, digest);
        }
    }
}

/// What stands before the facts themselves: the seed, and why it was done.
fn read_head(reader: &mut Reader<'_>) -> Result<([u8; 16], Option<Why>), FactError> {
    let members = reader.array()?;
    let version = reader.uint()?;
    if version != VERSION {
        return Err(FactError::UnknownVersion(version));
    }
    if members != 4 {
        return Err(FactError::Misplaced(members));
    }
    Ok((reader.fixed()?, read_why(reader)?))
}

/// Nothing, or one string of bytes.
fn put_why(out: &mut Vec<u8>, why: Option<Why>) {
    cbor::put_array(out, u64::from(why.is_some()));
    if let Some(why) = why {
        cbor::put_bytes(out, &why.to_bytes());
    }
}

fn read_why(reader: &mut Reader<'_>) -> Result<Option<Why>, FactError> {
    match reader.array()? {
        0 => Ok(None),
        1 => Why::from_bytes(reader.bytes()?).map(Some).ok_or(FactError::Reason),
        other => Err(FactError::Misplaced(other)),
    }
}

pub(crate) fn put_fact(out: &mut Vec<u8>, fact: &Fact) {
    let open = || {
        fact.fields.iter().filter_map(|(number, field)| match field {
            Field::Open(value) => Some((*number, value.as_slice())),
            Field::Hidden(_) => None,
        })
    };
    let hidden = || {
        fact.fields.iter().filter_map(|(number, field)| match field {
            Field::Hidden(commitment) => Some((*number, commitment.as_slice())),
            Field::Open(_) => None,
        })
    };
    let (opened, hid) = (open().count() as u64, hidden().count() as u64);
    let further = [opened > 0, hid > 0, fact.sealed.is_some()];
    cbor::put_map(out, 3 + further.iter().map(|is| u64::from(*is)).sum::<u64>());
    cbor::put_uint(out, 0);
    cbor::put_uint(out, u64::from(fact.object.kind().code()));
    cbor::put_uint(out, 1);
    cbor::put_bytes(out, &fact.object.id());
    cbor::put_uint(out, 2);
    cbor::put_uint(out, fact.revision);
    if opened > 0 {
        cbor::put_uint(out, 3);
        put_fields(out, opened, open());
    }
    if hid > 0 {
        cbor::put_uint(out, 4);
        put_fields(out, hid, hidden());
    }
    if let Some(sealed) = &fact.sealed {
        put_sealed(out, 5, sealed);
    }
}

fn put_fields<'a>(out: &mut Vec<u8>, count: u64, fields: impl Iterator<Item = (u16, &'a [u8])>) {
    cbor::put_map(out, count);
    for (number, bytes) in fields {
        cbor::put_uint(out, u64::from(number));
        cbor::put_bytes(out, bytes);
    }
}

/// A fact as it lies in its bytes: nothing is copied of it.
#[derive(Debug)]
pub struct RawFact<'a> {
    /// What it is about.
    pub object: Object,
    /// The revision of the row; 0 says that the object is there no more.
    pub revision: u64,
    /// In the order of their numbers.
    fields: Vec<(u16, RawField<'a>)>,
    sealed: Option<RawSealed<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum RawField<'a> {
    Open(&'a [u8]),
    Hidden(Hash),
}

#[derive(Clone, Copy, Debug)]
enum RawSealed<'a> {
    Here(&'a [u8]),
    Withheld(Hash),
}

impl<'a> RawFact<'a> {
    /// The value of an open field, in CBOR.
    #[must_use]
    pub fn open(&self, number: u16) -> Option<&'a [u8]> {
        let at = self.fields.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        match self.fields.get(at)?.1 {
            RawField::Open(value) => Some(value),
            RawField::Hidden(_) => None,
        }
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FactError> {
        let (mut kind, mut id, mut revision, mut sealed) = (None, None, None, None);
        let mut fields = Vec::new();
        let members = reader.map()?;
        in_order(reader, members, |number, reader| {
            match number {
                0 => {
                    let code = reader.uint()?;
                    let known = u8::try_from(code).ok().and_then(Kind::from_code);
                    kind = Some(known.ok_or(FactError::UnknownKind(code))?);
                }
                1 => id = Some(reader.bytes()?),
                2 => revision = Some(reader.uint()?),
                3 => read_fields(reader, &mut fields, |reader| Ok(RawField::Open(reader.bytes()?)))?,
                4 => read_fields(reader, &mut fields, |reader| Ok(RawField::Hidden(reader.fixed()?)))?,
                5 => sealed = Some(RawSealed::Here(reader.bytes()?)),
                6 if sealed.is_none() => sealed = Some(RawSealed::Withheld(reader.fixed()?)),
                other => return Err(FactError::Misplaced(other)),
            }
            Ok(())
        })?;
        // Two maps, each in its order: what is in both is next to itself then.
        fields.sort_by_key(|(number, _)| *number);
        if fields.iter().zip(fields.iter().skip(1)).any(|(one, next)| one.0 == next.0) {
            return Err(FactError::Sealed);
        }
        let (kind, id) = (kind.ok_or(FactError::Misplaced(0))?, id.ok_or(FactError::Misplaced(1))?);
        let object = Object::from_id(kind, id).ok_or(FactError::Identifier)?;
        Ok(Self { object, revision: revision.ok_or(FactError::Misplaced(2))?, fields, sealed })
    }
}

impl From<RawFact<'_>> for Fact {
    fn from(raw: RawFact<'_>) -> Self {
        let field = |(number, field)| match field {
            RawField::Open(value) => (number, Field::Open(value.to_vec())),
            RawField::Hidden(commitment) => (number, Field::Hidden(commitment)),
        };
        let sealed = raw.sealed.map(|sealed| match sealed {
            RawSealed::Here(bytes) => Sealed::Here(bytes.to_vec()),
            RawSealed::Withheld(digest) => Sealed::Withheld(digest),
        });
        let fields = raw.fields.into_iter().map(field).collect();
        Self { object: raw.object, revision: raw.revision, fields, sealed }
    }
}

fn read_fields<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Vec<(u16, RawField<'a>)>,
    read: impl Fn(&mut Reader<'a>) -> Result<RawField<'a>, FactError>,
) -> Result<(), FactError> {
    let count = reader.map()?;
    if count == 0 {
        return Err(FactError::Count);
    }
    in_order(reader, count, |number, reader| {
        let number = u16::try_from(number).map_err(|_| CborError::Range)?;
        fields.push((number, read(reader)?));
        Ok(())
    })
}

/// Reads the members of a map, whose numbers ascend.
fn in_order<'a>(
    reader: &mut Reader<'a>,
    members: u64,
    mut read: impl FnMut(u64, &mut Reader<'a>) -> Result<(), FactError>,
) -> Result<(), FactError> {
    let mut last = None;
    for _ in 0..members {
        let number = reader.uint()?;
        if last.is_some_and(|last| number <= last) {
            return Err(FactError::Misplaced(number));
        }
        last = Some(number);
        read(number, reader)?;
    }
    Ok(())
}
