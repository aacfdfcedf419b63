//! What a call that did not succeed answers: one table from kinds of failure to problems (RFC 9457).

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use std::borrow::Cow;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use claviger_client::types::Problem;
use claviger_core::ApprovalId;
use claviger_service::{ErrorKind, ServiceError};
use http::StatusCode;

/// What a kind of failure is on this wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// The status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// The kind in words.
    pub title: &'static str,
    /// Seconds after which to try again, where nothing came of the call and trying again may help.
    pub retry_after_seconds: Option<u32>,
}

const fn problem(status: StatusCode, code: &'static str, title: &'static str) -> ProblemKind {
    ProblemKind { status, code, title, retry_after_seconds: None }
}

const fn again(problem: ProblemKind) -> ProblemKind {
    ProblemKind { retry_after_seconds: Some(1), ..problem }
}

/// What this wire makes of each kind of failure.
#[must_use]
pub const fn to_wire(kind: ErrorKind) -> ProblemKind {
    use ErrorKind as E;
    match kind {
        E::AlreadyExists => problem(StatusCode::CONFLICT, kind.code(), "The name is taken for ever"),
        E::ApprovalRequired => problem(StatusCode::FORBIDDEN, kind.code(), "Others must approve it first"),
        E::BadCiphertext | E::WrongKey => {
            problem(StatusCode::BAD_REQUEST, E::BadCiphertext.code(), "The ciphertext does not open")
        }
        E::Conflict => problem(StatusCode::CONFLICT, kind.code(), "Others changed the same thing in between"),
        E::ContextRequired => problem(
            StatusCode::BAD_REQUEST,
            kind.code(),
            "The encryption context lacks a field that is required",
        ),
        E::Denied => problem(StatusCode::FORBIDDEN, kind.code(), "You may not do that"),
        E::DryRun => problem(StatusCode::PRECONDITION_FAILED, kind.code(), "It would have been done"),
        E::IdempotencyExpired => problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            kind.code(),
            "What came before with this idempotency key cannot be compared any more",
        ),
        E::IdempotencyMismatch => problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            kind.code(),
            "The idempotency key came before, with another request",
        ),
        E::ImportTokenExpired => {
            problem(StatusCode::BAD_REQUEST, kind.code(), "The import token has expired")
        }
        E::ImportTokenInvalid => {
            problem(StatusCode::BAD_REQUEST, kind.code(), "The import token was not given for this key")
        }
        E::Internal => problem(StatusCode::INTERNAL_SERVER_ERROR, kind.code(), "A fault of the server's"),
        E::InvalidArgument => problem(StatusCode::BAD_REQUEST, kind.code(), "The request makes no sense"),
        E::LimitExceeded => problem(StatusCode::CONFLICT, kind.code(), "There are as many as there can be"),
        E::LogDamaged => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, kind.code(), "A part of the log is missing or damaged")
        }
        E::NotFound => problem(StatusCode::NOT_FOUND, kind.code(), "Not found, or not visible to you"),
        E::Overloaded => {
            again(problem(StatusCode::SERVICE_UNAVAILABLE, kind.code(), "Too much at once; try again later"))
        }
        E::PreconditionFailed => problem(
            StatusCode::PRECONDITION_FAILED,
            kind.code(),
            "The thing is not at the revision that was named",
        ),
        E::ReasonRequired => problem(StatusCode::BAD_REQUEST, kind.code(), "It is not done without a reason"),
        E::RowAltered => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            kind.code(),
            "What the store says of this was altered; the operator must see to it",
        ),
        E::SeparationOfDuties => {
            problem(StatusCode::CONFLICT, kind.code(), "Duties that must stay apart would be joined")
        }
        E::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, kind.code(), "The input is too large"),
        E::Unauthenticated => {
            problem(StatusCode::UNAUTHORIZED, kind.code(), "No valid credential was presented")
        }
        E::Unavailable => again(problem(
            StatusCode::SERVICE_UNAVAILABLE,
            kind.code(),
            "Something that is needed is unavailable",
        )),
        E::Unsupported => problem(StatusCode::BAD_REQUEST, kind.code(), "That is not supported"),
        // No word of trying again: the call counts as done, and clients repeat only what came to nothing.
        E::Withheld => {
            problem(StatusCode::SERVICE_UNAVAILABLE, kind.code(), "It was done, but the result came too late")
        }
        E::WrongMaterial => problem(StatusCode::BAD_REQUEST, kind.code(), "The material is not the key's"),
        E::WrongPurpose => problem(StatusCode::BAD_REQUEST, kind.code(), "The key is for something else"),
        E::WrongState => problem(StatusCode::CONFLICT, kind.code(), "The state of the key does not allow it"),
    }
}

/// Failures of transport, before any operation.
pub(crate) mod transport {
    use super::{ProblemKind, StatusCode, problem};

    pub(crate) const HEADERS_TOO_LARGE: ProblemKind = problem(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers-too-large",
        "The headers are too large",
    );
    pub(crate) const MALFORMED: ProblemKind =
        problem(StatusCode::BAD_REQUEST, "malformed-request", "The request cannot be read");
    pub(crate) const METHOD: ProblemKind = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "The method does not go with that path",
    );
    pub(crate) const MEDIA_TYPE: ProblemKind = problem(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "The body has another type than is taken",
    );
    pub(crate) const ROUTE: ProblemKind =
        problem(StatusCode::NOT_FOUND, "unknown-route", "There is no such path");

    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [ProblemKind; 5] = [HEADERS_TOO_LARGE, MALFORMED, METHOD, MEDIA_TYPE, ROUTE];
}

/// A call that did not succeed, on its way to becoming a problem. [`crate::plane`] writes it out.
#[derive(Clone, Debug)]
pub struct Failure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    problem: ProblemKind,
    detail: Cow<'static, str>,
    entry: Option<u64>,
    /// The approval that it waits for.
    approval: Option<ApprovalId>,
    /// Did an operation fail, or was there none?
    performed: bool,
}

impl Failure {
    /// The failure of a request that came to no operation.
    pub(crate) fn new(problem: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self(Arc::new(Inner { problem, detail, entry: None, approval: None, performed: false }))
    }

    /// Is it the caller's request, which came to no operation?
    pub(crate) fn is_of_request(&self) -> bool {
        !self.0.performed && self.0.problem.status.is_client_error()
    }

    /// The same, recorded by that entry, if by one.
    pub(crate) fn recorded_at(&self, entry: Option<u64>) -> Self {
        let Inner { problem, ref detail, approval, performed, .. } = *self.0;
        Self(Arc::new(Inner { problem, detail: detail.clone(), entry, approval, performed }))
    }

    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(transport::MALFORMED, detail)
    }

    pub(crate) fn unreadable_path() -> Self {
        Self::malformed("the path cannot be read")
    }

    pub(crate) fn too_large(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(to_wire(ErrorKind::TooLarge), detail)
    }

    pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(to_wire(ErrorKind::InvalidArgument), detail)
    }

    /// What the wire makes of it.
    #[must_use]
    pub fn problem(&self) -> ProblemKind {
        self.0.problem
    }

    /// Index of the entry that records it, where there is one.
    #[must_use]
    pub fn entry(&self) -> Option<u64> {
        self.0.entry
    }

    /// As a problem, with the request's identifier.
    #[must_use]
    pub fn to_problem(&self, request_id: Option<String>) -> Problem {
        let Inner { problem, detail, entry, approval, .. } = &*self.0;
        let detail = (!detail.is_empty()).then(|| detail.to_string());
        Problem {
            detail,
            entry: *entry,
            approval: approval.map(Into::into),
            request_id,
            ..Problem::new(problem.status.as_u16(), problem.code, problem.title)
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let problem = to_wire(error.kind());
        if problem.status.is_server_error() {
            tracing::warn!(code = problem.code, cause = chain(&error), "a call failed");
        }
        let detail = Cow::Owned(error.public_message().to_owned());
        // Of one that was denied, or is over, there is nothing to wait for: its text names it.
        let approval = error.approval().filter(|_| error.kind() == ErrorKind::ApprovalRequired);
        let entry = error.entry();
        Self(Arc::new(Inner { problem, detail, entry, approval, performed: true }))
    }
}

/// The sources of an error in words, for the trace.
fn chain(error: &ServiceError) -> String {
    let mut words = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if !words.is_empty() {
            words.push_str(": ");
        }
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = self.problem().status;
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const HEADER: &str = "\
# What each kind of failure is on each wire. Printed by claviger-rest (UPDATE_GOLDEN=1 rewrites).
# kind                 REST                              retry
";

    fn table() -> String {
        let mut out = HEADER.to_owned();
        let mut row = |kind: &str, problem: ProblemKind| {
            let retry = problem.retry_after_seconds.map_or_else(|| "-".to_owned(), |s| format!("{s} s"));
            let _ = writeln!(out, "{kind:<22} {} {:<29} {retry}", problem.status.as_u16(), problem.code);
        };
        for kind in ErrorKind::ALL {
            row(&format!("{kind:?}"), to_wire(kind));
        }
        for problem in transport::ALL {
            row("(in transport)", problem);
        }
        out
    }

    #[test]
    fn golden_table_is_unchanged() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/errors.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, table()).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(kept, table(), "golden/errors.txt differs; UPDATE_GOLDEN=1 rewrites it");
    }

    #[test]
    fn guide_has_every_code_with_its_status_and_no_other() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rest.md");
        let guide = std::fs::read_to_string(path).unwrap();
        let rows = guide.lines().filter(|line| line.starts_with('|') && line.contains("| `"));
        let problem: std::collections::BTreeSet<(String, String)> = rows
            .flat_map(|row| {
                let mut cells = row.split('|').skip(1).map(str::trim);
                let (statuses, codes) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
                let codes: Vec<_> = codes.split(", ").map(|code| code.trim_matches('`').to_owned()).collect();
                let statuses: Vec<_> = statuses.split(", ").map(str::to_owned).collect();
                let of = |at: usize| statuses.get(at).or(statuses.last()).cloned().unwrap_or_default();
                codes.into_iter().enumerate().map(|(at, code)| (of(at), code)).collect::<Vec<_>>()
            })
            .collect();
        let all = ErrorKind::ALL.into_iter().map(to_wire).chain(transport::ALL);
        let all = all.map(|problem| (problem.status.as_u16().to_string(), problem.code.to_owned())).collect();
        assert_eq!(problem, all);
    }

    #[test]
    fn only_what_came_to_nothing_may_be_repeated() {
        for kind in ErrorKind::ALL {
            let repeatable = matches!(kind, ErrorKind::Overloaded | ErrorKind::Unavailable);
            assert_eq!(to_wire(kind).retry_after_seconds.is_some(), repeatable, "{kind}");
        }
    }
}
