//! Dual control: what cannot be undone is asked for, approved by others with their own certificates, and done once, just as they approved it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use claviger_audit::approval::{Form, holds, signed_bytes};
use claviger_audit::declaration::public_key_of;
use claviger_core::action::Plane;
use claviger_core::approval::{Approval, Outcome, Verdict};
use claviger_core::declaration::{BuildSort, SigningMethod};
use claviger_core::grant::Conditions;
use claviger_core::key::{
    DataClass, DestructionBlocked, Event, KeyRecord, Labels, Origin, PlaintextDataKeys, RequiredContext,
    RingPolicy, Separation, State,
};
use claviger_core::port::Store as _;
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::reason::{Reason, ReasonText};
use claviger_core::{Action, ApprovalId, CredentialId, ListenerName, PrincipalId, Purpose, Spec, Timestamp};
use claviger_service::operation::*;
use claviger_service::{Call, ErrorKind, KeyRef, Presented, PrincipalRef, RingRef, ServiceError};

use crate::declarations::{Signer, build, parameter};
use crate::deployment::{ADA, APP, DAY, Deployment, OLGA, OTTO, Person, VERA, certificate_of, system};
use crate::evidence::{hold, states};

/// Custodians, who have certificates that sign.
pub(crate) const CUSTODIANS: [&str; 3] = ["carl", "cora", "cyril"];

/// A deployment with those who decide.
pub(crate) struct Deciding {
    pub(crate) deployment: Deployment,
    pub(crate) signers: BTreeMap<String, Signer>,
}

impl Deciding {
    /// One whose own rule asks for so many custodians, with people to ask and three custodians.
    pub(crate) async fn build(quorum: u8) -> Self {
        let custodian =
            |name: &'static str| -> Person<'static> { (name, PrincipalKind::Human, Some(Role::Custodian)) };
        let rita = ("rita", PrincipalKind::Human, Some(Role::Responder));
        let people: Vec<_> =
            [ADA, OTTO, OLGA, VERA, APP, rita].into_iter().chain(CUSTODIANS.map(custodian)).collect();
        let deployment = Deployment::build_under(quorum, &people).await;
        let mut deciding = Self { deployment, signers: BTreeMap::new() };
        for name in CUSTODIANS {
            deciding.enter(name).await;
        }
        deciding
    }

    /// Enters the certificate that somebody signs by.
    pub(crate) async fn enter(&mut self, name: &str) {
        let signer = Signer::of(&self.deployment, name).await.unwrap();
        self.signers.insert(name.to_owned(), signer);
    }

    fn signer(&self, who: &str) -> &Signer {
        self.signers.get(who).unwrap()
    }

    pub(crate) async fn row(&self, id: ApprovalId) -> Approval {
        self.deployment.store.find_approval(id).await.unwrap().unwrap()
    }

    /// How it stands, and how many approvals of it are valid.
    pub(crate) async fn standing(&self, id: ApprovalId) -> (ApprovalState, u8) {
        let read = self.deployment.ask("vera", ReadApproval { approval: id }).await.unwrap().output;
        (read.state, read.approved)
    }

    /// An approval of somebody, signed now.
    pub(crate) async fn approval_of(&self, who: &str, id: ApprovalId) -> Approve {
        approval(self.signer(who), &self.row(id).await, self.deployment.clock.wall())
    }

    pub(crate) async fn approve(&self, who: &str, id: ApprovalId) -> Result<ReadableApproval, ServiceError> {
        let approve = self.approval_of(who, id).await;
        Ok(self.deployment.ask_with(self.signer(who).presented(), approve).await?.output)
    }

    pub(crate) async fn deny(&self, who: &str, id: ApprovalId) -> Result<ReadableApproval, ServiceError> {
        let deny = denial(self.signer(who), &self.row(id).await, self.deployment.clock.wall());
        Ok(self.deployment.ask_with(self.signer(who).presented(), deny).await?.output)
    }

    /// Does what was approved, as somebody.
    pub(crate) async fn execute(&self, who: &str, id: ApprovalId) -> Result<Executed, ServiceError> {
        Ok(self.deployment.road.execute(call(who, id)).await?.output)
    }

    /// Asks for what others must approve.
    async fn asked<O: Operation>(&self, who: &str, operation: O) -> ApprovalId {
        pending(self.deployment.ask(who, operation).await)
    }

    /// The same, and two approve it.
    async fn approved<O: Operation>(&self, who: &str, operation: O) -> ApprovalId {
        let id = self.asked(who, operation).await;
        for custodian in ["carl", "cora"] {
            self.approve(custodian, id).await.unwrap();
        }
        assert_eq!(self.standing(id).await, (ApprovalState::Ready, 2));
        id
    }

    async fn key(&self, name: &str) -> KeyRecord {
        self.deployment.key(name, Purpose::Encrypt, Spec::Aes256Gcm).await
    }

    async fn found(&self, key: &KeyRecord) -> KeyRecord {
        self.deployment.store.find_key(key.key.id).await.unwrap().unwrap()
    }

    /// A person, entered by one officer and given a role by the other; what that takes is approved.
    async fn person(&self, name: &str, same_person_as: Option<&str>, role: Role) {
        self.deployment.ask("otto", person(name, same_person_as)).await.unwrap();
        let what = NewCredential::Certificate {
            der: certificate_of(name),
            chain: Vec::new(),
            expires_at: self.deployment.clock.wall().after(DAY * 365),
        };
        let create = CreateCredential {
            principal: principal(name),
            label: "card".parse().unwrap(),
            what,
            to_confirm: false,
        };
        self.deployment.ask("otto", create).await.unwrap();
        let assign = || AssignRole { principal: principal(name), role };
        if let Err(error) = self.deployment.ask("olga", assign()).await {
            let id = error.approval().unwrap_or_else(|| panic!("{error:?}"));
            for custodian in ["carl", "cora"] {
                self.approve(custodian, id).await.unwrap();
            }
            self.deployment.ask("olga", assign()).await.unwrap();
        }
    }

    async fn principal(&self, name: &str) -> Principal {
        self.deployment.store.find_principal_by_name(&name.parse().unwrap()).await.unwrap().unwrap()
    }
}

/// A call of somebody on the plane of people.
pub(crate) fn call<O>(who: &str, operation: O) -> Call<O> {
    Call {
        presented: Presented::certificate(&certificate_of(who)),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
        listener: ListenerName::Control,
        plane: Plane::Control,
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        reason: None,
        operation,
    }
}

/// An approval of what this is about.
pub(crate) fn approval(signer: &Signer, row: &Approval, signed_at: Timestamp) -> Approve {
    Approve {
        approval: row.id,
        digest: row.digest,
        certificate: signer.certificate().to_vec(),
        method: SigningMethod::EcdsaP256Sha256,
        signature: signer.sign(&signed_bytes(&row.digest, Verdict::Approve, signed_at)),
        signed_at,
    }
}

/// A denial of the same.
pub(crate) fn denial(signer: &Signer, row: &Approval, signed_at: Timestamp) -> Deny {
    Deny {
        approval: row.id,
        digest: row.digest,
        certificate: signer.certificate().to_vec(),
        method: SigningMethod::EcdsaP256Sha256,
        signature: signer.sign(&signed_bytes(&row.digest, Verdict::Deny, signed_at)),
        signed_at,
    }
}

/// What a call waits for.
#[track_caller]
pub(crate) fn pending<T>(outcome: Result<T, ServiceError>) -> ApprovalId {
    let Err(error) = outcome else { panic!("it was done") };
    assert_eq!(error.kind(), ErrorKind::ApprovalRequired, "{error:?}");
    let id = error.approval().unwrap();
    assert!(error.public_message().contains(&id.to_string()) && error.entry().is_some(), "{error}");
    id
}

#[track_caller]
fn refused<T>(outcome: Result<T, ServiceError>, kind: ErrorKind) -> ServiceError {
    let Err(error) = outcome else { panic!("it was done, and should have been refused with {kind}") };
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}

/// Enters a custodian in a deployment that nobody else must approve anything of, unless it is there; gives what it signs by.
pub(crate) async fn custodian(deployment: &Deployment, name: &str) -> Signer {
    if deployment.store.find_principal_by_name(&name.parse().unwrap()).await.unwrap().is_none() {
        deployment.ask("otto", person(name, None)).await.unwrap();
        let what = NewCredential::Certificate {
            der: certificate_of(name),
            chain: Vec::new(),
            expires_at: deployment.clock.wall().after(DAY * 3650),
        };
        let create = CreateCredential {
            principal: principal(name),
            label: "card".parse().unwrap(),
            what,
            to_confirm: false,
        };
        deployment.ask("otto", create).await.unwrap();
        let assign = AssignRole { principal: principal(name), role: Role::Custodian };
        deployment.ask("olga", assign).await.unwrap();
    }
    Signer::of(deployment, name).await.unwrap()
}

/// Does what two custodians must approve, in such a deployment.
pub(crate) async fn do_approved<O: Operation>(
    deployment: &Deployment,
    who: &str,
    operation: impl Fn() -> O,
) -> O::Output {
    let id = pending(deployment.ask(who, operation()).await);
    for name in ["carl", "cora"] {
        let signer = custodian(deployment, name).await;
        let row = deployment.store.find_approval(id).await.unwrap().unwrap();
        let approve = approval(&signer, &row, deployment.clock.wall());
        deployment.ask_with(signer.presented(), approve).await.unwrap();
    }
    deployment.ask(who, operation()).await.unwrap().output
}

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

fn person(name: &str, same_person_as: Option<&str>) -> CreatePrincipal {
    CreatePrincipal {
        name: name.parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: same_person_as.map(principal),
    }
}

fn ring() -> RingRef {
    "orders".parse().unwrap()
}

fn destroy(key: &KeyRecord) -> ScheduleDestroy {
    ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: None }
}

fn update(patch: RingPatch) -> UpdateRing {
    UpdateRing { ring: ring(), patch, if_revision: None }
}

/// A change of the row of a key that is about nothing else.
fn touch(key: &KeyRecord) -> UpdateKey {
    let patch = KeyPatch { description: Some("of the shop".to_owned()), ..KeyPatch::default() };
    UpdateKey { key: KeyRef::Id(key.key.id), patch, if_revision: None }
}

fn because(text: &str) -> Option<Reason> {
    Some(text.parse::<ReasonText>().unwrap().into())
}

#[expect(clippy::disallowed_methods, reason = "the tests show the tokens that they are given")]
fn shown(token: claviger_access::Token) -> Presented {
    let text = token.into_text();
    Presented::token(std::str::from_utf8(text.expose()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn destruction_in_a_default_ring_takes_two_others_and_the_wait() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    let sealed = deployment.encrypt("app", &key, b"kept").await.unwrap();
    let id = deciding.asked("ada", destroy(&key)).await;
    assert_eq!(deciding.asked("ada", destroy(&key)).await, id, "the same is asked for once");

    // What is kept is what approvers are shown and sign.
    let row = deciding.row(id).await;
    let read = deployment.ask("carl", ReadApproval { approval: id }).await.unwrap().output;
    let form = Form::decode(&read.form).unwrap();
    assert_eq!(form, Form::of(&row, &deployment.road.facts().deployment));
    assert_eq!(form.digest(), row.digest);
    assert!(holds(&row, &deployment.road.facts().deployment));
    let asked = form.act().unwrap();
    assert_eq!(asked.action(), Action::ScheduleDestroy);
    assert_eq!((row.quorum, row.rows.len(), row.ring), (2, 2, Some(key.ring.id)));
    assert_eq!(row.expires_at.since(row.requested_at), DAY * 7);

    assert_eq!(deciding.standing(id).await, (ApprovalState::Open, 0));
    assert_eq!(deciding.approve("carl", id).await.unwrap().approved, 1);
    assert_eq!(deciding.asked("ada", destroy(&key)).await, id, "one is too few");
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"kept");
    assert_eq!(deciding.approve("carl", id).await.unwrap().row.revision, 2, "once more changes nothing");
    assert_eq!(deciding.approve("cora", id).await.unwrap().state, ApprovalState::Ready);

    let done = deployment.ask("ada", destroy(&key)).await.unwrap().output;
    let destruction = done.key.destruction.unwrap();
    assert_eq!((done.key.state, destruction.approval), (State::Suspended, Some(id)));
    assert_eq!(deciding.standing(id).await, (ApprovalState::Executed, 2));
    assert_eq!(deciding.row(id).await.ended.unwrap().outcome, Outcome::Executed);
    assert_eq!(deciding.found(&key).await.key.destruction, Some(destruction));
    refused(deployment.decrypt("app", &sealed).await, ErrorKind::WrongState);
    refused(deployment.ask("ada", destroy(&key)).await, ErrorKind::WrongState);

    deployment.clock.advance(DAY * 29);
    deployment.road.do_what_is_due().await;
    assert_eq!(states(deployment, key.key.id).await, [(State::Active, State::Suspended)]);
    deployment.clock.advance(DAY * 2);
    deployment.road.do_what_is_due().await;
    assert_eq!(states(deployment, key.key.id).await, [(State::Destroyed, State::Destroyed)]);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_is_executed_by_who_asked_and_by_nobody_else() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let schedule = || ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY * 40) };
    let asked = deployment.ask_because("ada", because("the shop is closed"), schedule()).await;
    let id = pending(asked);
    assert_eq!(pending(deciding.execute("ada", id).await), id, "not yet");
    for custodian in ["cora", "cyril"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    for who in ["otto", "vera", "carl", "cora"] {
        refused(deciding.execute(who, id).await, ErrorKind::Denied);
    }
    let executed = deciding.execute("ada", id).await.unwrap();
    assert_eq!(executed.action, Action::ScheduleDestroy);
    let ExecutedResult::Key(record) = executed.result else { panic!("a key") };
    let destruction = record.key.destruction.unwrap();
    assert_eq!((destruction.at.since(destruction.scheduled_at), destruction.approval), (DAY * 40, Some(id)));
    // With the reason for which it was asked.
    let why = record.key.reason.and_then(claviger_core::reason::Why::given).unwrap();
    assert_eq!(executed.captions.find(why).unwrap().text.as_deref(), Some("the shop is closed"));
    refused(deciding.execute("ada", id).await, ErrorKind::WrongState);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_is_held_when_an_approver_may_no_more_until_it_is_approved_afresh() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let id = deciding.approved("ada", destroy(&key)).await;
    let scheduled = deployment.ask("ada", destroy(&key)).await.unwrap().output.key.destruction.unwrap();
    let withdraw = WithdrawRole { principal: principal("carl"), role: Role::Custodian };
    deployment.ask("otto", withdraw).await.unwrap();
    deployment.clock.advance(DAY * 31);
    for _ in 0..3 {
        deployment.road.do_what_is_due().await;
    }
    assert_eq!(states(deployment, key.key.id).await, [(State::Active, State::Suspended)], "held");
    let read = Captioned(ReadKey { key: KeyRef::Id(key.key.id) });
    let (record, captions) = deployment.ask("vera", read).await.unwrap().output;
    assert_eq!(captions.destruction_blocked(&record), Some(DestructionBlocked::Quorum(2)));
    assert_eq!(deployment.road.blocked_destructions(), 1);

    // It asks others, and the wait stays as it was.
    let other = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY * 60) };
    refused(deployment.ask("ada", other).await, ErrorKind::InvalidArgument);
    let again = deciding.asked("ada", destroy(&key)).await;
    assert_ne!(again, id);
    for custodian in ["cora", "cyril"] {
        deciding.approve(custodian, again).await.unwrap();
    }
    let rescheduled = deployment.ask("ada", destroy(&key)).await.unwrap().output.key.destruction.unwrap();
    assert_eq!(rescheduled.approval, Some(again));
    assert_eq!((rescheduled.at, rescheduled.scheduled_at), (scheduled.at, scheduled.scheduled_at));
    let read = Captioned(ReadKey { key: KeyRef::Id(key.key.id) });
    let (record, captions) = deployment.ask("vera", read).await.unwrap().output;
    assert_eq!(captions.destruction_blocked(&record), None);
    deployment.road.do_what_is_due().await;
    assert_eq!(states(deployment, key.key.id).await, [(State::Destroyed, State::Destroyed)]);
    assert_eq!(deployment.road.blocked_destructions(), 0);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_is_held_when_its_ring_asks_for_more_and_can_be_cancelled() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    deciding.approved("ada", destroy(&key)).await;
    deployment.ask("ada", destroy(&key)).await.unwrap();
    deployment.ask("ada", update(RingPatch { quorum: Some(3), ..RingPatch::default() })).await.unwrap();
    deployment.clock.advance(DAY * 31);
    deployment.road.do_what_is_due().await;
    assert_eq!(states(deployment, key.key.id).await, [(State::Active, State::Suspended)], "held");
    deployment.ask("ada", CancelDestroy { key: KeyRef::Id(key.key.id) }).await.unwrap();
    let resume = ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Resume).unwrap();
    deployment.ask("ada", resume).await.unwrap();
    deployment.road.do_what_is_due().await;
    assert_eq!(states(deployment, key.key.id).await, [(State::Active, State::Active)]);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_renewed_since_is_as_good_and_one_that_was_revoked_is_not() {
    for revoked in [false, true] {
        let deciding = Deciding::build(0).await;
        let deployment = &deciding.deployment;
        let key = deciding.key("cards").await;
        let wait = || ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY * 80) };
        deciding.approved("ada", wait()).await;
        deployment.ask("ada", wait()).await.unwrap();
        deployment.clock.advance(DAY * 70);
        let what = Renewal::Certificate {
            der: certificate_of("carl-next"),
            chain: Vec::new(),
            expires_at: Some(deployment.clock.wall().after(DAY * 80)),
        };
        let presented = deciding.signers["carl"].presented();
        let renewed = deployment.ask_with(presented, RenewCredential { what }).await.unwrap().output;
        if revoked {
            let revoke = RevokeCredential { credential: renewed.credential.id };
            deployment.ask("otto", revoke).await.unwrap();
        }
        deployment.clock.advance(DAY * 11);
        deployment.road.do_what_is_due().await;
        let state = match revoked {
            true => (State::Active, State::Suspended),
            false => (State::Destroyed, State::Destroyed),
        };
        assert_eq!(states(deployment, key.key.id).await, [state], "revoked: {revoked}");
        hold(deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_not_done_once_a_row_of_it_has_moved() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let id = deciding.approved("ada", destroy(&key)).await;
    deployment.ask("ada", touch(&key)).await.unwrap();
    let error = refused(deployment.ask("ada", destroy(&key)).await, ErrorKind::Conflict);
    assert_eq!(error.approval(), Some(id));
    assert_eq!(deciding.standing(id).await.0, ApprovalState::Moved);
    assert_eq!(states(deployment, key.key.id).await, [(State::Active, State::Active)]);
    refused(deciding.execute("ada", id).await, ErrorKind::WrongState);
    refused(deciding.approve("cyril", id).await, ErrorKind::WrongState);
    // Asked for again, it is another thing, which takes other signatures.
    let again = deciding.asked("ada", destroy(&key)).await;
    assert_ne!((again, deciding.row(again).await.digest), (id, deciding.row(id).await.digest));
    assert_eq!(deciding.standing(again).await, (ApprovalState::Open, 0));
    // Uses move nothing.
    deployment.grant(&key, &[Action::Encrypt]).await;
    deployment.encrypt("app", &key, b"x").await.unwrap();
    for custodian in ["carl", "cora"] {
        deciding.approve(custodian, again).await.unwrap();
    }
    deployment.ask("ada", destroy(&key)).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_denial_ends_it_for_as_long_as_it_would_have_lasted() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let id = deciding.asked("ada", destroy(&key)).await;
    deciding.approve("carl", id).await.unwrap();
    let denied = deciding.deny("cora", id).await.unwrap();
    assert_eq!((denied.state, denied.row.decisions.len()), (ApprovalState::Denied, 2));
    refused(deciding.approve("cyril", id).await, ErrorKind::WrongState);
    refused(deciding.approve("cora", id).await, ErrorKind::WrongState);
    let error = refused(deployment.ask("ada", destroy(&key)).await, ErrorKind::Denied);
    assert!(error.public_message().contains("`cora` denied it"), "{error}");
    refused(deciding.execute("ada", id).await, ErrorKind::WrongState);
    refused(deployment.ask("ada", CancelApproval { approval: id }).await, ErrorKind::WrongState);
    // For another reason it is another thing.
    let other = deployment.ask_because("ada", because("it was found on a mailing list"), destroy(&key)).await;
    assert_ne!(pending(other), id);
    deployment.clock.advance(DAY * 8);
    let again = deciding.asked("ada", destroy(&key)).await;
    assert_ne!(again, id);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_did_in_time_has_expired() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let id = deciding.approved("ada", destroy(&key)).await;
    deployment.clock.advance(DAY * 7);
    assert_eq!(deciding.standing(id).await.0, ApprovalState::Expired);
    refused(deciding.approve("cyril", id).await, ErrorKind::WrongState);
    refused(deciding.execute("ada", id).await, ErrorKind::WrongState);
    let again = deciding.asked("ada", destroy(&key)).await;
    assert_ne!(again, id);
    assert_eq!(deciding.row(id).await.ended.unwrap().outcome, Outcome::Expired);
    let page = || Page { after: None, limit: 10 };
    let list = async |open| {
        let found = deployment.ask("vera", ListApprovals { open, page: page() }).await.unwrap().output;
        found.into_iter().map(|one| one.row.id).collect::<Vec<_>>()
    };
    assert_eq!((list(Some(true)).await, list(Some(false)).await), (vec![again], vec![id]));
    assert_eq!(list(None).await.len(), 2);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_gives_it_up_and_officers_and_responders_stop_it() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let mut before = None;
    for who in ["ada", "otto", "rita"] {
        let id = deciding.approved("ada", destroy(&key)).await;
        assert_ne!(Some(id), before.replace(id), "what is over is not taken up again");
        for other in ["vera", "carl"] {
            refused(deployment.ask(other, CancelApproval { approval: id }).await, ErrorKind::Denied);
        }
        let silent = deployment.ask_because(who, None, CancelApproval { approval: id }).await;
        refused(silent, ErrorKind::ReasonRequired);
        let cancelled = deployment.ask(who, CancelApproval { approval: id }).await.unwrap().output;
        assert_eq!(cancelled.state, ApprovalState::Cancelled);
        let again = deployment.ask(who, CancelApproval { approval: id }).await.unwrap().output;
        assert_eq!(again, cancelled, "once more changes nothing");
        refused(deciding.execute("ada", id).await, ErrorKind::WrongState);
    }
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_one_person_are_one_wherever_persons_are_counted() {
    let mut deciding = Deciding::build(0).await;
    deciding.person("carl-2", Some("carl"), Role::Custodian).await;
    deciding.person("carl-3", Some("carl-2"), Role::Custodian).await;
    deciding.enter("carl-2").await;
    let deployment = &deciding.deployment;
    let first = deciding.principal("carl").await.id;
    for account in ["carl-2", "carl-3"] {
        assert_eq!(deciding.principal(account).await.same_person_as, Some(first), "{account}");
    }
    let key = deciding.key("cards").await;
    let id = deciding.asked("ada", destroy(&key)).await;
    deciding.approve("carl", id).await.unwrap();
    refused(deciding.approve("carl-2", id).await, ErrorKind::SeparationOfDuties);
    assert_eq!(deciding.standing(id).await, (ApprovalState::Open, 1));
    assert_eq!(deciding.asked("ada", destroy(&key)).await, id);

    // What one account may not have, another one may not have either.
    let create = |name: &str, of: &str| person(name, Some(of));
    deployment.ask("olga", create("otto-2", "otto")).await.unwrap();
    deployment.ask("olga", create("ada-2", "ada")).await.unwrap();
    let assign = |to: &str, role| AssignRole { principal: principal(to), role };
    let refusal = deployment.ask("otto", assign("otto-2", Role::Responder)).await;
    refused(refusal, ErrorKind::SeparationOfDuties);
    let refusal = deployment.ask("otto", assign("ada-2", Role::Custodian)).await;
    refused(refusal, ErrorKind::SeparationOfDuties);
    let grant = CreateGrant {
        principal: principal("ada-2"),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Decrypt],
        conditions: Conditions::default(),
        name: None,
        retiring: None,
    };
    refused(deployment.ask("otto", grant).await, ErrorKind::SeparationOfDuties);
    // No quorum of more custodians than there are persons.
    let raise = update(RingPatch { quorum: Some(4), ..RingPatch::default() });
    refused(deployment.ask("ada", raise).await, ErrorKind::InvalidArgument);
    for (name, of) in [("vera", "app"), ("own", "app")] {
        refused(deployment.ask("otto", create(name, of)).await, ErrorKind::InvalidArgument);
    }
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_on_what_they_ask_for_and_nobody_but_custodians() {
    let mut deciding = Deciding::build(2).await;
    for who in ["otto", "vera"] {
        deciding.enter(who).await;
    }
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let id = deciding.asked("ada", destroy(&key)).await;
    for who in ["otto", "vera"] {
        refused(deciding.approve(who, id).await, ErrorKind::Denied);
        refused(deciding.deny(who, id).await, ErrorKind::Denied);
    }
    // Whoever asks decides as little on it as anybody without that role.
    deployment.ask("olga", person("nora", None)).await.unwrap();
    let assign = AssignRole { principal: principal("nora"), role: Role::Operator };
    let id = deciding.asked("otto", assign).await;
    refused(deciding.approve("otto", id).await, ErrorKind::SeparationOfDuties);
    refused(deciding.deny("otto", id).await, ErrorKind::SeparationOfDuties);
    assert_eq!(deciding.standing(id).await, (ApprovalState::Open, 0));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_decides_nothing_and_neither_does_another_certificate() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let id = deciding.asked("ada", destroy(&key)).await;
    let what = NewCredential::Token { lifetime: DAY };
    let create = CreateCredential {
        principal: principal("carl"),
        label: "token".parse().unwrap(),
        what,
        to_confirm: false,
    };
    let token = shown(deployment.ask("carl", create).await.unwrap().output.token.unwrap());
    let error =
        refused(deployment.ask_with(token, deciding.approval_of("carl", id).await).await, ErrorKind::Denied);
    assert!(error.public_message().contains("token"), "{error}");
    // Shown by another credential of the same person, and by another person.
    let own = Presented::certificate(&certificate_of("carl"));
    refused(deployment.ask_with(own, deciding.approval_of("carl", id).await).await, ErrorKind::Denied);
    let other = deciding.signers["cora"].presented();
    refused(deployment.ask_with(other, deciding.approval_of("carl", id).await).await, ErrorKind::Denied);
    assert_eq!(deciding.standing(id).await, (ApprovalState::Open, 0));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_good_for_one_verdict_on_one_approval_and_just_now() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let (key, other) = (deciding.key("cards").await, deciding.key("other").await);
    let id = deciding.asked("ada", destroy(&key)).await;
    let other = deciding.asked("ada", destroy(&other)).await;
    let ask = async |operation: Approve| {
        let presented = deciding.signers["carl"].presented();
        refused(deployment.ask_with(presented, operation).await, ErrorKind::InvalidArgument)
    };
    let signed = deciding.approval_of("carl", id).await;
    let (digest, signature, signed_at) = (signed.digest, signed.signature.clone(), signed.signed_at);
    // For another approval, with its own digest or that of the other.
    let of_other = deciding.row(other).await.digest;
    ask(Approve { approval: other, ..signed }).await;
    let again = || async { deciding.approval_of("carl", id).await };
    ask(Approve { approval: other, digest: of_other, ..again().await }).await;
    // For another verdict.
    let deny = Deny {
        approval: id,
        digest,
        certificate: deciding.signers["carl"].certificate().to_vec(),
        method: SigningMethod::EcdsaP256Sha256,
        signature,
        signed_at,
    };
    let presented = deciding.signers["carl"].presented();
    refused(deployment.ask_with(presented, deny).await, ErrorKind::InvalidArgument);
    // For another instant, and for one that is over or still to come.
    ask(Approve { signed_at: signed_at.after(DAY / 86_400), ..again().await }).await;
    for seconds in [-301, 301] {
        let at = deployment.clock.in_seconds(seconds);
        ask(approval(&deciding.signers["carl"], &deciding.row(id).await, at)).await;
    }
    // Of another key, by another method, and what is no certificate.
    let by_cora = deciding.approval_of("cora", id).await.signature;
    ask(Approve { signature: by_cora, ..again().await }).await;
    ask(Approve { method: SigningMethod::Ed25519, ..again().await }).await;
    ask(Approve { signature: Vec::new(), ..again().await }).await;
    ask(Approve { signature: vec![1; 2049], ..again().await }).await;
    assert_eq!(deciding.standing(id).await, (ApprovalState::Open, 0));
    let approved = deciding.approve("carl", id).await.unwrap();
    let decided = &approved.row.decisions[0];
    let key = public_key_of(deciding.signers["carl"].certificate()).unwrap();
    assert_eq!((decided.public_key.as_slice(), decided.verdict), (key, Verdict::Approve));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_who_is_revoked_before_it_is_done_has_not_approved() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let id = deciding.approved("ada", destroy(&key)).await;
    let credential: CredentialId = deciding.row(id).await.decisions[0].credential;
    deployment.ask("otto", RevokeCredential { credential }).await.unwrap();
    assert_eq!(deciding.standing(id).await, (ApprovalState::Open, 1));
    assert_eq!(deciding.asked("ada", destroy(&key)).await, id);
    assert_eq!(pending(deciding.execute("ada", id).await), id);
    // Another one makes up for it; and one who is revoked takes that away again.
    deciding.approve("cyril", id).await.unwrap();
    assert_eq!(deciding.standing(id).await, (ApprovalState::Ready, 2));
    deployment.ask("otto", RevokePrincipal { principal: principal("cyril") }).await.unwrap();
    assert_eq!(deciding.asked("ada", destroy(&key)).await, id);
    assert_eq!(states(deployment, key.key.id).await, [(State::Active, State::Active)]);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_and_revocations_at_the_same_moment_are_one_before_the_other() {
    for _ in 0..6 {
        let deciding = Deciding::build(0).await;
        let deployment = &deciding.deployment;
        let key = deciding.key("cards").await;
        let id = deciding.approved("ada", destroy(&key)).await;
        let revoke = RevokePrincipal { principal: principal("carl") };
        let (done, revoked) =
            tokio::join!(deployment.ask("ada", destroy(&key)), deployment.ask("otto", revoke));
        let revoked_at = revoked.unwrap().receipt.index();
        match done {
            Ok(done) => assert!(done.receipt.index() < revoked_at, "done on an approval that was gone"),
            error => assert_eq!(pending(error), id),
        }
        hold(deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_one_asks_for_at_a_time_is_bounded() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let mut first = None;
    for number in 0..Approval::MOST_OPEN_OF_ONE {
        let reason = because(&format!("reason {number}"));
        let id = pending(deployment.ask_because("ada", reason, destroy(&key)).await);
        first = first.or(Some(id));
    }
    let more = || deployment.ask_because("ada", because("one more"), destroy(&key));
    refused(more().await, ErrorKind::LimitExceeded);
    // What is there already is found, and what is given up makes room.
    let known = deployment.ask_because("ada", because("reason 7"), destroy(&key)).await;
    assert_ne!(pending(known), first.unwrap());
    deployment.ask("ada", CancelApproval { approval: first.unwrap() }).await.unwrap();
    pending(more().await);
    deployment.clock.advance(DAY * 8);
    let ada = deciding.principal("ada").await.id;
    let now = deployment.clock.wall();
    assert_eq!(deployment.store.count_open_approvals(ada, now).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_that_has_keys_is_asked_less_by_approval_alone() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let create = CreateRing {
        name: "orders".parse().unwrap(),
        policy: RingPolicy {
            quorum: 3,
            rotation_period: Some(DAY * 30),
            data_class: Some(DataClass::Cardholder),
            plaintext_data_keys: PlaintextDataKeys::Refused,
            grants_under_quorum: true,
            ..RingPolicy::default()
        },
    };
    deployment.ask("ada", create).await.unwrap();
    let weaker = || {
        [
            RingPatch { quorum: Some(2), ..RingPatch::default() },
            RingPatch { destroy_waiting_period: Some(DAY * 10), ..RingPatch::default() },
            RingPatch { rotation_period: Some(None), ..RingPatch::default() },
            RingPatch { rotation_period: Some(Some(DAY * 31)), ..RingPatch::default() },
            RingPatch { data_class: Some(Some(DataClass::Internal)), ..RingPatch::default() },
            RingPatch { grants_under_quorum: Some(false), ..RingPatch::default() },
        ]
    };
    // Without keys it binds nobody yet.
    deployment.ask("ada", update(weaker()[1].clone())).await.unwrap();
    let back = RingPatch { destroy_waiting_period: Some(DAY * 30), ..RingPatch::default() };
    deployment.ask("ada", update(back)).await.unwrap();
    let key = deciding.key("cards").await;
    for patch in weaker() {
        let id = deciding.asked("ada", update(patch)).await;
        assert_eq!(deciding.row(id).await.quorum, 3, "as many as had to approve until then");
    }
    let relax = || SetRingSeparation { ring: ring(), separation: Separation::Relaxed };
    deciding.asked("otto", relax()).await;
    // More of something is free, and moves what waits.
    let id = deciding.asked("ada", update(weaker()[0].clone())).await;
    for custodian in CUSTODIANS {
        deciding.approve(custodian, id).await.unwrap();
    }
    let executed = deciding.execute("ada", id).await.unwrap();
    let ExecutedResult::Ring(changed) = executed.result else { panic!("a ring") };
    assert_eq!(changed.policy.quorum, 2);
    refused(deployment.ask("ada", update(weaker()[1].clone())).await, ErrorKind::Conflict);
    let id = deciding.asked("ada", update(weaker()[1].clone())).await;
    assert_eq!(deciding.row(id).await.quorum, 2);
    let longer = RingPatch { destroy_waiting_period: Some(DAY * 60), ..RingPatch::default() };
    deployment.ask("ada", update(longer)).await.unwrap();
    refused(deployment.ask("ada", update(weaker()[1].clone())).await, ErrorKind::Conflict);

    refused(deployment.ask("otto", relax()).await, ErrorKind::Conflict);
    let id = deciding.approved("otto", relax()).await;
    let relaxed = deployment.ask("otto", relax()).await.unwrap().output;
    assert_eq!(relaxed.policy.separation, Separation::Relaxed);
    assert_eq!(deciding.standing(id).await.0, ApprovalState::Executed);
    assert_eq!(deciding.found(&key).await.ring.policy.separation, Separation::Relaxed);
    hold(deployment).await;
}

/// Changes of a key.
fn update_key(key: &KeyRecord, patch: KeyPatch) -> UpdateKey {
    UpdateKey { key: KeyRef::Id(key.key.id), patch, if_revision: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_asked_less_by_approval_alone() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let fields =
        |names: &[&str]| Some(RequiredContext::new(names.iter().map(|name| name.parse().unwrap())).unwrap());
    // More is asked of it by one person, and so is what asks for nothing.
    let more = KeyPatch {
        data_class: Some(DataClass::Cardholder),
        context_required: fields(&["tenant"]),
        rotation_period: Some(Some(DAY * 30)),
        ..KeyPatch::default()
    };
    deployment.ask("ada", update_key(&key, more)).await.unwrap();
    deployment.ask("ada", touch(&key)).await.unwrap();
    let other = KeyPatch { data_class: Some(DataClass::Ephi), ..KeyPatch::default() };
    deployment.ask("ada", update_key(&key, other)).await.unwrap();
    let before = deciding.found(&key).await.key;
    let weaker = || {
        [
            KeyPatch { data_class: Some(DataClass::Confidential), ..KeyPatch::default() },
            KeyPatch { context_required: fields(&["case"]), ..KeyPatch::default() },
            KeyPatch { rotation_period: Some(Some(DAY * 31)), ..KeyPatch::default() },
            KeyPatch { rotation_period: Some(None), ..KeyPatch::default() },
        ]
    };
    for patch in weaker() {
        let row = deciding.row(deciding.asked("ada", update_key(&key, patch)).await).await;
        let shown = (row.action, row.quorum, row.rows.len(), row.ring);
        assert_eq!(shown, (Action::UpdateKey, 2, 2, Some(key.ring.id)));
    }
    assert_eq!(deciding.found(&key).await.key, before, "nothing was done");

    // All that was asked for with it is done with it, once.
    let labels = Labels::new(vec![("team".to_owned(), "shop".to_owned())]).unwrap();
    let patch = || KeyPatch {
        data_class: Some(DataClass::Internal),
        description: Some("closed".to_owned()),
        labels: Some(LabelPatch::Some { set: labels.clone(), remove: vec!["old".to_owned()] }),
        rotation_period: Some(None),
        context_required: fields(&[]),
        ..KeyPatch::default()
    };
    let id = deciding.approved("ada", update_key(&key, patch())).await;
    let executed = deciding.execute("ada", id).await.unwrap();
    assert_eq!(executed.action, Action::UpdateKey);
    let ExecutedResult::Key(changed) = executed.result else { panic!("a key") };
    let found = deciding.found(&key).await.key;
    assert_eq!(changed.key, found);
    assert_eq!((found.data_class, found.description.as_str()), (DataClass::Internal, "closed"));
    assert_eq!((&found.labels, found.rotation_period), (&labels, None));
    assert!(found.context_required.is_empty());
    // It is so already: nobody is asked.
    deployment.ask("ada", update_key(&key, patch())).await.unwrap();

    // By the same call as well, unless the key has changed meanwhile.
    let lower = || update_key(&key, KeyPatch { data_class: Some(DataClass::Test), ..KeyPatch::default() });
    deciding.approved("ada", lower()).await;
    deployment.ask("ada", touch(&key)).await.unwrap();
    refused(deployment.ask("ada", lower()).await, ErrorKind::Conflict);
    deciding.approved("ada", lower()).await;
    let done = deployment.ask("ada", lower()).await.unwrap().output;
    assert_eq!(done.key.data_class, DataClass::Test);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_asks_less_of_a_key_where_the_ring_asks_nobody() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    deployment.relaxed_ring("tools").await;
    let key = deployment.key_in("tools", "one", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let lower = KeyPatch { data_class: Some(DataClass::Test), ..KeyPatch::default() };
    let done = deployment.ask("ada", update_key(&key, lower)).await.unwrap().output;
    assert_eq!(done.key.data_class, DataClass::Test);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_on_a_ring_that_says_so_are_approved() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let policy = RingPolicy { grants_under_quorum: true, ..RingPolicy::default() };
    deployment.ask("ada", CreateRing { name: "orders".parse().unwrap(), policy }).await.unwrap();
    let key = deciding.key("cards").await;
    let create = || CreateGrant {
        principal: principal("app"),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Decrypt, Action::Encrypt],
        conditions: Conditions {
            context_equals: vec![("tenant".to_owned(), "7".to_owned())],
            ..Conditions::default()
        },
        name: Some("first".to_owned()),
        retiring: Some(principal("vera")),
    };
    let id = deciding.approved("otto", create()).await;
    assert!(deployment.encrypt("app", &key, b"x").await.is_err());
    let read = Captioned(ReadApproval { approval: id });
    let (readable, captions) = deployment.ask("cora", read).await.unwrap().output;
    let named: Vec<_> = captions.names(&readable).map(|(_, name)| name).collect();
    for name in ["app", "orders", "orders/cards", "otto", "vera", "carl"] {
        assert!(named.contains(&name), "{name}: {named:?}");
    }
    let executed = deciding.execute("otto", id).await.unwrap();
    let ExecutedResult::Grant(grant) = executed.result else { panic!("a grant") };
    assert_eq!(grant.name.as_deref(), Some("first"));
    assert_eq!(grant.retiring, Some(deciding.principal("vera").await.id));
    // Twice the same is asked for twice.
    assert_ne!(deciding.asked("otto", create()).await, id);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_is_done_once_however_many_ask_at_once() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let policy = RingPolicy { grants_under_quorum: true, ..RingPolicy::default() };
    deployment.ask("ada", CreateRing { name: "orders".parse().unwrap(), policy }).await.unwrap();
    let key = deciding.key("cards").await;
    let create = || CreateGrant {
        principal: principal("app"),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Encrypt],
        conditions: Conditions::default(),
        name: None,
        retiring: None,
    };
    // Asked for at the same moment, it is one.
    let (one, other) = tokio::join!(deployment.ask("otto", create()), deployment.ask("otto", create()));
    let id = pending(one);
    assert_eq!(pending(other), id);
    for custodian in ["carl", "cora"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    let (one, two, three, four) = tokio::join!(
        deployment.ask("otto", create()),
        deployment.ask("otto", create()),
        deciding.execute("otto", id),
        deployment.ask("otto", create()),
    );
    let done = [one.is_ok(), two.is_ok(), three.is_ok(), four.is_ok()];
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    let filter = GrantFilter { key: Some(key.key.id), with_revoked: true, ..GrantFilter::default() };
    let grants = deployment.store.list_grants(filter, Page { after: None, limit: 10 }).await.unwrap();
    assert_eq!(grants.len(), 1);
    assert_eq!(deciding.standing(id).await.0, ApprovalState::Executed);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_credentials_of_those_who_have_rights_are_under_the_rule_of_the_deployment() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    deployment.ask("otto", person("nora", None)).await.unwrap();
    let assign = || AssignRole { principal: principal("nora"), role: Role::Operator };
    let id = deciding.approved("olga", assign()).await;
    assert_eq!(deciding.row(id).await.ring, None);
    assert_eq!(deployment.ask("olga", assign()).await.unwrap().output.roles, [Role::Operator]);
    deployment.ask("olga", assign()).await.unwrap();

    let token = || CreateCredential {
        principal: principal("nora"),
        label: "token".parse().unwrap(),
        what: NewCredential::Token { lifetime: DAY },
        to_confirm: false,
    };
    let id = deciding.approved("otto", token()).await;
    let executed = deciding.execute("otto", id).await.unwrap();
    let ExecutedResult::Credential(made) = executed.result else { panic!("a credential") };
    let shown = shown(made.token.unwrap());
    deployment.ask_with(shown, ReadSystem {}).await.unwrap();
    // What came with a call comes with it again.
    let expires_at = deployment.clock.wall().after(DAY * 365);
    let what = || NewCredential::Certificate { der: certificate_of("nora"), chain: Vec::new(), expires_at };
    let certificate = || CreateCredential {
        principal: principal("nora"),
        label: "card".parse().unwrap(),
        what: what(),
        to_confirm: false,
    };
    let id = deciding.approved("otto", certificate()).await;
    let error = refused(deciding.execute("otto", id).await, ErrorKind::InvalidArgument);
    assert!(error.public_message().contains("repeat the call itself"), "{error}");
    deployment.ask("otto", certificate()).await.unwrap();
    // By a token, who may use keys of a strict ring makes themselves nothing more alone.
    let key = deciding.key("cards").await;
    deployment.ask("otto", person("pia", None)).await.unwrap();
    let token = |label: &str| CreateCredential {
        principal: principal("pia"),
        label: label.parse().unwrap(),
        what: NewCredential::Token { lifetime: DAY },
        to_confirm: false,
    };
    let made = deployment.ask("otto", token("first")).await.unwrap().output;
    let first = crate::approvals::shown(made.token.unwrap());
    let grant = CreateGrant {
        principal: principal("pia"),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Decrypt],
        conditions: Conditions { until: Some(deployment.clock.wall().after(DAY)), ..Conditions::default() },
        name: None,
        retiring: None,
    };
    deployment.ask("olga", grant).await.unwrap();
    pending(deployment.ask_with(first, token("second")).await);
    // One's own is free, and so is that of an application without rights.
    for (who, of) in [("vera", "vera"), ("ada", "app")] {
        let what = NewCredential::Token { lifetime: DAY };
        let create = CreateCredential {
            principal: principal(of),
            label: "own".parse().unwrap(),
            what,
            to_confirm: false,
        };
        deployment.ask(who, create).await.unwrap();
    }
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_too_few_custodians_others_with_a_role_appoint_one() {
    let deployment = Deployment::build_under(2, &[ADA, OTTO, OLGA, VERA, APP]).await;
    let mut deciding = Deciding { deployment, signers: BTreeMap::new() };
    for who in ["ada", "otto", "vera"] {
        deciding.enter(who).await;
    }
    let deployment = &deciding.deployment;
    for name in ["carl", "cora", "cyril"] {
        deployment.ask("olga", person(name, None)).await.unwrap();
        let what = NewCredential::Certificate {
            der: certificate_of(name),
            chain: Vec::new(),
            expires_at: deployment.clock.wall().after(DAY * 365),
        };
        let create = CreateCredential {
            principal: principal(name),
            label: "card".parse().unwrap(),
            what,
            to_confirm: false,
        };
        deployment.ask("olga", create).await.unwrap();
    }
    // Anything else takes custodians, of whom there are none.
    let other = AssignRole { principal: principal("carl"), role: Role::Operator };
    let id = deciding.asked("otto", other).await;
    refused(deciding.approve("ada", id).await, ErrorKind::Denied);
    for (name, approvers) in [("carl", ["ada", "vera"]), ("cora", ["ada", "vera"])] {
        let assign = || AssignRole { principal: principal(name), role: Role::Custodian };
        let id = deciding.asked("otto", assign()).await;
        refused(deciding.approve("otto", id).await, ErrorKind::SeparationOfDuties);
        for approver in approvers {
            deciding.approve(approver, id).await.unwrap();
        }
        deployment.ask("otto", assign()).await.unwrap();
    }
    // Now there are enough, and nobody else decides any more.
    let assign = || AssignRole { principal: principal("cyril"), role: Role::Custodian };
    let id = deciding.asked("otto", assign()).await;
    refused(deciding.approve("ada", id).await, ErrorKind::Denied);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn custodians_whose_rows_were_altered_make_room_for_nobody() {
    let Deciding { deployment, .. } = Deciding::build(2).await;
    deployment.ask("olga", person("dora", None)).await.unwrap();
    let deployment = deployment
        .restart_after(|database| {
            let database = rusqlite::Connection::open(database).unwrap();
            let edit = "UPDATE principal SET roles = '' WHERE name IN ('carl', 'cora', 'cyril')";
            assert_eq!(database.execute(edit, []).unwrap(), 3);
        })
        .await;
    let assign = AssignRole { principal: principal("dora"), role: Role::Custodian };
    refused(deployment.ask("otto", assign).await, ErrorKind::RowAltered);
}

#[tokio::test(flavor = "multi_thread")]
async fn recovered_officers_decide_nothing_by_a_clock_that_was_set_forward() {
    let deployment = Deployment::build_under(1, &[ADA, OTTO, OLGA, VERA]).await;
    let mut deciding = Deciding { deployment, signers: BTreeMap::new() };
    let recover = Recover {
        name: "rosa".parse().unwrap(),
        certificate: certificate_of("rosa"),
        expires_at: deciding.deployment.clock.wall().after(DAY * 365),
    };
    deciding.deployment.road.perform_for_system(system(), recover).await.unwrap();
    deciding.enter("rosa").await;
    deciding.deployment.ask("olga", person("carl", None)).await.unwrap();
    let assign = AssignRole { principal: principal("carl"), role: Role::Custodian };
    let id = deciding.asked("otto", assign).await;
    refused(deciding.approve("rosa", id).await, ErrorKind::Denied);
    // The clock of the machine is set forward, and no time has passed.
    deciding.deployment.clock.set_wall_off(4 * 86_400);
    refused(deciding.approve("rosa", id).await, ErrorKind::Denied);
    assert_eq!(deciding.standing(id).await, (ApprovalState::Open, 0));
    deciding.deployment.clock.set_wall_off(0);
    deciding.deployment.clock.advance(DAY * 4);
    deciding.approve("rosa", id).await.unwrap();
    assert_eq!(deciding.standing(id).await, (ApprovalState::Ready, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_of_those_with_a_role_are_over_once_there_are_custodians() {
    let deployment = Deployment::build_under(1, &[ADA, OTTO, OLGA, VERA]).await;
    let mut deciding = Deciding { deployment, signers: BTreeMap::new() };
    deciding.enter("ada").await;
    for name in ["carl", "cora"] {
        deciding.deployment.ask("olga", person(name, None)).await.unwrap();
        let what = NewCredential::Certificate {
            der: certificate_of(name),
            chain: Vec::new(),
            expires_at: deciding.deployment.clock.wall().after(DAY * 365),
        };
        let create = CreateCredential {
            principal: principal(name),
            label: "card".parse().unwrap(),
            what,
            to_confirm: false,
        };
        deciding.deployment.ask("olga", create).await.unwrap();
    }
    let deployment = &deciding.deployment;
    let assign = |name: &str| AssignRole { principal: principal(name), role: Role::Custodian };
    let both = [deciding.asked("otto", assign("carl")).await, deciding.asked("otto", assign("cora")).await];
    for id in both {
        deciding.approve("ada", id).await.unwrap();
    }
    deployment.ask("otto", assign("carl")).await.unwrap();
    refused(deployment.ask("otto", assign("cora")).await, ErrorKind::Conflict);
    assert_eq!(deciding.standing(both[1]).await.0, ApprovalState::Moved);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_to_a_person_ends_as_the_rules_say() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    deployment.ask("olga", person("nora", None)).await.unwrap();
    let grant = |to: &str, days: Option<u32>| CreateGrant {
        principal: principal(to),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Decrypt],
        conditions: Conditions {
            until: days.map(|days| deployment.clock.wall().after(DAY * days)),
            ..Conditions::default()
        },
        name: None,
        retiring: None,
    };
    for days in [None, Some(91), Some(3650)] {
        let error = refused(deployment.ask("otto", grant("nora", days)).await, ErrorKind::InvalidArgument);
        assert!(error.public_message().contains("within 90 days"), "{error}");
    }
    deployment.ask("otto", grant("nora", Some(90))).await.unwrap();
    deployment.ask("otto", grant("app", None)).await.unwrap();
    // Longer is less, which others approve.
    let longer = || SetGovernance { human_grant_lifetime: Some(None), ..SetGovernance::default() };
    deciding.approved("olga", longer()).await;
    deployment.ask("olga", longer()).await.unwrap();
    deployment.ask("otto", grant("nora", None)).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_ask_for_more_at_one_persons_word_and_for_less_at_no_ones() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let read = async || deployment.ask("ada", ReadGovernance {}).await.unwrap().output;
    assert_eq!((read().await.quorum, read().await.revision), (0, 0));
    let quorum = |quorum| SetGovernance { quorum: Some(quorum), ..SetGovernance::default() };
    refused(deployment.ask("otto", quorum(4)).await, ErrorKind::InvalidArgument);
    for who in ["ada", "vera", "carl"] {
        refused(deployment.ask(who, quorum(2)).await, ErrorKind::Denied);
    }
    let set = deployment.ask("otto", quorum(3)).await.unwrap().output;
    assert_eq!((set.quorum, set.revision, set.set_by), (3, 1, deciding.principal("otto").await.id));
    assert_eq!(read().await, set);
    let stale = SetGovernance { if_revision: Some(0), ..quorum(3) };
    refused(deployment.ask("otto", stale).await, ErrorKind::PreconditionFailed);
    let unsound = SetGovernance { approval_lifetime: Some(DAY * 31), ..SetGovernance::default() };
    refused(deployment.ask("otto", unsound).await, ErrorKind::InvalidArgument);
    let id = deciding.asked("otto", quorum(0)).await;
    assert_eq!(deciding.row(id).await.quorum, 3);
    for custodian in CUSTODIANS {
        deciding.approve(custodian, id).await.unwrap();
    }
    // Whoever asks for more meanwhile asks for something else than was approved.
    let more = SetGovernance { compromise_burst: Some(1), ..SetGovernance::default() };
    deployment.ask("olga", more).await.unwrap();
    refused(deployment.ask("otto", quorum(0)).await, ErrorKind::Conflict);
    let id = deciding.asked("otto", quorum(0)).await;
    for custodian in CUSTODIANS {
        deciding.approve(custodian, id).await.unwrap();
    }
    let ExecutedResult::Governance(rules) = deciding.execute("otto", id).await.unwrap().result else {
        panic!("rules")
    };
    assert_eq!((rules.quorum, rules.compromise_burst, rules.revision), (0, 1, 3));
    // Now nobody must approve anything of the whole deployment.
    let assign = AssignRole { principal: principal("carl"), role: Role::Auditor };
    refused(deployment.ask("olga", assign).await, ErrorKind::SeparationOfDuties);
    let deployment_again = deciding.deployment.restart().await;
    let read = deployment_again.ask("ada", ReadGovernance {}).await.unwrap().output;
    assert_eq!((read.quorum, read.revision), (0, 3));
    hold(&deployment_again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_compromises_in_an_hour_take_more_than_one_person() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    let burst = SetGovernance { compromise_burst: Some(2), ..SetGovernance::default() };
    deployment.ask("otto", burst).await.unwrap();
    let mut keys = Vec::new();
    for number in 0..5 {
        keys.push(deciding.key(&format!("key-{number}")).await);
    }
    let compromise =
        |key: &KeyRecord| ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Compromise).unwrap();
    for key in &keys[..2] {
        deployment.ask("rita", compromise(key)).await.unwrap();
    }
    let id = deciding.approved("rita", compromise(&keys[2])).await;
    // Another person's are counted apart.
    deployment.ask("otto", compromise(&keys[3])).await.unwrap();
    deployment.ask("rita", compromise(&keys[2])).await.unwrap();
    assert_eq!(deciding.standing(id).await.0, ApprovalState::Executed);
    deployment.clock.advance(DAY);
    deployment.ask("rita", compromise(&keys[4])).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_erasures_and_imports_are_approved_and_nothing_beside_them() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    let declare = || parameter("access_review_days", "90");
    let id = deciding.approved("ada", declare()).await;
    let ExecutedResult::Declaration(declared) = deciding.execute("ada", id).await.unwrap().result else {
        panic!("a declaration")
    };
    let withdraw = || WithdrawDeclaration { declaration: declared.row.id };
    deciding.approved("otto", withdraw()).await;
    let withdrawn = deployment.ask("otto", withdraw()).await.unwrap().output;
    assert!(withdrawn.row.withdrawal.is_some());

    let may_run = || build(BuildSort::Build, [3; 32]);
    let id = deciding.approved("ada", may_run()).await;
    // Neither another program nor the same bytes as a configuration are what was approved.
    for other in [build(BuildSort::Build, [4; 32]), build(BuildSort::Configuration, [3; 32])] {
        assert_ne!(deciding.asked("ada", other).await, id);
    }
    let made = deployment.ask("ada", may_run()).await.unwrap().output;
    assert_eq!(deciding.standing(id).await.0, ApprovalState::Executed);
    let withdraw = || WithdrawDeclaration { declaration: made.row.id };
    deciding.approved("otto", withdraw()).await;
    deployment.ask("otto", withdraw()).await.unwrap();

    deployment.ask("olga", person("nora", None)).await.unwrap();
    deployment.ask("olga", RevokePrincipal { principal: principal("nora") }).await.unwrap();
    let nora: PrincipalId = deciding.principal("nora").await.id;
    let erase = || ErasePrincipal { principal: PrincipalRef::Id(nora) };
    let id = deciding.approved("otto", erase()).await;
    let ExecutedResult::Principal(erased) = deciding.execute("otto", id).await.unwrap().result else {
        panic!("a principal")
    };
    assert!(erased.erasure.is_some());

    let key = deciding.key("cards").await;
    let suspend = ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Suspend).unwrap();
    let suspended = deployment.ask_because("rita", because("found in a log"), suspend).await.unwrap().output;
    let reason = suspended.key.reason.and_then(claviger_core::reason::Why::given).unwrap();
    let erase = || EraseReason { id: reason };
    let id = deciding.approved("otto", erase()).await;
    let ExecutedResult::Reason(erased) = deciding.execute("otto", id).await.unwrap().result else {
        panic!("a reason")
    };
    assert!(erased.erasure.is_some());
    // Of a key whose material is made here there is nothing to import.
    assert_eq!(key.origin(), Origin::Generated);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_asks_is_told_that_others_must_approve_and_asks_nobody() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let key = deciding.key("cards").await;
    let dry = async || {
        let call = Call { dry_run: true, reason: because("a test"), ..call("ada", destroy(&key)) };
        refused(deployment.road.perform(call).await, ErrorKind::DryRun)
    };
    assert!(dry().await.public_message().contains("once 2 custodians other than you have approved it"));
    let ada = deciding.principal("ada").await.id;
    let open = deployment.store.count_open_approvals(ada, deployment.clock.wall()).await.unwrap();
    assert_eq!(open, 0);
    let id = deciding.approved("ada", destroy(&key)).await;
    assert!(dry().await.public_message().contains("it would have been done"));
    assert_eq!(deciding.standing(id).await, (ApprovalState::Ready, 2));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_outlive_restarts_and_crashes() {
    let deciding = Deciding::build(0).await;
    let key = deciding.key("cards").await;
    let id = deciding.asked("ada", destroy(&key)).await;
    deciding.approve("carl", id).await.unwrap();
    let Deciding { deployment, signers } = deciding;
    let deciding = Deciding { deployment: deployment.restart().await, signers };
    deciding.approve("cora", id).await.unwrap();
    let Deciding { deployment, signers } = deciding;
    let deciding = Deciding { deployment: deployment.crash().await, signers };
    assert_eq!(deciding.standing(id).await, (ApprovalState::Ready, 2));
    deciding.deployment.ask("ada", destroy(&key)).await.unwrap();
    hold(&deciding.deployment).await;
}
