//! The key ring: unit of delegation and of erasure, with the policy that its keys inherit.

use std::time::Duration;

use super::{DataClass, DestructionBlocked, Protection, RequiredContext};
use crate::reason::Why;
use crate::time::Timestamp;
use crate::{KeyRingId, Name};

/// A named set of keys under one policy and one KEK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    /// Its identifier.
    pub id: KeyRingId,
    /// Its name, unique for ever.
    pub name: Name,
    /// What its keys inherit.
    pub policy: RingPolicy,
    /// The ring KEK, wrapped by the root key: opaque to everyone but the provider.
    pub kek: Vec<u8>,
    /// What wraps it; `None` for what an older release made, until it was opened under a root that says so.
    pub kek_wrap: Option<RootWrap>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Why its policy was last changed.
    pub reason: Option<Why>,
    /// Counts the writes of this row; what compare-and-swap compares.
    pub revision: u64,
}

/// A key of the root, and how it wraps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootWrap {
    /// Its label in the token; of a root that is in none, the name that the module gives it.
    pub key: String,
    /// Which of the keys that had or will have its task, from 1 on.
    pub version: u32,
    /// How it wraps, as in `aes-256-gcm`.
    pub algorithm: String,
    /// Its security strength in bits.
    pub strength_bits: u16,
}

/// The defaults and rules that a ring gives to its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingPolicy {
    /// Protection of keys that do not ask for one.
    pub protection: Protection,
    /// How often keys rotate, when they do so by policy.
    pub rotation_period: Option<Duration>,
    /// Which keys rotate so.
    pub rotates: RotatedKeys,
    /// How long a version may protect (originator-usage period, SP 800-57 part 1, 5.3.5).
    pub protect_period: Option<Duration>,
    /// How long a version may process after that (recipient-usage period).
    pub process_period: Option<Duration>,
    /// The least time between the wish to destroy a key and its destruction.
    pub destroy_waiting_period: Duration,
    /// How many custodians must approve a sensitive act.
    pub quorum: u8,
    /// Whether one principal may both administer and use keys of this ring.
    pub separation: Separation,
    /// What the encryption context must have of each use of its keys that takes one.
    pub context_required: RequiredContext,
    /// What the data of its keys is, unless a key says otherwise.
    pub data_class: Option<DataClass>,
    /// Whether data keys are handed out in clear.
    pub plaintext_data_keys: PlaintextDataKeys,
    /// The environment of keys that name none, such as `production`.
    pub environment: Option<Name>,
    /// Whether uses of its keys that take an encryption context must name a data asset in it.
    pub assets: AssetRule,
}

impl Default for RingPolicy {
    fn default() -> Self {
        Self {
            protection: Protection::Software,
            rotation_period: None,
            rotates: RotatedKeys::Symmetric,
            protect_period: None,
            process_period: None,
            destroy_waiting_period: Duration::from_secs(30 * 86_400),
            quorum: 2,
            separation: Separation::Strict,
            context_required: RequiredContext::default(),
            data_class: None,
            plaintext_data_keys: PlaintextDataKeys::Allowed,
            environment: None,
            assets: AssetRule::Optional,
        }
    }
}

impl RingPolicy {
    /// The least wait before a destruction. A relaxed ring binds nobody to its own period: a day is enough there.
    #[must_use]
    pub fn least_destroy_wait(&self) -> Duration {
        const DAY: Duration = Duration::from_secs(86_400);
        match self.separation {
            Separation::Relaxed => self.destroy_waiting_period.min(DAY),
            Separation::Strict => self.destroy_waiting_period,
        }
    }

    /// What keeps every destruction in the ring from being carried out: approvals cannot be collected yet.
    #[must_use]
    pub const fn blocks_destruction(&self) -> Option<DestructionBlocked> {
        match self.quorum {
            0 => None,
            quorum => Some(DestructionBlocked::Quorum(quorum)),
        }
    }
}

/// Which keys of a ring its rotation period rotates. A key with a period of its own rotates by that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RotatedKeys {
    /// All of them. Who holds the public half of one must be given the new one.
    All,
    /// Those that have no public half.
    Symmetric,
}

crate::named! {
    /// Text that does not say which keys rotate.
    RotatedKeys, "keys that rotate" {
        All = "all",
        Symmetric = "symmetric",
    }
}

/// Whether keys of a ring hand out data keys, and private keys of pairs, in clear. They are sealed and unsealed here in any case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PlaintextDataKeys {
    /// They do.
    Allowed,
    /// They hand out sealed ones alone.
    Refused,
}

crate::named! {
    /// Text that does not say whether data keys are handed out in clear.
    PlaintextDataKeys, "a rule of data keys" {
        Allowed = "allowed",
        Refused = "refused",
    }
}

impl PlaintextDataKeys {
    /// The rule of a new ring for data of that class, where nobody says otherwise.
    #[must_use]
    pub fn for_class(class: Option<DataClass>) -> Self {
        if class.is_some_and(DataClass::is_restricted) { Self::Refused } else { Self::Allowed }
    }
}

/// Whether uses of a ring's keys name a data asset, where they take an encryption context.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum AssetRule {
    /// They may.
    Optional,
    /// They must, and by the identifier of one that is there.
    Required,
}

crate::named! {
    /// Text that does not say whether uses name a data asset.
    AssetRule, "a rule of data assets" {
        Optional = "optional",
        Required = "required",
    }
}

/// Separation of duties within a ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Separation {
    /// One principal may both administer and use: for evaluation, and for tools that know one credential only.
    Relaxed,
    /// Who administers a key never uses it.
    Strict,
}

crate::named! {
    /// Text that is not a separation rule.
    Separation, "a separation rule" {
        Relaxed = "relaxed",
        Strict = "strict",
    }
}
