//! Instants as signed requests write them: `20150830T123600Z` (ISO 8601, basic form, UTC, whole seconds), one spelling.

use claviger_core::Timestamp;

const SECOND: u64 = 1_000_000;
const DAY_SECONDS: u64 = 86_400;
/// Days from 0000-03-01 to the Unix epoch.
const EPOCH_DAY: u64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: u64 = 146_097;

/// The instant of a date and a time of day, from 1970 on.
#[must_use]
pub fn of(year: u64, month: u64, day: u64, hour: u64, minute: u64, second: u64) -> Option<Timestamp> {
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let seconds = || days_since_epoch(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    valid.then(|| Timestamp::from_micros(seconds() * SECOND))
}

/// Reads an instant.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Timestamp> {
    let [y1, y2, y3, y4, mo1, mo2, d1, d2, b'T', h1, h2, mi1, mi2, s1, s2, b'Z'] = *text else { return None };
    let year = number(&[y1, y2, y3, y4])?;
    of(
        year,
        number(&[mo1, mo2])?,
        number(&[d1, d2])?,
        number(&[h1, h2])?,
        number(&[mi1, mi2])?,
        number(&[s1, s2])?,
    )
}

/// Writes an instant; of what lies within a second, its beginning.
#[must_use]
pub fn format(at: Timestamp) -> String {
    let seconds = at.as_micros() / SECOND;
    let (year, month, day) = date_of(seconds / DAY_SECONDS);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// A number that is all digits.
#[must_use]
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

fn days_of(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// Years are counted from March, so that the leap day comes last; months then begin on day (153 m + 2) / 5.

fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year / 4 - year / 100 + year / 400;
    (year * 365 + leap_days + day_of_year) - EPOCH_DAY
}

fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAY;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_instants_are_read_and_written() {
        let cases = [
            ("19700101T000000Z", 0),
            ("20000229T235959Z", 951_868_799),
            ("20150830T123600Z", 1_440_938_160),
            ("20161231T235959Z", 1_483_228_799),
            ("21000301T000000Z", 4_107_542_400),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse(text.as_bytes()), Some(Timestamp::from_micros(seconds * SECOND)), "{text}");
            assert_eq!(format(Timestamp::from_micros(seconds * SECOND + 999_999)), text);
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for bad in [
            "",
            "20150830T123600",
            "20150830t123600z",
            "2015-08-30T12:36:00Z",
            "20150830T123600Z ",
            "+0150830T123600Z",
            "20150229T000000Z",
            "21000229T000000Z",
            "20150431T000000Z",
            "20151301T000000Z",
            "20150001T000000Z",
            "20150100T000000Z",
            "20150101T240000Z",
            "20150101T006000Z",
            "20150101T000060Z",
            "19691231T235959Z",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 0..253_402_300_800_u64) {
            let at = Timestamp::from_micros(seconds * SECOND);
            prop_assert_eq!(parse(format(at).as_bytes()), Some(at));
        }
    }
}
