//! The hash functions of the log, and nothing else of the library behind them.

use aws_lc_rs::{digest, hkdf, hmac};
use zeroize::Zeroizing;

/// A SHA-256 digest (FIPS 180-4).
pub type Hash = [u8; 32];

/// What is up to this long is hashed in one call from the stack; nearly everything is.
const SHORT: usize = 256;

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    take(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-256 of `prefix || bytes`.
pub(crate) fn sha256_prefixed(prefix: u8, bytes: &[u8]) -> Hash {
    sha256_parts(&[&[prefix], bytes])
}

/// A key of HMAC-SHA-256 (RFC 2104) for many tags.
pub(crate) struct HmacKey(hmac::Key);

impl HmacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The tag over the concatenation of `parts`.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> Hash {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        take(context.sign().as_ref())
    }
}

/// HMAC-SHA-256 (RFC 2104) over the concatenation of `parts`.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Hash {
    HmacKey::new(key).tag(parts)
}

/// SHA-256 over the concatenation of `parts`.
pub(crate) fn sha256_parts(parts: &[&[u8]]) -> Hash {
    let mut short = [0_u8; SHORT];
    let mut length = 0;
    for part in parts {
        let end = length + part.len();
        match short.get_mut(length..end) {
            Some(room) => room.copy_from_slice(part),
            None => return sha256_streamed(parts),
        }
        length = end;
    }
    sha256(short.get(..length).unwrap_or_default())
}

fn sha256_streamed(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    take(context.finish().as_ref())
}

/// HKDF-SHA-256 (RFC 5869) without salt, to 32 bytes. `None` if the library refuses, which it does not for this length.
pub(crate) fn hkdf_sha256(secret: &[u8; 32], info: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut out = Zeroizing::new([0_u8; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .ok()?;
    Some(out)
}

/// Do both hold the same bytes? In time that depends on the lengths alone.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

fn take(bytes: &[u8]) -> Hash {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(bytes) {
        *to = *from;
    }
    hash
}

/// Lower-case hexadecimal.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
        }
    }
    text
}

/// Reads `N` bytes of lower-case hexadecimal; nothing else is taken.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (to, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = *pair else { return None };
        *to = (digit(high)? << 4) | digit(low)?;
    }
    Some(bytes)
}

/// Standard base64 with padding (RFC 4648, section 4).
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Reads standard base64, canonical only: padding present, unused bits zero.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// Reads a decimal number without sign or leading zeros.
pub(crate) fn from_decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    let minimal = text == "0" || !text.starts_with('0');
    if digits && minimal { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Either side of the length up to which the parts are copied together, the hash is that of all of them.
    #[test]
    fn hash_of_parts_is_that_of_their_concatenation() {
        for length in [0, 1, SHORT - 2, SHORT - 1, SHORT, 4 * SHORT] {
            let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
            let whole = [&[7], bytes.as_slice()].concat();
            assert_eq!(sha256_prefixed(7, &bytes), sha256(&whole), "{length} bytes");
            let (first, second) = bytes.split_at(length / 3);
            assert_eq!(sha256_parts(&[first, &[], second]), sha256(&bytes), "{length} bytes in parts");
        }
    }
}
