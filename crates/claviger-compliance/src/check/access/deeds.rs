//! USE-08, USE-11: what is reviewed, and access in emergencies.

use std::time::Duration;

use claviger_audit::fact::Object;
use claviger_core::key::DataClass;

use super::is_unreadable;
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting};

/// USE-08.
pub(super) struct AccessReviews {
    ledger: Ledger,
    of_people: Duration,
}

impl AccessReviews {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), of_people: setting.days("access_review_days") }
    }
}

impl Check for AccessReviews {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Key(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let judgement = if key.state.is_destroyed() {
            Judgement::OutOfScope
        } else {
            let days = self.of_people.as_secs() / 86_400;
            let because = format!("access to it was never reviewed, and it is more than {days} days old");
            Judgement::HoldsUntil(key.created_at.after(self.of_people), because.into())
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "no key is old enough for its first review to be due")
            .needs("ATT-ACCESS-REVIEW")
            .note("this release records no reviews of access: each key is taken to be unreviewed since it was made; people administer all keys, so that their shorter period binds each of them")
    }
}

/// USE-11.
pub(super) struct BreakGlass {
    ledger: Ledger,
}

impl BreakGlass {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for BreakGlass {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Key(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let judgement = if key.data_class == DataClass::Ephi && !key.state.is_destroyed() {
            Judgement::violated(
                "its data is health records, and no break-glass path is configured: this release has none",
            )
        } else {
            Judgement::OutOfScope
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "emergency access is bounded and reviewed")
            .needs("ATT-BREAKGLASS-REVIEW")
            .note("no window was opened: this release has no break-glass access to keys")
    }
}
