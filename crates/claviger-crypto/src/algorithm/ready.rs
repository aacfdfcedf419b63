//! Keys ready for use: parsed and scheduled once, then used by many threads without a lock.
#![expect(clippy::disallowed_methods, reason = "algorithm body: parses material and opens keys to wrap")]

use core::fmt;

use aws_lc_rs::aead::{AES_128_GCM, RandomizedNonceKey};
use aws_lc_rs::agreement;
use aws_lc_rs::signature::{Ed25519KeyPair, PqdsaKeyPair};

use super::aes_gcm::{random_nonce, xaes::Xaes256Gcm};
use super::aes_kwp::Kwp;
use super::ec::EcKey;
use super::hmac::HmacKey;
use super::ml_kem::MlKemKey;
use super::public::check_algorithm;
use super::rsa::RsaKey;
use super::{
    EncryptionAlgorithm, Message, PublicKey, Purpose, SignatureAlgorithm, Spec, ed25519, ml_dsa, x25519,
};
use crate::{CryptoError, SecretBytes};

/// A shared secret and the ciphertext from which the holder of the private key recovers it.
#[derive(Debug)]
pub struct Encapsulated {
    /// The ciphertext for the holder of the private key (FIPS 203).
    pub ciphertext: Vec<u8>,
    /// The shared secret, 32 bytes, uniformly random: usable as a key as it is.
    pub shared: SecretBytes,
}

/// A key ready for use. Making one costs from well under a microsecond (AES) to milliseconds (RSA): keep it.
pub struct ReadyKey {
    spec: Spec,
    purpose: Option<Purpose>,
    inner: Inner,
    public: Option<PublicKey>,
}

enum Inner {
    Ec(Box<EcKey>),
    Ed25519(Ed25519KeyPair),
    Gcm(RandomizedNonceKey),
    Hmac(Box<HmacKey>),
    Kwp(Kwp),
    MlDsa(PqdsaKeyPair),
    MlKem(Box<MlKemKey>),
    Rsa(Box<RsaKey>),
    X25519(agreement::PrivateKey),
    Xaes(Box<Xaes256Gcm>),
}

impl ReadyKey {
    /// Makes material ready for every purpose of `spec`. Where the purpose of the key is known, take
    /// [`ReadyKey::for_purpose`]: it refuses all others.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if the bytes are not material of `spec`.
    pub fn from_material(spec: Spec, secret: &SecretBytes) -> Result<Self, CryptoError> {
        Self::build(spec, None, secret)
    }

    /// Makes material ready for one purpose only; any other use is refused with
    /// [`CryptoError::UnsupportedSpec`] (one key, one purpose: SP 800-57 part 1, 5.2).
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedSpec`] if `spec` does not allow `purpose`; [`CryptoError::Malformed`] if the
    /// bytes are not material of `spec`.
    pub fn for_purpose(spec: Spec, purpose: Purpose, secret: &SecretBytes) -> Result<Self, CryptoError> {
        if !spec.allows(purpose) {
            return Err(CryptoError::UnsupportedSpec);
        }
        Self::build(spec, Some(purpose), secret)
    }

    fn build(spec: Spec, purpose: Option<Purpose>, secret: &SecretBytes) -> Result<Self, CryptoError> {
        let bytes = secret.expose();
        let (inner, spki) = match spec {
            Spec::Aes256Gcm => (Inner::Xaes(Box::new(Xaes256Gcm::new(bytes)?)), None),
            Spec::Aes128Gcm => {
                let key = RandomizedNonceKey::new(&AES_128_GCM, bytes).map_err(|_| CryptoError::Malformed)?;
                (Inner::Gcm(key), None)
            }
            Spec::Aes256Kwp => (Inner::Kwp(Kwp::new(bytes)?), None),
            Spec::HmacSha224 | Spec::HmacSha256 | Spec::HmacSha384 | Spec::HmacSha512 => {
                (Inner::Hmac(Box::new(HmacKey::new(spec, bytes)?)), None)
            }
            Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096 => {
                let key = RsaKey::parse(spec, purpose, bytes)?;
                let spki = key.spki();
                (Inner::Rsa(Box::new(key)), Some(spki))
            }
            Spec::EcP256 | Spec::EcP384 | Spec::EcP521 | Spec::EcSecp256k1 => {
                let key = EcKey::parse(spec, bytes)?;
                let spki = key.spki()?;
                (Inner::Ec(Box::new(key)), Some(spki))
            }
            Spec::Ed25519 => {
                let pair = ed25519::parse(bytes)?;
                let spki = ed25519::spki(&pair)?;
                (Inner::Ed25519(pair), Some(spki))
            }
            Spec::X25519 => {
                let key = x25519::parse(bytes)?;
                let spki = x25519::spki(&key)?;
                (Inner::X25519(key), Some(spki))
            }
            Spec::MlKem512 | Spec::MlKem768 | Spec::MlKem1024 => {
                let key = MlKemKey::parse(spec, bytes)?;
                let spki = key.spki()?;
                (Inner::MlKem(Box::new(key)), Some(spki))
            }
            Spec::MlDsa44 | Spec::MlDsa65 | Spec::MlDsa87 => {
                let pair = ml_dsa::parse(spec, bytes)?;
                let spki = ml_dsa::spki(&pair)?;
                (Inner::MlDsa(pair), Some(spki))
            }
        };
        let public = spki.map(|spki| PublicKey::from_spki(spec, &spki)).transpose()?;
        Ok(Self { spec, purpose, inner, public })
    }

    /// The key's spec.
    #[must_use]
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// The one purpose the key was made ready for, if it was limited to one.
    #[must_use]
    pub fn purpose(&self) -> Option<Purpose> {
        self.purpose
    }

    /// The public key as `SubjectPublicKeyInfo` in DER; `None` for symmetric specs.
    #[must_use]
    pub fn public_key(&self) -> Option<&[u8]> {
        self.public.as_ref().map(PublicKey::spki)
    }

    /// The parsed public key; `None` for symmetric specs.
    #[must_use]
    pub fn public(&self) -> Option<&PublicKey> {
        self.public.as_ref()
    }

    fn serve(&self, purpose: Purpose) -> Result<&Inner, CryptoError> {
        match self.purpose {
            Some(only) if only != purpose => Err(CryptoError::UnsupportedSpec),
            _ => Ok(&self.inner),
        }
    }

    fn public_for(&self, purpose: Purpose) -> Result<&PublicKey, CryptoError> {
        self.serve(purpose)?;
        self.public.as_ref().ok_or(CryptoError::UnsupportedSpec)
    }

    /// Seals `plaintext` with the default algorithm of the spec, bound to `aad`, and appends the body to `out`; on
    /// failure `out` is as it was.
    ///
    /// Bodies: `aes-256-gcm` `nonce (24) || ciphertext || tag (16)` (XAES-256-GCM); `aes-128-gcm`
    /// `nonce (12) || ciphertext || tag (16)`; RSA the OAEP-SHA256 ciphertext.
    ///
    /// # Errors
    /// [`CryptoError::InputTooLarge`] beyond [`Spec::max_plaintext`]; [`CryptoError::InvalidParameter`] for RSA
    /// with `aad`; [`CryptoError::UnsupportedSpec`] if the key does not encrypt; [`CryptoError::Module`] if no
    /// nonce can be drawn.
    pub fn seal(&self, plaintext: &[u8], aad: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.seal_with(self.default_encryption()?, plaintext, aad, out)
    }

    /// Opens a body that [`ReadyKey::seal`] (or, for RSA, anyone with the public key) made.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if anything differs; [`CryptoError::InvalidParameter`] for RSA with `aad`;
    /// [`CryptoError::UnsupportedSpec`] if the key does not decrypt.
    pub fn open(&self, body: &[u8], aad: &[u8]) -> Result<SecretBytes, CryptoError> {
        self.open_with(self.default_encryption()?, body, aad)
    }

    /// [`ReadyKey::seal`] with an algorithm of the caller's choice.
    ///
    /// # Errors
    /// As [`ReadyKey::seal`]; [`CryptoError::InvalidParameter`] if the algorithm is not one of this spec.
    pub fn seal_with(
        &self,
        algorithm: EncryptionAlgorithm,
        plaintext: &[u8],
        aad: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        match self.encrypting(algorithm)? {
            Inner::Xaes(key) => key.seal(plaintext, aad, out),
            Inner::Gcm(key) => random_nonce::seal(key, plaintext, aad, out),
            Inner::Rsa(_) => self.public_for(Purpose::Encrypt)?.seal(algorithm, plaintext, aad, out),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }

    /// [`ReadyKey::open`] with an algorithm of the caller's choice.
    ///
    /// # Errors
    /// As [`ReadyKey::open`]; [`CryptoError::InvalidParameter`] if the algorithm is not one of this spec.
    pub fn open_with(
        &self,
        algorithm: EncryptionAlgorithm,
        body: &[u8],
        aad: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        match self.encrypting(algorithm)? {
            Inner::Xaes(key) => key.open(body, aad),
            Inner::Gcm(key) => random_nonce::open(key, body, aad),
            Inner::Rsa(_) if !aad.is_empty() => Err(CryptoError::InvalidParameter),
            Inner::Rsa(key) => key.decrypt(algorithm, body),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }

    fn default_encryption(&self) -> Result<EncryptionAlgorithm, CryptoError> {
        self.spec.encryption_algorithms().first().copied().ok_or(CryptoError::UnsupportedSpec)
    }

    /// The key for an encryption algorithm of its spec.
    fn encrypting(&self, algorithm: EncryptionAlgorithm) -> Result<&Inner, CryptoError> {
        let inner = self.serve(Purpose::Encrypt)?;
        let known = self.spec.encryption_algorithms();
        if known.is_empty() {
            return Err(CryptoError::UnsupportedSpec);
        }
        if known.contains(&algorithm) { Ok(inner) } else { Err(CryptoError::InvalidParameter) }
    }

    /// Signs. RSA signatures have the length of the modulus, ECDSA signatures are DER, Ed25519 and ML-DSA
    /// signatures are the strings of RFC 8032 and FIPS 204.
    ///
    /// # Errors
    /// [`CryptoError::InvalidParameter`] if the algorithm is not one of this spec, takes no digest, or the digest
    /// has the wrong length; [`CryptoError::UnsupportedSpec`] if the key does not sign.
    pub fn sign(&self, algorithm: SignatureAlgorithm, message: Message<'_>) -> Result<Vec<u8>, CryptoError> {
        let inner = self.serve(Purpose::Sign)?;
        check_algorithm(self.spec, algorithm)?;
        match (inner, message) {
            (Inner::Rsa(key), message) => key.sign(algorithm, message),
            (Inner::Ec(key), message) => key.sign(algorithm, message),
            (Inner::Ed25519(pair), Message::Raw(bytes)) => ed25519::sign(pair, bytes),
            (Inner::MlDsa(pair), Message::Raw(bytes)) => ml_dsa::sign(pair, bytes),
            (Inner::Ed25519(_) | Inner::MlDsa(_), Message::Digest(_)) => Err(CryptoError::InvalidParameter),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }

    /// Checks a signature of this key. [`PublicKey::verify`] does the same without the secret.
    ///
    /// # Errors
    /// As [`PublicKey::verify`].
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.public_for(Purpose::Sign)?.verify(algorithm, message, signature)
    }

    /// The full-length HMAC of `data`.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedSpec`] if this is not an HMAC key.
    pub fn mac(&self, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self.serve(Purpose::Mac)? {
            Inner::Hmac(key) => Ok(key.mac(data)),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }

    /// Checks a full-length HMAC in constant time.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if it does not hold; [`CryptoError::UnsupportedSpec`] if this is not an HMAC key.
    pub fn verify_mac(&self, data: &[u8], tag: &[u8]) -> Result<(), CryptoError> {
        match self.serve(Purpose::Mac)? {
            Inner::Hmac(key) => key.verify(data, tag),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }

    /// Wraps a key (RFC 5649). Deterministic, and bound to nothing but the wrapping key.
    ///
    /// # Errors
    /// [`CryptoError::InvalidParameter`] for an empty key, [`CryptoError::InputTooLarge`] beyond
    /// [`super::MAX_WRAPPED_KEY`], [`CryptoError::UnsupportedSpec`] if this key does not wrap.
    pub fn wrap(&self, key: &SecretBytes) -> Result<Vec<u8>, CryptoError> {
        match self.serve(Purpose::Wrap)? {
            Inner::Kwp(kwp) => kwp.wrap(key.expose()),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }

    /// Unwraps what [`ReadyKey::wrap`] made.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if the integrity check does not hold; [`CryptoError::InputTooLarge`] if it cannot
    /// be one of ours; [`CryptoError::UnsupportedSpec`] if this key does not wrap.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        match self.serve(Purpose::Wrap)? {
            Inner::Kwp(kwp) => kwp.unwrap(wrapped),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }

    /// The raw shared secret with a peer, whose key comes as `SubjectPublicKeyInfo`, as a SEC 1 point or as the
    /// 32 bytes of RFC 7748. It is not uniformly random: derive keys from it ([`crate::kdf::hkdf_sha256`]).
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if the peer's key is not a valid point, or is one of low order;
    /// [`CryptoError::UnsupportedSpec`] if the key does not agree (secp256k1: the module has no ECDH on it).
    pub fn agree(&self, peer_public: &[u8]) -> Result<SecretBytes, CryptoError> {
        match self.serve(Purpose::Agree)? {
            Inner::Ec(key) => key.agree(peer_public),
            Inner::X25519(key) => x25519::agree(key, peer_public),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }

    /// Makes a fresh shared secret and its encapsulation for this key.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedSpec`] if this is not an ML-KEM key.
    pub fn encapsulate(&self) -> Result<Encapsulated, CryptoError> {
        self.public_for(Purpose::Encapsulate)?.encapsulate()
    }

    /// Recovers the shared secret from its encapsulation. A forged ciphertext of the right length gives a
    /// pseudorandom secret, not an error (FIPS 203, implicit rejection).
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if the ciphertext has the wrong length; [`CryptoError::UnsupportedSpec`] if
    /// this is not an ML-KEM key.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<SecretBytes, CryptoError> {
        match self.serve(Purpose::Encapsulate)? {
            Inner::MlKem(key) => key.decapsulate(ciphertext),
            _ => Err(CryptoError::UnsupportedSpec),
        }
    }
}

impl fmt::Debug for ReadyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyKey")
            .field("spec", &self.spec)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}
