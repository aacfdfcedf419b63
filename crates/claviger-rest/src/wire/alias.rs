//! Aliases.

use claviger_client::types::alias::Alias as WireAlias;
use claviger_core::Alias;
use claviger_service::operation::Captions;

use super::names_to_wire;

/// An alias as callers see it.
#[must_use]
pub fn to_wire(alias: &Alias, captions: &Captions) -> WireAlias {
    WireAlias {
        name: alias.name.clone().into(),
        scope: alias.scope.into(),
        key: alias.key.into(),
        ring: alias.ring.into(),
        created_at: alias.created_at.into(),
        updated_at: alias.updated_at.into(),
        names: names_to_wire(alias, captions),
        revision: alias.revision,
    }
}
