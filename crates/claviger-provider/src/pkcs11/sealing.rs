//! AES-256-GCM inside the token (SP 800-38D) under the root's sealing key. Body: `nonce (12) || ciphertext || tag (16)`.
//!
//! The nonce is random, from the token's generator, so the key seals at most 2^32 times (SP 800-38D, 8.3): one for each
//! ring, each small secret and each version of protection `hsm`, which no deployment reaches. A token that insists on a
//! nonce of its own writes it over ours, and it is read back from there.

use claviger_crypto::SecretBytes;
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;

use super::fault::Fault;

pub(super) const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const TAG_BITS: u64 = 128;

/// Seals in the token.
pub(super) fn seal(
    session: &Session,
    key: ObjectHandle,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut body = Vec::with_capacity(plaintext.len().saturating_add(NONCE_LEN + TAG_LEN));
    seal_into(session, key, aad, plaintext, &mut body)?;
    Ok(body)
}

/// Seals in the token and appends the body to `out`.
pub(super) fn seal_into(
    session: &Session,
    key: ObjectHandle,
    aad: &[u8],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut nonce = [0; NONCE_LEN];
    session.generate_random_slice(&mut nonce)?;
    let sealed = {
        let gcm = Mechanism::AesGcm(GcmParams::new(&mut nonce, aad, TAG_BITS.into())?);
        session.encrypt(&gcm, key, plaintext)?
    };
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(())
}

/// Opens in the token. What fails is for the caller to call bad input or bad storage.
pub(super) fn open(
    session: &Session,
    key: ObjectHandle,
    aad: &[u8],
    body: &[u8],
) -> Result<SecretBytes, Error> {
    let (nonce, sealed) = body.split_first_chunk::<NONCE_LEN>().ok_or(Error::InvalidValue)?;
    if sealed.len() < TAG_LEN {
        return Err(Error::InvalidValue);
    }
    let mut nonce = *nonce;
    let gcm = Mechanism::AesGcm(GcmParams::new(&mut nonce, aad, TAG_BITS.into())?);
    session.decrypt(&gcm, key, sealed).map(SecretBytes::new)
}

/// Opens what came from storage.
pub(super) fn open_stored(
    session: &Session,
    key: ObjectHandle,
    aad: &[u8],
    body: &[u8],
) -> Result<SecretBytes, Fault> {
    open(session, key, aad, body).map_err(Fault::OnStored)
}
