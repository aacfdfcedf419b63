//! Data assets: what keys protect.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{AssetIdText, DataClassWord, NameText, PrincipalIdText};
use super::{Instant, Pairs};

/// A data asset. Callers name it by its identifier, in the field `claviger:asset` of the encryption context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Asset {
    /// Its identifier.
    pub id: AssetIdText,
    /// Its name, unique for ever.
    pub name: NameText,
    /// The person who answers for it.
    pub owner: PrincipalIdText,
    /// What its data is.
    pub class: DataClassWord,
    /// Who entered it.
    pub created_by: PrincipalIdText,
    /// When it was entered.
    pub created_at: Instant,
    /// Names of what is here by identifier, by that identifier. Absent in lists.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// Enters a data asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAsset {
    /// Its name.
    pub name: NameText,
    /// The person who answers for it, by identifier or name; the caller unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "odile")]
    pub owner: Option<String>,
    /// What its data is.
    pub class: DataClassWord,
}

/// What to list of the data assets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAssets {
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
