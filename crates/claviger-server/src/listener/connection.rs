//! One connection, from the handshake to its end.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::{Activity, Watched, Word};
use super::door::{Door, Doorway};
use super::peer::Peer;
use crate::config::Limits;
use crate::telemetry::Ending;

/// Requests that one HTTP/2 connection may have in work.
const STREAMS: u32 = 128;

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) door: Arc<Door>,
    pub(super) activity: Arc<Activity>,
    pub(super) surplus: bool,
}

impl Accepted {
    /// Serves it to its end.
    pub(super) async fn serve(self) {
        let door = Arc::clone(&self.door);
        let ending = Box::pin(self.serve_to_end()).await;
        door.metrics().closed(ending);
    }

    async fn serve_to_end(self) -> Ending {
        let Self { stream, address, tls, door, activity, surplus } = self;
        // The handshake has a time limit of its own.
        let handshaking = activity.begin();
        // Answers are small and whole; waiting for more of them would only add delay.
        if stream.set_nodelay(true).is_err() {
            return Ending::Broken;
        }
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let stream = match tokio::time::timeout(door.limits().header, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return Ending::HandshakeFailed;
            }
            Err(_elapsed) => return Ending::TooSlow,
        };
        drop(handshaking);
        let peer = Peer::new(address, stream.get_ref().1.peer_certificates());
        converse(stream, Doorway { door, peer, activity, surplus }).await
    }
}

async fn converse(stream: TlsStream<TcpStream>, doorway: Doorway) -> Ending {
    let (limits, activity) = (*doorway.door.limits(), Arc::clone(&doorway.activity));
    let title_case = doorway.door.title_case();
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    activity.converse(http2);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity), limits.write_stall));
    // What was agreed on in the handshake is spoken: nothing is guessed from first bytes that may never come.
    if http2 {
        drive(http2_with(&limits).serve_connection(io, doorway), &activity).await
    } else {
        drive(http1_with(&limits, title_case).serve_connection(io, doorway), &activity).await
    }
}

fn http1_with(limits: &Limits, title_case: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
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
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.header)
        .max_send_buf_size(256 << 10);
    builder
}

/// Drives a connection until it ends, by itself or by the listener's word.
async fn drive<C>(connection: C, activity: &Activity) -> Ending
where
    C: GracefulConnection,
    C::Error: std::error::Error,
{
    let mut connection = pin!(connection);
    let mut known = Word::Go;
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => return ending(result),
            word = poll_fn(|cx| activity.poll_word(known, cx)) => match word {
                Word::Cut => return Ending::TooSlow,
                Word::Finish | Word::Go => {
                    known = word;
                    connection.as_mut().graceful_shutdown();
                }
            },
        }
    }
}

fn ending<E: std::error::Error>(result: Result<(), E>) -> Ending {
    match result {
        Ok(()) => Ending::Orderly,
        Err(error) => {
            tracing::debug!(%error, "a connection broke");
            Ending::Broken
        }
    }
}
