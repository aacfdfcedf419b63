//! AUD-05: that nothing happens without an entry, and logging never ceases.

use std::collections::BTreeSet;

use claviger_audit::Op;

use super::silences::Silences;
use super::{first_of, not_known, told};
use crate::check::{Check, CutSeen, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

/// What breaks the sequence of entries, or says that something happened without one.
const BREAKS: [&str; 12] = [
    "cut-out-of-order",
    "entries-altered",
    "entries-missing",
    "entry-out-of-order",
    "fact-missing",
    "forked",
    "released-unrecorded",
    "rolled-back",
    "root-log-altered",
    "shard-dropped",
    "shard-forked",
    "shard-went-back",
];

pub(super) struct NoGaps {
    ledger: Ledger,
    period: Period,
    silences: Silences,
    /// Shards whose node has started and has not said that it stops.
    running: BTreeSet<u32>,
    /// Starts that no stop came before.
    after_no_stop: u64,
}

impl NoGaps {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            silences: Silences::longer_than(setting.seconds("heartbeat_s")),
            running: BTreeSet::new(),
            after_no_stop: 0,
        }
    }
}

impl Check for NoGaps {
    fn cut(&mut self, cut: &CutSeen<'_>) {
        self.silences.cut(cut);
    }

    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        self.silences.see(event);
        match event.entry.op {
            Op::AcceptLostTail => {
                let because = "the newest part of it was lost, and the node served on".to_owned();
                self.ledger.happened(Subject::named("log"), event.at, event.index, Some(because));
            }
            Op::NodeStart => {
                let had_not_stopped = !self.running.insert(event.shard);
                self.after_no_stop += u64::from(had_not_stopped && self.period.holds(event.at));
            }
            Op::NodeStop => {
                self.running.remove(&event.shard);
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        if let Some(broken) = first_of(end.verified, |code| BREAKS.contains(&code)) {
            self.ledger.judge(Subject::named("log"), to, Judgement::violated(told(broken)));
        }
        for found in self.silences.too_long(to) {
            let seconds = found.length.as_secs();
            let because =
                format!("no heartbeat for {seconds} s while the node was at work: the log was not cut");
            self.ledger.happened(found.subject(), found.at, found.entry, Some(because));
        }
        let quiet = self.silences.quiet.iter().filter(|(_, until)| self.period.holds(*until)).count();
        if quiet > 0 {
            let why = format!(
                "{quiet} times the log was neither cut nor written for too long, without a stop: whether calls were served meanwhile, nothing shows"
            );
            not_known(&mut self.ledger, "silence", to, why);
        }
        if self.silences.ends_early(to) {
            let why = "the log ends long before the end of the period, and the node had not stopped";
            not_known(&mut self.ledger, "end of the log", to, why);
        }
        if self.after_no_stop > 0 {
            let why = format!(
                "{} times a node started that had not said that it stops: what ended it is not kept",
                self.after_no_stop
            );
            not_known(&mut self.ledger, "ends without a stop", to, why);
        }
        let why = "failures of logging have no records with begin, end, cause and remedy, and nobody is alerted of them yet";
        not_known(&mut self.ledger, "failures of logging", to, why);
        Outcome::of(self.ledger, "nothing happened without an entry, and logging never ceased while a node was at work")
            .figure("starts_without_a_stop_before", self.after_no_stop)
            .figure("silences", u64::try_from(quiet).unwrap_or(u64::MAX))
            .note("it fails closed: no result leaves and no row is written before its entry is durable; there is no setting for it, and no pause")
            .note("the cuts of the log are its heartbeat: an idle node makes one each minute")
    }
}
