//! Tells receivers of each alert that is raised.
//!
//! | module | what it holds |
//! |---|---|
//! | `message` | what is told, and its signature |
//! | `receiver` | how a receiver is reached |
//! | `queue` | what a receiver was not told of yet |
//!
//! What it keeps true:
//! * each receiver is told of each alert at least once, as long as the process lives and what waits is no more than a queue holds; a start tells
//!   of all that are open then, for nothing is kept of who was told before;
//! * a receiver that is away, slow or refuses keeps no other from being told, and nobody's call waits for any of them;
//! * what does not get through is tried again, later each time.

mod message;
mod queue;
mod receiver;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::Timestamp;
use claviger_core::alert::Alert;
use claviger_core::port::Clock as _;
use claviger_crypto::random;
use claviger_service::{AlertReceiver, Road, ServiceError};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use message::Message;
use queue::Queue;
pub(crate) use receiver::{Receiver, Untold};

use crate::clock::SystemClock;
use crate::config::{Alerts, Webhook};
use crate::error::ServerError;
use crate::files::FileError;
use crate::pki::PkiError;
use crate::stop::Stopping;

/// Why a receiver cannot be told of anything.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The authorities cannot be read.
    #[error(transparent)]
    Authorities(#[from] PkiError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its host has no name that a certificate could have.
    #[error("`{host}` is no name that a certificate can have")]
    Name {
        /// The host.
        host: String,
    },
    /// There is nobody who vouches for it.
    #[error(
        "this system has no authorities where they usually lie; name those of the receiver in its `ca_file`"
    )]
    NoAuthorities,
    /// The secret is none.
    #[error(
        "`{}` holds no secret of a webhook, which is one line: `whsec_` and 24 to 64 bytes in base64, like `(printf whsec_; openssl rand \
         -base64 32)` writes",
        path.display()
    )]
    Secret {
        /// The file.
        path: PathBuf,
    },
    /// The library refused the authorities.
    #[error("`ca_file` cannot be used: {0}; it must hold the certificates of authorities")]
    Tls(#[from] rustls::Error),
}

/// How long to wait before what did not get through is tried again.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Behind the first attempt.
    first: Duration,
    /// At most.
    most: Duration,
}

impl Pace {
    const USUAL: Self = Self { first: Duration::from_secs(1), most: Duration::from_secs(600) };

    /// Twice as long each time. Half of it is by chance: what broke for many at once is not tried by many at once.
    fn after(self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let half = self.first.saturating_mul(doubled).min(self.most) / 2;
        let chance = random::array::<1>().map_or(0, |[byte]| u32::from(byte));
        half + half.saturating_mul(chance) / 255
    }
}

/// Those who are told, before anybody is.
#[derive(Debug)]
pub(crate) struct Webhooks(Vec<Receiver>);

impl Webhooks {
    /// Reads the files of all receivers.
    pub(crate) fn load(alerts: &Alerts) -> Result<Self, ServerError> {
        let load = |webhook: &Webhook| {
            Receiver::load(webhook).map_err(|source| {
                let receiver = webhook.url.to_string();
                ServerError::Webhook { receiver, source }
            })
        };
        alerts.webhooks.iter().map(load).collect::<Result<_, _>>().map(Self)
    }

    /// From now on each is told, until `stopping` says so.
    pub(crate) fn start(self, road: &Road, stopping: &Stopping) {
        for (place, receiver) in self.0.into_iter().enumerate() {
            let telling = Telling::new(place, receiver, road.clone(), Pace::USUAL);
            tokio::spawn(telling.keep_on(stopping.clone()));
        }
    }
}

/// One receiver, and how far it was told.
struct Telling {
    place: usize,
    receiver: Receiver,
    road: Road,
    heard: broadcast::Receiver<Arc<Alert>>,
    queue: Queue,
    pace: Pace,
    /// Attempts in a row that failed.
    failures: u32,
    delivered: u64,
    failed: u64,
    failing: Option<(Timestamp, String)>,
}

impl Telling {
    fn new(place: usize, receiver: Receiver, road: Road, pace: Pace) -> Self {
        let heard = road.hear_alerts();
        Self {
            place,
            receiver,
            road,
            heard,
            queue: Queue::default(),
            pace,
            failures: 0,
            delivered: 0,
            failed: 0,
            failing: None,
        }
    }

    async fn keep_on(mut self, mut stopping: Stopping) {
        loop {
            let pause = tokio::select! {
                () = stopping.stopped() => return,
                pause = self.step() => pause,
            };
            tokio::select! {
                () = stopping.stopped() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tells of one alert, or waits for one; gives how long to wait before the next step.
    async fn step(&mut self) -> Duration {
        self.listen();
        if self.queue.is_to_be_read_again()
            && let Err(error) = self.read_open().await
        {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "open alerts were not read, so that a receiver is not told of all yet");
            // What waits, and what is raised meanwhile, it is told all the same.
            if self.queue.next().is_none() {
                let _ = tokio::time::timeout(self.pace.most / 10, self.hear()).await;
                return Duration::ZERO;
            }
        }
        self.report();
        let Some(alert) = self.queue.next() else {
            self.hear().await;
            return Duration::ZERO;
        };
        let now = SystemClock.now();
        let told = self.receiver.tell(&Message::of(&alert, &self.road.facts().deployment), now).await;
        let pause = self.settle(told, now);
        self.report();
        pause
    }

    /// Waits for one that is raised.
    async fn hear(&mut self) {
        match self.heard.recv().await {
            Ok(alert) => self.queue.take(alert),
            Err(RecvError::Lagged(_)) => self.queue.miss(),
            // Nobody raises any more: the process is about to end.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Takes what was raised meanwhile.
    fn listen(&mut self) {
        loop {
            match self.heard.try_recv() {
                Ok(alert) => self.queue.take(alert),
                Err(TryRecvError::Lagged(_)) => self.queue.miss(),
                Err(TryRecvError::Closed | TryRecvError::Empty) => return,
            }
        }
    }

    /// Takes all alerts that are open.
    async fn read_open(&mut self) -> Result<(), ServiceError> {
        let open = self.road.open_alerts().await?;
        self.queue.take_all(open.into_iter().map(Arc::new).collect());
        Ok(())
    }

    /// Goes on behind an attempt; gives how long to wait.
    fn settle(&mut self, told: Result<(), Untold>, now: Timestamp) -> Duration {
        let receiver = self.receiver.name();
        match told {
            Ok(()) => {
                self.queue.told();
                self.failures = 0;
                self.delivered = self.delivered.saturating_add(1);
                if self.failing.take().is_some() {
                    tracing::info!(receiver, "a receiver of alerts takes them again");
                }
                Duration::ZERO
            }
            Err(why) => {
                // Others may get through that it takes.
                self.queue.put_off();
                self.failures = self.failures.saturating_add(1);
                self.failed = self.failed.saturating_add(1);
                let pause = self.pace.after(self.failures);
                let again_in_seconds = pause.as_secs();
                tracing::warn!(receiver, %why, again_in_seconds, "a receiver was not told of an alert");
                let since = self.failing.take().map_or(now, |(since, _)| since);
                self.failing = Some((since, why.to_string()));
                pause
            }
        }
    }

    fn report(&self) {
        let receiver = AlertReceiver {
            name: self.receiver.name(),
            waiting: self.queue.len(),
            delivered: self.delivered,
            failed: self.failed,
            failing: self.failing.clone(),
        };
        self.road.report_receiver(self.place, receiver);
    }
}
