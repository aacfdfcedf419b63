//! New access keys. Each has one answer that shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_core::AccessKeyId;
use claviger_crypto::{CryptoError, SecretBytes, random};
use zeroize::Zeroizing;

use super::session_digest_of;

/// 264 bits: 44 characters of base64. AWS KMS takes secrets of 43 to 64 characters for an external key store, and no shorter ones.
const SECRET_BYTES: usize = 33;
/// 384 bits: 64 characters.
const SESSION_BYTES: usize = 48;

/// An access key in clear, as it is shown once to the one who asked for it. Wiped on drop; `Debug` shows its identifier.
#[derive(Debug)]
pub struct NewAccessKey {
    /// Its identifier.
    pub id: AccessKeyId,
    /// The secret, 44 characters in ASCII.
    pub secret: SecretBytes,
    /// The session token of a short-lived one, 64 characters in ASCII.
    pub session_token: Option<SecretBytes>,
}

impl NewAccessKey {
    /// Makes an access key; `short_lived` for one that goes with a session token.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn generate(short_lived: bool) -> Result<Self, CryptoError> {
        Ok(Self {
            id: AccessKeyId::random(short_lived)?,
            secret: text::<SECRET_BYTES>()?,
            session_token: short_lived.then(text::<SESSION_BYTES>).transpose()?,
        })
    }

    /// The digest to keep of its session token.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the token goes into its digest and nowhere else")]
    pub fn session_digest(&self) -> Option<[u8; 32]> {
        self.session_token.as_ref().map(|token| session_digest_of(token.expose()))
    }
}

/// `N` random bytes in base64 (RFC 4648, section 4); `N` is a multiple of three, so that there is no padding.
fn text<const N: usize>() -> Result<SecretBytes, CryptoError> {
    let mut drawn = Zeroizing::new([0; N]);
    random::fill(drawn.as_mut_slice())?;
    let mut text = SecretBytes::zeroed(N / 3 * 4);
    STANDARD.encode_slice(drawn.as_slice(), text.expose_mut()).map_err(|_| CryptoError::Failed)?;
    Ok(text)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at what is shown")]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_key_has_a_secret_of_44_signs_and_no_session() {
        let made = NewAccessKey::generate(false).unwrap();
        assert!(!made.id.is_short_lived() && made.session_token.is_none() && made.session_digest().is_none());
        assert_eq!(STANDARD.decode(made.secret.expose()).unwrap().len(), 33);
        assert_eq!(made.secret.len(), 44);
        assert!(!NewAccessKey::generate(false).unwrap().secret.ct_eq(&made.secret));
    }

    #[test]
    fn a_short_lived_key_goes_with_a_session_token() {
        let made = NewAccessKey::generate(true).unwrap();
        assert!(made.id.is_short_lived());
        let token = made.session_token.as_ref().unwrap();
        assert_eq!(STANDARD.decode(token.expose()).unwrap().len(), 48);
        assert_eq!(made.session_digest(), Some(session_digest_of(token.expose())));
    }

    #[test]
    fn debug_shows_the_identifier_alone() {
        let made = NewAccessKey::generate(true).unwrap();
        let shown = format!("{made:?}");
        assert!(shown.contains(made.id.as_str()));
        let secret = String::from_utf8(made.secret.expose().to_vec()).unwrap();
        assert!(!shown.contains(&secret) && shown.contains("SecretBytes(..)"));
    }
}
