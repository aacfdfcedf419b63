//! `compliance evaluate`: what the controls come to, by the log alone.
//!
//! What it keeps true: results are a function of the export and of what the options ask. No clock of this machine is asked; spans count
//! back from the newest cut of the log, and no instant behind that is evaluated.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use claviger_audit::cut::Cut;
use claviger_audit::verify::{SeenEntry, Verified, Watcher};
use claviger_audit::{Hash, VerifierKey};
use claviger_compliance::control::Severity;
use claviger_compliance::evaluation::ControlResult;
use claviger_compliance::{Catalogue, ControlId, Evaluation, Framework, Period, Scan};
use indicatif::ProgressBar;

use super::asked::{Asked, STEP, WhenArgs};
use super::changed::{self, Changes};
use super::{control, find_framework, shown};
use crate::command::audit::export::export_with_rows;
use crate::command::audit::offline::{Export, ExportArgs, not_whole, verify_watched};
use crate::failure::Failure;
use crate::file::placed::{ForceArgs, Placed, Privacy};
use crate::input::when::{self, When};
use crate::input::word::one_of;
use crate::progress;
use crate::session::Session;

/// What to evaluate.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger compliance evaluate --framework pci-dss
  claviger compliance evaluate --offline --dir evidence --root-vkey root.vkey --from 90d --out evaluation.json
  claviger compliance evaluate --control ROT-01 --control STOR-01
  claviger compliance evaluate --changed-since 30d --fail-on high

Results: FAIL, something violated it; INDETERMINATE, a fact that decides is missing; NEEDS_ATTESTATION, the machine's part holds and a \
person's statement is missing; PASS; NOT_APPLICABLE, nothing is in scope. The first three are not satisfied. `state` is about one \
instant, `period` about every instant of the period.

Exit codes: 0 all that counts by `--fail-on` is satisfied, 1 some of it is not, 4 the log does not verify. All results are printed in each \
case; `-o json` names who violated what, and so does `--control`. Whoever has the same export and asks the same gets the same bytes.")]
pub struct EvaluateArgs {
    /// Only the controls that this framework asks for, and those on which every result rests
    #[arg(long, value_name = "FRAMEWORK", value_parser = PossibleValuesParser::new(claviger_compliance::FRAMEWORKS))]
    framework: Option<String>,
    #[command(flatten)]
    when: WhenArgs,
    /// End with exit code 1 if a control of this severity or a worse one is not satisfied
    #[arg(long, value_name = "SEVERITY", default_value = "critical", value_parser = one_of::<Severity>(Severity::ALL.map(Severity::name)))]
    fail_on: Severity,
    /// Show this control alone, in detail, and let it alone decide the exit code; may be given many times. `--out` still has all of them
    #[arg(long = "control", value_name = "CONTROL", value_parser = control())]
    controls: Vec<ControlId>,
    /// Show only the controls whose result was another one at this instant, by the same log, and let them alone decide the exit code: RFC 3339, or
    /// so long before the instant of the results (30d)
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    changed_since: Option<When>,
    /// File for all results in canonical JSON (RFC 8785): the same results are the same bytes
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    export: ExportArgs,
}

impl EvaluateArgs {
    pub(super) async fn run(self, catalogue: &Catalogue, session: &Session) -> Result<(), Failure> {
        self.force.check(&self.out)?;
        let framework = self.framework.as_deref().map(|id| find_framework(catalogue, id)).transpose()?;
        self.check_controls(catalogue, framework)?;
        let asked = Asked { catalogue, framework, when: self.when };
        let (evaluation, before) = match self.export.offline()? {
            Some((dir, key)) => self.evaluate(&asked, dir, &key)?,
            None => {
                let client = session.client()?;
                let key = self.export.key(&client.read_checkpoint().await?.value.root_vkey)?;
                let place = self.export.place()?;
                export_with_rows(&client, &key, place.path()).await?;
                self.evaluate(&asked, place.path(), &key)?
            }
        };
        if let Some(out) = &self.out {
            Placed::write(out, Privacy::Others, self.force.existing(), &canonical(&evaluation)?)?;
        }
        let mut shown = self.narrow(evaluation);
        match before {
            Some(before) => {
                let changes = Changes::between(&before, &shown);
                session.format.print(&changes, Changes::text)?;
                shown.results.retain(|result| changes.has(result));
            }
            None => session.format.print(&shown, |shown| {
                if self.controls.is_empty() { shown::overview(shown) } else { shown::details(shown) }
            })?,
        }
        self.end(&shown)
    }

    /// The results, and those as of the instant since when changes are asked for.
    fn evaluate(
        &self,
        asked: &Asked<'_>,
        dir: &Path,
        key: &VerifierKey,
    ) -> Result<(Evaluation, Option<Evaluation>), Failure> {
        let now = evaluate(asked, dir, key)?;
        let Some(since) = self.changed_since else { return Ok((now, None)) };
        let then = changed::period_then(now.period, since)?;
        let before = evaluate_period(asked, (then, now.log.entries), dir, key)?;
        Ok((now, Some(before)))
    }

    /// Are the controls that are to be shown among those that are evaluated?
    fn check_controls(&self, catalogue: &Catalogue, framework: Option<&Framework>) -> Result<(), Failure> {
        let Some(framework) = framework else { return Ok(()) };
        let profile = catalogue.profile(framework);
        match self.controls.iter().find(|id| !profile.contains(id)) {
            None => Ok(()),
            Some(id) => {
                let message = format!("`{}` does not ask for {id}", framework.id);
                let advice = "leave `--framework` out: `claviger compliance explain CONTROL` says who asks";
                Err(Failure::usage(message).advise(advice))
            }
        }
    }

    /// The results that are shown.
    fn narrow(&self, mut evaluation: Evaluation) -> Evaluation {
        if !self.controls.is_empty() {
            evaluation.results.retain(|result| self.controls.contains(&result.control));
        }
        evaluation
    }

    /// How the command ends, once all was said.
    fn end(&self, shown: &Evaluation) -> Result<(), Failure> {
        if !shown.findings.is_empty() {
            return Err(not_whole(&shown.log.origin, shown.log.entries, shown.findings.clone()));
        }
        let unsatisfied: Vec<_> = shown.unsatisfied(self.fail_on).map(in_short).collect();
        if unsatisfied.is_empty() {
            return Ok(());
        }
        let results = match unsatisfied.len() {
            1 => "1 result is".to_owned(),
            more => format!("{more} results are"),
        };
        let worse = if self.fail_on == Severity::Critical { "" } else { " or worse" };
        let message = format!("{results} not satisfied, of severity `{}`{worse}", self.fail_on);
        Err(Failure::failed(message)
            .with_findings(unsatisfied)
            .advise("`claviger compliance evaluate --control CONTROL` says why, and who mends it how"))
    }
}

/// A result in a line.
fn in_short(result: &ControlResult) -> String {
    format!("{}, {}: {}", result.control, result.mode, result.result)
}

/// Verifies the export in `dir` and has all checks look on.
///
/// # Errors
/// When the period is none of this log's, a file cannot be read, or a newer release wrote the log. What does not hold of the log is
/// in the findings.
fn evaluate(asked: &Asked<'_>, dir: &Path, key: &VerifierKey) -> Result<Evaluation, Failure> {
    evaluate_period(asked, asked.of_log(dir, key)?, dir, key)
}

/// The same, of a period of a log with so many entries.
fn evaluate_period(
    asked: &Asked<'_>,
    (period, entries): (Period, u64),
    dir: &Path,
    key: &VerifierKey,
) -> Result<Evaluation, Failure> {
    let scan = || Scan::new(asked.catalogue, asked.framework, period);
    let (first, verified) = walk(dir, key, scan(), entries)?;
    // Checks are made by parameters, which the log has said only now.
    let declared = first.declared();
    let (scan, verified) = if declared.is_empty() {
        (first, verified)
    } else {
        walk(dir, key, scan().with(&declared), entries)?
    };
    // The newest run that the log records is made again.
    let bar = progress::count("evaluating again", entries);
    let mut seen: u64 = 0;
    let scan = scan.remaking(&Export(dir), key, &mut || {
        seen += 1;
        if seen.is_multiple_of(STEP) {
            bar.inc(STEP);
        }
    });
    bar.finish_and_clear();
    Ok(scan.map_err(|error| Failure::failed(error.to_string()))?.finish(&verified))
}

/// Walks over the export, with the scan looking on.
fn walk<'s>(
    dir: &Path,
    key: &VerifierKey,
    scan: Scan<'s>,
    entries: u64,
) -> Result<(Scan<'s>, Verified), Failure> {
    let mut walk = Walk { scan, bar: progress::count("evaluating", entries), seen: 0 };
    let verified = verify_watched(dir, key, &mut walk)?;
    walk.bar.finish_and_clear();
    Ok((walk.scan, verified))
}

/// The scan, with its progress.
struct Walk<'c> {
    scan: Scan<'c>,
    bar: ProgressBar,
    seen: u64,
}

impl Watcher for Walk<'_> {
    fn cut(&mut self, number: u64, cut: &Cut) {
        self.scan.cut(number, cut);
    }

    fn entry(&mut self, seen: &SeenEntry<'_>) {
        self.scan.entry(seen);
        self.seen += 1;
        if self.seen.is_multiple_of(STEP) {
            self.bar.inc(STEP);
        }
    }

    fn root(&mut self, size: u64, root: &Hash) {
        self.scan.root(size, root);
    }
}

fn canonical(evaluation: &Evaluation) -> Result<Vec<u8>, Failure> {
    evaluation.canonical().map_err(|error| Failure::failed(format!("results cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use claviger_compliance::Verdict;

    use super::*;
    use crate::command::audit::offline::fixture;
    use crate::failure::Exit;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: EvaluateArgs,
    }

    fn parse(words: &[&str]) -> Result<EvaluateArgs, clap::Error> {
        let line = ["evaluate"].iter().chain(words);
        <Line as clap::Parser>::try_parse_from(line).map(|line| line.args)
    }

    fn asked<'c>(catalogue: &'c Catalogue, words: &[&str]) -> Asked<'c> {
        Asked { catalogue, framework: None, when: parse(words).unwrap().when }
    }

    #[test]
    fn same_export_comes_to_the_same_bytes_and_one_that_does_not_hold_to_no_pass() {
        let (dir, catalogue) = (tempfile::tempdir().unwrap(), Catalogue::load().unwrap());
        let key = fixture::export(dir.path(), 300);
        let evaluate = || evaluate(&asked(&catalogue, &[]), dir.path(), &key).unwrap();
        let evaluation = evaluate();
        assert_eq!(canonical(&evaluation).unwrap(), canonical(&evaluate()).unwrap());
        assert_eq!((evaluation.as_of.as_micros(), evaluation.log.entries), (299, 300));
        assert!(evaluation.findings.is_empty(), "{:?}", evaluation.findings);
        let read: Evaluation = serde_json::from_slice(&canonical(&evaluation).unwrap()).unwrap();
        assert_eq!(read, evaluation);
        std::fs::remove_file(dir.path().join("1/tile/entries/001.p/44")).unwrap();
        let missing = evaluate();
        assert!(missing.findings[0].starts_with("entries-missing: "), "{:?}", missing.findings);
        assert!(missing.results.iter().all(|result| result.result != Verdict::Pass));
        let ends = parse(&["--fail-on", "low"]).unwrap().end(&missing).unwrap_err();
        assert_eq!(ends.exit(), Exit::Unverified);
    }

    #[test]
    fn end_is_by_severity_and_by_what_is_shown() {
        let (dir, catalogue) = (tempfile::tempdir().unwrap(), Catalogue::load().unwrap());
        let key = fixture::export(dir.path(), 10);
        let evaluation = evaluate(&asked(&catalogue, &[]), dir.path(), &key).unwrap();
        let end = |words: &[&str]| {
            let args = parse(words).unwrap();
            args.end(&args.narrow(evaluation.clone()))
        };
        for severity in Severity::ALL {
            let unsatisfied = evaluation.unsatisfied(severity).count();
            let ended = end(&["--fail-on", severity.name()]);
            assert_eq!(ended.is_err(), unsatisfied > 0, "{severity}");
        }
        let (high, id) = evaluation
            .results
            .iter()
            .find(|result| result.severity > Severity::Critical && !result.result.is_satisfied())
            .map(|result| (result.severity, result.control.to_string()))
            .unwrap();
        assert!(end(&["--control", &id]).is_ok());
        let failed = end(&["--control", &id, "--fail-on", high.name()]).unwrap_err();
        assert_eq!(failed.exit(), Exit::Failed);
        assert!(failed.to_string().contains(&id) && failed.to_string().contains("next:"), "{failed}");
    }

    #[test]
    fn severities_and_controls_are_closed_lists() {
        assert_eq!(parse(&[]).unwrap().fail_on, Severity::Critical);
        for words in
            [["--fail-on", "grave"], ["--control", "STOR-99"], ["--framework", "sox"], ["--from", "someday"]]
        {
            assert!(parse(&words).is_err(), "{words:?}");
        }
        let refused = parse(&["--fail-on", "grave"]).err().unwrap().to_string();
        assert!(Severity::ALL.iter().all(|severity| refused.contains(severity.name())), "{refused}");
        let catalogue = Catalogue::load().unwrap();
        let framework = catalogue.find_framework("nydfs");
        let profile = catalogue.profile(framework.unwrap());
        let other = catalogue.controls().find(|control| !profile.contains(&control.id)).unwrap();
        let args = parse(&["--framework", "nydfs", "--control", &other.id.to_string()]).unwrap();
        assert_eq!(args.check_controls(&catalogue, framework).unwrap_err().exit(), Exit::Usage);
        assert!(args.check_controls(&catalogue, None).is_ok());
    }
}
