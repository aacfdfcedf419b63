//! ROT-06: that new data is under the newest version, and what old versions still hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::fact::{Object, OpenKey, OpenVersion};
use claviger_core::key::{Origin, State};
use claviger_core::{KeyVersionId, Purpose, Timestamp};

use super::DAY;
use crate::check::common::{NO_KEY, count, is_unreadable, protects, version_used, versions_about};
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Setting};

/// How long it may take until a new version protects everywhere.
const PROPAGATION: Duration = Duration::from_secs(300);

pub(super) struct Superseded {
    ledger: Ledger,
    restricted: Duration,
    others: Duration,
    /// Versions that protected something by the log.
    protected: BTreeSet<KeyVersionId>,
    /// From when on it must be known of a version that nothing is under it any more.
    due: BTreeMap<KeyVersionId, Timestamp>,
    late_uses: u64,
}

impl Superseded {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let name = "reprotect_days";
        // The last number is for the other classes.
        let last = setting.text(name).rsplit(' ').next().and_then(|word| word.parse::<u32>().ok());
        Self {
            ledger: setting.ledger(),
            restricted: setting.days(name),
            others: DAY.saturating_mul(last.unwrap_or_default()),
            protected: BTreeSet::new(),
            due: BTreeMap::new(),
            late_uses: 0,
        }
    }

    /// From when on it must be known what is under a version; none where nothing is, or it is not superseded.
    fn due(
        &self,
        id: KeyVersionId,
        version: &OpenVersion,
        key: &OpenKey,
        estate: &Estate,
    ) -> Option<Timestamp> {
        let is_kept = matches!(key.purpose, Purpose::Encapsulate | Purpose::Encrypt | Purpose::Wrap);
        if !is_kept || version.state.is_destroyed() || id.number == key.primary {
            return None;
        }
        // By a public half, and by whoever had the material before, data is protected without an entry.
        let is_all_known = !key.spec.is_asymmetric() && version.origin == Origin::Generated;
        if is_all_known && !self.protected.contains(&id) {
            return None;
        }
        let next = KeyVersionId { number: id.number.checked_add(1)?, ..id };
        let last = KeyVersionId { number: u32::MAX, ..id };
        let superseded_at = estate.versions.range(next..=last).find_map(|(_, other)| other.activated_at)?;
        let span = match Class::from(key.data_class) {
            Class::Restricted => self.restricted,
            Class::Confidential | Class::Internal | Class::Test => self.others,
        };
        Some(superseded_at.after(span))
    }

    /// Says that it is not known what is under a version, if that was due by now.
    fn come_due(&mut self, id: KeyVersionId, now: Timestamp) {
        if let Some(due) = self.due.get(&id).copied().filter(|due| *due <= now) {
            let why = "how much data is still under it is neither measured nor declared, and it was superseded long ago";
            self.ledger.judge(Object::Version(id), due, Judgement::unknown(why));
        }
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        self.come_due(id, at);
        let object = Object::Version(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let Some(key) = estate.keys.get(&id.key) else {
            return self.ledger.judge(object, at, Judgement::unknown(NO_KEY));
        };
        match self.due(id, version, key, estate) {
            Some(due) => {
                self.due.insert(id, due);
                if due <= at {
                    return self.come_due(id, at);
                }
            }
            None => {
                self.due.remove(&id);
            }
        }
        let is_in_scope = !version.state.is_destroyed() && version.state != State::PreActive;
        let judgement = if is_in_scope { Judgement::Holds } else { Judgement::OutOfScope };
        self.ledger.judge(object, at, judgement);
    }
}

/// Did a version protect that had been superseded by then?
fn is_superseded_use(id: KeyVersionId, at: Timestamp, estate: &Estate) -> bool {
    let Some(key) = estate.keys.get(&id.key).filter(|key| key.primary != id.number) else { return false };
    let primary = KeyVersionId { key: id.key, number: key.primary };
    let since = estate.versions.get(&primary).and_then(|primary| primary.activated_at);
    id.number > key.primary || since.is_none_or(|since| since.after(PROPAGATION) < at)
}

impl Check for Superseded {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let Some(id) = version_used(event.entry, estate).filter(|_| protects(event.entry)) else { return };
        if self.protected.insert(id) {
            self.judge(id, event.at, estate);
        }
        if is_superseded_use(id, event.at, estate) {
            self.late_uses += 1;
            let because =
                format!("`{}` succeeded under it, and another version was the primary one", event.entry.op);
            self.ledger.happened(Object::Version(id), event.at, event.index, Some(because));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Ring(_) => {}
            Object::Version(id) => {
                self.judge(id, event.at, estate);
                // What is put into use supersedes those before it, as far as they were not superseded already.
                let first = KeyVersionId { number: 0, ..id };
                for (earlier, version) in estate.versions.range(first..id).rev() {
                    self.judge(*earlier, event.at, estate);
                    if version.activated_at.is_some() {
                        break;
                    }
                }
            }
            other => {
                for id in versions_about(other, estate) {
                    self.judge(id, event.at, estate);
                }
            }
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let waiting: Vec<_> = self.due.keys().copied().collect();
        for id in &waiting {
            self.come_due(*id, end.setting.as_of());
        }
        let outcome = Outcome::of(
            self.ledger,
            "new data is under the newest version, and no old version is due for re-protection",
        )
        .figure("versions_superseded_with_data", count(waiting.len()))
        .figure("protect_uses_of_superseded_versions", self.late_uses)
        .note("a version made here under which the log records no protecting holds no data");
        if waiting.is_empty() { outcome } else { outcome.needs("ATT-REPROTECT") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Period};

    #[test]
    fn spans_are_read_from_the_parameter() {
        let catalogue = Catalogue::load().unwrap();
        let (from, to) = (Timestamp::from_micros(0), Timestamp::from_micros(1));
        let setting = Setting::new(&catalogue, None, Period { from, to });
        let superseded = Superseded::new(&setting);
        assert_eq!((superseded.restricted, superseded.others), (DAY * 90, DAY * 365));
    }
}
