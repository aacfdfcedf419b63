//! The software module, which fails when a test says so.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use claviger_core::key::{KeyRing, KeyVersion, Processing, Protecting, Protection};
use claviger_core::port::provider::{
    Generated, Handle, MaterialRequest, ModuleInfo, Process, Protect, Provider, ProviderError,
    ProviderHealth, RootPublicKey, UseFuture,
};
use claviger_core::{KeyRingId, Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_provider::software::SoftwareProvider;

/// What the module fails with, while it is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<ProviderError>>>);

impl Fault {
    pub(crate) fn set(&self, fault: Option<ProviderError>) {
        *self.0.lock().unwrap() = fault;
    }

    fn check(&self) -> Result<(), ProviderError> {
        self.0.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[derive(Debug)]
pub(crate) struct FaultyModule {
    pub(crate) inner: SoftwareProvider,
    pub(crate) fault: Fault,
}

#[derive(Debug)]
struct FaultyHandle {
    inner: Arc<dyn Handle>,
    fault: Fault,
}

impl Handle for FaultyHandle {
    fn protect<'a>(&'a self, version: Protecting<'_>, how: Protect<'a>) -> UseFuture<'a> {
        self.fault
            .check()
            .map_or_else(|fault| UseFuture::Done(Err(fault)), |()| self.inner.protect(version, how))
    }

    fn process<'a>(&'a self, version: Processing<'_>, how: Process<'a>) -> UseFuture<'a> {
        self.fault
            .check()
            .map_or_else(|fault| UseFuture::Done(Err(fault)), |()| self.inner.process(version, how))
    }
}

#[async_trait]
impl Provider for FaultyModule {
    fn module(&self) -> ModuleInfo {
        self.inner.module()
    }

    fn supports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        self.inner.supports(spec, purpose, protection)
    }

    async fn create_ring_kek(&self, ring: KeyRingId) -> Result<Vec<u8>, ProviderError> {
        self.fault.check()?;
        self.inner.create_ring_kek(ring).await
    }

    async fn check_ring_kek(&self, ring: &KeyRing) -> Result<(), ProviderError> {
        self.fault.check()?;
        self.inner.check_ring_kek(ring).await
    }

    async fn generate(&self, request: MaterialRequest<'_>) -> Result<Generated, ProviderError> {
        self.fault.check()?;
        self.inner.generate(request).await
    }

    fn imports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        self.inner.imports(spec, purpose, protection)
    }

    async fn import(
        &self,
        request: MaterialRequest<'_>,
        material: &SecretBytes,
    ) -> Result<Generated, ProviderError> {
        self.fault.check()?;
        self.inner.import(request, material).await
    }

    async fn open(&self, ring: &KeyRing, version: &KeyVersion) -> Result<Arc<dyn Handle>, ProviderError> {
        self.fault.check()?;
        let inner = self.inner.open(ring, version).await?;
        Ok(Arc::new(FaultyHandle { inner, fault: self.fault.clone() }))
    }

    async fn seal(&self, label: &[u8], secret: &SecretBytes) -> Result<Vec<u8>, ProviderError> {
        self.fault.check()?;
        self.inner.seal(label, secret).await
    }

    async fn unseal(&self, label: &[u8], sealed: &[u8]) -> Result<SecretBytes, ProviderError> {
        self.fault.check()?;
        self.inner.unseal(label, sealed).await
    }

    async fn random(&self, len: usize) -> Result<SecretBytes, ProviderError> {
        self.fault.check()?;
        self.inner.random(len).await
    }

    fn root_public_key(&self) -> RootPublicKey {
        self.inner.root_public_key()
    }

    /// The log goes on without the module's other parts, so that what they fail with is recorded.
    async fn sign_root(&self, message: &[u8]) -> Result<Vec<u8>, ProviderError> {
        self.inner.sign_root(message).await
    }

    async fn health(&self) -> Result<ProviderHealth, ProviderError> {
        self.fault.check()?;
        self.inner.health().await
    }
}
