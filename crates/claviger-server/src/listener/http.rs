//! HTTP on a connection, in the version that its handshake agreed on.

use std::pin::{Pin, pin};
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::conversation::{Connection, ConnectionProtocol, Serving};
use super::protocol::Protocol;
use super::service::ConnectionService;
use crate::config::Limits;
use crate::telemetry::Ending;

/// Requests that one HTTP/2 connection may have in work.
const STREAMS: u32 = 128;
/// What a client may send in HTTP/2 before it is read: on one stream, and on all of a connection. Nothing is read of
/// requests that nobody is known for, and what they sent is given free with their refusal.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;

/// Requests of HTTP, answered by a protocol.
#[derive(Debug, Clone)]
pub struct Http(Arc<dyn Protocol>);

impl Http {
    /// Those that `protocol` answers.
    #[must_use]
    pub fn new(protocol: Arc<dyn Protocol>) -> Self {
        Self(protocol)
    }
}

impl ConnectionProtocol for Http {
    /// In HTTP/2, bytes without a request are ordinary: pings, settings, window updates.
    fn bytes_begin_a_head(&self, alpn: Option<&[u8]>) -> bool {
        !is_http2(alpn)
    }

    fn serve(&self, connection: Connection) -> Serving {
        // What was agreed on in the handshake is spoken: nothing is guessed from first bytes.
        let http2 = is_http2(connection.alpn());
        let (stream, conversation) = connection.split();
        let service = ConnectionService::new(Arc::clone(&self.0), conversation);
        match http2 {
            true => Box::pin(converse_in_http2(stream, service)),
            false => Box::pin(converse_in_http1(stream, service)),
        }
    }
}

fn is_http2(alpn: Option<&[u8]>) -> bool {
    alpn == Some(b"h2")
}

async fn converse_in_http2<S>(stream: S, service: ConnectionService) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let conversation = service.clone();
    let http = http2_with(service.limits());
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    conversation
        .drive(|cx, finish| {
            if finish {
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(cx)
        })
        .await
}

async fn converse_in_http1<S>(stream: S, service: ConnectionService) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let conversation = service.clone();
    let http = http1_with(service.limits(), service.protocol.title_case());
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let ending = conversation
        .drive(|cx, finish| {
            if finish {
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(cx)
        })
        .await;
    match ending {
        Ending::Orderly => conversation.end(&mut connection.into_parts().io.into_inner()).await,
        other => other,
    }
}

fn http1_with(limits: &Limits, title_case: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        // It would try to read while a request is in work, into a new buffer each time, to learn of a client that has gone.
        // `Watched` learns it without a buffer.
        .half_close(true)
        .max_buf_size(limits.header_bytes)
        .max_headers(limits.headers)
        .title_case_headers(title_case);
    builder
}

fn http2_with(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.header)
        .max_send_buf_size(256 << 10);
    builder
}
