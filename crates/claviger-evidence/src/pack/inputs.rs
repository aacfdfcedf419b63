//! `results/inputs.json`: all that results depend on, so that whoever has it and the log comes to the same ones.

use std::collections::BTreeSet;

use claviger_audit::{sha256, to_hex};
use claviger_compliance::control::{Control, Parameter};
use claviger_compliance::evaluation::LogHead;
use claviger_compliance::statement::Statement;
use claviger_compliance::{Catalogue, ControlId, EVALUATOR, Framework, Period};
use claviger_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PackFile, canonical};
use crate::disclosed::{Disclosed, NOTHING};
use crate::dossier::Dossier;

/// Where it lies.
pub const INPUTS: &str = "results/inputs.json";
const FORMAT: &str = "claviger-evidence-inputs/2";
const PROGRAM: &str = "claviger";

/// What results depend on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// Form of this file.
    pub format: String,
    /// The program that has the checks.
    pub program: String,
    /// Its release.
    pub version: String,
    /// Names checks and catalogue, as runs that a log records do.
    pub checks: String,
    /// The catalogue.
    pub catalogue: CatalogueUsed,
    /// The framework whose controls are evaluated; none for all of the catalogue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<String>,
    /// The instant of results of state: the end of the period.
    pub as_of: String,
    /// The period.
    pub period: Period,
    /// The log.
    pub log: LogHead,
    /// SHA-256 of the text of the verifier key that the log was verified by.
    pub root_vkey_sha256: String,
    /// How much the pack says of who called: a level of disclosures, or `none`. No result depends on it.
    pub redaction: String,
    /// The disclosure of that level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<DisclosureUsed>,
}

/// Which disclosure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DisclosureUsed {
    /// SHA-256 of its file.
    pub sha256: String,
    /// The first entry that it is about.
    pub from: u64,
    /// The first behind them.
    pub to: u64,
}

impl DisclosureUsed {
    /// This one.
    #[must_use]
    pub fn of(disclosed: &Disclosed) -> Self {
        let of = disclosed.disclosure();
        Self { sha256: to_hex(&disclosed.digest()), from: of.from, to: of.to }
    }
}

/// As much of the file as every form of it has.
#[derive(Deserialize)]
struct Form {
    format: String,
    program: String,
    #[serde(default)]
    version: String,
}

/// Which catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueUsed {
    /// Its version.
    pub version: String,
    /// SHA-256 over its canonical form.
    pub sha256: String,
}

impl Inputs {
    /// What the results of a dossier depend on.
    ///
    /// # Errors
    /// When something of it has no form in JSON.
    pub fn of(dossier: &Dossier<'_>) -> Result<Self, serde_json::Error> {
        let asked = &dossier.asked;
        Ok(Self {
            format: FORMAT.to_owned(),
            program: PROGRAM.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            checks: to_hex(&EVALUATOR),
            catalogue: CatalogueUsed::of(asked.catalogue)?,
            framework: asked.framework.map(|framework| framework.id.clone()),
            as_of: exact(asked.period.to),
            period: asked.period,
            log: dossier.evaluation.log.clone(),
            root_vkey_sha256: to_hex(&dossier.key.digest()),
            redaction: asked.disclosed.map_or(NOTHING, |disclosed| disclosed.level().name()).to_owned(),
            disclosure: asked.disclosed.map(DisclosureUsed::of),
        })
    }

    /// Reads the file. That it is the one of its log is seen when it is made again.
    ///
    /// # Errors
    /// When it is not of this form.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Which release a file needs that is of another form than this one writes. Asked before it is read.
    #[must_use]
    pub fn of_another_form(bytes: &[u8]) -> Option<String> {
        let Form { format, program, version } = serde_json::from_slice(bytes).ok()?;
        if (format.as_str(), program.as_str()) == (FORMAT, PROGRAM) {
            return None;
        }
        let release = if version.is_empty() { String::new() } else { format!("{version}, ") };
        Some(format!("{release}one that writes `{format}` of `{program}`"))
    }

    /// Which release the results need, where it is not this one.
    ///
    /// # Errors
    /// When the catalogue has no form in JSON.
    pub fn needs_another(&self, catalogue: &Catalogue) -> Result<Option<String>, serde_json::Error> {
        if (self.format.as_str(), self.program.as_str()) != (FORMAT, PROGRAM) {
            return Ok(Some(format!("one that writes `{}` of `{}`", self.format, self.program)));
        }
        let own = CatalogueUsed::of(catalogue)?;
        let checks = to_hex(&EVALUATOR);
        let is_this =
            self.version == env!("CARGO_PKG_VERSION") && self.checks == checks && self.catalogue == own;
        Ok((!is_this).then(|| {
            let CatalogueUsed { version, sha256 } = &self.catalogue;
            format!("{} with checks {} and catalogue {version} (SHA-256 {sha256})", self.version, self.checks)
        }))
    }
}

/// The catalogue as it is hashed: all that is asked of controls, and by what they are decided.
#[derive(Serialize)]
struct Canonical<'a> {
    version: &'a str,
    facts_as_of: &'a str,
    core: &'a BTreeSet<ControlId>,
    controls: Vec<&'a Control>,
    /// Those that controls name.
    parameters: Vec<&'a Parameter>,
    frameworks: Vec<&'a Framework>,
    statements: Vec<&'a Statement>,
    algorithms: Vec<Standing<'a>>,
}

#[derive(Serialize)]
struct Standing<'a> {
    spec: String,
    purpose: String,
    protect_until: Option<u64>,
    process_until: Option<u64>,
    quantum: Option<u64>,
    /// The frameworks in which it is disallowed, whatever its standing elsewhere.
    not_in: Vec<&'a str>,
    basis: &'a str,
}

impl CatalogueUsed {
    /// The version and digest of a catalogue.
    ///
    /// # Errors
    /// When something of it has no form in JSON.
    pub fn of(catalogue: &Catalogue) -> Result<Self, serde_json::Error> {
        let named: BTreeSet<&str> =
            catalogue.controls().flat_map(|control| control.parameters.iter().map(String::as_str)).collect();
        let ids = || catalogue.frameworks().map(|framework| framework.id.as_str());
        let form = Canonical {
            version: &catalogue.version,
            facts_as_of: &catalogue.facts_as_of,
            core: &catalogue.core,
            controls: catalogue.controls().collect(),
            parameters: named.into_iter().filter_map(|name| catalogue.find_parameter(name)).collect(),
            frameworks: catalogue.frameworks().collect(),
            statements: catalogue.statements().collect(),
            algorithms: catalogue
                .algorithms()
                .iter()
                .map(|(spec, purpose, algorithm)| Standing {
                    spec: spec.to_string(),
                    purpose: purpose.to_string(),
                    protect_until: algorithm.permitted_until(true).map(Timestamp::as_micros),
                    process_until: algorithm.permitted_until(false).map(Timestamp::as_micros),
                    quantum: algorithm.quantum().map(Timestamp::as_micros),
                    not_in: ids().filter(|id| algorithm.is_disallowed_in(id)).collect(),
                    basis: algorithm.basis(),
                })
                .collect(),
        };
        Ok(Self { version: catalogue.version.clone(), sha256: to_hex(&sha256(&canonical(&form)?)) })
    }
}

/// An instant with all its digits: what is evaluated again must be the very same instant.
pub(super) fn exact(at: Timestamp) -> String {
    let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// The file.
pub(super) fn file(dossier: &Dossier<'_>) -> Result<PackFile, serde_json::Error> {
    Ok(PackFile::new(INPUTS, canonical(&Inputs::of(dossier)?)?))
}

/// What identifies a pack with these inputs.
pub(super) fn id(dossier: &Dossier<'_>) -> String {
    // What has no form in JSON makes no pack, and so needs no name.
    let bytes = file(dossier).map(|file| file.bytes).unwrap_or_default();
    to_hex(&sha256(&bytes)).chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_that_of_all_that_decides() {
        let catalogue = Catalogue::load().unwrap();
        let used = CatalogueUsed::of(&catalogue).unwrap();
        assert_eq!(used, CatalogueUsed::of(&catalogue).unwrap());
        assert_eq!(used.sha256.len(), 64);
        let mut other = catalogue.clone();
        other.core.pop_last();
        let other = CatalogueUsed::of(&other).unwrap();
        assert_eq!(other.version, used.version);
        assert_ne!(other.sha256, used.sha256);
    }

    #[test]
    fn instants_keep_all_their_digits() {
        assert_eq!(exact(Timestamp::from_micros(1_000_001)), "1970-01-01T00:00:01.000001Z");
        assert_eq!(exact(Timestamp::from_micros(1_000_000)), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn results_of_another_release_are_not_made_again_by_this_one() {
        let catalogue = Catalogue::load().unwrap();
        let at = Timestamp::from_micros(7);
        let inputs = Inputs {
            format: FORMAT.to_owned(),
            program: PROGRAM.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            checks: to_hex(&EVALUATOR),
            catalogue: CatalogueUsed::of(&catalogue).unwrap(),
            framework: None,
            as_of: exact(at),
            period: Period { from: at, to: at },
            log: LogHead { origin: "d/audit/root".to_owned(), size: 1, root: String::new(), entries: 1 },
            root_vkey_sha256: String::new(),
            redaction: NOTHING.to_owned(),
            disclosure: None,
        };
        let needs = |inputs: &Inputs| inputs.needs_another(&catalogue).unwrap();
        assert_eq!(needs(&inputs), None);
        let read = Inputs::read(&canonical(&inputs).unwrap()).unwrap();
        assert_eq!(read, inputs);
        let newer = Inputs { version: "99.0.0".to_owned(), ..inputs.clone() };
        assert!(needs(&newer).unwrap().starts_with("99.0.0 with checks"));
        let mut changed = inputs.clone();
        changed.catalogue.sha256 = "00".repeat(32);
        assert!(needs(&changed).unwrap().contains(&"00".repeat(32)));
        let form = Inputs { format: "claviger-evidence-inputs/3".to_owned(), ..inputs.clone() };
        assert!(needs(&form).is_some());
        // A form that does not read at all says which release it needs.
        assert_eq!(Inputs::of_another_form(&canonical(&inputs).unwrap()), None);
        let older = br#"{"format":"claviger-evidence-inputs/1","program":"claviger","version":"0.0.9"}"#;
        let named = Inputs::of_another_form(older).unwrap();
        assert!(named.contains("0.0.9") && named.contains("inputs/1"), "{named}");
        assert_eq!(Inputs::of_another_form(b"{}"), None);
    }
}
