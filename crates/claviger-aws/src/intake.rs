//! How a request comes in: its body in bounds, and who signed it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use claviger_access::authn::access_key::Audience;
use claviger_core::action::Door;
use claviger_service::operation::{Call, ReadSelf};
use claviger_service::{Presented, Road};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body_util::BodyExt as _;

use crate::plane::AwsLimits;
use crate::sigv4::{self, SigV4Error};

/// Why a request was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The body ended too soon.
    BrokeOff,
    /// More than so many bytes of headers.
    Headers(usize),
    /// More than so many bytes of body.
    TooLarge(usize),
}

/// The body, in bounds.
pub(crate) async fn read(limits: &AwsLimits, parts: &Parts, body: Body) -> Result<Bytes, Unread> {
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > limits.headers {
        return Err(Unread::Headers(limits.headers));
    }
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

/// Who signed. A request that nobody signed is counted all the same.
pub(crate) async fn presented(
    road: &Road,
    source: IpAddr,
    parts: &Parts,
    body: &[u8],
    audience: &Audience,
) -> Result<Presented, SigV4Error> {
    match sigv4::read(parts, body, audience) {
        Ok(signed) => Ok(Presented::Signed(Arc::new(signed))),
        Err(error) => {
            count_stranger(road, source).await;
            Err(error)
        }
    }
}

/// Counts a call of somebody who shows nothing that could be held against a credential.
pub(crate) async fn count_stranger(road: &Road, source: IpAddr) {
    let call = Call {
        presented: Presented::None,
        source,
        door: Door::Data,
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        operation: ReadSelf {},
    };
    let _refused = road.perform(call).await;
}
