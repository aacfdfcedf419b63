//! The typed HTTP client: one method per call.
//!
//! A method's name is the operation's. Keys, rings and principals are named by identifier or name, keys as `ring/name`.
//! Calls that read, use keys or create are repeated, at most three times, when the server says `503` with `Retry-After`:
//! it says so only when nothing was released. A creating call carries an idempotency key, so that its repetition finds
//! what the first one made. All others are sent once.

mod access;
mod alert;
mod alias;
mod approval;
mod asset;
mod audit;
mod break_glass;
mod connect;
mod declaration;
mod error;
mod governance;
mod identity;
mod key;
mod plan;
mod raw;
mod review;
mod ring;
mod system;
mod transport;
mod usage;

use std::sync::Arc;
use std::time::Duration;

pub use error::ClientError;
pub use raw::{SignOptions, VerifyOptions};
pub use transport::Plane;

use crate::profile::{Profile, ProfileCredential};
use transport::Transport;

/// What a call answered, and where the log records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Index of the call's first entry in the audit log.
    pub entry: Option<u64>,
    /// The receipt of that entry.
    pub receipt: Option<String>,
}

impl<T> Answer<T> {
    /// The same answer with another value.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: with(self.value), entry: self.entry, receipt: self.receipt }
    }
}

/// What every call gives.
pub type Reply<T> = Result<Answer<T>, ClientError>;

/// A client of one deployment. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
    idempotency_key: Option<Arc<str>>,
    request_id: Option<Arc<str>>,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, the TLS handshake included.
    pub connect: Duration,
    /// For a whole call, one repetition of it.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), call: Duration::from_secs(30) }
    }
}

impl Client {
    /// A client for that profile. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the profile's certificates or key do not serve.
    pub fn new(profile: &Profile) -> Result<Self, ClientError> {
        Self::with_timeouts(profile, Timeouts::default())
    }

    /// The same, waiting as long as `timeouts` say.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the profile's certificates or key do not serve.
    pub fn with_timeouts(profile: &Profile, timeouts: Timeouts) -> Result<Self, ClientError> {
        let transport = Arc::new(Transport::new(profile, timeouts)?);
        Ok(Self { transport, idempotency_key: None, request_id: None })
    }

    /// This client, creating under an idempotency key of the caller's, 1 to 128 visible ASCII characters. It is good for one
    /// creation and its repetitions.
    #[must_use]
    pub fn with_idempotency_key(&self, key: &str) -> Self {
        Self { idempotency_key: Some(key.into()), ..self.clone() }
    }

    /// This client, with a request identifier of the caller's on every call, 1 to 128 visible ASCII characters.
    #[must_use]
    pub fn with_request_id(&self, id: &str) -> Self {
        Self { request_id: Some(id.into()), ..self.clone() }
    }
}

impl ProfileCredential {
    const fn token(&self) -> Option<&crate::types::SecretText> {
        match self {
            Self::Token(token) => Some(token),
            Self::Certificate { .. } | Self::None => None,
        }
    }
}
