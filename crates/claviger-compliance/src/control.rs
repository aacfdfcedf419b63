//! Controls: what must hold, and by what it is decided.

use std::fmt;
use std::str::FromStr;

use claviger_core::principal::Role;
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

impl Parameter {
    /// Can that be its value? One is a date where the default is one; `true` or `false`; roles; the words of the default with other numbers, or a
    /// number alone. What reads otherwise would turn a limit off, or show another one than checks go by. What the default calls a table is
    /// that of the catalogue alone.
    #[must_use]
    pub fn takes(&self, value: &str) -> bool {
        let default = self.default.as_str();
        if is_date(default) {
            is_date(value)
        } else if default.starts_with("false") || default.starts_with("true") {
            matches!(value, "false" | "true")
        } else if default.starts_with(|c: char| c.is_ascii_digit()) {
            let is_power = default.contains('^');
            shape(value).is_some_and(|said| (said == "#" && !is_power) || Some(said) == shape(default))
        } else {
            are_roles(default) && are_roles(value)
        }
    }
}

fn is_date(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == text)
}

fn are_roles(text: &str) -> bool {
    text.split(", ").all(|role| role.parse::<Role>().is_ok())
}

/// A text with `#` for each number; `None` where one is too large to count with.
fn shape(text: &str) -> Option<String> {
    let (mut shape, mut number) = (String::new(), None);
    for c in text.chars() {
        let Some(digit) = c.to_digit(10) else {
            number = None;
            shape.push(c);
            continue;
        };
        if number.is_none() {
            shape.push('#');
        }
        number = Some(number.unwrap_or(0_u32).checked_mul(10)?.checked_add(digit)?);
    }
    Some(shape)
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

    #[test]
    fn no_value_turns_a_limit_off_or_shows_another_one() {
        let takes = |default: &str, value: &str| {
            let (name, basis) = (String::new(), String::new());
            Parameter { name, default: default.to_owned(), basis }.takes(value)
        };
        for (default, value) in [
            ("90", "60"),
            ("2^32", "2^30"),
            ("30, at least 7", "60, at least 14"),
            ("30, at least 7", "14"),
            ("0 (class R)", "1"),
            ("2030-12-31", "2028-12-31"),
            ("false; true for `nist`", "true"),
            ("auditor, security_officer, responder", "auditor"),
        ] {
            assert!(takes(default, value), "{default}, {value}");
        }
        for (default, value) in [
            ("90", "never"),
            ("90", "9 0"),
            ("90", ""),
            ("128", "2^8"),
            ("128", "99999999999"),
            ("2^32", "5"),
            ("2^32", "2^"),
            ("30, at least 7", "30, at most 7"),
            ("2030-12-31", "2028"),
            ("2030-12-31", "20281231"),
            ("2030-12-31", "2028-13-31"),
            ("false; true for `nist`", "never"),
            ("auditor, security_officer, responder", "auditor, everybody"),
            ("the table of algorithms", "the table of algorithms"),
        ] {
            assert!(!takes(default, value), "{default}, {value}");
        }
        let catalogue = crate::Catalogue::load().unwrap();
        let declarable = catalogue.parameters().filter(|parameter| parameter.takes(&parameter.default));
        assert!(declarable.count() > 50);
    }
}
