//! A small map that forgets what was used longest ago. What it forgets is dropped at once, so that a dropped key is wiped
//! and a dropped token object destroyed when the bound says so, not when a background task comes round.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// At most `capacity` values; shared by threads.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    capacity: usize,
    slots: Mutex<Slots<K, V>>,
}

#[derive(Debug)]
struct Slots<K, V> {
    clock: u64,
    map: HashMap<K, (u64, V)>,
}

impl<K: Eq + Hash + Copy, V: Clone> Lru<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, slots: Mutex::new(Slots { clock: 0, map: HashMap::new() }) }
    }

    pub(crate) fn find(&self, key: &K) -> Option<V> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.clock = slots.clock.wrapping_add(1);
        let now = slots.clock;
        let (used, value) = slots.map.get_mut(key)?;
        *used = now;
        Some(value.clone())
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        let evicted = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.clock = slots.clock.wrapping_add(1);
            let now = slots.clock;
            let replaced = slots.map.insert(key, (now, value));
            let oldest = (slots.map.len() > self.capacity)
                .then(|| slots.map.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key))
                .flatten();
            (replaced, oldest.and_then(|key| slots.map.remove(&key)))
        };
        // Dropped outside the lock: a drop may take its time.
        drop(evicted);
    }

    pub(crate) fn remove(&self, key: &K) {
        let removed = self.slots.lock().unwrap_or_else(PoisonError::into_inner).map.remove(key);
        drop(removed);
    }

    pub(crate) fn clear(&self) {
        let removed = std::mem::take(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner).map);
        drop(removed);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().unwrap().map.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first_and_is_dropped() {
        let lru = Lru::new(2);
        let (one, two, three) = (Arc::new(1), Arc::new(2), Arc::new(3));
        lru.insert(1, one.clone());
        lru.insert(2, two.clone());
        assert!(lru.find(&1).is_some());
        lru.insert(3, three.clone());
        assert!(lru.find(&2).is_none());
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two), Arc::strong_count(&three)), (2, 1, 2));
        lru.remove(&1);
        assert_eq!(Arc::strong_count(&one), 1);
        lru.clear();
        assert_eq!(lru.len(), 0);
        assert_eq!(Arc::strong_count(&three), 1);
    }

    #[test]
    fn no_room_keeps_nothing() {
        let lru = Lru::new(0);
        lru.insert(1, ());
        assert!(lru.find(&1).is_none());
    }
}
