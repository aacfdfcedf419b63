//! HMAC (FIPS 198-1), HKDF (RFC 5869, SP 800-56C) and PBKDF2 (SP 800-132) with SHA-256, for keys and tags of the
//! system itself.
//!
//! Keys of callers are used through [`crate::ReadyKey`].
#![expect(clippy::disallowed_methods, reason = "algorithm body: derives from and with secrets")]

use core::num::NonZeroU32;

use aws_lc_rs::{hkdf, hmac, pbkdf2};

use crate::{CryptoError, SecretBytes};

/// Longest output of HKDF-SHA256: 255 blocks of 32 bytes (RFC 5869, section 2.3).
pub const HKDF_MAX_OUTPUT: usize = 255 * 32;

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA256: `len` bytes from `secret`, separated by `salt` and the concatenation of `info`.
///
/// Boundaries within `info` are not encoded: frame the parts where two splits could collide.
///
/// # Errors
/// [`CryptoError::InputTooLarge`] if `len` exceeds [`HKDF_MAX_OUTPUT`].
pub fn hkdf_sha256(
    secret: &SecretBytes,
    salt: &[u8],
    info: &[&[u8]],
    len: usize,
) -> Result<SecretBytes, CryptoError> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret.expose());
    let okm = prk.expand(info, OutputLength(len)).map_err(|_| CryptoError::InputTooLarge)?;
    let mut out = SecretBytes::zeroed(len);
    okm.fill(out.expose_mut()).map_err(CryptoError::module)?;
    Ok(out)
}

/// PBKDF2-HMAC-SHA256: `len` bytes from a passphrase (SP 800-132, RFC 8018 section 5.2). Slow by design: some tenths
/// of a second at 600 000 iterations.
#[must_use]
pub fn pbkdf2_hmac_sha256(
    passphrase: &SecretBytes,
    salt: &[u8],
    iterations: NonZeroU32,
    len: usize,
) -> SecretBytes {
    let mut out = SecretBytes::zeroed(len);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, passphrase.expose(), out.expose_mut());
    out
}

/// HMAC-SHA256 of the concatenation of `parts` under a secret key of any length.
#[must_use]
pub fn hmac_sha256(key: &SecretBytes, parts: &[&[u8]]) -> [u8; 32] {
    HmacSha256::new(key).tag(parts)
}

/// An HMAC-SHA256 key with its key schedule done, for many tags: tokens, pseudonyms, context digests.
pub struct HmacSha256(hmac::Key);

impl HmacSha256 {
    /// Takes a secret of any length; at least 32 bytes keep the full strength.
    #[must_use]
    pub fn new(key: &SecretBytes) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The tag of the concatenation of `parts`. Boundaries are not hashed: frame the parts where that matters.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        out
    }

    /// The tag of a secret, behind `parts` of fixed length: to know it again without keeping it.
    #[must_use]
    pub fn tag_of_secret(&self, parts: &[&[u8]], secret: &SecretBytes) -> [u8; 32] {
        self.tag(&[parts, &[secret.expose()]].concat())
    }

    /// The first half of the tag: 16 bytes (SP 800-107, 5.3.3), for where an attacker can only try them one by one.
    #[must_use]
    pub fn half(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(self.tag(parts)) {
            *to = from;
        }
        half
    }

    /// Checks the first half of a tag in constant time.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if it is not that of `parts`, whatever its length.
    pub fn verify_half(&self, parts: &[&[u8]], half: &[u8]) -> Result<(), CryptoError> {
        if crate::secret::ct_eq(&self.half(parts), half) { Ok(()) } else { Err(CryptoError::Failed) }
    }

    /// Checks a full-length tag in constant time.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if the tag is not the one of `parts`.
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> Result<(), CryptoError> {
        if crate::secret::ct_eq(&self.tag(parts), tag) { Ok(()) } else { Err(CryptoError::Failed) }
    }
}

impl core::fmt::Debug for HmacSha256 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HmacSha256(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_matches_rfc_5869_test_case_1() {
        let salt: Vec<u8> = (0..13).collect();
        let info: Vec<u8> = (0xf0..0xfa).collect();
        let okm = hkdf_sha256(&SecretBytes::new(vec![0x0b; 22]), &salt, &[&info], 42).unwrap();
        assert_eq!(
            hex::encode(okm.expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn hkdf_output_is_bounded() {
        let secret = SecretBytes::new(vec![1; 32]);
        assert!(hkdf_sha256(&secret, b"", &[], HKDF_MAX_OUTPUT).is_ok());
        assert_eq!(
            hkdf_sha256(&secret, b"", &[], HKDF_MAX_OUTPUT + 1).unwrap_err(),
            CryptoError::InputTooLarge
        );
    }

    #[test]
    fn pbkdf2_matches_the_vectors_of_rfc_7914() {
        let cases: [(&[u8], &[u8], u32, &str); 2] = [
            (b"passwd", b"salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
            (
                b"Password",
                b"NaCl",
                80_000,
                "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
            ),
        ];
        for (passphrase, salt, iterations, expected) in cases {
            let key = pbkdf2_hmac_sha256(
                &SecretBytes::copied_from(passphrase),
                salt,
                NonZeroU32::new(iterations).unwrap(),
                32,
            );
            assert_eq!(hex::encode(key.expose()), expected);
        }
    }

    #[test]
    fn hmac_matches_rfc_4231_test_case_2() {
        let tag = hmac_sha256(&SecretBytes::new(b"Jefe".to_vec()), &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex::encode(tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn truncated_tag_is_refused() {
        let key = HmacSha256::new(&SecretBytes::new(vec![9; 32]));
        let tag = key.tag(&[b"data"]);
        assert!(key.verify(&[b"da", b"ta"], &tag).is_ok());
        assert_eq!(key.verify(&[b"data"], &tag[..31]), Err(CryptoError::Failed));
        assert_eq!(key.verify(&[b"dat"], &tag), Err(CryptoError::Failed));
    }
}
