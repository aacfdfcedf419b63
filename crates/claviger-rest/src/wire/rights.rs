//! Rights, and their review.

use claviger_client::types::rights as wire;
use claviger_core::Name;
use claviger_core::rights_review::Confirmation;
use claviger_service::operation::{Right, RightsReviewStatus};

/// A right as callers see it.
#[must_use]
pub fn right_to_wire(right: Right) -> wire::Right {
    let Right { object, line } = right;
    wire::Right { kind: object.kind().to_string(), id: object.shown_id(), line }
}

/// A review of rights as callers see it.
#[must_use]
pub fn review_to_wire(status: &RightsReviewStatus) -> wire::RightsReview {
    let review = &status.review;
    wire::RightsReview {
        confirmed: review.is_confirmed(),
        opened_at: review.opened_at.into(),
        digest: review.digest.map(hex::encode),
        security_officer: confirmation(review.officer, status.officer.as_ref()),
        auditor: confirmation(review.auditor, status.auditor.as_ref()),
    }
}

fn confirmation(one: Option<Confirmation>, name: Option<&Name>) -> Option<wire::Confirmation> {
    one.map(|one| wire::Confirmation {
        principal: one.by.to_string(),
        name: name.map(ToString::to_string).unwrap_or_default(),
        at: one.at.into(),
    })
}
