//! The handle of software material: a prepared key in the process. Every use is done when the call returns.

use std::fmt;

use claviger_core::KeyVersionId;
use claviger_core::key::{KeyVersion, Processing, Protecting};
use claviger_core::port::provider::{Process, Protect, UseFuture, UseOutput};
use claviger_core::port::{Handle, ProviderError};
use claviger_crypto::{CryptoError, ReadyKey};

/// A prepared key of one version. Dropped, it is wiped by the module.
pub(crate) struct ReadyHandle {
    version: KeyVersionId,
    key: ReadyKey,
}

impl ReadyHandle {
    pub(crate) fn new(version: KeyVersionId, key: ReadyKey) -> Self {
        Self { version, key }
    }

    fn protect_now(&self, version: &KeyVersion, how: Protect<'_>) -> Result<UseOutput, ProviderError> {
        check_version(self.version, version)?;
        match how {
            Protect::Encapsulate => self
                .key
                .encapsulate()
                .map(|made| UseOutput::Capsule { ciphertext: made.ciphertext, secret: made.shared }),
            Protect::Mac { data } => self.key.mac(data).map(UseOutput::Bytes),
            Protect::Seal { algorithm, plaintext, aad, mut out } => {
                self.key.seal_with(algorithm, plaintext, aad, &mut out).map(|()| UseOutput::Bytes(out))
            }
            Protect::Sign { algorithm, message } => self.key.sign(algorithm, message).map(UseOutput::Bytes),
            Protect::Wrap { key } => self.key.wrap(key).map(UseOutput::Bytes),
        }
        .map_err(refusal)
    }

    fn process_now(&self, version: &KeyVersion, how: Process<'_>) -> Result<UseOutput, ProviderError> {
        check_version(self.version, version)?;
        match how {
            Process::Agree { peer } => self.key.agree(peer).map(UseOutput::Secret),
            Process::Decapsulate { ciphertext } => self.key.decapsulate(ciphertext).map(UseOutput::Secret),
            Process::Open { algorithm, body, aad } => {
                self.key.open_with(algorithm, body, aad).map(UseOutput::Secret)
            }
            Process::Unwrap { wrapped } => self.key.unwrap(wrapped).map(UseOutput::Secret),
            Process::Verify { algorithm, message, signature } => {
                verdict(self.key.verify(algorithm, message, signature))
            }
            Process::VerifyMac { data, tag } => verdict(self.key.verify_mac(data, tag)),
        }
        .map_err(refusal)
    }
}

impl Handle for ReadyHandle {
    fn protect<'a>(&'a self, version: Protecting<'_>, how: Protect<'a>) -> UseFuture<'a> {
        UseFuture::Done(self.protect_now(version.version(), how))
    }

    fn process<'a>(&'a self, version: Processing<'_>, how: Process<'a>) -> UseFuture<'a> {
        UseFuture::Done(self.process_now(version.version(), how))
    }
}

impl fmt::Debug for ReadyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyHandle").field("version", &self.version).field("key", &self.key).finish()
    }
}

/// Leave to use one version is not leave to use another.
pub(crate) fn check_version(own: KeyVersionId, asked: &KeyVersion) -> Result<(), ProviderError> {
    if own == asked.id {
        Ok(())
    } else {
        Err(ProviderError::InvalidParameter("the handle belongs to another key version"))
    }
}

/// A signature or code that does not hold is an answer, not an error.
pub(crate) fn verdict(checked: Result<(), CryptoError>) -> Result<UseOutput, CryptoError> {
    match checked {
        Ok(()) => Ok(UseOutput::Verified(true)),
        Err(CryptoError::Failed) => Ok(UseOutput::Verified(false)),
        Err(other) => Err(other),
    }
}

/// What a use failed with, in the words of the port.
pub(crate) fn refusal(error: CryptoError) -> ProviderError {
    match error {
        CryptoError::Failed => ProviderError::BadInput,
        CryptoError::InputTooLarge => {
            ProviderError::InvalidParameter("the input is too large for this algorithm")
        }
        CryptoError::InvalidParameter => ProviderError::InvalidParameter("a parameter does not fit this key"),
        CryptoError::Malformed => ProviderError::InvalidParameter("the input is malformed"),
        CryptoError::Module => ProviderError::Unavailable("the cryptographic module failed"),
        CryptoError::UnsupportedSpec => ProviderError::InvalidParameter("the key is not for this use"),
    }
}
