//! Expensive work in bounded classes, so that no caller slows the others down by it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`turns`] | places of a class and who gets the next one: principals take turns |
//! | [`threads`] | the threads of a class, below the priority of those that serve requests |
//!
//! What is kept true:
//! * at most as many jobs of a class are under way as it has places; a place is free again when the work has really ended,
//!   not when its caller stopped waiting for it;
//! * a principal may use every place that nobody else waits for; those who wait get places in turn, one principal after the
//!   other, however many calls each of them has waiting;
//! * what one principal has waiting is bounded, batches by their bytes: one call more is refused at once, and leaves no entry;
//! * a batch waits for its turn before anything is made of it, and so before it is decided whether its caller may use the key: who
//!   may not waits in turns of its own;
//! * a job whose caller has gone, be it by its deadline, never begins; one that is under way stops before its next piece.

mod threads;
mod turns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::PrincipalId;
use claviger_core::Spec;
use claviger_core::port::StoreError;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::{ErrorKind, ServiceError};
use crate::pipeline::queue::{Aside, UnderWay};
use threads::{Gone, Leaving, Threads};
use turns::{Full, Place, Turns};

/// Calls of one class that one principal may have waiting.
const MOST_WAITING: usize = 128;

/// The same of batches, in bytes: each holds its body meanwhile, and counts as a MiB at least.
const MOST_BATCH_BYTES_WAITING: usize = 128 << 20;
const LEAST_BATCH: usize = 1 << 20;

/// The same of decisions and of restricting calls: each waits with a small body, and as many as may be under way at all usually do.
const MOST_SMALL_WAITING: usize = 1024;

/// A class of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Up to a thousand uses of a key in one call.
    Batch,
    /// Making or taking in a key that is ready within a millisecond, or checking the policy of a grant.
    Creation,
    /// Deciding on a call for which no permit is remembered: grants are read, and policies evaluated.
    Decision,
    /// Making an RSA key, or taking one in: up to seconds of computing that nothing interrupts.
    Generation,
    /// A page of rows.
    Listing,
    /// Taking something out of use, from the decision until it is durable. Nothing else has places here, so that it waits for
    /// nothing but its like.
    Restriction,
    /// Reading the log or all stored secrets, and having a token sign what was made of it.
    Scan,
}

impl Class {
    /// Where a key of that spec is made.
    pub(crate) const fn of_making(spec: Spec) -> Self {
        match spec {
            Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096 => Self::Generation,
            _ => Self::Creation,
        }
    }
}

/// The classes of a node.
#[derive(Debug)]
pub(crate) struct Work {
    batch: Arc<Turns>,
    creation: Arc<Turns>,
    decision: Arc<Turns>,
    generation: Arc<Turns>,
    listing: Arc<Turns>,
    restriction: Arc<Turns>,
    scan: Arc<Turns>,
    creating: Threads,
    generating: Threads,
    scanning: Threads,
}

impl Work {
    /// Classes for a machine with that many cores.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn start(cores: usize) -> std::io::Result<Self> {
        // What computes for long leaves a core to those who serve requests.
        let computing = cores.saturating_sub(1).max(1);
        let sharing = cores.max(2);
        let turns = |places| Turns::new(places, MOST_WAITING);
        Ok(Self {
            batch: Turns::new(sharing, MOST_BATCH_BYTES_WAITING),
            // Each of these waits for a commit, which many share.
            creation: turns(sharing.saturating_mul(8)),
            // One is read for while another is evaluated.
            decision: Turns::new(sharing.saturating_mul(2), MOST_SMALL_WAITING),
            generation: turns(computing),
            listing: turns(sharing),
            // As many as share a commit before it costs more than it saves.
            restriction: Turns::new(sharing.saturating_mul(4), MOST_SMALL_WAITING),
            scan: turns(computing),
            creating: Threads::start("create", computing)?,
            generating: Threads::start("make-key", computing)?,
            scanning: Threads::start("scan", computing)?,
        })
    }

    fn turns(&self, class: Class) -> &Arc<Turns> {
        match class {
            Class::Batch => &self.batch,
            Class::Creation => &self.creation,
            Class::Decision => &self.decision,
            Class::Generation => &self.generation,
            Class::Listing => &self.listing,
            Class::Restriction => &self.restriction,
            Class::Scan => &self.scan,
        }
    }

    /// Waits for the turn of a principal.
    ///
    /// # Errors
    /// [`ErrorKind::Overloaded`] when it has too much waiting already.
    pub(crate) async fn enter(&self, class: Class, who: PrincipalId) -> Result<Held, ServiceError> {
        let weight = if class == Class::Batch { LEAST_BATCH } else { turns::ONE };
        hold(self.turns(class), who, weight).await
    }

    /// Waits for the turn of a principal whose batch has so many bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Overloaded`] when it has too many bytes waiting already.
    pub(crate) async fn enter_batch(&self, who: PrincipalId, bytes: usize) -> Result<Held, ServiceError> {
        hold(&self.batch, who, bytes.max(LEAST_BATCH)).await
    }

    /// Runs a job on a thread of `class`, for as long as somebody waits for it. The place stays taken until the job has ended,
    /// even if its caller leaves before.
    ///
    /// # Errors
    /// What the job fails with.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        class: Class,
        held: &Held,
        job: impl FnOnce(&At) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let threads = match class {
            Class::Creation => &self.creating,
            Class::Generation => &self.generating,
            Class::Batch | Class::Decision | Class::Listing | Class::Restriction | Class::Scan => {
                &self.scanning
            }
        };
        let (gone, place, runtime) = (Gone::default(), held.clone(), Handle::current());
        let _leaving = Leaving(gone.clone());
        let (reply, answer) = oneshot::channel();
        threads.give(Box::new(move || {
            let at = At { runtime, gone };
            if at.check().is_err() {
                return;
            }
            let result = job(&at);
            drop(place);
            // The caller may have left meanwhile.
            let _ = reply.send(result);
        }));
        answer
            .await
            .unwrap_or_else(|_| Err(ServiceError::new(ErrorKind::Internal, "a job of this call failed")))
    }

    /// How much is under way, how much waits and how much was refused, by class.
    pub(crate) fn figures(&self) -> [WorkFigures; 7] {
        [
            ("batch", &self.batch),
            ("creation", &self.creation),
            ("decision", &self.decision),
            ("generation", &self.generation),
            ("listing", &self.listing),
            ("restriction", &self.restriction),
            ("scan", &self.scan),
        ]
        .map(|(class, turns)| turns.figures(class))
    }
}

async fn hold(turns: &Arc<Turns>, who: PrincipalId, weight: usize) -> Result<Held, ServiceError> {
    let place = Turns::enter(turns, who, weight).await.map_err(|Full| {
        let message = "too many calls of this kind by the same principal wait; try again in a moment";
        ServiceError::new(ErrorKind::Overloaded, message)
    });
    Ok(Held(Arc::new(place?)))
}

/// How a class of work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkFigures {
    /// Name of the class.
    pub class: &'static str,
    /// Jobs under way.
    pub running: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// Calls that were refused because their principal had too many waiting.
    pub refused: u64,
}

/// A place that is held by a call, and by its jobs.
#[derive(Clone, Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "held, and given back when dropped")] Arc<Place>);

/// The places of a call, one of a class: given back when its entry is durable, so that what waits for the log is bounded
/// too; that of a batch when its answer is written, which is as large as what was asked. A use of a key that waits for one, or for
/// its job, is waited for by no batch of the log.
#[derive(Debug)]
pub(crate) struct Places<'q> {
    held: Mutex<Vec<(Class, Held)>>,
    under_way: Option<UnderWay<'q>>,
}

impl<'q> Places<'q> {
    /// Those of a call that is under way to the log, if it is a use of a key, and that has waited for the turn of its batch, if it
    /// is one.
    pub(crate) fn of_call(under_way: Option<UnderWay<'q>>, batch: Option<&Held>) -> Self {
        let held = batch.map(|held| (Class::Batch, held.clone())).into_iter().collect();
        Self { held: Mutex::new(held), under_way }
    }

    /// Until it is dropped, no batch waits for the call.
    pub(crate) fn set_aside(&self) -> Option<Aside<'_>> {
        self.under_way.as_ref().map(UnderWay::set_aside)
    }

    /// Waits for a place of `class`, unless the call has one already: a second one could be one that it waits for in vain.
    ///
    /// # Errors
    /// [`ErrorKind::Overloaded`] when the principal has too much waiting already.
    pub(crate) async fn enter(
        &self,
        work: &Work,
        class: Class,
        who: PrincipalId,
    ) -> Result<Held, ServiceError> {
        if let Some(held) = self.find(class) {
            return Ok(held);
        }
        let _aside = self.set_aside();
        let held = work.enter(class, who).await?;
        self.lock().push((class, held.clone()));
        Ok(held)
    }

    fn find(&self, class: Class) -> Option<Held> {
        self.lock().iter().find(|(of, _)| *of == class).map(|(_, held)| held.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Class, Held)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a job runs: a thread that may wait.
#[derive(Clone, Debug)]
pub(crate) struct At {
    runtime: Handle,
    gone: Gone,
}

impl At {
    /// On a thread whose caller stays.
    pub(crate) fn staying(runtime: Handle) -> Self {
        Self { runtime, gone: Gone::default() }
    }

    pub(crate) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Fails once nobody waits any more. To be asked before each piece of a job.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.gone.is_so() {
            return Err(StoreError::Unavailable("its caller waits no longer".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
