//! Keys of many versions: what is in use is at hand, and the rest is read as it is needed.

use std::collections::BTreeSet;

use claviger_core::key::{Event, KeyRecord, State};
use claviger_core::port::Store as _;
use claviger_core::port::store::Page;
use claviger_core::{Action, KeyVersionId, Purpose, Spec};
use claviger_crypto::envelope::Header;
use claviger_service::operation::usage::{Mac, ReadPublicKey, UseKey, VerifyMac};
use claviger_service::operation::{
    ChangeKeyState, DescribeVersions, ListVersions, ReadKey, RotateKey, ScheduleDestroy,
};
use claviger_service::{ErrorKind, KeyRef};

use crate::deployment::{DAY, Deployment};
use crate::evidence::hold;

/// More than are at hand.
const MANY: u32 = KeyRecord::AT_HAND + 9;

async fn rotate(deployment: &Deployment, key: &KeyRecord) -> KeyRecord {
    deployment.ask("ada", RotateKey { key: KeyRef::Id(key.key.id) }).await.unwrap().output
}

async fn of_many_versions(deployment: &Deployment, key: &KeyRecord) -> KeyRecord {
    let mut record = key.clone();
    for _ in 1..MANY {
        record = rotate(deployment, key).await;
    }
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn data_under_the_oldest_of_many_versions_opens_and_is_refused_when_its_version_is() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    let old = deployment.encrypt("app", &key, b"old").await.unwrap();
    of_many_versions(&deployment, &key).await;
    let new = deployment.encrypt("app", &key, b"new").await.unwrap();

    let id = || KeyRef::Id(key.key.id);
    let shown = deployment.ask("vera", ReadKey { key: id() }).await.unwrap().output;
    assert_eq!((shown.newest(), shown.key.primary), (MANY, MANY));
    assert_eq!((shown.versions.len(), shown.is_whole()), (KeyRecord::AT_HAND as usize, false));
    let deployment = deployment.restart().await;
    for _ in 0..2 {
        assert_eq!(deployment.decrypt("app", &old).await.unwrap(), b"old");
        assert_eq!(deployment.decrypt("app", &new).await.unwrap(), b"new");
    }
    // A version that never was is as good as a ciphertext that does not open.
    let (header, body) = Header::parse(&old).unwrap();
    let mut forged = Vec::new();
    Header { version: MANY + 1, ..header }.encode_into(&mut forged);
    forged.extend_from_slice(body);
    assert_eq!(deployment.decrypt("app", &forged).await.unwrap_err().kind(), ErrorKind::BadCiphertext);

    let change = ChangeKeyState::new(id(), Some(1), Event::Compromise).unwrap();
    let changed = deployment.ask("ada", change).await.unwrap().output;
    assert_eq!(changed.find_version(1).unwrap().state, State::Compromised);
    assert_eq!(deployment.decrypt("app", &old).await.unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(deployment.decrypt("app", &new).await.unwrap(), b"new");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_in_pages_and_tried_from_the_newest_to_the_oldest() {
    let deployment = Deployment::build().await;
    let key = deployment.key("codes", Purpose::Mac, Spec::HmacSha256).await;
    deployment.grant(&key, &[Action::Mac, Action::VerifyMac, Action::DescribeKey]).await;
    let id = || KeyRef::Id(key.key.id);
    let mac = UseKey::new(id(), Mac { data: b"x".to_vec().into(), spec: None });
    let old = deployment.ask("app", mac).await.unwrap().output.tag;
    of_many_versions(&deployment, &key).await;
    let verify = |tag: &[u8], version| {
        let tag = tag.to_vec().into();
        UseKey::new(id(), VerifyMac { data: b"x".to_vec().into(), tag, version, spec: None })
    };
    let found = deployment.ask("app", verify(&old, None)).await.unwrap().output;
    assert_eq!((found.valid, found.version), (true, Some(1)));
    assert!(deployment.ask("app", verify(&old, Some(1))).await.unwrap().output.valid);
    assert!(!deployment.ask("app", verify(&old, Some(2))).await.unwrap().output.valid);
    assert!(!deployment.ask("app", verify(&[7; 32], None)).await.unwrap().output.valid);
    let missing = deployment.ask("app", verify(&old, Some(MANY + 1))).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);

    let (mut numbers, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: 20 };
        let found = deployment.ask("vera", ListVersions { key: id(), page }).await.unwrap().output;
        let Some(last) = found.versions.last() else { break };
        after = Some(last.id.number);
        numbers.extend(found.versions.iter().map(|version| version.id.number));
    }
    assert_eq!(numbers, (1..=MANY).collect::<Vec<_>>());
    let page = Page { after: Some(MANY - 2), limit: 20 };
    let found = deployment.ask("app", DescribeVersions { key: id(), page }).await.unwrap().output;
    assert_eq!(found.versions.iter().map(|version| version.id.number).collect::<Vec<_>>(), [MANY - 1, MANY]);
}

#[tokio::test(flavor = "multi_thread")]
async fn public_halves_of_old_versions_are_read_and_all_versions_are_destroyed() {
    let deployment = Deployment::build().await;
    deployment.relaxed_ring("trials").await;
    let key = deployment.key_in("trials", "pair", Purpose::Sign, Spec::Ed25519).await;
    deployment.grant(&key, &[Action::ReadPublicKey]).await;
    of_many_versions(&deployment, &key).await;
    let mut halves = BTreeSet::new();
    for number in [1, 2, MANY] {
        let read = ReadPublicKey { key: KeyRef::Id(key.key.id), version: Some(number), in_use: true };
        let public = deployment.ask("app", read).await.unwrap().output;
        assert_eq!(public.version, number);
        halves.insert(public.spki);
    }
    assert_eq!(halves.len(), 3);
    let gone = ReadPublicKey { key: KeyRef::Id(key.key.id), version: Some(MANY + 1), in_use: false };
    assert_eq!(deployment.ask("app", gone).await.unwrap_err().kind(), ErrorKind::NotFound);

    let destroy = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY) };
    deployment.ask("ada", destroy).await.unwrap();
    deployment.clock.advance(DAY * 2);
    deployment.road.do_what_is_due().await;
    let page = Page { after: None, limit: 1000 };
    let versions = deployment.store.list_versions(key.key.id, page).await.unwrap();
    assert_eq!(versions.len(), MANY as usize);
    assert!(versions.iter().all(|version| version.state.is_destroyed() && version.wrap.is_none()));
    let one = deployment.store.find_version(KeyVersionId { key: key.key.id, number: 3 }).await.unwrap();
    assert!(one.unwrap().state.is_destroyed());
    hold(&deployment).await;
}
