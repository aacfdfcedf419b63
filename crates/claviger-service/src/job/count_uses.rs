//! Counts again, from the log, the uses that an earlier process did not carry into the table. A piece at a time, in turn with
//! others that read the log: a crash in between loses nothing, for the table knows how far it reaches.

use std::time::Duration;

use crate::error::ServiceError;
use crate::job::SYSTEM;
use crate::road::Road;
use crate::work::Class;

/// How long to wait before a piece that failed is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts until nothing is left, or the road stops.
pub(crate) async fn count_uses(road: Road) {
    while let Some((from, to)) = road.usage.gap() {
        let counted = tokio::select! {
            counted = count(&road, from, to) => counted,
            () = road.stopping() => return,
        };
        if let Err(error) = counted {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, from, to, "uses of keys were not counted from the log");
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = road.stopping() => return,
            }
        }
    }
}

async fn count(road: &Road, from: u64, to: u64) -> Result<(), ServiceError> {
    let held = road.work.enter(Class::Scan, SYSTEM).await?;
    let log = road.log.clone();
    let uses = road.work.run(Class::Scan, &held, move |at| log.uses(at, from, to)).await?;
    road.usage.counted(uses, to);
    Ok(())
}
