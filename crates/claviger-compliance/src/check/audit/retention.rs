//! AUD-07: that the log is there from its first entry on.

use std::collections::BTreeSet;
use std::time::Duration;

use claviger_audit::Op;

use crate::check::{Check, CutSeen, End, Event};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Setting, Subject};

pub(super) struct Retention {
    ledger: Ledger,
    /// Shards whose first entry was seen.
    seen: BTreeSet<u32>,
    has_cuts: bool,
}

impl Retention {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), seen: BTreeSet::new(), has_cuts: false }
    }
}

impl Check for Retention {
    fn cut(&mut self, cut: &CutSeen<'_>) {
        if std::mem::replace(&mut self.has_cuts, true) {
            return;
        }
        let because = (cut.number != 0).then(|| format!("its oldest checkpoint is number {}", cut.number));
        self.ledger.judge(Subject::named("checkpoints"), cut.at, Judgement::of(because));
    }

    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if !self.seen.insert(event.shard) {
            return;
        }
        let op = event.entry.op;
        let because = if event.index != 0 {
            Some(format!("its oldest entry is number {}, and nothing prunes it", event.index))
        } else if !matches!(op, Op::Initialize | Op::NodeStart) {
            Some(format!("its first entry is `{op}`, with which no log begins"))
        } else {
            None
        };
        let subject = Subject::named(format!("log of shard {}", event.shard));
        self.ledger.judge_by(subject, event.at, Judgement::of(because), Some(event.index));
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let age = end.first.map_or(Duration::ZERO, |first| end.setting.as_of().since(first));
        Outcome::of(self.ledger, "the log is there from its first entry on")
            .when_empty(Emptiness::Unknown("the log has neither entries nor checkpoints of that time"))
            .figure("days_kept", age.as_secs() / 86_400)
            .figure("days_to_be_kept", end.setting.number("log_retention_days"))
            .figure("entries_kept", end.verified.entries())
            .note("nothing is pruned: all of the log is in the store, and all of it can be searched there")
            .note("that no older log was thrown away as a whole, a checkpoint shows that others hold: `claviger-verify --known-checkpoint`")
    }
}
