//! Live rows as an export holds them, beside the log that they are to follow from.
//!
//! Rows are read page by page while changes go on, so no two of them need be of one moment. The head says how many entries the log
//! had before the first page was read and after the last one; what a row says must have stood at some moment between. Nobody signs
//! rows: they are what the deployment gave to whoever exported. Digests show that nothing of them has changed since.
//!
//! ```text
//! head   [1, shard, entries before, entries after, [SHA-256 of each page ..]], then SHA-256 of that (32 bytes)
//! page   [1, [row ..]]
//! row    [1 if it is as a server wrote it, or else 0,
//!         {0: kind, 1: identifier, 2: revision, 3: {number: value in CBOR ..}, 4: {number: commitment ..}}]
//! ```
//!
//! All of it is deterministic CBOR, and only that is decoded. Fields are those of facts: 3 has the open ones, 4 the sealed ones;
//! where there are none, it is left out.

use std::collections::BTreeMap;

use claviger_core::object::Object;

use crate::Hash;
use crate::cbor::{self, CborError, Reader};
use crate::fact::{Fact, FactError, Field, RawFact, put_fact};
use crate::hash::{sha256, to_hex};

/// Where the head lies in an export.
pub const HEAD: &str = "rows/head";
/// Most rows of a page.
pub const MAX_ROWS: usize = 1000;
/// Most pages.
const MAX_PAGES: usize = 1 << 16;
/// The longest encoding of head or page, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// The schema version that is written and read.
const VERSION: u64 = 1;

/// Why bytes are not rows, or not what says which rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Not deterministic CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// More rows or pages than there may be.
    #[error("a page has up to 1 000 rows, and there are up to 65 536 pages")]
    Count,
    /// Other bytes than those that were written.
    #[error("it was changed since it was written: it has another digest")]
    Digest,
    /// A row that is none.
    #[error(transparent)]
    Row(#[from] FactError),
    /// A member too many or too few, or one that cannot be.
    #[error("it does not have the members that it should")]
    Shape,
    /// The log had fewer entries after the rows were read than before.
    #[error("the log was longer before the rows were read than after")]
    Sizes,
    /// Longer than is written.
    #[error("it is longer than 16 MiB")]
    TooLong,
    /// A schema version that is not known.
    #[error("schema version {0} is not known")]
    UnknownVersion(u64),
}

/// A row as it is live, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRow {
    /// The object.
    pub object: Object,
    /// Its revision.
    pub revision: u64,
    /// Its fields; those that are sealed in the log as what commits to them.
    pub fields: BTreeMap<u16, Field>,
    /// Is it as a server wrote it, columns included of which facts do not speak?
    pub holds: bool,
}

/// Which rows were read, and when by the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsHead {
    /// The shard whose log their facts are in.
    pub shard: u32,
    /// How many entries it had before the first page was read.
    pub before: u64,
    /// How many it had after the last one was.
    pub after: u64,
    /// Digests of the pages, in the order in which they were read.
    pub pages: Vec<Hash>,
}

impl RowsHead {
    /// The encoding.
    ///
    /// # Errors
    /// [`RowsError::Count`] and [`RowsError::Sizes`].
    pub fn encode(&self) -> Result<Vec<u8>, RowsError> {
        self.check()?;
        let mut out = Vec::with_capacity(64 + self.pages.len() * 34);
        cbor::put_array(&mut out, 5);
        cbor::put_uint(&mut out, VERSION);
        cbor::put_uint(&mut out, u64::from(self.shard));
        cbor::put_uint(&mut out, self.before);
        cbor::put_uint(&mut out, self.after);
        cbor::put_array(&mut out, self.pages.len() as u64);
        self.pages.iter().for_each(|digest| cbor::put_bytes(&mut out, digest));
        let digest = sha256(&out);
        out.extend_from_slice(&digest);
        Ok(out)
    }

    /// Reads a head. What is read encodes to the same bytes again.
    ///
    /// # Errors
    /// [`RowsError`] for everything that [`Self::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowsError> {
        if bytes.len() > MAX_BYTES {
            return Err(RowsError::TooLong);
        }
        let (body, digest) = bytes.split_last_chunk::<32>().ok_or(CborError::Truncated)?;
        let hold_digest = || if sha256(body) == *digest { Ok(()) } else { Err(RowsError::Digest) };
        let mut reader = Reader::new(body);
        let members = reader.array()?;
        let version = reader.uint()?;
        if version != VERSION {
            hold_digest()?;
            return Err(RowsError::UnknownVersion(version));
        }
        if members != 5 {
            return Err(RowsError::Shape);
        }
        let (shard, before, after) = (reader.small()?, reader.uint()?, reader.uint()?);
        let pages = (0..counted(reader.array()?, MAX_PAGES)?).map(|_| reader.fixed());
        let pages = pages.collect::<Result<_, _>>()?;
        reader.end()?;
        let head = Self { shard, before, after, pages };
        head.check()?;
        hold_digest()?;
        Ok(head)
    }

    const fn check(&self) -> Result<(), RowsError> {
        if self.pages.len() > MAX_PAGES {
            return Err(RowsError::Count);
        }
        if self.before > self.after { Err(RowsError::Sizes) } else { Ok(()) }
    }
}

/// The digest by which the head names a page: SHA-256.
#[must_use]
pub fn digest_of_page(page: &[u8]) -> Hash {
    sha256(page)
}

/// Where a page lies in an export.
#[must_use]
pub fn page_name(digest: &Hash) -> String {
    format!("rows/{}", to_hex(digest))
}

/// A page of these rows.
///
/// # Errors
/// [`RowsError::Count`] and [`RowsError::TooLong`].
pub fn encode_page(rows: &[LiveRow]) -> Result<Vec<u8>, RowsError> {
    if rows.len() > MAX_ROWS {
        return Err(RowsError::Count);
    }
    let mut out = Vec::new();
    cbor::put_array(&mut out, 2);
    cbor::put_uint(&mut out, VERSION);
    cbor::put_array(&mut out, rows.len() as u64);
    for LiveRow { object, revision, fields, holds } in rows {
        cbor::put_array(&mut out, 2);
        cbor::put_uint(&mut out, u64::from(*holds));
        let fact = Fact { object: *object, revision: *revision, fields: fields.clone(), sealed: None };
        put_fact(&mut out, &fact);
    }
    if out.len() > MAX_BYTES { Err(RowsError::TooLong) } else { Ok(out) }
}

/// Reads the rows of a page. What is read encodes to the same bytes again.
///
/// # Errors
/// [`RowsError`] for everything that [`encode_page`] would not have written.
pub fn decode_page(bytes: &[u8]) -> Result<Vec<LiveRow>, RowsError> {
    if bytes.len() > MAX_BYTES {
        return Err(RowsError::TooLong);
    }
    let mut reader = Reader::new(bytes);
    let members = reader.array()?;
    let version = reader.uint()?;
    if version != VERSION {
        return Err(RowsError::UnknownVersion(version));
    }
    if members != 2 {
        return Err(RowsError::Shape);
    }
    let rows = (0..counted(reader.array()?, MAX_ROWS)?).map(|_| read_row(&mut reader));
    let rows = rows.collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(rows)
}

fn read_row(reader: &mut Reader<'_>) -> Result<LiveRow, RowsError> {
    if reader.array()? != 2 {
        return Err(RowsError::Shape);
    }
    let holds = match reader.uint()? {
        0 => false,
        1 => true,
        _ => return Err(RowsError::Shape),
    };
    let Fact { object, revision, fields, sealed } = RawFact::read(reader)?.into();
    if sealed.is_some() {
        return Err(RowsError::Shape);
    }
    Ok(LiveRow { object, revision, fields, holds })
}

fn counted(count: u64, most: usize) -> Result<usize, RowsError> {
    usize::try_from(count).ok().filter(|count| *count <= most).ok_or(RowsError::Count)
}

#[cfg(test)]
mod tests {
    use claviger_core::{KeyId, KeyRingId, KeyVersionId};

    use super::*;

    fn rows() -> Vec<LiveRow> {
        let fields = [(1, Field::Hidden([9; 32])), (7, Field::Open(vec![2]))];
        let ring = Object::Ring(KeyRingId::from_bytes([1; 16]));
        let version = Object::Version(KeyVersionId { key: KeyId::from_bytes([2; 16]), number: 3 });
        vec![
            LiveRow { object: ring, revision: 4, fields: fields.into(), holds: true },
            LiveRow { object: version, revision: 0, fields: BTreeMap::new(), holds: false },
        ]
    }

    fn head() -> RowsHead {
        RowsHead { shard: 1, before: 300, after: 302, pages: vec![[3; 32], [4; 32]] }
    }

    /// The head that begins with these bytes, under their digest.
    fn under_digest(body: &[u8]) -> Vec<u8> {
        [body, &sha256(body)].concat()
    }

    #[test]
    fn what_is_written_reads_back() {
        for rows in [rows(), Vec::new()] {
            let page = encode_page(&rows).unwrap();
            assert_eq!(decode_page(&page), Ok(rows));
        }
        let empty = RowsHead { before: 0, after: 0, pages: Vec::new(), ..head() };
        for head in [head(), empty] {
            assert_eq!(RowsHead::decode(&head.encode().unwrap()), Ok(head));
        }
    }

    #[test]
    fn every_changed_bit_of_the_head_is_noticed() {
        let head = head().encode().unwrap();
        for bit in 0..head.len() * 8 {
            let mut changed = head.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(RowsHead::decode(&changed).is_err(), "bit {bit}");
        }
        assert_eq!(RowsHead::decode(&head[..31]), Err(RowsError::Cbor(CborError::Truncated)));
    }

    #[test]
    fn every_page_has_one_encoding() {
        let page = encode_page(&rows()).unwrap();
        for bit in 0..page.len() * 8 {
            let mut changed = page.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = decode_page(&changed) {
                assert_ne!(read, rows(), "bit {bit}");
                assert_eq!(encode_page(&read).unwrap(), changed, "bit {bit}");
            }
        }
        assert_eq!(decode_page(&[page.as_slice(), &[0]].concat()), Err(CborError::Trailing.into()));
    }

    #[test]
    fn what_no_export_holds_is_refused() {
        let shorter = RowsHead { before: 303, ..head() };
        assert_eq!(shorter.encode(), Err(RowsError::Sizes));
        let page = encode_page(&rows()).unwrap();
        assert_eq!(encode_page(&vec![rows().remove(0); MAX_ROWS + 1]), Err(RowsError::Count));
        for (at, byte, why) in [
            (0, 0x83, RowsError::Shape),
            (1, 2, RowsError::UnknownVersion(2)),
            (3, 0x83, RowsError::Shape),
            (4, 2, RowsError::Shape),
            (7, 0x18, RowsError::Row(CborError::NotShortest.into())),
        ] {
            let mut changed = page.clone();
            changed[at] = byte;
            assert_eq!(decode_page(&changed), Err(why), "byte {at}");
        }
        // As many as there may be in no memory: refused before anything is made of them.
        assert_eq!(decode_page(&[0x82, 1, 0x9a, 0xff, 0xff, 0xff, 0xff]), Err(RowsError::Count));
        for (body, why) in [
            (&[0x85, 2][..], RowsError::UnknownVersion(2)),
            (&[0x84, 1, 1, 0, 0], RowsError::Shape),
            (&[0x85, 1, 1, 1, 0, 0x80], RowsError::Sizes),
            (&[0x85, 1, 1, 0, 0, 0x9a, 0xff, 0xff, 0xff, 0xff], RowsError::Count),
            (&[0x85, 1, 0x1b, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80], RowsError::Cbor(CborError::Range)),
        ] {
            assert_eq!(RowsHead::decode(&under_digest(body)), Err(why), "{body:?}");
        }
        assert_eq!(RowsHead::decode(&[&[0x85, 2][..], &[0; 32]].concat()), Err(RowsError::Digest));
    }

    #[test]
    fn pages_are_named_by_what_sha256sum_says() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(page_name(&digest_of_page(b"")), format!("rows/{empty}"));
    }
}
