//! What a request passes on its way in, in one service: bounds, the peer's identity, the time limit, the counters. The hot
//! path has no other layer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use claviger_core::port::Clock as _;
use http_body_util::Limited;
use hyper::body::{Body as _, Incoming};
use hyper::{Request, Response};

use super::activity::{Activity, InWork};
use super::peer::Peer;
use super::protocol::Protocol;
use super::refusal::Refusal;
use crate::clock::SystemClock;
use crate::config::Limits;
use crate::telemetry::DoorMetrics;

/// What all connections of a listener share.
pub(super) struct Door {
    protocol: Protocol,
    limits: Limits,
    metrics: DoorMetrics,
    in_work: AtomicUsize,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("in_work", &self.in_work).finish_non_exhaustive()
    }
}

impl Door {
    pub(super) fn new(protocol: Protocol, limits: Limits, metrics: DoorMetrics) -> Arc<Self> {
        Arc::new(Self { protocol, limits, metrics, in_work: AtomicUsize::new(0) })
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) const fn title_case(&self) -> bool {
        self.protocol.title_case
    }

    pub(super) const fn metrics(&self) -> &DoorMetrics {
        &self.metrics
    }

    /// A place among the requests in work, or none when all are taken.
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let taken = self.in_work.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(self));
        (taken < self.limits.concurrency).then_some(place)
    }
}

/// Held while a request is in work.
struct Place(Arc<Door>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The service of one connection.
#[derive(Debug, Clone)]
pub(super) struct Doorway {
    pub(super) door: Arc<Door>,
    pub(super) peer: Peer,
    pub(super) activity: Arc<Activity>,
    /// The connection is one more than the listener bears: it is told so, and closed.
    pub(super) surplus: bool,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for Doorway {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let in_work = self.activity.begin();
        let place = self.door.enter().filter(|_| !self.surplus);
        let Some(place) = place else { return self.refuse(Refusal::Overloaded, in_work) };
        if request.body().size_hint().lower() > to_u64(self.door.limits.body_bytes) {
            return self.refuse(Refusal::BodyTooLarge, in_work);
        }
        Box::pin(serve(place, in_work, self.peer.at(SystemClock.now()), self.bounded(request)))
    }
}

impl Doorway {
    fn refuse(&self, refusal: Refusal, in_work: InWork) -> Answer {
        let response = refusal.answer(self.surplus);
        self.door.metrics.refused(response.status());
        drop(in_work);
        Box::pin(std::future::ready(Ok(response)))
    }

    /// A body of known length was checked by that; only one of unknown length is counted while it comes.
    fn bounded(&self, request: Request<Incoming>) -> Request<Body> {
        let most = self.door.limits.body_bytes;
        let known = request.body().size_hint().upper().is_some();
        request.map(|body| if known { Body::new(body) } else { Body::new(Limited::new(body, most)) })
    }
}

async fn serve(
    place: Place,
    in_work: InWork,
    peer: Peer,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    let door = &place.0;
    let begun = SystemClock.since_boot();
    let asked = (door.protocol.action_of)(&request);
    let answering = (door.protocol.answer)(peer, request);
    let answered = tokio::time::timeout(door.limits.request, answering).await;
    let response = answered.unwrap_or_else(|_elapsed| Refusal::Deadline.answer(false));
    door.metrics.answered(asked, response.status(), SystemClock.since_boot().saturating_sub(begun));
    drop(in_work);
    Ok(response)
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
