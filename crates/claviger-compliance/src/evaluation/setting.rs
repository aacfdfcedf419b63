//! What checks are asked by: the period, and the parameters, as an organization declares them or as the catalogue has them.

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_core::Timestamp;

use super::ledger::Ledger;
use super::result::Period;
use crate::Catalogue;

const DAY: u64 = 86_400;

/// Values of parameters that are declared and in force, by name.
pub type Declared = BTreeMap<String, String>;

/// None.
static NOTHING: Declared = Declared::new();

/// What checks are asked by.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The catalogue, with its parameters.
    pub catalogue: &'a Catalogue,
    /// The framework whose controls are asked for; none for all of them.
    pub framework: Option<&'a str>,
    /// The period; results of state are of its end.
    pub period: Period,
    /// Parameters that are declared otherwise than the catalogue has them.
    pub declared: &'a Declared,
}

impl<'a> Setting<'a> {
    /// By the parameters of the catalogue alone.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue, framework: Option<&'a str>, period: Period) -> Self {
        Self { catalogue, framework, period, declared: &NOTHING }
    }
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

    /// A parameter as it is declared, or by default. Empty for a name that the catalogue does not have, which a test rules out for all names
    /// that checks use.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let default = || self.catalogue.find_parameter(name).map_or("", |one| one.default.as_str());
        self.declared.get(name).map_or_else(default, String::as_str)
    }

    /// A parameter that is a number: what stands at its begin.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        let digits: String = self.text(name).chars().take_while(char::is_ascii_digit).collect();
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
