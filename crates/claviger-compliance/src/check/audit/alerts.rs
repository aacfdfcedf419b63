//! AUD-09: what somebody must look at is looked at, and closed with a reason.

use std::time::Duration;

use claviger_audit::fact::{Object, OpenAlert};
use claviger_core::reason::Why;

use super::not_known;
use crate::check::common::{count, is_unreadable};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting};

pub(super) struct LookedAt {
    ledger: Ledger,
    within: Duration,
}

impl LookedAt {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), within: setting.hours("alert_triage_h") }
    }

    fn judgement(&self, alert: &OpenAlert) -> Judgement {
        if alert.closed.is_some() && alert.reason.and_then(Why::given).is_none() {
            return Judgement::violated("it was closed without a reason");
        }
        if alert.triaged.is_some() || alert.closed.is_some() {
            return Judgement::Holds;
        }
        let hours = self.within.as_secs() / 3600;
        let because = format!("nobody looked at `{}` within {hours} hours", alert.rule);
        Judgement::HoldsUntil(alert.raised_at.after(self.within), because.into())
    }
}

impl Check for LookedAt {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Alert(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        if let Some(alert) = estate.alerts.get(&id) {
            let judgement = self.judgement(alert);
            self.ledger.judge_by(object.into(), event.at, judgement, Some(event.index));
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let why = "no daily review of all entries is recorded, with the rules that it went by, and no anomaly is made as a test";
        not_known(&mut self.ledger, "review of the log", to, why);
        let alerts = end.estate.alerts.values();
        let open = alerts.clone().filter(|alert| alert.closed.is_none()).count();
        let waiting = alerts.clone().filter(|alert| alert.closed.is_none() && alert.triaged.is_none());
        Outcome::of(self.ledger, "each alert was looked at in time")
            .needs("ATT-LOG-REVIEW")
            .figure("alerts", count(alerts.len()))
            .figure("alerts_open", count(open))
            .figure("alerts_nobody_looked_at", count(waiting.count()))
            .note("alerts are raised by rules that are part of the program: use of a key that waits for its destruction, emergency access, bursts of compromises, overdue jobs and reviews, edited rows, credentials that end, recovered officers, held destructions")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::Op;
    use claviger_audit::fact::OpenRow;
    use claviger_core::ReasonId;
    use claviger_core::alert::{AlertAct, AlertRule};

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{KEY, OTTO, Story, Told, alert};

    /// An alert that becomes so after hours.
    fn raised(hours: u64, edit: impl FnOnce(&mut OpenAlert, AlertAct)) -> Told {
        let mut story = Story::of("AUD-09");
        let (object, row) = alert(AlertRule::UseWhileDestroying, Object::Key(KEY), story.next());
        let OpenRow::Alert(mut row) = row else { panic!("an alert") };
        story.act(Op::RaiseAlert, None, vec![(object, OpenRow::Alert(row.clone()))]);
        story.wait_hours(hours);
        let act = AlertAct { by: OTTO, at: story.next() };
        edit(&mut row, act);
        story.act(Op::TriageAlert, None, vec![(object, OpenRow::Alert(row))]);
        story.told(Mode::Period)
    }

    fn reason() -> Option<Why> {
        Some(Why::Given(ReasonId::from_bytes([1; 16])))
    }

    #[test]
    fn an_alert_is_looked_at_within_a_day_and_closed_with_a_reason() {
        let triaged = |row: &mut OpenAlert, act: AlertAct| {
            (row.triaged, row.reason) = (Some(act), reason());
        };
        let unknown = |told: &Told| {
            assert_eq!((told.violations.len(), told.undecided.len()), (0, 1), "{told:?}");
        };
        unknown(&raised(23, triaged));
        unknown(&raised(23, |row, act| (row.closed, row.reason) = (Some(act), reason())));
        raised(25, triaged).is_violated("nobody looked at `use_while_destroying` within 24 hours");
        raised(1, |_, _| {}).is_violated("nobody looked at");
        raised(1, |row, act| row.closed = Some(act)).is_violated("it was closed without a reason");
    }

    #[test]
    fn without_alerts_it_is_not_known_whether_the_log_is_reviewed() {
        let told = Story::of("AUD-09").told(Mode::Period);
        assert_eq!((told.violations.len(), told.undecided.len()), (0, 1), "{told:?}");
        assert!(told.needs.contains("ATT-LOG-REVIEW"));
    }
}
