//! A small deployment in one process: the road over a store in a temporary folder and a software root, with people who
//! have a role.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fixture fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
use claviger_service::{
    Call, KeyRef, Memory, Options, Presented, PrincipalRef, Released, RingRef, Road, ServiceError,
};
use claviger_store::sqlite::{SqliteOptions, SqliteStore};

use crate::trust::Lenient;

/// A day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// Where in its folder a deployment has its store.
const DATABASE: &str = "data/store.db";

/// Two clocks, ahead of the true time by as much as a test has them.
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    ahead_micros: Arc<AtomicU64>,
    wall_off_micros: Arc<AtomicI64>,
}

impl TestClock {
    /// Has both clocks be ahead by so much more.
    pub fn advance(&self, span: Duration) {
        self.ahead_micros.fetch_add(u64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Has the wall clock be off by so many seconds, which pass nowhere else.
    pub fn set_wall_off(&self, seconds: i64) {
        self.wall_off_micros.store(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// The instant so many seconds from now, or ago.
    #[must_use]
    pub fn in_seconds(&self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.now().as_micros().checked_add_signed(seconds * 1_000_000).unwrap())
    }

    /// What the wall clock shows.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
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

/// Somebody who is there from the start: a name, a kind, a role.
pub type Person<'a> = (&'a str, PrincipalKind, Option<Role>);

/// An administrator.
pub const ADA: Person<'static> = ("ada", PrincipalKind::Human, Some(Role::Administrator));
/// A security officer.
pub const OTTO: Person<'static> = ("otto", PrincipalKind::Human, Some(Role::SecurityOfficer));
/// Another security officer.
pub const OLGA: Person<'static> = ("olga", PrincipalKind::Human, Some(Role::SecurityOfficer));
/// An auditor.
pub const VERA: Person<'static> = ("vera", PrincipalKind::Human, Some(Role::Auditor));
/// A custodian.
pub const CARL: Person<'static> = ("carl", PrincipalKind::Human, Some(Role::Custodian));
/// Another custodian.
pub const CORA: Person<'static> = ("cora", PrincipalKind::Human, Some(Role::Custodian));
/// One more custodian than must approve.
pub const CLEO: Person<'static> = ("cleo", PrincipalKind::Human, Some(Role::Custodian));
/// An application.
pub const APP: Person<'static> = ("app", PrincipalKind::Workload, None);
/// Another one, which is granted nothing.
pub const OUTSIDER: Person<'static> = ("outsider", PrincipalKind::Workload, None);
/// Who is there unless a test says otherwise.
pub const EVERYONE: [Person<'static>; 6] = [ADA, OTTO, OLGA, VERA, APP, OUTSIDER];

/// A deployment at work.
#[derive(Debug)]
pub struct Deployment {
    /// The way into the service.
    pub road: Road,
    /// Its clocks.
    pub clock: TestClock,
    /// What it keeps.
    pub store: Arc<SqliteStore>,
    /// The folder that the store is in.
    pub directory: tempfile::TempDir,
    sealed_root: Vec<u8>,
}

/// A deployment at rest.
#[derive(Debug)]
pub struct Stopped {
    clock: TestClock,
    directory: tempfile::TempDir,
    sealed_root: Vec<u8>,
}

impl Stopped {
    /// The file that its store is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.directory.path().join(DATABASE)
    }

    /// Another one like it.
    #[must_use]
    pub fn copy(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        for file in std::fs::read_dir(self.directory.path().join("data")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), directory.path().join("data").join(file.file_name())).unwrap();
        }
        Self { clock: self.clock.clone(), directory, sealed_root: self.sealed_root.clone() }
    }

    /// Starts it again.
    ///
    /// # Errors
    /// As [`Road::open`].
    pub async fn open(self) -> Result<Deployment, ServiceError> {
        let Self { clock, directory, sealed_root } = self;
        let provider = Arc::new(SoftwareProvider::open(&sealed_root, &unlock()).unwrap());
        let (road, store) = try_open(&directory, provider, &clock, false, SqliteOptions::default()).await?;
        Ok(Deployment { road, clock, store, directory, sealed_root })
    }
}

fn unlock() -> RootUnlock {
    RootUnlock::KeyFile(SecretBytes::new(vec![7; 32]))
}

/// What somebody of that name shows.
#[must_use]
pub fn certificate_of(name: &str) -> Vec<u8> {
    format!("certificate of {name}").into_bytes()
}

impl Deployment {
    /// A deployment with [`EVERYONE`].
    pub async fn build() -> Self {
        Self::build_with(false).await
    }

    /// The same, whose fence may be switched off.
    pub async fn build_with(fence_off: bool) -> Self {
        Self::build_among(fence_off, Vec::new()).await
    }

    /// The same with more people and applications.
    pub async fn build_among(fence_off: bool, more: Vec<(String, PrincipalKind, Option<Role>)>) -> Self {
        let more = more.iter().map(|(name, kind, role)| (name.as_str(), *kind, *role));
        let people: Vec<_> = EVERYONE.into_iter().chain(more).collect();
        Self::build_in_full(&people, SqliteOptions::default(), fence_off, |module| Arc::new(module)).await
    }

    /// A deployment on another module than the plain software one.
    pub async fn build_on(module: impl FnOnce(SoftwareProvider) -> Arc<dyn Provider>) -> Self {
        Self::build_in_full(&EVERYONE, SqliteOptions::default(), false, module).await
    }

    /// A deployment with these people only.
    pub async fn build_for(people: &[Person<'_>]) -> Self {
        Self::build_in_full(people, SqliteOptions::default(), false, |module| Arc::new(module)).await
    }

    /// A deployment with these people only, of whose custodians so many must approve what concerns all of it.
    pub async fn build_under(quorum: u8, people: &[Person<'_>]) -> Self {
        Self::build_whole(quorum, people, SqliteOptions::default(), false, |module| Arc::new(module)).await
    }

    /// A deployment of which all is said, but that nobody must approve anything that concerns all of it.
    pub async fn build_in_full(
        people: &[Person<'_>],
        options: SqliteOptions,
        fence_off: bool,
        module: impl FnOnce(SoftwareProvider) -> Arc<dyn Provider>,
    ) -> Self {
        Self::build_whole(0, people, options, fence_off, module).await
    }

    async fn build_whole(
        quorum: u8,
        people: &[Person<'_>],
        options: SqliteOptions,
        fence_off: bool,
        module: impl FnOnce(SoftwareProvider) -> Arc<dyn Provider>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (provider, sealed_root) = SoftwareProvider::create(&unlock()).unwrap();
        let clock = TestClock::default();
        let (road, store) = open(&directory, module(provider), &clock, fence_off, options).await;
        let deployment = Self { road, clock, store, directory, sealed_root };
        let expires_at = deployment.clock.now().after(DAY * 3650);
        let principals = people.iter().map(|(name, kind, role)| FirstPrincipal {
            name: name.parse().unwrap(),
            kind: *kind,
            role: *role,
            credential: FirstCredential::Certificate { der: certificate_of(name), request: None, expires_at },
        });
        let initialize = Initialize { principals: principals.collect(), quorum };
        deployment.road.perform_for_system(system(), initialize).await.unwrap();
        deployment
    }

    /// The file that its store is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.directory.path().join(DATABASE)
    }

    /// Stops, and opens the same directory again.
    pub async fn restart(self) -> Self {
        self.restart_with(SqliteOptions::default()).await
    }

    /// The same, opening the store in another way.
    pub async fn restart_with(self, options: SqliteOptions) -> Self {
        self.restart_in_two(options, |_| {}).await
    }

    /// The same, with something done to the database in between.
    pub async fn restart_after(self, between: impl FnOnce(&Path)) -> Self {
        self.restart_in_two(SqliteOptions::default(), between).await
    }

    /// Stops it, and starts it again `between` the two; gives why it does not.
    ///
    /// # Errors
    /// As [`Road::open`].
    pub async fn try_restart_after(self, between: impl FnOnce(&Path)) -> Result<(), ServiceError> {
        let Self { road, clock, store, directory, sealed_root } = self;
        road.stop().await;
        drop((road, store));
        tokio::time::sleep(Duration::from_millis(100)).await;
        between(&directory.path().join(DATABASE));
        let provider = SoftwareProvider::open(&sealed_root, &unlock()).unwrap();
        try_open(&directory, Arc::new(provider), &clock, false, SqliteOptions::default()).await.map(|_| ())
    }

    /// Stops it in good order.
    pub async fn stop(self) -> Stopped {
        let Self { road, clock, store, directory, sealed_root } = self;
        road.stop().await;
        drop((road, store));
        // The last reader lets go of the directory a moment after the road does.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Stopped { clock, directory, sealed_root }
    }

    /// Ends as a process does that is killed: another one opens what lies on the disk.
    pub async fn crash(self) -> Self {
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

    async fn restart_in_two(self, options: SqliteOptions, between: impl FnOnce(&Path)) -> Self {
        let Self { road, clock, store, directory, sealed_root } = self;
        road.stop().await;
        drop((road, store));
        // The last reader lets go of the directory a moment after the road does.
        tokio::time::sleep(Duration::from_millis(100)).await;
        between(&directory.path().join(DATABASE));
        let provider = SoftwareProvider::open(&sealed_root, &unlock()).unwrap();
        let (road, store) = open(&directory, Arc::new(provider), &clock, false, options).await;
        Self { road, clock, store, directory, sealed_root }
    }

    /// Asks as somebody, on the plane that the operation belongs to.
    ///
    /// # Errors
    /// As [`Road::perform`].
    pub async fn ask<O: Operation>(
        &self,
        who: &str,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let surface = operation.action().surface();
        self.ask_by(who, surface, operation).await
    }

    /// A creating call that may be repeated under that key.
    ///
    /// # Errors
    /// As [`Road::perform`].
    pub async fn ask_once<O: Operation>(
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

    /// Asks as somebody, on the plane of that surface.
    ///
    /// # Errors
    /// As [`Road::perform`].
    pub async fn ask_by<O: Operation>(
        &self,
        who: &str,
        surface: Surface,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        self.ask_at(who, surface.into(), operation).await
    }

    /// Asks as somebody, on that plane.
    ///
    /// # Errors
    /// As [`Road::perform`].
    pub async fn ask_at<O: Operation>(
        &self,
        who: &str,
        plane: Plane,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        self.road.perform(call(who, plane, operation)).await
    }

    /// The same by whoever is known by what is shown.
    ///
    /// # Errors
    /// As [`Road::perform`].
    pub async fn ask_with<O: Operation>(
        &self,
        presented: Presented,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let surface = operation.action().surface();
        self.road.perform(Call { presented, ..call("nobody", surface.into(), operation) }).await
    }

    /// The same for that reason, or for none.
    ///
    /// # Errors
    /// As [`Road::perform`].
    pub async fn ask_because<O: Operation>(
        &self,
        who: &str,
        reason: Option<Reason>,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let surface = operation.action().surface();
        self.road.perform(Call { reason, ..call(who, surface.into(), operation) }).await
    }

    /// A new key in ring `orders`.
    pub async fn key(&self, name: &str, purpose: Purpose, spec: Spec) -> KeyRecord {
        self.key_in("orders", name, purpose, spec).await
    }

    /// A new key in that ring, which is made unless it is there.
    pub async fn key_in(&self, ring: &str, name: &str, purpose: Purpose, spec: Spec) -> KeyRecord {
        let ring_name = ring.parse().unwrap();
        match self.ask("ada", CreateRing { name: ring_name, policy: RingPolicy::default() }).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind().code(), "already-exists", "{error:?}"),
        }
        self.ask("ada", self.new_key(ring, name, purpose, spec)).await.unwrap().output
    }

    /// What makes a key.
    #[must_use]
    pub fn new_key(&self, ring: &str, name: &str, purpose: Purpose, spec: Spec) -> CreateKey {
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
    pub async fn relaxed_ring(&self, ring: &str) {
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

    /// Grants `app` uses of a key.
    pub async fn grant(&self, key: &KeyRecord, operations: &[Action]) -> claviger_core::grant::Grant {
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

    /// How many entries the log has.
    pub async fn log_size(&self) -> u64 {
        self.store.list_heads().await.unwrap().first().unwrap().size
    }

    /// May it use keys of a strict ring?
    pub async fn has_strict_uses(&self, who: &str) -> bool {
        let principal = self.store.find_principal_by_name(&who.parse().unwrap()).await.unwrap().unwrap();
        let granters = self.store.list_granters(principal.id).await.unwrap();
        granters.iter().any(|(_, separation)| *separation == Separation::Strict)
    }

    /// Encrypts, without a context.
    ///
    /// # Errors
    /// As [`Road::perform`].
    pub async fn encrypt(&self, who: &str, key: &KeyRecord, data: &[u8]) -> Result<Vec<u8>, ServiceError> {
        let what = Encrypt { plaintext: data.to_vec().into(), context: Context::EMPTY, algorithm: None };
        Ok(self.ask(who, UseKey::new(KeyRef::Id(key.key.id), what)).await?.output.ciphertext)
    }

    /// Decrypts what [`Self::encrypt`] gave.
    ///
    /// # Errors
    /// As [`Road::perform`].
    #[expect(clippy::disallowed_methods, reason = "the tests compare plaintext")]
    pub async fn decrypt(&self, who: &str, ciphertext: &[u8]) -> Result<Vec<u8>, ServiceError> {
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
#[must_use]
pub fn reason_of(plane: Plane, action: Action) -> Option<Reason> {
    let asked = plane != Plane::Mixed && action.reasoning() == Reasoning::Must;
    asked.then(|| "a test".parse::<ReasonText>().unwrap().into())
}

/// Who the system itself is.
#[must_use]
pub fn system() -> Arc<Principal> {
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
