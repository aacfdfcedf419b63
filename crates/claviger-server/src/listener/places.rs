//! Places for requests of proved callers, divided by principal.
//!
//! What it keeps true: while there are places, taking one is an atomic addition, whoever asks. When all are taken, a principal
//! who has an even share of them or more is refused, and one who has less waits and gets the next that is free, in turn with
//! other principals.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use claviger_core::PrincipalId;
use tokio::sync::oneshot;

/// Below this many, principals that nobody uses any more are left in the table.
const TIDY_FROM: usize = 1024;

/// A principal with requests under way on one listener, or a connection on which it proved itself.
#[derive(Debug)]
pub struct Presence {
    principal: PrincipalId,
    under_way: AtomicUsize,
}

impl Presence {
    pub(super) const fn principal(&self) -> PrincipalId {
        self.principal
    }
}

#[derive(Default)]
struct Waiters {
    order: VecDeque<PrincipalId>,
    queues: HashMap<PrincipalId, VecDeque<Waiter>>,
}

struct Waiter {
    presence: Arc<Presence>,
    granted: oneshot::Sender<Place>,
}

impl Waiters {
    fn push(&mut self, waiter: Waiter) {
        let principal = waiter.presence.principal;
        let queue = self.queues.entry(principal).or_default();
        if queue.is_empty() {
            self.order.push_back(principal);
        }
        queue.push_back(waiter);
    }

    fn pop(&mut self) -> Option<Waiter> {
        let principal = self.order.pop_front()?;
        let queue = self.queues.get_mut(&principal)?;
        let waiter = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&principal);
        } else {
            self.order.push_back(principal);
        }
        waiter
    }

    fn of(&self, principal: PrincipalId) -> usize {
        self.queues.get(&principal).map_or(0, VecDeque::len)
    }
}

struct Inner {
    limit: usize,
    taken: AtomicUsize,
    /// Principals with a request under way.
    active: AtomicUsize,
    /// How many wait; looked at before the lock is taken.
    waiting: AtomicUsize,
    waiters: Mutex<Waiters>,
    present: Mutex<HashMap<PrincipalId, Weak<Presence>>>,
}

/// The places of one listener. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

/// Held while a request is under way.
#[derive(Debug)]
pub struct Place {
    places: Places,
    presence: Arc<Presence>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let inner = &self.places.0;
        if self.presence.under_way.fetch_sub(1, Ordering::SeqCst) == 1 {
            inner.active.fetch_sub(1, Ordering::SeqCst);
        }
        inner.taken.fetch_sub(1, Ordering::SeqCst);
        if inner.waiting.load(Ordering::SeqCst) > 0 {
            self.places.grant();
        }
    }
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit,
            taken: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            waiters: Mutex::default(),
            present: Mutex::default(),
        }))
    }

    /// What is counted of a principal. Kept by each connection that it uses, so that a request does not look for it.
    pub(super) fn presence(&self, principal: PrincipalId) -> Arc<Presence> {
        let mut present = self.0.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = present.get(&principal).and_then(Weak::upgrade) {
            return found;
        }
        if present.len() >= TIDY_FROM && present.len().is_power_of_two() {
            present.retain(|_, presence| presence.strong_count() > 0);
        }
        let presence = Arc::new(Presence { principal, under_way: AtomicUsize::new(0) });
        present.insert(principal, Arc::downgrade(&presence));
        presence
    }

    /// A place, if one is free and nobody waits for it.
    pub(super) fn take_free(&self, presence: &Arc<Presence>) -> Option<Place> {
        if self.0.waiting.load(Ordering::SeqCst) > 0 { None } else { self.try_take(presence) }
    }

    /// Waits for a place that others have more of; `None` when the principal has its share already.
    pub(super) async fn wait(&self, presence: &Arc<Presence>) -> Option<Place> {
        let waiting = {
            let mut waiters = self.waiters();
            let share = self.0.limit / self.0.active.load(Ordering::SeqCst).max(1);
            let has = presence.under_way.load(Ordering::SeqCst) + waiters.of(presence.principal);
            // One that has nothing may wait, however many share.
            if has >= share.max(1) {
                return None;
            }
            let (granted, waiting) = oneshot::channel();
            waiters.push(Waiter { presence: Arc::clone(presence), granted });
            self.0.waiting.fetch_add(1, Ordering::SeqCst);
            waiting
        };
        // A place may have come free before this one was seen to wait.
        self.grant();
        waiting.await.ok()
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        // Each change is whole before anything could panic.
        self.0.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(&self, presence: &Arc<Presence>) -> Option<Place> {
        let inner = &self.0;
        let one_more = |taken| (taken < inner.limit).then_some(taken + 1);
        inner.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        if presence.under_way.fetch_add(1, Ordering::SeqCst) == 0 {
            inner.active.fetch_add(1, Ordering::SeqCst);
        }
        Some(Place { places: self.clone(), presence: Arc::clone(presence) })
    }

    /// Gives free places to those who wait.
    fn grant(&self) {
        loop {
            // What is not taken is given back after the lock: giving back looks for the next who waits.
            let unwanted = {
                let mut waiters = self.waiters();
                let Some(first) = waiters.order.front().copied() else { return };
                let Some(presence) = waiters
                    .queues
                    .get(&first)
                    .and_then(|queue| queue.front())
                    .map(|w| Arc::clone(&w.presence))
                else {
                    return;
                };
                let Some(place) = self.try_take(&presence) else { return };
                let Some(waiter) = waiters.pop() else { return };
                self.0.waiting.fetch_sub(1, Ordering::SeqCst);
                waiter.granted.send(place).err()
            };
            drop(unwanted);
        }
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("taken", &self.0.taken).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(byte: u8) -> PrincipalId {
        PrincipalId::from_bytes([byte; 16])
    }

    async fn take(places: &Places, presence: &Arc<Presence>) -> Option<Place> {
        match places.take_free(presence) {
            Some(place) => Some(place),
            None => places.wait(presence).await,
        }
    }

    #[tokio::test]
    async fn one_principal_may_use_what_nobody_else_waits_for() {
        let places = Places::new(4);
        let one = places.presence(principal(1));
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(take(&places, &one).await.unwrap());
        }
        assert!(take(&places, &one).await.is_none());
        held.pop();
        assert!(take(&places, &one).await.is_some());
    }

    #[tokio::test]
    async fn who_has_less_than_an_even_share_waits_and_is_served_in_turn() {
        let places = Places::new(4);
        let [one, two, three] = [1, 2, 3].map(|byte| places.presence(principal(byte)));
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(take(&places, &one).await.unwrap());
        }
        let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
        let mut waiting = Vec::new();
        for presence in [&two, &two, &three] {
            let (places, presence, served) = (places.clone(), Arc::clone(presence), served.clone());
            waiting.push(tokio::spawn(async move {
                let place = take(&places, &presence).await.unwrap();
                served.send(presence.principal()).unwrap();
                place
            }));
            tokio::task::yield_now().await;
        }
        // They wait, and the one who has all of it gets no more meanwhile.
        assert!(order.try_recv().is_err());
        assert!(take(&places, &one).await.is_none());
        held.truncate(1);
        for expected in [2, 3, 2] {
            assert_eq!(order.recv().await, Some(principal(expected)));
        }
        assert!(take(&places, &one).await.is_none());
        for place in waiting {
            drop(place.await.unwrap());
        }
        drop(held);
        assert_eq!(places.0.taken.load(Ordering::SeqCst), 0);
        assert_eq!(places.0.active.load(Ordering::SeqCst), 0);
        assert_eq!(places.0.waiting.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn place_of_who_waits_no_more_goes_to_the_next() {
        let places = Places::new(1);
        let [one, two, three] = [1, 2, 3].map(|byte| places.presence(principal(byte)));
        let held = take(&places, &one).await.unwrap();
        let wait = |presence: &Arc<Presence>| {
            let (places, presence) = (places.clone(), Arc::clone(presence));
            tokio::spawn(async move { take(&places, &presence).await.is_some() })
        };
        let gone = wait(&two);
        tokio::task::yield_now().await;
        let next = wait(&three);
        tokio::task::yield_now().await;
        gone.abort();
        let _ = gone.await;
        drop(held);
        assert!(next.await.unwrap());
        assert_eq!(places.0.taken.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn principal_that_is_gone_leaves_the_table() {
        let places = Places::new(1);
        let kept = places.presence(principal(1));
        assert!(Arc::ptr_eq(&kept, &places.presence(principal(1))));
        for number in 0..4096_u32 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            drop(places.presence(PrincipalId::from_bytes(id)));
        }
        assert!(places.0.present.lock().unwrap().len() <= TIDY_FROM + 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn places_are_never_lost_whoever_comes_and_goes() {
        let places = Places::new(3);
        let mut tasks = Vec::new();
        for byte in 0..8 {
            let places = places.clone();
            tasks.push(tokio::spawn(async move {
                let presence = places.presence(principal(byte));
                for _ in 0..500 {
                    if let Some(place) = take(&places, &presence).await {
                        assert!(places.0.taken.load(Ordering::SeqCst) <= 3);
                        tokio::task::yield_now().await;
                        drop(place);
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(places.0.taken.load(Ordering::SeqCst), 0);
        assert_eq!(places.0.waiting.load(Ordering::SeqCst), 0);
    }
}
