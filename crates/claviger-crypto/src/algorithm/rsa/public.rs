//! RSA public keys: verification and OAEP encryption, from `SubjectPublicKeyInfo`.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters};

use super::{max_plaintext, modulus_bits, oaep};
use crate::CryptoError;
use crate::algorithm::{EncryptionAlgorithm, SignatureAlgorithm, Spec};

/// One parsed key per padding and digest, because the module ties them together.
const VERIFICATION: [(SignatureAlgorithm, &RsaParameters); 6] = [
    (SignatureAlgorithm::RsaPssSha256, &signature::RSA_PSS_2048_8192_SHA256),
    (SignatureAlgorithm::RsaPssSha384, &signature::RSA_PSS_2048_8192_SHA384),
    (SignatureAlgorithm::RsaPssSha512, &signature::RSA_PSS_2048_8192_SHA512),
    (SignatureAlgorithm::RsaPkcs1Sha256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (SignatureAlgorithm::RsaPkcs1Sha384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (SignatureAlgorithm::RsaPkcs1Sha512, &signature::RSA_PKCS1_2048_8192_SHA512),
];

pub(crate) struct RsaPublicKey {
    bits: usize,
    verifying: Vec<(SignatureAlgorithm, ParsedPublicKey)>,
    encrypting: OaepPublicEncryptingKey,
}

impl RsaPublicKey {
    /// Takes only the canonical DER of a key with exactly the modulus length of `spec`.
    pub(crate) fn parse(spec: Spec, spki: &[u8]) -> Result<Self, CryptoError> {
        let bits = modulus_bits(spec)?;
        let key = PublicEncryptingKey::from_der(spki)?;
        let canonical = key.as_der().map_err(CryptoError::module)?;
        if key.key_size_bits() != bits || canonical.as_ref() != spki {
            return Err(CryptoError::Malformed);
        }
        let verifying = VERIFICATION
            .into_iter()
            .map(|(algorithm, parameters)| Ok((algorithm, ParsedPublicKey::new(parameters, spki)?)))
            .collect::<Result<_, CryptoError>>()?;
        let encrypting = OaepPublicEncryptingKey::new(key).map_err(CryptoError::module)?;
        Ok(Self { bits, verifying, encrypting })
    }

    pub(crate) fn verifier(&self, algorithm: SignatureAlgorithm) -> Result<&ParsedPublicKey, CryptoError> {
        self.verifying
            .iter()
            .find(|(known, _)| *known == algorithm)
            .map(|(_, key)| key)
            .ok_or(CryptoError::InvalidParameter)
    }

    pub(crate) fn encrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let (oaep, hash_len) = oaep(algorithm)?;
        if plaintext.len() > max_plaintext(self.bits, hash_len) {
            return Err(CryptoError::InputTooLarge);
        }
        let mut ciphertext = vec![0; self.encrypting.ciphertext_size()];
        let sealed =
            self.encrypting.encrypt(oaep, plaintext, &mut ciphertext, None).map_err(CryptoError::module)?;
        out.extend_from_slice(sealed);
        Ok(())
    }
}
