//! The form that secrets of bearers have: `<prefix>_<credential, 32 hex>_<secret, 64 hex>_<checksum, 8 hex>`, lower case, one spelling
//! each. The prefix says what it is: what one of them may be taken for, no other one is.
//!
//! The prefix and the checksum let secret scanners recognize one that leaked without asking anyone; the credential's
//! identifier shows its owner which one to revoke. The secret has 256 bits, so one SHA-256 of the whole text is kept
//! and looked up: a slow password hash would protect nothing more (NIST SP 800-63B, 5.1.2.2, look-up secrets).

use claviger_core::CredentialId;
use claviger_crypto::{CryptoError, SecretBytes, digest::sha256, random};
use zeroize::{Zeroize, Zeroizing};

const ID_LEN: usize = 32;
const SECRET_LEN: usize = 64;
const CHECKSUM_LEN: usize = 8;
/// What all of it has behind its prefix.
pub(super) const REST_LEN: usize = ID_LEN + 1 + SECRET_LEN + 1 + CHECKSUM_LEN;

/// Text that is not of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The checksum is that of another text.
    Checksum,
    /// Not of the form.
    Form,
}

/// Makes one for a credential. Returns it with the digest to keep.
///
/// # Errors
/// When the random generator fails.
pub(super) fn generate(prefix: &str, id: CredentialId) -> Result<(SecretBytes, [u8; 32]), CryptoError> {
    let mut secret = Zeroizing::new([0; SECRET_LEN / 2]);
    random::fill(secret.as_mut_slice())?;
    // Room for all of it from the start: a text that grows leaves copies of itself behind.
    let mut text = String::with_capacity(prefix.len() + REST_LEN);
    text.push_str(prefix);
    push_hex(&mut text, id.as_bytes());
    text.push('_');
    push_hex(&mut text, secret.as_slice());
    let checksum = crc32(text.as_bytes());
    text.push('_');
    push_hex(&mut text, &checksum.to_be_bytes());
    let digest = sha256(text.as_bytes());
    Ok((SecretBytes::new(text.into_bytes()), digest))
}

/// The digest by which one that is presented is looked up. No text that was made here fails, and every other spelling does.
///
/// # Errors
/// [`Wrong`].
pub(super) fn digest_of(prefix: &str, text: &str) -> Result<[u8; 32], Wrong> {
    let (body, checksum) = text.rsplit_once('_').ok_or(Wrong::Form)?;
    let rest = body.strip_prefix(prefix).ok_or(Wrong::Form)?;
    let (id, secret) = rest.split_once('_').ok_or(Wrong::Form)?;
    if !is_hex(id, ID_LEN) || !is_hex(secret, SECRET_LEN) || !is_hex(checksum, CHECKSUM_LEN) {
        return Err(Wrong::Form);
    }
    if u32::from_str_radix(checksum, 16) != Ok(crc32(body.as_bytes())) {
        return Err(Wrong::Checksum);
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
pub(super) fn crc32(bytes: &[u8]) -> u32 {
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
mod tests {
    use super::*;

    #[test]
    fn checksum_is_the_one_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
