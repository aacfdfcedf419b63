//! How callers name things: by identifier or by name.

use std::str::FromStr;

use claviger_core::principal::PrincipalKind;
use claviger_core::{
    AliasName, AssetId, CredentialId, GrantId, KeyId, KeyName, KeyRingId, Name, PrincipalId,
};

/// Text that names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAReference(&'static str);

macro_rules! references {
    ($($(#[$doc:meta])* $name:ident { $id:ty, $word:ty, $expected:literal })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            /// By identifier.
            Id($id),
            /// By name.
            Name($word),
        }

        impl FromStr for $name {
            type Err = NotAReference;

            fn from_str(text: &str) -> Result<Self, NotAReference> {
                // A UUID is a valid name too: the identifier wins.
                if let Ok(id) = text.parse() {
                    return Ok(Self::Id(id));
                }
                text.parse().map(Self::Name).map_err(|_| NotAReference($expected))
            }
        }
    )+};
}

/// A key. Text is never taken for an alias: `a/b` would be one as well as a full name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyRef {
    /// By an alias, wherever that points when the call is decided.
    Alias(AliasName),
    /// By identifier.
    Id(KeyId),
    /// By name.
    Name(KeyName),
}

impl FromStr for KeyRef {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        // As for the others: the identifier wins.
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let expected = NotAReference("not a key: an id or `ring/name` is expected");
        text.parse().map(Self::Name).map_err(|_| expected)
    }
}

references! {
    /// A data asset.
    AssetRef { AssetId, Name, "not a data asset: an id or a name is expected" }
    /// A principal.
    PrincipalRef { PrincipalId, Name, "not a principal: an id or a name is expected" }
    /// A ring.
    RingRef { KeyRingId, Name, "not a ring: an id or a name is expected" }
}

/// What a call is about, as the caller names it.
#[derive(Clone, Copy, Debug)]
pub enum TargetRef<'a> {
    /// The key that an alias names.
    Alias(&'a AliasName),
    /// A credential; its principal is the target.
    Credential(CredentialId),
    /// A grant.
    Grant(GrantId),
    /// A key.
    Key(&'a KeyRef),
    /// A key by its identifier, as a ciphertext names it.
    KeyId(KeyId),
    /// A principal that is to be created.
    NewPrincipal(PrincipalKind),
    /// A principal.
    Principal(&'a PrincipalRef),
    /// A ring.
    Ring(&'a RingRef),
    /// The system as a whole.
    System,
}
