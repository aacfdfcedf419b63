//! AUD-10: live rows and snapshots, held against what the log yields.

use std::time::Duration;

use claviger_audit::verify::Finding;
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::Timestamp;

use super::{first_of, told};
use crate::check::{Check, End, Event, is_of_state};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting, Subject};

pub(super) struct LiveState {
    ledger: Ledger,
    oldest: Duration,
    /// When the newest snapshot was recorded.
    snapshot: Option<Timestamp>,
}

impl LiveState {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), oldest: setting.hours("snapshot_max_age_h"), snapshot: None }
    }

    /// Of snapshots; before the first one is due, there is nothing to say.
    fn of_snapshots(&self, end: &End<'_>) -> Judgement {
        if let Some(wrong) = first_of(end.verified, |code| code == "snapshot-differs") {
            return Judgement::violated(told(wrong));
        }
        let hours = self.oldest.as_secs() / 3600;
        match self.snapshot.or(end.first) {
            Some(since) if end.setting.as_of() <= since.after(self.oldest) => {
                if self.snapshot.is_some() {
                    Judgement::Holds
                } else {
                    Judgement::OutOfScope
                }
            }
            _ => Judgement::unknown(format!("the log does not commit to the state of the last {hours} h")),
        }
    }
}

impl Check for LiveState {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if event.entry.op == Op::Snapshot && event.entry.out == Ended::Ok {
            self.snapshot = Some(event.at);
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, verified) = (end.setting.as_of(), end.verified);
        let mut differs = false;
        for finding in &verified.findings {
            if let Finding::StateDiffers { object, field } = finding {
                differs = true;
                let because = format!("live is another {field} than the log yields");
                self.ledger.judge(*object, to, Judgement::violated(because));
            }
        }
        let broken = first_of(verified, |code| !is_of_state(code) && code != "snapshot-differs");
        let live = match broken {
            Some(broken) => Judgement::unknown(format!(
                "the log does not hold, so that its replay shows nothing: {}",
                told(broken)
            )),
            None if end.first.is_none_or(|first| first > to) => {
                Judgement::unknown("the log does not tell of that time")
            }
            None if !verified.live_state.is_compared() => {
                Judgement::unknown(format!("live rows were {}", verified.live_state))
            }
            None if differs => Judgement::violated("some of them differ from the log"),
            None => Judgement::Holds,
        };
        self.ledger.judge(Subject::named("live rows"), to, live);
        let snapshots = self.of_snapshots(end);
        self.ledger.judge(Subject::named("snapshots"), to, snapshots);
        Outcome::of(self.ledger, "live rows are what the log yields, and so is each snapshot")
            .figure("snapshots_verified", verified.snapshots)
            .figure("entries_before_facts", verified.unknown_before)
            .note("live rows are those of the export, whichever instant is asked about, held against the log as it stood while they were read")
            .note("the log is replayed from its first fact on; what an older release recorded without facts is taken from the entry in which it was recorded how rows stood")
    }
}
