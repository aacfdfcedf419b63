//! What can go wrong with a call, in the terms that every protocol translates from.

use claviger_access::separation::SeparationError;
use claviger_access::{AuthnError, AuthnReason, DenyReason};
use claviger_core::key::{NoTransition, RefusedFor, State, UseRefused};
use claviger_core::port::{ProviderError, StoreError};
use claviger_core::{ApprovalId, KeyId, Purpose, Spec};
use claviger_crypto::{CryptoError, EncryptionAlgorithm, SignatureAlgorithm};

/// What kind of failure it is. A kind exists because callers act on it; each protocol gives every one its own word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ErrorKind {
    /// The name is bound to something else for ever.
    AlreadyExists,
    /// It takes more people than the caller: custodians must approve it.
    ApprovalRequired,
    /// The ciphertext does not open: a wrong key, tag or context, or changed bytes.
    BadCiphertext,
    /// Others wrote the same thing in between, too often. Try again.
    Conflict,
    /// The encryption context lacks a field that the key or its ring asks for.
    ContextRequired,
    /// The caller may not.
    Denied,
    /// It would have been done; the caller only asked whether.
    DryRun,
    /// The idempotency key came before, with a request that cannot be compared any more.
    IdempotencyExpired,
    /// The idempotency key came before, with another request.
    IdempotencyMismatch,
    /// The token that came with imported material is too old.
    ImportTokenExpired,
    /// The token that came with imported material was not given for this key.
    ImportTokenInvalid,
    /// A fault of ours.
    Internal,
    /// The request makes no sense.
    InvalidArgument,
    /// There are as many as there can be.
    LimitExceeded,
    /// A part of the log is missing or does not read back.
    LogDamaged,
    /// It is not found, or not visible to the caller.
    NotFound,
    /// Too much at once. Try again later.
    Overloaded,
    /// The thing is not at the revision that the caller names.
    PreconditionFailed,
    /// What is asked for is recorded with its reason, and none was given, or not enough of one.
    ReasonRequired,
    /// What the store says of something is not what a server wrote: somebody changed it there.
    RowAltered,
    /// The right would join duties that must stay apart.
    SeparationOfDuties,
    /// The input is larger than the operation takes.
    TooLarge,
    /// The caller is not known.
    Unauthenticated,
    /// Something that the operation needs is unavailable. Try again later.
    Unavailable,
    /// The module, or this release, cannot do that.
    Unsupported,
    /// It was done and recorded, but the result came too late to be let out.
    Withheld,
    /// The ciphertext names another key than the caller.
    WrongKey,
    /// The imported material is no key of its kind, or not what the key had before.
    WrongMaterial,
    /// The key is for something else.
    WrongPurpose,
    /// The state of the key does not allow it.
    WrongState,
}

claviger_core::named! {
    /// Text that is not a kind of error.
    ErrorKind, "a kind of error" {
        AlreadyExists = "already-exists",
        ApprovalRequired = "approval-required",
        BadCiphertext = "bad-ciphertext",
        Conflict = "conflict",
        ContextRequired = "context-required",
        Denied = "denied",
        DryRun = "dry-run",
        IdempotencyExpired = "idempotency-expired",
        IdempotencyMismatch = "idempotency-mismatch",
        ImportTokenExpired = "import-token-expired",
        ImportTokenInvalid = "import-token-invalid",
        Internal = "internal",
        InvalidArgument = "invalid-argument",
        LimitExceeded = "limit-exceeded",
        LogDamaged = "log-damaged",
        NotFound = "not-found",
        Overloaded = "overloaded",
        PreconditionFailed = "precondition-failed",
        ReasonRequired = "reason-required",
        RowAltered = "row-altered",
        SeparationOfDuties = "separation-of-duties",
        TooLarge = "too-large",
        Unauthenticated = "unauthenticated",
        Unavailable = "unavailable",
        Unsupported = "unsupported",
        Withheld = "withheld",
        WrongKey = "wrong-key",
        WrongMaterial = "wrong-material",
        WrongPurpose = "wrong-purpose",
        WrongState = "wrong-state",
    }
}

impl ErrorKind {
    /// The stable code that callers may rely on, in kebab case.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.name()
    }
}

/// How a caller wanted a key to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// To encrypt.
    Encryption(EncryptionAlgorithm),
    /// To make codes, as keys of this spec do.
    Mac(Spec),
    /// To sign.
    Signature(SignatureAlgorithm),
}

/// What of a key stands in the way of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// It is of this spec, which does not go with that algorithm.
    Algorithm(Algorithm, Spec),
    /// It is of this spec, under which that algorithm takes no more than so many bytes.
    Capacity(EncryptionAlgorithm, Spec, u64),
    /// Its material is to be imported, or was imported for a time that is over.
    Material,
    /// Its material is made here, and not imported.
    MaterialMadeHere,
    /// Its module does not encrypt that way.
    Module(EncryptionAlgorithm),
    /// A principal that a grant names is not there.
    NoPrincipal,
    /// It is for this.
    Purpose(Purpose),
    /// It, or its version, is in this state.
    State(State),
    /// It waits for its destruction, whatever its state.
    Waiting,
}

/// The approval that a call waits for, or by which it was refused.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("approval {0}")]
pub(crate) struct OfApproval(pub(crate) ApprovalId);

/// A call that failed. `kind` and `public_message` are for the caller; the source chain is for the trace.
#[derive(Debug)]
pub struct ServiceError {
    kind: ErrorKind,
    message: std::borrow::Cow<'static, str>,
    entry: Option<u64>,
    obstacle: Option<Obstacle>,
    key: Option<KeyId>,
    hidden: Option<KeyId>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ServiceError {
    /// A failure of that kind; `message` is for the caller: lower case, no period, nothing secret.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            entry: None,
            obstacle: None,
            key: None,
            hidden: None,
            source: None,
        }
    }

    /// The request makes no sense.
    #[must_use]
    pub fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// It is not found, or not visible to the caller: one message for both.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "not found, or not visible to you")
    }

    /// The caller may not, for that reason.
    pub(crate) fn denied_by(reason: DenyReason) -> Self {
        Self::new(ErrorKind::Denied, format!("you may not do this: {reason}")).caused_by(reason)
    }

    /// The same, with what explains it behind its message.
    pub(crate) fn explained(mut self, why: Option<&str>) -> Self {
        if let Some(why) = why {
            self.message = format!("{}; {why}", self.message).into();
        }
        self
    }

    /// The same, behind the words that say what was being done.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message).into();
        self
    }

    pub(crate) fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    pub(crate) fn recorded_at(mut self, index: u64) -> Self {
        self.entry = Some(index);
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the caller may read.
    #[must_use]
    pub fn public_message(&self) -> &str {
        &self.message
    }

    /// What of the key stands in the way, where that is it.
    #[must_use]
    pub const fn obstacle(&self) -> Option<Obstacle> {
        self.obstacle
    }

    /// The key that the call was about, where the caller may know that it exists.
    #[must_use]
    pub const fn key(&self) -> Option<KeyId> {
        self.key
    }

    /// The key that exists, though the answer to the caller says that it does not, because the caller may not know
    /// of it. For protocols whose clients take what is not found for destroyed, and name keys by what nobody can guess.
    #[must_use]
    pub const fn hidden(&self) -> Option<KeyId> {
        self.hidden
    }

    pub(crate) fn hiding(self, key: Option<KeyId>) -> Self {
        Self { hidden: key, ..self }
    }

    pub(crate) fn because_of(self, obstacle: Obstacle) -> Self {
        Self { obstacle: Some(obstacle), ..self }
    }

    pub(crate) fn about(self, key: Option<KeyId>) -> Self {
        Self { key: key.or(self.key), ..self }
    }

    /// Why the caller is not known, for protocols that say so to a signer.
    #[must_use]
    pub fn authn_reason(&self) -> Option<AuthnReason> {
        self.source.as_ref()?.downcast_ref::<AuthnError>().map(AuthnError::reason)
    }

    /// Why the caller may not, where policy says so and the caller may know that the target exists.
    #[must_use]
    pub fn deny_reason(&self) -> Option<DenyReason> {
        let reason = self.source.as_ref()?.downcast_ref::<DenyReason>().copied();
        reason.filter(|_| self.kind == ErrorKind::Denied)
    }

    /// The approval that the call waits for; of one that was denied, or is over because something has changed, that one.
    #[must_use]
    pub fn approval(&self) -> Option<ApprovalId> {
        self.source.as_ref()?.downcast_ref::<OfApproval>().map(|of| of.0)
    }

    /// Index of the entry that records the refusal, where there is one.
    #[must_use]
    pub const fn entry(&self) -> Option<u64> {
        self.entry
    }
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        if let StoreError::RowAltered(_) = error {
            let message = "what the store says of this is not what was written; nothing was done, and the operator must see to it";
            return Self::new(ErrorKind::RowAltered, message).caused_by(error);
        }
        let kind = match error {
            StoreError::Full | StoreError::Io(_) | StoreError::ReadOnly | StoreError::Unavailable(_) => {
                ErrorKind::Unavailable
            }
            StoreError::Corrupt(_)
            | StoreError::LostTail(_)
            | StoreError::Locked
            | StoreError::Newer { .. }
            | StoreError::RowAltered(_)
            | StoreError::Refused(_) => ErrorKind::Internal,
        };
        Self::new(kind, "the store cannot serve this call; nothing was done").caused_by(error)
    }
}

impl From<ProviderError> for ServiceError {
    fn from(error: ProviderError) -> Self {
        match &error {
            ProviderError::BadInput => {
                Self::new(ErrorKind::BadCiphertext, "the input does not open under this key and context")
            }
            ProviderError::InvalidParameter(what) => Self::invalid(*what),
            ProviderError::Unsupported { .. } => Self::new(ErrorKind::Unsupported, error.to_string()),
            ProviderError::UnsupportedAlgorithm { algorithm, .. } => {
                Self::new(ErrorKind::Unsupported, error.to_string()).because_of(Obstacle::Module(*algorithm))
            }
            ProviderError::Unavailable(_) | ProviderError::LoginRefused => {
                Self::new(ErrorKind::Unavailable, "the cryptographic module is unavailable; nothing was done")
                    .caused_by(error)
            }
            ProviderError::BadWrap | ProviderError::SelfTestFailed => {
                Self::new(ErrorKind::Internal, "the cryptographic module refused stored material")
                    .caused_by(error)
            }
        }
    }
}

impl From<CryptoError> for ServiceError {
    fn from(error: CryptoError) -> Self {
        Self::new(ErrorKind::Internal, "the cryptographic module failed").caused_by(error)
    }
}

impl From<NoTransition> for ServiceError {
    fn from(error: NoTransition) -> Self {
        Self::new(ErrorKind::WrongState, error.to_string()).because_of(Obstacle::State(error.from))
    }
}

impl From<UseRefused> for ServiceError {
    fn from(error: UseRefused) -> Self {
        let obstacle = match error.reason {
            RefusedFor::Destruction(_) => Obstacle::Waiting,
            RefusedFor::PendingImport | RefusedFor::MaterialExpired => Obstacle::Material,
            RefusedFor::State(state) => Obstacle::State(state),
        };
        Self::new(ErrorKind::WrongState, error.to_string()).because_of(obstacle)
    }
}

impl From<SeparationError> for ServiceError {
    fn from(error: SeparationError) -> Self {
        Self::new(ErrorKind::SeparationOfDuties, error.to_string())
    }
}
