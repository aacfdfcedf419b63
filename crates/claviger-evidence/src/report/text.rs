//! The report in short, as text: what was evaluated, how many results there are of each kind, what is to be done, and what is not shown.

use std::fmt::Write as _;

use claviger_compliance::Verdict;

use super::parts::{self, Results};
use super::words::{self, Piece};
use crate::dossier::Dossier;
use crate::pack::{self, PackFile, instant};

/// Most findings of the log that are listed.
const MOST_FINDINGS: usize = 50;

/// `report/report.md`.
pub(super) fn file(dossier: &Dossier<'_>, results: &Results<'_>) -> PackFile {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut text, dossier, results);
    PackFile::new("report/report.md", text)
}

fn write(text: &mut String, dossier: &Dossier<'_>, results: &Results<'_>) -> std::fmt::Result {
    let evaluation = &dossier.evaluation;
    let framework = dossier.asked.framework;
    writeln!(text, "# Key management: what the log shows\n")?;
    writeln!(text, "- deployment: {}", line(&evaluation.log.origin))?;
    writeln!(text, "- period: {} to {}", instant(evaluation.period.from), instant(evaluation.period.to))?;
    writeln!(text, "- state as of: {}", instant(evaluation.as_of))?;
    let told = super::told(evaluation);
    if !told.is_empty() {
        writeln!(text, "- what the log tells: {told}")?;
    }
    let caution = super::caution(dossier);
    if !caution.is_empty() {
        writeln!(text, "- to know first: {caution}")?;
    }
    match framework {
        Some(framework) => writeln!(text, "- controls: those of {} {}", framework.title, framework.version)?,
        None => writeln!(text, "- controls: all of the catalogue")?,
    }
    writeln!(text, "- catalogue: {}", line(&evaluation.catalogue))?;
    writeln!(text, "- pack: {}", pack::id(dossier))?;
    writeln!(text, "- log: {} cuts, {} entries", evaluation.log.size, evaluation.log.entries)?;
    writeln!(text, "- root of the log: {}\n", line(&evaluation.log.root))?;
    writeln!(text, "{}\n", super::NO_JUDGEMENT)?;
    findings(text, dossier)?;
    counts(text, dossier, results)?;
    open(text, dossier, results)?;
    limits(text, dossier)
}

fn findings(text: &mut String, dossier: &Dossier<'_>) -> std::fmt::Result {
    let findings = &dossier.evaluation.findings;
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(text, "## The log has findings\n")?;
    for finding in findings.iter().take(MOST_FINDINGS) {
        writeln!(text, "- {}", line(finding))?;
    }
    let more = findings.len().saturating_sub(MOST_FINDINGS);
    if more > 0 {
        writeln!(text, "- and {more} more, in results/results.json")?;
    }
    writeln!(text)
}

fn counts(text: &mut String, dossier: &Dossier<'_>, results: &Results<'_>) -> std::fmt::Result {
    writeln!(text, "## Results\n")?;
    let controls = words::plural(words::count(results.len()), "control", "controls");
    let all = words::plural(words::count(dossier.evaluation.results.len()), "result", "results");
    writeln!(text, "{controls} evaluated, {all}.\n")?;
    writeln!(text, "| severity | {} |", Verdict::ALL.map(Verdict::name).join(" | "))?;
    writeln!(text, "|---{}|", "|---".repeat(Verdict::ALL.len()))?;
    for row in parts::counts(&dossier.evaluation) {
        let cells = row.cells.iter().map(|cell| cell.value.to_string()).collect::<Vec<_>>().join(" | ");
        writeln!(text, "| {} | {cells} |", row.severity)?;
    }
    writeln!(text)
}

fn open(text: &mut String, dossier: &Dossier<'_>, results: &Results<'_>) -> std::fmt::Result {
    writeln!(text, "## Not satisfied, and who does what\n")?;
    let plan = parts::plan(dossier, results);
    if plan.is_empty() {
        return writeln!(text, "None.\n");
    }
    for row in plan {
        let control = &row.control;
        let of_control = results.iter().find(|(id, _)| id.to_string() == control.id);
        let verdicts: Vec<String> = of_control
            .into_iter()
            .flat_map(|(_, all)| all.iter().filter(|result| !result.result.is_satisfied()))
            .map(|result| format!("{} {}", result.mode, result.result))
            .collect();
        let title = line(&control.title);
        writeln!(text, "- {} {title} ({}): {}", control.id, control.severity, verdicts.join(", "))?;
        writeln!(text, "  - because: {}", line(&control.because))?;
        for task in &row.tasks {
            writeln!(text, "  - {}: {}", line(&task.who), line(&plain(&task.what)))?;
        }
        if !row.missing.is_empty() {
            writeln!(text, "  - missing statements: {}", line(&row.missing))?;
        }
    }
    writeln!(text)
}

fn limits(text: &mut String, dossier: &Dossier<'_>) -> std::fmt::Result {
    writeln!(text, "## What is not shown\n")?;
    for limit in pack::LIMITS {
        writeln!(text, "- {limit}")?;
    }
    for open in parts::of_kind(&dossier.evaluation, Verdict::Indeterminate) {
        writeln!(text, "- {}, {}: {}", open.control, open.mode, line(&open.because))?;
    }
    Ok(())
}

fn plain(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

/// A text on one line, in which nothing is taken for markup.
fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => line.push_str("&amp;"),
            '<' => line.push_str("&lt;"),
            '>' => line.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => {
                line.push('\\');
                line.push(one);
            }
            one if one.is_control() => line.push(' '),
            one => line.push(one),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_taken_for_markup() {
        assert_eq!(line("a<b>\n# [x](y) `z`"), "a&lt;b&gt; \\# \\[x\\](y) \\`z\\`");
    }
}
