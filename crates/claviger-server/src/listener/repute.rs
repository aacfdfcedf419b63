//! What is remembered of where connections come from: how often callers failed to authenticate, and when one last did.
//!
//! What it keeps true: memory is bounded. A source that fails more often than its budget allows gets no further connections
//! until the budget has grown again; one from which a caller was authenticated lately is never turned away for that, because it
//! may be that caller who comes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::network::Network;

/// Sources that are remembered at most. Beyond that new ones are not: their handshakes are bounded all the same.
const REMEMBERED: usize = 65_536;
/// For how long a proof stands for its source.
const LATELY: Duration = Duration::from_secs(600);
/// A budget that was not touched holds so many seconds' worth.
const BURST_SECONDS: u32 = 10;

/// A budget, in thousandths of failures.
#[derive(Debug, Clone, Copy)]
struct Reputation {
    left: i64,
    seen_at: Duration,
    proved_at: Option<Duration>,
}

/// The sources of one listener.
#[derive(Debug)]
pub(super) struct Repute {
    per_second: i64,
    sources: Mutex<HashMap<Network, Reputation>>,
}

/// What one more failure makes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may go on.
    Bear,
    /// It is asked to end.
    Finish,
    /// It ends now: it was asked before.
    Cut,
}

impl Repute {
    pub(super) fn new(failures_per_second: u32) -> Self {
        Self { per_second: i64::from(failures_per_second) * 1000, sources: Mutex::default() }
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<Network, Reputation>> {
        // Each change is whole before anything could panic.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn most(&self) -> i64 {
        self.per_second * i64::from(BURST_SECONDS)
    }

    fn grown(&self, reputation: Reputation, now: Duration) -> Reputation {
        let since = i64::try_from(now.saturating_sub(reputation.seen_at).as_millis()).unwrap_or(i64::MAX);
        let grown = since.saturating_mul(self.per_second) / 1000;
        Reputation {
            left: reputation.left.saturating_add(grown).min(self.most()),
            seen_at: now,
            ..reputation
        }
    }

    /// May a connection from there come, and was a caller authenticated there lately?
    pub(super) fn ask(&self, network: Network, now: Duration) -> (bool, bool) {
        let Some(reputation) = self.sources().get(&network).copied() else { return (true, false) };
        let lately = reputation.proved_at.is_some_and(|at| now.saturating_sub(at) < LATELY);
        (lately || self.grown(reputation, now).left > 0, lately)
    }

    /// A caller there failed to authenticate, once more.
    pub(super) fn failed(&self, network: Network, now: Duration) -> Verdict {
        let Some(left) = self.change(network, now, |reputation| {
            reputation.left = reputation.left.saturating_sub(1000).max(-self.most());
        }) else {
            return Verdict::Bear;
        };
        match () {
            () if left > 0 => Verdict::Bear,
            // As much again as a second allows is borne from those who do not hear.
            () if left > -self.per_second => Verdict::Finish,
            () => Verdict::Cut,
        }
    }

    /// A caller was authenticated there.
    pub(super) fn proved(&self, network: Network, now: Duration) {
        self.change(network, now, |reputation| reputation.proved_at = Some(now));
    }

    fn change(&self, network: Network, now: Duration, change: impl FnOnce(&mut Reputation)) -> Option<i64> {
        let mut sources = self.sources();
        let known = sources.get(&network).copied();
        if known.is_none() && sources.len() >= REMEMBERED {
            let most = self.most();
            // Whoever has the whole budget, and proved nothing lately, is as good as new.
            sources.retain(|_, reputation| {
                let lately = reputation.proved_at.is_some_and(|at| now.saturating_sub(at) < LATELY);
                lately || self.grown(*reputation, now).left < most
            });
            if sources.len() >= REMEMBERED {
                return None;
            }
        }
        let fresh = Reputation { left: self.most(), seen_at: now, proved_at: None };
        let mut reputation = known.map_or(fresh, |reputation| self.grown(reputation, now));
        change(&mut reputation);
        sources.insert(network, reputation);
        Some(reputation.left)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::from(number)))
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn source_that_only_fails_is_turned_away_until_its_budget_has_grown() {
        let (repute, one) = (Repute::new(2), network(1));
        assert_eq!(repute.ask(one, at(0)), (true, false));
        for _ in 0..19 {
            assert_eq!(repute.failed(one, at(0)), Verdict::Bear);
        }
        assert_eq!(repute.failed(one, at(0)), Verdict::Finish);
        assert_eq!(repute.failed(one, at(0)), Verdict::Finish);
        assert_eq!(repute.failed(one, at(0)), Verdict::Cut);
        assert_eq!(repute.ask(one, at(0)), (false, false));
        assert_eq!(repute.ask(network(2), at(0)), (true, false));
        assert_eq!(repute.ask(one, at(1)), (false, false));
        assert_eq!(repute.ask(one, at(2)), (true, false));
        // However long it failed, it is heard again after a budget's time.
        for _ in 0..1000 {
            repute.failed(one, at(2));
        }
        assert_eq!(repute.ask(one, at(2 + 11)), (true, false));
    }

    #[test]
    fn source_of_a_caller_authenticated_lately_is_not_turned_away() {
        let (repute, one) = (Repute::new(1), network(1));
        repute.proved(one, at(0));
        for _ in 0..100 {
            repute.failed(one, at(1));
        }
        assert_eq!(repute.ask(one, at(1)), (true, true));
        for _ in 0..100 {
            repute.failed(one, at(601));
        }
        assert_eq!(repute.ask(one, at(601)), (false, false));
    }

    #[test]
    fn memory_is_bounded_and_forgets_who_is_as_good_as_new() {
        let repute = Repute::new(1);
        let all = u32::try_from(REMEMBERED).unwrap();
        repute.proved(network(0), at(0));
        for number in 1..all {
            repute.failed(network(number), at(0));
        }
        assert_eq!(repute.failed(network(all), at(0)), Verdict::Bear);
        assert_eq!(repute.sources().len(), REMEMBERED);
        repute.failed(network(all), at(20));
        assert_eq!(repute.sources().len(), 2);
        assert_eq!(repute.ask(network(0), at(20)), (true, true));
    }
}
