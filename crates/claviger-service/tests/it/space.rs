//! A disk with little room: ordinary calls are refused and leave nothing, what restricts is recorded.

use claviger_core::Action;
use claviger_core::key::{Event, State};
use claviger_core::port::store::Room;
use claviger_core::{Purpose, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::{
    ChangeKeyState, CreateGrant, GrantOn, ReadEntries, ReadSystem, RetireGrant, RevokeGrant,
};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef};
use claviger_store::SpaceOptions;
use claviger_store::sqlite::SqliteOptions;

use crate::deployment::Deployment;

/// More than any disk has.
const ALL: u64 = 1 << 60;

fn wanting(min_free: u64, reserve: u64) -> SqliteOptions {
    SqliteOptions { space: Some(SpaceOptions { min_free, reserve }), ..SqliteOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_little_room_only_what_restricts_is_done_and_nothing_else_is_written() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let grant = deployment.grant(&key, &[Action::Encrypt]).await;
    deployment.encrypt("app", &key, b"x").await.unwrap();

    let deployment = deployment.restart_with(wanting(ALL, 0)).await;
    assert_eq!(deployment.road.room(), Room::Low);
    let size = || deployment.road.figures().size.load(std::sync::atomic::Ordering::Relaxed);
    let before = size();
    let refused = deployment.encrypt("app", &key, b"x").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.public_message().contains("nearly full"), "{refused}");
    assert_eq!(refused.entry(), None);
    // Neither refusals by policy nor wrong credentials nor a restriction that somebody may not make leave anything.
    deployment.encrypt("outsider", &key, b"x").await.unwrap_err();
    deployment.encrypt("nobody", &key, b"x").await.unwrap_err();
    deployment.ask("vera", RevokeGrant { grant: grant.id }).await.unwrap_err();
    deployment
        .ask("ada", deployment.new_key("orders", "other", Purpose::Encrypt, Spec::Aes256Gcm))
        .await
        .unwrap_err();
    assert_eq!(size(), before);
    assert_eq!(deployment.road.refused_for_space(), 4);

    // A session and the act itself.
    let suspend = ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Suspend).unwrap();
    let suspended = deployment.ask("ada", suspend).await.unwrap();
    assert_eq!(suspended.output.key.state, State::Suspended);
    assert_eq!(size(), before + 2);
    deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
    assert_eq!(size(), before + 4);

    // The state of the system is still answered, though not without end.
    let status = deployment.ask("vera", ReadSystem {}).await.unwrap().output;
    assert_eq!((status.space.room, status.refused_for_space), (Room::Low, 4));
    deployment.ask("vera", ReadSystem {}).await.unwrap_err();

    let deployment = deployment.restart_with(wanting(0, 1 << 20)).await;
    assert_eq!(deployment.road.room(), Room::Plenty);
    let page = ReadEntries { from: 0, limit: 1000, filter: EntryFilter::default() };
    deployment.ask("vera", page).await.unwrap();
    let resume = ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Resume).unwrap();
    deployment.ask("ada", resume).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_for_people() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let create = CreateGrant {
        principal: PrincipalRef::Name("app".parse().unwrap()),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Encrypt],
        conditions: Default::default(),
        name: None,
        retiring: Some(PrincipalRef::Name("app".parse().unwrap())),
    };
    let grant = deployment.ask("otto", create).await.unwrap().output;
    // The reserve is not there, nor room to make it.
    let deployment = deployment.restart_with(wanting(ALL, 1 << 20)).await;
    assert_eq!(deployment.road.room(), Room::Reserve);
    let retire = RetireGrant { grant: grant.id, key: None };
    let refused = deployment.ask("app", retire).await.unwrap_err();
    assert!(refused.public_message().contains("nearly full"), "{refused}");
    deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
}
