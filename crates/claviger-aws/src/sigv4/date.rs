//! When a request was signed.

use claviger_access::authn::access_key::instant;
use claviger_core::Timestamp;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The instant in a header `Date`: in the form of signed requests, or as HTTP writes it (RFC 9110, 5.6.7: IMF-fixdate).
pub(super) fn of_http(text: &[u8]) -> Option<Timestamp> {
    instant::parse(text).or_else(|| fixdate(text))
}

/// `Sun, 30 Aug 2015 12:36:00 GMT`. The day of the week is not looked at: it adds nothing.
fn fixdate(text: &[u8]) -> Option<Timestamp> {
    let [_, _, _, b',', b' ', day @ ..] = text else { return None };
    let [d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', time @ ..] = day else { return None };
    let [h1, h2, b':', mi1, mi2, b':', s1, s2, b' ', b'G', b'M', b'T'] = time else { return None };
    let month = (1_u64..).zip(MONTHS).find(|(_, name)| *name == &[*m1, *m2, *m3])?.0;
    let two = |a: &u8, b: &u8| instant::number(&[*a, *b]);
    let year = instant::number(&[*y1, *y2, *y3, *y4])?;
    instant::of(year, month, two(d1, d2)?, two(h1, h2)?, two(mi1, mi2)?, two(s1, s2)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_the_same_instant() {
        let at = instant::parse(b"20150830T123600Z");
        assert!(at.is_some());
        assert_eq!(of_http(b"20150830T123600Z"), at);
        assert_eq!(of_http(b"Sun, 30 Aug 2015 12:36:00 GMT"), at);
        for bad in [
            "Sun, 30 Aug 2015 12:36:00",
            "Sun, 30 Aug 2015 12:36:00 UTC",
            "Sunday, 30-Aug-15 12:36:00 GMT",
            "Sun Aug 30 12:36:00 2015",
            "Sun, 31 Feb 2015 12:36:00 GMT",
            "Sun, 30 aug 2015 12:36:00 GMT",
        ] {
            assert_eq!(of_http(bad.as_bytes()), None, "{bad}");
        }
    }
}
