//! Threads that work for the token: each owns one session, fed by one bounded queue; a supervisor rebuilds the link.
//!
//! Calls to a token block, so none is made on a thread of the runtime. Callers wait with a deadline, for a place in the
//! queue and for the answer; while the token is unavailable they get that answer at once. Nothing in flight is repeated: after a
//! failure nobody knows whether the token did it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use claviger_core::port::ProviderError;
use claviger_crypto::SecretBytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use cryptoki::object::AttributeType;
use cryptoki::session::Session;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::attempt::{self, FewAttempts};
use super::error::Pkcs11OpenError;
use super::fault::{Fault, Verdict};
use super::library::{Library, LibraryGuard};
use super::link::{ConnectOptions, Link, TokenName};
use super::object::Objects;
use super::sealing;
use super::{CreateRoot, TokenSelector};

const UNAVAILABLE: ProviderError = ProviderError::Unavailable("the token is unavailable");
const BUSY: ProviderError = ProviderError::Unavailable("the token is busy");
const LATE: ProviderError = ProviderError::Unavailable("the token did not answer in time");

/// Calls that may wait for each thread.
const QUEUE_PER_THREAD: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// What the supervisor seals at first, and must be able to open under every later root: else it is another root.
const CANARY: &[u8] = b"claviger/v1/canary\0";

/// What all threads share.
pub(super) struct Core {
    pub(super) library: Arc<Library>,
    pub(super) objects: Objects,
    selector: TokenSelector,
    prefix: String,
    pin: SecretBytes,
    /// The token of the first connection, and what was sealed in it.
    token: TokenName,
    canary: Vec<u8>,
    link: RwLock<Option<Arc<Link>>>,
    /// The token refused the PIN: nobody asks again.
    refused: AtomicBool,
    sessions: AtomicUsize,
}

/// What work is done with: a session of this thread, in a link, inside the library.
pub(super) struct TokenSession<'a> {
    pub(super) session: &'a Session,
    pub(super) link: &'a Arc<Link>,
    pub(super) core: &'a Core,
}

type Work = Box<dyn FnOnce(Result<&TokenSession<'_>, ProviderError>) -> Outcome + Send>;

struct Job {
    work: Work,
    /// The place in the queue, given back when the work begins.
    _place: OwnedSemaphorePermit,
}

/// What work did to the session it was done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Healthy,
    /// A call failed: an operation may still be active in the session, so it is replaced.
    Replace,
    /// The link is gone.
    Lost,
}

/// The caller's side. Dropped, the threads end and the token is logged out.
pub(super) struct Pool {
    core: Arc<Core>,
    jobs: Sender<Job>,
    places: Arc<Semaphore>,
    /// Closed on drop, which ends the supervisor even in the middle of a pause.
    _alive: Sender<()>,
}

/// What the pool is made from.
pub(super) struct PoolConfig {
    pub(super) library: Arc<Library>,
    pub(super) selector: TokenSelector,
    pub(super) prefix: String,
    pub(super) pin: SecretBytes,
    pub(super) threads: usize,
    pub(super) link: Link,
}

impl Pool {
    /// Starts the threads for a link that was just made.
    pub(super) fn start(config: PoolConfig) -> Result<Self, Pkcs11OpenError> {
        let threads = config.threads.clamp(1, 64);
        let canary = config
            .link
            .with_holder(|session| sealing::seal(session, config.link.roots.seal, CANARY, CANARY))
            .and_then(Result::ok)
            .ok_or(Pkcs11OpenError::SelfTestFailed("sealing key"))?;
        let link = Arc::new(config.link);
        let core = Arc::new(Core {
            library: config.library,
            objects: Objects::new(),
            selector: config.selector,
            prefix: config.prefix,
            pin: config.pin,
            token: link.token.clone(),
            canary,
            link: RwLock::new(None),
            refused: AtomicBool::new(false),
            sessions: AtomicUsize::new(0),
        });
        core.set_link(link);
        let depth = threads.saturating_mul(QUEUE_PER_THREAD);
        let (jobs, queue) = bounded(depth);
        let (trouble, troubles) = bounded(1);
        let (alive, ended) = bounded(0);
        let mut resets = Vec::new();
        for number in 0..threads {
            let (reset, on_reset) = bounded(1);
            resets.push(reset);
            let worker = Worker {
                core: core.clone(),
                jobs: queue.clone(),
                on_reset,
                trouble: trouble.clone(),
                held: None,
            };
            spawn(format!("token-{number}"), move || worker.run())?;
        }
        let supervisor = Supervisor { core: core.clone(), troubles, ended, resets };
        spawn("token-link".to_owned(), move || supervisor.run())?;
        Ok(Self { core, jobs, places: Arc::new(Semaphore::new(depth)), _alive: alive })
    }

    /// Does `work` on a token thread and waits for it, `patience` long at most for each of queue and answer.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&TokenSession<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, ProviderError> {
        self.core.link()?;
        let place = match timeout(patience, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) | Err(_) => return Err(BUSY),
        };
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |token| {
            // Nobody waits any more: the deadline passed while this was in the queue.
            if reply.is_closed() {
                return Outcome::Healthy;
            }
            let (result, outcome) = match token {
                Ok(token) => token.judge(work(token)),
                Err(error) => (Err(error), Outcome::Healthy),
            };
            // The caller may have left meanwhile; then nobody takes the result.
            let _ = reply.send(result);
            outcome
        });
        self.jobs.try_send(Job { work, _place: place }).map_err(|_| BUSY)?;
        match timeout(patience, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(UNAVAILABLE),
            Err(_) => Err(LATE),
        }
    }

    /// Has an idle thread destroy the token objects that nobody uses any more.
    pub(super) fn sweep(&self) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return;
        };
        let work: Work = Box::new(|_| Outcome::Healthy);
        // If the queue is full, the next job sweeps.
        let _ = self.jobs.try_send(Job { work, _place: place });
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<(), Pkcs11OpenError> {
    thread::Builder::new().name(name).spawn(body).map(drop).map_err(Pkcs11OpenError::Threads)
}

impl Core {
    /// The link, or why there is none.
    pub(super) fn link(&self) -> Result<Arc<Link>, ProviderError> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner).clone();
        link.ok_or_else(|| {
            if self.refused.load(Ordering::Relaxed) { ProviderError::LoginRefused } else { UNAVAILABLE }
        })
    }

    /// Sessions open now: those of the threads and the holder's.
    pub(super) fn sessions(&self) -> usize {
        let holder = usize::from(self.link().is_ok());
        self.sessions.load(Ordering::Relaxed).saturating_add(holder)
    }

    fn set_link(&self, link: Arc<Link>) {
        self.library.note(&link);
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Some(link);
    }

    /// Takes the link of that generation out of use; `false` if somebody did so before.
    fn lose(&self, generation: u64) -> bool {
        let lost = self
            .link
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|link| link.generation == generation);
        // Dropped outside the lock: the last one closes the holder session.
        lost.is_some()
    }
}

impl TokenSession<'_> {
    /// Does the token answer for the root?
    pub(super) fn root_answers(&self) -> bool {
        self.session
            .get_attributes(self.link.roots.seal, &[AttributeType::Class])
            .is_ok_and(|found| found.len() == 1)
    }

    fn judge<T>(&self, result: Result<T, Fault>) -> (Result<T, ProviderError>, Outcome) {
        let fault = match result {
            Ok(value) => return (Ok(value), Outcome::Healthy),
            Err(Fault::Answer(error)) => return (Err(error), Outcome::Healthy),
            Err(fault) => fault,
        };
        let lost = match fault.verdict() {
            Verdict::Input => false,
            Verdict::Lost => true,
            Verdict::Unclear => !self.root_answers(),
        };
        if lost {
            tracing::warn!(?fault, "the token is gone");
            (Err(UNAVAILABLE), Outcome::Lost)
        } else {
            tracing::debug!(?fault, "the token refused");
            (Err(fault.answer()), Outcome::Replace)
        }
    }
}

/// A thread's session and the link that it belongs to.
struct WorkerSession {
    link: Arc<Link>,
    session: Session,
}

struct Worker {
    core: Arc<Core>,
    jobs: Receiver<Job>,
    on_reset: Receiver<()>,
    trouble: Sender<()>,
    held: Option<WorkerSession>,
}

impl Worker {
    fn run(mut self) {
        loop {
            select! {
                recv(self.jobs) -> job => match job {
                    Ok(job) => self.serve(job),
                    Err(_) => break,
                },
                recv(self.on_reset) -> _ => self.detach(),
            }
        }
        self.detach();
    }

    fn serve(&mut self, job: Job) {
        let library = self.core.library.clone();
        let entry = library.enter();
        let Job { work, _place: place } = job;
        drop(place);
        let attached = self.attach(&entry);
        let outcome = match (&attached, &self.held) {
            (Ok(()), Some(held)) => {
                let token = TokenSession { session: &held.session, link: &held.link, core: &self.core };
                // A panic in the library's binding costs this session, not the thread: its caller sees no answer.
                let outcome = catch_unwind(AssertUnwindSafe(|| work(Ok(&token))));
                let outcome = outcome.unwrap_or(Outcome::Replace);
                self.core.objects.sweep(&token);
                outcome
            }
            (Ok(()), None) => work(Err(UNAVAILABLE)),
            (Err(error), _) => work(Err(error.clone())),
        };
        match outcome {
            Outcome::Healthy => {}
            Outcome::Replace => self.detach(),
            Outcome::Lost => self.report(),
        }
    }

    /// Takes a session of the present link, keeping the one there is if it still belongs to it.
    fn attach(&mut self, entry: &LibraryGuard<'_>) -> Result<(), ProviderError> {
        let link = match self.core.link() {
            Ok(link) => link,
            Err(error) => {
                self.detach();
                return Err(error);
            }
        };
        if self.held.as_ref().is_some_and(|held| {
            held.link.generation == link.generation && link.library_epoch == entry.library_epoch()
        }) {
            return Ok(());
        }
        self.detach();
        let lost = |error| {
            tracing::warn!(?error, "the token gives no session");
            self.lose(link.generation);
            UNAVAILABLE
        };
        if link.library_epoch != entry.library_epoch() {
            return Err(lost(None));
        }
        let session = link.open_session(entry).map_err(|error| lost(Some(error)))?;
        self.core.sessions.fetch_add(1, Ordering::Relaxed);
        self.held = Some(WorkerSession { link, session });
        Ok(())
    }

    fn detach(&mut self) {
        if let Some(held) = self.held.take() {
            self.core.sessions.fetch_sub(1, Ordering::Relaxed);
            self.core.library.enter().retire(held.session, held.link.library_epoch);
        }
    }

    fn report(&mut self) {
        if let Some(held) = &self.held {
            self.lose(held.link.generation);
        }
        self.detach();
    }

    /// From here on nobody uses this connection; the supervisor makes the next.
    fn lose(&self, generation: u64) {
        if self.core.lose(generation) {
            // A full channel already holds a wake-up.
            let _ = self.trouble.try_send(());
        }
    }
}

struct Supervisor {
    core: Arc<Core>,
    troubles: Receiver<()>,
    ended: Receiver<()>,
    resets: Vec<Sender<()>>,
}

impl Supervisor {
    fn run(self) {
        let mut generation = 1_u64;
        loop {
            select! {
                recv(self.troubles) -> trouble => if trouble.is_err() { return },
                recv(self.ended) -> _ => return,
            }
            // Without a link it says why there is none: a refused PIN stays refused.
            if matches!(self.core.link(), Err(error) if error == UNAVAILABLE) {
                generation = generation.wrapping_add(1);
                if !self.rebuild(generation) {
                    return;
                }
            }
        }
    }

    /// Makes the next link; `false` when it is to be given up.
    fn rebuild(&self, generation: u64) -> bool {
        self.core.objects.forget_all();
        for reset in &self.resets {
            // A full channel already holds a reset.
            let _ = reset.try_send(());
        }
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0_u64;
        loop {
            match self.ended.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
            }
            match self.reconnect(generation) {
                Ok(link) => {
                    tracing::info!(token = %link.token.label, "the token is back");
                    self.core.set_link(Arc::new(link));
                    return true;
                }
                Err(error @ Pkcs11OpenError::LoginRefused) => {
                    tracing::error!(%error, "the token is given up; no further attempt is made");
                    self.core.refused.store(true, Ordering::Relaxed);
                    attempt::end();
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, ?pause, "the token is still unavailable");
                    attempts = attempts.saturating_add(1);
                    self.restart(attempts);
                }
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Some libraries see a token again only when they are initialized anew. Where that interrupts another provider of
    /// the process, it is done ever more rarely: a token that is gone for good must not disturb one that is there.
    fn restart(&self, attempts: u64) {
        let seen = self.core.library.enter().library_epoch();
        let at_any_price = attempts >= 4 && attempts.is_power_of_two();
        if let Err(error) = self.core.library.restart(seen, at_any_price) {
            tracing::warn!(%error, "the PKCS#11 library does not start again");
        }
    }

    fn reconnect(&self, generation: u64) -> Result<Link, Pkcs11OpenError> {
        let options = ConnectOptions {
            library: &self.core.library,
            selector: &self.core.selector,
            pin: &self.core.pin,
            prefix: &self.core.prefix,
            few: FewAttempts::Keep,
            known: Some(&self.core.token),
        };
        let link = Link::connect(&options, CreateRoot::Never, generation)?;
        let opened = link
            .with_holder(|session| sealing::open(session, link.roots.seal, CANARY, &self.core.canary))
            .and_then(Result::ok);
        match opened {
            Some(canary) if canary.ct_eq_bytes(CANARY) => Ok(link),
            _ => Err(Pkcs11OpenError::RootReplaced),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("token", &self.core.token).finish_non_exhaustive()
    }
}
