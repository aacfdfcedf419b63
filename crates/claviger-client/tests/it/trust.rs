//! Whom the client trusts, and as whom it comes.

use claviger_client::profile::ProfileCredential;
use claviger_client::types::SecretText;
use claviger_client::{Client, ClientError};

use crate::script::{Authority, Server, json};

const SYSTEM: &str = r#"{"name":"claviger","version":"1","api":"v1"}"#;

#[tokio::test]
async fn the_profiles_authority_is_trusted_and_no_other() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = Server::start(&ours, vec![json(SYSTEM)]).await;
    let version = server.client(&ours).version(claviger_client::client::Plane::Control).await.unwrap();
    assert_eq!(version.value.name, "claviger");
    let refused = server.client(&theirs).version(claviger_client::client::Plane::Control).await.unwrap_err();
    assert!(matches!(refused, ClientError::Transport(_)), "{refused}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn nothing_older_than_tls_1_3_is_spoken() {
    let authority = Authority::new();
    let server = Server::start_with(&authority, vec![json(SYSTEM)], &[&rustls::version::TLS12]).await;
    let refused = server.client(&authority).version(claviger_client::client::Plane::Data).await.unwrap_err();
    assert!(matches!(refused, ClientError::Transport(_)), "{refused}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_certificate_is_presented_in_the_handshake() {
    let authority = Authority::new();
    let server = Server::start(&authority, vec![json(SYSTEM)]).await;
    let (certificate, key) = authority.issue();
    let credential = ProfileCredential::Certificate { chain: vec![certificate.clone()], key };
    let client = Client::new(&server.profile(&authority, credential)).unwrap();
    client.version(claviger_client::client::Plane::Control).await.unwrap();
    assert_eq!(server.asked()[0].certificate.as_deref(), Some(certificate.as_ref()));
    assert_eq!(server.asked()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_token_is_presented_with_each_call_and_printed_nowhere() {
    let authority = Authority::new();
    let server = Server::start(&authority, vec![json(SYSTEM)]).await;
    let credential = ProfileCredential::Token(SecretText::new("clv_hunter2".into()));
    let profile = server.profile(&authority, credential);
    let client = Client::new(&profile).unwrap();
    client.version(claviger_client::client::Plane::Control).await.unwrap();
    assert_eq!(server.asked()[0].header("authorization"), Some("Bearer clv_hunter2"));
    assert!(!format!("{client:?} {profile:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_profile_without_a_plane_says_so() {
    let authority = Authority::new();
    let server = Server::start(&authority, vec![json(SYSTEM)]).await;
    let mut profile = server.profile(&authority, ProfileCredential::None);
    profile.data = None;
    let client = Client::new(&profile).unwrap();
    let refused = client.version(claviger_client::client::Plane::Data).await.unwrap_err();
    assert!(refused.to_string().contains("`data`"), "{refused}");
    profile.control = Some("http://localhost".into());
    assert!(matches!(Client::new(&profile), Err(ClientError::Setup(_))));
}
