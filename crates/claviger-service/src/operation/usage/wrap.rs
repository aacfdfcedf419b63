//! Wrapping keys of callers (SP 800-38F, KWP). The wrapped key stands behind the same header as a ciphertext.

use bytes::Bytes;
use claviger_core::port::provider::{Process, Protect};
use claviger_core::{Action, KeyId, Purpose};
use claviger_crypto::SecretBytes;
use claviger_crypto::envelope::Header;

use super::{KeyContext, KeyUse, Opened, Sealed, bytes, no_header, secret};
use crate::error::ServiceError;

/// Wraps a key.
#[derive(Debug)]
pub struct Wrap {
    /// The key to wrap.
    pub material: Bytes,
}

impl KeyUse for Wrap {
    type Output = Sealed;
    const ACTION: Action = Action::Wrap;
    const PURPOSE: Purpose = Purpose::Wrap;

    fn input_len(&self) -> usize {
        self.material.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Sealed, u32), ServiceError> {
        let protecting = at.protecting()?;
        let id = protecting.version().id;
        let material = SecretBytes::copied_from(&self.material);
        let wrapped = bytes(at.protect(protecting, Protect::Wrap { key: &material }).await?)?;
        let mut ciphertext = at.header(protecting.version()).encode().to_vec();
        ciphertext.extend_from_slice(&wrapped);
        Ok((Sealed { ciphertext, key: id.key, version: id.number }, id.number))
    }
}

/// Unwraps a key.
#[derive(Debug)]
pub struct Unwrap {
    /// What was wrapped.
    pub wrapped: Bytes,
}

impl KeyUse for Unwrap {
    type Output = Opened;
    const ACTION: Action = Action::Unwrap;
    const PURPOSE: Purpose = Purpose::Wrap;
    const OVERHEAD: usize = 64;

    fn input_len(&self) -> usize {
        self.wrapped.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Opened, u32), ServiceError> {
        let (header, wrapped) = Header::parse(&self.wrapped).map_err(|_| no_header())?;
        let key = at.key_id()?;
        if KeyId::from_bytes(header.key_id) != key || header.spec != at.view.record()?.key.spec {
            return Err(no_header());
        }
        let chosen = at.processing(header.version).await?;
        let plaintext = secret(at.process(&chosen, Process::Unwrap { wrapped }).await?)?;
        Ok((Opened { plaintext, key, version: header.version }, header.version))
    }
}
