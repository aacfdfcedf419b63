//! Reasons.

use claviger_client::types::reason::Reason as WireReason;
use claviger_client::types::text::ReasonCodeWord;
use claviger_core::reason::{NotAReason, Reason, ReasonRecord, Why};
use claviger_service::operation::Captions;

use crate::error::Failure;

/// Why something is asked for, if that is said. Whether it must be, the road says.
///
/// # Errors
/// A [`Failure`] for a text that no reason has.
pub fn reason_from_wire(
    text: Option<String>,
    code: Option<ReasonCodeWord>,
) -> Result<Option<Reason>, Failure> {
    let text = text.map(|text| text.parse()).transpose();
    let text = text.map_err(|error: NotAReason| Failure::invalid(error.to_string()))?;
    Ok(Reason::new(code.map(|word| word.0), text))
}

/// Why something is as it is, as callers see it.
#[must_use]
pub fn reason_to_wire(why: Option<Why>, captions: &Captions) -> Option<WireReason> {
    Some(match why? {
        Why::Unasked(unasked) => WireReason { unasked: Some(unasked.into()), ..WireReason::default() },
        Why::Given(id) => {
            let shown = captions.find(id);
            WireReason {
                id: Some(id.into()),
                code: shown.and_then(|shown| shown.code).map(Into::into),
                text: shown.and_then(|shown| shown.text.clone()),
                erased_at: shown.and_then(|shown| shown.erased_at).map(Into::into),
                given_by: shown.map(|shown| shown.given_by.into()),
                given_at: shown.map(|shown| shown.given_at.into()),
                unasked: None,
            }
        }
    })
}

/// What is left of a reason whose text was erased.
#[must_use]
pub fn record_to_wire(record: &ReasonRecord) -> WireReason {
    WireReason {
        id: Some(record.id.into()),
        code: record.code.map(Into::into),
        erased_at: record.erasure.map(|erasure| erasure.at.into()),
        given_by: Some(record.given_by.into()),
        given_at: Some(record.given_at.into()),
        ..WireReason::default()
    }
}
