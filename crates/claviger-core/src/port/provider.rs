//! Port: where material lives and works. Nobody else holds it.
//!
//! A provider answers for one root. What it hands out is wrapped by that root and bound to its place, so that bytes moved
//! from one row to another do not open.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use claviger_crypto::kdf::HmacSha256;
use claviger_crypto::{EncryptionAlgorithm, Message, SecretBytes, SignatureAlgorithm};

use crate::key::{KeyRing, KeyVersion, Processing, Protecting, Protection, Provenance, RootWrap, Wrap};
use crate::{KeyRingId, KeyVersionId, Purpose, Spec};

/// Why a provider could not. Opaque on purpose: wrong key, wrong tag and wrong context are the same error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The input does not belong to this key: a wrong key, tag, context, or bytes that were changed.
    #[error("the input does not open under this key")]
    BadInput,
    /// The root is not the one that wrapped this, or it was tampered with at rest.
    #[error("stored material does not open under this root")]
    BadWrap,
    /// The primitive takes no input of that form or size.
    #[error("invalid parameter: {0}")]
    InvalidParameter(&'static str),
    /// The PIN is wrong or locked; no further attempt is made, so that the token does not lock itself.
    #[error("the token refused the PIN; check the PIN file, then restart")]
    LoginRefused,
    /// Self-tests failed: the module must not be used.
    #[error("the module failed its self-test")]
    SelfTestFailed,
    /// This module, or this protection level, cannot do that.
    #[error("{spec} with protection {protection} is not supported by {module}")]
    Unsupported {
        /// What was asked for.
        spec: Spec,
        /// The protection level that was asked for.
        protection: Protection,
        /// The module that refused.
        module: &'static str,
    },
    /// This module does not encrypt that way.
    #[error("{algorithm} is not supported by {module}")]
    UnsupportedAlgorithm {
        /// What was asked for.
        algorithm: EncryptionAlgorithm,
        /// The module that refused.
        module: &'static str,
    },
    /// The token is unavailable or busy; later it may be back.
    #[error("the cryptographic module is unavailable: {0}")]
    Unavailable(&'static str),
}

/// What a module says of itself, truthfully.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleInfo {
    /// `pkcs11` or `software`.
    pub kind: &'static str,
    /// Library or module name, with version.
    pub name: String,
    /// Token label and serial number, where there is a token.
    pub token: Option<String>,
    /// Is the root key in hardware custody, as far as the module says?
    pub root_in_token: bool,
    /// Is the module a FIPS build, and says so at run time?
    pub fips: bool,
    /// The key of the root that seals ring KEKs and small secrets.
    pub sealing: RootWrap,
    /// The key of the root that wraps material of protection `hsm`, where there is a token.
    pub wrapping: Option<RootWrap>,
    /// Names of weakenings in force, each beginning with `insecure_`.
    pub insecure: Vec<&'static str>,
}

/// A request for new material.
#[derive(Debug, Clone, Copy)]
pub struct MaterialRequest<'a> {
    /// The ring whose KEK wraps it.
    pub ring: &'a KeyRing,
    /// The version it is for: the wrap is bound to it.
    pub version: KeyVersionId,
    /// Algorithm and size.
    pub spec: Spec,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it lives.
    pub protection: Protection,
    /// What keys its fingerprint.
    pub fingerprints: &'a HmacSha256,
}

/// New material, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The material at rest.
    pub wrap: Wrap,
    /// `SubjectPublicKeyInfo` of an asymmetric key.
    pub public_key: Option<Vec<u8>>,
    /// How it came to be.
    pub provenance: Provenance,
}

/// The public half of the key that signs checkpoints of the root log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootPublicKey {
    /// ECDSA with P-256 and SHA-256: the uncompressed point, 65 bytes (SEC 1, 2.3.3). Signatures are DER.
    EcdsaP256(Vec<u8>),
    /// Ed25519: 32 bytes (RFC 8032).
    Ed25519([u8; 32]),
}

/// How a module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderHealth {
    /// Are self-tests passed?
    pub self_test_ok: bool,
    /// Does the root answer now?
    pub root_ok: bool,
    /// Sessions open to a token; zero where there is none.
    pub sessions: usize,
}

/// Use on new data.
#[derive(Debug)]
pub enum Protect<'a> {
    /// Make a shared secret and its capsule (FIPS 203).
    Encapsulate,
    /// Make a message authentication code (FIPS 198-1).
    Mac {
        /// The data.
        data: &'a [u8],
    },
    /// Seal: the sealed body is appended to `out`.
    Seal {
        /// The encryption algorithm.
        algorithm: EncryptionAlgorithm,
        /// The data.
        plaintext: &'a [u8],
        /// What is authenticated with it.
        aad: &'a [u8],
        /// What goes before the body: the ciphertext's header.
        out: Vec<u8>,
    },
    /// Sign.
    Sign {
        /// The signature algorithm.
        algorithm: SignatureAlgorithm,
        /// The message to sign.
        message: Message<'a>,
    },
    /// Wrap a key of the caller's (SP 800-38F, KWP).
    Wrap {
        /// That key.
        key: &'a SecretBytes,
    },
}

/// Use on old data.
#[derive(Debug)]
pub enum Process<'a> {
    /// Agree with a peer (SP 800-56A).
    Agree {
        /// `SubjectPublicKeyInfo` of the peer.
        peer: &'a [u8],
    },
    /// Take the secret out of a capsule (FIPS 203).
    Decapsulate {
        /// The capsule.
        ciphertext: &'a [u8],
    },
    /// Open what was sealed.
    Open {
        /// The encryption algorithm.
        algorithm: EncryptionAlgorithm,
        /// The body, without the header.
        body: &'a [u8],
        /// What was authenticated with it.
        aad: &'a [u8],
    },
    /// Unwrap a key of the caller's.
    Unwrap {
        /// The wrapped key.
        wrapped: &'a [u8],
    },
    /// Verify a signature.
    Verify {
        /// The signature algorithm.
        algorithm: SignatureAlgorithm,
        /// What was signed.
        message: Message<'a>,
        /// The signature.
        signature: &'a [u8],
    },
    /// Check a message authentication code.
    VerifyMac {
        /// The data.
        data: &'a [u8],
        /// The code.
        tag: &'a [u8],
    },
}

/// What a use gives.
#[derive(Debug)]
pub enum UseOutput {
    /// Bytes that are no secret: ciphertext, signature, code.
    Bytes(Vec<u8>),
    /// A capsule and its secret.
    Capsule {
        /// The capsule.
        ciphertext: Vec<u8>,
        /// The secret.
        secret: SecretBytes,
    },
    /// A secret: opened data, an unwrapped key, an agreed secret.
    Secret(SecretBytes),
    /// Whether a signature or code holds.
    Verified(bool),
}

/// A use that is done, or will be. Software answers at once and allocates nothing for it; a token takes its time.
pub enum UseFuture<'a> {
    /// Done.
    Done(Result<UseOutput, ProviderError>),
    /// On its way.
    Pending(Pin<Box<dyn Future<Output = Result<UseOutput, ProviderError>> + Send + 'a>>),
}

impl UseFuture<'_> {
    /// Waits for it.
    ///
    /// # Errors
    /// What the use failed with.
    pub async fn finish(self) -> Result<UseOutput, ProviderError> {
        match self {
            Self::Done(result) => result,
            Self::Pending(future) => future.await,
        }
    }
}

impl std::fmt::Debug for UseFuture<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Done(_) => "UseFuture::Done(..)",
            Self::Pending(_) => "UseFuture::Pending(..)",
        })
    }
}

/// Material that is ready for use. Dropped, it is wiped.
pub trait Handle: Send + Sync + std::fmt::Debug {
    /// Uses it on new data.
    fn protect<'a>(&'a self, version: Protecting<'_>, how: Protect<'a>) -> UseFuture<'a>;

    /// Uses it on old data.
    fn process<'a>(&'a self, version: Processing<'_>, how: Process<'a>) -> UseFuture<'a>;
}

/// A module with a root.
#[async_trait]
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// What it says of itself.
    fn module(&self) -> ModuleInfo;

    /// Can it make and use such keys?
    fn supports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool;

    /// Makes the KEK of a ring, wrapped by the root ([`ModuleInfo::sealing`]) and bound to the ring.
    async fn create_ring_kek(&self, ring: KeyRingId) -> Result<Vec<u8>, ProviderError>;

    /// Shows that the KEK of a ring opens under the root.
    async fn check_ring_kek(&self, ring: &KeyRing) -> Result<(), ProviderError>;

    /// Makes material, wrapped by the ring's KEK (`software`) or by a key of the token (`hsm`), and bound to ring, key,
    /// version and spec. An RSA key keeps the thread for up to seconds: call it where that harms nobody.
    async fn generate(&self, request: MaterialRequest<'_>) -> Result<Generated, ProviderError>;

    /// Can material of such keys be imported?
    fn imports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool;

    /// Takes in material that was made elsewhere: raw bytes for symmetric specs, a private key in PKCS #8 for the others.
    /// Wraps and binds it as [`Provider::generate`] does.
    async fn import(
        &self,
        request: MaterialRequest<'_>,
        material: &SecretBytes,
    ) -> Result<Generated, ProviderError>;

    /// Makes a version's material ready for use.
    async fn open(&self, ring: &KeyRing, version: &KeyVersion) -> Result<Arc<dyn Handle>, ProviderError>;

    /// Shows that a version's material opens in its place, under what reaches the root. Keeps none of it.
    async fn check_material(&self, ring: &KeyRing, version: &KeyVersion) -> Result<(), ProviderError> {
        self.open(ring, version).await.map(drop)
    }

    /// Seals a small secret under the root, bound to `label`.
    async fn seal(&self, label: &[u8], secret: &SecretBytes) -> Result<Vec<u8>, ProviderError>;

    /// Opens what [`Provider::seal`] sealed under the same label.
    async fn unseal(&self, label: &[u8], sealed: &[u8]) -> Result<SecretBytes, ProviderError>;

    /// Draws `len` random bytes, from the token where there is one.
    async fn random(&self, len: usize) -> Result<SecretBytes, ProviderError>;

    /// The public half of the key that signs checkpoints.
    fn root_public_key(&self) -> RootPublicKey;

    /// Signs a checkpoint with the key in the root.
    async fn sign_root(&self, message: &[u8]) -> Result<Vec<u8>, ProviderError>;

    /// How it is now.
    async fn health(&self) -> Result<ProviderHealth, ProviderError>;
}
