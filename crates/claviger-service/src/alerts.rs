//! Alerts, as far as this process has them in memory: what was found and is not written yet, who hears of those that are raised, and whom
//! the server tells of them.
//!
//! What it keeps true:
//! * what a call finds is kept for a moment, each finding once with a count, and no more of them than so many; a call that is done keeps nothing;
//! * what callers cause by asking for a use leaves room for all that is found otherwise;
//! * whoever hears of alerts hears of each once it is durable, whichever call or job raised it;
//! * what is traced of an alert, and what receivers are called, names nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claviger_core::alert::{Alert, AlertRule};
use claviger_core::object::Object;
use claviger_core::port::store::{AlertFilter, Page};
use claviger_core::port::{Store, StoreError};
use claviger_core::{KeyId, Timestamp};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use crate::error::{Obstacle, ServiceError};
use crate::job::raise_alerts::Standing;
use crate::road::Road;

/// Most findings that wait to be written; and as many wait at most where another one is about a use that somebody asked for.
const MOST_NOTED: usize = 4096;
const MOST_BESIDE_USES: usize = 3072;
/// By how many alerts whoever hears of them can be behind.
const BEHIND: usize = 1024;
/// How many alerts are read at once.
const AT_ONCE: u32 = 500;

/// What was found: by which rule, and about what.
pub(crate) type Found = (AlertRule, Option<Object>);

/// How a finding stands.
#[derive(Debug, Default)]
struct Noted {
    /// How often it was made and is not written.
    times: u64,
    /// When it was written last, or was to be and was too soon.
    settled_at: Option<Timestamp>,
}

/// What is known of alerts beside their rows.
#[derive(Debug)]
pub(crate) struct Alerts {
    /// What was found, and is not written yet or was a moment ago.
    noted: Mutex<BTreeMap<Found, Noted>>,
    /// Something was.
    awake: Notify,
    /// Findings since the start that raised no alert, because there were too many already.
    unraised: AtomicU64,
    raised: broadcast::Sender<Arc<Alert>>,
    /// Whom the server tells, by their places in the configuration.
    receivers: Mutex<BTreeMap<usize, AlertReceiver>>,
    /// Held by whoever writes: what stands as it should not, as of the last look.
    pub(crate) standing: tokio::sync::Mutex<Standing>,
    started: Instant,
}

impl Alerts {
    pub(crate) fn new() -> Self {
        Self {
            noted: Mutex::default(),
            awake: Notify::new(),
            unraised: AtomicU64::new(0),
            raised: broadcast::channel(BEHIND).0,
            receivers: Mutex::default(),
            standing: tokio::sync::Mutex::default(),
            started: Instant::now(),
        }
    }

    /// How long ago the process began, whatever clocks say.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Keeps what was found, to be written soon. Never called on the way of a call that is done.
    pub(crate) fn note(&self, rule: AlertRule, subject: Option<Object>) {
        if self.keep((rule, subject)) {
            self.awake.notify_one();
        } else {
            self.count_unraised(1);
        }
    }

    fn keep(&self, found: Found) -> bool {
        let (rule, _) = found;
        let most = if rule == AlertRule::UseWhileDestroying { MOST_BESIDE_USES } else { MOST_NOTED };
        let mut noted = self.lock();
        if noted.len() >= most && !noted.contains_key(&found) {
            noted.retain(|_, one| one.times > 0);
            if noted.len() >= most {
                return false;
            }
        }
        let one = noted.entry(found).or_default();
        one.times = one.times.saturating_add(1);
        true
    }

    /// The same of a use that was refused because its key waits for destruction; nothing of other failures.
    pub(crate) fn note_refused_use(&self, error: &ServiceError, key: Option<KeyId>) {
        if let (Some(Obstacle::Waiting), Some(key)) = (error.obstacle(), key) {
            self.note(AlertRule::UseWhileDestroying, Some(Object::Key(key)));
        }
    }

    /// What is to be written now, and how often it was found: what was settled less than `again` ago waits.
    pub(crate) fn due(&self, now: Timestamp, again: Duration) -> Vec<(Found, u64)> {
        let is_due = |one: &Noted| one.settled_at.is_none_or(|at| now.since(at) >= again);
        let mut noted = self.lock();
        noted.retain(|_, one| one.times > 0 || !is_due(one));
        let due = noted.iter().filter(|(_, one)| one.times > 0 && is_due(one));
        due.map(|(found, one)| (*found, one.times)).collect()
    }

    /// So many of a finding were written, or it was too soon for any.
    pub(crate) fn settle(&self, found: Found, written: u64, now: Timestamp) {
        if let Some(one) = self.lock().get_mut(&found) {
            one.times = one.times.saturating_sub(written);
            one.settled_at = Some(now);
        }
    }

    /// Waits until something was noted.
    pub(crate) async fn noted(&self) {
        self.awake.notified().await;
    }

    /// Counts findings for which there is no room.
    pub(crate) fn count_unraised(&self, times: u64) {
        self.unraised.fetch_add(times, Ordering::Relaxed);
    }

    /// Tells whoever hears of an alert that was raised, and is durable.
    pub(crate) fn tell(&self, alert: &Alert) {
        let subject =
            alert.subject.map_or_else(|| "the deployment".to_owned(), |subject| subject.to_string());
        tracing::warn!(
            alert = %alert.id,
            rule = %alert.rule,
            subject,
            advice = alert.rule.advice(),
            "an alert was raised: `claviger alert show`"
        );
        // Where nobody hears, nobody is told.
        let _ = self.raised.send(Arc::new(alert.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Found, Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unraised(&self) -> u64 {
        self.unraised.load(Ordering::Relaxed)
    }

    pub(crate) fn receivers(&self) -> Vec<AlertReceiver> {
        self.receivers.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// How many alerts are open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertFigures {
    /// By each rule by which some are, in the order of their numbers.
    pub open: Vec<(AlertRule, u64)>,
}

impl AlertFigures {
    /// As the store has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self { open: store.count_open_alerts().await? })
    }

    /// By all rules.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.open.iter().fold(0, |total, (_, open)| total.saturating_add(*open))
    }

    /// By one rule.
    #[must_use]
    pub fn by(&self, rule: AlertRule) -> u64 {
        self.open.iter().find(|(by, _)| *by == rule).map_or(0, |(_, open)| *open)
    }
}

/// Somebody whom the server tells of alerts, as the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertReceiver {
    /// What it is called: scheme, host and port of its address.
    pub name: String,
    /// Alerts that it was not told of yet.
    pub waiting: u64,
    /// Alerts that it was told of since the start.
    pub delivered: u64,
    /// Attempts since the start that failed.
    pub failed: u64,
    /// Since when none has succeeded, and why the last one failed; nothing once one has.
    pub failing: Option<(Timestamp, String)>,
}

impl Road {
    /// Hears of every alert that is raised from now on. Whoever is too far behind reads the open ones instead.
    #[must_use]
    pub fn hear_alerts(&self) -> broadcast::Receiver<Arc<Alert>> {
        self.state.alerts.raised.subscribe()
    }

    /// All alerts that nobody has closed, in the order of their identifiers. One whose row somebody altered is left out, and keeps nobody from
    /// hearing of the others: that it was altered is an alert of its own.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open_alerts(&self) -> Result<Vec<Alert>, ServiceError> {
        let filter = AlertFilter { open: Some(true), ..AlertFilter::default() };
        let (mut page, mut open) = (Page { after: None, limit: AT_ONCE }, Vec::new());
        loop {
            match self.state.store.list_alerts(filter, page.clone()).await {
                Ok(some) => {
                    let Some(last) = some.last() else { return Ok(open) };
                    page.after = Some(last.id);
                    open.extend(some);
                }
                // Those before it are read one by one.
                Err(StoreError::RowAltered(Object::Alert(_))) if page.limit > 1 => page.limit = 1,
                Err(StoreError::RowAltered(Object::Alert(altered))) if page.after < Some(altered) => {
                    page = Page { after: Some(altered), limit: AT_ONCE };
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How many alerts are open.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn alert_figures(&self) -> Result<AlertFigures, ServiceError> {
        Ok(AlertFigures::of(self.state.store.as_ref()).await?)
    }

    /// Findings since the start that raised no alert, because there were too many already.
    #[must_use]
    pub fn unraised_alerts(&self) -> u64 {
        self.state.alerts.unraised()
    }

    /// How somebody is told of alerts, who is at that place in the configuration.
    pub fn report_receiver(&self, place: usize, receiver: AlertReceiver) {
        self.state.alerts.receivers.lock().unwrap_or_else(PoisonError::into_inner).insert(place, receiver);
    }

    /// How everybody is told of alerts who is to be, in the order of the configuration.
    #[must_use]
    pub fn alert_receivers(&self) -> Vec<AlertReceiver> {
        self.state.alerts.receivers()
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::key::State;
    use claviger_core::{AlertId, PrincipalId};

    use super::*;
    use crate::error::ErrorKind;

    fn key(number: u16) -> Option<Object> {
        let [high, low] = number.to_be_bytes();
        let mut id = [0; 16];
        (id[0], id[1]) = (high, low);
        Some(Object::Key(KeyId::from_bytes(id)))
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn all(alerts: &Alerts) -> BTreeMap<Found, u64> {
        alerts.due(Timestamp::default(), Duration::ZERO).into_iter().collect()
    }

    #[test]
    fn findings_are_counted_each_once_and_are_bounded() {
        let alerts = Alerts::new();
        for _ in 0..3 {
            alerts.note(AlertRule::UseWhileDestroying, key(1));
        }
        alerts.note(AlertRule::RowAltered, key(1));
        let found = all(&alerts);
        assert_eq!((found.len(), found[&(AlertRule::UseWhileDestroying, key(1))]), (2, 3));
        let most = u16::try_from(MOST_BESIDE_USES).unwrap();
        for number in 0..most + 7 {
            alerts.note(AlertRule::UseWhileDestroying, key(number));
        }
        // What is known is counted even then.
        alerts.note(AlertRule::UseWhileDestroying, key(0));
        assert_eq!(alerts.unraised(), 8);
        let found = all(&alerts);
        assert_eq!((found.len(), found[&(AlertRule::UseWhileDestroying, key(0))]), (MOST_BESIDE_USES, 2));
        // What is written makes room.
        alerts.settle((AlertRule::UseWhileDestroying, key(0)), 2, Timestamp::default());
        alerts.note(AlertRule::UseWhileDestroying, key(most + 1));
        assert_eq!((alerts.unraised(), all(&alerts).len()), (8, MOST_BESIDE_USES));
    }

    #[test]
    fn whoever_asks_for_many_uses_hides_nothing_else() {
        let alerts = Alerts::new();
        let most = u16::try_from(MOST_NOTED).unwrap();
        for number in 0..most {
            alerts.note(AlertRule::UseWhileDestroying, key(number));
        }
        let unraised = alerts.unraised();
        assert_eq!(all(&alerts).len(), MOST_BESIDE_USES);
        for number in 0..most {
            alerts.note(AlertRule::RowAltered, key(number));
        }
        let of_rows = all(&alerts).into_keys().filter(|(rule, _)| *rule == AlertRule::RowAltered).count();
        assert_eq!((of_rows, all(&alerts).len()), (MOST_NOTED - MOST_BESIDE_USES, MOST_NOTED));
        assert!(alerts.unraised() > unraised);
    }

    #[test]
    fn what_was_written_waits_a_minute_and_loses_nothing() {
        let (alerts, begin) = (Alerts::new(), Timestamp::from_micros(1 << 50));
        let found = (AlertRule::UseWhileDestroying, key(1));
        alerts.note(found.0, found.1);
        assert_eq!(alerts.due(begin, MINUTE), [(found, 1)]);
        // One more comes in while it is written.
        alerts.note(found.0, found.1);
        alerts.settle(found, 1, begin);
        assert!(alerts.due(begin.after(MINUTE / 2), MINUTE).is_empty());
        assert_eq!(alerts.due(begin.after(MINUTE / 2), Duration::ZERO), [(found, 1)]);
        assert_eq!(alerts.due(begin.after(MINUTE), MINUTE), [(found, 1)]);
        alerts.settle(found, 0, begin.after(MINUTE));
        assert!(alerts.due(begin.after(MINUTE), MINUTE).is_empty());
        alerts.settle(found, 1, begin.after(MINUTE * 2));
        assert!(alerts.due(begin.after(MINUTE * 9), MINUTE).is_empty());
        assert!(alerts.lock().is_empty());
    }

    #[test]
    fn of_refusals_only_a_wait_for_destruction_is_a_finding() {
        let alerts = Alerts::new();
        let id = KeyId::from_bytes([1; 16]);
        let refused = |obstacle| ServiceError::new(ErrorKind::WrongState, "no").because_of(obstacle);
        for obstacle in [Obstacle::Material, Obstacle::State(State::Suspended)] {
            alerts.note_refused_use(&refused(obstacle), Some(id));
        }
        alerts.note_refused_use(&refused(Obstacle::Waiting), None);
        alerts.note_refused_use(&ServiceError::not_found(), Some(id));
        assert!(all(&alerts).is_empty());
        alerts.note_refused_use(&refused(Obstacle::Waiting), Some(id));
        let found: Vec<_> = all(&alerts).into_keys().collect();
        assert_eq!(found, [(AlertRule::UseWhileDestroying, Some(Object::Key(id)))]);
    }

    #[tokio::test]
    async fn whoever_hears_of_alerts_hears_of_each_that_is_raised() {
        let alerts = Alerts::new();
        let raised = |number| {
            let subject = Some(Object::Principal(PrincipalId::from_bytes([number; 16])));
            let id = AlertId::from_bytes([number; 16]);
            Alert::raised(id, AlertRule::OfficerRecovered, subject, Timestamp::default())
        };
        // Nobody hears yet.
        alerts.tell(&raised(1));
        let (mut one, mut other) = (alerts.raised.subscribe(), alerts.raised.subscribe());
        alerts.tell(&raised(2));
        assert_eq!(*one.recv().await.unwrap(), raised(2));
        assert_eq!(*other.recv().await.unwrap(), raised(2));
        assert!(one.try_recv().is_err());
    }

    #[test]
    fn figures_are_summed() {
        let open = vec![(AlertRule::JobOverdue, 2), (AlertRule::RowAltered, 3)];
        let figures = AlertFigures { open };
        assert_eq!((figures.total(), figures.by(AlertRule::RowAltered)), (5, 3));
        assert_eq!((figures.by(AlertRule::CompromiseBurst), AlertFigures::default().total()), (0, 0));
    }
}
