//! Random histories of requests, decisions, cancellations, changes of what was shown, lost roles, revocations, restarts and jumps of the
//! clock, held against a plain model with its own idea of the truth: nothing that others must approve is done without as many valid
//! approvals as its rule asks for then, no person is counted twice, and nothing is done twice or otherwise than shown.
//!
//! A history of a failure is kept in `proptest-regressions`, and is tried first from then on.

#![expect(
    clippy::indexing_slicing,
    reason = "a step that points beyond what there is is a mistake of this test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_access::authn::certificate::fingerprint;
use claviger_core::approval::{Outcome, Verdict};
use claviger_core::key::{KeyRecord, State};
use claviger_core::port::Store as _;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{ApprovalId, Purpose, Spec, Timestamp};
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ServiceError};
use proptest::prelude::*;

use crate::approvals::{CUSTODIANS, Deciding};
use crate::deployment::{DAY, certificate_of};
use crate::evidence::hold;

/// How many by night; a few otherwise.
const MOST: u32 = 100_000;
const FEW: u32 = 8;
const HOUR: Duration = Duration::from_secs(3600);
/// How many must approve, everywhere here.
const QUORUM: usize = 2;
/// How long a destruction waits.
const WAIT: Duration = Duration::from_secs(30 * 86_400);
const KEYS: usize = 2;
const PEOPLE: [&str; 2] = ["nora", "nils"];
/// Those who decide; the last one is another account of the first.
const DECIDING: [&str; 4] = [CUSTODIANS[0], CUSTODIANS[1], CUSTODIANS[2], "carl-2"];

/// The person behind an account.
fn person_of(custodian: usize) -> usize {
    if custodian == 3 { 0 } else { custodian }
}

/// What others must approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// To destroy a key.
    Destroy(usize),
    /// To give a person a role.
    Role(usize),
    /// To have the ring wait for so many days before destruction, or fewer.
    Wait(u32),
}

impl Act {
    fn requester(self) -> &'static str {
        match self {
            Self::Destroy(_) | Self::Wait(_) => "ada",
            Self::Role(_) => "otto",
        }
    }
}

/// One step. Numbers choose among what there is, and wrap around.
#[derive(Clone, Debug)]
enum Step {
    Ask(Act),
    Cancel { which: usize, by: usize },
    CancelDestroy { key: usize },
    Crash,
    Decide { which: usize, by: usize, approve: bool },
    Execute { which: usize, by: usize },
    Jump { hours: u32 },
    Restart,
    RevokeCertificate { of: usize },
    RevokePrincipal { of: usize },
    Touch { what: usize },
    WithdrawRole { of: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..KEYS).prop_map(Act::Destroy),
        2 => (0..PEOPLE.len()).prop_map(Act::Role),
        1 => prop_oneof![Just(9_u32), Just(20), Just(30)].prop_map(Act::Wait),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let one = || 0_usize..12;
    prop_oneof![
        10 => act().prop_map(Step::Ask),
        16 => (one(), 0..DECIDING.len(), prop::bool::weighted(0.93))
            .prop_map(|(which, by, approve)| Step::Decide { which, by, approve }),
        6 => (one(), one()).prop_map(|(which, by)| Step::Execute { which, by }),
        1 => (one(), one()).prop_map(|(which, by)| Step::Cancel { which, by }),
        1 => (0..KEYS).prop_map(|key| Step::CancelDestroy { key }),
        3 => prop_oneof![1_u32..30, 100_u32..240].prop_map(|hours| Step::Jump { hours }),
        1 => (0_usize..4).prop_map(|what| Step::Touch { what }),
        1 => (0..DECIDING.len()).prop_map(|of| Step::WithdrawRole { of }),
        1 => (0..DECIDING.len()).prop_map(|of| Step::RevokeCertificate { of }),
        1 => (0..DECIDING.len()).prop_map(|of| Step::RevokePrincipal { of }),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

/// What a row was at, as the model counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Key(usize),
    Person(usize),
    Ring,
}

/// An approval, as the model has it.
#[derive(Clone, Debug)]
struct Known {
    id: ApprovalId,
    act: Act,
    seen: Vec<(Row, u32)>,
    expires_at: Timestamp,
    /// Which accounts approved it.
    approved: Vec<usize>,
    denied: Option<usize>,
    outcome: Option<Outcome>,
}

/// One who decides, as the model has them.
#[derive(Clone, Copy, Debug)]
struct Custodian {
    has_role: bool,
    is_active: bool,
    /// That of the certificate by which it signs.
    expires_at: Timestamp,
    is_certified: bool,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Destroyed,
    InUse,
    /// Out of use for a while, as after a destruction that was cancelled.
    Suspended,
    /// It waits, by that approval, until then.
    Waiting(usize, Timestamp),
}

struct Model {
    approvals: Vec<Known>,
    custodians: [Custodian; 4],
    keys: [Life; KEYS],
    has_role: [bool; PEOPLE.len()],
    wait_days: u32,
    revisions: BTreeMap<Row, u32>,
}

/// Whether something is so before and after a call, or may be either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    No,
    Perhaps,
    Yes,
}

/// The instants between which a call was decided.
#[derive(Clone, Copy, Debug)]
struct During {
    from: Timestamp,
    to: Timestamp,
}

impl During {
    fn is_past(self, instant: Timestamp) -> Sure {
        match (self.from >= instant, self.to >= instant) {
            (true, _) => Sure::Yes,
            (false, true) => Sure::Perhaps,
            (false, false) => Sure::No,
        }
    }
}

/// What a call comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// It is done, by that approval or by none.
    Done(Option<usize>),
    /// It is refused, and nothing changes.
    Refused(ErrorKind),
    /// What was asked for is over, because something has moved.
    Moved(usize),
    /// It waits for others: for the one that is there, or for a new one.
    Waits(Option<usize>),
    /// The clock decides, and the model does not know how.
    Either,
}

impl Model {
    fn revision(&self, row: Row) -> u32 {
        self.revisions.get(&row).copied().unwrap_or_default()
    }

    fn moved(&mut self, row: Row) {
        *self.revisions.entry(row).or_default() += 1;
    }

    fn rows(act: Act) -> Vec<Row> {
        match act {
            Act::Destroy(key) => vec![Row::Key(key), Row::Ring],
            Act::Role(person) => vec![Row::Person(person)],
            Act::Wait(_) => vec![Row::Ring],
        }
    }

    fn seen(&self, act: Act) -> Vec<(Row, u32)> {
        Self::rows(act).into_iter().map(|row| (row, self.revision(row))).collect()
    }

    /// How many persons approved it who may still; `None` where the clock decides.
    fn valid(&self, approval: usize, during: During) -> Option<usize> {
        let mut persons = BTreeSet::new();
        for account in &self.approvals[approval].approved {
            let Custodian { has_role, is_active, expires_at, is_certified } = self.custodians[*account];
            match during.is_past(expires_at) {
                Sure::Perhaps => return None,
                Sure::No if has_role && is_active && is_certified => {
                    persons.insert(person_of(*account));
                }
                Sure::No | Sure::Yes => {}
            }
        }
        Some(persons.len())
    }

    /// The newest that asked for this.
    fn newest(&self, act: Act) -> Option<usize> {
        (0..self.approvals.len()).rev().find(|at| self.approvals[*at].act == act)
    }

    /// What becomes of a call that asks for this.
    fn asking(&self, act: Act, during: During) -> Expected {
        match act {
            Act::Destroy(key) => match self.keys[key] {
                Life::Destroyed => return Expected::Refused(ErrorKind::WrongState),
                Life::Waiting(approval, _) => match self.valid(approval, during) {
                    Some(valid) if valid >= QUORUM => return Expected::Refused(ErrorKind::WrongState),
                    Some(_) => {}
                    None => return Expected::Either,
                },
                Life::InUse | Life::Suspended => {}
            },
            Act::Role(person) if self.has_role[person] => return Expected::Done(None),
            // What asks for no less, and what binds no key any more.
            Act::Wait(days) if days >= self.wait_days || self.keys == [Life::Destroyed; KEYS] => {
                return Expected::Done(None);
            }
            Act::Role(_) | Act::Wait(_) => {}
        }
        let Some(at) = self.newest(act) else { return Expected::Waits(None) };
        let known = &self.approvals[at];
        let is_past = during.is_past(known.expires_at);
        match (known.outcome, is_past) {
            (None | Some(Outcome::Denied), Sure::Perhaps) => Expected::Either,
            (Some(Outcome::Denied), Sure::No) => Expected::Refused(ErrorKind::Denied),
            (None, Sure::No) if known.seen != self.seen(act) => Expected::Moved(at),
            (None, Sure::No) => match self.valid(at, during) {
                Some(valid) if valid >= QUORUM => Expected::Done(Some(at)),
                Some(_) => Expected::Waits(Some(at)),
                None => Expected::Either,
            },
            _ => Expected::Waits(None),
        }
    }
}

struct History {
    deciding: Option<Deciding>,
    keys: Vec<KeyRecord>,
    model: Model,
    /// What was done, by which approval: each once.
    executed: BTreeSet<ApprovalId>,
}

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

impl History {
    async fn begin() -> Self {
        let mut deciding = Deciding::build(0).await;
        let now = deciding.deployment.clock.wall();
        let person = |name: &str, same_person_as: Option<&str>| CreatePrincipal {
            name: name.parse().unwrap(),
            kind: PrincipalKind::Human,
            home: None,
            environment: None,
            same_person_as: same_person_as.map(principal),
        };
        for name in PEOPLE {
            deciding.deployment.ask("olga", person(name, None)).await.unwrap();
        }
        deciding.deployment.ask("olga", person("carl-2", Some("carl"))).await.unwrap();
        let what = NewCredential::Certificate {
            der: certificate_of("carl-2"),
            chain: Vec::new(),
            expires_at: now.after(DAY * 3650),
        };
        let create = CreateCredential {
            principal: principal("carl-2"),
            label: "card".parse().unwrap(),
            what,
            to_confirm: false,
        };
        deciding.deployment.ask("olga", create).await.unwrap();
        let assign = AssignRole { principal: principal("carl-2"), role: Role::Custodian };
        deciding.deployment.ask("otto", assign).await.unwrap();
        deciding.enter("carl-2").await;
        let quorum = u8::try_from(QUORUM).unwrap();
        let rules = SetGovernance { quorum: Some(quorum), ..SetGovernance::default() };
        deciding.deployment.ask("otto", rules).await.unwrap();
        let mut keys = Vec::new();
        for key in 0..KEYS {
            let name = format!("key-{key}");
            keys.push(deciding.deployment.key(&name, Purpose::Encrypt, Spec::Aes256Gcm).await);
        }
        let mut expires_at = Vec::new();
        for name in DECIDING {
            let digest = fingerprint(deciding.signers[name].certificate());
            let found = deciding.deployment.store.find_credential_by_digest(&digest).await.unwrap().unwrap();
            expires_at.push(found.expires_at);
        }
        let custodian = |at: usize| Custodian {
            has_role: true,
            is_active: true,
            expires_at: expires_at[at],
            is_certified: true,
        };
        let model = Model {
            approvals: Vec::new(),
            custodians: [custodian(0), custodian(1), custodian(2), custodian(3)],
            keys: [Life::InUse; KEYS],
            has_role: [false; PEOPLE.len()],
            wait_days: 30,
            revisions: BTreeMap::new(),
        };
        Self { deciding: Some(deciding), keys, model, executed: BTreeSet::new() }
    }

    fn deciding(&self) -> &Deciding {
        self.deciding.as_ref().unwrap()
    }

    fn now(&self) -> Timestamp {
        self.deciding().deployment.clock.wall()
    }

    async fn ask(&self, act: Act) -> Result<(), ServiceError> {
        let deployment = &self.deciding().deployment;
        let by = act.requester();
        match act {
            Act::Destroy(key) => {
                let schedule =
                    ScheduleDestroy { key: KeyRef::Id(self.keys[key].key.id), waiting: Some(WAIT) };
                deployment.ask(by, schedule).await.map(drop)
            }
            Act::Role(person) => {
                let assign = AssignRole { principal: principal(PEOPLE[person]), role: Role::Operator };
                deployment.ask(by, assign).await.map(drop)
            }
            Act::Wait(days) => {
                let patch = RingPatch { destroy_waiting_period: Some(DAY * days), ..RingPatch::default() };
                let update = UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None };
                deployment.ask(by, update).await.map(drop)
            }
        }
    }

    /// Holds what became of a call against what the model says of it, and takes it over.
    async fn hold_asked(&mut self, act: Act, done: Result<(), ServiceError>, expected: Expected) {
        let told = done.as_ref().err().map(ServiceError::kind);
        match expected {
            Expected::Done(by) => {
                assert_eq!(told, None, "{act:?}: {done:?}");
                self.take_effect(act, by).await;
            }
            Expected::Refused(kind) => assert_eq!(told, Some(kind), "{act:?}: {done:?}"),
            Expected::Moved(at) => {
                assert_eq!(told, Some(ErrorKind::Conflict), "{act:?}: {done:?}");
                self.model.approvals[at].outcome = Some(Outcome::Moved);
            }
            Expected::Waits(known) => {
                assert_eq!(told, Some(ErrorKind::ApprovalRequired), "{act:?}: {done:?}");
                let id = done.unwrap_err().approval().unwrap();
                match known {
                    Some(at) => assert_eq!(self.model.approvals[at].id, id, "{act:?}"),
                    None => self.take_new(act, id).await,
                }
            }
            Expected::Either => self.look_again(act).await,
        }
    }

    /// A new approval was opened; what was open of the same before has expired.
    async fn take_new(&mut self, act: Act, id: ApprovalId) {
        assert!(self.model.approvals.iter().all(|known| known.id != id), "{act:?}: a new one");
        for known in self.model.approvals.iter_mut().filter(|known| known.act == act) {
            known.outcome.get_or_insert(Outcome::Expired);
        }
        let row = self.deciding().row(id).await;
        let seen = self.model.seen(act);
        let expires_at = row.expires_at;
        self.model.approvals.push(Known {
            id,
            act,
            seen,
            expires_at,
            approved: Vec::new(),
            denied: None,
            outcome: None,
        });
    }

    async fn take_effect(&mut self, act: Act, by: Option<usize>) {
        if let Some(at) = by {
            let known = &mut self.model.approvals[at];
            known.outcome = Some(Outcome::Executed);
            assert!(self.executed.insert(known.id), "{act:?} was done twice");
            assert_eq!(known.act, act, "done otherwise than shown");
        }
        match (act, by) {
            (Act::Destroy(key), Some(at)) => {
                let record = self.record(key).await;
                let destruction = record.key.destruction.unwrap();
                assert_eq!(destruction.approval, Some(self.model.approvals[at].id), "{act:?}");
                self.model.keys[key] = Life::Waiting(at, destruction.at);
                self.model.moved(Row::Key(key));
            }
            (Act::Role(person), Some(_)) => {
                self.model.has_role[person] = true;
                self.model.moved(Row::Person(person));
            }
            (Act::Wait(days), _) => {
                self.model.wait_days = days;
                self.model.moved(Row::Ring);
            }
            // It was so before.
            (Act::Role(_), None) => {}
            (Act::Destroy(_), None) => panic!("a key was to be destroyed by nobody's approval"),
        }
    }

    async fn record(&self, key: usize) -> KeyRecord {
        let store = &self.deciding().deployment.store;
        store.find_key(self.keys[key].key.id).await.unwrap().unwrap()
    }

    /// Where the clock decided, what is there is believed, as far as it can be so.
    async fn look_again(&mut self, act: Act) {
        for at in 0..self.model.approvals.len() {
            let id = self.model.approvals[at].id;
            let row = self.deciding().row(id).await;
            let ended = row.ended.map(|ended| ended.outcome);
            if ended == Some(Outcome::Executed) && self.model.approvals[at].outcome.is_none() {
                Box::pin(self.take_effect(act, Some(at))).await;
            }
            if ended.is_some() {
                self.model.approvals[at].outcome = ended;
            }
        }
        let newest = self.model.newest(act);
        let found = self.newest_of(act).await;
        if let Some(id) = found
            && newest.is_none_or(|at| self.model.approvals[at].id != id)
        {
            self.take_new(act, id).await;
        }
    }

    /// The newest approval that the store has of what this asks for.
    async fn newest_of(&self, act: Act) -> Option<ApprovalId> {
        let filter = claviger_core::port::store::ApprovalFilter {
            open: None,
            requester: None,
            now: Timestamp::default(),
        };
        let page = claviger_core::port::store::Page { after: None, limit: 1000 };
        let all = self.deciding().deployment.store.list_approvals(filter, page).await.unwrap();
        let known: BTreeSet<_> = self.model.approvals.iter().map(|known| known.id).collect();
        let new = all.into_iter().find(|row| !known.contains(&row.id));
        new.map(|row| row.id).or_else(|| self.model.newest(act).map(|at| self.model.approvals[at].id))
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Ask(act) => {
                let from = self.now();
                let done = self.ask(*act).await;
                let expected = self.model.asking(*act, During { from, to: self.now() });
                self.hold_asked(*act, done, expected).await;
            }
            Step::Execute { which, by } => Box::pin(self.execute(*which, *by)).await,
            Step::Decide { which, by, approve } => {
                Box::pin(self.decide(*which, *by, *approve)).await;
            }
            Step::Cancel { which, by } => Box::pin(self.cancel(*which, *by)).await,
            Step::CancelDestroy { key } => {
                let cancel = CancelDestroy { key: KeyRef::Id(self.keys[*key].key.id) };
                let done = self.deciding().deployment.ask("ada", cancel).await;
                let waits = matches!(self.model.keys[*key], Life::Waiting(..));
                assert_eq!(done.is_ok(), waits, "{done:?}");
                if waits {
                    self.model.keys[*key] = Life::Suspended;
                    self.model.moved(Row::Key(*key));
                }
            }
            Step::Jump { hours } => Box::pin(self.jump(*hours)).await,
            Step::Restart => {
                let Deciding { deployment, signers } = self.deciding.take().unwrap();
                self.deciding = Some(Deciding { deployment: deployment.restart().await, signers });
                Box::pin(self.do_what_is_due()).await;
            }
            Step::Crash => {
                let Deciding { deployment, signers } = self.deciding.take().unwrap();
                self.deciding = Some(Deciding { deployment: deployment.crash().await, signers });
                Box::pin(self.do_what_is_due()).await;
            }
            Step::Touch { what } => self.touch(*what).await,
            Step::WithdrawRole { of } => {
                let principal = principal(DECIDING[*of]);
                let withdraw = WithdrawRole { principal, role: Role::Custodian };
                let done = self.deciding().deployment.ask("otto", withdraw).await;
                assert_eq!(done.is_ok(), self.model.custodians[*of].has_role, "{done:?}");
                self.model.custodians[*of].has_role = false;
            }
            Step::RevokeCertificate { of } => {
                let digest = fingerprint(self.deciding().signers[DECIDING[*of]].certificate());
                let store = &self.deciding().deployment.store;
                let found = store.find_credential_by_digest(&digest).await.unwrap().unwrap();
                let revoke = RevokeCredential { credential: found.id };
                self.deciding().deployment.ask("otto", revoke).await.unwrap();
                self.model.custodians[*of].is_certified = false;
            }
            Step::RevokePrincipal { of } => {
                let revoke = RevokePrincipal { principal: principal(DECIDING[*of]) };
                self.deciding().deployment.ask("otto", revoke).await.unwrap();
                self.model.custodians[*of].is_active = false;
            }
        }
    }

    async fn touch(&mut self, what: usize) {
        let deployment = &self.deciding().deployment;
        if what < KEYS {
            let patch = KeyPatch { description: Some(format!("of {what}")), ..KeyPatch::default() };
            let key = KeyRef::Id(self.keys[what].key.id);
            let done = deployment.ask("ada", UpdateKey { key, patch, if_revision: None }).await;
            if done.is_ok() {
                self.model.moved(Row::Key(what));
            }
        } else {
            let days = self.model.wait_days;
            let patch = RingPatch { destroy_waiting_period: Some(DAY * days), ..RingPatch::default() };
            let update = UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None };
            deployment.ask("ada", update).await.unwrap();
            self.model.moved(Row::Ring);
        }
    }

    async fn execute(&mut self, which: usize, by: usize) {
        let Some(at) = which.checked_rem(self.model.approvals.len()) else { return };
        let Known { id, act, .. } = self.model.approvals[at];
        let who = match by {
            0 => "ada",
            1 => "otto",
            2 => "vera",
            3 => CUSTODIANS[0],
            _ => act.requester(),
        };
        let from = self.now();
        let done = self.deciding().execute(who, id).await;
        let during = During { from, to: self.now() };
        if who != act.requester() {
            let kinds = [ErrorKind::Denied, ErrorKind::NotFound, ErrorKind::Unauthenticated];
            assert!(kinds.contains(&done.unwrap_err().kind()), "{who} executes what {act:?} asks for");
            return;
        }
        let known = &self.model.approvals[at];
        let expected = match (known.outcome, during.is_past(known.expires_at)) {
            (None, Sure::No) => self.model.asking(act, during),
            (None, Sure::Perhaps) => Expected::Either,
            (Some(_), _) | (None, Sure::Yes) => Expected::Refused(ErrorKind::WrongState),
        };
        self.hold_asked(act, done.map(drop), expected).await;
    }

    async fn decide(&mut self, which: usize, by: usize, approve: bool) {
        let Some(at) = which.checked_rem(self.model.approvals.len()) else { return };
        let id = self.model.approvals[at].id;
        let verdict = if approve { Verdict::Approve } else { Verdict::Deny };
        let from = self.now();
        let done = match verdict {
            Verdict::Approve => self.deciding().approve(DECIDING[by], id).await,
            Verdict::Deny => self.deciding().deny(DECIDING[by], id).await,
        };
        let during = During { from, to: self.now() };
        let known = &self.model.approvals[at];
        let custodian = self.model.custodians[by];
        let may = custodian.has_role && custodian.is_active && custodian.is_certified;
        let has_approved = known.approved.contains(&by);
        let is_first = known.approved.iter().all(|other| person_of(*other) != person_of(by));
        let timely = [during.is_past(known.expires_at), during.is_past(custodian.expires_at)];
        if timely.contains(&Sure::Perhaps) {
            // Believed, as far as it can be so.
            if done.is_ok() {
                assert!(may && (is_first || has_approved), "{done:?}");
            }
        } else {
            let is_open = known.outcome.is_none() && timely[0] == Sure::No;
            let is_known = may && timely[1] == Sure::No;
            let again = (has_approved && approve) || (known.denied == Some(by) && !approve);
            let expected = is_known && (again || (is_open && is_first));
            assert_eq!(done.is_ok(), expected, "{} of {known:?}: {done:?}", DECIDING[by]);
        }
        if done.is_ok() && !has_approved {
            let known = &mut self.model.approvals[at];
            match verdict {
                Verdict::Approve => known.approved.push(by),
                Verdict::Deny => {
                    known.denied = Some(by);
                    known.outcome = Some(Outcome::Denied);
                }
            }
        }
    }

    async fn cancel(&mut self, which: usize, by: usize) {
        let Some(at) = which.checked_rem(self.model.approvals.len()) else { return };
        let Known { id, act, .. } = self.model.approvals[at];
        let who = ["ada", "otto", "vera"][by % 3];
        let from = self.now();
        let done = self.deciding().deployment.ask(who, CancelApproval { approval: id }).await;
        let during = During { from, to: self.now() };
        let known = &mut self.model.approvals[at];
        let may = who == act.requester() || who == "otto";
        let expected = match (known.outcome, during.is_past(known.expires_at)) {
            (None, Sure::Perhaps) => may && done.is_ok(),
            (None, Sure::No) | (Some(Outcome::Cancelled), _) => may,
            _ => false,
        };
        assert_eq!(done.is_ok(), expected, "{who} cancels {known:?}: {done:?}");
        if expected {
            known.outcome = Some(Outcome::Cancelled);
        }
    }

    async fn jump(&mut self, hours: u32) {
        self.deciding().deployment.clock.advance(HOUR * hours);
        self.do_what_is_due().await;
    }

    /// What is due is done now, that of a start included: a key is destroyed whose time is over and whose approvers still may, and no other.
    async fn do_what_is_due(&mut self) {
        let from = self.now();
        self.deciding().deployment.road.do_what_is_due().await;
        let during = During { from, to: self.now() };
        for key in 0..KEYS {
            let Life::Waiting(approval, at) = self.model.keys[key] else { continue };
            let enough = self.model.valid(approval, during).map(|valid| valid >= QUORUM);
            let is_destroyed = self.record(key).await.key.state.is_destroyed();
            if is_destroyed {
                assert!(during.to >= at && enough != Some(false), "key-{key} was destroyed");
                self.model.keys[key] = Life::Destroyed;
                self.model.moved(Row::Key(key));
            } else {
                // The log's time may lie a little behind.
                let is_overdue = during.from >= at.after(HOUR);
                assert!(!is_overdue || enough != Some(true), "key-{key} should have been destroyed");
            }
        }
    }

    /// What is there is what the model has.
    async fn compare(&self) {
        for known in &self.model.approvals {
            let row = self.deciding().row(known.id).await;
            let ended = row.ended.map(|ended| ended.outcome);
            assert_eq!(ended, known.outcome, "{known:?}");
            let approvers: Vec<_> = row.approvers().map(|decided| decided.by).collect();
            assert_eq!(approvers.len(), known.approved.len(), "{known:?}");
            let written = 1 + row.decisions.len() + usize::from(is_apart(ended));
            assert_eq!(row.revision, u64::try_from(written).unwrap(), "each decision and the end once");
        }
        for (at, name) in PEOPLE.iter().enumerate() {
            let name = name.parse().unwrap();
            let found = self.deciding().deployment.store.find_principal_by_name(&name);
            let has_role = !found.await.unwrap().unwrap().roles.is_empty();
            assert_eq!(has_role, self.model.has_role[at], "{name}");
        }
        for (at, life) in self.model.keys.iter().enumerate() {
            let key = self.record(at).await.key;
            match life {
                Life::Destroyed => assert_eq!(key.state, State::Destroyed),
                Life::InUse => assert_eq!((key.state, key.destruction), (State::Active, None)),
                Life::Suspended => assert_eq!((key.state, key.destruction), (State::Suspended, None)),
                Life::Waiting(approval, _) => {
                    let by = key.destruction.unwrap().approval;
                    assert_eq!(by, Some(self.model.approvals[*approval].id), "key-{at}");
                }
            }
        }
        let policy = self.record(0).await.ring.policy.clone();
        assert_eq!(policy.destroy_waiting_period, DAY * self.model.wait_days);
    }
}

/// Is that an end that is written by itself, and not with a decision?
fn is_apart(ended: Option<Outcome>) -> bool {
    ended.is_some_and(|outcome| outcome != Outcome::Denied)
}

async fn live_through(steps: &[Step]) {
    let mut history = History::begin().await;
    for step in steps {
        Box::pin(history.take(step)).await;
        history.compare().await;
    }
    let Deciding { deployment, .. } = history.deciding.take().unwrap();
    hold(&deployment).await;
    deployment.road.stop().await;
}

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<u32>().ok());
    let cases = asked.map_or(FEW, |cases| cases.min(MOST));
    ProptestConfig { cases, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_done_but_what_enough_others_approve_and_just_so(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live_through(&steps));
    }
}
