//! Turns at something that costs time: so many at once, and among those who wait one source after the other, each in its own
//! order. A source that sends more only waits longer itself.
//!
//! Sources that are preferred go first, three times out of four: what proves itself now and then is not kept out for good.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How many preferred ones go before one of the others.
const PREFERRED: u8 = 3;

struct Line<O: Copy + Eq + Hash> {
    order: VecDeque<O>,
    waiting: HashMap<O, VecDeque<oneshot::Sender<Turn<O>>>>,
}

impl<O: Copy + Eq + Hash> Line<O> {
    fn new() -> Self {
        Self { order: VecDeque::new(), waiting: HashMap::new() }
    }

    fn push(&mut self, owner: O, waiter: oneshot::Sender<Turn<O>>) {
        let queue = self.waiting.entry(owner).or_default();
        if queue.is_empty() {
            self.order.push_back(owner);
        }
        queue.push_back(waiter);
    }

    fn pop(&mut self) -> Option<oneshot::Sender<Turn<O>>> {
        let owner = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&owner)?;
        let waiter = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&owner);
        } else {
            self.order.push_back(owner);
        }
        waiter
    }
}

struct Inner<O: Copy + Eq + Hash> {
    free: usize,
    preferred: Line<O>,
    others: Line<O>,
    in_a_row: u8,
}

impl<O: Copy + Eq + Hash> Inner<O> {
    fn pop(&mut self) -> Option<oneshot::Sender<Turn<O>>> {
        let (first, second) = if self.in_a_row < PREFERRED {
            (&mut self.preferred, &mut self.others)
        } else {
            (&mut self.others, &mut self.preferred)
        };
        let was_preferred = self.in_a_row < PREFERRED;
        if let Some(waiter) = first.pop() {
            self.in_a_row = if was_preferred { self.in_a_row + 1 } else { 0 };
            return Some(waiter);
        }
        self.in_a_row = 0;
        second.pop()
    }
}

/// The turns of one kind of work. Cheap to clone.
pub(super) struct Turns<O: Copy + Eq + Hash>(Arc<Mutex<Inner<O>>>);

impl<O: Copy + Eq + Hash> Clone for Turns<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// One turn, until it is dropped.
pub(super) struct Turn<O: Copy + Eq + Hash>(Option<Turns<O>>);

impl<O: Copy + Eq + Hash> Drop for Turn<O> {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

impl<O: Copy + Eq + Hash> Turns<O> {
    pub(super) fn new(at_once: usize) -> Self {
        let inner = Inner { free: at_once, preferred: Line::new(), others: Line::new(), in_a_row: 0 };
        Self(Arc::new(Mutex::new(inner)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner<O>> {
        // Each change is whole before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn.
    pub(super) async fn wait(&self, owner: O, preferred: bool) -> Turn<O> {
        let waiting = {
            let mut inner = self.inner();
            if inner.free > 0 {
                inner.free -= 1;
                return Turn(Some(self.clone()));
            }
            let (waiter, waiting) = oneshot::channel();
            let line = if preferred { &mut inner.preferred } else { &mut inner.others };
            line.push(owner, waiter);
            waiting
        };
        // The other half is dropped only with its line, which lives as long as this.
        waiting.await.unwrap_or(Turn(None))
    }

    /// Gives the turn to the next who still waits, or back.
    fn pass_on(&self) {
        loop {
            let Some(waiter) = ({
                let mut inner = self.inner();
                let next = inner.pop();
                if next.is_none() {
                    inner.free += 1;
                }
                next
            }) else {
                return;
            };
            match waiter.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // Gone in the meantime: its turn is the next one's.
                Err(mut unused) => unused.0 = None,
            }
        }
    }
}

impl<O: Copy + Eq + Hash> std::fmt::Debug for Turns<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turns(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use super::*;

    async fn queue_up(turns: &Turns<u8>, served: &Arc<StdMutex<Vec<u8>>>, who: &[(u8, bool)]) {
        for (owner, preferred) in who {
            let (turns, served, owner, preferred) = (turns.clone(), Arc::clone(served), *owner, *preferred);
            tokio::spawn(async move {
                let turn = turns.wait(owner, preferred).await;
                served.lock().unwrap().push(owner);
                drop(turn);
            });
            tokio::task::yield_now().await;
        }
    }

    async fn order_of(who: &[(u8, bool)]) -> Vec<u8> {
        let (turns, served) = (Turns::new(1), Arc::default());
        let held = turns.wait(0, false).await;
        queue_up(&turns, &served, who).await;
        drop(held);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.inner().free, 1);
        served.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn sources_take_turns_however_many_one_sends() {
        let flood = [(1, false), (1, false), (1, false), (1, false), (2, false), (3, false), (2, false)];
        assert_eq!(order_of(&flood).await, [1, 2, 3, 1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn preferred_sources_go_first_and_leave_every_fourth_turn() {
        let mixed = [(1, false), (2, false), (9, true), (9, true), (9, true), (9, true), (8, true)];
        assert_eq!(order_of(&mixed).await, [9, 8, 9, 1, 9, 9, 2]);
    }

    #[tokio::test]
    async fn turn_of_who_has_gone_goes_to_the_next() {
        let turns = Turns::new(1);
        let held = turns.wait(0, false).await;
        let gone = tokio::spawn({
            let turns = turns.clone();
            async move { turns.wait(1, false).await }
        });
        tokio::task::yield_now().await;
        let next = tokio::spawn({
            let turns = turns.clone();
            async move { drop(turns.wait(2, false).await) }
        });
        tokio::task::yield_now().await;
        gone.abort();
        let _ = gone.await;
        drop(held);
        next.await.unwrap();
        assert_eq!(turns.inner().free, 1);
    }
}
