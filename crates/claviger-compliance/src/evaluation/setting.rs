//! What checks are asked by: the period, and the parameters.

use std::time::Duration;

use claviger_core::Timestamp;

use super::ledger::Ledger;
use super::result::Period;
use crate::Catalogue;

const DAY: u64 = 86_400;

/// What checks are asked by.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The catalogue, with its parameters.
    pub catalogue: &'a Catalogue,
    /// The framework whose controls are asked for; none for all of them.
    pub framework: Option<&'a str>,
    /// The period; results of state are of its end.
    pub period: Period,
}

impl Setting<'_> {
    /// The instant of results of state.
    #[must_use]
    pub const fn as_of(&self) -> Timestamp {
        self.period.to
    }

    /// A ledger for it.
    #[must_use]
    pub const fn ledger(&self) -> Ledger {
        Ledger::new(self.period)
    }

    /// A parameter that is a number: what stands at the begin of its default. Zero for a name that the catalogue does not have, which a
    /// test rules out for all names that checks use.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        let text = self.catalogue.find_parameter(name).map_or("", |parameter| parameter.default.as_str());
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_default()
    }

    /// A parameter in days.
    #[must_use]
    pub fn days(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name).saturating_mul(DAY))
    }

    /// A parameter in hours.
    #[must_use]
    pub fn hours(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name).saturating_mul(3600))
    }

    /// A parameter in seconds.
    #[must_use]
    pub fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }
}
