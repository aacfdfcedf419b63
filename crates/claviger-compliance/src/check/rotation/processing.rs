//! ROT-03: that no version processes beyond the end of its processing.

use std::collections::BTreeSet;

use claviger_audit::Entry;
use claviger_audit::fact::{Object, OpenVersion};
use claviger_core::action::Effect;
use claviger_core::{KeyId, KeyVersionId, Timestamp};

use crate::check::common::{FixedEnds, count, is_unreadable, protects, version_used, versions_about};
use crate::check::{Check, End, Event};
use crate::cryptoperiod::Ends;
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting};

pub(super) struct EndOfProcessing {
    ledger: Ledger,
    ends: FixedEnds,
    period: Period,
    /// Versions that processed beyond their end in the period.
    late: BTreeSet<KeyVersionId>,
    /// Versions that may have done so: something was re-encrypted when they had ended.
    unsure: BTreeSet<KeyVersionId>,
    uses: u64,
    late_uses: u64,
}

impl EndOfProcessing {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            ends: FixedEnds::default(),
            period: setting.period,
            late: BTreeSet::new(),
            unsure: BTreeSet::new(),
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
            Ok(Ends { process: None, .. }) => Judgement::OutOfScope,
            Ok(_) if self.late.contains(&id) => Judgement::violated(
                "it processed in the period after the end of its processing, and no exception is kept",
            ),
            Ok(_) if self.unsure.contains(&id) => Judgement::unknown(
                "something was re-encrypted after the end of its processing, and entries do not name the version that opens",
            ),
            Ok(_) => Judgement::Holds,
        };
        self.ledger.judge(object, at, judgement);
    }

    /// A key opened something that it sealed again. Its entry names the version that sealed: any that had ended may have opened.
    fn reencrypted(&mut self, key: KeyId, event: &Event<'_>, estate: &Estate) {
        let end_of = |id: KeyVersionId| self.ends.find(id).and_then(|ends| ends.process);
        // Versions end in their order.
        let ended =
            estate.versions_of(key).take_while(|(id, _)| end_of(*id).is_none_or(|end| end < event.at));
        let may_open = ended.filter(|(id, version)| end_of(*id).is_some() && version.state.processes());
        let found: Vec<_> = may_open.map(|(id, _)| id).filter(|id| !self.unsure.contains(id)).collect();
        for id in found {
            self.unsure.insert(id);
            self.judge(id, event.at, estate);
        }
    }
}

fn processes(entry: &Entry<'_>) -> bool {
    entry.op.action().is_some_and(|action| action.effect() == Effect::Process)
}

impl Check for EndOfProcessing {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let Some(id) = version_used(event.entry, estate).filter(|_| processes(event.entry)) else { return };
        self.uses += 1;
        let is_in_period = self.period.holds(event.at);
        if protects(event.entry) {
            if is_in_period {
                self.reencrypted(id.key, event, estate);
            }
            return;
        }
        let end = self.ends.find(id).and_then(|ends| ends.process);
        if end.is_some_and(|end| event.at > end) {
            self.late_uses += 1;
            let because = format!("`{}` succeeded after the end of its processing", event.entry.op);
            self.ledger.happened(Object::Version(id), event.at, event.index, Some(because));
            if is_in_period && self.late.insert(id) {
                self.judge(id, event.at, estate);
            }
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        if let Object::Asset(id) = object {
            let judgement = if estate.assets.contains_key(&id) {
                Judgement::unknown(
                    "until when its data must be kept is not known: assets do not keep that yet",
                )
            } else {
                Judgement::OutOfScope
            };
            self.ledger.judge(object, event.at, judgement);
        }
        for id in versions_about(object, estate) {
            self.judge(id, event.at, estate);
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let is_past = |(id, version): &(&KeyVersionId, &OpenVersion)| {
            let end = self.ends.find(**id).and_then(|ends| ends.process);
            !version.state.is_destroyed() && end.is_some_and(|end| end < to)
        };
        let past = end.estate.versions.iter().filter(is_past).count();
        Outcome::of(self.ledger, "no version processed beyond the end of its processing")
            .figure("versions_past_their_end", count(past))
            .figure("process_uses", self.uses)
            .figure("process_uses_late", self.late_uses)
            .note("the end of processing is counted from the fixed end of protecting; signatures are verified by public halves, which have none")
            .note("no extension of an end is kept by this release, so that none is held to be approved; data of assets that nobody declared is not seen")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::{Op, Outcome as Ended};

    use super::*;

    #[test]
    fn opening_for_another_key_protects_nothing() {
        let mut entry = Entry::new(1, 1, Op::Reencrypt, Ended::Ok);
        assert!(protects(&entry) && processes(&entry));
        entry.reference = Some(vec![1_u8].into());
        assert!(!protects(&entry) && processes(&entry));
        assert!(!processes(&Entry::new(1, 1, Op::Encrypt, Ended::Ok)));
    }
}
