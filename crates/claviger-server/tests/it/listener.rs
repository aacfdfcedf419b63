//! What a listener bears, and what it refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request};
use axum::routing::{get, post};
use claviger_server::config::Limits;
use claviger_server::listener::{Peer, tls};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::http::Http;
use crate::support::{OF_ANOTHER_VERSION, Open, Pki, answer_to_tls12, client_tls};

fn router() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_millis(700)).await }))
        .route("/never", get(std::future::pending::<()>))
        .route("/big", get(|| async { vec![b'x'; 64 << 20] }))
        .route("/echo", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/who", get(who))
        .layer(DefaultBodyLimit::disable())
}

async fn who(request: Request) -> String {
    let peer = request.extensions().get::<Peer>().unwrap();
    match peer.certificate {
        Some(certificate) => certificate.digest.map(|byte| format!("{byte:02x}")).concat(),
        None => format!("unauthenticated at {}", peer.address.ip()),
    }
}

fn hasty() -> Limits {
    Limits { header: Duration::from_secs(1), idle: Duration::from_secs(2), ..Limits::default() }
}

#[tokio::test]
async fn speaks_http1_and_http2_over_tls13_with_the_hybrid_group() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let response = pki.http(None).get(open.url("/hello")).send().await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.text().await.unwrap(), "hello");

    let mut stream = open.connect(pki.tls(None)).await.unwrap();
    let session = stream.get_ref().1;
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let group = session.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn tls12_is_refused() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    assert_eq!(answer_to_tls12(open.address).await, OF_ANOTHER_VERSION);
}

#[tokio::test]
async fn openssl_finds_tls13_only() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let client = |version: &'static str| {
        let address = format!("localhost:{}", open.address.port());
        let ca = pki.path("ca.crt");
        async move {
            let output = tokio::process::Command::new("openssl")
                .args(["s_client", "-connect", &address, version, "-verify_return_error", "-CAfile"])
                .arg(ca)
                .stdin(std::process::Stdio::null())
                .output()
                .await
                .unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        }
    };
    let (done, reported) = client("-tls1_3").await;
    assert!(done && reported.contains("TLSv1.3") && reported.contains("Verify return code: 0"), "{reported}");
    let (done, reported) = client("-tls1_2").await;
    assert!(!done, "{reported}");
}

#[tokio::test]
async fn plain_http_is_refused() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let mut stream = TcpStream::connect(open.address).await.unwrap();
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP") && answer.len() < 16, "{answer:?}");
}

#[tokio::test]
async fn certificate_of_a_client_is_known_by_its_digest() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let app = pki.client("app");
    let expected = claviger_crypto::digest::sha256(&app.der).map(|byte| format!("{byte:02x}")).concat();
    let client = pki.http(Some(&app));
    assert_eq!(client.get(open.url("/who")).send().await.unwrap().text().await.unwrap(), expected);
    let unauthenticated = pki.http(None).get(open.url("/who")).send().await.unwrap().text().await.unwrap();
    assert_eq!(unauthenticated, "unauthenticated at 127.0.0.1");
    // A resumed session proves the same client without showing the certificate again.
    let tls = pki.tls(Some(&app));
    for resumed in [false, true] {
        let mut stream = open.connect(tls.clone()).await.unwrap();
        stream.write_all(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.ends_with(&expected), "{answer}");
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(rustls::HandshakeKind::Resumed), resumed);
    }
}

#[tokio::test]
async fn client_of_another_authority_is_refused() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let foreign = Pki::new().client("app");
    let tls = client_tls(pki.trust(), Some(&foreign));
    assert!(Http::new(tls).get(open.url("/hello")).send().await.is_err());
}

#[tokio::test]
async fn expired_client_certificate_is_refused() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let expired = pki.expired_client("app");
    assert!(pki.http(Some(&expired)).get(open.url("/hello")).send().await.is_err());
}

#[tokio::test]
async fn server_certificate_cannot_prove_a_client() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let server = pki.authority.issue_server(&["localhost".into()], crate::support::now()).unwrap();
    assert!(pki.http(Some(&server)).get(open.url("/hello")).send().await.is_err());
}

#[tokio::test]
async fn slow_head_ends_the_connection_in_the_header_time() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), hasty()).await;
    // One that says nothing before the handshake, one that says nothing after it, one that trickles.
    let begun = Instant::now();
    let mut mute = TcpStream::connect(open.address).await.unwrap();
    let mut silent = open.connect(pki.tls(None)).await.unwrap();
    let trickling = open.connect(pki.tls(None)).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(trickling);
    let trickle = tokio::spawn(async move {
        let _ = writer.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n").await;
        while writer.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut rest = Vec::new();
    let _ = mute.read_to_end(&mut rest).await;
    let _ = silent.read_to_end(&mut rest).await;
    let _ = reader.read_to_end(&mut rest).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(rest.is_empty());
    trickle.abort();
    assert!(open.registry.render().contains(r#"ending="too_slow"} 3"#), "{}", open.registry.render());
}

#[tokio::test]
async fn connection_that_is_used_outlives_the_header_time_and_an_idle_one_the_idle_time_does_not() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), hasty()).await;
    let mut stream = open.connect(pki.tls(None)).await.unwrap();
    let begun = Instant::now();
    let mut buffer = vec![0; 4096];
    for _ in 0..6 {
        stream.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..count].starts_with(b"HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(2));
    let idle_from = Instant::now();
    assert_eq!(stream.read(&mut buffer).await.unwrap_or(0), 0);
    let idle = idle_from.elapsed();
    assert!(idle > Duration::from_secs(1) && idle < Duration::from_secs(4), "{idle:?}");
}

#[tokio::test]
async fn head_or_body_that_is_too_large_is_refused() {
    let pki = Pki::new();
    let limits = Limits { body_bytes: 1000, header_bytes: 8192, ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let client = pki.http(None);
    for (size, expected) in [(1000, StatusCode::OK), (1001, StatusCode::PAYLOAD_TOO_LARGE)] {
        let response = client.post(open.url("/echo")).body(vec![0; size]).send().await.unwrap();
        assert_eq!(response.status(), expected, "{size}");
    }
    let problem: serde_json::Value =
        client.post(open.url("/echo")).body(vec![0; 5000]).send().await.unwrap().json().await.unwrap();
    assert_eq!(problem["code"], "too-large");

    // Who sends all of it before looking for an answer gets one.
    let mut stream = open.connect(pki.tls(None)).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n").await.unwrap();
    stream.write_all(&vec![b'x'; 900_000]).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = vec![0; 512];
    let count = stream.read(&mut answer).await.unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer[..count]));

    // No length is given: the bytes are counted while they come.
    let mut stream = open.connect(pki.tls(None)).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    for _ in 0..3 {
        stream.write_all(format!("1f4\r\n{}\r\n", "x".repeat(500)).as_bytes()).await.unwrap();
    }
    let _ = stream.write_all(b"0\r\n\r\n").await;
    let count = stream.read(&mut answer).await.unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer[..count]));

    let mut stream = open.connect(pki.tls(None)).await.unwrap();
    let head = format!("GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "y".repeat(20_000));
    stream.write_all(head.as_bytes()).await.unwrap();
    let count = stream.read(&mut answer).await.unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer[..count]));

    let long = client.get(open.url("/hello")).header("x-long", "y".repeat(20_000)).send().await;
    assert!(long.map_or(true, |response| response.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
}

#[tokio::test]
async fn answer_that_does_not_come_in_time_is_a_503() {
    let pki = Pki::new();
    let limits = Limits { request: Duration::from_secs(1), ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let response = pki.http(None).get(open.url("/never")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn client_that_takes_no_answer_is_cut_off() {
    let pki = Pki::new();
    let limits = Limits { write_stall: Duration::from_secs(1), ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let mut stream = open.connect(pki.tls(None)).await.unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let gone = || open.registry.render().contains(r#"claviger_connections_open{listener="test"} 0"#);
    let begun = Instant::now();
    while !gone() && begun.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(gone(), "{}", open.registry.render());
}

/// Signals when it is dropped.
struct Waiting(Option<tokio::sync::oneshot::Sender<()>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.take().map(|dropped| dropped.send(()));
    }
}

#[tokio::test]
async fn request_of_a_client_that_has_gone_is_given_up() {
    let pki = Pki::new();
    for http2 in [false, true] {
        for in_order in [false, true] {
            let (begun, mut beginning) = tokio::sync::mpsc::channel(1);
            let wait = move || {
                let begun = begun.clone();
                async move {
                    let (dropped, dropping) = tokio::sync::oneshot::channel();
                    begun.send(dropping).await.unwrap();
                    let _waiting = Waiting(Some(dropped));
                    std::future::pending::<()>().await;
                }
            };
            let open = Open::new(&pki, Router::new().route("/wait", get(wait)), Limits::default()).await;
            let asking = if http2 {
                let request = pki.http(None).get(open.url("/wait"));
                Err(tokio::spawn(async move { request.send().await.is_ok() }))
            } else {
                let mut stream = open.connect(pki.tls(None)).await.unwrap();
                stream.write_all(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
                Ok(stream)
            };
            let dropping = beginning.recv().await.unwrap();
            match asking {
                Ok(mut stream) if in_order => stream.shutdown().await.unwrap(),
                Ok(stream) => drop(stream),
                Err(asking) => asking.abort(),
            }
            let reported = tokio::time::timeout(Duration::from_secs(2), dropping).await;
            assert!(reported.is_ok(), "HTTP/2: {http2}, in order: {in_order}");
        }
    }
}

#[tokio::test]
async fn connections_of_proved_callers_beyond_the_limit_are_answered_so_and_closed() {
    let pki = Pki::new();
    let limits = Limits { connections: 2, ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let mut held = Vec::new();
    for number in 1..=2 {
        let mut stream = open.connect(pki.tls(None)).await.unwrap();
        let head = format!("GET /never HTTP/1.1\r\nHost: x\r\nAs: {number}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        held.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Both are at work: a third caller has to come again, and the answer says so.
    let mut surplus = open.connect(pki.tls(None)).await.unwrap();
    surplus.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\nAs: 3\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = surplus.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("overloaded"), "{answer}");
    drop(held);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(pki.http(None).get(open.url("/hello")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_before_any_work() {
    static WORKED: AtomicUsize = AtomicUsize::new(0);
    let pki = Pki::new();
    let work = || async {
        WORKED.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let limits = Limits { concurrency: 3, ..Limits::default() };
    let open = Open::new(&pki, Router::new().route("/", get(work)), limits).await;
    let client = pki.http(None);
    let calls: Vec<_> = (0..10).map(|_| tokio::spawn(client.get(open.url("/")).send())).collect();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap().unwrap().status());
    }
    let refused = statuses.iter().filter(|status| **status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert_eq!((refused, WORKED.load(Ordering::SeqCst)), (7, 3), "{statuses:?}");
}

#[tokio::test]
async fn stop_under_load_answers_what_was_begun_and_leaves_nothing_open() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut slow = Vec::new();
    for _ in 0..8 {
        slow.push(tokio::spawn(pki.http(None).get(open.url("/slow")).send()));
    }
    let mut quick = Vec::new();
    for _ in 0..8 {
        let (client, url, answered) = (pki.http(None), open.url("/hello"), Arc::clone(&answered));
        quick.push(tokio::spawn(async move {
            // Whatever is answered is answered in full and well; then the listener is gone.
            while let Ok(response) = client.get(&url).send().await {
                assert_eq!(response.status(), StatusCode::OK);
                assert_eq!(response.text().await.unwrap(), "hello");
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    let address = open.address;
    assert_eq!(open.stop().await, 0);
    for call in slow {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    for task in quick {
        task.await.unwrap();
    }
    assert!(answered.load(Ordering::SeqCst) > 8);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stop_cuts_what_does_not_end() {
    let pki = Pki::new();
    let limits = Limits { shutdown: Duration::from_secs(1), ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let call = tokio::spawn(pki.http(None).get(open.url("/never")).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    assert_eq!(open.stop().await, 1);
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn new_certificate_counts_from_the_next_connection_on() {
    let pki = Pki::new();
    let open = Open::new(&pki, router(), Limits::default()).await;
    let serial = |stream: &tokio_rustls::client::TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = open.connect(pki.tls(None)).await.unwrap();
    pki.renew_server();
    open.tls.store(Arc::new(tls::load(&pki.files()).unwrap()));
    let second = open.connect(pki.tls(None)).await.unwrap();
    assert_ne!(serial(&first), serial(&second));
}
