//! The step of a plan: an act that others approved together with further acts, done by a call of its own.
//!
//! What it keeps true:
//! * steps are done one behind the other, each once, by who asked for the plan and for the reason for which it was asked: which were done is
//!   written with what they did;
//! * a step is done only while as many approve as the plan asked for, and as the rule of the act asks for now;
//! * each row that it rests on or writes is as it was shown, or as a step of the same plan left it. What anybody else changed ends the plan.

use claviger_audit::approval::holds;
use claviger_audit::op::Op;
use claviger_core::action::Reasoning;
use claviger_core::approval::{Approval, DoneStep, Outcome, SeenRow};
use claviger_core::change::{Change, Expectation, Row};
use claviger_core::object::Object;
use claviger_core::port::StoreError;
use claviger_core::port::store::{ApprovalFilter, Page};
use claviger_core::{Action, ApprovalId, GovernanceId, KeyId, PrincipalId, Timestamp};

use super::{Asking, By, Found, Kept, ended_by, keeping, moved, refused};
use crate::error::{ErrorKind, OfApproval, ServiceError};
use crate::governed::Governed;
use crate::pipeline::Refused;
use crate::road::Road;
use crate::standing::{Standing, are_signed};

/// Most approvals that one principal has open, and so most plans that are looked through.
const MOST_OPEN: u32 = 64;

/// What keeps a step from being done.
pub(super) enum Hindered {
    /// It was done before.
    Done(ApprovalId, u16),
    /// Another one comes first, whose place this is.
    Early(ApprovalId, u16, u16),
    /// Something has moved; with what must be so for that to be written.
    Moved(Box<Approval>, Vec<Change>),
    /// The plan has ended, or is somebody else's.
    Over(ServiceError),
    /// Too few have approved the plan yet.
    Waiting(Box<Approval>, Standing),
}

/// The acts of a plan, in their order.
///
/// # Errors
/// Of a row that is no plan.
pub(super) fn acts_of(plan: &Approval) -> Result<Vec<Vec<u8>>, ServiceError> {
    match Governed::decode(&plan.asked) {
        Ok(Governed::ApplyPlan { acts, reason: _ }) => Ok(acts),
        _ => Err(StoreError::RowAltered(Object::Approval(plan.id)).into()),
    }
}

impl Asking<'_> {
    /// The call as that step of that plan, and in no other way.
    ///
    /// # Errors
    /// When rows cannot be read, or were altered.
    pub(super) async fn named_step(
        &self,
        id: ApprovalId,
        step: u16,
        changes: &[Change],
    ) -> Result<Found, ServiceError> {
        let over = |error| Ok(Found::Hindered(Hindered::Over(error)));
        let Some(plan) = self.state.store.find_approval(id).await? else {
            return over(ServiceError::not_found());
        };
        if plan.requester != self.requester.id {
            return over(ServiceError::new(
                ErrorKind::Denied,
                "whoever asked for it does it, and nobody else",
            ));
        }
        if let Some(outcome) = plan.outcome(self.now) {
            return over(ended(&plan, outcome));
        }
        let acts = acts_of(&plan)?;
        if acts.get(usize::from(step)) != Some(&self.act()) {
            return Err(StoreError::RowAltered(Object::Approval(id)).into());
        }
        self.judged(plan, step, acts.len(), changes).await
    }

    /// The call as a step of a plan that is open and has it, for the same reason; unless none has, or too few approved that.
    ///
    /// # Errors
    /// When rows cannot be read, or were altered.
    pub(super) async fn step_of_a_plan(&self, changes: &[Change]) -> Result<Option<Found>, ServiceError> {
        let filter = ApprovalFilter { open: Some(true), requester: Some(self.requester.id), now: self.now };
        let page = Page { after: None, limit: MOST_OPEN };
        let act = self.act();
        for plan in self.state.store.list_approvals(filter, page).await? {
            if plan.action != Action::ApplyPlan {
                continue;
            }
            let acts = acts_of(&plan)?;
            let place = acts.iter().position(|one| *one == act).and_then(|place| u16::try_from(place).ok());
            let Some(step) = place.filter(|step| !plan.is_done(*step)) else { continue };
            if !self.is_for_the_reason_of(&plan, &acts) {
                continue;
            }
            let found = self.judged(plan, step, acts.len(), changes).await?;
            if !matches!(found, Found::Hindered(Hindered::Waiting(..))) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What is asked for, as a plan has it.
    fn act(&self) -> Vec<u8> {
        self.asked.clone().without_reason().encode()
    }

    /// Was the plan asked for why this is asked for? What is given no reason is done for any.
    fn is_for_the_reason_of(&self, plan: &Approval, acts: &[Vec<u8>]) -> bool {
        if self.asked.action().reasoning() == Reasoning::Never {
            return true;
        }
        let so = Governed::ApplyPlan { acts: acts.to_vec(), reason: self.asked.reason().cloned() };
        self.state.approval_tag(&so) == plan.tag
    }

    /// How the call stands as that step of a plan of so many. Whether that has it, and is open, was looked at before.
    async fn judged(
        &self,
        plan: Approval,
        step: u16,
        steps: usize,
        changes: &[Change],
    ) -> Result<Found, ServiceError> {
        let id = plan.id;
        // What was signed is what is done now: the row says nothing else.
        if !holds(&plan, self.deployment) || !are_signed(&plan) {
            return Err(StoreError::RowAltered(Object::Approval(id)).into());
        }
        if plan.is_done(step) {
            return Ok(Found::Hindered(Hindered::Done(id, step)));
        }
        let standing = self.state.standing(&plan, self.now).await?;
        if standing.approved < plan.quorum.max(self.quorum.approvers) {
            return Ok(Found::Hindered(Hindered::Waiting(Box::new(plan), standing)));
        }
        let next = u16::try_from(plan.done.len()).unwrap_or(u16::MAX);
        if step != next {
            return Ok(Found::Hindered(Hindered::Early(id, step, next)));
        }
        if !self.is_as_left(&plan, changes) || self.eligible().await? != plan.eligible {
            let expected = changes.iter().filter_map(touched).filter(|(_, revision)| *revision > 0);
            let expected = expected
                .map(|(row, revision)| Change::Expect(Expectation::Revision { row, revision }))
                .collect();
            return Ok(Found::Hindered(Hindered::Moved(Box::new(plan), expected)));
        }
        let mut written = plan;
        let done = DoneStep { step, moved: moved_by(changes, &written) };
        written.done.push(done);
        if written.done.len() == steps {
            written = self.ended(&written, Outcome::Executed);
        }
        Ok(Found::May(By { written: Box::new(written), expected: standing.expected }))
    }

    /// Is each row that the call rests on or writes as it was shown, or as a step of the plan left it?
    fn is_as_left(&self, plan: &Approval, changes: &[Change]) -> bool {
        let rests = self.quorum.rows.iter().all(|seen| plan.expected(seen.object) == Some(seen.revision));
        // By a rule that asks for nobody any more, the act rests on no row, and yet was decided on some.
        let is_expected = |(row, revision): (Row, u64)| {
            let shown = plan.rows.iter().find(|seen| Row::of(seen.object) == Some(row));
            shown.is_none_or(|seen| plan.expected(seen.object) == Some(revision))
        };
        rests && changes.iter().filter_map(touched).all(is_expected)
    }

    /// The answer to a step that is not done.
    pub(super) async fn answer_step(
        &self,
        hindered: Hindered,
        key: Option<KeyId>,
        mut expected: Vec<Change>,
        dry_run: bool,
    ) -> Refused {
        let (error, id) = match hindered {
            Hindered::Done(id, step) => (done_before(id, step), id),
            Hindered::Early(id, step, next) => {
                let message = format!(
                    "it is step {} of approval {id}, and step {} comes first: `claviger approval execute {id}` does them in order",
                    u32::from(step) + 1,
                    u32::from(next) + 1
                );
                (ServiceError::new(ErrorKind::WrongState, message).caused_by(OfApproval(id)), id)
            }
            Hindered::Moved(plan, _) if dry_run => (moved(&plan), plan.id),
            Hindered::Moved(plan, touched) => {
                expected.extend(touched);
                expected.push(Change::PutApproval(self.ended(&plan, Outcome::Moved)));
                return keeping(moved(&plan), key, plan.id, self.kept(Op::EndApproval, expected));
            }
            Hindered::Over(error) => return refused(error, key, None),
            Hindered::Waiting(plan, standing) => match self.waiting(&plan, standing.approved).await {
                Ok(waiting) | Err(waiting) => (waiting, plan.id),
            },
        };
        refused(error, key, Some(id))
    }
}

impl Road {
    /// The answer to a step of which there is nothing left to do: somebody else did it, so that the plan is over.
    pub(super) async fn overtaken(
        &self,
        (id, step): (ApprovalId, u16),
        key: Option<KeyId>,
        (by, now): (PrincipalId, Timestamp),
        dry_run: bool,
    ) -> Refused {
        let plan = match self.state.store.find_approval(id).await {
            Ok(Some(plan)) if plan.requester == by => plan,
            Ok(_) => return refused(ServiceError::not_found(), key, None),
            Err(error) => return refused(error.into(), key, None),
        };
        if let Some(outcome) = plan.outcome(now) {
            return refused(ended(&plan, outcome), key, Some(id));
        }
        if plan.is_done(step) {
            return refused(done_before(id, step), key, Some(id));
        }
        if dry_run {
            return refused(moved(&plan), key, Some(id));
        }
        let over = Change::PutApproval(ended_by(&plan, Outcome::Moved, now, by));
        keeping(moved(&plan), key, id, Kept { op: Op::EndApproval, changes: vec![over], why: None })
    }
}

/// Rows that a plan rests on and that these changes write, with the revisions that they have then.
fn moved_by(changes: &[Change], plan: &Approval) -> Vec<SeenRow> {
    let written: Vec<_> = changes.iter().filter(|change| change.writes()).filter_map(touched).collect();
    let of = |seen: &SeenRow| {
        let row = Row::of(seen.object)?;
        let (_, revision) = written.iter().find(|(of, _)| *of == row)?;
        Some(SeenRow { object: seen.object, revision: revision + 1 })
    };
    plan.rows.iter().filter_map(of).collect()
}

/// The row that a change writes or compares, with the revision that it was computed from.
fn touched(change: &Change) -> Option<(Row, u64)> {
    Some(match change {
        Change::Expect(Expectation::Revision { row, revision }) => (*row, *revision),
        Change::PutAlert(alert) => (Row::Alert(alert.id), alert.revision),
        Change::PutApproval(approval) => (Row::Approval(approval.id), approval.revision),
        Change::PutBreakGlass(access) => (Row::BreakGlass(access.id), access.revision),
        Change::PutCredential(credential) => (Row::Credential(credential.id), credential.revision),
        Change::PutDeclaration(declaration) => (Row::Declaration(declaration.id), declaration.revision),
        Change::PutGovernance(rules) => (Row::Governance(GovernanceId::ONLY), rules.revision),
        Change::PutGrant(grant) => (Row::Grant(grant.id), grant.revision),
        Change::PutKey(key) => (Row::Key(key.id), key.revision),
        Change::PutPrincipal(principal) => (Row::Principal(principal.id), principal.revision),
        Change::PutReview(review) => (Row::Review(review.id), review.revision),
        Change::PutRing(ring) => (Row::Ring(ring.id), ring.revision),
        Change::PutVersion(version) => (Row::Version(version.id), version.revision),
        _ => return None,
    })
}

fn ended(plan: &Approval, outcome: Outcome) -> ServiceError {
    let id = plan.id;
    let message = format!("approval {id} is over: it is {outcome}; nothing is done by it any more");
    ServiceError::new(ErrorKind::WrongState, message).caused_by(OfApproval(id))
}

fn done_before(id: ApprovalId, step: u16) -> ServiceError {
    let message = format!("step {} of approval {id} was done before", u32::from(step) + 1);
    ServiceError::new(ErrorKind::WrongState, message).caused_by(OfApproval(id))
}
