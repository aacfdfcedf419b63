//! Known-answer tests while a node runs. The module passes them before anything is opened; here they run again, each run is an entry,
//! and after a failed one nothing is generated any more until a start has passed them.
//!
//! What goes on are uses of keys that there are, and what restricts: whoever stops something in an incident needs no new key. The
//! keys that seal what the log says are made as before, for without them nothing could be recorded.

use std::sync::OnceLock;
use std::time::Duration;

use claviger_audit::op::{Op, Outcome};
use claviger_crypto::provenance::{self, SelfTestFailure};

use crate::error::{ErrorKind, ServiceError};
use crate::record::{EntryDetail, EntryHeader, EntryOutcome, reference};
use crate::road::Road;

/// How often they run.
const EVERY: Duration = Duration::from_secs(86_400);

/// Whether the tests of this process have all held.
#[derive(Debug, Default)]
pub(crate) struct SelfTests(OnceLock<SelfTestFailure>);

impl SelfTests {
    /// What failed first, if something did.
    pub(crate) fn failure(&self) -> Option<SelfTestFailure> {
        self.0.get().copied()
    }

    /// Refuses to generate after a failed test.
    ///
    /// # Errors
    /// Unavailable, which names what failed.
    pub(crate) fn may_generate(&self) -> Result<(), ServiceError> {
        let Some(SelfTestFailure { family }) = self.failure() else { return Ok(()) };
        let message = format!(
            "a self-test of the cryptographic module failed ({family}), and nothing is generated until a start of the server has \
             passed them; tell the operator"
        );
        Err(ServiceError::new(ErrorKind::Unavailable, message))
    }
}

impl Road {
    /// Takes the outcome of self-tests: records it, and lets nothing be generated after a failed one.
    ///
    /// # Errors
    /// When the log takes no entry. What failed counts all the same.
    pub async fn take_self_test(&self, outcome: Result<(), SelfTestFailure>) -> Result<(), ServiceError> {
        let mut detail = EntryDetail::default();
        if let Err(failure) = outcome {
            let _ = self.state.self_tests.0.set(failure);
            tracing::error!(
                family = failure.family,
                "a self-test of the cryptographic module failed: nothing is generated until a start has passed them"
            );
            detail.outcome = EntryOutcome(Outcome::ProviderError);
            detail.reference = reference(&[failure.family.as_bytes()]);
        }
        self.record_entry(EntryHeader::of_system(Op::SelfTest, self.now()), detail).await.map(drop)
    }
}

/// Runs the tests every day, until the road stops. Those of the start ran before the root of trust was opened.
pub(crate) async fn keep_testing(road: Road) {
    let mut ticks = road.ticks(EVERY, EVERY);
    while ticks.next().await.is_some() {
        let Ok(outcome) = tokio::task::spawn_blocking(provenance::self_test).await else { continue };
        tokio::select! {
            taken = road.take_self_test(outcome) => if let Err(error) = taken {
                tracing::warn!(%error, "the outcome of the self-tests is not in the log");
            },
            () = road.stopping() => return,
        }
    }
}
