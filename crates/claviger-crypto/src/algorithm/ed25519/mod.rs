//! Ed25519 (RFC 8032; FIPS 186-5, section 7). Material: `PrivateKeyInfo` with the seed (RFC 8410).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use super::{Spec, encoding};
use crate::random::RandomSource;
use crate::{CryptoError, SecretBytes};

pub(crate) fn generate(source: &mut dyn RandomSource) -> Result<SecretBytes, CryptoError> {
    if source.is_module() {
        let pair = Ed25519KeyPair::generate().map_err(CryptoError::module)?;
        return to_material(&pair);
    }
    let mut seed = SecretBytes::zeroed(32);
    source.fill(seed.expose_mut())?;
    Ok(SecretBytes::new(encoding::pkcs8_frame(Spec::Ed25519)?.close(seed.expose_mut())?))
}

pub(crate) fn import(der: &[u8]) -> Result<SecretBytes, CryptoError> {
    to_material(&Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)?)
}

fn to_material(pair: &Ed25519KeyPair) -> Result<SecretBytes, CryptoError> {
    Ok(SecretBytes::copied_from(pair.to_pkcs8v1().map_err(CryptoError::module)?.as_ref()))
}

pub(crate) fn parse(material: &[u8]) -> Result<Ed25519KeyPair, CryptoError> {
    let seed = encoding::pkcs8_frame(Spec::Ed25519)?.open(material)?;
    Ok(Ed25519KeyPair::from_seed_unchecked(seed)?)
}

pub(crate) fn spki(pair: &Ed25519KeyPair) -> Result<Vec<u8>, CryptoError> {
    encoding::spki_frame(Spec::Ed25519)?.close(pair.public_key().as_ref())
}

pub(crate) fn sign(pair: &Ed25519KeyPair, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    Ok(pair.try_sign(message).map_err(CryptoError::module)?.as_ref().to_vec())
}
