//! The listener for machines that watch: `/metrics`, `/healthz`, `/readyz`, in plain HTTP on loopback.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::stop::Stopping;

/// Connections at once. Watchers are few.
const CONNECTIONS: usize = 32;

/// Longest that a watcher's connection lasts: each scrape may open a new one.
const LIFETIME: Duration = Duration::from_secs(60);

/// Time for the head of a request.
const HEADER: Duration = Duration::from_secs(5);

/// What is reported to watchers.
#[async_trait]
pub trait Watchable: Send + Sync + 'static {
    /// Every number there is, as Prometheus reads it.
    async fn numbers(&self) -> String;

    /// Is the process able to serve? `Err` says in a few words why not.
    async fn ready(&self) -> Result<(), String>;
}

/// Answers watchers until `stopping` says so.
pub async fn run(socket: TcpListener, watchable: Arc<dyn Watchable>, mut stopping: Stopping) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.stopped() => break,
            accepted = socket.accept() => accepted,
            Some(_) = conversations.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let watchable = Arc::clone(&watchable);
        conversations.spawn(async move {
            // A watcher that went away is nobody's trouble.
            let _ = tokio::time::timeout(LIFETIME, converse(stream, watchable)).await;
            drop(place);
        });
    }
    conversations.shutdown().await;
}

async fn converse(stream: TcpStream, watchable: Arc<dyn Watchable>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let watchable = Arc::clone(&watchable);
        async move { Ok::<_, Infallible>(answer(&request, &*watchable).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(8192)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(request: &Request<Incoming>, watchable: &dyn Watchable) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => text(StatusCode::OK, watchable.numbers().await),
        // The process runs and its runtime answers; whether it can serve is another question.
        "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match watchable.ready().await {
            Ok(()) => text(StatusCode::OK, "ready\n".to_owned()),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "not found\n".to_owned()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
