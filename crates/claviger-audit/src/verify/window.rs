//! How objects stood while live rows were read.
//!
//! Rows are read while changes go on, so a row may be any state that its object had meanwhile. Only what changed since the reading
//! began is kept: each state of that time, and of what changed after it the last one.

use std::collections::BTreeMap;

use super::objects::Current;
use crate::fact::Object;

/// The time in which rows were read, as the walk over the log comes through it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    passed: BTreeMap<Object, Passed>,
    is_closed: bool,
}

/// What an object was in that time, and is no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    states: Vec<Option<Current>>,
    is_complete: bool,
}

impl Window {
    /// The time is over. What changes from now on stood at its end as it stands now.
    pub(super) const fn close(&mut self) {
        self.is_closed = true;
    }

    /// An object stands so no longer; `None` for one that is made.
    pub(super) fn passes(&mut self, object: Object, state: Option<&Current>) {
        let passed = self.passed.entry(object).or_default();
        if !passed.is_complete {
            passed.states.push(state.cloned());
            passed.is_complete = self.is_closed;
        }
    }

    /// What an object was, if it changed since the time began.
    pub(super) fn find(&self, object: &Object) -> Option<&Passed> {
        self.passed.get(object)
    }

    /// The objects that changed since the time began.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.passed.keys()
    }
}

impl Passed {
    /// One after the other.
    pub(super) fn states(&self) -> impl Iterator<Item = Option<&Current>> {
        self.states.iter().map(Option::as_ref)
    }

    /// Was the last of them left behind only after the time was over? Else the newest state belongs to it too.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }
}
