//! A small deployment behind its endpoint: everyone who has a role; the ring `evaluation`, in which application `tool`
//! may do everything; the ring `orders`, of which application `app` may use the keys.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use claviger_audit::entry::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_aws::{AwsLimits, Kms, Realm};
use claviger_core::action::Plane;
use claviger_core::approval::Approval;
use claviger_core::key::{DataClass, KeyRecord, RingPolicy, Separation};
use claviger_core::port::{Clock as _, Provider, Store as _};
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, ApprovalId, Purpose, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::*;
use claviger_service::{Presented, PrincipalRef, RingRef, Road};
use claviger_store::sqlite::SqliteOptions;
use claviger_testkit::deployment::{ADA, CARL, CORA, Deployment as Base, OTTO, TestClock, VERA};
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;

use super::module::{Fault, FaultyModule};
use super::signer::{Signer, call};

pub(crate) use claviger_testkit::deployment::DAY;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) struct Deployment {
    pub(crate) kms: Kms,
    pub(crate) road: Road,
    pub(crate) clock: TestClock,
    pub(crate) fault: Fault,
    /// The access key of `tool`, which may do everything in ring `evaluation`.
    pub(crate) tool: Signer,
    /// The access key of `app`, which may use the keys of ring `orders`, and no more.
    pub(crate) app: Signer,
    base: Base,
}

/// Small enough to be exceeded in a test.
pub(crate) const LIMITS: AwsLimits = AwsLimits { body: 64 << 10, headers: 8 << 10 };

/// Every exception that the service model of AWS KMS has and that has a meaning here, and those that all services have.
const EXCEPTIONS: [&str; 36] = [
    "AccessDeniedException",
    "AlreadyExistsException",
    "ConflictException",
    "CustomKeyStoreNotFoundException",
    "DependencyTimeoutException",
    "DisabledException",
    "DryRunOperationException",
    "ExpiredImportTokenException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "IncorrectKeyException",
    "IncorrectKeyMaterialException",
    "InvalidAliasNameException",
    "InvalidArnException",
    "InvalidCiphertextException",
    "InvalidGrantIdException",
    "InvalidGrantTokenException",
    "InvalidImportTokenException",
    "InvalidKeyUsageException",
    "InvalidMarkerException",
    "InvalidSignatureException",
    "KMSInternalException",
    "KMSInvalidMacException",
    "KMSInvalidSignatureException",
    "KMSInvalidStateException",
    "LimitExceededException",
    "MalformedPolicyDocumentException",
    "MissingAuthenticationTokenException",
    "NotFoundException",
    "SerializationException",
    "TagException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "UnsupportedOperationException",
    "ValidationException",
];

/// What every answer must be.
#[track_caller]
pub(crate) fn hold_exception(code: &str) {
    assert!(EXCEPTIONS.contains(&code), "`{code}` is no exception that clients know");
}

/// An answer. It has a request id and a type, is stored nowhere, and as an exception says its name twice.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    fn hold(self) -> Self {
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.header("x-amzn-requestid").map(str::len), Some(36), "{self:?}");
        if self.header("content-type") == Some("text/xml") {
            return self;
        }
        assert_eq!(self.header("content-type"), Some("application/x-amz-json-1.1"), "{self:?}");
        if self.status == StatusCode::OK {
            assert!(self.header("claviger-entry").is_some(), "{self:?}");
            let receipt = self.header("audit-receipt");
            assert!(receipt.is_some() && receipt == self.header("claviger-receipt"), "{self:?}");
            return self;
        }
        let json = self.json();
        let code = json["__type"].as_str().unwrap();
        assert_eq!(self.header("x-amzn-errortype"), Some(code), "{self:?}");
        hold_exception(code);
        // Absent where there is nothing to say, never empty.
        let says =
            json.get("message").is_none_or(|message| message.as_str().is_some_and(|text| !text.is_empty()));
        assert!(says, "{self:?}");
        let is_fault = ["DependencyTimeoutException", "KMSInternalException"].contains(&code);
        assert_eq!(self.status.as_u16(), if is_fault { 500 } else { 400 }, "{self:?}");
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The index of the entry that records it.
    pub(crate) fn entry(&self) -> Option<u64> {
        self.header("claviger-entry").map(|index| index.parse().unwrap())
    }

    /// Was it done, and came too late to be let out?
    pub(crate) fn is_withheld(&self) -> bool {
        self.text().contains("too late to be let out")
    }

    /// Asserts that it was done; gives what was answered.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }

    /// Asserts that it is that exception; gives its message.
    #[track_caller]
    pub(crate) fn refused(&self, code: &str) -> String {
        let json = self.json();
        assert_eq!(json["__type"], code, "{self:?}");
        json["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// What an entry says, as far as the tests ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) index: u64,
    pub(crate) op: Op,
    pub(crate) outcome: Outcome,
    pub(crate) request: Option<[u8; 16]>,
    pub(crate) key: Option<[u8; 16]>,
}

impl Deployment {
    pub(crate) async fn build() -> Self {
        Self::build_in(SqliteOptions::default()).await
    }

    pub(crate) async fn build_in(options: SqliteOptions) -> Self {
        let fault = Fault::default();
        let module = |inner| -> Arc<dyn Provider> { Arc::new(FaultyModule { inner, fault: fault.clone() }) };
        let people = [ADA, OTTO, VERA, CARL, CORA];
        let base = Base::build_in_full(&people, options, false, module).await;
        let made = furnish(&base).await;
        let (road, clock) = (base.road.clone(), base.clock.clone());
        let kms = Kms::new(road.clone(), Realm::default(), LIMITS);
        let [tool, app] = made.map(|made| Signer::new(&made));
        Self { kms, road, clock, fault, tool, app, base }
    }

    /// The database, for what somebody who has the file does to it.
    pub(crate) fn database(&self) -> PathBuf {
        self.base.database()
    }

    /// Does something in the name of one of the first people.
    pub(crate) async fn does<O: Operation>(&self, who: &str, operation: O) -> O::Output {
        does(&self.base, who, operation).await
    }

    /// Does something by whoever is known by what is shown.
    pub(crate) async fn does_with<O: Operation>(&self, presented: Presented, operation: O) -> O::Output {
        self.base.ask_with(presented, operation).await.unwrap().output
    }

    /// What somebody asked for that others must approve.
    pub(crate) async fn approval(&self, id: ApprovalId) -> Approval {
        self.base.store.find_approval(id).await.unwrap().unwrap()
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Vec<u8>>) -> Answer {
        self.send_from([127, 0, 0, 1], request).await
    }

    pub(crate) async fn send_from(&self, peer: [u8; 4], request: Request<Vec<u8>>) -> Answer {
        self.send_body(peer, request.map(Body::from)).await
    }

    pub(crate) async fn send_body(&self, peer: [u8; 4], request: Request<Body>) -> Answer {
        let answer = self.kms.answer(IpAddr::from(peer).into(), request).await;
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }.hold()
    }

    /// Calls an operation with any bytes as whoever signs.
    pub(crate) async fn ask_with(&self, signer: &Signer, operation: &str, body: &[u8]) -> Answer {
        self.send(signer.sign(self.clock.now(), call(operation, body))).await
    }

    /// Calls an operation as whoever signs. A result is withheld when this machine stood still; it is then asked for again.
    pub(crate) async fn ask_as(&self, signer: &Signer, operation: &str, body: Value) -> Answer {
        for _ in 0..5 {
            let answer = self.ask_with(signer, operation, body.to_string().as_bytes()).await;
            if !answer.is_withheld() {
                return answer;
            }
        }
        panic!("{operation} is withheld each time");
    }

    /// Calls an operation as `tool`.
    pub(crate) async fn ask(&self, operation: &str, body: Value) -> Answer {
        self.ask_as(&self.tool, operation, body).await
    }

    /// Creates a key in ring `evaluation`; gives its identifier.
    pub(crate) async fn create_key(&self, body: Value) -> String {
        let made = self.ask("CreateKey", body).await.ok();
        made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    /// Creates a key for encryption in ring `orders`, by its administrator.
    pub(crate) async fn orders_key(&self, name: &str) -> KeyRecord {
        let create = CreateKey {
            data_class: Some(DataClass::Internal),
            ..self.base.new_key("orders", name, Purpose::Encrypt, Spec::Aes256Gcm)
        };
        self.does("ada", create).await
    }

    /// How many entries the log has.
    pub(crate) async fn log_size(&self) -> u64 {
        let read = ReadEntries { from: 0, limit: 1, filter: EntryFilter::default() };
        self.does("vera", read).await.size
    }

    /// What calls left in the log from that index on: neither sessions nor what its readers and the system itself leave.
    pub(crate) async fn recorded_since(&self, from: u64) -> Vec<Recorded> {
        let read = ReadEntries { from, limit: 1000, filter: EntryFilter::default() };
        let page = self.does("vera", read).await;
        let recorded = page.entries.iter().map(|found| {
            let entry = Entry::decode(&found.bytes).unwrap();
            Recorded {
                index: found.index,
                op: entry.op,
                outcome: entry.out,
                request: entry.rid,
                key: entry.key,
            }
        });
        recorded
            .filter(|recorded| {
                !matches!(recorded.op, Op::Session | Op::ReadAudit | Op::Heartbeat | Op::UnauthenticatedCount)
            })
            .collect()
    }
}

async fn does<O: Operation>(base: &Base, who: &str, operation: O) -> O::Output {
    base.ask_at(who, Plane::Control, operation).await.unwrap().output
}

/// Makes two rings, and an application with an access key in each.
async fn furnish(base: &Base) -> [NewlyMade; 2] {
    let relax = SetRingSeparation { ring: ring("evaluation"), separation: Separation::Relaxed };
    let nobody = RingPatch { quorum: Some(0), ..RingPatch::default() };
    let without_quorum = UpdateRing { ring: ring("evaluation"), patch: nobody, if_revision: None };
    for name in ["evaluation", "orders"] {
        let create = CreateRing { name: name.parse().unwrap(), policy: RingPolicy::default() };
        does(base, "ada", create).await;
    }
    does(base, "otto", relax).await;
    does(base, "ada", without_quorum).await;
    let all = |fits: fn(&Action) -> bool| Action::ALL.into_iter().filter(fits).collect();
    [
        application(base, "tool", "evaluation", all(|action| action.is_grantable_when_relaxed())).await,
        application(base, "app", "orders", all(|action| action.is_grantable())).await,
    ]
}

async fn application(base: &Base, name: &str, home: &str, operations: Vec<Action>) -> NewlyMade {
    let kind = PrincipalKind::Workload;
    let (name_of, home_of) = (name.parse().unwrap(), Some(ring(home)));
    let create =
        CreatePrincipal { name: name_of, kind, home: home_of, environment: None, same_person_as: None };
    does(base, "ada", create).await;
    let made = access_key(name, NewCredential::AccessKey { lifetime: DAY * 366 });
    let made = does(base, "ada", made).await;
    let grant = CreateGrant {
        principal: PrincipalRef::Name(name.parse().unwrap()),
        on: GrantOn::Ring(ring(home)),
        operations,
        conditions: Default::default(),
        name: None,
        retiring: None,
    };
    does(base, "otto", grant).await;
    made
}

/// What makes an access key.
pub(crate) fn access_key(name: &str, what: NewCredential) -> CreateCredential {
    let principal = PrincipalRef::Name(name.parse().unwrap());
    CreateCredential { principal, label: "sdk".parse().unwrap(), what, to_confirm: false }
}

pub(crate) fn ring(name: &str) -> RingRef {
    RingRef::Name(name.parse().unwrap())
}
