//! Facts: what a commit made true, as the log keeps it beside the entry that records it.
//!
//! A fact is the public projection of one row that the commit wrote: what kind of object, which one, its revision, its fields.
//! Never material, wraps, sealed secrets or digests of credentials; of a wrap its digest. The entry carries the digest of its
//! facts (field `fct`); their bytes lie beside the batch, in the same transaction, and are exported with the entries.
//!
//! What is kept true:
//! * each value has one encoding (deterministic CBOR, RFC 8949, 4.2.1), and only that one is decoded;
//! * each field is committed to alone, under a salt that cannot be guessed: whoever publishes facts can withhold a field by
//!   giving its hash, and the digest still verifies;
//! * what callers name (names, labels, descriptions, conditions), what they ask others to approve and why they act is sealed under a
//!   key of the object, of the person or of the reason itself. Destroying that key ends its disclosure everywhere, and no digest
//!   changes by it, while sealed bytes that were altered are found without the key;
//! * a reason is an object like any other, with a fact of its own beside those of the rows that it is the reason of;
//! * fields that are fixed for the life of an object stand in its first fact alone.
//!
//! ```text
//! H        = SHA-256
//! field    = H(0x02 || number (2 bytes, big-endian) || salt (16 bytes) || value)
//! sealed   = H(0x06 || sealed bytes)
//! fact     = H(0x03 || kind (1 byte) || length of id (1 byte) || id || revision (8 bytes) || number || field || number || field ..
//!              || sealed, if there is something sealed)
//! why      = H(0x05 || identifier of the reason, or 0x01: done by the system, or 0x02: the protocol has no place for one)
//! fct      = H(0x04 || why, if it is said || fact || fact ..)
//! ```
//!
//! Salts of open fields come from a seed that lies with the facts, those of sealed fields from the key that seals them.
//!
//! | module | what it holds |
//! |---|---|
//! | `codec` | facts as bytes, and their digest |
//! | `fields` | the fields of each kind of object |
//! | `open` | objects as their open fields say them |
//! | `project` | from rows to facts |
//! | `reason` | the same of reasons, with the seal on their texts |
//! | `replayed` | from facts back to what decides |
//! | `value` | the values of fields, to be shown |
//! | `veil` | keys that seal fields |

mod codec;
mod fields;
mod open;
mod project;
mod reason;
mod replayed;
#[cfg(test)]
mod tests;
mod value;
mod veil;

use std::collections::BTreeMap;

pub use claviger_core::object::{Kind, Object};
pub use codec::{FactError, Facts, MAX_FACTS, RawFact};
pub(crate) use codec::{commit, put_fact, salt_of};
pub use fields::{field_name, is_sealed};
pub(crate) use fields::{is_erased, is_fixed, number_of, principal_of};
pub use open::{
    OpenAlert, OpenApproval, OpenAsset, OpenBreakGlass, OpenCredential, OpenDeclaration, OpenGovernance,
    OpenGrant, OpenKey, OpenNode, OpenPrincipal, OpenReview, OpenRing, OpenRootWrap, OpenRow, OpenVersion,
};
pub use project::{Projection, projection, projections, writes_a_fact};
pub use replayed::{ReplayError, Replayed, ReplayedPrincipal};
pub use value::{FieldValue, show_field};
pub use veil::{VEIL_LEN, Values, VeilError, VeilKey};

use crate::Hash;
use crate::hash::sha256_prefixed;

const SEALED: u8 = 6;

/// A field of a fact as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Its value, in CBOR.
    Open(Vec<u8>),
    /// Its commitment alone: the value is sealed, or was withheld.
    Hidden(Hash),
}

/// One fact as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub object: Object,
    /// The revision of the row, from 1 on; 0 says that the object is there no more.
    pub revision: u64,
    /// Its fields by their numbers ([`field_name`]).
    pub fields: BTreeMap<u16, Field>,
    /// Its sealed fields, for who holds the key.
    pub sealed: Option<Sealed>,
}

/// Sealed bytes, or their digest where they were withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The bytes.
    Here(Vec<u8>),
    /// What is left of them.
    Withheld(Hash),
}

impl Sealed {
    /// The bytes, if they are here.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Here(bytes) => Some(bytes),
            Self::Withheld(_) => None,
        }
    }

    /// The digest of the bytes, here or not.
    #[must_use]
    pub fn digest(&self) -> Hash {
        match self {
            Self::Here(bytes) => sha256_prefixed(SEALED, bytes),
            Self::Withheld(digest) => *digest,
        }
    }

    /// The same, withheld.
    #[must_use]
    pub fn withheld(&self) -> Self {
        Self::Withheld(self.digest())
    }
}

impl Fact {
    /// Was the object taken away?
    #[must_use]
    pub const fn is_removal(&self) -> bool {
        self.revision == 0
    }
}
