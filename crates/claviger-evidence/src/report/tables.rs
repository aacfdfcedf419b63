//! The tables beside the page: results, violations and clauses, a line each.

use claviger_compliance::Clause;

use super::parts::{Results, frameworks};
use crate::csv::Table;
use crate::dossier::Dossier;
use crate::pack::{PackFile, instant};

/// `report/results.csv`: a line for each control and mode.
pub(super) fn results(dossier: &Dossier<'_>) -> PackFile {
    let mut table = Table::new(&[
        "control",
        "title",
        "severity",
        "grade",
        "mode",
        "result",
        "subjects",
        "violators",
        "undecided",
        "because",
    ]);
    for result in &dossier.evaluation.results {
        let control = dossier.asked.catalogue.find_control(result.control);
        table.row(&[
            &result.control.to_string(),
            control.map_or("", |control| control.title.as_str()),
            result.severity.name(),
            control.map_or("", |control| control.grade.name()),
            result.mode.name(),
            result.result.name(),
            &result.population.subjects.to_string(),
            &result.violators.to_string(),
            &result.undecided.to_string(),
            &result.because,
        ]);
    }
    table.file("report/results.csv")
}

/// `report/violations.csv`: a line for each violator that a result names.
pub(super) fn violations(dossier: &Dossier<'_>) -> PackFile {
    let mut table = Table::new(&[
        "control",
        "mode",
        "severity",
        "subject",
        "from",
        "to",
        "remediated",
        "times",
        "entry",
        "because",
    ]);
    for result in &dossier.evaluation.results {
        for violation in &result.violations {
            table.row(&[
                &result.control.to_string(),
                result.mode.name(),
                result.severity.name(),
                &violation.subject,
                &instant(violation.from),
                &violation.to.map(instant).unwrap_or_default(),
                if violation.remediated { "yes" } else { "no" },
                &violation.times.to_string(),
                &violation.entry.map(|entry| entry.to_string()).unwrap_or_default(),
                &violation.because,
            ]);
        }
    }
    table.file("report/violations.csv")
}

/// `report/clauses.csv`: a line for each clause of the frameworks that are shown.
pub(super) fn clauses(dossier: &Dossier<'_>, results: &Results<'_>) -> PackFile {
    let mut table =
        Table::new(&["framework", "clause", "paraphrase", "controls", "coverage", "mark", "results"]);
    for framework in frameworks(dossier) {
        for clause in &framework.clauses {
            let controls = clause.controls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            table.row(&[
                &framework.id,
                &clause.id,
                &clause.paraphrase,
                &controls,
                clause.coverage.name(),
                &clause.mark.to_string(),
                &results_of(clause, results),
            ]);
        }
    }
    table.file("report/clauses.csv")
}

/// As in `GEN-01 state PASS; GEN-01 period FAIL`.
fn results_of(clause: &Clause, results: &Results<'_>) -> String {
    let results = clause.controls.iter().filter_map(|id| results.get(id)).flatten();
    let said = results.map(|result| format!("{} {} {}", result.control, result.mode, result.result));
    said.collect::<Vec<_>>().join("; ")
}
