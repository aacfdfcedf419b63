//! The lifecycle of NIST SP 800-57 part 1 rev. 5, sections 7.1 to 7.3, as one table.
//!
//! Invariants: compromise is never forgotten, and nothing leaves `destroyed`. A key has a state of its own in the same
//! terms; the stricter of key and version applies ([`State::stricter`]).

/// Where a key or a key version stands (SP 800-57 part 1, 7.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum State {
    /// Generated, not yet in use.
    PreActive,
    /// Protects and processes.
    Active,
    /// Out of use for a while.
    Suspended,
    /// Processes what it once protected; protects nothing more.
    Deactivated,
    /// Known or suspected to be in other hands; used for nothing.
    Compromised,
    /// Unrecoverable; a tombstone stays.
    Destroyed,
    /// Unrecoverable, and was compromised.
    DestroyedCompromised,
}

/// What moves a key or version from one state to another (SP 800-57 part 1, 7.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Event {
    /// Put into use.
    Activate,
    /// Take out of use for a while.
    Suspend,
    /// Bring back from suspension.
    Resume,
    /// End the originator-usage period.
    Deactivate,
    /// Declare it in other hands. There is no way back.
    Compromise,
    /// Make the material unrecoverable.
    Destroy,
}

crate::named! {
    /// Text that is not a lifecycle state.
    State, "a lifecycle state" {
        PreActive = "pre_active",
        Active = "active",
        Suspended = "suspended",
        Deactivated = "deactivated",
        Compromised = "compromised",
        Destroyed = "destroyed",
        DestroyedCompromised = "destroyed_compromised",
    }
}

crate::named! {
    /// Text that is not a lifecycle event.
    Event, "a lifecycle event" {
        Activate = "activate",
        Suspend = "suspend",
        Resume = "resume",
        Deactivate = "deactivate",
        Compromise = "compromise",
        Destroy = "destroy",
    }
}

/// The table has no such arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key that is {from} cannot {event}")]
pub struct NoTransition {
    /// The state it is in.
    pub from: State,
    /// The event that was asked for.
    pub event: Event,
}

impl State {
    /// The state after `event`.
    ///
    /// # Errors
    /// [`NoTransition`] for every arrow that the table does not list.
    pub fn after(self, event: Event) -> Result<Self, NoTransition> {
        use Event::{Activate, Compromise, Deactivate, Destroy, Resume, Suspend};
        use State::{
            Active, Compromised, Deactivated, Destroyed, DestroyedCompromised, PreActive, Suspended,
        };
        Ok(match (self, event) {
            (PreActive, Activate) | (Suspended, Resume) => Active,
            (Active, Suspend) => Suspended,
            (Active | Suspended, Deactivate) => Deactivated,
            (PreActive | Active | Suspended | Deactivated, Compromise) => Compromised,
            (PreActive | Deactivated, Destroy) => Destroyed,
            // SP 800-57 part 1, 7.2.6: that a destroyed key had been compromised may come to light later.
            (Compromised, Destroy) | (Destroyed, Compromise) => DestroyedCompromised,
            (from, event) => return Err(NoTransition { from, event }),
        })
    }

    /// The state after destruction. What is in use, or out of it for a while, is deactivated on the way: SP 800-57 part 1,
    /// 7.3, has no arrow from there to `destroyed`.
    ///
    /// # Errors
    /// [`NoTransition`] for what is destroyed already.
    pub fn destroyed(self) -> Result<Self, NoTransition> {
        match self {
            Self::Active | Self::Suspended => self.after(Event::Deactivate)?.after(Event::Destroy),
            Self::Compromised
            | Self::Deactivated
            | Self::Destroyed
            | Self::DestroyedCompromised
            | Self::PreActive => self.after(Event::Destroy),
        }
    }

    /// Is the material gone?
    #[must_use]
    pub const fn is_destroyed(self) -> bool {
        matches!(self, Self::Destroyed | Self::DestroyedCompromised)
    }

    /// The stricter of two states: what a key and one of its versions allow together.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        if self.strictness() >= other.strictness() { self } else { other }
    }

    fn strictness(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Deactivated => 1,
            Self::PreActive => 2,
            Self::Suspended => 3,
            Self::Compromised => 4,
            Self::Destroyed => 5,
            Self::DestroyedCompromised => 6,
        }
    }

    /// May new data be protected (SP 800-57 part 1, 7.2.2)?
    #[must_use]
    pub const fn protects(self) -> bool {
        matches!(self, Self::Active)
    }

    /// May old data be processed (SP 800-57 part 1, 7.2.2 and 7.2.4)?
    #[must_use]
    pub const fn processes(self) -> bool {
        matches!(self, Self::Active | Self::Deactivated)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matrix_is_the_golden_one() {
        let mut table =
            String::from("# State x event, NIST SP 800-57 part 1 rev. 5, section 7. `-` refuses.\n");
        let _ = write!(table, "{:<22}", "state");
        for event in Event::ALL {
            let _ = write!(table, "{:<22}", event.name());
        }
        let _ = writeln!(table, "{:<9}processes", "protects");
        for state in State::ALL {
            let _ = write!(table, "{:<22}", state.name());
            for event in Event::ALL {
                let _ = write!(table, "{:<22}", state.after(event).map_or("-", State::name));
            }
            let _ = writeln!(table, "{:<9}{}", state.protects(), state.processes());
        }
        crate::golden::check("lifecycle.txt", &table);
    }

    #[test]
    fn stricter_is_a_total_order_that_never_adds_a_right() {
        for a in State::ALL {
            for b in State::ALL {
                let both = a.stricter(b);
                assert_eq!(both, b.stricter(a));
                assert_eq!(both.protects(), a.protects() && b.protects());
                assert_eq!(both.processes(), a.processes() && b.processes());
            }
        }
    }

    #[test]
    fn everything_can_be_destroyed_once() {
        for state in State::ALL {
            let destroyed = state.destroyed();
            assert_eq!(destroyed.is_err(), state.is_destroyed(), "{state}");
            if let Ok(destroyed) = destroyed {
                assert!(destroyed.is_destroyed());
                assert_eq!(destroyed == State::DestroyedCompromised, state == State::Compromised, "{state}");
            }
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        proptest::sample::select(Event::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn compromise_is_never_forgotten_and_destroyed_stays_destroyed(
            events in proptest::collection::vec(any_event(), 0..40),
        ) {
            let mut state = State::PreActive;
            let (mut compromised, mut destroyed) = (false, false);
            for event in events {
                let Ok(next) = state.after(event) else { continue };
                compromised |= event == Event::Compromise;
                destroyed |= event == Event::Destroy;
                state = next;
                if compromised {
                    prop_assert!(matches!(state, State::Compromised | State::DestroyedCompromised));
                }
                if destroyed {
                    prop_assert!(matches!(state, State::Destroyed | State::DestroyedCompromised));
                    prop_assert!(!state.processes() && !state.protects());
                }
            }
        }
    }
}
