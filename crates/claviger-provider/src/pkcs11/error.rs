//! Why a PKCS#11 root could not be opened: for the person who sets it up, so these say more than [`ProviderError`].
//!
//! [`ProviderError`]: claviger_core::port::ProviderError

use std::fmt;
use std::path::PathBuf;

use cryptoki::error::{Error, RvError};

/// Why a PKCS#11 root could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs11OpenError {
    /// Two tokens bear the label.
    #[error("more than one token is labelled `{label}`; name the slot instead")]
    AmbiguousToken {
        /// The label.
        label: String,
    },
    /// The library cannot be loaded or initialized.
    #[error("the PKCS#11 library `{}` cannot be used: {why}", path.display())]
    Library {
        /// Where it was looked for.
        path: PathBuf,
        /// What is known of it, and what to do.
        why: String,
        /// What the loader or the library said.
        #[source]
        source: Said,
    },
    /// The token refused the PIN. One attempt was made.
    #[error("the token refused the PIN; one attempt was made, and none will follow by itself")]
    LoginRefused,
    /// The token lacks what a root needs.
    #[error("the token does not offer {0}, which a root needs")]
    MissingMechanism(&'static str),
    /// No such token.
    #[error("no initialized token matches {selector}: {seen}")]
    NoToken {
        /// What was looked for.
        selector: String,
        /// What there is instead, or what keeps it from being seen.
        seen: String,
    },
    /// The token reports that few attempts are left; none was made.
    #[error(
        "the token reports that {0}, so it was not shown the PIN; make sure that the PIN is right, then log in once with `--risk-pin-lock`"
    )]
    PinAtRisk(&'static str),
    /// The token reports that it locked the PIN; no attempt was made.
    #[error("the token has locked the PIN; unlock it with the tools of the token")]
    PinLocked,
    /// Two keys bear one label.
    #[error("more than one key in the token is labelled `{label}`; one of them must go")]
    RootAmbiguous {
        /// The label.
        label: String,
    },
    /// Some of the root keys are there, some are not.
    #[error("the root in the token is not complete: keys are missing that were there before")]
    RootIncomplete,
    /// There is no root, and none was to be made.
    #[error("the token holds no root of this deployment")]
    RootMissing,
    /// The root that is there is not the one that was there before.
    #[error("the root in the token is another than before")]
    RootReplaced,
    /// The token says something of a root key that must not be so.
    #[error("the root key `{label}` is not fit to be one: {reason}")]
    RootUnsafe {
        /// The key's label.
        label: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A self-test did not hold; the module must not be used.
    #[error("the self-test of the {0} failed")]
    SelfTestFailed(&'static str),
    /// No thread could be started.
    #[error("the threads that work for the token could not be started")]
    Threads(#[source] std::io::Error),
    /// A call to the token failed.
    #[error("the token failed")]
    Token(#[source] Said),
}

impl From<Error> for Pkcs11OpenError {
    fn from(error: Error) -> Self {
        Self::Token(Said(error))
    }
}

/// What a library or its loader said: the code, which the documents of the library explain, and not the words of the standard,
/// which explain nothing.
#[derive(Debug)]
pub struct Said(pub(super) Error);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error::Pkcs11(code, function) = &self.0 else { return self.0.fmt(f) };
        let hint = match code {
            RvError::GeneralError => {
                ", a general failure: the log of the library may say more (SoftHSM writes to syslog)"
            }
            RvError::HostMemory | RvError::DeviceMemory => ": there is no memory left for it",
            RvError::DeviceError | RvError::DeviceRemoved => ": see whether the device is there and works",
            RvError::TokenWriteProtected => ": the token is write-protected",
            RvError::SessionCount => ": the token has no sessions left; others may hold them",
            _ => "",
        };
        write!(f, "{function:?} gave {code:?}{hint}")
    }
}

impl std::error::Error for Said {}

impl Pkcs11OpenError {
    /// Is it the PIN? Then asking again brings the token closer to its lock, or finds it locked: a person must see to it.
    #[must_use]
    pub const fn is_about_the_pin(&self) -> bool {
        matches!(self, Self::LoginRefused | Self::PinAtRisk(_) | Self::PinLocked)
    }
}
