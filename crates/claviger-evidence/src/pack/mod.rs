//! All files of a pack, their manifest, and what holds a pack against its log.
//!
//! ```text
//! MANIFEST.json       every other file with its size and digest
//! MANIFEST.sig        a note over the digest of the manifest, by the key of the root log and the evidence key; not in every pack
//! READ-ME-FIRST.md    how the pack is verified
//! LIMITS.md           what it does not show
//! verify.html         a page that holds files and signature against the manifest
//! report/             for people: the report, and its tables
//! results/            the results, and all that they depend on
//! samples.json        entries that nobody chose, each with the proof that the log has it
//! state/              every object at the end of the period, and what of the log commits to them
//! oscal/, cbom/       for programs
//! redaction.json      what the pack withholds
//! disclosure/         who called, as far as whoever made the pack let it out; not in every pack
//! tiles/              of a long log: the hashes by which the page checks a sample
//! log/                the log as it is exported
//! ```
//!
//! All but `MANIFEST.sig`, `log/` and the disclosure are functions of these and of `results/inputs.json`.

mod held;
mod inputs;
mod limits;
mod log;
mod manifest;
mod readme;
mod redaction;
mod state;

use claviger_core::Timestamp;
use serde::Serialize;

pub use held::first_difference;
pub use inputs::{CatalogueUsed, DisclosureUsed, INPUTS, Inputs};
pub(crate) use limits::LIMITS;
pub use log::{ReadLog, is_of_an_export};
pub use manifest::{LOG, Listed, MANIFEST, Manifest, NotAManifest, SIGNATURE};
pub(crate) use redaction::level;

use crate::disclosed::Disclosed;
use crate::dossier::Dossier;
use crate::{cbom, detector, inventory, oscal, page, report};

/// Where the results lie.
pub const RESULTS: &str = "results/results.json";

/// A file of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackFile {
    /// Where it lies: relative to the pack's folder, with `/` between folders.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl PackFile {
    /// A file.
    #[must_use]
    pub fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into() }
    }
}

/// Why a pack is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unmade {
    /// Something that cannot be written as JSON.
    #[error("a file of the pack cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// A page that cannot be written.
    #[error("a page of the pack cannot be written: {0}")]
    Page(#[from] askama::Error),
    /// Something that must not be in a pack is in one of its files. What it is is not repeated.
    #[error("{path} holds what must not be in a pack: {kind}")]
    Detected {
        /// Where: the file, and the line of it.
        path: String,
        /// What kind of thing it is.
        kind: String,
    },
}

/// Canonical JSON (RFC 8785). Numbers are integers and names ASCII: sorted, they are in the order of that form.
///
/// # Errors
/// When `value` has no form in JSON.
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut value = serde_json::to_value(value)?;
    value.sort_all_objects();
    serde_json::to_vec(&value)
}

/// An instant as all files show it: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn instant(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_micros() / 1000).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.3}")
}

/// Identifier of a pack: 32 hexadecimal digits, the first half of SHA-256 over `results/inputs.json`. The same log, asked the same by the
/// same release, has the same one.
#[must_use]
pub fn id(dossier: &Dossier<'_>) -> String {
    inputs::id(dossier)
}

/// All files of a pack but its log, its manifest and the signature, ascending by path.
///
/// # Errors
/// When something of them cannot be written, or one holds what must not be in a pack.
pub fn files(dossier: &Dossier<'_>) -> Result<Vec<PackFile>, Unmade> {
    let mut files = vec![
        PackFile::new(RESULTS, canonical(&dossier.evaluation)?),
        inputs::file(dossier)?,
        limits::file(dossier),
        readme::file(dossier)?,
        redaction::file(dossier)?,
        dossier.samples.file()?,
    ];
    files.extend(dossier.asked.disclosed.into_iter().flat_map(Disclosed::files));
    files.extend(state::files(dossier)?);
    for made in [inventory::files, cbom::files, oscal::files, report::files, page::files] {
        files.extend(made(dossier)?);
    }
    if let Some(found) = detector::over_files(&files).found.into_iter().next() {
        return Err(Unmade::Detected { path: found.place, kind: found.kind });
    }
    // Hashes alone, in which chance makes anything.
    files.extend(dossier.tiles.iter().cloned());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The manifest of a pack with these files: all of them, those of its log as well.
///
/// # Errors
/// When something of it has no form in JSON.
pub fn manifest(dossier: &Dossier<'_>, files: Vec<Listed>) -> Result<Vec<u8>, Unmade> {
    Manifest::of(dossier, files)?.bytes()
}

#[cfg(test)]
mod tests;
