//! A small deployment behind its endpoint: everyone who has a role; the ring `evaluation`, in which application `tool`
//! may do everything; the ring `orders`, of which application `app` may use the keys.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use claviger_audit::entry::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_aws::{AwsLimits, Kms, Realm};
use claviger_core::action::{Plane, Reasoning};
use claviger_core::key::{DataClass, KeyRecord, Labels, Origin, RequiredContext, RingPolicy, Separation};
use claviger_core::port::Clock;
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::reason::{Reason, ReasonText};
use claviger_core::{Action, ListenerName, PrincipalId, Purpose, Spec, Timestamp};
use claviger_crypto::SecretBytes;
use claviger_provider::software::{RootUnlock, SoftwareProvider};
use claviger_service::log::EntryFilter;
use claviger_service::operation::*;
use claviger_service::{Call, Memory, Options, Presented, PrincipalRef, RingRef, Road, ServiceError};
use claviger_store::sqlite::{SqliteOptions, SqliteStore};
use claviger_testkit::trust::Lenient;
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;

use super::module::{Fault, FaultyModule};
use super::signer::{Signer, call};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The wall clock, ahead of the true time by as much as a test has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestClock {
    ahead_micros: Arc<AtomicU64>,
}

impl TestClock {
    pub(crate) fn advance(&self, span: Duration) {
        self.ahead_micros.fetch_add(u64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// The instant so many seconds from now, or ago.
    pub(crate) fn in_seconds(&self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.now().as_micros().checked_add_signed(seconds * 1_000_000).unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::default().after(self.since_boot())
    }

    fn since_boot(&self) -> Duration {
        let ahead = Duration::from_micros(self.ahead_micros.load(Ordering::SeqCst));
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + ahead
    }
}

pub(crate) struct Deployment {
    pub(crate) kms: Kms,
    pub(crate) road: Road,
    pub(crate) clock: TestClock,
    pub(crate) fault: Fault,
    /// The access key of `tool`, which may do everything in ring `evaluation`.
    pub(crate) tool: Signer,
    /// The access key of `app`, which may use the keys of ring `orders`, and no more.
    pub(crate) app: Signer,
    directory: tempfile::TempDir,
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

fn certificate_of(name: &str) -> Vec<u8> {
    format!("certificate of {name}").into_bytes()
}

impl Deployment {
    pub(crate) async fn build() -> Self {
        Self::build_in(SqliteOptions::default()).await
    }

    pub(crate) async fn build_in(options: SqliteOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, fault) = (TestClock::default(), Fault::default());
        let store = SqliteStore::open(&directory.path().join("data"), options).unwrap();
        let road = open(store, fault.clone(), &clock).await;
        initialize(&road, &clock).await;
        let made = furnish(&road).await;
        let kms = Kms::new(road.clone(), Realm::default(), LIMITS);
        let [tool, app] = made.map(|made| Signer::new(&made));
        Self { kms, road, clock, fault, tool, app, directory }
    }

    /// The database, for what somebody who has the file does to it.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join("data/store.db")
    }

    /// Does something in the name of one of the first people.
    pub(crate) async fn does<O: Operation>(&self, who: &str, operation: O) -> O::Output {
        does(&self.road, who, operation).await.unwrap()
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
            ring: RingRef::Name("orders".parse().unwrap()),
            name: Some(name.parse().unwrap()),
            purpose: Purpose::Encrypt,
            spec: Spec::Aes256Gcm,
            protection: None,
            data_class: Some(DataClass::Internal),
            description: String::new(),
            owner: None,
            labels: Labels::default(),
            rotation_period: None,
            context_required: RequiredContext::default(),
            environment: None,
            activate: true,
            origin: Origin::Generated,
            rights: None,
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

async fn does<O: Operation>(road: &Road, who: &str, operation: O) -> Result<O::Output, ServiceError> {
    let call = Call {
        presented: Presented::certificate(&certificate_of(who)),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
        listener: ListenerName::Control,
        plane: Plane::Control,
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        reason: reason_of(operation.action()),
        operation,
    };
    Ok(road.perform(call).await?.output)
}

async fn initialize(road: &Road, clock: &TestClock) {
    let everyone = [
        ("ada", PrincipalKind::Human, Role::Administrator),
        ("otto", PrincipalKind::Human, Role::SecurityOfficer),
        ("vera", PrincipalKind::Human, Role::Auditor),
    ];
    let expires_at = clock.now().after(DAY * 3650);
    let principals = everyone.map(|(name, kind, role)| FirstPrincipal {
        name: name.parse().unwrap(),
        kind,
        role: Some(role),
        certificate: certificate_of(name),
        expires_at,
    });
    road.perform_for_system(system(), Initialize { principals: principals.into() }).await.unwrap();
}

/// Makes two rings, and an application with an access key in each.
async fn furnish(road: &Road) -> [NewlyMade; 2] {
    let relax = SetRingSeparation { ring: ring("evaluation"), separation: Separation::Relaxed };
    let nobody = RingPatch { quorum: Some(0), ..RingPatch::default() };
    let without_quorum = UpdateRing { ring: ring("evaluation"), patch: nobody, if_revision: None };
    for name in ["evaluation", "orders"] {
        let create = CreateRing { name: name.parse().unwrap(), policy: RingPolicy::default() };
        does(road, "ada", create).await.unwrap();
    }
    does(road, "otto", relax).await.unwrap();
    does(road, "ada", without_quorum).await.unwrap();
    let all = |fits: fn(&Action) -> bool| Action::ALL.into_iter().filter(fits).collect();
    [
        application(road, "tool", "evaluation", all(|action| action.is_grantable_when_relaxed())).await,
        application(road, "app", "orders", all(|action| action.is_grantable())).await,
    ]
}

async fn application(road: &Road, name: &str, home: &str, operations: Vec<Action>) -> NewlyMade {
    let kind = PrincipalKind::Workload;
    let create =
        CreatePrincipal { name: name.parse().unwrap(), kind, home: Some(ring(home)), environment: None };
    does(road, "ada", create).await.unwrap();
    let made = access_key(name, NewCredential::AccessKey { lifetime: DAY * 366 });
    let made = does(road, "ada", made).await.unwrap();
    let grant = CreateGrant {
        principal: PrincipalRef::Name(name.parse().unwrap()),
        on: GrantOn::Ring(ring(home)),
        operations,
        conditions: Default::default(),
        name: None,
        retiring: None,
    };
    does(road, "otto", grant).await.unwrap();
    made
}

/// What makes an access key.
pub(crate) fn access_key(name: &str, what: NewCredential) -> CreateCredential {
    let principal = PrincipalRef::Name(name.parse().unwrap());
    CreateCredential { principal, label: "sdk".parse().unwrap(), what }
}

pub(crate) fn ring(name: &str) -> RingRef {
    RingRef::Name(name.parse().unwrap())
}

fn system() -> Arc<Principal> {
    Arc::new(Principal::new(
        PrincipalId::SYSTEM,
        "claviger".parse().unwrap(),
        PrincipalKind::System,
        Timestamp::default(),
    ))
}

async fn open(store: SqliteStore, fault: Fault, clock: &TestClock) -> Road {
    let (inner, _) = SoftwareProvider::create(&RootUnlock::KeyFile(SecretBytes::new(vec![7; 32]))).unwrap();
    let options = Options {
        deployment: "test".parse().unwrap(),
        cut_every: Duration::from_millis(50),
        jobs_every: HOUR,
        clock_step: Duration::from_secs(600),
        memory: Memory::default(),
        known_note: None,
        accept_lost_tail: false,
        trust: Arc::new(Lenient),
        environment: None,
        renewable_for: Duration::from_secs(3 * 366 * 86_400),
        on_signed: Box::new(|_| {}),
        on_fatal: Box::new(|why| panic!("the log stopped: {why}")),
        insecure_fence_off: false,
    };
    let module = FaultyModule { inner, fault };
    Road::open(Arc::new(store), Arc::new(module), Arc::new(clock.clone()), options).await.unwrap()
}

/// A reason, where one is asked for.
fn reason_of(action: Action) -> Option<Reason> {
    (action.reasoning() == Reasoning::Must).then(|| "a test".parse::<ReasonText>().unwrap().into())
}
