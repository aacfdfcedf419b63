//! Key agreement (SP 800-56A), and public keys.

use bytes::Bytes;
use claviger_core::key::Origin;
use claviger_core::port::provider::Process;
use claviger_core::{Action, KeyId, Purpose, Spec};
use claviger_crypto::SecretBytes;

use super::{KeyContext, KeyUse, secret};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::record::EntryDetail;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

/// Agrees on a shared secret with a peer.
#[derive(Debug)]
pub struct Agree {
    /// `SubjectPublicKeyInfo` (DER) of the peer.
    pub peer: Bytes,
    /// Under this version; the primary one by default.
    pub version: Option<u32>,
}

/// A secret that was agreed on.
#[derive(Debug)]
pub struct Agreed {
    /// The secret.
    pub secret: SecretBytes,
    /// The key.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
    /// Where the key's material came from.
    pub origin: Origin,
}

impl KeyUse for Agree {
    type Output = Agreed;
    const ACTION: Action = Action::Agree;
    const PURPOSE: Purpose = Purpose::Agree;

    fn input_len(&self) -> usize {
        self.peer.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Agreed, u32), ServiceError> {
        let record = at.view.record()?;
        let number = self.version.unwrap_or(record.key.primary);
        let chosen = at.processing(number).await?;
        let secret = secret(at.process(&chosen, Process::Agree { peer: &self.peer }).await?)?;
        Ok((Agreed { secret, key: record.key.id, version: number, origin: record.origin() }, number))
    }
}

/// A public key.
#[derive(Debug, Clone)]
pub struct PublicKeyOf {
    /// `SubjectPublicKeyInfo` (DER).
    pub spki: Vec<u8>,
    /// Its algorithm.
    pub spec: Spec,
    /// What it is for.
    pub purpose: Purpose,
    /// The key.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

/// Reads a public key.
#[derive(Debug)]
pub struct ReadPublicKey {
    /// The key.
    pub key: KeyRef,
    /// Of this version; the primary one by default.
    pub version: Option<u32>,
    /// Only while the version may be used?
    pub in_use: bool,
}

impl Operation for ReadPublicKey {
    type Output = PublicKeyOf;

    fn action(&self) -> Action {
        Action::ReadPublicKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<PublicKeyOf>, ServiceError> {
        let record = view.record()?;
        let number = self.version.unwrap_or(record.key.primary);
        let record = view.record_with(number).await?;
        let version = record.find_version(number).ok_or_else(ServiceError::not_found)?;
        if self.in_use {
            record.processing(number, view.now)?;
        }
        let spki = version
            .public_key
            .clone()
            .ok_or_else(|| ServiceError::new(ErrorKind::Unsupported, "the key has no public half"))?;
        let public = PublicKeyOf {
            spki,
            spec: record.key.spec,
            purpose: record.key.purpose,
            key: record.key.id,
            version: number,
        };
        Ok(Staged::reading(public, EntryDetail { version: Some(number), ..view.detail() }))
    }
}
