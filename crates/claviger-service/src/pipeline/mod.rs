//! The road: authenticate, authorize, run, commit, release. Every call goes it, and there is no other.
//!
//! What it keeps true:
//! * no result is released without its receipt, and no change written without its entry; refusals have entries too;
//! * what a call rests on is good as of one epoch; the sequencer asks again under the epoch of the commit;
//! * what others must approve is not done before they have, and not otherwise than they did;
//! * a code to enrol with does nothing else, before any policy is asked;
//! * a call that lost what it depends on, or that lost a race, runs again from the start, a bounded number of times;
//! * calls that lost a race for a row go one after the other; calls that write no row that was there wait for nobody.
//!
//! What is rarely gone through is boxed: a use whose caller, key and permit are remembered carries no room for it.

mod caller;
pub(crate) mod facts;
mod gate;
mod lanes;
pub(crate) mod queue;
pub(crate) mod quorum;
mod reason;
pub(crate) mod room;
pub(crate) mod sequencer;
mod session;
pub(crate) mod submission;
#[cfg(test)]
mod tests;
pub(crate) mod turns;

use std::sync::{Arc, Mutex};

use claviger_access::authz::admits;
use claviger_access::{Caller, Decision, Denial, DenyReason};
use claviger_audit::op::{Op, Outcome};
use claviger_core::action::{Effect, Plane};
use claviger_core::change::{Chain, Dependencies};
use claviger_core::port::StoreError;
use claviger_core::port::store::Room;
use claviger_core::principal::{CredentialKind, Principal, PrincipalKind};
use claviger_core::reason::{Reason, Why};
use claviger_core::receipt::Receipt;
use claviger_core::target::Target;
use claviger_core::{Action, ListenerName, PrincipalId, Timestamp};
use claviger_crypto::envelope::Context;
use tokio::sync::oneshot;

use quorum::Kept;
use reason::Given;
pub(crate) use session::{Sessions, subject_label};
use submission::{Answer, NotCommitted, Reply, Submission};
use turns::{RowKey, Turn};

use crate::call::{Call, Operation, Released, Shut, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::record::{EntryDetail, EntryDetails, EntryHeader, EntryOutcome, entry_outcome, outcome_of};
use crate::reference::TargetRef;
use crate::road::Road;
use crate::state::{Cached, LoadedKey, Pairs, Question, Ruling};
use crate::view::View;
use crate::work::{Class, Held, Places};

/// How often a call runs again when others were faster.
const ATTEMPTS: usize = 16;

/// How many contexts are decided on with one read of the store, so that other reads come in between.
const DECIDED_TOGETHER: usize = 16;

/// How an attempt ended without a result.
enum Ended {
    /// Others were faster, and it must run again: with the row that it writes, if it writes one that was there.
    Again(Option<RowKey>),
    /// For good.
    Failed(ServiceError),
}

impl From<ServiceError> for Ended {
    fn from(error: ServiceError) -> Self {
        Self::Failed(error)
    }
}

/// A call whose caller is known: what it has on its way, whether or not it may be run.
struct Admitted<'q> {
    /// The epoch as of which all that it rests on is good.
    epoch: u64,
    caller: Caller,
    places: Places<'q>,
    /// Why it is made, once that was looked at.
    why: Option<Why>,
    room: Room,
    least_room: Room,
    header: EntryHeader,
    dependencies: Dependencies,
}

/// The turn of a batch, which lasts until it and its copies are dropped.
#[derive(Clone, Debug)]
pub struct BatchTurn(Held);

/// Who asks: a caller with a credential, or the system itself.
enum Who {
    System(Arc<Principal>),
    Caller,
}

/// A call without its operation: what the road asks of it before it is run, and after. Nothing here is made anew for each kind of call.
struct Asked<'c> {
    presented: &'c claviger_access::Presented,
    source: claviger_core::Source,
    listener: ListenerName,
    plane: Plane,
    dry_run: bool,
    request_id: Option<&'c str>,
    idempotency_key: Option<&'c str>,
    reason: Option<&'c Reason>,
    action: Action,
    target: TargetRef<'c>,
    items: &'c dyn Items,
}

impl<'c> Asked<'c> {
    fn of<O: Operation>(call: &'c Call<O>) -> Self {
        Self {
            presented: &call.presented,
            source: call.source,
            listener: call.listener,
            plane: call.plane,
            dry_run: call.dry_run,
            request_id: call.request_id.as_deref(),
            idempotency_key: call.idempotency_key.as_deref(),
            reason: call.reason.as_ref(),
            action: call.operation.action(),
            target: call.operation.target(),
            items: &call.operation,
        }
    }
}

/// What a call works on, item by item.
trait Items: Sync {
    /// The contexts of its items, those that follow each other only once; one that is empty when there are none.
    fn contexts(&self) -> Vec<Pairs>;
}

impl<O: Operation> Items for O {
    fn contexts(&self) -> Vec<Pairs> {
        distinct(Operation::contexts(self))
    }
}

/// What was handed to the log, and is waited for.
struct Pending<'q> {
    answer: Answer,
    /// What a call gets that is not done, once that is recorded.
    end: Result<(), ServiceError>,
    row: Option<RowKey>,
    opened: gate::Opened,
    /// Places are kept until the entry is durable.
    _places: Places<'q>,
    room: Room,
    least_room: Room,
}

/// What is to be written, by whom, and why.
struct Outgoing<'q> {
    by: PrincipalId,
    why: Option<Why>,
    end: Result<(), ServiceError>,
    row: Option<RowKey>,
    places: Places<'q>,
    room: Room,
    submission: Submission,
    answer: Answer,
}

impl Road {
    /// Takes one call down the road.
    ///
    /// # Errors
    /// [`ServiceError`]; its kind says what to do, its entry where the refusal is recorded.
    pub async fn perform<O: Operation>(&self, call: Call<O>) -> Result<Released<O::Output>, ServiceError> {
        self.perform_as(&Who::Caller, &call, None).await
    }

    /// Waits for the turn of a caller that brings a batch of so many bytes, before anything is made of them.
    ///
    /// # Errors
    /// Unauthenticated; overloaded when the caller's principal has too much waiting.
    pub async fn batch_turn(
        &self,
        presented: &claviger_access::Presented,
        source: claviger_core::Source,
        listener: ListenerName,
        bytes: usize,
    ) -> Result<BatchTurn, ServiceError> {
        let (epoch, now) = (self.state.fence.epoch(), self.state.time.now());
        let caller = self.authenticate(presented, source, listener, epoch, now).await?;
        self.work.enter_batch(caller.principal().id, bytes).await.map(BatchTurn)
    }

    /// Takes a batch down the road whose turn it is.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn perform_in_turn<O: Operation>(
        &self,
        call: Call<O>,
        turn: &BatchTurn,
    ) -> Result<Released<O::Output>, ServiceError> {
        self.perform_as(&Who::Caller, &call, Some(&turn.0)).await
    }

    /// Takes a call of the system itself down the same road.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn perform_for_system<O: Operation>(
        &self,
        principal: Arc<Principal>,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let call = Call {
            presented: claviger_access::Presented::None,
            source: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST).into(),
            listener: ListenerName::Control,
            plane: Plane::Control,
            dry_run: false,
            request_id: None,
            idempotency_key: None,
            reason: None,
            operation,
        };
        self.perform_as(&Who::System(principal), &call, None).await
    }

    async fn perform_as<O: Operation>(
        &self,
        who: &Who,
        call: &Call<O>,
        batch: Option<&Held>,
    ) -> Result<Released<O::Output>, ServiceError> {
        let asked = Asked::of(call);
        let mut turn = None;
        for _ in 0..ATTEMPTS {
            let row = match self.attempt(who, &call.operation, &asked, batch, turn.as_ref()).await {
                Ok(released) => return Ok(released),
                Err(Ended::Failed(error)) => return Err(error),
                Err(Ended::Again(row)) => row,
            };
            // Whoever lost once waits for those before it instead of racing them. A turn is kept until the call is answered.
            if let Some(row) = row.filter(|row| !turn.as_ref().is_some_and(|turn: &Turn| turn.is_for(row))) {
                drop(turn.take());
                let urgent = asked.action.effect() == Effect::Restrict;
                turn = Some(self.turns.wait(row, urgent).await.ok_or_else(overloaded)?);
            }
        }
        Err(ServiceError::new(ErrorKind::Conflict, "others changed the same thing in between; try again"))
    }

    async fn attempt<O: Operation>(
        &self,
        who: &Who,
        operation: &O,
        asked: &Asked<'_>,
        batch: Option<&Held>,
        turn: Option<&Turn>,
    ) -> Result<Released<O::Output>, Ended> {
        let (mut admitted, decided) = self.admit(who, asked, batch).await?;
        let (outcome, shut) = match decided {
            Ok(decided) => self.run(operation, asked, &mut admitted, decided).await,
            Err(refused) => (Err(refused), None),
        };
        let pending = match outcome {
            // In a box: what is waited for here would lie in the future of every call otherwise.
            Ok(staged) if staged.quorum().is_some() || staged.step().is_some() => {
                Box::pin(self.submit_under_quorum(asked, admitted, staged, turn)).await?
            }
            outcome => match self.outgoing(admitted, outcome, turn)? {
                outgoing if outgoing.submission.has_no_facts() => self.submit(outgoing)?,
                outgoing => Box::pin(self.submit_with_facts(asked, outgoing)).await?,
            },
        };
        let receipt = self.receipt(asked, pending).await?;
        // What is not done has no receipt that lets anything out.
        let shut = shut.ok_or_else(|| ServiceError::new(ErrorKind::Internal, "nothing was staged"))?;
        Ok(shut.release(receipt))
    }

    /// Finds out who calls and whether they may, and has the session that the entry will name. A refusal goes on to be recorded.
    async fn admit(
        &self,
        who: &Who,
        asked: &Asked<'_>,
        batch: Option<&Held>,
    ) -> Result<(Admitted<'_>, Result<Decided, Refused>), Ended> {
        if self.queue.is_full() {
            return Err(overloaded().into());
        }
        let epoch = self.state.fence.epoch();
        let now = self.state.time.now();
        let caller = match who {
            Who::System(principal) => self.system_caller(principal)?,
            Who::Caller => {
                self.authenticate(asked.presented, asked.source, asked.listener, epoch, now).await?
            }
        };
        let action = asked.action;
        // Given back when this attempt has ended: what waits for the log is then bounded as well.
        let under_way = Op::from(action).uses_material().then(|| self.queue.begin());
        let places = Places::of_call(under_way, batch);
        if action.effect() == Effect::Restrict {
            places.enter(&self.work, Class::Restriction, caller.principal().id).await?;
        }
        let mut why = None;
        let decided = match self.decide(&caller, asked, epoch, now, &places).await {
            Ok(decided) => match reason::why_of(action, asked.reason, asked.plane, &caller) {
                Ok(found) => {
                    why = found;
                    Ok(decided)
                }
                Err(error) => {
                    let detail = EntryDetail { key: decided.target.key_id(), ..EntryDetail::default() };
                    Err(Refused::recorded(error, detail))
                }
            },
            Err(refused) => Err(refused),
        };
        let (room, least_room) = (self.room(), room::least_room(&caller, action));
        // Before anything is written: a session has an entry, too, and so has a refusal.
        if room != Room::Plenty && (decided.is_err() || !self.has_room(least_room, action)) {
            return Err(self.refuse_for_space().into());
        }
        let session = match self.session(&caller, now).await {
            Ok(session) => session,
            Err(error) if room::is_full(&error) && self.has_been_given_room(room, least_room) => {
                return Err(Ended::Again(None));
            }
            Err(error) => return Err(error.into()),
        };
        let header = EntryHeader {
            op: action.into(),
            at: now,
            actor: session.as_ref().map(|session| session.actor),
            session: session.as_ref().map(|session| session.index),
            request_tag: asked.request_id.map(|id| self.state.request_tag(id)),
            policy: None,
            identity: None,
        };
        let dependencies = Dependencies {
            principal: Some(caller.principal().id),
            credential: caller.credential().map(|credential| credential.id),
            ..Dependencies::default()
        };
        Ok((Admitted { epoch, caller, places, why, room, least_room, header, dependencies }, decided))
    }

    /// Runs what may be run: it reads and stages, and nothing is written. Gives what is to be written, and the result apart from it.
    async fn run<O: Operation>(
        &self,
        operation: &O,
        asked: &Asked<'_>,
        admitted: &mut Admitted<'_>,
        decided: Decided,
    ) -> (Result<Staged<()>, Refused>, Option<Shut<O::Output>>) {
        let Decided { permit, target, live, chain } = decided;
        admitted.header.policy = Some(permit.policy_digest());
        admitted.dependencies.key = target.key_id();
        admitted.dependencies.ring = target.ring_id();
        let view = View {
            state: &self.state,
            authorizer: &self.authorizer,
            caller: &admitted.caller,
            permit: &permit,
            now: admitted.header.at,
            target: &target,
            live: live.as_ref().map(|live| &live.thing),
            idempotency_key: asked.idempotency_key,
            why: admitted.why,
            reason: asked.reason,
            log: &self.log,
            usage: &self.usage,
            system: &self.facts,
            trust: self.trust.as_ref(),
            further: Mutex::default(),
            no_room: &self.no_room,
            work: &self.work,
            places: &admitted.places,
        };
        let (staged, shut) = match operation.run(&view).await {
            Ok(staged) => {
                let (staged, shut) = staged.shut();
                (Ok(staged), Some(shut))
            }
            Err(error) => (Err(self.failed(error, asked.action, &view)), None),
        };
        admitted.dependencies.chain = Chain::join(chain, view.into_further());
        match staged {
            Ok(staged) => match Self::unfit(asked, &staged) {
                None => (Ok(staged), shut),
                Some(refused) => (Err(refused), None),
            },
            Err(refused) => (Err(refused), None),
        }
    }

    /// What a call gets whose operation failed.
    fn failed(&self, error: ServiceError, action: Action, view: &View<'_>) -> Refused {
        let detail = EntryDetail { outcome: entry_outcome(error.kind()), ..view.detail() };
        if Op::from(action).uses_material() {
            self.state.alerts.note_refused_use(&error, detail.key);
        }
        Refused { error: error.about(detail.key), detail, kept: None }
    }

    /// Why what was staged is not done: it does not say all that it must, or the caller only asks whether it would be done.
    fn unfit(asked: &Asked<'_>, staged: &Staged<()>) -> Option<Refused> {
        let action = asked.action;
        let internal = |message: &'static str| {
            let error = ServiceError::new(ErrorKind::Internal, message);
            Some(Refused::recorded(error, EntryDetail::default()))
        };
        let is_said = quorum::is_said(staged, action);
        debug_assert!(is_said, "`{action}` does not say whether others must approve it");
        if !is_said {
            // An act of the table whose operation forgot to say is not done.
            return internal("the call does not say whether others must approve it");
        }
        if staged.asked().is_some_and(|asked| asked.action() != action) {
            // What was asked for is what was decided on, in the one form that is compared, shown and kept.
            return internal("the call is not what it says");
        }
        // Whether it would be done is for those to say who must approve it.
        let is_for_others = staged.quorum().is_some() || staged.step().is_some();
        (asked.dry_run && !is_for_others).then(|| Refused::dry(staged))
    }

    /// Hands over what others must approve first, if they have; or what waits for them.
    async fn submit_under_quorum<'q>(
        &'q self,
        asked: &Asked<'_>,
        mut admitted: Admitted<'q>,
        staged: Staged<()>,
        turn: Option<&Turn>,
    ) -> Result<Pending<'q>, Ended> {
        let outcome = self.under_quorum(asked.dry_run, &mut admitted, staged).await?;
        let outgoing = self.outgoing(admitted, outcome, turn)?;
        self.submit_with_facts(asked, outgoing).await
    }

    /// What is to be written of how a call went.
    fn outgoing<'q>(
        &self,
        admitted: Admitted<'q>,
        outcome: Result<Staged<()>, Refused>,
        turn: Option<&Turn>,
    ) -> Result<Outgoing<'q>, Ended> {
        let Admitted { epoch, caller, places, mut why, room, least_room, mut header, mut dependencies } =
            admitted;
        let mut rights = None;
        let (changes, restricts, details, end) = match outcome {
            Ok(staged) => {
                rights = staged.rights;
                (dependencies.other_key, dependencies.other_ring) = staged.other.unzip();
                let (changes, restricts, details) = staged.split();
                (changes, restricts, details, Ok(()))
            }
            Err(Refused { error, kept: None, .. }) if self.room() != Room::Plenty => return Err(error.into()),
            // What waits for others takes room, and takes nothing out of use.
            Err(Refused { .. }) if self.room() != Room::Plenty => return Err(self.refuse_for_space().into()),
            Err(Refused { error, detail, kept }) => {
                let changes = kept.map(|kept| kept.take(&mut header, &mut why)).unwrap_or_default();
                (changes, Vec::new(), EntryDetails::from(detail), Err(error))
            }
        };
        let row = RowKey::written_by(&changes);
        if let Some(row) = &row
            && restricts.is_empty()
            && !turn.is_some_and(|turn| turn.is_for(row))
            && self.turns.is_awaited(row)
        {
            return Err(Ended::Again(Some(row.clone())));
        }
        let by = caller.principal().id;
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            header,
            details,
            changes,
            facts: None,
            restricts,
            epoch,
            dependencies,
            rights,
            least_room,
            reply,
        };
        Ok(Outgoing { by, why, end, row, places, room, submission, answer })
    }

    /// Hands it over with the facts of what it changes.
    async fn submit_with_facts<'q>(
        &self,
        asked: &Asked<'_>,
        mut outgoing: Outgoing<'q>,
    ) -> Result<Pending<'q>, Ended> {
        let Outgoing { by, why, submission, .. } = &mut outgoing;
        if !submission.has_no_facts() {
            let at = submission.header.at;
            let given = Given { why: *why, reason: asked.reason, action: asked.action, by: *by, at };
            submission.facts = self.facts_of(given, &mut submission.changes).await?;
        }
        self.submit(outgoing)
    }

    /// Hands it over.
    fn submit<'q>(&self, outgoing: Outgoing<'q>) -> Result<Pending<'q>, Ended> {
        let Outgoing { end, row, places, room, submission, answer, .. } = outgoing;
        let (opened, least_room) = (gate::Opened::now(self.clock.as_ref()), submission.least_room);
        match self.queue.submit(submission) {
            Ok(()) => Ok(Pending { answer, end, row, opened, _places: places, room, least_room }),
            Err(why) => Err(self.unfinished(why, row, room, least_room)),
        }
    }

    /// Waits until it is durable. Gives the receipt of what was done, and the refusal of what was not.
    async fn receipt(&self, asked: &Asked<'_>, pending: Pending<'_>) -> Result<Receipt, Ended> {
        let Pending { answer, end, row, opened, _places, room, least_room } = pending;
        let receipt = match answer.await.unwrap_or(Err(NotCommitted::Stopped)) {
            Ok(receipt) => receipt,
            Err(why) => return Err(self.unfinished(why, row, room, least_room)),
        };
        end.map_err(|error| error.recorded_at(receipt.index()))?;
        if asked.action == Action::AssignRole
            // In a box: what is waited for here would lie in the future of every call otherwise.
            && let Err(error) = Box::pin(self.state.open_subjects()).await
        {
            tracing::debug!(%error, "the subject key of a new role-holder waits for the root");
        }
        if opened.lets_out(self.clock.as_ref()) {
            return Ok(receipt);
        }
        self.record_suppressed(receipt.index());
        let withheld = "it was done and recorded, but the result came too late to be let out; try again";
        Err(ServiceError::new(ErrorKind::Withheld, withheld).recorded_at(receipt.index()).into())
    }

    /// How an attempt ends that is not in the log.
    fn unfinished(&self, why: NotCommitted, row: Option<RowKey>, room: Room, least_room: Room) -> Ended {
        match why {
            NotCommitted::Conflict => Ended::Again(row),
            NotCommitted::Fenced => Ended::Again(None),
            NotCommitted::Failed(StoreError::Full) if self.has_been_given_room(room, least_room) => {
                Ended::Again(None)
            }
            NotCommitted::NoRoom => self.refuse_for_space().into(),
            other => not_committed(other).into(),
        }
    }

    /// Hands a submission to the sequencer and waits for its receipt.
    pub(crate) async fn commit(
        &self,
        submission: impl FnOnce(Reply) -> Submission,
    ) -> Result<Receipt, NotCommitted> {
        let (reply, answer) = oneshot::channel();
        self.queue.submit(submission(reply))?;
        answer.await.map_err(|_| NotCommitted::Stopped)?
    }

    async fn decide(
        &self,
        caller: &Caller,
        asked: &Asked<'_>,
        epoch: u64,
        now: Timestamp,
        places: &Places<'_>,
    ) -> Result<Decided, Refused> {
        let action = asked.action;
        if let Some(refused) = misused_code(caller, action) {
            return Err(refused);
        }
        // The plane, before anything is looked up: the answer discloses nothing of what exists.
        let kind = caller.principal().kind;
        if !asked.plane.serves(kind, action) || admits(kind, action).is_err() {
            let error = ServiceError::new(ErrorKind::Denied, "you may not do this");
            let error = error.explained(right_plane(asked.plane, kind));
            return Err(Refused::recorded(error, EntryDetail::default()));
        }
        let (target, live) = self
            .state
            .resolve(asked.target, caller.principal().home, epoch)
            .await
            .map_err(|error| Refused::recorded(error, EntryDetail::default()))?;
        if let Some(key) = target.key_id() {
            let remembered = self.state.remembered(&(caller.credential_id(), action, key), epoch);
            if let Some(kept) = remembered
                && let Some(permit) = kept.thing.permit(caller, action, &target, now)
            {
                return Ok(Decided { permit, target, live, chain: kept.chain() });
            }
        }
        Box::pin(self.decide_anew(caller, asked, target, live, now, places)).await
    }

    async fn decide_anew(
        &self,
        caller: &Caller,
        asked: &Asked<'_>,
        target: Target,
        live: Option<Arc<Cached<LoadedKey>>>,
        now: Timestamp,
        places: &Places<'_>,
    ) -> Result<Decided, Refused> {
        // No batch waits for a decision.
        let _aside = places.set_aside();
        let action = asked.action;
        let key = target.key_id();
        let detail = EntryDetail { key, ..EntryDetail::default() };
        let (sequence, good_at) = (self.state.fence.sequence(), self.state.fence.epoch());
        let question = Question { caller, action, target: &target, now };
        let contexts = asked.items.contexts();
        let ruling = self.rule(&question, contexts, places).await;
        let Ruling { decision, chain } = ruling.map_err(|error| Refused::recorded(error, detail.clone()))?;
        let (permit, cacheable) = match decision {
            Decision::Deny(denial) => {
                let is_of_plane = matches!(denial.reason, DenyReason::NoRule | DenyReason::Forbidden(_));
                let plane = right_plane(asked.plane, caller.principal().kind).filter(|_| is_of_plane);
                return Err(Refused::by_policy(denial, detail, plane));
            }
            Decision::Permit { permit, cacheable } => (permit, cacheable),
        };
        if let (Some(cacheable), Some(key)) = (cacheable, key) {
            let dependencies = Dependencies {
                principal: Some(caller.principal().id),
                credential: Some(caller.credential_id()),
                key: Some(key),
                ring: target.ring_id(),
                chain: chain.clone(),
                ..Dependencies::default()
            };
            let kept = Arc::new(Cached::new(cacheable, dependencies, good_at));
            self.state.remember((caller.credential_id(), action, key), kept, sequence);
        }
        Ok(Decided { permit, target, live, chain })
    }

    /// Decides on all items of a call: every one must be permitted, and a decision that depends on no context stands for all.
    async fn rule(
        &self,
        question: &Question<'_>,
        contexts: Vec<Pairs>,
        places: &Places<'_>,
    ) -> Result<Ruling, ServiceError> {
        let store = self.state.store.as_ref();
        let mut contexts = contexts.into_iter();
        let first = vec![contexts.next().unwrap_or_default()];
        let who = question.caller.principal().id;
        let mut ruling = {
            // What takes something out of use waits for nobody's decisions.
            let restricts = question.action.effect() == Effect::Restrict;
            let _place = if restricts { None } else { Some(self.work.enter(Class::Decision, who).await?) };
            question.rule(store, &self.authorizer, first).await?
        };
        let others: Vec<_> = contexts.collect();
        for some in others.chunks(DECIDED_TOGETHER) {
            if ruling.decision.permit().is_none() || ruling.decision.is_unconditional() {
                break;
            }
            // Where it is long, it is work like the uses that follow.
            places.enter(&self.work, Class::Batch, who).await?;
            let next = question.rule(store, &self.authorizer, some.to_vec()).await?;
            ruling = Ruling { chain: Chain::join(ruling.chain, next.chain), ..next };
        }
        Ok(ruling)
    }
}

/// A code enrols its holder and does nothing else, whatever rights they have; and nothing else enrols anybody.
fn misused_code(caller: &Caller, action: Action) -> Option<Refused> {
    let by_code = caller.credential().is_some_and(|shown| shown.kind == CredentialKind::EnrolmentCode);
    let message = match (by_code, action == Action::Enrol) {
        (true, true) | (false, false) => return None,
        (true, false) => "a code is good for one thing, which is to enrol: redeem it by `claviger enrol`",
        (false, true) => {
            "enrolment takes a code, which a security officer makes; who has a credential renews it, by `claviger credential renew`"
        }
    };
    Some(Refused::recorded(ServiceError::new(ErrorKind::Denied, message), EntryDetail::default()))
}

/// The contexts of a call's items, those that follow each other only once; one that is empty when there are none.
fn distinct<'c>(contexts: impl Iterator<Item = &'c Context>) -> Vec<Pairs> {
    let pairs = |context: &Context| {
        context.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let mut contexts: Vec<Pairs> = contexts.map(pairs).collect();
    contexts.dedup();
    if contexts.is_empty() {
        contexts.push(Vec::new());
    }
    contexts
}

/// A call that may run.
struct Decided {
    permit: claviger_core::permit::Permit,
    target: Target,
    live: Option<Arc<Cached<LoadedKey>>>,
    /// What the permit depends on that was passed on.
    chain: Option<Arc<Chain>>,
}

/// A call that may not.
struct Refused {
    error: ServiceError,
    detail: EntryDetail,
    /// What is written all the same, where others must approve what is asked for.
    kept: Option<Box<Kept>>,
}

impl Refused {
    /// What would have been done is recorded in the log as no more than that, and leaves no result.
    fn dry<T>(staged: &Staged<T>) -> Self {
        let error = ServiceError::new(ErrorKind::DryRun, "it would have been done");
        let detail = staged.details.first().cloned().unwrap_or_default();
        Self {
            error: error.about(detail.key),
            detail: EntryDetail { outcome: EntryOutcome(Outcome::DryRun), ..detail },
            kept: None,
        }
    }

    fn recorded(error: ServiceError, detail: EntryDetail) -> Self {
        let detail = EntryDetail { outcome: EntryOutcome(outcome_of(error.kind())), ..detail };
        Self { error, detail, kept: None }
    }

    fn by_policy(denial: Denial, detail: EntryDetail, plane: Option<&str>) -> Self {
        if !denial.hidden {
            let error = ServiceError::denied_by(denial.reason).explained(plane);
            return Self::recorded(error.about(detail.key), detail);
        }
        // What you may not see is not found; the log knows better.
        let error = ServiceError::not_found().caused_by(denial.reason).hiding(detail.key);
        let detail = EntryDetail { outcome: EntryOutcome(Outcome::Denied), ..detail };
        Self { error, detail, kept: None }
    }
}

/// The plane for callers of that kind, for one that came by the other.
const fn right_plane(plane: Plane, kind: PrincipalKind) -> Option<&'static str> {
    match (plane, kind) {
        (Plane::Control, PrincipalKind::Workload) => {
            Some("applications call the data plane, which has another address")
        }
        (Plane::Data, PrincipalKind::Human | PrincipalKind::System) => {
            Some("people call the control plane, which has another address; keys are used by applications")
        }
        (Plane::Control, PrincipalKind::Human | PrincipalKind::System)
        | (Plane::Data, PrincipalKind::Workload)
        | (Plane::Mixed, _) => None,
    }
}

pub(crate) fn overloaded() -> ServiceError {
    ServiceError::new(ErrorKind::Overloaded, "too many calls wait; try again in a moment")
}

pub(crate) fn not_committed(why: NotCommitted) -> ServiceError {
    let unavailable = |message: &'static str| ServiceError::new(ErrorKind::Unavailable, message);
    match why {
        NotCommitted::Conflict | NotCommitted::Fenced => {
            ServiceError::new(ErrorKind::Conflict, "others changed the same thing in between; try again")
        }
        NotCommitted::Failed(error @ StoreError::RowAltered(_)) => error.into(),
        NotCommitted::Failed(error) => {
            unavailable("the record could not be written, so nothing was done").caused_by(error)
        }
        NotCommitted::NoRoom => room::no_room(),
        NotCommitted::Overloaded => overloaded(),
        NotCommitted::Stopped => {
            unavailable("the log has stopped; whether this was recorded shows after a restart")
        }
        NotCommitted::Unconfirmed(index) => unavailable(
            "recorded, not confirmed: it is in the log, but its checkpoint could not be kept beside the store, so that an older store would not be refused; the service stops",
        )
        .recorded_at(index),
        NotCommitted::EncodeError(error) => {
            ServiceError::new(ErrorKind::Internal, "the log has no form for this call, so nothing was done")
                .caused_by(error)
        }
    }
}
