//! Checks of revocation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::fact::{Fact, Field, Object, OpenVersion};
use claviger_audit::verify::{Finding, Replay};
use claviger_audit::{Entry, Op, Outcome as Ended};
use claviger_core::key::{Origin, State};
use claviger_core::principal::Status;
use claviger_core::reason::ReasonCode;
use claviger_core::{KeyId, KeyVersionId, PrincipalId, Timestamp};

use super::common::{count, is_unreadable, keys_about, protects, version_used};
use super::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) const CHECKS: super::Checks = &[
    ("REV-01", |setting| Box::new(AtOnce::new(setting))),
    ("REV-02", |setting| Box::new(NotUsed::new(setting))),
    ("REV-03", |setting| Box::new(Replaced::new(setting))),
    ("REV-05", |setting| Box::new(Propagated::new(setting))),
];

/// Number of the field of a reason that has its code.
const CODE: u16 = 2;

/// The state that forbids a use which an entry records as done, as the facts before it have key and version; `None` if nothing does.
pub(super) fn forbidden(entry: &Entry<'_>, estate: &Estate) -> Option<(KeyVersionId, State)> {
    let id = version_used(entry, estate)?;
    let (key, version) = (estate.keys.get(&id.key)?, estate.versions.get(&id)?);
    let state = key.state.stricter(version.state);
    let allowed = if protects(entry) { state.protects() } else { state.processes() };
    (!allowed || key.destruction.is_some()).then_some((id, state))
}

/// Does the operation take a key, or one version of it, out of use?
const fn restricts(op: Op) -> bool {
    matches!(
        op,
        Op::CompromiseKey
            | Op::CompromiseVersion
            | Op::DeactivateKey
            | Op::DeactivateVersion
            | Op::DestroyKey
            | Op::ScheduleDestroy
            | Op::SuspendKey
            | Op::SuspendVersion
    )
}

const fn is_compromised(state: State) -> bool {
    matches!(state, State::Compromised | State::DestroyedCompromised)
}

/// Is the version compromised, or its key?
fn is_compromised_version(id: KeyVersionId, version: &OpenVersion, estate: &Estate) -> bool {
    is_compromised(version.state) || estate.keys.get(&id.key).is_some_and(|key| is_compromised(key.state))
}

/// Was one of these codes given as the reason of an entry?
fn is_reason(facts: &[Fact], codes: &[ReasonCode]) -> bool {
    let reasons = facts.iter().filter(|fact| matches!(fact.object, Object::Reason(_)));
    let mut given = reasons.filter_map(|fact| match fact.fields.get(&CODE)? {
        // A text of CBOR ends with its words, and no code is the end of another.
        Field::Open(value) => Some(value),
        Field::Hidden(_) => None,
    });
    given.any(|value| codes.iter().any(|code| value.ends_with(code.name().as_bytes())))
}

/// REV-01.
struct AtOnce {
    ledger: Ledger,
    effect: Duration,
    drills: Duration,
    /// When the log begins.
    begun: Option<Timestamp>,
    /// When a key was last taken out of use, and a version.
    keys: BTreeMap<KeyId, Timestamp>,
    versions: BTreeMap<KeyVersionId, Timestamp>,
    period: Period,
    revocations: u64,
    refused: u64,
}

impl AtOnce {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            effect: setting.seconds("revoke_effect_s"),
            drills: setting.days("drill_days"),
            begun: None,
            keys: BTreeMap::new(),
            versions: BTreeMap::new(),
            period: setting.period,
            revocations: 0,
            refused: 0,
        }
    }

    fn begin(&mut self, at: Timestamp) {
        if self.begun.is_none() {
            self.begun = Some(at);
            let why = "whether a revocation was drilled is not known: this release records no drills";
            self.ledger.judge(Subject::named("drill"), at, Judgement::unknown(why));
        }
    }

    fn revoke(&mut self, event: &Event<'_>) {
        let Some(key) = event.entry.key.map(KeyId::from_bytes) else { return };
        match event.entry.kv {
            Some(number) if is_of_version(event.entry.op) => {
                self.versions.insert(KeyVersionId { key, number }, event.at);
            }
            _ => {
                self.keys.insert(key, event.at);
            }
        }
        self.revocations += u64::from(self.period.holds(event.at));
        self.ledger.happened(Object::Key(key), event.at, event.index, None);
    }
}

const fn is_of_version(op: Op) -> bool {
    matches!(op, Op::CompromiseVersion | Op::DeactivateVersion | Op::SuspendVersion)
}

impl Check for AtOnce {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.begin(event.at);
        if event.entry.out == Ended::Ok && restricts(event.entry.op) {
            self.revoke(event);
        }
        let is_refused = matches!(event.entry.out, Ended::Fenced | Ended::WrongState);
        if is_refused && event.entry.op.uses_material() && self.period.holds(event.at) {
            self.refused += 1;
        }
        let Some((id, state)) = forbidden(event.entry, estate) else { return };
        let since = self.keys.get(&id.key).copied().max(self.versions.get(&id).copied());
        let is_late = match since {
            Some(since) => event.at.since(since) > self.effect,
            // A rotation, which deactivates, is no revocation; nor is what was never put into use.
            None => !matches!(state, State::Deactivated | State::PreActive),
        };
        if is_late {
            let because =
                format!("`{}` succeeded with version {}, which was {state}", event.entry.op, id.number);
            self.ledger.happened(Object::Key(id.key), event.at, event.index, Some(because));
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let due = self.begun.map(|at| at.after(self.drills));
        if let Some(due) = due.filter(|due| *due <= end.setting.as_of()) {
            let days = self.drills.as_secs() / 86_400;
            let because =
                format!("no drill of a revocation is recorded within {days} days: this release records none");
            self.ledger.judge(Subject::named("drill"), due, Judgement::violated(because));
        }
        Outcome::of(self.ledger, "revocations were drilled, and no key was used after it was taken out of use")
            .figure("revocations", self.revocations)
            .figure("uses_refused_by_state", self.refused)
            .note("the log has one order for revocations and uses, so that the node that writes it confirms each by its entry")
    }
}

/// REV-02.
struct NotUsed {
    ledger: Ledger,
    /// What the verification of the log replays, with the instants.
    replay: Replay,
    found: Vec<Finding>,
    uses: u64,
}

impl NotUsed {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), replay: Replay::default(), found: Vec::new(), uses: 0 }
    }

    fn judge(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        let is_out = |state: State| !matches!(state, State::Active | State::PreActive);
        let is_in_scope =
            estate.keys.get(&id).is_some_and(|key| is_out(key.state) || key.destruction.is_some())
                || estate.versions_of(id).any(|(_, version)| is_out(version.state));
        let judgement = if is_in_scope { Judgement::Holds } else { Judgement::OutOfScope };
        self.ledger.judge(Object::Key(id), at, judgement);
    }
}

impl Check for NotUsed {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let entry = event.entry;
        self.replay.take(event.shard, event.index, entry, &mut self.found);
        let by_entries = self.found.drain(..).find_map(|finding| match finding {
            Finding::UseOfDeadKey { key, state, .. } => Some((key, state)),
            _ => None,
        });
        let by_facts = || forbidden(entry, estate).map(|(id, state)| (id.key, Some(state)));
        if let Some((key, state)) = by_entries.or_else(by_facts) {
            self.uses += 1;
            let was = state.map_or("not there", State::name);
            let because = format!("`{}` succeeded with it, and it was {was}", entry.op);
            self.ledger.happened(Object::Key(key), event.at, event.index, Some(because));
        }
        if entry.out == Ended::Ok
            && restricts(entry.op)
            && let Some(key) = entry.key.map(KeyId::from_bytes)
        {
            self.ledger.happened(Object::Key(key), event.at, event.index, None);
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        if !matches!(object, Object::Ring(_)) {
            for key in keys_about(object, estate) {
                self.judge(key, event.at, estate);
            }
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let found =
            end.verified.findings.iter().filter(|finding| finding.code() == "use-of-dead-key").count();
        Outcome::of(self.ledger, "no key was used in a state that forbids it")
            .figure("uses_of_dead_keys", self.uses)
            .figure("uses_of_dead_keys_in_the_whole_log", count(found))
            .note("each use is held against the states that follow from entries and from facts; a deactivated key may process")
            .note("no exception lets a compromised or suspended key process in this release")
            .note("re-encryption names the version that seals: that the one that opens was in use, the service alone sees to")
    }
}

/// REV-03.
struct Replaced {
    ledger: Ledger,
    known: Duration,
    suspected: Duration,
    /// Compromised versions that wait for another one in their place.
    waiting: BTreeSet<KeyVersionId>,
    compromises: u64,
    period: Period,
}

impl Replaced {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            known: setting.hours("replace_compromised_h"),
            suspected: setting.hours("replace_suspected_h"),
            waiting: BTreeSet::new(),
            compromises: 0,
            period: setting.period,
        }
    }
}

impl Check for Replaced {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let entry = event.entry;
        let is_compromise = matches!(entry.op, Op::CompromiseKey | Op::CompromiseVersion);
        if entry.out != Ended::Ok || !is_compromise || !self.period.holds(event.at) {
            return;
        }
        let Some(key) = entry.key.map(KeyId::from_bytes) else { return };
        self.compromises += 1;
        let because =
            "it was compromised, and no incident is linked to that: this release keeps none".to_owned();
        self.ledger.happened(Object::Key(key), event.at, event.index, Some(because));
        if estate.class_of(key) == Some(Class::Restricted) {
            let why = "when data under it began to be protected anew is not kept";
            self.ledger.judge(
                Subject::named(format!("re-protection of {key}")),
                event.at,
                Judgement::unknown(why),
            );
        }
        let primary = estate.keys.get(&key).map(|row| row.primary);
        match entry.kv.filter(|_| entry.op == Op::CompromiseVersion) {
            Some(number) if primary == Some(number) => {
                let is_suspected = is_reason(event.facts, &[ReasonCode::CompromiseSuspected]);
                let within = if is_suspected { self.suspected } else { self.known };
                let id = KeyVersionId { key, number };
                self.waiting.insert(id);
                let hours = within.as_secs() / 3600;
                let because =
                    format!("it is compromised, and no version took its place within {hours} hours");
                let judgement = Judgement::HoldsUntil(event.at.after(within), because.into());
                self.ledger.judge(Object::Version(id), event.at, judgement);
            }
            // Another version protects already.
            Some(_) => {}
            None => {
                let why = "which other key took its place is not kept";
                self.ledger.judge(
                    Subject::named(format!("replacement of {key}")),
                    event.at,
                    Judgement::unknown(why),
                );
            }
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Key(id) = object else { return };
        let Some(key) = estate.keys.get(&id).filter(|key| key.state == State::Active) else { return };
        let primary = KeyVersionId { key: id, number: key.primary };
        if estate.versions.get(&primary).is_none_or(|version| version.state != State::Active) {
            return;
        }
        let replaced: Vec<_> =
            self.waiting.iter().filter(|one| one.key == id && **one != primary).copied().collect();
        for one in replaced {
            self.waiting.remove(&one);
            self.ledger.judge(Object::Version(one), event.at, Judgement::Holds);
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each compromised key was replaced in time")
            .figure("compromises", self.compromises)
            .note("when a compromise took place, and when it was found out, is not told: the hours are counted from its entry")
    }
}

/// REV-05.
struct Propagated {
    ledger: Ledger,
    /// Versions by what their material is known again by.
    same: BTreeMap<Vec<u8>, BTreeSet<KeyVersionId>>,
    period: Period,
}

impl Propagated {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), same: BTreeMap::new(), period: setting.period }
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        if is_unreadable(&mut self.ledger, Object::Version(id), at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        if !estate.keys.contains_key(&id.key) {
            let why =
                "whether it is compromised is not known: its key is not there, or its facts do not read";
            return self.ledger.judge(Object::Version(id), at, Judgement::unknown(why));
        }
        let Some(fingerprint) = &version.fingerprint else {
            let judgement = if !is_compromised_version(id, version, estate) {
                Judgement::OutOfScope
            } else if version.origin == Origin::Imported {
                Judgement::unknown(
                    "it is compromised, and whether other versions have the same material is not known",
                )
            } else {
                Judgement::Holds
            };
            return self.ledger.judge(Object::Version(id), at, judgement);
        };
        let same = self.same.entry(fingerprint.clone()).or_default();
        same.insert(id);
        let states = same.iter().filter_map(|id| {
            let version = estate.versions.get(id)?;
            Some((*id, is_compromised_version(*id, version, estate)))
        });
        let states: Vec<_> = states.collect();
        let is_any = states.iter().any(|(_, is_so)| *is_so);
        for (id, is_so) in states {
            let judgement = match (is_any, is_so) {
                (false, _) => Judgement::OutOfScope,
                (true, true) => Judgement::Holds,
                (true, false) => Judgement::violated(
                    "its material is that of a compromised version, and it is neither compromised nor decided upon",
                ),
            };
            self.ledger.judge(Object::Version(id), at, judgement);
        }
    }

    /// A person or credential that is revoked because it is in other hands: what it reached needs a decision.
    fn revoked(&mut self, event: &Event<'_>, estate: &Estate) {
        let codes =
            [ReasonCode::CompromiseConfirmed, ReasonCode::CompromiseSuspected, ReasonCode::CredentialLost];
        if event.entry.out != Ended::Ok || !self.period.holds(event.at) || !is_reason(event.facts, &codes) {
            return;
        }
        let revoked = event.facts.iter().filter_map(|fact| match fact.object {
            Object::Principal(id) => Some(id),
            Object::Credential(id) => Some(estate.credentials.get(&id)?.principal),
            _ => None,
        });
        for id in revoked.collect::<BTreeSet<_>>() {
            let because = reaches_keys(id, estate).then(|| {
                "it was revoked as compromised, and of the keys that it reached no decision is recorded: this release keeps none"
                    .to_owned()
            });
            self.ledger.happened(Object::Principal(id), event.at, event.index, because);
        }
    }
}

/// Does a principal hold a grant, or a role?
fn reaches_keys(id: PrincipalId, estate: &Estate) -> bool {
    let has_grant =
        estate.grants.values().any(|grant| grant.principal == id && grant.status == Status::Active);
    has_grant || estate.principals.get(&id).is_some_and(|principal| !principal.roles.is_empty())
}

impl Check for Propagated {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        if matches!(event.entry.op, Op::RevokeCredential | Op::RevokePrincipal) {
            self.revoked(event, estate);
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Key(key) => {
                for (id, _) in estate.versions_of(key) {
                    self.judge(id, event.at, estate);
                }
            }
            Object::Version(id) => self.judge(id, event.at, estate),
            _ => {}
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each version that a compromise reached is compromised")
            .note("no key here wraps another: a compromised key reaches its own versions, and those with the same material")
            .note("keys of rings and of the root, nodes and backups cannot be declared compromised in this release; data keys that left are no versions, and are the caller's to replace")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_out_of_use_is_known() {
        for op in Op::ALL.into_iter().filter(|op| restricts(*op)) {
            let action = op.action().unwrap();
            assert_eq!(action.effect(), claviger_core::action::Effect::Restrict, "{op}");
        }
        for op in Op::ALL.into_iter().filter(|op| is_of_version(*op)) {
            assert!(restricts(op), "{op}");
        }
    }

    #[test]
    fn no_code_of_a_reason_ends_another() {
        for one in ReasonCode::ALL {
            for other in ReasonCode::ALL.into_iter().filter(|other| *other != one) {
                assert!(!other.name().ends_with(one.name()), "{one} {other}");
            }
        }
    }

    #[test]
    fn the_code_of_a_reason_is_read() {
        let fact = |value: &[u8]| Fact {
            object: Object::Reason(claviger_core::ReasonId::from_bytes([1; 16])),
            revision: 1,
            fields: BTreeMap::from([(CODE, Field::Open(value.to_vec()))]),
            sealed: None,
        };
        let suspected = [b"\x74".as_slice(), b"compromise_suspected"].concat();
        assert!(is_reason(&[fact(&suspected)], &[ReasonCode::CompromiseSuspected]));
        assert!(!is_reason(&[fact(&suspected)], &[ReasonCode::CompromiseConfirmed]));
        assert!(!is_reason(&[], &[ReasonCode::CompromiseSuspected]));
    }
}
