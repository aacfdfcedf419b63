//! What an entry of the log says, as operations and the road put it, and how it is encoded.

use claviger_audit::entry::{Entry, EntryError, NamedAsset};
use claviger_audit::identity::{Identity, IdentityError, SubjectKey};
use claviger_audit::op::{Op, Outcome};
use claviger_core::{KeyId, Timestamp};

use crate::error::ErrorKind;

/// What one entry records beyond what its whole call shares.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryDetail {
    pub(crate) sub_action: Option<SubAction>,
    pub(crate) outcome: EntryOutcome,
    pub(crate) key: Option<KeyId>,
    pub(crate) version: Option<u32>,
    pub(crate) input_len: Option<usize>,
    pub(crate) context_tag: Option<[u8; 16]>,
    pub(crate) asset: Option<NamedAsset>,
    pub(crate) reference: Option<Box<[u8]>>,
}

/// Another act than the one that was called for, done with it: what it is, and what permits it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubAction {
    pub(crate) op: Op,
    pub(crate) policy: [u8; 8],
}

/// How it ended; fine by default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryOutcome(pub(crate) Outcome);

impl Default for EntryOutcome {
    fn default() -> Self {
        Self(Outcome::Ok)
    }
}

/// Public bytes that an entry carries in field `ref`: these, one after the other.
pub(crate) fn reference(parts: &[&[u8]]) -> Option<Box<[u8]>> {
    Some(parts.concat().into_boxed_slice())
}

/// What all entries of a call share.
#[derive(Clone, Debug)]
pub(crate) struct EntryHeader {
    pub(crate) op: Op,
    pub(crate) at: Timestamp,
    pub(crate) actor: Option<[u8; 16]>,
    pub(crate) session: Option<u64>,
    pub(crate) request_tag: Option<[u8; 16]>,
    pub(crate) policy: Option<[u8; 8]>,
    /// Whose identity the entry carries, sealed; sessions only.
    pub(crate) identity: Option<Box<SealedIdentity>>,
}

/// An identity with the key that seals it, and what lies beside the entry.
#[derive(Clone, Debug)]
pub(crate) struct SealedIdentity {
    pub(crate) subject: SubjectKey,
    pub(crate) identity: Identity,
    /// The session's record, to which the entry commits.
    pub(crate) record: Vec<u8>,
}

/// Why an entry cannot be written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodeError {
    /// The log's schema has no such entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The identity does not seal.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The call records nothing.
    #[error("a call without an entry")]
    Nothing,
    /// Rows are written, and nothing says what becomes of them.
    #[error("changes without facts, or facts without changes")]
    Facts,
}

impl EntryHeader {
    pub(crate) fn of_system(op: Op, at: Timestamp) -> Self {
        Self { op, at, actor: None, session: None, request_tag: None, policy: None, identity: None }
    }

    /// What lies beside the entry of a session.
    pub(crate) fn record(&self) -> Option<&[u8]> {
        self.identity.as_ref().map(|identity| identity.record.as_slice())
    }

    /// Appends the entry for `detail`, committed under `epoch`, with the digest of its facts.
    pub(crate) fn encode(
        &self,
        detail: &EntryDetail,
        epoch: u64,
        fct: Option<[u8; 32]>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let entry = Entry {
            t: self.at.as_micros(),
            e: epoch,
            op: detail.sub_action.map_or(self.op, |sub| sub.op),
            out: detail.outcome.0,
            key: detail.key.map(|key| *key.as_bytes()),
            kv: detail.version,
            act: self.actor,
            ses: self.session,
            n: detail.input_len.map(log2_ceil),
            ctx: detail.context_tag,
            rid: self.request_tag,
            pol: detail.sub_action.map(|sub| sub.policy).or(self.policy),
            enc: None,
            reference: detail.reference.as_deref().map(Into::into),
            fct,
            ast: detail.asset,
        };
        let Some(identity) = &self.identity else { return Ok(entry.encode_into(out)?) };
        // The seal is bound to the entry that carries it, its epoch included.
        let sealed = identity.subject.seal_identity(&identity.identity, &entry.seal_context())?;
        Ok(Entry { enc: Some(sealed.into()), ..entry }.encode_into(out)?)
    }
}

/// `ceil(log2(length))`, 0 for lengths 0 and 1: the log records sizes no finer.
pub(crate) fn log2_ceil(length: usize) -> u8 {
    u8::try_from(usize::BITS - length.saturating_sub(1).leading_zeros()).unwrap_or(u8::MAX)
}

/// One detail or many, without an allocation for one.
#[derive(Debug)]
pub(crate) enum EntryDetails {
    /// The entries of a batch call, one an item, or of a call that is several acts.
    Many(Vec<EntryDetail>),
    /// The entry of a single call.
    One(EntryDetail),
}

impl EntryDetails {
    pub(crate) fn as_slice(&self) -> &[EntryDetail] {
        match self {
            Self::Many(details) => details,
            Self::One(detail) => std::slice::from_ref(detail),
        }
    }

    pub(crate) fn first(&self) -> Option<&EntryDetail> {
        self.as_slice().first()
    }
}

impl From<EntryDetail> for EntryDetails {
    fn from(detail: EntryDetail) -> Self {
        Self::One(detail)
    }
}

/// Facts, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct FactBytes {
    /// What the entry carries.
    pub(crate) digest: [u8; 32],
    /// What lies beside it.
    pub(crate) bytes: Vec<u8>,
}

/// How the log records a failure of that kind.
pub(crate) fn entry_outcome(kind: ErrorKind) -> EntryOutcome {
    EntryOutcome(outcome_of(kind))
}

pub(crate) fn outcome_of(kind: ErrorKind) -> Outcome {
    match kind {
        ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::IdempotencyMismatch
        | ErrorKind::PreconditionFailed => Outcome::Conflict,
        ErrorKind::BadCiphertext | ErrorKind::WrongKey => Outcome::BadCiphertext,
        ErrorKind::ApprovalRequired | ErrorKind::Denied | ErrorKind::SeparationOfDuties => Outcome::Denied,
        ErrorKind::DryRun => Outcome::DryRun,
        ErrorKind::Internal | ErrorKind::LogDamaged | ErrorKind::RowAltered => Outcome::Internal,
        ErrorKind::ContextRequired
        | ErrorKind::IdempotencyExpired
        | ErrorKind::ImportTokenExpired
        | ErrorKind::ImportTokenInvalid
        | ErrorKind::InvalidArgument
        | ErrorKind::ReasonRequired
        | ErrorKind::WrongMaterial
        | ErrorKind::WrongPurpose => Outcome::BadInput,
        ErrorKind::NotFound => Outcome::NotFound,
        ErrorKind::LimitExceeded | ErrorKind::Overloaded | ErrorKind::TooLarge => Outcome::Limit,
        ErrorKind::Unauthenticated => Outcome::Unauthenticated,
        ErrorKind::Unavailable => Outcome::ProviderError,
        ErrorKind::Unsupported => Outcome::Unsupported,
        ErrorKind::Withheld => Outcome::Deadline,
        ErrorKind::WrongState => Outcome::WrongState,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_recorded_as_powers_of_two() {
        for (length, recorded) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (1024, 10), (1025, 11)] {
            assert_eq!(log2_ceil(length), recorded, "{length}");
        }
    }
}
