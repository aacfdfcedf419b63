//! GEN-02: whether algorithms may be used for what their keys do.

use std::collections::BTreeMap;

use claviger_audit::Outcome as Ended;
use claviger_audit::fact::{Object, OpenKey, OpenVersion};
use claviger_core::{KeyId, KeyVersionId, Timestamp};

use crate::algorithm::{Algorithm, Algorithms};
use crate::check::common::{NO_KEY, is_unreadable, protects, versions_about};
use crate::check::{Check, End, Event};
use crate::cryptoperiod;
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting};

pub(super) struct AllowedAlgorithms {
    ledger: Ledger,
    period: Period,
    algorithms: Algorithms,
    framework: Option<String>,
    least_new: u64,
    least_existing: u64,
    refused_uses: u64,
}

impl AllowedAlgorithms {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            algorithms: setting.catalogue.algorithms().clone(),
            framework: setting.framework.map(str::to_owned),
            least_new: setting.number("min_strength_new_bits"),
            least_existing: setting.number("min_strength_existing_bits"),
            refused_uses: 0,
        }
    }

    fn judge_key(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        let Some(key) = estate.keys.get(&id) else { return };
        let judgement = if key.state.is_destroyed() || !self.period.holds(key.created_at) {
            Judgement::OutOfScope
        } else {
            let bits = key.spec.strength_bits();
            let is_weak = u64::from(bits) < self.least_new;
            Judgement::of(is_weak.then(|| {
                format!("it was created in the period with {bits} bits, and new keys need {}", self.least_new)
            }))
        };
        self.ledger.judge(Object::Key(id), at, judgement);
    }

    fn judge_version(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let object = Object::Version(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let judgement = match estate.keys.get(&id.key) {
            Some(key) => self.of_version(key, version),
            None if version.state.is_destroyed() => Judgement::OutOfScope,
            None => Judgement::unknown(NO_KEY),
        };
        self.ledger.judge(object, at, judgement);
    }

    fn of_version(&self, key: &OpenKey, version: &OpenVersion) -> Judgement {
        let state = key.state.stricter(version.state);
        if !state.processes() {
            return Judgement::OutOfScope;
        }
        let (spec, purpose) = (key.spec, key.purpose.name());
        let Some(row) = self.algorithms.find(spec, key.purpose) else {
            return Judgement::violated(format!("{spec} has no standing for the purpose {purpose}"));
        };
        if let Some(framework) = self.framework.as_deref().filter(|framework| row.is_disallowed_in(framework))
        {
            return Judgement::violated(format!(
                "{spec} is disallowed for the purpose {purpose} in {framework}"
            ));
        }
        let bits = spec.strength_bits();
        if u64::from(bits) < self.least_existing {
            return Judgement::violated(format!(
                "{spec} has {bits} bits, and {} are needed",
                self.least_existing
            ));
        }
        let protects = state.protects();
        let ends = end_of_standing(row, protects);
        let what = if protects { "protect new data" } else { "process old data" };
        Judgement::holds_until(ends, || {
            format!("the time is over in which {spec} may {what} for the purpose {purpose}")
        })
    }

    /// Does the standing of the algorithm end before the use of the version does?
    fn is_expiring(&self, id: KeyVersionId, key: &OpenKey, version: &OpenVersion, estate: &Estate) -> bool {
        let protects = key.state.stricter(version.state).protects();
        let row = self.algorithms.find(key.spec, key.purpose);
        let Some(standing) = row.and_then(|row| end_of_standing(row, protects)) else { return false };
        let known = (version.activated_at, cryptoperiod::find(key), estate.ring_of(id.key));
        let (Some(activated_at), Some(period), Some((_, ring))) = known else { return true };
        let ends = period.ends(&ring.policy, activated_at);
        let end_of_use = if protects { Some(ends.protect) } else { ends.process };
        end_of_use.is_none_or(|end| standing < end)
    }
}

/// The first instant at which an algorithm may not do it any more, by the dates of both columns.
fn end_of_standing(row: &Algorithm, protects: bool) -> Option<Timestamp> {
    let quantum = row.quantum().filter(|_| protects);
    row.permitted_until(protects).into_iter().chain(quantum).min()
}

impl Check for AllowedAlgorithms {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let entry = event.entry;
        if entry.out != Ended::Ok || !protects(entry) || !self.period.holds(event.at) {
            return;
        }
        let Some(id) = entry.key.map(KeyId::from_bytes) else { return };
        let Some(key) = estate.keys.get(&id) else { return };
        let status = self.algorithms.status(key.spec, key.purpose, true, event.at);
        if !status.permits(true) {
            self.refused_uses += 1;
            let because = format!("`{}` succeeded, and the standing of {} was {status}", entry.op, key.spec);
            self.ledger.happened(Object::Key(id), event.at, event.index, Some(because));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Key(id) => {
                if is_unreadable(&mut self.ledger, object, event.at, estate) {
                    return;
                }
                self.judge_key(id, event.at, estate);
            }
            Object::Version(_) => {}
            _ => return,
        }
        for id in versions_about(object, estate) {
            self.judge_version(id, event.at, estate);
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, estate) = (end.setting.as_of(), end.estate);
        let (mut expiring, mut broken_by_quantum) = (0, 0);
        let mut table = BTreeMap::<String, u64>::new();
        for (id, version) in &estate.versions {
            let Some(key) = estate.keys.get(&id.key) else { continue };
            let state = key.state.stricter(version.state);
            if !state.processes() {
                continue;
            }
            let status = self.algorithms.status(key.spec, key.purpose, state.protects(), to);
            let what = if state.protects() { "protecting" } else { "processing" };
            *table.entry(format!("{what}_{}_{status}", key.spec)).or_default() += 1;
            expiring += u64::from(self.is_expiring(*id, key, version, estate));
            broken_by_quantum += u64::from(!key.spec.pq());
        }
        let mut outcome = Outcome::of(self.ledger, "each algorithm may be used for what its keys do")
            .figure("protecting_uses_not_allowed", self.refused_uses)
            .figure("versions_expiring", expiring)
            .figure("versions_broken_by_quantum_computers", broken_by_quantum);
        for (name, versions) in table {
            outcome = outcome.figure(&name, versions);
        }
        if expiring > 0 {
            outcome = outcome.note(format!(
                "expiring: the standing of the algorithm of {expiring} versions ends before their cryptoperiod does"
            ));
        }
        outcome
            .note("versions that may protect are held to the standing for new data, those that only process to that for old; others are not in use")
            .note("after 2035 public-key algorithms that a quantum computer breaks protect no new data: by a draft, which may change")
            .note("the strength that existing keys need grows to 128 bits after 2030 by the dates of the table")
    }
}
