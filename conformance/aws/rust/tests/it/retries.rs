//! What the SDK tries again, and what it does not.

use std::net::SocketAddr;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::primitives::Blob;
use conformance_aws_rust::{Attempts, kms, new_key, settings, variable};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// A client as an application has it, which tries three times, and how often it did.
async fn patient(endpoint: &str) -> (Client, Attempts) {
    let attempts = Attempts::default();
    let config = Builder::from(&settings().await).interceptor(attempts.clone());
    (Client::from_conf(config.endpoint_url(endpoint).build()), attempts)
}

/// A way to the deployment that breaks the first connections.
async fn broken_way(breaks: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = variable("AWS_ENDPOINT_URL_KMS").trim_start_matches("https://").to_owned();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut from, _) = listener.accept().await.unwrap();
            if number >= breaks {
                let mut to = TcpStream::connect(&target).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut from, &mut to).await });
            }
        }
    });
    address
}

#[tokio::test]
async fn broken_connections_are_tried_again() {
    let key = new_key(&kms().await).await.key_id;
    let way = broken_way(2).await;
    let (kms, attempts) = patient(&format!("https://127.0.0.1:{}", way.port())).await;
    let sealed = kms.encrypt().key_id(key).plaintext(Blob::new(b"x".as_slice())).send().await.unwrap();
    assert_eq!(attempts.count(), 3);
    let opened = kms.decrypt().ciphertext_blob(sealed.ciphertext_blob.unwrap()).send().await.unwrap();
    assert_eq!((opened.plaintext.unwrap().as_ref(), attempts.count()), (b"x".as_slice(), 4));
}

#[tokio::test]
async fn refusals_are_told_once() {
    let admin = kms().await;
    let key = new_key(&admin).await.key_id;
    admin.disable_key().key_id(&key).send().await.unwrap();
    for (key, code) in [(key.as_str(), "DisabledException"), ("alias/nobody-made-this", "NotFoundException")]
    {
        let (kms, attempts) = patient(&variable("AWS_ENDPOINT_URL_KMS")).await;
        let error = kms.encrypt().key_id(key).plaintext(Blob::new(b"x".as_slice())).send().await.unwrap_err();
        assert_eq!((error.code(), attempts.count()), (Some(code), 1));
    }
}
