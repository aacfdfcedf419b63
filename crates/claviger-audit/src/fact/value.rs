//! The values of fields, to be shown: facts hold them in CBOR, and the form of a field says what that is.

use std::fmt;

use claviger_core::approval::{Decided, DoneStep, SeenRow, decode_decisions, decode_done, decode_rows};
use claviger_core::reason::{Unasked, Why};
use claviger_core::review::{ReviewItem, ReviewSubject, decode_items};
use claviger_core::{GrantId, Timestamp};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{Field, Kind, fields};
use crate::cbor::{CborError, Reader};
use crate::hash::to_hex;

/// What the value of a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// What a grant was given by: a role, or grants.
    Basis,
    /// Bytes, mostly a digest.
    Bytes,
    /// What was decided on what somebody asked for.
    Decisions,
    /// Steps of a plan that were done.
    DoneSteps,
    /// 0 or 1.
    Flag,
    /// An identifier.
    Id,
    /// Microseconds since 1970.
    Instant,
    /// A number.
    Number,
    /// Names with values, one behind the other.
    Pairs,
    /// Why something is so.
    Reason,
    /// Items of an access review.
    ReviewItems,
    /// Objects with the revisions of their rows.
    SeenRows,
    /// Microseconds.
    Span,
    /// A text.
    Text,
    /// Texts.
    Words,
}

/// The value of a field, as people and programs are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// Yes or no.
    Flag(bool),
    /// An instant.
    Instant(Timestamp),
    /// A number.
    Number(u64),
    /// Sealed, or withheld: what commits to it, in hexadecimal.
    Sealed(String),
    /// A span of time, in seconds.
    Seconds(u64),
    /// A text: words as every interface has them, identifiers as UUIDs, bytes in hexadecimal.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
}

/// As people read it.
impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Instant(at) => f.write_str(&rfc3339(*at)),
            Self::Number(number) | Self::Seconds(number) => number.fmt(f),
            Self::Sealed(_) => f.write_str("(sealed)"),
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) => f.write_str(&texts.join(", ")),
        }
    }
}

/// As programs read it: what is sealed is an object with what commits to it.
impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Instant(at) => serializer.serialize_str(&rfc3339(*at)),
            Self::Number(number) | Self::Seconds(number) => serializer.serialize_u64(*number),
            Self::Sealed(commitment) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("sealed", commitment)?;
                map.end()
            }
            Self::Text(text) => serializer.serialize_str(text),
            Self::Texts(texts) => texts.serialize(serializer),
        }
    }
}

/// An instant in RFC 3339, UTC, with as many digits of a second as it has.
fn rfc3339(at: Timestamp) -> String {
    const DAY: u64 = 86_400;
    let (seconds, micros) = (at.as_micros() / 1_000_000, at.as_micros() % 1_000_000);
    let (days, second) = (seconds / DAY, seconds % DAY);
    // Years that begin in March, from the first of March of year 0 on: the day that some have more is their last.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}Z",
        fraction.trim_end_matches('0')
    )
}

/// Name and value of a field, to be shown. The name of a span of time says that it is in seconds; what this release does not know
/// is shown in hexadecimal.
#[must_use]
pub fn show_field(kind: Kind, number: u16, field: &Field) -> (String, FieldValue) {
    let name = fields::field_name(kind, number).map_or_else(|| format!("field_{number}"), str::to_owned);
    let value = match field {
        Field::Hidden(commitment) => FieldValue::Sealed(to_hex(commitment)),
        Field::Open(cbor) => value_of(kind, number, cbor)
            .unwrap_or_else(|| FieldValue::Text(format!("(cbor) {}", to_hex(cbor)))),
    };
    let unit = if matches!(value, FieldValue::Seconds(_)) { "_seconds" } else { "" };
    (name + unit, value)
}

/// `None` for a field that this release does not know, and for bytes that are no value of it.
fn value_of(kind: Kind, number: u16, cbor: &[u8]) -> Option<FieldValue> {
    let mut reader = Reader::new(cbor);
    let value = fields::form_of(kind, number)?.read(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

impl Form {
    fn read(self, reader: &mut Reader<'_>) -> Result<FieldValue, CborError> {
        Ok(match self {
            Self::Basis => basis(reader)?,
            Self::Bytes => FieldValue::Text(to_hex(reader.bytes()?)),
            Self::Decisions => {
                let decisions = decode_decisions(reader.bytes()?).map_err(|_| CborError::Range)?;
                FieldValue::Texts(decisions.iter().map(decision).collect())
            }
            Self::DoneSteps => {
                let done = decode_done(reader.bytes()?).map_err(|_| CborError::Range)?;
                FieldValue::Texts(done.iter().map(done_step).collect())
            }
            Self::Flag => FieldValue::Flag(reader.small::<u8>()? == 1),
            Self::Id => FieldValue::Text(id(reader)?),
            Self::Instant => FieldValue::Instant(Timestamp::from_micros(reader.uint()?)),
            Self::Number => FieldValue::Number(reader.uint()?),
            Self::Pairs => {
                let count = reader.array()?;
                let pair = |reader: &mut Reader<'_>| Ok(format!("{}={}", reader.text()?, reader.text()?));
                FieldValue::Texts(list(count / 2, reader, pair)?)
            }
            Self::Reason => FieldValue::Text(match Why::from_bytes(reader.bytes()?) {
                Some(Why::Given(id)) => id.to_string(),
                Some(Why::Unasked(Unasked::System)) => "(by the system)".to_owned(),
                Some(Why::Unasked(Unasked::Protocol)) => "(the protocol has no place for one)".to_owned(),
                None => return Err(CborError::Range),
            }),
            Self::ReviewItems => {
                let items = decode_items(reader.bytes()?).map_err(|_| CborError::Range)?;
                FieldValue::Texts(items.iter().map(review_item).collect())
            }
            Self::SeenRows => {
                let rows = decode_rows(reader.bytes()?).map_err(|_| CborError::Range)?;
                FieldValue::Texts(rows.iter().map(seen_row).collect())
            }
            Self::Span => FieldValue::Seconds(reader.uint()? / 1_000_000),
            Self::Text => FieldValue::Text(reader.text()?.to_owned()),
            Self::Words => {
                let count = reader.array()?;
                FieldValue::Texts(list(count, reader, |reader| Ok(reader.text()?.to_owned()))?)
            }
        })
    }
}

fn id(reader: &mut Reader<'_>) -> Result<String, CborError> {
    // Identifiers of every kind are shown alike.
    Ok(GrantId::from_bytes(reader.fixed()?).to_string())
}

fn decision(decided: &Decided) -> String {
    let Decided { verdict, by, credential, at, .. } = decided;
    format!("{verdict} by {by} with {credential} at {}", rfc3339(*at))
}

/// Steps are counted from 1 for people.
fn done_step(done: &DoneStep) -> String {
    let moved: Vec<_> = done.moved.iter().map(seen_row).collect();
    let step = format!("step {}", u32::from(done.step) + 1);
    if moved.is_empty() { step } else { format!("{step}: {}", moved.join("; ")) }
}

fn review_item(item: &ReviewItem) -> String {
    let subject = match item.subject {
        ReviewSubject::Office(principal) => format!("roles and capacities of {principal}"),
        ReviewSubject::Uses(principal, ring) => format!("grants of {principal} on ring {ring}"),
    };
    match item.decided {
        None => format!("{subject} ({})", item.count),
        Some(decided) => format!(
            "{subject} ({}): {} by {} at {}",
            item.count,
            decided.decision,
            decided.by,
            rfc3339(decided.at)
        ),
    }
}

fn seen_row(seen: &SeenRow) -> String {
    format!("{} at revision {}", seen.object, seen.revision)
}

fn basis(reader: &mut Reader<'_>) -> Result<FieldValue, CborError> {
    match reader.array() {
        Ok(count) => Ok(FieldValue::Texts(list(count, reader, id)?)),
        Err(_) => Ok(FieldValue::Text(reader.text()?.to_owned())),
    }
}

fn list<'a>(
    count: u64,
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<String, CborError>,
) -> Result<Vec<String>, CborError> {
    // The number is foreign: the list grows by what is there.
    (0..count).map(|_| read(reader)).collect()
}

#[cfg(test)]
mod tests {
    use claviger_core::{KeyId, PrincipalId};

    use super::*;
    use crate::cbor;

    fn value(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    fn shown(kind: Kind, name: &str, cbor: &[u8]) -> Option<FieldValue> {
        let number = (1..100).find(|number| fields::field_name(kind, *number) == Some(name)).unwrap();
        value_of(kind, number, cbor)
    }

    #[test]
    fn values_are_shown_by_the_form_of_their_field() {
        let text = |text: &str| Some(FieldValue::Text(text.to_owned()));
        let key = KeyId::from_bytes([9; 16]);
        assert_eq!(shown(Kind::Key, "state", &value(|out| cbor::put_text(out, "active"))), text("active"));
        assert_eq!(
            shown(Kind::Alias, "key", &value(|out| cbor::put_bytes(out, key.as_bytes()))),
            text(&key.to_string())
        );
        assert_eq!(
            shown(Kind::Version, "wrap_digest", &value(|out| cbor::put_bytes(out, &[0xab, 1]))),
            text("ab01")
        );
        assert_eq!(
            shown(Kind::Ring, "rotation_period", &value(|out| cbor::put_uint(out, 90_000_000))),
            Some(FieldValue::Seconds(90))
        );
        assert_eq!(
            shown(Kind::Ring, "created_at", &value(|out| cbor::put_uint(out, 7))),
            Some(FieldValue::Instant(Timestamp::from_micros(7)))
        );
        assert_eq!(
            shown(Kind::Version, "health_ok", &value(|out| cbor::put_uint(out, 1))),
            Some(FieldValue::Flag(true))
        );
        let words = value(|out| {
            cbor::put_array(out, 2);
            cbor::put_text(out, "encrypt");
            cbor::put_text(out, "decrypt");
        });
        let both = Some(FieldValue::Texts(vec!["encrypt".to_owned(), "decrypt".to_owned()]));
        assert_eq!(shown(Kind::Grant, "operations", &words), both);
        assert_eq!(
            shown(Kind::Grant, "context_equals", &words),
            Some(FieldValue::Texts(vec!["encrypt=decrypt".to_owned()]))
        );
        assert_eq!(shown(Kind::Grant, "basis", &value(|out| cbor::put_text(out, "role"))), text("role"));
        let giver = PrincipalId::from_bytes([3; 16]);
        let basis = value(|out| {
            cbor::put_array(out, 1);
            cbor::put_bytes(out, giver.as_bytes());
        });
        assert_eq!(shown(Kind::Grant, "basis", &basis), Some(FieldValue::Texts(vec![giver.to_string()])));
        assert_eq!(
            shown(Kind::Key, "reason", &value(|out| cbor::put_bytes(out, &[1]))),
            text("(by the system)")
        );
    }

    #[test]
    fn decisions_and_the_rows_that_they_are_on_are_shown_one_by_one() {
        use claviger_core::CredentialId;
        use claviger_core::approval::{Verdict, encode_decisions, encode_rows};
        use claviger_core::declaration::SigningMethod;
        use claviger_core::object::Object;
        let (by, credential) = (PrincipalId::from_bytes([3; 16]), CredentialId::from_bytes([4; 16]));
        let decided = Decided {
            verdict: Verdict::Deny,
            by,
            credential,
            public_key: vec![7; 44],
            method: SigningMethod::Ed25519,
            signature: vec![8; 64],
            signed_at: Timestamp::from_micros(1_000_000),
            at: Timestamp::from_micros(2_000_000),
        };
        let decisions = value(|out| cbor::put_bytes(out, &encode_decisions(&[decided])));
        let line = format!("deny by {by} with {credential} at 1970-01-01T00:00:02Z");
        assert_eq!(shown(Kind::Approval, "decisions", &decisions), Some(FieldValue::Texts(vec![line])));
        let object = Object::Key(KeyId::from_bytes([9; 16]));
        let rows = value(|out| cbor::put_bytes(out, &encode_rows(&[SeenRow { object, revision: 3 }])));
        let line = format!("{object} at revision 3");
        assert_eq!(shown(Kind::Approval, "rows", &rows), Some(FieldValue::Texts(vec![line])));
        let other = value(|out| cbor::put_bytes(out, &[2]));
        assert_eq!(shown(Kind::Approval, "decisions", &other), None);
    }

    #[test]
    fn steps_and_items_are_shown_one_by_one() {
        use claviger_core::KeyRingId;
        use claviger_core::approval::encode_done;
        use claviger_core::object::Object;
        use claviger_core::review::{ItemDecision, ReviewDecision, encode_items};
        let key = Object::Key(KeyId::from_bytes([9; 16]));
        let moved = vec![SeenRow { object: key, revision: 3 }];
        let steps = [DoneStep { step: 0, moved }, DoneStep { step: 1, moved: Vec::new() }];
        let done = value(|out| cbor::put_bytes(out, &encode_done(&steps)));
        let lines = vec![format!("step 1: {key} at revision 3"), "step 2".to_owned()];
        assert_eq!(shown(Kind::Approval, "done", &done), Some(FieldValue::Texts(lines)));
        let (who, ring) = (PrincipalId::from_bytes([3; 16]), KeyRingId::from_bytes([4; 16]));
        let item =
            |subject, decided| ReviewItem { subject, rights: [7; 32], count: 2, last_used: None, decided };
        let at = Timestamp::from_micros(2_000_000);
        let removed = ItemDecision { decision: ReviewDecision::Remove, by: who, at };
        let items =
            [item(ReviewSubject::Office(who), None), item(ReviewSubject::Uses(who, ring), Some(removed))];
        let items = value(|out| cbor::put_bytes(out, &encode_items(&items)));
        let lines = vec![
            format!("roles and capacities of {who} (2)"),
            format!("grants of {who} on ring {ring} (2): remove by {who} at 1970-01-01T00:00:02Z"),
        ];
        assert_eq!(shown(Kind::Review, "items", &items), Some(FieldValue::Texts(lines)));
        let other = value(|out| cbor::put_bytes(out, &[2]));
        assert_eq!(shown(Kind::Review, "items", &other), None);
    }

    #[test]
    fn values_read_alike_for_people_wherever_they_are_shown() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (951_868_799_500_000, "2000-02-29T23:59:59.5Z"),
            (1_798_761_599_999_999, "2026-12-31T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00Z"),
            (253_402_300_799_000_000, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(FieldValue::Instant(Timestamp::from_micros(micros)).to_string(), text);
        }
        assert_eq!(FieldValue::Texts(vec!["a".into(), "b".into()]).to_string(), "a, b");
        assert_eq!(FieldValue::Sealed("ab".into()).to_string(), "(sealed)");
        assert_eq!(FieldValue::Flag(true).to_string(), "true");
        assert_eq!(FieldValue::Seconds(90).to_string(), "90");
    }

    #[test]
    fn what_is_no_value_of_a_field_is_not_shown() {
        let number = value(|out| cbor::put_uint(out, 7));
        assert_eq!(shown(Kind::Key, "state", &number), None);
        assert_eq!(shown(Kind::Key, "primary", &[number.clone(), vec![0]].concat()), None);
        assert_eq!(value_of(Kind::Key, 999, &number), None);
        // A list that says it is long, and is not there.
        let long = value(|out| cbor::put_array(out, u64::MAX));
        assert_eq!(shown(Kind::Grant, "operations", &long), None);
        let unknown = show_field(Kind::Key, 999, &Field::Open(vec![7]));
        assert_eq!(unknown, ("field_999".to_owned(), FieldValue::Text("(cbor) 07".to_owned())));
    }

    #[test]
    fn fields_are_shown_with_their_name() {
        let period = Field::Open(value(|out| cbor::put_uint(out, 90_000_000)));
        assert_eq!(
            show_field(Kind::Ring, 3, &period),
            ("rotation_period_seconds".to_owned(), FieldValue::Seconds(90))
        );
        let (name, sealed) = show_field(Kind::Ring, 1, &Field::Hidden([0xab; 32]));
        assert_eq!((name.as_str(), sealed), ("name", FieldValue::Sealed("ab".repeat(32))));
    }
}
