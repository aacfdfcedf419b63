//! Reasons: why people act.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Instant;
use super::text::{PrincipalIdText, ReasonCodeWord, ReasonIdText, UnaskedWord};

/// Why something was done, or why that is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Its identifier, to erase its text by; absent where nobody was asked for a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ReasonIdText>,
    /// Its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ReasonCodeWord>,
    /// Its text; absent when it has none, when it was erased, and when it does not open because its row was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "left the company")]
    pub text: Option<String>,
    /// When its text was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Instant>,
    /// Who gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_by: Option<PrincipalIdText>,
    /// When it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_at: Option<Instant>,
    /// Why there is none: `system`, done by the system itself, as by a job; `protocol`, which has no place for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<UnaskedWord>,
}

/// Says why. Nothing that takes something away, or gives a right, is done without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveReason {
    /// Why: 1 to 1024 bytes without control characters. Where a responder suspends or revokes, a code is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "left the company")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}
