//! ML-KEM (FIPS 203). Material: `PrivateKeyInfo` with the expanded decapsulation key (RFC 9935); the module
//! cannot make a key from a seed, so keys always come from the module's own generator.

use aws_lc_rs::digest;
use aws_lc_rs::kem::{
    Algorithm, AlgorithmId, Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_512, ML_KEM_768,
    ML_KEM_1024,
};

use super::{Encapsulated, Spec, encoding};
use crate::{CryptoError, SecretBytes};

/// Length of H(ek) and of z, the last two parts of a decapsulation key.
const HASH_LEN: usize = 32;

struct Parameters {
    algorithm: &'static Algorithm<AlgorithmId>,
    encapsulation_key_len: usize,
    ciphertext_len: usize,
}

/// FIPS 203, section 8, table 3.
fn parameters(spec: Spec) -> Result<Parameters, CryptoError> {
    match spec {
        Spec::MlKem512 => {
            Ok(Parameters { algorithm: &ML_KEM_512, encapsulation_key_len: 800, ciphertext_len: 768 })
        }
        Spec::MlKem768 => {
            Ok(Parameters { algorithm: &ML_KEM_768, encapsulation_key_len: 1184, ciphertext_len: 1088 })
        }
        Spec::MlKem1024 => {
            Ok(Parameters { algorithm: &ML_KEM_1024, encapsulation_key_len: 1568, ciphertext_len: 1568 })
        }
        _ => Err(CryptoError::UnsupportedSpec),
    }
}

pub(crate) fn generate(spec: Spec) -> Result<SecretBytes, CryptoError> {
    let key = DecapsulationKey::generate(parameters(spec)?.algorithm).map_err(CryptoError::module)?;
    let raw = key.key_bytes().map_err(CryptoError::module)?;
    Ok(SecretBytes::new(encoding::pkcs8_frame(spec)?.close(raw.as_ref())?))
}

/// A decapsulation key with the encapsulation key that it contains.
pub(crate) struct MlKemKey {
    spec: Spec,
    decapsulation: DecapsulationKey,
    encapsulation_key: Vec<u8>,
}

impl MlKemKey {
    pub(crate) fn parse(spec: Spec, material: &[u8]) -> Result<Self, CryptoError> {
        let parameters = parameters(spec)?;
        let raw = encoding::pkcs8_frame(spec)?.open(material)?;
        let encapsulation_key = checked_encapsulation_key(raw, parameters.encapsulation_key_len)?.to_vec();
        let decapsulation = DecapsulationKey::new(parameters.algorithm, raw)?;
        Ok(Self { spec, decapsulation, encapsulation_key })
    }

    pub(crate) fn spki(&self) -> Result<Vec<u8>, CryptoError> {
        encoding::spki_frame(self.spec)?.close(&self.encapsulation_key)
    }

    /// A ciphertext of the right length always decapsulates; a forged one gives a secret that nobody else has
    /// (implicit rejection, FIPS 203, 6.3).
    pub(crate) fn decapsulate(&self, ciphertext: &[u8]) -> Result<SecretBytes, CryptoError> {
        if ciphertext.len() != parameters(self.spec)?.ciphertext_len {
            return Err(CryptoError::Malformed);
        }
        let shared =
            self.decapsulation.decapsulate(Ciphertext::from(ciphertext)).map_err(CryptoError::failed)?;
        Ok(SecretBytes::copied_from(shared.as_ref()))
    }
}

/// The encapsulation key inside a decapsulation key, after the hash check of FIPS 203, 7.3.
fn checked_encapsulation_key(raw: &[u8], len: usize) -> Result<&[u8], CryptoError> {
    let start = raw.len().checked_sub(2 * HASH_LEN + len).ok_or(CryptoError::Malformed)?;
    let (_, tail) = raw.split_at(start);
    let (encapsulation_key, tail) = tail.split_at_checked(len).ok_or(CryptoError::Malformed)?;
    let (stored, _) = tail.split_at_checked(HASH_LEN).ok_or(CryptoError::Malformed)?;
    let computed = digest::digest(&digest::SHA3_256, encapsulation_key);
    if crate::secret::ct_eq(stored, computed.as_ref()) {
        Ok(encapsulation_key)
    } else {
        Err(CryptoError::Malformed)
    }
}

/// Parses a raw encapsulation key; the module checks that every coefficient is reduced (FIPS 203, 7.2) when it
/// encapsulates.
pub(crate) fn parse_public(spec: Spec, raw: &[u8]) -> Result<EncapsulationKey, CryptoError> {
    Ok(EncapsulationKey::new(parameters(spec)?.algorithm, raw)?)
}

pub(crate) fn encapsulate(key: &EncapsulationKey) -> Result<Encapsulated, CryptoError> {
    let (ciphertext, shared) = key.encapsulate().map_err(|_| CryptoError::Malformed)?;
    Ok(Encapsulated {
        ciphertext: ciphertext.as_ref().to_vec(),
        shared: SecretBytes::copied_from(shared.as_ref()),
    })
}
