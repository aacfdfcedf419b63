//! Bytes in JSON: base64 (RFC 4648, section 4), padded, canonical.

use std::fmt;

use ::bytes::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::SecretBytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes that are no secret: ciphertexts, signatures, public keys. Base64 in JSON.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Base64Bytes(pub Bytes);

impl From<Vec<u8>> for Base64Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Base64Bytes {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Base64Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Base64Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64Bytes({} bytes)", self.0.len())
    }
}

impl Serialize for Base64Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64::display::Base64Display::new(&self.0, &STANDARD))
    }
}

impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Decoded).map(Self::from)
    }
}

/// Plaintext or material in clear: base64 in JSON, wiped on drop, says nothing in `Debug`.
pub struct SecretBase64(SecretBytes);

impl SecretBase64 {
    /// The secret.
    #[must_use]
    pub fn into_inner(self) -> SecretBytes {
        self.0
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<SecretBytes> for SecretBase64 {
    fn from(secret: SecretBytes) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for SecretBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBase64(..)")
    }
}

impl Serialize for SecretBase64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the encoder of bodies: whoever holds this is sending it to its reader"
    )]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(self.0.expose()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for SecretBase64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Decoded).map(|bytes| Self(SecretBytes::new(bytes)))
    }
}

/// A token or another secret text in clear, shown once: wiped on drop, says nothing in `Debug`.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text in clear: for the one place that shows or stores it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Decodes base64; a string that had to be unescaped into memory of its own is wiped.
struct Decoded;

impl de::Visitor<'_> for Decoded {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        // The decoder's own message would disclose a byte of what may be a secret.
        STANDARD.decode(text).map_err(|_| E::custom("not base64 (RFC 4648, section 4, with padding)"))
    }

    fn visit_string<E: de::Error>(self, mut text: String) -> Result<Vec<u8>, E> {
        let decoded = self.visit_str(&text);
        text.zeroize();
        decoded
    }
}

fn base64_schema(description: &str, example: &str) -> RefOr<Schema> {
    let object = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Byte)))
        .description(Some(description))
        .examples([example]);
    RefOr::T(Schema::Object(object.build()))
}

impl PartialSchema for Base64Bytes {
    fn schema() -> RefOr<Schema> {
        base64_schema("Bytes in base64 (RFC 4648, section 4), padded.", "AQIDBA==")
    }
}

impl ToSchema for Base64Bytes {}

impl PartialSchema for SecretBase64 {
    fn schema() -> RefOr<Schema> {
        base64_schema("Bytes in clear, in base64 (RFC 4648, section 4), padded.", "NDExMS0xMTEx")
    }
}

impl ToSchema for SecretBase64 {}

impl PartialSchema for SecretText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A secret in clear, shown once."))
            .examples(["..."]);
        RefOr::T(Schema::Object(text.build()))
    }
}

impl ToSchema for SecretText {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_travel_in_padded_base64_only() {
        let bytes: Base64Bytes = serde_json::from_str("\"AQID/w==\"").unwrap();
        assert_eq!(bytes.as_ref(), [1, 2, 3, 255]);
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "\"AQID/w==\"");
        for bad in ["\"AQID/w\"", "\"AQID_w==\"", "\"AQID/x==\"", "[1]", "\"A Q==\""] {
            assert!(serde_json::from_str::<Base64Bytes>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_print_nothing_and_their_errors_disclose_nothing() {
        let secret: SecretBase64 = serde_json::from_str("\"aHVudGVyMg==\"").unwrap();
        assert_eq!(format!("{secret:?}"), "SecretBase64(..)");
        assert_eq!(format!("{:?}", SecretText::new("hunter2".into())), "SecretText(..)");
        let refused = serde_json::from_str::<SecretBase64>("\"hunter2!\"").unwrap_err().to_string();
        assert!(!refused.contains("hunter2") && !refused.contains('!'), "{refused}");
        assert!(secret.into_inner().ct_eq_bytes(b"hunter2"));
    }
}
