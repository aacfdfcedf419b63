//! The plan of action: what is not satisfied, and who does what so that it is.

use claviger_compliance::control::Control;
use claviger_compliance::evaluation::ControlResult;
use serde_json::{Value, json};

use super::assessment_plan::{assets, origins};
use super::{Basis, NAMESPACE, NO_SECURITY_PLAN, line, outcome};

/// None where nothing is open: there is no such document without an item.
pub(super) fn document(basis: &Basis<'_>) -> Option<Value> {
    let open: Vec<_> = basis.results().filter(|(result, _)| !result.result.is_satisfied()).collect();
    if open.is_empty() {
        return None;
    }
    let (mut observations, mut findings) = (Vec::new(), Vec::new());
    let (mut risks, mut items) = (Vec::new(), Vec::new());
    for (result, control) in open {
        observations.push(outcome::observation(basis, result, control));
        findings.extend(outcome::finding(basis, result, control));
        risks.push(outcome::risk(basis, result, control));
        items.push(item(basis, result, control));
    }
    let title = format!("What is open: {}", basis.framework_title());
    Some(json!({
        "plan-of-action-and-milestones": {
            "uuid": basis.uuid("poam"),
            "metadata": basis.metadata(&title, &basis.pack, None),
            "import-ssp": { "href": basis.fragment(NO_SECURITY_PLAN) },
            "system-id": { "identifier-type": NAMESPACE, "id": line(&basis.evaluation.log.origin) },
            "local-definitions": { "assessment-assets": assets(basis) },
            "observations": observations,
            "risks": risks,
            "findings": findings,
            "poam-items": items,
            "back-matter": {
                "resources": [basis.results_resource(), basis.log_resource(), basis.no_security_plan()],
            },
        },
    }))
}

fn item(basis: &Basis<'_>, result: &ControlResult, control: &Control) -> Value {
    json!({
        "uuid": basis.uuid(&format!("item/{}", outcome::key(result))),
        "title": outcome::title(result, control),
        "description": result.because,
        "props": outcome::properties(result, control),
        "origins": origins(basis),
        "related-findings": outcome::related_findings(basis, result),
        "related-observations": outcome::related_observations(basis, result),
        "related-risks": outcome::related_risks(basis, result),
    })
}
