//! The standing of algorithms, by date: which may protect new data, and which process old data alone (NIST SP 800-131A).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_core::{Purpose, Spec, Timestamp};
use serde::Deserialize;

const DAY: Duration = Duration::from_secs(86_400);

/// What an algorithm may be used for at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// For anything.
    Allowed,
    /// For anything, by who accepts the risk and has a plan.
    Deprecated,
    /// For old data alone.
    LegacyProcess,
    /// For nothing.
    Disallowed,
}

claviger_core::named! {
    Status, "a standing of algorithms" {
        Allowed = "allowed",
        Deprecated = "deprecated",
        LegacyProcess = "legacy-process",
        Disallowed = "disallowed",
    }
}

impl Status {
    /// May it be used to protect new data, or to process old?
    #[must_use]
    pub const fn permits(self, protects: bool) -> bool {
        match self {
            Self::Allowed | Self::Deprecated => true,
            Self::LegacyProcess => !protects,
            Self::Disallowed => false,
        }
    }
}

/// The standing of one algorithm for one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithm {
    protect: Vec<Step>,
    process: Vec<Step>,
    quantum: Option<Timestamp>,
    not_in: BTreeSet<String>,
    basis: String,
}

/// A standing, and the first instant at which it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    status: Status,
    ends: Option<Timestamp>,
}

/// The standing of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithms {
    rows: BTreeMap<(Spec, Purpose), Algorithm>,
}

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rows {
    algorithm: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    spec: String,
    #[serde(default)]
    purposes: Vec<String>,
    protect: Vec<Written>,
    process: Vec<Written>,
    quantum: Option<String>,
    #[serde(default)]
    not_in: BTreeSet<String>,
    basis: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    status: Status,
    until: Option<String>,
}

impl Algorithm {
    /// Its standing at an instant, for new data or for old.
    #[must_use]
    pub fn status(&self, protects: bool, at: Timestamp) -> Status {
        let step = self.steps(protects).iter().find(|step| step.ends.is_none_or(|ends| at < ends));
        step.map_or(Status::Disallowed, |step| step.status)
    }

    /// The first instant at which it may not be used for new data, or for old; none where no end is set.
    #[must_use]
    pub fn permitted_until(&self, protects: bool) -> Option<Timestamp> {
        let mut begins = Timestamp::default();
        for step in self.steps(protects) {
            if !step.status.permits(protects) {
                return Some(begins);
            }
            begins = step.ends?;
        }
        Some(begins)
    }

    /// The first instant at which it may protect no more by plans for quantum computers; none where it holds against them.
    #[must_use]
    pub const fn quantum(&self) -> Option<Timestamp> {
        self.quantum
    }

    /// Is it disallowed in a framework, whatever its standing elsewhere?
    #[must_use]
    pub fn is_disallowed_in(&self, framework: &str) -> bool {
        self.not_in.contains(framework)
    }

    /// Where that comes from.
    #[must_use]
    pub fn basis(&self) -> &str {
        &self.basis
    }

    /// The frameworks in which it is disallowed.
    pub(crate) fn not_in(&self) -> impl Iterator<Item = &str> {
        self.not_in.iter().map(String::as_str)
    }

    fn steps(&self, protects: bool) -> &[Step] {
        if protects { &self.protect } else { &self.process }
    }
}

impl Algorithms {
    /// The standing of a spec, for a purpose; none for a purpose that keys of the spec cannot have.
    #[must_use]
    pub fn find(&self, spec: Spec, purpose: Purpose) -> Option<&Algorithm> {
        self.rows.get(&(spec, purpose))
    }

    /// The standing of a spec at an instant, for new data or for old: `disallowed` for a purpose that keys of the spec cannot have.
    #[must_use]
    pub fn status(&self, spec: Spec, purpose: Purpose, protects: bool, at: Timestamp) -> Status {
        self.find(spec, purpose).map_or(Status::Disallowed, |row| row.status(protects, at))
    }

    /// All of them, by spec and purpose.
    pub fn iter(&self) -> impl Iterator<Item = (Spec, Purpose, &Algorithm)> {
        self.rows.iter().map(|((spec, purpose), row)| (*spec, *purpose, row))
    }

    /// Reads the table. What is wrong comes with the spec that it is wrong of.
    pub(crate) fn of(written: Rows) -> Result<Self, (String, &'static str)> {
        let mut rows = BTreeMap::new();
        for row in written.algorithm {
            let name = row.spec.clone();
            let wrong = |problem| (name.clone(), problem);
            let spec: Spec = name.parse().map_err(|_| wrong("there is no such key spec"))?;
            let purposes = if row.purposes.is_empty() {
                spec.purposes().to_vec()
            } else {
                let named: Result<Vec<Purpose>, _> =
                    row.purposes.iter().map(|purpose| purpose.parse::<Purpose>()).collect();
                named.map_err(|_| wrong("there is no such purpose"))?
            };
            let algorithm = Algorithm {
                protect: steps(&row.protect).map_err(wrong)?,
                process: steps(&row.process).map_err(wrong)?,
                quantum: match &row.quantum {
                    None => None,
                    Some(day) => {
                        Some(end_of_day(day).ok_or_else(|| wrong("a day is expected, as in 2030-12-31"))?)
                    }
                },
                not_in: row.not_in,
                basis: row.basis,
            };
            for purpose in purposes {
                if !spec.allows(purpose) {
                    return Err(wrong("its keys have no such purpose"));
                }
                if rows.insert((spec, purpose), algorithm.clone()).is_some() {
                    return Err(wrong("it is there twice for a purpose"));
                }
            }
        }
        for spec in Spec::ALL {
            if !spec.purposes().iter().all(|purpose| rows.contains_key(&(spec, *purpose))) {
                return Err((spec.to_string(), "its standing is not there"));
            }
        }
        Ok(Self { rows })
    }
}

/// Standings in their order: each but the last has an end, and each end is later than the one before it.
fn steps(written: &[Written]) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::with_capacity(written.len());
    let mut before = Timestamp::default();
    for (place, one) in written.iter().enumerate() {
        let ends = match &one.until {
            None => None,
            Some(day) => Some(end_of_day(day).ok_or("a day is expected, as in 2030-12-31")?),
        };
        let is_last = place + 1 == written.len();
        if ends.is_none() != is_last || ends.is_some_and(|ends| ends <= before) {
            return Err("each standing but the last has an end, and each is later than the one before");
        }
        before = ends.unwrap_or(before);
        steps.push(Step { status: one.status, ends });
    }
    if steps.is_empty() { Err("it has no standing") } else { Ok(steps) }
}

/// The first instant behind a day, in UTC.
pub(crate) fn end_of_day(day: &str) -> Option<Timestamp> {
    let begins: jiff::Timestamp = format!("{day}T00:00:00Z").parse().ok()?;
    let begins = u64::try_from(begins.as_microsecond()).ok()?;
    Some(Timestamp::from_micros(begins).after(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    fn at(text: &str) -> Timestamp {
        let at: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_micros(u64::try_from(at.as_microsecond()).unwrap())
    }

    #[test]
    fn each_spec_has_a_standing_and_those_that_quantum_computers_break_have_an_end() {
        let catalogue = Catalogue::load().unwrap();
        for (spec, purpose, row) in catalogue.algorithms().iter() {
            assert!(spec.allows(purpose) && !row.basis().is_empty(), "{spec}");
            assert_eq!(row.quantum().is_some(), !spec.pq(), "{spec}");
            assert!(row.status(true, at("2026-11-28T00:00:00Z")).permits(true), "{spec}");
        }
        for spec in Spec::ALL {
            for purpose in spec.purposes() {
                assert!(catalogue.algorithms().find(spec, *purpose).is_some(), "{spec} {purpose:?}");
            }
        }
    }

    #[test]
    fn a_standing_ends_with_its_last_day() {
        let catalogue = Catalogue::load().unwrap();
        let table = catalogue.algorithms();
        let (last, first) = (at("2030-12-31T23:59:59.999999Z"), at("2031-01-01T00:00:00Z"));
        let of = |protects, at| table.status(Spec::Rsa2048, Purpose::Sign, protects, at);
        assert_eq!((of(true, last), of(true, first)), (Status::Deprecated, Status::Disallowed));
        assert_eq!((of(false, last), of(false, first)), (Status::Allowed, Status::LegacyProcess));
        let row = table.find(Spec::Rsa2048, Purpose::Sign).unwrap();
        assert_eq!((row.permitted_until(true), row.permitted_until(false)), (Some(first), None));
        assert_eq!(row.quantum(), Some(at("2036-01-01T00:00:00Z")));
        assert_eq!(table.status(Spec::Aes256Gcm, Purpose::Sign, true, last), Status::Disallowed);
        assert!(table.find(Spec::X25519, Purpose::Agree).unwrap().is_disallowed_in("nist-800-53"));
    }

    #[test]
    fn a_table_that_makes_no_sense_is_refused() {
        let one = |until: Option<&str>, status| Written { status, until: until.map(str::to_owned) };
        for written in [
            vec![],
            vec![one(Some("2030-12-31"), Status::Allowed)],
            vec![one(None, Status::Allowed), one(None, Status::Disallowed)],
            vec![one(Some("2030-02-31"), Status::Allowed), one(None, Status::Disallowed)],
            vec![
                one(Some("2030-12-31"), Status::Allowed),
                one(Some("2029-12-31"), Status::Deprecated),
                one(None, Status::Disallowed),
            ],
        ] {
            assert!(steps(&written).is_err());
        }
        let refused = Algorithms::of(Rows { algorithm: Vec::new() }).unwrap_err();
        assert_eq!(refused, ("aes-256-gcm".to_owned(), "its standing is not there"));
    }
}
