//! Expensive work: bounded, shared between principals, and in nobody's way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use claviger_core::key::{KeyRing, KeyVersion, Protection};
use claviger_core::port::provider::{
    Generated, Handle, MaterialRequest, ModuleInfo, Provider, ProviderError, ProviderHealth, RootPublicKey,
};
use claviger_core::{Action, KeyRingId, Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_provider::software::SoftwareProvider;
use claviger_service::{ErrorKind, WorkFigures};
use tokio::task::JoinHandle;

use crate::deployment::Deployment;

/// Keeps the threads that make RSA keys until it is opened.
#[derive(Debug, Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    begun: AtomicUsize,
}

impl Gate {
    fn pass(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// The software module, in which RSA keys take as long as a test says. They are then made as quicker ones.
#[derive(Debug)]
struct SlowModule {
    inner: SoftwareProvider,
    gate: Arc<Gate>,
}

#[async_trait]
impl Provider for SlowModule {
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
        if request.spec == Spec::Rsa4096 {
            self.gate.pass();
            return Err(ProviderError::Unavailable("made in vain"));
        }
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

async fn build() -> (Arc<Deployment>, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let slow = Arc::clone(&gate);
    let deployment = Deployment::build_on(|inner| Arc::new(SlowModule { inner, gate: slow })).await;
    (Arc::new(deployment), gate)
}

/// Asks for RSA keys, each in a call of its own.
fn make_rsa_keys(deployment: &Arc<Deployment>, names: std::ops::Range<usize>) -> Vec<JoinHandle<ErrorKind>> {
    let make = |number: usize| {
        let deployment = Arc::clone(deployment);
        tokio::spawn(async move {
            let name = format!("rsa-{number}");
            let create = deployment.new_key("orders", &name, Purpose::Sign, Spec::Rsa4096);
            deployment.ask("ada", create).await.unwrap_err().kind()
        })
    };
    names.map(make).collect()
}

fn generation(deployment: &Deployment) -> WorkFigures {
    deployment.road.work_figures().into_iter().find(|figures| figures.class == "generation").unwrap()
}

/// Waits until so much of key generation is under way and waits.
async fn until(deployment: &Deployment, wanted: impl Fn(WorkFigures) -> bool) -> WorkFigures {
    loop {
        let figures = generation(deployment);
        if wanted(figures) {
            return figures;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_take_long_to_make_keep_no_other_call_waiting() {
    let (deployment, gate) = build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    let calls = make_rsa_keys(&deployment, 0..32);
    let figures = until(&deployment, |figures| figures.running + figures.waiting == 32).await;
    assert!(figures.running >= 1 && figures.waiting >= 1, "{figures:?}");
    deployment.encrypt("app", &key, b"x").await.unwrap();
    deployment.key("quick", Purpose::Encrypt, Spec::Aes256Gcm).await;
    gate.open();
    for call in calls {
        assert_eq!(call.await.unwrap(), ErrorKind::Unavailable);
    }
    assert_eq!(gate.begun.load(Ordering::SeqCst), 32);
    until(&deployment, |figures| figures.running + figures.waiting == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_never_begun() {
    let (deployment, gate) = build().await;
    deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let calls = make_rsa_keys(&deployment, 0..16);
    until(&deployment, |figures| figures.running + figures.waiting == 16).await;
    // What has a place and has not begun yet can still be given up.
    let has_begun = |running| running > 0 && gate.begun.load(Ordering::SeqCst) == running;
    until(&deployment, |figures| has_begun(figures.running)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let running = until(&deployment, |figures| has_begun(figures.running)).await.running;
    for call in &calls {
        call.abort();
    }
    // What is under way keeps its place, for it cannot be stopped; all else is gone.
    assert_eq!(until(&deployment, |figures| figures.waiting == 0).await.running, running);
    gate.open();
    until(&deployment, |figures| figures.running == 0).await;
    assert_eq!(gate.begun.load(Ordering::SeqCst), running);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_principal_waits_with_a_bounded_number_of_calls() {
    let (deployment, gate) = build().await;
    deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let calls = make_rsa_keys(&deployment, 0..400);
    let under_way = |figures: WorkFigures| u64::try_from(figures.running + figures.waiting).unwrap();
    until(&deployment, |figures| under_way(figures) + figures.refused == 400).await;
    let figures = generation(&deployment);
    assert_eq!(figures.waiting, 128);
    gate.open();
    let mut refused = 0;
    for call in calls {
        match call.await.unwrap() {
            ErrorKind::Overloaded => refused += 1,
            kind => assert_eq!(kind, ErrorKind::Unavailable),
        }
    }
    assert_eq!(refused, figures.refused);
}
