//! Approvals.

use claviger_client::types::text::{NameText, Sha256};
use claviger_client::types::{Base64Bytes, Pairs, approval as wire};
use claviger_core::approval::{Decided, DoneStep, Ended, SeenRow};
use claviger_core::{ApprovalId, KeyRingId, PrincipalId};
use claviger_service::operation::{ApprovalState, Approve, Captions, Deny, Identified, ReadableApproval};

use super::names_to_wire;
use super::reason::reason_to_wire;

/// An approval as callers see it who read it.
#[must_use]
pub fn to_wire(approval: &ReadableApproval, captions: &Captions) -> wire::Approval {
    wire::Approval {
        form: Some(approval.form.clone().into()),
        names: names_to_wire(approval, captions),
        ..listed_to_wire(approval, captions)
    }
}

/// An approval as callers see it in a list: without what was asked for.
#[must_use]
pub fn listed_to_wire(approval: &ReadableApproval, captions: &Captions) -> wire::Approval {
    let ReadableApproval { row, state, approved, .. } = approval;
    wire::Approval {
        id: row.id.into(),
        action: row.action.into(),
        state: state_to_wire(*state).into(),
        requester: principal_to_wire(row.requester, captions),
        ring: row.ring.map(|ring| ring_to_wire(ring, captions)),
        quorum: row.quorum,
        eligible: row.eligible.into(),
        approved: *approved,
        requested_at: row.requested_at.into(),
        expires_at: row.expires_at.into(),
        digest: Sha256(row.digest).into(),
        form: None,
        reason: reason_to_wire(row.reason, captions),
        rows: row.rows.iter().map(|seen| seen_to_wire(seen, captions)).collect(),
        decisions: row.decisions.iter().map(|decided| decided_to_wire(decided, captions)).collect(),
        done: row.done.iter().map(|done| done_to_wire(done, captions)).collect(),
        ended: row.ended.as_ref().map(|ended| ended_to_wire(ended, captions)),
        names: Pairs::default(),
        revision: row.revision,
    }
}

const fn state_to_wire(state: ApprovalState) -> wire::ApprovalState {
    match state {
        ApprovalState::Cancelled => wire::ApprovalState::Cancelled,
        ApprovalState::Denied => wire::ApprovalState::Denied,
        ApprovalState::Executed => wire::ApprovalState::Executed,
        ApprovalState::Expired => wire::ApprovalState::Expired,
        ApprovalState::Moved => wire::ApprovalState::Moved,
        ApprovalState::Open => wire::ApprovalState::Open,
        ApprovalState::Ready => wire::ApprovalState::Ready,
    }
}

pub(crate) fn principal_to_wire(id: PrincipalId, captions: &Captions) -> wire::NamedPrincipal {
    wire::NamedPrincipal { id: id.into(), name: name(Identified::Principal(id), captions) }
}

fn ring_to_wire(id: KeyRingId, captions: &Captions) -> wire::NamedRing {
    wire::NamedRing { id: id.into(), name: name(Identified::Ring(id), captions) }
}

fn name(one: Identified, captions: &Captions) -> Option<NameText> {
    captions.name(one)?.parse().ok()
}

fn seen_to_wire(seen: &SeenRow, captions: &Captions) -> wire::SeenRow {
    let name = Identified::of(seen.object).and_then(|one| captions.name(one));
    wire::SeenRow { object: seen.object.into(), revision: seen.revision, name: name.map(str::to_owned) }
}

fn done_to_wire(done: &DoneStep, captions: &Captions) -> wire::DoneStep {
    let moved = done.moved.iter().map(|seen| seen_to_wire(seen, captions)).collect();
    wire::DoneStep { step: done.step, moved }
}

fn decided_to_wire(decided: &Decided, captions: &Captions) -> wire::Decision {
    wire::Decision {
        verdict: decided.verdict.into(),
        by: principal_to_wire(decided.by, captions),
        at: decided.at.into(),
    }
}

fn ended_to_wire(ended: &Ended, captions: &Captions) -> wire::ApprovalEnded {
    wire::ApprovalEnded {
        outcome: ended.outcome.into(),
        at: ended.at.into(),
        by: principal_to_wire(ended.by, captions),
    }
}

/// That it is approved.
#[must_use]
pub fn approve_from_wire(approval: ApprovalId, wire: &wire::DecideApproval) -> Approve {
    Approve {
        approval,
        digest: wire.digest.0.0,
        certificate: bytes(&wire.certificate),
        method: wire.method.0,
        signature: bytes(&wire.signature),
        signed_at: wire.signed_at.0,
    }
}

/// That it is denied.
#[must_use]
pub fn deny_from_wire(approval: ApprovalId, wire: &wire::DecideApproval) -> Deny {
    Deny {
        approval,
        digest: wire.digest.0.0,
        certificate: bytes(&wire.certificate),
        method: wire.method.0,
        signature: bytes(&wire.signature),
        signed_at: wire.signed_at.0,
    }
}

fn bytes(wire: &Base64Bytes) -> Vec<u8> {
    wire.as_ref().to_vec()
}
