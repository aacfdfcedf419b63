//! How connections are made: over TCP, or through the proxy that the environment names, with TLS 1.3, in a bounded time.
//!
//! A proxy is asked for a tunnel (`CONNECT`), so that it hears nothing but the name of the server: TLS begins behind it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::Service;

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(90);
/// After how much silence the other end is probed, and how often again.
const PROBE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Connections that are kept for the calls to come.
pub(super) type Pool = legacy::Client<Connector, Full<Bytes>>;

/// A pool whose connections are made as `tls` says, each within `limit`, through the proxy of the environment if it
/// names one (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).
pub(super) fn pool(tls: ClientConfig, limit: Duration) -> Pool {
    pool_by(tls, limit, Matcher::from_env())
}

fn pool_by(tls: ClientConfig, limit: Duration, proxies: Matcher) -> Pool {
    let dial = Dial { tcp: tcp(), proxies: Arc::new(proxies) };
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_all_versions();
    let connector = Connector { tls: tls.wrap_connector(dial), limit };
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PROBE));
    tcp.set_keepalive_interval(Some(PROBE));
    tcp.set_keepalive_retries(Some(PROBES));
    tcp
}

/// Makes a connection, the TLS handshake included, or gives up.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tls: HttpsConnector<Dial>,
    limit: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tls.poll_ready(context)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.tls.call(server));
        Box::pin(async move { connecting.await.map_err(|_| "no connection within the time allowed")? })
    }
}

/// Reaches the server, itself or its proxy.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    tcp: HttpConnector,
    proxies: Arc<Matcher>,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.intercept(&server) else {
            let connecting = self.tcp.call(server);
            return Box::pin(async move { Ok(connecting.await?) });
        };
        if proxy.uri().scheme_str() != Some("http") {
            return Box::pin(async {
                Err("the proxy of the environment must be an `http://` address".into())
            });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(who) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(who.clone());
        }
        let connecting = tunnel.call(server);
        Box::pin(async move { connecting.await.map_err(|error| format!("by the proxy: {error}").into()) })
    }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn trusting_nobody() -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
    }

    /// What is the matter with a call that goes out by these proxies.
    fn asked_through(proxies: Matcher) -> impl Future<Output = String> {
        let pool = pool_by(trusting_nobody(), Duration::from_secs(5), proxies);
        async move {
            let mut error: &dyn std::error::Error =
                &pool.get("https://kms.invalid:7400/v1/version".parse().unwrap()).await.unwrap_err();
            while let Some(source) = error.source() {
                error = source;
            }
            error.to_string()
        }
    }

    #[tokio::test]
    async fn the_proxy_is_asked_for_a_tunnel_in_which_tls_begins() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://me:word@{}", proxy.local_addr().unwrap());
        let reported = tokio::spawn(asked_through(Matcher::builder().https(address).build()));
        let (mut stream, _) = proxy.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("connect kms.invalid:7400 http/1.1\r\n"), "{head}");
        assert!(head.contains("proxy-authorization: basic bwu6d29yza=="), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut record = [0; 3];
        stream.read_exact(&mut record).await.unwrap();
        assert_eq!(record, [22, 3, 1], "the hello of a handshake");
        drop(stream);
        assert!(!reported.await.unwrap().contains("proxy"));
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_or_is_of_another_kind_is_named() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", proxy.local_addr().unwrap());
        let reported = tokio::spawn(asked_through(Matcher::builder().all(address).build()));
        let (mut stream, _) = proxy.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 407 X\r\n\r\n").await.unwrap();
        let reported = reported.await.unwrap();
        assert!(reported.starts_with("by the proxy: "), "{reported}");
        let reported = asked_through(Matcher::builder().all("https://127.0.0.1:9").build()).await;
        assert!(reported.contains("must be an `http://` address"), "{reported}");
    }

    #[tokio::test]
    async fn a_server_that_never_answers_the_handshake_is_given_up() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool_by(trusting_nobody(), Duration::from_millis(200), Matcher::builder().build());
        let url = format!("https://{}/", server.local_addr().unwrap());
        let error = pool.get(url.parse().unwrap()).await.unwrap_err();
        assert!(error.is_connect());
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("within the time allowed"));
    }
}
