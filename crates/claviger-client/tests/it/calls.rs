//! What is sent, what is made of the answer, and what is sent again.

use std::time::Duration;

use bytes::Bytes;
use claviger_client::client::Plane;
use claviger_client::types::ring::CreateRing;
use claviger_client::types::usage::Encrypt;
use claviger_client::types::{Pairs, Text};
use claviger_client::{ClientError, Profile};
use claviger_core::Name;
use claviger_crypto::SecretBytes;

use crate::script::{Authority, Server, answer, json, problem};

const VERSION: &str = r#"{"name":"claviger","version":"1","api":"v1"}"#;
const RING: &str = r#"{"id":"00000000-0000-4000-8000-000000000000","name":"orders","policy":{"protection":"software",
"rotation_period_seconds":null,"protect_period_seconds":null,"process_period_seconds":null,
"destroy_waiting_period_seconds":1,"quorum":2,"separation":"strict","rotates":"symmetric"},"created_at":"2026-01-01T00:00:00Z","revision":1}"#;
const AGAIN: &str = "retry-after: 0\r\n";

fn create() -> CreateRing {
    CreateRing {
        name: Text("orders".parse::<Name>().unwrap()),
        policy: Default::default(),
        reason: None,
        reason_code: None,
    }
}

#[tokio::test]
async fn raw_bytes_go_out_and_come_back_as_they_are() {
    let authority = Authority::new();
    let headers = "content-type: application/octet-stream\r\nclaviger-entry: 41\r\naudit-receipt: v1;x\r\n";
    let server = Server::start(&authority, vec![answer("200 OK", headers, "sealed")]).await;
    let context: Pairs = [("tenant".to_owned(), "7".to_owned())].into_iter().collect();
    let client = server.client(&authority).with_request_id("trace-1");
    let sealed = client.encrypt_bytes("orders/main", Bytes::from_static(b"hello"), &context).await.unwrap();
    assert_eq!(
        (sealed.value.as_ref(), sealed.entry, sealed.receipt.as_deref()),
        (b"sealed".as_slice(), Some(41), Some("v1;x"))
    );
    let asked = &server.asked()[0];
    assert_eq!(asked.line(), "POST /v1/keys/orders%2Fmain/encrypt HTTP/1.1");
    assert_eq!(asked.body, b"hello");
    assert_eq!(asked.header("content-type"), Some("application/octet-stream"));
    assert_eq!(asked.header("claviger-context"), Some("eyJ0ZW5hbnQiOiI3In0="));
    assert_eq!(asked.header("x-request-id"), Some("trace-1"));
}

#[tokio::test]
async fn json_goes_out_typed() {
    let authority = Authority::new();
    let sealed = r#"{"ciphertext":"AA==","key":"00000000-0000-4000-8000-000000000000","version":3}"#;
    let server = Server::start(&authority, vec![json(sealed)]).await;
    let what = Encrypt { plaintext: SecretBytes::new(b"hello".to_vec()).into(), context: Pairs::default() };
    let answer = server.client(&authority).encrypt("orders/main", &what).await.unwrap();
    assert_eq!(answer.value.version, 3);
    assert_eq!(server.asked()[0].body, br#"{"plaintext":"aGVsbG8="}"#);
}

#[tokio::test]
async fn a_problem_is_given_as_it_is() {
    let authority = Authority::new();
    let server = Server::start(&authority, vec![problem(403, "denied", "")]).await;
    let refused = server.client(&authority).read_key("orders/main").await.unwrap_err();
    let reported = refused.problem().unwrap();
    assert_eq!((reported.code.as_str(), reported.status, reported.entry), ("denied", 403, Some(7)));
}

#[tokio::test]
async fn what_cannot_be_understood_is_no_answer() {
    let authority = Authority::new();
    let odd = answer("500 X", "content-type: text/html\r\n", "<h1>proxy</h1>");
    for answer in [odd, json("{}"), json("[")] {
        let server = Server::start(&authority, vec![answer]).await;
        let refused = server.client(&authority).version(Plane::Control).await.unwrap_err();
        assert!(matches!(refused, ClientError::Decode(_)), "{refused}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let authority = Authority::new();
    let elsewhere = Server::start(&authority, vec![json(VERSION)]).await;
    let location = format!("location: https://localhost:{}/v1/version\r\n", elsewhere.address.port());
    let server = Server::start(&authority, vec![answer("307 X", &location, "")]).await;
    assert!(server.client(&authority).version(Plane::Control).await.is_err());
    assert_eq!((server.asked().len(), elsewhere.asked().len()), (1, 0));
}

#[tokio::test]
async fn a_safe_call_is_repeated_when_nothing_came_of_it() {
    let authority = Authority::new();
    let busy = problem(503, "overloaded", AGAIN);
    let server = Server::start(&authority, vec![busy.clone(), busy.clone(), json(VERSION)]).await;
    server.client(&authority).version(Plane::Control).await.unwrap();
    assert_eq!(server.asked().len(), 3);

    let server = Server::start(&authority, vec![busy]).await;
    let refused = server.client(&authority).version(Plane::Control).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, "overloaded");
    assert_eq!(server.asked().len(), 4, "repetition is bounded");
}

#[tokio::test]
async fn a_withheld_result_is_not_asked_for_again() {
    let authority = Authority::new();
    let server = Server::start(&authority, vec![problem(503, "withheld", "")]).await;
    assert!(server.client(&authority).encrypt_bytes("a/b", Bytes::new(), &Pairs::default()).await.is_err());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_change_is_sent_once() {
    let authority = Authority::new();
    let server = Server::start(&authority, vec![problem(503, "overloaded", AGAIN)]).await;
    assert!(server.client(&authority).rotate_key("a/b").await.is_err());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_creation_is_repeated_under_one_idempotency_key() {
    let authority = Authority::new();
    let busy = problem(503, "unavailable", AGAIN);
    let created = answer("201 X", "content-type: application/json\r\n", RING);
    let server = Server::start(&authority, vec![busy, created]).await;
    let client = server.client(&authority);
    client.create_ring(&create()).await.unwrap();
    client.create_ring(&create()).await.unwrap();
    client.with_idempotency_key("mine").create_ring(&create()).await.unwrap();
    let keys: Vec<_> =
        server.asked().iter().map(|asked| asked.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
    assert_eq!(keys[3], "mine");
}

#[tokio::test]
async fn a_call_that_hangs_ends() {
    let authority = Authority::new();
    // A head that announces more than comes.
    let server =
        Server::start(&authority, vec!["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort".into()]).await;
    let profile: Profile = server.profile(&authority, claviger_client::profile::ProfileCredential::None);
    let timeouts = claviger_client::client::Timeouts {
        connect: Duration::from_secs(5),
        call: Duration::from_millis(200),
    };
    let client = claviger_client::Client::with_timeouts(&profile, timeouts).unwrap();
    let refused = client.version(Plane::Control).await.unwrap_err();
    assert!(matches!(refused, ClientError::Transport(_)), "{refused}");
}

#[tokio::test]
async fn words_that_no_header_can_carry_are_refused_before_anything_is_sent() {
    let authority = Authority::new();
    let server = Server::start(&authority, vec![json(VERSION)]).await;
    let client = server.client(&authority).with_request_id("two\nlines");
    assert!(matches!(client.version(Plane::Control).await, Err(ClientError::Setup(_))));
    assert!(matches!(
        server.client(&authority).read_log_resource("../v1/system").await,
        Err(ClientError::Setup(_))
    ));
    assert!(server.asked().is_empty());
}
