//! The handle of a key of protection `hsm`: the key under the root, and its public half. Uses go to the token's threads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::key::{KeyVersion, Processing, Protecting};
use claviger_core::port::provider::{Process, Protect, UseFuture, UseOutput};
use claviger_core::port::{Handle, ProviderError};
use claviger_core::{KeyVersionId, Purpose, Spec};
use claviger_crypto::{EncryptionAlgorithm, PublicKey, SecretBytes};

use super::fault::Fault;
use super::pool::{Pool, TokenSession};
use super::usage::{self, Route, Usage};
use super::{mechanism, sealing};
use crate::binding::{Place, UNDER_TOKEN_ROOT, code_of};
use crate::ready::check_version;

/// Uses of an AES-GCM key with random 96-bit nonces (SP 800-38D, 8.3).
const GCM_INVOCATIONS: u64 = 1 << 32;

/// A key of the token, ready for use.
pub(super) struct TokenHandle(Arc<TokenKey>);

/// What a job keeps while it runs.
pub(super) struct TokenKey {
    pub(super) pool: Arc<Pool>,
    pub(super) patience: Duration,
    pub(super) name: u64,
    pub(super) version: KeyVersionId,
    pub(super) spec: Spec,
    pub(super) purpose: Purpose,
    pub(super) wrapped: Wrapped,
    pub(super) public: Option<PublicKey>,
    /// What the token does of OAEP.
    pub(super) oaep: Arc<[EncryptionAlgorithm]>,
}

/// A key under the root's wrapping key: what the envelope at rest has inside.
pub(super) struct Wrapped {
    pub(super) key: Vec<u8>,
    pub(super) public: Option<Vec<u8>>,
}

impl Wrapped {
    /// Seals it to its place. The public key goes inside too: what is verified with must be what was made.
    #[expect(clippy::disallowed_methods, reason = "the provider seals wraps")]
    pub(super) fn seal(&self, token: &TokenSession<'_>, place: &Place) -> Result<Vec<u8>, Fault> {
        let len = u16::try_from(self.key.len())
            .map_err(|_| ProviderError::Unavailable("the token gave a wrap of unlikely length"))?;
        let content = [&len.to_be_bytes(), self.key.as_slice(), self.public.as_deref().unwrap_or_default()];
        let content = SecretBytes::new(content.concat());
        let mut bytes = vec![code_of(place.purpose)];
        let binding = place.binding(UNDER_TOKEN_ROOT);
        sealing::seal_into(token.session, token.link.roots.seal, &binding, content.expose(), &mut bytes)?;
        Ok(bytes)
    }

    /// Opens what [`Wrapped::seal`] made for the same place.
    #[expect(clippy::disallowed_methods, reason = "the provider opens wraps")]
    pub(super) fn open(token: &TokenSession<'_>, place: &Place, body: &[u8]) -> Result<Self, Fault> {
        let binding = place.binding(UNDER_TOKEN_ROOT);
        let content = sealing::open_stored(token.session, token.link.roots.seal, &binding, body)?;
        let (len, rest) = content.expose().split_first_chunk::<2>().ok_or(ProviderError::BadWrap)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (key, public) = rest.split_at_checked(len).ok_or(ProviderError::BadWrap)?;
        Ok(Self { key: key.to_vec(), public: (!public.is_empty()).then(|| public.to_vec()) })
    }
}

impl TokenKey {
    /// Does one use. A key that the token lost meanwhile is unwrapped again, once.
    pub(super) fn perform(&self, token: &TokenSession<'_>, usage: &Usage) -> Result<UseOutput, Fault> {
        match self.attempt(token, usage) {
            Err(fault) if fault.is_stale_object() && token.root_answers() => {
                token.core.objects.forget(self.name);
                self.attempt(token, usage)
            }
            other => other,
        }
    }

    fn attempt(&self, token: &TokenSession<'_>, usage: &Usage) -> Result<UseOutput, Fault> {
        let object = token.core.objects.find_or_make(token, self.name, || self.unwrap(token))?;
        usage::perform(token.session, object.handle(), self.spec, usage)
    }

    fn unwrap(&self, token: &TokenSession<'_>) -> Result<cryptoki::object::ObjectHandle, Fault> {
        token
            .link
            .with_holder(|holder| {
                mechanism::unwrap(holder, token.link, self.spec, self.purpose, &self.wrapped.key)
            })
            .unwrap_or(Err(Fault::Answer(ProviderError::Unavailable("the token is unavailable"))))
    }

    /// Unwraps the key now, so that one that does not is refused when it is opened.
    pub(super) fn make_ready(&self, token: &TokenSession<'_>) -> Result<(), Fault> {
        token.core.objects.find_or_make(token, self.name, || self.unwrap(token)).map(drop)
    }
}

impl Drop for TokenKey {
    fn drop(&mut self) {
        self.pool.core().objects.forget(self.name);
        self.pool.sweep();
    }
}

impl TokenHandle {
    pub(super) fn new(key: Arc<TokenKey>) -> Self {
        Self(key)
    }

    fn send(&self, route: Route) -> UseFuture<'static> {
        match route {
            Route::Done(result) => UseFuture::Done(result),
            Route::Token(usage) => {
                let key = self.0.clone();
                UseFuture::Pending(Box::pin(async move {
                    let (pool, patience) = (key.pool.clone(), key.patience);
                    pool.run(patience, move |token| key.perform(token, &usage)).await
                }))
            }
        }
    }

    fn check_limit(&self, version: &KeyVersion) -> Result<(), ProviderError> {
        let gcm = self.0.purpose == Purpose::Encrypt && self.0.public.is_none();
        if gcm && version.protect_uses >= GCM_INVOCATIONS {
            return Err(ProviderError::InvalidParameter(
                "the key has sealed as often as AES-GCM allows; rotate it",
            ));
        }
        Ok(())
    }
}

impl Handle for TokenHandle {
    fn protect<'a>(&'a self, version: Protecting<'_>, how: Protect<'a>) -> UseFuture<'a> {
        let version = version.version();
        let valid = check_version(self.0.version, version).and_then(|()| self.check_limit(version));
        if let Err(error) = valid {
            return UseFuture::Done(Err(error));
        }
        let key = &self.0;
        self.send(usage::of_protect(key.spec, key.purpose, key.public.as_ref(), &key.oaep, how))
    }

    fn process<'a>(&'a self, version: Processing<'_>, how: Process<'a>) -> UseFuture<'a> {
        if let Err(error) = check_version(self.0.version, version.version()) {
            return UseFuture::Done(Err(error));
        }
        let key = &self.0;
        self.send(usage::of_process(key.spec, key.purpose, key.public.as_ref(), &key.oaep, how))
    }
}

impl fmt::Debug for TokenHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenHandle")
            .field("version", &self.0.version)
            .field("spec", &self.0.spec)
            .field("purpose", &self.0.purpose)
            .finish_non_exhaustive()
    }
}
