//! GEN-06: whether the root was made in a ceremony.

use claviger_audit::{Op, Outcome as Ended};

use crate::check::{Check, End, Event};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Setting, Subject};

pub(super) struct RootCeremony {
    ledger: Ledger,
    initialized: u64,
}

impl RootCeremony {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), initialized: 0 }
    }
}

impl Check for RootCeremony {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        self.initialized += u64::from(event.entry.op == Op::Initialize && event.entry.out == Ended::Ok);
        // Whoever writes a log has a root.
        if self.ledger.is_empty() {
            let why = "no ceremony of its making is recorded: this release has none, and one person makes a root alone";
            let judgement = Judgement::violated(why);
            self.ledger.judge_by(Subject::named("root"), event.at, judgement, Some(event.index));
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "the root was made in a ceremony")
            .when_empty(Emptiness::Unknown("the log does not begin: whether there is a root is not known"))
            .figure("initializations", self.initialized)
            .needs("ATT-CEREMONY")
            .note("a root is violated from the first entry on, and until it is replaced in a ceremony")
    }
}
