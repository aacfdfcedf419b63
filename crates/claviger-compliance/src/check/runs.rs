//! GOV-08: that the evaluation runs, by the runs that the log records of itself.

use std::time::Duration;

use claviger_audit::{EvaluationRun, Op, Outcome as Ended, to_hex};
use claviger_core::Timestamp;

use super::{Check, CutSeen, End, Event, is_of_state};
use crate::evaluation::{
    Emptiness, Estate, Judgement, Ledger, Outcome, Period, RecordedRun, Remade, Setting, Subject,
};

/// What is judged at every instant.
const EVALUATION: &str = "evaluation of this log";
const YEAR_DAYS: u64 = 365;
const HOUR: Duration = Duration::from_secs(3600);

/// The check.
pub(super) struct Runs {
    ledger: Ledger,
    period: Period,
    /// The longest time between two runs that is no gap.
    most: Duration,
    is_begun: bool,
    newest: Option<RecordedRun>,
    /// The first run behind which no gap came.
    unbroken_since: Option<Timestamp>,
    /// Runs of the period.
    runs: u64,
    /// The first cut of each hour: there may be one a second.
    cuts: Vec<CutOfHour>,
}

struct CutOfHour {
    number: u64,
    at: Timestamp,
    /// Of all shards.
    entries: u64,
}

impl Runs {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            most: setting.hours("eval_interval_h").saturating_mul(2),
            is_begun: false,
            newest: None,
            unbroken_since: None,
            runs: 0,
            cuts: Vec::new(),
        }
    }

    /// The next run must come within that time.
    fn expect(&mut self, event: &Event<'_>, behind: &str) {
        let hours = self.most.as_secs() / 3600;
        let because = format!("no run is recorded within {hours} hours behind {behind}");
        let judgement = Judgement::HoldsUntil(event.at.after(self.most), because.into_boxed_str());
        self.ledger.judge_by(Subject::named(EVALUATION), event.at, judgement, Some(event.index));
    }

    /// How old the log that a run is of was, at the least, when its entry came. By the log's own time, which cuts have.
    fn age(&self, index: u64, run: &EvaluationRun) -> Duration {
        let last = |of: &dyn Fn(&CutOfHour) -> bool| {
            self.cuts.partition_point(of).checked_sub(1).and_then(|last| self.cuts.get(last))
        };
        match (last(&|cut| cut.number < run.cuts), last(&|cut| cut.entries <= index)) {
            (Some(evaluated), Some(before)) => before.at.since(evaluated.at).saturating_sub(HOUR),
            _ => Duration::ZERO,
        }
    }

    /// Is it only not yet due?
    fn is_awaited(&self, as_of: Timestamp) -> bool {
        let now = self.ledger.find(&Subject::named(EVALUATION));
        self.runs == 0 && matches!(now, Some(Judgement::HoldsUntil(until, _)) if as_of < *until)
    }

    /// Days until that instant without a gap.
    fn days(&self, as_of: Timestamp) -> u64 {
        let is_covered = self.newest.is_some_and(|newest| as_of.since(newest.at) <= self.most);
        let since = self.unbroken_since.filter(|_| is_covered);
        since.map_or(0, |since| as_of.since(since).as_secs() / 86_400)
    }
}

fn subject(run: &RecordedRun) -> Subject {
    Subject::named(format!("run of entry {}", run.index))
}

/// What is to be said of a run by what it came to when it was made again.
fn of_run(run: Option<EvaluationRun>, remade: Option<Remade>) -> Judgement {
    let Some(run) = run else { return Judgement::violated("its entry does not say what it came to") };
    match remade {
        None => Judgement::unknown("it was not made again: nobody did, or the log does not hold"),
        Some(Remade::NoSuchCut) => {
            Judgement::violated(format!("it is of {} cuts, and the log did not have them", run.cuts))
        }
        Some(Remade::OfAnotherEvaluator) => {
            Judgement::unknown("a program with other checks made it, and can alone make it again")
        }
        Some(Remade::Other(digest)) if digest == run.digest => {
            Judgement::violated("its entry counts its results otherwise than they are")
        }
        Some(Remade::Other(digest)) => Judgement::violated(format!(
            "it came to results of digest {}, and the same log comes to {}",
            to_hex(&run.digest),
            to_hex(&digest)
        )),
        Some(Remade::Same) => Judgement::Holds,
    }
}

impl Check for Runs {
    fn cut(&mut self, seen: &CutSeen<'_>) {
        if self.cuts.last().is_none_or(|last| seen.at.since(last.at) >= HOUR) {
            let entries = seen.cut.shards.iter().map(|head| head.size).fold(0, u64::saturating_add);
            self.cuts.push(CutOfHour { number: seen.number, at: seen.at, entries });
        }
    }

    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if !self.is_begun {
            self.is_begun = true;
            self.expect(event, "the first entry");
        }
        let entry = event.entry;
        if entry.op != Op::RecordEvaluation || entry.out != Ended::Ok {
            return;
        }
        if self.newest.is_none_or(|before| event.at.since(before.at) > self.most) {
            self.unbroken_since = Some(event.at);
        }
        let recorded = RecordedRun::of(event.index, event.at, entry);
        let age = recorded.run.map_or(Duration::ZERO, |run| self.age(event.index, &run));
        if age > self.most {
            let because = format!("it is of the log as it was {} hours before", age.as_secs() / 3600);
            self.ledger.happened(subject(&recorded), event.at, event.index, Some(because));
        }
        self.newest = Some(recorded);
        self.runs += u64::from(self.period.holds(event.at));
        self.expect(event, &format!("that of entry {}", event.index));
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let (as_of, days) = (end.setting.as_of(), self.days(end.setting.as_of()));
        if self.is_awaited(as_of) {
            let why = "no run of the period is recorded yet, and none is due";
            self.ledger.judge(Subject::named(EVALUATION), as_of, Judgement::unknown(why));
        }
        // What was made again from another log than the one that was evaluated says nothing of the run.
        let holds = end.verified.findings.iter().all(|finding| is_of_state(finding.code()));
        if let Some(newest) = self.newest.filter(|newest| self.period.holds(newest.at)) {
            let again = end.remade.filter(|(entry, _)| holds && *entry == newest.index);
            let judgement = of_run(newest.run, again.map(|(_, remade)| remade));
            self.ledger.judge_by(subject(&newest), newest.at, judgement, Some(newest.index));
        }
        let outcome = Outcome::of(
            self.ledger,
            format!("the log was evaluated without a gap, for {days} days until the end; the newest run comes to the same results again"),
        )
        .when_empty(Emptiness::Unknown("the log has no entries of that time"))
        .figure("runs", self.runs)
        .figure("runs_made_again", u64::from(end.remade.is_some()))
        .figure("consecutive_days", days)
        .note("a run is of all controls and of the log alone: live rows are not read for it")
        .note("the newest run of the period is made again from the log; of the others the log has the digests, and whoever wants to makes them again")
        .note("what was evaluated elsewhere is not recorded; a release that did not evaluate itself left the same gap as a run that was missed")
        .note("checks, catalogue and parameters are part of the program: `GOV-05` looks at changes of it");
        if days < YEAR_DAYS {
            outcome.note(format!("history {days} days, less than 12 months"))
        } else {
            outcome
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::cut::{Cut, ShardHead, ShardState};
    use claviger_audit::verify::{Finding, Objects, SeenEntry, Verified, Watcher as _};
    use claviger_audit::{Entry, sha256};

    use super::*;
    use crate::evaluation::ControlResult;
    use crate::{Catalogue, EVALUATOR, Scan, Verdict};

    const DAY: u64 = 86_400;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    /// A run at that second, over so many cuts.
    fn run((second, cuts): (u64, u64)) -> Entry<'static> {
        let run = EvaluationRun { digest: sha256(b"results"), cuts, counts: [0; 5], evaluator: EVALUATOR };
        let entry = Entry::new(second * 1_000_000, 1, Op::RecordEvaluation, Ended::Ok);
        Entry { reference: Some(run.to_bytes().to_vec().into()), ..entry }
    }

    /// What a log comes to, at the end of that period, that begins with a start in the second 0, is cut at these seconds at these sizes and
    /// has these runs.
    fn result_of(
        period: (u64, u64),
        cuts: &[(u64, u64)],
        runs: &[(u64, u64)],
        remade: Option<Remade>,
        verified: &Verified,
    ) -> ControlResult {
        let catalogue = Catalogue::load().unwrap();
        let mut scan = Scan::new(&catalogue, None, Period { from: at(period.0), to: at(period.1) });
        for (number, (second, size)) in (0..).zip(cuts) {
            let (state, size, root) = (ShardState::Active, *size, [0; 32]);
            let head = ShardHead { shard: 1, state, incarnation: 1, size, root, epoch: 1 };
            let cut = Cut {
                t: second * 1_000_000,
                cut_no: number,
                epoch: 1,
                shards: vec![head],
                erase_generation: None,
                capsule_hash: None,
                row_tags: None,
                rows: None,
            };
            scan.cut(number, &cut);
        }
        let objects = Objects::default();
        let start = Entry::new(1, 1, Op::NodeStart, Ended::Ok);
        let entries = std::iter::once(start).chain(runs.iter().copied().map(run));
        for (index, entry) in (0..).zip(entries) {
            scan.entry(&SeenEntry { shard: 1, index, entry: &entry, facts: &[], objects: &objects });
        }
        let newest = scan.newest_run().map(|newest| newest.index);
        scan.was_remade(newest.zip(remade));
        let evaluation = scan.finish(verified);
        evaluation.results.into_iter().find(|result| result.control.to_string() == "GOV-08").unwrap()
    }

    /// The same of a log of which no cut is known.
    fn result(period: (u64, u64), runs: &[u64], remade: Option<Remade>) -> ControlResult {
        let runs: Vec<_> = runs.iter().map(|second| (*second, 7)).collect();
        result_of(period, &[], &runs, remade, &Verified::default())
    }

    /// A run each day from that day on.
    fn daily(days: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        days.map(|day| day * DAY).collect()
    }

    #[test]
    fn runs_without_a_gap_pass_where_the_newest_is_made_again() {
        let same = Some(Remade::Same);
        let passed = result((10 * DAY, 30 * DAY), &daily(1..=30), same);
        assert_eq!(passed.result, Verdict::Pass, "{}", passed.because);
        assert_eq!((passed.figures["runs"], passed.figures["consecutive_days"]), (21, 29));
        assert!(passed.notes.contains("history 29 days, less than 12 months"), "{:?}", passed.notes);
        let long = result((1, 400 * DAY), &daily(1..=400), same);
        assert_eq!((long.result, long.figures["consecutive_days"]), (Verdict::Pass, 399));
        assert!(long.notes.iter().all(|note| !note.starts_with("history")), "{:?}", long.notes);
        for (remade, verdict) in [
            (None, Verdict::Indeterminate),
            (Some(Remade::OfAnotherEvaluator), Verdict::Indeterminate),
            (Some(Remade::NoSuchCut), Verdict::Fail),
            (Some(Remade::Other([9; 32])), Verdict::Fail),
            (Some(Remade::Other(sha256(b"results"))), Verdict::Fail),
        ] {
            let result = result((10 * DAY, 30 * DAY), &daily(1..=30), remade);
            assert_eq!(result.result, verdict, "{remade:?}: {}", result.because);
        }
    }

    #[test]
    fn a_gap_is_named_from_when_the_run_was_missed_until_the_next() {
        let same = Some(Remade::Same);
        let mut runs = daily(1..=10);
        runs.extend(daily(15..=30));
        let gap = result((DAY, 30 * DAY), &runs, same);
        assert_eq!((gap.result, gap.violators), (Verdict::Fail, 1), "{}", gap.because);
        let violation = &gap.violations[0];
        assert_eq!((violation.from, violation.to), (at(12 * DAY), Some(at(15 * DAY))));
        assert_eq!(gap.figures["consecutive_days"], 15);
        // It is over before a later period.
        assert_eq!(result((20 * DAY, 30 * DAY), &runs, same).result, Verdict::Pass);
        // It goes on at the end.
        let stopped = result((DAY, 30 * DAY), &daily(1..=20), same);
        assert_eq!((stopped.violations[0].from, stopped.violations[0].to), (at(22 * DAY), None));
        assert_eq!(stopped.figures["consecutive_days"], 0);
    }

    #[test]
    fn without_a_run_it_fails_once_the_first_was_due_and_is_not_known_before() {
        assert_eq!(result((1, DAY), &[], None).result, Verdict::Indeterminate);
        let never = result((1, 30 * DAY), &[], None);
        assert_eq!(never.result, Verdict::Fail, "{}", never.because);
        assert_eq!(never.violations[0].from, at(2 * DAY).after(Duration::from_micros(1)));
        let late = result((1, 30 * DAY), &daily(9..=30), Some(Remade::Same));
        assert_eq!((late.result, late.violations[0].to), (Verdict::Fail, Some(at(9 * DAY))));
    }

    #[test]
    fn a_run_of_a_log_that_was_long_over_is_none_of_its_day() {
        // A cut each hour; the entry of the run of a day is in the cut of that hour.
        let cuts: Vec<_> = (0..=240).map(|hour| (hour * 3600, 1 + hour / 24)).collect();
        let runs: Vec<_> = (1..=10).map(|day| (day * DAY, day * 24)).collect();
        let result = |runs: &[(u64, u64)]| {
            result_of((1, 10 * DAY), &cuts, runs, Some(Remade::Same), &Verified::default())
        };
        assert_eq!(result(&runs).result, Verdict::Pass, "{}", result(&runs).because);
        for stale in [4, 9] {
            let mut runs = runs.clone();
            runs[stale].1 = 24;
            let stopped = result(&runs);
            assert_eq!((stopped.result, stopped.violators), (Verdict::Fail, 1), "{}", stopped.because);
            assert_eq!(stopped.violations[0].subject, format!("run of entry {}", stale + 1));
        }
    }

    #[test]
    fn of_a_log_that_does_not_hold_no_run_is_said_to_be_wrong() {
        let verified = Verified { findings: vec![Finding::RootLogAltered], ..Verified::default() };
        let runs = [(DAY, 7)];
        let broken = result_of((1, DAY), &[], &runs, Some(Remade::Other([9; 32])), &verified);
        assert_eq!(broken.result, Verdict::Indeterminate, "{}", broken.because);
    }
}
