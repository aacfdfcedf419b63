//! The plan: which controls are decided, by which method, of which period.

use claviger_compliance::control::{Control, Mode};
use serde_json::{Value, json};

use super::component_definition::{ASSESSED, Component, EVALUATOR};
use super::{Basis, NO_SECURITY_PLAN, control_id, line, method, objective_id, property, reviewed};
use crate::pack::instant;

pub(super) fn document(basis: &Basis<'_>) -> Value {
    let title = format!("Plan of the evaluation: {}", basis.framework_title());
    let controls = controls(basis);
    let activities: Vec<_> = controls.iter().map(|control| activity(basis, control)).collect();
    json!({
        "assessment-plan": {
            "uuid": basis.uuid("assessment-plan"),
            "metadata": basis.metadata(&title, &basis.pack, None),
            "import-ssp": { "href": basis.fragment(NO_SECURITY_PLAN) },
            "local-definitions": {
                "components": ASSESSED.map(|component| component.in_system(basis)),
                "activities": activities,
            },
            "reviewed-controls": reviewed(basis, |_| false),
            "assessment-subjects": [subjects(basis)],
            "assessment-assets": assets(basis),
            "tasks": [task(basis, &controls)],
            "back-matter": { "resources": [basis.no_security_plan()] },
        },
    })
}

/// The actor of all observations and findings: a machine.
pub(super) fn origins(basis: &Basis<'_>) -> Value {
    json!([{ "actors": [{ "type": "assessment-platform", "actor-uuid": basis.uuid("platform") }] }])
}

/// What evaluates.
pub(super) fn assets(basis: &Basis<'_>) -> Value {
    json!({
        "components": [EVALUATOR.in_system(basis)],
        "assessment-platforms": [{
            "uuid": basis.uuid("platform"),
            "title": "claviger compliance report",
            "props": [property("catalogue-version", &basis.catalogue.version)],
            "uses-components": [{ "component-uuid": EVALUATOR.uuid(basis) }],
        }],
    })
}

/// The controls that are evaluated.
fn controls<'d>(basis: &Basis<'d>) -> Vec<&'d Control> {
    let mut controls: Vec<_> = basis.results().map(|(_, control)| control).collect();
    controls.dedup_by_key(|control| control.id);
    controls
}

fn activity(basis: &Basis<'_>, control: &Control) -> Value {
    let id = control_id(control.id);
    let objective = |mode: &Mode| json!({ "objective-id": objective_id(control.id, *mode) });
    let objectives: Vec<_> = control.modes.iter().map(objective).collect();
    json!({
        "uuid": basis.uuid(&format!("activity/{id}")),
        "title": line(&format!("{}: {}", control.id, control.title)),
        "description": control.check,
        "props": [{ "name": "method", "value": method(control.grade) }, property("grade", control.grade)],
        "related-controls": {
            "control-selections": [{ "include-controls": [{ "control-id": id }] }],
            "control-objective-selections": [{ "include-objectives": objectives }],
        },
    })
}

fn subjects(basis: &Basis<'_>) -> Value {
    let subject = |one: Component| json!({ "subject-uuid": one.uuid(basis), "type": "component" });
    json!({ "type": "component", "include-subjects": ASSESSED.map(subject) })
}

fn task(basis: &Basis<'_>, controls: &[&Control]) -> Value {
    let activity = |control: &&Control| {
        json!({
            "activity-uuid": basis.uuid(&format!("activity/{}", control_id(control.id))),
            "subjects": [subjects(basis)],
        })
    };
    let period = basis.evaluation.period;
    json!({
        "uuid": basis.uuid("task"),
        "type": "action",
        "title": "Decide the controls by the log",
        "timing": { "within-date-range": { "start": instant(period.from), "end": instant(period.to) } },
        "associated-activities": controls.iter().map(activity).collect::<Vec<_>>(),
    })
}
