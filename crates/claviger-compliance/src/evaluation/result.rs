//! Results, as they are shown, kept and made again by whoever doubts them.

use std::collections::{BTreeMap, BTreeSet};

use claviger_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::{ControlId, Mode, Severity, Task};

/// Most violators, and most undecided subjects, that a result names; all of them are counted.
pub const MOST_NAMED: usize = 100;

/// What a control comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Verdict {
    /// At least one subject in scope violated it. The violators are named.
    #[serde(rename = "FAIL")]
    Fail,
    /// A fact that decides is missing, or cannot be trusted.
    #[serde(rename = "INDETERMINATE")]
    Indeterminate,
    /// The machine's part holds, and a statement of a person is missing.
    #[serde(rename = "NEEDS_ATTESTATION")]
    NeedsAttestation,
    /// It holds of every subject in scope, at every instant that is asked about.
    #[serde(rename = "PASS")]
    Pass,
    /// Nothing is in scope.
    #[serde(rename = "NOT_APPLICABLE")]
    NotApplicable,
}

claviger_core::named! {
    Verdict, "a result" {
        Fail = "FAIL",
        Indeterminate = "INDETERMINATE",
        NeedsAttestation = "NEEDS_ATTESTATION",
        Pass = "PASS",
        NotApplicable = "NOT_APPLICABLE",
    }
}

impl Verdict {
    /// Does it count as satisfied? What is not applicable is counted apart.
    #[must_use]
    pub const fn is_satisfied(self) -> bool {
        matches!(self, Self::Pass | Self::NotApplicable)
    }
}

/// A span of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Period {
    /// Its begin.
    #[serde(with = "instant")]
    pub from: Timestamp,
    /// Its end.
    #[serde(with = "instant")]
    pub to: Timestamp,
}

impl Period {
    /// Does it hold that instant?
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }
}

/// The subjects that a result is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Population {
    /// How many.
    pub subjects: u64,
    /// SHA-256 over their names, a line each, ascending by their bytes: two results with the same one are about the same subjects.
    pub digest: String,
}

/// Something that violated a control.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Violation {
    /// What did.
    pub subject: String,
    /// From when on; of several spans the first.
    #[serde(with = "instant")]
    pub from: Timestamp,
    /// Until when; absent where it still does.
    #[serde(with = "optional_instant", default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// How often it was found; another reason for it counts again.
    pub times: u64,
    /// Is it mended by now?
    pub remediated: bool,
    /// The fact that decides.
    pub because: String,
    /// The entry that begins it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}

/// Something of which it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Undecided {
    /// Of what.
    pub subject: String,
    /// What is missing.
    pub because: String,
}

/// What a control comes to, of one mode.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ControlResult {
    /// The control.
    pub control: ControlId,
    /// Of when.
    pub mode: Mode,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// What it comes to.
    pub result: Verdict,
    /// The fact that decides, in a sentence.
    pub because: String,
    /// What it is about.
    pub population: Population,
    /// How many violated it.
    pub violators: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// Of how many it is not known.
    pub undecided: u64,
    /// The first of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided_subjects: Vec<Undecided>,
    /// What was counted on the way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, u64>,
    /// What a reader should know beside it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub notes: BTreeSet<String>,
    /// Statements of people that it needs and does not have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing_attestations: BTreeSet<String>,
    /// Who must do what; none where it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
}

/// The log that was evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct LogHead {
    /// Name of the root log.
    pub origin: String,
    /// Its size.
    pub size: u64,
    /// Its root, in hexadecimal.
    pub root: String,
    /// Entries of all shards.
    pub entries: u64,
}

/// All results of one evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Evaluation {
    /// Version of the catalogue.
    pub catalogue: String,
    /// The framework whose controls these are; all of the catalogue's where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<String>,
    /// The log.
    pub log: LogHead,
    /// The instant of results of state.
    #[serde(with = "instant")]
    pub as_of: Timestamp,
    /// The period of the others.
    pub period: Period,
    /// From when on the log tells: what lies before it in the period is not known.
    #[serde(with = "optional_instant", default, skip_serializing_if = "Option::is_none")]
    pub known_from: Option<Timestamp>,
    /// What does not hold of the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// The results, by control and mode.
    pub results: Vec<ControlResult>,
}

/// How many results there are of each kind.
pub type Counts = BTreeMap<Verdict, u64>;

impl Evaluation {
    /// How many results there are of each kind, by severity. There is no headline figure, and there will be none.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Severity, Counts> {
        let mut counts = BTreeMap::<_, Counts>::new();
        for result in &self.results {
            *counts.entry(result.severity).or_default().entry(result.result).or_default() += 1;
        }
        counts
    }

    /// The results of controls at or above a severity that are not satisfied.
    pub fn unsatisfied(&self, least: Severity) -> impl Iterator<Item = &ControlResult> {
        // The worst comes first in the order of severities.
        self.results.iter().filter(move |result| result.severity <= least && !result.result.is_satisfied())
    }
}

/// Instants as everybody reads them: RFC 3339 in UTC.
mod instant {
    use claviger_core::Timestamp;
    use serde::de::{Deserialize as _, Deserializer, Error};
    use serde::ser::{Error as _, Serializer};

    pub(super) fn shown(at: Timestamp) -> Option<String> {
        let micros = i64::try_from(at.as_micros()).ok()?;
        jiff::Timestamp::from_microsecond(micros).ok().map(|at| at.to_string())
    }

    pub(super) fn read(text: &str) -> Option<Timestamp> {
        let at: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(at.as_microsecond()).ok().map(Timestamp::from_micros)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references out")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = shown(*at).ok_or_else(|| S::Error::custom("an instant that no calendar has"))?;
        serializer.serialize_str(&shown)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        read(&String::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("an instant in RFC 3339 is expected"))
    }
}

/// The same, where there may be none.
mod optional_instant {
    use claviger_core::Timestamp;
    use serde::de::{Deserialize as _, Deserializer, Error};
    use serde::ser::Serializer;

    #[expect(clippy::ref_option, reason = "serde hands references out")]
    pub(super) fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::instant::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let read = |text: String| {
            super::instant::read(&text).ok_or_else(|| D::Error::custom("an instant in RFC 3339 is expected"))
        };
        Option::<String>::deserialize(deserializer)?.map(read).transpose()
    }
}
