//! Enrolment codes: `cve_<credential, 32 hex>_<secret, 64 hex>_<checksum, 8 hex>`, in the form that tokens have under another prefix.
//!
//! A code is good for one thing: its owner redeems it, once, for a certificate for a key of their own. It is presented as a bearer
//! presents a token, and is never taken for one.

use claviger_core::CredentialId;
use claviger_crypto::{CryptoError, SecretBytes};

use super::bearer;
use super::token::TokenError;

const PREFIX: &str = "cve_";

/// A code in clear, as it is shown once to the one who asked for it. Wiped on drop; `Debug` shows nothing of it.
#[derive(Debug)]
pub struct EnrolmentCode(SecretBytes);

impl EnrolmentCode {
    /// Makes a code for a credential. Returns it with the digest to keep.
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

/// Does a text say that it is a code?
pub(super) fn claims_to_be(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The digest by which a presented code is looked up.
///
/// # Errors
/// [`TokenError`] when the text is not a code.
pub(super) fn digest_of(text: &str) -> Result<[u8; 32], TokenError> {
    Ok(bearer::digest_of(PREFIX, text)?)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at the text that callers are shown")]
mod tests {
    use super::super::{Presented, token};
    use super::*;

    fn fresh() -> (String, [u8; 32]) {
        let (code, digest) = EnrolmentCode::generate(CredentialId::from_bytes([0xAB; 16])).unwrap();
        (String::from_utf8(code.into_text().expose().to_vec()).unwrap(), digest)
    }

    #[test]
    fn a_code_names_its_credential_and_is_found_by_its_digest() {
        let (text, digest) = fresh();
        assert!(text.starts_with("cve_abababababababababababababababab_"));
        assert_eq!(text.len(), PREFIX.len() + bearer::REST_LEN);
        assert_eq!(digest_of(&text), Ok(digest));
        assert_ne!(fresh().1, digest);
        let (code, _) = EnrolmentCode::generate(CredentialId::from_bytes([0xAB; 16])).unwrap();
        assert_eq!(format!("{code:?}"), "EnrolmentCode(SecretBytes(..))");
    }

    #[test]
    fn a_code_is_never_taken_for_a_token_nor_a_token_for_a_code() {
        let (code, of_code) = fresh();
        let (made, of_token) = token::Token::generate(CredentialId::from_bytes([0xAB; 16])).unwrap();
        let token = String::from_utf8(made.into_text().expose().to_vec()).unwrap();
        assert_eq!(Presented::bearer(&code), Ok(Presented::EnrolmentCode { digest: of_code }));
        assert_eq!(Presented::bearer(&token), Ok(Presented::Token { digest: of_token }));
        assert!(Presented::token(&code).is_err() && digest_of(&token).is_err());
        // Under the other prefix it is neither: the checksum is over the prefix as well.
        let as_token = code.replacen("cve_", "cvg_", 1);
        assert_eq!(Presented::bearer(&as_token), Err(TokenError::Checksum));
        let as_code = token.replacen("cvg_", "cve_", 1);
        assert_eq!(Presented::bearer(&as_code), Err(TokenError::Checksum));
        for bad in ["", "cve_", "cve", "cvf_abc", &code.to_uppercase(), &format!("{code} ")] {
            assert!(Presented::bearer(bad).is_err(), "{bad}");
        }
    }
}
