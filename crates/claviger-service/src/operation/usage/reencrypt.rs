//! Re-encryption from one key to another: two uses, each decided and recorded for its own key.
//!
//! What was opened travels from the first to the second as [`InTransit`], which nobody outside can open.

use bytes::Bytes;
use claviger_core::{Action, KeyId, Purpose};
use claviger_crypto::envelope::Context;
use claviger_crypto::{EncryptionAlgorithm, SecretBytes};

use super::{KeyContext, KeyUse, NamesItsKey, Opened, Sealed};
use crate::error::ServiceError;

/// Data on its way from one key to another. It can be sealed under the other, and nothing else.
#[derive(Debug)]
pub struct InTransit(Opened);

impl InTransit {
    /// Nothing: what the second half is asked with, when only whether it would be done is asked.
    #[must_use]
    pub fn nothing() -> Self {
        let plaintext = SecretBytes::copied_from(&[0]);
        Self(Opened { plaintext, key: KeyId::from_bytes([0; 16]), version: 0 })
    }

    /// The key that it comes from.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.0.key
    }

    /// Number of the version that it comes from.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.0.version
    }

    const fn plaintext(&self) -> &SecretBytes {
        &self.0.plaintext
    }
}

/// Opens data that is to be sealed under another key; it is shown to nobody.
#[derive(Debug)]
pub struct ReencryptFrom {
    /// What was sealed.
    pub ciphertext: Bytes,
    /// What was authenticated with it.
    pub context: Context,
    /// How it was sealed; by the default of the key's spec by default.
    pub algorithm: Option<EncryptionAlgorithm>,
}

impl KeyUse for ReencryptFrom {
    type Output = InTransit;
    const ACTION: Action = Action::Reencrypt;
    const PURPOSE: Purpose = Purpose::Encrypt;
    const OVERHEAD: usize = 1024;

    fn context(&self) -> &Context {
        &self.context
    }

    /// Opened here, sealed elsewhere: an old version may do that.
    fn public_detail(&self) -> Option<&'static [u8]> {
        Some(&[1])
    }

    fn input_len(&self) -> usize {
        self.ciphertext.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(InTransit, u32), ServiceError> {
        let opened = at.open(&self.ciphertext, &self.context, self.algorithm).await?;
        let version = opened.version;
        Ok((InTransit(opened), version))
    }
}

impl NamesItsKey for ReencryptFrom {
    fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

/// Seals what was opened under another key.
#[derive(Debug)]
pub struct ReencryptInto {
    /// What was opened.
    pub transit: InTransit,
    /// What is authenticated with it from now on.
    pub context: Context,
    /// How; by the default of the key's spec by default.
    pub algorithm: Option<EncryptionAlgorithm>,
}

impl KeyUse for ReencryptInto {
    type Output = Sealed;
    const ACTION: Action = Action::ReencryptInto;
    const PURPOSE: Purpose = Purpose::Encrypt;

    fn context(&self) -> &Context {
        &self.context
    }

    fn input_len(&self) -> usize {
        self.transit.plaintext().len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Sealed, u32), ServiceError> {
        #[expect(clippy::disallowed_methods, reason = "what was opened is sealed again, and shown to nobody")]
        let sealed = at.seal(self.transit.plaintext().expose(), &self.context, self.algorithm).await?;
        let version = sealed.version;
        Ok((sealed, version))
    }
}
