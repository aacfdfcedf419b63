//! Rotates keys whose rotation period, or their ring's, is over.

use super::Done;
use crate::error::ServiceError;
use crate::operation::RotateDueKey;
use crate::road::Road;

pub(super) async fn run(road: &Road) -> Result<Done, ServiceError> {
    let due = road.state.store.list_rotation_due(road.state.time.log_time(), road.troubled.most()).await?;
    road.do_to_each("rotate_due_keys", due, |key| RotateDueKey { key }).await
}
