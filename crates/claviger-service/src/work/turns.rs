//! Places of one class, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::PrincipalId;
use tokio::sync::oneshot;

use super::WorkFigures;

/// The principal has too much waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What a call weighs while it waits, where memory is not what is bounded.
pub(super) const ONE: usize = 1;

/// The places of a class and those who wait for them.
#[derive(Debug)]
pub(super) struct Turns {
    places: usize,
    /// The sum of what the waiting calls of one principal may weigh.
    most_waiting: usize,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    /// Places that are free. While there are any, nobody waits.
    free: usize,
    /// Who waits, in the order of their turns; each once.
    order: VecDeque<PrincipalId>,
    /// Their calls, oldest first; never an empty list.
    calls: HashMap<PrincipalId, VecDeque<Waiter>>,
    next_number: u64,
    refused: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    weight: usize,
    turn: oneshot::Sender<Place>,
}

impl Turns {
    pub(super) fn new(places: usize, most_waiting: usize) -> Arc<Self> {
        let queues = Mutex::new(Queues { free: places, ..Queues::default() });
        Arc::new(Self { places, most_waiting, queues })
    }

    /// Waits for a place. A caller that stops waiting leaves nothing in the queue.
    pub(super) async fn enter(turns: &Arc<Self>, who: PrincipalId, weight: usize) -> Result<Place, Full> {
        let (waiting, turn) = {
            let mut queues = turns.lock();
            if queues.free > 0 {
                queues.free -= 1;
                return Ok(Place { turns: Some(Arc::clone(turns)) });
            }
            let (number, turn) = queues.wait(who, weight, turns.most_waiting)?;
            (Waiting { turns, who, number }, turn)
        };
        let place = turn.await;
        drop(waiting);
        // A sender goes without a word only with the queue, which this call holds.
        place.map_err(|_| Full)
    }

    pub(super) fn figures(&self, class: &'static str) -> WorkFigures {
        let queues = self.lock();
        WorkFigures {
            class,
            running: self.places.saturating_sub(queues.free),
            waiting: queues.calls.values().map(VecDeque::len).sum(),
            refused: queues.refused,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a place to whoever's turn it is, or back.
    fn give(turns: &Arc<Self>) {
        loop {
            let waiter = {
                let mut queues = turns.lock();
                let Some(waiter) = queues.next() else {
                    queues.free += 1;
                    return;
                };
                waiter
            };
            match waiter.turn.send(Place { turns: Some(Arc::clone(turns)) }) {
                Ok(()) => return,
                // Gone between its turn and this; the place is not to come back here by its drop.
                Err(mut place) => drop(place.turns.take()),
            }
        }
    }
}

impl Queues {
    fn wait(
        &mut self,
        who: PrincipalId,
        weight: usize,
        most: usize,
    ) -> Result<(u64, oneshot::Receiver<Place>), Full> {
        let waiting = self.calls.get(&who);
        if waiting.into_iter().flatten().fold(weight, |sum, waiter| sum.saturating_add(waiter.weight)) > most
        {
            self.refused += 1;
            return Err(Full);
        }
        if waiting.is_none() {
            self.order.push_back(who);
        }
        let (number, (turn, reported)) = (self.next_number, oneshot::channel());
        self.next_number += 1;
        self.calls.entry(who).or_default().push_back(Waiter { number, weight, turn });
        Ok((number, reported))
    }

    /// The oldest call of the principal whose turn it is; its next one comes after a call of everybody else.
    fn next(&mut self) -> Option<Waiter> {
        let who = self.order.pop_front()?;
        let calls = self.calls.get_mut(&who)?;
        let waiter = calls.pop_front();
        if calls.is_empty() {
            self.calls.remove(&who);
        } else {
            self.order.push_back(who);
        }
        waiter
    }

    fn forget(&mut self, who: PrincipalId, number: u64) {
        let Some(calls) = self.calls.get_mut(&who) else { return };
        calls.retain(|waiter| waiter.number != number);
        if calls.is_empty() {
            self.calls.remove(&who);
            self.order.retain(|waiting| *waiting != who);
        }
    }
}

/// A call that waits. Dropped, it is in no queue.
struct Waiting<'a> {
    turns: &'a Turns,
    who: PrincipalId,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turns.lock().forget(self.who, self.number);
    }
}

/// A place. Dropped, it goes to whoever is next.
#[derive(Debug)]
pub(super) struct Place {
    turns: Option<Arc<Turns>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            Turns::give(&turns);
        }
    }
}
