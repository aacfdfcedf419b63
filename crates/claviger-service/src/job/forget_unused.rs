//! Gives back memory of what a burst of calls left behind: parsed policies and permits that nobody uses any more.

use std::time::Duration;

use crate::road::Road;

/// How often. What nobody used for so long, and at most twice as long, is given back.
const EVERY: Duration = Duration::from_secs(30);

/// Gives back what is not used, again and again, until the road stops.
pub(crate) async fn forget_unused(road: Road) {
    let mut ticks = road.ticks(Duration::ZERO, EVERY);
    while ticks.next().await.is_some() {
        road.authorizer.forget_unused();
        road.state.forget_unused();
    }
}
