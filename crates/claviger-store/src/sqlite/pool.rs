//! Readers: threads with a read-only connection each, so that no read of a disk stands in the way of an executor.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use claviger_core::object::Object;
use claviger_core::port::StoreError;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::SqliteOptions;
use super::connection;
use super::tag::{Guard, Guarded};

/// Reads that may wait; one more is refused, so that a flood costs no memory.
const WAITING: usize = 4096;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The readers. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Pool {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    guard: Arc<Guard>,
}

impl Pool {
    pub(super) fn start(
        database: &Path,
        options: &SqliteOptions,
        guard: Arc<Guard>,
    ) -> Result<Self, StoreError> {
        let (jobs, waiting) = bounded::<Job>(WAITING);
        let mut pool = Self { jobs: Some(jobs), threads: Vec::new(), guard };
        for number in 0..options.readers.max(1) {
            let connection = connection::reading(database, options)?;
            let waiting = waiting.clone();
            let thread = std::thread::Builder::new()
                .name(format!("read-{number}"))
                .spawn(move || run(&connection, &waiting))
                .map_err(|error| StoreError::Unavailable(format!("no thread for reads: {error}")))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// What `read` finds. A caller that goes away before its turn costs nothing.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Guarded<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ((reply, answer), guard) = (oneshot::channel(), Arc::clone(&self.guard));
        let job: Job = Box::new(move |connection| {
            if !reply.is_closed() {
                // The caller may have gone in the meantime; nobody then wants to know.
                drop(reply.send(read(Guarded::new(connection, &guard))));
            }
        });
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => {
                return Err(StoreError::Unavailable("too many reads are waiting; try again".to_owned()));
            }
            Some(Err(TrySendError::Disconnected(_))) | None => return Err(ended()),
        }
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Pool {
    /// The same, of rows that are there and in no older revision. `wanted` is there, or is known not to be.
    pub(super) async fn read_fresh<T: Send + 'static>(
        &self,
        wanted: Option<Object>,
        read: impl Fn(Guarded<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read(move |connection| connection.fresh(wanted, read)).await
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, waiting: &Receiver<Job>) {
    for job in waiting {
        job(connection);
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("its readers have ended; restart the process".to_owned())
}
