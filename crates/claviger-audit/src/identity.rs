//! Who did it, so that it can be forgotten: tags and sealed identities under one erasable key a subject.
//!
//! Invariant: without the subject key, neither the identity nor what links a human's days can be had from the log, while
//! every hash of it still verifies.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::{Zeroize as _, Zeroizing};

use crate::cbor::{self, CborError, Reader};
use crate::hash::{Hash, hkdf_sha256, hmac_sha256, same};

/// The longest text in an identity, in bytes.
pub const MAX_TEXT: usize = 512;
const COMMITMENT: usize = 32;
const TAG: usize = 16;

/// Why an identity cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Another subject's key, another entry, or altered bytes: which of them is not disclosed.
    #[error("sealed identity does not open")]
    Unopened,
    /// What was sealed is not an identity.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A text is longer than [`MAX_TEXT`].
    #[error("identity text is longer than 512 bytes")]
    TooLong,
    /// The library gave no randomness.
    #[error("identity cannot be sealed")]
    Unsealed,
}

/// Who a caller is. It leaves the process sealed only.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Principal id.
    pub principal: [u8; 16],
    /// Name of the principal.
    pub name: String,
    /// Kind of principal: 0 a person, 1 a part of the system, 2 an application.
    pub kind: u8,
    /// Id of the credential that was shown.
    pub credential: [u8; 16],
    /// How it was proven: 0 by certificate, 1 by token, 2 by access key, 3 by a code to enrol with.
    pub method: u8,
    /// Network address the call came from, if it came over a network.
    pub source_address: Option<String>,
}

impl Identity {
    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
        if self.name.len() > MAX_TEXT
            || self.source_address.as_ref().is_some_and(|text| text.len() > MAX_TEXT)
        {
            return Err(IdentityError::TooLong);
        }
        // Room for everything: a buffer that grew would leave copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(2 * MAX_TEXT + 128));
        cbor::put_map(&mut out, 5 + u64::from(self.source_address.is_some()));
        cbor::put_uint(&mut out, 0);
        cbor::put_bytes(&mut out, &self.principal);
        cbor::put_uint(&mut out, 1);
        cbor::put_text(&mut out, &self.name);
        cbor::put_uint(&mut out, 2);
        cbor::put_uint(&mut out, u64::from(self.kind));
        cbor::put_uint(&mut out, 3);
        cbor::put_bytes(&mut out, &self.credential);
        cbor::put_uint(&mut out, 4);
        cbor::put_uint(&mut out, u64::from(self.method));
        if let Some(address) = &self.source_address {
            cbor::put_uint(&mut out, 5);
            cbor::put_text(&mut out, address);
        }
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        let fields = reader.map()?;
        let field = |number: u64, reader: &mut Reader<'_>| match reader.uint()? {
            found if found == number => Ok(()),
            _ => Err(CborError::Unexpected),
        };
        field(0, &mut reader)?;
        let principal = reader.fixed()?;
        field(1, &mut reader)?;
        let name = reader.text()?.to_owned();
        field(2, &mut reader)?;
        let kind = reader.small()?;
        field(3, &mut reader)?;
        let credential = reader.fixed()?;
        field(4, &mut reader)?;
        let method = reader.small()?;
        let source_address = match fields {
            5 => None,
            6 => {
                field(5, &mut reader)?;
                Some(reader.text()?.to_owned())
            }
            _ => return Err(CborError::Unexpected),
        };
        reader.end()?;
        Ok(Self { principal, name, kind, credential, method, source_address })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// The key of one subject: whoever holds it knows whose entries these are, and whoever destroys it ends that.
/// Each copy is cleared when it is dropped.
#[derive(Clone)]
pub struct SubjectKey([u8; 32]);

impl SubjectKey {
    /// Takes the key over. The caller clears its own copy.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The tag of a human's entries on one day, which links no two days: `HMAC(key, "tag" || day)`, the day as eight bytes,
    /// big-endian, counted from 1970-01-01 UTC.
    #[must_use]
    pub fn actor_tag_human(&self, day: u64) -> [u8; 16] {
        first_half(&hmac_sha256(&self.0, &[b"tag", &day.to_be_bytes()]))
    }

    /// The tag of a workload's entries, the same for ever: `HMAC(key, "tag")`.
    #[must_use]
    pub fn actor_tag_workload(&self) -> [u8; 16] {
        first_half(&hmac_sha256(&self.0, &[b"tag"]))
    }

    /// Seals an identity for the `enc` field: `nonce || AES-256-GCM(HKDF(key, "enc"), cmt || identity, aad)` with
    /// `cmt = HMAC(HKDF(key, "cmt"), identity)`. GCM alone does not commit to its key; the `cmt` does, so that no sealed
    /// identity opens to two names. `aad` is [`crate::Entry::seal_context`].
    ///
    /// # Errors
    /// [`IdentityError::TooLong`] for a text beyond [`MAX_TEXT`], [`IdentityError::Unsealed`] without randomness.
    pub fn seal_identity(&self, identity: &Identity, aad: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let key = self.sealing_key()?;
        let plain = identity.encode()?;
        let commitment = self.commitment(&plain)?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + COMMITMENT + plain.len() + TAG);
        sealed.extend_from_slice(&commitment);
        sealed.extend_from_slice(&plain);
        let nonce =
            key.seal_in_place_append_tag(Aad::from(aad), &mut sealed).map_err(|_| IdentityError::Unsealed);
        match nonce {
            Ok(nonce) => {
                sealed.splice(..0, nonce.as_ref().iter().copied());
                Ok(sealed)
            }
            Err(error) => {
                sealed.zeroize();
                Err(error)
            }
        }
    }

    /// Opens what [`Self::seal_identity`] sealed for the same entry.
    ///
    /// # Errors
    /// [`IdentityError::Unopened`] if key, entry or bytes are not those, [`IdentityError::Cbor`] if no identity was sealed.
    pub fn open_identity(&self, sealed: &[u8], aad: &[u8]) -> Result<Identity, IdentityError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(IdentityError::Unopened)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let opened = self
            .sealing_key()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut buffer)
            .map_err(|_| IdentityError::Unopened)?;
        let (commitment, plain) = opened.split_first_chunk::<COMMITMENT>().ok_or(IdentityError::Unopened)?;
        if !same(commitment, &self.commitment(plain)?) {
            return Err(IdentityError::Unopened);
        }
        Ok(Identity::decode(plain)?)
    }

    fn sealing_key(&self) -> Result<RandomizedNonceKey, IdentityError> {
        let key = hkdf_sha256(&self.0, b"enc").ok_or(IdentityError::Unsealed)?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| IdentityError::Unsealed)
    }

    fn commitment(&self, plain: &[u8]) -> Result<Hash, IdentityError> {
        let key = hkdf_sha256(&self.0, b"cmt").ok_or(IdentityError::Unsealed)?;
        Ok(hmac_sha256(key.as_slice(), &[plain]))
    }
}

impl Drop for SubjectKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(..)")
    }
}

/// The tag of an encryption context under the context key of a key: `HMAC(key, context)`, first half.
#[must_use]
pub fn context_tag(key: &[u8; 32], context: &[u8]) -> [u8; 16] {
    first_half(&hmac_sha256(key, &[context]))
}

/// The tag of a caller's request id, in which callers put anything: `HMAC(key, id)`, first half.
#[must_use]
pub fn request_tag(key: &[u8; 32], request_id: &[u8]) -> [u8; 16] {
    first_half(&hmac_sha256(key, &[request_id]))
}

fn first_half(hash: &Hash) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(hash) {
        *to = *from;
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(address: Option<&str>) -> Identity {
        Identity {
            principal: [1; 16],
            name: "Ada".into(),
            kind: 2,
            credential: [3; 16],
            method: 4,
            source_address: address.map(str::to_owned),
        }
    }

    #[test]
    fn identity_opens_under_its_key_and_entry_only() {
        let key = SubjectKey::new([9; 32]);
        for who in [identity(None), identity(Some("192.0.2.1"))] {
            let sealed = key.seal_identity(&who, b"entry").unwrap();
            assert_eq!(key.open_identity(&sealed, b"entry"), Ok(who.clone()));
            assert_eq!(key.open_identity(&sealed, b"other"), Err(IdentityError::Unopened));
            assert_eq!(
                SubjectKey::new([8; 32]).open_identity(&sealed, b"entry"),
                Err(IdentityError::Unopened)
            );
            for at in 0..sealed.len() {
                let mut altered = sealed.clone();
                altered[at] ^= 1;
                assert_eq!(key.open_identity(&altered, b"entry"), Err(IdentityError::Unopened));
                assert_eq!(key.open_identity(&sealed[..at], b"entry"), Err(IdentityError::Unopened));
            }
            assert_ne!(sealed, key.seal_identity(&who, b"entry").unwrap(), "nonces differ");
        }
    }

    #[test]
    fn seal_is_bound_to_its_commitment() {
        // What GCM opens but the commitment does not name is refused.
        let key = SubjectKey::new([9; 32]);
        let mut sealed = [vec![0; COMMITMENT], identity(None).encode().unwrap().to_vec()].concat();
        let nonce =
            key.sealing_key().unwrap().seal_in_place_append_tag(Aad::from(b"entry"), &mut sealed).unwrap();
        let forged = [nonce.as_ref().as_slice(), &sealed].concat();
        assert_eq!(key.open_identity(&forged, b"entry"), Err(IdentityError::Unopened));
    }

    #[test]
    fn tags_of_humans_change_by_the_day() {
        let key = SubjectKey::new([9; 32]);
        assert_ne!(key.actor_tag_human(20_000), key.actor_tag_human(20_001));
        assert_ne!(key.actor_tag_human(0), key.actor_tag_workload());
        assert_eq!(key.actor_tag_workload(), SubjectKey::new([9; 32]).actor_tag_workload());
        assert_ne!(key.actor_tag_workload(), SubjectKey::new([8; 32]).actor_tag_workload());
    }

    #[test]
    fn context_tag_is_truncated_hmac() {
        // RFC 4231, test case 2 has another key length; the key padded with zeros to the block is the same HMAC key.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let tag = context_tag(&key, b"what do ya want for nothing?");
        assert_eq!(crate::hash::to_hex(&tag), "5bdcc146bf60754e6a042426089575c7");
        assert_eq!(tag, request_tag(&key, b"what do ya want for nothing?"));
    }

    #[test]
    fn debug_discloses_nothing() {
        assert_eq!(
            format!("{:?}{:?}", SubjectKey::new([9; 32]), identity(None)),
            "SubjectKey(..)Identity(..)"
        );
        let mut long = identity(None);
        long.name = "x".repeat(MAX_TEXT + 1);
        assert_eq!(SubjectKey::new([9; 32]).seal_identity(&long, b""), Err(IdentityError::TooLong));
    }
}
