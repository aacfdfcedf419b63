//! Data assets.

use claviger_client::types::asset as wire;
use claviger_core::asset::Asset;
use claviger_service::operation::{Captions, CreateAsset};

use super::names_to_wire;
use crate::error::Failure;
use crate::names::parse_if_any;

/// A data asset as callers see it.
#[must_use]
pub fn to_wire(asset: &Asset, captions: &Captions) -> wire::Asset {
    wire::Asset {
        id: asset.id.into(),
        name: asset.name.clone().into(),
        owner: asset.owner.into(),
        class: asset.class.into(),
        created_by: asset.created_by.into(),
        created_at: asset.created_at.into(),
        names: names_to_wire(asset, captions),
        revision: asset.revision,
    }
}

/// What is to be entered.
///
/// # Errors
/// A [`Failure`] when the owner is neither an identifier nor a name.
pub fn create_from_wire(wire: wire::CreateAsset) -> Result<CreateAsset, Failure> {
    let owner = parse_if_any(wire.owner.as_deref())?;
    Ok(CreateAsset { name: wire.name.0, owner, class: wire.class.0 })
}
