//! One connection, from the handshake to its end. What is spoken in between is its protocol's.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use claviger_core::port::Clock as _;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::conversation::{Connection, Conversation, ListenerState, Proofs, ended};
use super::network::Network;
use super::peer::Peer;
use super::room::Held;
use super::turns::Turns;
use crate::clock::SystemClock;
use crate::telemetry::{Ending, Unproved};

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) network: Network,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) listener: Arc<ListenerState>,
    pub(super) turns: Turns<Network>,
    pub(super) activity: Arc<Activity>,
    /// A caller was authenticated at that address lately.
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
        let (stream, handshaking) = match shaken {
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
        let conversation = Conversation { listener: Arc::clone(&listener), peer, network, activity, proofs };
        let mut connection = Connection { stream, conversation };
        let protocol = listener.protocol();
        connection.conversation.activity.converse(protocol.bytes_begin_a_head(connection.alpn()));
        match connection.asked_for_nothing().await {
            None => protocol.serve(connection).await,
            Some(Ending::Orderly) => connection.conversation.end(&mut connection.stream).await,
            Some(ending) => ending,
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
