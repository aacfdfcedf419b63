//! Maps of strings: encryption contexts.

use std::fmt;

use claviger_crypto::envelope::Context;
use serde::{Deserialize, Deserializer, de};

use crate::error::AwsError;

/// Pairs of strings in the order in which they came. A name that comes twice stays twice, to be refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

/// Most pairs that are read: more than any context may have, so that too many are noticed.
const MOST: usize = 4096;

impl Pairs {
    /// As an encryption context.
    ///
    /// # Errors
    /// `ValidationException` beyond its limits, and for a name that is empty or comes twice.
    pub(crate) fn to_context(&self) -> Result<Context, AwsError> {
        Context::from_pairs(self.0.iter().map(|(name, value)| (name, value))).map_err(|_| {
            AwsError::validation(
                "EncryptionContext must have up to 512 pairs and 8192 bytes, with names that are not empty and come once",
            )
        })
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() == MOST {
                        return Err(de::Error::custom("too many pairs"));
                    }
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}
