//! What a call that did not succeed answers: one table from kinds of failure to the exceptions of AWS KMS.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use std::borrow::Cow;
use std::time::Duration;

use claviger_access::authn::access_key::SKEW;
use claviger_core::key::State;
use claviger_core::{KeyId, Purpose, Spec, Timestamp};
use claviger_service::{Algorithm, AuthnReason, ErrorKind, Obstacle, ServiceError, SignatureRefused};

use crate::names;
use crate::realm::Realm;
use crate::sigv4::SigV4Error;

/// An exception on the wire. Every one is status 400 but for faults, which are 500 and may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    code: &'static str,
    message: Cow<'static, str>,
    fault: bool,
    entry: Option<u64>,
}

/// Exceptions that are no kind of failure of the service: the protocol's own.
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

    /// Something that the call needs is unavailable, or others were faster: it may be tried again.
    pub(crate) fn timeout(message: impl Into<Cow<'static, str>>) -> Self {
        Self::fault("DependencyTimeoutException", message)
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::NOT_FOUND, message)
    }

    pub(crate) fn invalid_arn(arn: &str) -> Self {
        Self::new(code::INVALID_ARN, format!("Invalid ARN '{arn}'"))
    }

    /// The ciphertext is of another key than the one named.
    pub(crate) fn incorrect_key() -> Self {
        let message = "The key ID in the request does not identify a CMK that can perform this operation.";
        Self::new("IncorrectKeyException", message)
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
pub(crate) struct ErrorContext<'a> {
    pub(crate) realm: &'a Realm,
    /// The operation that was called.
    pub(crate) operation: &'static str,
    /// What to say when what was named is not there.
    pub(crate) missing: &'a str,
    /// Was the key named by its identifier?
    pub(crate) by_id: bool,
}

/// What this wire makes of each kind of failure.
pub(crate) fn to_wire(error: &ServiceError, context: ErrorContext<'_>) -> AwsError {
    use ErrorKind as E;
    let message = || error.public_message().to_owned();
    let answered = match error.kind() {
        E::AlreadyExists => AwsError::new(code::ALREADY_EXISTS, message()),
        E::ApprovalRequired => AwsError::new(code::ACCESS_DENIED, pending(error, context)),
        E::Denied | E::SeparationOfDuties => AwsError::new(code::ACCESS_DENIED, denied(error, context)),
        // AWS KMS says no more, so that nobody learns which of many things was wrong.
        E::BadCiphertext => AwsError::new(code::INVALID_CIPHERTEXT, ""),
        E::Conflict | E::Unavailable => AwsError::timeout(message()),
        E::DryRun => AwsError::new(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        ),
        E::ImportTokenExpired => AwsError::new("ExpiredImportTokenException", message()),
        E::ImportTokenInvalid => AwsError::new("InvalidImportTokenException", message()),
        E::WrongMaterial => AwsError::new("IncorrectKeyMaterialException", message()),
        E::ContextRequired
        | E::IdempotencyExpired
        | E::IdempotencyMismatch
        | E::InvalidArgument
        | E::ReasonRequired
        | E::TooLarge => AwsError::validation(invalid(error)),
        // What was done and withheld is reported as a fault: whether it was done, the log says.
        E::Internal | E::LogDamaged | E::RowAltered | E::Withheld => {
            AwsError::fault("KMSInternalException", message())
        }
        E::LimitExceeded => AwsError::new("LimitExceededException", message()),
        E::NotFound => match error.hidden() {
            // Tools take what is not found for destroyed and make it anew. Who names a key by an identifier that nobody can
            // guess learns no more than that they may not.
            Some(key) if context.by_id => {
                let resource = context.realm.key_arn(key);
                AwsError::new(code::ACCESS_DENIED, not_authorized(context, &resource, "nothing permits it"))
            }
            Some(_) | None => AwsError::not_found(context.missing.to_owned()),
        },
        E::Overloaded => AwsError::new("ThrottlingException", message()),
        E::PreconditionFailed => AwsError::new("ConflictException", message()),
        E::Unauthenticated => unauthenticated(error.authn_reason()),
        E::Unsupported => AwsError::unsupported(match error.obstacle() {
            Some(Obstacle::Module(algorithm)) => {
                format!("no module here encrypts with {}", names::encrypting(algorithm))
            }
            Some(_) | None => message(),
        }),
        E::WrongKey => AwsError::incorrect_key(),
        E::WrongPurpose => AwsError::new(code::INVALID_USAGE, wrong_purpose(error, context)),
        E::WrongState => wrong_state(error, context),
    };
    AwsError { entry: error.entry(), ..answered }
}

/// What a request says that is not signed as requests are.
pub(crate) fn unsigned(error: SigV4Error) -> AwsError {
    match error {
        SigV4Error::Missing => {
            AwsError::new("MissingAuthenticationTokenException", "Missing Authentication Token")
        }
        SigV4Error::BodyDigest => AwsError::new("InvalidSignatureException", error.to_string()),
        SigV4Error::Ambiguous(_)
        | SigV4Error::Incomplete(_)
        | SigV4Error::Malformed(_)
        | SigV4Error::Unsigned(_)
        | SigV4Error::UnsignedPayload => AwsError::new("IncompleteSignatureException", error.to_string()),
    }
}

fn unauthenticated(reason: Option<AuthnReason>) -> AwsError {
    match reason {
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

/// Clients read from these words that their clock is wrong, and from those in brackets what time it is here.
fn not_signed(refused: SignatureRefused) -> String {
    use claviger_access::authn::access_key::instant::format as instant;
    let minutes = SKEW.as_secs() / 60;
    match refused {
        SignatureRefused::Expired { ended_at, now, signed_at } if ended_at == signed_at.after(SKEW) => {
            let (signed_at, oldest, now) = (instant(signed_at), instant(before(now, SKEW)), instant(now));
            format!("Signature expired: {signed_at} is now earlier than {oldest} ({now} - {minutes} min.)")
        }
        // A presigned one ends when it says so, to the second.
        SignatureRefused::Expired { ended_at, now, .. } => {
            format!("Signature expired: {} is now earlier than {}", instant(ended_at), instant(now))
        }
        SignatureRefused::NotYetCurrent { now, signed_at } => {
            let (signed_at, newest, now) = (instant(signed_at), instant(now.after(SKEW)), instant(now));
            format!("Signature not yet current: {signed_at} is still later than {newest} ({now} + {minutes} min.)")
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

fn before(at: Timestamp, span: Duration) -> Timestamp {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(micros))
}

/// The ARN of the key that stands in the way.
fn arn(key: Option<KeyId>, context: ErrorContext<'_>) -> String {
    key.map_or_else(|| "the key".to_owned(), |key| context.realm.key_arn(key))
}

fn denied(error: &ServiceError, context: ErrorContext<'_>) -> String {
    let resource = error.key().map_or_else(|| "*".to_owned(), |key| context.realm.key_arn(key));
    not_authorized(context, &resource, error.public_message())
}

/// What waits for the approval of others. No SDK tries it again by itself; the same call, once it is approved, is done.
fn pending(error: &ServiceError, context: ErrorContext<'_>) -> String {
    let denied = denied(error, context);
    match error.approval() {
        Some(id) => format!("{denied}; approval request {id}"),
        None => denied,
    }
}

fn not_authorized(context: ErrorContext<'_>, resource: &str, why: &str) -> String {
    format!(
        "The caller is not authorized to perform: kms:{} on resource: {resource}: {why}",
        context.operation
    )
}

fn wrong_purpose(error: &ServiceError, context: ErrorContext<'_>) -> String {
    match error.obstacle() {
        Some(Obstacle::Purpose(purpose)) => format!(
            "{} key usage is {} which is not valid for {}.",
            arn(error.key(), context),
            usage(purpose),
            context.operation
        ),
        Some(Obstacle::Algorithm(algorithm, of)) => {
            format!("Algorithm {} is incompatible with key spec {}.", algorithm_name(algorithm), spec(of))
        }
        Some(_) | None => error.public_message().to_owned(),
    }
}

fn invalid(error: &ServiceError) -> String {
    match error.obstacle() {
        Some(Obstacle::Capacity(algorithm, of, most)) => format!(
            "Algorithm {} and key spec {} cannot encrypt data larger than {most} bytes.",
            names::encrypting(algorithm),
            spec(of)
        ),
        Some(_) | None => error.public_message().to_owned(),
    }
}

fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Encryption(algorithm) => names::encrypting(algorithm),
        Algorithm::Mac(spec) => names::mac_algorithm(spec).unwrap_or_else(|| spec.name()),
        Algorithm::Signature(algorithm) => names::signing(algorithm).unwrap_or_else(|| algorithm.name()),
    }
}

/// The word for a spec; the service's own where AWS KMS has no such keys.
fn spec(spec: Spec) -> &'static str {
    names::spec(spec).unwrap_or_else(|| spec.name())
}

/// Keys of the service for wrapping are of a kind that AWS KMS does not have.
fn usage(purpose: Purpose) -> &'static str {
    names::usage(purpose).unwrap_or("WRAP_UNWRAP")
}

fn wrong_state(error: &ServiceError, context: ErrorContext<'_>) -> AwsError {
    let key = || arn(error.key(), context);
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
        Some(
            Obstacle::Algorithm(..)
            | Obstacle::Capacity(..)
            | Obstacle::MaterialMadeHere
            | Obstacle::Module(_)
            | Obstacle::NoPrincipal
            | Obstacle::Purpose(_),
        )
        | None => AwsError::new(code::INVALID_STATE, error.public_message().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use claviger_core::KeyVersionId;
    use claviger_core::key::{Event, NoTransition, RefusedFor, UseRefused};

    use super::*;
    use crate::sigv4::Part;

    const HEADER: &str = "\
# What each kind of failure is to clients of AWS KMS. Printed by claviger-aws (UPDATE_GOLDEN=1 rewrites).
# kind                              exception                            status  tried again by SDKs
";
    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    fn wire(error: &ServiceError) -> AwsError {
        to_wire(
            error,
            ErrorContext {
                realm: &Realm::default(),
                operation: "Encrypt",
                missing: "no such key",
                by_id: true,
            },
        )
    }

    fn of(kind: ErrorKind) -> ServiceError {
        ServiceError::new(kind, "why")
    }

    /// What stands in the way of a use, by name.
    fn obstacles() -> Vec<(String, AwsError)> {
        let version = KeyVersionId { key: KeyId::from_bytes([1; 16]), number: 1 };
        let refused = |reason| wire(&UseRefused { version, reason }.into());
        let states = State::ALL.into_iter().map(|from| {
            (format!("WrongState, {from}"), wire(&NoTransition { from, event: Event::Activate }.into()))
        });
        let others = [
            ("WrongState, no material", refused(RefusedFor::PendingImport)),
            ("WrongState, expired material", refused(RefusedFor::MaterialExpired)),
            ("WrongState, pending destruction", refused(RefusedFor::Destruction(State::Suspended))),
        ];
        states.chain(others.map(|(name, answered)| (name.to_owned(), answered))).collect()
    }

    fn reasons() -> Vec<(&'static str, AwsError)> {
        use SignatureRefused as R;
        let expired = R::Expired { ended_at: NOW, now: NOW, signed_at: NOW };
        let signature = |refused| unauthenticated(Some(AuthnReason::Signature(refused)));
        vec![
            ("Unauthenticated, missing", unauthenticated(Some(AuthnReason::Missing))),
            ("Unauthenticated, unknown", unauthenticated(Some(AuthnReason::Unknown))),
            ("Unauthenticated, session expired", unauthenticated(Some(AuthnReason::SessionExpired))),
            ("Signature, expired", signature(expired)),
            ("Signature, not yet current", signature(R::NotYetCurrent { now: NOW, signed_at: NOW })),
            ("Signature, mismatch", signature(R::Mismatch)),
            ("Signature, region", signature(R::Region)),
            ("Signature, service", signature(R::Service)),
            ("Signature, session token", signature(R::SessionToken)),
            ("(unsigned) missing", unsigned(SigV4Error::Missing)),
            ("(unsigned) ambiguous", unsigned(SigV4Error::Ambiguous(Part::Date))),
            ("(unsigned) body digest", unsigned(SigV4Error::BodyDigest)),
            ("(unsigned) incomplete", unsigned(SigV4Error::Incomplete(Part::Date))),
            ("(unsigned) malformed", unsigned(SigV4Error::Malformed(Part::Date))),
            ("(unsigned) not among the signed", unsigned(SigV4Error::Unsigned(Part::Host))),
            ("(unsigned) unsigned payload", unsigned(SigV4Error::UnsignedPayload)),
        ]
    }

    /// SDKs try again what is status 500 and above, and what is throttled.
    fn is_tried_again(answered: &AwsError) -> bool {
        answered.is_fault() || answered.code() == "ThrottlingException"
    }

    fn table() -> String {
        let mut out = HEADER.to_owned();
        let mut row = |name: &str, answered: &AwsError| {
            let status = if answered.is_fault() { 500 } else { 400 };
            let again = if is_tried_again(answered) { "yes" } else { "-" };
            let _ = writeln!(out, "{name:<35} {:<36} {status}     {again}", answered.code());
        };
        for kind in ErrorKind::ALL {
            row(&format!("{kind:?}"), &wire(&of(kind)));
        }
        for (name, answered) in obstacles() {
            row(&name, &answered);
        }
        for (name, answered) in reasons() {
            row(name, &answered);
        }
        out
    }

    #[test]
    fn golden_table_is_unchanged() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/errors-aws.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, table()).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(kept, table(), "golden/errors-aws.txt differs; UPDATE_GOLDEN=1 rewrites it");
    }

    #[test]
    fn what_others_must_approve_says_that_the_caller_may_not_yet() {
        let answered = wire(&of(ErrorKind::ApprovalRequired));
        assert_eq!((answered.code(), is_tried_again(&answered)), (code::ACCESS_DENIED, false));
        assert!(answered.message().ends_with(": why"), "{}", answered.message());
    }

    #[test]
    fn what_the_caller_did_wrong_is_not_tried_again() {
        use ErrorKind as E;
        for kind in ErrorKind::ALL {
            let ours = matches!(
                kind,
                E::Conflict
                    | E::Internal
                    | E::LogDamaged
                    | E::Overloaded
                    | E::RowAltered
                    | E::Unavailable
                    | E::Withheld
            );
            assert_eq!(is_tried_again(&wire(&of(kind))), ours, "{kind}");
        }
    }

    #[test]
    fn skew_is_reported_so_that_clients_set_their_clocks() {
        let answered = |refused| not_signed(refused);
        let (early, late) = (before(NOW, SKEW * 2), NOW.after(SKEW * 2));
        let expired = SignatureRefused::Expired { ended_at: early.after(SKEW), now: NOW, signed_at: early };
        assert_eq!(
            answered(expired),
            "Signature expired: 20260921T140320Z is now earlier than 20260921T140820Z (20260921T141320Z - 5 min.)"
        );
        let not_yet = SignatureRefused::NotYetCurrent { now: NOW, signed_at: late };
        assert_eq!(
            answered(not_yet),
            "Signature not yet current: 20260921T142320Z is still later than 20260921T141820Z (20260921T141320Z + 5 min.)"
        );
        let presigned = SignatureRefused::Expired {
            ended_at: before(NOW, SKEW),
            now: NOW,
            signed_at: early.after(Duration::from_secs(1)),
        };
        assert_eq!(
            answered(presigned),
            "Signature expired: 20260921T140820Z is now earlier than 20260921T141320Z"
        );
    }
}
