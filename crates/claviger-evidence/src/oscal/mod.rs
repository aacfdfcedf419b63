//! The results and what they rest on in OSCAL 1.2.1, for programs that read that form.
//!
//! | file | what it is |
//! |---|---|
//! | `oscal/catalog.json` | all controls, by area, with their parameters |
//! | `oscal/profile.json` | those that the framework asks for, and by which of its clauses |
//! | `oscal/component-definition.json` | which part of the product answers each control, and what is left to its user |
//! | `oscal/assessment-plan.json` | what was to be decided, by which method, of which period |
//! | `oscal/assessment-results.json` | what was observed, and what it comes to |
//! | `oscal/poam.json` | what is open and who mends it; absent where nothing is, since the form knows no empty plan |
//!
//! OSCAL knows `satisfied` and `not-satisfied` alone. What is not known and what waits for a statement are not satisfied, with a reason
//! that says which; what has nothing in scope is no finding, and its control is excluded. A finding is about the objective of a control
//! for one mode, because the instant and the period may come to different things.

mod assessment_plan;
mod assessment_results;
mod catalog;
mod component_definition;
mod outcome;
mod poam;
mod profile;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Display;

use claviger_audit::{sha256, to_hex};
use claviger_compliance::control::{Control, ControlId, Grade, Mode, Parameter};
use claviger_compliance::evaluation::{ControlResult, Evaluation};
use claviger_compliance::{Catalogue, Framework};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dossier::Dossier;
use crate::inventory::DeclarationLine;
use crate::pack::{self, PackFile, Unmade, instant};

/// The edition of OSCAL in which all documents are.
pub const OSCAL_VERSION: &str = "1.2.1";
/// The namespace of the properties that are this project's own.
pub const NAMESPACE: &str = "https://claviger.dev/ns/oscal";
/// The namespace of identifiers: version 5 of [`NAMESPACE`] among URLs.
const IDENTIFIERS: Uuid = Uuid::from_u128(0x9274_3f60_69c0_57f5_b592_5fd0_b978_2463);

// Resources of documents, by their keys.
const RESULTS: &str = "resource/results";
const LOG: &str = "resource/log";
const NO_SECURITY_PLAN: &str = "resource/no-security-plan";

/// The documents in OSCAL.
///
/// # Errors
/// When one cannot be written as JSON.
pub fn files(dossier: &Dossier<'_>) -> Result<Vec<PackFile>, Unmade> {
    let basis = Basis {
        pack: pack::id(dossier),
        catalogue: dossier.asked.catalogue,
        framework: dossier.asked.framework,
        evaluation: &dossier.evaluation,
        declarations: &dossier.inventory.declarations,
        results: to_hex(&sha256(&pack::canonical(&dossier.evaluation)?)),
    };
    let mut files = Vec::new();
    for (name, document) in documents(&basis) {
        files.push(PackFile::new(format!("oscal/{name}.json"), pack::canonical(&document)?));
    }
    Ok(files)
}

/// The documents, by the names of their files.
fn documents(basis: &Basis<'_>) -> Vec<(&'static str, Value)> {
    let all = [
        ("catalog", Some(catalog::document(basis))),
        ("profile", Some(profile::document(basis))),
        ("component-definition", Some(component_definition::document(basis))),
        ("assessment-plan", Some(assessment_plan::document(basis))),
        ("assessment-results", Some(assessment_results::document(basis))),
        ("poam", poam::document(basis)),
    ];
    all.into_iter().filter_map(|(name, document)| Some((name, pruned(document?)))).collect()
}

/// What the documents are written from.
#[derive(Clone, Debug)]
struct Basis<'d> {
    /// Identifier of the pack.
    pack: String,
    catalogue: &'d Catalogue,
    framework: Option<&'d Framework>,
    evaluation: &'d Evaluation,
    /// What people declared and signed.
    declarations: &'d [DeclarationLine],
    /// SHA-256 of `results/results.json`, in hexadecimal.
    results: String,
}

impl<'d> Basis<'d> {
    /// The identifier of what has this key: the same in all documents of a pack, and in no other pack.
    fn uuid(&self, key: &str) -> String {
        Uuid::new_v5(&IDENTIFIERS, format!("{}/{key}", self.pack).as_bytes()).to_string()
    }

    /// A reference to the resource with this key.
    fn fragment(&self, key: &str) -> String {
        format!("#{}", self.uuid(key))
    }

    /// The instant as of which everything is said.
    fn as_of(&self) -> String {
        instant(self.evaluation.as_of)
    }

    /// The results, each with its control.
    fn results(&self) -> impl Iterator<Item = (&'d ControlResult, &'d Control)> {
        let catalogue = self.catalogue;
        let joined = move |result: &'d ControlResult| Some((result, catalogue.find_control(result.control)?));
        self.evaluation.results.iter().filter_map(joined)
    }

    /// What the framework is called, with its edition; or that none was asked for.
    fn framework_title(&self) -> String {
        match self.framework {
            Some(framework) => format!("{} {}", framework.title, framework.version),
            None => "all controls".to_owned(),
        }
    }

    fn metadata(&self, title: &str, version: &str, remarks: Option<String>) -> Value {
        let framework = self.framework.map(|framework| property("framework", &framework.id));
        let made = [property("pack", &self.pack), property("program-version", env!("CARGO_PKG_VERSION"))];
        json!({
            "title": line(title),
            "last-modified": self.as_of(),
            "version": line(version),
            "oscal-version": OSCAL_VERSION,
            "props": made.into_iter().chain(framework).collect::<Vec<_>>(),
            "remarks": remarks,
        })
    }

    /// The file with the results.
    fn results_resource(&self) -> Value {
        json!({
            "uuid": self.uuid(RESULTS),
            "title": pack::RESULTS,
            "description": "The results of all controls, in canonical JSON (RFC 8785): a function of the log, the catalogue, the instant and the period.",
            "rlinks": [{
                "href": format!("../{}", pack::RESULTS),
                "media-type": "application/json",
                "hashes": [{ "algorithm": "SHA-256", "value": self.results }],
            }],
        })
    }

    /// The log, by the head that was evaluated.
    fn log_resource(&self) -> Value {
        json!({
            "uuid": self.uuid(LOG),
            "title": "log/root/checkpoint",
            "description": "The signed head of the log that was evaluated (RFC 6962 trees, C2SP checkpoint). Its entries and facts lie beside it.",
            "props": self.log_properties(),
            "rlinks": [{ "href": "../log/root/checkpoint", "media-type": "text/plain" }],
        })
    }

    /// That there is no system security plan.
    fn no_security_plan(&self) -> Value {
        json!({
            "uuid": self.uuid(NO_SECURITY_PLAN),
            "title": "No system security plan",
            "description": "No system security plan was supplied. What it would say of the system around the key service is not assessed here.",
            "citation": { "text": "No system security plan was supplied." },
        })
    }

    fn log_properties(&self) -> Vec<Value> {
        let log = &self.evaluation.log;
        vec![
            property("log-origin", &log.origin),
            property("log-size", log.size),
            property("log-root", &log.root),
            property("log-entries", log.entries),
        ]
    }
}

/// The controls and objectives that results are about; those of which no result is left are excluded.
fn reviewed(basis: &Basis<'_>, is_left_out: impl Fn(&ControlResult) -> bool) -> Value {
    let results = &basis.evaluation.results;
    let (left_out, kept): (Vec<_>, Vec<_>) = results.iter().partition(|result| is_left_out(result));
    let all: BTreeSet<_> = results.iter().map(|result| result.control).collect();
    let reviewed: BTreeSet<_> = kept.iter().map(|result| result.control).collect();
    let selected = |id: &ControlId| json!({ "control-id": control_id(*id) });
    let objective =
        |result: &ControlResult| json!({ "objective-id": objective_id(result.control, result.mode) });
    let included: Vec<_> = all.iter().map(selected).collect();
    let excluded: Vec<_> = all.difference(&reviewed).map(selected).collect();
    let objectives: Vec<_> = results.iter().map(objective).collect();
    let excluded_objectives: Vec<_> = left_out.into_iter().map(objective).collect();
    json!({
        "control-selections": [{ "include-controls": included, "exclude-controls": excluded }],
        "control-objective-selections": [{
            "include-objectives": objectives,
            "exclude-objectives": excluded_objectives,
        }],
    })
}

/// The identifier of a control in OSCAL.
fn control_id(id: ControlId) -> String {
    id.to_string().to_ascii_lowercase()
}

/// The identifier of what a control says must hold, for one mode.
fn objective_id(id: ControlId, mode: Mode) -> String {
    format!("{}_obj.{mode}", control_id(id))
}

/// How a control is assessed. Nobody is interviewed by a machine.
const fn method(grade: Grade) -> &'static str {
    match grade {
        Grade::Full | Grade::Mixed => "TEST",
        Grade::Attested => "EXAMINE",
    }
}

/// A property of this project's own.
fn property(name: &str, value: impl Display) -> Value {
    json!({ "name": name, "ns": NAMESPACE, "value": line(&value.to_string()) })
}

/// What a parameter is called: a table's name ends with `_*`, which no token may.
fn parameter_id(parameter: &Parameter) -> &str {
    parameter.name.trim_end_matches("_*")
}

/// A text on one line, as titles and values are.
fn line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

/// The same without members that are absent or have nothing in them: the schemas know no empty lists.
fn pruned(value: Value) -> Value {
    let is_something = |value: &Value| !value.is_null() && !value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Array(all) => Value::Array(all.into_iter().map(pruned).collect()),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, pruned(value)));
            Value::Object(members.filter(|(_, value)| is_something(value)).collect())
        }
        other => other,
    }
}
