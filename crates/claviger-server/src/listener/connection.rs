//! One connection, from the handshake to its end.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use claviger_core::port::Clock as _;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::{Activity, ConnectionSignal, Watched};
use super::network::Network;
use super::peer::Peer;
use super::room::Held;
use super::service::{ConnectionService, Conversation, ListenerState, Proofs};
use super::turns::Turns;
use crate::clock::SystemClock;
use crate::config::Limits;
use crate::telemetry::{Ending, Unproved};

/// Requests that one HTTP/2 connection may have in work.
const STREAMS: u32 = 128;
/// What a client may send in HTTP/2 before it is read: on one stream, and on all of a connection. Nothing is read of
/// requests that nobody is known for, and what they sent is given free with their refusal.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;
/// What is read and thrown away of a request that was answered before it ended, and for how long: an answer is lost to a
/// client whose bytes meet a closed socket.
const LINGER_BYTES: usize = 256 << 10;
const LINGER: Duration = Duration::from_secs(1);

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) network: Network,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) listener: Arc<ListenerState>,
    pub(super) turns: Turns<Network>,
    pub(super) activity: Arc<Activity>,
    /// Somebody was proved at that address lately.
    pub(super) preferred: bool,
    /// Held while it is in its handshake.
    pub(super) handshaking: Held<Network>,
}

impl Accepted {
    /// Serves it to its end.
    pub(super) async fn serve(self) {
        let (listener, activity, network) =
            (Arc::clone(&self.listener), Arc::clone(&self.activity), self.network);
        let ending = Box::pin(self.serve_to_end()).await;
        let now = SystemClock.since_boot();
        // A proof stands for its address from the end of its connection on: who comes back is known.
        if activity.is_proved() {
            listener.repute.proved(network, now);
        } else {
            listener.repute.failed(network, now);
        }
        listener.metrics().closed(ending);
    }

    async fn serve_to_end(self) -> Ending {
        let (listener, activity) = (Arc::clone(&self.listener), Arc::clone(&self.activity));
        let (address, network) = (self.address, self.network);
        let shaken = {
            let handshake = Box::pin(tokio::time::timeout(listener.limits().header, self.handshake()));
            tokio::select! {
                biased;
                signal = ended(&activity) => return signal,
                shaken = handshake => shaken,
            }
        };
        let (mut stream, handshaking) = match shaken {
            Ok(Ok(shaken)) => shaken,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return Ending::HandshakeFailed;
            }
            Err(_elapsed) => return Ending::TooSlow,
        };
        let Some(unproved) = listener.unproved.take(network, (), 1, Arc::clone(&activity) as _) else {
            listener.metrics().unproved(Unproved::Connection);
            return Ending::Displaced;
        };
        drop(handshaking);
        let peer = Peer::of(address, stream.get_ref().1);
        let proofs = Proofs::new(unproved);
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        activity.converse(http2);
        match asked_for_nothing(&mut stream, &activity).await {
            None => {}
            Some(Ending::Orderly) => return end(&mut stream, &activity).await,
            Some(ending) => return ending,
        }
        let service = ConnectionService::new(Conversation { listener, peer, network, activity, proofs });
        // What was agreed on in the handshake is spoken: nothing is guessed from first bytes.
        match http2 {
            true => Box::pin(converse_in_http2(stream, service)).await,
            false => Box::pin(converse_in_http1(stream, service)).await,
        }
    }

    /// The handshake. Its first message is waited for outside of any turn; what it costs to answer is done in turn. While it
    /// waits for that, it counts as idle: where one address has all its places in such a line, its newest come in for its
    /// oldest.
    async fn handshake(self) -> std::io::Result<(TlsStream<TcpStream>, Held<Network>)> {
        let Self { stream, network, tls, turns, activity, preferred, handshaking, .. } = self;
        // Answers are small and whole; waiting for more of them would only add delay.
        stream.set_nodelay(true)?;
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        // Whoever sent the first message alone, and left, leaves the line too: it fills no place that others wait for.
        let turn = tokio::select! {
            turn = turns.wait(network, preferred) => turn,
            () = gone(&begun.io) => return Err(ErrorKind::ConnectionReset.into()),
        };
        if is_gone(&begun.io) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let _in_work = activity.begin();
        let mut accept = pin!(begun.into_stream(tls));
        let first = poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx))).await;
        // The next turn comes after everyone else who can go on has done so.
        tokio::task::yield_now().await;
        drop(turn);
        let stream = match first {
            Poll::Ready(stream) => stream?,
            Poll::Pending => accept.await?,
        };
        Ok((stream, handshaking))
    }
}

/// Has the client ended its half, whatever it sent before? It waits for no answer.
pub(super) fn has_hung_up(stream: &TcpStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut ends = [PollFd::new(stream, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // An interrupted look is made up for by the next.
    poll(&mut ends, Some(&now)).is_ok_and(|count| count > 0)
}

/// Has the client closed it already? Some never meant to stay.
pub(super) fn is_gone(stream: &TcpStream) -> bool {
    use rustix::io::Errno;
    use rustix::net::{RecvFlags, recv};
    let mut first = [0_u8; 1];
    match recv(stream, &mut first[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, 0)) => true,
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}

/// Waits until the client has closed it. One that sends more has not.
async fn gone(stream: &TcpStream) {
    let mut first = [0_u8; 1];
    match stream.peek(&mut first).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

/// The end that a signal means which ends a connection at once.
async fn ended(activity: &Activity) -> Ending {
    let mut known = ConnectionSignal::Go;
    loop {
        known = poll_fn(|cx| activity.poll_signal(known, cx)).await;
        if let Some(ending) = ending_of(known) {
            return ending;
        }
    }
}

const fn ending_of(signal: ConnectionSignal) -> Option<Ending> {
    match signal {
        ConnectionSignal::Cut => Some(Ending::TooSlow),
        ConnectionSignal::GiveWay => Some(Ending::Displaced),
        ConnectionSignal::Finish | ConnectionSignal::Go => None,
    }
}

/// How a connection ends on which nothing is asked; nothing once its first byte is there. Until then it costs its TLS state alone:
/// buffers for requests are made for who asks.
async fn asked_for_nothing(stream: &mut TlsStream<TcpStream>, activity: &Activity) -> Option<Ending> {
    let reported = poll_fn(|cx| activity.poll_signal(ConnectionSignal::Go, cx));
    tokio::select! {
        biased;
        signal = reported => Some(ending_of(signal).unwrap_or(Ending::Orderly)),
        first = stream.fill_buf() => match first {
            Ok([]) => Some(Ending::Orderly),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "a connection broke before anything was asked");
                Some(Ending::Broken)
            }
        },
    }
}

async fn converse_in_http2(stream: TlsStream<TcpStream>, service: ConnectionService) -> Ending {
    let (limits, activity) = (*service.listener.limits(), Arc::clone(&service.activity));
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity), limits.write_stall));
    let mut connection = pin!(http2_with(&limits).serve_connection(io, service));
    drive(&activity, |cx, finish| {
        if finish {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await
}

async fn converse_in_http1(stream: TlsStream<TcpStream>, service: ConnectionService) -> Ending {
    let (limits, activity) = (*service.listener.limits(), Arc::clone(&service.activity));
    let title_case = service.listener.title_case();
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity), limits.write_stall));
    let mut connection = http1_with(&limits, title_case).serve_connection(io, service);
    let ending = drive(&activity, |cx, finish| {
        if finish {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx)
    })
    .await;
    match ending {
        Ending::Orderly => end(&mut connection.into_parts().io.into_inner(), &activity).await,
        other => other,
    }
}

/// Ends a connection in order, unless it has to end before that.
async fn end<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    stream: &mut S,
    activity: &Activity,
) -> Ending {
    tokio::select! {
        signal = ended(activity) => signal,
        () = close(stream, activity.was_cut_short()) => Ending::Orderly,
    }
}

/// Ends a connection in order. If the client may still be sending, what comes is read and thrown away for a while.
async fn close<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: &mut S, lingers: bool) {
    if stream.shutdown().await.is_err() || !lingers {
        return;
    }
    let rest = async {
        let (mut buffer, mut left) = (vec![0; 4096], LINGER_BYTES);
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            left = left.saturating_sub(count);
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, rest).await;
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

/// Drives a connection until it ends, by itself or by the listener's signal. `poll` is asked once to finish in order.
async fn drive<E: std::error::Error>(
    activity: &Activity,
    mut poll: impl FnMut(&mut std::task::Context<'_>, bool) -> Poll<Result<(), E>>,
) -> Ending {
    let mut known = ConnectionSignal::Go;
    poll_fn(|cx| {
        loop {
            let finish = match activity.poll_signal(known, cx) {
                Poll::Pending => false,
                Poll::Ready(signal) => {
                    known = signal;
                    if let Some(ending) = ending_of(signal) {
                        return Poll::Ready(ending);
                    }
                    true
                }
            };
            match poll(cx, finish) {
                Poll::Ready(result) => return Poll::Ready(ending(result)),
                // The waker for the next signal is registered only when there was none.
                Poll::Pending if finish => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
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
