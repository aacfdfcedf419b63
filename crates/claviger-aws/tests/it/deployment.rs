//! A small deployment behind the external key store proxy: two who have a role, and AWS KMS as an application.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use claviger_access::authn::access_key::instant;
use claviger_aws::xks::XksPeer;
use claviger_aws::{AwsLimits, XksProxy};
use claviger_core::action::Plane;
use claviger_core::grant::Conditions;
use claviger_core::key::{DataClass, KeyRecord, RingPolicy};
use claviger_core::port::Clock as _;
use claviger_core::port::store::Page;
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, CredentialId, Purpose, Spec, Timestamp};
use claviger_crypto::SecretBytes;
use claviger_crypto::digest::sha256;
use claviger_crypto::kdf::HmacSha256;
use claviger_service::operation::{
    CreateCredential, CreateGrant, CreateKey, CreateRing, GrantOn, ListGrants, NewCredential, Operation,
    Released,
};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, Road, ServiceError};
use claviger_testkit::deployment::{ADA, Deployment as Base, OLGA, OTTO, OUTSIDER, TestClock};
use http::{Method, Request, StatusCode};
use serde_json::Value;

const HOST: &str = "xks.example:7402";
pub(crate) const PREFIX: &str = "/example/path";

pub(crate) fn now() -> Timestamp {
    TestClock::default().now()
}

/// An access key in the hands of AWS KMS.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) credential: CredentialId,
    pub(crate) id: String,
    pub(crate) secret: String,
}

fn hmac(key: &[u8], data: &str) -> [u8; 32] {
    HmacSha256::new(&SecretBytes::copied_from(key)).tag(&[data.as_bytes()])
}

impl Signer {
    /// A request that is signed at that instant for a service, step by step as the documentation describes it.
    pub(crate) fn sign(
        &self,
        (method, path): (Method, &str),
        body: &str,
        at: Timestamp,
        service: &str,
    ) -> Request<Body> {
        let date = instant::format(at);
        let scope = format!("{}/eu-west-1/{service}/aws4_request", &date[..8]);
        let canonical = format!(
            "{method}\n{path}\n\nhost:{HOST}\nx-amz-date:{date}\n\nhost;x-amz-date\n{}",
            hex::encode(sha256(body.as_bytes()))
        );
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for step in scope.split('/') {
            key = hmac(&key, step).to_vec();
        }
        let digest = hex::encode(sha256(canonical.as_bytes()));
        let signature = hex::encode(hmac(&key, &format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}")));
        let claim = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}",
            self.id
        );
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .header("x-amz-date", date)
            .header("authorization", claim)
            .header("content-type", "application/json")
            .body(body.to_owned().into())
            .unwrap()
    }
}

/// An answer of the proxy.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) entry: Option<u64>,
    pub(crate) allow: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        assert!(self.entry.is_some(), "{self:?}");
        self.body
    }

    /// Asserts that it is that error, in the form that the specification wants.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, name: &str) {
        assert_eq!((self.status.as_u16(), self.body["errorName"].as_str()), (status, Some(name)), "{self:?}");
        let message = self.body["errorMessage"].as_str().unwrap();
        assert!(message.len() < 512 && message.bytes().all(|b| (0x20..0x7f).contains(&b)), "{self:?}");
    }
}

pub(crate) struct Deployment {
    pub(crate) road: Road,
    pub(crate) proxy: XksProxy,
    base: Base,
}

#[expect(clippy::disallowed_methods, reason = "the tests sign with what was shown")]
fn shown(secret: &SecretBytes) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

impl Deployment {
    pub(crate) async fn build() -> Self {
        let kms = ("kms", PrincipalKind::Workload, None);
        let base = Base::build_for(&[ADA, OTTO, OLGA, kms, OUTSIDER]).await;
        let road = base.road.clone();
        let proxy = XksProxy::new(road.clone(), Some(PREFIX.parse().unwrap()), AwsLimits::default());
        let deployment = Self { road, proxy, base };
        let create = CreateRing { name: "store".parse().unwrap(), policy: RingPolicy::default() };
        deployment.ask("ada", create).await.unwrap();
        deployment
    }

    pub(crate) async fn ask<O: Operation>(
        &self,
        who: &str,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        self.base.ask_at(who, Plane::Control, operation).await
    }

    pub(crate) async fn key(&self, name: &str, purpose: Purpose, spec: Spec) -> KeyRecord {
        let create = CreateKey {
            data_class: Some(DataClass::Confidential),
            ..self.base.new_key("store", name, purpose, spec)
        };
        self.ask("ada", create).await.unwrap().output
    }

    /// Grants AWS KMS uses of a key, where the call says of itself what `pairs` say.
    pub(crate) async fn grant(&self, key: &KeyRecord, operations: &[Action], pairs: &[(&str, &str)]) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let create = CreateGrant {
            principal: PrincipalRef::Name("kms".parse().unwrap()),
            on: GrantOn::Key(KeyRef::Id(key.key.id)),
            operations: operations.to_vec(),
            conditions: Conditions { context_equals: pairs, ..Conditions::default() },
            name: None,
            retiring: None,
        };
        self.ask("otto", create).await.unwrap();
    }

    async fn is_granted(&self, who: &str) -> bool {
        let list = ListGrants {
            principal: Some(PrincipalRef::Name(who.parse().unwrap())),
            key: None,
            ring: None,
            with_revoked: false,
            page: Page { after: None, limit: 1 },
        };
        !self.ask("otto", list).await.unwrap().output.is_empty()
    }

    /// A new access key.
    pub(crate) async fn signer(&self, who: &str) -> Signer {
        let create = CreateCredential {
            principal: PrincipalRef::Name(who.parse().unwrap()),
            label: "xks".parse().unwrap(),
            what: NewCredential::AccessKey { lifetime: Duration::from_secs(3600) },
            to_confirm: false,
        };
        // An administrator makes the credentials of who was granted nothing, an officer who did not grant those of others.
        let by = if self.is_granted(who).await { "olga" } else { "ada" };
        let made = self.ask(by, create).await.unwrap().output;
        let key = made.access_key.as_ref().unwrap();
        Signer { credential: made.credential.id, id: key.id.to_string(), secret: shown(&key.secret) }
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, is_admitted: bool, request: Request<Body>) -> Answer {
        let peer = XksPeer { source: IpAddr::V4(Ipv4Addr::LOCALHOST).into(), is_admitted };
        let (parts, body) = self.proxy.answer(peer, request).await.into_parts();
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/json"));
        assert_eq!(header("cache-control").as_deref(), Some("no-store"));
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            entry: header("claviger-entry").map(|entry| entry.parse().unwrap()),
            allow: header("allow"),
            body: serde_json::from_slice(&body).unwrap(),
        }
    }

    /// A call as AWS KMS makes it. A result is withheld when this machine stood still; it is then asked for again.
    pub(crate) async fn call(&self, signer: &Signer, call: &str, body: &Value) -> Answer {
        let path = format!("{PREFIX}/kms/xks/v1/{call}");
        for _ in 0..5 {
            let request = signer.sign((Method::POST, &path), &body.to_string(), now(), "kms-xks-proxy");
            let answer = self.send(true, request).await;
            let said = answer.body["errorMessage"].as_str().unwrap_or_default();
            if !said.contains("too late") {
                return answer;
            }
        }
        panic!("{call} is withheld each time");
    }
}

/// Is it an error of that kind?
#[track_caller]
pub(crate) fn is_kind<T>(result: Result<T, ServiceError>, kind: ErrorKind) {
    assert_eq!(result.map(drop).unwrap_err().kind(), kind);
}
