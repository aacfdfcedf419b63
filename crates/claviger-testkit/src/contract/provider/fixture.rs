//! Keys as providers make them, in every kind there is.

use std::sync::Arc;

use claviger_core::key::{
    DataClass, Key, KeyRecord, KeyRing, KeyVersion, Labels, Protection, RequiredContext, RingPolicy, State,
};
use claviger_core::port::provider::{Generated, MaterialRequest, Process, Protect, UseOutput};
use claviger_core::port::{Handle, Provider, ProviderError};
use claviger_core::{KeyId, KeyRingId, KeyVersionId, PrincipalId, Purpose, Spec, Timestamp};
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;

pub(super) const NOW: Timestamp = Timestamp::from_micros(1);

/// One key with one active version, made by a provider.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// Ring, key and version.
    pub record: KeyRecord,
}

/// A case of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Algorithm and size.
    pub spec: Spec,
    /// What the key is for.
    pub purpose: Purpose,
    /// The protection level: where the material lives.
    pub protection: Protection,
}

impl Case {
    /// Every valid combination, supported or not.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for protection in [Protection::Software, Protection::Hsm] {
            for spec in Spec::ALL {
                cases.extend(spec.purposes().iter().map(|purpose| Self {
                    spec,
                    purpose: *purpose,
                    protection,
                }));
            }
        }
        cases
    }
}

/// A ring whose KEK the provider made.
///
/// # Panics
/// When the provider does not make one.
pub async fn new_ring(provider: &dyn Provider) -> Arc<KeyRing> {
    let id = KeyRingId::random().unwrap();
    Arc::new(KeyRing {
        id,
        name: "ring".parse().unwrap(),
        policy: RingPolicy::default(),
        kek: provider.create_ring_kek(id).await.expect("a ring KEK is made"),
        kek_wrap: Some(provider.module().sealing),
        created_at: Timestamp::from_micros(1),
        reason: None,
        revision: 1,
    })
}

/// A new key of that kind in `ring`.
///
/// # Errors
/// What the provider answers.
///
/// # Panics
/// When what it generated is not of the right form.
pub async fn new_key(
    provider: &dyn Provider,
    ring: &Arc<KeyRing>,
    case: Case,
) -> Result<Fixture, ProviderError> {
    let id = KeyVersionId { key: KeyId::random().unwrap(), number: 1 };
    let Case { spec, purpose, protection } = case;
    let fingerprints = &fingerprints();
    let request = MaterialRequest { ring, version: id, spec, purpose, protection, fingerprints };
    Ok(fixture(ring, case, id, provider.generate(request).await?))
}

/// A key of that kind in `ring` with this material, imported.
///
/// # Errors
/// What the provider answers.
///
/// # Panics
/// When there is no identifier to be had.
pub async fn imported_key(
    provider: &dyn Provider,
    ring: &Arc<KeyRing>,
    case: Case,
    material: &SecretBytes,
) -> Result<Fixture, ProviderError> {
    let id = KeyVersionId { key: KeyId::random().unwrap(), number: 1 };
    let Case { spec, purpose, protection } = case;
    let fingerprints = &fingerprints();
    let request = MaterialRequest { ring, version: id, spec, purpose, protection, fingerprints };
    Ok(fixture(ring, case, id, provider.import(request, material).await?))
}

/// What keys fingerprints here.
pub(crate) fn fingerprints() -> HmacSha256 {
    HmacSha256::new(&SecretBytes::new(vec![0x77; 32]))
}

fn fixture(ring: &Arc<KeyRing>, case: Case, id: KeyVersionId, made: Generated) -> Fixture {
    let Case { spec, purpose, protection } = case;
    let Generated { wrap, public_key, provenance } = made;
    let now = NOW;
    let version = KeyVersion {
        id,
        state: State::Active,
        spec,
        protection,
        wrap: Some(wrap),
        public_key,
        provenance,
        rotated: None,
        imported: None,
        created_at: now,
        activated_at: Some(now),
        state_changed_at: now,
        protect_uses: 0,
        reason: None,
        revision: 1,
    };
    let key = Key {
        id: id.key,
        ring: ring.id,
        name: "key".parse().unwrap(),
        purpose,
        spec,
        protection,
        data_class: DataClass::Internal,
        description: String::new(),
        owner: PrincipalId::random().unwrap(),
        labels: Labels::default(),
        rotation_period: None,
        context_required: RequiredContext::default(),
        environment: None,
        state: State::Active,
        primary: 1,
        rotates_from: now,
        destruction: None,
        policy: None,
        created_at: now,
        reason: None,
        revision: 1,
    };
    Fixture { record: KeyRecord { ring: ring.clone(), key, versions: vec![version] } }
}

impl Fixture {
    /// The version.
    #[must_use]
    pub fn version(&self) -> &KeyVersion {
        &self.record.versions[0]
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the provider answers.
    pub async fn open(&self, provider: &dyn Provider) -> Result<Arc<dyn Handle>, ProviderError> {
        provider.open(&self.record.ring, self.version()).await
    }

    /// Uses it on new data.
    ///
    /// # Errors
    /// What the handle answers.
    ///
    /// # Panics
    /// When the fixture's state was changed to one that does not protect.
    pub async fn protect(&self, handle: &dyn Handle, how: Protect<'_>) -> Result<UseOutput, ProviderError> {
        handle.protect(self.record.protecting(NOW).unwrap(), how).finish().await
    }

    /// Uses it on old data.
    ///
    /// # Errors
    /// What the handle answers.
    ///
    /// # Panics
    /// When the fixture's state was changed to one that does not process.
    pub async fn process(&self, handle: &dyn Handle, how: Process<'_>) -> Result<UseOutput, ProviderError> {
        handle.process(self.record.processing(1, NOW).unwrap().unwrap(), how).finish().await
    }

    pub(super) fn with_version(&self, change: impl FnOnce(&mut KeyVersion)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.record.versions[0]);
        changed
    }
}
