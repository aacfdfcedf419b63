//! A plane at work: what every request and every answer has in common, and the way to who answers it.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use claviger_client::types::{header, problem};
use claviger_core::action::Surface;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower::Service as _;

use crate::error::{Failure, door};
use crate::operation::raw::RawUse;
use crate::{Api, PeerIdentity};

const REQUEST_ID: HeaderName = HeaderName::from_static(header::REQUEST_ID);
const ENTRY: HeaderName = HeaderName::from_static(header::ENTRY);

/// Longest request identifier and idempotency key, in bytes.
pub(crate) const MAX_WORD: usize = 128;

/// A plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plane {
    api: Api,
    router: Router,
}

impl Plane {
    pub(crate) const fn new(api: Api, router: Router) -> Self {
        Self { api, router }
    }

    /// Answers a request of `peer`: bounds, the request identifier, problems, no caching.
    pub async fn answer(&self, peer: PeerIdentity, request: Request) -> Response {
        let checked = check(request.headers(), self.api.limits().headers);
        let (request_id, mut response) = match checked {
            Ok(id) => (id, self.lead(peer, request).await),
            Err(failure) => (None, failure.into_response()),
        };
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

    /// Leads it to who answers it.
    async fn lead(&self, peer: PeerIdentity, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        if self.api.surface() == Surface::Data
            && let Some(raw) = RawUse::of(&parts)
        {
            return raw.answer(&self.api, &peer, &parts, body).await.into_response();
        }
        parts.extensions.insert(peer);
        let routed: Result<_, Infallible> = self.router.clone().call(Request::from_parts(parts, body)).await;
        match routed {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The request's identifier, if it has a lawful one and its headers are in bounds.
fn check(headers: &HeaderMap, limit: usize) -> Result<Option<HeaderValue>, Failure> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > limit {
        return Err(Failure::new(
            door::HEADERS_TOO_LARGE,
            format!("at most {limit} bytes of headers are taken"),
        ));
    }
    word(headers, header::REQUEST_ID)
}

/// A header that is the caller's own word: 1 to 128 visible ASCII signs, at most once.
pub(crate) fn word(headers: &HeaderMap, name: &'static str) -> Result<Option<HeaderValue>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let lawful = (1..=MAX_WORD).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    if !lawful || values.next().is_some() {
        return Err(Failure::malformed(format!(
            "`{name}` must be 1 to {MAX_WORD} visible ASCII signs, once"
        )));
    }
    Ok(Some(value.clone()))
}

fn write_problem(response: &mut Response, failure: &Failure, request_id: Option<&HeaderValue>) {
    let told = failure.told();
    let id = request_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
    // A problem is strings and numbers, which always are JSON.
    let json = serde_json::to_vec(&failure.to_problem(id)).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
    if let Some(seconds) = told.retry_after_seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if told.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(entry) = failure.entry() {
        headers.insert(ENTRY, HeaderValue::from(entry));
    }
    // The router wrote the length of the body that was there before.
    headers.remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(json);
}

/// For paths that are not in the table.
pub(crate) async fn unknown_route() -> Failure {
    Failure::new(door::ROUTE, "see `/openapi.json` for the paths there are")
}

/// For methods that do not go with a path of the table.
pub(crate) async fn wrong_method() -> Failure {
    Failure::new(door::METHOD, "see `/openapi.json` for the methods that this path takes")
}
