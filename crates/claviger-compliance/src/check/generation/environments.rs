//! GEN-07: that no material is in two environments, and nobody of another one uses it.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::Outcome as Ended;
use claviger_audit::fact::{Object, OpenGrant, OpenVersion};
use claviger_core::key::Wrap;
use claviger_core::principal::Status;
use claviger_core::{GrantId, KeyId, KeyRingId, KeyVersionId, PrincipalId, Timestamp};

use crate::check::common::{count, is_unreadable, keys_about};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) struct Environments {
    ledger: Ledger,
    period: Period,
    /// The environment of each key, as it was looked at last.
    of_key: BTreeMap<KeyId, Option<String>>,
    /// The environment that each version was in first.
    first: BTreeMap<KeyVersionId, String>,
    /// The versions that have the same material, by what it is known again and by their environments.
    fingerprints: BTreeMap<Vec<u8>, BTreeMap<String, BTreeSet<KeyVersionId>>>,
    deployment: Option<String>,
    has_begun: bool,
    on_key: BTreeMap<KeyId, BTreeSet<GrantId>>,
    on_ring: BTreeMap<KeyRingId, BTreeSet<GrantId>>,
    /// Principals that belong to an environment of their own.
    apart: BTreeSet<PrincipalId>,
    /// Keys that nobody of another environment held a grant on, as rights stand.
    clean: BTreeSet<KeyId>,
    uses_in_doubt: u64,
}

impl Environments {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            of_key: BTreeMap::new(),
            first: BTreeMap::new(),
            fingerprints: BTreeMap::new(),
            deployment: None,
            has_begun: false,
            on_key: BTreeMap::new(),
            on_ring: BTreeMap::new(),
            apart: BTreeSet::new(),
            clean: BTreeSet::new(),
            uses_in_doubt: 0,
        }
    }

    fn look_at_all(&mut self, at: Timestamp, estate: &Estate) {
        self.has_begun = true;
        self.deployment = estate.environment().map(str::to_owned);
        self.of_key.clear();
        for id in estate.keys.keys() {
            self.look_at_key(*id, at, estate);
        }
        for object in &estate.unreadable {
            if let Object::Version(_) = object {
                is_unreadable(&mut self.ledger, *object, at, estate);
            }
        }
    }

    /// Takes the environment of a key, where it is another one than before.
    fn look_at_key(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        if !self.has_begun {
            return;
        }
        let environment = environment_of(id, estate).map(str::to_owned);
        if self.of_key.get(&id) == Some(&environment) {
            return;
        }
        self.of_key.insert(id, environment);
        for (version, _) in estate.versions_of(id) {
            self.look_at_version(version, at, estate);
        }
    }

    fn look_at_version(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        if !self.has_begun || is_unreadable(&mut self.ledger, Object::Version(id), at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let environment = environment_of(id.key, estate).filter(|_| !version.state.is_destroyed());
        let mut sharing = BTreeSet::from([id]);
        if let Some(fingerprint) = &version.fingerprint {
            let holders = self.fingerprints.entry(fingerprint.clone()).or_default();
            let before = holders.len();
            for ids in holders.values_mut() {
                ids.remove(&id);
            }
            if let Some(environment) = environment {
                holders.entry(environment.to_owned()).or_default().insert(id);
            }
            holders.retain(|_, ids| !ids.is_empty());
            // The others are judged by whether there is a second environment.
            if holders.len() != before {
                sharing.extend(holders.values().flatten());
            }
        }
        if let Some(environment) = environment {
            self.first.entry(id).or_insert_with(|| environment.to_owned());
        }
        for id in sharing {
            self.judge(id, at, estate);
        }
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let Some(version) = estate.versions.get(&id) else { return };
        let judgement = self.of_version(id, version, estate);
        self.ledger.judge(Object::Version(id), at, judgement);
    }

    fn of_version(&self, id: KeyVersionId, version: &OpenVersion, estate: &Estate) -> Judgement {
        let has_material = version.wrap_digest.is_some() || version.wrap_format.is_some();
        if version.state.is_destroyed() || !has_material {
            return Judgement::OutOfScope;
        }
        let Some(environment) = environment_of(id.key, estate) else {
            return Judgement::unknown("neither its key nor its ring nor the deployment says an environment");
        };
        let holders = version.fingerprint.as_ref().and_then(|fingerprint| self.fingerprints.get(fingerprint));
        let elsewhere = holders.into_iter().flatten().find(|(of_other, _)| of_other.as_str() != environment);
        if let Some((of_other, ids)) = elsewhere
            && let Some(other) = ids.first()
        {
            return Judgement::violated(format!(
                "it is of {environment}, and has the same material as version {other} of {of_other}"
            ));
        }
        match (self.first.get(&id), estate.environment()) {
            (Some(first), _) if first != environment => Judgement::violated(format!(
                "its material was of {first} before, and is of {environment} now: it was not replaced"
            )),
            (_, Some(deployment)) if deployment != environment => Judgement::violated(format!(
                "it is of {environment}, and lies in a deployment that is {deployment}"
            )),
            (_, None) => {
                Judgement::unknown("of which environment the deployment is, in which it lies, is not said")
            }
            _ if version.fingerprint.is_none() && version.wrap_format != Some(Wrap::UNDER_TOKEN_ROOT) => {
                Judgement::unknown("no fingerprint of it is kept: an older release made it")
            }
            _ => Judgement::Holds,
        }
    }

    /// Does somebody of another environment hold a grant on the key, as far as grants and principals read?
    fn is_granted_apart(&self, key: KeyId, at: Timestamp, estate: &Estate) -> bool {
        let is_right = |object: &Object| matches!(object, Object::Grant(_) | Object::Principal(_));
        if estate.unreadable.iter().any(is_right) {
            return true;
        }
        let environment = environment_of(key, estate);
        let is_of_deployment = environment == estate.environment();
        if is_of_deployment && self.apart.is_empty() {
            return false;
        }
        let ring = estate.keys.get(&key).map(|row| row.ring);
        let on_ring = ring.and_then(|ring| self.on_ring.get(&ring));
        let grants = self.on_key.get(&key).into_iter().chain(on_ring).flatten();
        let is_in_force =
            |grant: &&OpenGrant| grant.status == Status::Active && grant.until.is_none_or(|until| at < until);
        let holders = grants.filter_map(|id| estate.grants.get(id)).filter(is_in_force);
        holders.filter_map(|grant| estate.principals.get(&grant.principal)).any(|holder| {
            let of_holder = holder.environment.as_deref().or_else(|| estate.environment());
            of_holder.is_some_and(|of_holder| environment.is_some_and(|environment| environment != of_holder))
        })
    }

    fn take_grant(&mut self, id: GrantId, estate: &Estate) {
        let Some(grant) = estate.grants.get(&id) else { return };
        if let Some(key) = grant.key {
            self.on_key.entry(key).or_default().insert(id);
        } else if let Some(ring) = grant.ring {
            self.on_ring.entry(ring).or_default().insert(id);
        }
    }
}

/// The environment of a key; none where the ring that would say it does not read.
fn environment_of(key: KeyId, estate: &Estate) -> Option<&str> {
    let row = estate.keys.get(&key)?;
    let is_missing = row.environment.is_none() && estate.unreadable.contains(&Object::Ring(row.ring));
    if is_missing { None } else { estate.environment_of(key) }
}

/// All environments that something belongs to.
fn named_environments(estate: &Estate) -> BTreeSet<&str> {
    let of_nodes = estate.nodes.values().filter_map(|node| node.environment.as_deref());
    let of_rings = estate.rings.values().filter_map(|ring| ring.policy.environment.as_ref());
    let of_keys = estate.keys.values().filter_map(|key| key.environment.as_deref());
    let of_principals = estate.principals.values().filter_map(|principal| principal.environment.as_deref());
    of_nodes.chain(of_rings.map(|name| name.as_str())).chain(of_keys).chain(of_principals).collect()
}

impl Check for Environments {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let entry = event.entry;
        if entry.out != Ended::Ok || !entry.op.uses_material() || !self.period.holds(event.at) {
            return;
        }
        let Some(key) = entry.key.map(KeyId::from_bytes) else { return };
        if self.clean.contains(&key) {
            return;
        }
        if !self.is_granted_apart(key, event.at, estate) {
            self.clean.insert(key);
            return;
        }
        self.uses_in_doubt += 1;
        // It says nothing of what is before or after.
        let why = "it was used while a principal of another environment, or one whose facts do not read, may have held a grant on it, and \
                   who used it is sealed";
        let subject = || Subject::named(format!("uses of {}", Object::Key(key)));
        self.ledger.judge(subject(), event.at, Judgement::unknown(why));
        self.ledger.judge(subject(), event.at, Judgement::OutOfScope);
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Version(id) => self.look_at_version(id, event.at, estate),
            Object::Key(id) => {
                self.clean.remove(&id);
                self.look_at_key(id, event.at, estate);
            }
            Object::Ring(_) => {
                self.clean.clear();
                for key in keys_about(object, estate) {
                    self.look_at_key(key, event.at, estate);
                }
            }
            Object::Node(_) if !self.has_begun || self.deployment.as_deref() != estate.environment() => {
                self.clean.clear();
                self.look_at_all(event.at, estate);
            }
            Object::Grant(id) => {
                self.clean.clear();
                self.take_grant(id, estate);
            }
            Object::Principal(id) => {
                self.clean.clear();
                if estate.principals.get(&id).is_some_and(|principal| principal.environment.is_some()) {
                    self.apart.insert(id);
                }
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        if !self.has_begun {
            self.look_at_all(end.setting.as_of(), end.estate);
        }
        let environments = named_environments(end.estate).len();
        let with_fingerprint = self.fingerprints.values().filter(|holders| !holders.is_empty()).count();
        let outcome = Outcome::of(self.ledger, "no material is in two environments, and each lies in a deployment of its own")
            .figure("environments_named", count(environments))
            .figure("fingerprints_compared", count(with_fingerprint))
            .figure("uses_in_doubt", self.uses_in_doubt)
            .note("fingerprints are keyed by the deployment: within it they are compared, with those of other deployments they cannot be")
            .note("who used a key is sealed: a use is taken for one of the key's environment where nobody of another one held a grant on it; that each use was by a grant is decided by USE-01")
            .note("no restore is recorded by this release; a copy that is started as another environment, and continues this log, is seen by that its keys are of another environment than before")
            .note("material that never leaves its token and has no public half has no fingerprint, and no copy outside that token's root");
        if environments > 1 { outcome.needs("ATT-ENV-LIST") } else { outcome }
    }
}
