//! A key in memory, with the material of the versions that are in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_core::key::{KeyRecord, KeyVersion};
use claviger_core::port::{Handle, Provider};
use claviger_crypto::SecretBytes;
use claviger_crypto::envelope::Context;
use claviger_crypto::kdf::HmacSha256;
use tokio::sync::OnceCell;

use super::half;
use crate::error::ServiceError;

/// A key ready for use.
#[derive(Debug)]
pub(crate) struct LoadedKey {
    record: Arc<KeyRecord>,
    context_tags: HmacSha256,
    /// One per version, in the order of the record.
    slots: Box<[Slot]>,
}

#[derive(Debug)]
struct Slot {
    handle: OnceCell<Arc<dyn Handle>>,
    /// Uses on new data that this node counted since the record was read.
    uses: AtomicU64,
}

impl LoadedKey {
    pub(super) fn new(record: Arc<KeyRecord>, context_key: [u8; 32]) -> Self {
        let slots = record
            .versions
            .iter()
            .map(|_| Slot { handle: OnceCell::new(), uses: AtomicU64::new(0) })
            .collect();
        let context_tags = HmacSha256::new(&SecretBytes::copied_from(&context_key));
        Self { record, context_tags, slots }
    }

    pub(crate) const fn record(&self) -> &Arc<KeyRecord> {
        &self.record
    }

    /// The tag of an encryption context in the log; none for the empty one.
    pub(crate) fn context_tag(&self, context: &Context) -> Option<[u8; 16]> {
        (!context.is_empty()).then(|| half(self.context_tags.tag(&[context.to_aad()])))
    }

    /// The version's material, made ready at its first use.
    pub(crate) async fn handle(
        &self,
        version: &KeyVersion,
        provider: &dyn Provider,
    ) -> Result<&Arc<dyn Handle>, ServiceError> {
        let slot = self.slot(version)?;
        if let Some(handle) = slot.handle.get() {
            return Ok(handle);
        }
        slot.handle.get_or_try_init(|| async { Ok(provider.open(&self.record.ring, version).await?) }).await
    }

    /// Counts uses on new data of a version whose primitive has a limit; gives the count before them.
    pub(crate) fn count_uses(&self, version: &KeyVersion, uses: u64) -> Result<u64, ServiceError> {
        Ok(version.protect_uses.saturating_add(self.slot(version)?.uses.fetch_add(uses, Ordering::Relaxed)))
    }

    fn slot(&self, version: &KeyVersion) -> Result<&Slot, ServiceError> {
        let at = self.record.versions.binary_search_by_key(&version.id.number, |known| known.id.number).ok();
        at.and_then(|at| self.slots.get(at)).ok_or_else(ServiceError::not_found)
    }
}
