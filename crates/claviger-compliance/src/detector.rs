//! What must never be in a log or in what is handed over of it, looked for in bytes: numbers of cards and accounts, secrets, and in open
//! fields of facts addresses of people and text that looks like a key.
//!
//! A finding says what kind of thing begins where, and never repeats it. What is sealed is not looked into: nobody here can open it.
//!
//! **What could be taken for a finding and is none.** A log is full of identifiers, digests and instants, so that rules go by whole tokens: the
//! longest runs of letters and digits.
//!
//! * A number of a card is a token of 13 to 19 digits alone, or tokens of digits grouped as cards print them. Identifiers (UUID: 32 digits in
//!   groups that begin with 8), digests (64 or 128 hexadecimal digits in one token) and their like have other lengths: of them no finding can
//!   come, however many there are, even where all their digits are decimal. A gigabyte of digests of 64 hexadecimal digits has 0 expected
//!   findings.
//! * Within base64, a token is bounded by `/` on both sides with probability 2^-12; that at least 13 digits and nothing else lie between has
//!   (10/64)^13 / (1 - 10/64), so 2^-34.6; prefix and check digit hold of a number by chance with 0.4 × 0.1. That is 3.9e-16 for each place: 4e-7
//!   for a gigabyte. Its form for addresses has `_` in that place.
//! * Within random bytes it is (10/256)^13 × 0.04, so 2e-20 for each place.
//! * Instants in microseconds have 16 digits. They begin with 1 until 2033 and with 20 and 21 until 2039, as no card does; behind that, a member
//!   of a JSON object that is a number and reads as an instant before 2071 is none.
//! * An IBAN has the length of its country, ends where its token ends, and its check digits hold by chance once in 97 times. Lower case has none,
//!   so no hexadecimal of ours; base64 longer than 34 characters has none either, as neither `+`, `/` nor `=` may bound it.
//! * A token of ours is 45 fixed or hexadecimal characters in their places at least; a private key has its armour.
//! * Of text that looks like a key, fingerprints of certificates are left out: 64 hexadecimal digits behind `sha256=` or `issuer=`.
//!
//! The price: a number that letters touch is not found, nor one whose digits are spelled otherwise than on cards.

use claviger_audit::Entry;
use claviger_audit::cbor::Reader;
use claviger_audit::fact::{Fact, Field, FieldValue, is_sealed, show_field};

/// What kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The identifier of an access key: it is sealed in facts.
    AccessKey,
    /// A text that tests plant as a secret.
    Canary,
    /// A number of a payment card, with its check digit.
    CardNumber,
    /// An e-mail address.
    Email,
    /// A number of a bank account, with its check digits.
    Iban,
    /// Text that looks like a key, where words are expected.
    KeyLike,
    /// A field that the schema of facts does not have, or a value that is none of its field.
    OutsideSchema,
    /// A private key in its armour.
    PrivateKey,
    /// A bearer token of this service, or a code to enrol with.
    Token,
    /// A field that the schema of facts has sealed, and that stands open.
    Unsealed,
}

claviger_core::named! {
    Kind, "a kind of finding" {
        AccessKey = "access_key",
        Canary = "canary",
        CardNumber = "card_number",
        Email = "email_address",
        Iban = "iban",
        KeyLike = "looks_like_a_key",
        OutsideSchema = "outside_schema",
        PrivateKey = "private_key",
        Token = "bearer_token",
        Unsealed = "unsealed_field",
    }
}

/// Something that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What kind of thing.
    pub kind: Kind,
    /// At which byte it begins.
    pub at: usize,
}

/// Groups of digits as cards print them.
const GROUPS: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[6, 13]];
/// The first number that is no instant in microseconds before 2071.
const NO_INSTANT: u64 = 3_187_296_000_000_000;
/// How far the end of the first line of an armoured key is from its begin at most.
const ARMOUR: usize = 48;
/// Countries that have IBANs, with their lengths (ISO 13616).
const IBANS: [(&[u8; 2], usize); 79] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// What must not be in bytes of any form.
#[must_use]
pub fn scan(bytes: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if !byte.is_ascii_alphanumeric() {
            if *byte == b'-' && is_private_key(bytes.get(at..).unwrap_or_default()) {
                hits.push(Hit { kind: Kind::PrivateKey, at });
                at += ARMOUR;
            } else {
                at += 1;
            }
            continue;
        }
        let end = end_of_token(bytes, at);
        let (found, end) = of_token(Token { bytes, at, end });
        hits.extend(found.map(|kind| Hit { kind, at }));
        at = end;
    }
    hits
}

/// What must not be in a text that callers and operators choose words of.
#[must_use]
pub fn scan_words(text: &str) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = scan(text.as_bytes()).into_iter().map(|hit| hit.kind).collect();
    if has_email(text) {
        kinds.push(Kind::Email);
    }
    let words = text.split(' ').filter(|word| !is_print(word));
    let mut runs =
        words.flat_map(|word| word.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '/'));
    if kinds.is_empty() && runs.any(is_key_like) {
        kinds.push(Kind::KeyLike);
    }
    kinds
}

/// Is it the fingerprint of a certificate, as the lines of nodes have it?
fn is_print(word: &str) -> bool {
    let digits = word.strip_prefix("sha256=").or_else(|| word.strip_prefix("issuer="));
    digits.is_some_and(|digits| digits.len() == 64 && is_lower_hex(digits.as_bytes()))
}

/// What must not be in the open fields of a fact: `found` is told the field and what it holds. How many open fields are there?
pub fn scan_fact(fact: &Fact, found: &mut dyn FnMut(&str, Kind)) -> u64 {
    let mut fields = 0;
    for (number, field) in &fact.fields {
        let Field::Open(cbor) = field else { continue };
        fields += 1;
        let kind = fact.object.kind();
        let (name, value) = show_field(kind, *number, field);
        if is_sealed(kind, *number) {
            found(&name, Kind::Unsealed);
        }
        let kinds = match (Reader::new(cbor).bytes(), value) {
            // So is shown what has no field, and what is no value of its field.
            (_, FieldValue::Text(text)) if text.starts_with("(cbor) ") => {
                found(&name, Kind::OutsideSchema);
                kinds_in(cbor)
            }
            // Identifiers and digests: what they are shown as is hexadecimal.
            (Ok(bytes), _) => kinds_in(bytes),
            (Err(_), FieldValue::Text(text)) => scan_words(&text),
            (Err(_), FieldValue::Texts(texts)) => texts.iter().flat_map(|text| scan_words(text)).collect(),
            (Err(_), FieldValue::Number(number)) => kinds_in(number.to_string().as_bytes()),
            (Err(_), _) => Vec::new(),
        };
        kinds.into_iter().for_each(|kind| found(&name, kind));
    }
    fields
}

/// What must not be in an entry. It has no place for text but its reference.
#[must_use]
pub fn scan_entry(entry: &Entry<'_>) -> Vec<Kind> {
    entry.reference.as_deref().map(kinds_in).unwrap_or_default()
}

fn kinds_in(bytes: &[u8]) -> Vec<Kind> {
    scan(bytes).into_iter().map(|hit| hit.kind).collect()
}

/// A run of letters and digits, where it lies.
#[derive(Clone, Copy)]
struct Token<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a [u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    /// What is behind it.
    fn rest(self) -> &'a [u8] {
        self.bytes.get(self.end..).unwrap_or_default()
    }

    /// The byte that many places before it; the one just before it is 1.
    fn before(self, places: usize) -> Option<u8> {
        self.bytes.get(self.at.checked_sub(places)?).copied()
    }
}

fn end_of_token(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let len = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
    at + len
}

/// What begins with a token, and where to go on.
fn of_token(token: Token<'_>) -> (Option<Kind>, usize) {
    let Some(first) = token.text().first() else { return (None, token.end + 1) };
    if first.is_ascii_digit()
        && let Some(end) = end_of_card(token)
    {
        return (Some(Kind::CardNumber), end);
    }
    if let Some(end) = end_of_iban(token) {
        return (Some(Kind::Iban), end);
    }
    let kind = if is_bearer(token) {
        Some(Kind::Token)
    } else if is_canary(token) {
        Some(Kind::Canary)
    } else if is_access_key(token) {
        Some(Kind::AccessKey)
    } else {
        None
    };
    (kind, token.end)
}

/// Where a number of a card ends that begins with a token.
fn end_of_card(token: Token<'_>) -> Option<usize> {
    let begins_here = match token.before(1) {
        Some(b'+') => false,
        Some(b'.') => !token.before(2).is_some_and(|byte| byte.is_ascii_digit()),
        Some(b'-') => !token.before(2).is_some_and(|byte| byte.is_ascii_alphanumeric()),
        _ => true,
    };
    let ends_at = |end: usize| {
        let next = |places: usize| token.bytes.get(end + places).copied();
        match next(0) {
            Some(b'+') => false,
            Some(b'.') => !next(1).is_some_and(|byte| byte.is_ascii_digit()),
            Some(b'-') => !next(1).is_some_and(|byte| byte.is_ascii_alphanumeric()),
            Some(byte) => !byte.is_ascii_alphanumeric(),
            None => true,
        }
    };
    if !begins_here || !token.text().iter().all(u8::is_ascii_digit) {
        return None;
    }
    if token.text().len() >= 13 {
        let is_card = ends_at(token.end) && is_card(token.text()) && !is_instant(token);
        return is_card.then_some(token.end);
    }
    GROUPS.iter().find_map(|groups| {
        let (digits, end) = grouped(token, groups)?;
        (ends_at(end) && is_card(&digits)).then_some(end)
    })
}

/// The digits of groups of these lengths with one and the same sign between them, and where they end.
fn grouped(token: Token<'_>, groups: &[usize]) -> Option<(Vec<u8>, usize)> {
    let separator = token.rest().first().copied().filter(|byte| matches!(byte, b' ' | b'-'))?;
    let (mut digits, mut at) = (Vec::with_capacity(19), token.at);
    for (place, group) in groups.iter().enumerate() {
        if place > 0 {
            if token.bytes.get(at) != Some(&separator) {
                return None;
            }
            at += 1;
        }
        let part = token.bytes.get(at..at + group)?;
        if !part.iter().all(u8::is_ascii_digit) {
            return None;
        }
        digits.extend_from_slice(part);
        at += group;
    }
    Some((digits, at))
}

/// Is it the number of a card: the length and the prefix of an issuer, and the check digit (ISO/IEC 7812-1, annex B)?
fn is_card(digits: &[u8]) -> bool {
    let prefix = |places: usize| {
        let digits = digits.iter().take(places);
        digits.fold(0_u32, |number, digit| number * 10 + u32::from(digit.saturating_sub(b'0')))
    };
    let has_issuer = matches!(
        (prefix(2), prefix(4), digits.len()),
        (40..=49, _, 13 | 16 | 19)
            | (51..=55, _, 16)
            | (_, 2221..=2720, 16)
            | (34 | 37, _, 15)
            | (36 | 38 | 39, _, 14..=19)
            | (_, 3000..=3059 | 3090..=3099, 14..=19)
            | (_, 2200..=2204 | 3528..=3589, 16..=19)
            | (50 | 56..=69, _, 13..=19)
    );
    has_issuer && checks(digits)
}

/// Does the check digit hold (Luhn)?
fn checks(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit.saturating_sub(b'0'));
            match (place % 2, digit) {
                (0, digit) => digit,
                (_, digit) if digit > 4 => 2 * digit - 9,
                (_, digit) => 2 * digit,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Is it a member of a JSON object that is a number, and reads as an instant in microseconds?
fn is_instant(token: Token<'_>) -> bool {
    let is_member = token.before(1) == Some(b':')
        && token.before(2) == Some(b'"')
        && token.before(3) != Some(b'\\')
        && matches!(token.rest().first(), Some(b',' | b'}'));
    let number = std::str::from_utf8(token.text()).ok().and_then(|text| text.parse::<u64>().ok());
    is_member && number.is_some_and(|number| number < NO_INSTANT)
}

/// Where an IBAN ends that begins with a token.
fn end_of_iban(token: Token<'_>) -> Option<usize> {
    let [country @ .., first, second] = token.text().get(..4)? else { return None };
    if !first.is_ascii_digit() || !second.is_ascii_digit() || matches!(token.before(1), Some(b'+' | b'/')) {
        return None;
    }
    let (_, len) = IBANS.iter().find(|(of, _)| of.as_slice() == country)?;
    let (mut signs, mut at) = (Vec::with_capacity(*len), token.at);
    while signs.len() < *len {
        // On paper it is in groups of four.
        let is_between = !signs.is_empty() && signs.len().is_multiple_of(4);
        match token.bytes.get(at).copied()? {
            b' ' if is_between && token.bytes.get(at - 1) != Some(&b' ') => {}
            sign if sign.is_ascii_digit() || sign.is_ascii_uppercase() => signs.push(sign),
            _ => return None,
        }
        at += 1;
    }
    let next = token.bytes.get(at).copied();
    let is_end = next.is_none_or(|next| !next.is_ascii_alphanumeric() && !b"+/=".contains(&next));
    let (head, tail) = signs.split_at_checked(4)?;
    let rest = tail.iter().chain(head).fold(0_u32, |rest, sign| match sign {
        b'0'..=b'9' => (rest * 10 + u32::from(sign - b'0')) % 97,
        _ => (rest * 100 + u32::from(sign.saturating_sub(b'A')) + 10) % 97,
    });
    (is_end && rest == 1).then_some(at)
}

fn is_lower_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
}

/// `cvg_` of a token or `cve_` of a code to enrol with, 32 hexadecimal digits, `_`: what is behind them need not be whole.
fn is_bearer(token: Token<'_>) -> bool {
    if !token.text().ends_with(b"cvg") && !token.text().ends_with(b"cve") {
        return false;
    }
    let Some((b'_', rest)) = token.rest().split_first() else { return false };
    let Some((id, rest)) = rest.split_at_checked(32) else { return false };
    is_lower_hex(id) && rest.first() == Some(&b'_') && rest.get(1..9).is_some_and(is_lower_hex)
}

/// `canary-` and six hexadecimal digits.
fn is_canary(token: Token<'_>) -> bool {
    let rest = token.rest().strip_prefix(b"-");
    token.text().ends_with(b"canary") && rest.and_then(|rest| rest.get(..6)).is_some_and(is_lower_hex)
}

fn is_access_key(token: Token<'_>) -> bool {
    let rest = token.text().strip_prefix(b"AKIA").or_else(|| token.text().strip_prefix(b"ASIA"));
    let is_in_base64 = matches!(token.before(1), Some(b'+' | b'/'))
        || matches!(token.rest().first(), Some(b'+' | b'/' | b'='));
    let is_base32 = |sign: &u8| sign.is_ascii_uppercase() || (b'2'..=b'7').contains(sign);
    !is_in_base64 && rest.is_some_and(|rest| rest.len() == 16 && rest.iter().all(is_base32))
}

/// `-----BEGIN … PRIVATE KEY-----` (RFC 7468).
fn is_private_key(bytes: &[u8]) -> bool {
    const END: &[u8] = b"PRIVATE KEY-----";
    let line = bytes.get(..bytes.len().min(ARMOUR)).unwrap_or_default();
    line.strip_prefix(b"-----BEGIN ").is_some_and(|line| line.windows(END.len()).any(|window| window == END))
}

fn has_email(text: &str) -> bool {
    let is_local = |sign: char| sign.is_ascii_alphanumeric() || "._%+-".contains(sign);
    let is_of_domain = |sign: char| sign.is_ascii_alphanumeric() || sign == '-' || sign == '.';
    text.match_indices('@').any(|(at, _)| {
        let (before, behind) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        let end = behind.find(|sign: char| !is_of_domain(sign)).unwrap_or(behind.len());
        let domain = behind.get(..end).unwrap_or_default().trim_end_matches('.');
        let is_domain = domain.rsplit_once('.').is_some_and(|(name, top)| {
            !name.is_empty() && top.len() >= 2 && top.chars().all(|sign| sign.is_ascii_alphabetic())
        });
        before.ends_with(is_local) && is_domain
    })
}

/// Is a run of letters and digits one that no word is: 32 hexadecimal digits or more, or 20 signs or more that go to and fro between upper
/// case, lower case and digits? Random base64 does so in 62 of 100 steps; names of algorithms do in up to 45, and are shorter.
fn is_key_like(run: &str) -> bool {
    let signs = run.as_bytes();
    if signs.len() >= 32 && signs.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    let class = |sign: &u8| match sign {
        b'0'..=b'9' => 0_usize,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    };
    let has = |wanted: usize| signs.iter().any(|sign| class(sign) == wanted);
    let mut distinct = signs.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let changes =
        signs.iter().zip(signs.iter().skip(1)).filter(|(one, next)| class(one) != class(next)).count();
    let goes_to_and_fro = changes * 5 >= (signs.len().max(1) - 1) * 2;
    signs.len() >= 20 && distinct.len() >= 12 && has(0) && has(1) && has(2) && goes_to_and_fro
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use claviger_audit::cbor;
    use claviger_audit::fact::Object;
    use claviger_audit::{Op, Outcome, sha256, to_hex};
    use claviger_core::{KeyId, NodeId};

    use super::*;

    /// Numbers that card schemes and payment providers publish for tests.
    const CARDS: [&str; 16] = [
        "4111111111111111",
        "4012888888881881",
        "4222222222222",
        "4000056655665556",
        "5555555555554444",
        "5105105105105100",
        "2223003122003222",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "6011000990139424",
        "30569309025904",
        "38520000023237",
        "3530111333300000",
        "3566002020360505",
        "6759649826438453",
    ];
    /// Examples of the registry of IBANs.
    const ACCOUNTS: [&str; 9] = [
        "BE68539007547034",
        "CH9300762011623852957",
        "DE89370400440532013000",
        "FR1420041010050500013M02606",
        "GB82WEST12345698765432",
        "GR1601101250000000012300695",
        "MT84MALT011000012345MTLCAST001S",
        "NL91ABNA0417164300",
        "NO9386011117947",
    ];

    fn found(text: &str) -> Vec<Kind> {
        kinds_in(text.as_bytes())
    }

    /// With `sign` between groups of four, as in `4111-1111-1111-1111`.
    fn in_fours(text: &str, sign: char) -> String {
        let mut grouped = String::new();
        for (place, one) in text.chars().enumerate() {
            if place > 0 && place.is_multiple_of(4) {
                grouped.push(sign);
            }
            grouped.push(one);
        }
        grouped
    }

    #[test]
    fn numbers_of_cards_are_found_where_they_stand() {
        for card in CARDS {
            for text in [
                card.to_owned(),
                format!("card {card}, please"),
                format!("pan={card};"),
                format!("orders/{card}/2"),
                format!("{{\"name\":\"{card}\"}}"),
                format!("name_{card}_1"),
                format!("3,{card},4"),
                format!("{card}=25121010000012345678"),
            ] {
                assert_eq!(found(&text), [Kind::CardNumber], "{text}");
            }
        }
        for (card, grouped) in [
            ("4111111111111111", in_fours("4111111111111111", ' ')),
            ("4111111111111111", in_fours("4111111111111111", '-')),
            ("378282246310005", "3782 822463 10005".to_owned()),
            ("30569309025904", "3056-930902-5904".to_owned()),
        ] {
            let text = format!("2 of {grouped}.");
            assert_eq!(scan(text.as_bytes()), [Hit { kind: Kind::CardNumber, at: 5 }], "{card}");
        }
        assert_eq!(scan(b"\x00\xff4111111111111111\x80"), [Hit { kind: Kind::CardNumber, at: 2 }]);
    }

    #[test]
    fn other_numbers_are_no_cards() {
        for text in [
            // A digit is wrong; nobody issues it; it is too long, and too short.
            "4111111111111112",
            "1111111111111117",
            "9411111111111111",
            "41111111111111111111",
            "424242424242",
            // Parts of something else.
            "a4111111111111111",
            "4111111111111111f",
            "1.4111111111111111",
            "4111111111111111.5",
            "+4111111111111111",
            "4111-1111 1111-1111",
            "4111  1111 1111 1111",
            "abcdefab-4111-1111-1111-1111",
            "4111-1111-1111-1111-abcdefabcdef",
            "41111111-1111-4111-8111-111111111111",
            "4111111111111111-4111",
            // Instants in microseconds, of now and of a time when they begin as cards do.
            "{\"t\":1798761599999999,\"u\":2223003122003222}",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
        // Of a number in JSON that is no instant, and of one within a text.
        assert_eq!(found("{\"pan\":4111111111111111}"), [Kind::CardNumber]);
        assert_eq!(found("{\"t\":\"{\\\"pan\\\":2223003122003222}\"}"), [Kind::CardNumber]);
    }

    #[test]
    fn accounts_are_found_by_length_and_check_digits() {
        for account in ACCOUNTS {
            let on_paper = format!("to {} now", in_fours(account, ' '));
            for text in [account.to_owned(), format!("iban={account}."), on_paper] {
                assert_eq!(found(&text), [Kind::Iban], "{text}");
            }
            let wrong = account.replacen(account.get(4..5).unwrap(), "Z", 1);
            assert!(found(&wrong).is_empty(), "{wrong}");
            for text in
                [format!("{account}0"), format!("x{account}"), format!("+{account}"), format!("{account}=")]
            {
                assert!(found(&text).is_empty(), "{text}");
            }
            assert!(found(&account.to_lowercase()).is_empty());
        }
    }

    #[test]
    fn secrets_are_found_by_their_form() {
        let token = format!("cvg_{}_{}_{}", "5a".repeat(16), "0f".repeat(32), "01234567");
        for (text, kind) in [
            (token.clone(), Kind::Token),
            (format!("Bearer {token}"), Kind::Token),
            (format!("x{}", token.get(..60).unwrap()), Kind::Token),
            (token.replacen("cvg", "cve", 1), Kind::Token),
            ("AKIAIOSFODNN7EXAMPLE".to_owned(), Kind::AccessKey),
            ("id ASIAIOSFODNN7EXAMPLE,".to_owned(), Kind::AccessKey),
            ("-----BEGIN PRIVATE KEY-----\nMC4CAQAw".to_owned(), Kind::PrivateKey),
            ("x\n-----BEGIN EC PRIVATE KEY-----".to_owned(), Kind::PrivateKey),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----".to_owned(), Kind::PrivateKey),
            ("canary-4f1d9c".to_owned(), Kind::Canary),
            ("my canary-5f0d6c1e-9b7a-4c57-8d0e".to_owned(), Kind::Canary),
        ] {
            assert_eq!(found(&text), [kind], "{text}");
        }
        for text in [
            "not a token: `cvg_` and 106 more characters are expected",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "AKIAIOSFODNN7EXAMPLEX",
            "+AKIAIOSFODNN7EXAMPLE",
            "AKIA and 16 characters",
            "canary operations, a canary-like one",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn people_and_keys_are_found_where_words_are_expected() {
        for (text, kind) in [
            ("jo@example.org", Kind::Email),
            ("of <jo.doe+x@mail.example.co.uk>.", Kind::Email),
            ("000102030405060708090a0b0c0d0e0f", Kind::KeyLike),
            ("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", Kind::KeyLike),
            ("sha256=000102030405060708090a0b0c0d0e0f", Kind::KeyLike),
            ("owner=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Kind::KeyLike),
            ("Xq7dPz2LmV9sKt4RwYb8", Kind::KeyLike),
        ] {
            assert_eq!(scan_words(text), [kind], "{text}");
        }
        // As nodes, keys and rings say it.
        for text in [
            "rest 127.0.0.1:8443 TLS 1.3 TLS_AES_256_GCM_SHA384+TLS_CHACHA20_POLY1305_SHA256 \
             SecP256r1MLKEM768+X25519MLKEM768+x25519 certificate or token",
            "module_drbg=CTR_DRBG with AES-256 (SP 800-90A) of aws-lc 1.60.0 (FIPS module 3); seeded by the operating system",
            "token=that of SoftHSM 2.6; model (claviger (3f0c8a12b1d4e567)); it does not say where its entropy is from",
            "seal=claviger-root-seal-1 version=1 algorithm=aes-256-gcm strength=256",
            "server purpose=server-authentication listeners=control+data \
             sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 owner=ops key=ec-p256 \
             from=2026-09-21T14:08:20Z until=2027-10-23T14:13:20Z \
             issuer=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad revocation=unpublished",
            "generate_data_key_pair_without_plaintext",
            "tsc; kept by systemd-timesyncd",
            "administrator=3b241101-e2bb-4255-8caf-4136c566a962",
            "tenant@region",
            "@media",
            "aws:SourceAccount",
        ] {
            assert!(scan_words(text).is_empty(), "{text}");
        }
    }

    fn text(value: &str) -> Field {
        let mut cbor = Vec::new();
        cbor::put_text(&mut cbor, value);
        Field::Open(cbor)
    }

    fn bytes(value: &[u8]) -> Field {
        let mut cbor = Vec::new();
        cbor::put_bytes(&mut cbor, value);
        Field::Open(cbor)
    }

    fn found_in(
        object: Object,
        fields: impl IntoIterator<Item = (u16, Field)>,
    ) -> (u64, Vec<(String, Kind)>) {
        let fields: BTreeMap<u16, Field> = fields.into_iter().collect();
        let mut all = Vec::new();
        let fact = Fact { object, revision: 1, fields, sealed: None };
        let open = scan_fact(&fact, &mut |field, kind| all.push((field.to_owned(), kind)));
        (open, all)
    }

    #[test]
    fn open_fields_of_facts_are_looked_into_and_sealed_ones_are_not() {
        let key = Object::Key(KeyId::from_bytes([7; 16]));
        let of_key = found_in(
            key,
            [
                (1, bytes(&[9; 16])),
                (2, Field::Hidden([4; 32])),
                (11, text("active")),
                (20, text("4111111111111111")),
            ],
        );
        assert_eq!(of_key, (3, vec![("environment".to_owned(), Kind::CardNumber)]));
        // Bytes are looked into as they are, and not as they are shown.
        let digest = found_in(key, [(17, bytes(&[1])), (8, bytes(b"4111111111111111"))]);
        assert_eq!(digest, (2, vec![("owner".to_owned(), Kind::CardNumber)]));
        let node = Object::Node(NodeId::of_shard(1));
        let mut words = Vec::new();
        cbor::put_array(&mut words, 2);
        cbor::put_text(&mut words, "memory_locked=yes");
        cbor::put_text(&mut words, "contact=jo@example.org");
        let of_node = found_in(node, [(7, bytes(&sha256(b"program"))), (10, Field::Open(words))]);
        assert_eq!(of_node, (2, vec![("hardening".to_owned(), Kind::Email)]));
    }

    #[test]
    fn a_field_that_the_schema_does_not_have_is_found() {
        let key = Object::Key(KeyId::from_bytes([7; 16]));
        let outside = |name: &str| (1, vec![(name.to_owned(), Kind::OutsideSchema)]);
        assert_eq!(found_in(key, [(999, text("note"))]), outside("field_999"));
        // A text where a number belongs.
        assert_eq!(found_in(key, [(12, text("one"))]), outside("primary"));
    }

    #[test]
    fn a_sealed_field_that_stands_open_is_found_whatever_it_holds() {
        let key = Object::Key(KeyId::from_bytes([7; 16]));
        let named =
            found_in(key, [(2, text("orders")), (7, Field::Hidden([4; 32])), (20, text("production"))]);
        assert_eq!(named, (2, vec![("name".to_owned(), Kind::Unsealed)]));
        let described = found_in(key, [(7, text("of jo@example.org"))]);
        let kinds = [Kind::Unsealed, Kind::Email].map(|kind| ("description".to_owned(), kind));
        assert_eq!(described, (1, kinds.to_vec()));
    }

    #[test]
    fn entries_are_looked_into() {
        let entry = Entry::new(1_798_761_599_999_999, 1, Op::Encrypt, Outcome::Ok);
        assert!(scan_entry(&entry).is_empty());
        let reference = |bytes: &[u8]| Entry { reference: Some(bytes.to_vec().into()), ..entry.clone() };
        assert!(scan_entry(&reference(&sha256(b"row"))).is_empty());
        assert_eq!(scan_entry(&reference(b"pan 5555555555554444")), [Kind::CardNumber]);
    }

    /// The form of a UUID with these digits.
    fn uuid(digits: &str) -> String {
        let part = |from: usize, to: usize| digits.get(from..to).unwrap();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    #[test]
    fn a_hundred_thousand_identifiers_digests_and_instants_are_none_of_it() {
        for number in 0..100_000_u64 {
            let digest = sha256(&number.to_be_bytes());
            let hex = to_hex(&digest);
            // Decimal digits alone, as one in three million of such identifiers has.
            let decimal: String = digest.iter().map(|byte| char::from(b'0' + byte % 10)).collect();
            let now = 1_700_000_000_000_000 + number * 2_900_000_003;
            let later = now + 500_000_000_000_000;
            let text = format!(
                "{{\"id\":\"{}\",\"digest\":\"{hex}\",\"at\":{now},\"until\":{later},\"size\":{number}}}\n{} {now} {decimal}{decimal}",
                uuid(&hex),
                uuid(&decimal),
            );
            assert!(scan(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
