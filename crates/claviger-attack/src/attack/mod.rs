//! The attacks. Each module says what it does, what breaks, and what holding means.

mod alias_squatting;
mod delegated_rights;
mod destruction_by_relaxing;
mod puppets;

use anyhow::Result;

use crate::site::Lab;
use crate::verdict::Verdict;

/// How long an attack takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At most 20 seconds, with a debug build: run by `./test`.
    Quick,
    /// Longer, or with a measurement that wants an optimized build: run by night.
    Slow,
}

/// One attack.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    /// Its name, on the command line too.
    pub name: &'static str,
    /// What it tries, in one line.
    pub about: &'static str,
    /// How long it takes.
    pub pace: Pace,
    /// Makes it.
    pub run: fn(&Lab) -> Result<Verdict>,
}

/// All attacks, in the order of their names.
pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "alias-squatting",
        about: "an application takes a free name so that others encrypt under its key",
        pace: Pace::Quick,
        run: alias_squatting::run,
    },
    Attack {
        name: "delegated-rights",
        about: "what a holder of a grant delegates outlives the grant",
        pace: Pace::Quick,
        run: delegated_rights::run,
    },
    Attack {
        name: "destruction-by-relaxing",
        about: "a strict ring is relaxed for a moment, and a key of it is destroyed a day later with nobody's approval",
        pace: Pace::Quick,
        run: destruction_by_relaxing::run,
    },
    Attack {
        name: "puppets",
        about: "a security officer alone makes credentials for others and reads an application's data",
        pace: Pace::Quick,
        run: puppets::run,
    },
];

/// The attack of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Attack> {
    ATTACKS.iter().find(|attack| attack.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_each_is_there_once() {
        assert!(ATTACKS.is_sorted_by(|one, next| one.name < next.name));
    }
}
