//! A deployment at work: what it is made of, its figures, its end.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use claviger_access::Authorizer;
use claviger_audit::op::Op;
use claviger_core::Timestamp;
use claviger_core::port::provider::ProviderHealth;
use claviger_core::port::store::{BreakGlassCount, EndingPrincipal};
use claviger_core::port::{Clock, Provider, Trust};
use claviger_core::principal::Principal;
use claviger_core::rights_review::RightsReview;
use tokio::sync::watch;

use crate::approval_figures::ApprovalFigures;
use crate::error::ServiceError;
use crate::job::{Troubled, raise_alerts};
use crate::log::LogReader;
use crate::log::newest::Keeper;
use crate::log::usage::Usage;
use crate::operation::rights;
use crate::pipeline::Sessions;
use crate::pipeline::queue::Queue;
use crate::pipeline::room::NoRoom;
use crate::pipeline::sequencer::Figures;
use crate::pipeline::turns::Turns;
use crate::record::{EntryDetail, EntryHeader};
use crate::review_figures::ReviewFigures;
use crate::rows::AlteredRecorded;
use crate::state::State;
use crate::system::SystemFacts;
use crate::work::{Work, WorkFigures};

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// The way into the service. Cheap to clone.
#[derive(Clone)]
pub struct Road(pub(crate) Arc<Inner>);

/// What a road is made of.
pub struct Inner {
    pub(crate) state: Arc<State>,
    pub(crate) authorizer: Authorizer,
    pub(crate) sessions: Sessions,
    pub(crate) queue: Queue,
    pub(crate) keeper: Arc<Keeper>,
    /// Cuts are made one after the other.
    pub(crate) cutting: tokio::sync::Mutex<()>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: LogReader,
    pub(crate) usage: Arc<Usage>,
    pub(crate) facts: SystemFacts,
    pub(crate) trust: Arc<dyn Trust>,
    pub(crate) on_signed: Box<dyn Fn(&str) + Send + Sync>,
    pub(crate) troubled: Troubled,
    pub(crate) work: Work,
    pub(crate) no_room: NoRoom,
    pub(crate) turns: Turns,
    pub(crate) altered_recorded: AlteredRecorded,
    /// The instant of the first entry, once it was read.
    pub(crate) log_begun: OnceLock<Timestamp>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) sequencer: Mutex<Option<JoinHandle<()>>>,
}

impl std::ops::Deref for Road {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Road").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Road {
    /// Ends the sequencer, and with it the service, for that reason.
    pub(crate) async fn give_up(&self, why: String) {
        let queue = self.queue.clone();
        // The queue may be full of calls.
        let _ = tokio::task::spawn_blocking(move || queue.give_up(why)).await;
    }

    /// Records the end, cuts and signs a last time, and stops the sequencer. Calls that come later are refused.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        raise_alerts::raise_the_rest(self).await;
        if let Err(error) =
            self.record_entry(EntryHeader::of_system(Op::NodeStop, self.now()), EntryDetail::default()).await
        {
            tracing::warn!(%error, "the stop was not recorded");
        }
        if let Err(error) = self.cut().await {
            tracing::warn!(%error, "the last cut was not made");
        }
        let thread = self.sequencer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let queue = self.queue.clone();
        let joined = tokio::task::spawn_blocking(move || {
            queue.stop();
            thread.map(JoinHandle::join)
        });
        if let Ok(Some(Err(_))) = joined.await {
            tracing::error!("the sequencer ended badly");
        }
    }

    pub(crate) async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Instants at which something is done again and again: `first` from now, then a period after the one before was over.
    pub(crate) fn ticks(&self, first: Duration, period: Duration) -> Ticks<'_> {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + first, period);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Ticks { road: self, interval }
    }
}

/// Instants that come until the road stops.
pub(crate) struct Ticks<'r> {
    road: &'r Road,
    interval: tokio::time::Interval,
}

impl Ticks<'_> {
    /// Waits for the next one. There is none once the road stops.
    pub(crate) async fn next(&mut self) -> Option<()> {
        tokio::select! {
            _ = self.interval.tick() => Some(()),
            () = self.road.stopping() => None,
        }
    }
}

impl Inner {
    /// What calls are judged by: the later of wall clock and log time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state.time.now()
    }

    /// How far the wall clock is ahead of the log's time.
    #[must_use]
    pub fn clock_ahead(&self) -> Duration {
        self.state.time.wall().since(self.state.time.log_time())
    }

    /// Is what cannot be undone held, because the clock moved too far?
    #[must_use]
    pub fn is_clock_held(&self) -> bool {
        self.state.time.is_held()
    }

    pub(crate) fn warn_of_clock(&self) {
        let ahead = self.clock_ahead().as_secs();
        if self.is_clock_held() {
            tracing::error!(
                ahead,
                "the clock moved too far between the last starts: nothing is destroyed or deleted until an administrator has \
                 seen to it and called `claviger clock confirm`"
            );
        } else if ahead > 60 {
            tracing::warn!(
                ahead,
                "the wall clock is ahead of the log's time by as many seconds that nothing bears out; what is due to be \
                 destroyed waits for as long, or until `claviger clock confirm`"
            );
        }
    }

    /// What is fixed while the process runs.
    #[must_use]
    pub fn facts(&self) -> &SystemFacts {
        &self.facts
    }

    /// What the sequencer counts.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        self.queue.figures()
    }

    /// How many calls wait for the log.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// How expensive work stands, by class.
    #[must_use]
    pub fn work_figures(&self) -> [WorkFigures; 7] {
        self.work.figures()
    }

    /// The fence epoch in force.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.state.fence.epoch()
    }

    /// How many keys are in memory.
    #[must_use]
    pub fn keys_in_memory(&self) -> usize {
        self.state.keys_in_memory()
    }

    /// How many scheduled destructions their rings blocked when jobs last looked.
    #[must_use]
    pub fn blocked_destructions(&self) -> u64 {
        self.state.blocked.count()
    }

    /// How many must approve what nobody does alone, how many can, and how much waits for them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn approval_figures(&self) -> Result<ApprovalFigures, ServiceError> {
        Ok(ApprovalFigures::of(self.state.store.as_ref(), self.now()).await?)
    }

    /// How many access reviews are open, and how many of them should be closed by now. It may take reading many rows.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn review_figures(&self) -> Result<ReviewFigures, ServiceError> {
        Ok(ReviewFigures::of(self.state.store.as_ref(), self.now()).await?)
    }

    /// How many emergency accesses are open, and how many nobody has reviewed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn break_glass_count(&self) -> Result<BreakGlassCount, ServiceError> {
        Ok(self.state.store.count_break_glass(self.now()).await?)
    }

    /// Security officers made by a recovery that nobody else has acknowledged, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unacknowledged(&self) -> Result<Vec<Principal>, ServiceError> {
        Ok(self.state.store.list_unacknowledged().await?)
    }

    /// Principals whose last credential ends within that time, those that end first before others; at most 1000.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn ending(&self, within: Duration) -> Result<Vec<EndingPrincipal>, ServiceError> {
        let now = self.now();
        Ok(self.state.store.list_ending(now, now.after(within), 1000).await?)
    }

    /// The review of rights that an older release kept, as long as not both who must have confirmed them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unconfirmed_rights(&self) -> Result<Option<RightsReview>, ServiceError> {
        rights::unconfirmed(self.state.store.as_ref()).await
    }

    /// How the provider is, and whether every self-test since the start has held.
    ///
    /// # Errors
    /// What the provider fails with.
    pub async fn provider_health(&self) -> Result<ProviderHealth, ServiceError> {
        self.state.provider_health().await
    }

    /// The provider, for its health.
    #[must_use]
    pub fn provider(&self) -> &Arc<dyn Provider> {
        &self.state.provider
    }
}
