//! Destroys keys whose waiting period is over.

use super::Done;
use crate::error::ServiceError;
use crate::operation::DestroyKey;
use crate::road::Road;

pub(super) async fn run(road: &Road) -> Result<Done, ServiceError> {
    let due = road.state.store.list_destruction_due(road.clock.now(), road.troubled.most()).await?;
    road.do_to_each("destroy_due_keys", due, |key| DestroyKey { key }).await
}
