//! Spans and instants on the command line: `30d`, `1h30m`, `P30D`; RFC 3339, or a span from now.

use std::time::Duration;

use claviger_core::Timestamp;
use jiff::{SignedDuration, Span, SpanRelativeTo};

/// An instant, or a span that becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// This instant.
    At(Timestamp),
    /// So long from now, or ago: the option says which.
    Span(Duration),
}

impl When {
    /// The instant, spans counting forward from `now`.
    pub(crate) fn after(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Span(span) => now.after(span),
        }
    }

    /// The instant, spans counting back from `now`.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Span(span) => {
                let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
                Timestamp::from_micros(now.as_micros().saturating_sub(micros))
            }
        }
    }
}

/// Reads an instant or a span.
pub(crate) fn parse(text: &str) -> Result<When, String> {
    if let Ok(span) = parse_span(text) {
        return Ok(When::Span(span));
    }
    let instant: jiff::Timestamp = text.parse().map_err(|_| {
        "an instant (RFC 3339, as in `2027-01-31T12:00:00Z`) or a span (as in `30d`, `12h`) is expected"
            .to_owned()
    })?;
    let micros = u64::try_from(instant.as_microsecond())
        .map_err(|_| "an instant after 1970 is expected".to_owned())?;
    Ok(When::At(Timestamp::from_micros(micros)))
}

/// Reads a span longer than nothing. Days have 24 hours and weeks 7 days; months and years have no fixed length and
/// are refused.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let expected = || "a span is expected, as in `30d`, `12h`, `1h30m` or `2w`".to_owned();
    let span: Span = text.parse().map_err(|_| expected())?;
    let exact: SignedDuration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "months and years have no fixed length: give days, as in `90d` or `365d`".to_owned())?;
    let span = Duration::try_from(exact).map_err(|_| expected())?;
    if span.is_zero() { Err("a span longer than nothing is expected".to_owned()) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn spans_are_read_in_the_forms_that_people_write() {
        for (text, seconds) in [
            ("30d", 30 * DAY),
            ("12h", 12 * 3600),
            ("1h30m", 5400),
            ("2w", 14 * DAY),
            ("P90D", 90 * DAY),
            ("45s", 45),
        ] {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn spans_without_a_length_are_refused() {
        for text in ["", "30", "d", "0s", "-3d", "1mo", "2y", "soon"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
        assert!(parse_span("1y").unwrap_err().contains("365d"));
    }

    #[test]
    fn instants_are_rfc_3339_or_count_from_now() {
        let now = Timestamp::from_micros(1_000_000_000_000_000);
        let day = DAY * 1_000_000;
        assert_eq!(parse("1970-01-02T00:00:00Z").unwrap().after(now).as_micros(), day);
        assert_eq!(parse("1970-01-02T02:00:00+02:00").unwrap().after(now).as_micros(), day);
        assert_eq!(parse("1d").unwrap().after(now).as_micros(), 1_000_000_000_000_000 + day);
        assert_eq!(parse("1d").unwrap().before(now).as_micros(), 1_000_000_000_000_000 - day);
        assert_eq!(parse("90000d").unwrap().before(now).as_micros(), 0);
        for bad in ["2027-01-31", "1969-12-31T00:00:00Z", "yesterday"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
