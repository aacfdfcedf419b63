//! Each control that a machine decides alone comes to each of the four verdicts, as the table has it: by what was done to a deployment.
//!
//! Every cell of the table is read from an evaluation of a log that a deployment wrote, with a real store and a real root: by calls over REST
//! and down the road, at a clock that is set forward, and without the fence, which a flag `insecure_*` switches off. What the product
//! prevents otherwise is done to files: to a certificate, and to an export of the log. One deployment serves many cells, and one export
//! several readings.
//!
//! What it keeps true: a control with another grade, a check that is new or gone, and a verdict that nobody caused stop the tests. So does a
//! check that always comes to the same, for of each check the table has two verdicts at least.

mod approver;
mod export;
mod gate;
mod people;
mod road;
mod served;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use claviger_compliance::control::Grade;
use claviger_compliance::evaluation::ControlResult;
use claviger_compliance::{Catalogue, Evaluation, Period, Verdict, check};
use claviger_core::Timestamp;

use export::Export;
use table::{Cell, ROWS, Reading};

/// How many cells are read, cannot be, and wait for facts of a later release.
const COUNTS: [usize; 3] = [120, 11, 13];

#[test]
fn each_full_control_has_a_cell_for_each_verdict_and_each_check_two_that_differ() {
    let catalogue = Catalogue::load().unwrap();
    let full = catalogue.controls().filter(|control| control.grade == Grade::Full);
    let full: Vec<_> = full.map(|control| control.id.to_string()).collect();
    let rows: Vec<_> = ROWS.iter().map(|row| row.control.to_owned()).collect();
    assert_eq!(rows, full, "a row for each, in the order of the catalogue");
    let (mut counts, mut readings) = ([0; 3], BTreeSet::new());
    for row in ROWS {
        let control = catalogue.find_control(row.control.parse().unwrap()).unwrap();
        let has_check = check::find(control.id).is_some();
        let mut read = BTreeSet::new();
        for (verdict, cell) in row.cells() {
            let (place, is_said) = match cell {
                Cell::Read(reading, why) => {
                    readings.insert(reading);
                    read.insert(verdict);
                    // What does not hold, or is not known, is so for a reason of its own.
                    (0, verdict == Verdict::Pass || !why.is_empty())
                }
                Cell::Never(why) => (1, !why.is_empty()),
                Cell::Waits(for_what) => (2, !for_what.is_empty()),
            };
            counts[place] += 1;
            assert!(is_said, "{}, {verdict}: it says nothing", row.control);
        }
        if has_check {
            // Whichever one it always came to, another one of these would be missed.
            assert!(read.len() > 1, "{}: nothing would see that it always comes to the same", row.control);
        } else {
            assert!(control.waits_for.is_some() && read == BTreeSet::from([Verdict::Indeterminate]));
        }
    }
    assert_eq!(counts, COUNTS);
    assert_eq!(readings, BTreeSet::from(Reading::ALL), "each is evaluated for a cell");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_full_control_comes_to_each_verdict_by_what_was_done_to_a_deployment() {
    let read = Box::pin(readings()).await;
    let mut otherwise = Vec::new();
    for row in ROWS {
        for (verdict, cell) in row.cells() {
            if let Cell::Read(reading, why) = cell {
                let other = other_than(&read[&reading], row.control, verdict, why);
                otherwise.extend(other.map(|other| {
                    format!("{} is not {verdict} in {reading:?} because of `{why}`: {other}", row.control)
                }));
            }
        }
    }
    assert!(otherwise.is_empty(), "{} cells:\n{}", otherwise.len(), otherwise.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_and_emergency_access_come_to_each_verdict_by_what_people_did() {
    use Verdict::{Fail, NeedsAttestation, NotApplicable, Pass};
    let catalogue = Catalogue::load().unwrap();
    let looked = Box::pin(people::looked()).await;
    let cells = [
        ("USE-08", NotApplicable, looked.empty, "nothing is in scope"),
        ("USE-08", NeedsAttestation, looked.made, "ATT-ACCESS-REVIEW is missing"),
        ("USE-08", NeedsAttestation, looked.open, "ATT-ACCESS-REVIEW is missing"),
        ("USE-08", Pass, looked.reviewed, "what was to go went"),
        ("USE-08", Pass, looked.tried, "what was to go went"),
        ("USE-08", Fail, looked.old, "was not reviewed for 180 days"),
        ("USE-11", NotApplicable, looked.empty, "nothing is in scope"),
        ("USE-11", NeedsAttestation, looked.made, "ATT-BREAKGLASS-REVIEW is missing"),
        ("USE-11", Pass, looked.tried, "was reviewed by others"),
        ("USE-11", Fail, looked.unreviewed, "nobody reviewed it within 72 hours of its end"),
        // Two alerts, at which nobody looked.
        ("AUD-09", Fail, looked.unreviewed, "nobody looked at `break_glass_opened` within 24 hours"),
        // The officer who approved emergency access had not acknowledged what that asks.
        ("GOV-02", Fail, looked.tried, "it decided on what others asked for before it acknowledged"),
        ("USE-01", Pass, looked.tried, ""),
        ("USE-04", Pass, looked.tried, ""),
    ];
    let mut otherwise = Vec::new();
    for (control, verdict, at, why) in cells {
        let evaluation = looked.log.evaluate(&catalogue, Period { from: Timestamp::default(), to: at });
        let other = other_than(&evaluation, control, verdict, why);
        otherwise
            .extend(other.map(|other| format!("{control} is not {verdict} because of `{why}`: {other}")));
    }
    assert!(otherwise.is_empty(), "{} cells:\n{}", otherwise.len(), otherwise.join("\n"));
}

/// Does what is to be done to deployments, and evaluates what they wrote.
async fn readings() -> BTreeMap<Reading, Evaluation> {
    let catalogue = Catalogue::load().unwrap();
    let evaluated = |export: &Export, period: Period| export.evaluate(&catalogue, period);
    let until = |to: Timestamp| Period { from: Timestamp::default(), to };
    let mut read = BTreeMap::new();

    let served = Box::pin(served::served()).await;
    let log = &served.log;
    read.insert(Reading::WithRing, evaluated(log, until(served.with_ring)));
    read.insert(Reading::Worked, evaluated(log, until(served.worked)));
    read.insert(Reading::OutOfTime, evaluated(log, until(served.out_of_time)));
    read.insert(Reading::OtherBegin, evaluated(&log.with_another_begin(), until(served.worked)));
    read.insert(Reading::NoBegin, evaluated(&log.without_begin(), until(served.worked)));

    let misused = Box::pin(road::misused()).await;
    read.insert(Reading::Misused, evaluated(&misused.log, until(misused.until)));

    let aged = Box::pin(road::aged()).await;
    let evaluation = evaluated(&aged.log, until(aged.until));
    let began = evaluation.known_from.unwrap();
    read.insert(Reading::Aged, evaluation);
    read.insert(Reading::Quiet, evaluated(&aged.log, aged.quiet));
    read.insert(Reading::Started, evaluated(&aged.log, until(began)));

    let approved = Box::pin(road::approved()).await;
    read.insert(Reading::Approved, evaluated(&approved.log, until(approved.until)));

    let raced = Box::pin(road::raced()).await;
    read.insert(Reading::Raced, evaluated(&raced.log, until(raced.until)));
    read.insert(Reading::Edited, evaluated(&raced.log.with_edited_rows(), until(raced.until)));
    read
}

/// What a control comes to, if that is not this verdict for this reason in one of its modes.
fn other_than(evaluation: &Evaluation, control: &str, verdict: Verdict, why: &str) -> Option<String> {
    let results = evaluation.results.iter().filter(|result| result.control.to_string() == control);
    let results: Vec<_> = results.collect();
    let is_so = |result: &ControlResult| {
        result.result == verdict && reasons(result).any(|reason| reason.contains(why))
    };
    if results.iter().any(|result| is_so(result)) {
        return None;
    }
    let shown = results.iter().map(|result| {
        let reasons: Vec<_> = reasons(result).collect();
        format!("{} {}: {}", result.mode, result.result, reasons.join(" | "))
    });
    Some(shown.collect::<Vec<_>>().join("; "))
}

/// The facts that decide.
fn reasons(result: &ControlResult) -> impl Iterator<Item = &str> {
    let violations = result.violations.iter().map(|violation| violation.because.as_str());
    let undecided = result.undecided_subjects.iter().map(|undecided| undecided.because.as_str());
    std::iter::once(result.because.as_str()).chain(violations).chain(undecided)
}
