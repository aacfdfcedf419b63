//! `compliance evaluate`: what the controls come to, by the log alone.
//!
//! What it keeps true: results are a function of the export and of what the options ask. No clock of this machine is asked; spans count
//! back from the newest cut of the log, and no instant behind that is evaluated.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use claviger_audit::cut::Cut;
use claviger_audit::verify::{SeenEntry, Watcher};
use claviger_audit::{Hash, VerifierKey};
use claviger_client::types::Instant;
use claviger_compliance::control::Severity;
use claviger_compliance::evaluation::{ControlResult, Setting};
use claviger_compliance::{Catalogue, ControlId, Evaluation, Framework, Period, Scan};
use claviger_core::Timestamp;
use indicatif::ProgressBar;

use super::{control, find_framework, report};
use crate::command::audit::export::export_with_rows;
use crate::command::audit::offline::{ExportArgs, newest_cut, not_whole, verify_watched};
use crate::failure::Failure;
use crate::file::placed::{ForceArgs, Placed, Privacy};
use crate::input::when::{self, When};
use crate::input::word::one_of;
use crate::progress;
use crate::session::Session;

/// After how many entries progress is shown.
const STEP: u64 = 1000;

/// What to evaluate.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger compliance evaluate --framework pci-dss
  claviger compliance evaluate --offline --dir evidence --root-vkey root.vkey --from 90d --out evaluation.json
  claviger compliance evaluate --control ROT-01 --control STOR-01

Results: FAIL, something violated it; INDETERMINATE, a fact that decides is missing; NEEDS_ATTESTATION, the machine's part holds and a \
person's statement is missing; PASS; NOT_APPLICABLE, nothing is in scope. The first three are not satisfied. `state` is of one \
instant, `period` of every instant of the period.

Exit codes: 0 all that counts by `--fail-on` is satisfied, 1 some of it is not, 4 the log does not verify. All results are printed in each \
case; `-o json` names who violated what, and so does `--control`. Whoever has the same export and asks the same comes to the same bytes.")]
pub struct EvaluateArgs {
    /// Only the controls that this framework asks for, and those on which every result rests
    #[arg(long, value_name = "FRAMEWORK", value_parser = PossibleValuesParser::new(claviger_compliance::FRAMEWORKS))]
    framework: Option<String>,
    /// Instant of the results of state and end of the period: RFC 3339, or so long before the newest cut of the log (30d); without it that cut's
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    as_of: Option<When>,
    /// Begin of the period: RFC 3339, or so long before its end (90d); 365 days before it unless said otherwise
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    from: Option<When>,
    /// End with exit code 1 if a control of this severity or a worse one is not satisfied
    #[arg(long, value_name = "SEVERITY", default_value = "critical", value_parser = one_of::<Severity>(Severity::ALL.map(Severity::name)))]
    fail_on: Severity,
    /// Show this control alone, in detail, and end by it alone; may be given many times. `--out` has all of them still
    #[arg(long = "control", value_name = "CONTROL", value_parser = control())]
    controls: Vec<ControlId>,
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
        let asked = Asked { catalogue, framework, as_of: self.as_of, from: self.from };
        let evaluation = match self.export.offline()? {
            Some((dir, key)) => asked.evaluate(dir, &key)?,
            None => {
                let client = session.client()?;
                let key = self.export.key(&client.read_checkpoint().await?.value.root_vkey)?;
                let place = self.export.place()?;
                export_with_rows(&client, &key, place.path()).await?;
                asked.evaluate(place.path(), &key)?
            }
        };
        if let Some(out) = &self.out {
            Placed::write(out, Privacy::Others, self.force.existing(), &canonical(&evaluation)?)?;
        }
        let shown = self.narrow(evaluation);
        session.format.print(&shown, |shown| {
            if self.controls.is_empty() { report::overview(shown) } else { report::details(shown) }
        })?;
        self.end(&shown)
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

/// What is asked of a log.
#[derive(Clone, Copy)]
struct Asked<'c> {
    catalogue: &'c Catalogue,
    framework: Option<&'c Framework>,
    as_of: Option<When>,
    from: Option<When>,
}

impl Asked<'_> {
    /// Verifies the export in `dir` and has all checks look on.
    ///
    /// # Errors
    /// When the period is none of this log's, a file cannot be read, or a newer release wrote the log. What does not hold of the log is
    /// in the findings.
    fn evaluate(&self, dir: &Path, key: &VerifierKey) -> Result<Evaluation, Failure> {
        let newest = newest_cut(dir, key);
        let entries = newest.as_ref().ok().and_then(Option::as_ref).map_or(0, size);
        let period = self.period(newest.map(|cut| cut.map(|cut| Timestamp::from_micros(cut.t))))?;
        let scan = Scan::new(self.catalogue, self.framework, period);
        let mut walk = Walk { scan, bar: progress::count("evaluating", entries), seen: 0 };
        let verified = verify_watched(dir, key, &mut walk)?;
        walk.bar.finish_and_clear();
        Ok(walk.scan.finish(&verified))
    }

    fn period(&self, newest: Result<Option<Timestamp>, Failure>) -> Result<Period, Failure> {
        let to = self.instant(newest)?;
        let from = match self.from {
            Some(from) => from.before(to),
            None => When::Span(self.days_of_a_period(to)).before(to),
        };
        if from <= to {
            return Ok(Period { from, to });
        }
        let message = format!("the period begins at {}, behind its end at {}", Instant(from), Instant(to));
        let advice = "give `--from` an earlier instant, or a span before the end, as in `90d`";
        Err(Failure::usage(message).advise(advice))
    }

    fn days_of_a_period(&self, to: Timestamp) -> std::time::Duration {
        let setting = Setting { catalogue: self.catalogue, framework: None, period: Period { from: to, to } };
        setting.days("period_days")
    }

    /// The instant of results of state. Behind the newest cut the log says nothing, so that none there can be evaluated.
    fn instant(&self, newest: Result<Option<Timestamp>, Failure>) -> Result<Timestamp, Failure> {
        match (self.as_of, newest) {
            (None, Ok(Some(newest))) => Ok(newest),
            (Some(as_of), Ok(Some(newest))) => {
                let at = as_of.before(newest);
                if at <= newest {
                    return Ok(at);
                }
                let (at, newest) = (Instant(at), Instant(newest));
                let message = format!("{at} is behind the newest cut of the log, at {newest}");
                Err(Failure::usage(message).advise("leave `--as-of` out: then it is the instant of that cut"))
            }
            // What is the matter with the newest cut is for the verification to say.
            (Some(When::At(at)), Ok(None) | Err(_)) => Ok(at),
            (None | Some(When::Span(_)), Ok(None)) => {
                let message = "the log has no cut yet, and so no instant that could be evaluated";
                Err(Failure::failed(message).advise("try again in a second"))
            }
            (None | Some(When::Span(_)), Err(failure)) => {
                let advice = "name an instant to see all results, as in `--as-of 2027-01-31T12:00:00Z`";
                Err(failure.advise_if_none(advice))
            }
        }
    }
}

/// Entries of all shards at a cut.
fn size(cut: &Cut) -> u64 {
    cut.shards.iter().map(|shard| shard.size).sum()
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

/// The evaluation in canonical JSON. Its numbers are integers, and its names ASCII: sorted, they are in the order of RFC 8785.
fn canonical(evaluation: &Evaluation) -> Result<Vec<u8>, Failure> {
    let broken = |error: serde_json::Error| Failure::failed(format!("results cannot be written: {error}"));
    let mut value = serde_json::to_value(evaluation).map_err(broken)?;
    value.sort_all_objects();
    serde_json::to_vec(&value).map_err(broken)
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
        let args = parse(words).unwrap();
        Asked { catalogue, framework: None, as_of: args.as_of, from: args.from }
    }

    const NEWEST: &str = "2027-01-31T12:00:00Z";

    fn newest() -> Timestamp {
        match when::parse(NEWEST).unwrap() {
            When::At(at) => at,
            When::Span(_) => panic!("an instant"),
        }
    }

    #[test]
    fn spans_count_back_from_the_log_and_what_it_does_not_reach_is_refused() {
        let catalogue = Catalogue::load().unwrap();
        let period = |words: &[&str]| asked(&catalogue, words).period(Ok(Some(newest())));
        let shown = |words: &[&str]| {
            let Period { from, to } = period(words).unwrap();
            (Instant(from).to_string(), Instant(to).to_string())
        };
        let days_before = |at: Timestamp| newest().since(at).as_secs() / 86_400;
        let days = |words: &[&str]| {
            let Period { from, to } = period(words).unwrap();
            (days_before(from), days_before(to))
        };
        assert_eq!(shown(&[]).1, Instant(newest()).to_string());
        assert_eq!(days(&[]), (365, 0));
        assert_eq!(days(&["--as-of", "1d"]), (366, 1));
        assert_eq!(days(&["--as-of", "1d", "--from", "2d"]), (3, 1));
        assert_eq!(shown(&["--as-of", "2026-01-31T12:00:00Z"]), shown(&["--as-of", "365d"]));
        for words in
            [&["--as-of", "2027-01-31T12:00:01Z"][..], &["--as-of", "10d", "--from", "2027-01-30T12:00:00Z"]]
        {
            let refused = period(words).unwrap_err();
            assert_eq!(refused.exit(), Exit::Usage, "{refused}");
            assert!(refused.to_string().contains("next:"), "{refused}");
        }
    }

    #[test]
    fn where_the_newest_cut_does_not_read_an_instant_must_be_named() {
        let catalogue = Catalogue::load().unwrap();
        let broken = || Err(Failure::unverified("the checkpoint does not hold"));
        let refused = asked(&catalogue, &["--as-of", "1d"]).period(broken()).unwrap_err();
        assert_eq!(refused.exit(), Exit::Unverified);
        assert!(refused.to_string().contains("--as-of"), "{refused}");
        assert_eq!(asked(&catalogue, &["--as-of", NEWEST]).period(broken()).unwrap().to, newest());
        assert_eq!(asked(&catalogue, &[]).period(Ok(None)).unwrap_err().exit(), Exit::Failed);
    }

    #[test]
    fn same_export_comes_to_the_same_bytes_and_one_that_does_not_hold_to_no_pass() {
        let (dir, catalogue) = (tempfile::tempdir().unwrap(), Catalogue::load().unwrap());
        let key = fixture::export(dir.path(), 300);
        let evaluate = || asked(&catalogue, &[]).evaluate(dir.path(), &key).unwrap();
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
        let evaluation = asked(&catalogue, &[]).evaluate(dir.path(), &key).unwrap();
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
