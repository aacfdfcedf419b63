//! A key in memory, with the material of the versions that are in use.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::KeyVersionId;
use claviger_core::key::{KeyRecord, KeyVersion};
use claviger_core::port::{Handle, Provider, Store};
use claviger_crypto::SecretBytes;
use claviger_crypto::envelope::Context;
use claviger_crypto::kdf::HmacSha256;
use tokio::sync::OnceCell;

use super::half;
use crate::error::ServiceError;

/// So many versions that are not at hand are kept ready for use with their key.
const MOST_OLDER: usize = 32;

/// A key ready for use.
#[derive(Debug)]
pub(crate) struct LoadedKey {
    record: Arc<KeyRecord>,
    context_tags: HmacSha256,
    /// One per version, in the order of the record.
    slots: Box<[Slot]>,
    /// Versions that are not at hand and were used all the same, the last one last.
    older: Mutex<Vec<Arc<Older>>>,
}

/// A version that is not at hand, with its key.
#[derive(Debug)]
pub(crate) struct Older {
    record: KeyRecord,
    handle: OnceCell<Arc<dyn Handle>>,
}

impl Older {
    /// The key, with this version alone.
    pub(crate) const fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// Its material, made ready at its first use.
    pub(crate) async fn handle(
        &self,
        version: &KeyVersion,
        provider: &dyn Provider,
    ) -> Result<&Arc<dyn Handle>, ServiceError> {
        let ring = &self.record.ring;
        self.handle.get_or_try_init(|| async { Ok(provider.open(ring, version).await?) }).await
    }
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
        Self { record, context_tags, slots, older: Mutex::default() }
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

    /// A version that is not at hand; `None` when there is none of that number.
    pub(crate) async fn older(
        &self,
        number: u32,
        store: &dyn Store,
    ) -> Result<Option<Arc<Older>>, ServiceError> {
        if number == 0 || number > self.record.newest() {
            return Ok(None);
        }
        if let Some(kept) = self.kept(number) {
            return Ok(Some(kept));
        }
        let id = KeyVersionId { key: self.record.key.id, number };
        let Some(version) = store.find_version(id).await? else { return Ok(None) };
        let record = KeyRecord {
            ring: Arc::clone(&self.record.ring),
            key: self.record.key.clone(),
            versions: vec![version],
        };
        let older = Arc::new(Older { record, handle: OnceCell::new() });
        let mut kept = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_OLDER {
            kept.remove(0);
        }
        kept.push(Arc::clone(&older));
        Ok(Some(older))
    }

    fn kept(&self, number: u32) -> Option<Arc<Older>> {
        let mut kept = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|older| older.record.find_version(number).is_some())?;
        let found = kept.remove(at);
        kept.push(Arc::clone(&found));
        Some(found)
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
