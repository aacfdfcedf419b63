//! Frameworks: regulations and standards, clause by clause, and which controls answer each.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::control::ControlId;
use crate::mark::Mark;

/// How far controls answer a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Coverage {
    /// Machine checks decide it, for the keys and logs of the system.
    #[serde(rename = "F")]
    Full,
    /// A machine check and a signed attestation do.
    #[serde(rename = "M")]
    Mixed,
    /// Signed statements do; the system collects, binds and expires them.
    #[serde(rename = "A")]
    Attested,
    /// The system gives evidence; the larger part lies with the entity.
    #[serde(rename = "S")]
    Supports,
    /// All of it lies with the entity. It is listed so that a reader sees the gap.
    #[serde(rename = "O")]
    Outside,
}

claviger_core::named! {
    Coverage, "a coverage" { Full = "F", Mixed = "M", Attested = "A", Supports = "S", Outside = "O" }
}

/// A clause, or several that ask the same.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Its number, as the framework writes it. PCI DSS: FD was dated to come into force later, SP is for service providers only.
    /// HIPAA: R is required, A addressable.
    pub id: String,
    /// What it asks, in other words.
    pub paraphrase: String,
    /// The controls that answer it; none where all of it lies outside, or is answered by [`Clause::see`].
    pub controls: Vec<ControlId>,
    /// How far.
    pub coverage: Coverage,
    /// Whether its number and what it asks were read in a source.
    pub mark: Mark,
    /// What answers it in the place of controls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub see: Option<String>,
}

/// A number of an older edition, and what it became.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Crosswalk {
    /// The older number.
    pub before: String,
    /// What it is about.
    pub subject: String,
    /// The number now.
    pub now: String,
    /// Were both texts read and found the same?
    pub compared: bool,
}

/// A regulation or standard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Framework {
    /// Its name in commands: the name of its folder.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Which edition.
    pub version: String,
    /// What is known of its standing and of the texts that were read.
    pub status: String,
    /// What may change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    /// Its clauses, in its own order.
    pub clauses: Vec<Clause>,
    /// From the numbers of an older edition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crosswalk: Vec<Crosswalk>,
}

/// `clauses.toml` of a framework.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clauses {
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) status: String,
    pub(crate) pending: Option<String>,
    #[serde(rename = "clause")]
    pub(crate) clauses: Vec<Clause>,
}

/// `crosswalk.toml` of a framework.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rows {
    #[serde(rename = "row")]
    pub(crate) rows: Vec<Crosswalk>,
}

impl Framework {
    /// The controls that its clauses name.
    #[must_use]
    pub fn controls(&self) -> BTreeSet<ControlId> {
        self.clauses.iter().flat_map(|clause| clause.controls.iter().copied()).collect()
    }

    /// The clauses that a control answers.
    pub fn asking(&self, control: ControlId) -> impl Iterator<Item = &Clause> {
        self.clauses.iter().filter(move |clause| clause.controls.contains(&control))
    }

    /// All of its texts that may have marks.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let clauses = self.clauses.iter().map(|clause| clause.paraphrase.as_str());
        [self.status.as_str()].into_iter().chain(self.pending.as_deref()).chain(clauses)
    }
}
