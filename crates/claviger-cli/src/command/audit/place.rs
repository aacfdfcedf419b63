//! Where a range of the log begins or ends: an index, or an instant.

use claviger_core::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use crate::input::when;

/// A place of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// This index.
    Index(u64),
    /// The first entry of this instant, or of so long ago.
    At(when::When),
    /// The last such day that has begun, at midnight UTC.
    Day(Weekday),
}

/// Reads a place.
pub(crate) fn parse(text: &str) -> Result<Place, String> {
    if let Ok(index) = text.parse() {
        return Ok(Place::Index(index));
    }
    if let Some(day) = weekday(text) {
        return Ok(Place::Day(day));
    }
    // What is longer has a time, which a date would leave out.
    if let (10, Ok(date)) = (text.len(), text.parse::<Date>()) {
        let midnight = instant_of(date).ok_or("a date after 1970 is expected")?;
        return Ok(Place::At(when::When::At(midnight)));
    }
    when::parse(text).map(Place::At).map_err(|_| {
        "an index, an instant (RFC 3339), a date (2027-01-31), a day of the week (monday), or a span from now back (7d) is expected; \
         dates and days begin at midnight UTC"
            .to_owned()
    })
}

impl Place {
    /// The index, if it is one.
    pub(crate) const fn index(self) -> Option<u64> {
        match self {
            Self::Index(index) => Some(index),
            Self::At(_) | Self::Day(_) => None,
        }
    }

    /// The instant, if it is one.
    pub(crate) fn instant(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Index(_) => None,
            Self::At(when) => Some(when.before(now)),
            Self::Day(day) => last(day, now),
        }
    }
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text.to_ascii_lowercase().as_str() {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

fn last(day: Weekday, now: Timestamp) -> Option<Timestamp> {
    let micros = i64::try_from(now.as_micros()).ok()?;
    let today = TimeZone::UTC.to_datetime(jiff::Timestamp::from_microsecond(micros).ok()?).date();
    let date = if today.weekday() == day { today } else { today.nth_weekday(-1, day).ok()? };
    instant_of(date)
}

fn instant_of(date: Date) -> Option<Timestamp> {
    let midnight = TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok()?;
    u64::try_from(midnight.as_microsecond()).ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, now: &str) -> Option<String> {
        let micros = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let now = Timestamp::from_micros(u64::try_from(micros(now)).unwrap());
        let at = parse(text).unwrap().instant(now)?;
        let at = jiff::Timestamp::from_microsecond(i64::try_from(at.as_micros()).unwrap()).unwrap();
        Some(at.to_string())
    }

    #[test]
    fn a_place_is_an_index_or_an_instant() {
        // A Sunday.
        let now = "2026-11-29T13:00:00Z";
        assert_eq!(parse("17"), Ok(Place::Index(17)));
        assert_eq!(at("17", now), None);
        assert_eq!(at("monday", now).as_deref(), Some("2026-11-23T00:00:00Z"));
        assert_eq!(at("Sunday", now).as_deref(), Some("2026-11-29T00:00:00Z"));
        assert_eq!(at("2026-03-01", now).as_deref(), Some("2026-03-01T00:00:00Z"));
        assert_eq!(at("7d", now).as_deref(), Some("2026-11-22T13:00:00Z"));
        assert_eq!(at("2026-03-01T12:00:00+01:00", now).as_deref(), Some("2026-03-01T11:00:00Z"));
        assert!(parse("someday").unwrap_err().contains("monday"));
        assert!(parse("1960-01-01").is_err());
    }
}
