//! `claviger quickstart`: from nothing to a server that answers, in one command, in one folder. Run again: same data.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use claviger_core::governance::Governance;
use claviger_core::port::Clock as _;
use serde::Serialize;

use crate::assemble::{self, Running, Sockets};
use crate::authority;
use crate::bootstrap::{self, APP, InitialPrincipal, Proofs, ROLE_HOLDERS};
use crate::clock::SystemClock;
use crate::config::{Config, Root, SoftwareSeal, Template};
use crate::deployment::{Deployment, Jobs, LostTail};
use crate::endpoints::{Endpoint, Listen, Urls};
use crate::error::ServerError;
use crate::evaluation;
use crate::files;
use crate::hardening::Hardening;
use crate::init::write_config;
use crate::listener::tls;
use crate::root::Making;
use crate::webhook::Webhooks;

/// How a quick start is made.
#[derive(Debug)]
pub struct QuickstartOptions {
    /// The folder; made if it is not there.
    pub dir: PathBuf,
    /// The root of a new deployment; a software root if none is given. An old one has its own.
    pub root: Option<Root>,
    /// Make a ring for evaluation, with an access key that may do everything in it?
    pub evaluation: bool,
    /// Address of the control plane; data is one port above, AWS KMS two, metrics nine; port 0 takes any that are free.
    pub listen: Option<SocketAddr>,
    /// Where to write what is in [`Ready`], once the server serves.
    pub ready_file: Option<PathBuf>,
}

/// What a program that started the server needs to know.
#[derive(Debug, Serialize)]
pub struct Ready {
    /// Where the server is reached.
    pub urls: Urls,
    /// The authority of its certificate.
    pub ca: PathBuf,
    /// The profiles, by name.
    pub profiles: BTreeMap<&'static str, PathBuf>,
    /// Settings of clients of other protocols, by protocol.
    pub clients: BTreeMap<&'static str, PathBuf>,
    /// The configuration.
    pub config: PathBuf,
    /// Kind of the root.
    pub root: &'static str,
    /// How approvals stand; `None` where the rows that say so do not read.
    pub approvals: Option<Approvals>,
}

/// Who must agree to what nobody does alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Approvals {
    /// How many custodians must approve what concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
    /// How many custodians can.
    pub custodians: u64,
}

const INITIAL: [InitialPrincipal; ROLE_HOLDERS.len() + 1] = {
    let mut initial = [APP; ROLE_HOLDERS.len() + 1];
    let mut at = 0;
    while at < ROLE_HOLDERS.len() {
        #[expect(clippy::indexing_slicing, reason = "the compiler runs this, and would refuse it")]
        {
            initial[at] = ROLE_HOLDERS[at];
        }
        at += 1;
    }
    initial
};

/// Makes what is missing in the folder, and serves it.
///
/// # Errors
/// [`ServerError`].
pub async fn quickstart(
    options: &QuickstartOptions,
    hardening: Option<Hardening>,
) -> Result<(Running, Ready), ServerError> {
    let config = configure(options)?;
    let deployment = Deployment::open(&config, Making::IfMissing, None, LostTail::Refuse).await?;
    let now = SystemClock.now();
    let is_set_up = deployment.is_set_up().await?;
    if is_set_up {
        authority::renew_server_certificate_if_due(&config, now)?;
        assemble::check_certificate(&config)?;
    } else {
        let authority = authority::ensure_authority(&config.tls, now)?;
        authority::ensure_server_certificate(&config, &authority, &[], now)?;
    }
    let tls = tls::load(&config.tls)?;
    let webhooks = Webhooks::load(&config.alerts)?;
    let sockets = Sockets::bind(&config)?;
    let at_work = deployment.start(&config, Jobs::On).await?;
    if !is_set_up {
        let entered = match authority::ensure_authority(&config.tls, now) {
            Ok(authority) => {
                // The keys of all in one folder: whoever tries things is everybody.
                let (proofs, quorum) = (Proofs::Certificates, Governance::QUORUM);
                bootstrap::register(&INITIAL, proofs, quorum, &authority, &at_work.road, &config).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = entered {
            at_work.stop().await;
            return Err(error);
        }
    }
    drop(deployment);
    let mut clients = BTreeMap::new();
    if options.evaluation || evaluation::was_made(&config) {
        match evaluation::ensure(&at_work.road, &config, &sockets.urls()[Endpoint::Aws]).await {
            Ok(path) => drop(clients.insert("aws", absolute(&path))),
            Err(error) => {
                at_work.stop().await;
                return Err(error);
            }
        }
    }
    // A server starts though a row was altered.
    let figures = at_work.road.approval_figures().await.ok();
    let approvals =
        figures.map(|figures| Approvals { quorum: figures.quorum, custodians: figures.custodians });
    let ready = Ready { clients, approvals, ..ready(&config, sockets.urls())? };
    let running = assemble::serve(at_work, sockets, tls, webhooks, config, hardening).await?;
    if let Some(path) = &options.ready_file {
        let json = serde_json::to_vec_pretty(&ready)
            .map_err(|error| ServerError::Fatal(format!("the ready file cannot be written: {error}")))?;
        files::write_public(path, &json)?;
    }
    Ok((running, ready))
}

fn configure(options: &QuickstartOptions) -> Result<Config, ServerError> {
    let file = options.dir.join("claviger.toml");
    if !file.exists() {
        let software = || Root::InsecureSoftwareRoot { seal: SoftwareSeal::KeyFile("root.key".into()) };
        let root = options.root.clone().unwrap_or_else(software);
        let listen = options.listen.map_or_else(Listen::usual, Listen::beside);
        write_config(&file, &Template { listen, root })?;
    }
    let mut config = Config::load(&file)?;
    if let Some(base) = options.listen {
        config.listen = Listen::beside(base);
    }
    Ok(config)
}

fn ready(config: &Config, urls: &Urls) -> Result<Ready, ServerError> {
    let profiles =
        bootstrap::write_profiles(&INITIAL, config, (&urls[Endpoint::Control], &urls[Endpoint::Data]))?;
    Ok(Ready {
        urls: urls.clone(),
        ca: absolute(&config.tls.client_ca),
        clients: BTreeMap::new(),
        profiles: profiles.into_iter().map(|(name, path)| (name, absolute(&path))).collect(),
        config: absolute(&config.file),
        root: config.root.kind(),
        approvals: None,
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_first_principal_is_there_once() {
        let names: std::collections::BTreeSet<_> = INITIAL.iter().map(|principal| principal.name).collect();
        assert_eq!(names.len(), ROLE_HOLDERS.len() + 1);
        assert!(names.contains("app"));
    }
}
