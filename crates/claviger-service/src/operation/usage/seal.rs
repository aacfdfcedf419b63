//! Encrypt, decrypt, re-encrypt, and data keys.

use bytes::Bytes;
use claviger_core::port::provider::{Process, Protect};
use claviger_core::{Action, KeyId, Purpose, Spec};
use claviger_crypto::envelope::{Context, Header, direct};
use claviger_crypto::{EncryptionAlgorithm, SecretBytes};

use super::{KeyContext, KeyUse, NamesItsKey, Opened, Sealed, bytes, no_header, secret};
use crate::error::{Algorithm, ErrorKind, Obstacle, ServiceError};

/// Shortest and longest data key, in bytes.
const DATA_KEY: std::ops::RangeInclusive<u32> = 1..=1024;
/// Header, nonce and tag: what a ciphertext has more than its plaintext, at least.
const ROOM: usize = 28 + 24 + 16;

impl KeyContext<'_> {
    pub(super) async fn seal(
        &self,
        plaintext: &[u8],
        context: &Context,
        algorithm: Option<EncryptionAlgorithm>,
    ) -> Result<Sealed, ServiceError> {
        let algorithm = self.encryption(algorithm)?;
        let protecting = self.protecting()?;
        let version = protecting.version();
        let mut out = Vec::with_capacity(plaintext.len() + ROOM);
        let sealed = if version.spec.is_asymmetric() {
            no_context(context)?;
            fits(plaintext, algorithm, version.spec)?;
            self.protect(protecting, Protect::Seal { algorithm, plaintext, aad: &[], out }).await?
        } else {
            let header = self.header(version);
            header.encode_into(&mut out);
            let aad = direct::with_aad(&header, context, <[u8]>::to_vec);
            self.protect(protecting, Protect::Seal { algorithm, plaintext, aad: &aad, out }).await?
        };
        Ok(Sealed { ciphertext: bytes(sealed)?, key: version.id.key, version: version.id.number })
    }

    pub(super) async fn open(
        &self,
        ciphertext: &[u8],
        context: &Context,
        algorithm: Option<EncryptionAlgorithm>,
    ) -> Result<Opened, ServiceError> {
        let algorithm = self.encryption(algorithm)?;
        let key = self.key_id()?;
        if self.view.record()?.key.spec.is_asymmetric() {
            no_context(context)?;
            return self.open_bare(key, ciphertext, algorithm).await;
        }
        let (header, body) = Header::parse(ciphertext).map_err(|_| no_header())?;
        if header.key_id != *key.as_bytes() {
            // The header is in clear: the answer discloses nothing that the caller does not hold already.
            return Err(ServiceError::new(
                ErrorKind::WrongKey,
                "the ciphertext is of another key than the one named",
            ));
        }
        let chosen = self.processing(header.version).await.map_err(|error| match error.kind() {
            // A version that never was and a tag that does not fit are the same thing to a caller.
            ErrorKind::NotFound => does_not_open(),
            _ => error,
        })?;
        let aad = direct::with_aad(&header, context, <[u8]>::to_vec);
        let output = self.process(&chosen, Process::Open { algorithm, body, aad: &aad }).await?;
        Ok(Opened { plaintext: secret(output)?, key, version: header.version })
    }

    /// Opens a ciphertext without header: every version that processes is tried, newest first.
    async fn open_bare(
        &self,
        key: KeyId,
        body: &[u8],
        algorithm: EncryptionAlgorithm,
    ) -> Result<Opened, ServiceError> {
        let mut candidates = self.candidates(None)?;
        while let Some(chosen) = candidates.next().await? {
            match self.process(&chosen, Process::Open { algorithm, body, aad: &[] }).await {
                Ok(output) => {
                    return Ok(Opened { plaintext: secret(output)?, key, version: chosen.number });
                }
                Err(error) if error.kind() == ErrorKind::BadCiphertext => {}
                Err(error) => return Err(error),
            }
        }
        Err(does_not_open())
    }

    /// The algorithm that was asked for, if the key knows it; its spec's default if none was.
    fn encryption(&self, asked: Option<EncryptionAlgorithm>) -> Result<EncryptionAlgorithm, ServiceError> {
        let spec = self.view.record()?.key.spec;
        let known = spec.encryption_algorithms();
        match asked.or_else(|| known.first().copied()) {
            Some(algorithm) if known.contains(&algorithm) => Ok(algorithm),
            Some(algorithm) => {
                let message = format!("a key of {spec} does not encrypt with `{algorithm}`");
                let obstacle = Obstacle::Algorithm(Algorithm::Encryption(algorithm), spec);
                Err(ServiceError::new(ErrorKind::WrongPurpose, message).because_of(obstacle))
            }
            None => Err(ServiceError::new(ErrorKind::WrongPurpose, "the key does not encrypt")),
        }
    }
}

/// Refuses what is longer than the algorithm takes under one key of that spec.
fn fits(plaintext: &[u8], algorithm: EncryptionAlgorithm, spec: Spec) -> Result<(), ServiceError> {
    match algorithm.max_plaintext(spec) {
        Some(most) if plaintext.len() as u64 > most => {
            let message = format!("`{algorithm}` under a key of {spec} takes up to {most} bytes");
            Err(ServiceError::invalid(message).because_of(Obstacle::Capacity(algorithm, spec, most)))
        }
        Some(_) | None => Ok(()),
    }
}

fn no_context(context: &Context) -> Result<(), ServiceError> {
    if context.is_empty() {
        Ok(())
    } else {
        Err(ServiceError::invalid("asymmetric encryption takes no context"))
    }
}

pub(super) fn does_not_open() -> ServiceError {
    ServiceError::new(ErrorKind::BadCiphertext, "the input does not open under this key and context")
}

/// Seals data.
#[derive(Debug)]
pub struct Encrypt {
    /// The data.
    pub plaintext: Bytes,
    /// What is authenticated with it.
    pub context: Context,
    /// How; by the default of the key's spec by default.
    pub algorithm: Option<EncryptionAlgorithm>,
}

impl KeyUse for Encrypt {
    type Output = Sealed;
    const ACTION: Action = Action::Encrypt;
    const PURPOSE: Purpose = Purpose::Encrypt;

    fn context(&self) -> &Context {
        &self.context
    }

    fn input_len(&self) -> usize {
        self.plaintext.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Sealed, u32), ServiceError> {
        let sealed = at.seal(&self.plaintext, &self.context, self.algorithm).await?;
        let version = sealed.version;
        Ok((sealed, version))
    }
}

/// Opens data.
#[derive(Debug)]
pub struct Decrypt {
    /// What was sealed.
    pub ciphertext: Bytes,
    /// What was authenticated with it.
    pub context: Context,
    /// How it was sealed; by the default of the key's spec by default.
    pub algorithm: Option<EncryptionAlgorithm>,
}

impl KeyUse for Decrypt {
    type Output = Opened;
    const ACTION: Action = Action::Decrypt;
    const PURPOSE: Purpose = Purpose::Encrypt;
    const OVERHEAD: usize = 1024;

    fn context(&self) -> &Context {
        &self.context
    }

    fn input_len(&self) -> usize {
        self.ciphertext.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Opened, u32), ServiceError> {
        let opened = at.open(&self.ciphertext, &self.context, self.algorithm).await?;
        let version = opened.version;
        Ok((opened, version))
    }
}

impl NamesItsKey for Decrypt {
    fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

/// Opens under an old version and seals under the newest; the data is shown to nobody.
#[derive(Debug)]
pub struct Reencrypt {
    /// What was sealed.
    pub ciphertext: Bytes,
    /// What is authenticated with it, before and after.
    pub context: Context,
}

impl KeyUse for Reencrypt {
    type Output = Sealed;
    const ACTION: Action = Action::Reencrypt;
    const PURPOSE: Purpose = Purpose::Encrypt;
    const OVERHEAD: usize = 1024;
    const PROTECTS: bool = true;

    fn context(&self) -> &Context {
        &self.context
    }

    fn input_len(&self) -> usize {
        self.ciphertext.len()
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Sealed, u32), ServiceError> {
        let opened = at.open(&self.ciphertext, &self.context, None).await?;
        #[expect(clippy::disallowed_methods, reason = "what was opened is sealed again, here and at once")]
        let sealed = at.seal(opened.plaintext.expose(), &self.context, None).await?;
        let version = sealed.version;
        Ok((sealed, version))
    }
}

/// A data key, in clear and wrapped.
#[derive(Debug)]
pub struct DataKey {
    /// In clear.
    pub plaintext: SecretBytes,
    /// Wrapped.
    pub ciphertext: Vec<u8>,
    /// The key that wraps it.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

async fn make(
    at: &KeyContext<'_>,
    length: u32,
    context: &Context,
    algorithm: Option<EncryptionAlgorithm>,
) -> Result<(SecretBytes, Sealed), ServiceError> {
    if !DATA_KEY.contains(&length) {
        let message = format!("a data key has {} to {} bytes", DATA_KEY.start(), DATA_KEY.end());
        return Err(ServiceError::invalid(message));
    }
    let plaintext = at.view.draw(usize::try_from(length).unwrap_or_default()).await?;
    #[expect(clippy::disallowed_methods, reason = "a fresh data key is sealed under the key that wraps it")]
    let sealed = at.seal(plaintext.expose(), context, algorithm).await?;
    Ok((plaintext, sealed))
}

/// Makes a data key.
#[derive(Debug)]
pub struct GenerateDataKey {
    /// Its length.
    pub bytes: u32,
    /// What is authenticated with it.
    pub context: Context,
    /// How it is sealed; by the default of the key's spec by default.
    pub algorithm: Option<EncryptionAlgorithm>,
}

impl KeyUse for GenerateDataKey {
    type Output = DataKey;
    const ACTION: Action = Action::GenerateDataKey;
    const PURPOSE: Purpose = Purpose::Encrypt;
    const SHOWS_DATA_KEY: bool = true;

    fn context(&self) -> &Context {
        &self.context
    }

    fn input_len(&self) -> usize {
        0
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(DataKey, u32), ServiceError> {
        let (plaintext, sealed) = make(at, self.bytes, &self.context, self.algorithm).await?;
        let Sealed { ciphertext, key, version } = sealed;
        Ok((DataKey { plaintext, ciphertext, key, version }, version))
    }
}

/// Makes a data key that is not shown in clear.
#[derive(Debug)]
pub struct GenerateDataKeyWithoutPlaintext {
    /// Its length.
    pub bytes: u32,
    /// What is authenticated with it.
    pub context: Context,
    /// How it is sealed; by the default of the key's spec by default.
    pub algorithm: Option<EncryptionAlgorithm>,
}

impl KeyUse for GenerateDataKeyWithoutPlaintext {
    type Output = Sealed;
    const ACTION: Action = Action::GenerateDataKeyWithoutPlaintext;
    const PURPOSE: Purpose = Purpose::Encrypt;

    fn context(&self) -> &Context {
        &self.context
    }

    fn input_len(&self) -> usize {
        0
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(Sealed, u32), ServiceError> {
        let (_, sealed) = make(at, self.bytes, &self.context, self.algorithm).await?;
        let version = sealed.version;
        Ok((sealed, version))
    }
}
