//! The sealed document of a software root: a few lines of text that say what they are.
//!
//! ```text
//! claviger insecure_software_root 1
//! For evaluation only: ...
//! unlock: passphrase pbkdf2-hmac-sha256 600000 <salt, hex>      or      unlock: key-file hkdf-sha256 <salt, hex>
//! sealed: <nonce, ciphertext and tag of AES-256-GCM, hex>
//! ```
//!
//! Everything before the last line is authenticated with it: version, method, iterations and the warning itself.

use std::num::NonZeroU32;

use claviger_crypto::{RecordKey, SecretBytes, kdf, random};

use super::{RootUnlock, SoftwareRootError};

/// Iterations of PBKDF2-HMAC-SHA256 for new documents.
const ITERATIONS: NonZeroU32 = match NonZeroU32::new(600_000) {
    Some(iterations) => iterations,
    None => NonZeroU32::MAX,
};
/// What an opened document may ask for: more would let a forged one stall the process.
const MAX_ITERATIONS: u32 = 10_000_000;
const SALT_LEN: usize = 32;
/// Longest document that is looked at.
const MAX_LEN: usize = 4096;

const TITLE: &str = "claviger insecure_software_root 1\n";
const WARNING: &str = "For evaluation only: this root is kept by software. \
    Whoever has this file and what unlocks it has every key under it.\n";
const SEALED: &str = "sealed: ";
const KEY_FILE_INFO: &[u8] = b"claviger/v1/software-root\0";

/// Seals `payload` so that `unlock` opens it.
#[expect(clippy::disallowed_methods, reason = "the provider seals its root")]
pub(super) fn seal(unlock: &RootUnlock, payload: &SecretBytes) -> Result<Vec<u8>, SoftwareRootError> {
    let method = Method::new(unlock)?;
    let head = format!("{TITLE}{WARNING}{}", method.line());
    let body =
        method.key(unlock)?.seal(head.as_bytes(), payload.expose()).map_err(|_| SoftwareRootError::Module)?;
    Ok(format!("{head}{SEALED}{}\n", hex::encode(body)).into_bytes())
}

/// Opens what [`seal`] made.
pub(super) fn open(document: &[u8], unlock: &RootUnlock) -> Result<SecretBytes, SoftwareRootError> {
    if document.len() > MAX_LEN {
        return Err(SoftwareRootError::NotADocument);
    }
    let text = std::str::from_utf8(document).map_err(|_| SoftwareRootError::NotADocument)?;
    let (head, sealed) = text.rsplit_once(SEALED).ok_or(SoftwareRootError::NotADocument)?;
    let rest = head.strip_prefix(TITLE).ok_or(SoftwareRootError::NotADocument)?;
    let line = rest.strip_prefix(WARNING).ok_or(SoftwareRootError::NotADocument)?;
    let method = Method::parse(line).ok_or(SoftwareRootError::NotADocument)?;
    let body = sealed.strip_suffix('\n').and_then(|digits| hex::decode(digits).ok());
    let body = body.ok_or(SoftwareRootError::NotADocument)?;
    method.key(unlock)?.open(head.as_bytes(), &body).map_err(|_| SoftwareRootError::WrongUnlock)
}

/// How the sealing key comes from what unlocks.
enum Method {
    KeyFile { salt: [u8; SALT_LEN] },
    Passphrase { iterations: NonZeroU32, salt: [u8; SALT_LEN] },
}

impl Method {
    fn new(unlock: &RootUnlock) -> Result<Self, SoftwareRootError> {
        let salt = random::array().map_err(|_| SoftwareRootError::Module)?;
        Ok(match unlock {
            RootUnlock::KeyFile(_) => Self::KeyFile { salt },
            RootUnlock::Passphrase(_) => Self::Passphrase { iterations: ITERATIONS, salt },
        })
    }

    fn line(&self) -> String {
        match self {
            Self::KeyFile { salt } => format!("unlock: key-file hkdf-sha256 {}\n", hex::encode(salt)),
            Self::Passphrase { iterations, salt } => {
                format!("unlock: passphrase pbkdf2-hmac-sha256 {iterations} {}\n", hex::encode(salt))
            }
        }
    }

    /// Reads what [`Method::line`] writes, and nothing else.
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.strip_suffix('\n')?.split(' ').collect();
        let salt_of = |digits: &str| <[u8; SALT_LEN]>::try_from(hex::decode(digits).ok()?).ok();
        let method = match *words {
            ["unlock:", "key-file", "hkdf-sha256", salt] => Self::KeyFile { salt: salt_of(salt)? },
            ["unlock:", "passphrase", "pbkdf2-hmac-sha256", iterations, salt] => {
                let iterations: NonZeroU32 = iterations.parse().ok()?;
                if !(ITERATIONS.get()..=MAX_ITERATIONS).contains(&iterations.get()) {
                    return None;
                }
                Self::Passphrase { iterations, salt: salt_of(salt)? }
            }
            _ => return None,
        };
        (method.line() == line).then_some(method)
    }

    fn key(&self, unlock: &RootUnlock) -> Result<RecordKey, SoftwareRootError> {
        let key = match (self, unlock) {
            (Self::KeyFile { salt }, RootUnlock::KeyFile(key)) => {
                kdf::hkdf_sha256(key, salt, &[KEY_FILE_INFO], 32).map_err(|_| SoftwareRootError::Module)?
            }
            (Self::Passphrase { iterations, salt }, RootUnlock::Passphrase(passphrase)) => {
                kdf::pbkdf2_hmac_sha256(passphrase, salt, *iterations, 32)
            }
            (Self::KeyFile { .. }, RootUnlock::Passphrase(_)) => return Err(SoftwareRootError::NeedsKeyFile),
            (Self::Passphrase { .. }, RootUnlock::KeyFile(_)) => {
                return Err(SoftwareRootError::NeedsPassphrase);
            }
        };
        RecordKey::new(&key).map_err(|_| SoftwareRootError::Module)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "looks for known key bytes in what is kept")]
    fn document_opens_to_its_payload_and_shows_none_of_it() {
        let unlock = RootUnlock::KeyFile(SecretBytes::new((0..32).collect()));
        let payload = SecretBytes::new((100..180).collect());
        let document = seal(&unlock, &payload).unwrap();
        assert!(open(&document, &unlock).unwrap().ct_eq(&payload));
        let text = String::from_utf8(document).unwrap();
        for part in payload.expose().windows(4) {
            assert!(!text.contains(&hex::encode(part)));
        }
        // A random salt and nonce: the same root is never sealed the same way twice.
        assert_ne!(seal(&unlock, &payload).unwrap(), text.into_bytes());
    }

    #[test]
    fn unlock_line_reads_back_in_one_spelling_only() {
        let line = Method::KeyFile { salt: [0xab; SALT_LEN] }.line();
        assert!(Method::parse(&line).is_some());
        assert!(Method::parse(&line.to_uppercase()).is_none());
        assert!(Method::parse(&line.replace("abab", "ABAB")).is_none());
        assert!(Method::parse(&line.replace(' ', "  ")).is_none());
        let line = Method::Passphrase { iterations: ITERATIONS, salt: [1; SALT_LEN] }.line();
        assert!(Method::parse(&line).is_some());
        assert!(Method::parse(&line.replace("600000", "0600000")).is_none());
        assert!(Method::parse(&line.replace("600000", "599999")).is_none());
    }
}
