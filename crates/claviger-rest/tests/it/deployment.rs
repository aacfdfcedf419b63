//! A small deployment behind its two planes: everyone who has a role, and one application.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use claviger_core::action::Surface;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_crypto::digest::sha256;
use claviger_rest::{PeerIdentity, Plane, RestLimits, control_plane, data_plane};
use claviger_service::Road;
use claviger_testkit::deployment::{
    ADA, APP, Deployment as Base, OLGA, OTTO, OUTSIDER, Person, TestClock, VERA, certificate_of,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::openapi;

pub(crate) struct Deployment {
    control: Plane,
    data: Plane,
    pub(crate) road: Road,
    base: Base,
}

/// Small enough to be exceeded in a test.
pub(crate) const LIMITS: RestLimits =
    RestLimits { body: 128 << 10, batch_body: 256 << 10, headers: 16 << 10 };

/// How somebody shows who they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum As<'a> {
    /// With this certificate.
    Certificate(&'a [u8]),
    /// With a certificate.
    Name(&'a str),
    /// Not at all.
    Nobody,
    /// With a token.
    Token(&'a str),
}

/// An answer, held against the OpenAPI document already.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{self:?}");
        self
    }

    /// Asserts that it is a problem with that status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("urn:claviger:problem:{code}"));
        assert_eq!(
            self.header("claviger-entry").map(str::to_owned),
            problem.get("entry").map(Value::to_string)
        );
    }
}

impl Deployment {
    pub(crate) async fn build() -> Self {
        Self::build_under(0, &[]).await
    }

    /// The same with more people, of whose custodians so many must approve what concerns all of it.
    pub(crate) async fn build_under(quorum: u8, more: &[Person<'_>]) -> Self {
        let people =
            [ADA, OTTO, OLGA, VERA, ("odile", PrincipalKind::Human, Some(Role::Operator)), APP, OUTSIDER];
        let base = Base::build_under(quorum, &[&people[..], more].concat()).await;
        let road = base.road.clone();
        let control = control_plane(road.clone(), LIMITS);
        let data = data_plane(road.clone(), LIMITS);
        Self { control, data, road, base }
    }

    pub(crate) fn clock(&self) -> &TestClock {
        &self.base.clock
    }

    /// A deployment with ring `orders`.
    pub(crate) async fn with_ring() -> Self {
        let deployment = Self::build().await;
        deployment.control("ada", Method::POST, "/v1/rings", json!({"name": "orders"})).await.ok();
        deployment
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, surface: Surface, who: As<'_>, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = self.send_unheld(surface, who, request).await;
        openapi::hold_against_document(surface, &method, &path, &answer);
        answer
    }

    /// The same, where the document says nothing of the path.
    pub(crate) async fn send_unheld(
        &self,
        surface: Surface,
        who: As<'_>,
        mut request: Request<Body>,
    ) -> Answer {
        let certificate = match who {
            As::Certificate(certificate) => Some(sha256(certificate)),
            As::Name(name) => Some(sha256(&certificate_of(name))),
            As::Nobody => None,
            As::Token(token) => {
                request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
                None
            }
        };
        let address = ([127, 0, 0, 1], 4711).into();
        let plane = match surface {
            Surface::Control => &self.control,
            Surface::Data => &self.data,
        };
        let answer = plane.answer(PeerIdentity { certificate, address, tls: None }, request).await;
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        let length = answer.header("content-length").map(|length| length.parse().unwrap());
        assert_eq!(length.unwrap_or(answer.body.len()), answer.body.len(), "{answer:?}");
        answer
    }

    pub(crate) async fn control(&self, who: &str, method: Method, path: &str, body: Value) -> Answer {
        self.send(Surface::Control, As::Name(who), request(method, path, &body)).await
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> Answer {
        self.send(Surface::Control, As::Name(who), request(Method::GET, path, &Value::Null)).await
    }

    pub(crate) async fn data(&self, who: &str, path: &str, body: Value) -> Answer {
        self.send(Surface::Data, As::Name(who), request(Method::POST, path, &body)).await
    }

    pub(crate) async fn octets(
        &self,
        who: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut builder = Request::post(path).header(CONTENT_TYPE, "application/octet-stream");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        self.send(Surface::Data, As::Name(who), builder.body(body.into()).unwrap()).await
    }

    /// Creates key `orders/<name>` and lets `app` do with it whatever its purpose allows.
    pub(crate) async fn key(&self, name: &str, purpose: &str, spec: &str, operations: &[&str]) -> Value {
        let create = json!({
            "ring": "orders", "name": name, "purpose": purpose, "spec": spec, "data_class": "internal",
        });
        let key = self.control("ada", Method::POST, "/v1/keys", create).await.ok().json();
        if !operations.is_empty() {
            let grant = json!({
                "principal": "app", "on": {"key": format!("orders/{name}")}, "operations": operations, "reason": "test",
            });
            self.control("otto", Method::POST, "/v1/grants", grant).await.ok();
        }
        key
    }
}

/// A request with that JSON; without a body for `null`.
pub(crate) fn request(method: Method, path: &str, body: &Value) -> Request<Body> {
    let builder = Request::builder().method(method).uri(path);
    if body.is_null() {
        return builder.body(Body::empty()).unwrap();
    }
    builder.header(CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap()
}
