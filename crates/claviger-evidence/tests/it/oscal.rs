//! The documents in OSCAL against NIST's schemas, from the folder that `CLAVIGER_VECTORS` names.
//!
//! No package ships them. `golden/absent-data.txt` lists each test of this file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use claviger_audit::VerifierKey;
use claviger_audit::verify::Verified;
use claviger_compliance::evaluation::{Declared, Estate, Undecided, Violation};
use claviger_compliance::{Catalogue, Evaluation, Framework, Period, Scan, Verdict};
use claviger_core::Timestamp;
use claviger_evidence::detector::Detector;
use claviger_evidence::inventory::{DeclarationLine, Inventory};
use claviger_evidence::samples::Samples;
use claviger_evidence::{Asked, Dossier, PackFile, oscal};
use serde_json::Value;

/// Each document with its schema.
const SCHEMAS: [(&str, &str); 6] = [
    ("oscal/catalog.json", "oscal_catalog_schema.json"),
    ("oscal/profile.json", "oscal_profile_schema.json"),
    ("oscal/component-definition.json", "oscal_component_schema.json"),
    ("oscal/assessment-plan.json", "oscal_assessment-plan_schema.json"),
    ("oscal/assessment-results.json", "oscal_assessment-results_schema.json"),
    ("oscal/poam.json", "oscal_poam_schema.json"),
];

fn schema(name: &str) -> jsonschema::Validator {
    let folder = std::env::var_os("CLAVIGER_VECTORS").map(PathBuf::from);
    let folder = folder.expect("CLAVIGER_VECTORS names no folder: the schemas of OSCAL are absent");
    let file = folder.join("oscal/schema").join(name);
    let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let schema: Value = serde_json::from_slice(&text).expect("schemas are JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema")
}

/// An evaluation in which verdicts go round, so that each occurs.
fn evaluation(catalogue: &Catalogue, framework: Option<&Framework>, period: Period) -> Evaluation {
    let mut evaluation = Scan::new(catalogue, framework, period).finish(&Verified::default());
    evaluation.log.origin = "log.example".to_owned();
    for (result, verdict) in evaluation.results.iter_mut().zip(Verdict::ALL.into_iter().cycle()) {
        result.result = verdict;
        result.tasks = catalogue.find_control(result.control).unwrap().mend.clone();
        result.missing_attestations.insert("ATT-EXAMPLE".to_owned());
        result.notes.insert("one note".to_owned());
        result.figures.insert("things".to_owned(), 3);
        let (subject, because) = ("key-1".to_owned(), "of two\nlines".to_owned());
        result.undecided_subjects = vec![Undecided { subject: subject.clone(), because: because.clone() }];
        let (from, to) = (period.from, Some(period.to));
        let violation = Violation { subject, from, to, times: 2, remediated: true, because, entry: Some(7) };
        result.violations = vec![violation];
    }
    evaluation
}

fn documents(framework: Option<&str>) -> Vec<PackFile> {
    let catalogue = Catalogue::load().unwrap();
    let framework = framework.map(|id| catalogue.find_framework(id).unwrap());
    let at = |second: u64| Timestamp::from_micros(second * 1_000_000);
    let period = Period { from: at(1_767_225_600), to: at(1_772_323_200) };
    let estate = Estate::default();
    let mut inventory = Inventory::of(&estate, catalogue.algorithms(), period);
    inventory.declarations.push(DeclarationLine {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        kind: "attestation".to_owned(),
        subject: "ATT-POLICY".to_owned(),
        says: "text of another\nedition".to_owned(),
        declared_by: "00000000-0000-4000-8000-000000000002".to_owned(),
        declared_at: "2026-01-02T00:00:00.000Z".to_owned(),
        from: Some("2026-01-02T00:00:00.000Z".to_owned()),
        until: None,
        withdrawn_at: None,
    });
    let dossier = Dossier {
        asked: Asked { catalogue: &catalogue, framework, period, disclosed: None },
        key: VerifierKey::ed25519("log.example", &[7; 32]).unwrap(),
        evaluation: evaluation(&catalogue, framework, period),
        inventory,
        estate,
        objects: BTreeMap::new(),
        snapshot: None,
        sessions: 0,
        detection: Detector::new().finish(),
        declared: Declared::new(),
        verified: Verified::default(),
        misdisclosed: Vec::new(),
        samples: Samples::default(),
        tiles: Vec::new(),
    };
    oscal::files(&dossier).unwrap()
}

#[test]
fn every_document_holds_to_its_schema() {
    let schemas = SCHEMAS.map(|(path, name)| (path, schema(name)));
    let frameworks = claviger_compliance::FRAMEWORKS.iter().map(|id| Some(*id));
    for framework in frameworks.chain([None]) {
        let files = documents(framework);
        assert_eq!(files.len(), schemas.len());
        for (file, (path, schema)) in files.iter().zip(&schemas) {
            assert_eq!(file.path, *path);
            let mut document: Value = serde_json::from_slice(&file.bytes).unwrap();
            let wrong: Vec<_> = schema.iter_errors(&document).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{path} for {framework:?}: {wrong:#?}");
            // A schema that lets everything pass is none.
            let model = document.as_object_mut().unwrap().values_mut().next().unwrap();
            model["metadata"]["oscal-version"] = Value::Null;
            assert!(!schema.is_valid(&document), "{path}");
        }
    }
}
