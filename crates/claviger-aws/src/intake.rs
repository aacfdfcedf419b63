//! How a request comes in: the access key that its head names, its body in bounds, and who signed it.
//!
//! What it keeps true: no body is read for an access key that does not exist, and none is larger than any call needs, because
//! until all of it is there the caller is unauthenticated.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use claviger_access::authn::access_key::Audience;
use claviger_core::principal::CredentialKind;
use claviger_core::{ListenerName, PrincipalId, Source};
use claviger_service::{NamedCredential, Presented, Road, ServiceError};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body_util::BodyExt as _;

use crate::limits::AwsLimits;
use crate::sigv4::{self, SigV4Error};

/// The listener of both protocols.
pub(crate) const LISTENER: ListenerName = ListenerName::Aws;

/// Why a request was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The body ended too soon.
    BrokeOff,
    /// Too many bodies of unverified requests at once.
    Crowded,
    /// More than so many bytes of headers.
    Headers(usize),
    /// The body did not come in the time that an unverified request has.
    Slow,
    /// More than so many bytes of body.
    TooLarge(usize),
}

/// Why the signer of a request is not known.
#[derive(Debug)]
pub(crate) enum Unsigned {
    /// It is not signed as requests are.
    Malformed(SigV4Error),
    /// The signature identifies no principal, or whether it does cannot be found out.
    Refused(ServiceError),
}

impl From<SigV4Error> for Unsigned {
    fn from(error: SigV4Error) -> Self {
        Self::Malformed(error)
    }
}

impl From<ServiceError> for Unsigned {
    fn from(error: ServiceError) -> Self {
        Self::Refused(error)
    }
}

/// The access key that a head names, if it is remembered and in force; gives the digest of its identifier.
pub(crate) fn recall(road: &Road, parts: &Parts) -> Option<[u8; 32]> {
    let access_key = sigv4::glimpse(parts)?;
    let named = NamedCredential { kind: CredentialKind::AccessKey, digest: &access_key, session: None };
    road.recall(named).map(|_| access_key)
}

/// The access key that a head names, looked up; gives the digest of its identifier.
pub(crate) async fn look_up(road: &Road, parts: &Parts) -> Result<[u8; 32], Unsigned> {
    match sigv4::named(parts) {
        Ok(key) => {
            road.look_up(Some(key.named()), LISTENER).await?;
            Ok(key.access_key)
        }
        Err(error) => {
            road.count_unauthenticated(LISTENER);
            Err(error.into())
        }
    }
}

/// Who signed, verified.
pub(crate) async fn prove(
    road: &Road,
    source: Source,
    parts: &Parts,
    body: &[u8],
    audience: &Audience,
) -> Result<(PrincipalId, Presented), Unsigned> {
    match sigv4::read(parts, body, audience) {
        Ok(signed) => {
            let presented = Presented::signed(signed);
            Ok((road.prove(&presented, source, LISTENER).await?, presented))
        }
        Err(error) => {
            road.count_unauthenticated(LISTENER);
            Err(error.into())
        }
    }
}

/// Are the headers in bounds?
pub(crate) fn check(limits: &AwsLimits, parts: &Parts) -> Result<(), Unread> {
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > limits.headers { Err(Unread::Headers(limits.headers)) } else { Ok(()) }
}

/// The body, in bounds.
pub(crate) async fn read(limits: &AwsLimits, parts: &Parts, body: Body) -> Result<Bytes, Unread> {
    check(limits, parts)?;
    collect(&parts.headers, body, limits.body).await
}

/// The body in one piece: without a copy when it came in one.
async fn collect(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes, Unread> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Unread::TooLarge(limit));
    }
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::BrokeOff)?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len().saturating_add(rest.len()).saturating_add(data.len()) > limit {
            return Err(Unread::TooLarge(limit));
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
