//! A plane at work: what every request and every answer has in common, and the way to who answers it.
//!
//! What it keeps true: unless a route is open to everyone, nothing of a request is judged before its caller is known, and a
//! caller is known from the head alone: by a token, or by the certificate of the connection.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use claviger_client::types::{header, problem};
use claviger_core::action::Surface;
use claviger_core::{Action, ListenerName, PrincipalId, Source};
use claviger_service::Presented;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tower::Service as _;

use crate::arrival::Caller;
use crate::error::{Failure, transport};
use crate::operation::raw::RawUse;
use crate::route::data;
use crate::{Api, PeerIdentity, credential};

const REQUEST_ID: HeaderName = HeaderName::from_static(header::REQUEST_ID);
const ENTRY: HeaderName = HeaderName::from_static(header::ENTRY);

/// Longest request identifier and idempotency key, in bytes.
pub(crate) const MAX_WORD: usize = 128;

/// A plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plane {
    api: Api,
    router: Router,
    open: Box<[&'static str]>,
}

/// What the head of a request shows of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    /// The route is open to everyone: no caller, no body.
    Anyone,
    /// The caller is known.
    Known {
        /// Who it is.
        principal: PrincipalId,
        /// By what.
        presented: Presented,
    },
    /// Whether anybody is known by what was presented, [`Plane::look_up`] says.
    Unknown(Presented),
}

impl Plane {
    pub(crate) const fn new(api: Api, router: Router, open: Box<[&'static str]>) -> Self {
        Self { api, router, open }
    }

    /// Who asks, as far as the head and this node's memory show.
    #[must_use]
    pub fn recall(&self, peer: &PeerIdentity, head: &Parts) -> Asking {
        if self.is_open(head) {
            return Asking::Anyone;
        }
        let presented = credential::presented(&head.headers, peer);
        match presented.named().and_then(|named| self.api.road().recall(named)) {
            Some(principal) => Asking::Known { principal, presented },
            None => Asking::Unknown(presented),
        }
    }

    /// The use of a key that a request asks for, as far as its path shows it; for the numbers of a listener.
    #[must_use]
    pub fn use_of(&self, head: &Parts) -> Option<Action> {
        let is_data = self.api.surface() == Surface::Data;
        is_data.then(|| data::use_of(head.uri.path())).flatten()
    }

    /// Who is known by what was presented; asks the store.
    ///
    /// # Errors
    /// The answer, when no principal is known by it.
    pub async fn look_up(&self, head: &Parts, presented: &Presented) -> Result<PrincipalId, Response> {
        let found = self.api.road().look_up(presented.named(), self.listener()).await;
        found.map_err(|error| {
            let request_id = word(&head.headers, header::REQUEST_ID).ok().flatten();
            finish(Failure::from(error).into_response(), request_id)
        })
    }

    /// Answers a request whose caller was found: bounds, the request identifier, problems, no caching.
    pub fn answer_known(
        self,
        peer: PeerIdentity,
        presented: Presented,
        request: Request,
    ) -> impl Future<Output = Response> + Send + 'static {
        let (parts, body) = request.into_parts();
        async move {
            let source = peer.source();
            let id = match check(&parts.headers, self.api.limits().headers) {
                Ok(id) => id,
                Err(failure) => return self.ended(failure.into_response(), &presented, source, None).await,
            };
            let caller = Caller { peer, presented: presented.clone() };
            let is_data = self.api.surface() == Surface::Data;
            let response = match is_data.then(|| RawUse::of(&parts)).flatten() {
                Some(raw) => raw.answer(&self.api, caller, &parts, body).await.into_response(),
                None => Box::pin(self.route(caller, Request::from_parts(parts, body))).await,
            };
            self.ended(response, &presented, source, id).await
        }
    }

    /// An answer, and the record of a request that came to no operation.
    async fn ended(
        &self,
        mut response: Response,
        presented: &Presented,
        source: Source,
        id: Option<HeaderValue>,
    ) -> Response {
        if let Some(failure) = of_request(&response, presented) {
            Box::pin(self.record(&mut response, failure, presented, source, id.as_ref())).await;
        }
        finish(response, id)
    }

    /// Records a request that came to no operation as that. Whoever may not ask at all by now learns that instead.
    async fn record(
        &self,
        response: &mut Response,
        failure: Failure,
        presented: &Presented,
        source: Source,
        request_id: Option<&HeaderValue>,
    ) {
        let request_id = request_id.and_then(|id| id.to_str().ok());
        match self.api.road().record_malformed(presented, source, self.listener(), request_id).await {
            Ok(entry) => drop(response.extensions_mut().insert(failure.recorded_at(entry))),
            Err(refused) => *response = Failure::from(refused).into_response(),
        }
    }

    /// Answers a request of `peer`, whoever it is from.
    pub async fn answer(&self, peer: PeerIdentity, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let presented = match self.recall(&peer, &head) {
            Asking::Anyone => {
                let request = Request::from_parts(head, Body::empty());
                return self.clone().answer_known(peer, Presented::None, request).await;
            }
            Asking::Known { presented, .. } => presented,
            Asking::Unknown(presented) => match self.look_up(&head, &presented).await {
                Ok(_) => presented,
                Err(refused) => return refused,
            },
        };
        self.clone().answer_known(peer, presented, Request::from_parts(head, body)).await
    }

    fn listener(&self) -> ListenerName {
        self.api.surface().into()
    }

    fn is_open(&self, head: &Parts) -> bool {
        matches!(head.method, Method::GET | Method::HEAD) && self.open.contains(&head.uri.path())
    }

    /// Leads it to who answers it.
    async fn route(&self, caller: Caller, mut request: Request) -> Response {
        request.extensions_mut().insert(caller);
        let routed: Result<_, Infallible> = self.router.clone().call(request).await;
        match routed {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The failure of a request that came to no operation, if it is one and it came from a known caller: a route that is
/// open to everyone has no caller.
fn of_request(response: &Response, presented: &Presented) -> Option<Failure> {
    let failure = response.extensions().get::<Failure>()?;
    (failure.is_of_request() && presented.named().is_some()).then(|| failure.clone())
}

/// What every answer has.
fn finish(mut response: Response, request_id: Option<HeaderValue>) -> Response {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        write_problem(&mut response, &failure, request_id.as_ref());
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(id) = request_id {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The request's identifier, if it has a valid one and its headers are in bounds.
fn check(headers: &HeaderMap, limit: usize) -> Result<Option<HeaderValue>, Failure> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > limit {
        return Err(Failure::new(
            transport::HEADERS_TOO_LARGE,
            format!("at most {limit} bytes of headers are taken"),
        ));
    }
    word(headers, header::REQUEST_ID)
}

/// A header that is the caller's own word: 1 to 128 visible ASCII characters, at most once.
pub(crate) fn word(headers: &HeaderMap, name: &'static str) -> Result<Option<HeaderValue>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let valid = (1..=MAX_WORD).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    if !valid || values.next().is_some() {
        return Err(Failure::malformed(format!(
            "`{name}` must be 1 to {MAX_WORD} visible ASCII characters, once"
        )));
    }
    Ok(Some(value.clone()))
}

fn write_problem(response: &mut Response, failure: &Failure, request_id: Option<&HeaderValue>) {
    let kind = failure.problem();
    let id = request_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
    // A problem is strings and numbers, which always are JSON.
    let json = serde_json::to_vec(&failure.to_problem(id)).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
    if let Some(seconds) = kind.retry_after_seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if kind.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(entry) = failure.entry() {
        headers.insert(ENTRY, HeaderValue::from(entry));
    }
    // The router wrote the length of the body that was there before.
    headers.remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(json);
}

/// For paths that are not in the table; those of another plane name it.
pub(crate) fn unknown_route(elsewhere: Option<Surface>) -> Failure {
    let detail = match elsewhere {
        Some(Surface::Control) => "this is a path of the control plane, which has another address",
        Some(Surface::Data) => "this is a path of the data plane, which has another address",
        None => "see `/openapi.json` for the paths there are",
    };
    Failure::new(transport::ROUTE, detail)
}

/// For methods that do not go with a path of the table.
pub(crate) async fn wrong_method() -> Failure {
    Failure::new(transport::METHOD, "see `/openapi.json` for the methods that this path takes")
}
