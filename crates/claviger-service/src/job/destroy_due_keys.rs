//! Destroys keys whose waiting period is over, and keeps count of those whose destruction is held: because their ring asks for approval and
//! there is none, or because those who approved it may no more.
//!
//! A destruction that is held stays scheduled. That it did not happen when it was due is entered once, not at each run: what was
//! entered is remembered until the process ends or nothing holds it any more. Whether approvals are still valid is looked at when a
//! destruction is due, and not before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::key::{Destruction, DestructionBlocked, RingPolicy};
use claviger_core::port::store::{Page, ScheduledDestruction};
use claviger_core::{KeyId, KeyRingId, Timestamp};

use super::{Done, system};
use crate::error::ServiceError;
use crate::operation::DestroyKey;
use crate::road::Road;

/// How many schedules are read at once.
const PAGE: u32 = 1000;

/// Destructions that were due and were held at the last run, with what held each.
pub(crate) type Held = BTreeMap<KeyId, (Destruction, DestructionBlocked)>;

/// Scheduled destructions that are not carried out.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    /// How many there were at the last run.
    count: AtomicU64,
    /// Those that were due, and have an entry which says that they were refused.
    entered: Mutex<Arc<Held>>,
}

impl Blocked {
    /// How many scheduled destructions their rings blocked at the last run of the job.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Those that were due, as of the last run.
    pub(crate) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.entered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep_count(&self, survey: &Survey) {
        self.count.store(survey.blocked, Ordering::Relaxed);
    }

    /// Keeps what is held, and gives those of the overdue ones that have no entry yet.
    fn keep(&self, survey: &mut Survey) -> Vec<KeyId> {
        self.keep_count(survey);
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        let new = survey.overdue.keys().copied().filter(|key| !entered.contains_key(key)).collect();
        *entered = Arc::new(std::mem::take(&mut survey.overdue));
        new
    }
}

/// What the schedules of all keys come to.
#[derive(Debug, Default)]
struct Survey {
    due: Vec<KeyId>,
    /// Held, and due otherwise.
    overdue: Held,
    /// Held, due or not.
    blocked: u64,
}

impl Survey {
    async fn add(
        &mut self,
        road: &Road,
        scheduled: &ScheduledDestruction,
        policy: &RingPolicy,
        now: Timestamp,
    ) {
        let ScheduledDestruction { key, destruction, .. } = *scheduled;
        if destruction.due_at(policy) > now {
            self.blocked += u64::from(policy.quorum > 0 && destruction.approval.is_none());
            return;
        }
        match road.state.approved_destruction(key, destruction, policy, road.now()).await {
            Ok(Err(blocked)) => {
                self.blocked += 1;
                self.overdue.insert(key, (destruction, blocked));
            }
            // What cannot be read of one fails with that one, and holds up no other.
            Ok(Ok(_)) | Err(_) => self.due.push(key),
        }
    }
}

pub(super) async fn run(road: &Road) -> Result<Done, ServiceError> {
    let mut survey = survey(road, road.state.time.log_time()).await?;
    if road.is_clock_held() {
        road.state.blocked.keep_count(&survey);
        return Ok(Done::default());
    }
    for key in road.state.blocked.keep(&mut survey) {
        // Refused for what holds it, which leaves the one entry; should nothing hold it any more, it is done.
        if let Err(error) = road.perform_for_system(Arc::new(system()?), DestroyKey { key }).await {
            tracing::warn!(%key, %error, "a destruction is due and held");
        }
    }
    road.do_to_each("destroy_due_keys", survey.due, |key| DestroyKey { key }).await
}

async fn survey(road: &Road, now: Timestamp) -> Result<Survey, ServiceError> {
    let (mut survey, mut rings) = (Survey::default(), BTreeMap::<KeyRingId, Option<RingPolicy>>::new());
    let store = &road.state.store;
    let mut page = Page { after: None, limit: PAGE };
    loop {
        let scheduled = store.list_scheduled_destructions(page.clone()).await?;
        let Some(last) = scheduled.last() else { return Ok(survey) };
        page.after = Some((last.destruction.at, last.key));
        for scheduled in &scheduled {
            let policy = match rings.entry(scheduled.ring) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let ring = store.find_ring(scheduled.ring).await?;
                    unknown.insert(ring.map(|ring| ring.policy))
                }
            };
            if let Some(policy) = policy {
                survey.add(road, scheduled, policy, now).await;
            }
        }
    }
}
