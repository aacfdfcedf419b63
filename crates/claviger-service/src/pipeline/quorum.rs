//! The third way that a call goes, beside being done and being refused: others must approve it first.
//!
//! What it keeps true:
//! * what needs approval is done only by a call that asks for exactly what was approved, for the same reason, by the same principal, while every
//!   row that it was decided on is at the revision that was shown; and it is done once, for the end of the approval is written with it;
//! * that others must approve is asked of the rule as it is now, at every call: no permit that is remembered passes by it;
//! * a call that waits leaves what was asked for, and nothing of what it would do.

mod step;

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_access::authn::access_key::instant;
use claviger_audit::approval::{Form, holds};
use claviger_audit::op::{Op, Outcome as Recorded};
use claviger_core::approval::{Approval, Eligible, Ended as ApprovalEnded, Outcome, SeenRow};
use claviger_core::change::{Approvers, Change};
use claviger_core::object::Object;
use claviger_core::port::StoreError;
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::reason::Why;
use claviger_core::sensitive::{self, Quorum};
use claviger_core::{Action, ApprovalId, KeyId, Name, PrincipalId, Timestamp};
use claviger_crypto::random;

use super::{Admitted, Ended, Refused};
use crate::call::Staged;
use crate::error::{ErrorKind, OfApproval, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, EntryHeader, EntryOutcome, reference};
use crate::road::Road;
use crate::standing::{Standing, are_signed};
use crate::state::State;
use crate::view::View;
use step::Hindered;

/// What is kept of a call that is not done.
#[derive(Debug)]
pub(super) struct Kept {
    op: Op,
    changes: Vec<Change>,
    why: Option<Why>,
}

impl Kept {
    /// What is to be written, with an entry that says what that is, and why.
    pub(super) fn take(self, header: &mut EntryHeader, why: &mut Option<Why>) -> Vec<Change> {
        header.op = self.op;
        *why = self.why;
        self.changes
    }
}

/// Does an operation whose action is in the table of sensitive acts say whether others must approve what it stages?
pub(super) fn is_said<T>(staged: &Staged<T>, action: Action) -> bool {
    staged.quorum().is_some() || staged.asked().is_none() || sensitive::of(action).is_none()
}

/// How what is asked for stands.
enum Stand {
    /// It may be done.
    Approved(Box<Approval>, Standing),
    /// Somebody denied it, and its time is not over.
    Denied(Box<Approval>),
    /// A row has moved.
    Moved(Box<Approval>),
    /// Nobody asked for it before, or what was asked for is over: with what expired, and has no end yet.
    New(Option<Box<Approval>>),
    /// Too few have approved it yet.
    Waiting(Box<Approval>, Standing),
}

/// What somebody asks for.
struct Asking<'a> {
    state: &'a State,
    deployment: &'a Name,
    requester: &'a Principal,
    asked: &'a Governed,
    quorum: &'a Quorum,
    why: Option<Why>,
    now: Timestamp,
}

/// What lets a call be done.
struct By {
    /// The approval, as it is written with what is done.
    written: Box<Approval>,
    /// What of those who approved must still be so then.
    expected: Vec<Change>,
}

/// What keeps a call from being done, or lets it be.
enum Found {
    /// It is a step of a plan, or it would be.
    Hindered(Hindered),
    /// It may be done.
    May(By),
    /// How it stands by itself.
    Stand(Stand),
}

/// Who may approve what a call asks for, and as many as that must.
///
/// # Errors
/// When rows cannot be read.
pub(crate) async fn eligible_for(
    asked: &Governed,
    quorum: &Quorum,
    view: &View<'_>,
) -> Result<Eligible, ServiceError> {
    let asking = Asking {
        state: view.state,
        deployment: &view.system.deployment,
        requester: view.caller.principal(),
        asked,
        quorum,
        why: view.why,
        now: view.now,
    };
    asking.eligible().await
}

impl Road {
    /// What becomes of a call of which its operation says how many must approve it.
    pub(super) async fn under_quorum(
        &self,
        dry_run: bool,
        admitted: &mut Admitted<'_>,
        mut staged: Staged<()>,
    ) -> Result<Result<Staged<()>, Refused>, Ended> {
        let step = staged.step();
        let mut quorum = match (staged.take_quorum(), step) {
            (Some(quorum), _) => *quorum,
            (None, Some(_)) => Quorum { ring: None, approvers: 0, rows: Vec::new() },
            (None, None) => return Ok(Ok(staged)),
        };
        quorum.rows.sort_unstable();
        quorum.rows.dedup();
        // The rule, and what it was asked of, are still the same when it is done: whoever changes them meanwhile is seen.
        let expected = quorum.rows.iter().filter_map(SeenRow::expectation).map(Change::Expect);
        let expected: Vec<_> = expected.collect();
        if quorum.approvers == 0 && step.is_none() {
            return Ok(if dry_run { Err(Refused::dry(&staged)) } else { Ok(staged.also(expected)) });
        }
        let key = staged.details.first().and_then(|detail| detail.key);
        let Some(asked) = staged.asked().filter(|asked| sensitive::of(asked.action()).is_some()) else {
            if let Some((plan, step)) = step {
                let who = (admitted.caller.principal().id, admitted.header.at);
                return Ok(Err(self.overtaken((plan, step), key, who, dry_run).await));
            }
            let message = "the call is not one of those that others approve";
            return Ok(Err(refused(ServiceError::new(ErrorKind::Internal, message), key, None)));
        };
        let asking = Asking {
            state: &self.state,
            deployment: &self.facts.deployment,
            requester: admitted.caller.principal(),
            asked,
            quorum: &quorum,
            why: admitted.why,
            now: admitted.header.at,
        };
        let found = match step {
            Some((plan, step)) => asking.named_step(plan, step, staged.changes()).await,
            None => asking.found(staged.changes()).await,
        };
        let by = match found {
            Ok(Found::May(by)) => by,
            Ok(Found::Stand(stand)) if dry_run => {
                return Ok(Err(refused(asking.would_wait(&stand), key, None)));
            }
            Ok(Found::Stand(stand)) => return Ok(Err(asking.answer(stand, key, expected).await)),
            Ok(Found::Hindered(hindered)) => {
                return Ok(Err(asking.answer_step(hindered, key, expected, dry_run).await));
            }
            Err(error) => return Ok(Err(refused(error, key, None))),
        };
        if dry_run {
            return Ok(Err(Refused::dry(&staged)));
        }
        if names_another(&staged, &by.written) {
            // It was approved in between: what was staged does not know of it.
            return Err(Ended::Again(None));
        }
        let By { written, expected: standing } = by;
        admitted.dependencies.approvers = Some(Arc::new(Approvers::new(written.approvers())));
        Ok(Ok(staged.also(expected).also(standing).also([Change::PutApproval(*written)])))
    }
}

impl Asking<'_> {
    /// What lets it be done: others approved it by itself, or as a step of a plan. A plan itself is done step by step, and never at once.
    async fn found(&self, changes: &[Change]) -> Result<Found, ServiceError> {
        let is_plan = self.asked.action() == Action::ApplyPlan;
        let stand = match self.stand().await? {
            Stand::Approved(approval, standing) if is_plan => Stand::Waiting(approval, standing),
            Stand::Approved(approval, standing) => {
                let written = Box::new(self.ended(&approval, Outcome::Executed));
                return Ok(Found::May(By { written, expected: standing.expected }));
            }
            stand => stand,
        };
        // One denial is enough, however the same is asked for.
        if is_plan || matches!(stand, Stand::Denied(_)) {
            return Ok(Found::Stand(stand));
        }
        Ok(self.step_of_a_plan(changes).await?.unwrap_or(Found::Stand(stand)))
    }

    /// How it stands.
    async fn stand(&self) -> Result<Stand, ServiceError> {
        let tag = self.state.approval_tag(self.asked);
        let found = self.state.store.find_approval_by_tag(self.requester.id, &tag).await?;
        let Some(approval) = found.map(Box::new) else { return Ok(Stand::New(None)) };
        match approval.outcome(self.now) {
            None => {}
            Some(Outcome::Denied) if self.now < approval.expires_at => return Ok(Stand::Denied(approval)),
            Some(_) => return Ok(Stand::New(Some(approval).filter(|expired| expired.ended.is_none()))),
        }
        // What was signed is what is done now: the row says nothing else.
        let asked = self.asked.clone().without_reason().encode();
        if approval.asked != asked || !holds(&approval, self.deployment) || !are_signed(&approval) {
            return Err(StoreError::RowAltered(Object::Approval(approval.id)).into());
        }
        if !self.is_as_shown(&approval).await? {
            return Ok(Stand::Moved(approval));
        }
        let standing = self.state.standing(&approval, self.now).await?;
        Ok(if standing.approved < self.quorum.approvers {
            Stand::Waiting(approval, standing)
        } else {
            Stand::Approved(approval, standing)
        })
    }

    /// Is what was shown what would be done now, by the rule that there is now?
    async fn is_as_shown(&self, approval: &Approval) -> Result<bool, ServiceError> {
        let shown = (approval.ring, approval.quorum, &approval.rows);
        Ok(shown == (self.quorum.ring, self.quorum.approvers, &self.quorum.rows)
            && approval.eligible == self.eligible().await?)
    }

    /// Who may approve it: custodians; responders and security officers, of emergency access; or whoever holds a role where a custodian is
    /// to be appointed and there are too few to appoint one.
    async fn eligible(&self) -> Result<Eligible, ServiceError> {
        if !matches!(self.asked, Governed::AssignRole { role: Role::Custodian, .. }) {
            return Ok(self.usually_eligible());
        }
        let others = BTreeSet::from([self.requester.person()]);
        let custodians = self.state.eligible(Eligible::Custodians, &others, self.now).await?;
        if custodians.len() >= usize::from(self.quorum.approvers) {
            return Ok(Eligible::Custodians);
        }
        // A custodian whose row somebody altered is not among them, and makes room for nobody.
        self.state.check_principals().await?;
        Ok(Eligible::RoleHolders)
    }

    /// The same where there are enough custodians.
    const fn usually_eligible(&self) -> Eligible {
        match self.asked {
            Governed::OpenBreakGlass { .. } => Eligible::Responders,
            _ => Eligible::Custodians,
        }
    }

    /// The answer to a call that is not done, with what is kept of it as long as rows are as expected.
    async fn answer(&self, stand: Stand, key: Option<KeyId>, mut expected: Vec<Change>) -> Refused {
        match stand {
            Stand::Approved(approval, standing) | Stand::Waiting(approval, standing) => {
                match self.waiting(&approval, standing.approved).await {
                    Ok(waiting) | Err(waiting) => refused(waiting, key, Some(approval.id)),
                }
            }
            Stand::Denied(approval) => match self.denied(&approval).await {
                Ok(denied) | Err(denied) => refused(denied, key, Some(approval.id)),
            },
            Stand::Moved(approval) => {
                expected.push(Change::PutApproval(self.ended(&approval, Outcome::Moved)));
                keeping(moved(&approval), key, approval.id, self.kept(Op::EndApproval, expected))
            }
            Stand::New(expired) => match self.request(expired).await {
                Ok((id, waiting, changes)) => {
                    expected.extend(changes);
                    let kept = Kept { op: Op::RequestApproval, changes: expected, why: self.why };
                    keeping(waiting, key, id, kept)
                }
                Err(error) => refused(error, key, None),
            },
        }
    }

    /// What ends without being done is not done for the reason of this call, which has no row then.
    fn kept(&self, op: Op, changes: Vec<Change>) -> Kept {
        Kept { op, changes, why: self.why.filter(|why| why.given().is_none()) }
    }

    fn ended(&self, approval: &Approval, outcome: Outcome) -> Approval {
        ended_by(approval, outcome, self.now, self.requester.id)
    }

    /// What is written so that others can decide; with the answer to who asks.
    async fn request(
        &self,
        expired: Option<Box<Approval>>,
    ) -> Result<(ApprovalId, ServiceError, Vec<Change>), ServiceError> {
        let open = self.state.store.count_open_approvals(self.requester.id, self.now).await?;
        if open >= Approval::MOST_OPEN_OF_ONE {
            let message = format!(
                "one principal has at most {} approvals open at a time; give up those that nothing shall come of: `claviger approval list`",
                Approval::MOST_OPEN_OF_ONE
            );
            return Err(ServiceError::new(ErrorKind::LimitExceeded, message));
        }
        let asked = self.asked.clone().without_reason().encode();
        if asked.len() > Approval::MAX_ASKED || self.quorum.rows.len() > Approval::MOST_ROWS {
            let message = "what others must approve takes at most 64 KiB, and rests on at most 64 rows";
            return Err(ServiceError::new(ErrorKind::TooLarge, message));
        }
        let rules = self.state.governance().await?;
        let mut approval = Approval {
            id: ApprovalId::random()?,
            action: self.asked.action(),
            ring: self.quorum.ring,
            requester: self.requester.id,
            asked,
            salt: random::array()?,
            tag: self.state.approval_tag(self.asked),
            digest: [0; 32],
            rows: self.quorum.rows.clone(),
            quorum: self.quorum.approvers,
            eligible: self.eligible().await?,
            requested_at: self.now,
            expires_at: self.now.after(rules.approval_lifetime),
            decisions: Vec::new(),
            done: Vec::new(),
            ended: None,
            reason: self.why,
            revision: 0,
        };
        approval.digest = Form::of(&approval, self.deployment).digest();
        let waiting = self.waiting(&approval, 0).await?;
        // The one that expired goes first: of one request there is one that has no end.
        let expired = expired.map(|expired| self.ended(&expired, Outcome::Expired));
        let id = approval.id;
        let changes = expired.into_iter().chain([approval]).map(Change::PutApproval).collect();
        Ok((id, waiting, changes))
    }

    /// What a call is told that others must approve first.
    async fn waiting(&self, approval: &Approval, approved: u8) -> Result<ServiceError, ServiceError> {
        let Approval { id, quorum, eligible, .. } = approval;
        let until = instant::format(approval.expires_at);
        let who = whom(*eligible, *quorum);
        let mut message = format!(
            "{quorum} {who} must approve it first, {approved} so far, until {until}: approval {id}; `claviger approval show {id}` \
             says what they approve, and once they have, the same call again, or `claviger approval execute {id}`, does it"
        );
        let able = self.state.eligible(*eligible, &self.state.concerned(approval).await?, self.now).await?;
        if able.len() < usize::from(*quorum) {
            let could = able.len();
            let advice = match eligible {
                Eligible::Custodians => "give the role `custodian` to others as well",
                Eligible::Responders => "give the role `responder` to others as well, and each a certificate",
                Eligible::RoleHolders => "give a role to others as well, and each a certificate",
            };
            message.push_str(&format!(
                "; there are only {could} who could, apart from you and with a certificate: {advice}"
            ));
        }
        Ok(ServiceError::new(ErrorKind::ApprovalRequired, message).caused_by(OfApproval(*id)))
    }

    /// What a call is told that somebody denied.
    async fn denied(&self, approval: &Approval) -> Result<ServiceError, ServiceError> {
        let by = approval.ended.map_or(PrincipalId::SYSTEM, |ended| ended.by);
        let by = match self.requester.kind {
            PrincipalKind::Human => {
                let names = self.state.store.list_principal_names(vec![by]).await?;
                names.first().map_or_else(|| format!("`{by}`"), |(_, name)| format!("`{name}`"))
            }
            // What people are called is nothing for applications.
            PrincipalKind::System | PrincipalKind::Workload => "a custodian".to_owned(),
        };
        let (id, until) = (approval.id, instant::format(approval.expires_at));
        let message = format!(
            "{by} denied it: approval {id}; the same can be asked for again from {until} on, or before for another reason"
        );
        Ok(ServiceError::new(ErrorKind::Denied, message).caused_by(OfApproval(id)))
    }

    /// What a call is told that only asks whether it would be done.
    fn would_wait(&self, stand: &Stand) -> ServiceError {
        let message = match stand {
            Stand::Denied(approval) => format!("it would be refused: approval {} was denied", approval.id),
            Stand::Moved(approval) => {
                let id = approval.id;
                format!("it would be asked for afresh: what approval {id} is about has changed since")
            }
            Stand::Approved(approval, standing) | Stand::Waiting(approval, standing) => {
                let Approval { id, quorum, eligible, .. } = approval.as_ref();
                let (who, approved) = (whom(*eligible, *quorum), standing.approved);
                format!(
                    "it would be done once {quorum} {who} have approved it, {approved} so far: approval {id}"
                )
            }
            Stand::New(_) => {
                let quorum = self.quorum.approvers;
                let who = whom(self.usually_eligible(), quorum);
                format!("it would be done once {quorum} {who} have approved it: the call itself asks them")
            }
        };
        ServiceError::new(ErrorKind::DryRun, message)
    }
}

fn ended_by(approval: &Approval, outcome: Outcome, at: Timestamp, by: PrincipalId) -> Approval {
    Approval { ended: Some(ApprovalEnded { outcome, at, by }), ..approval.clone() }
}

/// Those who approve, in words behind their number.
const fn whom(eligible: Eligible, quorum: u8) -> &'static str {
    match (eligible, quorum) {
        (Eligible::Custodians, 1) => "custodian other than you",
        (Eligible::Custodians, _) => "custodians other than you",
        (Eligible::Responders, 1) => "responder or security officer other than you",
        (Eligible::Responders, _) => "responders or security officers other than you",
        (Eligible::RoleHolders, 1) => "other person with a role",
        (Eligible::RoleHolders, _) => "other persons with a role",
    }
}

fn moved(approval: &Approval) -> ServiceError {
    let id = approval.id;
    let message = format!(
        "what approval {id} is about has changed since it was asked for, so that it is over; look at what has changed, and ask again by the same call"
    );
    ServiceError::new(ErrorKind::Conflict, message).caused_by(OfApproval(id))
}

/// A refusal with an entry of its own; of an approval, it says which.
fn refused(error: ServiceError, key: Option<KeyId>, approval: Option<ApprovalId>) -> Refused {
    let reference = approval.and_then(|id| reference(&[id.as_bytes()]));
    Refused::recorded(error.about(key), EntryDetail { key, reference, ..EntryDetail::default() })
}

/// A refusal that leaves something: its entry says that this was done.
fn keeping(error: ServiceError, key: Option<KeyId>, approval: ApprovalId, kept: Kept) -> Refused {
    let refused = refused(error, key, Some(approval));
    let detail = EntryDetail { outcome: EntryOutcome(Recorded::Ok), ..refused.detail };
    Refused { detail, kept: Some(Box::new(kept)), ..refused }
}

/// Does what is staged say that another approval than this one, or none, was given for it?
fn names_another<T>(staged: &Staged<T>, approval: &Approval) -> bool {
    let names = |change: &Change| match change {
        Change::PutBreakGlass(access) => access.approval != Some(approval.id),
        Change::PutKey(key) => key.destruction.is_some_and(|waits| waits.approval != Some(approval.id)),
        _ => false,
    };
    matches!(approval.action, Action::OpenBreakGlass | Action::ScheduleDestroy)
        && staged.changes().iter().any(names)
}
