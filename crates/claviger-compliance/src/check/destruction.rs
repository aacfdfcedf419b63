//! Checks of destruction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::fact::{Object, OpenKey, OpenVersion};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::alert::AlertRule;
use claviger_core::key::Origin;
use claviger_core::{Action, AlertId, KeyId, KeyVersionId, Purpose, Timestamp};

use super::approvals::{Act, Approvals, Rule};
use super::common::{FixedEnds, NO_RING, count, is_unreadable, protects, version_used, versions_about};
use super::revocation::forbidden;
use super::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting};

pub(super) const CHECKS: super::Checks = &[
    ("DEST-01", |setting| Box::new(Delayed::new(setting))),
    ("DEST-02", |setting| Box::new(Complete::new(setting))),
    ("DEST-03", |setting| Box::new(NoCopies::new(setting))),
    ("DEST-04", |setting| Box::new(Certified::new(setting))),
    ("DEST-05", |setting| Box::new(StillNeeded::new(setting))),
    ("DEST-06", |setting| Box::new(InTime::new(setting))),
];

/// How soon an alert is raised about somebody who asks for a key that waits for its destruction.
const ALERTED_WITHIN: Duration = Duration::from_secs(300);

/// The key that an entry says was destroyed.
fn destroyed_by(event: &Event<'_>) -> Option<KeyId> {
    let is_done = event.entry.op == Op::DestroyKey && event.entry.out == Ended::Ok;
    event.entry.key.filter(|_| is_done).map(KeyId::from_bytes)
}

/// The least number of a parameter that reads as `30, at least 7`, or is one number.
fn least(text: &str) -> Option<u64> {
    text.rsplit("at least ").next()?.parse().ok()
}

/// DEST-01.
struct Delayed {
    ledger: Ledger,
    least_days: u64,
    period: Period,
    approvals: Approvals,
    /// The key whose destruction the entry at hand scheduled, by the rule of its ring.
    scheduling: Option<(KeyId, Rule)>,
    /// Versions that are destroyed, as far as they were seen.
    destroyed: BTreeSet<KeyVersionId>,
    scheduled: u64,
    cancelled: u64,
    executed: u64,
    attempts: u64,
    /// Keys in their wait of which an alert says that somebody asked for them, and that is not closed.
    alerted: BTreeSet<KeyId>,
    /// Those that somebody asked for since when, by which entry, and of which no alert says so yet.
    unalerted: BTreeMap<KeyId, (Timestamp, u64)>,
}

impl Delayed {
    fn new(setting: &Setting<'_>) -> Self {
        // Where there is none, no wait is long enough.
        let least_days = least(setting.text("destroy_wait_days")).unwrap_or(u64::MAX);
        Self {
            ledger: setting.ledger(),
            least_days,
            period: setting.period,
            approvals: Approvals::new(setting),
            scheduling: None,
            destroyed: BTreeSet::new(),
            scheduled: 0,
            cancelled: 0,
            executed: 0,
            attempts: 0,
            alerted: BTreeSet::new(),
            unalerted: BTreeMap::new(),
        }
    }

    /// That somebody asked for a key in its wait.
    fn asked_for(&mut self, key: KeyId, event: &Event<'_>) {
        self.attempts += 1;
        // Who may not use it at all needs it no more than before. Whoever could have used it did.
        let is_told_of = matches!(event.entry.out, Ended::Ok | Ended::WrongState);
        if is_told_of && !self.alerted.contains(&key) {
            self.unalerted.entry(key).or_insert((event.at, event.index));
        }
    }

    /// Takes an alert: does it say of a key that somebody asked for it?
    fn take_alert(&mut self, id: AlertId, at: Timestamp, estate: &Estate) {
        let Some(alert) = estate.alerts.get(&id) else { return };
        let (AlertRule::UseWhileDestroying, Some(Object::Key(key))) = (alert.rule, alert.subject) else {
            return;
        };
        if alert.closed.is_some() {
            self.alerted.remove(&key);
            return;
        }
        self.alerted.insert(key);
        self.come_to_alert(key, at);
    }

    /// Judges the first use of a key that was tried in its wait, by the instant at which an alert said so, or by which none has.
    fn come_to_alert(&mut self, key: KeyId, at: Timestamp) {
        let Some((tried_at, entry)) = self.unalerted.remove(&key) else { return };
        let because = (at.since(tried_at) > ALERTED_WITHIN).then(|| {
            "its use was tried while it waited for its destruction, and no alert was raised".to_owned()
        });
        self.ledger.happened(Object::Key(key), tried_at, entry, because);
    }

    /// What is wrong with the end of a key as it stood before that.
    fn why_wrong(
        &self,
        (id, key): (KeyId, &OpenKey),
        rule: Rule,
        at: Timestamp,
        estate: &Estate,
    ) -> Option<String> {
        let Some(destruction) = key.destruction else {
            return Some("it was destroyed, and no destruction was scheduled".to_owned());
        };
        let waited = at.since(destruction.scheduled_at);
        if at < destruction.at {
            return Some("it was destroyed before the end of its wait".to_owned());
        }
        if waited < Duration::from_secs(self.least_days.saturating_mul(86_400)) {
            let hours = waited.as_secs() / 3600;
            return Some(format!(
                "it was destroyed {hours} hours after that was asked for: the least wait is {} days",
                self.least_days
            ));
        }
        let defect = self.approvals.defect_at_end(id, destruction.approval, rule, at, estate)?;
        Some(format!("it was destroyed, {defect}"))
    }
}

impl Check for Delayed {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.scheduling = None;
        if !self.period.holds(event.at) {
            return;
        }
        let entry = event.entry;
        let Some(key) = entry.key.map(KeyId::from_bytes) else { return };
        let rule = Rule::of_key(key, estate);
        if let Some(key) = destroyed_by(event) {
            self.executed += 1;
            let because = match (estate.keys.get(&key), rule) {
                (None, _) => Some("it was destroyed, and is not there".to_owned()),
                (Some(row), Some(rule)) => self.why_wrong((key, row), rule, event.at, estate),
                (Some(_), None) => {
                    self.ledger.judge(Object::Key(key), event.at, Judgement::unknown(NO_RING));
                    None
                }
            };
            self.ledger.happened(Object::Key(key), event.at, event.index, because);
            return;
        }
        let waits = estate.keys.get(&key).is_some_and(|row| row.destruction.is_some());
        match entry.op {
            Op::ScheduleDestroy if entry.out == Ended::Ok => {
                self.scheduled += 1;
                self.scheduling = rule.map(|rule| (key, rule));
                if rule.is_none() {
                    self.ledger.judge(Object::Key(key), event.at, Judgement::unknown(NO_RING));
                }
            }
            Op::CancelDestroy if entry.out == Ended::Ok => self.cancelled += 1,
            op if waits && op.uses_material() => self.asked_for(key, event),
            _ => {}
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        self.approvals.changed(object, event);
        if let Some((key, rule)) = self.scheduling.take() {
            let act = Act::on(Action::ScheduleDestroy, Object::Key(key), rule);
            let defect = self.approvals.defect(&act, event, estate);
            let because = defect.map(|defect| format!("its destruction was scheduled, {defect}"));
            self.ledger.happened(Object::Key(key), event.at, event.index, because);
        }
        if matches!(object, Object::Alert(_) | Object::Approval(_)) {
            is_unreadable(&mut self.ledger, object, event.at, estate);
        }
        if let Object::Alert(id) = object {
            self.take_alert(id, event.at, estate);
        }
        let Object::Version(id) = object else { return };
        let is_destroyed = estate.versions.get(&id).is_some_and(|version| version.state.is_destroyed());
        // Tombstones from before facts were kept come with the record of the state.
        let is_told = matches!(event.entry.op, Op::DestroyKey | Op::RecordState);
        if is_destroyed && self.destroyed.insert(id) && !is_told {
            let because =
                format!("it is destroyed by an entry of `{}`, which destroys nothing", event.entry.op);
            self.ledger.happened(object, event.at, event.index, Some(because));
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let waiting = end.estate.keys.values().filter(|key| key.destruction.is_some()).count();
        // Of the newest ones, an alert may still come.
        let to = end.setting.as_of();
        let silent: Vec<_> = self.unalerted.keys().copied().collect();
        for key in silent {
            self.come_to_alert(key, to);
        }
        Outcome::of(self.ledger, "each destruction was approved when it was scheduled, and waited for")
            .figure("destructions_scheduled", self.scheduled)
            .figure("destructions_cancelled", self.cancelled)
            .figure("destructions_executed", self.executed)
            .figure("destructions_waiting", count(waiting))
            .figure("uses_tried_in_the_wait", self.attempts)
            .note("an alert is asked for where the wait was all that stood against a use; that whoever may not use the key tried to is counted alone")
            .note("a destruction that came is held against those who approved its schedule once more: they must still be able to")
    }
}

/// DEST-02.
struct Complete {
    ledger: Ledger,
}

impl Complete {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for Complete {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        if let Some((id, state)) = forbidden(event.entry, estate).filter(|(_, state)| state.is_destroyed()) {
            let because = format!("`{}` succeeded with it, and it was {state}", event.entry.op);
            self.ledger.happened(Object::Version(id), event.at, event.index, Some(because));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Version(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let judgement = match estate.versions.get(&id).filter(|version| version.state.is_destroyed()) {
            None => Judgement::OutOfScope,
            Some(version) if version.wrap_format.is_some() || version.wrap_digest.is_some() => {
                Judgement::violated("it is destroyed, and its wrap is still there")
            }
            Some(_) => Judgement::violated(
                "its wrap went from the store, and no place that held it confirms the erasure: this release keeps no confirmations",
            ),
        };
        self.ledger.judge_by(object.into(), event.at, judgement, Some(event.index));
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each destroyed version is erased everywhere")
            .note("what the store does on its media is a logical erasure, and never a physical one")
    }
}

/// DEST-03.
struct NoCopies {
    ledger: Ledger,
}

impl NoCopies {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for NoCopies {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Version(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let is_destroyed = estate.versions.get(&id).is_some_and(|version| version.state.is_destroyed());
        let why = "which backups had it, and whether they can still be opened, is not kept";
        let judgement = if is_destroyed { Judgement::unknown(why) } else { Judgement::OutOfScope };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "no destroyed version is left in a backup")
            .needs("ATT-EXPORT-DESTROYED")
            .needs("ATT-MEDIA-DESTROYED")
            .note(
                "no key leaves this release in clear or wrapped for others: there are no exports to have it",
            )
    }
}

/// DEST-04.
struct Certified {
    ledger: Ledger,
}

impl Certified {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for Certified {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Version(id) = object else { return };
        let is_known = matches!(self.ledger.find(&object.into()), Some(Judgement::Violated(_)));
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let judgement = match estate.versions.get(&id) {
            Some(version) if version.state.is_destroyed() => {
                Judgement::violated("its tombstone has no certificate: this release makes none")
            }
            None if is_known => Judgement::violated("it was destroyed, and its tombstone is gone"),
            _ => Judgement::OutOfScope,
        };
        self.ledger.judge_by(object.into(), event.at, judgement, Some(event.index));
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each destroyed version has its tombstone and its certificate")
    }
}

/// DEST-05.
struct StillNeeded {
    ledger: Ledger,
    period: Period,
}

impl StillNeeded {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), period: setting.period }
    }
}

impl Check for StillNeeded {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let Some(key) = destroyed_by(event).filter(|_| self.period.holds(event.at)) else { return };
        let why = "whether data under it was on hold, or still to be kept, is not known: assets keep neither, and destructions no purpose";
        self.ledger.judge_by(Object::Key(key).into(), event.at, Judgement::unknown(why), Some(event.index));
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "no key was destroyed that was still needed").needs("ATT-ERASURE-DECISION")
    }
}

/// DEST-06.
struct InTime {
    ledger: Ledger,
    ends: FixedEnds,
    grace: Duration,
    /// Versions that protected something by the log.
    protected: BTreeSet<KeyVersionId>,
    /// From when on it must be known of a version that data needs it.
    due: BTreeMap<KeyVersionId, Timestamp>,
}

impl InTime {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            ends: FixedEnds::default(),
            grace: setting.days("retired_max_days"),
            protected: BTreeSet::new(),
            due: BTreeMap::new(),
        }
    }

    /// Is it known that no data needs the version any more, once it has ended?
    fn holds_nothing(&self, id: KeyVersionId, version: &OpenVersion, key: &OpenKey) -> bool {
        let is_signature = key.purpose == Purpose::Sign;
        let is_all_known = !key.spec.is_asymmetric() && version.origin == Origin::Generated;
        is_signature || is_all_known && !self.protected.contains(&id)
    }

    /// Says that it is not known whether data needs a version, if that was due by now.
    fn come_due(&mut self, id: KeyVersionId, now: Timestamp) {
        if let Some(due) = self.due.get(&id).copied().filter(|due| *due <= now) {
            let why =
                "its end is long past, and whether data still needs it is neither measured nor declared";
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
        let judgement = match self.ends.take(id, version, estate) {
            Err(without) => without,
            Ok(ends) => {
                let due = ends.last().after(self.grace);
                let holds_nothing =
                    estate.keys.get(&id.key).is_some_and(|key| self.holds_nothing(id, version, key));
                if holds_nothing {
                    self.due.remove(&id);
                    let because = "its end is long past, no data needs it, and it is not destroyed";
                    Judgement::HoldsUntil(due, because.into())
                } else {
                    self.due.insert(id, due);
                    if due <= at {
                        return self.come_due(id, at);
                    }
                    Judgement::Holds
                }
            }
        };
        if judgement == Judgement::OutOfScope {
            self.due.remove(&id);
        }
        self.ledger.judge(object, at, judgement);
    }
}

impl Check for InTime {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let Some(id) = version_used(event.entry, estate).filter(|_| protects(event.entry)) else { return };
        if self.protected.insert(id) {
            self.judge(id, event.at, estate);
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        if let Object::Asset(id) = object {
            let judgement = if estate.assets.contains_key(&id) {
                Judgement::unknown(
                    "whether its data has ended, and the keys of it with it, is not known: assets do not keep that yet",
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

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let overdue: Vec<_> = self.due.iter().filter(|(_, due)| **due <= to).map(|(id, _)| *id).collect();
        for id in &overdue {
            self.come_due(*id, to);
        }
        Outcome::of(self.ledger, "no version is kept that has long ended")
            .figure("versions_long_ended", count(overdue.len()))
            .note("a version made here under which the log records no protecting holds no data, and a private key that signs holds none")
            .note("this release destroys whole keys, and no single version")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{OpenAlert, OpenRow};
    use claviger_core::alert::AlertAct;
    use claviger_core::key::{Destruction, RingPolicy, State};
    use claviger_core::principal::Role;
    use claviger_core::{ApprovalId, PrincipalId};

    use super::*;
    use crate::Catalogue;
    use crate::control::Mode;
    use crate::evaluation::fixture::{
        ADA, CUSTODIANS, KEY, Story, Told, alert, human, key, open_key, principal, ring,
    };

    #[test]
    fn the_least_wait_is_read_from_the_parameter() {
        assert_eq!((least("30, at least 7"), least("30"), least("at least x")), (Some(7), Some(30), None));
        let catalogue = Catalogue::load().unwrap();
        let (from, to) = (Timestamp::from_micros(0), Timestamp::from_micros(1));
        let setting = Setting::new(&catalogue, None, Period { from, to });
        assert_eq!(Delayed::new(&setting).least_days, 7);
        assert_eq!(InTime::new(&setting).grace, Duration::from_secs(90 * 86_400));
    }

    /// The key, as it waits for its destruction so many days from the next entry on.
    fn waiting(story: &Story, days: u64, approval: Option<ApprovalId>) -> (Object, OpenRow) {
        let scheduled_at = story.next();
        let at = scheduled_at.after(Duration::from_secs(days * 86_400));
        let destruction = Some(Destruction { scheduled_at, at, approval });
        key(OpenKey { state: State::Suspended, destruction, ..open_key() })
    }

    /// What a destruction comes to that these approve, and that is carried out so many days after it was scheduled.
    fn destroyed(approvers: &[PrincipalId], days: u64, between: impl FnOnce(&mut Story)) -> Told {
        let mut story = Story::of("DEST-01");
        let id = story.ask(story.asked(ADA, Action::ScheduleDestroy, true, &[Object::Key(KEY)]));
        for approver in approvers {
            story.approve(id, *approver);
        }
        let rows = match approvers {
            [] => vec![waiting(&story, 30, None)],
            _ => vec![waiting(&story, 30, Some(id)), story.executed(id)],
        };
        story.act(Op::ScheduleDestroy, Some(KEY), rows);
        between(&mut story);
        story.wait(days);
        let row = key(OpenKey { state: State::Destroyed, ..open_key() });
        story.act(Op::DestroyKey, Some(KEY), vec![row]);
        story.told(Mode::Period)
    }

    #[test]
    fn a_destruction_is_approved_at_both_its_ends_and_waited_for() {
        let two = &CUSTODIANS[..2];
        let told = destroyed(two, 31, |_| {});
        told.holds_of(1);
        assert_eq!((told.figures["destructions_scheduled"], told.figures["destructions_executed"]), (1, 1));
        destroyed(two, 29, |_| {}).is_violated("before the end of its wait");
        destroyed(&[], 31, |_| {}).is_violated("its destruction was scheduled, and nobody approved it");
        destroyed(&two[..1], 31, |_| {}).is_violated("1 are valid, where 2 must");
        let leaves = |story: &mut Story| {
            story.act(Op::WithdrawRole, None, vec![principal(CUSTODIANS[0], human(&[]))]);
        };
        destroyed(two, 31, leaves).is_violated("it was destroyed, and of 2 approvals of it");
        // Another one who became a custodian has not approved it.
        let comes = |story: &mut Story| {
            story.act(Op::WithdrawRole, None, vec![principal(CUSTODIANS[1], human(&[]))]);
            story.act(Op::AssignRole, None, vec![principal(ADA, human(&[Role::Custodian]))]);
        };
        destroyed(two, 31, comes).is_violated("1 are valid, where 2 must");
        let asks_for_more = |story: &mut Story| {
            let policy = RingPolicy { quorum: 3, ..RingPolicy::default() };
            story.act(Op::UpdateRing, None, vec![ring(policy)]);
        };
        destroyed(two, 31, asks_for_more).is_violated("2 are valid, where 3 must");
    }

    /// A key that waits for its destruction, while these happen.
    fn asked_for_in_the_wait(between: impl FnOnce(&mut Story)) -> Told {
        let mut story = Story::of("DEST-01");
        let id = story.ask(story.asked(ADA, Action::ScheduleDestroy, true, &[Object::Key(KEY)]));
        for approver in &CUSTODIANS[..2] {
            story.approve(id, *approver);
        }
        let rows = vec![waiting(&story, 30, Some(id)), story.executed(id)];
        story.act(Op::ScheduleDestroy, Some(KEY), rows);
        between(&mut story);
        story.told(Mode::Period)
    }

    fn raised(story: &mut Story, subject: KeyId) {
        let row = alert(AlertRule::UseWhileDestroying, Object::Key(subject), story.next());
        story.act(Op::RaiseAlert, Some(subject), vec![row]);
    }

    #[test]
    fn an_alert_is_raised_when_somebody_asks_for_a_key_in_its_wait() {
        let tried = |story: &mut Story| story.used(Op::Decrypt, Ended::WrongState, None);
        let unheard = "no alert was raised";
        asked_for_in_the_wait(tried).is_violated(unheard);
        asked_for_in_the_wait(|story| {
            tried(story);
            raised(story, KEY);
            // It is open, and counts what comes.
            story.wait(1);
            tried(story);
        })
        .holds_of(1);
        asked_for_in_the_wait(|story| {
            tried(story);
            story.wait(1);
            raised(story, KEY);
        })
        .is_violated(unheard);
        // One about another key says nothing of this one, and neither does one that is closed.
        asked_for_in_the_wait(|story| {
            tried(story);
            raised(story, KeyId::from_bytes([9; 16]));
        })
        .is_violated(unheard);
        asked_for_in_the_wait(|story| {
            raised(story, KEY);
            let (object, row) = alert(AlertRule::UseWhileDestroying, Object::Key(KEY), story.next());
            let OpenRow::Alert(row) = row else { panic!("an alert") };
            let closed = Some(AlertAct { by: ADA, at: story.next() });
            story.act(Op::CloseAlert, None, vec![(object, OpenRow::Alert(OpenAlert { closed, ..row }))]);
            tried(story);
        })
        .is_violated(unheard);
        // Whoever may not use it at all is counted alone.
        let told = asked_for_in_the_wait(|story| story.used(Op::Decrypt, Ended::Denied, None));
        told.holds_of(1);
        assert_eq!(told.figures["uses_tried_in_the_wait"], 1);
    }

    #[test]
    fn without_a_destruction_nothing_is_in_scope() {
        Story::of("DEST-01").told(Mode::Period).holds_of(0);
    }
}
