//! Grant tokens.

use claviger_core::GrantId;

use super::marker;

/// `GrantToken` of a grant: its identifier, which is no secret.
pub(crate) fn write(grant: GrantId) -> String {
    marker::write(&grant)
}

/// The grant of a `GrantToken`.
pub(crate) fn read(token: &str) -> Option<GrantId> {
    marker::read(Some(token)).ok().flatten()
}
