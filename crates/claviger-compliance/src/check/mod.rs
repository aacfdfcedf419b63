//! The checks: a control each, by area.
//!
//! A check looks on while the log is walked over and judges its subjects in a [`Ledger`](crate::evaluation::Ledger). It asks nothing but what it is shown. The predicates are
//! those of the catalogue; where a part of one needs facts that this release does not keep, the check says so of its subjects
//! ([`Judgement::Unknown`](crate::evaluation::Judgement)) instead of leaving that part out.

mod access;
mod approvals;
mod audit;
mod certificate;
mod common;
mod destruction;
mod distribution;
mod generation;
mod governance;
mod revocation;
mod rotation;
mod rules;
mod runs;
mod storage;

use claviger_audit::Entry;
use claviger_audit::cut::Cut;
use claviger_audit::fact::{Fact, Object};
use claviger_audit::verify::Verified;
use claviger_core::Timestamp;

use crate::control::ControlId;
use crate::evaluation::{Estate, Outcome, Remade, Setting};

/// An entry, as checks are shown it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Its shard.
    pub shard: u32,
    /// Its index there.
    pub index: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The entry.
    pub entry: &'a Entry<'a>,
    /// Its facts.
    pub facts: &'a [Fact],
}

/// A cut, as checks are shown it.
#[derive(Clone, Copy, Debug)]
pub struct CutSeen<'a> {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The cut.
    pub cut: &'a Cut,
}

/// What there is at the end.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// All objects at the instant.
    pub estate: &'a Estate,
    /// Period and parameters.
    pub setting: &'a Setting<'a>,
    /// What was verified of the log, and what does not hold.
    pub verified: &'a Verified,
    /// When the first entry was made.
    pub first: Option<Timestamp>,
    /// What the newest run of the period, by its entry, came to when it was made again.
    pub remade: Option<(u64, Remade)>,
}

/// A check.
pub trait Check {
    /// A cut. All of them come before the first entry.
    fn cut(&mut self, _cut: &CutSeen<'_>) {}

    /// An entry, with all objects as they stand before it.
    fn entry(&mut self, _event: &Event<'_>, _estate: &Estate) {}

    /// An object that an entry's facts are about, with all objects as they stand behind the entry.
    fn changed(&mut self, _object: Object, _event: &Event<'_>, _estate: &Estate) {}

    /// The end.
    fn end(self: Box<Self>, end: &End<'_>) -> Outcome;
}

/// Makes a check.
pub type Make = fn(&Setting<'_>) -> Box<dyn Check>;

/// The checks of an area, by the numbers of their controls.
type Checks = &'static [(&'static str, Make)];

const ALL: [Checks; 9] = [
    generation::CHECKS,
    distribution::CHECKS,
    storage::CHECKS,
    access::CHECKS,
    rotation::CHECKS,
    revocation::CHECKS,
    destruction::CHECKS,
    audit::CHECKS,
    governance::CHECKS,
];

/// The check of a control, if it has one.
#[must_use]
pub fn find(control: ControlId) -> Option<Make> {
    let name = control.to_string();
    ALL.iter().copied().flatten().find(|(id, _)| *id == name).map(|(_, make)| *make)
}

/// Findings that say that the state is wrong, not that the log is.
pub(crate) fn is_of_state(code: &str) -> bool {
    matches!(
        code,
        "state-differs"
            | "use-of-dead-key"
            | "impossible-step"
            | "released-unrecorded"
            | "checkpoint-stale"
            | "disclosed-name"
            | "disclosed-session"
    )
}

/// Does this control ask that the newest recorded run is made again?
pub(crate) fn asks_for_runs(control: ControlId) -> bool {
    control.to_string() == "GOV-08"
}

/// Does this control ask whether the log holds? It is decided even where nothing else is.
pub(crate) fn decides_on_the_log(control: ControlId) -> bool {
    matches!(control.to_string().as_str(), "AUD-03" | "AUD-10")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    #[test]
    fn each_control_has_a_check_or_says_what_it_waits_for() {
        let catalogue = Catalogue::load().unwrap();
        for control in catalogue.controls() {
            let (has_check, waits) = (find(control.id).is_some(), control.waits_for.is_some());
            assert!(has_check != waits, "{}: a check, or what it waits for, and not both", control.id);
        }
        for (id, _) in ALL.iter().copied().flatten() {
            let control = catalogue.find_control(id.parse().unwrap());
            assert!(control.is_some_and(|control| !control.mend.is_empty()), "{id} says how it is mended");
        }
    }
}
