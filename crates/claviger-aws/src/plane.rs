//! The endpoint: one path, one method; what is asked stands in a header, who asks in the signature.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use claviger_access::authn::access_key::Audience;
use claviger_core::{Action, PrincipalId, Source};
use claviger_service::{Presented, Road};
use http::request::Parts;
use http::{HeaderName, Method};

use crate::answer;
use crate::error::{AwsError, ErrorContext, code, to_wire, unsigned};
use crate::intake::{self, LISTENER, Unread, Unsigned};
use crate::limits::AwsLimits;
use crate::names;
use crate::operation::{self, Operation};
use crate::realm::Realm;
use crate::request::request_id;
use crate::session::Session;
use crate::{sts, xks};

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

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const SERVICE: &str = "TrentService.";
const THROTTLING: &str = "ThrottlingException";

impl Kms {
    /// The plane for a realm.
    #[must_use]
    pub fn new(road: Road, realm: Realm, limits: AwsLimits) -> Self {
        let region: Arc<str> = realm.region.as_str().into();
        let audience = |service| Audience { service, region: Some(Arc::clone(&region)) };
        let (kms, sts) = (audience("kms"), audience("sts"));
        Self(Arc::new(Shared { road, realm, limits, kms, sts }))
    }

    fn road(&self) -> &Road {
        &self.0.road
    }

    fn realm(&self) -> &Realm {
        &self.0.realm
    }

    /// The access key that a head names, if this node remembers it and it is in force: the digest of its identifier.
    #[must_use]
    pub fn recall(&self, head: &Parts) -> Option<[u8; 32]> {
        intake::recall(self.road(), head)
    }

    /// The access key that a head names, looked up: the digest of its identifier.
    ///
    /// # Errors
    /// The answer, when no such key exists or the head names none.
    pub async fn look_up(&self, head: &Parts) -> Result<[u8; 32], Response> {
        let found = intake::look_up(self.road(), head).await;
        found.map_err(|error| self.refusal(head, &self.failure(error, head)))
    }

    /// Who signed a request that is here as a whole.
    ///
    /// # Errors
    /// The answer, when the signer is not known.
    pub async fn prove(
        &self,
        source: Source,
        head: &Parts,
        body: &[u8],
    ) -> Result<(PrincipalId, Presented), Response> {
        let audience = if sts::is_for(&head.headers) { &self.0.sts } else { &self.0.kms };
        let proved = match intake::check(&self.0.limits, head) {
            Ok(()) => intake::prove(self.road(), source, head, body, audience)
                .await
                .map_err(|error| self.failure(error, head)),
            Err(why) => {
                self.road().count_unauthenticated(LISTENER);
                Err(unread(why))
            }
        };
        proved.map_err(|error| self.refusal(head, &error))
    }

    /// What answers a request that was not read to its end.
    #[must_use]
    pub fn unread(&self, head: &Parts, why: Unread) -> Response {
        self.road().count_unauthenticated(LISTENER);
        self.refusal(head, &unread(why))
    }

    /// Answers a request that was proved to be the work of `presented`.
    pub async fn answer_proved(
        &self,
        source: Source,
        presented: Presented,
        head: &Parts,
        body: &[u8],
    ) -> Response {
        let Ok(request_id) = request_id() else {
            return answer::exception(&AwsError::internal(), "");
        };
        if sts::is_for(&head.headers) {
            // In a box: it is asked rarely, and would lie in the future of every call otherwise.
            return match Box::pin(self.ask_sts(source, presented, body, &request_id)).await {
                Ok(answer) => answer.into_response(&request_id),
                Err(error) => answer::xml_exception(&error, &request_id),
            };
        }
        match self.ask(source, presented, head, body, &request_id).await {
            Ok(answer) => answer.into_response(&request_id),
            Err(error) => answer::exception(&error, &request_id),
        }
    }

    /// Answers a request that came from `source`, whoever signed it.
    pub async fn answer(&self, source: Source, request: Request) -> Response {
        let (head, body) = request.into_parts();
        if self.recall(&head).is_none()
            && let Err(refused) = self.look_up(&head).await
        {
            return refused;
        }
        let body = match intake::read(&self.0.limits, &head, body).await {
            Ok(body) => body,
            Err(why) => return self.unread(&head, why),
        };
        match self.prove(source, &head, &body).await {
            Ok((_, presented)) => self.answer_proved(source, presented, &head, &body).await,
            Err(refused) => refused,
        }
    }

    async fn ask(
        &self,
        source: Source,
        presented: Presented,
        parts: &Parts,
        body: &[u8],
        request_id: &str,
    ) -> Result<answer::Answer, AwsError> {
        let operation = named(parts);
        let name = operation.as_ref().map_or("", |operation| operation.name);
        let session = Session::new(self.road(), self.realm(), presented, source, request_id, name);
        let answer = match operation {
            Ok(operation) => (operation.run)(&session, body).await,
            Err(error) => Err(error),
        };
        match answer {
            Err(error) => Err(session.refused(error).await),
            answered => answered,
        }
    }

    async fn ask_sts(
        &self,
        source: Source,
        presented: Presented,
        body: &[u8],
        request_id: &str,
    ) -> Result<answer::Answer, AwsError> {
        let operation = sts::named(body);
        let session = Session::new(self.road(), self.realm(), presented, source, request_id, sts::NAME);
        match operation {
            Ok(()) => sts::get_caller_identity(&session).await,
            Err(error) => Err(session.refused(error).await),
        }
    }

    fn failure(&self, error: Unsigned, head: &Parts) -> AwsError {
        match error {
            Unsigned::Malformed(error) => unsigned(error),
            Unsigned::Refused(error) => {
                let operation = named(head).map_or("", |operation| operation.name);
                to_wire(&error, ErrorContext { realm: self.realm(), operation, missing: "", by_id: false })
            }
        }
    }

    /// An error in the form of the service that is meant.
    fn refusal(&self, head: &Parts, error: &AwsError) -> Response {
        let request_id = request_id().unwrap_or_default();
        if sts::is_for(&head.headers) {
            return answer::xml_exception(error, &request_id);
        }
        answer::exception(error, &request_id)
    }
}

/// The use of a key that a request asks for, as far as its head shows. Whatever is no use counts as none, so that no word of
/// a caller becomes a label.
#[must_use]
pub fn use_of(head: &Parts) -> Option<Action> {
    let path = head.uri.path();
    if xks::path::is_for(path) {
        return xks::path::use_of(path);
    }
    let name = head.headers.get(TARGET)?.to_str().ok()?.strip_prefix(SERVICE)?;
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

fn unread(why: Unread) -> AwsError {
    match why {
        Unread::BrokeOff => AwsError::new(code::SERIALIZATION, "the body broke off"),
        Unread::Crowded => {
            AwsError::new(THROTTLING, "too many requests at once whose signatures are still to be verified")
        }
        Unread::Headers(most) => AwsError::validation(format!("at most {most} bytes of headers are taken")),
        Unread::Slow => AwsError::new(code::SERIALIZATION, "the body came too slowly"),
        Unread::TooLarge(most) => AwsError::validation(format!("at most {most} bytes are taken")),
    }
}
