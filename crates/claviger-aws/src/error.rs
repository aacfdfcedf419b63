//! What a call that did not succeed answers: one table from kinds of failure to the exceptions of AWS KMS.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use std::borrow::Cow;

use claviger_access::authn::access_key::SKEW;
use claviger_core::key::State;
use claviger_core::{KeyId, Purpose};
use claviger_service::{AuthnReason, ErrorKind, Obstacle, ServiceError, SignatureRefused};

use crate::names;
use crate::realm::Realm;

/// An exception on the wire. Every one is status 400 but for faults, which are 500 and may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    code: &'static str,
    message: Cow<'static, str>,
    fault: bool,
    entry: Option<u64>,
}

/// Exceptions that are no kind of failure of the house: the protocol's own.
pub(crate) mod code {
    pub(crate) const ACCESS_DENIED: &str = "AccessDeniedException";
    pub(crate) const ALREADY_EXISTS: &str = "AlreadyExistsException";
    pub(crate) const INVALID_ALIAS: &str = "InvalidAliasNameException";
    pub(crate) const INVALID_ARN: &str = "InvalidArnException";
    pub(crate) const INVALID_CIPHERTEXT: &str = "InvalidCiphertextException";
    pub(crate) const INVALID_GRANT_ID: &str = "InvalidGrantIdException";
    pub(crate) const INVALID_GRANT_TOKEN: &str = "InvalidGrantTokenException";
    pub(crate) const INVALID_MAC: &str = "KMSInvalidMacException";
    pub(crate) const INVALID_MARKER: &str = "InvalidMarkerException";
    pub(crate) const INVALID_SIGNATURE: &str = "KMSInvalidSignatureException";
    pub(crate) const INVALID_STATE: &str = "KMSInvalidStateException";
    pub(crate) const INVALID_USAGE: &str = "InvalidKeyUsageException";
    pub(crate) const LIMIT_EXCEEDED: &str = "LimitExceededException";
    pub(crate) const MALFORMED_POLICY: &str = "MalformedPolicyDocumentException";
    pub(crate) const NOT_FOUND: &str = "NotFoundException";
    pub(crate) const SERIALIZATION: &str = "SerializationException";
    pub(crate) const TAG: &str = "TagException";
    pub(crate) const UNKNOWN_OPERATION: &str = "UnknownOperationException";
    pub(crate) const UNSUPPORTED: &str = "UnsupportedOperationException";
    pub(crate) const VALIDATION: &str = "ValidationException";
}

impl AwsError {
    pub(crate) fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), fault: false, entry: None }
    }

    fn fault(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { fault: true, ..Self::new(code, message) }
    }

    pub(crate) fn internal() -> Self {
        Self::fault("KMSInternalException", "the answer cannot be written")
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::NOT_FOUND, message)
    }

    pub(crate) fn invalid_arn(arn: &str) -> Self {
        Self::new(code::INVALID_ARN, format!("Invalid ARN '{arn}'"))
    }

    pub(crate) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::VALIDATION, message)
    }

    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::UNSUPPORTED, message)
    }

    /// The same refusal under another name, with nothing more to say.
    pub(crate) fn instead(self, code: &'static str) -> Self {
        self.saying(code, "")
    }

    /// The same refusal under another name.
    pub(crate) fn saying(self, code: &'static str, message: &'static str) -> Self {
        Self { code, message: message.into(), ..self }
    }

    /// Recorded by that entry.
    pub(crate) fn recorded(self, entry: u64) -> Self {
        self.recorded_at(Some(entry))
    }

    /// Recorded by that entry, if by one.
    pub(crate) fn recorded_at(self, entry: Option<u64>) -> Self {
        Self { entry, ..self }
    }

    /// The name of the exception.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What the caller may read.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Is it ours, status 500?
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        self.fault
    }

    /// Index of the entry that records the refusal, where there is one.
    #[must_use]
    pub const fn entry(&self) -> Option<u64> {
        self.entry
    }
}

/// For whom a failure is put into words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling<'a> {
    pub(crate) realm: &'a Realm,
    /// The operation that was called.
    pub(crate) operation: &'static str,
    /// What to say when what was named is not there.
    pub(crate) missing: &'a str,
    /// Was the key named by its identifier?
    pub(crate) by_id: bool,
}

/// What this wire makes of each kind of failure.
pub(crate) fn to_wire(error: &ServiceError, telling: Telling<'_>) -> AwsError {
    use ErrorKind as E;
    let message = || error.public_message().to_owned();
    let told = match error.kind() {
        E::AlreadyExists => AwsError::new(code::ALREADY_EXISTS, message()),
        E::ApprovalRequired | E::Denied | E::SeparationOfDuties => {
            AwsError::new(code::ACCESS_DENIED, denied(error, telling))
        }
        // AWS KMS says no more, so that nobody learns which of many things was wrong.
        E::BadCiphertext => AwsError::new(code::INVALID_CIPHERTEXT, ""),
        E::Conflict | E::Unavailable => AwsError::fault("DependencyTimeoutException", message()),
        E::DryRun => AwsError::new(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        ),
        E::ImportTokenExpired => AwsError::new("ExpiredImportTokenException", message()),
        E::ImportTokenInvalid => AwsError::new("InvalidImportTokenException", message()),
        E::WrongMaterial => AwsError::new("IncorrectKeyMaterialException", message()),
        E::IdempotencyMismatch | E::InvalidArgument | E::TooLarge => AwsError::validation(message()),
        // What was done and withheld is told as a fault: whether it was done, the log says.
        E::Internal | E::Withheld => AwsError::fault("KMSInternalException", message()),
        E::NotFound => match error.hidden() {
            // Tools take what is not found for destroyed and make it anew. Who names a key by an identifier that nobody can
            // guess learns no more than that he may not.
            Some(key) if telling.by_id => {
                let resource = telling.realm.key_arn(key);
                AwsError::new(code::ACCESS_DENIED, not_authorized(telling, &resource, "nothing permits it"))
            }
            Some(_) | None => AwsError::not_found(telling.missing.to_owned()),
        },
        E::Overloaded => AwsError::new("ThrottlingException", message()),
        E::PreconditionFailed => AwsError::new("ConflictException", message()),
        E::Unauthenticated => unauthenticated(error),
        E::Unsupported => AwsError::unsupported(message()),
        E::WrongKey => AwsError::new(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ),
        E::WrongPurpose => AwsError::new(code::INVALID_USAGE, wrong_purpose(error, telling)),
        E::WrongState => wrong_state(error, telling),
    };
    AwsError { entry: error.entry(), ..told }
}

fn unauthenticated(error: &ServiceError) -> AwsError {
    match error.authn_reason() {
        Some(AuthnReason::SessionExpired) => {
            AwsError::new("ExpiredTokenException", "The security token included in the request is expired")
        }
        Some(AuthnReason::Signature(SignatureRefused::SessionToken)) => AwsError::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        Some(AuthnReason::Signature(refused)) => {
            AwsError::new("InvalidSignatureException", not_signed(refused))
        }
        Some(AuthnReason::Missing | AuthnReason::Unknown) | None => AwsError::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
    }
}

/// Clients read from these words that their clock is wrong.
fn not_signed(refused: SignatureRefused) -> String {
    use claviger_access::authn::access_key::instant::format as instant;
    let minutes = SKEW.as_secs() / 60;
    match refused {
        SignatureRefused::Expired { ended_at, now, .. } => {
            let (ended_at, now) = (instant(ended_at), instant(now));
            format!("Signature expired: {ended_at} is now earlier than {now} ({minutes} min. are allowed)")
        }
        SignatureRefused::NotYetCurrent { now, signed_at } => {
            let (signed_at, now) = (instant(signed_at), instant(now));
            format!("Signature not yet current: {signed_at} is still later than {now} ({minutes} min. are allowed)")
        }
        SignatureRefused::Mismatch => "The request signature we calculated does not match the signature you provided. \
             Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
            .to_owned(),
        SignatureRefused::Region => "Credential should be scoped to a valid region.".to_owned(),
        SignatureRefused::Service => "Credential should be scoped to correct service.".to_owned(),
        SignatureRefused::SessionToken => {
            "The security token included in the request is not that of the access key.".to_owned()
        }
    }
}

/// The ARN of the key that stands in the way.
fn arn(key: Option<KeyId>, telling: Telling<'_>) -> String {
    key.map_or_else(|| "the key".to_owned(), |key| telling.realm.key_arn(key))
}

fn denied(error: &ServiceError, telling: Telling<'_>) -> String {
    let resource = error.key().map_or_else(|| "*".to_owned(), |key| telling.realm.key_arn(key));
    not_authorized(telling, &resource, error.public_message())
}

fn not_authorized(telling: Telling<'_>, resource: &str, why: &str) -> String {
    format!(
        "The caller is not authorized to perform: kms:{} on resource: {resource}: {why}",
        telling.operation
    )
}

fn wrong_purpose(error: &ServiceError, telling: Telling<'_>) -> String {
    match error.obstacle() {
        Some(Obstacle::Purpose(purpose)) => format!(
            "{} key usage is {} which is not valid for {}.",
            arn(error.key(), telling),
            usage(purpose),
            telling.operation
        ),
        Some(_) | None => error.public_message().to_owned(),
    }
}

/// Keys of the house for wrapping are of a kind that AWS KMS does not have.
fn usage(purpose: Purpose) -> &'static str {
    names::usage(purpose).unwrap_or("WRAP_UNWRAP")
}

fn wrong_state(error: &ServiceError, telling: Telling<'_>) -> AwsError {
    let key = || arn(error.key(), telling);
    let is = |words: &str| AwsError::new(code::INVALID_STATE, format!("{} is {words}.", key()));
    match error.obstacle() {
        Some(Obstacle::State(State::Active | State::Deactivated | State::PreActive | State::Suspended)) => {
            AwsError::new("DisabledException", format!("{} is disabled.", key()))
        }
        Some(Obstacle::State(State::Compromised)) => is("compromised"),
        Some(Obstacle::State(State::Destroyed | State::DestroyedCompromised)) => {
            AwsError::not_found(format!("Key '{}' does not exist", key()))
        }
        Some(Obstacle::Material) => is("pending import"),
        Some(Obstacle::Waiting) => is("pending deletion"),
        Some(Obstacle::MaterialMadeHere | Obstacle::NoPrincipal | Obstacle::Purpose(_)) | None => {
            AwsError::new(code::INVALID_STATE, error.public_message().to_owned())
        }
    }
}
