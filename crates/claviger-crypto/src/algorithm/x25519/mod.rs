//! X25519 (RFC 7748). Material: `PrivateKeyInfo` with the scalar (RFC 8410). A peer's point of low order,
//! which would give the all-zero secret, is refused (RFC 7748, 6.1).

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};

use super::{Spec, encoding};
use crate::random::RandomSource;
use crate::{CryptoError, SecretBytes};

pub(crate) fn generate(source: &mut dyn RandomSource) -> Result<SecretBytes, CryptoError> {
    let frame = encoding::pkcs8_frame(Spec::X25519)?;
    if source.is_module() {
        let key = PrivateKey::generate(&agreement::X25519).map_err(CryptoError::module)?;
        let scalar: Curve25519SeedBin<'_> = key.as_be_bytes().map_err(CryptoError::module)?;
        return Ok(SecretBytes::new(frame.close(scalar.as_ref())?));
    }
    let mut scalar = SecretBytes::zeroed(32);
    source.fill(scalar.expose_mut())?;
    Ok(SecretBytes::new(frame.close(scalar.expose_mut())?))
}

pub(crate) fn parse(material: &[u8]) -> Result<PrivateKey, CryptoError> {
    let scalar = encoding::pkcs8_frame(Spec::X25519)?.open(material)?;
    Ok(PrivateKey::from_private_key(&agreement::X25519, scalar)?)
}

pub(crate) fn spki(key: &PrivateKey) -> Result<Vec<u8>, CryptoError> {
    let public = key.compute_public_key().map_err(CryptoError::module)?;
    encoding::spki_frame(Spec::X25519)?.close(public.as_ref())
}

/// `peer` is `SubjectPublicKeyInfo` or the 32 bytes of the u-coordinate.
pub(crate) fn agree(key: &PrivateKey, peer: &[u8]) -> Result<SecretBytes, CryptoError> {
    let raw = if peer.len() == 32 { peer } else { encoding::spki_frame(Spec::X25519)?.open(peer)? };
    let peer = UnparsedPublicKey::new(&agreement::X25519, raw);
    agreement::agree(key, peer, CryptoError::Malformed, |shared| Ok(SecretBytes::copied_from(shared)))
}
