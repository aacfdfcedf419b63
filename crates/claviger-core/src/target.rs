//! Of what an action is asked.

use std::sync::Arc;

use crate::key::{KeyRecord, KeyRing};
use crate::principal::PrincipalKind;
use crate::{GrantId, KeyId, KeyRingId, PrincipalId};

/// The resolved target of a call.
#[derive(Clone, Debug)]
pub enum Target {
    /// A grant.
    Grant(GrantId),
    /// A key, with all that its use depends on.
    Key(Arc<KeyRecord>),
    /// A principal that is to be created.
    NewPrincipal(PrincipalKind),
    /// A principal, its roles and credentials.
    Principal(PrincipalId, PrincipalKind),
    /// A key ring.
    Ring(Arc<KeyRing>),
    /// The system as a whole: lists, the log, what does not exist yet.
    System,
}

impl Target {
    /// The key, when it is one.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Key(record) => Some(record.key.id),
            Self::Grant(_) | Self::NewPrincipal(_) | Self::Principal(..) | Self::Ring(_) | Self::System => {
                None
            }
        }
    }

    /// The ring, when it is one or a key of one.
    #[must_use]
    pub fn ring_id(&self) -> Option<KeyRingId> {
        match self {
            Self::Key(record) => Some(record.ring.id),
            Self::Ring(ring) => Some(ring.id),
            Self::Grant(_) | Self::NewPrincipal(_) | Self::Principal(..) | Self::System => None,
        }
    }

    /// What kind of thing it is.
    #[must_use]
    pub const fn kind(&self) -> TargetKind {
        match self {
            Self::Grant(_) => TargetKind::Grant,
            Self::Key(_) => TargetKind::Key,
            Self::NewPrincipal(_) | Self::Principal(..) => TargetKind::Principal,
            Self::Ring(_) => TargetKind::Ring,
            Self::System => TargetKind::System,
        }
    }
}

/// The kinds of targets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum TargetKind {
    /// A grant.
    Grant,
    /// A key.
    Key,
    /// A principal, also one that is to be created.
    Principal,
    /// A key ring.
    Ring,
    /// The system as a whole.
    System,
}

crate::named! {
    /// Text that is not a kind of target.
    TargetKind, "a kind of target" {
        Grant = "grant",
        Key = "key",
        Principal = "principal",
        Ring = "ring",
        System = "system",
    }
}
