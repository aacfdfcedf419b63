//! What is reported to watchers of a server at work.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use claviger_core::alert::AlertRule;
use claviger_core::port::Clock as _;
use claviger_core::port::provider::ProviderHealth;
use claviger_core::port::store::Room;
use claviger_service::{AlertReceiver, ApprovalFigures, Road};
use metrics::{Counter, Gauge};
use tokio::sync::watch;

use crate::clock::SystemClock;
use crate::hardening::Hardening;
use crate::newest_note::NewestNote;
use crate::pki::{self, EXPIRY_WARNING};
use crate::stop::Stopping;
use crate::telemetry::{ProcessNumbers, Registry, Watchable, count, to_f64};

/// How long a watcher waits for the root.
const PATIENCE: Duration = Duration::from_secs(2);

/// Entries that wait longer than this for a checkpoint, and than some cuts, mean that nothing is signed any more.
const UNCOVERED_CUTS: u32 = 3;
const UNCOVERED_LEAST: Duration = Duration::from_secs(10);
/// So does a checkpoint that is older than this many cuts, and than an idle log allows.
const STALE_CUTS: u32 = 10;
const STALE_LEAST: Duration = Duration::from_secs(180);

/// The number that says how many recoveries await acknowledgement.
pub(crate) const RECOVERIES: &str = "claviger_recoveries_unacknowledged";

/// The numbers that say how many emergency accesses are open, and how many nobody has reviewed.
pub(crate) const EMERGENCIES: &str = "claviger_break_glass_open";
pub(crate) const UNREVIEWED: &str = "claviger_break_glass_unreviewed";

/// The number that says how many access reviews should be closed by now.
pub(crate) const OVERDUE_REVIEWS: &str = "claviger_reviews_overdue";

/// The number that says how many alerts are open, by rule.
pub(crate) const ALERTS: &str = "claviger_alerts_open";

/// The number that says how many of those who are to be told of alerts are not.
pub(crate) const UNTOLD: &str = "claviger_webhooks_failing";

/// The number that says whether rights of an older release are unconfirmed.
pub(crate) const RIGHTS: &str = "claviger_rights_unconfirmed";

/// The numbers that say how many custodians must approve what concerns the whole deployment, and how many can.
pub(crate) const QUORUM: &str = "claviger_approvals_quorum";
pub(crate) const CUSTODIANS: &str = "claviger_custodians";

/// The numbers that say of how many principals the last credential ends within 30 days.
const ENDING: &str = "claviger_credentials_ending";
pub(crate) const ENDING_OF_ROLES: &str = "claviger_credentials_ending{holders=\"roles\"}";
pub(crate) const ENDING_OF_OTHERS: &str = "claviger_credentials_ending{holders=\"others\"}";

/// How long that stays as it was counted.
const ENDING_COUNTED: Duration = Duration::from_secs(300);

/// The number that says how often a row was refused because somebody altered it.
pub(crate) const ALTERED: &str = "claviger_rows_altered_total";

/// The number that says how many stored secrets did not open in their place when they were last looked at.
pub(crate) const UNOPENED: &str = "claviger_store_secrets_unopened";

/// The number that says whether an evaluation of the controls was missed.
pub(crate) const MISSED: &str = "claviger_evaluation_missed";

/// A server at work, to watch.
pub(crate) struct Observed {
    pub(crate) road: Road,
    pub(crate) registry: Arc<Registry>,
    pub(crate) newest_note: NewestNote,
    pub(crate) cut_every: Duration,
    pub(crate) certificate: PathBuf,
    pub(crate) fatal: watch::Receiver<Option<String>>,
    pub(crate) stopping: Stopping,
    numbers: Numbers,
    process: ProcessNumbers,
    /// When it was counted last whose credentials end, in the time since boot.
    ending_counted: tokio::sync::Mutex<Option<Duration>>,
}

struct Numbers {
    commits: Counter,
    entries: Counter,
    failures: Counter,
    fenced: Counter,
    malformed: Counter,
    altered: Counter,
    secrets: Gauge,
    unopened: Gauge,
    evaluated_at: Gauge,
    evaluation_missed: Gauge,
    evaluations_failed: Counter,
    rows: Gauge,
    rows_checked: Gauge,
    rows_done: Gauge,
    log_size: Gauge,
    cuts: Gauge,
    queue: Gauge,
    epoch: Gauge,
    keys: Gauge,
    checkpoint_age: Gauge,
    provider_up: Gauge,
    provider_sessions: Gauge,
    certificate_expires: Gauge,
    ending_of_roles: Gauge,
    ending_of_others: Gauge,
    clock_ahead: Gauge,
    clock_held: Gauge,
    blocked_destructions: Gauge,
    approvals_open: Gauge,
    quorum: Gauge,
    custodians: Gauge,
    emergencies_open: Gauge,
    emergencies_unreviewed: Gauge,
    reviews_open: Gauge,
    reviews_overdue: Gauge,
    alerts: Vec<(AlertRule, Gauge)>,
    alerts_unraised: Counter,
    untold: Gauge,
    alerts_waiting: Gauge,
    alerts_delivered: Counter,
    deliveries_failed: Counter,
    recoveries: Gauge,
    rights: Gauge,
    space_free: Gauge,
    store_bytes: Gauge,
    space_room: Gauge,
    space_reserve: Gauge,
    space_refused: Counter,
    work: Vec<WorkNumbers>,
}

/// Numbers of one class of work.
struct WorkNumbers {
    class: &'static str,
    running: Gauge,
    waiting: Gauge,
    refused: Counter,
}

impl Numbers {
    fn new(registry: &Registry) -> Self {
        let counter = |name, text| {
            registry.describe(name, text);
            registry.counter(name, &[])
        };
        let gauge = |name, text| {
            registry.describe(name, text);
            registry.gauge(name, &[])
        };
        Self {
            commits: counter("claviger_log_commits_total", "batches that were committed"),
            entries: counter("claviger_log_entries_total", "entries in those batches"),
            failures: counter(
                "claviger_log_failures_total",
                "batches that could not be committed, and cuts that could not be made, signed or kept",
            ),
            fenced: counter(
                "claviger_log_fenced_total",
                "calls that were decided again because the fence moved",
            ),
            malformed: counter(
                "claviger_malformed_requests_total",
                "requests of known callers that came to no operation",
            ),
            altered: counter(
                ALTERED,
                "reads of rows that were refused because somebody altered them in the database",
            ),
            secrets: gauge(
                "claviger_store_secrets",
                "stored secrets that the newest scan since the start has opened, or should have",
            ),
            unopened: gauge(UNOPENED, "those of them that did not open in their place"),
            evaluated_at: gauge(
                "claviger_evaluation_at",
                "when the newest evaluation of the controls was recorded, in seconds of Unix time; 0 before the first",
            ),
            evaluation_missed: gauge(
                MISSED,
                "1 while that is longer ago than twice the time between two, or there is none an hour after the start",
            ),
            evaluations_failed: counter(
                "claviger_evaluation_failures_total",
                "evaluations of the controls that failed, and are tried again",
            ),
            rows: gauge("claviger_rows", "rows of the store when the pass over all of them began"),
            rows_checked: gauge("claviger_rows_checked", "rows that it has held against their tags"),
            rows_done: gauge("claviger_rows_check_done", "1 once it came to its end"),
            log_size: gauge("claviger_log_size", "entries in the log of this node"),
            cuts: gauge("claviger_log_cuts", "cuts in the root log"),
            queue: gauge("claviger_log_queue", "calls that wait for the log"),
            epoch: gauge("claviger_fence_epoch", "the fence epoch in force"),
            keys: gauge("claviger_keys_in_memory", "keys with their material ready for use"),
            checkpoint_age: gauge(
                "claviger_checkpoint_age",
                "seconds that entries have waited for a signed checkpoint; 0 while the newest covers the whole log",
            ),
            provider_up: gauge("claviger_provider_up", "1 while the root answers"),
            provider_sessions: gauge("claviger_provider_sessions", "sessions open to the token"),
            certificate_expires: gauge(
                "claviger_certificate_expires_at",
                "when the certificate of the server expires, in seconds of Unix time",
            ),
            ending_of_roles: registry.gauge(ENDING, &[("holders", "roles")]),
            ending_of_others: registry.gauge(ENDING, &[("holders", "others")]),
            clock_ahead: gauge(
                "claviger_clock_ahead_seconds",
                "how far the wall clock is ahead of the log's time",
            ),
            clock_held: gauge(
                "claviger_clock_held",
                "1 while nothing is destroyed or deleted because the clock moved too far",
            ),
            blocked_destructions: gauge(
                "claviger_destructions_blocked",
                "scheduled destructions that their rings block",
            ),
            approvals_open: gauge(
                "claviger_approvals_open",
                "approvals that can still be decided or done, at most 1000",
            ),
            quorum: gauge(
                QUORUM,
                "how many custodians must approve what concerns the whole deployment; 0 for nobody",
            ),
            custodians: gauge(CUSTODIANS, "how many persons can approve it"),
            emergencies_open: gauge(EMERGENCIES, "emergency accesses that are open"),
            emergencies_unreviewed: gauge(
                UNREVIEWED,
                "emergency accesses that nobody has reviewed, the open ones among them",
            ),
            reviews_open: gauge("claviger_reviews_open", "access reviews that are not closed"),
            reviews_overdue: gauge(OVERDUE_REVIEWS, "those of them that should have been closed by now"),
            alerts: Vec::new(),
            alerts_unraised: counter(
                "claviger_alerts_unraised_total",
                "findings that raised no alert, because there were too many already",
            ),
            untold: gauge(UNTOLD, "receivers of alerts whose last message did not get through"),
            alerts_waiting: gauge(
                "claviger_webhook_waiting",
                "messages about alerts that wait, those of all receivers together",
            ),
            alerts_delivered: counter("claviger_webhook_delivered_total", "messages that got through"),
            deliveries_failed: counter(
                "claviger_webhook_failures_total",
                "attempts that did not, and are made again",
            ),
            recoveries: gauge(
                RECOVERIES,
                "security officers made by `claviger recover` that nobody else has acknowledged",
            ),
            rights: gauge(
                RIGHTS,
                "1 while a security officer and an auditor have not both confirmed the rights that an older release kept",
            ),
            space_free: gauge("claviger_store_free_bytes", "free bytes on the device of the store"),
            store_bytes: gauge("claviger_store_bytes", "bytes of state and log on that device"),
            space_room: gauge(
                "claviger_store_room",
                "0 while every call is taken, 1 when only calls that restrict are, 2 when they use what was set aside",
            ),
            space_reserve: gauge(
                "claviger_store_reserve_bytes",
                "bytes that are set aside for calls that restrict",
            ),
            space_refused: counter(
                "claviger_store_refused_total",
                "calls that were refused, without an entry, for want of room",
            ),
            work: Vec::new(),
        }
    }

    /// A number for each rule of alerts.
    fn of_alerts(registry: &Registry) -> Vec<(AlertRule, Gauge)> {
        registry.describe(ALERTS, "alerts that nobody has closed");
        let gauge = |rule: AlertRule| (rule, registry.gauge(ALERTS, &[("rule", rule.name())]));
        AlertRule::ALL.map(gauge).into()
    }

    async fn update_alerts(&self, road: &Road) {
        self.alerts_unraised.absolute(road.unraised_alerts());
        let receivers = road.alert_receivers();
        let sum = |number: fn(&AlertReceiver) -> u64| {
            receivers.iter().fold(0_u64, |sum, one| sum.saturating_add(number(one)))
        };
        self.untold.set(count(receivers.iter().filter(|one| one.failing.is_some()).count()));
        self.alerts_waiting.set(to_f64(sum(|one| one.waiting)));
        self.alerts_delivered.absolute(sum(|one| one.delivered));
        self.deliveries_failed.absolute(sum(|one| one.failed));
        let Ok(figures) = road.alert_figures().await else { return };
        for (rule, gauge) in &self.alerts {
            gauge.set(to_f64(figures.by(*rule)));
        }
    }

    /// Numbers of the classes of work, which the road names.
    fn of_work(registry: &Registry, road: &Road) -> Vec<WorkNumbers> {
        registry.describe("claviger_work_running", "jobs of a class of expensive work under way");
        registry.describe("claviger_work_waiting", "calls that wait for their turn in it");
        registry.describe("claviger_work_refused_total", "calls whose principal had too many waiting");
        let of = |class| {
            let labels = [("class", class)];
            WorkNumbers {
                class,
                running: registry.gauge("claviger_work_running", &labels),
                waiting: registry.gauge("claviger_work_waiting", &labels),
                refused: registry.counter("claviger_work_refused_total", &labels),
            }
        };
        road.work_figures().map(|figures| of(figures.class)).into()
    }

    fn update_work(&self, road: &Road) {
        for figures in road.work_figures() {
            let Some(numbers) = self.work.iter().find(|numbers| numbers.class == figures.class) else {
                continue;
            };
            numbers.running.set(count(figures.running));
            numbers.waiting.set(count(figures.waiting));
            numbers.refused.absolute(figures.refused);
        }
    }

    async fn update_space(&self, road: &Road) {
        self.space_refused.absolute(road.refused_for_space());
        let Ok(space) = road.space().await else { return };
        self.space_room.set(f64::from(space.room as u8));
        self.space_reserve.set(if space.reserve_held { to_f64(space.reserve) } else { 0.0 });
        if let Some(free) = space.free {
            self.space_free.set(to_f64(free));
        }
        if let Ok(used) = road.used_bytes().await {
            self.store_bytes.set(to_f64(used));
        }
    }
}

impl Observed {
    #[expect(clippy::too_many_arguments, reason = "each is one thing that is watched")]
    pub(crate) fn new(
        road: Road,
        registry: Arc<Registry>,
        newest_note: NewestNote,
        cut_every: Duration,
        certificate: PathBuf,
        fatal: watch::Receiver<Option<String>>,
        stopping: Stopping,
        hardening: Option<Hardening>,
    ) -> Self {
        let (work, alerts) = (Numbers::of_work(&registry, &road), Numbers::of_alerts(&registry));
        let numbers = Numbers { work, alerts, ..Numbers::new(&registry) };
        registry.describe("claviger_build", "the release that runs");
        registry.gauge("claviger_build", &[("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        if let Some(hardening) = hardening {
            show_hardening(&registry, hardening);
        }
        registry.describe(
            ENDING,
            "holders of roles, and other principals, whose last credential ends within 30 days",
        );
        let started_at = SystemClock.now().as_micros() / 1_000_000;
        let process = ProcessNumbers::new(&registry, to_f64(started_at));
        let ending_counted = tokio::sync::Mutex::default();
        Self {
            road,
            registry,
            newest_note,
            cut_every,
            certificate,
            fatal,
            stopping,
            numbers,
            process,
            ending_counted,
        }
    }

    async fn provider_health(&self) -> Option<ProviderHealth> {
        tokio::time::timeout(PATIENCE, self.road.provider_health()).await.ok()?.ok()
    }

    fn update_figures(&self) {
        let (figures, numbers) = (self.road.figures(), &self.numbers);
        numbers.commits.absolute(figures.commits.load(Ordering::Relaxed));
        numbers.entries.absolute(figures.entries.load(Ordering::Relaxed));
        numbers.failures.absolute(figures.failures.load(Ordering::Relaxed));
        numbers.fenced.absolute(figures.fenced.load(Ordering::Relaxed));
        numbers.malformed.absolute(self.road.malformed_requests());
        let rows = self.road.row_figures();
        numbers.altered.absolute(rows.altered);
        if let Some(scan) = self.road.last_scan() {
            numbers.secrets.set(to_f64(scan.scanned()));
            numbers.unopened.set(to_f64(scan.failed()));
        }
        let evaluation = self.road.evaluation_figures();
        let evaluated_at = evaluation.recorded_at.unwrap_or_default();
        numbers.evaluated_at.set(to_f64(evaluated_at.as_micros() / 1_000_000));
        numbers.evaluation_missed.set(if evaluation.is_missed { 1.0 } else { 0.0 });
        numbers.evaluations_failed.absolute(evaluation.failed);
        numbers.rows.set(to_f64(rows.rows));
        numbers.rows_checked.set(to_f64(rows.checked));
        numbers.rows_done.set(if rows.is_done { 1.0 } else { 0.0 });
        numbers.log_size.set(to_f64(figures.size.load(Ordering::Relaxed)));
        numbers.cuts.set(to_f64(figures.cuts.load(Ordering::Relaxed)));
        numbers.queue.set(count(self.road.waiting()));
        numbers.epoch.set(to_f64(self.road.epoch()));
        numbers.keys.set(count(self.road.keys_in_memory()));
        numbers.clock_ahead.set(self.road.clock_ahead().as_secs_f64());
        numbers.clock_held.set(if self.road.is_clock_held() { 1.0 } else { 0.0 });
        numbers.blocked_destructions.set(to_f64(self.road.blocked_destructions()));
        numbers.checkpoint_age.set(figures.checkpoint_age(SystemClock.since_boot()).as_secs_f64());
    }

    /// Counts what takes reading many rows, now and then: whose credentials end, and which reviews are overdue.
    async fn update_ending(&self) {
        let now = SystemClock.since_boot();
        let mut counted = self.ending_counted.lock().await;
        if counted.is_some_and(|at| now.saturating_sub(at) < ENDING_COUNTED) {
            return;
        }
        let Ok(ending) = self.road.ending(EXPIRY_WARNING).await else { return };
        let of_roles = ending.iter().filter(|one| one.holds_role).count();
        self.numbers.ending_of_roles.set(count(of_roles));
        self.numbers.ending_of_others.set(count(ending.len() - of_roles));
        // Where a row that says so was altered, no number is shown for one.
        let reviews = self.road.review_figures().await.ok();
        self.numbers.reviews_open.set(reviews.map_or(f64::NAN, |figures| to_f64(figures.open)));
        self.numbers.reviews_overdue.set(reviews.map_or(f64::NAN, |figures| to_f64(figures.overdue)));
        *counted = Some(now);
    }

    async fn update(&self) {
        self.update_figures();
        self.update_ending().await;
        self.process.update();
        self.numbers.update_work(&self.road);
        self.numbers.update_space(&self.road).await;
        let health = self.provider_health().await;
        let up = health.is_some_and(|health| health.root_ok && health.self_test_ok);
        self.numbers.provider_up.set(if up { 1.0 } else { 0.0 });
        self.numbers.provider_sessions.set(health.map_or(0.0, |health| count(health.sessions)));
        // Where the rows that say so do not read, no number is shown for one.
        let approvals = self.road.approval_figures().await.ok();
        let shown = |number: fn(ApprovalFigures) -> f64| approvals.map_or(f64::NAN, number);
        self.numbers.approvals_open.set(shown(|figures| to_f64(figures.open)));
        self.numbers.quorum.set(shown(|figures| figures.quorum.into()));
        self.numbers.custodians.set(shown(|figures| to_f64(figures.custodians)));
        if let Ok(emergencies) = self.road.break_glass_count().await {
            self.numbers.emergencies_open.set(to_f64(emergencies.open));
            self.numbers.emergencies_unreviewed.set(to_f64(emergencies.unreviewed));
        }
        self.numbers.update_alerts(&self.road).await;
        if let Ok(officers) = self.road.unacknowledged().await {
            self.numbers.recoveries.set(count(officers.len()));
        }
        if let Ok(review) = self.road.unconfirmed_rights().await {
            self.numbers.rights.set(if review.is_some() { 1.0 } else { 0.0 });
        }
        if let Ok(facts) = pki::read_facts(&self.certificate) {
            self.numbers.certificate_expires.set(to_f64(facts.expires_at.as_micros() / 1_000_000));
        }
    }

    /// Was the store unable to take what was last to be written, and is it still? Nobody may call while this says yes, so
    /// that a cut is tried: it is the smallest thing that can be written.
    async fn is_stuck(&self) -> bool {
        let stuck = || self.road.figures().stuck.load(Ordering::Relaxed);
        if !stuck() {
            return false;
        }
        let _ = tokio::time::timeout(PATIENCE, self.road.cut()).await;
        stuck()
    }

    fn checkpoint_is_stale(&self) -> bool {
        let waited = self.road.figures().checkpoint_age(SystemClock.since_boot());
        let age = self.newest_note.age().unwrap_or_default();
        is_stale(self.cut_every, waited, age)
    }
}

#[async_trait]
impl Watchable for Observed {
    async fn numbers(&self) -> String {
        self.update().await;
        self.registry.render()
    }

    async fn ready(&self) -> Result<(), String> {
        if self.stopping.is_stopped() {
            return Err("the process is stopping".to_owned());
        }
        if self.fatal.borrow().is_some() {
            return Err("the log stopped".to_owned());
        }
        if self.is_stuck().await {
            return Err("nothing can be recorded".to_owned());
        }
        if self.road.room() != Room::Plenty {
            return Err("the disk is nearly full: only calls that restrict are recorded".to_owned());
        }
        if self.checkpoint_is_stale() {
            return Err("checkpoints are not signed any more".to_owned());
        }
        match self.provider_health().await {
            Some(health) if health.root_ok && health.self_test_ok => Ok(()),
            _ => Err("the cryptographic module does not answer".to_owned()),
        }
    }
}

/// `waited`: how long entries have waited for a checkpoint; `age`: that of the newest one.
fn is_stale(cut_every: Duration, waited: Duration, age: Duration) -> bool {
    waited > cut_every.saturating_mul(UNCOVERED_CUTS).max(UNCOVERED_LEAST)
        || age > cut_every.saturating_mul(STALE_CUTS).max(STALE_LEAST)
}

fn show_hardening(registry: &Registry, hardening: Hardening) {
    registry.describe("claviger_hardening", "1 for each measure that holds of the process");
    for (measure, holds) in hardening.measures() {
        let gauge = registry.gauge("claviger_hardening", &[("measure", measure)]);
        gauge.set(if holds { 1.0 } else { 0.0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_entries_alarm_after_ten_seconds_and_an_idle_log_does_not() {
        let seconds = Duration::from_secs;
        for (cut, waited, age, stale) in [
            (1, 0, 60, false),
            (1, 9, 9, false),
            (1, 11, 11, true),
            (1, 0, 181, true),
            // A log that is cut each half minute waits that long, by its owner's choice.
            (30, 60, 60, false),
            (30, 91, 91, true),
        ] {
            assert_eq!(
                is_stale(seconds(cut), seconds(waited), seconds(age)),
                stale,
                "cut each {cut} s, waited {waited} s, {age} s old"
            );
        }
    }
}
