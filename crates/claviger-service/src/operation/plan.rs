//! Plans: several acts that others approve at once, and that are then done one behind the other.
//!
//! What it keeps true:
//! * each act of a plan is asked for as it would be by itself: by policy, by separation of duties and by its rule of approval. What would be
//!   refused by itself is refused in a plan, and what nobody must approve is none of it;
//! * as many must approve a plan as the act of it that asks for most, and it rests on the rows of all of them;
//! * what cannot be taken back, what custodians do not decide on, and what gives a secret is asked for by itself, and in no plan;
//! * a plan does nothing by itself: its acts are done, each by a call of its own, which is held against its rule as it is then.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use claviger_audit::op::Outcome;
use claviger_core::approval::{Approval, Eligible, SeenRow};
use claviger_core::object::Object;
use claviger_core::reason::Reason;
use claviger_core::sensitive::Quorum;
use claviger_core::{Action, ApprovalId};
use claviger_crypto::envelope::Context;

use super::approval::detail;
use super::thaw::{Executed, again};
use crate::call::{Call, Operation, Released, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::pipeline::quorum::eligible_for;
use crate::record::{EntryDetail, EntryOutcome};
use crate::reference::TargetRef;
use crate::road::Road;
use crate::view::View;

/// How often a plan is put together again when others changed something of it meanwhile.
const ATTEMPTS: usize = 3;

/// What somebody plans to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The acts, in the order in which they are to be done: each a [`Governed`], encoded without a reason.
    pub acts: Vec<Vec<u8>>,
}

/// What is said of an act of a plan before others are asked.
#[derive(Debug)]
pub struct WeighedAct {
    /// Which act.
    pub action: Action,
    /// How many others must approve it, 0 for nobody; or what it would be refused with.
    pub approvers: Result<u8, ServiceError>,
}

/// How many others must approve an act.
#[derive(Debug)]
pub(super) struct Weight {
    /// What it is, as its operation says it; `None` where there is nothing to do.
    asked: Option<Governed>,
    quorum: Option<Quorum>,
    eligible: Eligible,
}

/// An act of which is asked how many others must approve it, and nothing else. It is recorded as what was only asked.
pub(super) struct Weighed<O>(pub(super) O);

impl<O: Operation> Operation for Weighed<O> {
    type Output = Weight;

    fn action(&self) -> Action {
        self.0.action()
    }

    fn target(&self) -> TargetRef<'_> {
        self.0.target()
    }

    fn contexts(&self) -> impl Iterator<Item = &Context> + Send {
        self.0.contexts()
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Weight>, ServiceError> {
        let (asked, quorum, detail) = {
            let mut staged = self.0.run(view).await?;
            let quorum = staged.take_quorum().map(|quorum| *quorum);
            let detail = staged.details.first().cloned().unwrap_or_default();
            (staged.asked().cloned(), quorum, detail)
        };
        let eligible = match (&asked, &quorum) {
            (Some(asked), Some(quorum)) if quorum.approvers > 0 => eligible_for(asked, quorum, view).await?,
            _ => Eligible::Custodians,
        };
        let detail = EntryDetail { outcome: EntryOutcome(Outcome::DryRun), ..detail };
        Ok(Staged::reading(Weight { asked, quorum, eligible }, detail))
    }
}

/// An act, done by itself or as a step of a plan.
pub(super) struct Step<O> {
    pub(super) plan: Option<(ApprovalId, u16)>,
    pub(super) operation: O,
}

impl<O: Operation> Operation for Step<O> {
    type Output = O::Output;

    fn action(&self) -> Action {
        self.operation.action()
    }

    fn target(&self) -> TargetRef<'_> {
        self.operation.target()
    }

    fn contexts(&self) -> impl Iterator<Item = &Context> + Send {
        self.operation.contexts()
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<O::Output>, ServiceError> {
        let staged = self.operation.run(view).await?;
        Ok(match self.plan {
            Some((plan, step)) => staged.in_plan(plan, step),
            None => staged,
        })
    }
}

/// Looks for a plan that the caller asked for before, of which steps can be done or were.
struct FindPlan {
    acts: Vec<Vec<u8>>,
    reason: Option<Reason>,
}

impl Operation for FindPlan {
    type Output = Option<ApprovalId>;

    fn action(&self) -> Action {
        Action::ReadApproval
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Option<ApprovalId>>, ServiceError> {
        let asked = Governed::ApplyPlan { acts: self.acts.clone(), reason: self.reason.clone() };
        let open = view.state.open_approval(view.caller.principal().id, &asked, view.now).await?;
        let Some(row) = open else { return Ok(Staged::reading(None, view.detail())) };
        let goes_on =
            !row.done.is_empty() || view.state.standing(&row, view.now).await?.approved >= row.quorum;
        Ok(Staged::reading(goes_on.then_some(row.id), detail(&row, view)))
    }
}

/// Asks others to approve a plan, and does nothing of it: it has no changes, and is never approved as itself.
struct ApplyPlan {
    acts: Vec<Vec<u8>>,
    quorum: Quorum,
}

impl Operation for ApplyPlan {
    type Output = ();

    fn action(&self) -> Action {
        Action::ApplyPlan
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<()>, ServiceError> {
        let asked = Governed::ApplyPlan { acts: self.acts.clone(), reason: view.reason() };
        Ok(Staged::changing(asked, (), Vec::new(), view.detail()).under(self.quorum.clone()))
    }
}

impl Road {
    /// Says of each act of a plan how many others must approve it, or what it would be refused with. Nothing is asked for.
    ///
    /// # Errors
    /// [`ServiceError`]: invalid for what is no plan; and what is wrong with the call, whatever it asks for.
    pub async fn check_plan(&self, call: Call<Plan>) -> Result<Released<Vec<WeighedAct>>, ServiceError> {
        let acts = acts_of(&call.operation)?;
        let receipt = self.find_plan(&call).await?.receipt;
        let head = again(&call, None, ());
        let mut weighed = Vec::with_capacity(acts.len());
        for (act, bytes) in acts.into_iter().zip(&call.operation.acts) {
            let action = act.action();
            let weight = self.weigh(&head, act, call.reason.as_ref()).await;
            let approvers = weight.and_then(|weight| {
                let rows = Rows::of(weight, bytes)?;
                Ok(rows.map_or(0, |rows| rows.approvers))
            });
            match approvers {
                Err(error) if !is_of_act(error.kind()) => return Err(error),
                approvers => weighed.push(WeighedAct { action, approvers }),
            }
        }
        Ok(Released { output: weighed, receipt })
    }

    /// Asks others to approve a plan. Once they have, the same call does its steps, as [`Self::execute`] does.
    ///
    /// # Errors
    /// [`ServiceError`]: [`ErrorKind::ApprovalRequired`] when it was asked for; invalid for what is no plan, or has an act that nobody must
    /// approve; and what the first act that is refused is refused with.
    pub async fn ask_plan(&self, call: Call<Plan>) -> Result<Released<Executed>, ServiceError> {
        let acts = acts_of(&call.operation)?;
        if let Some(approved) = self.find_plan(&call).await?.output {
            return Box::pin(self.execute(again(&call, None, approved))).await;
        }
        let mut outcome = changed();
        for _ in 0..ATTEMPTS {
            outcome = match self.put_together(&call, &acts).await {
                Ok(quorum) => self.ask_for(&call, quorum).await,
                Err(error) => error,
            };
            // Of an approval that is over, it says which.
            if outcome.kind() != ErrorKind::Conflict || outcome.approval().is_some() {
                break;
            }
        }
        Err(outcome)
    }

    async fn find_plan(&self, call: &Call<Plan>) -> Result<Released<Option<ApprovalId>>, ServiceError> {
        let find = FindPlan { acts: call.operation.acts.clone(), reason: call.reason.clone() };
        let find = Call { dry_run: false, ..again(call, None, find) };
        Box::pin(self.perform(find)).await
    }

    /// Asks for a plan that so many must approve; gives the answer, which is never that it was done.
    async fn ask_for(&self, call: &Call<Plan>, quorum: Quorum) -> ServiceError {
        let ask = ApplyPlan { acts: call.operation.acts.clone(), quorum };
        match Box::pin(self.perform(again(call, call.reason.clone(), ask))).await {
            Ok(_) => ServiceError::new(ErrorKind::Internal, "a plan is done step by step, and never at once"),
            Err(answer) => answer,
        }
    }

    /// How many must approve a plan, and the rows that it rests on.
    async fn put_together(&self, call: &Call<Plan>, acts: &[Governed]) -> Result<Quorum, ServiceError> {
        let head = again(call, None, ());
        let (mut approvers, mut seen) = (0, BTreeMap::<Object, u64>::new());
        for (at, (act, bytes)) in acts.iter().zip(&call.operation.acts).enumerate() {
            let what = step_of(at, act);
            let weight = self.weigh(&head, act.clone(), call.reason.as_ref()).await;
            let rows =
                weight.and_then(|weight| Rows::of(weight, bytes)).map_err(|error| error.during(&what))?;
            let Some(rows) = rows else {
                let message =
                    format!("{what}: nobody must approve it: do it directly, and leave it out of the plan");
                return Err(ServiceError::invalid(message));
            };
            approvers = rows.approvers.max(approvers);
            for SeenRow { object, revision } in rows.seen {
                match seen.entry(object) {
                    Entry::Occupied(known) if *known.get() != revision => return Err(changed()),
                    Entry::Occupied(_) => {}
                    Entry::Vacant(new) => {
                        new.insert(revision);
                    }
                }
            }
        }
        if seen.len() > Approval::MOST_ROWS {
            let message = format!(
                "a plan rests on at most {} things, and this one on {}: make several plans of it",
                Approval::MOST_ROWS,
                seen.len()
            );
            return Err(ServiceError::new(ErrorKind::TooLarge, message));
        }
        let rows = seen.into_iter().map(|(object, revision)| SeenRow { object, revision }).collect();
        Ok(Quorum { ring: None, approvers, rows })
    }
}

/// What an act of a plan rests on, and how many must approve it.
struct Rows {
    approvers: u8,
    seen: Vec<SeenRow>,
}

impl Rows {
    /// Those of an act of which this was said; `None` where nobody must approve it.
    ///
    /// # Errors
    /// Invalid for an act that is none of a plan as it stands.
    fn of(weight: Weight, act: &[u8]) -> Result<Option<Self>, ServiceError> {
        let Weight { asked, quorum, eligible } = weight;
        let Some(asked) = asked else {
            return Err(ServiceError::invalid("it is so already; leave it out"));
        };
        let Some(quorum) = quorum.filter(|quorum| quorum.approvers > 0) else { return Ok(None) };
        if asked.without_reason().encode() != act {
            return Err(ServiceError::invalid("it is not said in the one form that it has"));
        }
        if eligible != Eligible::Custodians {
            let message = "others than custodians decide on it here; ask for it by itself";
            return Err(ServiceError::invalid(message));
        }
        Ok(Some(Self { approvers: quorum.approvers, seen: quorum.rows }))
    }
}

/// The acts of a plan, if it is one.
///
/// # Errors
/// Invalid, or too large.
fn acts_of(plan: &Plan) -> Result<Vec<Governed>, ServiceError> {
    let most = Approval::MOST_STEPS;
    if plan.acts.is_empty() {
        return Err(ServiceError::invalid("a plan has one act at least"));
    }
    if plan.acts.len() > most {
        let message =
            format!("a plan has at most {most} acts, and this one {}: make several of it", plan.acts.len());
        return Err(ServiceError::new(ErrorKind::TooLarge, message));
    }
    let mut acts = Vec::with_capacity(plan.acts.len());
    for (at, bytes) in plan.acts.iter().enumerate() {
        let act = Governed::decode_act(bytes).map_err(|error| {
            ServiceError::invalid(format!("step {} does not read: {error}", at + 1)).caused_by(error)
        })?;
        if !is_of_plans(&act) {
            let message = format!("{}: it is asked for by itself, and in no plan", step_of(at, &act));
            return Err(ServiceError::invalid(message));
        }
        if plan.acts.iter().take(at).any(|before| before == bytes) {
            let message = format!("{}: it is there twice", step_of(at, &act));
            return Err(ServiceError::invalid(message));
        }
        acts.push(act);
    }
    let whole = Governed::ApplyPlan { acts: plan.acts.clone(), reason: None };
    if whole.encode().len() > Approval::MAX_ASKED {
        let message = "what others must approve takes at most 64 KiB: make several plans of it";
        return Err(ServiceError::new(ErrorKind::TooLarge, message));
    }
    Ok(acts)
}

/// Is it one of the acts that plans are made of: those that set policy? What destroys or erases, emergency access, what makes a credential,
/// and what comes with bytes that are not kept, are none.
const fn is_of_plans(act: &Governed) -> bool {
    matches!(
        act,
        Governed::AssignCapacity { .. }
            | Governed::AssignRole { .. }
            | Governed::CreateGrant { .. }
            | Governed::Declare { .. }
            | Governed::SetGovernance { .. }
            | Governed::SetRingSeparation { .. }
            | Governed::UpdateKey { .. }
            | Governed::UpdateRing { .. }
            | Governed::WithdrawDeclaration { .. }
    )
}

fn step_of(at: usize, act: &Governed) -> String {
    format!("step {}, `{}`", at + 1, act.word())
}

fn changed() -> ServiceError {
    ServiceError::new(ErrorKind::Conflict, "others changed something of the plan in between; try again")
}

/// Does a failure say something of the one act, and nothing of the next?
const fn is_of_act(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::Denied
        | ErrorKind::InvalidArgument
        | ErrorKind::LimitExceeded
        | ErrorKind::NotFound
        | ErrorKind::PreconditionFailed
        | ErrorKind::ReasonRequired
        | ErrorKind::SeparationOfDuties
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported
        | ErrorKind::WrongState => true,
        ErrorKind::ApprovalRequired
        | ErrorKind::BadCiphertext
        | ErrorKind::ContextRequired
        | ErrorKind::DryRun
        | ErrorKind::IdempotencyExpired
        | ErrorKind::IdempotencyMismatch
        | ErrorKind::ImportTokenExpired
        | ErrorKind::ImportTokenInvalid
        | ErrorKind::Internal
        | ErrorKind::LogDamaged
        | ErrorKind::Overloaded
        | ErrorKind::RowAltered
        | ErrorKind::Unauthenticated
        | ErrorKind::Unavailable
        | ErrorKind::Withheld
        | ErrorKind::WrongKey
        | ErrorKind::WrongMaterial
        | ErrorKind::WrongPurpose => false,
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::principal::Role;
    use claviger_core::{KeyId, PrincipalId};

    use super::*;

    fn role(number: u8) -> Vec<u8> {
        let principal = PrincipalId::from_bytes([number; 16]);
        Governed::AssignRole { principal, role: Role::Auditor, reason: None }.encode()
    }

    fn refused(acts: Vec<Vec<u8>>) -> ServiceError {
        acts_of(&Plan { acts }).unwrap_err()
    }

    #[test]
    fn a_plan_is_made_of_acts_that_set_policy_each_once() {
        let acts = acts_of(&Plan { acts: vec![role(1), role(2)] }).unwrap();
        assert_eq!(acts.len(), 2);
        let waiting = std::time::Duration::from_secs(86_400);
        let destroy = Governed::ScheduleDestroy { key: KeyId::from_bytes([1; 16]), waiting, reason: None };
        let erase = Governed::ErasePrincipal { principal: PrincipalId::from_bytes([1; 16]), reason: None };
        let of_plan = Governed::ApplyPlan { acts: vec![role(1)], reason: None };
        let reason = "why".parse::<claviger_core::reason::ReasonText>().unwrap().into();
        let because = Governed::AssignRole {
            principal: PrincipalId::from_bytes([1; 16]),
            role: Role::Auditor,
            reason: Some(reason),
        };
        for (acts, kind) in [
            (Vec::new(), ErrorKind::InvalidArgument),
            (vec![role(1), role(2), role(1)], ErrorKind::InvalidArgument),
            (vec![role(1), destroy.encode()], ErrorKind::InvalidArgument),
            (vec![erase.encode()], ErrorKind::InvalidArgument),
            (vec![of_plan.encode()], ErrorKind::InvalidArgument),
            (vec![because.encode()], ErrorKind::InvalidArgument),
            (vec![b"nothing".to_vec()], ErrorKind::InvalidArgument),
            ((0..65).map(role).collect(), ErrorKind::TooLarge),
        ] {
            let error = refused(acts);
            assert_eq!(error.kind(), kind, "{error}");
        }
        assert!(refused(vec![role(1), role(1)]).public_message().starts_with("step 2, `assign_role`"));
    }

    #[test]
    fn a_plan_takes_no_more_bytes_than_others_can_be_shown() {
        let long = |number: u8| {
            let description = format!("{number}").repeat(4096);
            Governed::UpdateKey {
                key: KeyId::from_bytes([number; 16]),
                data_class: None,
                description: Some(description),
                owner: None,
                labels: None,
                rotation_period: None,
                if_revision: None,
                context_required: None,
                environment: None,
            }
            .encode()
        };
        let error = refused((10..40).map(long).collect());
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
}
