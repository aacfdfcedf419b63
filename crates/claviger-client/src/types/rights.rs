//! Which rights there are, and what people confirm of those that an older release kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Instant;

/// A right, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Right {
    /// Of what kind of object it is: `ring` (its rules), `principal` (its roles), `credential`, `grant` or `alias`.
    #[schema(example = "grant")]
    pub kind: String,
    /// Identifier of the object.
    #[schema(example = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e")]
    pub id: String,
    /// What it says, in one line.
    #[schema(example = "app may encrypt with every key of ring orders")]
    pub line: String,
}

/// What to list of the rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRights {
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many objects to look at, at most: 1 to 1000, 100 unless said otherwise. A page has fewer rights than that where some
    /// objects give none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Confirms the rights that an older release kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRights {
    /// SHA-256, in hexadecimal, over the `line` of every right of all pages, in their order, each with a line feed behind it.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub digest: String,
}

/// What was confirmed of the rights that an older release kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RightsReview {
    /// Whether a security officer and an auditor have both confirmed the same list.
    pub confirmed: bool,
    /// Since when the rights wait for that, or waited.
    pub opened_at: Instant,
    /// Digest of the list that was confirmed last; `null` before the first confirmation.
    #[schema(required)]
    pub digest: Option<String>,
    /// The security officer who confirmed it; `null` when none has.
    #[schema(required)]
    pub security_officer: Option<Confirmation>,
    /// The auditor who confirmed it; `null` when none has.
    #[schema(required)]
    pub auditor: Option<Confirmation>,
}

/// Who confirmed, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Confirmation {
    /// Identifier of the principal.
    #[schema(example = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e")]
    pub principal: String,
    /// Its name.
    #[schema(example = "sophie")]
    pub name: String,
    /// When it was confirmed.
    pub at: Instant,
}
