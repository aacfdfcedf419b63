//! What a receiver was not told of yet: in the order in which it came, each alert once, and no more of them than so many. Of what does not fit,
//! those that are still open are read again once there is room: also where a message waits that never gets through.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use claviger_core::AlertId;
use claviger_core::alert::Alert;

/// Most alerts that wait for one receiver.
const MOST: usize = 1024;
/// Most alerts of which it is remembered that it was told, before those are forgotten that nobody can raise again.
const MOST_KNOWN: usize = 16 * 1024;

/// What waits for one receiver.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Arc<Alert>>,
    /// Those that wait, and those that it was told of.
    known: BTreeSet<AlertId>,
    /// Not all that are open are here.
    is_behind: bool,
}

impl Default for Queue {
    /// Nothing is known of what was raised before.
    fn default() -> Self {
        Self { waiting: VecDeque::new(), known: BTreeSet::new(), is_behind: true }
    }
}

impl Queue {
    /// Takes one, unless it is here or the receiver was told of it.
    pub(super) fn take(&mut self, alert: Arc<Alert>) {
        if self.known.contains(&alert.id) {
            return;
        }
        if self.waiting.len() >= MOST {
            self.is_behind = true;
            return;
        }
        self.known.insert(alert.id);
        self.waiting.push_back(alert);
        self.is_behind |= self.known.len() > MOST_KNOWN;
    }

    /// Something was raised that never came here.
    pub(super) fn miss(&mut self) {
        self.is_behind = true;
    }

    /// Is there room for those that are open and not here?
    pub(super) fn is_to_be_read_again(&self) -> bool {
        self.is_behind && self.waiting.len() <= MOST / 2
    }

    /// Takes all that are open, the oldest first, and forgets what is closed and was told: nobody raises it again.
    pub(super) fn take_all(&mut self, mut open: Vec<Arc<Alert>>) {
        let ids: BTreeSet<_> = open.iter().map(|alert| alert.id).collect();
        let waiting: BTreeSet<_> = self.waiting.iter().map(|alert| alert.id).collect();
        self.known.retain(|id| ids.contains(id) || waiting.contains(id));
        self.is_behind = false;
        open.sort_by_key(|alert| alert.raised_at);
        open.into_iter().for_each(|alert| self.take(alert));
    }

    /// The next to tell of. It stays until [`Self::told`] or [`Self::put_off`] says what became of it.
    pub(super) fn next(&self) -> Option<Arc<Alert>> {
        self.waiting.front().cloned()
    }

    /// The receiver was told of the next.
    pub(super) fn told(&mut self) {
        self.waiting.pop_front();
    }

    /// It was not: others come first.
    pub(super) fn put_off(&mut self) {
        if let Some(first) = self.waiting.pop_front() {
            self.waiting.push_back(first);
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.waiting.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::Timestamp;
    use claviger_core::alert::AlertRule;

    use super::*;

    fn alert(number: u16) -> Arc<Alert> {
        let [high, low] = number.to_be_bytes();
        let mut id = [0; 16];
        (id[0], id[1]) = (high, low);
        let at = Timestamp::from_micros(u64::from(number));
        Arc::new(Alert::raised(AlertId::from_bytes(id), AlertRule::JobOverdue, None, at))
    }

    fn drained(queue: &mut Queue) -> Vec<Arc<Alert>> {
        let mut all = Vec::new();
        while let Some(next) = queue.next() {
            queue.told();
            all.push(next);
        }
        all
    }

    #[test]
    fn each_alert_is_told_of_once_and_the_oldest_first() {
        let mut queue = Queue::default();
        assert!(queue.is_to_be_read_again());
        queue.take_all(vec![alert(3), alert(1)]);
        queue.take(alert(2));
        queue.take(alert(1));
        assert!(!queue.is_to_be_read_again());
        assert_eq!(drained(&mut queue), [alert(1), alert(3), alert(2)]);
        queue.take(alert(3));
        queue.take_all(vec![alert(1), alert(2), alert(3), alert(4)]);
        assert_eq!(drained(&mut queue), [alert(4)]);
    }

    #[test]
    fn one_that_is_refused_holds_up_no_other() {
        let mut queue = Queue::default();
        queue.take_all(vec![alert(1), alert(2)]);
        queue.put_off();
        assert_eq!(queue.next(), Some(alert(2)));
        queue.told();
        queue.put_off();
        assert_eq!((queue.next(), queue.len()), (Some(alert(1)), 1));
    }

    #[test]
    fn a_queue_is_bounded_and_what_does_not_fit_is_read_again() {
        let mut queue = Queue::default();
        let most = u16::try_from(MOST).unwrap();
        let all = || (0..most + 3).map(alert).collect::<Vec<_>>();
        queue.take_all(all());
        assert_eq!(queue.len(), u64::from(most));
        assert!(!queue.is_to_be_read_again(), "there is no room yet");
        assert_eq!(drained(&mut queue).len(), MOST);
        assert!(queue.is_to_be_read_again());
        queue.take_all(all());
        assert_eq!(drained(&mut queue), [alert(most), alert(most + 1), alert(most + 2)]);
        assert!(!queue.is_to_be_read_again());
        queue.miss();
        assert!(queue.is_to_be_read_again());
    }

    #[test]
    fn one_that_never_gets_through_keeps_no_other_from_being_read_again() {
        let mut queue = Queue::default();
        let most = u16::try_from(MOST).unwrap();
        queue.take_all((0..most + 3).map(alert).collect());
        queue.put_off();
        (1..most).for_each(|_| queue.told());
        assert_eq!((queue.next(), queue.len()), (Some(alert(0)), 1));
        assert!(queue.is_to_be_read_again());
        queue.take_all((0..most + 3).map(alert).collect());
        assert_eq!(drained(&mut queue), [alert(0), alert(most), alert(most + 1), alert(most + 2)]);
    }

    #[test]
    fn what_is_closed_is_forgotten() {
        let mut queue = Queue::default();
        queue.take_all(vec![alert(1), alert(2)]);
        drained(&mut queue);
        queue.take_all(vec![alert(2)]);
        assert_eq!(queue.known.len(), 1);
    }
}
