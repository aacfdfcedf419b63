//! Controls: what must hold, and by what it is decided.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a control is about: a stage of a key's life, or what lies around all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// How keys are made.
    Generation,
    /// How they reach those who use them.
    Distribution,
    /// Where they rest.
    Storage,
    /// Who uses them, for what.
    Use,
    /// Rotation and cryptoperiods.
    Rotation,
    /// Revocation and compromise.
    Revocation,
    /// Retirement and destruction.
    Destruction,
    /// The log.
    Audit,
    /// What people decide.
    Governance,
}

claviger_core::named! {
    Area, "an area" {
        Generation = "GEN",
        Distribution = "DIST",
        Storage = "STOR",
        Use = "USE",
        Rotation = "ROT",
        Revocation = "REV",
        Destruction = "DEST",
        Audit = "AUD",
        Governance = "GOV",
    }
}

/// The name of a control, as `STOR-01`; ordered by area and number. It is never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ControlId {
    area: Area,
    number: u8,
}

/// Text that names no control.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no control: they read like `STOR-01`")]
pub struct NotAControl(String);

impl ControlId {
    /// What it is about.
    #[must_use]
    pub const fn area(self) -> Area {
        self.area
    }
}

impl fmt::Display for ControlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.area, self.number)
    }
}

impl FromStr for ControlId {
    type Err = NotAControl;

    fn from_str(text: &str) -> Result<Self, NotAControl> {
        let refused = || NotAControl(text.to_owned());
        let (area, number) = text.split_once('-').ok_or_else(refused)?;
        let id = Self {
            area: area.parse().map_err(|_| refused())?,
            number: number.parse().map_err(|_| refused())?,
        };
        // One spelling, so that what is compared as text is compared right.
        if id.to_string() == text { Ok(id) } else { Err(refused()) }
    }
}

impl TryFrom<String> for ControlId {
    type Error = NotAControl;

    fn try_from(text: String) -> Result<Self, NotAControl> {
        text.parse()
    }
}

impl From<ControlId> for String {
    fn from(id: ControlId) -> Self {
        id.to_string()
    }
}

/// How bad it is when it does not hold. For order, never for weighing into a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Plaintext or keys are exposed, or evidence cannot be trusted.
    Critical,
    /// Less than that.
    High,
    /// Less than that.
    Medium,
    /// The least.
    Low,
}

claviger_core::named! {
    Severity, "a severity" { Critical = "critical", High = "high", Medium = "medium", Low = "low" }
}

/// How much of it a machine decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Nothing but signed statements: a machine collects, binds and expires them.
    Attested,
    /// All of it.
    Full,
    /// A part; the rest are signed statements.
    Mixed,
}

claviger_core::named! {
    Grade, "a grade" { Attested = "attested", Full = "full", Mixed = "mixed" }
}

/// Of when a control is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Of one instant.
    State,
    /// Of every instant of a period.
    Period,
}

claviger_core::named! {
    Mode, "a mode" { State = "state", Period = "period" }
}

/// A control.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Its name.
    pub id: ControlId,
    /// What it is called.
    pub title: String,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// How much of it a machine decides.
    pub grade: Grade,
    /// Of when it is decided; at least one.
    pub modes: Vec<Mode>,
    /// What must hold.
    pub statement: String,
    /// Why it is asked, with the marks of where that is known from.
    pub why: String,
    /// The facts that it is decided by.
    pub reads: String,
    /// How it is decided.
    pub check: String,
    /// The parameters that the decision depends on, by name.
    pub parameters: Vec<String>,
    /// What a result comes with.
    pub evidence: String,
    /// The statements of people that it needs, by name.
    pub attestations: Vec<String>,
    /// Who states what, and what no statement can show.
    pub attestation: String,
    /// Which facts a release must keep before it can be decided; of a control that no check decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Who does what so that it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<Task>,
}

/// What somebody does for a control to hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Who.
    pub who: String,
    /// What: a command where there is one.
    pub what: String,
}

impl Control {
    /// All of its texts that may have marks.
    pub(crate) fn texts(&self) -> [&str; 6] {
        [&self.statement, &self.why, &self.reads, &self.check, &self.evidence, &self.attestation]
    }
}

/// Something that decisions depend on, and that an organization may set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name; at its end the unit, where it has one.
    pub name: String,
    /// What it is unless an organization says otherwise.
    pub default: String,
    /// Where that comes from. `project` is a choice of this project.
    pub basis: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_control_has_one_spelling() {
        let id: ControlId = "STOR-01".parse().unwrap();
        assert_eq!((id.area(), id.to_string().as_str()), (Area::Storage, "STOR-01"));
        for text in ["", "STOR", "STOR-1", "STOR-001", "stor-01", "STOR-+1", "STOR-01 ", "KEY-01", "STOR-256"]
        {
            assert!(text.parse::<ControlId>().is_err(), "{text}");
        }
        let last: ControlId = "GEN-07".parse().unwrap();
        assert!(last < id, "in the order of a key's life");
    }
}
