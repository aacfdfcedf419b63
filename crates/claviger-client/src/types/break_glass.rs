//! Emergency access: one person without a role uses named keys for some hours, and another one reviews it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{
    ApprovalIdText, BreakGlassIdText, BreakGlassStateWord, BreakGlassVerdictWord, GrantIdText, KeyIdText,
    PrincipalIdText, ReasonCodeWord,
};
use super::{Instant, Pairs, Reason};

/// How an emergency access stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum BreakGlassState {
    /// It has ended, and awaits its review.
    Ended,
    /// Its holder has it.
    Open,
    /// It has ended, and was reviewed.
    Reviewed,
}

claviger_core::named! {
    /// Text that is not the state of an emergency access.
    BreakGlassState, "the state of an emergency access" {
        Ended = "ended",
        Open = "open",
        Reviewed = "reviewed",
    }
}

/// An emergency access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakGlass {
    /// Its identifier.
    pub id: BreakGlassIdText,
    /// How it stands.
    pub state: BreakGlassStateWord,
    /// Who has it.
    pub holder: PrincipalIdText,
    /// To which keys.
    pub keys: Vec<KeyIdText>,
    /// By which grants: one for each key, in the same order.
    pub grants: Vec<GrantIdText>,
    /// Who opened it.
    pub opened_by: PrincipalIdText,
    /// By which approval; `null` where neither the deployment nor a ring of the keys asks for one.
    #[schema(required)]
    pub approval: Option<ApprovalIdText>,
    /// When it was opened.
    pub opened_at: Instant,
    /// When it ends by itself.
    pub ends_at: Instant,
    /// That somebody closed it before; `null` where nobody did.
    #[schema(required)]
    pub closed: Option<BreakGlassClosed>,
    /// That it was reviewed; `null` before.
    #[schema(required)]
    pub reviewed: Option<BreakGlassReviewed>,
    /// Why it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Names of what is here by identifier, by that identifier.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// That an emergency access was closed before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakGlassClosed {
    /// By whom.
    pub by: PrincipalIdText,
    /// When.
    pub at: Instant,
}

/// That an emergency access was reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakGlassReviewed {
    /// What was found.
    pub verdict: BreakGlassVerdictWord,
    /// By whom.
    pub by: PrincipalIdText,
    /// When.
    pub at: Instant,
}

/// Opens emergency access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenBreakGlass {
    /// Who gets it, by identifier or name: a person without a role, by whatever account, with a certificate that is valid.
    #[schema(example = "nadia")]
    pub holder: String,
    /// To which keys, by identifier or full name: 1 to 62.
    #[schema(example = json!(["orders/main"]), min_items = 1, max_items = 62)]
    pub keys: Vec<String>,
    /// For how long: from a minute to what the rules of the deployment allow. Two hours where nothing is said, or that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 7200, minimum = 60)]
    pub lifetime_seconds: Option<u64>,
    /// Why: 1 to 1024 bytes without control characters. Must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the shop is down, and refunds must go out today")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// Says what a review of an emergency access found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewBreakGlass {
    /// What was found.
    pub verdict: BreakGlassVerdictWord,
    /// What was looked at, and what follows of it: 1 to 1024 bytes without control characters. Must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "14 refunds, each in ticket 4711")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// Which emergency accesses to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListBreakGlass {
    /// Only those that stand so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<BreakGlassStateWord>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
