//! What those may take of a listener who have not proved themselves, and that it is never what others need.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use claviger_server::config::Limits;
use http::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::client::TlsStream;

use crate::support::{Open, Pki};

fn router() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async move { body.len().to_string() }))
        .layer(DefaultBodyLimit::disable())
}

fn head(who: &str, path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nAs: {who}\r\nContent-Length: {length}\r\n\r\n")
}

type Stream = TlsStream<TcpStream>;

async fn say(open: &Open, pki: &Pki, from: u8, what: &str) -> Stream {
    let mut stream = open.connect_from(pki.tls(None), from).await.unwrap();
    stream.write_all(what.as_bytes()).await.unwrap();
    stream
}

/// The status of the next answer; 0 when the connection ends without one.
async fn status(stream: &mut Stream) -> u16 {
    let mut answer = vec![0; 4096];
    let count = stream.read(&mut answer).await.unwrap_or(0);
    let text = String::from_utf8_lossy(&answer[..count]).into_owned();
    text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

async fn is_closed(stream: &mut Stream) -> bool {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    ended.is_ok() && rest.is_empty()
}

fn http2_tls(pki: &Pki) -> ClientConfig {
    let mut tls = pki.tls(None);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    tls
}

/// Sends so many unauthenticated requests over one HTTP/2 connection, each with a body that does not end; gives their statuses.
async fn unfinished(open: &Open, pki: &Pki, from: u8, count: usize) -> Vec<Option<StatusCode>> {
    let stream = open.connect_from(http2_tls(pki), from).await.unwrap();
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let calls: Vec<_> = (0..count)
        .map(|_| {
            let mut client = client.clone();
            let begun = endless(Bytes::from_static(&[b'x'; 100]));
            let request = Request::post("https://x/echo").header("as", "unknown").body(begun).unwrap();
            tokio::spawn(async move { client.send_request(request).await.ok().map(|answer| answer.status()) })
        })
        .collect();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap());
    }
    driving.abort();
    statuses
}

/// A body that begins so, and never ends.
fn endless(begin: Bytes) -> Body {
    struct Endless(Option<Bytes>);

    impl hyper::body::Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            match self.0.take() {
                Some(begin) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(begin)))),
                None => std::task::Poll::Pending,
            }
        }
    }

    Body::new(Endless(Some(begin)))
}

#[tokio::test]
async fn unauthenticated_caller_is_refused_before_its_body_is_read_and_takes_no_place() {
    let pki = Pki::new();
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let mut refused = Vec::new();
    for _ in 0..4 {
        let mut stream = say(&open, &pki, 1, &(head("unknown", "/echo", 1 << 20) + "begun")).await;
        assert_eq!(status(&mut stream).await, 401);
        refused.push(stream);
    }
    let mut known = say(&open, &pki, 1, &(head("1", "/echo", 2) + "ok")).await;
    assert_eq!(status(&mut known).await, 200);
    // The others end; what they still send is taken until then, so that none of them loses its answer.
    for mut stream in refused {
        let _ = stream.write_all(&[b'x'; 100_000]).await;
        assert!(is_closed(&mut stream).await);
    }
}

#[tokio::test]
async fn thousand_unfinished_unauthenticated_requests_stop_no_known_caller() {
    let pki = Pki::new();
    let limits = Limits { concurrency: 2, ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let hello = || async { pki.http(None).get(open.url("/hello")).send().await.unwrap().status() };
    assert_eq!(hello().await, StatusCode::OK);
    for from in 2..=9 {
        let statuses = unfinished(&open, &pki, from, 128).await;
        // More than the address may fail at once: its connection is ended.
        let refused = statuses.iter().filter(|status| **status == Some(StatusCode::UNAUTHORIZED)).count();
        assert!(
            refused >= 50 && statuses.iter().all(|status| status.is_none_or(|s| s == 401 || s == 503)),
            "{statuses:?}"
        );
        assert_eq!(hello().await, StatusCode::OK);
    }
    let text = open.registry.render();
    assert!(text.contains(r#"claviger_unproved_refused_total{listener="test",reason="unauthenticated"}"#));
}

#[tokio::test]
async fn idle_unauthenticated_connections_make_way_for_new_ones() {
    let pki = Pki::new();
    let limits = Limits { unproved_connections: 6, unproved_connections_per_address: 4, ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(open.connect_from(pki.tls(None), 2).await.unwrap());
    }
    // The newest four are left; another address gets in beside them, and its third takes from who has the most.
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(open.connect_from(pki.tls(None), 3).await.unwrap());
    }
    for stream in &mut idle[..9] {
        assert!(is_closed(stream).await);
    }
    for stream in idle[9..].iter_mut().chain(&mut others) {
        stream.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_eq!(status(stream).await, 200);
    }
    assert!(open.registry.render().contains(r#"ending="displaced"} 9"#), "{}", open.registry.render());
}

#[tokio::test]
async fn handshakes_that_do_not_begin_hold_up_nobody() {
    let pki = Pki::new();
    let limits = Limits { handshakes: 6, handshakes_per_address: 4, ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let mut mute = Vec::new();
    for from in [2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4] {
        mute.push(open.dial_from(from).await.unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for from in [2, 3, 4, 5] {
        let mut stream = say(&open, &pki, from, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(status(&mut stream).await, 200);
    }
}

#[tokio::test]
async fn bodies_before_the_proof_are_shared_by_address_and_access_key() {
    let pki = Pki::new();
    let limits = Limits {
        unproved_body_bytes: 512 << 10,
        unproved_body_bytes_per_address: 256 << 10,
        unproved_body: Duration::from_secs(30),
        ..Limits::default()
    };
    let open = Open::new(&pki, router(), limits).await;
    let begun = head("key 1", "/echo", 128 << 10) + "signed";
    let mut waiting = Vec::new();
    for from in [2, 2, 3, 3] {
        waiting.push(say(&open, &pki, from, &begun).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // All is taken. The same key at the same address has had its share; the same key from elsewhere, and another key at the
    // same address, have not.
    let mut more = say(&open, &pki, 2, &begun).await;
    assert_eq!(status(&mut more).await, 429);
    for (who, from) in [("key 1", 4), ("key 2", 2), ("key 2", 5)] {
        let mut honest = say(&open, &pki, from, &(head(who, "/echo", 8) + "signed!!")).await;
        assert_eq!(status(&mut honest).await, 200, "{who} from {from}");
    }
    // One was refused; and at least one gave way.
    let text = open.registry.render();
    let count = text.lines().find_map(|line| {
        line.strip_prefix(r#"claviger_unproved_refused_total{listener="test",reason="body"} "#)
    });
    assert!(count.unwrap().parse::<u32>().unwrap() >= 2, "{text}");
}

#[tokio::test]
async fn bodies_before_the_proof_are_small_and_quick() {
    let pki = Pki::new();
    let limits = Limits { unproved_body: Duration::from_secs(1), ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let mut large = say(&open, &pki, 1, &head("key 1", "/echo", (128 << 10) + 1)).await;
    assert_eq!(status(&mut large).await, 413);
    let chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nAs: key 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut unannounced = say(&open, &pki, 1, &format!("{chunked}20001\r\n{}", "x".repeat(0x20001))).await;
    assert_eq!(status(&mut unannounced).await, 413);
    let mut slow = say(&open, &pki, 1, &(head("key 1", "/echo", 100) + "signed")).await;
    assert_eq!(status(&mut slow).await, 408);
    let mut forged = say(&open, &pki, 1, &(head("key 1", "/echo", 6) + "forged")).await;
    assert_eq!(status(&mut forged).await, 403);
    let whole = head("key 1", "/echo", 128 << 10) + "signed" + &"x".repeat((128 << 10) - 6);
    let mut honest = say(&open, &pki, 1, &whole).await;
    assert_eq!(status(&mut honest).await, 200);
    // Known by then, the connection is not asked to hurry any more.
    honest.write_all((head("key 1", "/echo", 12) + "signed").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    honest.write_all(b"slowly").await.unwrap();
    assert_eq!(status(&mut honest).await, 200);
}

#[tokio::test]
async fn address_that_only_fails_is_closed_out_and_one_of_an_authenticated_caller_is_not() {
    let pki = Pki::new();
    let limits = Limits { failures_per_address: 1, ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let hello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    let wrong = "GET /hello HTTP/1.1\r\nHost: x\r\nAs: unknown\r\n\r\n";
    let mut known = say(&open, &pki, 3, hello).await;
    assert_eq!(status(&mut known).await, 200);
    for from in [2, 3] {
        let mut failing = open.connect_from(pki.tls(None), from).await.unwrap();
        let mut answers = 0;
        while failing.write_all(wrong.as_bytes()).await.is_ok() && status(&mut failing).await == 401 {
            answers += 1;
            assert!(answers < 100);
        }
        assert!(answers >= 8, "{answers}");
    }
    assert!(open.connect_from(pki.tls(None), 2).await.is_err());
    // The one who is known there comes in, over the old connection and over a new one; and so does everyone elsewhere.
    known.write_all(hello.as_bytes()).await.unwrap();
    assert_eq!(status(&mut known).await, 200);
    for from in [3, 4] {
        assert_eq!(status(&mut say(&open, &pki, from, hello).await).await, 200);
    }
    assert!(open.registry.render().contains(r#"reason="failures"}"#));
}

#[tokio::test]
async fn principal_with_less_than_its_share_waits_and_one_with_more_is_refused() {
    let pki = Pki::new();
    let go = Arc::new(Notify::new());
    let waits = {
        let go = Arc::clone(&go);
        get(move || {
            let go = Arc::clone(&go);
            async move { go.notified().await }
        })
    };
    let limits = Limits { concurrency: 2, ..Limits::default() };
    let open = Open::new(&pki, router().route("/wait", waits), limits).await;
    let ask = |who: &str, path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nAs: {who}\r\n\r\n");
    let mut held =
        vec![say(&open, &pki, 1, &ask("1", "/wait")).await, say(&open, &pki, 1, &ask("1", "/wait")).await];
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut greedy = say(&open, &pki, 1, &ask("1", "/hello")).await;
    assert_eq!(status(&mut greedy).await, 503);
    let mut modest = say(&open, &pki, 1, &ask("2", "/hello")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    go.notify_one();
    assert_eq!(status(&mut modest).await, 200);
    go.notify_waiters();
    go.notify_one();
    for stream in &mut held {
        assert_eq!(status(stream).await, 200);
    }
}

#[tokio::test]
async fn what_is_open_to_everyone_takes_no_place_and_no_body() {
    let pki = Pki::new();
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let open = Open::new(&pki, router(), limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = say(&open, &pki, 1, &(head("anyone", "/echo", 100) + "begun")).await;
        assert_eq!(status(&mut stream).await, 200);
        held.push(stream);
    }
    let mut known = say(&open, &pki, 1, &(head("1", "/echo", 2) + "ok")).await;
    assert_eq!(status(&mut known).await, 200);
}
