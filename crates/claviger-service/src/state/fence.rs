//! The fence: which epoch it is, and what each epoch took away.
//!
//! A call captures the epoch when it begins. Whatever it rests on is good as of that epoch; the sequencer then asks once
//! more, under the epoch of the commit, whether anything since took away what it depends on.

use std::collections::VecDeque;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_core::change::{Dependencies, Restriction};
use claviger_core::port::store::FenceDelta;

/// How many epochs back can be asked about; what is older counts as affected.
const REMEMBERED: usize = 4096;

/// The fence of this node.
#[derive(Debug)]
pub(crate) struct Fence {
    epoch: AtomicU64,
    /// Counts every committed set of changes: what a cache fill checks that it did not overlap.
    sequence: AtomicU64,
    /// Counts every commit in which principals or grants were written: what a list of all of them is good as of.
    rights: AtomicU64,
    deltas: RwLock<VecDeque<(u64, Box<[Restriction]>)>>,
}

impl Fence {
    pub(crate) fn new(epoch: u64, deltas: Vec<FenceDelta>) -> Self {
        let deltas = deltas.into_iter().map(|delta| (delta.epoch, delta.restrictions.into())).collect();
        Self {
            epoch: AtomicU64::new(epoch),
            sequence: AtomicU64::new(0),
            rights: AtomicU64::new(0),
            deltas: RwLock::new(deltas),
        }
    }

    /// The epoch in force.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// How many sets of changes were published.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// Did anything after epoch `since` take away any of `dependencies`? What is no longer known counts as yes.
    pub(crate) fn affects(&self, since: u64, dependencies: &Dependencies) -> bool {
        if self.epoch() == since {
            return false;
        }
        let deltas = self.deltas.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let oldest = deltas.front().map_or(u64::MAX, |(epoch, _)| *epoch);
        if oldest > since + 1 {
            return true;
        }
        deltas.iter().rev().take_while(|(epoch, _)| *epoch > since).any(|(_, restrictions)| {
            restrictions.iter().any(|restriction| dependencies.include(*restriction))
        })
    }

    /// Begins `epoch`. Called by the sequencer alone, after the commit that began it.
    pub(crate) fn advance(&self, epoch: u64, restrictions: &[Restriction]) {
        let mut deltas = self.deltas.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if deltas.len() == REMEMBERED {
            deltas.pop_front();
        }
        deltas.push_back((epoch, restrictions.into()));
        // The deltas go first: whoever sees the epoch finds them.
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Counts a published set of changes. Called by the sequencer before it drops what it outdated.
    pub(crate) fn count_change(&self) {
        self.sequence.fetch_add(1, Ordering::AcqRel);
    }

    /// In how many commits principals or grants were written. Whoever asks before they read them, and commits only while it is still that
    /// many, has read them as of one instant: what was committed meanwhile, whether they saw it or not, is counted by then.
    pub(crate) fn rights(&self) -> u64 {
        self.rights.load(Ordering::Acquire)
    }

    /// Counts a commit in which principals or grants were written. Called by the sequencer.
    pub(crate) fn count_rights(&self) {
        self.rights.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::{KeyId, PrincipalId};

    use super::*;

    #[test]
    fn only_what_rests_on_the_subject_is_affected_and_only_by_later_epochs() {
        let (key, other) = (KeyId::random().unwrap(), KeyId::random().unwrap());
        let fence = Fence::new(7, Vec::new());
        let on = |key| Dependencies { key: Some(key), ..Dependencies::default() };
        assert!(!fence.affects(7, &on(key)));
        fence.advance(8, &[Restriction::Key(key)]);
        assert!(fence.affects(7, &on(key)));
        assert!(!fence.affects(7, &on(other)));
        assert!(!fence.affects(8, &on(key)));
        fence.advance(9, &[Restriction::Principal(PrincipalId::random().unwrap())]);
        assert!(fence.affects(7, &on(key)));
        assert!(!fence.affects(8, &on(key)));
    }

    #[test]
    fn what_is_forgotten_counts_as_affected() {
        let fence = Fence::new(0, Vec::new());
        let dependencies = Dependencies { key: Some(KeyId::random().unwrap()), ..Dependencies::default() };
        for epoch in 1..=(REMEMBERED as u64 + 2) {
            fence.advance(epoch, &[]);
        }
        assert!(fence.affects(0, &dependencies));
        assert!(!fence.affects(3, &dependencies));
    }
}
