//! API tokens: `cvg_<credential, 32 hex>_<secret, 64 hex>_<checksum, 8 hex>`, lower case, 110 characters, one spelling each.
//!
//! The prefix and the checksum let secret scanners recognize a leaked token without asking anyone; the credential's
//! identifier shows its owner which one to revoke. The secret has 256 bits, so one SHA-256 of the whole text is kept
//! and looked up: a slow password hash would protect nothing more (NIST SP 800-63B, 5.1.2.2, look-up secrets).

use claviger_core::CredentialId;
use claviger_crypto::{CryptoError, SecretBytes, digest::sha256, random};
use zeroize::{Zeroize, Zeroizing};

const PREFIX: &str = "cvg_";
const ID_LEN: usize = 32;
const SECRET_LEN: usize = 64;
const CHECKSUM_LEN: usize = 8;
const LEN: usize = PREFIX.len() + ID_LEN + 1 + SECRET_LEN + 1 + CHECKSUM_LEN;

/// A token in clear, as it is shown once to the one who asked for it. Wiped on drop; `Debug` shows nothing of it.
#[derive(Debug)]
pub struct Token(SecretBytes);

/// Text that is not a token. Says what is wrong, and nothing of what was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The checksum is that of another text: a character was lost or changed.
    #[error("the token's checksum does not fit: it was changed or cut on its way")]
    Checksum,
    /// Not of the form of a token.
    #[error("not a token: `cvg_` and 106 more characters are expected")]
    Malformed,
}

impl Token {
    /// Makes a token for a credential. Returns it with the digest to keep.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn generate(id: CredentialId) -> Result<(Self, [u8; 32]), CryptoError> {
        let mut secret = Zeroizing::new([0; SECRET_LEN / 2]);
        random::fill(secret.as_mut_slice())?;
        // Room for all of it from the start: a text that grows leaves copies of itself behind.
        let mut text = String::with_capacity(LEN);
        text.push_str(PREFIX);
        push_hex(&mut text, id.as_bytes());
        text.push('_');
        push_hex(&mut text, secret.as_slice());
        let checksum = crc32(text.as_bytes());
        text.push('_');
        push_hex(&mut text, &checksum.to_be_bytes());
        let digest = sha256(text.as_bytes());
        Ok((Self(SecretBytes::new(text.into_bytes())), digest))
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
    let (body, checksum) = text.rsplit_once('_').ok_or(TokenError::Malformed)?;
    let (id, secret) =
        body.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(TokenError::Malformed)?;
    if !is_hex(id, ID_LEN) || !is_hex(secret, SECRET_LEN) || !is_hex(checksum, CHECKSUM_LEN) {
        return Err(TokenError::Malformed);
    }
    if u32::from_str_radix(checksum, 16) != Ok(crc32(body.as_bytes())) {
        return Err(TokenError::Checksum);
    }
    Ok(sha256(text.as_bytes()))
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    let mut digits = hex::encode(bytes);
    text.push_str(&digits);
    digits.zeroize();
}

/// CRC-32 of ISO-HDLC (as in zlib, reflected 0x04C11DB7). It finds slips of the hand; it authenticates nothing.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let at = usize::from(crc.to_le_bytes()[0] ^ byte);
        CRC_TABLE.get(at).copied().unwrap_or_default() ^ (crc >> 8)
    })
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    let mut entry = 0_u32;
    let mut rest: &mut [u32] = &mut table;
    while let Some((slot, tail)) = rest.split_first_mut() {
        let mut crc = entry;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        *slot = crc;
        rest = tail;
        entry += 1;
        at += 1;
    }
    assert!(at == 256, "the table has an entry for each byte");
    table
};

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at the text that callers are shown")]
mod tests {
    use super::*;

    fn fresh() -> (String, [u8; 32]) {
        let (token, digest) = Token::generate(CredentialId::from_bytes([0xAB; 16])).unwrap();
        (String::from_utf8(token.into_text().expose().to_vec()).unwrap(), digest)
    }

    #[test]
    fn checksum_is_the_one_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn token_names_its_credential_and_is_found_by_its_digest() {
        let (text, digest) = fresh();
        assert!(text.starts_with("cvg_abababababababababababababababab_"));
        assert_eq!(text.len(), LEN);
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
