//! One generation of a key's material: where it lives, where it comes from, and the two ways to use it.

use super::{Event, NoTransition, State};
use crate::time::Timestamp;
use crate::{KeyVersionId, Spec};

/// Where material lives and works (design, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Protection {
    /// Generated and used inside the token; outside it only wrapped.
    Hsm,
    /// Used in the process, in locked memory; wrapped at rest under the ring KEK.
    Software,
}

crate::named! {
    /// Text that is not a protection level.
    Protection, "a protection level" {
        Hsm = "hsm",
        Software = "software",
    }
}

/// Where material came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// Made here.
    Generated,
    /// Brought in.
    Imported,
}

crate::named! {
    /// Text that is not an origin.
    Origin, "an origin" {
        Generated = "generated",
        Imported = "imported",
    }
}

/// The generator that material was drawn from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Generator {
    /// The deterministic random bit generator of the cryptographic module (SP 800-90A).
    ModuleDrbg,
    /// The token's generator, `C_GenerateRandom` or key generation inside the token.
    Token,
    /// The token's generator seeds material that the module computes.
    TokenSeed,
}

crate::named! {
    /// Text that is not a generator.
    Generator, "a generator" {
        ModuleDrbg = "module_drbg",
        Token = "token",
        TokenSeed = "token_seed",
    }
}

/// How a version came to follow the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Rotation {
    /// It was due by the rotation period of key or ring.
    ByPolicy,
    /// Somebody asked for it.
    OnDemand,
}

crate::named! {
    /// Text that is not a way to rotate.
    Rotation, "a way to rotate" {
        ByPolicy = "by_policy",
        OnDemand = "on_demand",
    }
}

/// How a version's material came to be: what the evidence says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Made here or brought in.
    pub origin: Origin,
    /// The module that made it, with its version, as the module says it.
    pub module: String,
    /// The generator.
    pub generator: Generator,
    /// Whether the module's self-tests had passed when it was made.
    pub health_ok: bool,
}

/// Material at rest: opaque to everyone but the provider that made it.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrap {
    /// Format of `bytes`, by the provider's own count.
    pub format: u8,
    /// The wrapped material.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Wrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wrap(format {}, {} bytes)", self.format, self.bytes.len())
    }
}

/// One generation of material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersion {
    /// Key and number.
    pub id: KeyVersionId,
    /// Its state; the stricter of it and the key's counts.
    pub state: State,
    /// Algorithm and size: the key's own.
    pub spec: Spec,
    /// Where it lives.
    pub protection: Protection,
    /// The wrapped material; `None` once destroyed.
    pub wrap: Option<Wrap>,
    /// `SubjectPublicKeyInfo` (DER, RFC 5280) of an asymmetric version.
    pub public_key: Option<Vec<u8>>,
    /// Where it came from.
    pub provenance: Provenance,
    /// How it came to follow the one before it; `None` for a key's first.
    pub rotated: Option<Rotation>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it first became active.
    pub activated_at: Option<Timestamp>,
    /// When its state last changed.
    pub state_changed_at: Timestamp,
    /// Uses on new data, counted durably where the primitive has a limit (SP 800-38D, 8.3); else zero.
    pub protect_uses: u64,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl KeyVersion {
    /// This version after `event` at `now`.
    ///
    /// # Errors
    /// [`NoTransition`] when the lifecycle has no such arrow.
    pub fn after(&self, event: Event, now: Timestamp) -> Result<Self, NoTransition> {
        let state = self.state.after(event)?;
        let activated_at = if event == Event::Activate { Some(now) } else { self.activated_at };
        Ok(Self { state, activated_at, state_changed_at: now, ..self.clone() })
    }

    /// The tombstone of this version, destroyed at `now`: its material is gone, and what is known of it stays.
    ///
    /// # Errors
    /// [`NoTransition`] for what is destroyed already.
    pub fn destroyed(&self, now: Timestamp) -> Result<Self, NoTransition> {
        let state = self.state.destroyed()?;
        Ok(Self { state, wrap: None, state_changed_at: now, ..self.clone() })
    }

    pub(super) fn protecting(&self, state: State) -> Result<Protecting<'_>, UseRefused> {
        if state.protects() { Ok(Protecting(self)) } else { Err(UseRefused::by_state(self.id, state)) }
    }

    pub(super) fn processing(&self, state: State) -> Result<Processing<'_>, UseRefused> {
        if state.processes() { Ok(Processing(self)) } else { Err(UseRefused::by_state(self.id, state)) }
    }
}

/// A version that its state, and its key's, allow to be used on new data.
#[derive(Clone, Copy, Debug)]
pub struct Protecting<'a>(&'a KeyVersion);

/// A version that its state, and its key's, allow to be used on old data.
#[derive(Clone, Copy, Debug)]
pub struct Processing<'a>(&'a KeyVersion);

impl<'a> Protecting<'a> {
    /// The version.
    #[must_use]
    pub const fn version(self) -> &'a KeyVersion {
        self.0
    }
}

impl<'a> Processing<'a> {
    /// The version.
    #[must_use]
    pub const fn version(self) -> &'a KeyVersion {
        self.0
    }
}

/// The state of key or version does not allow the use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("version {} of the key is {state}{}", version.number, if *waits { ", and the key waits for its destruction" } else { "" })]
pub struct UseRefused {
    /// The version.
    pub version: KeyVersionId,
    /// What key and version allow together.
    pub state: State,
    /// Does the key wait for its destruction?
    pub waits: bool,
}

impl UseRefused {
    pub(super) const fn by_state(version: KeyVersionId, state: State) -> Self {
        Self { version, state, waits: false }
    }
}
