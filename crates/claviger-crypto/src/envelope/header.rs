//! The clear, authenticated header of a direct ciphertext. It names the key and version, so that opening needs
//! no key id from the caller.
//!
//! ```text
//! offset  length  field
//!      0       3  magic "CLV"
//!      3       1  format, 1
//!      4       2  spec code, big endian
//!      6       2  flags, all zero
//!      8      16  key id
//!     24       4  key version, big endian
//!     28       …  body
//! ```

use crate::{CryptoError, Spec};

const MAGIC: &[u8; 3] = b"CLV";
const FORMAT: u8 = 1;
const FLAGS: u16 = 0;

/// Length of an encoded header in bytes.
pub const HEADER_LEN: usize = 28;

/// Which key a direct ciphertext was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// The key's spec.
    pub spec: Spec,
    /// The key's id.
    pub key_id: [u8; 16],
    /// The number of the key version.
    pub version: u32,
}

impl Header {
    /// The encoded header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let (spec, flags, version) =
            (self.spec.code().to_be_bytes(), FLAGS.to_be_bytes(), self.version.to_be_bytes());
        let mut rest = out.as_mut_slice();
        for field in [MAGIC.as_slice(), &[FORMAT], &spec, &flags, &self.key_id, &version] {
            let (place, after) = rest.split_at_mut(field.len());
            place.copy_from_slice(field);
            rest = after;
        }
        out
    }

    /// Appends the encoded header to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.encode());
    }

    /// Splits a direct ciphertext into its header and body. The header is not yet authenticated: opening the body
    /// does that.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] for anything but a header of this format with a known spec and no flags.
    pub fn parse(ciphertext: &[u8]) -> Result<(Self, &[u8]), CryptoError> {
        let rest = ciphertext.strip_prefix(MAGIC).ok_or(CryptoError::Malformed)?;
        let (&[format], rest) = rest.split_first_chunk().ok_or(CryptoError::Malformed)?;
        let (code, rest) = rest.split_first_chunk().ok_or(CryptoError::Malformed)?;
        let (flags, rest) = rest.split_first_chunk().ok_or(CryptoError::Malformed)?;
        let (key_id, rest) = rest.split_first_chunk().ok_or(CryptoError::Malformed)?;
        let (version, body) = rest.split_first_chunk().ok_or(CryptoError::Malformed)?;
        if format != FORMAT || u16::from_be_bytes(*flags) != FLAGS {
            return Err(CryptoError::Malformed);
        }
        let spec = Spec::from_code(u16::from_be_bytes(*code)).ok_or(CryptoError::Malformed)?;
        Ok((Self { spec, key_id: *key_id, version: u32::from_be_bytes(*version) }, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { spec: Spec::Aes256Gcm, key_id: *b"0123456789abcdef", version: 7 }
    }

    #[test]
    fn layout_is_fixed() {
        assert_eq!(
            hex::encode(header().encode()),
            "434c5601010100003031323334353637383961626364656600000007"
        );
    }

    #[test]
    fn parsing_returns_header_and_body() {
        let mut bytes = Vec::new();
        header().encode_into(&mut bytes);
        bytes.extend_from_slice(b"body");
        assert_eq!(Header::parse(&bytes), Ok((header(), &b"body"[..])));
    }

    #[test]
    fn unknown_magic_format_flags_and_specs_are_refused() {
        let good = header().encode();
        for (offset, value) in [(0, b'X'), (3, 2), (4, 0x7f), (5, 0), (6, 1), (7, 0x80)] {
            let mut bad = good;
            bad[offset] = value;
            assert_eq!(Header::parse(&bad), Err(CryptoError::Malformed), "offset {offset}");
        }
        for len in 0..HEADER_LEN {
            assert_eq!(Header::parse(&good[..len]), Err(CryptoError::Malformed), "length {len}");
        }
    }
}
