//! The encryption context: string pairs that a caller names when encrypting and must name again, exactly, when
//! decrypting. Authenticated, never stored.
//!
//! Canonical bytes: nothing for the empty context; else the number of pairs, then for each pair, in ascending
//! order of the key's bytes, `length || key || length || value`, all numbers as two bytes big endian. Two
//! contexts have equal bytes exactly if they hold equal pairs.

use core::fmt;

use crate::{CryptoError, digest};

/// Most pairs in one context.
pub const MAX_PAIRS: usize = 512;
/// Longest canonical form in bytes.
pub const MAX_BYTES: usize = 8 * 1024;

const DIGEST_LABEL: &[u8] = b"claviger/context/v1\0";

/// An encryption context in canonical form. The empty context allocates nothing.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Context(Vec<u8>);

impl Context {
    /// The context without pairs.
    pub const EMPTY: Self = Self(Vec::new());

    /// Makes a context from pairs in any order.
    ///
    /// # Errors
    /// [`CryptoError::InvalidParameter`] for an empty or repeated key; [`CryptoError::InputTooLarge`] beyond
    /// [`MAX_PAIRS`] or [`MAX_BYTES`].
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, CryptoError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        // One pair too many is enough to refuse: an endless iterator must not fill the memory.
        let mut pairs: Vec<(K, V)> = pairs.into_iter().take(MAX_PAIRS + 1).collect();
        if pairs.is_empty() {
            return Ok(Self::EMPTY);
        }
        if pairs.len() > MAX_PAIRS {
            return Err(CryptoError::InputTooLarge);
        }
        pairs.sort_by(|(a, _), (b, _)| a.as_ref().as_bytes().cmp(b.as_ref().as_bytes()));
        let repeated =
            pairs.iter().zip(pairs.iter().skip(1)).any(|((a, _), (b, _))| a.as_ref() == b.as_ref());
        if repeated || pairs.iter().any(|(key, _)| key.as_ref().is_empty()) {
            return Err(CryptoError::InvalidParameter);
        }
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&length(pairs.len())?);
        for (key, value) in &pairs {
            for text in [key.as_ref(), value.as_ref()] {
                bytes.extend_from_slice(&length(text.len())?);
                bytes.extend_from_slice(text.as_bytes());
                if bytes.len() > MAX_BYTES {
                    return Err(CryptoError::InputTooLarge);
                }
            }
        }
        Ok(Self(bytes))
    }

    /// Reads canonical bytes back.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] for any other bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, CryptoError> {
        if bytes.is_empty() {
            return Ok(Self::EMPTY);
        }
        if bytes.len() > MAX_BYTES {
            return Err(CryptoError::Malformed);
        }
        let (count, mut rest) = bytes.split_first_chunk().ok_or(CryptoError::Malformed)?;
        let mut pairs = Vec::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let (key, tail) = take_text(rest).ok_or(CryptoError::Malformed)?;
            let (value, tail) = take_text(tail).ok_or(CryptoError::Malformed)?;
            pairs.push((key, value));
            rest = tail;
        }
        // What it holds, encoded again, must be what came in: order, uniqueness, counts and tail in one check.
        let context = Self::from_pairs(pairs).map_err(|_| CryptoError::Malformed)?;
        if context.0 == bytes { Ok(context) } else { Err(CryptoError::Malformed) }
    }

    /// The canonical bytes, as they enter the additional authenticated data.
    #[must_use]
    pub fn to_aad(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs in ascending order of their keys.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = self.0.get(2..).unwrap_or_default();
        core::iter::from_fn(move || {
            let (key, tail) = take_text(rest)?;
            let (value, tail) = take_text(tail)?;
            rest = tail;
            Some((key, value))
        })
    }

    /// The value under `key`.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&str> {
        self.pairs().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// SHA-256 over a label and the canonical bytes. Guessable contexts have guessable digests: where that
    /// matters, take [`crate::kdf::HmacSha256`] over [`Context::to_aad`].
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest::sha256_parts(&[DIGEST_LABEL, &self.0])
    }
}

/// Contexts may name people: only the number of pairs is shown.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} pairs)", self.pairs().count())
    }
}

fn length(len: usize) -> Result<[u8; 2], CryptoError> {
    u16::try_from(len).map(u16::to_be_bytes).map_err(|_| CryptoError::InputTooLarge)
}

fn take_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    Some((core::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_naming_does_not_matter() {
        let one = Context::from_pairs([("b", "2"), ("a", "1")]).unwrap();
        let two = Context::from_pairs([("a", "1"), ("b", "2")]).unwrap();
        assert_eq!(one, two);
        assert_eq!(hex::encode(one.to_aad()), "00020001610001310001620001 32".replace(' ', ""));
        assert_eq!(one.pairs().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(one.find("b"), Some("2"));
        assert_eq!(one.find("c"), None);
    }

    #[test]
    fn shifted_boundaries_are_another_context() {
        let one = Context::from_pairs([("ab", "c")]).unwrap();
        let two = Context::from_pairs([("a", "bc")]).unwrap();
        assert_ne!(one.to_aad(), two.to_aad());
        assert_ne!(one.digest(), two.digest());
    }

    #[test]
    fn empty_context_is_nothing() {
        let empty = Context::from_pairs([] as [(&str, &str); 0]).unwrap();
        assert_eq!(empty, Context::EMPTY);
        assert_eq!(empty.to_aad(), b"");
        assert_ne!(Context::from_pairs([("a", "")]).unwrap(), empty);
    }

    #[test]
    fn limits_hold() {
        assert_eq!(Context::from_pairs([("a", "1"), ("a", "2")]), Err(CryptoError::InvalidParameter));
        assert_eq!(Context::from_pairs([("", "1")]), Err(CryptoError::InvalidParameter));
        let many = |n: usize| Context::from_pairs((0..n).map(|i| (format!("k{i}"), "v")));
        assert!(many(MAX_PAIRS).is_ok());
        assert_eq!(many(MAX_PAIRS + 1), Err(CryptoError::InputTooLarge));
        let long = |n: usize| Context::from_pairs([("k", "v".repeat(n))]);
        assert!(long(MAX_BYTES - 7).is_ok());
        assert_eq!(long(MAX_BYTES - 6), Err(CryptoError::InputTooLarge));
        assert_eq!(Context::from_pairs(std::iter::repeat(("k", "v"))), Err(CryptoError::InputTooLarge));
    }

    #[test]
    fn only_canonical_bytes_parse() {
        let good = Context::from_pairs([("a", "1"), ("b", "2")]).unwrap();
        assert_eq!(Context::parse(good.to_aad()), Ok(good.clone()));
        for bad in [
            "0000",
            "000100",
            "00010001610001",
            "000200016200013200016100013 1",
            "0001000161000131ff",
            "00010001ff000131",
        ] {
            let bytes = hex::decode(bad.replace(' ', "")).unwrap();
            assert_eq!(Context::parse(&bytes), Err(CryptoError::Malformed), "{bad}");
        }
        assert_eq!(format!("{good:?}"), "Context(2 pairs)");
    }
}
