//! Material: how the bytes of a key are made, and how foreign bytes become material.
//!
//! Symmetric material is the raw key. Asymmetric material is one canonical `PrivateKeyInfo` (PKCS #8, RFC 5208)
//! per key: `ECPrivateKey` with public key for curves, the seed for Ed25519, X25519 (RFC 8410) and ML-DSA
//! (RFC 9881), the expanded key for ML-KEM (RFC 9935), `RSAPrivateKey` for RSA.
#![expect(clippy::disallowed_methods, reason = "algorithm body: parses imported material")]

use super::{Purpose, ReadyKey, Spec, ec, ed25519, encoding, hmac, ml_dsa, ml_kem, rsa, x25519};
use crate::random::RandomSource;
use crate::{CryptoError, SecretBytes};

/// The bytes of one key.
#[derive(Debug)]
pub struct Material {
    /// The secret part: raw for symmetric specs, PKCS #8 for the others.
    pub secret: SecretBytes,
    /// `SubjectPublicKeyInfo` in DER (RFC 5280); `None` for symmetric specs. ML-KEM and ML-DSA keys are the
    /// FIPS 203 and 204 encodings inside it (RFC 9935, RFC 9881).
    pub public: Option<Vec<u8>>,
}

/// Whether [`generate`] draws every secret bit of such a key from the given source. Where not (RSA primes,
/// ML-KEM keys), the module's own DRBG makes the key whatever the source: the module offers no other way.
#[must_use]
pub const fn seeds_from_source(spec: Spec) -> bool {
    !matches!(
        spec,
        Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096 | Spec::MlKem512 | Spec::MlKem768 | Spec::MlKem1024
    )
}

/// Makes a new key. An RSA key takes up to seconds: not on a thread that others wait for.
///
/// # Errors
/// [`CryptoError::Module`] if the source or the module cannot deliver.
pub fn generate(spec: Spec, source: &mut dyn RandomSource) -> Result<Material, CryptoError> {
    let secret = match spec {
        Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096 => rsa::generate(spec)?,
        Spec::EcP256 | Spec::EcP384 | Spec::EcP521 | Spec::EcSecp256k1 => ec::generate(spec, source)?,
        Spec::Ed25519 => ed25519::generate(source)?,
        Spec::X25519 => x25519::generate(source)?,
        Spec::MlKem512 | Spec::MlKem768 | Spec::MlKem1024 => ml_kem::generate(spec)?,
        Spec::MlDsa44 | Spec::MlDsa65 | Spec::MlDsa87 => ml_dsa::generate(spec, source)?,
        Spec::Aes256Gcm
        | Spec::Aes128Gcm
        | Spec::Aes256Kwp
        | Spec::HmacSha224
        | Spec::HmacSha256
        | Spec::HmacSha384
        | Spec::HmacSha512 => {
            let mut secret = SecretBytes::zeroed(spec.symmetric_len().ok_or(CryptoError::UnsupportedSpec)?);
            source.fill(secret.expose_mut())?;
            secret
        }
    };
    complete(spec, secret)
}

/// Whether material of `spec` may come from elsewhere. Not ML-KEM and ML-DSA, whose forms of private keys are many and do
/// not lead to one another.
#[must_use]
pub const fn is_importable(spec: Spec) -> bool {
    !matches!(
        spec,
        Spec::MlKem512 | Spec::MlKem768 | Spec::MlKem1024 | Spec::MlDsa44 | Spec::MlDsa65 | Spec::MlDsa87
    )
}

/// Turns foreign bytes into material: raw bytes for symmetric specs, else a private key in PKCS #8, or in
/// SEC 1 (RFC 5915) for curves, or PKCS #1 for RSA. The result is canonical, whatever form came in: with or without the public
/// point, and that compressed or not. An HMAC key is at least as long as a tag, and no longer than a block.
///
/// # Errors
/// [`CryptoError::Malformed`] if the bytes are not a valid key of `spec`.
pub fn import(spec: Spec, bytes: &SecretBytes) -> Result<Material, CryptoError> {
    let der = bytes.expose();
    if spec.is_asymmetric() {
        encoding::whole_sequence(der)?;
    }
    if spec.allows(Purpose::Mac) && !hmac::is_valid_len(spec, der.len()) {
        return Err(CryptoError::Malformed);
    }
    let secret = match spec {
        Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096 => rsa::import(spec, der)?,
        Spec::EcP256 | Spec::EcP384 | Spec::EcP521 | Spec::EcSecp256k1 => ec::import(spec, der)?,
        Spec::Ed25519 => ed25519::import(der)?,
        Spec::MlDsa44 | Spec::MlDsa65 | Spec::MlDsa87 => ml_dsa::import(spec, der)?,
        Spec::X25519
        | Spec::MlKem512
        | Spec::MlKem768
        | Spec::MlKem1024
        | Spec::Aes256Gcm
        | Spec::Aes128Gcm
        | Spec::Aes256Kwp
        | Spec::HmacSha224
        | Spec::HmacSha256
        | Spec::HmacSha384
        | Spec::HmacSha512 => SecretBytes::copied_from(der),
    };
    complete(spec, secret)
}

/// Material of an elliptic curve in the form in which it came: with or without its public point, and that compressed or not. So
/// an older release kept it, which by this is known again. `None` where [`import`] always gave one form.
#[must_use]
pub fn import_as_it_came(spec: Spec, bytes: &SecretBytes) -> Option<SecretBytes> {
    match spec {
        Spec::EcP256 | Spec::EcP384 | Spec::EcP521 | Spec::EcSecp256k1 => {
            ec::import_as_it_came(spec, bytes.expose()).ok()
        }
        _ => None,
    }
}

/// Parses the material once, which validates it and yields the public key.
fn complete(spec: Spec, secret: SecretBytes) -> Result<Material, CryptoError> {
    let public = ReadyKey::from_material(spec, &secret)?.public_key().map(<[u8]>::to_vec);
    Ok(Material { secret, public })
}
