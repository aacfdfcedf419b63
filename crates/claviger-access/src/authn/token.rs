//! API tokens: `cvg_<credential, 32 hex>_<secret, 64 hex>_<checksum, 8 hex>`, lower case, 110 characters, one spelling each.

use claviger_core::CredentialId;
use claviger_crypto::{CryptoError, SecretBytes};

use super::bearer::{self, Wrong};

const PREFIX: &str = "cvg_";

/// A token in clear, as it is shown once to the one who asked for it. Wiped on drop; `Debug` shows nothing of it.
#[derive(Debug)]
pub struct Token(SecretBytes);

/// Text that is not a token, nor a code in the place of one. Says what is wrong, and nothing of what was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The checksum is that of another text: a character was lost or changed.
    #[error("the token's checksum does not fit: it was changed or cut on its way")]
    Checksum,
    /// Not of the form of a token.
    #[error("not a token: `cvg_` and 106 more characters are expected")]
    Malformed,
}

impl From<Wrong> for TokenError {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Checksum => Self::Checksum,
            Wrong::Form => Self::Malformed,
        }
    }
}

impl Token {
    /// Makes a token for a credential. Returns it with the digest to keep.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn generate(id: CredentialId) -> Result<(Self, [u8; 32]), CryptoError> {
        let (text, digest) = bearer::generate(PREFIX, id)?;
        Ok((Self(text), digest))
    }

    /// The text, in ASCII, for the one answer that shows it.
    #[must_use]
    pub fn into_text(self) -> SecretBytes {
        self.0
    }
}

/// The digest by which a presented token is looked up.
///
/// # Errors
/// [`TokenError`] when the text is not a token. No token that was issued here fails, and every other spelling does.
pub fn digest_of(text: &str) -> Result<[u8; 32], TokenError> {
    Ok(bearer::digest_of(PREFIX, text)?)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at the text that callers are shown")]
mod tests {
    use super::super::bearer::{REST_LEN, crc32};
    use super::*;

    fn fresh() -> (String, [u8; 32]) {
        let (token, digest) = Token::generate(CredentialId::from_bytes([0xAB; 16])).unwrap();
        (String::from_utf8(token.into_text().expose().to_vec()).unwrap(), digest)
    }

    #[test]
    fn token_names_its_credential_and_is_found_by_its_digest() {
        let (text, digest) = fresh();
        assert!(text.starts_with("cvg_abababababababababababababababab_"));
        assert_eq!(text.len(), PREFIX.len() + REST_LEN);
        assert_eq!(digest_of(&text), Ok(digest));
        assert_ne!(fresh().1, digest);
    }

    #[test]
    fn every_changed_sign_is_noticed() {
        let (text, _) = fresh();
        for at in 0..text.len() {
            for with in ["0", "1", "f", "F", "_", "g", " ", ""] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, with);
                assert!(changed == text || digest_of(&changed).is_err(), "{at} {with}");
            }
        }
    }

    #[test]
    fn only_the_one_spelling_is_a_token() {
        let (text, _) = fresh();
        let body = &text[..text.len() - 9];
        for bad in [
            "",
            "_",
            "cvg_",
            "cvg___",
            "cvg_ä_b_c",
            &text.to_uppercase(),
            &format!("{text} "),
            &format!(" {text}"),
            body,
        ] {
            assert!(digest_of(bad).is_err(), "{bad}");
        }
        let longer = format!("{body}00");
        assert_eq!(
            digest_of(&format!("{longer}_{:08x}", crc32(longer.as_bytes()))),
            Err(TokenError::Malformed)
        );
        assert_eq!(
            digest_of(&format!("{body}_+{:07x}", crc32(body.as_bytes()) >> 4)),
            Err(TokenError::Malformed)
        );
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let (token, _) = Token::generate(CredentialId::from_bytes([0xAB; 16])).unwrap();
        assert_eq!(format!("{token:?}"), "Token(SecretBytes(..))");
    }
}
