//! Access reviews.

use std::time::Duration;

use claviger_client::types::approval::{NamedPrincipal, NamedRing};
use claviger_client::types::review as wire;
use claviger_client::types::text::{NameText, Sha256};
use claviger_core::review::{ReviewDecision, ReviewSubject};
use claviger_core::{KeyRingId, PrincipalId, ReviewId};
use claviger_service::operation::{
    Captions, ClosedReview, DecideReview, Identified, ItemRef, OpenReview, ReadableReview, ReviewTold,
    ShownGrant, ShownItem, ShownRight,
};

use super::names_to_wire;
use super::reason::reason_to_wire;
use crate::error::Failure;
use crate::names::{parse, parse_if_any};

/// What to review.
///
/// # Errors
/// A [`Failure`] for what names no ring.
pub fn open_from_wire(wire: &wire::OpenReview) -> Result<OpenReview, Failure> {
    let due_in = Duration::from_secs(wire.due_in_seconds);
    Ok(OpenReview::new(wire.scope.0, parse_if_any(wire.ring.as_deref())?, due_in))
}

/// What is decided.
///
/// # Errors
/// A [`Failure`] for what names no principal or ring.
pub fn decide_from_wire(review: ReviewId, wire: &wire::DecideReview) -> Result<DecideReview, Failure> {
    let decisions = wire.decisions.iter().map(item_from_wire).collect::<Result<_, _>>()?;
    Ok(DecideReview { review, decisions })
}

fn item_from_wire(wire: &wire::DecideItem) -> Result<(ItemRef, ReviewDecision), Failure> {
    let (principal, ring) = (parse(&wire.principal)?, parse_if_any(wire.ring.as_deref())?);
    Ok((ItemRef { principal, ring }, wire.decision.0))
}

/// A review as callers see it.
#[must_use]
pub fn told_to_wire(review: &ReviewTold, captions: &Captions) -> wire::AccessReview {
    wire::AccessReview {
        id: review.id.into(),
        scope: review.scope.into(),
        ring: review.ring.map(|ring| ring_to_wire(ring, captions)),
        state: state_of(review, captions).into(),
        items: count(review.items),
        decided: count(review.decided),
        to_remove: count(review.to_remove),
        population: Sha256(review.population).into(),
        opened_by: principal_to_wire(review.opened_by, captions),
        opened_at: review.opened_at.into(),
        due_at: review.due_at.into(),
        closed: review.closed.map(|closed| wire::ReviewClosed {
            by: principal_to_wire(closed.by, captions),
            at: closed.at.into(),
        }),
        reason: reason_to_wire(review.reason, captions),
        revision: review.revision,
    }
}

fn state_of(review: &ReviewTold, captions: &Captions) -> wire::ReviewState {
    match review.closed {
        Some(_) => wire::ReviewState::Closed,
        None if review.due_at <= captions.now() => wire::ReviewState::Overdue,
        None => wire::ReviewState::Open,
    }
}

/// A review with a page of its items; `next` is where the page behind it begins.
#[must_use]
pub fn page_to_wire(page: &ReadableReview, captions: &Captions, next: Option<String>) -> wire::ReviewPage {
    wire::ReviewPage {
        review: told_to_wire(&page.review, captions),
        items: page.items.iter().map(|item| item_to_wire(item, captions)).collect(),
        next,
        names: names_to_wire(page, captions),
    }
}

fn item_to_wire(shown: &ShownItem, captions: &Captions) -> wire::ReviewItem {
    let item = &shown.item;
    let ring = match item.subject {
        ReviewSubject::Office(_) => None,
        ReviewSubject::Uses(_, ring) => Some(ring_to_wire(ring, captions)),
    };
    wire::ReviewItem {
        principal: principal_to_wire(item.subject.principal(), captions),
        ring,
        count: item.count,
        last_used: item.last_used.map(Into::into),
        unused: shown.unused,
        inactive: shown.inactive,
        changed: shown.changed,
        own: shown.own,
        rights: shown.rights.iter().map(right_to_wire).collect(),
        more: shown.more,
        decided: item.decided.map(|decided| wire::ItemDecision {
            decision: decided.decision.into(),
            by: principal_to_wire(decided.by, captions),
            at: decided.at.into(),
        }),
    }
}

fn right_to_wire(right: &ShownRight) -> wire::ReviewedRight {
    match right {
        ShownRight::Capacity(capacity) => wire::ReviewedRight::Capacity((*capacity).into()),
        ShownRight::Grant(grant) => wire::ReviewedRight::Grant(grant_to_wire(grant)),
        ShownRight::Role(role) => wire::ReviewedRight::Role((*role).into()),
    }
}

fn grant_to_wire(grant: &ShownGrant) -> wire::ReviewedGrant {
    wire::ReviewedGrant {
        id: grant.id.into(),
        on: grant.on.into(),
        operations: grant.operations.iter().copied().map(Into::into).collect(),
        until: grant.until.map(Into::into),
        created_at: grant.created_at.into(),
    }
}

/// A review that was closed, as callers see it.
#[must_use]
pub fn closed_to_wire(closed: &ClosedReview, captions: &Captions) -> wire::ClosedReview {
    wire::ClosedReview {
        review: told_to_wire(&closed.review, captions),
        withdrawn: wire::Withdrawn {
            roles: count(closed.withdrawn.roles),
            capacities: count(closed.withdrawn.capacities),
            grants: count(closed.withdrawn.grants),
        },
    }
}

fn principal_to_wire(id: PrincipalId, captions: &Captions) -> NamedPrincipal {
    NamedPrincipal { id: id.into(), name: name(Identified::Principal(id), captions) }
}

fn ring_to_wire(id: KeyRingId, captions: &Captions) -> NamedRing {
    NamedRing { id: id.into(), name: name(Identified::Ring(id), captions) }
}

fn name(one: Identified, captions: &Captions) -> Option<NameText> {
    captions.name(one)?.parse().ok()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
