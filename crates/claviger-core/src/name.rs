//! Names that people give to rings, keys and principals. A name once used is bound to its identifier for ever.

use std::fmt;
use std::str::FromStr;

/// One name: 1 to 63 characters of `a-z`, `0-9`, `-`, `_`, `.`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

/// Text that is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a name: 1 to 63 characters of a-z, 0-9, `-`, `_`, `.` are expected, the first a letter or digit"
)]
pub struct NotAName;

impl Name {
    /// Longest name, in bytes.
    pub const MAX_LEN: usize = 63;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !starts_well || text.len() > Self::MAX_LEN || !text.bytes().all(valid) {
            return Err(NotAName);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}

/// A key's full name, `ring/key`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KeyName {
    /// The ring's name.
    pub ring: Name,
    /// The key's name within the ring.
    pub key: Name,
}

impl FromStr for KeyName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (ring, key) = text.split_once('/').ok_or(NotAName)?;
        Ok(Self { ring: ring.parse()?, key: key.parse()? })
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ring, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_on_arrival() {
        for good in ["a", "0", "orders-2026", "x.y_z", &"a".repeat(63)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", ".", "A", "ä", "a b", "a/b", &"a".repeat(64)] {
            assert_eq!(bad.parse::<Name>(), Err(NotAName), "{bad}");
        }
        assert_eq!("r/k".parse::<KeyName>().unwrap().to_string(), "r/k");
        assert!("r/k/x".parse::<KeyName>().is_err());
    }
}
