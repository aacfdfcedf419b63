//! The results: what was observed of each control and mode, and what it comes to.

use claviger_compliance::Verdict;
use serde_json::{Value, json};

use super::{Basis, NAMESPACE, line, outcome, property, reviewed};
use crate::inventory::DeclarationLine;
use crate::pack::instant;

pub(super) fn document(basis: &Basis<'_>) -> Value {
    let title = format!("Results of the evaluation: {}", basis.framework_title());
    json!({
        "assessment-results": {
            "uuid": basis.uuid("assessment-results"),
            "metadata": basis.metadata(&title, &basis.pack, None),
            "import-ap": { "href": "assessment-plan.json" },
            "results": [result(basis)],
            "back-matter": { "resources": [basis.results_resource(), basis.log_resource()] },
        },
    })
}

fn result(basis: &Basis<'_>) -> Value {
    let evaluation = basis.evaluation;
    let (mut observations, mut findings, mut risks) = (Vec::new(), Vec::new(), Vec::new());
    for (result, control) in basis.results() {
        observations.push(outcome::observation(basis, result, control));
        findings.extend(outcome::finding(basis, result, control));
        if result.result == Verdict::Fail {
            risks.push(outcome::risk(basis, result, control));
        }
    }
    let mut properties = basis.log_properties();
    properties.push(property("catalogue-version", &evaluation.catalogue));
    properties.extend(evaluation.known_from.map(|at| property("known-from", instant(at))));
    let broken = format!("What does not hold of the log:\n\n* {}", evaluation.findings.join("\n* "));
    json!({
        "uuid": basis.uuid("result"),
        "title": format!("Evaluation as of {}", basis.as_of()),
        "description": "What each control comes to by the log alone: `state` is of the end, `period` of every instant from start to end.",
        "start": instant(evaluation.period.from),
        "end": instant(evaluation.period.to),
        "props": properties,
        "attestations": attestations(basis),
        "reviewed-controls": reviewed(basis, |result| result.result == Verdict::NotApplicable),
        "observations": observations,
        "risks": risks,
        "findings": findings,
        "remarks": (!evaluation.findings.is_empty()).then_some(broken),
    })
}

/// The statements that people signed and have not withdrawn. Who signed is an identifier: no document has names.
fn attestations(basis: &Basis<'_>) -> Vec<Value> {
    let signed = basis.declarations.iter().filter(|one| one.kind == STATEMENT && one.withdrawn_at.is_none());
    signed.map(|one| json!({ "parts": [statement(basis, one)] })).collect()
}

/// The kind of declarations that are signed statements.
const STATEMENT: &str = "attestation";

fn statement(basis: &Basis<'_>, one: &DeclarationLine) -> Value {
    let known = basis.catalogue.find_statement(&one.subject);
    // Of a text that the catalogue does not have any more, the digest is left.
    let is_that = |digest: &str| one.says.contains(digest);
    let text = known.filter(|known| is_that(&claviger_audit::to_hex(&known.digest())));
    let spans = [("signed-at", &one.from), ("valid-until", &one.until)];
    let spans = spans.into_iter().filter_map(|(name, at)| Some(property(name, at.as_ref()?)));
    let properties: Vec<_> = [property("signer", &one.declared_by)].into_iter().chain(spans).collect();
    json!({
        "uuid": basis.uuid(&format!("statement/{}", one.id)),
        "name": "statement",
        "ns": NAMESPACE,
        "title": line(&one.subject),
        "props": properties,
        "prose": text.map_or_else(|| one.says.clone(), |known| format!("{}\n\n{}", known.text, one.says)),
    })
}
