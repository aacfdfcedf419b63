//! GEN-03: what must be said of each key, and recorded when it changes.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::Op;
use claviger_audit::fact::{Object, OpenKey, OpenRing, OpenVersion};
use claviger_core::key::State;
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{KeyId, KeyRingId, PrincipalId, Purpose, Timestamp};

use crate::check::common::{count, is_unreadable, keys_about};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting};

pub(super) struct Metadata {
    ledger: Ledger,
    owners: BTreeMap<KeyId, PrincipalId>,
    owned: BTreeMap<PrincipalId, BTreeSet<KeyId>>,
    /// Keys and rings as they stood before an entry that does not record a change of what is said about them.
    keys: BTreeMap<KeyId, OpenKey>,
    rings: BTreeMap<KeyRingId, OpenRing>,
    /// What changed otherwise.
    unrecorded: BTreeMap<KeyId, &'static str>,
    deployment: Option<String>,
    has_begun: bool,
}

impl Metadata {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            owners: BTreeMap::new(),
            owned: BTreeMap::new(),
            keys: BTreeMap::new(),
            rings: BTreeMap::new(),
            unrecorded: BTreeMap::new(),
            deployment: None,
            has_begun: false,
        }
    }

    fn judge(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        // Where a node has not reported, the log is in the middle of recording how things stand.
        if !self.has_begun || is_unreadable(&mut self.ledger, Object::Key(id), at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let is_asked = |version: &OpenVersion| {
            matches!(
                version.state,
                State::Active | State::Suspended | State::Deactivated | State::Compromised
            )
        };
        if key.state.is_destroyed() || !estate.versions_of(id).any(|(_, version)| is_asked(version)) {
            self.ledger.judge(Object::Key(id), at, Judgement::OutOfScope);
            return;
        }
        let mut defects = defects(id, key, estate);
        defects.extend(self.unrecorded.get(&id));
        let mut missing = [Object::Principal(key.owner), Object::Ring(key.ring)].into_iter();
        let judgement = match missing.find(|object| estate.unreadable.contains(object)) {
            Some(object) if defects.is_empty() => {
                Judgement::unknown(format!("the facts of its {object} do not read"))
            }
            _ => Judgement::of((!defects.is_empty()).then(|| defects.join("; "))),
        };
        self.ledger.judge(Object::Key(id), at, judgement);
    }

    fn judge_all(&mut self, at: Timestamp, estate: &Estate) {
        self.has_begun = true;
        self.deployment = estate.environment().map(str::to_owned);
        for id in estate.keys.keys() {
            self.judge(*id, at, estate);
        }
        for object in &estate.unreadable {
            if let Object::Key(id) = object {
                self.judge(*id, at, estate);
            }
        }
    }

    /// Takes who answers for a key.
    fn take_owner(&mut self, id: KeyId, owner: PrincipalId) {
        match self.owners.insert(id, owner) {
            Some(before) if before == owner => return,
            Some(before) => {
                if let Some(keys) = self.owned.get_mut(&before) {
                    keys.remove(&id);
                }
            }
            None => {}
        }
        self.owned.entry(owner).or_default().insert(id);
    }
}

/// What a key lacks.
fn defects(id: KeyId, key: &OpenKey, estate: &Estate) -> Vec<&'static str> {
    let mut defects = Vec::new();
    let reads = |object: Object| !estate.unreadable.contains(&object);
    let has_ring = reads(Object::Ring(key.ring));
    match estate.principals.get(&key.owner) {
        None if !reads(Object::Principal(key.owner)) => {}
        None => defects.push("its owner is not known"),
        Some(owner) if owner.kind != PrincipalKind::Human => defects.push("its owner is no person"),
        Some(owner) if owner.status != Status::Active => defects.push("its owner is revoked"),
        Some(_) => {}
    }
    if has_ring && estate.environment_of(id).is_none() {
        defects.push("it belongs to no environment");
    }
    match estate.ring_of(id) {
        None if !has_ring => {}
        None => defects.push("its ring is not known"),
        Some((_, ring)) => {
            if ring.policy.protect_period.is_none() {
                defects.push("no period is set for which its versions may protect");
            }
            if ring.policy.process_period.is_none() && key.purpose != Purpose::Sign {
                defects.push("no period is set for which its versions may process");
            }
        }
    }
    defects
}

/// What is different of a key that must be recorded when it changes.
fn moved(before: &OpenKey, now: &OpenKey) -> Option<&'static str> {
    let fields = [
        (before.owner != now.owner, "its owner was changed by an entry that does not record it"),
        (before.purpose != now.purpose, "its purpose was changed"),
        (before.spec != now.spec, "its spec was changed"),
        (
            before.data_class != now.data_class,
            "its data class was changed by an entry that does not record it",
        ),
        (
            before.environment != now.environment,
            "its environment was changed by an entry that does not record it",
        ),
        (before.ring != now.ring, "its ring was changed"),
    ];
    fields.into_iter().find(|(is_so, _)| *is_so).map(|(_, what)| what)
}

/// The same of a ring, of what its keys have of it.
fn ring_moved(before: &OpenRing, now: &OpenRing) -> bool {
    let (before, now) = (&before.policy, &now.policy);
    before.environment != now.environment
        || before.protect_period != now.protect_period
        || before.process_period != now.process_period
}

impl Check for Metadata {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.keys.clear();
        self.rings.clear();
        let op = event.entry.op;
        for fact in event.facts {
            match fact.object {
                Object::Key(id) if op != Op::UpdateKey => {
                    self.keys.extend(estate.keys.get(&id).map(|key| (id, key.clone())));
                }
                Object::Ring(id) if op != Op::UpdateRing => {
                    self.rings.extend(estate.rings.get(&id).map(|ring| (id, ring.clone())));
                }
                _ => {}
            }
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Key(id) => {
                if let Some(now) = estate.keys.get(&id) {
                    self.take_owner(id, now.owner);
                    if let Some(what) = self.keys.get(&id).and_then(|before| moved(before, now)) {
                        self.unrecorded.entry(id).or_insert(what);
                    }
                }
            }
            Object::Ring(id) => {
                let before = self.rings.get(&id).zip(estate.rings.get(&id));
                if before.is_some_and(|(before, now)| ring_moved(before, now)) {
                    for (key, _) in estate.keys_of(id) {
                        let what = "the rules of its ring were changed by an entry that does not record it";
                        self.unrecorded.entry(key).or_insert(what);
                    }
                }
            }
            Object::Principal(id) => {
                for key in self.owned.get(&id).cloned().unwrap_or_default() {
                    self.judge(key, event.at, estate);
                }
            }
            Object::Node(_) if !self.has_begun || self.deployment.as_deref() != estate.environment() => {
                self.judge_all(event.at, estate);
            }
            _ => {}
        }
        for key in keys_about(object, estate) {
            self.judge(key, event.at, estate);
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        if !self.has_begun {
            self.judge_all(end.setting.as_of(), end.estate);
        }
        Outcome::of(self.ledger, "each key in use has an owner, a purpose, a class, an environment and a cryptoperiod")
            .figure("changes_not_recorded", count(self.unrecorded.len()))
            .note("no key is without purpose, spec and data class: the service makes none; type and usage follow from purpose and spec, the regimes from the class")
            .note("a ring sets the cryptoperiod of its keys; defaults of this catalogue and schedules of rotation are not taken for one")
            .note("what owners say in words of what a key is for is sealed, and not asked for")
            .note("that live rows are what the log says is decided by STOR-07 and AUD-10")
    }
}
