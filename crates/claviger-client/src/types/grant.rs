//! Grants: delegated rights.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{
    ActionWord, Covered, GrantIdText, GrantOriginWord, HowWord, NetworkText, PrincipalIdText, ReasonCodeWord,
    StatusWord,
};
use super::{Instant, Pairs, Reason};

/// A delegated right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// Its identifier.
    pub id: GrantIdText,
    /// The principal that it was given to.
    pub principal: PrincipalIdText,
    /// The key or ring that it covers.
    pub on: Covered,
    /// The uses that it allows.
    pub operations: Vec<ActionWord>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// Why it was given. Absent where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// A name that its giver gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "nightly backup")]
    pub name: Option<String>,
    /// Who may end it beside its holder and those who revoke grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retiring: Option<PrincipalIdText>,
    /// Who gave it.
    pub created_by: PrincipalIdText,
    /// When it was given.
    pub created_at: Instant,
    /// By which way it was given.
    pub origin: GrantOriginWord,
    /// The grants that it rests on, and ends with; none for one that was given under a role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rests_on: Vec<GrantIdText>,
    /// `revoked` when it was ended by an act of its own. An active grant may have ended all the same: see `ended`.
    pub standing: StatusWord,
    /// When it will end as things stand, by itself or with what it rests on; absent when it has no end, or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Instant>,
    /// What ended it; absent while it is honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Names of what is here by identifier, by that identifier. Absent in lists of keys and principals.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// What ended a grant: itself, or something that it rested on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GrantEnded)]
pub struct Ended {
    /// In which way.
    pub how: HowWord,
    /// The grant that ended in that way: this one or one that it rested on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantIdText>,
    /// Which principal, where one was revoked: the holder, or who had passed the right on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalIdText>,
    /// When, where that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
    /// Why this grant was ended by an act of its own, or its holder was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What must hold of a call for a grant to count. All of it together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Pairs that the encryption context must contain.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub context_equals: Pairs,
    /// Pairs that the encryption context must be, no more and no less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_exactly: Option<Pairs>,
    /// Networks that the call must come from; empty is any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_networks: Vec<NetworkText>,
    /// The instant from which the grant is no longer valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
}

/// What a grant shall cover, as `{"key": KEY}` or `{"ring": RING}`, each by identifier or name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schema(example = json!({"ring": "orders"}))]
pub enum GrantOn {
    /// One key.
    Key(String),
    /// Every key of a ring, those to come included.
    Ring(String),
}

/// Gives a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGrant {
    /// To whom, by identifier or name.
    #[schema(example = "app")]
    pub principal: String,
    /// The key or ring that it covers.
    pub on: GrantOn,
    /// Which uses, at least one.
    #[schema(min_items = 1)]
    pub operations: Vec<ActionWord>,
    /// Under which conditions.
    #[serde(default)]
    pub conditions: Conditions,
    /// Why: 1 to 1024 bytes without control characters. Must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the shop encrypts card numbers")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
    /// A name to find it again by, up to 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "nightly backup")]
    pub name: Option<String>,
    /// Who may end it beside its holder, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retiring: Option<String>,
}

/// What to list of the grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListGrants {
    /// Only to this principal, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Only on this key, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Only on this ring itself, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// Revoked ones too; no unless said otherwise.
    #[serde(default)]
    pub with_revoked: bool,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
