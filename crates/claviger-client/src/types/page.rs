//! Lists come in pages; batches in one piece.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins, for `?cursor=`; `null` after the last. Opaque.
    #[schema(required)]
    pub next: Option<String>,
}

/// Many requests of one kind, for one key, in one call: 1 to 1000 of them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch<T> {
    /// The requests.
    #[schema(min_items = 1, max_items = 1000)]
    pub items: Vec<T>,
}

/// The answers to a batch, in the order of its items.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswer<T> {
    /// The answers.
    pub items: Vec<BatchItem<T>>,
}

/// The answer to one item of a batch: `{"ok": ...}` or `{"error": problem}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchItem<T> {
    /// It went well.
    Ok(T),
    /// It did not.
    Error(Problem),
}

impl<T> BatchItem<T> {
    /// As a result.
    ///
    /// # Errors
    /// The problem, when it went wrong.
    pub fn into_result(self) -> Result<T, Box<Problem>> {
        match self {
            Self::Ok(value) => Ok(value),
            Self::Error(problem) => Err(Box::new(problem)),
        }
    }
}
