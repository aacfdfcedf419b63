//! RSA (RFC 8017; FIPS 186-5, section 5): signatures, PSS and PKCS #1 v1.5, or decryption, OAEP with SHA-256 or SHA-1.
//! Material: `PrivateKeyInfo` with an `RSAPrivateKey` (RFC 5208).
//!
//! The primes always come from the module's own generator. PKCS #1 v1.5 decryption is absent on purpose: its
//! padding oracle has no safe use here.

mod public;

pub(crate) use public::RsaPublicKey;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{self, KeyPair as _, RsaEncoding};
use zeroize::Zeroizing;

use super::{EncryptionAlgorithm, Message, Purpose, SignatureAlgorithm, Spec};
use crate::{CryptoError, SecretBytes};

pub(crate) const SHA1_LEN: usize = 20;
pub(crate) const SHA256_LEN: usize = 32;

/// Longest OAEP plaintext in bytes for a modulus of `bits`: k - 2 hLen - 2 (RFC 8017, 7.1.1).
pub(crate) const fn max_plaintext(bits: usize, hash_len: usize) -> usize {
    bits / 8 - 2 * hash_len - 2
}

/// The module's OAEP with the length of its hash. MGF1 goes with the same hash, and the label is empty.
fn oaep(algorithm: EncryptionAlgorithm) -> Result<(&'static OaepAlgorithm, usize), CryptoError> {
    match algorithm {
        EncryptionAlgorithm::RsaOaepSha1 => Ok((&OAEP_SHA1_MGF1SHA1, SHA1_LEN)),
        EncryptionAlgorithm::RsaOaepSha256 => Ok((&OAEP_SHA256_MGF1SHA256, SHA256_LEN)),
        EncryptionAlgorithm::SymmetricDefault => Err(CryptoError::InvalidParameter),
    }
}

pub(crate) fn modulus_bits(spec: Spec) -> Result<usize, CryptoError> {
    match spec {
        Spec::Rsa2048 => Ok(2048),
        Spec::Rsa3072 => Ok(3072),
        Spec::Rsa4096 => Ok(4096),
        _ => Err(CryptoError::UnsupportedSpec),
    }
}

pub(crate) fn generate(spec: Spec) -> Result<SecretBytes, CryptoError> {
    let size = match spec {
        Spec::Rsa2048 => KeySize::Rsa2048,
        Spec::Rsa3072 => KeySize::Rsa3072,
        Spec::Rsa4096 => KeySize::Rsa4096,
        _ => return Err(CryptoError::UnsupportedSpec),
    };
    to_material(&KeyPair::generate(size).map_err(CryptoError::module)?)
}

pub(crate) fn import(spec: Spec, der: &[u8]) -> Result<SecretBytes, CryptoError> {
    let pair = KeyPair::from_pkcs8(der).or_else(|_| KeyPair::from_der(der))?;
    check_public(spec, &pair)?;
    to_material(&pair)
}

fn to_material(pair: &KeyPair) -> Result<SecretBytes, CryptoError> {
    Ok(SecretBytes::copied_from(pair.as_der().map_err(CryptoError::module)?.as_ref()))
}

/// The modulus has exactly the bits of the spec and the exponent is acceptable.
fn check_public(spec: Spec, pair: &KeyPair) -> Result<(), CryptoError> {
    let public = pair.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero();
    let full = modulus.first().is_some_and(|top| top & 0x80 != 0);
    if !full || modulus.len() * 8 != modulus_bits(spec)? {
        return Err(CryptoError::Malformed);
    }
    // FIPS 186-5, 5.4: 2^16 < e < 2^256, e odd (the module checks that it is odd).
    let exponent = public.exponent().big_endian_without_leading_zero();
    if (3..=32).contains(&exponent.len()) { Ok(()) } else { Err(CryptoError::Malformed) }
}

/// A private key, parsed for what it is used for.
pub(crate) struct RsaKey {
    bits: usize,
    sign: Option<KeyPair>,
    decrypt: Option<OaepPrivateDecryptingKey>,
    spki: Vec<u8>,
}

impl RsaKey {
    /// `purpose` of `None` makes the key ready for both purposes that RSA has.
    pub(crate) fn parse(spec: Spec, purpose: Option<Purpose>, material: &[u8]) -> Result<Self, CryptoError> {
        let pair = KeyPair::from_pkcs8(material)?;
        check_public(spec, &pair)?;
        // The module's parser is lenient at the end; material has one form only.
        if !to_material(&pair)?.ct_eq_bytes(material) {
            return Err(CryptoError::Malformed);
        }
        let spki = pair.public_key().as_der().map_err(CryptoError::module)?.as_ref().to_vec();
        let decrypt = if purpose.is_none_or(|p| p == Purpose::Encrypt) {
            let key = PrivateDecryptingKey::from_pkcs8(material)?;
            Some(OaepPrivateDecryptingKey::new(key).map_err(CryptoError::module)?)
        } else {
            None
        };
        let sign = purpose.is_none_or(|p| p == Purpose::Sign).then_some(pair);
        Ok(Self { bits: modulus_bits(spec)?, sign, decrypt, spki })
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        self.spki.clone()
    }

    pub(crate) fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        let pair = self.sign.as_ref().ok_or(CryptoError::UnsupportedSpec)?;
        let padding = padding(algorithm)?;
        let mut out = vec![0; pair.public_modulus_len()];
        match message {
            Message::Raw(bytes) => pair.sign(padding, &SystemRandom::new(), bytes, &mut out),
            Message::Digest(bytes) => pair.sign_digest(padding, &algorithm.import_digest(bytes)?, &mut out),
        }
        .map_err(CryptoError::module)?;
        Ok(out)
    }

    pub(crate) fn decrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        let (oaep, _) = oaep(algorithm)?;
        let key = self.decrypt.as_ref().ok_or(CryptoError::UnsupportedSpec)?;
        if ciphertext.len() * 8 != self.bits {
            return Err(CryptoError::Failed);
        }
        let mut out = Zeroizing::new(vec![0; key.min_output_size()]);
        let len = key.decrypt(oaep, ciphertext, &mut out, None).map_err(CryptoError::failed)?.len();
        out.truncate(len);
        Ok(SecretBytes::new(core::mem::take(&mut *out)))
    }
}

fn padding(algorithm: SignatureAlgorithm) -> Result<&'static dyn RsaEncoding, CryptoError> {
    match algorithm {
        SignatureAlgorithm::RsaPssSha256 => Ok(&signature::RSA_PSS_SHA256),
        SignatureAlgorithm::RsaPssSha384 => Ok(&signature::RSA_PSS_SHA384),
        SignatureAlgorithm::RsaPssSha512 => Ok(&signature::RSA_PSS_SHA512),
        SignatureAlgorithm::RsaPkcs1Sha256 => Ok(&signature::RSA_PKCS1_SHA256),
        SignatureAlgorithm::RsaPkcs1Sha384 => Ok(&signature::RSA_PKCS1_SHA384),
        SignatureAlgorithm::RsaPkcs1Sha512 => Ok(&signature::RSA_PKCS1_SHA512),
        _ => Err(CryptoError::InvalidParameter),
    }
}
