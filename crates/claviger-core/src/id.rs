//! Identifiers: sixteen random bytes each, never derived from a name, never reused. Shown as UUID (RFC 9562, version 4).

use std::fmt;
use std::str::FromStr;

use claviger_crypto::{CryptoError, digest, random};
use uuid::{Builder, Uuid};

/// Text that is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: 36 characters in the form of a UUID are expected")]
pub struct NotAnId;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new identifier from the module's random generator.
            ///
            /// # Errors
            /// When the generator fails.
            pub fn random() -> Result<Self, CryptoError> {
                Ok(Self(Builder::from_random_bytes(random::array::<16>()?).into_uuid().into_bytes()))
            }

            /// The identifier with these bytes, as a store or a log kept them.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The sixteen bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                // Only the hyphenated form: one identifier, one spelling.
                if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(NotAnId);
                }
                Uuid::try_parse(text).map(|uuid| Self(uuid.into_bytes())).map_err(|_| NotAnId)
            }
        }
    )+};
}

identifiers! {
    /// Names an alert.
    AlertId,
    /// Names an alias, whatever its name is and whichever key it names.
    AliasId,
    /// Names an approval.
    ApprovalId,
    /// Names an asset, for ever.
    AssetId,
    /// Names an emergency access.
    BreakGlassId,
    /// Names a credential.
    CredentialId,
    /// Names a declaration.
    DeclarationId,
    /// Names the rules of the deployment.
    GovernanceId,
    /// Names a grant.
    GrantId,
    /// Names a key, for ever.
    KeyId,
    /// Names a key ring, for ever.
    KeyRingId,
    /// Names a node.
    NodeId,
    /// Names a principal.
    PrincipalId,
    /// Names a reason that somebody gave.
    ReasonId,
    /// Names an access review.
    ReviewId,
    /// Names a review of rights.
    RightsReviewId,
}

impl PrincipalId {
    /// The system itself: it has no row in the store, and is the maker of what the set-up makes.
    pub const SYSTEM: Self = Self([0; 16]);
}

impl GovernanceId {
    /// The rules of the deployment: there are no others.
    pub const ONLY: Self = Self([0; 16]);
}

impl NodeId {
    /// The node that writes a shard of the log.
    #[must_use]
    pub const fn of_shard(shard: u32) -> Self {
        let [a, b, c, d] = shard.to_be_bytes();
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
    }
}

impl RightsReviewId {
    /// The one of the rights that came from a release which kept no facts of them: there is no other of it.
    pub const UPGRADE: Self = Self([1; 16]);
}

/// One generation of a key's material.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyVersionId {
    /// The key.
    pub key: KeyId,
    /// Counts from 1.
    pub number: u32,
}

const MATERIAL_ID: &[u8] = b"claviger/v1/material-id\0";

impl KeyVersionId {
    /// Its name for those who speak of material apart from keys: derived from key and number, and disclosing neither.
    #[must_use]
    pub fn material_id(self) -> [u8; 32] {
        digest::sha256_parts(&[MATERIAL_ID, self.key.as_bytes(), &self.number.to_be_bytes()])
    }
}

impl fmt::Display for KeyVersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.key, self.number)
    }
}

impl fmt::Debug for KeyVersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyVersionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_form_parses_back_and_no_other_spelling_does() {
        let id = KeyId::random().unwrap();
        assert_eq!(id.to_string().parse::<KeyId>().unwrap(), id);
        assert_eq!(id.to_string().to_uppercase().parse::<KeyId>(), Err(NotAnId));
        assert_eq!(id.to_string().replace('-', "").parse::<KeyId>(), Err(NotAnId));
    }
}
