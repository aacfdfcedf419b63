//! What is done while the store's device is nearly full.
//!
//! Ordinary calls are refused before they write anything, their refusal included: it is counted. What remains is for calls that
//! restrict, so that no caller who fills the disk can keep a key, a credential or a grant alive. What was set aside for that
//! is for people and for the system itself: an application has many keys and grants of its own to end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_access::Caller;
use claviger_core::Action;
use claviger_core::action::Effect;
use claviger_core::port::StoreError;
use claviger_core::port::store::{Room, SpaceState};
use claviger_core::principal::PrincipalKind;

use crate::error::{ErrorKind, ServiceError};
use crate::road::{Inner, Road};

/// How often the state of the system is recorded while there is little room: each answer has its entry.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// How often the device is looked at, beside the looks that writing takes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the device until the road stops.
pub(crate) async fn keep_looking(road: Road) {
    let mut ticks = road.ticks(Duration::ZERO, LOOK_EVERY);
    let mut traced = Room::Plenty;
    while ticks.next().await.is_some() {
        traced = road.tend_space(traced).await;
    }
}

/// What is counted instead of recorded.
#[derive(Debug, Default)]
pub(crate) struct NoRoom {
    refused: AtomicU64,
    /// When, in milliseconds since the start of the machine, the state of the system was last recorded.
    recorded_at: AtomicU64,
}

impl NoRoom {
    /// How many calls were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The least room with which such a call of such a caller is still taken.
pub(super) fn least_room(caller: &Caller, action: Action) -> Room {
    match (action.effect(), caller.principal().kind) {
        (Effect::Restrict, PrincipalKind::Human | PrincipalKind::System) => Room::Reserve,
        (Effect::Restrict, PrincipalKind::Workload) => Room::Low,
        // So that people see what is the matter.
        (_, PrincipalKind::Human) if action == Action::ReadSystem => Room::Reserve,
        _ => Room::Plenty,
    }
}

/// Did a write find no room?
pub(super) fn is_full(error: &ServiceError) -> bool {
    let source = std::error::Error::source(error);
    source.and_then(|source| source.downcast_ref::<StoreError>()) == Some(&StoreError::Full)
}

impl Road {
    /// Is a call that is taken down to `least` taken with the room that there is?
    pub(super) fn has_room(&self, least: Room, action: Action) -> bool {
        self.room() <= least && (action != Action::ReadSystem || self.may_answer_status())
    }

    /// Was it only noticed now that the disk is full, so that what was set aside is there for such a call?
    pub(super) fn has_been_given_room(&self, before: Room, least: Room) -> bool {
        before < Room::Reserve && self.room() == Room::Reserve && least == Room::Reserve
    }

    fn may_answer_status(&self) -> bool {
        if self.room() == Room::Plenty {
            return true;
        }
        let now = u64::try_from(self.clock.since_boot().as_millis()).unwrap_or(u64::MAX);
        let every = u64::try_from(STATUS_EVERY.as_millis()).unwrap_or(u64::MAX);
        let recorded = self.no_room.recorded_at.load(Ordering::Relaxed);
        // The first call is recorded at once, whenever the machine was started.
        (recorded == 0 || now.saturating_sub(recorded) >= every)
            && self
                .no_room
                .recorded_at
                .compare_exchange(recorded, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Refuses a call for want of room; nothing is written.
    pub(super) fn refuse_for_space(&self) -> ServiceError {
        self.no_room.refused.fetch_add(1, Ordering::Relaxed);
        no_room()
    }

    /// Looks at the device, and traces what changed since the last line about it, whoever noticed it first. Gives what is traced.
    async fn tend_space(&self, before: Room) -> Room {
        match self.state.store.tend_space().await {
            Ok(SpaceState { room, free, min_free, reserve_held, .. }) if room != before => {
                if room == Room::Plenty {
                    tracing::info!(free, "there is room on the disk again: all calls are taken");
                } else {
                    let message =
                        "the disk is nearly full: only calls that restrict are recorded; free some space";
                    tracing::error!(free, min_free, reserve_held, "{message}");
                }
                room
            }
            Ok(_) => before,
            Err(error) => {
                tracing::warn!(%error, "the room on the disk could not be looked at");
                before
            }
        }
    }
}

impl Inner {
    /// For whom there is room on the store's device.
    #[must_use]
    pub fn room(&self) -> Room {
        self.state.store.room()
    }

    /// The room on the store's device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn space(&self) -> Result<SpaceState, StoreError> {
        self.state.store.space().await
    }

    /// Bytes of state and log on the store's device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn used_bytes(&self) -> Result<u64, StoreError> {
        self.state.store.used_bytes().await
    }

    /// Calls that were refused, without an entry, for want of room.
    #[must_use]
    pub fn refused_for_space(&self) -> u64 {
        self.no_room.refused()
    }
}

pub(super) fn no_room() -> ServiceError {
    let message = "the disk of the service is nearly full: until there is room, only calls that restrict are recorded; nothing was done";
    ServiceError::new(ErrorKind::Unavailable, message)
}
