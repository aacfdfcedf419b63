//! The end of keys: waiting periods, their withdrawal, and destruction when they are over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use claviger_core::alias::AliasName;
use claviger_core::key::{DestructionBlocked, Event, KeyRecord, RingPolicy, Separation, State};
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{
    CancelDestroy, ChangeKeyState, CreateAlias, CreateRing, DestroyKey, KeyPatch, MoveAlias, ReadAlias,
    ReadKey, ReadSystem, RingPatch, RotateKey, ScheduleDestroy, SetRingSeparation, UpdateKey, UpdateRing,
};
use claviger_service::{ErrorKind, KeyRef};

use crate::evidence::{hold, states};
use crate::house::{DAY, House, system};

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
async fn key(house: &House, name: &str) -> KeyRecord {
    house.relaxed_ring("orders").await;
    let key = house.key(name, Purpose::Encrypt, Spec::Aes256Gcm).await;
    house.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    key
}

async fn refused<O: claviger_service::Operation>(house: &House, who: &str, operation: O) -> ErrorKind {
    house.ask(who, operation).await.map(|_| ()).unwrap_err().kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_custodians_must_approve_nothing_is_destroyed_yet() {
    let house = House::build().await;
    let key = house.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let error = house.ask("ada", schedule(&key, None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ApprovalRequired);
    assert!(error.public_message().contains("approval of 2 custodians"), "{error}");
    assert_eq!(states(&house, key.key.id).await, [(State::Active, State::Active)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_without_a_quorum_is_relaxed_and_a_strict_one_has_a_quorum() {
    let house = House::build().await;
    let create = CreateRing { name: "orders".parse().unwrap(), policy: RingPolicy::default() };
    house.ask("ada", create).await.unwrap();
    let quorum = |quorum| UpdateRing {
        ring: "orders".parse().unwrap(),
        patch: RingPatch { quorum: Some(quorum), ..RingPatch::default() },
        if_revision: None,
    };
    let separation = |separation| SetRingSeparation { ring: "orders".parse().unwrap(), separation };
    assert_eq!(refused(&house, "ada", quorum(0)).await, ErrorKind::InvalidArgument);
    house.ask("otto", separation(Separation::Relaxed)).await.unwrap();
    assert_eq!(refused(&house, "ada", quorum(1)).await, ErrorKind::InvalidArgument);
    assert_eq!(house.ask("ada", quorum(0)).await.unwrap().output.policy.quorum, 0);
    let strict = house.ask("otto", separation(Separation::Strict)).await.unwrap().output;
    assert_eq!(strict.policy.quorum, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_waits_is_used_for_nothing_and_comes_back_suspended() {
    let house = House::build().await;
    let key = key(&house, "cards").await;
    let sealed = house.encrypt("app", &key, b"kept").await.unwrap();
    let waiting = house.ask("ada", schedule(&key, Some(7))).await.unwrap().output;
    assert_eq!(waiting.key.state, State::Suspended);
    let wait = waiting.destroy_at().unwrap().since(house.clock.wall());
    assert!(wait <= DAY * 7 && wait > DAY * 6, "{wait:?}");
    assert_eq!(house.decrypt("app", &sealed).await.unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(house.encrypt("app", &key, b"x").await.unwrap_err().kind(), ErrorKind::WrongState);
    let name: AliasName = "a".parse().unwrap();
    let update = UpdateKey { key: id(&key), patch: KeyPatch::default(), if_revision: None };
    assert_eq!(refused(&house, "ada", schedule(&key, Some(7))).await, ErrorKind::WrongState);
    assert_eq!(refused(&house, "ada", step(&key, Event::Resume)).await, ErrorKind::WrongState);
    assert_eq!(refused(&house, "ada", RotateKey { key: id(&key) }).await, ErrorKind::WrongState);
    assert_eq!(refused(&house, "ada", update).await, ErrorKind::WrongState);
    assert_eq!(refused(&house, "ada", CreateAlias { name, key: id(&key) }).await, ErrorKind::WrongState);
    let back = house.ask("ada", CancelDestroy { key: id(&key) }).await.unwrap().output;
    assert_eq!((back.key.state, back.destroy_at()), (State::Suspended, None));
    assert_eq!(house.decrypt("app", &sealed).await.unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(refused(&house, "ada", CancelDestroy { key: id(&key) }).await, ErrorKind::WrongState);
    house.ask("ada", step(&key, Event::Resume)).await.unwrap();
    assert_eq!(house.decrypt("app", &sealed).await.unwrap(), b"kept");
    hold(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_suspended_is_used_for_nothing_all_the_same() {
    let house = House::build().await;
    let key = key(&house, "old").await;
    let sealed = house.encrypt("app", &key, b"old").await.unwrap();
    house.ask("ada", step(&key, Event::Deactivate)).await.unwrap();
    assert_eq!(house.decrypt("app", &sealed).await.unwrap(), b"old");
    let waiting = house.ask("ada", schedule(&key, Some(1))).await.unwrap().output;
    assert_eq!(waiting.key.state, State::Deactivated);
    let error = house.decrypt("app", &sealed).await.unwrap_err();
    assert!(error.public_message().contains("waits for its destruction"), "{error}");
    house.ask("ada", CancelDestroy { key: id(&key) }).await.unwrap();
    assert_eq!(house.decrypt("app", &sealed).await.unwrap(), b"old");
    hold(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_periods_have_bounds() {
    let house = House::build().await;
    let key = key(&house, "cards").await;
    for days in [0, 366] {
        assert_eq!(
            refused(&house, "ada", schedule(&key, Some(days))).await,
            ErrorKind::InvalidArgument,
            "{days}"
        );
    }
    let usual = house.ask("ada", schedule(&key, None)).await.unwrap().output;
    let wait = usual.destroy_at().unwrap().since(house.clock.wall());
    assert!(wait <= DAY * 30 && wait > DAY * 29, "{wait:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn destruction_comes_when_it_is_due_and_takes_material_and_aliases() {
    let house = House::build().await;
    let (key, other) = (key(&house, "cards").await, key(&house, "other").await);
    let sealed = house.encrypt("app", &key, b"gone").await.unwrap();
    house.ask("ada", RotateKey { key: id(&key) }).await.unwrap();
    for name in ["a", "b"] {
        house.ask("ada", CreateAlias { name: name.parse().unwrap(), key: id(&key) }).await.unwrap();
    }
    house.ask("ada", schedule(&key, Some(7))).await.unwrap();
    house.road.do_what_is_due().await;
    assert_eq!(states(&house, key.key.id).await[0], (State::Deactivated, State::Suspended));
    let early = house.road.perform_for_house(system(), DestroyKey { key: key.key.id }).await;
    assert_eq!(early.unwrap_err().kind(), ErrorKind::WrongState);

    house.clock.advance(DAY * 7);
    house.road.do_what_is_due().await;
    assert_eq!(states(&house, key.key.id).await, [(State::Destroyed, State::Destroyed); 2]);
    assert_eq!(states(&house, other.key.id).await, [(State::Active, State::Active)]);
    let tombstone = house.ask("vera", ReadKey { key: id(&key) }).await.unwrap().output;
    assert!(tombstone.versions.iter().all(|version| version.wrap.is_none()));
    assert_eq!(tombstone.destroy_at(), None);
    for name in ["a", "b"] {
        let read = ReadAlias { name: name.parse().unwrap() };
        assert_eq!(refused(&house, "vera", read).await, ErrorKind::NotFound);
    }
    assert_eq!(house.decrypt("app", &sealed).await.unwrap_err().kind(), ErrorKind::WrongState);
    for event in [Event::Activate, Event::Resume, Event::Suspend, Event::Deactivate] {
        assert_eq!(refused(&house, "ada", step(&key, event)).await, ErrorKind::WrongState, "{event}");
    }
    assert_eq!(refused(&house, "ada", schedule(&key, Some(7))).await, ErrorKind::WrongState);
    assert_eq!(refused(&house, "ada", CancelDestroy { key: id(&key) }).await, ErrorKind::WrongState);
    house.ask("ada", CreateAlias { name: "a".parse().unwrap(), key: id(&other) }).await.unwrap();
    let back = MoveAlias { name: "a".parse().unwrap(), key: id(&key) };
    assert_eq!(refused(&house, "ada", back).await, ErrorKind::WrongState);
    hold(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compromised_version_is_destroyed_as_one() {
    let house = House::build().await;
    let key = key(&house, "cards").await;
    house.ask("ada", schedule(&key, Some(7))).await.unwrap();
    house.ask("otto", step(&key, Event::Compromise)).await.unwrap();
    house.clock.advance(DAY * 8);
    house.road.do_what_is_due().await;
    assert_eq!(states(&house, key.key.id).await, [(State::Destroyed, State::DestroyedCompromised)]);
    hold(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_house_destroys() {
    let house = House::build().await;
    let key = key(&house, "cards").await;
    house.ask("ada", schedule(&key, Some(1))).await.unwrap();
    house.clock.advance(DAY * 2);
    for who in ["ada", "otto", "vera"] {
        assert_eq!(refused(&house, who, DestroyKey { key: key.key.id }).await, ErrorKind::Denied, "{who}");
    }
    assert_eq!(refused(&house, "app", DestroyKey { key: key.key.id }).await, ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_nobody_served_is_done_at_the_start() {
    let house = House::build().await;
    let (first, second) = (key(&house, "first").await, key(&house, "second").await);
    for key in [&first, &second] {
        house.ask("ada", schedule(key, Some(7))).await.unwrap();
    }
    house.clock.advance(DAY * 7 + Duration::from_secs(60));
    // One is destroyed, and then the process ends.
    house.road.perform_for_house(system(), DestroyKey { key: first.key.id }).await.unwrap();
    let house = house.restart().await;
    for _ in 0..200 {
        if states(&house, second.key.id).await == [(State::Destroyed, State::Destroyed)] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for key in [&first, &second] {
        assert_eq!(states(&house, key.key.id).await, [(State::Destroyed, State::Destroyed)]);
    }
    hold(&house).await;
}

fn separation(separation: Separation) -> SetRingSeparation {
    SetRingSeparation { ring: "orders".parse().unwrap(), separation }
}

fn update(patch: RingPatch) -> UpdateRing {
    UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_that_has_keys_is_not_loosened_by_one_person() {
    let house = House::build().await;
    let strict = house.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let waiting = |days: u32| RingPatch { destroy_waiting_period: Some(DAY * days), ..RingPatch::default() };
    let quorum = |quorum| RingPatch { quorum: Some(quorum), ..RingPatch::default() };
    house.ask("ada", update(quorum(3))).await.unwrap();
    assert_eq!(refused(&house, "otto", separation(Separation::Relaxed)).await, ErrorKind::ApprovalRequired);
    assert_eq!(refused(&house, "ada", update(quorum(2))).await, ErrorKind::ApprovalRequired);
    assert_eq!(refused(&house, "ada", update(waiting(29))).await, ErrorKind::ApprovalRequired);
    house.ask("ada", update(waiting(60))).await.unwrap();
    house.ask("ada", step(&strict, Event::Suspend)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_is_not_made_strict_over_a_scheduled_destruction() {
    let house = House::build().await;
    let key = key(&house, "cards").await;
    house.ask("ada", schedule(&key, Some(1))).await.unwrap();
    assert_eq!(refused(&house, "otto", separation(Separation::Strict)).await, ErrorKind::WrongState);
    house.ask("ada", CancelDestroy { key: id(&key) }).await.unwrap();
    house.ask("otto", separation(Separation::Strict)).await.unwrap();
    assert_eq!(refused(&house, "otto", separation(Separation::Relaxed)).await, ErrorKind::ApprovalRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_that_its_ring_blocks_stays_scheduled_and_is_entered_once() {
    let house = House::build().await;
    let key = key(&house, "cards").await;
    let sealed = house.encrypt("app", &key, b"kept").await.unwrap();
    house.ask("ada", schedule(&key, Some(1))).await.unwrap();
    // A quorum is raised at any time.
    house.ask("ada", update(RingPatch { quorum: Some(2), ..RingPatch::default() })).await.unwrap();
    house.clock.advance(DAY * 2);
    let before = house.road.figures().size.load(Ordering::Relaxed);
    for _ in 0..5 {
        house.road.do_what_is_due().await;
    }
    let entries = house.road.figures().size.load(Ordering::Relaxed) - before;
    assert_eq!(entries, 1);
    assert_eq!(states(&house, key.key.id).await, [(State::Active, State::Suspended)]);
    let record = house.ask("vera", ReadKey { key: id(&key) }).await.unwrap().output;
    assert_eq!(record.destruction_blocked(), Some(DestructionBlocked::Quorum(2)));
    let status = house.ask("vera", ReadSystem {}).await.unwrap().output;
    assert_eq!(status.blocked_destructions, 1);
    house.ask("ada", CancelDestroy { key: id(&key) }).await.unwrap();
    house.ask("ada", step(&key, Event::Resume)).await.unwrap();
    assert_eq!(house.decrypt("app", &sealed).await.unwrap(), b"kept");
    house.road.do_what_is_due().await;
    assert_eq!(house.road.blocked_destructions(), 0);
    hold(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_follows_the_wait_that_its_ring_asks_for_when_it_is_due() {
    let house = House::build().await;
    let short = RingPatch { destroy_waiting_period: Some(DAY * 7), ..RingPatch::default() };
    house.relaxed_ring("orders").await;
    house.ask("ada", update(short)).await.unwrap();
    let key = key(&house, "cards").await;
    let waiting = house.ask("ada", schedule(&key, Some(1))).await.unwrap().output;
    let at = waiting.destroy_at().unwrap();
    // A relaxed ring asks for a day, whatever its own period; a strict one for its period.
    let longer = RingPatch { destroy_waiting_period: Some(DAY * 20), ..RingPatch::default() };
    house.ask("ada", update(longer)).await.unwrap();
    let record = house.ask("vera", ReadKey { key: id(&key) }).await.unwrap().output;
    assert_eq!(record.destroy_at(), Some(at));
    let strict = RingPolicy { separation: Separation::Strict, ..record.ring.policy.clone() };
    let scheduled_at = record.key.destruction.unwrap().scheduled_at;
    assert_eq!(record.key.destruction.unwrap().due_at(&strict), scheduled_at.after(DAY * 20));
}
