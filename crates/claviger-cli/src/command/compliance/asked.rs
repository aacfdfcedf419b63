//! What is asked of a log: which controls, and of when. No clock of this machine is asked: spans count back from the newest cut of the log.

use std::path::Path;

use clap::Args;
use claviger_audit::VerifierKey;
use claviger_audit::cut::Cut;
use claviger_client::types::Instant;
use claviger_compliance::evaluation::Setting;
use claviger_compliance::{Catalogue, Framework, Period};
use claviger_core::Timestamp;

use crate::command::audit::offline::newest_cut;
use crate::failure::Failure;
use crate::input::when::{self, When};

/// After how many entries progress is shown.
pub(super) const STEP: u64 = 1000;

/// Of when.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct WhenArgs {
    /// Instant of the results of state and end of the period: RFC 3339, or so long before the newest cut of the log (30d); without it that cut's
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    as_of: Option<When>,
    /// Begin of the period: RFC 3339, or so long before its end (90d); 365 days before it unless said otherwise
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    from: Option<When>,
}

/// What is asked of a log.
#[derive(Clone, Copy)]
pub(super) struct Asked<'c> {
    pub(super) catalogue: &'c Catalogue,
    pub(super) framework: Option<&'c Framework>,
    pub(super) when: WhenArgs,
}

impl Asked<'_> {
    /// The period that is asked for of the export in `dir`, and how many entries its newest cut has.
    ///
    /// # Errors
    /// When the period is none of this log's.
    pub(super) fn of_log(&self, dir: &Path, key: &VerifierKey) -> Result<(Period, u64), Failure> {
        let newest = newest_cut(dir, key);
        let entries = newest.as_ref().ok().and_then(Option::as_ref).map_or(0, size);
        let period = self.period(newest.map(|cut| cut.map(|cut| Timestamp::from_micros(cut.t))))?;
        Ok((period, entries))
    }

    fn period(&self, newest: Result<Option<Timestamp>, Failure>) -> Result<Period, Failure> {
        let to = self.instant(newest)?;
        let from = match self.when.from {
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
        let setting = Setting::new(self.catalogue, None, Period { from: to, to });
        setting.days("period_days")
    }

    /// The instant of results of state. Behind the newest cut the log says nothing, so that none there can be evaluated.
    fn instant(&self, newest: Result<Option<Timestamp>, Failure>) -> Result<Timestamp, Failure> {
        match (self.when.as_of, newest) {
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
            (Some(When::At(at)), Err(_)) => Ok(at),
            (_, Ok(None)) => {
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
    cut.shards.iter().fold(0, |sum: u64, shard| sum.saturating_add(shard.size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        when: WhenArgs,
    }

    fn asked<'c>(catalogue: &'c Catalogue, words: &[&str]) -> Asked<'c> {
        let line = ["evaluate"].iter().chain(words);
        let when = <Line as clap::Parser>::try_parse_from(line).unwrap().when;
        Asked { catalogue, framework: None, when }
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
        for words in [&[][..], &["--as-of", NEWEST]] {
            assert_eq!(asked(&catalogue, words).period(Ok(None)).unwrap_err().exit(), Exit::Failed);
        }
    }
}
