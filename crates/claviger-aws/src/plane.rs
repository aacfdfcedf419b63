//! The endpoint: one path, one method; what is asked stands in a header, who asks in the signature.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use claviger_access::authn::access_key::Audience;
use claviger_core::Action;
use claviger_crypto::random;
use claviger_service::{Presented, Road};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;

use crate::answer;
use crate::error::{AwsError, code};
use crate::names;
use crate::operation::{self, Operation};
use crate::realm::Realm;
use crate::session::Session;
use crate::sigv4::{self, SigV4Error};
use crate::sts;

/// How much one call may bring, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwsLimits {
    /// Its body.
    pub body: usize,
    /// All header names and values together.
    pub headers: usize,
}

impl Default for AwsLimits {
    fn default() -> Self {
        Self { body: 1 << 20, headers: 32 << 10 }
    }
}

/// AWS KMS over the road, with the one operation of STS that tools ask first. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kms(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    road: Road,
    realm: Realm,
    limits: AwsLimits,
    kms: Audience,
    sts: Audience,
}

const TARGET: &str = "x-amz-target";
const SERVICE: &str = "TrentService.";

impl Kms {
    /// The plane for a realm.
    #[must_use]
    pub fn new(road: Road, realm: Realm, limits: AwsLimits) -> Self {
        let region: Arc<str> = realm.region.as_str().into();
        let audience = |service| Audience { service, region: Some(Arc::clone(&region)) };
        let (kms, sts) = (audience("kms"), audience("sts"));
        Self(Arc::new(Shared { road, realm, limits, kms, sts }))
    }

    pub(crate) fn road(&self) -> &Road {
        &self.0.road
    }

    pub(crate) fn realm(&self) -> &Realm {
        &self.0.realm
    }

    /// Answers a request that came from `peer`.
    pub async fn answer(&self, peer: SocketAddr, request: Request) -> Response {
        let Ok(request_id) = request_id() else {
            return answer::exception(&AwsError::internal(), "");
        };
        let (parts, body) = request.into_parts();
        if sts::is_for(&parts.headers) {
            return match self.ask_sts(peer, &parts, body, &request_id).await {
                Ok(answer) => answer.into_response(&request_id),
                Err(error) => answer::xml_exception(&error, &request_id),
            };
        }
        match self.ask(peer, &parts, body, &request_id).await {
            Ok(answer) => answer.into_response(&request_id),
            Err(error) => answer::exception(&error, &request_id),
        }
    }

    async fn ask(
        &self,
        peer: SocketAddr,
        parts: &Parts,
        body: Body,
        request_id: &str,
    ) -> Result<answer::Answer, AwsError> {
        let body = self.read(parts, body).await?;
        let operation = named(parts);
        let name = operation.as_ref().map_or("", |operation| operation.name);
        let presented = self.presented(peer, parts, &body, &self.0.kms, name).await?;
        let session = Session::new(self, presented, peer.ip(), request_id, name);
        let answer = match operation {
            Ok(operation) => (operation.run)(&session, &body).await,
            Err(error) => Err(error),
        };
        match answer {
            // What cannot be read is told to those who may ask at all; the others learn that first.
            Err(error) if error.entry().is_none() && !error.is_fault() => {
                session.read_self().await?;
                Err(error)
            }
            other => other,
        }
    }

    async fn ask_sts(
        &self,
        peer: SocketAddr,
        parts: &Parts,
        body: Body,
        request_id: &str,
    ) -> Result<answer::Answer, AwsError> {
        let body = self.read(parts, body).await?;
        let operation = sts::named(&body);
        let presented = self.presented(peer, parts, &body, &self.0.sts, sts::NAME).await?;
        let session = Session::new(self, presented, peer.ip(), request_id, sts::NAME);
        let answer = sts::get_caller_identity(&session).await?;
        operation.map(|()| answer)
    }

    /// The body, in bounds.
    async fn read(&self, parts: &Parts, body: Body) -> Result<Bytes, AwsError> {
        let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if size > self.0.limits.headers {
            return Err(AwsError::validation(format!(
                "at most {} bytes of headers are taken",
                self.0.limits.headers
            )));
        }
        collect(&parts.headers, body, self.0.limits.body).await
    }

    /// Who signed. A request that nobody signed is counted all the same.
    async fn presented(
        &self,
        peer: SocketAddr,
        parts: &Parts,
        body: &[u8],
        audience: &Audience,
        operation: &'static str,
    ) -> Result<Presented, AwsError> {
        match sigv4::read(parts, body, audience) {
            Ok(signed) => Ok(Presented::Signed(Box::new(signed))),
            Err(error) => {
                let nobody = Session::new(self, Presented::None, peer.ip(), "", operation);
                let _refused = nobody.read_self().await;
                Err(unsigned(error))
            }
        }
    }
}

/// The use of a key that a request asks for, as far as its headers tell. Whatever is no use counts as none, so that no word of
/// a caller becomes a label.
#[must_use]
pub fn use_of(headers: &HeaderMap) -> Option<Action> {
    let name = headers.get(TARGET)?.to_str().ok()?.strip_prefix(SERVICE)?;
    names::used(name)
}

/// The operation that a request names.
fn named(parts: &Parts) -> Result<Operation, AwsError> {
    let unknown = || AwsError::new(code::UNKNOWN_OPERATION, "the request names no operation of AWS KMS");
    if parts.method != Method::POST || parts.uri.path() != "/" {
        return Err(unknown());
    }
    let mut values = parts.headers.get_all(TARGET).iter();
    let (Some(target), None) = (values.next(), values.next()) else { return Err(unknown()) };
    let name = target.to_str().ok().and_then(|target| target.strip_prefix(SERVICE));
    name.and_then(operation::find).ok_or_else(unknown)
}

/// The content type of a request, without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

fn unsigned(error: SigV4Error) -> AwsError {
    match error {
        SigV4Error::Missing => {
            AwsError::new("MissingAuthenticationTokenException", "Missing Authentication Token")
        }
        SigV4Error::BodyDigest => AwsError::new("InvalidSignatureException", error.to_string()),
        SigV4Error::Ambiguous(_)
        | SigV4Error::Incomplete(_)
        | SigV4Error::Malformed(_)
        | SigV4Error::Unsigned(_)
        | SigV4Error::UnsignedPayload => AwsError::new("IncompleteSignatureException", error.to_string()),
    }
}

/// The body in one piece: without a copy when it came in one.
async fn collect(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes, AwsError> {
    let too_large = || AwsError::validation(format!("at most {limit} bytes are taken"));
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| AwsError::new(code::SERIALIZATION, "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len().saturating_add(rest.len()).saturating_add(data.len()) > limit {
            return Err(too_large());
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

/// The name of this call in answers, traces and, as a tag, in the log.
fn request_id() -> Result<String, claviger_crypto::CryptoError> {
    Ok(uuid::Builder::from_random_bytes(random::array::<16>()?).into_uuid().to_string())
}
