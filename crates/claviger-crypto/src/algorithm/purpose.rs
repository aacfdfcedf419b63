//! What a key is for. One key, one purpose, fixed at creation (SP 800-57 part 1, 5.2).

use core::fmt;
use core::str::FromStr;

/// The one thing a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Derive a shared secret with a peer's public key.
    Agree,
    /// Encapsulate and decapsulate shared secrets.
    Encapsulate,
    /// Encrypt and decrypt data.
    Encrypt,
    /// Make and check message authentication codes.
    Mac,
    /// Make and check signatures.
    Sign,
    /// Wrap and unwrap other keys.
    Wrap,
}

impl Purpose {
    /// All purposes, in the order of their names.
    pub const ALL: [Self; 6] =
        [Self::Agree, Self::Encapsulate, Self::Encrypt, Self::Mac, Self::Sign, Self::Wrap];

    /// The stable name: `encrypt`, `wrap`, `sign`, `mac`, `agree`, `encapsulate`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Encapsulate => "encapsulate",
            Self::Encrypt => "encrypt",
            Self::Mac => "mac",
            Self::Sign => "sign",
            Self::Wrap => "wrap",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no [`Purpose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown key purpose")]
pub struct UnknownPurpose;

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == text).ok_or(UnknownPurpose)
    }
}
