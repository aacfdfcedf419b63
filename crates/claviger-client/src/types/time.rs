//! Instants: RFC 3339, UTC, to the microsecond.

use std::fmt;
use std::str::FromStr;

use claviger_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// An instant, RFC 3339 in JSON, as in `2026-11-23T10:00:00Z`. Any offset is taken, UTC is given.
///
/// Instants after the year 9999 cannot be written; they show as the last one that can.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Timestamp);

/// Text that is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an instant: RFC 3339 from 1970 on is expected, as in `2026-11-23T10:00:00Z`")]
pub struct NotAnInstant;

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl FromStr for Instant {
    type Err = NotAnInstant;

    fn from_str(text: &str) -> Result<Self, NotAnInstant> {
        let at: jiff::Timestamp = text.parse().map_err(|_| NotAnInstant)?;
        let micros = u64::try_from(at.as_microsecond()).map_err(|_| NotAnInstant)?;
        Ok(Self(Timestamp::from_micros(micros)))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = i64::try_from(self.0.as_micros())
            .ok()
            .and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        at.unwrap_or(jiff::Timestamp::MAX).fmt(f)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("An instant (RFC 3339), UTC."))
            .examples(["2026-11-23T10:00:00Z"]);
        RefOr::T(Schema::Object(object.build()))
    }
}

impl ToSchema for Instant {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_back_as_written() {
        let at = Instant(Timestamp::from_micros(1_700_000_000_123_456));
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.123456Z");
        assert_eq!(at.to_string().parse(), Ok(at));
        assert_eq!("1970-01-01T01:00:00+01:00".parse(), Ok(Instant(Timestamp::from_micros(0))));
        assert!("1969-12-31T23:59:59Z".parse::<Instant>().is_err());
        assert!("yesterday".parse::<Instant>().is_err());
        assert!(Instant(Timestamp::from_micros(u64::MAX)).to_string().starts_with("9999-"));
    }
}
