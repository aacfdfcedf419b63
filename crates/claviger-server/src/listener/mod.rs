//! Sockets: they accept, speak TLS, keep bounds, and stop in order.
//!
//! What it keeps true: whatever a stranger sends or does not send, memory, connections and time are bounded by
//! [`Limits`]; a request that was begun is answered, also while the listener stops.

mod activity;
mod connection;
mod door;
mod peer;
mod protocol;
mod refusal;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::config::Limits;
use crate::stop::Stopping;
use crate::telemetry::DoorMetrics;
use activity::{Activity, Lookouts};
use connection::Accepted;
use door::Door;
pub use peer::{Peer, PeerCertificate};
pub use protocol::{Answering, Protocol};
pub use tls::TlsError;

/// Connections beyond the limit that are told so; the next ones are closed without a word.
const SURPLUS: usize = 16;

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
    door: Arc<Door>,
    stopping: Stopping,
}

impl Listener {
    /// Puts `protocol` behind `socket`. Certificates that are put into `tls` count from the next connection on. It stops
    /// when `stopping` says so.
    #[must_use]
    pub fn new(
        socket: TcpListener,
        tls: Arc<ArcSwap<ServerConfig>>,
        protocol: Protocol,
        limits: Limits,
        metrics: DoorMetrics,
        stopping: Stopping,
    ) -> Self {
        Self { socket, tls, door: Door::new(protocol, limits, metrics), stopping }
    }

    /// Serves until it is stopped and the requests in work are answered, or their time is over. Gives how many
    /// connections had to be cut.
    pub async fn run(self) -> usize {
        let mut stopping = self.stopping.clone();
        let mut connections = Connections::new(*self.door.limits());
        let places = Arc::new(Semaphore::new(self.door.limits().connections));
        let surplus = Arc::new(Semaphore::new(SURPLUS));
        loop {
            tokio::select! {
                () = stopping.stopped() => break,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, address)) => {
                        if let Some(place) = self.place(&places, &surplus) {
                            self.spawn(&mut connections, stream, address, place);
                        }
                    }
                    Err(error) => self.failed_to_accept(&error).await,
                },
                () = connections.tend() => {}
            }
        }
        let Self { socket, .. } = self;
        drop(socket);
        connections.finish().await
    }

    fn place(&self, places: &Arc<Semaphore>, surplus: &Arc<Semaphore>) -> Option<Place> {
        if let Ok(held) = Arc::clone(places).try_acquire_owned() {
            return Some(Place { _held: held, surplus: false });
        }
        self.door.metrics().surplus();
        let held = Arc::clone(surplus).try_acquire_owned().ok()?;
        Some(Place { _held: held, surplus: true })
    }

    fn spawn(&self, connections: &mut Connections, stream: TcpStream, address: SocketAddr, place: Place) {
        let activity = Arc::new(Activity::default());
        let accepted = Accepted {
            stream,
            address,
            tls: self.tls.load_full(),
            door: Arc::clone(&self.door),
            activity: Arc::clone(&activity),
            surplus: place.surplus,
        };
        self.door.metrics().opened();
        let serving = connections.serving.spawn(async move {
            accepted.serve().await;
            drop(place);
        });
        connections.lookouts.watch(serving.id(), activity);
    }

    async fn failed_to_accept(&self, error: &io::Error) {
        self.door.metrics().accept_failed();
        // A client that gave up while it waited is nobody's trouble.
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        tracing::warn!(%error, "a connection could not be accepted; if it lasts, raise `LimitNOFILE`");
        tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
    }
}

/// Held while a connection is open.
struct Place {
    _held: OwnedSemaphorePermit,
    surplus: bool,
}

/// The open connections.
struct Connections {
    serving: JoinSet<()>,
    lookouts: Lookouts,
    looks: tokio::time::Interval,
    limits: Limits,
}

impl Connections {
    fn new(limits: Limits) -> Self {
        let mut looks = tokio::time::interval(Lookouts::period(&limits));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { serving: JoinSet::new(), lookouts: Lookouts::default(), looks, limits }
    }

    /// Waits for the next one to end, or the next time to look at all of them.
    async fn tend(&mut self) {
        tokio::select! {
            Some(ended) = self.serving.join_next_with_id() => self.lookouts.forget(id_of(&ended)),
            _ = self.looks.tick() => self.lookouts.look(&self.limits),
        }
    }

    /// Lets all of them finish what is in work, as long as that may take; gives how many had to be cut.
    async fn finish(mut self) -> usize {
        let limit = self.limits.shutdown;
        self.lookouts.finish();
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
