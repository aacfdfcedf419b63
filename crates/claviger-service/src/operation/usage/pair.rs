//! Data key pairs: made here, their private half sealed under a key of the service.

use claviger_core::{Action, KeyId, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_crypto::{Material, SecretBytes};

use super::{KeyContext, KeyUse, Sealed};
use crate::error::{ErrorKind, ServiceError};

/// What kind of key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairSpec(Spec);

impl PairSpec {
    /// A pair of that spec: RSA, a curve of NIST or SEC, or Ed25519.
    ///
    /// # Errors
    /// Invalid for any other.
    pub fn new(spec: Spec) -> Result<Self, ServiceError> {
        match spec {
            Spec::Rsa2048
            | Spec::Rsa3072
            | Spec::Rsa4096
            | Spec::EcP256
            | Spec::EcP384
            | Spec::EcP521
            | Spec::EcSecp256k1
            | Spec::Ed25519 => Ok(Self(spec)),
            other => Err(ServiceError::invalid(format!("a data key pair is not of {other}"))),
        }
    }

    /// The spec.
    #[must_use]
    pub const fn spec(self) -> Spec {
        self.0
    }
}

/// A key pair with its private half in clear and sealed.
#[derive(Debug)]
pub struct ShownKeyPair {
    /// The private half in clear: `PrivateKeyInfo` in DER (RFC 5208).
    pub private: SecretBytes,
    /// The public half, and the private half sealed.
    pub pair: SealedKeyPair,
}

/// A key pair with its private half sealed.
#[derive(Debug)]
pub struct SealedKeyPair {
    /// The private half under the key.
    pub sealed: Vec<u8>,
    /// `SubjectPublicKeyInfo` in DER (RFC 5280).
    pub public: Vec<u8>,
    /// Algorithm and size of the pair.
    pub spec: PairSpec,
    /// The key that seals it.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

async fn make(at: &KeyContext<'_>, spec: PairSpec, context: &Context) -> Result<ShownKeyPair, ServiceError> {
    at.is_symmetric()?;
    // Before the work is done: a pair of RSA takes up to seconds.
    at.may_protect()?;
    let Material { secret: private, public } = at.view.make_material(spec.spec()).await?;
    #[expect(
        clippy::disallowed_methods,
        reason = "a fresh private key is sealed under the key that wraps it"
    )]
    let Sealed { ciphertext, key, version } = at.seal(private.expose(), context, None).await?;
    let public = public.ok_or_else(module_failed)?;
    Ok(ShownKeyPair { private, pair: SealedKeyPair { sealed: ciphertext, public, spec, key, version } })
}

fn module_failed() -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "the cryptographic module failed")
}

/// Makes a key pair.
#[derive(Debug)]
pub struct GenerateDataKeyPair {
    /// Algorithm and size.
    pub spec: PairSpec,
    /// What is authenticated with the private half.
    pub context: Context,
}

impl KeyUse for GenerateDataKeyPair {
    type Output = ShownKeyPair;
    const ACTION: Action = Action::GenerateDataKeyPair;
    const PURPOSE: Purpose = Purpose::Encrypt;
    const SHOWS_DATA_KEY: bool = true;

    fn context(&self) -> &Context {
        &self.context
    }

    fn input_len(&self) -> usize {
        0
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(ShownKeyPair, u32), ServiceError> {
        let shown = make(at, self.spec, &self.context).await?;
        let version = shown.pair.version;
        Ok((shown, version))
    }
}

/// Makes a key pair whose private half is not shown in clear.
#[derive(Debug)]
pub struct GenerateDataKeyPairWithoutPlaintext {
    /// Algorithm and size.
    pub spec: PairSpec,
    /// What is authenticated with the private half.
    pub context: Context,
}

impl KeyUse for GenerateDataKeyPairWithoutPlaintext {
    type Output = SealedKeyPair;
    const ACTION: Action = Action::GenerateDataKeyPairWithoutPlaintext;
    const PURPOSE: Purpose = Purpose::Encrypt;

    fn context(&self) -> &Context {
        &self.context
    }

    fn input_len(&self) -> usize {
        0
    }

    async fn apply(&self, at: &KeyContext<'_>) -> Result<(SealedKeyPair, u32), ServiceError> {
        let shown = make(at, self.spec, &self.context).await?;
        let version = shown.pair.version;
        Ok((shown.pair, version))
    }
}
