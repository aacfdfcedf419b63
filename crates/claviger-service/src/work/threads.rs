//! The threads of a class. Long computing is neither on the threads that serve requests nor on those that others wait for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

/// How far below the others these threads stand: on a busy core one of them gets a tenth of what a thread that serves
/// requests gets, and gives way when such a one wakes.
const NICENESS: i32 = 10;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Threads, which end when this is dropped and what they were given is done.
#[derive(Debug)]
pub(super) struct Threads {
    /// Holds no more jobs than the class has places.
    jobs: Sender<Job>,
}

impl Threads {
    pub(super) fn start(name: &str, count: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = unbounded::<Job>();
        for number in 0..count {
            let waiting = waiting.clone();
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs })
    }

    /// Has a job done.
    pub(super) fn give(&self, job: Job) {
        // The threads last as long as this does; a job that found none would be dropped, which its caller hears of.
        let _ = self.jobs.send(job);
    }
}

fn work(waiting: &Receiver<Job>) {
    // On Linux priority is a thread's own. Without leave to lower it the bounds still hold.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "the priority of a thread for long work could not be lowered");
    }
    for job in waiting {
        // A panic costs its caller the answer, and nobody the thread.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a job of a call panicked");
        }
    }
}

/// Has the caller gone?
#[derive(Clone, Debug, Default)]
pub(super) struct Gone(Arc<AtomicBool>);

impl Gone {
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Held by a caller while it waits.
pub(super) struct Leaving(pub(super) Gone);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
