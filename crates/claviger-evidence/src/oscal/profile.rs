//! The profile: the controls that the framework asks for, with the clauses that ask for each.

use std::collections::BTreeSet;

use claviger_compliance::control::{ControlId, Parameter};
use claviger_compliance::framework::{Clause, Framework};
use serde_json::{Value, json};

use super::{Basis, NAMESPACE, control_id, line, parameter_id};

pub(super) fn document(basis: &Basis<'_>) -> Value {
    let title = format!("Controls of cryptographic keys: {}", basis.framework_title());
    let standing = basis.framework.map(|framework| match &framework.pending {
        Some(pending) => format!("{}\n\n{pending}", framework.status),
        None => framework.status.clone(),
    });
    let controls: BTreeSet<_> = match basis.framework {
        Some(framework) => basis.catalogue.profile(framework),
        None => basis.catalogue.controls().map(|control| control.id).collect(),
    };
    let ids: Vec<_> = controls.iter().map(|id| control_id(*id)).collect();
    let alterations: Vec<_> = match basis.framework {
        Some(framework) => controls.iter().filter_map(|id| alteration(framework, *id)).collect(),
        None => Vec::new(),
    };
    json!({
        "profile": {
            "uuid": basis.uuid("profile"),
            "metadata": basis.metadata(&title, &basis.catalogue.version, standing),
            "imports": [{ "href": "catalog.json", "include-controls": [{ "with-ids": ids }] }],
            "merge": { "as-is": true },
            "modify": { "set-parameters": parameters(basis, &controls), "alters": alterations },
        },
    })
}

/// The parameters of those controls, as this release sets them.
fn parameters(basis: &Basis<'_>, controls: &BTreeSet<ControlId>) -> Vec<Value> {
    let controls = controls.iter().filter_map(|id| basis.catalogue.find_control(*id));
    let names: BTreeSet<_> = controls.flat_map(|control| &control.parameters).collect();
    let parameters = names.into_iter().filter_map(|name| basis.catalogue.find_parameter(name));
    let set = |parameter: &Parameter| json!({ "param-id": parameter_id(parameter), "values": [line(&parameter.default)] });
    parameters.map(set).collect()
}

/// The clauses that ask for a control; there is none for some of the core.
fn alteration(framework: &Framework, id: ControlId) -> Option<Value> {
    let clauses: Vec<_> = framework.asking(id).map(clause).collect();
    if clauses.is_empty() {
        return None;
    }
    Some(json!({ "control-id": control_id(id), "adds": [{ "props": clauses }] }))
}

fn clause(clause: &Clause) -> Value {
    json!({
        "name": "clause",
        "ns": NAMESPACE,
        "value": line(&clause.id),
        "class": clause.coverage.name(),
        "remarks": format!("{} [{}]", clause.paraphrase, clause.mark),
    })
}
