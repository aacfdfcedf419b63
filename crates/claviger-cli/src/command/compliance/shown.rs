//! An evaluation as text for people. There is no headline figure: results are counted by kind and severity, and never added up.

use std::iter::once;

use claviger_client::types::Instant;
use claviger_compliance::evaluation::{ControlResult, Violation};
use claviger_compliance::{Evaluation, Verdict};

use super::explain::mended;
use super::lines;
use crate::output::{Table, record};

/// All results, a line each, and how many there are of each kind.
pub(super) fn overview(evaluation: &Evaluation) -> String {
    let mut table = Table::new("results", &["control", "severity", "mode", "result", "because"]);
    for result in &evaluation.results {
        table.row([
            result.control.to_string(),
            result.severity.to_string(),
            result.mode.to_string(),
            result.result.to_string(),
            result.because.clone(),
        ]);
    }
    let parts = [table.text(), counts(evaluation), of_what(evaluation)];
    parts.map(|part| part.trim_end().to_owned()).join("\n\n")
}

/// Each result with all that it names.
pub(super) fn details(evaluation: &Evaluation) -> String {
    let results = evaluation.results.iter().map(detail);
    let parts = results.chain(once(of_what(evaluation))).map(|part| part.trim_end().to_owned());
    parts.collect::<Vec<_>>().join("\n\n")
}

/// How many results there are of each kind, by severity.
pub(super) fn counts(evaluation: &Evaluation) -> String {
    let heads: Vec<_> = once("results of severity").chain(Verdict::ALL.map(Verdict::name)).collect();
    let mut table = Table::new("results", &heads);
    for (severity, counts) in evaluation.counts() {
        let of = |verdict: &Verdict| counts.get(verdict).copied().unwrap_or_default().to_string();
        table.row(once(severity.to_string()).chain(Verdict::ALL.iter().map(of)));
    }
    table.text()
}

/// Which log, and which time of it.
pub(super) fn of_what(evaluation: &Evaluation) -> String {
    let Evaluation { log, period, .. } = evaluation;
    let known_from = evaluation.known_from.filter(|from| *from > period.from);
    let findings = match evaluation.findings.as_slice() {
        [] => "none".to_owned(),
        findings => lines(findings.iter().cloned()),
    };
    record(&[
        ("log", format!("{}, {} cuts, {} entries", log.origin, log.size, log.entries)),
        ("root", log.root.clone()),
        ("state of", Instant(evaluation.as_of).to_string()),
        ("period", format!("{} to {}", Instant(period.from), Instant(period.to))),
        ("the log tells from", known_from.map(|from| Instant(from).to_string()).unwrap_or_default()),
        ("findings", findings),
        ("controls", evaluation.framework.clone().unwrap_or_else(|| "all".to_owned())),
        ("catalogue", evaluation.catalogue.clone()),
    ])
}

fn detail(result: &ControlResult) -> String {
    let ControlResult { population, violations, undecided_subjects, figures, .. } = result;
    let named = |all: u64, named: usize| {
        let left = all.saturating_sub(u64::try_from(named).unwrap_or(u64::MAX));
        (left > 0).then(|| format!("and {left} more"))
    };
    let violated = violations.iter().map(violation).chain(named(result.violators, violations.len()));
    let undecided = undecided_subjects.iter().map(|one| format!("{}: {}", one.subject, one.because));
    let undecided = undecided.chain(named(result.undecided, undecided_subjects.len()));
    record(&[
        ("control", format!("{}, {}", result.control, result.mode)),
        ("severity", result.severity.to_string()),
        ("result", result.result.to_string()),
        ("because", result.because.clone()),
        ("subjects", population.subjects.to_string()),
        ("violated by", lines(violated)),
        ("not known of", lines(undecided)),
        ("counted", lines(figures.iter().map(|(name, value)| format!("{name}: {value}")))),
        ("notes", lines(result.notes.iter().cloned())),
        ("statements missing", lines(result.missing_attestations.iter().cloned())),
        ("mended by", lines(result.tasks.iter().map(mended))),
    ])
}

fn violation(violation: &Violation) -> String {
    let Violation { subject, from, to, times, because, entry, .. } = violation;
    let until = to.map(|to| format!(" to {}", Instant(to))).unwrap_or_default();
    let begun = entry.map(|entry| format!(", entry {entry}")).unwrap_or_default();
    let often = if *times > 1 { format!(", {times} times") } else { String::new() };
    format!("{subject}: {because} (from {}{until}{begun}{often})", Instant(*from))
}

#[cfg(test)]
mod tests {
    use claviger_compliance::control::{Mode, Severity};
    use claviger_compliance::evaluation::{LogHead, Period, Population};
    use claviger_core::Timestamp;

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn evaluation() -> Evaluation {
        let violation = Violation {
            subject: "key 1".to_owned(),
            from: at(7),
            to: Some(at(9)),
            times: 2,
            remediated: true,
            because: "it was used too long".to_owned(),
            entry: Some(12),
        };
        let result = ControlResult {
            control: "ROT-01".parse().unwrap(),
            mode: Mode::Period,
            severity: Severity::High,
            result: Verdict::Fail,
            because: "1 of 3: key 1: it was used too long".to_owned(),
            population: Population { subjects: 3, digest: String::new() },
            violators: 5,
            violations: vec![violation],
            undecided: 0,
            undecided_subjects: Vec::new(),
            figures: [("versions".to_owned(), 4)].into(),
            notes: Default::default(),
            missing_attestations: Default::default(),
            tasks: Vec::new(),
        };
        Evaluation {
            catalogue: "2026.11".to_owned(),
            framework: None,
            log: LogHead { origin: "d/audit/root".to_owned(), size: 4, root: "00".to_owned(), entries: 90 },
            as_of: at(20),
            period: Period { from: at(1), to: at(20) },
            known_from: Some(at(3)),
            findings: Vec::new(),
            results: vec![result],
        }
    }

    #[test]
    fn overview_counts_by_severity_and_adds_nothing_up() {
        let text = overview(&evaluation());
        for words in ["ROT-01", "FAIL", "high", "d/audit/root, 4 cuts, 90 entries", "1970-01-01T00:00:03"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let counted = text.lines().find(|line| line.starts_with("high")).unwrap();
        assert_eq!(counted.split_whitespace().collect::<Vec<_>>(), ["high", "1", "0", "0", "0", "0"]);
        assert!(!text.contains('%') && !text.to_lowercase().contains("compliant"), "{text}");
    }

    #[test]
    fn details_name_violators_and_say_how_many_are_not_named() {
        let text = details(&evaluation());
        let violated = "key 1: it was used too long (from 1970-01-01T00:00:07";
        for words in [violated, "entry 12, 2 times)", "and 4 more", "versions: 4"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("not known of"), "{text}");
    }
}
