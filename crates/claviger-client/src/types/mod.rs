//! The wire types of the REST interface, one file per noun.
//!
//! Bytes are base64 (RFC 4648, section 4, padded) in JSON; instants are RFC 3339, UTC; spans are numbers whose names end
//! in `_seconds`; words, names and identifiers are the core's own, parsed when they arrive ([`Text`]). Requests refuse
//! members that they do not know.

pub mod access;
pub mod alert;
pub mod alias;
pub mod approval;
pub mod asset;
pub mod audit;
pub mod break_glass;
pub mod bytes;
pub mod credential;
pub mod declaration;
pub mod governance;
pub mod grant;
pub mod header;
pub mod key;
pub mod page;
pub mod pairs;
pub mod plan;
pub mod principal;
pub mod problem;
pub mod reason;
pub mod review;
pub mod rights;
pub mod ring;
pub mod secret_json;
pub mod system;
pub mod text;
pub mod time;
pub mod usage;

pub use self::bytes::{Base64Bytes, SecretBase64, SecretText};
pub use page::Page;
pub use pairs::Pairs;
pub use problem::Problem;
pub use reason::{GiveReason, Reason};
pub use text::Text;
pub use time::Instant;

/// For members of a patch: absent leaves as it is, `null` takes away, a value sets.
pub(crate) mod patch {
    use serde::{Deserialize, Deserializer};

    pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
    {
        Option::<T>::deserialize(deserializer).map(Some)
    }
}
