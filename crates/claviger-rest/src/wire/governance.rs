//! The rules of the deployment.

use std::time::Duration;

use claviger_client::types::governance as wire;
use claviger_core::Governance;
use claviger_service::operation::{Captions, SetGovernance};

use super::reason::reason_to_wire;
use super::{names_to_wire, seconds, span};

/// The rules as callers see them.
#[must_use]
pub fn to_wire(governance: &Governance, captions: &Captions) -> wire::Governance {
    // Where nobody ever set them there is no row, and nobody to name.
    let is_set = governance.revision > 0;
    wire::Governance {
        quorum: governance.quorum,
        approval_lifetime_seconds: governance.approval_lifetime.as_secs(),
        human_grant_lifetime_seconds: seconds(governance.human_grant_lifetime),
        break_glass_lifetime_seconds: governance.break_glass_lifetime.as_secs(),
        compromise_burst: governance.compromise_burst,
        set_by: is_set.then(|| governance.set_by.into()),
        set_at: is_set.then(|| governance.set_at.into()),
        reason: reason_to_wire(governance.reason, captions),
        names: names_to_wire(governance, captions),
        revision: governance.revision,
    }
}

/// What changes of the rules.
#[must_use]
pub fn set_from_wire(wire: &wire::UpdateGovernance, if_revision: Option<u64>) -> SetGovernance {
    SetGovernance {
        quorum: wire.quorum,
        approval_lifetime: span(wire.approval_lifetime_seconds),
        human_grant_lifetime: wire.human_grant_lifetime_seconds.map(span),
        break_glass_lifetime: wire.break_glass_lifetime_seconds.map(Duration::from_secs),
        compromise_burst: wire.compromise_burst,
        if_revision,
    }
}
