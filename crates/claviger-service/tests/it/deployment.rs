//! A small deployment: everyone who has a role, and one application.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claviger_access::Presented;
use claviger_core::action::{Plane, Reasoning, Surface};
use claviger_core::key::{DataClass, KeyRecord, Labels, Origin, RequiredContext, RingPolicy, Separation};
use claviger_core::port::{Clock, Provider, Store as _};
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::reason::{Reason, ReasonText};
use claviger_core::{Action, ListenerName, PrincipalId, Purpose, Spec, Timestamp};
use claviger_crypto::SecretBytes;
use claviger_crypto::envelope::Context;
use claviger_provider::software::{RootUnlock, SoftwareProvider};
use claviger_service::operation::usage::{Decrypt, Encrypt, UseKey};
use claviger_service::operation::*;
use claviger_service::{Call, KeyRef, Memory, Options, PrincipalRef, Released, RingRef, Road, ServiceError};
use claviger_store::sqlite::{SqliteOptions, SqliteStore};
use claviger_testkit::trust::Lenient;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Two clocks, ahead of the true time by as much as a test has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestClock {
    ahead_micros: Arc<AtomicU64>,
    wall_off_micros: Arc<AtomicI64>,
}

impl TestClock {
    pub(crate) fn advance(&self, span: Duration) {
        self.ahead_micros.fetch_add(u64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Has the wall clock be off by so many seconds, which pass nowhere else.
    pub(crate) fn set_wall_off(&self, seconds: i64) {
        self.wall_off_micros.store(seconds * 1_000_000, Ordering::SeqCst);
    }

    pub(crate) fn wall(&self) -> Timestamp {
        self.now()
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let off = self.wall_off_micros.load(Ordering::SeqCst);
        let true_time = Timestamp::default().after(self.since_boot()).as_micros();
        Timestamp::from_micros(true_time.saturating_add_signed(off))
    }

    fn since_boot(&self) -> Duration {
        let ahead = Duration::from_micros(self.ahead_micros.load(Ordering::SeqCst));
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + ahead
    }
}

pub(crate) struct Deployment {
    pub(crate) road: Road,
    pub(crate) clock: TestClock,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) directory: tempfile::TempDir,
    sealed_root: Vec<u8>,
}

/// A deployment at rest.
pub(crate) struct Stopped {
    clock: TestClock,
    directory: tempfile::TempDir,
    sealed_root: Vec<u8>,
}

impl Stopped {
    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.directory.path().join("data/store.db")
    }

    /// Another one like it.
    pub(crate) fn copy(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        for file in std::fs::read_dir(self.directory.path().join("data")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), directory.path().join("data").join(file.file_name())).unwrap();
        }
        Self { clock: self.clock.clone(), directory, sealed_root: self.sealed_root.clone() }
    }

    pub(crate) async fn open(self) -> Result<Deployment, ServiceError> {
        let Self { clock, directory, sealed_root } = self;
        let provider = Arc::new(SoftwareProvider::open(&sealed_root, &unlock()).unwrap());
        let (road, store) = try_open(&directory, provider, &clock, false, SqliteOptions::default()).await?;
        Ok(Deployment { road, clock, store, directory, sealed_root })
    }
}

fn unlock() -> RootUnlock {
    RootUnlock::KeyFile(SecretBytes::new(vec![7; 32]))
}

pub(crate) fn certificate_of(name: &str) -> Vec<u8> {
    format!("certificate of {name}").into_bytes()
}

impl Deployment {
    pub(crate) async fn build() -> Self {
        Self::build_with(false).await
    }

    pub(crate) async fn build_with(fence_off: bool) -> Self {
        Self::build_in_full(fence_off, Vec::new(), |module| Arc::new(module)).await
    }

    /// The same with more people and applications.
    pub(crate) async fn build_among(
        fence_off: bool,
        more: Vec<(String, PrincipalKind, Option<Role>)>,
    ) -> Self {
        Self::build_in_full(fence_off, more, |module| Arc::new(module)).await
    }

    /// A deployment on another module than the plain software one.
    pub(crate) async fn build_on(module: impl FnOnce(SoftwareProvider) -> Arc<dyn Provider>) -> Self {
        Self::build_in_full(false, Vec::new(), module).await
    }

    async fn build_in_full(
        fence_off: bool,
        more: Vec<(String, PrincipalKind, Option<Role>)>,
        module: impl FnOnce(SoftwareProvider) -> Arc<dyn Provider>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (provider, sealed_root) = SoftwareProvider::create(&unlock()).unwrap();
        let clock = TestClock::default();
        let (road, store) =
            open(&directory, module(provider), &clock, fence_off, SqliteOptions::default()).await;
        let deployment = Self { road, clock, store, directory, sealed_root };
        let everyone = [
            ("ada", PrincipalKind::Human, Some(Role::Administrator)),
            ("otto", PrincipalKind::Human, Some(Role::SecurityOfficer)),
            ("olga", PrincipalKind::Human, Some(Role::SecurityOfficer)),
            ("vera", PrincipalKind::Human, Some(Role::Auditor)),
            ("app", PrincipalKind::Workload, None),
            ("outsider", PrincipalKind::Workload, None),
        ];
        let expires_at = deployment.clock.now().after(DAY * 3650);
        let everyone = everyone.map(|(name, kind, role)| (name.to_owned(), kind, role));
        let principals = everyone.into_iter().chain(more).map(|(name, kind, role)| FirstPrincipal {
            name: name.parse().unwrap(),
            kind,
            role,
            certificate: certificate_of(&name),
            expires_at,
        });
        let principals = principals.collect();
        deployment.road.perform_for_system(system(), Initialize { principals }).await.unwrap();
        deployment
    }

    /// Stops, and opens the same directory again.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(SqliteOptions::default()).await
    }

    /// The same, opening the store in another way.
    pub(crate) async fn restart_with(self, options: SqliteOptions) -> Self {
        self.restart_in_two(options, |_| {}).await
    }

    /// The same, with something done to the database in between.
    pub(crate) async fn restart_after(self, between: impl FnOnce(&std::path::Path)) -> Self {
        self.restart_in_two(SqliteOptions::default(), between).await
    }

    /// Stops it, and starts it again `between` the two; gives why it does not.
    pub(crate) async fn try_restart_after(
        self,
        between: impl FnOnce(&std::path::Path),
    ) -> Result<(), ServiceError> {
        let Self { road, clock, store, directory, sealed_root } = self;
        road.stop().await;
        drop((road, store));
        tokio::time::sleep(Duration::from_millis(100)).await;
        between(&directory.path().join("data/store.db"));
        let provider = SoftwareProvider::open(&sealed_root, &unlock()).unwrap();
        try_open(&directory, Arc::new(provider), &clock, false, SqliteOptions::default()).await.map(|_| ())
    }

    /// Stops it in good order.
    pub(crate) async fn stop(self) -> Stopped {
        let Self { road, clock, store, directory, sealed_root } = self;
        road.stop().await;
        drop((road, store));
        // The last reader lets go of the directory a moment after the road does.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Stopped { clock, directory, sealed_root }
    }

    /// Ends as a process does that is killed: another one opens what lies on the disk.
    pub(crate) async fn crash(self) -> Self {
        let Self { road, clock, store, directory, sealed_root } = self;
        let left = tempfile::tempdir().unwrap();
        let data = left.path().join("data");
        std::fs::create_dir(&data).unwrap();
        // What goes on meanwhile is cuts: their checkpoint must not be newer than the log that is found with it, nor the database
        // than its write-ahead log. Its index is made anew.
        let files = std::fs::read_dir(directory.path().join("data")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.retain(|file| file != "store.db-shm");
        files.sort_by_key(|file| ["store.db", "store.db-wal"].iter().position(|last| last == file));
        for file in files {
            std::fs::copy(directory.path().join("data").join(&file), data.join(&file)).unwrap();
        }
        road.stop().await;
        drop((road, store, directory));
        let provider = SoftwareProvider::open(&sealed_root, &unlock()).unwrap();
        let (road, store) = open(&left, Arc::new(provider), &clock, false, SqliteOptions::default()).await;
        Self { road, clock, store, directory: left, sealed_root }
    }

    async fn restart_in_two(self, options: SqliteOptions, between: impl FnOnce(&std::path::Path)) -> Self {
        let Self { road, clock, store, directory, sealed_root } = self;
        road.stop().await;
        drop((road, store));
        // The last reader lets go of the directory a moment after the road does.
        tokio::time::sleep(Duration::from_millis(100)).await;
        between(&directory.path().join("data/store.db"));
        let provider = SoftwareProvider::open(&sealed_root, &unlock()).unwrap();
        let (road, store) = open(&directory, Arc::new(provider), &clock, false, options).await;
        Self { road, clock, store, directory, sealed_root }
    }

    pub(crate) async fn ask<O: Operation>(
        &self,
        who: &str,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let surface = operation.action().surface();
        self.ask_by(who, surface, operation).await
    }

    /// A creating call that may be repeated under that key.
    pub(crate) async fn ask_once<O: Operation>(
        &self,
        who: &str,
        idempotency_key: &str,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let surface = operation.action().surface();
        let call =
            Call { idempotency_key: Some(idempotency_key.into()), ..call(who, surface.into(), operation) };
        self.road.perform(call).await
    }

    pub(crate) async fn ask_by<O: Operation>(
        &self,
        who: &str,
        surface: Surface,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        self.ask_at(who, surface.into(), operation).await
    }

    pub(crate) async fn ask_at<O: Operation>(
        &self,
        who: &str,
        plane: Plane,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        self.road.perform(call(who, plane, operation)).await
    }

    /// The same by whoever is known by what is shown.
    pub(crate) async fn ask_with<O: Operation>(
        &self,
        presented: Presented,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let surface = operation.action().surface();
        self.road.perform(Call { presented, ..call("nobody", surface.into(), operation) }).await
    }

    /// The same for that reason, or for none.
    pub(crate) async fn ask_because<O: Operation>(
        &self,
        who: &str,
        reason: Option<Reason>,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let surface = operation.action().surface();
        self.road.perform(Call { reason, ..call(who, surface.into(), operation) }).await
    }

    pub(crate) async fn key(&self, name: &str, purpose: Purpose, spec: Spec) -> KeyRecord {
        self.key_in("orders", name, purpose, spec).await
    }

    pub(crate) async fn key_in(&self, ring: &str, name: &str, purpose: Purpose, spec: Spec) -> KeyRecord {
        let ring_name = ring.parse().unwrap();
        match self.ask("ada", CreateRing { name: ring_name, policy: RingPolicy::default() }).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind().code(), "already-exists", "{error:?}"),
        }
        self.ask("ada", self.new_key(ring, name, purpose, spec)).await.unwrap().output
    }

    pub(crate) fn new_key(&self, ring: &str, name: &str, purpose: Purpose, spec: Spec) -> CreateKey {
        CreateKey {
            ring: ring.parse::<RingRef>().unwrap(),
            name: Some(name.parse().unwrap()),
            purpose,
            spec,
            protection: None,
            data_class: Some(DataClass::Cardholder),
            description: String::new(),
            owner: None,
            labels: Labels::default(),
            rotation_period: None,
            context_required: RequiredContext::default(),
            environment: None,
            activate: true,
            origin: Origin::Generated,
            rights: None,
        }
    }

    /// Makes a ring where one person is enough for everything, unless it is there.
    pub(crate) async fn relaxed_ring(&self, ring: &str) {
        let create = CreateRing { name: ring.parse().unwrap(), policy: RingPolicy::default() };
        if let Err(error) = self.ask("ada", create).await {
            assert_eq!(error.kind().code(), "already-exists", "{error:?}");
            return;
        }
        let ring = || ring.parse::<RingRef>().unwrap();
        let relax = SetRingSeparation { ring: ring(), separation: Separation::Relaxed };
        self.ask("otto", relax).await.unwrap();
        let patch = RingPatch { quorum: Some(0), ..RingPatch::default() };
        self.ask("ada", UpdateRing { ring: ring(), patch, if_revision: None }).await.unwrap();
    }

    pub(crate) async fn grant(&self, key: &KeyRecord, operations: &[Action]) -> claviger_core::grant::Grant {
        let create = CreateGrant {
            principal: PrincipalRef::Name("app".parse().unwrap()),
            on: GrantOn::Key(KeyRef::Id(key.key.id)),
            operations: operations.to_vec(),
            conditions: Default::default(),
            name: None,
            retiring: None,
        };
        self.ask("otto", create).await.unwrap().output
    }

    pub(crate) async fn log_size(&self) -> u64 {
        self.store.list_heads().await.unwrap().first().unwrap().size
    }

    /// May it use keys of a strict ring?
    pub(crate) async fn has_strict_uses(&self, who: &str) -> bool {
        let principal = self.store.find_principal_by_name(&who.parse().unwrap()).await.unwrap().unwrap();
        let granters = self.store.list_granters(principal.id).await.unwrap();
        granters.iter().any(|(_, separation)| *separation == Separation::Strict)
    }

    pub(crate) async fn encrypt(
        &self,
        who: &str,
        key: &KeyRecord,
        data: &[u8],
    ) -> Result<Vec<u8>, ServiceError> {
        let what = Encrypt { plaintext: data.to_vec().into(), context: Context::EMPTY, algorithm: None };
        Ok(self.ask(who, UseKey::new(KeyRef::Id(key.key.id), what)).await?.output.ciphertext)
    }

    #[expect(clippy::disallowed_methods, reason = "the tests compare plaintext")]
    pub(crate) async fn decrypt(&self, who: &str, ciphertext: &[u8]) -> Result<Vec<u8>, ServiceError> {
        let what =
            Decrypt { ciphertext: ciphertext.to_vec().into(), context: Context::EMPTY, algorithm: None };
        let opened = self.ask(who, UseKey::by_header(what)?).await?.output;
        Ok(opened.plaintext.expose().to_vec())
    }
}

fn call<O: Operation>(who: &str, plane: Plane, operation: O) -> Call<O> {
    Call {
        presented: Presented::certificate(&certificate_of(who)),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
        listener: match plane {
            Plane::Control => ListenerName::Control,
            Plane::Data => ListenerName::Data,
            Plane::Mixed => ListenerName::Aws,
        },
        plane,
        dry_run: false,
        request_id: Some("test".into()),
        idempotency_key: None,
        reason: reason_of(plane, operation.action()),
        operation,
    }
}

/// A reason, where one is asked for.
pub(crate) fn reason_of(plane: Plane, action: Action) -> Option<Reason> {
    let asked = plane != Plane::Mixed && action.reasoning() == Reasoning::Must;
    asked.then(|| "a test".parse::<ReasonText>().unwrap().into())
}

pub(crate) fn system() -> Arc<Principal> {
    Arc::new(Principal::new(
        PrincipalId::SYSTEM,
        "claviger".parse().unwrap(),
        PrincipalKind::System,
        Timestamp::default(),
    ))
}

async fn open(
    directory: &tempfile::TempDir,
    provider: Arc<dyn Provider>,
    clock: &TestClock,
    fence_off: bool,
    options: SqliteOptions,
) -> (Road, Arc<SqliteStore>) {
    try_open(directory, provider, clock, fence_off, options).await.unwrap()
}

async fn try_open(
    directory: &tempfile::TempDir,
    provider: Arc<dyn Provider>,
    clock: &TestClock,
    fence_off: bool,
    options: SqliteOptions,
) -> Result<(Road, Arc<SqliteStore>), ServiceError> {
    let store = SqliteStore::open(&directory.path().join("data"), options)?;
    let store = Arc::new(store);
    let options = Options {
        deployment: "test".parse().unwrap(),
        cut_every: Duration::from_millis(50),
        jobs_every: Duration::from_secs(3600),
        clock_step: Duration::from_secs(600),
        memory: Memory::default(),
        known_note: None,
        accept_lost_tail: false,
        trust: Arc::new(Lenient),
        environment: None,
        renewable_for: Duration::from_secs(3 * 366 * 86_400),
        on_signed: Box::new(|_| {}),
        on_fatal: Box::new(|why| panic!("the log stopped: {why}")),
        insecure_fence_off: fence_off,
    };
    let road = Road::open(store.clone(), provider, Arc::new(clock.clone()), options).await?;
    Ok((road, store))
}
