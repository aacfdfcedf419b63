//! What a check gives in the end, before it is put into the form of a result.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Ledger;

/// What an empty population means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptiness {
    /// Nothing is in scope.
    NotApplicable,
    /// It is itself what the control asks for.
    Passes,
    /// There should be something.
    Unknown(&'static str),
}

/// What a check gives.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(super) ledger: Ledger,
    pub(super) emptiness: Emptiness,
    pub(super) figures: BTreeMap<String, u64>,
    pub(super) notes: BTreeSet<String>,
    pub(super) attestations: BTreeSet<String>,
    pub(super) holds: String,
}

impl Outcome {
    /// Of a ledger. `holds` is the sentence for when it holds, as in `every version was drawn from an approved generator`.
    #[must_use]
    pub fn of(ledger: Ledger, holds: impl Into<String>) -> Self {
        Self {
            ledger,
            emptiness: Emptiness::NotApplicable,
            figures: BTreeMap::new(),
            notes: BTreeSet::new(),
            attestations: BTreeSet::new(),
            holds: holds.into(),
        }
    }

    /// With another meaning of an empty population than `NOT_APPLICABLE`.
    #[must_use]
    pub fn when_empty(self, emptiness: Emptiness) -> Self {
        Self { emptiness, ..self }
    }

    /// With something that was counted.
    #[must_use]
    pub fn figure(mut self, name: &str, value: u64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }

    /// With something that a reader should know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.insert(note.into());
        self
    }

    /// It needs that statement of a person, where the machine's part holds and something is in scope.
    #[must_use]
    pub fn needs(mut self, attestation: &str) -> Self {
        self.attestations.insert(attestation.to_owned());
        self
    }
}
