//! The end of keys: waiting periods, cancellation, and destruction when they are over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use claviger_core::alias::AliasName;
use claviger_core::key::{DestructionBlocked, Event, KeyRecord, RingPolicy, Separation, State};
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{
    CancelDestroy, ChangeKeyState, CreateAlias, CreateRing, DestroyKey, KeyPatch, MoveAlias, ReadAlias,
    ReadKey, ReadSystem, RingPatch, RotateKey, ScheduleDestroy, SetRingSeparation, UpdateKey, UpdateRing,
};
use claviger_service::{ErrorKind, KeyRef};

use crate::deployment::{DAY, Deployment, system};
use crate::evidence::{hold, states};

fn id(key: &KeyRecord) -> KeyRef {
    KeyRef::Id(key.key.id)
}

fn schedule(key: &KeyRecord, days: Option<u32>) -> ScheduleDestroy {
    ScheduleDestroy { key: id(key), waiting: days.map(|days| DAY * days) }
}

fn step(key: &KeyRecord, event: Event) -> ChangeKeyState {
    ChangeKeyState::new(id(key), None, event).unwrap()
}

/// A key in a ring where nobody else must approve.
async fn key(deployment: &Deployment, name: &str) -> KeyRecord {
    deployment.relaxed_ring("orders").await;
    let key = deployment.key(name, Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    key
}

async fn refused<O: claviger_service::Operation>(
    deployment: &Deployment,
    who: &str,
    operation: O,
) -> ErrorKind {
    deployment.ask(who, operation).await.map(|_| ()).unwrap_err().kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_custodians_must_approve_nobody_schedules_a_destruction_alone() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let error = deployment.ask("ada", schedule(&key, None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ApprovalRequired);
    assert!(error.public_message().contains("2 custodians other than you must approve it"), "{error}");
    assert!(error.public_message().contains("there are only 0 who could"), "{error}");
    assert!(error.approval().is_some());
    assert_eq!(states(&deployment, key.key.id).await, [(State::Active, State::Active)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_without_a_quorum_is_relaxed_and_a_strict_one_has_a_quorum() {
    let deployment = Deployment::build().await;
    let create = CreateRing { name: "orders".parse().unwrap(), policy: RingPolicy::default() };
    deployment.ask("ada", create).await.unwrap();
    let quorum = |quorum| UpdateRing {
        ring: "orders".parse().unwrap(),
        patch: RingPatch { quorum: Some(quorum), ..RingPatch::default() },
        if_revision: None,
    };
    let separation = |separation| SetRingSeparation { ring: "orders".parse().unwrap(), separation };
    assert_eq!(refused(&deployment, "ada", quorum(0)).await, ErrorKind::InvalidArgument);
    deployment.ask("otto", separation(Separation::Relaxed)).await.unwrap();
    assert_eq!(refused(&deployment, "ada", quorum(1)).await, ErrorKind::InvalidArgument);
    assert_eq!(deployment.ask("ada", quorum(0)).await.unwrap().output.policy.quorum, 0);
    let strict = deployment.ask("otto", separation(Separation::Strict)).await.unwrap().output;
    assert_eq!(strict.policy.quorum, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_waits_is_used_for_nothing_and_comes_back_suspended() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    let sealed = deployment.encrypt("app", &key, b"kept").await.unwrap();
    let waiting = deployment.ask("ada", schedule(&key, Some(7))).await.unwrap().output;
    assert_eq!(waiting.key.state, State::Suspended);
    let wait = waiting.destroy_at().unwrap().since(deployment.clock.wall());
    assert!(wait <= DAY * 7 && wait > DAY * 6, "{wait:?}");
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(deployment.encrypt("app", &key, b"x").await.unwrap_err().kind(), ErrorKind::WrongState);
    let name: AliasName = "a".parse().unwrap();
    let update = UpdateKey { key: id(&key), patch: KeyPatch::default(), if_revision: None };
    assert_eq!(refused(&deployment, "ada", schedule(&key, Some(7))).await, ErrorKind::WrongState);
    assert_eq!(refused(&deployment, "ada", step(&key, Event::Resume)).await, ErrorKind::WrongState);
    assert_eq!(refused(&deployment, "ada", RotateKey { key: id(&key) }).await, ErrorKind::WrongState);
    assert_eq!(refused(&deployment, "ada", update).await, ErrorKind::WrongState);
    assert_eq!(refused(&deployment, "ada", CreateAlias { name, key: id(&key) }).await, ErrorKind::WrongState);
    let back = deployment.ask("ada", CancelDestroy { key: id(&key) }).await.unwrap().output;
    assert_eq!((back.key.state, back.destroy_at()), (State::Suspended, None));
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(refused(&deployment, "ada", CancelDestroy { key: id(&key) }).await, ErrorKind::WrongState);
    deployment.ask("ada", step(&key, Event::Resume)).await.unwrap();
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"kept");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_suspended_is_used_for_nothing_all_the_same() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "old").await;
    let sealed = deployment.encrypt("app", &key, b"old").await.unwrap();
    deployment.ask("ada", step(&key, Event::Deactivate)).await.unwrap();
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"old");
    let waiting = deployment.ask("ada", schedule(&key, Some(1))).await.unwrap().output;
    assert_eq!(waiting.key.state, State::Deactivated);
    let error = deployment.decrypt("app", &sealed).await.unwrap_err();
    assert!(error.public_message().contains("waits for its destruction"), "{error}");
    deployment.ask("ada", CancelDestroy { key: id(&key) }).await.unwrap();
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"old");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_periods_have_bounds() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    for days in [0, 366] {
        assert_eq!(
            refused(&deployment, "ada", schedule(&key, Some(days))).await,
            ErrorKind::InvalidArgument,
            "{days}"
        );
    }
    let usual = deployment.ask("ada", schedule(&key, None)).await.unwrap().output;
    let wait = usual.destroy_at().unwrap().since(deployment.clock.wall());
    assert!(wait <= DAY * 30 && wait > DAY * 29, "{wait:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn destruction_comes_when_it_is_due_and_takes_material_and_aliases() {
    let deployment = Deployment::build().await;
    let (key, other) = (key(&deployment, "cards").await, key(&deployment, "other").await);
    let sealed = deployment.encrypt("app", &key, b"gone").await.unwrap();
    deployment.ask("ada", RotateKey { key: id(&key) }).await.unwrap();
    for name in ["a", "b"] {
        deployment.ask("ada", CreateAlias { name: name.parse().unwrap(), key: id(&key) }).await.unwrap();
    }
    deployment.ask("ada", schedule(&key, Some(7))).await.unwrap();
    deployment.road.do_what_is_due().await;
    assert_eq!(states(&deployment, key.key.id).await[0], (State::Deactivated, State::Suspended));
    let early = deployment.road.perform_for_system(system(), DestroyKey { key: key.key.id }).await;
    assert_eq!(early.unwrap_err().kind(), ErrorKind::WrongState);

    deployment.clock.advance(DAY * 7);
    deployment.road.do_what_is_due().await;
    assert_eq!(states(&deployment, key.key.id).await, [(State::Destroyed, State::Destroyed); 2]);
    assert_eq!(states(&deployment, other.key.id).await, [(State::Active, State::Active)]);
    let tombstone = deployment.ask("vera", ReadKey { key: id(&key) }).await.unwrap().output;
    assert!(tombstone.versions.iter().all(|version| version.wrap.is_none()));
    assert_eq!(tombstone.destroy_at(), None);
    for name in ["a", "b"] {
        let read = ReadAlias { name: name.parse().unwrap() };
        assert_eq!(refused(&deployment, "vera", read).await, ErrorKind::NotFound);
    }
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap_err().kind(), ErrorKind::WrongState);
    for event in [Event::Activate, Event::Resume, Event::Suspend, Event::Deactivate] {
        assert_eq!(refused(&deployment, "ada", step(&key, event)).await, ErrorKind::WrongState, "{event}");
    }
    assert_eq!(refused(&deployment, "ada", schedule(&key, Some(7))).await, ErrorKind::WrongState);
    assert_eq!(refused(&deployment, "ada", CancelDestroy { key: id(&key) }).await, ErrorKind::WrongState);
    deployment.ask("ada", CreateAlias { name: "a".parse().unwrap(), key: id(&other) }).await.unwrap();
    let back = MoveAlias { name: "a".parse().unwrap(), key: id(&key) };
    assert_eq!(refused(&deployment, "ada", back).await, ErrorKind::WrongState);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compromised_version_is_destroyed_as_one() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    deployment.ask("ada", schedule(&key, Some(7))).await.unwrap();
    deployment.ask("otto", step(&key, Event::Compromise)).await.unwrap();
    deployment.clock.advance(DAY * 8);
    deployment.road.do_what_is_due().await;
    assert_eq!(states(&deployment, key.key.id).await, [(State::Destroyed, State::DestroyedCompromised)]);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_system_destroys() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    deployment.ask("ada", schedule(&key, Some(1))).await.unwrap();
    deployment.clock.advance(DAY * 2);
    for who in ["ada", "otto", "vera"] {
        assert_eq!(
            refused(&deployment, who, DestroyKey { key: key.key.id }).await,
            ErrorKind::Denied,
            "{who}"
        );
    }
    assert_eq!(refused(&deployment, "app", DestroyKey { key: key.key.id }).await, ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_nobody_served_is_done_at_the_start() {
    let deployment = Deployment::build().await;
    let (first, second) = (key(&deployment, "first").await, key(&deployment, "second").await);
    for key in [&first, &second] {
        deployment.ask("ada", schedule(key, Some(7))).await.unwrap();
    }
    deployment.clock.advance(DAY * 7 + Duration::from_secs(60));
    // One is destroyed, and then the process ends.
    deployment.road.perform_for_system(system(), DestroyKey { key: first.key.id }).await.unwrap();
    let deployment = deployment.restart().await;
    for _ in 0..200 {
        if states(&deployment, second.key.id).await == [(State::Destroyed, State::Destroyed)] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for key in [&first, &second] {
        assert_eq!(states(&deployment, key.key.id).await, [(State::Destroyed, State::Destroyed)]);
    }
    hold(&deployment).await;
}

fn separation(separation: Separation) -> SetRingSeparation {
    SetRingSeparation { ring: "orders".parse().unwrap(), separation }
}

fn update(patch: RingPatch) -> UpdateRing {
    UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_that_has_keys_is_not_relaxed_by_one_person() {
    let custodian = |number: u8| (format!("custodian-{number}"), PrincipalKind::Human, Some(Role::Custodian));
    let deployment = Deployment::build_among(false, (1..=3).map(custodian).collect()).await;
    let strict = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let waiting = |days: u32| RingPatch { destroy_waiting_period: Some(DAY * days), ..RingPatch::default() };
    let quorum = |quorum| RingPatch { quorum: Some(quorum), ..RingPatch::default() };
    // No more than there are custodians.
    assert_eq!(refused(&deployment, "ada", update(quorum(4))).await, ErrorKind::InvalidArgument);
    let many = CreateRing {
        name: "many".parse().unwrap(),
        policy: RingPolicy { quorum: 4, ..RingPolicy::default() },
    };
    assert_eq!(refused(&deployment, "ada", many).await, ErrorKind::InvalidArgument);
    deployment.ask("ada", update(quorum(3))).await.unwrap();
    assert_eq!(
        refused(&deployment, "otto", separation(Separation::Relaxed)).await,
        ErrorKind::ApprovalRequired
    );
    assert_eq!(refused(&deployment, "ada", update(quorum(2))).await, ErrorKind::ApprovalRequired);
    assert_eq!(refused(&deployment, "ada", update(waiting(29))).await, ErrorKind::ApprovalRequired);
    deployment.ask("ada", update(waiting(60))).await.unwrap();
    deployment.ask("ada", step(&strict, Event::Suspend)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_is_not_made_strict_over_a_scheduled_destruction() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    deployment.ask("ada", schedule(&key, Some(1))).await.unwrap();
    assert_eq!(refused(&deployment, "otto", separation(Separation::Strict)).await, ErrorKind::WrongState);
    deployment.ask("ada", CancelDestroy { key: id(&key) }).await.unwrap();
    deployment.ask("otto", separation(Separation::Strict)).await.unwrap();
    assert_eq!(
        refused(&deployment, "otto", separation(Separation::Relaxed)).await,
        ErrorKind::ApprovalRequired
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_that_its_ring_blocks_stays_scheduled_and_is_entered_once() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    let sealed = deployment.encrypt("app", &key, b"kept").await.unwrap();
    deployment.ask("ada", schedule(&key, Some(1))).await.unwrap();
    // A quorum is raised at any time.
    deployment.ask("ada", update(RingPatch { quorum: Some(2), ..RingPatch::default() })).await.unwrap();
    deployment.clock.advance(DAY * 2);
    let before = deployment.road.figures().size.load(Ordering::Relaxed);
    for _ in 0..5 {
        deployment.road.do_what_is_due().await;
    }
    let entries = deployment.road.figures().size.load(Ordering::Relaxed) - before;
    assert_eq!(entries, 3, "one of the destruction, one of the alert about it, and the snapshot of the day");
    assert_eq!(states(&deployment, key.key.id).await, [(State::Active, State::Suspended)]);
    let record = deployment.ask("vera", ReadKey { key: id(&key) }).await.unwrap().output;
    assert_eq!(record.destruction_blocked(), Some(DestructionBlocked::Quorum(2)));
    let status = deployment.ask("vera", ReadSystem {}).await.unwrap().output;
    assert_eq!((status.blocked_destructions, deployment.road.blocked_destructions()), (1, 1));
    deployment.ask("ada", CancelDestroy { key: id(&key) }).await.unwrap();
    deployment.ask("ada", step(&key, Event::Resume)).await.unwrap();
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"kept");
    deployment.road.do_what_is_due().await;
    assert_eq!(deployment.road.blocked_destructions(), 0);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_follows_the_wait_that_its_ring_asks_for_when_it_is_due() {
    let deployment = Deployment::build().await;
    let short = RingPatch { destroy_waiting_period: Some(DAY * 7), ..RingPatch::default() };
    deployment.relaxed_ring("orders").await;
    deployment.ask("ada", update(short)).await.unwrap();
    let key = key(&deployment, "cards").await;
    let waiting = deployment.ask("ada", schedule(&key, Some(1))).await.unwrap().output;
    let at = waiting.destroy_at().unwrap();
    // A relaxed ring asks for a day, whatever its own period; a strict one for its period.
    let longer = RingPatch { destroy_waiting_period: Some(DAY * 20), ..RingPatch::default() };
    deployment.ask("ada", update(longer)).await.unwrap();
    let record = deployment.ask("vera", ReadKey { key: id(&key) }).await.unwrap().output;
    assert_eq!(record.destroy_at(), Some(at));
    let strict = RingPolicy { separation: Separation::Strict, ..record.ring.policy.clone() };
    let scheduled_at = record.key.destruction.unwrap().scheduled_at;
    assert_eq!(record.key.destruction.unwrap().due_at(&strict), scheduled_at.after(DAY * 20));
}
