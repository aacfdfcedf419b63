//! Public keys: verify, encrypt and encapsulate offline, without any secret.

use core::fmt;

use aws_lc_rs::kem::EncapsulationKey;
use aws_lc_rs::signature::{self, ParsedPublicKey};

use super::rsa::RsaPublicKey;
use super::{
    Encapsulated, EncryptionAlgorithm, Message, SignatureAlgorithm, Spec, ec, encoding, ml_dsa, ml_kem,
};
use crate::CryptoError;

/// A parsed public key, ready for use by many threads at once.
pub struct PublicKey {
    spec: Spec,
    spki: Vec<u8>,
    inner: Inner,
}

enum Inner {
    /// Nothing to compute with: the private side agrees.
    AgreementOnly,
    MlKem(EncapsulationKey),
    Rsa(RsaPublicKey),
    Verifying(ParsedPublicKey),
}

impl PublicKey {
    /// Parses a `SubjectPublicKeyInfo` in DER. Only the canonical encoding is taken: named curve, uncompressed
    /// point, no trailing bytes.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if it is not such an encoding of a valid key of `spec`;
    /// [`CryptoError::UnsupportedSpec`] if `spec` is symmetric.
    pub fn from_spki(spec: Spec, spki: &[u8]) -> Result<Self, CryptoError> {
        let inner = match spec {
            Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096 => Inner::Rsa(RsaPublicKey::parse(spec, spki)?),
            Spec::EcP256 | Spec::EcP384 | Spec::EcP521 | Spec::EcSecp256k1 => {
                let point = encoding::spki_frame(spec)?.open(spki)?;
                Inner::Verifying(ParsedPublicKey::new(ec::verification(spec)?, point)?)
            }
            Spec::Ed25519 => {
                let raw = encoding::spki_frame(spec)?.open(spki)?;
                Inner::Verifying(ParsedPublicKey::new(&signature::ED25519, raw)?)
            }
            Spec::MlDsa44 | Spec::MlDsa65 | Spec::MlDsa87 => {
                let raw = encoding::spki_frame(spec)?.open(spki)?;
                Inner::Verifying(ParsedPublicKey::new(ml_dsa::verification(spec)?, raw)?)
            }
            Spec::MlKem512 | Spec::MlKem768 | Spec::MlKem1024 => {
                let raw = encoding::spki_frame(spec)?.open(spki)?;
                Inner::MlKem(ml_kem::parse_public(spec, raw)?)
            }
            Spec::X25519 => {
                encoding::spki_frame(spec)?.open(spki)?;
                Inner::AgreementOnly
            }
            Spec::Aes256Gcm
            | Spec::Aes128Gcm
            | Spec::Aes256Kwp
            | Spec::HmacSha224
            | Spec::HmacSha256
            | Spec::HmacSha384
            | Spec::HmacSha512 => return Err(CryptoError::UnsupportedSpec),
        };
        Ok(Self { spec, spki: spki.to_vec(), inner })
    }

    /// Parses the bare key, in the form that [`PublicKey::raw`] gives: what a token gives of a key pair.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if it is not a valid key of `spec`; [`CryptoError::UnsupportedSpec`] if such keys
    /// have no bare form (RSA, symmetric specs).
    pub fn from_raw(spec: Spec, raw: &[u8]) -> Result<Self, CryptoError> {
        Self::from_spki(spec, &encoding::spki_frame(spec)?.close(raw)?)
    }

    /// The key's spec.
    #[must_use]
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// The `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The bare key: SEC 1 uncompressed point, RFC 8032 or RFC 7748 string, FIPS 203 or 204 encoding.
    /// `None` for RSA, which has no such form.
    #[must_use]
    pub fn raw(&self) -> Option<&[u8]> {
        encoding::spki(self.spec)?.open(&self.spki).ok()
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if the signature does not hold; [`CryptoError::InvalidParameter`] if the algorithm
    /// is not one of this spec, or takes no digest, or the digest has the wrong length;
    /// [`CryptoError::UnsupportedSpec`] if such keys do not sign.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        check_algorithm(self.spec, algorithm)?;
        let key = match &self.inner {
            Inner::Rsa(rsa) => rsa.verifier(algorithm)?,
            Inner::Verifying(key) => key,
            Inner::AgreementOnly | Inner::MlKem(_) => return Err(CryptoError::UnsupportedSpec),
        };
        match message {
            Message::Raw(bytes) => key.verify_sig(bytes, signature),
            Message::Digest(bytes) => key.verify_digest_sig(&algorithm.import_digest(bytes)?, signature),
        }
        .map_err(CryptoError::failed)
    }

    /// Encrypts with RSA-OAEP and appends the ciphertext to `out`. `aad` must be empty: OAEP has none.
    ///
    /// # Errors
    /// [`CryptoError::InvalidParameter`] if `aad` is not empty or the algorithm is not one of this spec,
    /// [`CryptoError::InputTooLarge`] if the plaintext is longer than the modulus and the algorithm allow,
    /// [`CryptoError::UnsupportedSpec`] if this is not an RSA key.
    pub fn seal(
        &self,
        algorithm: EncryptionAlgorithm,
        plaintext: &[u8],
        aad: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let Inner::Rsa(rsa) = &self.inner else {
            return Err(CryptoError::UnsupportedSpec);
        };
        if !aad.is_empty() {
            return Err(CryptoError::InvalidParameter);
        }
        rsa.encrypt(algorithm, plaintext, out)
    }

    /// Makes a fresh shared secret and its encapsulation for the holder of the private key.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if the key fails the check of FIPS 203, 7.2;
    /// [`CryptoError::UnsupportedSpec`] if this is not an ML-KEM key.
    pub fn encapsulate(&self) -> Result<Encapsulated, CryptoError> {
        match &self.inner {
            Inner::MlKem(key) => ml_kem::encapsulate(key),
            Inner::AgreementOnly | Inner::Rsa(_) | Inner::Verifying(_) => Err(CryptoError::UnsupportedSpec),
        }
    }
}

/// Refuses an algorithm of another family before any key is touched.
pub(crate) fn check_algorithm(spec: Spec, algorithm: SignatureAlgorithm) -> Result<(), CryptoError> {
    let known = spec.signature_algorithms();
    if known.is_empty() {
        Err(CryptoError::UnsupportedSpec)
    } else if known.contains(&algorithm) {
        Ok(())
    } else {
        Err(CryptoError::InvalidParameter)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("spec", &self.spec).finish_non_exhaustive()
    }
}
