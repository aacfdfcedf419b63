//! When principals were last seen, and which keys they last used, as far back as the log is read for it.
//!
//! The method is a scan, as of every question about who did what: nothing that is kept names a principal. Entries are taken by their sessions, and
//! whose those are is found out for many together.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use claviger_audit::Outcome;
use claviger_audit::entry::Entry;
use claviger_core::{KeyId, PrincipalId, Timestamp};

use super::reader::{LogReader, damaged};
use super::search::{Sessions, session_of};
use super::who::{Committed, Head, Principals};
use crate::error::ServiceError;
use crate::work::At;

/// So many sessions, or uses by them, wait until it is found out whose they are.
const MOST_WAITING: usize = 200_000;

/// Who was last seen when, and who last used which key.
#[derive(Debug, Default)]
pub(crate) struct LastSeen {
    /// The last entry of each principal.
    pub(crate) seen: HashMap<PrincipalId, Timestamp>,
    /// The last use of each key by each principal that came to its end.
    pub(crate) used: HashMap<(PrincipalId, KeyId), Timestamp>,
}

impl LogReader {
    /// Who was last seen when in the first `size` entries, as far as that is not before `since`. Whose key is gone is in none of it, and so
    /// are sessions that an older release recorded.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) fn last_seen(
        &self,
        at: &At,
        principals: &Principals,
        since: Timestamp,
        size: u64,
    ) -> Result<LastSeen, ServiceError> {
        let from = self.first_since(at, size, since)?;
        let mut walk = Walk {
            at,
            principals,
            sessions: Sessions::new(self, at),
            seen: HashMap::new(),
            used: HashMap::new(),
            found: LastSeen::default(),
        };
        self.source(at, false).scan(self.shard(), from, size, |index, bytes, beside| {
            let entry = Entry::decode(bytes).map_err(|_| damaged(index))?;
            walk.take(index, &entry, beside)?;
            Ok::<_, ServiceError>(ControlFlow::Continue(()))
        })?;
        walk.settle()?;
        Ok(walk.found)
    }
}

/// A walk over the log.
struct Walk<'a> {
    at: &'a At,
    principals: &'a Principals,
    sessions: Sessions<'a>,
    /// The instants of the last entries of sessions.
    seen: HashMap<u64, u64>,
    /// Those of the last uses of keys in them.
    used: HashMap<(u64, [u8; 16]), u64>,
    found: LastSeen,
}

impl Walk<'_> {
    fn take(&mut self, index: u64, entry: &Entry<'_>, beside: Option<&[u8]>) -> Result<(), ServiceError> {
        self.sessions.pass(index, entry, beside);
        let Some(session) = session_of(index, entry) else { return Ok(()) };
        later(&mut self.seen, session, entry.t);
        if let (true, Outcome::Ok, Some(key)) = (entry.op.uses_material(), entry.out, entry.key) {
            later(&mut self.used, (session, key), entry.t);
        }
        if self.seen.len().max(self.used.len()) < MOST_WAITING { Ok(()) } else { self.settle() }
    }

    /// Finds out whose the sessions are.
    fn settle(&mut self) -> Result<(), ServiceError> {
        let mut committed: HashMap<u64, Arc<Committed>> = HashMap::new();
        for session in self.seen.keys() {
            if let Head::Committed(head) = self.sessions.find(*session)? {
                committed.insert(*session, Arc::clone(head));
            }
        }
        let owners = self.principals.find(self.at, committed.values().map(|head| &**head))?;
        let owner = |session: u64| owners.get(&committed.get(&session)?.record.locator).copied();
        for (session, at) in self.seen.drain() {
            if let Some(owner) = owner(session) {
                later(&mut self.found.seen, owner, Timestamp::from_micros(at));
            }
        }
        for ((session, key), at) in self.used.drain() {
            if let Some(owner) = owner(session) {
                let of = (owner, KeyId::from_bytes(key));
                later(&mut self.found.used, of, Timestamp::from_micros(at));
            }
        }
        self.sessions.forget();
        Ok(())
    }
}

/// Keeps the later instant.
fn later<K: Eq + std::hash::Hash, T: Copy + Ord>(known: &mut HashMap<K, T>, of: K, at: T) {
    known.entry(of).and_modify(|kept| *kept = at.max(*kept)).or_insert(at);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_instant_is_kept_in_whatever_order_they_come() {
        let mut known = HashMap::new();
        for (of, at) in [("a", 2), ("b", 5), ("a", 3), ("a", 1)] {
            later(&mut known, of, at);
        }
        assert_eq!((known["a"], known["b"]), (3, 5));
    }
}
