//! The endpoint.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use claviger_access::authn::access_key::Audience;
use claviger_core::{PrincipalId, Source};
use claviger_service::{Presented, Road};
use http::Method;
use http::request::Parts;

use super::call::Session;
use super::error::{XksError, to_wire};
use super::path::{Route, UriPrefix};
use crate::answer::Answer;
use crate::intake::{self, LISTENER, Unread, Unsigned};
use crate::limits::AwsLimits;

/// Longest body: the largest call there is, twice.
const MOST_BODY: usize = 64 << 10;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct XksPeer {
    /// Where it is, and what the handshake agreed on.
    pub source: Source,
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

    /// The access key that a head names, if this node remembers it and it is in force, and the client may come at all: the
    /// digest of its identifier.
    #[must_use]
    pub fn recall(&self, peer: XksPeer, head: &Parts) -> Option<[u8; 32]> {
        if peer.is_admitted { intake::recall(&self.0.road, head) } else { None }
    }

    /// The access key that a head names, looked up: the digest of its identifier.
    ///
    /// # Errors
    /// The answer, when the client may not come, no such key exists, or the head names none.
    pub async fn look_up(&self, peer: XksPeer, head: &Parts) -> Result<[u8; 32], Response> {
        let road = &self.0.road;
        if !peer.is_admitted {
            road.count_unauthenticated(LISTENER);
            let error = XksError::unauthenticated("the client certificate of AWS KMS is needed");
            return Err(error.into_response());
        }
        intake::look_up(road, head).await.map_err(|error| failure(error).into_response())
    }

    /// Who signed a request that is here as a whole.
    ///
    /// # Errors
    /// The answer, when the signer is not known.
    pub async fn prove(
        &self,
        peer: XksPeer,
        head: &Parts,
        body: &[u8],
    ) -> Result<(PrincipalId, Presented), Response> {
        if let Err(why) = intake::check(&self.0.limits, head) {
            return Err(self.unread(why));
        }
        let proved = intake::prove(&self.0.road, peer.source, head, body, &self.0.audience).await;
        proved.map_err(|error| failure(error).into_response())
    }

    /// What answers a request that was not read to its end.
    #[must_use]
    pub fn unread(&self, why: Unread) -> Response {
        self.0.road.count_unauthenticated(LISTENER);
        XksError::from(why).into_response()
    }

    /// Answers a request that was proved to be the work of `presented`.
    pub async fn answer_proved(
        &self,
        peer: XksPeer,
        presented: Presented,
        head: &Parts,
        body: &[u8],
    ) -> Response {
        match self.ask(peer, presented, head, body).await {
            Ok(answer) => answer.in_plain_json().into_response(""),
            Err(error) => error.into_response(),
        }
    }

    /// Answers a request, whoever signed it.
    pub async fn answer(&self, peer: XksPeer, request: Request) -> Response {
        let (head, body) = request.into_parts();
        if self.recall(peer, &head).is_none()
            && let Err(refused) = self.look_up(peer, &head).await
        {
            return refused;
        }
        let body = match intake::read(&self.0.limits, &head, body).await {
            Ok(body) => body,
            Err(why) => return self.unread(why),
        };
        match self.prove(peer, &head, &body).await {
            Ok((_, presented)) => self.answer_proved(peer, presented, &head, &body).await,
            Err(refused) => refused,
        }
    }

    async fn ask(
        &self,
        peer: XksPeer,
        presented: Presented,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, XksError> {
        let session = Session::new(&self.0.road, presented, peer.source);
        let answer = match self.route(head) {
            _ if body.len() > self.0.limits.body => Err(Unread::TooLarge(self.0.limits.body).into()),
            Ok(route) => session.answer(route, body).await,
            Err(error) => Err(error),
        };
        match answer {
            Err(error) => Err(session.refused(error).await),
            answered => answered,
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

fn failure(error: Unsigned) -> XksError {
    match error {
        Unsigned::Malformed(error) => error.into(),
        Unsigned::Refused(error) => to_wire(&error),
    }
}
