//! The part of CBOR that the log uses, in core deterministic encoding (RFC 8949, 4.2.1): unsigned integers, byte and
//! text strings, arrays and maps of definite length. The reader takes nothing that the writer would not write, so that
//! each value has one encoding and each hash one preimage.

use std::str::FromStr;

use claviger_core::Timestamp;

/// Bytes that are not the deterministic CBOR that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// The input ends inside an item.
    #[error("cbor ends too soon")]
    Truncated,
    /// Another kind of item was expected, or this one is never used here.
    #[error("unexpected kind of cbor item")]
    Unexpected,
    /// A number or length is not in its shortest form.
    #[error("cbor number is not in its shortest form")]
    NotShortest,
    /// A number does not fit where it stands.
    #[error("cbor number is out of range")]
    Range,
    /// Text is not UTF-8.
    #[error("cbor text is not UTF-8")]
    NotText,
    /// Bytes follow the end.
    #[error("bytes follow the end of the cbor item")]
    Trailing,
}

/// Bytes that are not the map that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Not deterministic CBOR, or of other items.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A field is missing, out of order or not of the map.
    #[error("field {0} is not expected here")]
    Field(u64),
    /// A value that its field cannot have.
    #[error("a field has a value that it cannot have")]
    Value,
}

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

#[inline]
fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    let [.., b4, b5, b6, b7] = value.to_be_bytes();
    match value {
        0..=23 => out.push(major | b7),
        24..=0xff => out.extend_from_slice(&[major | 24, b7]),
        0x100..=0xffff => out.extend_from_slice(&[major | 25, b6, b7]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[major | 26, b4, b5, b6, b7]),
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Writes an unsigned integer.
#[inline]
pub fn put_uint(out: &mut Vec<u8>, value: u64) {
    head(out, UINT, value);
}

/// Writes a byte string.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    head(out, BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a text string.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Begins an array of that many items, which follow.
pub fn put_array(out: &mut Vec<u8>, items: u64) {
    head(out, ARRAY, items);
}

/// Begins a map of that many pairs, which follow; their keys must ascend.
#[inline]
pub fn put_map(out: &mut Vec<u8>, pairs: u64) {
    head(out, MAP, pairs);
}

/// Writes a map whose keys are numbers, in their order.
#[derive(Debug, Default)]
pub struct Pairs {
    count: u64,
    bytes: Vec<u8>,
}

impl Pairs {
    /// The next pair.
    pub fn put(&mut self, number: u64, write: impl FnOnce(&mut Vec<u8>)) {
        self.count += 1;
        put_uint(&mut self.bytes, number);
        write(&mut self.bytes);
    }

    /// The next pair, of an unsigned integer.
    pub fn uint(&mut self, number: u64, value: u64) {
        self.put(number, |out| put_uint(out, value));
    }

    /// The next pair, of a byte string.
    pub fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.put(number, |out| put_bytes(out, bytes));
    }

    /// The next pair, of a text string.
    pub fn text(&mut self, number: u64, text: &str) {
        self.put(number, |out| put_text(out, text));
    }

    /// The next pair, of an array; left out where that is empty.
    pub fn list<T>(&mut self, number: u64, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
        if !items.is_empty() {
            self.put(number, |out| {
                put_array(out, items.len() as u64);
                items.iter().for_each(|item| put(out, item));
            });
        }
    }

    /// Appends the map.
    pub fn finish_into(self, out: &mut Vec<u8>) {
        put_map(out, self.count);
        out.extend(self.bytes);
    }

    /// The map.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 9);
        self.finish_into(&mut out);
        out
    }
}

/// Reads deterministic CBOR from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CborError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CborError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn head(&mut self, major: u8) -> Result<u64, CborError> {
        let (&first, rest) = self.rest.split_first().ok_or(CborError::Truncated)?;
        if first >> 5 != major {
            return Err(CborError::Unexpected);
        }
        self.rest = rest;
        let (width, least) = match first & 31 {
            small @ 0..=23 => return Ok(u64::from(small)),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            // 28 to 30 are reserved, 31 is an indefinite length: neither is deterministic.
            _ => return Err(CborError::Unexpected),
        };
        let value = self.take(width)?.iter().fold(0, |value: u64, byte| (value << 8) | u64::from(*byte));
        if value < least { Err(CborError::NotShortest) } else { Ok(value) }
    }

    fn string(&mut self, major: u8) -> Result<&'a [u8], CborError> {
        let length = self.head(major)?;
        self.take(usize::try_from(length).map_err(|_| CborError::Truncated)?)
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// [`CborError`] when something else comes next.
    pub fn uint(&mut self) -> Result<u64, CborError> {
        self.head(UINT)
    }

    /// An unsigned integer of a narrower type.
    ///
    /// # Errors
    /// [`CborError`] when something else comes next; [`CborError::Range`] when it does not fit.
    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, CborError> {
        T::try_from(self.uint()?).map_err(|_| CborError::Range)
    }

    /// A byte string.
    ///
    /// # Errors
    /// [`CborError`] when something else comes next.
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        self.string(BYTES)
    }

    /// A byte string of that length.
    ///
    /// # Errors
    /// [`CborError`] when something else comes next; [`CborError::Range`] for another length.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        self.bytes()?.try_into().map_err(|_| CborError::Range)
    }

    /// A text string.
    ///
    /// # Errors
    /// [`CborError`] when something else comes next.
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        std::str::from_utf8(self.string(TEXT)?).map_err(|_| CborError::NotText)
    }

    /// The beginning of an array: how many items follow. The number is foreign: allocate nothing by it.
    ///
    /// # Errors
    /// [`CborError`] when something else comes next.
    pub fn array(&mut self) -> Result<u64, CborError> {
        self.head(ARRAY)
    }

    /// The beginning of a map: how many pairs follow. That their keys ascend is for the caller to check.
    ///
    /// # Errors
    /// [`CborError`] when something else comes next.
    pub fn map(&mut self) -> Result<u64, CborError> {
        self.head(MAP)
    }

    /// Is everything read?
    ///
    /// # Errors
    /// [`CborError::Trailing`] when bytes are left.
    pub fn end(&self) -> Result<(), CborError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CborError::Trailing) }
    }
}

/// Reads the map that these bytes are, and nothing else.
///
/// # Errors
/// [`MapError`] for what is no map, or has a field that `read` does not ask for; or what `read` says.
pub fn whole_map<'a, T, E: From<MapError>>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Fields<'_, 'a>) -> Result<T, E>,
) -> Result<T, E> {
    let mut reader = Reader::new(bytes);
    let value = next_map(&mut reader, read)?;
    reader.end().map_err(MapError::from)?;
    Ok(value)
}

/// Reads the map that comes next.
///
/// # Errors
/// As of [`whole_map`].
pub fn next_map<'a, T, E: From<MapError>>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Fields<'_, 'a>) -> Result<T, E>,
) -> Result<T, E> {
    let mut fields = Fields::open(reader)?;
    let value = read(&mut fields)?;
    fields.close()?;
    Ok(value)
}

/// For a field: a text that is a word of that type.
pub(crate) fn word<T: FromStr>(reader: &mut Reader<'_>) -> Result<T, MapError> {
    reader.text()?.parse().map_err(|_| MapError::Value)
}

/// For a field: a byte string of that length.
pub(crate) fn fixed<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], MapError> {
    Ok(reader.fixed()?)
}

/// For a field: an instant, in microseconds since 1970.
pub(crate) fn instant(reader: &mut Reader<'_>) -> Result<Timestamp, MapError> {
    Ok(Timestamp::from_micros(reader.uint()?))
}

/// For a field: a byte string.
pub(crate) fn bytes(reader: &mut Reader<'_>) -> Result<Vec<u8>, MapError> {
    Ok(reader.bytes()?.to_vec())
}

/// The fields of a map whose keys are numbers, asked for in their order.
#[derive(Debug)]
pub struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: u64,
    next: Option<u64>,
}

impl<'r, 'a> Fields<'r, 'a> {
    fn open(reader: &'r mut Reader<'a>) -> Result<Self, MapError> {
        let left = reader.map()?;
        let mut fields = Self { reader, left, next: None };
        fields.advance()?;
        Ok(fields)
    }

    fn advance(&mut self) -> Result<(), CborError> {
        self.next = match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(self.reader.uint()?)
            }
            None => None,
        };
        Ok(())
    }

    /// The field of that number, if it is there.
    ///
    /// # Errors
    /// What `read` says of its value, and [`MapError::Cbor`] when no key follows that is a number.
    pub fn find<T>(
        &mut self,
        number: u64,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, MapError>,
    ) -> Result<Option<T>, MapError> {
        if self.next != Some(number) {
            return Ok(None);
        }
        let value = read(self.reader)?;
        self.advance()?;
        Ok(Some(value))
    }

    /// The field of that number, which must be there.
    ///
    /// # Errors
    /// As of [`Self::find`], and [`MapError::Field`] where it is not.
    pub fn need<T>(
        &mut self,
        number: u64,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, MapError>,
    ) -> Result<T, MapError> {
        self.find(number, read)?.ok_or(MapError::Field(number))
    }

    /// The array of that number, of at most so many items; none where it is left out.
    ///
    /// # Errors
    /// As of [`Self::find`], and [`MapError::Value`] for more items.
    pub fn list<T>(
        &mut self,
        number: u64,
        most: usize,
        read: impl Fn(&mut Reader<'a>) -> Result<T, MapError>,
    ) -> Result<Vec<T>, MapError> {
        let items = self.find(number, |reader| {
            // The number is foreign.
            let count = reader.array()?;
            if count > most as u64 {
                return Err(MapError::Value);
            }
            (0..count).map(|_| read(reader)).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(items.unwrap_or_default())
    }

    /// Everything was asked for.
    fn close(self) -> Result<(), MapError> {
        self.next.map_or(Ok(()), |number| Err(MapError::Field(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_as_they_were_written_and_in_no_other_order() {
        let write = |numbers: &[u64]| {
            let mut pairs = Pairs::default();
            numbers.iter().for_each(|number| pairs.uint(*number, number + 100));
            pairs.finish()
        };
        let read = |bytes: &[u8]| {
            whole_map::<_, MapError>(bytes, |fields| {
                let first = fields.need(1, |reader| Ok(reader.uint()?))?;
                let second = fields.find(2, |reader| Ok(reader.uint()?))?;
                Ok((first, second))
            })
        };
        assert_eq!(read(&write(&[1, 2])), Ok((101, Some(102))));
        assert_eq!(read(&write(&[1])), Ok((101, None)));
        assert_eq!(read(&write(&[])), Err(MapError::Field(1)));
        assert_eq!(read(&write(&[2, 1])), Err(MapError::Field(1)));
        assert_eq!(read(&write(&[1, 1])), Err(MapError::Field(1)));
        assert_eq!(read(&write(&[1, 3])), Err(MapError::Field(3)));
        assert_eq!(read(&[&write(&[1])[..], &[0]].concat()), Err(MapError::Cbor(CborError::Trailing)));
        // A number of items that is not there, and one that is too large.
        let list = |bytes: &[u8]| {
            whole_map::<_, MapError>(bytes, |fields| fields.list(1, 2, |reader| Ok(reader.uint()?)))
        };
        let items = |items: &[u64]| {
            let mut pairs = Pairs::default();
            pairs.list(1, items, |out, item| put_uint(out, *item));
            pairs.finish()
        };
        assert_eq!((list(&items(&[7, 8])), list(&items(&[]))), (Ok(vec![7, 8]), Ok(vec![])));
        assert_eq!(list(&items(&[7, 8, 9])), Err(MapError::Value));
        assert_eq!(list(&[0xa1, 1, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255]), Err(MapError::Value));
    }

    #[test]
    fn heads_follow_rfc_8949_appendix_a() {
        for (value, bytes) in [
            (0, "00"),
            (23, "17"),
            (24, "1818"),
            (255, "18ff"),
            (256, "190100"),
            (1000, "1903e8"),
            (65_536, "1a00010000"),
            (1_000_000_000_000, "1b000000e8d4a51000"),
            (u64::MAX, "1bffffffffffffffff"),
        ] {
            let mut out = Vec::new();
            put_uint(&mut out, value);
            assert_eq!(crate::hash::to_hex(&out), bytes);
            let mut reader = Reader::new(&out);
            assert_eq!((reader.uint(), reader.end()), (Ok(value), Ok(())));
        }
    }

    #[test]
    fn longer_forms_are_refused() {
        for bytes in
            [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1b, 0, 0, 0, 0, 1, 0, 0, 0]]
        {
            assert_eq!(Reader::new(bytes).uint(), Err(CborError::NotShortest));
        }
        assert_eq!(Reader::new(&[0x1f]).uint(), Err(CborError::Unexpected));
        assert_eq!(
            Reader::new(&[0x5b, 255, 255, 255, 255, 255, 255, 255, 255]).bytes(),
            Err(CborError::Truncated)
        );
    }
}
