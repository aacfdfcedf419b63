//! `claviger serve`, and what every command that serves shares.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use claviger_provider::Pkcs11OpenError;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::pin::PinArgs;
use crate::assemble::{Running, Server};
use crate::config::{Config, Root};
use crate::deployment::LostTail;
use crate::error::ServerError;
use crate::hardening::Hardening;
use crate::notify::{self, State};
use crate::telemetry;

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration
    #[arg(long, value_name = "FILE", env = "CLAVIGER_CONFIG", default_value = "/etc/claviger/claviger.toml")]
    pub(super) config: PathBuf,
    #[command(flatten)]
    pin: PinArgs,
    /// Serve though the newest part of the log is lost, once: the start that refused says so. The log keeps an entry of the choice
    #[arg(long)]
    accept_lost_tail: bool,
}

/// What is said of a root that no token keeps.
const SOFTWARE_ROOT: &str = "the root key is kept by software (insecure_software_root): whoever reads its key file and the data directory has every key";

pub(super) fn run(args: &ServeArgs) -> Result<ExitCode, ServerError> {
    let mut config = Config::load(&args.config)?;
    config.few_attempts = args.pin.few_attempts();
    // Given back before a failure is printed, which is no trace.
    let _captured = telemetry::start_capturing(&config.log);
    let hardening = Hardening::apply();
    let lost_tail = if args.accept_lost_tail { LostTail::Accept } else { LostTail::Refuse };
    on_runtime(async move {
        let signals = Signals::listen()?;
        let in_software = matches!(config.root, Root::InsecureSoftwareRoot { .. });
        let running = Server::start_with(config, Some(hardening), lost_tail).await?;
        if in_software {
            tracing::warn!("{SOFTWARE_ROOT}");
        }
        let [control, data, aws, metrics] = running.public_urls().into_array();
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(%control, %data, %aws, %metrics, version, "serving");
        until_signalled(running, signals).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `work` on a runtime of its own. What blocks is given some seconds to end.
pub(super) fn on_runtime<T>(work: impl Future<Output = Result<T, ServerError>>) -> Result<T, ServerError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServerError::os("the runtime does not start"))?;
    let done = runtime.block_on(Box::pin(work));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    done
}

/// Signals that are meant for a server. Heard from before it starts, so that none comes too early.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, ServerError> {
        let listen = |kind| signal(kind).map_err(ServerError::os("signals cannot be heard"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }
}

/// Serves until a signal ends it, or it fails by itself.
pub(super) async fn until_signalled(running: Running, mut signals: Signals) -> Result<(), ServerError> {
    notify::report(State::Ready);
    let mut pin_refused = claviger_provider::pin_refused();
    let failed = loop {
        tokio::select! {
            // Without its token it serves nobody, and it must not be started again by itself.
            Ok(_) = pin_refused.wait_for(|refused| *refused) => break Some(Pkcs11OpenError::LoginRefused.into()),
            _ = signals.interrupt.recv() => break None,
            _ = signals.terminate.recv() => break None,
            _ = signals.hang_up.recv() => match running.reload_certificates().await {
                Ok(()) => tracing::info!("the certificates were read again"),
                Err(error) => tracing::error!(%error, "the certificates stay as they were"),
            },
            reason = running.failed() => break Some(ServerError::Fatal(reason)),
        }
    };
    notify::report(State::Stopping);
    tracing::info!("stopping: requests in work are answered, then the log is closed");
    running.shutdown().await;
    tracing::info!("stopped");
    failed.map_or(Ok(()), Err)
}
