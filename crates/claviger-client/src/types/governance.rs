//! The rules of the deployment itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{PrincipalIdText, ReasonCodeWord};
use super::{Instant, Pairs, Reason, patch};

/// The rules of the deployment: how many must approve what concerns all of it, and for how long rights last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Governance {
    /// How many custodians must approve an act that concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
    /// How long an approval can be decided and done.
    pub approval_lifetime_seconds: u64,
    /// The longest that a grant to a person lasts; `null` for no end.
    #[schema(required)]
    pub human_grant_lifetime_seconds: Option<u64>,
    /// The longest that emergency access lasts.
    pub break_glass_lifetime_seconds: u64,
    /// How many keys one person declares compromised in an hour before others must approve the next.
    pub compromise_burst: u16,
    /// Who set them last: the nil UUID for the set-up. Absent where nobody ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_by: Option<PrincipalIdText>,
    /// When. Absent where nobody ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_at: Option<Instant>,
    /// Why. Absent where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Names of what is here by identifier, by that identifier.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts their changes; the ETag of a read. 0 where nobody ever set them.
    pub revision: u64,
}

/// Changes the rules of the deployment; what is absent stays. What asks for less than before is done by approval alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateGovernance {
    /// How many custodians must approve an act that concerns the whole deployment: 0 to 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u8>,
    /// How long an approval can be decided and done: an hour to 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_lifetime_seconds: Option<u64>,
    /// The longest that a grant to a person lasts, from a day on; `null` for no end.
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub human_grant_lifetime_seconds: Option<Option<u64>>,
    /// The longest that emergency access lasts: 15 minutes to a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass_lifetime_seconds: Option<u64>,
    /// How many keys one person declares compromised in an hour before others must approve the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromise_burst: Option<u16>,
    /// Why: 1 to 1024 bytes without control characters. Must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "there are three custodians now")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}
