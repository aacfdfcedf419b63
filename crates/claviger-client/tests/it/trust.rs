//! Whom the client trusts, and as whom it comes.

use std::process::Stdio;

use claviger_client::profile::ProfileCredential;
use claviger_client::types::SecretText;
use claviger_client::{Client, ClientError, Profile};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

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
    // With TLS 1.3 this server is understood, though what it says is no answer.
    let refused = version_of_openssl(&authority, "-tls1_3").await;
    assert!(matches!(refused, ClientError::Decode(_)), "{refused}");
    let refused = version_of_openssl(&authority, "-tls1_2").await;
    assert!(matches!(&refused, ClientError::Transport(why) if why.contains("ProtocolVersion")), "{refused}");
}

/// Why OpenSSL's server, which speaks one version of TLS, gives no answer.
async fn version_of_openssl(authority: &Authority, tls: &str) -> ClientError {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue();
    std::fs::write(folder.path().join("crt"), &certificate).unwrap();
    std::fs::write(folder.path().join("key"), key.secret_der()).unwrap();
    let arguments = ["s_server", "-accept", "localhost:0", "-www", "-cert", "crt", "-key", "key"];
    let mut server = Command::new("openssl")
        .args(arguments)
        .args(["-certform", "DER", "-keyform", "DER", tls])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let port = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.rsplit(':').next().unwrap().to_owned();
        }
    };
    let profile = Profile {
        control: Some(format!("https://localhost:{port}")),
        data: None,
        authorities: vec![authority.certificate()],
        credential: ProfileCredential::None,
    };
    Client::new(&profile).unwrap().version(claviger_client::client::Plane::Control).await.unwrap_err()
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
