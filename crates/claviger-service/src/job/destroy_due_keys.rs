//! Destroys keys whose waiting period is over, and keeps count of those whose destruction their ring blocks.
//!
//! A blocked destruction stays scheduled. That it did not happen when it was due is entered once, not at each run: what was
//! entered is remembered until the process ends or nothing blocks it any more.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::key::RingPolicy;
use claviger_core::port::store::{Page, ScheduledDestruction};
use claviger_core::{KeyId, KeyRingId, Timestamp};

use super::{Done, system};
use crate::error::ServiceError;
use crate::operation::DestroyKey;
use crate::road::Road;

/// How many schedules are read at once.
const PAGE: u32 = 1000;

/// Scheduled destructions that are not carried out.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    /// How many there were at the last run.
    count: AtomicU64,
    /// Those that were due, and have an entry which says that they were refused.
    entered: Mutex<BTreeSet<KeyId>>,
}

impl Blocked {
    /// How many scheduled destructions their rings blocked at the last run of the job.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn keep_count(&self, survey: &Survey) {
        self.count.store(survey.blocked, Ordering::Relaxed);
    }

    /// Keeps what is blocked, and gives those of the overdue ones that have no entry yet.
    fn keep(&self, survey: &Survey) -> Vec<KeyId> {
        self.keep_count(survey);
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        entered.retain(|key| survey.overdue.contains(key));
        survey.overdue.iter().copied().filter(|key| entered.insert(*key)).collect()
    }
}

/// What the schedules of all keys come to.
#[derive(Debug, Default)]
struct Survey {
    due: Vec<KeyId>,
    /// Blocked, and due otherwise.
    overdue: BTreeSet<KeyId>,
    /// Blocked, due or not.
    blocked: u64,
}

impl Survey {
    fn add(&mut self, scheduled: &ScheduledDestruction, policy: &RingPolicy, now: Timestamp) {
        let is_due = scheduled.destruction.due_at(policy) <= now;
        match policy.blocks_destruction() {
            None if is_due => self.due.push(scheduled.key),
            None => {}
            Some(_) => {
                self.blocked += 1;
                if is_due {
                    self.overdue.insert(scheduled.key);
                }
            }
        }
    }
}

pub(super) async fn run(road: &Road) -> Result<Done, ServiceError> {
    let survey = survey(road, road.state.time.log_time()).await?;
    if road.is_clock_held() {
        road.state.blocked.keep_count(&survey);
        return Ok(Done::default());
    }
    for key in road.state.blocked.keep(&survey) {
        // Refused for what blocks it, which leaves the one entry; should nothing block it any more, it is done.
        if let Err(error) = road.perform_for_system(Arc::new(system()?), DestroyKey { key }).await {
            tracing::warn!(%key, %error, "a destruction is due and blocked");
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
                survey.add(scheduled, policy, now);
            }
        }
    }
}
