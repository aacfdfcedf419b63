//! Sockets: they accept, speak TLS, keep bounds, and stop in order.
//!
//! What it keeps true: whatever is sent or not sent, memory, connections and time are bounded by [`Limits`]; a request that was
//! begun is answered, also while the listener stops. What those take who have not proved themselves is bounded apart, and by
//! address; it never takes from those who have.
//!
//! | module | what it holds |
//! |---|---|
//! | `network` | what counts as one address |
//! | `repute` | how often callers at an address failed to authenticate, and when one last did |
//! | `room`, `turns` | what the unproved share: room, and turns at what costs time |
//! | `places` | what proved callers share: requests under way |
//! | `connection`, `activity` | one connection, and when it has to end |
//! | `conversation` | a connection as what is spoken on it has it: who is proved, and what requests may take |
//! | `http`, `service` | HTTP, and one of its requests, from its head to its answer |
//! | `protocol` | what is asked of the protocol behind HTTP |
//! | `released` | how many results left |

mod activity;
mod connection;
mod conversation;
mod http;
mod network;
mod peer;
mod places;
mod protocol;
mod refusal;
mod released;
mod repute;
mod room;
mod service;
pub mod tls;
mod trust;
mod turns;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use claviger_core::port::Clock as _;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::clock::SystemClock;
use crate::config::Limits;
use crate::stop::Stopping;
use crate::telemetry::{ListenerMetrics, Unproved};
pub use activity::InWork;
use activity::{Activity, IdleMonitors};
use connection::{Accepted, is_gone};
use conversation::ListenerState;
pub use conversation::{Connection, ConnectionProtocol, Conversation, Overloaded, Serving};
pub use http::Http;
use network::Network;
pub use peer::{Peer, PeerCertificate};
pub use places::{Place, Presence};
pub use protocol::{Answering, Asking, Payload, Protocol, Staged};
pub(crate) use refusal::overloaded;
pub use released::Released;
pub use tls::TlsError;
pub use trust::ClientTrust;
use turns::Turns;

/// Handshakes that are computed between two looks at everything else that can go on. Each takes some tenths of a millisecond.
const HANDSHAKES_AT_ONCE: usize = 4;

/// How long to wait when the process has no more file descriptors: accepting at once would fail at once.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Binds a socket to `address`.
///
/// # Errors
/// As the operating system has it: the address is taken, is not this machine's, or needs a privilege.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart finds its port, though connections of the run before are still in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// A listener that speaks TLS.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Arc<ArcSwap<ServerConfig>>,
    listener: Arc<ListenerState>,
    turns: Turns<Network>,
    stopping: Stopping,
}

impl Listener {
    /// Has `protocol` spoken on the connections of `socket`. Certificates that are put into `tls` are shown from the next
    /// connection on. Results that leave are counted in `released`. It stops when `stopping` says so.
    #[must_use]
    pub fn new(
        socket: TcpListener,
        tls: Arc<ArcSwap<ServerConfig>>,
        protocol: Arc<dyn ConnectionProtocol>,
        limits: Limits,
        metrics: ListenerMetrics,
        released: Arc<Released>,
        stopping: Stopping,
    ) -> Self {
        let listener = ListenerState::new(protocol, limits, metrics, released);
        let turns = Turns::new(HANDSHAKES_AT_ONCE);
        Self { socket, tls, listener, turns, stopping }
    }

    /// Serves until it is stopped and the requests in work are answered, or their time is over. Gives how many
    /// connections had to be cut.
    pub async fn run(self) -> usize {
        let mut stopping = self.stopping.clone();
        let mut connections = Connections::new(*self.listener.limits());
        loop {
            tokio::select! {
                () = stopping.stopped() => break,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, address)) => self.admit(&mut connections, stream, address),
                    Err(error) => self.failed_to_accept(&error).await,
                },
                () = connections.tend() => {}
            }
        }
        let Self { socket, .. } = self;
        drop(socket);
        connections.finish().await
    }

    /// Takes a connection in, or closes it before it costs anything.
    fn admit(&self, connections: &mut Connections, stream: TcpStream, address: SocketAddr) {
        if is_gone(&stream) {
            return self.listener.metrics().unproved(Unproved::Handshake);
        }
        let (listener, network) = (&self.listener, Network::of(address.ip()));
        let refuse = |why| {
            listener.metrics().unproved(why);
            // At once, and nothing is left of it on this side.
            let _ = stream.set_zero_linger();
        };
        let (may_come, preferred) = listener.repute.ask(network, SystemClock.since_boot());
        if !may_come {
            return refuse(Unproved::Failures);
        }
        let activity = Arc::new(Activity::default());
        let Some(handshaking) = listener.handshakes.take(network, (), 1, Arc::clone(&activity) as _) else {
            return refuse(Unproved::Handshake);
        };
        listener.metrics().opened();
        let accepted = Accepted {
            stream,
            address,
            network,
            tls: self.tls.load_full(),
            listener: Arc::clone(listener),
            turns: self.turns.clone(),
            activity: Arc::clone(&activity),
            preferred,
            handshaking,
        };
        let serving = connections.serving.spawn(accepted.serve());
        connections.monitors.watch(serving.id(), activity);
    }

    async fn failed_to_accept(&self, error: &io::Error) {
        self.listener.metrics().accept_failed();
        // A client that gave up while it waited is nobody's trouble.
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        tracing::warn!(%error, "a connection could not be accepted; if it lasts, raise `LimitNOFILE`");
        tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
    }
}

/// The open connections.
struct Connections {
    serving: JoinSet<()>,
    monitors: IdleMonitors,
    looks: tokio::time::Interval,
    limits: Limits,
}

impl Connections {
    fn new(limits: Limits) -> Self {
        let mut looks = tokio::time::interval(IdleMonitors::period(&limits));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { serving: JoinSet::new(), monitors: IdleMonitors::default(), looks, limits }
    }

    /// Waits for the next one to end, or the next time to look at all of them.
    async fn tend(&mut self) {
        tokio::select! {
            Some(ended) = self.serving.join_next_with_id() => self.monitors.forget(id_of(&ended)),
            _ = self.looks.tick() => self.monitors.look(&self.limits),
        }
    }

    /// Lets all of them finish what is in work, as long as that may take; gives how many had to be cut.
    async fn finish(mut self) -> usize {
        let limit = self.limits.shutdown;
        self.monitors.finish();
        let emptied = async {
            while !self.serving.is_empty() {
                self.tend().await;
            }
        };
        if tokio::time::timeout(limit, emptied).await.is_ok() {
            return 0;
        }
        let cut = self.serving.len();
        self.serving.shutdown().await;
        cut
    }
}

fn id_of(ended: &Result<(task::Id, ()), JoinError>) -> task::Id {
    match ended {
        Ok((id, ())) => *id,
        Err(error) => error.id(),
    }
}
