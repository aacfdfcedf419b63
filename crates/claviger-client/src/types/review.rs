//! Access reviews: who has what is looked at, and decided on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::approval::{NamedPrincipal, NamedRing};
use super::text::{
    ActionWord, CapacityText, Covered, GrantIdText, ReasonCodeWord, ReviewDecisionWord, ReviewIdText,
    ReviewScopeWord, ReviewStateWord, RoleWord, Sha256Text, WhichReviewsWord,
};
use super::{Instant, Pairs, Reason};

/// How an access review stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ReviewState {
    /// It was closed, and what was to go has gone.
    Closed,
    /// It can be decided on.
    Open,
    /// The same, and it should have been closed by now.
    Overdue,
}

claviger_core::named! {
    /// Text that is not the state of an access review.
    ReviewState, "the state of an access review" {
        Closed = "closed",
        Open = "open",
        Overdue = "overdue",
    }
}

/// Which access reviews a list has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum WhichReviews {
    /// Those that were closed.
    Closed,
    /// Those that were not.
    Open,
}

claviger_core::named! {
    /// Text that does not say which access reviews.
    WhichReviews, "a choice of access reviews" {
        Closed = "closed",
        Open = "open",
    }
}

/// An access review, without its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessReview {
    /// Its identifier.
    pub id: ReviewIdText,
    /// Whose access is reviewed.
    pub scope: ReviewScopeWord,
    /// On which ring alone; `null` for all rings, and for roles and capacities.
    #[schema(required)]
    pub ring: Option<NamedRing>,
    /// How it stands.
    pub state: ReviewStateWord,
    /// How many items there are.
    pub items: u64,
    /// How many of them are decided.
    pub decided: u64,
    /// How many of those are to go.
    pub to_remove: u64,
    /// SHA-256 of the population: of what there was under every item when the review was opened.
    pub population: Sha256Text,
    /// Who opened it.
    pub opened_by: NamedPrincipal,
    /// When.
    pub opened_at: Instant,
    /// By when it is to be closed.
    pub due_at: Instant,
    /// That it was closed; `null` before.
    #[schema(required)]
    pub closed: Option<ReviewClosed>,
    /// Why it was opened, or what was said when it was closed. Absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// That an access review was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewClosed {
    /// By whom.
    pub by: NamedPrincipal,
    /// When.
    pub at: Instant,
}

/// An access review with a page of its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewPage {
    /// The review.
    pub review: AccessReview,
    /// Some of its items, in their order, which never changes.
    pub items: Vec<ReviewItem>,
    /// Where the next page begins, for `?cursor=`; `null` after the last. Opaque.
    #[schema(required)]
    pub next: Option<String>,
    /// Names of what is here by identifier, by that identifier.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
}

/// What somebody has in one place: the roles and capacities of a person, or the grants of a principal on a ring and its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewItem {
    /// Whose it is.
    pub principal: NamedPrincipal,
    /// On which ring; `null` for roles and capacities.
    #[schema(required)]
    pub ring: Option<NamedRing>,
    /// How many rights there were when the review was opened.
    pub count: u32,
    /// The day on which one of them was last used before, or the person was last seen, as far as the log was searched for it: 90 days back.
    #[schema(required)]
    pub last_used: Option<Instant>,
    /// Grants that are older than 90 days, and were not used in the 90 days before the review was opened.
    pub unused: bool,
    /// Somebody who is there for longer than 90 days, and of whom nothing here was used in the 90 days before.
    pub inactive: bool,
    /// Does what is there now differ from what the review was opened over?
    pub changed: bool,
    /// Is it of the person who asks, by whatever account? Another one decides on it.
    pub own: bool,
    /// What is there now: 64 at most. None of a review that was closed.
    pub rights: Vec<ReviewedRight>,
    /// Is there more?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// What was decided; `null` before.
    #[schema(required)]
    pub decided: Option<ItemDecision>,
}

/// A right, as `{"role": "auditor"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewedRight {
    /// A capacity.
    Capacity(CapacityText),
    /// A grant.
    Grant(ReviewedGrant),
    /// A role.
    Role(RoleWord),
}

/// A grant, as a review shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewedGrant {
    /// Its identifier.
    pub id: GrantIdText,
    /// The key or ring that it covers.
    pub on: Covered,
    /// The uses that it allows.
    pub operations: Vec<ActionWord>,
    /// When it ends by itself; `null` when it does not.
    #[schema(required)]
    pub until: Option<Instant>,
    /// When it was given.
    pub created_at: Instant,
}

/// What was decided of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemDecision {
    /// What.
    pub decision: ReviewDecisionWord,
    /// By whom.
    pub by: NamedPrincipal,
    /// When.
    pub at: Instant,
}

/// Opens an access review over what there is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenReview {
    /// Whose access is reviewed.
    pub scope: ReviewScopeWord,
    /// On this ring alone, by identifier or name; without it on all of them, and roles and capacities as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "orders")]
    pub ring: Option<String>,
    /// In how many seconds it is to be closed: a day to 180 days.
    #[schema(minimum = 86400, maximum = 15552000)]
    pub due_in_seconds: u64,
    /// Why: 1 to 1024 bytes without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "review of the second half of the year")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// Decides on items of an access review. None is decided on by whom it is about, and each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideReview {
    /// What is decided of which: 1 to 1000.
    pub decisions: Vec<DecideItem>,
    /// Why: 1 to 1024 bytes without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "as confirmed by the heads of the teams")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// What is decided of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideItem {
    /// Whose it is, by identifier or name.
    #[schema(example = "shop")]
    pub principal: String,
    /// On which ring, by identifier or name; absent for roles and capacities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "orders")]
    pub ring: Option<String>,
    /// What is decided.
    pub decision: ReviewDecisionWord,
}

/// An access review that is closed, and what that withdrew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedReview {
    /// The review.
    pub review: AccessReview,
    /// What this call withdrew; nothing where it was closed before.
    pub withdrawn: Withdrawn,
}

/// What was withdrawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Withdrawn {
    /// So many roles.
    pub roles: u64,
    /// So many capacities.
    pub capacities: u64,
    /// So many grants.
    pub grants: u64,
}

/// Which access reviews to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListReviews {
    /// Only those that are open, or only those that were closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WhichReviewsWord>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Which items of an access review to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadReview {
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many items at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
