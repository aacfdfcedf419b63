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
    /// Whether as many custodians must approve each grant on it, or on a key of it.
    pub grants_under_quorum: bool,
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
            grants_under_quorum: false,
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

    /// What a destruction in the ring waits for, beside its time: the approval of as many custodians as the ring asks for.
    #[must_use]
    pub const fn blocks_destruction(&self) -> Option<DestructionBlocked> {
        match self.quorum {
            0 => None,
            quorum => Some(DestructionBlocked::Quorum(quorum)),
        }
    }

    /// Does a new ring put grants under quorum where nobody says so? A strict one for restricted data does.
    #[must_use]
    pub fn grants_under_quorum_for(separation: Separation, class: Option<DataClass>) -> bool {
        separation == Separation::Strict && class.is_some_and(DataClass::is_restricted)
    }

    /// How many custodians must approve a grant on the ring, or on a key of it.
    #[must_use]
    pub const fn approvers_of_grants(&self) -> u8 {
        if self.grants_under_quorum { self.quorum } else { 0 }
    }

    /// Do others approve that material is imported into a key? Into one that is in use they do, and where duties are kept apart also
    /// into one for restricted data, whether the ring or the class of the key says so.
    #[must_use]
    pub fn import_needs_approval(&self, class: Option<DataClass>, is_in_use: bool) -> bool {
        let is_restricted = [self.data_class, class].into_iter().flatten().any(DataClass::is_restricted);
        is_in_use || (is_restricted && self.separation == Separation::Strict)
    }

    /// How many custodians must approve that a ring of this policy that has keys asks for less, or a key of it: of a strict one there
    /// is always somebody, so that nobody alone relaxes what binds them.
    #[must_use]
    pub fn approvers_of_weakening(&self) -> u8 {
        match self.separation {
            Separation::Relaxed => self.quorum,
            Separation::Strict => self.quorum.max(1),
        }
    }

    /// Does this policy ask for less than `before` somewhere, whatever more it asks for elsewhere? What asks for less of a ring that
    /// has keys is done by approval alone.
    #[must_use]
    pub fn weakens(&self, before: &Self) -> bool {
        let is_restricted = |policy: &Self| policy.data_class.is_some_and(DataClass::is_restricted);
        // The words of each rule are in order: of separation, data keys and assets the last asks for most, of the others the first.
        let weaker_words = self.separation < before.separation
            || self.plaintext_data_keys < before.plaintext_data_keys
            || self.assets < before.assets
            || self.protection > before.protection
            || (before.rotation_period.is_some() && self.rotates > before.rotates);
        let longer_spans = longer(self.rotation_period, before.rotation_period)
            || longer(self.protect_period, before.protect_period)
            || longer(self.process_period, before.process_period);
        weaker_words
            || longer_spans
            || self.quorum < before.quorum
            || self.destroy_waiting_period < before.destroy_waiting_period
            || (before.grants_under_quorum && !self.grants_under_quorum)
            || before.context_required.exceeds(&self.context_required)
            || (is_restricted(before) && !is_restricted(self))
    }
}

/// Is a span longer than before, none being without end?
pub(super) fn longer(now: Option<Duration>, before: Option<Duration>) -> bool {
    before.is_some_and(|before| now.is_none_or(|now| now > before))
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

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn strict() -> RingPolicy {
        RingPolicy {
            protection: Protection::Hsm,
            rotation_period: Some(DAY * 90),
            rotates: RotatedKeys::All,
            protect_period: Some(DAY * 365),
            process_period: Some(DAY * 730),
            context_required: RequiredContext::new(["tenant".parse().unwrap()]).unwrap(),
            data_class: Some(DataClass::Cardholder),
            plaintext_data_keys: PlaintextDataKeys::Refused,
            assets: AssetRule::Required,
            grants_under_quorum: true,
            ..RingPolicy::default()
        }
    }

    #[test]
    fn what_asks_for_less_anywhere_weakens_and_the_way_back_does_not() {
        let before = strict();
        assert!(!before.weakens(&before));
        let edits: [fn(&mut RingPolicy); 17] = [
            |policy| policy.protection = Protection::Software,
            |policy| policy.rotation_period = Some(DAY * 91),
            |policy| policy.rotation_period = None,
            |policy| policy.rotates = RotatedKeys::Symmetric,
            |policy| policy.protect_period = Some(DAY * 366),
            |policy| policy.protect_period = None,
            |policy| policy.process_period = Some(DAY * 731),
            |policy| policy.process_period = None,
            |policy| policy.destroy_waiting_period = DAY * 29,
            |policy| policy.quorum = 1,
            |policy| policy.separation = Separation::Relaxed,
            |policy| policy.context_required = RequiredContext::default(),
            |policy| policy.data_class = Some(DataClass::Internal),
            |policy| policy.data_class = None,
            |policy| policy.plaintext_data_keys = PlaintextDataKeys::Allowed,
            |policy| policy.assets = AssetRule::Optional,
            |policy| policy.grants_under_quorum = false,
        ];
        for edit in edits {
            let mut now = before.clone();
            edit(&mut now);
            assert!(now.weakens(&before) && !before.weakens(&now), "{now:?}");
        }
        // More of something else does not make up for it.
        let now = RingPolicy { quorum: 9, assets: AssetRule::Optional, ..before.clone() };
        assert!(now.weakens(&before) && before.weakens(&now));
    }

    #[test]
    fn what_asks_for_the_same_of_other_words_does_not_weaken() {
        let before = RingPolicy { rotation_period: None, ..strict() };
        // Where nothing rotates, it is all the same what would.
        assert!(!RingPolicy { rotates: RotatedKeys::Symmetric, ..before.clone() }.weakens(&before));
        let health = RingPolicy { data_class: Some(DataClass::Ephi), ..before.clone() };
        assert!(!health.weakens(&before) && !before.weakens(&health));
        let more = RequiredContext::new(["tenant", "case"].map(|field| field.parse().unwrap())).unwrap();
        let more = RingPolicy { context_required: more, ..before.clone() };
        assert!(!more.weakens(&before) && before.weakens(&more));
    }

    #[test]
    fn grants_are_under_quorum_where_the_ring_says_so() {
        for (separation, class, expected) in [
            (Separation::Strict, Some(DataClass::Cardholder), true),
            (Separation::Strict, Some(DataClass::Authentication), true),
            (Separation::Strict, Some(DataClass::Personal), false),
            (Separation::Strict, None, false),
            (Separation::Relaxed, Some(DataClass::Cardholder), false),
        ] {
            let found = RingPolicy::grants_under_quorum_for(separation, class);
            assert_eq!(found, expected, "{separation} {class:?}");
        }
        let policy = |quorum, grants_under_quorum| RingPolicy { quorum, grants_under_quorum, ..strict() };
        assert_eq!(policy(3, true).approvers_of_grants(), 3);
        assert_eq!(policy(3, false).approvers_of_grants(), 0);
        assert_eq!(policy(0, true).approvers_of_grants(), 0);
    }

    #[test]
    fn material_for_what_is_in_use_or_restricted_is_approved() {
        let policy = |separation, data_class| RingPolicy { separation, data_class, ..RingPolicy::default() };
        let [cards, inside] = [Some(DataClass::Cardholder), Some(DataClass::Internal)];
        for (separation, of_ring, of_key, expected) in [
            (Separation::Strict, None, None, false),
            (Separation::Strict, inside, inside, false),
            (Separation::Strict, cards, inside, true),
            (Separation::Strict, None, cards, true),
            (Separation::Relaxed, cards, cards, false),
        ] {
            let policy = policy(separation, of_ring);
            let found = [false, true].map(|is_in_use| policy.import_needs_approval(of_key, is_in_use));
            assert_eq!(found, [expected, true], "{separation} {of_ring:?} {of_key:?}");
        }
    }

    #[test]
    fn nobody_alone_weakens_a_strict_ring() {
        let policy = |separation, quorum| RingPolicy { separation, quorum, ..strict() };
        for (separation, quorum, approvers) in [
            (Separation::Strict, 0, 1),
            (Separation::Strict, 1, 1),
            (Separation::Strict, 3, 3),
            (Separation::Relaxed, 0, 0),
            (Separation::Relaxed, 2, 2),
        ] {
            let found = policy(separation, quorum).approvers_of_weakening();
            assert_eq!(found, approvers, "{separation} {quorum}");
        }
    }
}
