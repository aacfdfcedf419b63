//! Plans: several acts that others approve at once, and that are then done one behind the other.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Base64Bytes;
use super::text::{ActionWord, ReasonCodeWord};

/// Asks others to approve several acts at once. Once they have, the same call does them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskPlan {
    /// The acts in the order in which they are to be done, 1 to 64, each once: what an approval of that one act has as its act, encoded (CBOR).
    /// Acts that set policy can be in a plan, and of those the ones that others must approve.
    #[schema(min_items = 1, max_items = 64)]
    pub acts: Vec<Base64Bytes>,
    /// Why: 1 to 1024 bytes without control characters. Must be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the policy as reviewed on Monday")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// What is said of the acts of a plan before others are asked, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedPlan {
    /// One for each act.
    pub acts: Vec<CheckedAct>,
}

/// What is said of one act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedAct {
    /// Which act.
    pub action: ActionWord,
    /// How many others must approve it; 0 where it is done at once, and in no plan. Absent where it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 2)]
    pub approvers: Option<u8>,
    /// Why it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedAct>,
}

/// Why an act would be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedAct {
    /// The stable code of the problem that the call would answer.
    #[schema(example = "denied")]
    pub code: String,
    /// What is wrong.
    #[schema(example = "you may not do this: no rule permits it")]
    pub detail: String,
}
