//! Opens a deployment: what the store keeps is checked against itself and against what was signed of it, and the road put on top.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use claviger_access::Authorizer;
use claviger_audit::cut::Cut;
use claviger_audit::key::{SigningKey, VerifierKey};
use claviger_audit::op::Op;
use claviger_core::change::Change;
use claviger_core::port::provider::RootPublicKey;
use claviger_core::port::store::CommitError;
use claviger_core::port::{Clock, Provider, ProviderError, Store, StoreError, Trust};
use claviger_core::{Name, Timestamp};
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use tokio::sync::watch;

use crate::error::{ErrorKind, ServiceError};
use crate::evidence_key;
use crate::job::{self, Troubled};
use crate::log::newest::{self, Keeper};
use crate::log::opening::{self, Against, Held, Lost};
use crate::log::time::LogTime;
use crate::log::usage::Usage;
use crate::log::{LogReader, cutter, packing};
use crate::pipeline::Sessions;
use crate::pipeline::facts::veil_of;
use crate::pipeline::room::{self, NoRoom};
use crate::pipeline::sequencer;
use crate::pipeline::turns::Turns;
use crate::record::{EntryDetail, EntryHeader, reference};
use crate::road::{Inner, Road};
use crate::rows::{AlteredRecorded, hold_rows, open_rows};
use crate::self_test;
use crate::state::fence::Fence;
use crate::state::{Forget, Memory, State};
use crate::system::{SHARD, SystemFacts, node_document};
use crate::work::Work;

const DEPLOYMENT: &str = "deployment";
const ROOT_KEY: &str = "root-key";
pub(crate) const TAGS: &str = "tags";
pub(crate) const TAGS_LABEL: &[u8] = b"claviger/log-tags/v1";
pub(crate) const VEILS: &str = "veils";
pub(crate) const VEILS_LABEL: &[u8] = b"claviger/veils/v1";

/// How a deployment is opened.
pub struct Options {
    /// The deployment's name; binds at the first opening.
    pub deployment: Name,
    /// How often the log is cut.
    pub cut_every: Duration,
    /// How often jobs look for what is due; they do so at the start too. Zero: never.
    pub jobs_every: Duration,
    /// The longest step that a start takes from the log's time towards the wall clock.
    pub clock_step: Duration,
    /// How much is kept in memory.
    pub memory: Memory,
    /// The newest signed note that was kept beside the store: a store that does not reach it was rolled back.
    pub known_note: Option<String>,
    /// Serve a store whose newest part is lost. The choice gets an entry of its own; where nothing is lost, it is refused.
    pub accept_lost_tail: bool,
    /// Whose certificates are entered.
    pub trust: Arc<dyn Trust>,
    /// The environment that the deployment is, such as `production`, if it is said.
    pub environment: Option<Name>,
    /// How long after the first of them certificates end that renewed each other.
    pub renewable_for: Duration,
    /// Called with each new signed note.
    pub on_signed: Box<dyn Fn(&str) + Send + Sync>,
    /// Called once if the log stops for a reason of its own.
    pub on_fatal: Box<dyn FnOnce(String) + Send>,
    /// Test-only: no second look at the fence.
    pub insecure_fence_off: bool,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("deployment", &self.deployment).finish_non_exhaustive()
    }
}

impl Road {
    /// Opens a deployment: takes over its log, checks that it is whole and not rolled back, and records the start.
    ///
    /// # Errors
    /// When store and root do not belong together, or the log is not what its heads say.
    pub async fn open(
        store: Arc<dyn Store>,
        provider: Arc<dyn Provider>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, ServiceError> {
        let deployment = bind_deployment(store.as_ref(), &options.deployment).await?;
        let root_key = bind_root_key(store.as_ref(), provider.as_ref(), &deployment).await?;
        let origin: Arc<str> = format!("{deployment}/audit/{SHARD}").into();
        // Before anything is written: what does not hold stays as it was found.
        let against = Against {
            shard: SHARD,
            origin: &origin,
            root_key: &root_key,
            known_note: options.known_note.as_deref(),
            accept_lost_tail: options.accept_lost_tail,
        };
        let Held { tree, root_tree, root_head, lost } = opening::hold(&store, &against).await?;
        open_rows(&store, provider.as_ref(), options.known_note.as_deref(), options.accept_lost_tail).await?;
        hold_rows(&store, tree.size(), tree.root()).await?;
        // A store with a log has the first; it has the second once there are facts.
        let cut = newest_cut(store.as_ref()).await?;
        let has_facts = cut.as_ref().is_some_and(|cut| cut.row_tags.is_some());
        let mut secrets = Vec::new();
        for (name, label, is_made) in [(TAGS, TAGS_LABEL, cut.is_some()), (VEILS, VEILS_LABEL, has_facts)] {
            if is_made && store.find_document(name).await?.is_none() {
                return Err(gone(name));
            }
            secrets.push(kept_secret(store.as_ref(), provider.as_ref(), name, label).await?);
        }
        let [tags, veils] = secrets.as_slice() else { return Err(gone(TAGS)) };
        let (tags, veils) = (HmacSha256::new(tags), veil_of(veils)?);
        let evidence_key = evidence_key::open(store.as_ref(), provider.as_ref(), &root_key).await;

        let node_key = Arc::new(SigningKey::generate(&origin).map_err(internal)?);
        let vkey = node_key.verifier_key().clone();
        let digest = vkey.digest();
        store.put_document(&node_document(&digest), vkey.to_string().as_bytes()).await?;
        opening::note_first(store.as_ref(), SHARD).await?;
        let journal = store.open_journal(SHARD)?;
        let head = journal.head();
        if (head.size, head.root) != (tree.size(), tree.root()) {
            return Err(internal(CommitError::Superseded));
        }
        let since = head.epoch.saturating_sub(4096);
        let deltas = store.list_deltas(since, 4096).await?;
        let fence = Arc::new(Fence::new(head.epoch, deltas));
        let keeper =
            Keeper::new(Arc::clone(&store), Arc::clone(&node_key), Arc::clone(&origin), head.incarnation);
        let keeper = Arc::new(keeper);
        let usage = Arc::new(open_usage(store.as_ref(), head.size, clock.as_ref()).await?);
        let log =
            LogReader::new(Arc::clone(&store), SHARD, tree.shared_pending(), root_tree.shared_pending());
        let kept = store.load_log_time().await?;
        let (begun, time_record) =
            kept.start(newest_log_time(store.as_ref()).await?, clock.now(), options.clock_step);
        let time = LogTime::new(Arc::clone(&clock), begun, &time_record);
        let state =
            Arc::new(State::new(store, provider, Arc::clone(&fence), time, tags, veils, options.memory));
        let facts = SystemFacts {
            deployment,
            environment: options.environment,
            renewable_for: options.renewable_for,
            incarnation: head.incarnation,
            origin: Arc::clone(&origin),
            shard: SHARD,
            root_key,
            node_key: vkey,
        };
        let parts = sequencer::Parts {
            journal,
            tree,
            root_tree,
            fence,
            publish: Box::new(Forget(Arc::clone(&state))),
            usage: Arc::clone(&usage),
            node_key,
            keeper: Arc::clone(&keeper),
            origin,
            clock: Arc::clone(&clock),
            on_fatal: options.on_fatal,
        };
        let (queue, thread) = sequencer::start(parts, options.insecure_fence_off).map_err(|error| {
            ServiceError::new(ErrorKind::Unavailable, "no thread for the log").caused_by(error)
        })?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let work = Work::start(cores).map_err(|error| {
            ServiceError::new(ErrorKind::Unavailable, "no threads for long work").caused_by(error)
        })?;
        let (stop, _) = watch::channel(false);
        let road = Self(Arc::new(Inner {
            state,
            authorizer: Authorizer::new().map_err(internal)?,
            sessions: Sessions::new(),
            queue,
            keeper,
            cutting: tokio::sync::Mutex::new(()),
            clock,
            log,
            usage,
            facts,
            trust: options.trust,
            on_signed: options.on_signed,
            troubled: Troubled::default(),
            work,
            no_room: NoRoom::default(),
            turns: Turns::default(),
            altered_recorded: AlteredRecorded::default(),
            log_begun: OnceLock::new(),
            stop,
            sequencer: Mutex::new(Some(thread)),
        }));
        road.state.want_subjects().await?;
        road.state.open_subjects().await?;
        // The range of entries that may never have been delivered ends where this one stands.
        let detail = EntryDetail { reference: reference(&[&digest]), ..EntryDetail::default() };
        let changes = if time_record == kept { Vec::new() } else { vec![Change::PutLogTime(time_record)] };
        let start =
            road.record(EntryHeader::of_system(Op::NodeStart, road.now()), detail, changes, None).await?;
        road.record_state().await?;
        if let Some(lost) = lost {
            road.record_lost(&lost).await?;
        }
        match evidence_key {
            Ok(signer) => road.announce(signer).await?,
            // Packs are for later; keys are used now.
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(
                    %error,
                    cause,
                    "the evidence key does not open: no evidence pack is signed until a start opens it"
                );
            }
        }
        road.keeper.begin(start);
        road.keep_newest().await?;
        road.warn_of_clock();
        if root_head.signed_size < root_head.size {
            // Crash point C7: committed, not signed. Sign the same.
            road.sign_root_head(root_head.size, root_head.root).await?;
        }
        tokio::spawn(cutter::keep_cutting(road.clone(), options.cut_every));
        tokio::spawn(room::keep_looking(road.clone()));
        tokio::spawn(job::count_uses(road.clone()));
        tokio::spawn(packing::keep_packing(road.clone()));
        tokio::spawn(job::check_rows(road.clone()));
        tokio::spawn(job::forget_unused(road.clone()));
        tokio::spawn(newest::keep_on(road.clone()));
        if !options.jobs_every.is_zero() {
            tokio::spawn(self_test::keep_testing(road.clone()));
            tokio::spawn(job::keep_scanning(road.clone(), options.jobs_every));
            tokio::spawn(job::keep_raising(road.clone()));
            tokio::spawn(job::keep_doing(road.clone(), options.jobs_every));
        }
        for officer in road.unacknowledged().await? {
            tracing::warn!(
                principal = %officer.name,
                "a recovery on this machine made this security officer, and nobody else has acknowledged it: \
                 `claviger principal acknowledge-recovery`, or, by a custodian within 72 hours, `claviger principal cancel-recovery`"
            );
        }
        match road.alert_figures().await {
            Ok(figures) if figures.total() == 0 => {}
            Ok(figures) => tracing::warn!(open = figures.total(), "alerts are open: `claviger alert list`"),
            Err(error) => tracing::warn!(%error, "open alerts cannot be counted"),
        }
        let emergencies = road.break_glass_count().await?;
        if emergencies.unreviewed > 0 {
            tracing::warn!(
                open = emergencies.open,
                unreviewed = emergencies.unreviewed,
                "emergency access is open, or ended and was not reviewed: `claviger break-glass list` says whose, to what and why"
            );
        }
        if road.unconfirmed_rights().await?.is_some() {
            tracing::warn!(
                "rights unconfirmed: an earlier release kept them, and the log does not say how they came about; a security officer \
                 and an auditor look at all of them: `claviger rights list`, then `claviger rights confirm`"
            );
        }
        Ok(road)
    }

    /// Records that the newest part of the log is lost, and is served without by choice: what is known of it, as one byte (is
    /// there anything?), size and root.
    async fn record_lost(&self, lost: &Lost) -> Result<(), ServiceError> {
        tracing::warn!(
            why = lost.why,
            "serving without the newest part of the log, by choice; inform the auditors"
        );
        let (known, (size, root)) = (u8::from(lost.head.is_some()), lost.head.unwrap_or_default());
        let detail = EntryDetail {
            reference: reference(&[&[known], &size.to_be_bytes(), &root]),
            ..EntryDetail::default()
        };
        self.record_entry(EntryHeader::of_system(Op::AcceptLostTail, self.now()), detail).await.map(drop)
    }
}

/// Holds the log of a store that is not served against itself, its last cut, and what was kept beside it, without the root or its
/// token. Gives its size; `None` for a deployment that was never opened. `known_note` is the newest signed note that was kept
/// beside the store.
///
/// # Errors
/// [`ServiceError`]: what a start would refuse.
pub async fn examine_log(
    store: &Arc<dyn Store>,
    known_note: Option<&str>,
) -> Result<Option<u64>, ServiceError> {
    held_size(store, known_note, false).await
}

/// The same, where the newest part may be lost by choice.
pub(crate) async fn held_size(
    store: &Arc<dyn Store>,
    known_note: Option<&str>,
    accept_lost_tail: bool,
) -> Result<Option<u64>, ServiceError> {
    let (Some(name), Some(key)) =
        (store.find_document(DEPLOYMENT).await?, store.find_document(ROOT_KEY).await?)
    else {
        return Ok(None);
    };
    let text = |bytes| String::from_utf8(bytes).map_err(internal);
    let root_key = VerifierKey::parse(&text(key)?).map_err(internal)?;
    let origin = format!("{}/audit/{SHARD}", text(name)?);
    let against =
        Against { shard: SHARD, origin: &origin, root_key: &root_key, known_note, accept_lost_tail };
    Ok(Some(opening::hold(store, &against).await?.tree.size()))
}

/// The newest log time that is recorded: that of the last cut.
async fn newest_log_time(store: &dyn Store) -> Result<Option<Timestamp>, ServiceError> {
    Ok(newest_cut(store).await?.map(|cut| Timestamp::from_micros(cut.t)))
}

/// The last cut.
pub(crate) async fn newest_cut(store: &dyn Store) -> Result<Option<Cut>, ServiceError> {
    let Some(last) = store.root_head().await?.size.checked_sub(1) else { return Ok(None) };
    let cut = store.list_cuts(last, 1).await?.pop();
    let cut = cut.ok_or_else(|| StoreError::Corrupt("the newest cut is missing".into()))?;
    Ok(Some(Cut::decode(&cut).map_err(internal)?))
}

/// A document is not there that was made before the log began.
fn gone(name: &str) -> ServiceError {
    StoreError::Corrupt(format!("document `{name}` is gone")).into()
}

/// Refuses to make a document anew that a store with a log has.
async fn refuse_if_begun(store: &dyn Store, name: &str) -> Result<(), ServiceError> {
    if store.list_heads().await?.iter().any(|head| head.size > 0) { Err(gone(name)) } else { Ok(()) }
}

async fn bind_deployment(store: &dyn Store, wanted: &Name) -> Result<Name, ServiceError> {
    let Some(bytes) = store.find_document(DEPLOYMENT).await? else {
        refuse_if_begun(store, DEPLOYMENT).await?;
        store.put_document(DEPLOYMENT, wanted.as_str().as_bytes()).await?;
        return Ok(wanted.clone());
    };
    let kept = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<Name>().ok());
    let unreadable =
        || StoreError::Corrupt(format!("document `{DEPLOYMENT}`, the deployment's name, does not read"));
    Ok(kept.ok_or_else(unreadable)?)
}

async fn bind_root_key(
    store: &dyn Store,
    provider: &dyn Provider,
    deployment: &Name,
) -> Result<VerifierKey, ServiceError> {
    let name = format!("{deployment}/audit/root");
    let key = match provider.root_public_key() {
        RootPublicKey::Ed25519(public) => VerifierKey::ed25519(&name, &public),
        RootPublicKey::EcdsaP256(point) => VerifierKey::ecdsa_p256(&name, &point),
    };
    let key = key.map_err(internal)?;
    let text = key.to_string();
    match store.find_document(ROOT_KEY).await? {
        None => {
            refuse_if_begun(store, ROOT_KEY).await?;
            store.put_document(ROOT_KEY, text.as_bytes()).await?;
        }
        Some(kept) if kept == text.as_bytes() => {}
        Some(_) => {
            let message = format!(
                "this root is not the one that the store belongs to, by its documents `{DEPLOYMENT}` and `{ROOT_KEY}`; point the configuration at the right token or root file"
            );
            return Err(ServiceError::new(ErrorKind::Internal, message));
        }
    }
    Ok(key)
}

/// A secret of the deployment that lies in the store under the root, made now if there is none yet.
pub(crate) async fn kept_secret(
    store: &dyn Store,
    provider: &dyn Provider,
    name: &str,
    label: &[u8],
) -> Result<SecretBytes, ServiceError> {
    if let Some(sealed) = store.find_document(name).await? {
        return provider.unseal(label, &sealed).await.map_err(|error| match error {
            ProviderError::BadInput | ProviderError::BadWrap => {
                let message = format!("document `{name}` of the store does not open under this root");
                ServiceError::new(ErrorKind::Internal, message).caused_by(error)
            }
            other => other.into(),
        });
    }
    let secret = provider.random(32).await?;
    store.put_document(name, &provider.seal(label, &secret).await?).await?;
    Ok(secret)
}

/// What is kept of uses, to go on with.
async fn open_usage(store: &dyn Store, size: u64, clock: &dyn Clock) -> Result<Usage, ServiceError> {
    let counted_to = store.usage_counted_to(SHARD).await?;
    if counted_to > size {
        let message = "uses are counted beyond the end of the log".to_owned();
        return Err(StoreError::Corrupt(message).into());
    }
    Ok(Usage::new(counted_to, size, clock.now()))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "the deployment cannot be opened").caused_by(error)
}
