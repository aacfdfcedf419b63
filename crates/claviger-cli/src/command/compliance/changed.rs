//! `compliance evaluate --changed-since`: the results that were others at an instant, by the same log.

use claviger_client::types::Instant;
use claviger_compliance::control::{Mode, Severity};
use claviger_compliance::evaluation::{ControlResult, LogHead};
use claviger_compliance::{ControlId, Evaluation, Period, Verdict};
use serde::Serialize;

use crate::failure::Failure;
use crate::input::when::When;
use crate::output::{Table, record};

/// The period as of that instant: as long as the one of the results that are asked for, spans counting back from its end.
///
/// # Errors
/// When the instant is behind the end.
pub(super) fn period_then(now: Period, since: When) -> Result<Period, Failure> {
    let to = since.before(now.to);
    if to > now.to {
        let message = format!("{} is behind the instant of the results, {}", Instant(to), Instant(now.to));
        let advice = "give `--changed-since` an earlier instant, or a span before that one, as in `30d`";
        return Err(Failure::usage(message).advise(advice));
    }
    let from = When::Span(now.to.since(now.from)).before(to);
    Ok(Period { from, to })
}

/// What changed.
#[derive(Debug, Serialize)]
pub(super) struct Changes {
    /// The log, by which both are.
    log: LogHead,
    /// The instant of the earlier results, and the begin of their period.
    changed_since: Instant,
    from_then: Instant,
    /// The same of the later ones.
    as_of: Instant,
    from: Instant,
    /// How many results are the same.
    unchanged: usize,
    /// The others, by control and mode.
    changes: Vec<Change>,
}

/// A result that is another one now.
#[derive(Debug, Serialize)]
struct Change {
    control: ControlId,
    mode: Mode,
    severity: Severity,
    before: Verdict,
    now: Verdict,
    /// The fact that decides now.
    because: String,
}

impl Changes {
    /// From the earlier results to the later ones: of those that the later one has.
    pub(super) fn between(before: &Evaluation, now: &Evaluation) -> Self {
        let of = |result: &ControlResult| {
            let same = |other: &&ControlResult| (other.control, other.mode) == (result.control, result.mode);
            let before = before.results.iter().find(same)?.result;
            (before != result.result).then(|| Change {
                control: result.control,
                mode: result.mode,
                severity: result.severity,
                before,
                now: result.result,
                because: result.because.clone(),
            })
        };
        let changes: Vec<_> = now.results.iter().filter_map(of).collect();
        Self {
            log: now.log.clone(),
            changed_since: Instant(before.as_of),
            from_then: Instant(before.period.from),
            as_of: Instant(now.as_of),
            from: Instant(now.period.from),
            unchanged: now.results.len().saturating_sub(changes.len()),
            changes,
        }
    }

    /// Is this result one that changed?
    pub(super) fn has(&self, result: &ControlResult) -> bool {
        self.changes.iter().any(|change| (change.control, change.mode) == (result.control, result.mode))
    }

    /// As text for people.
    pub(super) fn text(&self) -> String {
        let mut table = Table::new("changes", &["control", "severity", "mode", "result", "because"]);
        for change in &self.changes {
            table.row([
                change.control.to_string(),
                change.severity.to_string(),
                change.mode.to_string(),
                format!("{} → {}", change.before, change.now),
                change.because.clone(),
            ]);
        }
        let of_what = record(&[
            ("log", format!("{}, {} cuts, {} entries", self.log.origin, self.log.size, self.log.entries)),
            ("before", format!("state of {}, period from {}", self.changed_since, self.from_then)),
            ("now", format!("state of {}, period from {}", self.as_of, self.from)),
            ("unchanged", format!("{} results", self.unchanged)),
        ]);
        [table.text(), of_what].map(|part| part.trim_end().to_owned()).join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use claviger_audit::verify::Verified;
    use claviger_compliance::{Catalogue, Scan};
    use claviger_core::Timestamp;

    use super::*;
    use crate::failure::Exit;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    #[test]
    fn only_results_that_differ_are_shown_from_what_to_what() {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: at(10), to: at(20) };
        let before = Scan::new(&catalogue, None, period).finish(&Verified::default());
        let mut now = before.clone();
        now.as_of = at(30);
        let (index, was) = before
            .results
            .iter()
            .enumerate()
            .find(|(_, result)| result.result != Verdict::Fail)
            .map(|(index, result)| (index, result.clone()))
            .unwrap();
        (now.results[index].result, now.results[index].because) = (Verdict::Fail, "it broke".to_owned());
        let changes = Changes::between(&before, &now);
        assert_eq!((changes.changes.len(), changes.unchanged), (1, before.results.len() - 1));
        let text = changes.text();
        for words in [was.control.to_string(), format!("{} → FAIL", was.result), "it broke".to_owned()] {
            assert!(text.contains(&words), "{words}: {text}");
        }
        let json = serde_json::to_value(&changes).unwrap();
        let shown = (&json["changes"][0]["before"], &json["changes"][0]["now"]);
        assert_eq!(shown, (&was.result.name().into(), &"FAIL".into()), "{json}");
        assert_eq!(now.results.iter().filter(|result| changes.has(result)).count(), 1);
        assert!(Changes::between(&before, &before).text().starts_with("no changes"));
    }

    #[test]
    fn the_period_then_is_as_long_and_ends_there() {
        let now = Period { from: at(60), to: at(100) };
        let then = |since: When| period_then(now, since);
        assert_eq!(then(When::At(at(90))).unwrap(), Period { from: at(50), to: at(90) });
        assert_eq!(then(When::Span(Duration::from_secs(10))).unwrap(), Period { from: at(50), to: at(90) });
        assert_eq!(then(When::At(at(101))).unwrap_err().exit(), Exit::Usage);
    }
}
