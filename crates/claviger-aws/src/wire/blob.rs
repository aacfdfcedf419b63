//! Bytes of a request. They may be plaintext: what was read is wiped.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

/// Bytes, in base64 on the wire.
#[derive(Default)]
pub(crate) struct Blob(Zeroizing<Vec<u8>>);

impl Blob {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, wiped when the last one lets go of them.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Blob, E> {
                // Room for all of it from the start: a buffer that grows leaves copies behind.
                let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
                STANDARD.decode_vec(text, &mut bytes).map_err(|_| E::custom("not base64"))?;
                Ok(Blob(bytes))
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}
