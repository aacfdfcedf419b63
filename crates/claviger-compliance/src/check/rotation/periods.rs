//! ROT-01: whether each key has a cryptoperiod, and one within the table.

use std::time::Duration;

use claviger_audit::fact::{Object, OpenKey};
use claviger_core::key::RingPolicy;
use claviger_core::{KeyId, Timestamp};

use super::{in_days, invocation_limit, schedule};
use crate::check::common::{NO_RING, NO_TABLE, is_unreadable, keys_about};
use crate::check::{Check, End, Event};
use crate::cryptoperiod::{self, Process};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting};

pub(super) struct DefinedPeriods {
    ledger: Ledger,
}

impl DefinedPeriods {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }

    fn judge(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        let object = Object::Key(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let judgement = match estate.ring_of(id) {
            _ if key.state.is_destroyed() => Judgement::OutOfScope,
            None => Judgement::unknown(NO_RING),
            Some((_, ring)) => defined(key, &ring.policy),
        };
        self.ledger.judge(object, at, judgement);
    }
}

fn defined(key: &OpenKey, policy: &RingPolicy) -> Judgement {
    let Some(period) = cryptoperiod::find(key) else { return Judgement::unknown(NO_TABLE) };
    let most = in_days(period.protect);
    let longer = |asked: Option<Duration>| asked.filter(|asked| *asked > period.protect).map(in_days);
    if let Some(days) = longer(policy.protect_period) {
        return Judgement::violated(format!(
            "its ring lets versions protect for {days} days, and the table for {most}"
        ));
    }
    if let Some(days) = longer(schedule(key, policy)) {
        return Judgement::violated(format!(
            "it rotates every {days} days, and a version may protect for {most}"
        ));
    }
    if let (Process::After(most) | Process::Within(most), Some(asked)) =
        (period.process, policy.process_period)
        && asked > most
    {
        let (asked, most) = (in_days(asked), in_days(most));
        return Judgement::violated(format!(
            "its ring lets versions process for {asked} days, and the table for {most}"
        ));
    }
    let has_end = policy.protect_period.is_some() || invocation_limit(key).is_some();
    Judgement::of((!has_end).then(|| {
        format!("neither an end of protecting nor a limit of volume is set for its versions of {}", key.spec)
    }))
}

impl Check for DefinedPeriods {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        for key in keys_about(object, estate) {
            self.judge(key, event.at, estate);
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each key has a cryptoperiod within the table")
            .needs("ATT-CRYPTOPERIOD")
            .note("a schedule of rotation is not taken for an end of protecting: a version whose rotation does not come goes on")
            .note("periods of an organization's own, with reason and approval, are not kept by this release: those of the table bind")
    }
}
