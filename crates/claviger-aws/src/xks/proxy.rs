//! The endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use claviger_access::authn::access_key::Audience;
use claviger_service::Road;
use http::Method;
use http::request::Parts;

use super::call::Session;
use super::error::XksError;
use super::path::{Route, UriPrefix};
use crate::answer::Answer;
use crate::intake;
use crate::plane::AwsLimits;

/// Longest body: the largest call there is, twice.
const MOST_BODY: usize = 64 << 10;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct XksPeer {
    /// Its address.
    pub address: SocketAddr,
    /// Did it show the certificate that clients must show, if they must show one?
    pub is_admitted: bool,
}

/// The external key store proxy over the road. Cheap to clone.
#[derive(Clone, Debug)]
pub struct XksProxy(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    road: Road,
    prefix: Option<UriPrefix>,
    limits: AwsLimits,
    audience: Audience,
}

impl XksProxy {
    /// The proxy under a prefix; without one it serves nothing, and says so.
    #[must_use]
    pub fn new(road: Road, prefix: Option<UriPrefix>, limits: AwsLimits) -> Self {
        // AWS KMS signs for the region that calls, and any of them may.
        let audience = Audience { service: "kms-xks-proxy", region: None };
        let limits = AwsLimits { body: limits.body.min(MOST_BODY), ..limits };
        Self(Arc::new(Shared { road, prefix, limits, audience }))
    }

    /// Answers a request.
    pub async fn answer(&self, peer: XksPeer, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        match self.ask(peer, &parts, body).await {
            Ok(answer) => answer.in_plain_json().into_response(""),
            Err(error) => error.into_response(),
        }
    }

    async fn ask(&self, peer: XksPeer, parts: &Parts, body: Body) -> Result<Answer, XksError> {
        // All of it is read before anything is refused: an answer while it is still coming is lost to some clients.
        let body = intake::read(&self.0.limits, parts, body).await?;
        let route = self.route(parts)?;
        let (road, source) = (&self.0.road, peer.address.ip());
        if !peer.is_admitted {
            intake::count_stranger(road, source).await;
            return Err(XksError::unauthenticated("the client certificate of AWS KMS is needed"));
        }
        let presented = intake::presented(road, source, parts, &body, &self.0.audience).await?;
        let session = Session { road, presented, source };
        match session.answer(route, &body).await {
            // What cannot be read is told to those who may ask at all; the others learn that first.
            Err(error) if error.is_untold() => {
                session.is_known().await?;
                Err(error)
            }
            other => other,
        }
    }

    /// The call that is meant. The protocol knows no query, and with it no signature that is handed on in a link.
    fn route<'a>(&self, parts: &'a Parts) -> Result<Route<'a>, XksError> {
        let prefix = self.0.prefix.as_ref().filter(|_| parts.uri.query().is_none());
        let route = prefix.and_then(|prefix| prefix.route(parts.uri.path()));
        let route = route.ok_or_else(XksError::invalid_uri_path)?;
        if parts.method == Method::POST { Ok(route) } else { Err(XksError::wrong_method()) }
    }
}
