//! A deployment on this machine: its store and its root, held together, and the road on top.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use claviger_core::Name;
use claviger_core::object::{Kind, RowCursor};
use claviger_core::port::store::{BreakGlassCount, EndingPrincipal};
use claviger_core::port::{Clock as _, Provider, Store, StoreError};
use claviger_core::principal::{Credential, Principal};
use claviger_core::rights_review::RightsReview;
use claviger_service::{
    AlertFigures, AlteredRows, ApprovalFigures, Memory, Options, ReviewFigures, Road, ServiceError,
};
use claviger_store::{SpaceOptions, SqliteOptions, SqliteStore};
use tokio::sync::watch;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::error::ServerError;
use crate::listener::ClientTrust;
use crate::newest_note::NewestNote;
use crate::root::{self, Making, RootError, blocking};

/// What becomes of a store whose newest part is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LostTail {
    /// It is served, and an entry says so. Where nothing is lost, the start is refused.
    Accept,
    /// It is refused.
    #[default]
    Refuse,
}

/// A store that this process holds, with its root.
#[derive(Debug)]
pub(crate) struct Deployment {
    name: Name,
    lost_tail: LostTail,
    store: SqliteStore,
    provider: Arc<dyn Provider>,
    data_dir: PathBuf,
}

/// A deployment at work.
#[derive(Debug)]
pub(crate) struct AtWork {
    pub(crate) road: Road,
    pub(crate) newest_note: NewestNote,
    /// Whose certificates are entered: those whom the listeners trust.
    pub(crate) trust: Arc<ClientTrust>,
    /// Holds the reason once the log stopped by itself.
    pub(crate) fatal: watch::Receiver<Option<String>>,
    /// The store, until nobody else has it.
    store: SqliteStore,
    others: Weak<SqliteStore>,
}

/// How often jobs look for what is due.
const JOBS: Duration = Duration::from_secs(60);

/// Does the deployment do what is due, while it is at work?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// No: it was started for one act.
    Off,
    /// Yes: it serves.
    On,
}
/// How long to wait for those who still have the store.
const RELEASE: Duration = Duration::from_secs(5);

impl Deployment {
    /// Takes hold of the data directory and opens what is in it. With [`Making::Never`] everything must be there.
    pub(crate) async fn open(
        config: &Config,
        making: Making,
        wanted: Option<&Name>,
        lost_tail: LostTail,
    ) -> Result<Self, ServerError> {
        let deployment = Self::open_with(config, making, wanted, lost_tail, Some(config.space)).await?;
        deployment.open_rows().await?;
        Ok(deployment)
    }

    /// The same to look at, which neither sets room aside nor gives it free, and gives no row a tag. Says whether rows have them.
    pub(crate) async fn look(config: &Config) -> Result<(Self, bool), ServerError> {
        let deployment = Self::open_with(config, Making::Never, None, LostTail::Refuse, None).await?;
        let looked = claviger_service::look_at_rows(&deployment.store, deployment.provider.as_ref()).await;
        let have_tags = looked.map_err(|error| deployment.not_opened(error))?;
        Ok((deployment, have_tags))
    }

    async fn open_with(
        config: &Config,
        making: Making,
        wanted: Option<&Name>,
        lost_tail: LostTail,
        space: Option<SpaceOptions>,
    ) -> Result<Self, ServerError> {
        let data_dir = config.data_dir.clone();
        let in_place = |source| ServerError::Store { data_dir: config.data_dir.clone(), source };
        // Opening a store makes one; where there must be one already, an empty folder is a mistake.
        if making == Making::Never && !data_dir.join("store.db").exists() {
            return Err(ServerError::NotSetUp { data_dir, config: config.file.clone() });
        }
        let path = data_dir.clone();
        let options = SqliteOptions {
            space,
            accept_lost_tail: lost_tail == LostTail::Accept,
            ..SqliteOptions::default()
        };
        let store = blocking(move || SqliteStore::open(&path, options)).await?.map_err(in_place)?;
        let name = root::bind_name(&store, wanted).await.map_err(in_place)?;
        let provider = root::open(config, &name, &store, making).await.map_err(|error| match error {
            RootError::Server(error) => error,
            RootError::Store(source) => in_place(source),
        })?;
        Ok(Self { name, lost_tail, store, provider, data_dir })
    }

    /// From now on each row is held against its tag.
    async fn open_rows(&self) -> Result<(), ServerError> {
        let known_note = NewestNote::beside(&self.data_dir).read()?;
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let lost = self.lost_tail == LostTail::Accept;
        let opened =
            claviger_service::open_rows(&store, self.provider.as_ref(), known_note.as_deref(), lost).await;
        opened.map_err(|error| self.not_opened(error))
    }

    /// Was it set up to its end?
    pub(crate) async fn is_set_up(&self) -> Result<bool, ServerError> {
        // As it stands: a server starts though a row was altered.
        let first = self.store.list_rows(RowCursor { kind: Kind::Principal, after: None }, 1).await;
        first.map(|found| !found.is_empty()).map_err(|source| self.store_failed(source))
    }

    /// The principal that bears a name.
    pub(crate) async fn find_principal(&self, name: &Name) -> Result<Option<Principal>, ServerError> {
        self.store.find_principal_by_name(name).await.map_err(|source| self.store_failed(source))
    }

    /// The credential with that digest.
    pub(crate) async fn find_credential(&self, digest: &[u8; 32]) -> Result<Option<Credential>, ServerError> {
        self.store.find_credential_by_digest(digest).await.map_err(|source| self.store_failed(source))
    }

    /// Security officers made by a recovery that nobody else has acknowledged.
    pub(crate) async fn unacknowledged(&self) -> Result<Vec<Principal>, ServerError> {
        self.store.list_unacknowledged().await.map_err(|source| self.store_failed(source))
    }

    /// Principals whose last credential ends within that time, those that end first before others.
    pub(crate) async fn ending(&self, within: Duration) -> Result<Vec<EndingPrincipal>, ServerError> {
        let now = SystemClock.now();
        let found = self.store.list_ending(now, now.after(within), 1000).await;
        found.map_err(|source| self.store_failed(source))
    }

    /// How many must approve what nobody does alone, and how many can.
    pub(crate) async fn approval_figures(&self) -> Result<ApprovalFigures, ServerError> {
        let figures = ApprovalFigures::of(&self.store, SystemClock.now()).await;
        figures.map_err(|source| self.store_failed(source))
    }

    /// How many access reviews are open, and how many of them should be closed by now.
    pub(crate) async fn review_figures(&self) -> Result<ReviewFigures, ServerError> {
        let figures = ReviewFigures::of(&self.store, SystemClock.now()).await;
        figures.map_err(|source| self.store_failed(source))
    }

    /// How many emergency accesses are open, and how many nobody has reviewed.
    pub(crate) async fn break_glass_count(&self) -> Result<BreakGlassCount, ServerError> {
        let count = self.store.count_break_glass(SystemClock.now()).await;
        count.map_err(|source| self.store_failed(source))
    }

    /// How many alerts are open.
    pub(crate) async fn alert_figures(&self) -> Result<AlertFigures, ServerError> {
        AlertFigures::of(&self.store).await.map_err(|source| self.store_failed(source))
    }

    /// The rights that an older release kept, as long as not both who must have confirmed them.
    pub(crate) async fn unconfirmed_rights(&self) -> Result<Option<RightsReview>, ServerError> {
        let review = self.store.find_rights_review().await.map_err(|source| self.store_failed(source))?;
        Ok(review.filter(|review| !review.is_confirmed()))
    }

    /// Puts the road on top.
    pub(crate) async fn start(&self, config: &Config, jobs: Jobs) -> Result<AtWork, ServerError> {
        let newest_note = NewestNote::beside(&self.data_dir);
        let known_note = newest_note.read()?;
        let trust = Arc::new(ClientTrust::load(&config.tls)?);
        let (report_fatal, fatal) = watch::channel(None);
        let options = Options {
            deployment: self.name.clone(),
            cut_every: config.audit.cut,
            clock_step: config.audit.clock_step,
            jobs_every: match jobs {
                Jobs::Off => Duration::ZERO,
                Jobs::On => JOBS,
            },
            memory: Memory::default(),
            known_note,
            accept_lost_tail: self.lost_tail == LostTail::Accept,
            trust: trust.clone(),
            environment: config.environment.clone(),
            renewable_for: config.renewable_for,
            on_signed: newest_note.listener(),
            on_fatal: Box::new(move |reason| {
                report_fatal.send_replace(Some(reason));
            }),
            insecure_fence_off: false,
        };
        let store = Arc::new(self.store.clone());
        let others = Arc::downgrade(&store);
        let road =
            Box::pin(Road::open(store, Arc::clone(&self.provider), Arc::new(SystemClock), options)).await;
        let road = road.map_err(|error| self.not_opened(error))?;
        Ok(AtWork { road, newest_note, trust, fatal, store: self.store.clone(), others })
    }

    /// Holds the log against what was signed of it, and the indexes against their rows, as they are at rest. Gives the size of
    /// the log, and what is wrong with the indexes.
    pub(crate) async fn examine(&self) -> Result<(u64, Vec<String>), ServerError> {
        let known_note = NewestNote::beside(&self.data_dir).read()?;
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let size = claviger_service::examine_log(&store, known_note.as_deref()).await;
        let size = size.map_err(|error| self.not_opened(error))?.unwrap_or_default();
        let indexes = store.check_indexes().await.map_err(|source| self.store_failed(source))?;
        Ok((size, indexes))
    }

    /// Rows that are not as they were written. The log holds, and has this size.
    pub(crate) async fn altered_rows(&self, log_size: u64) -> Result<AlteredRows, ServerError> {
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        claviger_service::examine_rows(&store, log_size).await.map_err(|error| self.not_opened(error))
    }

    pub(crate) fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    /// A failure of the store is reported with its place, and not in the words that a caller may read.
    fn not_opened(&self, error: ServiceError) -> ServerError {
        match error.source().and_then(|cause| cause.downcast_ref::<StoreError>()) {
            Some(source) => self.store_failed(source.clone()),
            None => error.into(),
        }
    }

    fn store_failed(&self, source: StoreError) -> ServerError {
        ServerError::Store { data_dir: self.data_dir.clone(), source }
    }
}

impl AtWork {
    /// Ends it and gives the data directory free.
    pub(crate) async fn stop(self) {
        self.close().await;
        self.release().await;
    }

    /// Closes the log: the last entry, the last cut, the last note.
    pub(crate) async fn close(&self) {
        self.road.stop().await;
        self.newest_note.keep().await;
    }

    /// Gives the data directory free, once nobody else has the store any more.
    pub(crate) async fn release(self) {
        let Self { road, store, others, .. } = self;
        drop(road);
        let released = async {
            while others.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(RELEASE, released).await.is_err() {
            tracing::warn!("something still holds the store; it is given free when the process ends");
        }
        // The last one to leave moves the write-ahead log into the database, which takes its time.
        let _ = blocking(move || drop(store)).await;
    }
}
