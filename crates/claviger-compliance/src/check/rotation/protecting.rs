//! ROT-02: that no version protects, or is active, beyond the end of its protecting.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Object, OpenVersion};
use claviger_core::{KeyVersionId, Timestamp};

use super::{in_days, is_active};
use crate::check::common::{FixedEnds, count, is_unreadable, protects, version_used, versions_about};
use crate::check::{Check, End, Event};
use crate::cryptoperiod::Ends;
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting};

pub(super) struct EndOfProtecting {
    ledger: Ledger,
    ends: FixedEnds,
    /// The ends that rings asked for.
    asked: BTreeMap<KeyVersionId, Timestamp>,
    /// Versions of which a ring moved the end to a later instant.
    extended: BTreeSet<KeyVersionId>,
    uses: u64,
    late_uses: u64,
}

impl EndOfProtecting {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            ends: FixedEnds::default(),
            asked: BTreeMap::new(),
            extended: BTreeSet::new(),
            uses: 0,
            late_uses: 0,
        }
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let object = Object::Version(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let judgement = match self.ends.take(id, version, estate) {
            Err(without) => without,
            Ok(ends) => self.of_version(id, version, ends, estate),
        };
        self.ledger.judge(object, at, judgement);
    }

    fn of_version(
        &mut self,
        id: KeyVersionId,
        version: &OpenVersion,
        ends: Ends,
        estate: &Estate,
    ) -> Judgement {
        if !is_active(id, version, estate) {
            return Judgement::Holds;
        }
        let protect_period = estate.ring_of(id.key).and_then(|(_, ring)| ring.policy.protect_period);
        let asked = version.activated_at.zip(protect_period).map(|(from, span)| from.after(span));
        if self.asked.get(&id).is_some_and(|before| asked.is_none_or(|now| now > *before)) {
            self.extended.insert(id);
        }
        if let Some(asked) = asked {
            self.asked.insert(id, asked);
        }
        if self.extended.contains(&id) {
            return Judgement::violated(
                "its end of protecting was moved after it was put into use, and no exception is registered for that",
            );
        }
        let because = || "it is active beyond the end of its protecting".to_owned();
        Judgement::holds_until(Some(ends.protect), because)
    }
}

impl Check for EndOfProtecting {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let Some(id) = version_used(event.entry, estate).filter(|_| protects(event.entry)) else { return };
        self.uses += 1;
        if self.ends.find(id).is_some_and(|ends| event.at > ends.protect) {
            self.late_uses += 1;
            let because = format!("`{}` succeeded after the end of its protecting", event.entry.op);
            self.ledger.happened(Object::Version(id), event.at, event.index, Some(because));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        for id in versions_about(object, estate) {
            self.judge(id, event.at, estate);
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let active = end.estate.versions.iter().filter(|(id, version)| is_active(**id, version, end.estate));
        let ages = active.filter_map(|(_, version)| Some(in_days(to.since(version.activated_at?))));
        let ages: Vec<_> = ages.collect();
        Outcome::of(self.ledger, "no version protected, or is active, beyond the end of its protecting")
            .figure("versions_active", count(ages.len()))
            .figure("oldest_active_days", ages.iter().max().copied().unwrap_or_default())
            .figure("protect_uses", self.uses)
            .figure("protect_uses_late", self.late_uses)
            .note("an end of protecting is that of the ring, or that of the table where this is earlier or the ring has none; it is fixed when a version is put into use")
            .note("this release does not refuse uses by the age of a version, and has no exceptions: a ring whose periods others approved moves an end all the same")
    }
}
