//! ROT-04: whether keys rotate by a schedule, and on time.

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_audit::fact::{Object, OpenKey};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::key::{Origin, State};
use claviger_core::{KeyId, Timestamp};

use super::{in_days, schedule};
use crate::check::common::{NO_RING, is_unreadable, keys_about};
use crate::check::{Check, End, Event};
use crate::cryptoperiod;
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Period, Setting};

pub(super) struct OnTime {
    ledger: Ledger,
    grace: Duration,
    period: Period,
    schedules: BTreeMap<KeyId, Scheduled>,
    by_policy: u64,
    on_demand: u64,
    failed: u64,
}

/// When a key is to rotate at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scheduled {
    primary: u32,
    period: Duration,
    /// When it was last rotated, or came under the schedule.
    since: Timestamp,
    due: Timestamp,
    /// It is out of use for a while, and nothing rotates it.
    rests: bool,
}

/// What a key says of its rotation.
#[derive(Clone, Copy, Debug)]
struct Rule {
    primary: u32,
    period: Duration,
    from: Timestamp,
}

impl Scheduled {
    /// The schedule from `at` on. The service counts a key's own period from when it is set; the control counts from the rotation before, so
    /// that nobody puts a rotation off for ever by setting periods: the same one again and a shorter one put off nothing, and a longer one
    /// no further than its own end.
    fn renewed(before: Option<Self>, rule: Rule, at: Timestamp, grace: Duration) -> Self {
        let Rule { primary, period, from } = rule;
        let soonest = at.after(grace);
        let by_rule = from.after(period).after(grace).max(soonest);
        let (since, due) = match before.filter(|before| before.primary == primary) {
            // It came under the schedule just now, and there was nothing to be late for; or it was rotated, be it on demand: what was due
            // is made good, and the schedule goes on.
            None => (at, by_rule),
            Some(before) if period > before.period => {
                let since = before.since;
                (since, by_rule.min(since.after(period).after(grace)).max(before.due))
            }
            Some(before) if period < before.period => (before.since, before.due.min(by_rule)),
            Some(before) => (before.since, before.due),
        };
        let rested = before.is_some_and(|before| before.rests);
        Self { primary, period, since, due: if rested { due.max(soonest) } else { due }, rests: false }
    }
}

impl OnTime {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            grace: setting.hours("rotation_grace_h"),
            period: setting.period,
            schedules: BTreeMap::new(),
            by_policy: 0,
            on_demand: 0,
            failed: 0,
        }
    }

    fn judge(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        let object = Object::Key(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let is_live = matches!(key.state, State::Active | State::PreActive | State::Suspended);
        let judgement = match estate.ring_of(id) {
            _ if !is_live || key.destruction.is_some() => Judgement::OutOfScope,
            None => Judgement::unknown(NO_RING),
            Some((_, ring)) => self.of_key(id, key, schedule(key, &ring.policy), at, estate),
        };
        if key.state == State::Suspended || key.destruction.is_some() {
            if let Some(scheduled) = self.schedules.get_mut(&id) {
                scheduled.rests = true;
            }
        } else if !matches!(judgement, Judgement::HoldsUntil(..)) {
            self.schedules.remove(&id);
        }
        self.ledger.judge(object, at, judgement);
    }

    fn of_key(
        &mut self,
        id: KeyId,
        key: &OpenKey,
        period: Option<Duration>,
        at: Timestamp,
        estate: &Estate,
    ) -> Judgement {
        let class = Class::from(key.data_class);
        let must = !key.spec.is_asymmetric() && matches!(class, Class::Confidential | Class::Restricted);
        let is_imported =
            estate.versions_of(id).next().is_some_and(|(_, first)| first.origin == Origin::Imported);
        if is_imported && (must || key.rotation_period.is_some()) {
            return Judgement::violated("its material is imported, so that nothing rotates it by a schedule");
        }
        let Some(period) = period.filter(|_| !is_imported) else {
            if !must {
                return Judgement::OutOfScope;
            }
            let rotate = cryptoperiod::find(key).map_or(0, |period| in_days(period.rotate));
            return Judgement::violated(format!(
                "its data is of class {class}, and it has no schedule of rotation: the table has one of {rotate} days"
            ));
        };
        if key.state != State::Active {
            return Judgement::Holds;
        }
        let rule = Rule { primary: key.primary, period, from: key.rotates_from };
        let next = Scheduled::renewed(self.schedules.get(&id).copied(), rule, at, self.grace);
        self.schedules.insert(id, next);
        Judgement::holds_until(Some(next.due), || {
            let (days, hours) = (in_days(period), self.grace.as_secs() / 3600);
            format!("it rotates every {days} days, and is late by more than {hours} hours")
        })
    }
}

impl Check for OnTime {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if event.entry.op != Op::RotateKey || !self.period.holds(event.at) {
            return;
        }
        match (event.entry.out, event.entry.ses) {
            (Ended::Ok, None) => self.by_policy += 1,
            (Ended::Ok, Some(_)) => self.on_demand += 1,
            (_, None) => self.failed += 1,
            (_, Some(_)) => {}
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        for key in keys_about(object, estate) {
            self.judge(key, event.at, estate);
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each key that must rotate has a schedule, and rotates on time")
            .figure("rotations_by_policy", self.by_policy)
            .figure("rotations_on_demand", self.on_demand)
            .figure("rotations_by_policy_failed", self.failed)
            .note("a rotation that failed and was made good within the grace is counted, and is no violation")
            .note("asymmetric keys, and keys of internal or test data, need no schedule; one that they have binds them, unless it is their ring's and their material is imported")
            .note("a period that is set anew counts from the rotation before, and a key that was out of use is rotated within the grace")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    fn at(days: u64) -> Timestamp {
        Timestamp::from_micros(days * 86_400_000_000)
    }

    fn days(days: u64) -> Duration {
        Duration::from_secs(days * 86_400)
    }

    #[test]
    fn the_grace_is_read_from_the_parameter() {
        let catalogue = Catalogue::load().unwrap();
        let setting = Setting::new(&catalogue, None, Period { from: at(0), to: at(1) });
        assert_eq!(OnTime::new(&setting).grace, days(1));
    }

    #[test]
    fn a_schedule_is_put_off_by_rotation_alone() {
        let grace = days(1);
        let rule = |primary, period, from| Rule { primary, period: days(period), from: at(from) };
        let first = Scheduled::renewed(None, rule(1, 90, 0), at(0), grace);
        assert_eq!(first.due, at(91));
        let same_again = Scheduled::renewed(Some(first), rule(1, 90, 60), at(60), grace);
        assert_eq!(same_again.due, at(91));
        let shorter = Scheduled::renewed(Some(first), rule(1, 10, 60), at(60), grace);
        assert_eq!(shorter.due, at(71));
        let barely_shorter = Scheduled::renewed(Some(first), rule(1, 89, 60), at(60), grace);
        assert_eq!(barely_shorter.due, at(91));
        let rotated = Scheduled::renewed(Some(first), rule(2, 90, 90), at(90), grace);
        assert_eq!(rotated.due, at(181));
        let on_demand = Scheduled::renewed(Some(first), rule(2, 90, 0), at(50), grace);
        assert_eq!(on_demand.due, at(91));
        let longer = Scheduled::renewed(Some(first), rule(1, 180, 60), at(60), grace);
        assert_eq!(longer.due, at(181));
        let back_again = Scheduled::renewed(Some(longer), rule(1, 90, 70), at(70), grace);
        let longer_again = Scheduled::renewed(Some(back_again), rule(1, 180, 80), at(80), grace);
        assert_eq!(
            (back_again.due, longer_again.due),
            (at(161), at(181)),
            "what is set to and fro puts off no further"
        );
        let made_good = Scheduled::renewed(Some(first), rule(2, 90, 0), at(100), grace);
        assert_eq!(made_good.due, at(101), "the service is to follow its schedule from there on");
        let rested = Scheduled { rests: true, ..first };
        let back_in_use = Scheduled::renewed(Some(rested), rule(1, 90, 0), at(200), grace);
        assert_eq!((back_in_use.due, back_in_use.rests), (at(201), false));
        let long_before = Scheduled::renewed(None, rule(1, 90, 0), at(300), grace);
        assert_eq!(long_before.due, at(301), "a schedule that comes late leaves the grace");
    }
}
