//! Runs that a log records of itself: how one comes about, and how whoever has the log makes it again.
//!
//! A run is of all controls, at the instant of a cut and for the period before it, over the log as it was with that cut and without live
//! rows. It makes no run before it again, so that it depends on nothing but the log until then.

use claviger_audit::cut::Cut;
use claviger_audit::verify::{
    Files, NotVerified, Request, SeenEntry, WalkError, Watcher, find_cut, verify_watched,
};
use claviger_audit::{Entry, EvaluationRun, Hash, VerifierKey, sha256};
use claviger_core::Timestamp;

use super::result::{Evaluation, Period, Verdict};
use super::scan::Scan;
use super::setting::Setting;
use crate::{Catalogue, EVALUATOR};

/// A run as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    /// Its entry.
    pub index: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What it came to; none where the entry does not say.
    pub run: Option<EvaluationRun>,
}

impl RecordedRun {
    /// Of an entry.
    #[must_use]
    pub fn of(index: u64, at: Timestamp, entry: &Entry<'_>) -> Self {
        let run = entry.reference.as_deref().and_then(EvaluationRun::from_bytes);
        Self { index, at, run }
    }
}

/// What a run came to when it was made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remade {
    /// The log does not have the cut that it names, or that does not read.
    NoSuchCut,
    /// Nothing: a program with other checks or another catalogue made it ([`EVALUATOR`]).
    OfAnotherEvaluator,
    /// Other results, of this digest; where the digest is the same, they are counted otherwise.
    Other(Hash),
    /// The same results.
    Same,
}

impl Evaluation {
    /// All results in canonical JSON (RFC 8785): numbers are integers and names ASCII, so that sorted they are in the order of that form.
    ///
    /// # Errors
    /// Where an instant is none that a calendar has.
    pub fn canonical(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        value.sort_all_objects();
        serde_json::to_vec(&value)
    }

    /// What an entry says of it.
    ///
    /// # Errors
    /// As of [`Self::canonical`].
    pub fn to_run(&self) -> Result<EvaluationRun, serde_json::Error> {
        let count = |verdict: Verdict| {
            let of_verdict = self.results.iter().filter(|result| result.result == verdict).count();
            u16::try_from(of_verdict).unwrap_or(u16::MAX)
        };
        Ok(EvaluationRun {
            digest: sha256(&self.canonical()?),
            cuts: self.log.size,
            counts: Verdict::ALL.map(count),
            evaluator: EVALUATOR,
        })
    }
}

/// What all controls come to by the log as it was when it had so many cuts. None where it never had them, or the last of them does not
/// read. `seen` is called for each entry.
///
/// # Errors
/// [`NotVerified`].
pub fn evaluate_at(
    files: &dyn Files,
    key: &VerifierKey,
    catalogue: &Catalogue,
    cuts: u64,
    seen: &mut dyn FnMut(),
) -> Result<Option<Evaluation>, NotVerified> {
    let Some(last) = cuts.checked_sub(1) else { return Ok(None) };
    let cut = match find_cut(files, key, last) {
        Ok(Some(cut)) => cut,
        Ok(None) | Err(WalkError::Finding(_)) => return Ok(None),
        Err(WalkError::Newer(newer)) => return Err(newer.into()),
        Err(WalkError::Unreadable { name, why }) => return Err(NotVerified::Unreadable { name, why }),
    };
    let period = period_before(catalogue, Timestamp::from_micros(cut.t));
    let request = Request { upto: Some(cuts), ..Request::new(key) };
    let mut first = Walk { scan: Scan::new(catalogue, None, period), seen };
    let verified = verify_watched(files, &request, &mut first)?;
    let declared = first.scan.declared();
    if declared.is_empty() {
        return Ok(Some(first.scan.finish(&verified)));
    }
    // Checks are made by parameters, which the log has said only now.
    let mut again = Walk { scan: Scan::new(catalogue, None, period).with(&declared), seen: first.seen };
    let verified = verify_watched(files, &request, &mut again)?;
    Ok(Some(again.scan.finish(&verified)))
}

/// Makes a run again.
///
/// # Errors
/// [`NotVerified`].
pub(super) fn remake(
    files: &dyn Files,
    key: &VerifierKey,
    catalogue: &Catalogue,
    run: &EvaluationRun,
    seen: &mut dyn FnMut(),
) -> Result<Remade, NotVerified> {
    if run.evaluator != EVALUATOR {
        return Ok(Remade::OfAnotherEvaluator);
    }
    let Some(evaluation) = evaluate_at(files, key, catalogue, run.cuts, seen)? else {
        return Ok(Remade::NoSuchCut);
    };
    // What has no form in JSON is no result that anybody recorded.
    let Ok(again) = evaluation.to_run() else { return Ok(Remade::Other(Hash::default())) };
    Ok(if again == *run { Remade::Same } else { Remade::Other(again.digest) })
}

/// The period of a run at that instant.
fn period_before(catalogue: &Catalogue, to: Timestamp) -> Period {
    let setting = Setting::new(catalogue, None, Period { from: to, to });
    let micros = u64::try_from(setting.days("period_days").as_micros()).unwrap_or(u64::MAX);
    Period { from: Timestamp::from_micros(to.as_micros().saturating_sub(micros)), to }
}

struct Walk<'c, 's> {
    scan: Scan<'c>,
    seen: &'s mut dyn FnMut(),
}

impl Watcher for Walk<'_, '_> {
    fn cut(&mut self, number: u64, cut: &Cut) {
        self.scan.cut(number, cut);
    }

    fn entry(&mut self, seen: &SeenEntry<'_>) {
        self.scan.entry(seen);
        (self.seen)();
    }

    fn root(&mut self, size: u64, root: &Hash) {
        self.scan.root(size, root);
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::verify::Verified;

    use super::*;

    #[test]
    fn an_entry_says_how_many_results_there_are_of_each_verdict() {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: Timestamp::from_micros(0), to: Timestamp::from_micros(9) };
        let evaluation = Scan::new(&catalogue, None, period).finish(&Verified::default());
        let run = evaluation.to_run().unwrap();
        assert_eq!(run.evaluator, EVALUATOR);
        assert_eq!(run.digest, sha256(&evaluation.canonical().unwrap()));
        let counted = |verdict: Verdict| {
            let of_severities = evaluation.counts();
            of_severities.values().filter_map(|counts| counts.get(&verdict)).sum::<u64>()
        };
        assert_eq!(run.counts.map(u64::from), Verdict::ALL.map(counted));
        assert_eq!(run.counts.map(usize::from).iter().sum::<usize>(), evaluation.results.len());
        // The order that entries have.
        let names = Verdict::ALL.map(Verdict::name);
        assert_eq!(names, ["FAIL", "INDETERMINATE", "NEEDS_ATTESTATION", "PASS", "NOT_APPLICABLE"]);
        let mut other = evaluation;
        other.results[0].because.push('!');
        assert_ne!(other.to_run().unwrap().digest, run.digest);
    }

    #[test]
    fn a_period_is_a_year_long() {
        let catalogue = Catalogue::load().unwrap();
        let to = Timestamp::from_micros(2_000_000_000_000_000);
        assert_eq!(to.since(period_before(&catalogue, to).from).as_secs(), 365 * 86_400);
    }
}
