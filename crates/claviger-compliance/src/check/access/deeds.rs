//! USE-04, USE-08, USE-11: what two persons should decide, what is reviewed, and access in emergencies.

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_audit::fact::{Object, OpenKey, OpenRing};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::key::{
    AssetRule, DataClass, PlaintextDataKeys, Protection, RingPolicy, RotatedKeys, Separation, State,
};
use claviger_core::principal::Status;
use claviger_core::{KeyId, KeyRingId};

use super::grants::{Index, in_force};
use super::is_unreadable;
use crate::check::rules::uses;
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Setting, Subject};

/// What is sensitive whatever it is done to, and what it is.
const SENSITIVE: [(Op, &str); 5] = [
    (Op::Initialize, "the root was put into use"),
    (Op::Recover, "a security officer was made on the machine"),
    (Op::DestroyKey, "it was destroyed"),
    (Op::RemoveImportedMaterial, "its material was removed"),
    (Op::AcceptLostTail, "the newest part of the log was given up"),
];
const NOT_APPROVED: &str = "and nobody approved it: this release collects no approvals";

/// USE-04.
pub(super) struct DualControl {
    ledger: Ledger,
    index: Index,
    /// Rings and keys as they stood before the entry that changes them.
    rings: BTreeMap<KeyRingId, OpenRing>,
    keys: BTreeMap<KeyId, OpenKey>,
    is_new_credential: bool,
}

impl DualControl {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            index: Index::default(),
            rings: BTreeMap::new(),
            keys: BTreeMap::new(),
            is_new_credential: false,
        }
    }

    fn happened(&mut self, subject: impl Into<Subject>, event: &Event<'_>, what: &str) {
        self.ledger.happened(subject, event.at, event.index, Some(format!("{what}, {NOT_APPROVED}")));
    }
}

/// Was material brought in where nobody alone may?
fn is_sensitive_import(key: KeyId, estate: &Estate) -> bool {
    let Some(row) = estate.keys.get(&key) else { return true };
    let is_strict = estate.ring_of(key).is_none_or(|(_, ring)| ring.policy.separation == Separation::Strict);
    row.state == State::Active || is_strict && Class::from(row.data_class) == Class::Restricted
}

/// Is a period longer than before, none being without end?
fn longer(before: Option<Duration>, now: Option<Duration>) -> bool {
    before.is_some_and(|before| now.is_none_or(|now| now > before))
}

/// In what a ring asks for less than before.
fn ring_weakened(before: &RingPolicy, now: &RingPolicy) -> Option<&'static str> {
    let class = |policy: &RingPolicy| policy.data_class.map(Class::from);
    let fields = now.context_required.fields();
    let checks = [
        (
            before.separation == Separation::Strict && now.separation == Separation::Relaxed,
            "separation of duties was relaxed",
        ),
        (now.quorum < before.quorum, "its quorum was lowered"),
        (
            now.destroy_waiting_period < before.destroy_waiting_period,
            "its wait before destruction was shortened",
        ),
        (
            !before.context_required.fields().iter().all(|field| fields.contains(field)),
            "it asks for less context",
        ),
        (
            before.plaintext_data_keys == PlaintextDataKeys::Refused
                && now.plaintext_data_keys == PlaintextDataKeys::Allowed,
            "data keys in clear were allowed",
        ),
        (
            before.assets == AssetRule::Required && now.assets == AssetRule::Optional,
            "assets need not be named any more",
        ),
        (longer(before.rotation_period, now.rotation_period), "its keys rotate later"),
        (
            before.rotates == RotatedKeys::All && now.rotates == RotatedKeys::Symmetric,
            "its keys with a public half rotate no more",
        ),
        (longer(before.protect_period, now.protect_period), "its keys protect for longer"),
        (longer(before.process_period, now.process_period), "its keys process for longer"),
        (
            before.protection == Protection::Hsm && now.protection == Protection::Software,
            "new keys need not be in a token any more",
        ),
        (
            class(before).is_some_and(|before| class(now).is_some_and(|now| now > before)),
            "the data of its keys was said to be less restricted",
        ),
    ];
    checks.into_iter().find(|(is_so, _)| *is_so).map(|(_, what)| what)
}

/// How often its ring has a key rotate that has no period of its own.
fn period_by_ring(key: &OpenKey, ring: Option<&OpenRing>) -> Option<Duration> {
    let policy = &ring?.policy;
    let rotates = policy.rotates == RotatedKeys::All || !key.spec.is_asymmetric();
    policy.rotation_period.filter(|_| rotates)
}

/// In what a key asks for less than before.
fn key_weakened(before: &OpenKey, now: &OpenKey, ring: Option<&OpenRing>) -> Option<&'static str> {
    let asked = |field: &String| now.context_required.contains(field);
    if !before.context_required.iter().all(asked) {
        return Some("it asks for less context");
    }
    if Class::from(now.data_class) > Class::from(before.data_class) {
        return Some("its data was said to be less restricted");
    }
    let period = |key: &OpenKey| key.rotation_period.or_else(|| period_by_ring(key, ring));
    longer(period(before), period(now)).then_some("it rotates later")
}

impl Check for DualControl {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.is_new_credential = false;
        self.rings.clear();
        self.keys.clear();
        if event.entry.out != Ended::Ok {
            return;
        }
        let op = event.entry.op;
        let key = event.entry.key.map(KeyId::from_bytes);
        // Material that expires was imported to end so; and where there was none, nothing changed.
        let is_harmless =
            op == Op::RemoveImportedMaterial && (event.entry.ses.is_none() || event.entry.fct.is_none());
        let found = SENSITIVE.iter().find(|(sensitive, _)| *sensitive == op && !is_harmless);
        if let Some((_, what)) = found {
            let subject = key.map_or_else(|| Subject::named(op.name()), |key| Object::Key(key).into());
            self.happened(subject, event, what);
        }
        match (op, key) {
            (Op::ImportMaterial, Some(key)) if is_sensitive_import(key, estate) => {
                self.happened(Object::Key(key), event, "material was imported");
            }
            (Op::CreateCredential, _) => self.is_new_credential = true,
            (Op::SetRingSeparation | Op::UpdateRing | Op::UpdateKey, _) => {
                for fact in event.facts {
                    match fact.object {
                        Object::Ring(id) => {
                            self.rings.extend(estate.rings.get(&id).map(|ring| (id, ring.clone())))
                        }
                        Object::Key(id) => {
                            self.keys.extend(estate.keys.get(&id).map(|key| (id, key.clone())))
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Credential(_) | Object::Grant(_) | Object::Key(_) | Object::Ring(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Grant(id) => {
                if let Some(grant) = estate.grants.get(&id) {
                    self.index.take(id, grant);
                }
            }
            Object::Ring(id) => {
                let (Some(before), Some(now)) = (self.rings.get(&id), estate.rings.get(&id)) else { return };
                if let Some(what) = ring_weakened(&before.policy, &now.policy) {
                    self.happened(object, event, what);
                }
            }
            Object::Key(id) => {
                let (Some(before), Some(now)) = (self.keys.get(&id), estate.keys.get(&id)) else { return };
                let ring = estate.ring_of(id).map(|(_, ring)| ring);
                if let Some(what) = key_weakened(before, now, ring) {
                    self.happened(object, event, what);
                }
            }
            Object::Credential(id) if self.is_new_credential => {
                let Some(row) = estate.credentials.get(&id) else { return };
                let Some(holder) = estate.principals.get(&row.principal) else { return };
                let uses_strict = self.index.of(row.principal).any(|id| {
                    let on_strict = estate.grants.get(&id).is_some_and(|grant| {
                        let ring = grant.ring.or_else(|| Some(estate.keys.get(&grant.key?)?.ring));
                        let ring = ring.and_then(|ring| estate.rings.get(&ring));
                        grant.operations.iter().any(|action| uses(*action))
                            && ring.is_none_or(|ring| ring.policy.separation == Separation::Strict)
                    });
                    on_strict && in_force(estate, id, event.at).is_on()
                });
                let is_office = holder.status == Status::Active && !holder.roles.is_empty();
                if row.created_by != Some(row.principal) && (is_office || uses_strict) {
                    self.happened(
                        object,
                        event,
                        "another made it for one who holds a role or uses keys of a strict ring",
                    );
                }
            }
            _ => {}
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let rings = end.estate.rings.values();
        let with_quorum = rings.filter(|ring| ring.policy.quorum > 0).count();
        Outcome::of(self.ledger, "two persons decided on each sensitive act")
            .figure("rings_with_quorum", u64::try_from(with_quorum).unwrap_or(u64::MAX))
            .note("this release collects no approvals: where a ring asks for a quorum, no destruction is carried out; other sensitive acts are one person's")
            .note("there is no export of secret keys, no restore of single keys and no break-glass, and the log cannot be switched off")
    }
}

/// USE-08.
pub(super) struct AccessReviews {
    ledger: Ledger,
    of_people: Duration,
}

impl AccessReviews {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), of_people: setting.days("access_review_days") }
    }
}

impl Check for AccessReviews {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Key(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let judgement = if key.state.is_destroyed() {
            Judgement::OutOfScope
        } else {
            let days = self.of_people.as_secs() / 86_400;
            let because = format!("access to it was never reviewed, and it is more than {days} days old");
            Judgement::HoldsUntil(key.created_at.after(self.of_people), because.into())
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "no key is old enough for its first review to be due")
            .needs("ATT-ACCESS-REVIEW")
            .note("this release records no reviews of access: each key is taken to be unreviewed since it was made; people administer all keys, so that their shorter period binds each of them")
    }
}

/// USE-11.
pub(super) struct BreakGlass {
    ledger: Ledger,
}

impl BreakGlass {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for BreakGlass {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Key(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let judgement = if key.data_class == DataClass::Ephi && !key.state.is_destroyed() {
            Judgement::violated(
                "its data is health records, and no break-glass path is configured: this release has none",
            )
        } else {
            Judgement::OutOfScope
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "emergency access is bounded and reviewed")
            .needs("ATT-BREAKGLASS-REVIEW")
            .note("no window was opened: this release has no break-glass access to keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_before_is_weaker_and_more_is_not() {
        let strict = RingPolicy::default();
        for weaker in [
            RingPolicy { separation: Separation::Relaxed, ..strict.clone() },
            RingPolicy { quorum: 1, ..strict.clone() },
            RingPolicy { destroy_waiting_period: Duration::from_secs(1), ..strict.clone() },
        ] {
            assert!(ring_weakened(&strict, &weaker).is_some());
            assert_eq!(ring_weakened(&weaker, &strict), None);
        }
        let rotates = RingPolicy { rotation_period: Some(Duration::from_secs(9)), ..strict.clone() };
        assert_eq!(ring_weakened(&rotates, &strict), Some("its keys rotate later"));
        assert_eq!(ring_weakened(&strict, &rotates), None);
    }
}
