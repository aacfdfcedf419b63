//! Puts a server together: store, root, road, protocols, sockets. The one place that knows all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use claviger_core::port::Clock as _;
use claviger_service::Road;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::authority;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::deployment::{AtWork, Deployment, Jobs, LostTail};
use crate::endpoints::{Endpoint, Listen, Serves, Urls};
use crate::error::ServerError;
use crate::hardening::Hardening;
use crate::listener::{self, Listener, Released, TlsError, tls};
use crate::node::{self, Described};
use crate::observe::Observed;
use crate::pki::{self, EXPIRY_WARNING};
use crate::root::Making;
use crate::self_evaluation::Evaluator;
use crate::stop::{self, Stop, Stopping};
use crate::telemetry::{ListenerMetrics, Registry, run_probe};
use crate::webhook::Webhooks;

/// How often histograms are tidied.
const TIDY: Duration = Duration::from_secs(5);

/// The sockets of a server, bound and silent.
#[derive(Debug)]
pub(crate) struct Sockets {
    sockets: Vec<(Endpoint, TcpListener)>,
    urls: Urls,
    bound: Listen,
}

impl Sockets {
    pub(crate) fn bind(config: &Config) -> Result<Self, ServerError> {
        let (mut sockets, mut bound) = (Vec::new(), config.listen);
        for (endpoint, &address) in config.listen.iter() {
            let name = endpoint.name();
            let socket = listener::bind(address, config.limits.backlog)
                .map_err(|source| ServerError::Bind { name, address, source })?;
            bound[endpoint] =
                socket.local_addr().map_err(ServerError::os("the address of a socket is not known"))?;
            sockets.push((endpoint, socket));
        }
        let scheme = |endpoint: Endpoint| if endpoint.is_tls() { "https" } else { "http" };
        let urls = Urls::new(|endpoint| url(scheme(endpoint), bound[endpoint]));
        Ok(Self { sockets, urls, bound })
    }

    pub(crate) const fn urls(&self) -> &Urls {
        &self.urls
    }
}

/// A socket on all addresses is reached on this machine by loopback.
pub(crate) fn url(scheme: &str, address: SocketAddr) -> String {
    let shown = match address.ip() {
        ip if !ip.is_unspecified() => address,
        ip if ip.is_ipv4() => SocketAddr::from(([127, 0, 0, 1], address.port())),
        _ => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], address.port())),
    };
    format!("{scheme}://{shown}")
}

/// A server, before it runs.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts a server of a deployment that was set up. When this returns, it serves.
    ///
    /// # Errors
    /// [`ServerError`], each of whose variants says what to do.
    pub async fn start(config: Config, hardening: Option<Hardening>) -> Result<Running, ServerError> {
        Self::start_with(config, hardening, LostTail::Refuse).await
    }

    /// The same, where the newest part of the store may be lost.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start_with(
        config: Config,
        hardening: Option<Hardening>,
        lost_tail: LostTail,
    ) -> Result<Running, ServerError> {
        let deployment = Deployment::open(&config, Making::Never, None, lost_tail).await?;
        if !deployment.is_set_up().await? {
            return Err(ServerError::NotSetUp { data_dir: config.data_dir, config: config.file });
        }
        check_certificate(&config)?;
        // Before the road: what is wrong with files or sockets should leave no entry in the log.
        let tls = tls::load(&config.tls)?;
        let webhooks = Webhooks::load(&config.alerts)?;
        let sockets = Sockets::bind(&config)?;
        let at_work = deployment.start(&config, Jobs::On).await?;
        drop(deployment);
        serve(at_work, sockets, tls, webhooks, config, hardening).await
    }
}

/// A certificate that no client accepts any more would only look like a server that is down.
pub(crate) fn check_certificate(config: &Config) -> Result<(), ServerError> {
    let path = &config.tls.certificate;
    let (facts, now) = (pki::read_facts(path)?, SystemClock.now());
    if facts.expires_at <= now {
        return Err(ServerError::CertificateExpired { path: path.clone() });
    }
    if facts.expires_at <= now.after(EXPIRY_WARNING) {
        let days = facts.expires_at.since(now).as_secs() / 86_400;
        tracing::warn!(days, "the certificate of the server expires soon; renew it, then send SIGHUP");
    }
    Ok(())
}

/// Records that the module has passed its self-tests, without which no root of trust opens, and what the node is.
async fn record(road: &Road, node: &Described, tls: &ServerConfig) -> Result<(), ServerError> {
    road.take_self_test(Ok(())).await?;
    node::record(road, node, tls).await
}

/// Records what the node is, and opens the listeners.
pub(crate) async fn serve(
    at_work: AtWork,
    sockets: Sockets,
    tls: ServerConfig,
    webhooks: Webhooks,
    config: Config,
    hardening: Option<Hardening>,
) -> Result<Running, ServerError> {
    let node = Described { config: config.clone(), bound: sockets.bound, hardening };
    if let Err(error) = record(&at_work.road, &node, &tls).await {
        at_work.stop().await;
        return Err(error);
    }
    let registry = Arc::new(Registry::new());
    let evaluator = match Evaluator::begin(&at_work.road, Arc::clone(&registry)).await {
        Ok(evaluator) => Arc::new(evaluator),
        Err(error) => {
            at_work.stop().await;
            return Err(error);
        }
    };
    let (stop, stopping) = stop::pair();
    let (tls, released) = (Arc::new(ArcSwap::from_pointee(tls)), Arc::new(Released::default()));
    let road = &at_work.road;
    let observed = Arc::new(Observed::new(
        road.clone(),
        Arc::clone(&registry),
        at_work.newest_note.clone(),
        config.audit.cut,
        config.tls.certificate.clone(),
        at_work.fatal.clone(),
        stopping.clone(),
        hardening,
    ));
    // Watchers are answered while requests in work end, so that a load balancer sees why.
    let (stop_probes, probes_stopping) = stop::pair();
    let (mut listeners, mut probes) = (Vec::new(), Vec::new());
    for (endpoint, socket) in sockets.sockets {
        match endpoint.row().serves {
            Serves::Callers { protocol, .. } => {
                let metrics = ListenerMetrics::new(&registry, endpoint.name());
                let (tls, released) = (Arc::clone(&tls), Arc::clone(&released));
                let protocol = protocol(road, &config);
                let stopping = stopping.clone();
                let listener =
                    Listener::new(socket, tls, protocol, config.limits, metrics, released, stopping);
                listeners.push(tokio::spawn(listener.run()));
            }
            Serves::Watchers => {
                let observed = Arc::clone(&observed);
                probes.push(tokio::spawn(run_probe(socket, observed, probes_stopping.clone())));
            }
        }
    }
    webhooks.start(road, &stopping);
    tokio::spawn(tidy(registry, stopping.clone()));
    tokio::spawn(Arc::clone(&released).keep_recording(road.clone(), stopping.clone()));
    tokio::spawn(Arc::clone(&evaluator).keep_on(road.clone(), stopping.clone()));
    tokio::spawn(at_work.newest_note.clone().keep_on(stopping));
    Ok(Running {
        urls: sockets.urls,
        tls,
        node,
        stop,
        listeners,
        released,
        evaluator,
        stop_probes,
        probes,
        at_work,
    })
}

async fn tidy(registry: Arc<Registry>, mut stopping: Stopping) {
    loop {
        tokio::select! {
            () = stopping.stopped() => return,
            () = tokio::time::sleep(TIDY) => registry.tidy(),
        }
    }
}

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    urls: Urls,
    tls: Arc<ArcSwap<ServerConfig>>,
    node: Described,
    stop: Stop,
    listeners: Vec<JoinHandle<usize>>,
    released: Arc<Released>,
    evaluator: Arc<Evaluator>,
    stop_probes: Stop,
    probes: Vec<JoinHandle<()>>,
    at_work: AtWork,
}

impl Running {
    /// Where it is reached on this machine.
    #[must_use]
    pub const fn urls(&self) -> &Urls {
        &self.urls
    }

    /// Where it is reached from elsewhere.
    #[must_use]
    pub fn public_urls(&self) -> Urls {
        authority::reachable(&self.node.config, self.node.bound)
    }

    /// The road that it serves.
    #[must_use]
    pub const fn road(&self) -> &Road {
        &self.at_work.road
    }

    /// Reads the files of TLS again; they count from the next connection on, and the log says which they are. If something is wrong with
    /// them, what was read before stays.
    ///
    /// # Errors
    /// [`TlsError`].
    pub async fn reload_certificates(&self) -> Result<(), TlsError> {
        let files = &self.node.config.tls;
        let tls = Arc::new(tls::load(files)?);
        self.at_work.trust.reload(files)?;
        self.tls.store(Arc::clone(&tls));
        if let Err(error) = node::record(self.road(), &self.node, &tls).await {
            tracing::error!(%error, "the log does not say yet which certificates were read");
        }
        Ok(())
    }

    /// Evaluates the controls over the log if that is due, which the server does of itself once a day; gives the entry.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn evaluate_when_due(&self) -> Result<Option<u64>, ServerError> {
        self.evaluator.run_when_due(self.road()).await
    }

    /// Waits until the log stops by itself, and says why. Does not come back otherwise.
    pub async fn failed(&self) -> String {
        let mut fatal: watch::Receiver<Option<String>> = self.at_work.fatal.clone();
        if let Ok(reason) = fatal.wait_for(Option::is_some).await
            && let Some(reason) = reason.clone()
        {
            return reason;
        }
        // Nobody is left to say that it failed: it did not.
        std::future::pending().await
    }

    /// Ends it: nothing new is accepted, what was begun is answered, then the log is closed.
    pub async fn shutdown(self) {
        self.stop.stop();
        let mut cut = 0_usize;
        for listener in self.listeners {
            cut = cut.saturating_add(listener.await.unwrap_or_default());
        }
        if cut > 0 {
            tracing::warn!(
                cut,
                "connections were cut, because their requests did not end in `limits.shutdown_seconds`"
            );
        }
        self.released.record(&self.at_work.road).await;
        self.at_work.close().await;
        // Watchers hold the road, and with it the store: they go before the data directory is given free.
        self.stop_probes.stop();
        for probe in self.probes {
            let _ = probe.await;
        }
        self.at_work.release().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_on_all_addresses_is_shown_as_loopback() {
        for (address, shown) in [
            ("0.0.0.0:7400", "https://127.0.0.1:7400"),
            ("[::]:7400", "https://[::1]:7400"),
            ("10.0.0.9:7400", "https://10.0.0.9:7400"),
        ] {
            assert_eq!(url("https", address.parse().unwrap()), shown);
        }
    }
}
