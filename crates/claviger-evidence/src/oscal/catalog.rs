//! The catalogue: all controls, whatever was asked.

use std::collections::BTreeSet;

use claviger_compliance::control::{Area, Control, Grade, Mode, Parameter};
use serde_json::{Value, json};

use super::{Basis, control_id, line, objective_id, parameter_id, property};

/// The namespace in which NIST's catalogues name methods of assessment.
const NIST: &str = "http://csrc.nist.gov/ns/rmf";

pub(super) fn document(basis: &Basis<'_>) -> Value {
    let catalogue = basis.catalogue;
    let known = format!(
        "What was known of regulations on {}. [V:CODE] marks what was read in a source, [K] what is from knowledge and must be held \
         against the official text.",
        catalogue.facts_as_of
    );
    let names: BTreeSet<_> = catalogue.controls().flat_map(|control| &control.parameters).collect();
    let parameters = names.into_iter().filter_map(|name| catalogue.find_parameter(name));
    json!({
        "catalog": {
            "uuid": basis.uuid("catalog"),
            "metadata": basis.metadata("Controls of cryptographic keys", &catalogue.version, Some(known)),
            "params": parameters.map(parameter).collect::<Vec<_>>(),
            "groups": Area::ALL.map(|area| group(basis, area)),
        },
    })
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "id": parameter_id(parameter),
        "label": line(&parameter.name),
        "values": [line(&parameter.default)],
        "remarks": format!("Basis: {}", parameter.basis),
    })
}

fn group(basis: &Basis<'_>, area: Area) -> Value {
    let controls = basis.catalogue.controls().filter(|control| control.id.area() == area);
    json!({
        "id": area.name().to_ascii_lowercase(),
        "class": "family",
        "title": title(area),
        "controls": controls.map(|one| control(basis, one)).collect::<Vec<_>>(),
    })
}

const fn title(area: Area) -> &'static str {
    match area {
        Area::Generation => "Generation of keys",
        Area::Distribution => "Distribution of keys",
        Area::Storage => "Storage of keys",
        Area::Use => "Use of keys",
        Area::Rotation => "Rotation and cryptoperiods",
        Area::Revocation => "Revocation and compromise",
        Area::Destruction => "Retirement and destruction",
        Area::Audit => "The audit log",
        Area::Governance => "Governance",
    }
}

fn control(basis: &Basis<'_>, control: &Control) -> Value {
    let id = control_id(control.id);
    let mut properties = vec![
        json!({ "name": "label", "value": control.id.to_string() }),
        property("severity", control.severity),
        property("grade", control.grade),
    ];
    properties.extend(control.modes.iter().map(|mode| property("mode", mode)));
    properties.extend(control.parameters.iter().map(|name| property("parameter", name)));
    properties.extend(control.attestations.iter().map(|name| property("attestation", name)));
    if basis.catalogue.core.contains(&control.id) {
        properties.push(property("core", "yes"));
    }
    let objectives: Vec<_> = control.modes.iter().map(|mode| objective(control, *mode)).collect();
    let mut parts = vec![
        json!({ "id": format!("{id}_smt"), "name": "statement", "prose": control.statement }),
        json!({ "id": format!("{id}_gdn"), "name": "guidance", "prose": control.why }),
        json!({ "id": format!("{id}_obj"), "name": "assessment-objective", "prose": control.check, "parts": objectives }),
    ];
    parts.extend(methods(control).into_iter().map(|(method, objects)| {
        json!({
            "id": format!("{id}_asm-{}", method.to_ascii_lowercase()),
            "name": "assessment-method",
            "props": [{ "name": "method", "ns": NIST, "value": method }],
            "parts": [{ "name": "assessment-objects", "prose": objects }],
        })
    }));
    json!({ "id": id, "title": line(&control.title), "props": properties, "parts": parts })
}

fn objective(control: &Control, mode: Mode) -> Value {
    let prose = match mode {
        Mode::State => "It holds at the instant of the evaluation.",
        Mode::Period => "It holds at every instant of the period.",
    };
    json!({
        "id": objective_id(control.id, mode),
        "name": "assessment-objective",
        "props": [property("mode", mode)],
        "prose": prose,
    })
}

/// How a control is assessed, and what is looked at. Interviews are the assessor's to hold.
fn methods(control: &Control) -> Vec<(&'static str, &str)> {
    let mut methods = Vec::new();
    if control.grade != Grade::Attested {
        methods.push(("TEST", control.reads.as_str()));
    }
    methods.push(("EXAMINE", control.evidence.as_str()));
    if !control.attestations.is_empty() {
        methods.push(("INTERVIEW", control.attestation.as_str()));
    }
    methods
}
