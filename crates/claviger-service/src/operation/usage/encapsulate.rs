//! Key encapsulation (FIPS 203).

use bytes::Bytes;
use claviger_core::port::provider::{Process, Protect, UseOutput};
use claviger_core::{Action, KeyId, Purpose};
use claviger_crypto::SecretBytes;

use super::{KeyContext, KeyUse, Opened, secret, unexpected};
use crate::error::ServiceError;

/// A shared secret and its capsule.
#[derive(Debug)]
pub struct Capsule {
    /// The capsule.
    pub ciphertext: Vec<u8>,
    /// The secret.
    pub secret: SecretBytes,
    /// The key.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

/// Makes a shared secret.
#[derive(Debug, Clone, Copy)]
pub struct Encapsulate {}

impl KeyUse for Encapsulate {
    type Output = Capsule;
    const ACTION: Action = Action::Encapsulate;
    const PURPOSE: Purpose = Purpose::Encapsulate;

    fn input_len(&self) -> usize {
        0
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Capsule, u32), ServiceError> {
        at.view.state.self_tests.may_generate()?;
        let protecting = at.protecting()?;
        let id = protecting.version().id;
        let UseOutput::Capsule { ciphertext, secret } = at.protect(protecting, Protect::Encapsulate).await?
        else {
            return Err(unexpected());
        };
        Ok((Capsule { ciphertext, secret, key: id.key, version: id.number }, id.number))
    }
}

/// Takes a shared secret out of its capsule. A capsule for another key gives another secret (implicit rejection).
#[derive(Debug)]
pub struct Decapsulate {
    /// The capsule.
    pub ciphertext: Bytes,
    /// Under this version; the primary one by default.
    pub version: Option<u32>,
}

impl KeyUse for Decapsulate {
    type Output = Opened;
    const ACTION: Action = Action::Decapsulate;
    const PURPOSE: Purpose = Purpose::Encapsulate;

    fn input_len(&self) -> usize {
        self.ciphertext.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Opened, u32), ServiceError> {
        let number = self.version.unwrap_or(at.view.record()?.key.primary);
        let chosen = at.processing(number).await?;
        let how = Process::Decapsulate { ciphertext: &self.ciphertext };
        let plaintext = secret(at.process(&chosen, how).await?)?;
        Ok((Opened { plaintext, key: at.key_id()?, version: number }, number))
    }
}
