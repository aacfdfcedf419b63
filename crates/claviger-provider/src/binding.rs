//! What wrapped bytes are bound to: the additional authenticated data of every seal in this crate.
//!
//! Each begins with its own domain, a constant that no other begins with, and goes on with fields of fixed length; a
//! field of free length stands last. So no two places have the same binding.

use claviger_core::key::Wrap;
use claviger_core::{KeyRingId, KeyVersionId, Purpose, Spec};

/// Format of a wrap: material under the ring KEK, for use in the process.
pub(crate) const UNDER_RING_KEK: u8 = Wrap::UNDER_RING_KEK;
/// Format of a wrap: a key of the token, wrapped by the root key (KWP) and sealed to its place (AES-GCM).
pub(crate) const UNDER_TOKEN_ROOT: u8 = Wrap::UNDER_TOKEN_ROOT;

/// How the root seals.
pub(crate) const SEALING: &str = "aes-256-gcm";

const RING_KEK: &[u8] = b"claviger/v1/ring-kek\0";
const MATERIAL: &[u8] = b"claviger/v1/material\0";
const SEALED: &[u8] = b"claviger/v1/sealed\0";

/// Binds a ring KEK to its ring.
pub(crate) fn of_ring_kek(ring: KeyRingId) -> Vec<u8> {
    [RING_KEK, ring.as_bytes()].concat()
}

/// Binds a small secret to its label.
pub(crate) fn of_sealed(label: &[u8]) -> Vec<u8> {
    [SEALED, label].concat()
}

/// The place of one version's material.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) ring: KeyRingId,
    pub(crate) version: KeyVersionId,
    pub(crate) spec: Spec,
    pub(crate) purpose: Purpose,
}

impl Place {
    /// Binds material in `format` to this place.
    pub(crate) fn binding(&self, format: u8) -> Vec<u8> {
        [
            MATERIAL,
            &[format],
            self.ring.as_bytes(),
            self.version.key.as_bytes(),
            &self.version.number.to_be_bytes(),
            &self.spec.code().to_be_bytes(),
            &[code_of(self.purpose)],
        ]
        .concat()
    }
}

/// The number of a purpose in stored bytes: never reused, never zero.
pub(crate) const fn code_of(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Encrypt => 1,
        Purpose::Wrap => 2,
        Purpose::Sign => 3,
        Purpose::Mac => 4,
        Purpose::Agree => 5,
        Purpose::Encapsulate => 6,
    }
}

/// The purpose with that number, if there is one.
pub(crate) fn purpose_of(code: u8) -> Option<Purpose> {
    Purpose::ALL.into_iter().find(|purpose| code_of(*purpose) == code)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use claviger_core::KeyId;

    use super::*;

    #[test]
    fn each_field_of_a_place_changes_its_binding() {
        let place = Place {
            ring: KeyRingId::from_bytes([1; 16]),
            version: KeyVersionId { key: KeyId::from_bytes([2; 16]), number: 1 },
            spec: Spec::EcP256,
            purpose: Purpose::Sign,
        };
        let other_key = KeyVersionId { key: KeyId::from_bytes([3; 16]), ..place.version };
        let other_number = KeyVersionId { number: 2, ..place.version };
        let bindings: HashSet<_> = [
            place.binding(UNDER_RING_KEK),
            place.binding(UNDER_TOKEN_ROOT),
            Place { ring: KeyRingId::from_bytes([9; 16]), ..place }.binding(UNDER_RING_KEK),
            Place { version: other_key, ..place }.binding(UNDER_RING_KEK),
            Place { version: other_number, ..place }.binding(UNDER_RING_KEK),
            Place { spec: Spec::EcP384, ..place }.binding(UNDER_RING_KEK),
            Place { purpose: Purpose::Agree, ..place }.binding(UNDER_RING_KEK),
            of_ring_kek(place.ring),
            of_sealed(b""),
            of_sealed(b"label"),
        ]
        .into();
        assert_eq!(bindings.len(), 10);
    }

    #[test]
    fn purpose_codes_lead_back() {
        for purpose in Purpose::ALL {
            assert_eq!(purpose_of(code_of(purpose)), Some(purpose));
        }
        assert_eq!(purpose_of(0), None);
    }
}
