//! The signature algorithms of notes and of attestations, and nothing else of the library behind them.

use aws_lc_rs::signature::{
    self, Ed25519KeyPair, KeyPair as _, PqdsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use claviger_core::declaration::SigningMethod;

/// Length of an uncompressed P-256 point (SEC 1, 2.3.3).
pub(crate) const P256_POINT: usize = 65;
/// Length of a public key of ML-DSA-65 (FIPS 204, table 2).
pub(crate) const ML_DSA_65_PUBLIC: usize = 1952;
/// Length of a signature of ML-DSA-65 (FIPS 204, table 2).
pub(crate) const ML_DSA_65_SIGNATURE: usize = 3309;

/// Ed25519 (RFC 8032, 5.1.7).
pub(crate) fn ed25519_verifies(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&signature::ED25519, public).verify(message, signature).is_ok()
}

/// ECDSA on P-256 with SHA-256 (FIPS 186-5, 6.4.2), signature in DER.
pub(crate) fn p256_verifies(point: &[u8; P256_POINT], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
}

/// ML-DSA-65, pure, with an empty context (FIPS 204, algorithm 3).
pub(crate) fn ml_dsa_65_verifies(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&signature::ML_DSA_65, public).verify(message, signature).is_ok()
}

/// By a key in the form of a `SubjectPublicKeyInfo` in DER, as certificates have it.
pub(crate) fn attests(method: SigningMethod, spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let algorithm: &'static dyn VerificationAlgorithm = match method {
        SigningMethod::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
        SigningMethod::EcdsaP384Sha384 => &signature::ECDSA_P384_SHA384_ASN1,
        SigningMethod::Ed25519 => &signature::ED25519,
        SigningMethod::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
    };
    UnparsedPublicKey::new(algorithm, spki).verify(message, signature).is_ok()
}

/// An Ed25519 key in memory. The library clears it when it is dropped.
pub(crate) struct Ed25519(Ed25519KeyPair);

impl Ed25519 {
    pub(crate) fn generate() -> Option<Self> {
        Ed25519KeyPair::generate().ok().map(Self)
    }

    pub(crate) fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        for (to, from) in public.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        for (to, from) in signature.iter_mut().zip(self.0.sign(message).as_ref()) {
            *to = *from;
        }
        signature
    }
}

/// An ML-DSA-65 key in memory. The library clears it when it is dropped.
pub(crate) struct MlDsa65(PqdsaKeyPair);

impl MlDsa65 {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        PqdsaKeyPair::from_seed(&signature::ML_DSA_65_SIGNING, seed).ok().map(Self)
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    /// Hedged (FIPS 204, 3.4). `None` if the library refuses.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; ML_DSA_65_SIGNATURE];
        let length = self.0.sign(message, &mut signature).ok()?;
        signature.truncate(length);
        Some(signature)
    }
}
