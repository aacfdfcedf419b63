//! One generation of a key's material: where it lives, where it comes from, and the two ways to use it.

use super::{Event, NoTransition, State};
use crate::reason::Why;
use crate::time::Timestamp;
use crate::{KeyVersionId, Spec};
use claviger_crypto::WrappingAlgorithm;

/// Where material lives and works.
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
    /// Imported.
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
    /// Somewhere else: the material was imported, and nothing is known of it here.
    Elsewhere,
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
        Elsewhere = "elsewhere",
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
    /// Made here or imported.
    pub origin: Origin,
    /// The module that made it, with its version, as the module says it.
    pub module: String,
    /// The generator.
    pub generator: Generator,
    /// Whether the module's self-tests had passed when it was made.
    pub health_ok: bool,
    /// Keyed digest by which the same material is known again, under whichever key; `None` for what never leaves its token and
    /// has no public half, and for what an older release made.
    pub fingerprint: Option<[u8; 16]>,
}

/// Material at rest: opaque to everyone but the provider that made it.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrap {
    /// Format of `bytes`, by the provider's own count.
    pub format: u8,
    /// The wrapped material.
    pub bytes: Vec<u8>,
}

/// What material at rest is wrapped by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum WrappingKey {
    /// The KEK of the key's ring, which the root wraps.
    RingKek,
    /// The root, in its token.
    TokenRoot,
}

crate::named! {
    /// Text that is not what material is wrapped by.
    WrappingKey, "what material is wrapped by" {
        RingKek = "ring_kek",
        TokenRoot = "token_root",
    }
}

impl Wrap {
    /// Format: material under the KEK of its ring, for use in the process.
    pub const UNDER_RING_KEK: u8 = 1;
    /// Format: a key of the token, wrapped by the root key and sealed to its place.
    pub const UNDER_TOKEN_ROOT: u8 = 2;

    /// What wraps it, and by which algorithm; `None` for a format that is not known.
    #[must_use]
    pub const fn wrapping(&self) -> Option<(WrappingKey, &'static str)> {
        match self.format {
            Self::UNDER_RING_KEK => Some((WrappingKey::RingKek, "aes-256-gcm")),
            Self::UNDER_TOKEN_ROOT => Some((WrappingKey::TokenRoot, "aes-256-kwp")),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Wrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wrap(format {}, {} bytes)", self.format, self.bytes.len())
    }
}

/// What is kept of material that was imported, beside the material itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Keyed digest of the material: no other may come in its place.
    pub digest: [u8; 32],
    /// From then on it is used no more; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was removed again; `None` while it is here.
    pub removed_at: Option<Timestamp>,
    /// How it came here last; `None` for what an older release took in.
    pub transport: Option<Transport>,
}

/// How material was wrapped on its way here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// The wrapping algorithm.
    pub algorithm: WrappingAlgorithm,
    /// What kind of key it was wrapped for.
    pub spec: Spec,
    /// SHA-256 of that key's `SubjectPublicKeyInfo`.
    pub key: [u8; 32],
}

impl Transport {
    /// Its security strength in bits: that of the transport key, since whatever is under it is as strong.
    #[must_use]
    pub const fn strength_bits(&self) -> u16 {
        self.spec.strength_bits()
    }
}

/// Material that was imported, under the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedMaterial {
    /// The material at rest.
    pub wrap: Wrap,
    /// `SubjectPublicKeyInfo` of an asymmetric key.
    pub public_key: Option<Vec<u8>>,
    /// How it came here.
    pub provenance: Provenance,
    /// Keyed digest of the material.
    pub digest: [u8; 32],
    /// From then on it is used no more; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// How it was wrapped on its way.
    pub transport: Transport,
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
    /// The wrapped material; `None` once destroyed, and while imported material is absent.
    pub wrap: Option<Wrap>,
    /// `SubjectPublicKeyInfo` (DER, RFC 5280) of an asymmetric version.
    pub public_key: Option<Vec<u8>>,
    /// Where it came from.
    pub provenance: Provenance,
    /// What is kept of imported material; `None` for material made here, and before the first import.
    pub imported: Option<Imported>,
    /// How it came to follow the one before it; `None` for a key's first.
    pub rotated: Option<Rotation>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it first became active.
    pub activated_at: Option<Timestamp>,
    /// When its state last changed.
    pub state_changed_at: Timestamp,
    /// Why it is in its present state, apart from its key's.
    pub reason: Option<Why>,
    /// Uses on new data, counted durably where the primitive has a limit (SP 800-38D, 8.3); else zero.
    pub protect_uses: u64,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl KeyVersion {
    /// This version after `event` at `now`; why, is for who brings it about to say.
    ///
    /// # Errors
    /// [`NoTransition`] when the lifecycle has no such arrow, and for what would put a version into use whose material is
    /// away.
    pub fn after(&self, event: Event, now: Timestamp) -> Result<Self, NoTransition> {
        let state = self.state.after(event)?;
        if state == State::Active && self.wrap.is_none() {
            return Err(NoTransition { from: self.state, event });
        }
        let activated_at = if event == Event::Activate { Some(now) } else { self.activated_at };
        Ok(Self { state, activated_at, state_changed_at: now, reason: None, ..self.clone() })
    }

    /// The tombstone of this version, destroyed at `now`: its material is gone, and what is known of it stays.
    ///
    /// # Errors
    /// [`NoTransition`] for what is destroyed already.
    pub fn destroyed(&self, now: Timestamp) -> Result<Self, NoTransition> {
        let state = self.state.destroyed()?;
        Ok(Self { state, wrap: None, state_changed_at: now, ..self.clone() })
    }

    /// Its name for those who speak of material apart from keys: derived from key and number, and disclosing neither.
    #[must_use]
    pub fn material_id(&self) -> [u8; 32] {
        self.id.material_id()
    }

    /// Whether its material is to be imported: it never was, or was removed again.
    #[must_use]
    pub fn is_pending_import(&self) -> bool {
        self.wrap.is_none() && !self.state.is_destroyed()
    }

    /// Whether its material was imported to be used before `now` only.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.imported.as_ref().and_then(|imported| imported.expires_at).is_some_and(|at| at <= now)
    }

    /// This version with material that is imported at `now`. The first material of a primary version puts it into use;
    /// material that comes back resumes what its removal suspended.
    ///
    /// # Errors
    /// [`NoTransition`] for a version that is compromised or destroyed.
    pub fn with_material(
        &self,
        imported: ImportedMaterial,
        primary: bool,
        now: Timestamp,
    ) -> Result<Self, NoTransition> {
        let ImportedMaterial { wrap, public_key, provenance, digest, expires_at, transport } = imported;
        let filled = Self {
            wrap: Some(wrap),
            public_key,
            // What it came with first is what the evidence says.
            provenance: if self.imported.is_some() { self.provenance.clone() } else { provenance },
            imported: Some(Imported { digest, expires_at, removed_at: None, transport: Some(transport) }),
            ..self.clone()
        };
        match self.state {
            State::PreActive if primary => filled.after(Event::Activate, now),
            State::Suspended if self.suspended_by_removal() => filled.after(Event::Resume, now),
            State::PreActive | State::Active | State::Suspended | State::Deactivated => Ok(filled),
            from @ (State::Compromised | State::Destroyed | State::DestroyedCompromised) => {
                Err(NoTransition { from, event: Event::Resume })
            }
        }
    }

    /// This version after its material was removed at `now`: what was in use is suspended.
    ///
    /// # Errors
    /// [`NoTransition`], which the lifecycle never gives here.
    pub fn without_material(&self, now: Timestamp) -> Result<Self, NoTransition> {
        let imported = self.imported.clone().map(|kept| Imported { removed_at: Some(now), ..kept });
        let emptied = Self { wrap: None, imported, ..self.clone() };
        if self.state == State::Active { emptied.after(Event::Suspend, now) } else { Ok(emptied) }
    }

    /// Was it in use when its material was removed?
    fn suspended_by_removal(&self) -> bool {
        let removed_at = self.imported.as_ref().and_then(|imported| imported.removed_at);
        removed_at == Some(self.state_changed_at)
    }

    pub(super) fn protecting(&self, state: State, now: Timestamp) -> Result<Protecting<'_>, UseRefused> {
        self.usable(state.protects(), state, now).map(|()| Protecting(self))
    }

    pub(super) fn processing(&self, state: State, now: Timestamp) -> Result<Processing<'_>, UseRefused> {
        self.usable(state.processes(), state, now).map(|()| Processing(self))
    }

    fn usable(&self, allowed: bool, state: State, now: Timestamp) -> Result<(), UseRefused> {
        let refused = |reason| Err(UseRefused { version: self.id, reason });
        if self.is_pending_import() {
            return refused(RefusedFor::PendingImport);
        }
        if !allowed {
            return refused(RefusedFor::State(state));
        }
        // Nobody needs to have removed it: from that instant on it is not used.
        if self.has_expired(now) { refused(RefusedFor::MaterialExpired) } else { Ok(()) }
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

/// Key or version do not allow the use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("version {} of the key {reason}", version.number)]
pub struct UseRefused {
    /// The version.
    pub version: KeyVersionId,
    /// What stands in the way.
    pub reason: RefusedFor,
}

/// What stands in the way of a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedFor {
    /// The key waits for its destruction; this is what key and version would allow together.
    Destruction(State),
    /// Its material is to be imported.
    PendingImport,
    /// Its material was imported for a time that is over.
    MaterialExpired,
    /// What key and version allow together.
    State(State),
}

impl std::fmt::Display for RefusedFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Destruction(state) => write!(f, "is {state}, and the key waits for its destruction"),
            Self::PendingImport => f.write_str("is pending import"),
            Self::MaterialExpired => f.write_str("has material that expired"),
            Self::State(state) => write!(f, "is {state}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyId;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn awaiting() -> KeyVersion {
        KeyVersion {
            id: KeyVersionId { key: KeyId::from_bytes([7; 16]), number: 1 },
            state: State::PreActive,
            spec: Spec::Aes256Gcm,
            protection: Protection::Software,
            wrap: None,
            public_key: None,
            provenance: provenance(),
            imported: None,
            rotated: None,
            created_at: at(1),
            activated_at: None,
            state_changed_at: at(1),
            reason: None,
            protect_uses: 0,
            revision: 1,
        }
    }

    fn provenance() -> Provenance {
        Provenance {
            origin: Origin::Imported,
            module: "test".into(),
            generator: Generator::Elsewhere,
            health_ok: true,
            fingerprint: Some([4; 16]),
        }
    }

    fn material(expires_at: Option<Timestamp>) -> ImportedMaterial {
        let wrap = Wrap { format: 1, bytes: vec![1] };
        let transport = Transport {
            algorithm: WrappingAlgorithm::RsaAesKeyWrapSha256,
            spec: Spec::Rsa3072,
            key: [5; 32],
        };
        ImportedMaterial {
            wrap,
            public_key: None,
            provenance: provenance(),
            digest: [3; 32],
            expires_at,
            transport,
        }
    }

    #[test]
    fn material_that_comes_puts_the_primary_version_into_use_and_no_other() {
        let version = awaiting();
        assert!(version.is_pending_import());
        assert!(version.after(Event::Activate, at(2)).is_err(), "there is nothing to use");
        let primary = version.with_material(material(None), true, at(2)).unwrap();
        assert_eq!((primary.state, primary.activated_at), (State::Active, Some(at(2))));
        let next = version.with_material(material(None), false, at(2)).unwrap();
        assert_eq!(next.state, State::PreActive);
    }

    #[test]
    fn removal_suspends_and_return_resumes() {
        let active = awaiting().with_material(material(None), true, at(2)).unwrap();
        let away = active.without_material(at(3)).unwrap();
        assert_eq!((away.state, away.is_pending_import()), (State::Suspended, true));
        assert!(away.after(Event::Resume, at(4)).is_err(), "there is nothing to use");
        let back = away.with_material(material(None), true, at(5)).unwrap();
        assert_eq!((back.state, back.is_pending_import()), (State::Active, false));
    }

    #[test]
    fn return_of_material_resumes_nothing_that_was_suspended_before() {
        let active = awaiting().with_material(material(None), true, at(2)).unwrap();
        let suspended = active.after(Event::Suspend, at(3)).unwrap();
        let away = suspended.without_material(at(4)).unwrap();
        assert_eq!(away.with_material(material(None), true, at(5)).unwrap().state, State::Suspended);
        let old = active.after(Event::Deactivate, at(3)).unwrap().without_material(at(4)).unwrap();
        assert_eq!(old.state, State::Deactivated);
        assert_eq!(old.with_material(material(None), false, at(5)).unwrap().state, State::Deactivated);
        let lost = active.after(Event::Compromise, at(3)).unwrap();
        assert!(lost.with_material(material(None), true, at(5)).is_err());
    }

    #[test]
    fn expired_or_absent_material_is_not_used() {
        let version = awaiting().with_material(material(Some(at(10))), true, at(2)).unwrap();
        assert!(version.protecting(State::Active, at(9)).is_ok());
        for refused in [
            version.protecting(State::Active, at(10)).map(drop).unwrap_err(),
            version.processing(State::Active, at(11)).map(drop).unwrap_err(),
        ] {
            assert_eq!(refused.reason, RefusedFor::MaterialExpired);
        }
        let away = version.without_material(at(3)).unwrap();
        let refused = away.processing(away.state, at(4)).map(drop).unwrap_err();
        assert_eq!(refused.reason, RefusedFor::PendingImport);
        assert_eq!(refused.to_string(), "version 1 of the key is pending import");
    }

    #[test]
    fn material_ids_differ_by_key_and_number() {
        let one = awaiting();
        let id = KeyVersionId { number: 2, ..one.id };
        let two = KeyVersion { id, ..one.clone() };
        let id = KeyVersionId { key: KeyId::from_bytes([8; 16]), ..one.id };
        let other = KeyVersion { id, ..one.clone() };
        assert_eq!(one.material_id(), one.clone().material_id());
        assert_ne!(one.material_id(), two.material_id());
        assert_ne!(one.material_id(), other.material_id());
    }
}
