//! Keys from creation to compromise, as their users see it.

use claviger_core::key::Event;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{ChangeKeyState, ReadKey, RotateKey};
use claviger_service::{ErrorKind, KeyRef};

use crate::deployment::Deployment;

#[tokio::test(flavor = "multi_thread")]
async fn granted_application_protects_and_nobody_else_does() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    assert_eq!(deployment.encrypt("app", &key, b"x").await.unwrap_err().kind(), ErrorKind::NotFound);
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    let sealed = deployment.encrypt("app", &key, b"4111 1111 1111 1111").await.unwrap();
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"4111 1111 1111 1111");
    assert_eq!(deployment.decrypt("outsider", &sealed).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(deployment.decrypt("ada", &sealed).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(deployment.encrypt("otto", &key, b"x").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(
        deployment.encrypt("nobody", &key, b"x").await.unwrap_err().kind(),
        ErrorKind::Unauthenticated
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_keeps_old_data_open_and_new_data_under_the_new_version() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    let old = deployment.encrypt("app", &key, b"old").await.unwrap();
    let rotated = deployment.ask("ada", RotateKey { key: KeyRef::Id(key.key.id) }).await.unwrap().output;
    assert_eq!(rotated.key.primary, 2);
    let new = deployment.encrypt("app", &key, b"new").await.unwrap();
    assert_ne!(old[..28], new[..28]);
    assert_eq!(deployment.decrypt("app", &old).await.unwrap(), b"old");
    assert_eq!(deployment.decrypt("app", &new).await.unwrap(), b"new");
    let suspend = ChangeKeyState::new(KeyRef::Id(key.key.id), Some(1), Event::Suspend).unwrap();
    deployment.ask("ada", suspend).await.unwrap_err();
    let compromise = ChangeKeyState::new(KeyRef::Id(key.key.id), Some(1), Event::Compromise).unwrap();
    deployment.ask("otto", compromise).await.unwrap();
    assert_eq!(deployment.decrypt("app", &old).await.unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(deployment.decrypt("app", &new).await.unwrap(), b"new");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    let sealed = deployment.encrypt("app", &key, b"kept").await.unwrap();
    let suspend = ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Suspend).unwrap();
    deployment.ask("ada", suspend).await.unwrap();
    let deployment = deployment.restart().await;
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap_err().kind(), ErrorKind::WrongState);
    let resume = ChangeKeyState::new(KeyRef::Id(key.key.id), None, Event::Resume).unwrap();
    deployment.ask("ada", resume).await.unwrap();
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"kept");
    assert_eq!(
        deployment
            .ask("vera", ReadKey { key: KeyRef::Id(key.key.id) })
            .await
            .unwrap()
            .output
            .key
            .name
            .as_str(),
        "cards"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_once_used_is_bound_for_ever() {
    let deployment = Deployment::build().await;
    deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let create = deployment.new_key("orders", "cards", Purpose::Mac, Spec::HmacSha256);
    assert_eq!(deployment.ask("ada", create).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
}
