//! The key as callers name it, and the key with all that its use depends on.

use std::sync::Arc;
use std::time::Duration;

use super::ring::longer;
use super::{
    AssetRule, ContextField, DataClass, KeyRing, KeyVersion, NoTransition, Origin, Protection,
    RequiredContext, RingPolicy, RotatedKeys, State, UseRefused,
};
use super::{Event, Processing, Protecting, RefusedFor};
use crate::reason::Why;
use crate::time::Timestamp;
use crate::{ApprovalId, GrantId, KeyId, KeyName, KeyRingId, KeyVersionId, Name, PrincipalId, Purpose, Spec};
use claviger_crypto::digest::sha256_parts;

/// What callers name: a purpose, a spec and a row of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its identifier, never reused.
    pub id: KeyId,
    /// Its ring.
    pub ring: KeyRingId,
    /// Its name within the ring, bound to it for ever.
    pub name: Name,
    /// The one thing it is for, fixed at creation.
    pub purpose: Purpose,
    /// Its algorithm and size, fixed at creation.
    pub spec: Spec,
    /// Where its material lives and works, fixed at creation.
    pub protection: Protection,
    /// What its data is.
    pub data_class: DataClass,
    /// What its owners say it is for: up to [`Key::MAX_DESCRIPTION`] bytes.
    pub description: String,
    /// Who answers for it.
    pub owner: PrincipalId,
    /// Free words of its owners.
    pub labels: Labels,
    /// How often it rotates by policy; `None` is the ring's rule.
    pub rotation_period: Option<Duration>,
    /// What the encryption context must have of each use, beside what the ring asks for.
    pub context_required: RequiredContext,
    /// Its environment, once it has one of its own; `None` is that of its ring.
    pub environment: Option<Name>,
    /// The key's own state; the stricter of it and a version's applies.
    pub state: State,
    /// Number of the version that protects.
    pub primary: u32,
    /// The instant from which its rotation period counts: that of its creation, or of when its own period was set, or of the last
    /// rotation by policy. A rotation on demand leaves it.
    pub rotates_from: Timestamp,
    /// Its scheduled destruction; from then on it is used for nothing.
    pub destruction: Option<Destruction>,
    /// Digest of the document of its policy, [`PolicyDocument::digest`]; `None` where none was put.
    pub policy: Option<[u8; 32]>,
    /// Why it is in its present state.
    pub reason: Option<Why>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Counts the writes of this row.
    pub revision: u64,
}

/// The document of a key's policy: what was put, and which grants came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDocument {
    /// The key.
    pub key: KeyId,
    /// The text, in the language of the protocol that it came by: up to [`PolicyDocument::MAX_TEXT`] bytes.
    pub text: String,
    /// The grants that it gave, ascending.
    pub grants: Vec<GrantId>,
}

impl PolicyDocument {
    /// Longest text, in bytes: 131 072 characters of up to 4 bytes.
    pub const MAX_TEXT: usize = 524_288;

    /// SHA-256 of key, number of grants (8 bytes, big-endian), their identifiers, and the text.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let count = (self.grants.len() as u64).to_be_bytes();
        let grants: Vec<u8> = self.grants.iter().flat_map(|grant| *grant.as_bytes()).collect();
        sha256_parts(&[self.key.as_bytes(), &count, &grants, self.text.as_bytes()])
    }
}

/// A destruction that was scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destruction {
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// The end of the wait that was asked for. The ring may ask for a later one: [`KeyRecord::destroy_at`].
    pub at: Timestamp,
    /// By which approval it was scheduled; `None` where nobody had to approve. It is held against the ring, and against those who
    /// approved, once more at the end of the wait.
    pub approval: Option<ApprovalId>,
}

impl Destruction {
    /// When it may be carried out in a ring of that policy.
    #[must_use]
    pub fn due_at(&self, policy: &RingPolicy) -> Timestamp {
        self.at.max(self.scheduled_at.after(policy.least_destroy_wait()))
    }
}

/// Why a scheduled destruction is not carried out, however long it has waited: it is held until it is approved afresh, or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestructionBlocked {
    /// The ring asks for the approval of that many custodians, and there is none, or not one of so many who still may.
    Quorum(u8),
}

impl Key {
    /// Longest description, in bytes.
    pub const MAX_DESCRIPTION: usize = 8192;

    /// How often it rotates by policy in a ring of that one: by its own period, or by the ring's.
    fn rotates_every(&self, policy: &RingPolicy) -> Option<Duration> {
        let rotates = match policy.rotates {
            RotatedKeys::All => true,
            RotatedKeys::Symmetric => !self.spec.is_asymmetric(),
        };
        self.rotation_period.or(policy.rotation_period.filter(|_| rotates))
    }

    /// Is less asked of this key than `before` somewhere, in a ring of that policy, whatever more is asked of it elsewhere? That is
    /// done by approval alone.
    #[must_use]
    pub fn weakens(&self, before: &Self, policy: &RingPolicy) -> bool {
        self.data_class.is_below(before.data_class)
            || before.context_required.exceeds(&self.context_required)
            || longer(self.rotates_every(policy), before.rotates_every(policy))
    }

    /// This key after `event` on the key as a whole; why, is for who brings it about to say.
    ///
    /// # Errors
    /// [`NoTransition`] when the lifecycle has no such arrow.
    pub fn after(&self, event: Event) -> Result<Self, NoTransition> {
        Ok(Self { state: self.state.after(event)?, reason: None, ..self.clone() })
    }

    /// This key out of use, to be destroyed. What is active is suspended; what cannot be keeps its state, and is used
    /// for nothing all the same.
    ///
    /// # Errors
    /// [`NoTransition`] for what is destroyed already.
    pub fn to_be_destroyed(&self, destruction: Destruction) -> Result<Self, NoTransition> {
        self.state.destroyed()?;
        let state = self.state.after(Event::Suspend).unwrap_or(self.state);
        Ok(Self { state, destruction: Some(destruction), ..self.clone() })
    }

    /// The tombstone of this key.
    ///
    /// # Errors
    /// [`NoTransition`] for what is destroyed already.
    pub fn destroyed(&self) -> Result<Self, NoTransition> {
        Ok(Self { state: self.state.destroyed()?, destruction: None, ..self.clone() })
    }

    /// Do its uses take an encryption context?
    #[must_use]
    pub const fn takes_context(&self) -> bool {
        matches!(self.purpose, Purpose::Encrypt) && !self.spec.is_asymmetric()
    }

    /// How often one of its versions may protect before it must be replaced; `None` if never for this reason. What the spec
    /// says holds for the software provider's algorithms; a token has AES-GCM with nonces of 96 bits only, drawn at random: 2^32
    /// (SP 800-38D, 8.3).
    #[must_use]
    pub const fn invocation_limit(&self) -> Option<u64> {
        match (self.protection, self.spec, self.purpose) {
            (Protection::Hsm, Spec::Aes256Gcm, Purpose::Encrypt) => {
                Spec::Aes128Gcm.invocation_limit(Purpose::Encrypt)
            }
            (_, spec, purpose) => spec.invocation_limit(purpose),
        }
    }
}

/// Labels: up to 50 pairs, names up to 128 bytes, values up to 256.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Labels(Vec<(String, String)>);

/// Pairs that are not labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("labels are up to 50 pairs with distinct names of 1 to 128 bytes and values of up to 256 bytes")]
pub struct NotALabel;

impl Labels {
    /// Labels of these pairs, in the order of their names.
    ///
    /// # Errors
    /// [`NotALabel`] beyond the limits, or when a name comes twice.
    pub fn new(mut pairs: Vec<(String, String)>) -> Result<Self, NotALabel> {
        pairs.sort();
        let valid =
            |(name, value): &(String, String)| !name.is_empty() && name.len() <= 128 && value.len() <= 256;
        let distinct = pairs.iter().zip(pairs.iter().skip(1)).all(|(a, b)| a.0 != b.0);
        if pairs.len() > 50 || !distinct || !pairs.iter().all(valid) {
            return Err(NotALabel);
        }
        Ok(Self(pairs))
    }

    /// The pairs, in the order of their names.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// A key with its ring and the versions at hand: what a decision about its use reads. Immutable; shared by `Arc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The ring.
    pub ring: Arc<KeyRing>,
    /// The key.
    pub key: Key,
    /// Versions by number, ascending: the newest ones, at most [`KeyRecord::AT_HAND`], and the primary one.
    pub versions: Vec<KeyVersion>,
}

impl KeyRecord {
    /// So many of the newest versions are at hand. Older ones are read one by one, or in pages.
    pub const AT_HAND: u32 = 64;

    /// Number of the newest version. They count from 1, and none is ever taken away.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.versions.last().map_or(0, |version| version.id.number)
    }

    /// Are all versions at hand?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        u32::try_from(self.versions.len()).is_ok_and(|count| count == self.newest())
    }

    /// The first field that ring or key ask the encryption context for and that it lacks, where `has` says what it has. Keys whose
    /// uses take no context are asked for none.
    #[must_use]
    pub fn missing_context(&self, has: impl Fn(&str) -> bool) -> Option<&ContextField> {
        let (of_ring, of_key) = (&self.ring.policy.context_required, &self.key.context_required);
        if (of_ring.is_empty() && of_key.is_empty()) || !self.key.takes_context() {
            return None;
        }
        of_ring.fields().iter().chain(of_key.fields()).find(|field| !has(field.as_str()))
    }

    /// The environment that the key belongs to: its own, or its ring's.
    #[must_use]
    pub fn environment(&self) -> Option<&Name> {
        self.key.environment.as_ref().or(self.ring.policy.environment.as_ref())
    }

    /// Must its uses name a data asset? Those of a key that takes no encryption context name none.
    #[must_use]
    pub fn asks_for_asset(&self) -> bool {
        self.ring.policy.assets == AssetRule::Required && self.key.takes_context()
    }

    /// The full name, `ring/key`.
    #[must_use]
    pub fn name(&self) -> KeyName {
        KeyName { ring: self.ring.name.clone(), key: self.key.name.clone() }
    }

    /// The version of that number, if it is at hand.
    #[must_use]
    pub fn find_version(&self, number: u32) -> Option<&KeyVersion> {
        self.versions
            .binary_search_by_key(&number, |version| version.id.number)
            .ok()
            .and_then(|at| self.versions.get(at))
    }

    /// What key and version allow together.
    #[must_use]
    pub fn state_of(&self, version: &KeyVersion) -> State {
        self.key.state.stricter(version.state)
    }

    /// How often the key rotates by policy: by its own, or by its ring's.
    #[must_use]
    pub fn rotation_period(&self) -> Option<Duration> {
        self.key.rotates_every(&self.ring.policy)
    }

    /// When the key rotates next by policy; `None` when it does not, be it for want of one or of an active state.
    #[must_use]
    pub fn next_rotation_at(&self) -> Option<Timestamp> {
        let period = self.rotation_period().filter(|_| self.key.state == State::Active)?;
        // New material of such a key is imported, and then somebody rotates it.
        if self.origin() == Origin::Imported {
            return None;
        }
        Some(self.key.rotates_from.after(period))
    }

    /// The earliest instant of its scheduled destruction: the end of the wait that was asked for, or of the one that its ring
    /// asks for now, whichever is later. `None` when none is scheduled.
    #[must_use]
    pub fn destroy_at(&self) -> Option<Timestamp> {
        Some(self.key.destruction?.due_at(&self.ring.policy))
    }

    /// What keeps a scheduled destruction from being carried out, as far as key and ring say: nobody approved it, and the ring asks for
    /// approval by now. Whether enough of those who approved still may, their own rows say.
    #[must_use]
    pub fn destruction_blocked(&self) -> Option<DestructionBlocked> {
        let destruction = self.key.destruction?;
        self.ring.policy.blocks_destruction().filter(|_| destruction.approval.is_none())
    }

    /// Nothing is used while the key waits for its destruction.
    fn in_use(&self, number: u32) -> Result<(), UseRefused> {
        if self.key.destruction.is_none() {
            return Ok(());
        }
        let version = KeyVersionId { key: self.key.id, number };
        let state = self.find_version(number).map_or(self.key.state, |version| self.state_of(version));
        Err(UseRefused { version, reason: RefusedFor::Destruction(state) })
    }

    /// Whether its material is made here or imported.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.versions.first().map_or(Origin::Generated, |version| version.provenance.origin)
    }

    /// The version that waits for the key's rotation with material of its own, if there is one.
    #[must_use]
    pub fn waiting(&self) -> Option<&KeyVersion> {
        self.versions
            .last()
            .filter(|last| last.state == State::PreActive && last.id.number != self.key.primary)
    }

    /// The primary version, for use on new data at `now`.
    ///
    /// # Errors
    /// [`UseRefused`] when key or version do not protect, or its material is absent or has expired.
    pub fn protecting(&self, now: Timestamp) -> Result<Protecting<'_>, UseRefused> {
        self.in_use(self.key.primary)?;
        let id = KeyVersionId { key: self.key.id, number: self.key.primary };
        let missing = UseRefused { version: id, reason: RefusedFor::State(self.key.state) };
        let version = self.find_version(self.key.primary).ok_or(missing)?;
        version.protecting(self.state_of(version), now)
    }

    /// Version `number`, for use on old data at `now`; `None` when no such version is at hand.
    ///
    /// # Errors
    /// [`UseRefused`] when key or version do not process, or its material is absent or has expired.
    pub fn processing(&self, number: u32, now: Timestamp) -> Result<Option<Processing<'_>>, UseRefused> {
        self.in_use(number)?;
        self.find_version(number).map(|version| version.processing(self.state_of(version), now)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_policy_distinguishes_text_grants_and_key() {
        let id = |number| GrantId::from_bytes([number; 16]);
        let key = KeyId::from_bytes([9; 16]);
        let document = PolicyDocument { key, text: "{}".to_owned(), grants: vec![id(1)] };
        for other in [
            PolicyDocument { text: "{ }".to_owned(), ..document.clone() },
            PolicyDocument { grants: vec![id(1), id(2)], ..document.clone() },
            PolicyDocument { grants: Vec::new(), ..document.clone() },
            PolicyDocument { key: KeyId::from_bytes([8; 16]), ..document.clone() },
        ] {
            assert_ne!(document.digest(), other.digest(), "{other:?}");
        }
    }

    fn key(protection: Protection, spec: Spec) -> Key {
        Key {
            id: KeyId::from_bytes([1; 16]),
            ring: KeyRingId::from_bytes([2; 16]),
            name: "cards".parse().unwrap(),
            purpose: Purpose::Encrypt,
            spec,
            protection,
            data_class: DataClass::Cardholder,
            description: String::new(),
            owner: PrincipalId::from_bytes([3; 16]),
            labels: Labels::default(),
            rotation_period: None,
            context_required: RequiredContext::default(),
            environment: None,
            state: State::Active,
            primary: 1,
            rotates_from: Timestamp::from_micros(0),
            destruction: None,
            policy: None,
            created_at: Timestamp::from_micros(0),
            reason: None,
            revision: 1,
        }
    }

    #[test]
    fn a_destruction_that_nobody_approved_is_held_where_the_ring_asks_for_approval() {
        let record = |quorum, destruction| {
            let ring = KeyRing {
                id: KeyRingId::from_bytes([2; 16]),
                name: "orders".parse().unwrap(),
                policy: RingPolicy { quorum, ..RingPolicy::default() },
                kek: vec![],
                kek_wrap: None,
                created_at: Timestamp::from_micros(0),
                reason: None,
                revision: 1,
            };
            let key = Key { destruction, ..key(Protection::Software, Spec::Aes256Gcm) };
            KeyRecord { ring: Arc::new(ring), key, versions: vec![] }
        };
        let scheduled = |approval| {
            let at = Timestamp::from_micros(9);
            Some(Destruction { scheduled_at: at, at, approval })
        };
        let approved = scheduled(Some(ApprovalId::from_bytes([4; 16])));
        for (quorum, destruction, blocked) in [
            (2, None, None),
            (2, scheduled(None), Some(DestructionBlocked::Quorum(2))),
            (2, approved, None),
            (0, scheduled(None), None),
        ] {
            let found = record(quorum, destruction).destruction_blocked();
            assert_eq!(found, blocked, "{quorum} {destruction:?}");
        }
    }

    #[test]
    fn less_that_is_asked_of_a_key_weakens_and_the_way_back_does_not() {
        let days = |count: u64| Some(Duration::from_secs(count * 86_400));
        let fields =
            |names: &[&str]| RequiredContext::new(names.iter().map(|name| name.parse().unwrap())).unwrap();
        let of_ring = RingPolicy { rotation_period: days(90), ..RingPolicy::default() };
        let before = Key {
            rotation_period: days(30),
            context_required: fields(&["tenant", "case"]),
            ..key(Protection::Software, Spec::Aes256Gcm)
        };
        assert!(!before.weakens(&before, &of_ring));
        let edits: [fn(&mut Key); 6] = [
            |key| key.data_class = DataClass::Personal,
            |key| key.data_class = DataClass::Internal,
            |key| key.data_class = DataClass::Test,
            |key| key.context_required = RequiredContext::default(),
            |key| key.rotation_period = Some(Duration::from_secs(31 * 86_400)),
            |key| key.rotation_period = None,
        ];
        for edit in edits {
            let mut now = before.clone();
            edit(&mut now);
            assert!(now.weakens(&before, &of_ring) && !before.weakens(&now, &of_ring), "{now:?}");
        }
        // More of something else does not make up for it, and another field is not the same field.
        let other = Key { context_required: fields(&["tenant", "shop"]), ..before.clone() };
        assert!(other.weakens(&before, &of_ring) && before.weakens(&other, &of_ring));
        for class in [DataClass::Authentication, DataClass::Ephi, DataClass::PersonalSpecial] {
            let alike = Key { data_class: class, ..before.clone() };
            assert!(!alike.weakens(&before, &of_ring) && !before.weakens(&alike, &of_ring), "{class}");
        }
        // What is said beside that asks for nothing.
        let said = Key { description: "of the shop".to_owned(), ..before.clone() };
        assert!(!said.weakens(&before, &of_ring));
    }

    #[test]
    fn how_often_a_key_rotates_is_by_its_ring_where_it_says_nothing() {
        let days = |count: u64| Some(Duration::from_secs(count * 86_400));
        let rotating = |spec, rotation_period| Key { rotation_period, ..key(Protection::Software, spec) };
        let of_ring = RingPolicy { rotation_period: days(90), ..RingPolicy::default() };
        let symmetric = |period| rotating(Spec::Aes256Gcm, period);
        assert!(!symmetric(days(90)).weakens(&symmetric(None), &of_ring));
        assert!(!symmetric(None).weakens(&symmetric(days(120)), &of_ring));
        assert!(symmetric(days(120)).weakens(&symmetric(None), &of_ring));
        // The ring does not rotate keys with a public half, nor does one without a period any.
        let pair = |period| rotating(Spec::EcP256, period);
        assert!(pair(None).weakens(&pair(days(120)), &of_ring));
        assert!(symmetric(None).weakens(&symmetric(days(30)), &RingPolicy::default()));
        assert!(!symmetric(days(30)).weakens(&symmetric(None), &RingPolicy::default()));
    }

    #[test]
    fn uses_are_limited_where_nonces_are_short() {
        for (protection, spec, limit) in [
            (Protection::Software, Spec::Aes256Gcm, None),
            (Protection::Software, Spec::Aes128Gcm, Some(1 << 32)),
            (Protection::Hsm, Spec::Aes256Gcm, Some(1 << 32)),
            (Protection::Hsm, Spec::Aes128Gcm, Some(1 << 32)),
            (Protection::Hsm, Spec::Rsa2048, None),
        ] {
            assert_eq!(key(protection, spec).invocation_limit(), limit, "{protection} {spec}");
        }
    }
}
