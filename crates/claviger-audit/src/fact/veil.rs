//! Keys that seal fields of facts: of an object, of a person, of a single reason. Who destroys one ends what it discloses.
//!
//! The salts of sealed fields come from the same key, and are the same for the same value: a live row shows by itself whether
//! it is what its newest fact says.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::{Zeroize as _, Zeroizing};

use claviger_core::change::VeilName;

use super::codec::{commit, salt_of};
use super::{Field, Object};
use crate::cbor::{self, Reader};
use crate::hash::{hkdf_sha256, hmac_sha256};

/// Length of such a key, in bytes.
pub const VEIL_LEN: usize = 32;
const TAG: usize = 16;

/// Why fields cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VeilError {
    /// Another key, another object or revision, or altered bytes: which of them is not disclosed.
    #[error("sealed fields do not open")]
    Unopened,
    /// The library gave no randomness.
    #[error("fields cannot be sealed")]
    Unsealed,
}

/// A key that seals fields. Each copy is cleared when it is dropped.
#[derive(Clone)]
pub struct VeilKey([u8; VEIL_LEN]);

/// Fields by their numbers, in clear.
pub type Values = BTreeMap<u16, Vec<u8>>;

impl VeilKey {
    /// Takes the key over. The caller clears its own copy.
    #[must_use]
    pub const fn new(bytes: [u8; VEIL_LEN]) -> Self {
        Self(bytes)
    }

    /// The commitment to one value of a field of an object.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] when the library refuses.
    pub fn commit(&self, object: &Object, number: u16, value: &[u8]) -> Result<Field, VeilError> {
        Ok(Field::Hidden(commit(number, &self.salt(object, number, value)?, value)))
    }

    /// The salt of that commitment.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] when the library refuses.
    pub(super) fn salt(&self, object: &Object, number: u16, value: &[u8]) -> Result<[u8; 16], VeilError> {
        let salts = self.derived(b"claviger/fact-salt/v1")?;
        let id = object.id();
        let tag =
            hmac_sha256(salts.as_slice(), &[&[object.kind().code()], &id, &number.to_be_bytes(), value]);
        Ok(salt_of(&tag))
    }

    /// Seals fields of an object at a revision.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] without randomness.
    pub fn seal(&self, object: &Object, revision: u64, values: &Values) -> Result<Vec<u8>, VeilError> {
        self.seal_values(&place(object, revision), values)
    }

    /// Opens what [`Self::seal`] sealed.
    ///
    /// # Errors
    /// [`VeilError::Unopened`].
    pub fn open(&self, object: &Object, revision: u64, sealed: &[u8]) -> Result<Values, VeilError> {
        self.open_values(&place(object, revision), sealed)
    }

    /// Seals values, bound to `aad`.
    pub(crate) fn seal_values(&self, aad: &[u8], values: &Values) -> Result<Vec<u8>, VeilError> {
        let size = values.values().map(|value| value.len() + 12).sum::<usize>() + 16;
        // Room for everything: a buffer that grew would leave copies behind.
        let mut plain = Vec::with_capacity(NONCE_LEN + size + TAG);
        cbor::put_map(&mut plain, values.len() as u64);
        for (number, value) in values {
            cbor::put_uint(&mut plain, u64::from(*number));
            cbor::put_bytes(&mut plain, value);
        }
        self.seal_bytes(aad, plain)
    }

    /// Opens what [`Self::seal_values`] sealed.
    pub(crate) fn open_values(&self, aad: &[u8], sealed: &[u8]) -> Result<Values, VeilError> {
        let plain = self.open_bytes(aad, sealed)?;
        read_values(&plain).ok_or(VeilError::Unopened)
    }

    /// Seals the key of that name under this one.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] without randomness.
    pub fn wrap(&self, name: VeilName, key: &Self) -> Result<Vec<u8>, VeilError> {
        let mut plain = Vec::with_capacity(NONCE_LEN + VEIL_LEN + TAG);
        plain.extend_from_slice(&key.0);
        self.seal_bytes(&[b"veil".as_slice(), &name.to_bytes()].concat(), plain)
    }

    /// Opens what [`Self::wrap`] sealed.
    ///
    /// # Errors
    /// [`VeilError::Unopened`].
    pub fn unwrap_key(&self, name: VeilName, sealed: &[u8]) -> Result<Self, VeilError> {
        let plain = self.open_bytes(&[b"veil".as_slice(), &name.to_bytes()].concat(), sealed)?;
        plain.as_slice().try_into().map(Self).map_err(|_| VeilError::Unopened)
    }

    fn seal_bytes(&self, aad: &[u8], mut plain: Vec<u8>) -> Result<Vec<u8>, VeilError> {
        let key = self.sealing_key()?;
        match key.seal_in_place_append_tag(Aad::from(aad), &mut plain) {
            Ok(nonce) => {
                plain.splice(..0, nonce.as_ref().iter().copied());
                Ok(plain)
            }
            Err(_) => {
                plain.zeroize();
                Err(VeilError::Unsealed)
            }
        }
    }

    fn open_bytes(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VeilError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(VeilError::Unopened)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .sealing_key()?
            .open_in_place(nonce, Aad::from(aad), &mut buffer)
            .map_err(|_| VeilError::Unopened)?
            .len();
        buffer.truncate(opened);
        Ok(buffer)
    }

    fn sealing_key(&self) -> Result<RandomizedNonceKey, VeilError> {
        let key = self.derived(b"claviger/fact-seal/v1")?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| VeilError::Unsealed)
    }

    pub(crate) fn derived(&self, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, VeilError> {
        hkdf_sha256(&self.0, label).ok_or(VeilError::Unsealed)
    }
}

/// What sealed fields are bound to.
fn place(object: &Object, revision: u64) -> Vec<u8> {
    [&[object.kind().code()], object.id().as_slice(), &revision.to_be_bytes()].concat()
}

fn read_values(bytes: &[u8]) -> Option<Values> {
    let mut reader = Reader::new(bytes);
    let mut values = Values::new();
    for _ in 0..reader.map().ok()? {
        let number = reader.small().ok()?;
        if values.last_key_value().is_some_and(|(last, _)| number <= *last) {
            return None;
        }
        values.insert(number, reader.bytes().ok()?.to_vec());
    }
    reader.end().ok()?;
    Some(values)
}

impl Drop for VeilKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for VeilKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VeilKey(..)")
    }
}
