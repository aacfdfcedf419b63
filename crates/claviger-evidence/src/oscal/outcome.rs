//! What a result is in OSCAL: an observation always, a finding where something is in scope, a risk where it is not satisfied.

use std::collections::BTreeSet;

use claviger_compliance::Verdict;
use claviger_compliance::control::Control;
use claviger_compliance::evaluation::ControlResult;
use serde_json::{Value, json};

use super::assessment_plan::origins;
use super::{Basis, LOG, RESULTS, control_id, line, method, objective_id, property};

/// What was seen.
pub(super) fn observation(basis: &Basis<'_>, result: &ControlResult, control: &Control) -> Value {
    let mut properties = properties(result, control);
    properties.extend([
        property("population", result.population.subjects),
        property("population-digest", &result.population.digest),
        property("violators", result.violators),
        property("undecided", result.undecided),
    ]);
    let figures = result.figures.iter().map(|(name, value)| property("figure", format!("{name}: {value}")));
    properties.extend(figures);
    json!({
        "uuid": basis.uuid(&observation_key(result)),
        "title": title(result, control),
        "description": result.because,
        "props": properties,
        "methods": [method(control.grade)],
        "types": ["control-objective"],
        "origins": origins(basis),
        "relevant-evidence": evidence(basis, result),
        "collected": basis.as_of(),
        "remarks": remarks(result, control),
    })
}

/// What it comes to; none where nothing is in scope.
pub(super) fn finding(basis: &Basis<'_>, result: &ControlResult, control: &Control) -> Option<Value> {
    let (state, reason) = status(result.result)?;
    Some(json!({
        "uuid": basis.uuid(&finding_key(result)),
        "title": title(result, control),
        "description": result.because,
        "props": properties(result, control),
        "origins": origins(basis),
        "target": {
            "type": "objective-id",
            "target-id": objective_id(result.control, result.mode),
            "status": { "state": state, "reason": reason, "remarks": lacking(result) },
        },
        "related-observations": related_observations(basis, result),
        "related-risks": (result.result == Verdict::Fail).then(|| related_risks(basis, result)),
    }))
}

/// What is at stake, and who mends it. It is open where something violated the control, and otherwise still to be looked into.
pub(super) fn risk(basis: &Basis<'_>, result: &ControlResult, control: &Control) -> Value {
    let status = if result.result == Verdict::Fail { "open" } else { "investigating" };
    json!({
        "uuid": basis.uuid(&risk_key(result)),
        "title": title(result, control),
        "description": result.because,
        "statement": control.why,
        "props": properties(result, control),
        "status": status,
        "origins": origins(basis),
        "remediations": remediations(basis, result, control),
        "related-observations": related_observations(basis, result),
    })
}

pub(super) fn title(result: &ControlResult, control: &Control) -> String {
    line(&format!("{}, {}: {}", result.control, result.mode, control.title))
}

pub(super) fn properties(result: &ControlResult, control: &Control) -> Vec<Value> {
    vec![
        property("result", result.result),
        property("mode", result.mode),
        property("severity", result.severity),
        property("grade", control.grade),
    ]
}

pub(super) fn related_findings(basis: &Basis<'_>, result: &ControlResult) -> Value {
    json!([{ "finding-uuid": basis.uuid(&finding_key(result)) }])
}

pub(super) fn related_observations(basis: &Basis<'_>, result: &ControlResult) -> Value {
    json!([{ "observation-uuid": basis.uuid(&observation_key(result)) }])
}

pub(super) fn related_risks(basis: &Basis<'_>, result: &ControlResult) -> Value {
    json!([{ "risk-uuid": basis.uuid(&risk_key(result)) }])
}

/// What a result is called in keys: its control and mode.
pub(super) fn key(result: &ControlResult) -> String {
    format!("{}/{}", control_id(result.control), result.mode)
}

fn observation_key(result: &ControlResult) -> String {
    format!("observation/{}", key(result))
}

fn finding_key(result: &ControlResult) -> String {
    format!("finding/{}", key(result))
}

fn risk_key(result: &ControlResult) -> String {
    format!("risk/{}", key(result))
}

/// State and reason of what a result comes to.
const fn status(verdict: Verdict) -> Option<(&'static str, &'static str)> {
    match verdict {
        Verdict::Pass => Some(("satisfied", "pass")),
        Verdict::Fail => Some(("not-satisfied", "fail")),
        Verdict::NeedsAttestation => Some(("not-satisfied", "needs-attestation")),
        Verdict::Indeterminate => Some(("not-satisfied", "indeterminate")),
        Verdict::NotApplicable => None,
    }
}

/// What keeps it from being satisfied. Of many the first are named; all are counted.
fn lacking(result: &ControlResult) -> Option<String> {
    let (heading, lines): (String, Vec<String>) = match result.result {
        Verdict::Pass | Verdict::NotApplicable => return None,
        Verdict::Fail => {
            let violations = result.violations.iter();
            let lines = violations.map(|one| format!("{}: {}", one.subject, one.because));
            (format!("Violated by, {} in all", result.violators), lines.collect())
        }
        Verdict::Indeterminate if result.undecided_subjects.is_empty() => {
            ("Missing facts".to_owned(), vec![result.because.clone()])
        }
        Verdict::Indeterminate => {
            let undecided = result.undecided_subjects.iter();
            let lines = undecided.map(|one| format!("{}: {}", one.subject, one.because));
            (format!("Missing facts, of {} in all", result.undecided), lines.collect())
        }
        Verdict::NeedsAttestation => {
            ("Missing statements".to_owned(), result.missing_attestations.iter().cloned().collect())
        }
    };
    Some(format!("{heading}:\n\n* {}", lines.join("\n* ")))
}

/// What a reader should know beside it; where nothing is in scope, what would be.
fn remarks(result: &ControlResult, control: &Control) -> Option<String> {
    let scope = format!("Nothing is in scope. What is: {}", control.check);
    let scope = (result.result == Verdict::NotApplicable).then_some(scope);
    let texts: Vec<_> = result.notes.iter().cloned().chain(scope).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn evidence(basis: &Basis<'_>, result: &ControlResult) -> Value {
    let entries: BTreeSet<_> = result.violations.iter().filter_map(|violation| violation.entry).collect();
    let entries: Vec<_> = entries.into_iter().map(|entry| property("entry", entry)).collect();
    json!([
        {
            "href": basis.fragment(RESULTS),
            "description": format!("The result of {} for the mode `{}`, with its subjects.", result.control, result.mode),
        },
        {
            "href": basis.fragment(LOG),
            "description": "The log by which it was decided. Entries that begin a violation are named.",
            "props": entries,
        },
    ])
}

fn remediations(basis: &Basis<'_>, result: &ControlResult, control: &Control) -> Vec<Value> {
    let tasks = result.tasks.iter().map(|task| (format!("By: {}", task.who), task.what.as_str()));
    let statements = result.missing_attestations.iter();
    let statements = statements.map(|name| (format!("Statement {name}"), control.attestation.as_str()));
    let remediation = |(number, (title, description)): (usize, (String, &str))| {
        json!({
            "uuid": basis.uuid(&format!("remediation/{}/{number}", key(result))),
            "lifecycle": "recommendation",
            "title": line(&title),
            "description": description,
        })
    };
    tasks.chain(statements).enumerate().map(remediation).collect()
}
