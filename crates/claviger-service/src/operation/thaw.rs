//! What others have approved, done by whoever asked for it: what the approval keeps becomes the operation again, with its reason, and goes the
//! road like every other.
//!
//! What it keeps true: nobody but who asked does it; and what is done so is the very call that was approved, or is not done. What an
//! approval does not keep, which is the bytes that came with a call, brings the call itself again. A plan is done step by step, each by a call
//! of its own, and goes on where it was cut off.

use claviger_core::action::Reasoning;
use claviger_core::approval::DoneStep;
use claviger_core::break_glass::BreakGlass;
use claviger_core::grant::{Grant, Selector};
use claviger_core::key::{Event, KeyRecord, KeyRing};
use claviger_core::principal::Principal;
use claviger_core::reason::{Reason, ReasonRecord, ReasonText, Why};
use claviger_core::{Action, ApprovalId, Governance};

use super::approval::{detail, find, refuse_ended};
use super::captions::{Captioned, Captions, HasCaptions};
use super::plan::{Step, Weighed, Weight};
use super::{
    AssignCapacity, AssignRole, ChangeKeyState, CreateCredential, CreateGrant, Declare, ErasePrincipal,
    EraseReason, GrantOn, KeyPatch, NewCredential, NewlyMade, OpenBreakGlass, ReadApproval, ReadableApproval,
    ReadableDeclaration, RingPatch, ScheduleDestroy, SetGovernance, SetRingSeparation, UpdateKey, UpdateRing,
    WithdrawDeclaration,
};
use crate::call::{Call, Operation, Released, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::{ClassAsked, ContextAsked, CredentialAsked, Governed, Period};
use crate::reference::{KeyRef, PrincipalRef, RingRef, TargetRef};
use crate::road::Road;
use crate::view::View;

/// What was done.
#[derive(Debug)]
pub struct Executed {
    /// Which act.
    pub action: Action,
    /// What it gave.
    pub result: ExecutedResult,
    /// Reasons and names of what is in that.
    pub captions: Captions,
}

/// What an act gave.
#[derive(Debug)]
pub enum ExecutedResult {
    /// Emergency access.
    BreakGlass(Box<BreakGlass>),
    /// A credential, with the secret that is shown this once.
    Credential(Box<NewlyMade>),
    /// A declaration.
    Declaration(Box<ReadableDeclaration>),
    /// The rules of the deployment.
    Governance(Box<Governance>),
    /// A grant.
    Grant(Box<Grant>),
    /// A key.
    Key(Box<KeyRecord>),
    /// A plan, all of whose steps were done.
    Plan(Box<ReadableApproval>),
    /// A principal.
    Principal(Box<Principal>),
    /// A reason.
    Reason(Box<ReasonRecord>),
    /// A ring.
    Ring(Box<KeyRing>),
}

/// Reads what is to be done, as who asked for it.
#[derive(Debug)]
struct Thaw(ApprovalId);

/// What is to be done, and why.
#[derive(Debug)]
struct Thawed {
    asked: Governed,
    reason: Option<Reason>,
    /// Which steps of a plan were done.
    done: Vec<DoneStep>,
}

impl Operation for Thaw {
    type Output = Thawed;

    fn action(&self) -> Action {
        Action::ReadApproval
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Thawed>, ServiceError> {
        let row = find(self.0, view).await?;
        if row.requester != view.caller.principal().id {
            let message = "whoever asked for it does it, and nobody else";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        refuse_ended(&row, view.now)?;
        let asked = Governed::decode(&row.asked).map_err(|error| {
            ServiceError::new(ErrorKind::Internal, "what is to be done does not read").caused_by(error)
        })?;
        let reason = reason(row.reason, view).await?;
        let detail = detail(&row, view);
        Ok(Staged::reading(Thawed { asked, reason, done: row.done }, detail))
    }
}

/// Why it was asked for, in the words in which it was.
async fn reason(why: Option<Why>, view: &View<'_>) -> Result<Option<Reason>, ServiceError> {
    let Some(id) = why.and_then(Why::given) else { return Ok(None) };
    let shown = view.reasons([id].into()).await?.remove(&id).filter(|shown| shown.erased_at.is_none());
    let shown = shown.ok_or_else(|| not_kept("its reason was erased, or does not read"))?;
    let text = shown.text.map(|text| text.parse::<ReasonText>()).transpose();
    let text = text.map_err(|_| not_kept("its reason does not read"))?;
    Ok(Reason::new(shown.code, text))
}

fn not_kept(what: &str) -> ServiceError {
    ServiceError::invalid(format!("{what}: repeat the call itself, just as it was"))
}

impl Road {
    /// Does what others have approved, as who asked for it. Of the call, who calls and from where is looked at, and whether it only asks;
    /// reason and all else are those of what was approved.
    ///
    /// # Errors
    /// [`ServiceError`]: denied to everybody else; invalid where the call itself must come again, because bytes that came with it are not
    /// kept; and what the act fails with, of which [`ErrorKind::ApprovalRequired`] says that too few have approved it. Of a plan, steps
    /// before the one that fails were done, and stay so.
    pub async fn execute(&self, call: Call<ApprovalId>) -> Result<Released<Executed>, ServiceError> {
        let id = call.operation;
        let thaw = Call { dry_run: false, ..again(&call, None, Thaw(id)) };
        let Thawed { asked, reason, done } = Box::pin(self.perform(thaw)).await?.output;
        let head = again(&call, None, ());
        if let Governed::ApplyPlan { acts, reason: _ } = asked {
            let plan = ReadyPlan { id, acts, done, reason };
            return Box::pin(self.execute_plan(&head, plan)).await;
        }
        let doing = Doing { road: self, head: &head, reason, way: Way::Alone };
        match Box::pin(doing.take(asked)).await? {
            Came::Done(executed) => Ok(*executed),
            Came::Weighed(_) => Err(not_executed()),
        }
    }

    /// Does the steps of a plan that were not done, in order, and reads what has become of it.
    async fn execute_plan(
        &self,
        head: &Call<()>,
        plan: ReadyPlan,
    ) -> Result<Released<Executed>, ServiceError> {
        let ReadyPlan { id, acts, done, reason } = plan;
        let mut last = None;
        for (step, act) in (0_u16..).zip(&acts) {
            if done.iter().any(|done| done.step == step) {
                continue;
            }
            let asked = Governed::decode_act(act).map_err(|error| {
                ServiceError::new(ErrorKind::Internal, "a step does not read").caused_by(error)
            })?;
            let what = format!("step {} of {}, `{}`", u32::from(step) + 1, acts.len(), asked.word());
            let (reason, way) = (reason_for(&asked, reason.as_ref()), Way::Step(id, step));
            let doing = Doing { road: self, head, reason, way };
            match Box::pin(doing.take(asked)).await.map_err(|error| error.during(&what))? {
                Came::Done(executed) => last = Some(executed.receipt),
                Came::Weighed(_) => return Err(not_executed()),
            }
        }
        let read = again(head, None, Captioned(ReadApproval { approval: id }));
        let read = Box::pin(self.perform(Call { dry_run: false, ..read })).await?;
        let Released { output: (plan, captions), receipt } = read;
        let result = ExecutedResult::Plan(Box::new(plan));
        let output = Executed { action: Action::ApplyPlan, result, captions };
        Ok(Released { output, receipt: last.unwrap_or(receipt) })
    }

    /// Asks how many others must approve an act, and does nothing.
    ///
    /// # Errors
    /// What the act would be refused with.
    pub(super) async fn weigh(
        &self,
        head: &Call<()>,
        act: Governed,
        reason: Option<&Reason>,
    ) -> Result<Weight, ServiceError> {
        let reason = reason_for(&act, reason);
        let doing = Doing { road: self, head, reason, way: Way::Weigh };
        match Box::pin(doing.take(act)).await? {
            Came::Done(_) => Err(not_executed()),
            Came::Weighed(weight) => Ok(*weight),
        }
    }
}

/// A plan, with what of it was done.
struct ReadyPlan {
    id: ApprovalId,
    acts: Vec<Vec<u8>>,
    done: Vec<DoneStep>,
    reason: Option<Reason>,
}

/// The reason of a plan, where its act is given one.
fn reason_for(act: &Governed, reason: Option<&Reason>) -> Option<Reason> {
    reason.filter(|_| act.action().reasoning() != Reasoning::Never).cloned()
}

/// The same call for something else.
pub(super) fn again<T, O>(call: &Call<T>, reason: Option<Reason>, operation: O) -> Call<O> {
    Call {
        presented: call.presented.clone(),
        source: call.source,
        listener: call.listener,
        plane: call.plane,
        dry_run: call.dry_run,
        request_id: call.request_id.clone(),
        idempotency_key: None,
        reason,
        operation,
    }
}

/// In which way an act is taken.
#[derive(Clone, Copy)]
enum Way {
    /// By itself.
    Alone,
    /// As that step of that plan.
    Step(ApprovalId, u16),
    /// Not at all: how many others must approve it is asked.
    Weigh,
}

/// What came of it.
enum Came {
    /// It was done.
    Done(Box<Released<Executed>>),
    /// It was asked how many must approve it.
    Weighed(Box<Weight>),
}

/// An act that is about to be done.
struct Doing<'a> {
    road: &'a Road,
    /// The call, without what it asks for.
    head: &'a Call<()>,
    reason: Option<Reason>,
    way: Way,
}

impl Doing<'_> {
    async fn take(self, asked: Governed) -> Result<Came, ServiceError> {
        let principal = |principal| ExecutedResult::Principal(Box::new(principal));
        let key = |key| ExecutedResult::Key(Box::new(key));
        let ring = |ring| ExecutedResult::Ring(Box::new(ring));
        let declaration = |declaration| ExecutedResult::Declaration(Box::new(declaration));
        match asked {
            Governed::AssignCapacity { principal: to, capacity, reason: _ } => {
                self.perform(AssignCapacity { principal: PrincipalRef::Id(to), capacity }, principal).await
            }
            Governed::AssignRole { principal: to, role, reason: _ } => {
                self.perform(AssignRole { principal: PrincipalRef::Id(to), role }, principal).await
            }
            Governed::CompromiseKey { key: id, reason: _ } => {
                self.perform(ChangeKeyState::new(KeyRef::Id(id), None, Event::Compromise)?, key).await
            }
            Governed::CompromiseVersion { key: id, version, reason: _ } => {
                self.perform(ChangeKeyState::new(KeyRef::Id(id), Some(version), Event::Compromise)?, key)
                    .await
            }
            Governed::CreateCredential { principal: of, label, what, to_confirm } => {
                let what = new_credential(&what)?;
                let principal = PrincipalRef::Id(of);
                let create = CreateCredential { principal, label, what, to_confirm };
                self.perform(create, |made| ExecutedResult::Credential(Box::new(made))).await
            }
            asked @ Governed::CreateGrant { .. } => {
                let create = new_grant(asked).ok_or_else(not_executed)?;
                self.perform(create, |grant| ExecutedResult::Grant(Box::new(grant))).await
            }
            Governed::Declare { declared, text } => {
                self.perform(Declare { declared, text }, declaration).await
            }
            Governed::ErasePrincipal { principal: of, reason: _ } => {
                self.perform(ErasePrincipal { principal: PrincipalRef::Id(of) }, principal).await
            }
            Governed::EraseReason { id, reason: _ } => {
                self.perform(EraseReason { id }, |reason| ExecutedResult::Reason(Box::new(reason))).await
            }
            Governed::OpenBreakGlass { holder, keys, lifetime, reason: _ } => {
                let holder = PrincipalRef::Id(holder);
                let keys = keys.as_slice().iter().copied().map(KeyRef::Id).collect();
                let open = OpenBreakGlass { holder, keys, lifetime: Some(lifetime) };
                self.perform(open, |access| ExecutedResult::BreakGlass(Box::new(access))).await
            }
            Governed::ScheduleDestroy { key: id, waiting, reason: _ } => {
                self.perform(ScheduleDestroy { key: KeyRef::Id(id), waiting: Some(waiting) }, key).await
            }
            asked @ Governed::SetGovernance { .. } => {
                let set = rules(&asked).ok_or_else(not_executed)?;
                self.perform(set, |rules| ExecutedResult::Governance(Box::new(rules))).await
            }
            Governed::SetRingSeparation { ring: of, separation, reason: _ } => {
                self.perform(SetRingSeparation { ring: RingRef::Id(of), separation }, ring).await
            }
            asked @ Governed::UpdateKey { .. } => {
                self.perform(key_update(asked).ok_or_else(not_executed)?, key).await
            }
            asked @ Governed::UpdateRing { .. } => {
                self.perform(ring_update(asked).ok_or_else(not_executed)?, ring).await
            }
            Governed::WithdrawDeclaration { declaration: of, reason: _ } => {
                self.perform(WithdrawDeclaration { declaration: of }, declaration).await
            }
            Governed::ImportMaterial { .. } => Err(not_kept("the material is not kept with the approval")),
            _ => Err(not_executed()),
        }
    }

    async fn perform<O: Operation<Output: HasCaptions>>(
        self,
        operation: O,
        result: impl FnOnce(O::Output) -> ExecutedResult + Send,
    ) -> Result<Came, ServiceError> {
        let action = operation.action();
        let plan = match self.way {
            Way::Alone => None,
            Way::Step(plan, step) => Some((plan, step)),
            Way::Weigh => {
                let call = again(self.head, self.reason, Weighed(operation));
                let weighed = Box::pin(self.road.perform(Call { dry_run: false, ..call })).await?;
                return Ok(Came::Weighed(Box::new(weighed.output)));
            }
        };
        let call = again(self.head, self.reason, Step { plan, operation: Captioned(operation) });
        let Released { output: (output, captions), receipt } = Box::pin(self.road.perform(call)).await?;
        let output = Executed { action, result: result(output), captions };
        Ok(Came::Done(Box::new(Released { output, receipt })))
    }
}

/// Nothing else is ever asked for that others must approve.
fn not_executed() -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "this is nothing that others approve")
}

fn new_credential(asked: &CredentialAsked) -> Result<NewCredential, ServiceError> {
    Ok(match asked {
        CredentialAsked::AccessKey(lifetime) => NewCredential::AccessKey { lifetime: *lifetime },
        CredentialAsked::Certificate(..) => {
            return Err(not_kept("the certificate is not kept with the approval"));
        }
        CredentialAsked::EnrolmentCode(lifetime) => NewCredential::EnrolmentCode { lifetime: *lifetime },
        CredentialAsked::ShortLived(lifetime) => NewCredential::ShortLived { lifetime: *lifetime },
        CredentialAsked::Token(lifetime) => NewCredential::Token { lifetime: *lifetime },
    })
}

fn new_grant(asked: Governed) -> Option<CreateGrant> {
    let Governed::CreateGrant { principal, on, operations, conditions, reason: _, name, retiring } = asked
    else {
        return None;
    };
    Some(CreateGrant {
        principal: PrincipalRef::Id(principal),
        on: match on {
            Selector::Key(key) => GrantOn::Key(KeyRef::Id(key)),
            Selector::Ring(ring) => GrantOn::Ring(RingRef::Id(ring)),
        },
        operations: operations.as_slice().to_vec(),
        conditions: (&conditions).into(),
        name,
        retiring: retiring.map(PrincipalRef::Id),
    })
}

fn rules(asked: &Governed) -> Option<SetGovernance> {
    let Governed::SetGovernance {
        quorum,
        approval_lifetime,
        human_grant_lifetime,
        break_glass_lifetime,
        compromise_burst,
        reason: _,
        if_revision,
    } = asked
    else {
        return None;
    };
    Some(SetGovernance {
        quorum: *quorum,
        approval_lifetime: *approval_lifetime,
        human_grant_lifetime: human_grant_lifetime.map(|Period(span)| span),
        break_glass_lifetime: *break_glass_lifetime,
        compromise_burst: *compromise_burst,
        if_revision: *if_revision,
    })
}

fn key_update(asked: Governed) -> Option<UpdateKey> {
    let Governed::UpdateKey {
        key,
        data_class,
        description,
        owner,
        labels,
        rotation_period,
        if_revision,
        context_required,
        environment,
    } = asked
    else {
        return None;
    };
    let patch = KeyPatch {
        data_class,
        description,
        owner: owner.map(PrincipalRef::Id),
        labels: labels.map(Into::into),
        rotation_period: rotation_period.map(|Period(span)| span),
        context_required: context_required.map(|ContextAsked(fields)| fields),
        environment,
    };
    Some(UpdateKey { key: KeyRef::Id(key), patch, if_revision })
}

fn ring_update(asked: Governed) -> Option<UpdateRing> {
    let Governed::UpdateRing {
        ring,
        protection,
        rotation_period,
        protect_period,
        process_period,
        destroy_waiting_period,
        quorum,
        if_revision,
        reason: _,
        rotates,
        context_required,
        data_class,
        plaintext_data_keys,
        environment,
        assets,
        grants_under_quorum,
    } = asked
    else {
        return None;
    };
    let patch = RingPatch {
        protection,
        rotation_period: rotation_period.map(|Period(span)| span),
        rotates,
        protect_period: protect_period.map(|Period(span)| span),
        process_period: process_period.map(|Period(span)| span),
        destroy_waiting_period,
        quorum,
        context_required: context_required.map(|ContextAsked(fields)| fields),
        data_class: data_class.map(|ClassAsked(class)| class),
        plaintext_data_keys,
        environment,
        assets,
        grants_under_quorum,
    };
    Some(UpdateRing { ring: RingRef::Id(ring), patch, if_revision })
}
