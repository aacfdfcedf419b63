//! What a request passes on its way in, in one service: who asks, then bounds, the time limit, the counters.
//!
//! What it keeps true: a request takes a place, and has its body read, only for a caller who proved an identity. Where the proof
//! covers the body, the body is read in room that is divided by address and by what was named ([`Room`]).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use claviger_aws::{AwsLimits, Unread};
use claviger_core::PrincipalId;
use claviger_core::port::Clock as _;
use claviger_rest::body::discard;
use claviger_service::Presented;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, Version};
use tokio::sync::Notify;

use super::activity::{Activity, ConnectionSignal, InWork};
use super::network::Network;
use super::peer::Peer;
use super::places::{Place, Places, Presence};
use super::protocol::{Asking, Payload, Protocol};
use super::refusal::Refusal;
use super::released::Released;
use super::repute::{Repute, Verdict};
use super::room::{Bounds, Held, Occupant, Room};
use super::turns::Turns;
use crate::clock::SystemClock;
use crate::config::Limits;
use crate::telemetry::{ListenerMetrics, Unproved};

/// Credentials that are looked up in the store at once. More would only wait there.
const LOOK_UPS: usize = 8;
/// Requests that may wait for such a look: in all, and from one address.
const WAITING: usize = 2048;
const WAITING_EACH: usize = 128;
/// How long a request waits for a place that others have more of.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all connections of a listener share.
pub(super) struct ListenerState {
    protocol: Arc<dyn Protocol>,
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
    bodies: Room<Network, [u8; 32]>,
}

impl std::fmt::Debug for ListenerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerState").field("places", &self.places).finish_non_exhaustive()
    }
}

impl ListenerState {
    pub(super) fn new(
        protocol: Arc<dyn Protocol>,
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

    pub(super) fn title_case(&self) -> bool {
        self.protocol.title_case()
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
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proofs(..)")
    }
}

/// The service of one connection. Cheap to clone: each request has one.
#[derive(Debug, Clone)]
pub(super) struct ConnectionService(Arc<Conversation>);

/// What the requests of a connection share.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) listener: Arc<ListenerState>,
    pub(super) peer: Peer,
    pub(super) network: Network,
    pub(super) activity: Arc<Activity>,
    pub(super) proofs: Proofs,
}

impl ConnectionService {
    pub(super) fn new(conversation: Conversation) -> Self {
        Self(Arc::new(conversation))
    }
}

impl std::ops::Deref for ConnectionService {
    type Target = Conversation;

    fn deref(&self) -> &Conversation {
        &self.0
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        Box::pin(serve(self.clone(), self.activity.begin(), request))
    }
}

/// Why a request goes no further.
enum Stopped {
    /// Before its caller was known. The answer is the protocol's.
    Unproved(Box<Response<Body>>),
    /// After that.
    Refused(Refusal),
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn serve(
    service: ConnectionService,
    in_work: InWork,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let listener = &service.listener;
    let begun = SystemClock.since_boot();
    let (head, body) = request.into_parts();
    let (asked, version, mut body) = (listener.protocol.action_of(&head), head.version, Some(body));
    let answered = tokio::time::timeout(listener.limits.request, service.answer(head, &mut body)).await;
    let answered = answered.unwrap_or_else(|_elapsed| Ok(Refusal::Deadline.answer(false)));
    let is_refused = answered.is_err();
    let mut response = match answered {
        Ok(response) => response,
        Err(Stopped::Unproved(response)) => *response,
        Err(Stopped::Refused(refusal)) => refusal.answer(false),
    };
    if is_refused {
        listener.metrics.refused(response.status());
    } else {
        let latency = SystemClock.since_boot().saturating_sub(begun);
        listener.metrics.answered(asked, response.status(), latency);
        let said = response.extensions_mut().remove();
        if response.status().is_success() {
            listener.released.count(asked, said);
        }
    }
    // What was not read is not waited for. In HTTP/2 the stream is reset; in HTTP/1 the connection ends.
    let is_unread = is_refused && body.is_some_and(|body| !body.is_end_stream());
    let is_last = response.extensions_mut().remove::<Last>().is_some();
    if version < Version::HTTP_2 && (is_unread || is_last) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        service.activity.cut_short();
    }
    drop(in_work);
    Ok(response)
}

/// Marks an answer after which the connection ends.
#[derive(Clone, Copy)]
struct Last;

/// One that is waited for in any case.
struct AtWork;

impl Occupant for AtWork {
    fn is_idle(&self) -> bool {
        false
    }

    fn give_way(&self) {}
}

/// A body that is being read.
#[derive(Default)]
struct Reading(Notify);

impl Occupant for Reading {
    fn is_idle(&self) -> bool {
        true
    }

    fn give_way(&self) {
        self.0.notify_one();
    }
}

/// The whole of a body that may be as large as one before its sender is proved.
async fn collect(body: &mut Incoming) -> Result<Bytes, Unread> {
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::BrokeOff)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > AwsLimits::MOST_BODY {
            return Err(Unread::TooLarge(AwsLimits::MOST_BODY));
        }
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

impl Conversation {
    async fn answer(&self, head: Parts, body: &mut Option<Incoming>) -> Result<Response<Body>, Stopped> {
        let protocol = &self.listener.protocol;
        let peer = self.peer.at(SystemClock.now());
        let asking = match protocol.recall(&peer, &head) {
            Asking::Unknown => Box::pin(self.look_up(peer, &head)).await?,
            known => known,
        };
        match asking {
            Asking::Known { principal, presented } => {
                let presence = self.proved(principal, None)?;
                let body = self.bounded(body).await?;
                let place = self.place(&presence).await?;
                let request = Request::from_parts(head, Payload::Coming(body));
                let response = protocol.answer(peer, presented, request).await;
                drop(place);
                Ok(response)
            }
            Asking::Signed { access_key } => self.answer_signed(peer, head, body, access_key).await,
            Asking::Anyone => {
                let request = Request::from_parts(head, Payload::Whole(Bytes::new()));
                let response = protocol.answer(peer, Presented::None, request).await;
                Ok(self.nobody_proved(response))
            }
            Asking::Unknown => Err(Refusal::Overloaded.into()),
        }
    }

    /// Asks the store whose credential it is. Addresses take turns.
    async fn look_up(&self, peer: Peer, head: &Parts) -> Result<Asking, Stopped> {
        let listener = &self.listener;
        // What still comes over a connection that was asked to end costs no look: there may be a hundred streams of it.
        if self.proofs.ends.load(Ordering::Relaxed) && !self.activity.is_proved() {
            listener.metrics.unproved(Unproved::Failures);
            return Err(Refusal::Overloaded.into());
        }
        let waiting = listener.waiting.take(self.network, (), 1, Arc::new(AtWork));
        let Some(waiting) = waiting else {
            listener.metrics.unproved(Unproved::LookUp);
            return Err(Refusal::Overloaded.into());
        };
        let turn = listener.look_ups.wait(self.network, self.activity.is_proved()).await;
        let found = listener.protocol.look_up(peer, head).await;
        drop((turn, waiting));
        found.map_err(|refused| self.unauthenticated(refused))
    }

    /// A request whose signature covers its body.
    async fn answer_signed(
        &self,
        peer: Peer,
        head: Parts,
        body: &mut Option<Incoming>,
        access_key: [u8; 32],
    ) -> Result<Response<Body>, Stopped> {
        let protocol = &self.listener.protocol;
        let unread = |why| Stopped::Unproved(Box::new(protocol.unread(&head, why)));
        // A connection on which the key has proved itself before waits in the place of its principal.
        let before =
            self.proofs.latest.load().as_ref().and_then(|proof| {
                (proof.access_key == Some(access_key)).then(|| Arc::clone(&proof.presence))
            });
        let mut place = None;
        if let Some(presence) = before {
            let taken = self.place(&presence).await?;
            place = Some((presence, taken));
        }
        let whole = match body {
            None => Bytes::new(),
            Some(body) if place.is_some() => collect(body).await.map_err(unread)?,
            Some(body) => Box::pin(self.collect_unproved(body, access_key)).await.map_err(unread)?,
        };
        let proved = protocol.prove(peer, &head, &whole).await;
        let (principal, presented) = proved.map_err(|refused| self.unauthenticated(refused))?;
        let presence = self.proved(principal, Some(access_key))?;
        if place.as_ref().is_none_or(|(known, _)| known.principal() != principal) {
            let new = self.place(&presence).await?;
            place = Some((presence, new));
        }
        let request = Request::from_parts(head, Payload::Whole(whole));
        let response = protocol.answer(peer, presented, request).await;
        drop(place);
        Ok(response)
    }

    /// Reads a body of somebody who may be anybody: within its room, in its time.
    async fn collect_unproved(&self, body: &mut Incoming, access_key: [u8; 32]) -> Result<Bytes, Unread> {
        let listener = &self.listener;
        let most = AwsLimits::MOST_BODY;
        let announced =
            body.size_hint().upper().map_or(most, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced > most {
            return Err(Unread::TooLarge(most));
        }
        let reading = Arc::new(Reading::default());
        let guest = Arc::clone(&reading) as Arc<dyn Occupant>;
        // Something is taken for an empty one too: it is a request under way.
        let held = listener.bodies.take(self.network, access_key, announced.max(1024), guest);
        let Some(held) = held else {
            listener.metrics.unproved(Unproved::Body);
            return Err(Unread::Crowded);
        };
        let read = tokio::select! {
            biased;
            read = tokio::time::timeout(listener.limits.unproved_body, collect(body)) => match read {
                Ok(read) => read,
                Err(_elapsed) => {
                    self.failed();
                    Err(Unread::Slow)
                }
            },
            () = reading.0.notified() => {
                listener.metrics.unproved(Unproved::Body);
                Err(Unread::Crowded)
            }
        };
        drop(held);
        read
    }

    /// Remembers who proved an identity on this connection. For the one who did so before it costs nothing.
    fn proved(&self, principal: PrincipalId, access_key: Option<[u8; 32]>) -> Result<Arc<Presence>, Refusal> {
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
            return Err(Refusal::Overloaded);
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

    async fn place(&self, presence: &Arc<Presence>) -> Result<Place, Refusal> {
        let places = &self.listener.places;
        if let Some(place) = places.take_free(presence) {
            return Ok(place);
        }
        let waited = tokio::time::timeout(PATIENCE, places.wait(presence)).await;
        waited.ok().flatten().ok_or(Refusal::Overloaded)
    }

    fn unauthenticated(&self, refused: Response<Body>) -> Stopped {
        // A fault of ours is nobody's failure.
        if !refused.status().is_client_error() {
            return Stopped::Unproved(Box::new(refused));
        }
        self.listener.metrics.unproved(Unproved::Unauthenticated);
        Stopped::Unproved(Box::new(self.nobody_proved(refused)))
    }

    /// An answer to nobody. After too many of them the connection ends, unless somebody proved an identity on it.
    fn nobody_proved(&self, mut response: Response<Body>) -> Response<Body> {
        if self.failed() {
            response.extensions_mut().insert(Last);
        }
        response
    }

    /// One failure more; tells whether the connection ends for it.
    fn failed(&self) -> bool {
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

    /// A body of known length is checked by that; only one of unknown length is counted while it comes.
    async fn bounded(&self, body: &mut Option<Incoming>) -> Result<Body, Refusal> {
        let most = self.listener.limits.body_bytes;
        let hint = body.as_ref().map(Incoming::size_hint).unwrap_or_default();
        if hint.lower() > u64::try_from(most).unwrap_or(u64::MAX) {
            if let Some(unwanted) = body {
                Box::pin(discard(unwanted)).await;
            }
            return Err(Refusal::BodyTooLarge);
        }
        Ok(match body.take() {
            None => Body::empty(),
            Some(body) if hint.upper().is_some() => Body::new(body),
            Some(body) => Body::new(Limited::new(body, most)),
        })
    }
}
