//! The results: what was observed of each control and mode, and what it comes to.

use claviger_compliance::Verdict;
use serde_json::{Value, json};

use super::{Basis, outcome, property, reviewed};
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
        "reviewed-controls": reviewed(basis, |result| result.result == Verdict::NotApplicable),
        "observations": observations,
        "risks": risks,
        "findings": findings,
        "remarks": (!evaluation.findings.is_empty()).then_some(broken),
    })
}
