//! Named points at which a crash test ends the process as `kill -9` would: no destructor runs, nothing is flushed.
//!
//! With the feature `failpoints` the environment variable `CLAVIGER_FAILPOINT=name[:nth]` chooses the point, and which of
//! its visits (the first is 1, and the default). Without the feature a point is nothing at all.
//!
//! | name | where | crash point |
//! |---|---|---|
//! | `commit-before` | before the fence commit is sent | C1 |
//! | `commit-after` | the commit is durable, not yet acknowledged | C2, C3 |
//! | `restrict-inside` | the epoch is raised in the open transaction | C5 |
//! | `cut-after-cas` | the cut is durable, not signed | C7 |
//! | `pack-inside` | batches are one in the open transaction | |
//! | `pack-after` | that is durable | |
//! | `upgrade-inside` | rows have their tags, or the record of rows is made, in the open transaction | |
//! | `upgrade-after` | that is durable | |
//! | `keep-before` | the commit is durable, its checkpoint is not kept beside the store | C6 |
//! | `keep-torn` | half of that checkpoint is written | C6 |
//! | `keep-written` | it is written, and may not be on the disk | C6 |
//! | `keep-after` | it is kept, the commit is not yet acknowledged | C6 |

/// The environment variable that chooses, in a build that has such points.
pub const FAILPOINT_VARIABLE: Option<&str> =
    if cfg!(feature = "failpoints") { Some("CLAVIGER_FAILPOINT") } else { None };

/// Ends the process here if this visit was chosen.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static VISITS: AtomicU64 = AtomicU64::new(0);

    let chosen = CHOSEN.get_or_init(|| std::env::var(FAILPOINT_VARIABLE?).ok().map(|text| choice(&text)));
    if let Some((point, nth)) = chosen
        && point == name
        && VISITS.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        std::process::abort();
    }
}

/// Ends the process here if this visit was chosen. Without the feature `failpoints`: nothing.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn failpoint(_name: &str) {}

#[cfg(feature = "failpoints")]
fn choice(text: &str) -> (String, u64) {
    match text.rsplit_once(':').and_then(|(name, nth)| Some((name, nth.parse().ok()?))) {
        Some((name, nth)) => (name.to_owned(), nth),
        None => (text.to_owned(), 1),
    }
}

#[cfg(all(test, feature = "failpoints"))]
mod tests {
    use super::*;

    #[test]
    fn a_choice_names_a_point_and_a_visit() {
        assert_eq!(choice("commit-after"), ("commit-after".to_owned(), 1));
        assert_eq!(choice("commit-after:7"), ("commit-after".to_owned(), 7));
        assert_eq!(choice("commit-after:x"), ("commit-after:x".to_owned(), 1));
    }
}
