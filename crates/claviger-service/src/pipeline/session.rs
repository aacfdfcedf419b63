//! Sessions: who stands behind an actor tag, recorded once per credential, address, day and parameters of TLS. The identity is
//! sealed under the subject's key; what leads back to it, and can be disclosed field by field, lies beside the
//! entry under the principal's own key ([`claviger_audit::session`]). And what is recorded of unauthenticated callers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use claviger_access::{Caller, Presented};
use claviger_audit::RefusedCalls;
use claviger_audit::identity::{Identity, SubjectKey};
use claviger_audit::op::{Op, Outcome};
use claviger_audit::session::Who;
use claviger_core::change::{Change, Dependencies};
use claviger_core::object::Object;
use claviger_core::port::store::Room;
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind};
use claviger_core::{CredentialId, ListenerName, PrincipalId, Source, Timestamp};
use claviger_crypto::random;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, oneshot};

use super::facts::not_recorded;
use super::submission::Submission;
use super::{not_committed, overloaded};
use crate::error::ServiceError;
use crate::record::{
    EntryDetail, EntryDetails, EntryHeader, EntryOutcome, FactBytes, SealedIdentity, reference,
};
use crate::road::Road;

/// Most sessions remembered; one that was forgotten is recorded again.
const REMEMBERED: usize = 100_000;
/// How often a credential that is known gets an entry of its own for being refused, and for a request that cannot be read.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// What the entries of one session share.
#[derive(Debug)]
pub(crate) struct Session {
    /// Index of the session's own entry.
    pub(crate) index: u64,
    /// The actor tag.
    pub(crate) actor: [u8; 16],
}

type SessionKey = (CredentialId, Source, u64);

/// The sessions of this incarnation, and the counts of unauthenticated callers.
#[derive(Debug)]
pub(crate) struct Sessions {
    open: Cache<SessionKey, Arc<Session>>,
    /// Known credentials that were refused, and when since the start of the machine an entry last said so.
    refused: Cache<CredentialId, Duration>,
    /// Those whose requests could not be read, and when an entry last said so.
    malformed: Cache<CredentialId, Duration>,
    /// Held while one of the two is asked and set.
    recording: std::sync::Mutex<()>,
    opening: Mutex<()>,
    /// Unauthenticated calls, by listener in the order of [`ListenerName::ALL`].
    unauthenticated: [AtomicU64; ListenerName::ALL.len()],
    /// Requests of known callers that could not be read, since the start.
    unreadable: AtomicU64,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            open: Cache::new(REMEMBERED),
            refused: Cache::new(REMEMBERED),
            malformed: Cache::new(REMEMBERED),
            recording: std::sync::Mutex::new(()),
            opening: Mutex::new(()),
            unauthenticated: Default::default(),
            unreadable: AtomicU64::new(0),
        }
    }

    /// Is it time for another entry about this credential? Of those who ask at once, one is recorded.
    fn is_due(
        &self,
        recorded: &Cache<CredentialId, Duration>,
        credential: CredentialId,
        moment: Duration,
    ) -> bool {
        let _one_at_a_time = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.get(&credential).is_some_and(|last| moment.saturating_sub(last) < RECORD_EVERY) {
            return false;
        }
        recorded.insert(credential, moment);
        true
    }

    fn count_unauthenticated(&self, listener: ListenerName, calls: u64) {
        if let Some(count) = self.unauthenticated.get(listener as usize) {
            count.fetch_add(calls, Ordering::Relaxed);
        }
    }

    /// Takes the counts of unauthenticated calls since the last time: those of the listeners that had any.
    fn take_unauthenticated(&self) -> Vec<RefusedCalls> {
        let taken = self.unauthenticated.iter().map(|count| count.swap(0, Ordering::Relaxed));
        let counts = ListenerName::ALL.into_iter().zip(taken);
        counts
            .filter(|(_, calls)| *calls > 0)
            .map(|(listener, calls)| RefusedCalls::by(listener, calls))
            .collect()
    }
}

/// Under which label a principal's subject key is sealed.
pub(crate) fn subject_label(principal: PrincipalId) -> Vec<u8> {
    [b"claviger/subject-key/v1\0".as_slice(), principal.as_bytes()].concat()
}

impl Road {
    /// The caller's session; records it first if it is new. The system has none.
    pub(crate) async fn session(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, ServiceError> {
        let (Some(credential), Some(source)) = (caller.credential(), caller.connection()) else {
            return Ok(None);
        };
        let key = (credential.id, source, now.utc_day());
        if let Some(session) = self.sessions.open.get(&key) {
            return Ok(Some(session));
        }
        Box::pin(self.open_session(caller, credential, key, now)).await.map(Some)
    }

    async fn open_session(
        &self,
        caller: &Caller,
        credential: &Credential,
        key: SessionKey,
        now: Timestamp,
    ) -> Result<Arc<Session>, ServiceError> {
        // One at a time: a session is recorded once. Rare enough for one lock.
        let _opening = self.sessions.opening.lock().await;
        if let Some(session) = self.sessions.open.get(&key) {
            return Ok(session);
        }
        let principal = caller.principal();
        let subject = self.subject_key(principal).await?;
        // What links a person's days is that person's key, and nothing in the log.
        let day = (principal.kind == PrincipalKind::Human).then(|| now.utc_day());
        let actor = match day {
            Some(day) => subject.actor_tag_human(day),
            None => subject.actor_tag_workload(),
        };
        let mut changes = Vec::new();
        let veil = self.state.veil_to_seal(Object::Principal(principal.id), &mut changes).await?;
        let who = Who {
            principal: principal.id,
            credential: credential.id,
            method: credential.kind,
            source: key.1,
        };
        let record = veil.seal_session(&who, day, random::array()?).map_err(not_recorded)?;
        let commitment = record.commitment();
        let record = record.encode().map_err(not_recorded)?;
        let identity = Identity {
            principal: *principal.id.as_bytes(),
            name: principal.name.to_string(),
            kind: match principal.kind {
                PrincipalKind::Human => 0,
                PrincipalKind::System => 1,
                PrincipalKind::Workload => 2,
            },
            credential: *credential.id.as_bytes(),
            method: match credential.kind {
                CredentialKind::Certificate => 0,
                CredentialKind::Token => 1,
                CredentialKind::AccessKey => 2,
                CredentialKind::EnrolmentCode => 3,
            },
            source_address: Some(key.1.address.to_string()),
        };
        let header = EntryHeader {
            actor: Some(actor),
            identity: Some(Box::new(SealedIdentity { subject, identity, record })),
            ..EntryHeader::of_system(Op::Session, now)
        };
        let detail = EntryDetail { reference: reference(&[&commitment]), ..EntryDetail::default() };
        let receipt = self.record(header, detail, changes, None).await?;
        let session = Arc::new(Session { index: receipt, actor });
        self.sessions.open.insert(key, Arc::clone(&session));
        Ok(session)
    }

    /// Of one who holds a role, the key is open already: the token may be away.
    async fn subject_key(&self, principal: &Principal) -> Result<SubjectKey, ServiceError> {
        match self.state.subjects.find(principal.id) {
            Some(key) => Ok(key),
            None => self.state.open_subject(principal).await,
        }
    }

    /// Writes an entry that stands for itself, or several in one commit; gives the index of the first.
    pub(crate) async fn record_entry(
        &self,
        header: EntryHeader,
        details: impl Into<EntryDetails>,
    ) -> Result<u64, ServiceError> {
        self.record(header, details, Vec::new(), None).await
    }

    /// Writes an entry that stands for itself, with what changes in the same commit; gives its index.
    pub(crate) async fn record(
        &self,
        header: EntryHeader,
        details: impl Into<EntryDetails>,
        changes: Vec<Change>,
        facts: Option<FactBytes>,
    ) -> Result<u64, ServiceError> {
        let epoch = self.state.fence.epoch();
        let details = details.into();
        let submission = |reply| Submission { changes, facts, ..entry(header, details, epoch, reply) };
        self.commit(submission).await.map(|receipt| receipt.index()).map_err(not_committed)
    }

    /// Records that a known credential was refused; not more often than once a second each.
    pub(super) async fn record_refused(
        &self,
        credential: CredentialId,
        listener: ListenerName,
        now: Timestamp,
    ) -> Option<u64> {
        let moment = self.clock.since_boot();
        if self.room() != Room::Plenty || !self.sessions.is_due(&self.sessions.refused, credential, moment) {
            return self.count_refused(listener);
        }
        let detail = EntryDetail {
            outcome: EntryOutcome(Outcome::Unauthenticated),
            reference: reference(&[credential.as_bytes()]),
            ..EntryDetail::default()
        };
        self.record_entry(EntryHeader::of_system(Op::AuthenticationFailure, now), detail).await.ok()
    }

    /// Counts a call without anything that could be held against a credential. The log has the count of each
    /// listener once a second.
    pub fn count_unauthenticated(&self, listener: ListenerName) {
        self.sessions.count_unauthenticated(listener, 1);
    }

    /// The same, for a refusal that has no entry of its own.
    pub(super) fn count_refused(&self, listener: ListenerName) -> Option<u64> {
        self.count_unauthenticated(listener);
        None
    }

    /// Counts a request that never became an operation: of no known form, path or name. The log records it as that, under the
    /// caller's session and no more than once a second of each credential; gives the index of the entry, where there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) when what is presented identifies no principal: that is
    /// what the caller is answered then, and what is counted or recorded. Others when the log takes no entry.
    pub async fn record_malformed(
        &self,
        presented: &Presented,
        source: Source,
        listener: ListenerName,
        request_id: Option<&str>,
    ) -> Result<Option<u64>, ServiceError> {
        let (epoch, now) = (self.state.fence.epoch(), self.state.time.now());
        let caller = self.authenticate(presented, source, listener, epoch, now).await?;
        self.sessions.unreadable.fetch_add(1, Ordering::Relaxed);
        let (credential, moment) = (caller.credential_id(), self.clock.since_boot());
        if self.room() != Room::Plenty || !self.sessions.is_due(&self.sessions.malformed, credential, moment)
        {
            return Ok(None);
        }
        if self.queue.is_full() {
            return Err(overloaded());
        }
        let session = self.session(&caller, now).await?;
        let header = EntryHeader {
            actor: session.as_ref().map(|session| session.actor),
            session: session.as_ref().map(|session| session.index),
            request_tag: request_id.map(|id| self.state.request_tag(id)),
            ..EntryHeader::of_system(Op::MalformedRequest, now)
        };
        let detail = EntryDetail { outcome: EntryOutcome(Outcome::BadInput), ..EntryDetail::default() };
        self.record_entry(header, detail).await.map(Some)
    }

    /// How many requests of known callers never became an operation, since the start.
    #[must_use]
    pub fn malformed_requests(&self) -> u64 {
        self.sessions.unreadable.load(Ordering::Relaxed)
    }

    /// Records that a recorded result was withheld. Nobody waits for it: the caller has its answer.
    pub(super) fn record_suppressed(&self, index: u64) {
        let detail = EntryDetail { reference: reference(&[&index.to_be_bytes()]), ..EntryDetail::default() };
        let (reply, _unread) = oneshot::channel();
        let header = EntryHeader::of_system(Op::ReleaseSuppressed, self.state.time.now());
        if self.queue.submit(entry(header, detail.into(), self.state.fence.epoch(), reply)).is_err() {
            tracing::error!(index, "a result was withheld, and the log takes no record of it");
        }
    }

    /// Records how many calls came from nobody since the last time: an entry for each listener that had any, in one commit.
    pub(crate) async fn record_unauthenticated(&self) -> Result<(), ServiceError> {
        // While there is little room the count goes on, and is recorded later.
        if self.room() != Room::Plenty {
            return Ok(());
        }
        let counts = self.sessions.take_unauthenticated();
        if counts.is_empty() {
            return Ok(());
        }
        if self.queue.is_full() {
            for RefusedCalls { calls, listener } in counts {
                listener.into_iter().for_each(|by| self.sessions.count_unauthenticated(by, calls));
            }
            return Err(overloaded());
        }
        let details = counts.iter().map(|count| EntryDetail {
            outcome: EntryOutcome(Outcome::Unauthenticated),
            reference: reference(&[&count.to_bytes()]),
            ..EntryDetail::default()
        });
        let header = EntryHeader::of_system(Op::UnauthenticatedCount, self.state.time.now());
        self.record_entry(header, EntryDetails::Many(details.collect())).await.map(|_| ())
    }
}

fn entry(
    header: EntryHeader,
    details: EntryDetails,
    epoch: u64,
    reply: oneshot::Sender<Result<claviger_core::receipt::Receipt, super::NotCommitted>>,
) -> Submission {
    Submission {
        header,
        details,
        changes: Vec::new(),
        facts: None,
        restricts: Vec::new(),
        epoch,
        dependencies: Dependencies::default(),
        rights: None,
        // Whoever writes one of these sees to it that there is room.
        least_room: Room::Reserve,
        reply,
    }
}
