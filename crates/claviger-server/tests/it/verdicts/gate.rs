//! The software module behind a gate: while that is shut, no material is made ready for use.
//!
//! A use that has been decided on waits there, so that what it depends on can be taken away meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use claviger_core::key::{KeyRing, KeyVersion, Protection};
use claviger_core::port::provider::{Generated, MaterialRequest, ModuleInfo, ProviderHealth, RootPublicKey};
use claviger_core::port::{Handle, Provider, ProviderError};
use claviger_core::{KeyRingId, Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_provider::software::SoftwareProvider;
use tokio::sync::watch;

/// How long callers may take to come to it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The gate.
#[derive(Debug)]
pub(super) struct Gate {
    is_shut: watch::Sender<bool>,
    /// How many have come to it while it was shut.
    waiting: AtomicUsize,
}

impl Gate {
    /// One that is open.
    pub(super) fn new() -> Self {
        Self { is_shut: watch::channel(false).0, waiting: AtomicUsize::new(0) }
    }

    /// Shuts or opens it.
    pub(super) fn shut(&self, is_shut: bool) {
        self.is_shut.send_replace(is_shut);
    }

    /// Waits until so many have come to it.
    pub(super) async fn is_awaited_by(&self, callers: usize) {
        let all = async {
            while self.waiting.load(Ordering::SeqCst) < callers {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap();
    }

    async fn pass(&self) {
        let mut seen = self.is_shut.subscribe();
        let is_shut = *seen.borrow();
        if is_shut {
            self.waiting.fetch_add(1, Ordering::SeqCst);
        }
        let _ = seen.wait_for(|is_shut| !*is_shut).await;
    }
}

/// The module.
#[derive(Debug)]
pub(super) struct Gated {
    pub(super) inner: SoftwareProvider,
    pub(super) gate: Arc<Gate>,
}

#[async_trait]
impl Provider for Gated {
    fn module(&self) -> ModuleInfo {
        self.inner.module()
    }
    fn supports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        self.inner.supports(spec, purpose, protection)
    }
    async fn create_ring_kek(&self, ring: KeyRingId) -> Result<Vec<u8>, ProviderError> {
        self.inner.create_ring_kek(ring).await
    }
    async fn check_ring_kek(&self, ring: &KeyRing) -> Result<(), ProviderError> {
        self.inner.check_ring_kek(ring).await
    }
    async fn generate(&self, request: MaterialRequest<'_>) -> Result<Generated, ProviderError> {
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
        self.inner.import(request, material).await
    }
    async fn open(&self, ring: &KeyRing, version: &KeyVersion) -> Result<Arc<dyn Handle>, ProviderError> {
        self.gate.pass().await;
        self.inner.open(ring, version).await
    }
    async fn seal(&self, label: &[u8], secret: &SecretBytes) -> Result<Vec<u8>, ProviderError> {
        self.inner.seal(label, secret).await
    }
    async fn unseal(&self, label: &[u8], sealed: &[u8]) -> Result<SecretBytes, ProviderError> {
        self.inner.unseal(label, sealed).await
    }
    async fn random(&self, len: usize) -> Result<SecretBytes, ProviderError> {
        self.inner.random(len).await
    }
    fn root_public_key(&self) -> RootPublicKey {
        self.inner.root_public_key()
    }
    async fn sign_root(&self, message: &[u8]) -> Result<Vec<u8>, ProviderError> {
        self.inner.sign_root(message).await
    }
    async fn health(&self) -> Result<ProviderHealth, ProviderError> {
        self.inner.health().await
    }
}
