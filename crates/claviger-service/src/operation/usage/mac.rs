//! Message authentication codes.

use bytes::Bytes;
use claviger_core::port::provider::{Process, Protect};
use claviger_core::{Action, KeyId, Purpose, Spec};

use super::{KeyContext, KeyUse, Verified, bytes, verified};
use crate::error::ServiceError;

/// A message authentication code.
#[derive(Debug)]
pub struct Maced {
    /// The code.
    pub tag: Vec<u8>,
    /// The key.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

/// Makes a code.
#[derive(Debug)]
pub struct Mac {
    /// The data.
    pub data: Bytes,
    /// Only if the key is of this spec.
    pub spec: Option<Spec>,
}

impl KeyUse for Mac {
    type Output = Maced;
    const ACTION: Action = Action::Mac;
    const PURPOSE: Purpose = Purpose::Mac;

    fn input_len(&self) -> usize {
        self.data.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Maced, u32), ServiceError> {
        at.is_of(self.spec)?;
        let protecting = at.protecting()?;
        let id = protecting.version().id;
        let tag = bytes(at.protect(protecting, Protect::Mac { data: &self.data }).await?)?;
        Ok((Maced { tag, key: id.key, version: id.number }, id.number))
    }
}

/// Checks a code. What does not hold is an answer, not an error.
#[derive(Debug)]
pub struct VerifyMac {
    /// The data.
    pub data: Bytes,
    /// The code.
    pub tag: Bytes,
    /// Only under this version.
    pub version: Option<u32>,
    /// Only if the key is of this spec.
    pub spec: Option<Spec>,
}

impl KeyUse for VerifyMac {
    type Output = Verified;
    const ACTION: Action = Action::VerifyMac;
    const PURPOSE: Purpose = Purpose::Mac;

    fn input_len(&self) -> usize {
        self.data.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Verified, u32), ServiceError> {
        at.is_of(self.spec)?;
        let key = at.key_id()?;
        let mut newest = 0;
        let mut candidates = at.candidates(self.version)?;
        while let Some(chosen) = candidates.next().await? {
            let number = chosen.number;
            newest = newest.max(number);
            if verified(at.process(&chosen, Process::VerifyMac { data: &self.data, tag: &self.tag }).await?)?
            {
                return Ok((Verified { valid: true, key, version: Some(number) }, number));
            }
        }
        Ok((Verified { valid: false, key, version: None }, newest))
    }
}
