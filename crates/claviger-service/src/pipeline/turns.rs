//! Turns: calls that lost a race for a row write it one after the other, in the order in which they lost.
//!
//! Room: the pipeline asks for a turn after the first lost race, and before it submits a change of a row for which others
//! wait already. What only reads, uses keys, or writes rows that are new never asks.
//!
//! What it keeps true: of those that have or await a turn for a row, one runs at a time; calls that take something out of use
//! come first; a turn ends when its holder does, however it ends; there is nothing to remember of a row for which nobody waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::GovernanceId;
use claviger_core::alias::AliasName;
use claviger_core::change::{Change, Row};
use tokio::sync::oneshot;

/// Most calls that wait; one more is refused, so that a flood costs no memory.
const MOST_WAITING: usize = 4096;

/// What calls race for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RowKey {
    /// An alias.
    Alias(AliasName),
    /// A row with a revision; that of a key stands for its versions too.
    Row(Row),
}

impl RowKey {
    /// The first row that was there and is written again.
    pub(super) fn written_by(changes: &[Change]) -> Option<Self> {
        changes.iter().find_map(|change| {
            let row = |row, revision: u64| (revision > 0).then_some(Self::Row(row));
            match change {
                Change::PutAlias(alias) if alias.revision > 0 => Some(Self::Alias(alias.name.clone())),
                Change::RemoveAlias(alias) => Some(Self::Alias(alias.name.clone())),
                Change::PutAlert(alert) => row(Row::Alert(alert.id), alert.revision),
                Change::PutApproval(approval) => row(Row::Approval(approval.id), approval.revision),
                Change::PutBreakGlass(access) => row(Row::BreakGlass(access.id), access.revision),
                Change::PutCredential(credential) => row(Row::Credential(credential.id), credential.revision),
                Change::PutGovernance(rules) => row(Row::Governance(GovernanceId::ONLY), rules.revision),
                Change::PutGrant(grant) => row(Row::Grant(grant.id), grant.revision),
                Change::PutKey(key) => row(Row::Key(key.id), key.revision),
                Change::PutPrincipal(principal) => row(Row::Principal(principal.id), principal.revision),
                Change::PutReview(review) => row(Row::Review(review.id), review.revision),
                Change::PutRing(ring) => row(Row::Ring(ring.id), ring.revision),
                Change::PutVersion(version) => row(Row::Key(version.id.key), version.revision),
                _ => None,
            }
        })
    }
}

/// Those who wait for one row, while one has its turn.
#[derive(Debug, Default)]
struct Line {
    urgent: VecDeque<oneshot::Sender<Turn>>,
    ordinary: VecDeque<oneshot::Sender<Turn>>,
}

#[derive(Debug, Default)]
struct Lines {
    rows: HashMap<RowKey, Line>,
    waiting: usize,
}

/// The turns of this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<Lines>>);

/// The right to run now. Dropping it gives it to the next.
#[derive(Debug)]
pub(crate) struct Turn {
    row: RowKey,
    /// Taken out of one that nobody received, which is then nothing.
    turns: Option<Turns>,
}

impl Turns {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next one out of the line for the row, or the line away when nobody waits.
    fn next(&self, row: &RowKey) -> Option<oneshot::Sender<Turn>> {
        let mut lines = self.lines();
        let line = lines.rows.get_mut(row)?;
        let next = line.urgent.pop_front().or_else(|| line.ordinary.pop_front());
        match next {
            Some(_) => lines.waiting = lines.waiting.saturating_sub(1),
            None => drop(lines.rows.remove(row)),
        }
        next
    }

    /// Does anyone have or await a turn for the row?
    pub(super) fn is_awaited(&self, row: &RowKey) -> bool {
        self.lines().rows.contains_key(row)
    }

    /// Waits for a turn; `None` when too many wait already.
    pub(super) async fn wait(&self, row: RowKey, urgent: bool) -> Option<Turn> {
        let answer = {
            let mut lines = self.lines();
            if lines.waiting >= MOST_WAITING {
                return None;
            }
            let Some(line) = lines.rows.get_mut(&row) else {
                lines.rows.insert(row.clone(), Line::default());
                return Some(Turn { row, turns: Some(self.clone()) });
            };
            let (reply, answer) = oneshot::channel();
            if urgent {
                line.urgent.push_back(reply)
            } else {
                line.ordinary.push_back(reply)
            }
            lines.waiting += 1;
            answer
        };
        // Whoever goes away while it waits drops the turn that it is given, and so passes it on.
        answer.await.ok()
    }
}

impl Turn {
    pub(super) fn is_for(&self, row: &RowKey) -> bool {
        self.row == *row
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.turns.take() else { return };
        // Those who have gone are passed over here, one after the other, and not one within the other.
        while let Some(next) = turns.next(&self.row) {
            let given = Self { row: self.row.clone(), turns: Some(turns.clone()) };
            match next.send(given) {
                Ok(()) => return,
                Err(mut unreceived) => drop(unreceived.turns.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::KeyId;

    use super::*;

    fn row(number: u8) -> RowKey {
        RowKey::Row(Row::Key(KeyId::from_bytes([number; 16])))
    }

    #[tokio::test]
    async fn turns_go_in_order_and_what_takes_out_of_use_first() {
        let turns = Turns::default();
        let first = turns.wait(row(1), false).await.unwrap();
        assert!(turns.is_awaited(&row(1)) && !turns.is_awaited(&row(2)));
        drop(turns.wait(row(2), false).await.unwrap());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for (number, urgent) in [(1, false), (2, false), (3, true), (4, false)] {
            let (turns, order) = (turns.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let turn = turns.wait(row(1), urgent).await.unwrap();
                order.lock().unwrap().push(number);
                drop(turn);
            }));
            // Each stands in line before the next comes.
            tokio::task::yield_now().await;
        }
        drop(first);
        for one in waiting {
            one.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [3, 1, 2, 4]);
        assert!(!turns.is_awaited(&row(1)));
        assert_eq!(turns.lines().waiting, 0);
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_holds_nobody_up() {
        let turns = Turns::default();
        let first = turns.wait(row(1), false).await.unwrap();
        let gone: Vec<_> = (0..100)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move { drop(turns.wait(row(1), false).await) })
            })
            .collect();
        let last = turns.clone();
        tokio::task::yield_now().await;
        let last = tokio::spawn(async move { last.wait(row(1), false).await.is_some() });
        tokio::task::yield_now().await;
        for one in &gone {
            one.abort();
        }
        drop(first);
        assert!(last.await.unwrap());
        assert!(!turns.is_awaited(&row(1)));
        assert_eq!(turns.lines().waiting, 0);
    }

    #[tokio::test]
    async fn no_more_than_a_bound_wait() {
        let turns = Turns::default();
        let first = turns.wait(row(1), false).await.unwrap();
        let waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move { turns.wait(row(1), false).await.is_some() })
            })
            .collect();
        while turns.lines().waiting < MOST_WAITING {
            tokio::task::yield_now().await;
        }
        assert!(turns.wait(row(1), true).await.is_none());
        drop(first);
        for one in waiting {
            assert!(one.await.unwrap());
        }
    }
}
