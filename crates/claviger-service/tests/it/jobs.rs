//! Jobs: rotation by policy, and what is forgotten.

use std::time::Duration;

use claviger_audit::entry::Entry;
use claviger_audit::op::Op;
use claviger_core::key::{Event, KeyRecord, RotatedKeys, Rotation, State};
use claviger_core::{Action, Purpose, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::{
    ChangeKeyState, KeyPatch, ReadEntries, ReadKey, RingPatch, RotateKey, UpdateKey, UpdateRing,
};
use claviger_service::{ErrorKind, KeyRef};

use crate::approvals::do_approved;
use crate::deployment::{DAY, Deployment};
use crate::evidence::hold;

async fn key(deployment: &Deployment, name: &str) -> KeyRecord {
    deployment.key(name, Purpose::Encrypt, Spec::Aes256Gcm).await
}

fn rotating_every(key: &KeyRecord, days: Option<u32>) -> UpdateKey {
    let patch = KeyPatch { rotation_period: Some(days.map(|days| DAY * days)), ..KeyPatch::default() };
    UpdateKey { key: KeyRef::Id(key.key.id), patch, if_revision: None }
}

async fn rotate_every(deployment: &Deployment, key: &KeyRecord, days: u32) {
    deployment.ask("ada", rotating_every(key, Some(days))).await.unwrap();
}

/// Less often than until now, or by no rule of its own: custodians approve it.
async fn rotate_less(deployment: &Deployment, key: &KeyRecord, days: Option<u32>) {
    do_approved(deployment, "ada", || rotating_every(key, days)).await;
}

async fn rotate_ring_every(deployment: &Deployment, days: u32) {
    let patch = RingPatch { rotation_period: Some(Some(DAY * days)), ..RingPatch::default() };
    let update = UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None };
    deployment.ask("ada", update).await.unwrap();
}

/// How each version of a key came to be, the first one apart.
async fn rotations(deployment: &Deployment, key: &KeyRecord) -> Vec<Rotation> {
    let record = deployment.ask("vera", ReadKey { key: KeyRef::Id(key.key.id) }).await.unwrap().output;
    assert_eq!(record.key.primary as usize, record.versions.len());
    assert!(record.versions.first().unwrap().rotated.is_none());
    record.versions.iter().filter_map(|version| version.rotated).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn due_keys_rotate_by_their_own_rule_or_their_rings_and_others_do_not() {
    let deployment = Deployment::build().await;
    let (own, of_ring, slower) =
        (key(&deployment, "own").await, key(&deployment, "ring").await, key(&deployment, "slow").await);
    deployment.grant(&own, &[Action::Encrypt, Action::Decrypt]).await;
    rotate_every(&deployment, &own, 10).await;
    rotate_every(&deployment, &slower, 90).await;
    rotate_ring_every(&deployment, 30).await;
    let sealed = deployment.encrypt("app", &own, b"old").await.unwrap();
    let expect = async |day: u32, of_own: usize, of_rings: usize| {
        deployment.road.do_what_is_due().await;
        assert_eq!(rotations(&deployment, &own).await, vec![Rotation::ByPolicy; of_own], "day {day}");
        assert_eq!(rotations(&deployment, &of_ring).await, vec![Rotation::ByPolicy; of_rings], "day {day}");
        assert_eq!(rotations(&deployment, &slower).await, [], "day {day}");
    };
    expect(0, 0, 0).await;
    deployment.clock.advance(DAY * 9);
    expect(9, 0, 0).await;
    deployment.clock.advance(DAY + Duration::from_secs(60));
    expect(10, 1, 0).await;
    // Once, and not again the same day.
    expect(10, 1, 0).await;
    deployment.clock.advance(DAY * 20 + Duration::from_secs(60));
    expect(30, 2, 1).await;
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"old");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_asked_for_is_distinguished_and_does_not_move_the_schedule() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    rotate_every(&deployment, &key, 10).await;
    deployment.clock.advance(DAY * 6);
    let next = async || {
        let read = ReadKey { key: KeyRef::Id(key.key.id) };
        deployment.ask("vera", read).await.unwrap().output.next_rotation_at()
    };
    let before = next().await;
    deployment.ask("ada", RotateKey { key: KeyRef::Id(key.key.id) }).await.unwrap();
    assert_eq!(next().await, before);
    deployment.clock.advance(DAY * 3);
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await, [Rotation::OnDemand]);
    deployment.clock.advance(DAY * 2);
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await, [Rotation::OnDemand, Rotation::ByPolicy]);
    assert!(next().await > before.map(|at| at.after(DAY * 9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_counts_from_the_day_on_which_it_was_set_and_the_same_once_more_counts_on() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    deployment.clock.advance(DAY * 100);
    rotate_every(&deployment, &key, 10).await;
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await, []);
    deployment.clock.advance(DAY * 6);
    rotate_every(&deployment, &key, 10).await;
    deployment.clock.advance(DAY * 5);
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await, [Rotation::ByPolicy]);
    // Another period begins anew.
    deployment.clock.advance(DAY * 9);
    rotate_less(&deployment, &key, Some(20)).await;
    deployment.clock.advance(DAY * 19);
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await.len(), 1);
    deployment.clock.advance(DAY * 2);
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rings_period_leaves_keys_with_a_public_half_alone_unless_it_says_so() {
    let deployment = Deployment::build().await;
    let symmetric = key(&deployment, "cards").await;
    let pair = deployment.key("seals", Purpose::Sign, Spec::EcP256).await;
    let own = deployment.key("own", Purpose::Sign, Spec::EcP256).await;
    rotate_ring_every(&deployment, 30).await;
    rotate_every(&deployment, &own, 30).await;
    let next = async |key: &KeyRecord| {
        let read = ReadKey { key: KeyRef::Id(key.key.id) };
        deployment.ask("vera", read).await.unwrap().output.next_rotation_at()
    };
    assert!(next(&symmetric).await.is_some() && next(&own).await.is_some());
    assert_eq!(next(&pair).await, None);
    deployment.clock.advance(DAY * 31);
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &symmetric).await, [Rotation::ByPolicy]);
    assert_eq!(rotations(&deployment, &own).await, [Rotation::ByPolicy]);
    assert_eq!(rotations(&deployment, &pair).await, []);
    let patch = RingPatch { rotates: Some(RotatedKeys::All), ..RingPatch::default() };
    let update = UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None };
    deployment.ask("ada", update).await.unwrap();
    assert!(next(&pair).await.is_some());
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &pair).await, [Rotation::ByPolicy]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_key_does_not_rotate_before_it_is_back() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    rotate_every(&deployment, &key, 10).await;
    let step = |event| ChangeKeyState::new(KeyRef::Id(key.key.id), None, event).unwrap();
    deployment.ask("ada", step(Event::Suspend)).await.unwrap();
    deployment.clock.advance(DAY * 11);
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await, []);
    deployment.ask("ada", step(Event::Resume)).await.unwrap();
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await, [Rotation::ByPolicy]);
    let record = deployment.ask("vera", ReadKey { key: KeyRef::Id(key.key.id) }).await.unwrap().output;
    assert_eq!(record.versions[0].state, State::Deactivated);
    assert_eq!(record.next_rotation_at(), Some(record.key.rotates_from.after(DAY * 10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_a_rule_does_not_rotate() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    rotate_every(&deployment, &key, 10).await;
    rotate_less(&deployment, &key, None).await;
    deployment.clock.advance(DAY * 400);
    deployment.road.do_what_is_due().await;
    assert_eq!(rotations(&deployment, &key).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_does_is_in_the_log_and_nothing_else_is() {
    let deployment = Deployment::build().await;
    let key = key(&deployment, "cards").await;
    rotate_every(&deployment, &key, 10).await;
    deployment.clock.advance(DAY * 11);
    deployment.road.do_what_is_due().await;
    deployment.road.do_what_is_due().await;
    let filter = EntryFilter { operation: Some(Op::RotateKey.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 1000, filter };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let entries: Vec<_> = page.entries.iter().map(|found| Entry::decode(&found.bytes).unwrap()).collect();
    assert_eq!(entries.len(), 1);
    // The system has no session; which rule permitted it, the entry says.
    assert_eq!((entries[0].act, entries[0].kv), (None, Some(2)));
    assert!(entries[0].pol.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_creating_calls_are_forgotten_and_young_ones_are_not() {
    let deployment = Deployment::build().await;
    key(&deployment, "first").await;
    let create = || deployment.new_key("orders", "once", Purpose::Encrypt, Spec::Aes256Gcm);
    let made = deployment.ask_once("ada", "k1", create()).await.unwrap().output;
    deployment.clock.advance(DAY * 6);
    deployment.road.do_what_is_due().await;
    assert_eq!(deployment.ask_once("ada", "k1", create()).await.unwrap().output.key.id, made.key.id);
    deployment.clock.advance(DAY * 2);
    deployment.road.do_what_is_due().await;
    assert_eq!(
        deployment.ask_once("ada", "k1", create()).await.unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
}
