//! Removes imported material that has expired: it is used no more as it is, and need not lie here.

use std::collections::BTreeMap;

use claviger_core::KeyId;

use super::Done;
use crate::error::ServiceError;
use crate::operation::RemoveImportedMaterial;
use crate::reference::KeyRef;
use crate::road::Road;

pub(super) async fn run(road: &Road) -> Result<Done, ServiceError> {
    if road.is_clock_held() {
        return Ok(Done::default());
    }
    let now = road.state.time.log_time();
    let expired = road.state.store.list_expired_material(now, road.troubled.most()).await?;
    // One version of a key a run: the next finds what is left.
    let due: BTreeMap<KeyId, u32> =
        expired.into_iter().map(|version| (version.key, version.number)).collect();
    let remove = |key| RemoveImportedMaterial {
        key: KeyRef::Id(key),
        version: due.get(&key).copied(),
        only_if_expired: true,
    };
    road.do_to_each("remove_expired_material", due.keys().copied().collect(), remove).await
}
