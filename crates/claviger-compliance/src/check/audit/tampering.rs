//! AUD-03: that the log is the one which its signed checkpoints commit to.

use claviger_audit::verify::Verified;

use super::silences::Silences;
use super::{first_of, not_known, told};
use crate::check::{Check, CutSeen, End, Event, is_of_state};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting, Subject};

/// What says that something of the log is not there, and not that anything is another than it was.
const MISSING: [&str; 2] = ["entries-missing", "file-missing"];

pub(super) struct TamperEvident {
    ledger: Ledger,
    silences: Silences,
}

impl TamperEvident {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let limit = setting.seconds("checkpoint_s").saturating_mul(5);
        Self { ledger: setting.ledger(), silences: Silences::longer_than(limit) }
    }

    fn of_log(&self, verified: &Verified) -> Judgement {
        if let Some(wrong) = first_of(verified, |code| !is_of_state(code) && !MISSING.contains(&code)) {
            return Judgement::violated(told(wrong));
        }
        if let Some(missing) = first_of(verified, |code| MISSING.contains(&code)) {
            return Judgement::unknown(told(missing));
        }
        match self.silences.cuts {
            0 => Judgement::unknown("it has no checkpoint of that time"),
            _ => Judgement::Holds,
        }
    }
}

impl Check for TamperEvident {
    fn cut(&mut self, cut: &CutSeen<'_>) {
        self.silences.cut(cut);
    }

    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        self.silences.see(event);
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let of_log = self.of_log(end.verified);
        self.ledger.judge(Subject::named("log"), to, of_log);
        for found in self.silences.too_long(to) {
            let seconds = found.length.as_secs();
            let because = format!("no checkpoint was made for {seconds} s while entries were recorded");
            self.ledger.happened(found.subject(), found.at, found.entry, Some(because));
        }
        if self.silences.ends_early(to) {
            let why = "the newest checkpoint lies long before the end of the period, and the node had not stopped: what came behind it is not here";
            not_known(&mut self.ledger, "end of the log", to, why);
        }
        Outcome::of(self.ledger, "all entries are those that signed checkpoints commit to, each one grown from the one before")
            .figure("checkpoints", self.silences.cuts)
            .figure("entries_verified", end.verified.entries())
            .note("the key that signs checkpoints is in the root, and no call of anybody uses it for anything else; it has no period of validity of its own")
            .note("that nobody keeps a second log under the same key, checkpoints show that others hold: `claviger-verify --known-checkpoint`")
    }
}
