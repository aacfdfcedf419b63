//! Jobs: what the system does of itself because it is due. Jobs are callers: each goes the road as a part of the system, is
//! authorized by the rule `cryptoperiod`, and leaves its entries; so a crash in between loses nothing, for what is due is
//! found again.
//!
//! | job | does |
//! |---|---|
//! | `rotate_due_keys` | rotates keys whose rotation period is over |
//! | `destroy_due_keys` | destroys keys whose waiting period is over, unless their ring asks for approval and it is valid no more |
//! | `remove_expired_material` | removes imported material that has expired |
//! | `forget_idempotency` | forgets creating calls that nobody repeats any more |
//! | `take_snapshot` | commits the log to the whole state, once a day |
//! | `raise_alerts` | raises alerts about what somebody must look at; of what calls noted, beside the others |
//! | `scan_store` | opens every stored secret, twice a day; beside the others |
//!
//! A new job is a file here and a line in [`Road::do_what_is_due`].
//!
//! What is due is so by the log's time, which a clock set forward does not move. What cannot be undone is held while that
//! clock is not to be relied on.
//!
//! What is due is found by an index of the store. A run is bounded: what is left over is done by the next.

pub(crate) mod check_rows;
mod count_uses;
pub(crate) mod destroy_due_keys;
mod forget_idempotency;
mod forget_unused;
pub(crate) mod raise_alerts;
mod remove_expired_material;
mod rotate_due_keys;
mod scan_store;
pub(crate) mod take_snapshot;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use claviger_core::principal::{Principal, PrincipalKind};
use claviger_core::{KeyId, PrincipalId, Timestamp};

pub(crate) use check_rows::check_rows;
pub(crate) use count_uses::count_uses;
pub(crate) use forget_unused::forget_unused;
pub(crate) use raise_alerts::keep_raising;
pub(crate) use scan_store::keep_scanning;

use crate::call::Operation;
use crate::error::{ErrorKind, ServiceError};
use crate::road::Road;

/// The system itself, where work is shared between principals.
pub(crate) const SYSTEM: PrincipalId = PrincipalId::from_bytes([0; 16]);

/// Most keys that one job works on in one run.
const MOST_KEYS: u32 = 1024;
/// Most keys that are remembered as troubled.
const MOST_TROUBLED: usize = 8192;

/// Does what is due at once, and then again and again, until the road stops.
pub(crate) async fn keep_doing(road: Road, every: Duration) {
    let mut ticks = road.ticks(Duration::ZERO, every);
    while ticks.next().await.is_some() {
        tokio::select! {
            () = road.do_what_is_due() => {}
            // What is under way with the sequencer is committed or not; nobody waits for the answer.
            () = road.stopping() => return,
        }
    }
}

impl Road {
    /// Runs every job once. Failures are traced; what failed is due again the next time.
    pub async fn do_what_is_due(&self) {
        trace("rotate_due_keys", rotate_due_keys::run(self).await);
        trace("destroy_due_keys", destroy_due_keys::run(self).await);
        trace("remove_expired_material", remove_expired_material::run(self).await);
        trace("forget_idempotency", forget_idempotency::run(self).await);
        trace("take_snapshot", take_snapshot::run(self).await);
        // Behind the others: what they did is not overdue.
        trace("raise_alerts", raise_alerts::run(self).await);
    }

    /// Has the system do one thing to each of these keys. What fails is traced and holds up nothing else.
    async fn do_to_each<O: Operation>(
        &self,
        job: &str,
        due: Vec<KeyId>,
        step: impl Fn(KeyId) -> O,
    ) -> Result<Done, ServiceError> {
        let (mut done, system) = (Done::default(), Arc::new(system()?));
        for key in self.troubled.last(due) {
            let outcome = self.perform_for_system(Arc::clone(&system), step(key)).await;
            match outcome {
                Ok(_) => {
                    self.troubled.forget(key);
                    done.keys += 1;
                }
                // Somebody was faster.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::WrongState) => {
                    self.troubled.forget(key);
                    tracing::debug!(job, %key, %error, "not due any more");
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(job, %key, %error, cause, "this is due, and was not done");
                    self.troubled.remember(key);
                    done.failed += 1;
                }
            }
        }
        Ok(done)
    }
}

/// Keys that a job failed with: it turns to them last, so that they keep nobody waiting.
#[derive(Debug, Default)]
pub(crate) struct Troubled(Mutex<BTreeSet<KeyId>>);

impl Troubled {
    /// How many keys to ask for, so that enough are among them that are not here.
    fn most(&self) -> u32 {
        MOST_KEYS.saturating_add(u32::try_from(self.keys().len()).unwrap_or(u32::MAX))
    }

    /// The keys of one run, those that are here behind the others.
    fn last(&self, mut due: Vec<KeyId>) -> Vec<KeyId> {
        let troubled = self.keys();
        due.sort_by_key(|key| troubled.contains(key));
        due.truncate(MOST_KEYS as usize);
        due
    }

    /// Is there any?
    fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    /// Is it one of them?
    fn has(&self, key: KeyId) -> bool {
        self.keys().contains(&key)
    }

    fn remember(&self, key: KeyId) {
        let mut troubled = self.keys();
        if troubled.len() < MOST_TROUBLED {
            troubled.insert(key);
        }
    }

    fn forget(&self, key: KeyId) {
        self.keys().remove(&key);
    }

    fn keys(&self) -> MutexGuard<'_, BTreeSet<KeyId>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a job did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    /// Keys that it worked on.
    keys: u64,
    /// Keys that it should have worked on.
    failed: u64,
}

fn trace(job: &str, outcome: Result<Done, ServiceError>) {
    match outcome {
        Ok(done) if done == Done::default() => {}
        Ok(Done { keys, failed }) => tracing::info!(job, keys, failed, "what was due is done"),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(job, %error, cause, "what is due was not found out");
        }
    }
}

/// The system itself, as it acts: it has no credential, no row in the store, and the rights of a part of the system.
pub(crate) fn system() -> Result<Principal, ServiceError> {
    let name = "claviger"
        .parse()
        .map_err(|error| ServiceError::new(ErrorKind::Internal, "the system has no name").caused_by(error))?;
    Ok(Principal::new(PrincipalId::SYSTEM, name, PrincipalKind::System, Timestamp::default()))
}
