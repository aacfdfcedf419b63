//! `insecure_software_root`: a root that software keeps, for evaluation.
//!
//! The root key encryption key and the key that signs checkpoints are sealed in a small document under a passphrase or a
//! key file, and open in the memory of the process while it runs. Whoever reads that memory, or has the document and what
//! unlocks it, has every key. Nothing here claims otherwise: [`ModuleInfo::insecure`] names it in all evidence.

mod document;
mod unlock;

use std::sync::Arc;

use async_trait::async_trait;
use claviger_core::key::{Generator, KeyRing, KeyVersion, Origin, Protection, Provenance, RootWrap};
use claviger_core::port::provider::{Generated, MaterialRequest, ModuleInfo, ProviderHealth, RootPublicKey};
use claviger_core::port::{Handle, Provider, ProviderError};
use claviger_core::{KeyRingId, Purpose, Spec};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{
    Message, ReadyKey, RecordKey, SecretBytes, SignatureAlgorithm, generate, is_importable, provenance,
    random,
};

pub use self::unlock::RootUnlock;
use crate::binding::{self, Place, UNDER_RING_KEK};
use crate::ready::ReadyHandle;
use crate::ring_kek::{self, RING_KEK_LEN, RingKeks};

const MODULE: &str = "the software root";
const ROOT_KEK_LEN: usize = 32;
/// What the key of the root is called in facts.
const ROOT_KEY: &str = "software-root-1";

/// Why a software root could not be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum SoftwareRootError {
    /// The key file cannot be read or written.
    #[error("the key file of the software root cannot be used")]
    KeyFile(#[source] std::io::Error),
    /// Others than its owner can reach the key file.
    #[error("the key file of the software root is open to others than its owner; make it mode 0600")]
    KeyFileTooOpen,
    /// The module gave no random bytes or failed.
    #[error("the cryptographic module failed")]
    Module,
    /// The document wants a key file.
    #[error("this software root is unlocked by its key file, not by a passphrase")]
    NeedsKeyFile,
    /// The document wants a passphrase.
    #[error("this software root is unlocked by its passphrase, not by a key file")]
    NeedsPassphrase,
    /// Not the document of a software root of this version.
    #[error("not the document of a software root, or one of an unknown version")]
    NotADocument,
    /// The file is not a key file.
    #[error("not a key file: exactly 32 bytes are expected")]
    NotAKeyFile,
    /// The module failed its self-test and must not be used.
    #[error("the cryptographic module failed its self-test")]
    SelfTestFailed,
    /// Too short a passphrase.
    #[error("the passphrase of a software root has at least 15 bytes")]
    ShortPassphrase,
    /// The document does not open.
    #[error("the passphrase or key file does not open this software root, or its document was changed")]
    WrongUnlock,
}

/// A provider whose root is kept by software. For evaluation only.
#[derive(Debug)]
pub struct SoftwareProvider {
    root: RecordKey,
    signing: ReadyKey,
    public: [u8; 32],
    keks: RingKeks,
}

impl SoftwareProvider {
    /// Makes a new root and the document that `unlock` opens it from. The caller keeps the document, durably, before
    /// anything is wrapped by the root. Takes some tenths of a second with a passphrase.
    ///
    /// # Errors
    /// [`SoftwareRootError::SelfTestFailed`], or [`SoftwareRootError::Module`] without random bytes.
    #[expect(clippy::disallowed_methods, reason = "the provider makes its root")]
    pub fn create(unlock: &RootUnlock) -> Result<(Self, Vec<u8>), SoftwareRootError> {
        self_test()?;
        let kek = random::secret(ROOT_KEK_LEN).map_err(|_| SoftwareRootError::Module)?;
        let signing = generate(Spec::Ed25519, &mut ModuleRandom).map_err(|_| SoftwareRootError::Module)?;
        let mut payload = SecretBytes::zeroed(ROOT_KEK_LEN.saturating_add(signing.secret.len()));
        let (first, second) = payload.expose_mut().split_at_mut(ROOT_KEK_LEN);
        first.copy_from_slice(kek.expose());
        second.copy_from_slice(signing.secret.expose());
        let sealed = document::seal(unlock, &payload)?;
        Ok((Self::from_payload(&payload)?, sealed))
    }

    /// Opens the root of a document. Takes some tenths of a second with a passphrase.
    ///
    /// # Errors
    /// [`SoftwareRootError::WrongUnlock`] when the passphrase or key file is not the one, or the document was changed;
    /// [`SoftwareRootError::NotADocument`] when it is none; [`SoftwareRootError::NeedsKeyFile`] or
    /// [`SoftwareRootError::NeedsPassphrase`] when it wants the other kind; [`SoftwareRootError::SelfTestFailed`].
    pub fn open(document: &[u8], unlock: &RootUnlock) -> Result<Self, SoftwareRootError> {
        self_test()?;
        Self::from_payload(&document::open(document, unlock)?)
    }

    #[expect(clippy::disallowed_methods, reason = "the provider opens its root")]
    fn from_payload(payload: &SecretBytes) -> Result<Self, SoftwareRootError> {
        let (kek, signing) =
            payload.expose().split_at_checked(ROOT_KEK_LEN).ok_or(SoftwareRootError::NotADocument)?;
        let root = RecordKey::new(&SecretBytes::copied_from(kek)).map_err(|_| SoftwareRootError::Module)?;
        let signing = ReadyKey::for_purpose(Spec::Ed25519, Purpose::Sign, &SecretBytes::copied_from(signing))
            .map_err(|_| SoftwareRootError::NotADocument)?;
        let public = signing
            .public()
            .and_then(|public| public.raw())
            .and_then(|raw| <[u8; 32]>::try_from(raw).ok())
            .ok_or(SoftwareRootError::Module)?;
        Ok(Self { root, signing, public, keks: RingKeks::new() })
    }

    fn ring_kek(&self, ring: &KeyRing) -> Result<Arc<RecordKey>, ProviderError> {
        self.keks.find(ring).map_or_else(|| self.open_ring_kek(ring), Ok)
    }

    /// The same, by the root itself.
    fn open_ring_kek(&self, ring: &KeyRing) -> Result<Arc<RecordKey>, ProviderError> {
        let kek =
            self.root.open(&binding::of_ring_kek(ring.id), &ring.kek).map_err(|_| ProviderError::BadWrap)?;
        self.keks.keep(ring, &kek)
    }

    fn unsupported(spec: Spec, protection: Protection) -> ProviderError {
        ProviderError::Unsupported { spec, protection, module: MODULE }
    }
}

fn self_test() -> Result<(), SoftwareRootError> {
    provenance::self_test().map_err(|_| SoftwareRootError::SelfTestFailed)
}

fn module_failed<E>(_: E) -> ProviderError {
    ProviderError::Unavailable("the cryptographic module failed")
}

#[async_trait]
impl Provider for SoftwareProvider {
    fn module(&self) -> ModuleInfo {
        let linked = provenance::module();
        ModuleInfo {
            kind: "software",
            name: linked.to_string(),
            token: None,
            root_in_token: false,
            fips: linked.fips,
            sealing: RootWrap {
                key: ROOT_KEY.to_owned(),
                version: 1,
                algorithm: binding::SEALING.to_owned(),
                strength_bits: 256,
            },
            wrapping: None,
            insecure: vec!["insecure_software_root"],
        }
    }

    fn supports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        protection == Protection::Software && spec.allows(purpose)
    }

    async fn create_ring_kek(&self, ring: KeyRingId) -> Result<Vec<u8>, ProviderError> {
        let kek = random::secret(RING_KEK_LEN).map_err(module_failed)?;
        ring_kek::seal(&self.root, &binding::of_ring_kek(ring), &kek).map_err(module_failed)
    }

    async fn check_ring_kek(&self, ring: &KeyRing) -> Result<(), ProviderError> {
        self.open_ring_kek(ring).map(drop)
    }

    async fn generate(&self, request: MaterialRequest<'_>) -> Result<Generated, ProviderError> {
        if !self.supports(request.spec, request.purpose, request.protection) {
            return Err(Self::unsupported(request.spec, request.protection));
        }
        let kek = self.ring_kek(request.ring)?;
        let spec = request.spec;
        let material = generate(spec, &mut ModuleRandom).map_err(module_failed)?;
        let place = Place { ring: request.ring.id, version: request.version, spec, purpose: request.purpose };
        Ok(Generated {
            wrap: ring_kek::wrap(&kek, &place, &material.secret)?,
            provenance: Provenance {
                origin: Origin::Generated,
                module: provenance::module().to_string(),
                generator: Generator::ModuleDrbg,
                health_ok: true,
                fingerprint: Some(ring_kek::fingerprint(request.fingerprints, &material)),
            },
            public_key: material.public,
        })
    }

    fn imports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        self.supports(spec, purpose, protection) && is_importable(spec)
    }

    async fn import(
        &self,
        request: MaterialRequest<'_>,
        material: &SecretBytes,
    ) -> Result<Generated, ProviderError> {
        let MaterialRequest { ring, version, spec, purpose, protection, fingerprints } = request;
        if !self.imports(spec, purpose, protection) {
            return Err(Self::unsupported(spec, protection));
        }
        let place = Place { ring: ring.id, version, spec, purpose };
        ring_kek::import(&*self.ring_kek(ring)?, &place, material, fingerprints)
    }

    async fn open(&self, ring: &KeyRing, version: &KeyVersion) -> Result<Arc<dyn Handle>, ProviderError> {
        if version.protection != Protection::Software {
            return Err(Self::unsupported(version.spec, version.protection));
        }
        let stored = ring_kek::stored(ring, version, UNDER_RING_KEK)?;
        let key = ring_kek::unwrap(&*self.ring_kek(ring)?, &stored, version)?;
        Ok(Arc::new(ReadyHandle::new(version.id, key)))
    }

    async fn seal(&self, label: &[u8], secret: &SecretBytes) -> Result<Vec<u8>, ProviderError> {
        ring_kek::seal(&self.root, &binding::of_sealed(label), secret).map_err(module_failed)
    }

    async fn unseal(&self, label: &[u8], sealed: &[u8]) -> Result<SecretBytes, ProviderError> {
        self.root.open(&binding::of_sealed(label), sealed).map_err(|_| ProviderError::BadWrap)
    }

    async fn random(&self, len: usize) -> Result<SecretBytes, ProviderError> {
        random::secret(len).map_err(module_failed)
    }

    fn root_public_key(&self) -> RootPublicKey {
        RootPublicKey::Ed25519(self.public)
    }

    async fn sign_root(&self, message: &[u8]) -> Result<Vec<u8>, ProviderError> {
        self.signing.sign(SignatureAlgorithm::Ed25519, Message::Raw(message)).map_err(module_failed)
    }

    async fn health(&self) -> Result<ProviderHealth, ProviderError> {
        // A provider exists only after its self-test passed; the root is asked anew.
        let probe = binding::of_sealed(b"health");
        let root_ok =
            self.root.seal(&probe, b"probe").is_ok_and(|body| self.root.open(&probe, &body).is_ok());
        Ok(ProviderHealth { self_test_ok: true, root_ok, sessions: 0 })
    }
}
