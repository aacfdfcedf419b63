//! Emergency access.

use std::time::Duration;

use claviger_client::types::break_glass as wire;
use claviger_core::break_glass::BreakGlass;
use claviger_core::port::store::Page;
use claviger_core::{BreakGlassId, Timestamp};
use claviger_service::operation::{Captions, ListBreakGlass, OpenBreakGlass, ReviewBreakGlass};

use super::names_to_wire;
use super::reason::reason_to_wire;
use crate::error::Failure;
use crate::names::parse;

/// An emergency access as callers see it.
#[must_use]
pub fn to_wire(access: &BreakGlass, captions: &Captions) -> wire::BreakGlass {
    wire::BreakGlass {
        id: access.id.into(),
        state: state_of(access, captions.now()).into(),
        holder: access.holder.into(),
        keys: access.keys.iter().copied().map(Into::into).collect(),
        grants: access.grants.iter().copied().map(Into::into).collect(),
        opened_by: access.opened_by.into(),
        approval: access.approval.map(Into::into),
        opened_at: access.opened_at.into(),
        ends_at: access.ends_at.into(),
        closed: access
            .closed
            .map(|closed| wire::BreakGlassClosed { by: closed.by.into(), at: closed.at.into() }),
        reviewed: access.reviewed.map(|reviewed| wire::BreakGlassReviewed {
            verdict: reviewed.verdict.into(),
            by: reviewed.by.into(),
            at: reviewed.at.into(),
        }),
        reason: reason_to_wire(access.reason, captions),
        names: names_to_wire(access, captions),
        revision: access.revision,
    }
}

fn state_of(access: &BreakGlass, now: Timestamp) -> wire::BreakGlassState {
    if access.reviewed.is_some() {
        wire::BreakGlassState::Reviewed
    } else if access.is_open(now) {
        wire::BreakGlassState::Open
    } else {
        wire::BreakGlassState::Ended
    }
}

/// What opens one.
///
/// # Errors
/// A [`Failure`] for what names no person or no key.
pub fn open_from_wire(wire: &wire::OpenBreakGlass) -> Result<OpenBreakGlass, Failure> {
    let keys = wire.keys.iter().map(|key| parse(key)).collect::<Result<Vec<_>, _>>()?;
    let lifetime = wire.lifetime_seconds.map(Duration::from_secs);
    Ok(OpenBreakGlass { holder: parse(&wire.holder)?, keys, lifetime })
}

/// What a review of it found.
#[must_use]
pub fn review_from_wire(access: BreakGlassId, wire: &wire::ReviewBreakGlass) -> ReviewBreakGlass {
    ReviewBreakGlass { access, verdict: wire.verdict.0 }
}

/// Those that stand so, or all.
#[must_use]
pub fn list_from_wire(state: Option<wire::BreakGlassState>, page: Page<BreakGlassId>) -> ListBreakGlass {
    let (open, reviewed) = match state {
        None => (None, None),
        Some(wire::BreakGlassState::Ended) => (Some(false), Some(false)),
        Some(wire::BreakGlassState::Open) => (Some(true), None),
        Some(wire::BreakGlassState::Reviewed) => (None, Some(true)),
    };
    ListBreakGlass { open, reviewed, page }
}
