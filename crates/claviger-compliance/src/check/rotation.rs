//! Checks of rotation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::fact::{Object, OpenKey, OpenNode, OpenVersion};
use claviger_audit::{Entry, Op, Outcome as Ended};
use claviger_core::action::Effect;
use claviger_core::key::{Origin, Protection, RingPolicy, RotatedKeys, State};
use claviger_core::{Action, KeyId, KeyVersionId, Purpose, Spec, Timestamp};

use super::common::{count, is_unreadable, keys_about, protects, version_used, versions_about};
use super::{Check, End, Event};
use crate::cryptoperiod::{self, Ends, Process};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) const CHECKS: super::Checks = &[
    ("ROT-01", |setting| Box::new(DefinedPeriods::new(setting))),
    ("ROT-02", |setting| Box::new(EndOfProtecting::new(setting))),
    ("ROT-03", |setting| Box::new(EndOfProcessing::new(setting))),
    ("ROT-04", |setting| Box::new(OnTime::new(setting))),
    ("ROT-05", |setting| Box::new(Volume::new(setting))),
    ("ROT-06", |setting| Box::new(Superseded::new(setting))),
    ("ROT-07", |setting| Box::new(PostQuantum::new(setting))),
];

const DAY: Duration = Duration::from_secs(86_400);
/// How long it may take until a new version protects everywhere.
const PROPAGATION: Duration = Duration::from_secs(300);
const NO_KEY: &str = "its key is not there, or its facts do not read";
const NO_RING: &str = "its ring is not there, or its facts do not read";
const NO_TABLE: &str = "the table of cryptoperiods does not read";

const fn in_days(span: Duration) -> u64 {
    span.as_secs() / DAY.as_secs()
}

fn processes(entry: &Entry<'_>) -> bool {
    entry.op.action().is_some_and(|action| action.effect() == Effect::Process)
}

/// The ends of versions, as they were fixed when these were put into use: what is said later moves them to an earlier instant alone.
#[derive(Debug, Default)]
pub(super) struct FixedEnds {
    ends: BTreeMap<KeyVersionId, Ends>,
}

impl FixedEnds {
    /// The ends of a version; none of one that was never put into use.
    ///
    /// # Errors
    /// What is missing to know them.
    pub(super) fn take(
        &mut self,
        id: KeyVersionId,
        version: &OpenVersion,
        estate: &Estate,
    ) -> Result<Option<Ends>, &'static str> {
        let Some(activated_at) = version.activated_at else {
            return match version.state {
                State::Active | State::Deactivated | State::Suspended => {
                    Err("when it was put into use is not known")
                }
                State::Compromised | State::Destroyed | State::DestroyedCompromised | State::PreActive => {
                    Ok(None)
                }
            };
        };
        let key = estate.keys.get(&id.key).ok_or(NO_KEY)?;
        let (_, ring) = estate.ring_of(id.key).ok_or(NO_RING)?;
        let ends = cryptoperiod::find(key).ok_or(NO_TABLE)?.ends(&ring.policy, activated_at);
        let fixed = self.ends.entry(id).or_insert(ends);
        *fixed = fixed.earlier(ends);
        Ok(Some(*fixed))
    }

    fn find(&self, id: KeyVersionId) -> Option<Ends> {
        self.ends.get(&id).copied()
    }
}

/// How often a key rotates by policy: by its own, or by its ring's.
fn schedule(key: &OpenKey, policy: &RingPolicy) -> Option<Duration> {
    let rotates = match policy.rotates {
        RotatedKeys::All => true,
        RotatedKeys::Symmetric => !key.spec.is_asymmetric(),
    };
    key.rotation_period.or(policy.rotation_period.filter(|_| rotates))
}

/// How often one of its versions may protect, as the service holds it: [`claviger_core::key::Key::invocation_limit`].
const fn invocation_limit(key: &OpenKey) -> Option<u64> {
    match (key.protection, key.spec, key.purpose) {
        (Protection::Hsm, Spec::Aes256Gcm, Purpose::Encrypt) => {
            Spec::Aes128Gcm.invocation_limit(Purpose::Encrypt)
        }
        (_, spec, purpose) => spec.invocation_limit(purpose),
    }
}

/// ROT-01.
struct DefinedPeriods {
    ledger: Ledger,
}

impl DefinedPeriods {
    fn new(setting: &Setting<'_>) -> Self {
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

/// ROT-02.
struct EndOfProtecting {
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
    fn new(setting: &Setting<'_>) -> Self {
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
            _ if version.state.is_destroyed() => Judgement::OutOfScope,
            Err(why) => Judgement::unknown(why),
            Ok(None) => Judgement::OutOfScope,
            Ok(Some(ends)) => self.of_version(id, version, ends, estate),
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
                "its end of protecting was moved after it was put into use, and nobody approved it",
            );
        }
        let because = || "it is active beyond the end of its protecting".to_owned();
        Judgement::holds_until(Some(ends.protect), because)
    }
}

/// Does a version protect, its key being as it is?
fn is_active(id: KeyVersionId, version: &OpenVersion, estate: &Estate) -> bool {
    let is_key_active = |key: &OpenKey| key.state == State::Active && key.destruction.is_none();
    version.state == State::Active && estate.keys.get(&id.key).is_some_and(is_key_active)
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
            .note("this release does not refuse uses by the age of a version")
    }
}

/// ROT-03.
struct EndOfProcessing {
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
    fn new(setting: &Setting<'_>) -> Self {
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
            _ if version.state.is_destroyed() => Judgement::OutOfScope,
            Err(why) => Judgement::unknown(why),
            Ok(None | Some(Ends { process: None, .. })) => Judgement::OutOfScope,
            Ok(Some(_)) if self.late.contains(&id) => Judgement::violated(
                "it processed in the period after the end of its processing, and no exception is kept",
            ),
            Ok(Some(_)) if self.unsure.contains(&id) => Judgement::unknown(
                "something was re-encrypted after the end of its processing, and entries do not name the version that opens",
            ),
            Ok(Some(_)) => Judgement::Holds,
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

/// ROT-04.
struct OnTime {
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
    fn new(setting: &Setting<'_>) -> Self {
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

/// ROT-05.
struct Volume {
    ledger: Ledger,
    hard: u64,
    soft: u64,
    most_children: u64,
    done: BTreeMap<KeyVersionId, Done>,
    uses: u64,
}

/// What the log records of a version's uses on new data.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    protects: u64,
    children: u64,
    /// When it came to a soft limit.
    soft_at: Option<Timestamp>,
}

/// A number that is written as a power, as in `2^30`.
fn power(text: &str) -> Option<u64> {
    let (base, exponent) = text.split_once('^')?;
    base.parse::<u64>().ok()?.checked_pow(exponent.parse().ok()?)
}

impl Volume {
    fn new(setting: &Setting<'_>) -> Self {
        let limit = |name: &str| {
            let parameter = setting.catalogue.find_parameter(name);
            // Where there is none, nothing is within it.
            parameter.and_then(|parameter| power(&parameter.default)).unwrap_or_default()
        };
        Self {
            ledger: setting.ledger(),
            hard: limit("gcm_random_iv_hard"),
            soft: limit("gcm_random_iv_soft"),
            most_children: limit("kek_children_soft"),
            done: BTreeMap::new(),
            uses: 0,
        }
    }

    fn limit(&self, key: &OpenKey) -> Option<u64> {
        invocation_limit(key).map(|limit| limit.min(self.hard))
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let object = Object::Version(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let done = self.done.get(&id).copied().unwrap_or_default();
        let judgement = match estate.keys.get(&id.key) {
            _ if version.state.is_destroyed() => Judgement::OutOfScope,
            None => Judgement::unknown(NO_KEY),
            Some(key) => match (self.limit(key), done.soft_at) {
                (Some(limit), _) if done.protects > limit => Judgement::violated(format!(
                    "it protected more than {limit} times, which is the limit of {}",
                    key.spec
                )),
                (_, Some(since)) if is_active(id, version, estate) => {
                    let because = "it passed a soft limit of volume, and no rotation followed within a day";
                    Judgement::HoldsUntil(since.after(DAY), because.into())
                }
                (Some(_), _) => Judgement::unknown(
                    "its uses are limited, and that the counter of the service agrees with the log is not known: counters are no facts yet",
                ),
                (None, _) => Judgement::Holds,
            },
        };
        self.ledger.judge(object, at, judgement);
    }
}

impl Check for Volume {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let Some(id) = version_used(event.entry, estate).filter(|_| protects(event.entry)) else { return };
        self.uses += 1;
        let limit = estate.keys.get(&id.key).and_then(|key| self.limit(key));
        let (soft, most_children) = (self.soft, self.most_children);
        let done = self.done.entry(id).or_default();
        done.protects += 1;
        done.children += u64::from(event.entry.op.action().is_some_and(Action::wraps_a_key));
        let is_soft = limit.is_some() && done.protects > soft || done.children > most_children;
        let is_new = is_soft && done.soft_at.is_none();
        if is_new {
            done.soft_at = Some(event.at);
        }
        let passes = limit.is_some_and(|limit| done.protects == limit.saturating_add(1));
        if is_new || passes {
            self.judge(id, event.at, estate);
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        // Rings say nothing of volume.
        if !matches!(object, Object::Ring(_)) {
            for id in versions_about(object, estate) {
                self.judge(id, event.at, estate);
            }
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let limited = end.estate.keys.values().filter(|key| !key.state.is_destroyed());
        let limited = limited.filter(|key| invocation_limit(key).is_some()).count();
        let most = |of: fn(&Done) -> u64| self.done.values().map(of).max().unwrap_or_default();
        let (protects, children) = (most(|done| done.protects), most(|done| done.children));
        Outcome::of(self.ledger, "no version protected more often than its algorithm allows")
            .figure("keys_with_a_limit", count(limited))
            .figure("most_protect_uses_of_a_version", protects)
            .figure("most_keys_wrapped_by_a_version", children)
            .figure("protect_uses", self.uses)
            .note("uses are counted from the log; the service counts those of limited versions alone, and no bytes, so that of others no counter can differ")
            .note("AES-GCM with random nonces of 96 bits is the one mode that needs a limit, and the service refuses there; caps of bytes, records and persons cannot be set in this release")
    }
}

/// ROT-06.
struct Superseded {
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
    fn new(setting: &Setting<'_>) -> Self {
        let name = "reprotect_days";
        let default = setting.catalogue.find_parameter(name).map_or("", |one| one.default.as_str());
        // The last number is for the other classes.
        let last = default.rsplit(' ').next().and_then(|word| word.parse::<u32>().ok());
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

/// ROT-07.
struct PostQuantum {
    ledger: Ledger,
}

impl PostQuantum {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

/// Does a listener agree on keys that a quantum computer opens? A line names, behind `TLS 1.3`, suites and then groups.
fn has_classical_groups(node: &OpenNode) -> bool {
    node.listeners.iter().any(|line| match line.split_once(" TLS 1.3 ") {
        Some((_, rest)) => {
            let groups = rest.split(' ').nth(1).unwrap_or_default();
            groups.split('+').any(|group| !group.to_ascii_uppercase().contains("MLKEM"))
        }
        None => !line.ends_with(" plain"),
    })
}

impl Check for PostQuantum {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let is_asked =
            matches!(object, Object::Asset(_) | Object::Key(_) | Object::Node(_) | Object::Version(_));
        if is_asked && is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let judgement = match object {
            Object::Key(id) => {
                let Some(key) = estate.keys.get(&id) else { return };
                if key.spec.pq() || key.state.is_destroyed() {
                    Judgement::OutOfScope
                } else {
                    Judgement::violated(format!(
                        "a quantum computer opens {}, and nothing says when it is replaced: this release keeps no plan",
                        key.spec
                    ))
                }
            }
            Object::Version(id) => {
                let Some(version) = estate.versions.get(&id) else { return };
                let under = version.transport_spec.as_deref().filter(|_| !version.state.is_destroyed());
                let is_classical = |spec: &&str| !spec.parse::<Spec>().is_ok_and(Spec::pq);
                under.filter(is_classical).map_or(Judgement::OutOfScope, |spec| {
                    Judgement::unknown(format!(
                        "its material came under {spec}, and until when its data must stay secret is not kept"
                    ))
                })
            }
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                if has_classical_groups(node) {
                    Judgement::unknown(
                        "its listeners take groups that a quantum computer opens, and until when data must stay secret is not kept",
                    )
                } else {
                    Judgement::OutOfScope
                }
            }
            Object::Asset(id) if estate.assets.contains_key(&id) => Judgement::unknown(
                "until when its data must stay secret is not known: assets do not keep that yet",
            ),
            Object::Asset(_) => Judgement::OutOfScope,
            _ => return,
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        if let Some(first) = end.first {
            let subject = Subject::named("keys of certificates, of the log's signatures and of the root");
            let why = "their algorithms are no facts yet, and neither is when they are replaced";
            self.ledger.judge(subject, first, Judgement::unknown(why));
        }
        let keys = || end.estate.keys.values().filter(|key| !key.state.is_destroyed());
        Outcome::of(self.ledger, "nothing that a quantum computer opens is in use")
            .figure("keys_quantum_vulnerable", count(keys().filter(|key| !key.spec.pq()).count()))
            .figure("keys_quantum_safe", count(keys().filter(|key| key.spec.pq()).count()))
            .needs("ATT-PQC-PLAN")
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
    fn limits_are_read_from_the_parameters() {
        assert_eq!((power("2^32"), power("2^30")), (Some(1 << 32), Some(1 << 30)));
        assert_eq!((power("2^64"), power("232"), power("2^x")), (None, None, None));
        let catalogue = Catalogue::load().unwrap();
        let setting =
            Setting { catalogue: &catalogue, framework: None, period: Period { from: at(0), to: at(1) } };
        let volume = Volume::new(&setting);
        assert_eq!((volume.hard, volume.soft, volume.most_children), (1 << 32, 1 << 30, 1 << 20));
        let superseded = Superseded::new(&setting);
        assert_eq!((superseded.restricted, superseded.others), (days(90), days(365)));
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

    #[test]
    fn opening_for_another_key_protects_nothing() {
        let mut entry = Entry::new(1, 1, Op::Reencrypt, Ended::Ok);
        assert!(protects(&entry) && processes(&entry));
        entry.reference = Some(vec![1_u8].into());
        assert!(!protects(&entry) && processes(&entry));
        assert!(!processes(&Entry::new(1, 1, Op::Encrypt, Ended::Ok)));
    }

    #[test]
    fn groups_of_listeners_are_read() {
        let node = |line: &str| OpenNode {
            incarnation: 1,
            reported_at: at(0),
            environment: None,
            mode: String::new(),
            insecure: Vec::new(),
            release: String::new(),
            build: Vec::new(),
            configuration: Vec::new(),
            policy: Vec::new(),
            hardening: Vec::new(),
            listeners: vec![line.to_owned()],
            clock_source: String::new(),
            generators: Vec::new(),
            domains: Vec::new(),
            released: Vec::new(),
            root_keys: Vec::new(),
            certificates: Vec::new(),
        };
        for (line, is_so) in [
            ("rest 127.0.0.1:8443 TLS 1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 certificate", false),
            ("rest 127.0.0.1:8443 TLS 1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768+X25519 certificate", true),
            ("rest 127.0.0.1:8443 TLS 1.3", true),
            ("metrics 127.0.0.1:9090 plain", false),
        ] {
            assert_eq!(has_classical_groups(&node(line)), is_so, "{line}");
        }
    }
}
