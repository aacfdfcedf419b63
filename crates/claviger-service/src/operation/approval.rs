//! Approvals: what somebody asked for is read, approved, denied or given up.
//!
//! What it keeps true:
//! * a decision is kept only with a signature of the very certificate that the call is made with, over the digest of what was asked, the
//!   verdict and the instant: no token decides, and no signature of one decision is good for another;
//! * nobody decides on what they ask for, by whatever account, and nobody twice;
//! * one denial ends it; who asked, and those who stop things in an incident, end it without deciding.

use claviger_access::authn::certificate::fingerprint;
use claviger_audit::approval::{Form, is_signed};
use claviger_audit::declaration::public_key_of;
use claviger_core::approval::{Approval, Decided, Eligible, Ended, Outcome, Verdict};
use claviger_core::change::Change;
use claviger_core::declaration::{Attestation, SigningMethod};
use claviger_core::port::store::{ApprovalFilter, Page};
use claviger_core::principal::{Credential, CredentialKind, Role};
use claviger_core::{Action, ApprovalId, Timestamp};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, OfApproval, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::standing::is_entitled;
use crate::view::View;
use crate::work::Class;

/// How an approval stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ApprovalState {
    /// Whoever asked gave it up, or somebody stopped it.
    Cancelled,
    /// Somebody denied it.
    Denied,
    /// It was done.
    Executed,
    /// Nobody did it in time.
    Expired,
    /// What it is about has changed.
    Moved,
    /// Others must approve it yet.
    Open,
    /// It may be done by whoever asked.
    Ready,
}

claviger_core::named! {
    /// Text that does not say how an approval stands.
    ApprovalState, "how an approval stands" {
        Cancelled = "cancelled",
        Denied = "denied",
        Executed = "executed",
        Expired = "expired",
        Moved = "moved",
        Open = "open",
        Ready = "ready",
    }
}

impl From<Outcome> for ApprovalState {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Denied => Self::Denied,
            Outcome::Executed => Self::Executed,
            Outcome::Expired => Self::Expired,
            Outcome::Moved => Self::Moved,
        }
    }
}

/// An approval, with what is signed of it and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadableApproval {
    /// The row.
    pub row: Approval,
    /// The form that approvers sign, in its one encoding.
    pub form: Vec<u8>,
    /// How it stands.
    pub state: ApprovalState,
    /// How many persons approved it who may still; once it has ended, how many did.
    pub approved: u8,
}

impl ReadableApproval {
    async fn read(row: Approval, view: &View<'_>) -> Result<Self, ServiceError> {
        let form = Form::of(&row, &view.system.deployment).encode();
        let (state, approved) = match row.outcome(view.now) {
            Some(outcome) => (outcome.into(), u8::try_from(row.approvers().count()).unwrap_or(u8::MAX)),
            None => {
                let approved = view.state.standing(&row, view.now).await?.approved;
                (if approved < row.quorum { ApprovalState::Open } else { ApprovalState::Ready }, approved)
            }
        };
        Ok(Self { row, form, state, approved })
    }
}

/// Approves what somebody else asked for.
#[derive(Debug)]
pub struct Approve {
    /// The approval.
    pub approval: ApprovalId,
    /// The digest of the form that was signed.
    pub digest: [u8; 32],
    /// The certificate by which the call is made (DER).
    pub certificate: Vec<u8>,
    /// How it is signed.
    pub method: SigningMethod,
    /// The signature.
    pub signature: Vec<u8>,
    /// When it was signed.
    pub signed_at: Timestamp,
}

/// Denies what somebody else asked for. It is over then.
#[derive(Debug)]
pub struct Deny {
    /// The approval.
    pub approval: ApprovalId,
    /// The digest of the form that was signed.
    pub digest: [u8; 32],
    /// The certificate by which the call is made (DER).
    pub certificate: Vec<u8>,
    /// How it is signed.
    pub method: SigningMethod,
    /// The signature.
    pub signature: Vec<u8>,
    /// When it was signed.
    pub signed_at: Timestamp,
}

impl Operation for Approve {
    type Output = ReadableApproval;

    fn action(&self) -> Action {
        Action::Approve
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableApproval>, ServiceError> {
        let Self { approval, digest, certificate, method, signature, signed_at } = self;
        let signed = Signed {
            verdict: Verdict::Approve,
            digest,
            certificate,
            method: *method,
            signature,
            signed_at: *signed_at,
        };
        let asked = Governed::Approve { approval: *approval, digest: *digest };
        signed.decide(asked, *approval, view).await
    }
}

impl Operation for Deny {
    type Output = ReadableApproval;

    fn action(&self) -> Action {
        Action::Deny
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableApproval>, ServiceError> {
        let Self { approval, digest, certificate, method, signature, signed_at } = self;
        let signed = Signed {
            verdict: Verdict::Deny,
            digest,
            certificate,
            method: *method,
            signature,
            signed_at: *signed_at,
        };
        let asked = Governed::Deny { approval: *approval, digest: *digest, reason: view.reason() };
        signed.decide(asked, *approval, view).await
    }
}

/// A decision, as it comes.
struct Signed<'a> {
    verdict: Verdict,
    digest: &'a [u8; 32],
    certificate: &'a [u8],
    method: SigningMethod,
    signature: &'a [u8],
    signed_at: Timestamp,
}

impl Signed<'_> {
    /// Stages the decision, unless the caller has decided so before.
    async fn decide(
        &self,
        asked: Governed,
        id: ApprovalId,
        view: &View<'_>,
    ) -> Result<Staged<ReadableApproval>, ServiceError> {
        let row = find(id, view).await?;
        let detail = detail(&row, view);
        let by = view.caller.principal();
        if let Some(before) = row.decisions.iter().find(|decided| decided.by == by.id) {
            if before.verdict == self.verdict {
                // Once more changes nothing, and says so by the revision.
                return Ok(Staged::reading(ReadableApproval::read(row, view).await?, detail));
            }
            let message = format!(
                "you have decided on it before, and otherwise; whoever asked, a security officer or a responder can cancel it: approval {id}"
            );
            return Err(ServiceError::new(ErrorKind::WrongState, message).caused_by(OfApproval(id)));
        }
        refuse_ended(&row, view.now)?;
        check_decider(&row, view).await?;
        let decided = self.decided(&row, view)?;
        if row.decisions.len() >= Approval::MOST_DECISIONS {
            let message = format!("at most {} persons decide on one thing", Approval::MOST_DECISIONS);
            return Err(ServiceError::new(ErrorKind::LimitExceeded, message));
        }
        let mut written = row;
        written.decisions.push(decided);
        if self.verdict == Verdict::Deny {
            written.ended = Some(Ended { outcome: Outcome::Denied, at: view.now, by: by.id });
        }
        let changes = vec![Change::PutApproval(written.clone())];
        let revision = written.revision + 1;
        let output = ReadableApproval::read(Approval { revision, ..written }, view).await?;
        Ok(Staged::changing(asked, output, changes, detail))
    }

    /// What is kept of the decision, if it is signed by the key of the credential of the call, just now, and over this.
    fn decided(&self, row: &Approval, view: &View<'_>) -> Result<Decided, ServiceError> {
        let credential = self.credential(view)?;
        if *self.digest != row.digest {
            let message = "what was signed is something else than this approval is about; read it again";
            return Err(ServiceError::invalid(message));
        }
        let (signed_at, now) = (self.signed_at, view.now);
        if signed_at.since(now).max(now.since(signed_at)) > Approval::SIGNED_WITHIN {
            return Err(ServiceError::invalid("it was not signed just now; set the clock, and sign again"));
        }
        let public_key = public_key_of(self.certificate)
            .ok_or_else(|| ServiceError::invalid("the certificate does not read"))?;
        let lengths = [public_key.len(), self.signature.len()];
        if lengths.iter().any(|length| *length == 0 || *length > Attestation::MAX_KEY) {
            return Err(ServiceError::invalid("a key and a signature have 1 to 2048 bytes"));
        }
        let decided = Decided {
            verdict: self.verdict,
            by: view.caller.principal().id,
            credential: credential.id,
            public_key: public_key.to_vec(),
            method: self.method,
            signature: self.signature.to_vec(),
            signed_at,
            at: now,
        };
        if !is_signed(&row.digest, &decided) {
            let message =
                "the signature does not hold: it is of another key, another verdict or another approval";
            return Err(ServiceError::invalid(message));
        }
        Ok(decided)
    }

    /// The credential of the call, if it is the certificate that is shown.
    fn credential<'v>(&self, view: &'v View<'_>) -> Result<&'v Credential, ServiceError> {
        let credential = view.caller.credential().ok_or_else(ServiceError::not_found)?;
        if credential.kind != CredentialKind::Certificate {
            let message =
                "a decision is signed by the certificate that the call is made with; a token signs nothing";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        if fingerprint(self.certificate) != credential.digest {
            let message = "the certificate is not the one that the call is made with";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        Ok(credential)
    }
}

/// May the caller decide on it?
async fn check_decider(row: &Approval, view: &View<'_>) -> Result<(), ServiceError> {
    let apart = |message: &'static str| Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
    let person = view.caller.principal().person();
    if view.state.concerned(row).await?.contains(&person) {
        return apart(match row.eligible {
            Eligible::Custodians | Eligible::RoleHolders => {
                "nobody decides on what they ask for themselves, or on a role or a capacity that they would get"
            }
            Eligible::Responders => {
                "nobody decides on emergency access that they ask for, that they would get, or of whose holder they made the account or a \
                 credential"
            }
        });
    }
    for decided in &row.decisions {
        if view.state.person_of(decided.by).await? == person {
            return apart("one person decides once, whatever accounts they have");
        }
    }
    if is_entitled(view.caller.principal(), row.eligible, view.state.waited_until()) {
        return Ok(());
    }
    let message = match row.eligible {
        Eligible::Custodians => "custodians decide on this; ask one of them",
        Eligible::Responders => "responders and security officers decide on this; ask one of them",
        Eligible::RoleHolders => "persons with a role decide on this; ask one of them",
    };
    Err(ServiceError::new(ErrorKind::Denied, message))
}

/// Ends something of which nothing shall come: as who asked for it, or as one who stops things in an incident.
#[derive(Debug)]
pub struct CancelApproval {
    /// The approval.
    pub approval: ApprovalId,
}

impl Operation for CancelApproval {
    type Output = ReadableApproval;

    fn action(&self) -> Action {
        Action::CancelApproval
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableApproval>, ServiceError> {
        let row = find(self.approval, view).await?;
        let detail = detail(&row, view);
        let by = view.caller.principal();
        let stops = [Role::Responder, Role::SecurityOfficer].iter().any(|role| by.roles.contains(role));
        if !stops && view.state.person_of(row.requester).await? != by.person() {
            let message = "whoever asked for it gives it up, and a security officer or a responder stops it; ask one of them";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        if row.outcome(view.now) == Some(Outcome::Cancelled) {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(ReadableApproval::read(row, view).await?, detail));
        }
        refuse_ended(&row, view.now)?;
        let ended = Some(Ended { outcome: Outcome::Cancelled, at: view.now, by: by.id });
        let written = Approval { ended, ..row };
        let changes = vec![Change::PutApproval(written.clone())];
        let asked = Governed::CancelApproval { approval: written.id, reason: view.reason() };
        let revision = written.revision + 1;
        let output = ReadableApproval::read(Approval { revision, ..written }, view).await?;
        Ok(Staged::changing(asked, output, changes, detail))
    }
}

/// Reads an approval.
#[derive(Debug)]
pub struct ReadApproval {
    /// The approval to read.
    pub approval: ApprovalId,
}

impl Operation for ReadApproval {
    type Output = ReadableApproval;

    fn action(&self) -> Action {
        Action::ReadApproval
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableApproval>, ServiceError> {
        let row = find(self.approval, view).await?;
        let detail = detail(&row, view);
        Ok(Staged::reading(ReadableApproval::read(row, view).await?, detail))
    }
}

/// Lists approvals in the order of their identifiers.
#[derive(Debug)]
pub struct ListApprovals {
    /// Only those that can still be decided or done, or only those that cannot.
    pub open: Option<bool>,
    /// The page of the list.
    pub page: Page<ApprovalId>,
}

impl Operation for ListApprovals {
    type Output = Vec<ReadableApproval>;

    fn action(&self) -> Action {
        Action::ReadApproval
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<ReadableApproval>>, ServiceError> {
        view.enter(Class::Listing).await?;
        let filter = ApprovalFilter { open: self.open, requester: None, now: view.now };
        let mut read = Vec::new();
        for row in view.store().list_approvals(filter, self.page.clone()).await? {
            read.push(ReadableApproval::read(row, view).await?);
        }
        Ok(Staged::reading(read, view.detail()))
    }
}

pub(super) async fn find(id: ApprovalId, view: &View<'_>) -> Result<Approval, ServiceError> {
    view.store().find_approval(id).await?.ok_or_else(ServiceError::not_found)
}

pub(super) fn detail(row: &Approval, view: &View<'_>) -> EntryDetail {
    EntryDetail { reference: reference(&[row.id.as_bytes()]), ..view.detail() }
}

/// Refuses what has ended, by its row or by the time.
pub(super) fn refuse_ended(row: &Approval, now: Timestamp) -> Result<(), ServiceError> {
    let Some(outcome) = row.outcome(now) else { return Ok(()) };
    let (id, state) = (row.id, ApprovalState::from(outcome));
    let message = format!("approval {id} is over: it is {state}; nothing is decided or done by it any more");
    Err(ServiceError::new(ErrorKind::WrongState, message).caused_by(OfApproval(id)))
}
