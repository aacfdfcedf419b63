//! A connection as its protocol has it: who is at the other end, who proved an identity on it, and what it may take.
//!
//! What it keeps true: bounds are those of the listener, whatever is spoken. A protocol gets a connection when its handshake is done and
//! its first byte is there; it hears from [`Conversation::drive`] when the connection has to end, and asks here before it
//! looks somebody up and before it works for somebody.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use claviger_core::port::Clock as _;
use claviger_core::{Action, PrincipalId};
use claviger_rest::Results;
use hyper::StatusCode;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::activity::{Activity, ConnectionSignal, InWork, Watched};
use super::network::Network;
use super::peer::Peer;
use super::places::{Place, Places, Presence};
use super::released::Released;
use super::repute::{Repute, Verdict};
use super::room::{Bounds, Held, Occupant, Room};
use super::turns::Turns;
use crate::clock::SystemClock;
use crate::config::Limits;
use crate::telemetry::{Ending, ListenerMetrics, Unproved};

/// Credentials that are looked up in the store at once. More would only wait there.
const LOOK_UPS: usize = 8;
/// Requests that may wait for such a look: in all, and from one address.
const WAITING: usize = 2048;
const WAITING_EACH: usize = 128;
/// How long a request waits for a place that others have more of.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read and thrown away of a request that was answered before it ended, and for how long: an answer is lost to a
/// client whose bytes meet a closed socket.
const LINGER_BYTES: usize = 256 << 10;
const LINGER: Duration = Duration::from_secs(1);

/// A connection that is being served; gives how it ended.
pub type Serving = Pin<Box<dyn Future<Output = Ending> + Send>>;

/// What is spoken on the connections of a listener.
pub trait ConnectionProtocol: Debug + Send + Sync + 'static {
    /// Do bytes begin the head of a request if none is in work? It must then end in the time that heads have, the first one from the
    /// handshake on. `alpn` is what the handshake agreed on (RFC 7301).
    fn bytes_begin_a_head(&self, alpn: Option<&[u8]>) -> bool;

    /// Serves a connection to its end.
    fn serve(&self, connection: Connection) -> Serving;
}

/// What all connections of a listener share.
pub(super) struct ListenerState {
    protocol: Arc<dyn ConnectionProtocol>,
    limits: Limits,
    metrics: ListenerMetrics,
    released: Arc<Released>,
    pub(super) repute: Repute,
    /// Connections in their handshake.
    pub(super) handshakes: Room<Network>,
    /// Connections on which nobody proved an identity yet.
    pub(super) unproved: Room<Network>,
    /// The others.
    proved: Room<PrincipalId>,
    places: Places,
    look_ups: Turns<Network>,
    waiting: Room<Network>,
    pub(super) bodies: Room<Network, [u8; 32]>,
}

impl Debug for ListenerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerState").field("places", &self.places).finish_non_exhaustive()
    }
}

impl ListenerState {
    pub(super) fn new(
        protocol: Arc<dyn ConnectionProtocol>,
        limits: Limits,
        metrics: ListenerMetrics,
        released: Arc<Released>,
    ) -> Arc<Self> {
        let bounds = |total, each, by_force, newest_first| Bounds { total, each, by_force, newest_first };
        Arc::new(Self {
            protocol,
            metrics,
            released,
            repute: Repute::new(limits.failures_per_address),
            handshakes: Room::new(bounds(limits.handshakes, limits.handshakes_per_address, true, true)),
            unproved: Room::new(bounds(
                limits.unproved_connections,
                limits.unproved_connections_per_address,
                true,
                true,
            )),
            // Half of all is what one principal may have while others come: who is at work is not interrupted for them.
            proved: Room::new(bounds(limits.connections, limits.connections.div_ceil(2), false, true)),
            places: Places::new(limits.concurrency),
            look_ups: Turns::new(LOOK_UPS),
            waiting: Room::new(bounds(WAITING, WAITING_EACH, false, false)),
            bodies: Room::new(bounds(
                limits.unproved_body_bytes,
                limits.unproved_body_bytes_per_address,
                true,
                false,
            )),
            limits,
        })
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn protocol(&self) -> &dyn ConnectionProtocol {
        self.protocol.as_ref()
    }

    pub(super) const fn metrics(&self) -> &ListenerMetrics {
        &self.metrics
    }
}

/// Who proved an identity on a connection.
pub(super) struct Proofs {
    /// Held until somebody does.
    unproved: Mutex<Option<Held<Network>>>,
    latest: ArcSwapOption<Proof>,
    /// The connection ends, because nobody was proved too often where it comes from.
    ends: AtomicBool,
}

struct Proof {
    presence: Arc<Presence>,
    /// The access key by which, if it was one.
    access_key: Option<[u8; 32]>,
    _held: Held<PrincipalId>,
}

impl Proofs {
    pub(super) fn new(unproved: Held<Network>) -> Self {
        Self {
            unproved: Mutex::new(Some(unproved)),
            latest: ArcSwapOption::empty(),
            ends: AtomicBool::new(false),
        }
    }

    /// Who proved an identity last, if it was by that access key.
    pub(super) fn by(&self, access_key: [u8; 32]) -> Option<Arc<Presence>> {
        let latest = self.latest.load();
        let proof = latest.as_ref().filter(|proof| proof.access_key == Some(access_key))?;
        Some(Arc::clone(&proof.presence))
    }
}

impl Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proofs(..)")
    }
}

/// More requests, or connections, than the listener bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much at once")]
pub struct Overloaded;

/// One that is waited for in any case.
struct AtWork;

impl Occupant for AtWork {
    fn is_idle(&self) -> bool {
        false
    }

    fn give_way(&self) {}
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Connection {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) conversation: Conversation,
}

impl Connection {
    /// The protocol that the handshake agreed on.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }

    /// The stream, which fails when the other side takes nothing for too long; and what is to be asked for requests on it.
    #[must_use]
    pub fn split(self) -> (impl AsyncRead + AsyncWrite + Unpin + Send + 'static, Conversation) {
        let Self { stream, conversation } = self;
        let stall = conversation.limits().write_stall;
        (Watched::new(stream, Arc::clone(&conversation.activity), stall), conversation)
    }

    /// How a connection ends on which nothing is asked; nothing once its first byte is there. Until then it costs its TLS state alone:
    /// buffers for requests are made for who asks.
    pub(super) async fn asked_for_nothing(&mut self) -> Option<Ending> {
        let Self { stream, conversation } = self;
        let reported = poll_fn(|cx| conversation.activity.poll_signal(ConnectionSignal::Go, cx));
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
}

/// What the requests of a connection share.
#[derive(Debug)]
pub struct Conversation {
    pub(super) listener: Arc<ListenerState>,
    pub(super) peer: Peer,
    pub(super) network: Network,
    pub(super) activity: Arc<Activity>,
    pub(super) proofs: Proofs,
}

impl Conversation {
    /// The bounds of the listener.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.listener.limits()
    }

    /// Who is at the other end now.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer.at(SystemClock.now())
    }

    /// The head of a request is complete: it is in work until the guard is dropped.
    #[must_use]
    pub fn begin(&self) -> InWork {
        self.activity.begin()
    }

    /// Has the store asked whose a credential is, by `find`. Addresses take turns.
    ///
    /// # Errors
    /// [`Overloaded`], and nothing was asked.
    pub async fn look_up<T>(&self, find: impl Future<Output = T>) -> Result<T, Overloaded> {
        let listener = &self.listener;
        // What still comes over a connection that was asked to end costs no look: there may be a hundred streams of it.
        if self.proofs.ends.load(Ordering::Relaxed) && !self.activity.is_proved() {
            listener.metrics.unproved(Unproved::Failures);
            return Err(Overloaded);
        }
        let waiting = listener.waiting.take(self.network, (), 1, Arc::new(AtWork));
        let Some(waiting) = waiting else {
            listener.metrics.unproved(Unproved::LookUp);
            return Err(Overloaded);
        };
        let turn = listener.look_ups.wait(self.network, self.activity.is_proved()).await;
        let found = find.await;
        drop((turn, waiting));
        Ok(found)
    }

    /// Remembers who proved an identity on this connection. For the one who did so before it costs nothing.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room for another connection of that principal: this one ends.
    pub fn proved(
        &self,
        principal: PrincipalId,
        access_key: Option<[u8; 32]>,
    ) -> Result<Arc<Presence>, Overloaded> {
        if let Some(proof) = self.proofs.latest.load().as_ref()
            && proof.presence.principal() == principal
            && proof.access_key == access_key
        {
            return Ok(Arc::clone(&proof.presence));
        }
        let listener = &self.listener;
        let presence = listener.places.presence(principal);
        let guest = Arc::clone(&self.activity) as Arc<dyn Occupant>;
        let Some(held) = listener.proved.take(principal, (), 1, guest) else {
            listener.metrics.surplus();
            self.activity.signal(ConnectionSignal::Finish);
            return Err(Overloaded);
        };
        let proof = Proof { presence: Arc::clone(&presence), access_key, _held: held };
        self.proofs.latest.store(Some(Arc::new(proof)));
        if !self.activity.is_proved() {
            self.activity.prove();
            self.proofs.unproved.lock().unwrap_or_else(PoisonError::into_inner).take();
            listener.repute.proved(self.network, SystemClock.since_boot());
        }
        Ok(presence)
    }

    /// A place for a request of a proved caller, until it is dropped.
    ///
    /// # Errors
    /// [`Overloaded`] when all are taken, and the principal has its share of them or waited for long.
    pub async fn place(&self, presence: &Arc<Presence>) -> Result<Place, Overloaded> {
        let places = &self.listener.places;
        if let Some(place) = places.take_free(presence) {
            return Ok(place);
        }
        let waited = tokio::time::timeout(PATIENCE, places.wait(presence)).await;
        waited.ok().flatten().ok_or(Overloaded)
    }

    /// What was presented proves nobody. Says whether the connection ends for it, because that was too often.
    pub fn unauthenticated(&self) -> bool {
        self.listener.metrics.unproved(Unproved::Unauthenticated);
        self.failed()
    }

    /// One failure more; says whether the connection ends for it.
    pub(super) fn failed(&self) -> bool {
        if self.activity.is_proved() {
            return false;
        }
        let signal = match self.listener.repute.failed(self.network, SystemClock.since_boot()) {
            Verdict::Bear => return false,
            Verdict::Finish => ConnectionSignal::Finish,
            Verdict::Cut => ConnectionSignal::Cut,
        };
        self.listener.metrics.unproved(Unproved::Failures);
        self.proofs.ends.store(true, Ordering::Relaxed);
        self.activity.signal(signal);
        true
    }

    /// Counts a request that was answered, of which so much was known when it `began`, since boot: what was asked, and what the answer
    /// says of its results itself. Protocols that know no HTTP say how it ended by the status that fits.
    pub fn answered(
        &self,
        asked: Option<Action>,
        status: StatusCode,
        said: Option<Results>,
        began: Duration,
    ) {
        let latency = SystemClock.since_boot().saturating_sub(began);
        self.listener.metrics.answered(asked, status, latency);
        if status.is_success() {
            self.listener.released.count(asked, said);
        }
    }

    /// Drives what serves the connection until that ends, by itself or by the listener's signal. `poll` is asked once to finish in
    /// order.
    pub async fn drive<E: std::error::Error>(
        &self,
        mut poll: impl FnMut(&mut Context<'_>, bool) -> Poll<Result<(), E>>,
    ) -> Ending {
        let mut known = ConnectionSignal::Go;
        poll_fn(|cx| {
            loop {
                let finish = match self.activity.poll_signal(known, cx) {
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

    /// Ends a connection in order, unless it has to end before that.
    pub async fn end<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> Ending {
        tokio::select! {
            signal = ended(&self.activity) => signal,
            () = close(stream, self.activity.was_cut_short()) => Ending::Orderly,
        }
    }
}

/// The end that a signal means which ends a connection at once.
pub(super) async fn ended(activity: &Activity) -> Ending {
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

fn ending<E: std::error::Error>(result: Result<(), E>) -> Ending {
    match result {
        Ok(()) => Ending::Orderly,
        Err(error) => {
            tracing::debug!(%error, "a connection broke");
            Ending::Broken
        }
    }
}

/// Ends a connection in order. If the client may still be sending, what comes is read and thrown away for a while.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, lingers: bool) {
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
