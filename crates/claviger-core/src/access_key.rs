//! Access keys: the identifier that goes in clear with each request, and what is kept of the secret that signs it.

use std::fmt;
use std::str::FromStr;

use claviger_crypto::{CryptoError, random};

/// The identifier of an access key: `AKIA`, or `ASIA` for one that is short-lived, and 16 characters of base32 (RFC 4648, 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKeyId([u8; Self::LEN]);

/// Text that is not the identifier of an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an access key id: `AKIA` or `ASIA` and 16 characters of A-Z, 2-7 are expected")]
pub struct NotAnAccessKeyId;

/// What an access key is kept as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The identifier that its requests name.
    pub id: AccessKeyId,
    /// The secret, sealed by the root for this credential: opaque to everyone but the provider.
    pub sealed_secret: Vec<u8>,
    /// Digest of the session token that goes with a short-lived one.
    pub session_digest: Option<[u8; 32]>,
}

const LASTING: [u8; 4] = *b"AKIA";
const SHORT_LIVED: [u8; 4] = *b"ASIA";
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl AccessKeyId {
    /// Number of characters.
    pub const LEN: usize = 20;

    /// A new identifier from the module's random generator; `short_lived` for one that is valid with a session token only.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn random(short_lived: bool) -> Result<Self, CryptoError> {
        let mut id = [0; Self::LEN];
        let prefix = if short_lived { SHORT_LIVED } else { LASTING };
        let drawn = random::array::<{ Self::LEN - 4 }>()?;
        // A byte has a whole number of alphabets, so that each character is as likely as any other.
        let characters = drawn.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
        for (to, character) in id.iter_mut().zip(prefix.iter().chain(characters)) {
            *to = *character;
        }
        Ok(Self(id))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // ASCII by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Is it valid with a session token only?
    #[must_use]
    pub fn is_short_lived(&self) -> bool {
        self.0.starts_with(&SHORT_LIVED)
    }
}

impl FromStr for AccessKeyId {
    type Err = NotAnAccessKeyId;

    fn from_str(text: &str) -> Result<Self, NotAnAccessKeyId> {
        let id: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| NotAnAccessKeyId)?;
        let starts_well = id.starts_with(&LASTING) || id.starts_with(&SHORT_LIVED);
        if !starts_well || !id.iter().all(|character| ALPHABET.contains(character)) {
            return Err(NotAnAccessKeyId);
        }
        Ok(Self(id))
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_spelling_and_shows_how_long_it_lives() {
        for short_lived in [false, true] {
            let id = AccessKeyId::random(short_lived).unwrap();
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.is_short_lived(), short_lived);
            assert_ne!(AccessKeyId::random(short_lived).unwrap(), id);
        }
        for bad in ["", "AKIA", "AKIAIOSFODNN7EXAMPL", "AKIAIOSFODNN7EXAMPLEA", "AKIAIOSFODNN1EXAMPLE"] {
            assert_eq!(bad.parse::<AccessKeyId>(), Err(NotAnAccessKeyId), "{bad}");
        }
        assert!("AKIAIOSFODNN7EXAMPLE".parse::<AccessKeyId>().is_ok());
        assert!("akiaiosfodnn7example".parse::<AccessKeyId>().is_err());
    }

    #[test]
    fn every_sign_of_the_alphabet_turns_up_in_every_place() {
        let mut seen = vec![std::collections::BTreeSet::new(); AccessKeyId::LEN];
        for _ in 0..2000 {
            let id = AccessKeyId::random(false).unwrap();
            seen.iter_mut().zip(id.0).for_each(|(seen, character)| {
                seen.insert(character);
            });
        }
        assert!(seen[4..].iter().all(|characters| characters.len() == ALPHABET.len()));
    }
}
