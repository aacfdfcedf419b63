//! Data assets: what keys protect, so that a use of a key can say whose data it was on.

use crate::key::DataClass;
use crate::time::Timestamp;
use crate::{AssetId, Name, PrincipalId};

/// A data asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its identifier: what callers put into encryption contexts, under [`Asset::FIELD`].
    pub id: AssetId,
    /// Its name, unique for ever.
    pub name: Name,
    /// The person who answers for it.
    pub owner: PrincipalId,
    /// What its data is.
    pub class: DataClass,
    /// Who entered it.
    pub created_by: PrincipalId,
    /// When it was entered.
    pub created_at: Timestamp,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Asset {
    /// The name of the field of encryption contexts that names an asset. No other meaning can be given to it.
    pub const FIELD: &'static str = "claviger:asset";
}
