//! Ring KEKs at work: material of protection `software` is sealed under them, whichever root wraps the KEK itself.

use std::sync::Arc;

use claviger_core::key::{Generator, KeyRing, KeyVersion, Origin, Protection, Provenance, Wrap};
use claviger_core::port::ProviderError;
use claviger_core::port::provider::Generated;
use claviger_crypto::kdf::HmacSha256;
use claviger_crypto::{CryptoError, Material, ReadyKey, RecordKey, SecretBytes, digest, provenance};

use crate::binding::{self, Place, UNDER_RING_KEK};
use crate::lru::Lru;

/// Bytes of a ring KEK.
pub(crate) const RING_KEK_LEN: usize = 32;
/// Ring KEKs kept ready. More rings than this still work: the least used KEK is unwrapped again.
const READY_RING_KEKS: usize = 512;

/// The KEKs that are ready for use, by what they were unwrapped from.
#[derive(Debug)]
pub(crate) struct RingKeks(Lru<[u8; 32], Arc<RecordKey>>);

impl RingKeks {
    pub(crate) fn new() -> Self {
        Self(Lru::new(READY_RING_KEKS))
    }

    pub(crate) fn find(&self, ring: &KeyRing) -> Option<Arc<RecordKey>> {
        self.0.find(&identity(ring))
    }

    /// Makes an unwrapped KEK ready, and keeps it so.
    pub(crate) fn keep(&self, ring: &KeyRing, kek: &SecretBytes) -> Result<Arc<RecordKey>, ProviderError> {
        if kek.len() != RING_KEK_LEN {
            return Err(ProviderError::BadWrap);
        }
        let ready = Arc::new(RecordKey::new(kek).map_err(|_| ProviderError::BadWrap)?);
        self.0.insert(identity(ring), ready.clone());
        Ok(ready)
    }
}

/// Ring and wrapped KEK together: a KEK is never served for a ring that it does not open for.
fn identity(ring: &KeyRing) -> [u8; 32] {
    digest::sha256_parts(&[ring.id.as_bytes(), &ring.kek])
}

/// Seals the material of a new version to its place.
pub(crate) fn wrap(kek: &RecordKey, place: &Place, material: &SecretBytes) -> Result<Wrap, ProviderError> {
    let body = seal(kek, &place.binding(UNDER_RING_KEK), material)
        .map_err(|_| ProviderError::Unavailable("the cryptographic module failed"))?;
    let mut bytes = vec![binding::code_of(place.purpose)];
    bytes.extend_from_slice(&body);
    Ok(Wrap { format: UNDER_RING_KEK, bytes })
}

/// Takes in foreign material: makes it canonical, and wraps it as what was made here.
pub(crate) fn import(
    kek: &RecordKey,
    place: &Place,
    material: &SecretBytes,
    fingerprints: &HmacSha256,
) -> Result<Generated, ProviderError> {
    let material = claviger_crypto::import(place.spec, material)
        .map_err(|_| ProviderError::InvalidParameter("the material is not a key of this spec"))?;
    Ok(Generated {
        wrap: wrap(kek, place, &material.secret)?,
        provenance: Provenance {
            origin: Origin::Imported,
            module: provenance::module().to_string(),
            generator: Generator::Elsewhere,
            health_ok: true,
            fingerprint: Some(fingerprint(fingerprints, &material)),
        },
        public_key: material.public,
    })
}

/// By what material is known again: a key pair by its public half, whichever form its private half has, other material by itself.
pub(crate) fn fingerprint(key: &HmacSha256, material: &Material) -> [u8; 16] {
    match &material.public {
        Some(public) => fingerprint_of_public(key, public),
        None => first_half(&key.tag_of_secret(&[b"secret"], &material.secret)),
    }
}

/// The same of a key pair whose private half is not to be seen.
pub(crate) fn fingerprint_of_public(key: &HmacSha256, public: &[u8]) -> [u8; 16] {
    key.half(&[b"public", public])
}

fn first_half(tag: &[u8; 32]) -> [u8; 16] {
    *tag.first_chunk().unwrap_or(&[0; 16])
}

/// Seals a secret under a record key.
#[expect(clippy::disallowed_methods, reason = "the provider wraps material")]
pub(crate) fn seal(key: &RecordKey, binding: &[u8], secret: &SecretBytes) -> Result<Vec<u8>, CryptoError> {
    key.seal(binding, secret.expose())
}

/// What a version's row says of its wrap, once it is known to be in the format asked for.
pub(crate) struct Stored<'a> {
    pub(crate) place: Place,
    pub(crate) body: &'a [u8],
}

/// Reads the wrap of a version; its content is not trusted until it opens under the binding of `place`.
pub(crate) fn stored<'a>(
    ring: &KeyRing,
    version: &'a KeyVersion,
    format: u8,
) -> Result<Stored<'a>, ProviderError> {
    let wrap = version.wrap.as_ref().ok_or(ProviderError::BadWrap)?;
    let expected = match version.protection {
        Protection::Hsm => binding::UNDER_TOKEN_ROOT,
        Protection::Software => UNDER_RING_KEK,
    };
    if wrap.format != format || expected != format {
        return Err(ProviderError::BadWrap);
    }
    let (code, body) = wrap.bytes.split_first().ok_or(ProviderError::BadWrap)?;
    let purpose = binding::purpose_of(*code).ok_or(ProviderError::BadWrap)?;
    Ok(Stored { place: Place { ring: ring.id, version: version.id, spec: version.spec, purpose }, body })
}

/// Opens a version's material and makes it ready for its one purpose.
pub(crate) fn unwrap(
    kek: &RecordKey,
    stored: &Stored<'_>,
    version: &KeyVersion,
) -> Result<ReadyKey, ProviderError> {
    let place = &stored.place;
    let material =
        kek.open(&place.binding(UNDER_RING_KEK), stored.body).map_err(|_| ProviderError::BadWrap)?;
    let ready =
        ReadyKey::for_purpose(place.spec, place.purpose, &material).map_err(|_| ProviderError::BadWrap)?;
    // The public key in the row is what others verify with: it must be the one of this material.
    if ready.public_key() != version.public_key.as_deref() {
        return Err(ProviderError::BadWrap);
    }
    Ok(ready)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "looks for known key bytes in what is kept")]
mod tests {
    use claviger_core::{KeyId, KeyRingId, KeyVersionId, Purpose, Spec};

    use super::*;

    #[test]
    fn what_is_kept_of_material_shows_none_of_it() {
        let kek = SecretBytes::new((0..32).collect());
        let key = RecordKey::new(&kek).unwrap();
        let place = Place {
            ring: KeyRingId::from_bytes([1; 16]),
            version: KeyVersionId { key: KeyId::from_bytes([2; 16]), number: 1 },
            spec: Spec::Aes256Gcm,
            purpose: Purpose::Encrypt,
        };
        let material = SecretBytes::new((100..132).collect());
        let wrapped = wrap(&key, &place, &material).unwrap();
        for secret in [&kek, &material] {
            for part in secret.expose().windows(4) {
                assert!(!wrapped.bytes.windows(4).any(|window| window == part));
            }
        }
        let shown = format!("{wrapped:?} {key:?} {material:?}");
        assert!(!shown.contains("100, 101"), "{shown}");
    }
}
