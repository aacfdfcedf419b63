//! What a request of HTTP passes on its way in, in one service: who asks, then bounds, the time limit, the counters.
//!
//! What it keeps true: a request takes a place, and has its body read, only for a caller who proved an identity. Where the proof
//! covers the body, the body is read in room that is divided by address and by what was named ([`Room`](super::room::Room)).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use claviger_aws::{AwsLimits, Unread};
use claviger_core::port::Clock as _;
use claviger_rest::body::discard;
use claviger_service::Presented;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, Version};
use tokio::sync::Notify;

use super::activity::InWork;
use super::conversation::{Conversation, Overloaded};
use super::peer::Peer;
use super::protocol::{Asking, Payload, Protocol};
use super::refusal::Refusal;
use super::room::Occupant;
use crate::clock::SystemClock;
use crate::telemetry::Unproved;

/// The service of one connection. Cheap to clone: each request has one.
#[derive(Debug, Clone)]
pub(super) struct ConnectionService(Arc<Served>);

/// The protocol behind a connection, and what its requests share.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) protocol: Arc<dyn Protocol>,
    conversation: Conversation,
}

impl std::ops::Deref for Served {
    type Target = Conversation;

    fn deref(&self) -> &Conversation {
        &self.conversation
    }
}

impl ConnectionService {
    pub(super) fn new(protocol: Arc<dyn Protocol>, conversation: Conversation) -> Self {
        Self(Arc::new(Served { protocol, conversation }))
    }
}

impl std::ops::Deref for ConnectionService {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.0
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        Box::pin(serve(self.clone(), self.begin(), request))
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

impl From<Overloaded> for Stopped {
    fn from(_: Overloaded) -> Self {
        Self::Refused(Refusal::Overloaded)
    }
}

async fn serve(
    service: ConnectionService,
    in_work: InWork,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let began = SystemClock.since_boot();
    let (head, body) = request.into_parts();
    let (asked, version, mut body) = (service.protocol.action_of(&head), head.version, Some(body));
    let answered = tokio::time::timeout(service.limits().request, service.answer(head, &mut body)).await;
    let answered = answered.unwrap_or_else(|_elapsed| Ok(Refusal::Deadline.answer(false)));
    let is_refused = answered.is_err();
    let mut response = match answered {
        Ok(response) => response,
        Err(Stopped::Unproved(response)) => *response,
        Err(Stopped::Refused(refusal)) => refusal.answer(false),
    };
    if is_refused {
        service.listener.metrics().refused(response.status());
    } else {
        let said = response.extensions_mut().remove();
        service.answered(asked, response.status(), said, began);
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

fn last_if(is_last: bool, mut response: Response<Body>) -> Response<Body> {
    if is_last {
        response.extensions_mut().insert(Last);
    }
    response
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

impl Served {
    async fn answer(&self, head: Parts, body: &mut Option<Incoming>) -> Result<Response<Body>, Stopped> {
        let (protocol, peer) = (&self.protocol, self.peer());
        let asking = match protocol.recall(&peer, &head) {
            Asking::Unknown => {
                let found = Box::pin(self.look_up(protocol.look_up(peer, &head))).await?;
                found.map_err(|refused| self.refused(refused))?
            }
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
                Ok(self.answer_to_unauthenticated(response))
            }
            Asking::Unknown => Err(Refusal::Overloaded.into()),
        }
    }

    /// A request whose signature covers its body.
    async fn answer_signed(
        &self,
        peer: Peer,
        head: Parts,
        body: &mut Option<Incoming>,
        access_key: [u8; 32],
    ) -> Result<Response<Body>, Stopped> {
        let protocol = &self.protocol;
        let unread = |why| Stopped::Unproved(Box::new(protocol.unread(&head, why)));
        // A connection on which the key has proved itself before waits in the place of its principal.
        let mut place = None;
        if let Some(presence) = self.proofs.by(access_key) {
            let taken = self.place(&presence).await?;
            place = Some((presence, taken));
        }
        let whole = match body {
            None => Bytes::new(),
            Some(body) if place.is_some() => collect(body).await.map_err(unread)?,
            Some(body) => Box::pin(self.collect_unproved(body, access_key)).await.map_err(unread)?,
        };
        let proved = protocol.prove(peer, &head, &whole).await;
        let (principal, presented) = proved.map_err(|refused| self.refused(refused))?;
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

    /// Reads a body of a caller who is unauthenticated so far: within its room, in its time.
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
            listener.metrics().unproved(Unproved::Body);
            return Err(Unread::Crowded);
        };
        let read = tokio::select! {
            biased;
            read = tokio::time::timeout(self.limits().unproved_body, collect(body)) => match read {
                Ok(read) => read,
                Err(_elapsed) => {
                    self.failed();
                    Err(Unread::Slow)
                }
            },
            () = reading.0.notified() => {
                listener.metrics().unproved(Unproved::Body);
                Err(Unread::Crowded)
            }
        };
        drop(held);
        read
    }

    /// A request that a protocol refused, because it does not know or prove its caller.
    fn refused(&self, refused: Response<Body>) -> Stopped {
        // A fault of ours is nobody's failure.
        let is_fault = !refused.status().is_client_error();
        let is_last = !is_fault && self.unauthenticated();
        Stopped::Unproved(Box::new(last_if(is_last, refused)))
    }

    /// An answer to an unauthenticated caller. After too many of them the connection ends, unless an identity was proved on it.
    fn answer_to_unauthenticated(&self, response: Response<Body>) -> Response<Body> {
        last_if(self.failed(), response)
    }

    /// A body of known length is checked by that; only one of unknown length is counted while it comes.
    async fn bounded(&self, body: &mut Option<Incoming>) -> Result<Body, Refusal> {
        let most = self.limits().body_bytes;
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
