//! Uses of a key by an external key store of AWS KMS, where initialization vector, ciphertext and tag travel apart and a few
//! bytes of ours, the metadata, go with them.
//!
//! Metadata: `format (1 byte) || version (4, big endian) || head of the nonce (12, or none)`. The initialization vector is
//! the last 12 bytes of the nonce: the whole nonce is longer where the key derives a key for each message from it.
//!
//! Authenticated: `label || length (2) || additional data || length (1) || format || version`. The head of the nonce is
//! authenticated by being the nonce. The label keeps what is sealed here apart from direct ciphertexts of the same key.

use std::fmt;

use bytes::Bytes;
use claviger_core::port::provider::{Process, Protect};
use claviger_core::{Action, KeyId, Purpose, Spec};
use claviger_crypto::EncryptionAlgorithm;
use claviger_crypto::digest::sha256_parts;
use claviger_crypto::envelope::Context;

use super::seal::does_not_open;
use super::{KeyContext, KeyUse, bytes, secret, unexpected};
use crate::error::{ErrorKind, ServiceError};

/// Most additional data, in bytes.
pub const MOST_XKS_AAD: usize = 8192;

const LABEL: &[u8] = b"claviger/xks/aead/v1\0";
/// The one form of metadata so far.
const FORMAT: u8 = 1;
const FIXED_LEN: usize = 5;
const IV_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// Longest head of a nonce.
const HEAD_LEN: usize = 12;

/// What was sealed, in parts. They may have come from anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XksParts {
    /// As long as the plaintext.
    pub ciphertext: Bytes,
    /// The initialization vector.
    pub iv: Vec<u8>,
    /// What of ours goes with it.
    pub metadata: Vec<u8>,
    /// The authentication tag.
    pub tag: Vec<u8>,
}

impl XksParts {
    /// Takes a sealed body apart: nonce, ciphertext as long as the plaintext, tag.
    fn split(body: &[u8], plaintext_len: usize, fixed: [u8; FIXED_LEN]) -> Option<Self> {
        let nonce_len = body.len().checked_sub(plaintext_len)?.checked_sub(TAG_LEN)?;
        let (nonce, sealed) = body.split_at_checked(nonce_len)?;
        let (ciphertext, tag) = sealed.split_at_checked(plaintext_len)?;
        let (head, iv) = nonce.split_at_checked(nonce.len().checked_sub(IV_LEN)?)?;
        (head.is_empty() || head.len() == HEAD_LEN).then(|| Self {
            ciphertext: Bytes::copy_from_slice(ciphertext),
            iv: iv.to_vec(),
            metadata: [&fixed, head].concat(),
            tag: tag.to_vec(),
        })
    }

    /// Version, the fixed part of the metadata, and the body as it was sealed; `None` for what was never sealed here.
    fn join(&self) -> Option<(u32, [u8; FIXED_LEN], Vec<u8>)> {
        let (fixed, head) = self.metadata.split_first_chunk::<FIXED_LEN>()?;
        let [format, version @ ..] = *fixed;
        let valid = format == FORMAT
            && (head.is_empty() || head.len() == HEAD_LEN)
            && self.iv.len() == IV_LEN
            && self.tag.len() == TAG_LEN;
        let body = || [head, &self.iv, &self.ciphertext, &self.tag].concat();
        valid.then(|| (u32::from_be_bytes(version), *fixed, body()))
    }

    /// The digest by which AWS KMS makes sure that all of it arrived as it was sealed.
    fn integrity(&self, aad: &[u8]) -> [u8; 32] {
        sha256_parts(&[aad, &self.metadata, &self.iv, &self.ciphertext, &self.tag])
    }
}

fn fixed(version: u32) -> [u8; FIXED_LEN] {
    let [a, b, c, d] = version.to_be_bytes();
    [FORMAT, a, b, c, d]
}

/// What is authenticated beside the ciphertext.
fn authenticated(aad: &[u8], fixed: [u8; FIXED_LEN]) -> Result<Vec<u8>, ServiceError> {
    let too_long = || {
        let message = format!("at most {MOST_XKS_AAD} bytes of additional data are authenticated");
        ServiceError::new(ErrorKind::TooLarge, message)
    };
    let len = u16::try_from(aad.len()).ok().filter(|_| aad.len() <= MOST_XKS_AAD).ok_or_else(too_long)?;
    let fixed_len = u8::try_from(FIXED_LEN).map_err(|_| too_long())?;
    Ok([LABEL, &len.to_be_bytes(), aad, &[fixed_len], &fixed].concat())
}

/// The value of the field of that name in the additional data. AWS KMS writes the encryption context of its caller there:
/// `name=value`, joined by commas. What is written otherwise has no fields, and a value that is no text is an empty one.
fn field<'a>(aad: &'a [u8], name: &str) -> Option<&'a str> {
    let value = |pair: &'a [u8]| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
    let value = aad.split(|byte| *byte == b',').find_map(value)?;
    Some(std::str::from_utf8(value).unwrap_or_default())
}

impl KeyContext<'_> {
    async fn open_parts(&self, parts: &XksParts, aad: &[u8]) -> Result<XksOpened, ServiceError> {
        let (version, fixed, body) = parts.join().ok_or_else(does_not_open)?;
        let aad = authenticated(aad, fixed)?;
        let chosen = self.processing(version).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => does_not_open(),
            _ => error,
        })?;
        let how = Process::Open { algorithm: EncryptionAlgorithm::SymmetricDefault, body: &body, aad: &aad };
        Ok(XksOpened { plaintext: secret(self.process(&chosen, how).await?)?, version })
    }
}

struct XksOpened {
    plaintext: claviger_crypto::SecretBytes,
    version: u32,
}

/// Something that was sealed for an external key store.
#[derive(Debug)]
pub struct XksSealed {
    /// Its parts.
    pub parts: XksParts,
    /// The digest over additional data and parts, if it was to be proved that they open.
    pub integrity: Option<[u8; 32]>,
    /// The key.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

/// Seals data for an external key store.
pub struct XksEncrypt {
    /// The data.
    pub plaintext: Bytes,
    /// What is authenticated with it.
    pub aad: Vec<u8>,
    /// What AWS KMS says of the call that it serves; conditions of grants are held against it.
    pub request: Context,
    /// Prove that it opens before it is given out? The caller must then be one who may open it.
    pub prove: bool,
}

impl fmt::Debug for XksEncrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XksEncrypt").field("prove", &self.prove).finish_non_exhaustive()
    }
}

impl XksEncrypt {
    async fn seal(&self, at: &KeyContext<'_>) -> Result<(XksParts, KeyId, u32), ServiceError> {
        let protecting = at.protecting()?;
        let id = protecting.version().id;
        let fixed = fixed(id.number);
        let aad = authenticated(&self.aad, fixed)?;
        let how = Protect::Seal {
            algorithm: EncryptionAlgorithm::SymmetricDefault,
            plaintext: &self.plaintext,
            aad: &aad,
            out: Vec::with_capacity(self.plaintext.len() + HEAD_LEN + IV_LEN + TAG_LEN),
        };
        let body = bytes(at.protect(protecting, how).await?)?;
        let parts = XksParts::split(&body, self.plaintext.len(), fixed).ok_or_else(unexpected)?;
        Ok((parts, id.key, id.number))
    }

    /// Opens what is to be given out, and compares.
    async fn opens(&self, at: &KeyContext<'_>, parts: &XksParts) -> Result<(), ServiceError> {
        let opened = at.open_parts(parts, &self.aad).await?;
        if opened.plaintext.ct_eq_bytes(&self.plaintext) {
            return Ok(());
        }
        Err(ServiceError::new(ErrorKind::Internal, "what was sealed does not open; nothing was given out"))
    }
}

impl KeyUse for XksEncrypt {
    type Output = XksSealed;
    const ACTION: Action = Action::Encrypt;
    const PURPOSE: Purpose = Purpose::Encrypt;

    fn context(&self) -> &Context {
        &self.request
    }

    fn field(&self, name: &str) -> Option<&str> {
        field(&self.aad, name)
    }

    fn input_len(&self) -> usize {
        self.plaintext.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(XksSealed, u32), ServiceError> {
        at.is_of(Some(Spec::Aes256Gcm))?;
        if self.prove
            && let Some(reason) = at.view.hindrance(Action::Decrypt, &self.request).await?
        {
            return Err(ServiceError::denied_by(reason));
        }
        let (parts, key, version) = self.seal(at).await?;
        // The digest comes first: what changes after it was taken no longer opens, or no longer has it.
        let integrity = self.prove.then(|| parts.integrity(&self.aad));
        if self.prove {
            self.opens(at, &parts).await?;
        }
        Ok((XksSealed { parts, integrity, key, version }, version))
    }
}

/// Opens data for an external key store.
#[derive(Debug)]
pub struct XksDecrypt {
    /// What was sealed.
    pub parts: XksParts,
    /// What was authenticated with it.
    pub aad: Vec<u8>,
    /// What AWS KMS says of the call that it serves; conditions of grants are held against it.
    pub request: Context,
}

impl KeyUse for XksDecrypt {
    type Output = super::Opened;
    const ACTION: Action = Action::Decrypt;
    const PURPOSE: Purpose = Purpose::Encrypt;

    fn context(&self) -> &Context {
        &self.request
    }

    fn field(&self, name: &str) -> Option<&str> {
        field(&self.aad, name)
    }

    fn input_len(&self) -> usize {
        self.parts.ciphertext.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(super::Opened, u32), ServiceError> {
        at.is_of(Some(Spec::Aes256Gcm))?;
        let XksOpened { plaintext, version } = at.open_parts(&self.parts, &self.aad).await?;
        Ok((super::Opened { plaintext, key: at.key_id()?, version }, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(nonce_len: usize, plaintext_len: usize) -> Vec<u8> {
        (0..nonce_len + plaintext_len + TAG_LEN).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn parts_of_both_kinds_of_nonce_go_together_again() {
        for (nonce_len, metadata_len) in [(12, 5), (24, 17)] {
            let body = body(nonce_len, 40);
            let parts = XksParts::split(&body, 40, fixed(7)).unwrap();
            assert_eq!((parts.iv.len(), parts.ciphertext.len(), parts.tag.len()), (12, 40, 16));
            assert_eq!(parts.metadata.len(), metadata_len);
            assert_eq!(parts.join(), Some((7, fixed(7), body)));
        }
        assert_eq!(XksParts::split(&body(16, 40), 40, fixed(1)), None);
        assert_eq!(XksParts::split(&[0; 20], 40, fixed(1)), None);
    }

    #[test]
    fn parts_of_another_form_were_never_sealed_here() {
        let good = XksParts::split(&body(24, 8), 8, fixed(1)).unwrap();
        for edit in [
            (|parts| parts.metadata.clear()) as fn(&mut XksParts),
            |parts| parts.metadata[0] = 2,
            |parts| parts.metadata.push(0),
            |parts| parts.metadata.truncate(9),
            |parts| parts.iv.push(0),
            |parts| parts.iv.extend([0; 4]),
            |parts| parts.tag.truncate(12),
        ] {
            let mut parts = good.clone();
            edit(&mut parts);
            assert_eq!(parts.join(), None, "{parts:?}");
        }
    }

    #[test]
    fn additional_data_and_metadata_cannot_be_taken_for_each_other() {
        let one = authenticated(b"ab", fixed(1)).unwrap();
        assert_ne!(one, authenticated(b"abc", fixed(1)).unwrap());
        assert_ne!(authenticated(b"", fixed(1)).unwrap(), authenticated(&fixed(1), fixed(1)).unwrap());
        assert!(authenticated(&[0; MOST_XKS_AAD], fixed(1)).is_ok());
        assert_eq!(authenticated(&[0; MOST_XKS_AAD + 1], fixed(1)).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn fields_are_those_of_the_callers_context() {
        let aad = b"project=nile,department=marketing";
        assert_eq!(field(aad, "project"), Some("nile"));
        assert_eq!(field(aad, "department"), Some("marketing"));
        for name in ["nile", "proj", "roject", "project=nile", "department=marketing,", ""] {
            assert_eq!(field(aad, name), None, "{name}");
        }
        assert_eq!((field(b"", "project"), field(b"project", "project")), (None, None));
        assert_eq!((field(b"project=", "project"), field(b"project=\xff", "project")), (Some(""), Some("")));
    }

    /// The bytes of hexadecimal text.
    fn of(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn integrity_value_is_that_of_the_published_example() {
        let parts = XksParts {
            ciphertext: of("821c642b5b71783367deaf18").into(),
            iv: of("1ccae5470f39700254779031"),
            metadata: b"key_version=1".to_vec(),
            tag: of("bc1c4dda7707d6812447c5955e99b261"),
        };
        let integrity = parts.integrity(b"project=nile,department=marketing");
        assert_eq!(
            integrity.to_vec(),
            of("a8703f2260bd8791ec2d15ea0b23e65a0631eedcf2a13a65cc82db3f47cf5ec7")
        );
    }
}
