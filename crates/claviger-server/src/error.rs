//! Why a server could not be set up or could not go on, said so that the operator knows what to do.

use std::net::SocketAddr;
use std::path::PathBuf;

use claviger_core::Name;
use claviger_core::port::StoreError;
use claviger_provider::{Pkcs11OpenError, SoftwareRootError};
use claviger_service::ServiceError;

use crate::config::ConfigError;
use crate::files::FileError;
use crate::listener::TlsError;
use crate::pki::PkiError;
use crate::webhook::WebhookError;

/// Why a command of the server failed.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// There is a deployment already.
    #[error(
        "`{}` holds a deployment already, and set-up happens once; serve it with `claviger serve`, or name another `data_dir`",
        data_dir.display()
    )]
    AlreadySetUp {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The authority's key is absent.
    #[error(
        "certificates are made with the key of the authority in `{}`, and it is not in `{}`; put it there for the moment",
        certificate.display(), key.display()
    )]
    AuthorityKeyMissing {
        /// The authority's certificate.
        certificate: PathBuf,
        /// Where its key is expected.
        key: PathBuf,
    },
    /// A socket cannot be had.
    #[error("cannot listen on `{address}`: {source}; end what listens there, or change `listen.{name}`")]
    Bind {
        /// The listener.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The server's certificate ended.
    #[error(
        "the certificate `{}` has expired; make a new one with `claviger init --renew --config FILE`, or put one of your authority there",
        path.display()
    )]
    CertificateExpired {
        /// The certificate.
        path: PathBuf,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log or the process stopped by itself.
    #[error("the service stopped: {0}")]
    Fatal(String),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate request of the set-up is of nobody whom it makes.
    #[error("`--request {name}=FILE`: {what}")]
    FirstRequest {
        /// Whose it is said to be.
        name: Name,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A principal has the name of the one to be made.
    #[error("a principal `{0}` is there already, and a name is never used again; choose another `--name`")]
    NameTaken(Name),
    /// Nobody was ever set up.
    #[error("`{}` holds no deployment; set one up with `claviger init --config {}`", data_dir.display(), config.display())]
    NotSetUp {
        /// Where one was looked for.
        data_dir: PathBuf,
        /// The configuration that says so.
        config: PathBuf,
    },
    /// The operating system refused something that has no remedy here.
    #[error("{what}: {source}")]
    Os {
        /// What was tried.
        what: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The variable with the PIN is not set.
    #[error("`root.pin_env` names the variable `{0}`, which is not set; set it for this process")]
    PinVariable(String),
    /// A certificate could not be made or read.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// More custodians would have to approve than there are.
    #[error(
        "{quorum} custodians cannot approve where {custodians} are made; give a lower `--quorum`, and raise it once there are more"
    )]
    QuorumTooLarge {
        /// How many were to approve.
        quorum: u8,
        /// How many there are.
        custodians: u8,
    },
    /// There is no root, and now is not the time to make one.
    #[error("the store has no sealed root; set the deployment up with `claviger init`")]
    RootMissing,
    /// What was asked for is not complete.
    #[error("a root in a token needs {0}")]
    RootUndescribed(&'static str),
    /// The deployment does not open, or refused.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The software root does not open.
    #[error(transparent)]
    Software(#[from] SoftwareRootError),
    /// The store does not open.
    #[error("the store in `{}` cannot be used: {source}", data_dir.display())]
    Store {
        /// Where it is.
        data_dir: PathBuf,
        /// The error of the store.
        source: StoreError,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The token does not open.
    #[error(transparent)]
    Token(#[from] Pkcs11OpenError),
    /// Somebody who is to be told of alerts cannot be.
    #[error(
        "`{receiver}` cannot be told of alerts: {source}; see to `[[alerts.webhook]]` in the configuration"
    )]
    Webhook {
        /// Scheme, host and port of its address.
        receiver: String,
        /// Why not.
        source: WebhookError,
    },
    /// The controls could not be evaluated.
    #[error("the log could not be evaluated: {0}")]
    Unevaluated(String),
}

impl ServerError {
    /// Exit code of a process that ended over the PIN of its token: to start it again would bring the token closer to its
    /// lock, so the unit of systemd does not.
    pub const PIN_EXIT_CODE: u8 = 5;

    /// With which code a process ends that failed in this way.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Token(error) if error.is_about_the_pin() => Self::PIN_EXIT_CODE,
            _ => 1,
        }
    }

    pub(crate) fn os(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Os { what, source }
    }
}
