//! Emergency access: who opens it for whom, what it gives and until when, and who ends and reviews it; and who takes a recovery back.

use std::time::Duration;

use claviger_core::action::Plane;
use claviger_core::alert::AlertRule;
use claviger_core::approval::Eligible;
use claviger_core::break_glass::{BreakGlass, BreakGlassVerdict};
use claviger_core::capacity::Capacity;
use claviger_core::grant::{EndedBy, GrantOrigin};
use claviger_core::key::{DataClass, Event, KeyRecord, PlaintextDataKeys, RingPolicy};
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::port::store::{AlertFilter, BreakGlassCount, Page};
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::{Action, BreakGlassId, KeyId, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_service::operation::usage::{Decrypt, UseKey};
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ServiceError};

use crate::approvals::{Deciding, pending};
use crate::deployment::{ADA, CARL, DAY, Deployment, OLGA, OTTO, VERA, certificate_of, system};
use crate::evidence::hold;
use crate::makers::shown;

const HOUR: Duration = Duration::from_secs(3_600);
/// A person without a role, whom one officer entered.
const NADIA: &str = "nadia";
const MAKER: &str = "otto";

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

#[track_caller]
fn refused<T>(outcome: Result<T, ServiceError>, kind: ErrorKind) -> ServiceError {
    let Err(error) = outcome else { panic!("it was done, and should have been refused with {kind}") };
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}

fn create(name: &str, same_person_as: Option<&str>) -> CreatePrincipal {
    CreatePrincipal {
        name: name.parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: same_person_as.map(principal),
    }
}

fn credential(name: &str, what: NewCredential) -> CreateCredential {
    CreateCredential { principal: principal(name), label: "card".parse().unwrap(), what, to_confirm: false }
}

fn open_for(holder: &str, key: &KeyRecord, lifetime: Duration) -> OpenBreakGlass {
    let keys = vec![KeyRef::Id(key.key.id)];
    OpenBreakGlass { holder: principal(holder), keys, lifetime: Some(lifetime) }
}

fn assign(name: &str, role: Role) -> AssignRole {
    AssignRole { principal: principal(name), role }
}

/// A deployment with people who respond, a person without a role, and a key under which something is sealed.
struct Place {
    deciding: Deciding,
    key: KeyRecord,
    sealed: Vec<u8>,
}

impl Place {
    async fn build(quorum: u8) -> Self {
        let mut deciding = Deciding::build(quorum).await;
        for who in ["ada", "otto", "olga", "rita", "vera"] {
            deciding.enter(who).await;
        }
        let deployment = &deciding.deployment;
        let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
        deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
        let sealed = deployment.encrypt("app", &key, b"kept").await.unwrap();
        let place = Self { deciding, key, sealed };
        place.enter(NADIA, None).await;
        place
    }

    fn deployment(&self) -> &Deployment {
        &self.deciding.deployment
    }

    /// Enters a person with a certificate.
    async fn enter(&self, name: &str, same_person_as: Option<&str>) {
        self.deployment().ask(MAKER, create(name, same_person_as)).await.unwrap();
        let what = NewCredential::Certificate {
            der: certificate_of(name),
            chain: Vec::new(),
            expires_at: self.deployment().clock.wall().after(DAY * 365),
        };
        self.deployment().ask(MAKER, credential(name, what)).await.unwrap();
    }

    fn open(&self) -> OpenBreakGlass {
        open_for(NADIA, &self.key, HOUR * 2)
    }

    /// Somebody opens it, another one approves it.
    async fn opened(&self, by: &str, approver: &str) -> BreakGlass {
        let id = pending(self.deployment().ask(by, self.open()).await);
        self.deciding.approve(approver, id).await.unwrap();
        self.deployment().ask(by, self.open()).await.unwrap().output
    }

    async fn decrypts(&self, who: &str) -> Result<Vec<u8>, ServiceError> {
        self.deployment().decrypt(who, &self.sealed).await
    }

    async fn count(&self) -> BreakGlassCount {
        self.deployment().ask("vera", ReadSystem {}).await.unwrap().output.break_glass
    }

    async fn change(&self, event: Event) {
        let change = ChangeKeyState::new(KeyRef::Id(self.key.key.id), None, event).unwrap();
        self.deployment().ask("ada", change).await.unwrap();
    }
}

fn review(access: BreakGlassId, verdict: BreakGlassVerdict) -> ReviewBreakGlass {
    ReviewBreakGlass { access, verdict }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_other_person_opens_it_and_it_ends_by_itself() {
    let place = Place::build(2).await;
    let (deployment, deciding) = (place.deployment(), &place.deciding);
    refused(place.decrypts(NADIA).await, ErrorKind::NotFound);
    let id = pending(deployment.ask("rita", place.open()).await);
    let row = deciding.row(id).await;
    assert_eq!((row.quorum, row.eligible, row.ring), (1, Eligible::Responders, None));
    assert_eq!(row.rows.len(), 3, "the holder, the key, the rules");

    // Neither those who approve everything else, nor who asks, nor those who merely hold a role, nor whoever made the holder.
    refused(deciding.approve("carl", id).await, ErrorKind::Denied);
    refused(deciding.approve("vera", id).await, ErrorKind::Denied);
    refused(deciding.approve("ada", id).await, ErrorKind::Denied);
    refused(deciding.approve("rita", id).await, ErrorKind::SeparationOfDuties);
    refused(deciding.approve(MAKER, id).await, ErrorKind::SeparationOfDuties);
    assert_eq!(pending(deployment.ask("rita", place.open()).await), id);
    refused(place.decrypts(NADIA).await, ErrorKind::NotFound);
    deciding.approve("olga", id).await.unwrap();
    for who in ["olga", "ada", "otto"] {
        refused(deciding.execute(who, id).await, ErrorKind::Denied);
    }
    let executed = deciding.execute("rita", id).await.unwrap();
    let ExecutedResult::BreakGlass(access) = executed.result else { panic!("{:?}", executed.result) };
    assert_eq!((access.approval, access.ends_at.since(access.opened_at)), (Some(id), HOUR * 2));
    assert_eq!(access.keys, [place.key.key.id]);

    let grant = deployment.store.find_grant(*access.grants.first().unwrap()).await.unwrap().unwrap();
    assert_eq!((grant.origin, grant.conditions.until), (GrantOrigin::BreakGlass, Some(access.ends_at)));
    assert_eq!(grant.operations, [Action::Decrypt, Action::Reencrypt]);
    let filter = AlertFilter { rule: Some(AlertRule::BreakGlassOpened), ..AlertFilter::default() };
    let alerts = deployment.store.list_alerts(filter, Page { after: None, limit: 10 }).await.unwrap();
    let about: Vec<_> = alerts.iter().map(|alert| alert.subject).collect();
    assert_eq!(about, [Some(Object::BreakGlass(access.id))]);

    // On the plane of uses, as they are; on that of the AWS protocols people are nobody.
    assert_eq!(place.decrypts(NADIA).await.unwrap(), b"kept");
    refused(deployment.encrypt(NADIA, &place.key, b"new").await, ErrorKind::Denied);
    let mixed = Decrypt { ciphertext: place.sealed.clone().into(), context: Context::EMPTY, algorithm: None };
    let mixed = UseKey::by_header(mixed).unwrap();
    refused(deployment.ask_at(NADIA, Plane::Mixed, mixed).await, ErrorKind::Denied);
    assert_eq!(place.count().await, BreakGlassCount { open: 1, unreviewed: 1 });
    let explain = ExplainKey { key: KeyRef::Id(place.key.key.id), at: None };
    let rights = deployment.ask("vera", explain).await.unwrap().output.items;
    let of_nadia: Vec<_> = rights.iter().filter(|(who, _)| who.name.as_str() == NADIA).collect();
    assert_eq!(of_nadia.len(), 2);
    assert!(of_nadia.iter().all(|(_, one)| one.conditions.starts_with("emergency access; until ")));

    // Once: the same again is another one, which others approve again.
    assert_ne!(pending(deployment.ask("rita", place.open()).await), id);
    deployment.clock.advance(HOUR * 2);
    refused(place.decrypts(NADIA).await, ErrorKind::NotFound);
    assert_eq!(place.count().await, BreakGlassCount { open: 0, unreviewed: 1 });
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_it_who_must_not_and_nobody_opens_it_who_may_not() {
    let place = Place::build(2).await;
    let deployment = place.deployment();
    let ask = |by: &'static str, holder: &'static str| deployment.ask(by, open_for(holder, &place.key, HOUR));
    for (name, of) in [("vera-2", "vera"), ("rita-2", "rita")] {
        place.enter(name, Some(of)).await;
    }
    let roles = refused(ask("olga", "vera").await, ErrorKind::SeparationOfDuties);
    assert!(roles.public_message().contains("`auditor`"), "{roles}");
    refused(ask("olga", "vera-2").await, ErrorKind::SeparationOfDuties);
    // Themselves, by either account.
    for holder in ["rita", "rita-2"] {
        let own = refused(ask("rita", holder).await, ErrorKind::SeparationOfDuties);
        assert!(own.public_message().contains("themselves"), "{own}");
    }
    // Who made the holder could act as the holder.
    let maker = refused(ask(MAKER, NADIA).await, ErrorKind::SeparationOfDuties);
    assert!(maker.public_message().contains("who made a principal"), "{maker}");
    refused(ask("olga", "app").await, ErrorKind::InvalidArgument);
    deployment.ask("otto", create("nora", None)).await.unwrap();
    let proofless = refused(ask("olga", "nora").await, ErrorKind::WrongState);
    assert!(proofless.public_message().contains("certificate"), "{proofless}");
    let what = NewCredential::Token { lifetime: DAY };
    deployment.ask("otto", credential("nora", what)).await.unwrap();
    refused(ask("olga", "nora").await, ErrorKind::WrongState);

    for who in ["vera", "carl", "app", NADIA] {
        refused(ask(who, NADIA).await, ErrorKind::Denied);
    }
    pending(ask("ada", NADIA).await);
    deployment.ask("rita", RevokePrincipal { principal: principal(NADIA) }).await.unwrap();
    refused(ask("olga", NADIA).await, ErrorKind::SeparationOfDuties);
    assert_eq!(place.count().await, BreakGlassCount::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_who_makes_the_holder_a_credential_has_not_approved() {
    let place = Place::build(2).await;
    let deployment = place.deployment();
    let id = pending(deployment.ask("rita", place.open()).await);
    place.deciding.approve("olga", id).await.unwrap();
    let what = NewCredential::Token { lifetime: DAY };
    deployment.ask("olga", credential(NADIA, what)).await.unwrap();
    // The holder is not as shown any more, so that it is asked for afresh; and who could act as the holder approves nothing.
    refused(deployment.ask("rita", place.open()).await, ErrorKind::Conflict);
    let again = pending(deployment.ask("rita", place.open()).await);
    assert_ne!(again, id);
    place.deciding.approve("olga", again).await.unwrap_err();
    assert_eq!(place.deciding.standing(again).await, (ApprovalState::Open, 0));
    refused(place.decrypts(NADIA).await, ErrorKind::NotFound);
}

fn token() -> CreateCredential {
    credential(NADIA, NewCredential::Token { lifetime: DAY })
}

/// By a credential that somebody made, they have the holder make another one, and end the first.
#[tokio::test(flavor = "multi_thread")]
async fn who_had_the_holder_make_a_credential_neither_approves_nor_opens_it() {
    let place = Place::build(2).await;
    let deployment = place.deployment();
    let made = deployment.ask("olga", token()).await.unwrap().output;
    let first = made.credential.id;
    deployment.ask_with(shown(made), token()).await.unwrap();
    deployment.ask("olga", RevokeCredential { credential: first }).await.unwrap();
    let id = pending(deployment.ask("rita", place.open()).await);
    refused(place.deciding.approve("olga", id).await, ErrorKind::SeparationOfDuties);
    refused(deployment.ask("olga", place.open()).await, ErrorKind::SeparationOfDuties);
    refused(place.decrypts(NADIA).await, ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_makes_a_credential_for_who_has_it() {
    let place = Place::build(2).await;
    let deployment = place.deployment();
    // On a relaxed ring: a credential of who uses keys of that takes nobody's approval.
    deployment.relaxed_ring("tools").await;
    let key = deployment.key_in("tools", "one", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let open = || open_for(NADIA, &key, HOUR);
    let id = pending(deployment.ask("rita", open()).await);
    place.deciding.approve("olga", id).await.unwrap();
    let access = deployment.ask("rita", open()).await.unwrap().output;
    for who in ["olga", MAKER] {
        let made = refused(deployment.ask(who, token()).await, ErrorKind::SeparationOfDuties);
        assert!(made.public_message().contains("emergency access"), "{made}");
    }
    deployment.ask(NADIA, token()).await.unwrap();
    deployment.ask("rita", CloseBreakGlass { access: access.id }).await.unwrap();
    deployment.ask("olga", token()).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_it_makes_no_credential_of_the_holder_at_the_same_moment() {
    for _ in 0..4 {
        let place = Place::build(0).await;
        let deployment = place.deployment();
        deployment.relaxed_ring("tools").await;
        let key = deployment.key_in("tools", "one", Purpose::Encrypt, Spec::Aes256Gcm).await;
        let (made, access) = tokio::join!(
            deployment.ask("olga", token()),
            deployment.ask("olga", open_for(NADIA, &key, HOUR))
        );
        assert_eq!(usize::from(made.is_ok()) + usize::from(access.is_ok()), 1, "{made:?} {access:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_reviews_is_not_opened_again_and_again() {
    let place = Place::build(0).await;
    let deployment = place.deployment();
    place.enter("nadia-2", Some(NADIA)).await;
    let mut opened = Vec::new();
    for holder in [NADIA, "nadia-2", NADIA, NADIA] {
        opened.push(deployment.ask("rita", open_for(holder, &place.key, HOUR)).await.unwrap().output.id);
    }
    for holder in [NADIA, "nadia-2"] {
        let more = deployment.ask("olga", open_for(holder, &place.key, HOUR)).await;
        let more = refused(more, ErrorKind::LimitExceeded);
        assert!(more.public_message().contains("break-glass review"), "{more}");
    }
    deployment.clock.advance(HOUR);
    refused(deployment.ask("olga", place.open()).await, ErrorKind::LimitExceeded);
    deployment.ask("ada", review(opened[0], BreakGlassVerdict::Justified)).await.unwrap();
    deployment.ask("olga", place.open()).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_lasts_no_longer_than_the_deployment_says_and_names_keys_that_process() {
    let place = Place::build(2).await;
    let deployment = place.deployment();
    let lasting = |lifetime| deployment.ask("rita", open_for(NADIA, &place.key, lifetime));
    for wrong in [Duration::ZERO, Duration::from_secs(59), HOUR * 4 + Duration::from_secs(1), DAY * 400] {
        refused(lasting(wrong).await, ErrorKind::InvalidArgument);
    }
    pending(lasting(HOUR * 4).await);
    let keys = |count: usize| OpenBreakGlass {
        holder: principal(NADIA),
        keys: vec![KeyRef::Id(place.key.key.id); count],
        lifetime: None,
    };
    refused(deployment.ask("rita", keys(0)).await, ErrorKind::InvalidArgument);
    refused(deployment.ask("rita", keys(63)).await, ErrorKind::InvalidArgument);
    // Each once.
    let id = pending(deployment.ask("rita", keys(62)).await);
    assert_eq!(place.deciding.row(id).await.rows.len(), 3);
    let nowhere = open_for(NADIA, &place.key, HOUR);
    let nowhere = OpenBreakGlass { keys: vec![KeyRef::Id(KeyId::from_bytes([9; 16]))], ..nowhere };
    refused(deployment.ask("rita", nowhere).await, ErrorKind::NotFound);

    // A rule that allows less allows it from now on.
    let rules = SetGovernance { break_glass_lifetime: Some(HOUR), ..SetGovernance::default() };
    deployment.ask("otto", rules).await.unwrap();
    refused(lasting(HOUR * 2).await, ErrorKind::InvalidArgument);
    pending(lasting(HOUR).await);

    place.change(Event::Suspend).await;
    refused(lasting(HOUR).await, ErrorKind::WrongState);
    place.change(Event::Resume).await;
    place.change(Event::Deactivate).await;
    pending(lasting(HOUR / 2).await);
    place.change(Event::Compromise).await;
    refused(lasting(HOUR).await, ErrorKind::WrongState);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_waits_for_its_destruction_is_not_brought_back() {
    let place = Place::build(0).await;
    let deployment = place.deployment();
    deployment.relaxed_ring("tools").await;
    let key = deployment.key_in("tools", "old", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let destroy = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: None };
    deployment.ask("ada", destroy).await.unwrap();
    let waits = deployment.ask("rita", open_for(NADIA, &key, HOUR)).await;
    let waits = refused(waits, ErrorKind::WrongState);
    assert!(waits.public_message().contains("waits for its destruction"), "{waits}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_it_was_asked_for_is_not_opened() {
    let place = Place::build(2).await;
    let deployment = place.deployment();
    let id = pending(deployment.ask("rita", place.open()).await);
    place.deciding.approve("olga", id).await.unwrap();
    let patch = KeyPatch { description: Some("of the shop".to_owned()), ..KeyPatch::default() };
    let touch = UpdateKey { key: KeyRef::Id(place.key.key.id), patch, if_revision: None };
    deployment.ask("ada", touch).await.unwrap();
    refused(deployment.ask("rita", place.open()).await, ErrorKind::Conflict);
    assert_eq!(place.count().await, BreakGlassCount::default());

    // And a key that was suspended after it was opened is used by nobody.
    place.opened("rita", "olga").await;
    assert_eq!(place.decrypts(NADIA).await.unwrap(), b"kept");
    place.change(Event::Suspend).await;
    refused(place.decrypts(NADIA).await, ErrorKind::WrongState);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_approves_it_where_a_ring_asks_for_more_and_nobody_where_nobody_asks() {
    for quorum in [0, 2] {
        let place = Place::build(quorum).await;
        let (deployment, deciding) = (place.deployment(), &place.deciding);
        let policy = RingPolicy {
            data_class: Some(DataClass::Cardholder),
            plaintext_data_keys: PlaintextDataKeys::Refused,
            grants_under_quorum: true,
            ..RingPolicy::default()
        };
        let ring = CreateRing { name: "guarded".parse().unwrap(), policy };
        deployment.ask("ada", ring).await.unwrap();
        let key = deployment.key_in("guarded", "pan", Purpose::Encrypt, Spec::Aes256Gcm).await;
        let id = pending(deployment.ask("rita", open_for(NADIA, &key, HOUR)).await);
        assert_eq!(deciding.row(id).await.quorum, 1);
        deciding.approve("olga", id).await.unwrap();
        deciding.execute("rita", id).await.unwrap();
        match quorum {
            // Neither the deployment nor the ring asks anybody: it is on record, raises an alert, and is reviewed.
            0 => {
                let access = deployment.ask("rita", place.open()).await.unwrap().output;
                assert_eq!(access.approval, None);
                assert_eq!(place.decrypts(NADIA).await.unwrap(), b"kept");
                assert_eq!(place.count().await, BreakGlassCount { open: 2, unreviewed: 2 });
            }
            _ => drop(pending(deployment.ask("rita", place.open()).await)),
        }
        hold(deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_it_ends_it_at_once() {
    let place = Place::build(2).await;
    let deployment = place.deployment();
    let access = place.opened("rita", "olga").await;
    assert_eq!(place.decrypts(NADIA).await.unwrap(), b"kept");
    let close = || CloseBreakGlass { access: access.id };
    for who in ["ada", "carl", "vera", NADIA] {
        refused(deployment.ask(who, close()).await, ErrorKind::Denied);
    }
    // A permit that is remembered passes by no fence.
    for _ in 0..3 {
        assert_eq!(place.decrypts(NADIA).await.unwrap(), b"kept");
    }
    let closed = deployment.ask("otto", close()).await.unwrap().output;
    assert_eq!((closed.closed.map(|closed| closed.at), closed.revision), (Some(closed.end()), 2));
    refused(place.decrypts(NADIA).await, ErrorKind::NotFound);
    let grant = deployment.store.find_grant(*access.grants.first().unwrap()).await.unwrap().unwrap();
    let ending = grant.ending.unwrap();
    assert_eq!((grant.status, ending.by), (Status::Revoked, EndedBy::Revocation));
    assert_eq!(
        deployment.ask("rita", close()).await.unwrap().output.revision,
        2,
        "once more changes nothing"
    );
    assert_eq!(deployment.decrypt("app", &place.sealed).await.unwrap(), b"kept", "others are as before");

    // Whoever opened it closes it, too.
    let access = place.opened("ada", "rita").await;
    deployment.ask("ada", CloseBreakGlass { access: access.id }).await.unwrap();
    refused(place.decrypts(NADIA).await, ErrorKind::NotFound);
    assert_eq!(place.count().await, BreakGlassCount { open: 0, unreviewed: 2 });
    let nowhere = CloseBreakGlass { access: BreakGlassId::from_bytes([9; 16]) };
    refused(deployment.ask("rita", nowhere).await, ErrorKind::NotFound);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_reviews_it_once_it_has_ended() {
    use BreakGlassVerdict::{Justified, Unjustified};
    let place = Place::build(2).await;
    let deployment = place.deployment();
    let access = place.opened("rita", "olga").await;
    refused(deployment.ask(MAKER, review(access.id, Justified)).await, ErrorKind::WrongState);
    deployment.clock.advance(HOUR * 3);
    // Who opened it, who approved it, and who had it; those whose office it is not.
    for who in ["rita", "olga"] {
        refused(deployment.ask(who, review(access.id, Justified)).await, ErrorKind::SeparationOfDuties);
    }
    for who in [NADIA, "carl", "vera"] {
        refused(deployment.ask(who, review(access.id, Justified)).await, ErrorKind::Denied);
    }
    // By another account neither.
    place.enter("rita-2", Some("rita")).await;
    let id = pending(deployment.ask("olga", assign("rita-2", Role::Administrator)).await);
    for custodian in ["carl", "cora"] {
        place.deciding.approve(custodian, id).await.unwrap();
    }
    deployment.ask("olga", assign("rita-2", Role::Administrator)).await.unwrap();
    let other = deployment.ask("rita-2", review(access.id, Justified)).await;
    refused(other, ErrorKind::SeparationOfDuties);

    let page = Page { after: None, limit: 10 };
    let ended = ListBreakGlass { open: Some(false), reviewed: Some(false), page };
    assert_eq!(deployment.ask("vera", ended).await.unwrap().output.len(), 1);
    // What ended by itself is there until then, and keeps its holder from a role.
    refused(deployment.ask("olga", assign(NADIA, Role::Operator)).await, ErrorKind::SeparationOfDuties);
    let reviewed = deployment.ask("ada", review(access.id, Unjustified)).await.unwrap().output;
    assert_eq!(reviewed.reviewed.map(|reviewed| reviewed.verdict), Some(Unjustified));
    assert_eq!(place.count().await, BreakGlassCount::default());
    let again = deployment.ask("ada", review(access.id, Unjustified)).await.unwrap().output;
    assert_eq!(again.revision, reviewed.revision, "once more changes nothing");
    refused(deployment.ask("ada", review(access.id, Justified)).await, ErrorKind::WrongState);
    refused(deployment.ask(MAKER, review(access.id, Unjustified)).await, ErrorKind::WrongState);
    pending(deployment.ask("olga", assign(NADIA, Role::Operator)).await);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_role_who_has_emergency_access_by_whatever_account() {
    let place = Place::build(2).await;
    let deployment = place.deployment();
    // On a relaxed ring an administrator may use keys; emergency access goes with no role at all.
    deployment.relaxed_ring("tools").await;
    let key = deployment.key_in("tools", "one", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let open = || open_for(NADIA, &key, HOUR);
    let id = pending(deployment.ask("rita", open()).await);
    place.deciding.approve("olga", id).await.unwrap();
    let access = deployment.ask("rita", open()).await.unwrap().output;
    deployment.ask(MAKER, create("nadia-2", Some(NADIA))).await.unwrap();
    for (name, role) in [(NADIA, Role::Administrator), ("nadia-2", Role::Administrator)] {
        let given = refused(deployment.ask("olga", assign(name, role)).await, ErrorKind::SeparationOfDuties);
        assert!(given.public_message().contains("emergency access"), "{given}");
    }
    deployment.ask("rita", CloseBreakGlass { access: access.id }).await.unwrap();
    pending(deployment.ask("olga", assign("nadia-2", Role::Administrator)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_and_emergency_access_at_the_same_moment_are_one_of_both() {
    for _ in 0..4 {
        // Where nobody approves, both are done at once.
        let place = Place::build(0).await;
        let deployment = place.deployment();
        let (role, access) = tokio::join!(
            deployment.ask("olga", assign(NADIA, Role::Auditor)),
            deployment.ask("rita", place.open())
        );
        assert_eq!(usize::from(role.is_ok()) + usize::from(access.is_ok()), 1, "{role:?} {access:?}");
    }
}

async fn recover(deployment: &Deployment, name: &str) {
    let recover = Recover {
        name: name.parse().unwrap(),
        certificate: certificate_of(name),
        expires_at: deployment.clock.wall().after(DAY * 365),
    };
    deployment.road.perform_for_system(system(), recover).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovered_officer_approves_and_reviews_nothing_before_the_wait_is_over() {
    let mut place = Place::build(2).await;
    recover(place.deployment(), "rosa").await;
    place.deciding.enter("rosa").await;
    let deployment = place.deployment();
    let id = pending(deployment.ask("rita", place.open()).await);
    refused(place.deciding.approve("rosa", id).await, ErrorKind::Denied);
    place.deciding.approve("olga", id).await.unwrap();
    let access = deployment.ask("rita", place.open()).await.unwrap().output;
    deployment.ask("rita", CloseBreakGlass { access: access.id }).await.unwrap();
    let verdict = BreakGlassVerdict::Justified;
    refused(deployment.ask("rosa", review(access.id, verdict)).await, ErrorKind::SeparationOfDuties);
    deployment.clock.advance(DAY * 4);
    deployment.ask("rosa", review(access.id, verdict)).await.unwrap();
    let id = pending(deployment.ask("rita", place.open()).await);
    place.deciding.approve("rosa", id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custodian_takes_a_recovery_back_within_its_wait() {
    let deployment = Deployment::build_for(&[ADA, OTTO, OLGA, VERA, CARL]).await;
    let cancel = |name: &str| CancelRecovery { principal: principal(name) };
    let unacknowledged = async || {
        let status = deployment.ask("vera", ReadSystem {}).await.unwrap().output;
        status.unacknowledged.iter().map(|officer| officer.name.to_string()).collect::<Vec<_>>()
    };
    for name in ["rosa", "ralf", "ruth"] {
        recover(&deployment, name).await;
    }
    for who in ["ada", "otto", "vera", "rosa"] {
        refused(deployment.ask(who, cancel("ralf")).await, ErrorKind::Denied);
    }
    refused(deployment.ask("carl", cancel("otto")).await, ErrorKind::WrongState);
    let answers = AssignCapacity { principal: principal("rosa"), capacity: Capacity::Ciso };
    deployment.ask("otto", answers).await.unwrap();
    let cancelled = deployment.ask("carl", cancel("rosa")).await.unwrap().output;
    let left = (cancelled.roles.len(), cancelled.capacities.len());
    assert_eq!((cancelled.status, left), (Status::Revoked, (1, 0)));
    refused(deployment.ask("rosa", ReadSystem {}).await, ErrorKind::Unauthenticated);
    assert_eq!(unacknowledged().await, ["ralf", "ruth"]);
    let again = deployment.ask("carl", cancel("rosa")).await.unwrap().output;
    assert_eq!(again.revision, cancelled.revision, "once more changes nothing");
    // What somebody has acknowledged, and what nobody has cancelled in time, is for those who revoke anybody.
    deployment.ask("vera", AcknowledgeRecovery { principal: principal("ralf") }).await.unwrap();
    refused(deployment.ask("carl", cancel("ralf")).await, ErrorKind::WrongState);
    deployment.clock.advance(DAY * 4);
    refused(deployment.ask("carl", cancel("ruth")).await, ErrorKind::WrongState);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_is_taken_back_where_it_made_the_last_officer() {
    let deployment = Deployment::build_for(&[ADA, OTTO, VERA, CARL]).await;
    let page = Page { after: None, limit: 100 };
    let list = ListCredentials { principal: Some(principal("otto")), page };
    for credential in deployment.ask("vera", list).await.unwrap().output {
        deployment.ask("otto", RevokeCredential { credential: credential.id }).await.unwrap();
    }
    recover(&deployment, "rosa").await;
    // Nobody else who could act is left, and no other revocation would take her.
    deployment.ask("carl", CancelRecovery { principal: principal("rosa") }).await.unwrap();
    refused(deployment.ask("rosa", ReadSystem {}).await, ErrorKind::Unauthenticated);
    hold(&deployment).await;
}
