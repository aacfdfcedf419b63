//! Aliases: other names of keys, unique in the deployment, that can move from one key to another.

use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;
use crate::{AliasId, KeyId, KeyName, KeyRingId};

/// The name of an alias: 1 to 250 characters of `a-z`, `A-Z`, `0-9`, `/`, `-`, `_`, not beginning with `aws/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AliasName(Box<str>);

/// Text that is not the name of an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an alias: 1 to 250 characters of a-z, A-Z, 0-9, `/`, `-`, `_` are expected, and a beginning other than `aws/`"
)]
pub struct NotAnAlias;

impl AliasName {
    /// Longest name, in bytes.
    pub const MAX_LEN: usize = 250;

    /// Names with this beginning belong to the services of AWS: nobody here may have them.
    pub const RESERVED: &str = "aws/";

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says, read as the full name of a key. Where a ring of that name exists it is no alias.
    #[must_use]
    pub fn as_key_name(&self) -> Option<KeyName> {
        self.0.parse().ok()
    }
}

impl FromStr for AliasName {
    type Err = NotAnAlias;

    fn from_str(text: &str) -> Result<Self, NotAnAlias> {
        let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_');
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        if !fits || !text.bytes().all(valid) || text.starts_with(Self::RESERVED) {
            return Err(NotAnAlias);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AliasName({})", self.0)
    }
}

/// For whom an alias names its key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum AliasScope {
    /// For every caller: an administrator made or moved it last.
    Deployment,
    /// For callers whose home is the ring of its key: an application made or moved it last.
    Ring,
}

crate::named! {
    /// Text that is not the scope of an alias.
    AliasScope, "the scope of an alias" {
        Deployment = "deployment",
        Ring = "ring",
    }
}

/// Another name of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Its identifier: of this alias, and of none that bears the name after it is gone.
    pub id: AliasId,
    /// The name, which one alias of the deployment bears at a time.
    pub name: AliasName,
    /// For whom it names the key.
    pub scope: AliasScope,
    /// The key that it names now.
    pub key: KeyId,
    /// That key's ring.
    pub ring: KeyRingId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last moved; when it was made, if it never did.
    pub updated_at: Timestamp,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Alias {
    /// Most aliases of one key.
    pub const MOST_OF_A_KEY: u32 = 50;

    /// The one ring at home in which a caller must be for the alias to name a key to it; `None` for every caller.
    #[must_use]
    pub const fn only_for(&self) -> Option<KeyRingId> {
        match self.scope {
            AliasScope::Deployment => None,
            AliasScope::Ring => Some(self.ring),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_parsed_on_arrival() {
        for good in ["a", "Orders/2026_x-1", "aws", "awsx/y", "x/aws/", "/", &"a".repeat(250)] {
            assert!(good.parse::<AliasName>().is_ok(), "{good}");
        }
        for bad in ["", "aws/", "aws/ebs", "alias:x", "a.b", "ä", "a b", &"a".repeat(251)] {
            assert_eq!(bad.parse::<AliasName>(), Err(NotAnAlias), "{bad}");
        }
    }
}
