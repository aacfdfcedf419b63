//! The parts of the product, and which controls each of them answers.

use claviger_compliance::control::{Area, Control, Grade};
use serde_json::{Value, json};

use super::{Basis, control_id, property};

/// A part of the product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Component {
    key: &'static str,
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    areas: &'static [Area],
}

/// The parts that are looked at.
pub(super) const ASSESSED: [Component; 3] = [
    Component {
        key: "component/key-service",
        kind: "service",
        title: "Key service",
        description: "Makes, keeps, uses, rotates, revokes and destroys keys. Each act is decided by the policy and recorded before it counts.",
        areas: &[
            Area::Generation,
            Area::Distribution,
            Area::Use,
            Area::Rotation,
            Area::Revocation,
            Area::Destruction,
        ],
    },
    Component {
        key: "component/store",
        kind: "software",
        title: "Store",
        description: "Holds wrapped keys and all other rows. Nothing in it is in clear that opens something else.",
        areas: &[Area::Storage],
    },
    Component {
        key: "component/log",
        kind: "software",
        title: "Log",
        description: "Holds one entry for each act, with the facts of what changed, in Merkle trees (RFC 6962) under signed heads.",
        areas: &[Area::Audit],
    },
];

/// The part that looks.
pub(super) const EVALUATOR: Component = Component {
    key: "component/evaluator",
    kind: "software",
    title: "Evaluator",
    description: "Decides controls by the log alone: no clock, no chance, nothing of the machine that it runs on. Whoever has the same log comes to \
                  the same bytes.",
    areas: &[Area::Governance],
};

impl Component {
    pub(super) fn uuid(&self, basis: &Basis<'_>) -> String {
        basis.uuid(self.key)
    }

    /// The same as a part of the system that was assessed.
    pub(super) fn in_system(&self, basis: &Basis<'_>) -> Value {
        json!({
            "uuid": self.uuid(basis),
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "props": [version()],
            "status": { "state": "operational" },
        })
    }

    fn defined(&self, basis: &Basis<'_>) -> Value {
        json!({
            "uuid": self.uuid(basis),
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "props": [version()],
            "control-implementations": [self.implementation(basis)],
        })
    }

    fn implementation(&self, basis: &Basis<'_>) -> Value {
        let controls = basis.catalogue.controls().filter(|control| self.areas.contains(&control.id.area()));
        json!({
            "uuid": basis.uuid(&format!("{}/implementation", self.key)),
            "source": "catalog.json",
            "description": "By which facts each control is decided, and what is left to whoever runs the service.",
            "implemented-requirements": controls.map(|control| self.requirement(basis, control)).collect::<Vec<_>>(),
        })
    }

    fn requirement(&self, basis: &Basis<'_>, control: &Control) -> Value {
        let id = control_id(control.id);
        let description = match &control.waits_for {
            None => format!("It is decided by these facts of the log: {}", control.reads),
            Some(missing) => format!("This release does not keep what decides it: {missing}."),
        };
        json!({
            "uuid": basis.uuid(&format!("{}/{id}", self.key)),
            "control-id": id,
            "description": description,
            "props": [property("grade", control.grade), property("decided", decided(control))],
            "remarks": left_to_the_user(control),
        })
    }
}

pub(super) fn document(basis: &Basis<'_>) -> Value {
    let components = ASSESSED.iter().chain([&EVALUATOR]).map(|component| component.defined(basis));
    let title = "Claviger: which part answers which control";
    json!({
        "component-definition": {
            "uuid": basis.uuid("component-definition"),
            "metadata": basis.metadata(title, env!("CARGO_PKG_VERSION"), None),
            "components": components.collect::<Vec<_>>(),
        },
    })
}

fn version() -> Value {
    json!({ "name": "version", "value": env!("CARGO_PKG_VERSION") })
}

/// By whom a control is decided.
fn decided(control: &Control) -> &'static str {
    match (&control.waits_for, control.grade) {
        (Some(_), _) => "not-in-this-release",
        (None, Grade::Full) => "by-machine",
        (None, Grade::Mixed) => "by-machine-and-statements",
        (None, Grade::Attested) => "by-statements",
    }
}

fn left_to_the_user(control: &Control) -> String {
    let statements = format!("Statements of people: {}", control.attestation);
    let tasks: Vec<_> = control.mend.iter().map(|task| format!("* {}: {}", task.who, task.what)).collect();
    if tasks.is_empty() {
        return statements;
    }
    format!("{statements}\n\nLeft to the user:\n\n{}", tasks.join("\n"))
}
