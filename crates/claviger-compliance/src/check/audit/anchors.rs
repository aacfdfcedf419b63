//! AUD-04: who else vouches for checkpoints, and where the log is copied to.

use claviger_audit::fact::Object;

use crate::check::common::is_unreadable;
use crate::check::{Check, End, Event};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Setting};

pub(super) struct Anchored {
    ledger: Ledger,
}

impl Anchored {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for Anchored {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Node(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let Some(node) = estate.nodes.get(&id) else { return };
        let judgement = if node.mode == "insecure" {
            Judgement::unknown(
                "self-anchored only, which its insecure mode may be; whether its log is copied off the host is not kept",
            )
        } else {
            Judgement::violated(
                "self-anchored only: nobody but the operator signs its checkpoints or stamps their time, and no other host says that it has a copy",
            )
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "checkpoints are anchored, and the log is copied off the host")
            .when_empty(Emptiness::Unknown("no node has said what it is"))
            .needs("ATT-WITNESS-INDEPENDENT")
            .note("self-anchored only: this release knows no witness and no copy of the log on another host")
    }
}
