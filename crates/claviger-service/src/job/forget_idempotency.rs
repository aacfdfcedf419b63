//! Forgets creating calls that were answered long ago: nobody repeats them any more. No state hangs on them, so the log has
//! nothing to record.

use std::time::Duration;

use claviger_core::Timestamp;

use super::Done;
use crate::error::ServiceError;
use crate::road::Road;

/// How long a repetition of a creating call finds what the first one made.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

pub(super) async fn run(road: &Road) -> Result<Done, ServiceError> {
    if road.is_clock_held() {
        return Ok(Done::default());
    }
    let long_ago = road.state.time.log_time().since(Timestamp::default().after(REMEMBERED));
    let before = Timestamp::default().after(long_ago);
    let forgotten = road.state.store.forget_idempotency(before).await?;
    if forgotten > 0 {
        tracing::debug!(forgotten, "creating calls of long ago are forgotten");
    }
    Ok(Done::default())
}
