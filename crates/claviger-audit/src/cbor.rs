//! The part of CBOR that the log uses, in core deterministic encoding (RFC 8949, 4.2.1): unsigned integers, byte and
//! text strings, arrays and maps of definite length. The reader takes nothing that the writer would not write, so that
//! each value has one encoding and each hash one preimage.

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

#[cfg(test)]
mod tests {
    use super::*;

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
