//! Aliases: other names of keys, which can move from one key to another.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{AliasNameText, AliasScopeWord, KeyIdText, KeyRingIdText};
use super::{Instant, Pairs};

/// Another name of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alias {
    /// The name, unique in the deployment.
    pub name: AliasNameText,
    /// For whom it names the key.
    pub scope: AliasScopeWord,
    /// Identifier of the key that it names now.
    pub key: KeyIdText,
    /// Identifier of that key's ring.
    pub ring: KeyRingIdText,
    /// When it was made.
    pub created_at: Instant,
    /// When it last moved.
    pub updated_at: Instant,
    /// Names of what is here by identifier, by that identifier. Absent in lists of keys and principals.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes.
    pub revision: u64,
}

/// Gives a key another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAlias {
    /// The name; no alias may have it.
    pub name: AliasNameText,
    /// The key, by identifier or full name.
    #[schema(example = "orders/main")]
    pub key: String,
}

/// Moves an alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveAlias {
    /// The key that it shall name, by identifier or full name.
    #[schema(example = "orders/next")]
    pub key: String,
}

/// What to list of the aliases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAliases {
    /// Only of this key, by identifier or full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Only of keys of this ring, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
