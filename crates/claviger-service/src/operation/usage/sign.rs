//! Sign and verify.

use bytes::Bytes;
use claviger_core::port::provider::{Process, Protect};
use claviger_core::{Action, KeyId, Purpose};
use claviger_crypto::{Message, SignatureAlgorithm};

use super::{KeyContext, KeyUse, bytes, verified};
use crate::error::{Algorithm, ErrorKind, Obstacle, ServiceError};

/// A signature.
#[derive(Debug)]
pub struct Signed {
    /// The signature.
    pub signature: Vec<u8>,
    /// How it was made.
    pub algorithm: SignatureAlgorithm,
    /// The key.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

/// Whether a signature or code holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Whether it holds.
    pub valid: bool,
    /// The key.
    pub key: KeyId,
    /// Under which version; `None` when under none.
    pub version: Option<u32>,
}

fn message(bytes: &[u8], prehashed: bool) -> Message<'_> {
    if prehashed { Message::Digest(bytes) } else { Message::Raw(bytes) }
}

impl KeyContext<'_> {
    fn algorithm(&self, wanted: Option<SignatureAlgorithm>) -> Result<SignatureAlgorithm, ServiceError> {
        let spec = self.view.record()?.key.spec;
        let known = spec.signature_algorithms();
        let chosen = wanted.or_else(|| known.first().copied()).filter(|algorithm| known.contains(algorithm));
        chosen.ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|algorithm| algorithm.name()).collect();
            let message = format!("the key signs with: {}", names.join(", "));
            let error = ServiceError::new(ErrorKind::WrongPurpose, message);
            match wanted {
                Some(wanted) => error.because_of(Obstacle::Algorithm(Algorithm::Signature(wanted), spec)),
                None => error,
            }
        })
    }
}

/// Signs a message.
#[derive(Debug)]
pub struct Sign {
    /// How; the key's first way by default.
    pub algorithm: Option<SignatureAlgorithm>,
    /// The message, or its digest.
    pub message: Bytes,
    /// Is it the digest?
    pub prehashed: bool,
}

impl KeyUse for Sign {
    type Output = Signed;
    const ACTION: Action = Action::Sign;
    const PURPOSE: Purpose = Purpose::Sign;

    fn input_len(&self) -> usize {
        self.message.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Signed, u32), ServiceError> {
        let algorithm = at.algorithm(self.algorithm)?;
        let protecting = at.protecting()?;
        let id = protecting.version().id;
        let how = Protect::Sign { algorithm, message: message(&self.message, self.prehashed) };
        let signature = bytes(at.protect(protecting, how).await?)?;
        Ok((Signed { signature, algorithm, key: id.key, version: id.number }, id.number))
    }
}

/// Verifies a signature. What does not hold is an answer, not an error.
#[derive(Debug)]
pub struct Verify {
    /// How it was made; the key's first way by default.
    pub algorithm: Option<SignatureAlgorithm>,
    /// The message, or its digest.
    pub message: Bytes,
    /// Is it the digest?
    pub prehashed: bool,
    /// The signature.
    pub signature: Bytes,
    /// Only under this version.
    pub version: Option<u32>,
}

impl KeyUse for Verify {
    type Output = Verified;
    const ACTION: Action = Action::Verify;
    const PURPOSE: Purpose = Purpose::Sign;

    fn input_len(&self) -> usize {
        self.message.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Verified, u32), ServiceError> {
        let (algorithm, key) = (at.algorithm(self.algorithm)?, at.key_id()?);
        let mut newest = 0;
        let mut candidates = at.candidates(self.version)?;
        while let Some(chosen) = candidates.next().await? {
            let number = chosen.number;
            newest = newest.max(number);
            let message = message(&self.message, self.prehashed);
            let how = Process::Verify { algorithm, message, signature: &self.signature };
            if verified(at.process(&chosen, how).await?)? {
                return Ok((Verified { valid: true, key, version: Some(number) }, number));
            }
        }
        Ok((Verified { valid: false, key, version: None }, newest))
    }
}
