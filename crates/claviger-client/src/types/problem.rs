//! Problems (RFC 9457): what a call that did not succeed answers.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::ApprovalIdText;

/// Media type of a problem (RFC 9457, section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a call was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Identifies the kind of problem: `urn:claviger:problem:` and the code.
    #[schema(example = "urn:claviger:problem:denied")]
    pub r#type: String,
    /// The kind of problem in words.
    #[schema(example = "You may not do that")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 403)]
    pub status: u16,
    /// The stable code to act upon, as in `denied`.
    #[schema(example = "denied")]
    pub code: String,
    /// What is wrong in this case, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "no grant permits `encrypt` with this key")]
    pub detail: Option<String>,
    /// Index of the refusal in the audit log, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// The approval that the call waits for, where the code is `approval-required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalIdText>,
    /// The request's identifier, as in header `X-Request-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem with that status, code and title.
    #[must_use]
    pub fn new(status: u16, code: &str, title: &str) -> Self {
        Self {
            r#type: format!("urn:claviger:problem:{code}"),
            title: title.to_owned(),
            status,
            code: code.to_owned(),
            detail: None,
            entry: None,
            approval: None,
            request_id: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(&self.title))?;
        write!(f, " ({}", self.code)?;
        if let Some(entry) = self.entry {
            write!(f, ", log entry {entry}")?;
        }
        f.write_str(")")
    }
}
