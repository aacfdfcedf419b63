//! Room that many want: divided by owner, and within an owner by key.
//!
//! What it keeps true: no more is given than there is; when all is taken, the owner who has the most gives way to one who has
//! less, so that taking a whole room takes as many owners as it has units. What nobody else wants, one owner may have up to
//! a bound of its own.
//!
//! Looking for who gives way costs a walk over the owners. It is done only when the room is full, and only for who has less
//! than an even share.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One who may have to leave.
pub(super) trait Occupant: Send + Sync {
    /// Would nothing be lost?
    fn is_idle(&self) -> bool;

    /// Has to leave.
    fn give_way(&self);
}

/// How much there is, and how it is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// All of it.
    pub(super) total: usize,
    /// The most that one owner has.
    pub(super) each: usize,
    /// Must those leave too who are at work?
    pub(super) by_force: bool,
    /// Does the oldest of an owner's make way for the newest, under the same key?
    pub(super) newest_first: bool,
}

struct Entry<O, K> {
    owner: O,
    key: K,
    weight: usize,
    occupant: Arc<dyn Occupant>,
}

#[derive(Default)]
struct Load<K> {
    weight: usize,
    keys: HashMap<K, usize>,
}

struct Inner<O, K> {
    taken: usize,
    next: u64,
    /// In the order in which they came.
    entries: BTreeMap<u64, Entry<O, K>>,
    loads: HashMap<O, Load<K>>,
}

/// The room. Cheap to clone.
pub(super) struct Room<O, K = ()> {
    bounds: Bounds,
    inner: Arc<Mutex<Inner<O, K>>>,
}

impl<O, K> Clone for Room<O, K> {
    fn clone(&self) -> Self {
        Self { bounds: self.bounds, inner: Arc::clone(&self.inner) }
    }
}

/// A part of the room, held until it is dropped.
pub(super) struct Held<O: Copy + Eq + Hash, K: Copy + Eq + Hash = ()> {
    room: Room<O, K>,
    id: u64,
}

impl<O: Copy + Eq + Hash, K: Copy + Eq + Hash> Drop for Held<O, K> {
    fn drop(&mut self) {
        self.room.inner().leave(self.id);
    }
}

impl<O: Copy + Eq + Hash, K: Copy + Eq + Hash> Room<O, K> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let inner = Inner { taken: 0, next: 0, entries: BTreeMap::new(), loads: HashMap::new() };
        Self { bounds, inner: Arc::new(Mutex::new(inner)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<O, K>> {
        // Each change is whole before anything could panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.inner().taken
    }

    /// Takes a part, or `None`. Those who had to give way got the signal.
    pub(super) fn take(
        &self,
        owner: O,
        key: K,
        weight: usize,
        occupant: Arc<dyn Occupant>,
    ) -> Option<Held<O, K>> {
        let mut inner = self.inner();
        let mut leaving = Vec::new();
        let made = inner.make_room(&self.bounds, owner, key, weight, &mut leaving);
        let held = made.then(|| {
            let id = inner.enter(Entry { owner, key, weight, occupant });
            Held { room: self.clone(), id }
        });
        drop(inner);
        leaving.into_iter().for_each(|occupant| occupant.give_way());
        held
    }
}

impl<O: Copy + Eq + Hash, K: Copy + Eq + Hash> Inner<O, K> {
    fn enter(&mut self, entry: Entry<O, K>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.taken += entry.weight;
        let load = self.loads.entry(entry.owner).or_insert_with(|| Load { weight: 0, keys: HashMap::new() });
        load.weight += entry.weight;
        *load.keys.entry(entry.key).or_default() += entry.weight;
        self.entries.insert(id, entry);
        id
    }

    fn leave(&mut self, id: u64) -> Option<Arc<dyn Occupant>> {
        let Entry { owner, key, weight, occupant } = self.entries.remove(&id)?;
        self.taken = self.taken.saturating_sub(weight);
        if let Some(load) = self.loads.get_mut(&owner) {
            load.weight = load.weight.saturating_sub(weight);
            if let Some(of_key) = load.keys.get_mut(&key) {
                *of_key = of_key.saturating_sub(weight);
                if *of_key == 0 {
                    load.keys.remove(&key);
                }
            }
            if load.weight == 0 {
                self.loads.remove(&owner);
            }
        }
        Some(occupant)
    }

    fn weight_of(&self, owner: &O) -> usize {
        self.loads.get(owner).map_or(0, |load| load.weight)
    }

    fn make_room(
        &mut self,
        bounds: &Bounds,
        owner: O,
        key: K,
        weight: usize,
        leaving: &mut Vec<Arc<dyn Occupant>>,
    ) -> bool {
        if weight > bounds.total.min(bounds.each) {
            return false;
        }
        while self.weight_of(&owner) + weight > bounds.each {
            let Some(id) = self.yields_within(bounds, owner, key, weight) else { return false };
            leaving.extend(self.leave(id));
        }
        while self.taken + weight > bounds.total {
            let mine = self.weight_of(&owner) + weight;
            let id =
                self.yields_among(bounds, mine).or_else(|| self.yields_within(bounds, owner, key, weight));
            let Some(id) = id else { return false };
            leaving.extend(self.leave(id));
        }
        true
    }

    /// Who gives way to one who would then have `mine`: of the owner who has more, and the most.
    fn yields_among(&self, bounds: &Bounds, mine: usize) -> Option<u64> {
        // Nobody has more than an even share of all, if not even the newcomer's is less.
        if mine.saturating_mul(self.loads.len()) > self.taken.saturating_add(mine) {
            return None;
        }
        let (owner, load) = self.loads.iter().max_by_key(|(_, load)| load.weight)?;
        if load.weight <= mine {
            return None;
        }
        let key = load.keys.iter().max_by_key(|(_, weight)| **weight).map(|(key, _)| *key)?;
        self.oldest(bounds.by_force, |entry| entry.owner == *owner && entry.key == key)
    }

    /// Who gives way among the owner's own.
    fn yields_within(&self, bounds: &Bounds, owner: O, key: K, weight: usize) -> Option<u64> {
        let load = self.loads.get(&owner)?;
        let (heaviest, most) = load.keys.iter().max_by_key(|(_, weight)| **weight)?;
        let mine = load.keys.get(&key).copied().unwrap_or_default() + weight;
        if *heaviest != key && *most > mine {
            return self.oldest(bounds.by_force, |entry| entry.owner == owner && entry.key == *heaviest);
        }
        bounds
            .newest_first
            .then(|| self.oldest(false, |entry| entry.owner == owner && entry.key == key))
            .flatten()
    }

    /// The oldest of them that is idle, or if need be the oldest.
    fn oldest(&self, by_force: bool, of_them: impl Fn(&Entry<O, K>) -> bool) -> Option<u64> {
        let mut them = self.entries.iter().filter(|(_, entry)| of_them(entry));
        let idle = them.clone().find(|(_, entry)| entry.occupant.is_idle()).map(|(id, _)| *id);
        idle.or_else(|| by_force.then(|| them.next().map(|(id, _)| *id)).flatten())
    }
}

impl<O, K> std::fmt::Debug for Room<O, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl<O: Copy + Eq + Hash, K: Copy + Eq + Hash> std::fmt::Debug for Held<O, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Guest {
        busy: AtomicBool,
        reported: AtomicBool,
    }

    impl Guest {
        fn left(&self) -> bool {
            self.reported.load(Ordering::Relaxed)
        }
    }

    impl Occupant for Guest {
        fn is_idle(&self) -> bool {
            !self.busy.load(Ordering::Relaxed)
        }

        fn give_way(&self) {
            self.reported.store(true, Ordering::Relaxed);
        }
    }

    const BOUNDS: Bounds = Bounds { total: 8, each: 6, by_force: true, newest_first: false };

    type Taken = (Arc<Guest>, Option<Held<u8, u8>>);

    fn take(room: &Room<u8, u8>, owner: u8, key: u8, weight: usize) -> Taken {
        let guest = Arc::new(Guest::default());
        let held = room.take(owner, key, weight, Arc::clone(&guest) as Arc<dyn Occupant>);
        (guest, held)
    }

    #[test]
    fn one_owner_may_have_what_nobody_else_wants_up_to_its_bound() {
        let room = Room::new(BOUNDS);
        let held: Vec<_> = (0..6).map(|_| take(&room, 1, 0, 1)).collect();
        assert!(held.iter().all(|(_, held)| held.is_some()));
        assert!(take(&room, 1, 0, 1).1.is_none());
        drop(held);
        assert_eq!(room.taken(), 0);
        assert!(take(&room, 1, 0, 6).1.is_some());
        assert!(take(&room, 1, 0, 7).1.is_none());
    }

    #[test]
    fn who_has_the_most_gives_way_oldest_first_until_shares_are_even() {
        let room = Room::new(BOUNDS);
        let first: Vec<_> = (0..6).map(|_| take(&room, 1, 0, 1)).collect();
        let second: Vec<_> = (0..4).map(|_| take(&room, 2, 0, 1)).collect();
        assert!(second.iter().all(|(guest, held)| held.is_some() && !guest.left()));
        assert_eq!(
            first.iter().map(|(guest, _)| guest.left()).collect::<Vec<_>>(),
            [true, true, false, false, false, false]
        );
        assert!(take(&room, 2, 0, 1).1.is_none() && take(&room, 1, 0, 1).1.is_none());
        assert_eq!(room.taken(), 8);
    }

    #[test]
    fn idle_ones_go_first_and_those_at_work_only_by_force() {
        for by_force in [true, false] {
            let room = Room::new(Bounds { by_force, each: 8, ..BOUNDS });
            let taken: Vec<_> = (0..8).map(|_| take(&room, 1, 0, 1)).collect();
            for (guest, _) in &taken {
                guest.busy.store(true, Ordering::Relaxed);
            }
            taken[5].0.busy.store(false, Ordering::Relaxed);
            let (_, new) = take(&room, 2, 0, 1);
            assert!(new.is_some() && taken[5].0.left() && !taken[0].0.left());
            let (_, newer) = take(&room, 2, 0, 1);
            assert_eq!((newer.is_some(), taken[0].0.left()), (by_force, by_force));
        }
    }

    #[test]
    fn within_an_owner_the_heaviest_key_gives_way_and_a_key_never_to_itself() {
        let room = Room::new(BOUNDS);
        let many: Vec<_> = (0..6).map(|_| take(&room, 1, 7, 1)).collect();
        let (_, other) = take(&room, 1, 8, 1);
        assert!(other.is_some() && many[0].0.left() && !many[1].0.left());
        assert!(take(&room, 1, 7, 1).1.is_none());
    }

    #[test]
    fn where_the_newest_goes_first_the_oldest_idle_of_the_same_makes_way() {
        let room = Room::new(Bounds { newest_first: true, ..BOUNDS });
        let many: Vec<_> = (0..6).map(|_| take(&room, 1, 0, 1)).collect();
        many[0].0.busy.store(true, Ordering::Relaxed);
        assert!(take(&room, 1, 0, 1).1.is_some());
        assert!(!many[0].0.left() && many[1].0.left());
    }

    proptest! {
        #[test]
        fn room_is_never_overdrawn_and_all_of_it_comes_back(
            steps in prop::collection::vec((0..5_u8, 0..3_u8, 1..4_usize, any::<bool>()), 1..120),
        ) {
            let room = Room::new(BOUNDS);
            let mut held = Vec::new();
            for (owner, key, weight, drops) in steps {
                let small = held.iter().filter(|(who, guest, _): &&(u8, Arc<Guest>, _)| *who == owner && !guest.left()).count() == 0;
                let (guest, taken) = take(&room, owner, key, weight);
                // Whoever has nothing gets one unit, unless each of the others has no more than that.
                if small && weight == 1 {
                    prop_assert!(taken.is_some());
                }
                held.extend(taken.map(|taken| (owner, guest, taken)));
                prop_assert!(room.taken() <= BOUNDS.total);
                if drops && !held.is_empty() {
                    held.remove(usize::from(key) % held.len());
                }
            }
            drop(held);
            prop_assert_eq!(room.taken(), 0);
            prop_assert!(room.inner().loads.is_empty());
        }
    }
}
