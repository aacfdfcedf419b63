//! What a call that did not succeed answers: one table from kinds of failure to the errors of the protocol.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use axum::response::Response;
use claviger_core::key::State;
use claviger_service::{DenyReason, ErrorKind, Obstacle, ServiceError};
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};

use crate::answer;
use crate::error::AwsError;
use crate::intake::Unread;
use crate::sigv4::SigV4Error;

/// Longest message, in characters.
const LONGEST: usize = 511;

/// The names of errors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum XksErrorName {
    /// What AWS KMS says of its caller does not meet the conditions.
    AccessDenied,
    /// The signature, or the client's certificate, is none that is valid here.
    AuthenticationFailed,
    /// Something that is needed did not answer.
    DependencyTimeout,
    /// A fault of ours.
    Internal,
    /// It does not open.
    InvalidCiphertext,
    /// The key is not for this.
    InvalidKeyUsage,
    /// The key's state does not allow it.
    InvalidState,
    /// There is no such call.
    InvalidUriPath,
    /// There is no such key.
    KeyNotFound,
    /// Too much at once.
    Throttling,
    /// It is not done here.
    UnsupportedOperation,
    /// The request makes no sense.
    Validation,
}

impl XksErrorName {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::AccessDenied,
        Self::AuthenticationFailed,
        Self::DependencyTimeout,
        Self::Internal,
        Self::InvalidCiphertext,
        Self::InvalidKeyUsage,
        Self::InvalidState,
        Self::InvalidUriPath,
        Self::KeyNotFound,
        Self::Throttling,
        Self::UnsupportedOperation,
        Self::Validation,
    ];

    /// Its word, and its status.
    #[must_use]
    pub const fn wire(self) -> (&'static str, StatusCode) {
        match self {
            Self::AccessDenied => ("AccessDeniedException", StatusCode::FORBIDDEN),
            Self::AuthenticationFailed => ("AuthenticationFailedException", StatusCode::UNAUTHORIZED),
            Self::DependencyTimeout => ("DependencyTimeoutException", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("InternalException", StatusCode::INTERNAL_SERVER_ERROR),
            Self::InvalidCiphertext => ("InvalidCiphertextException", StatusCode::BAD_REQUEST),
            Self::InvalidKeyUsage => ("InvalidKeyUsageException", StatusCode::BAD_REQUEST),
            Self::InvalidState => ("InvalidStateException", StatusCode::BAD_REQUEST),
            Self::InvalidUriPath => ("InvalidUriPathException", StatusCode::NOT_FOUND),
            Self::KeyNotFound => ("KeyNotFoundException", StatusCode::NOT_FOUND),
            Self::Throttling => ("ThrottlingException", StatusCode::TOO_MANY_REQUESTS),
            Self::UnsupportedOperation => ("UnsupportedOperationException", StatusCode::NOT_IMPLEMENTED),
            Self::Validation => ("ValidationException", StatusCode::BAD_REQUEST),
        }
    }
}

/// An error on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XksError {
    name: XksErrorName,
    message: String,
    entry: Option<u64>,
    is_wrong_method: bool,
}

impl XksError {
    /// An error; what of the message the protocol does not take is left out.
    pub(crate) fn new(name: XksErrorName, message: &str) -> Self {
        let printable = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
        let message = message.chars().map(printable).take(LONGEST).collect();
        Self { name, message, entry: None, is_wrong_method: false }
    }

    pub(crate) fn validation(message: &str) -> Self {
        Self::new(XksErrorName::Validation, message)
    }

    pub(crate) fn unsupported(message: &str) -> Self {
        Self::new(XksErrorName::UnsupportedOperation, message)
    }

    pub(crate) fn key_not_found() -> Self {
        Self::new(XksErrorName::KeyNotFound, "the key is not found, or not visible to you")
    }

    pub(crate) fn invalid_uri_path() -> Self {
        Self::new(XksErrorName::InvalidUriPath, "nothing is served under this path")
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(XksErrorName::AuthenticationFailed, message)
    }

    /// A call of this path is made by POST.
    pub(crate) fn wrong_method() -> Self {
        Self { is_wrong_method: true, ..Self::unsupported("calls are made by POST") }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> XksErrorName {
        self.name
    }

    /// What the caller may read: up to 511 characters of printable ASCII.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Index of the entry that records the refusal, where there is one.
    #[must_use]
    pub const fn entry(&self) -> Option<u64> {
        self.entry
    }

    /// Recorded by that entry, if by one.
    pub(super) fn recorded_at(self, entry: Option<u64>) -> Self {
        Self { entry, ..self }
    }

    pub(super) fn into_response(self) -> Response {
        let (name, status) = self.name.wire();
        let status = if self.is_wrong_method { StatusCode::METHOD_NOT_ALLOWED } else { status };
        let json = serde_json::json!({ "errorName": name, "errorMessage": self.message });
        let mut response = answer::refusal(status, &json, self.entry);
        if self.is_wrong_method {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

impl From<Unread> for XksError {
    fn from(why: Unread) -> Self {
        match why {
            Unread::BrokeOff => Self::validation("the body broke off"),
            Unread::Crowded => Self::new(
                XksErrorName::Throttling,
                "too many requests at once whose signatures are still to be verified",
            ),
            Unread::Slow => Self::validation("the body came too slowly"),
            Unread::Headers(most) => Self::validation(&format!("at most {most} bytes of headers are taken")),
            Unread::TooLarge(most) => Self::unsupported(&format!("at most {most} bytes are taken")),
        }
    }
}

impl From<SigV4Error> for XksError {
    fn from(error: SigV4Error) -> Self {
        Self::unauthenticated(&error.to_string())
    }
}

/// An answer that cannot be written.
impl From<AwsError> for XksError {
    fn from(error: AwsError) -> Self {
        Self::new(XksErrorName::Internal, error.message())
    }
}

/// What this wire makes of each kind of failure.
pub(super) fn to_wire(error: &ServiceError) -> XksError {
    use ErrorKind as E;
    use XksErrorName as N;
    let name = match error.kind() {
        E::ApprovalRequired | E::SeparationOfDuties => N::AccessDenied,
        E::BadCiphertext | E::WrongKey => N::InvalidCiphertext,
        E::Conflict | E::Unavailable => N::DependencyTimeout,
        E::Denied => denied(error.deny_reason()),
        E::ContextRequired | E::InvalidArgument | E::ReasonRequired => N::Validation,
        E::NotFound => N::KeyNotFound,
        E::Overloaded => N::Throttling,
        E::TooLarge | E::Unsupported => N::UnsupportedOperation,
        E::Unauthenticated => N::AuthenticationFailed,
        E::WrongPurpose => N::InvalidKeyUsage,
        E::WrongState => wrong_state(error.obstacle()),
        // Nothing that is asked here gives any of these but the first two and an altered row.
        E::Internal
        | E::Withheld
        | E::LogDamaged
        | E::RowAltered
        | E::AlreadyExists
        | E::DryRun
        | E::IdempotencyExpired
        | E::IdempotencyMismatch
        | E::ImportTokenExpired
        | E::ImportTokenInvalid
        | E::LimitExceeded
        | E::PreconditionFailed
        | E::WrongMaterial => N::Internal,
    };
    XksError { entry: error.entry(), ..XksError::new(name, error.public_message()) }
}

/// A key is for what was granted of it. What was granted for other calls than this is denied.
const fn denied(reason: Option<DenyReason>) -> XksErrorName {
    match reason {
        Some(DenyReason::NoRule) => XksErrorName::InvalidKeyUsage,
        Some(
            DenyReason::BasisEnded(_)
            | DenyReason::ConditionsUnmet(_)
            | DenyReason::CredentialExpired
            | DenyReason::Forbidden(_)
            | DenyReason::GrantEnded(_)
            | DenyReason::Unsound
            | DenyReason::WrongSurface
            | DenyReason::WrongTarget,
        )
        | None => XksErrorName::AccessDenied,
    }
}

const fn wrong_state(obstacle: Option<Obstacle>) -> XksErrorName {
    match obstacle {
        Some(Obstacle::State(State::Destroyed | State::DestroyedCompromised)) => XksErrorName::KeyNotFound,
        Some(
            Obstacle::State(
                State::Active | State::Compromised | State::Deactivated | State::PreActive | State::Suspended,
            )
            | Obstacle::Algorithm(..)
            | Obstacle::Capacity(..)
            | Obstacle::Material
            | Obstacle::MaterialMadeHere
            | Obstacle::Module(_)
            | Obstacle::NoPrincipal
            | Obstacle::Purpose(_)
            | Obstacle::Waiting,
        )
        | None => XksErrorName::InvalidState,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_statuses_are_those_of_the_specification() {
        let table: Vec<_> = XksErrorName::ALL.iter().map(|name| name.wire()).collect();
        let table: Vec<_> =
            table.iter().map(|(name, status)| format!("{} {name}", status.as_u16())).collect();
        assert_eq!(
            table,
            [
                "403 AccessDeniedException",
                "401 AuthenticationFailedException",
                "503 DependencyTimeoutException",
                "500 InternalException",
                "400 InvalidCiphertextException",
                "400 InvalidKeyUsageException",
                "400 InvalidStateException",
                "404 InvalidUriPathException",
                "404 KeyNotFoundException",
                "429 ThrottlingException",
                "501 UnsupportedOperationException",
                "400 ValidationException",
            ]
        );
    }

    #[test]
    fn every_kind_of_failure_has_a_name() {
        use claviger_service::ErrorKind as E;
        for (kind, name) in [
            (E::BadCiphertext, "InvalidCiphertextException"),
            (E::Conflict, "DependencyTimeoutException"),
            (E::ContextRequired, "ValidationException"),
            (E::Denied, "AccessDeniedException"),
            (E::Internal, "InternalException"),
            (E::InvalidArgument, "ValidationException"),
            (E::ReasonRequired, "ValidationException"),
            (E::NotFound, "KeyNotFoundException"),
            (E::Overloaded, "ThrottlingException"),
            (E::TooLarge, "UnsupportedOperationException"),
            (E::Unauthenticated, "AuthenticationFailedException"),
            (E::Unavailable, "DependencyTimeoutException"),
            (E::Unsupported, "UnsupportedOperationException"),
            (E::Withheld, "InternalException"),
            (E::WrongKey, "InvalidCiphertextException"),
            (E::WrongPurpose, "InvalidKeyUsageException"),
            (E::WrongState, "InvalidStateException"),
        ] {
            assert_eq!(to_wire(&ServiceError::new(kind, "why")).name().wire().0, name, "{kind:?}");
        }
    }

    #[test]
    fn messages_are_short_and_printable() {
        let error = XksError::validation(&format!("a\n\u{e4}\u{7f}{}", "b".repeat(1000)));
        assert_eq!(error.message().len(), LONGEST);
        assert!(error.message().starts_with("a???b"));
    }
}
