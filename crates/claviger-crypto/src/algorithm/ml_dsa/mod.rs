//! ML-DSA (FIPS 204), pure, hedged, empty context. Material: `PrivateKeyInfo` with the 32-byte seed (RFC 9881);
//! a key known only in expanded form cannot be kept, because its seed cannot be recovered.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    KeyPair as _, ML_DSA_44, ML_DSA_44_SIGNING, ML_DSA_65, ML_DSA_65_SIGNING, ML_DSA_87, ML_DSA_87_SIGNING,
    PqdsaKeyPair, PqdsaSigningAlgorithm, PqdsaVerificationAlgorithm,
};

use super::{Spec, encoding};
use crate::random::RandomSource;
use crate::{CryptoError, SecretBytes};

fn signing(spec: Spec) -> Result<&'static PqdsaSigningAlgorithm, CryptoError> {
    match spec {
        Spec::MlDsa44 => Ok(&ML_DSA_44_SIGNING),
        Spec::MlDsa65 => Ok(&ML_DSA_65_SIGNING),
        Spec::MlDsa87 => Ok(&ML_DSA_87_SIGNING),
        _ => Err(CryptoError::UnsupportedSpec),
    }
}

pub(crate) fn verification(spec: Spec) -> Result<&'static PqdsaVerificationAlgorithm, CryptoError> {
    match spec {
        Spec::MlDsa44 => Ok(&ML_DSA_44),
        Spec::MlDsa65 => Ok(&ML_DSA_65),
        Spec::MlDsa87 => Ok(&ML_DSA_87),
        _ => Err(CryptoError::UnsupportedSpec),
    }
}

pub(crate) fn generate(spec: Spec, source: &mut dyn RandomSource) -> Result<SecretBytes, CryptoError> {
    if source.is_module() {
        return to_material(&PqdsaKeyPair::generate(signing(spec)?).map_err(CryptoError::module)?);
    }
    let mut seed = SecretBytes::zeroed(32);
    source.fill(seed.expose_mut())?;
    Ok(SecretBytes::new(encoding::pkcs8_frame(spec)?.close(seed.expose_mut())?))
}

pub(crate) fn import(spec: Spec, der: &[u8]) -> Result<SecretBytes, CryptoError> {
    let pair = PqdsaKeyPair::from_pkcs8(signing(spec)?, der)?;
    to_material(&pair).map_err(|_| CryptoError::Malformed)
}

fn to_material(pair: &PqdsaKeyPair) -> Result<SecretBytes, CryptoError> {
    Ok(SecretBytes::copied_from(pair.to_pkcs8v1().map_err(CryptoError::module)?.as_ref()))
}

pub(crate) fn parse(spec: Spec, material: &[u8]) -> Result<PqdsaKeyPair, CryptoError> {
    let seed = encoding::pkcs8_frame(spec)?.open(material)?;
    Ok(PqdsaKeyPair::from_seed(signing(spec)?, seed)?)
}

pub(crate) fn spki(pair: &PqdsaKeyPair) -> Result<Vec<u8>, CryptoError> {
    Ok(pair.public_key().as_der().map_err(CryptoError::module)?.as_ref().to_vec())
}

pub(crate) fn sign(pair: &PqdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let mut out = vec![0; pair.algorithm().signature_len()];
    let len = pair.sign(message, &mut out).map_err(CryptoError::module)?;
    out.truncate(len);
    Ok(out)
}
