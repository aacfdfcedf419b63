//! The end of keys: waiting periods, their withdrawal, and destruction when they are over.

use std::time::Duration;

use claviger_core::alias::AliasName;
use claviger_core::key::{Event, KeyRecord, Separation, State};
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{
    CancelDestroy, ChangeKeyState, CreateAlias, DestroyKey, KeyPatch, MoveAlias, ReadAlias, ReadKey,
    RingPatch, RotateKey, ScheduleDestroy, SetRingSeparation, UpdateKey, UpdateRing,
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
    let key = house.key(name, Purpose::Encrypt, Spec::Aes256Gcm).await;
    house.without_quorum("orders").await;
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
    house.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
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
    let wait = waiting.key.destroy_at.unwrap().since(house.clock.wall());
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
    assert_eq!((back.key.state, back.key.destroy_at), (State::Suspended, None));
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
    let wait = usual.key.destroy_at.unwrap().since(house.clock.wall());
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
    assert_eq!(tombstone.key.destroy_at, None);
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
