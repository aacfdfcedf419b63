//! Raises alerts: about what calls and other jobs noted, soon after they did, and about what stands as it should not, at each run.
//!
//! As long as an alert is open the same finding raises no other one, and is counted there: what happens again and again at most once a minute,
//! what simply goes on once a day. Behind its close the next finding raises another: within a minute where something happened again, and the day
//! after where something goes on.
//!
//! What it keeps true: what was found is kept until it is written, for as long as the process lives; there are so many open alerts by one rule
//! and no more, and what is found beyond is in the log all the same; what cannot be looked at, and what is found by another rule, keeps nothing
//! from being raised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::op::{Op, Outcome};
use claviger_core::alert::{Alert, AlertRule};
use claviger_core::change::Change;
use claviger_core::object::Object;
use claviger_core::port::StoreError;
use claviger_core::port::store::{BreakGlassFilter, Page, ReviewFilter, Room};
use claviger_core::principal::{Credential, CredentialKind, PrincipalKind, Status};
use claviger_core::{AlertId, PrincipalId, Timestamp};

use super::{Done, take_snapshot};
use crate::alerts::{AlertFigures, Found};
use crate::error::{ErrorKind, ServiceError};
use crate::record::{EntryDetail, EntryHeader, EntryOutcome, reference};
use crate::road::Road;

const DAY: Duration = Duration::from_secs(86_400);
/// How often at most an open alert is written because the same was found again.
const AGAIN: Duration = Duration::from_secs(60);
/// How long after one that was noted the next is written at the earliest.
const SOON: Duration = Duration::from_secs(1);
/// How long before its end, and behind it, the last credential of a person is found.
const EXPIRES: Duration = Duration::from_secs(14 * 86_400);
/// How long a snapshot may be missing, of which there is one a day.
const SNAPSHOT: Duration = Duration::from_secs(2 * 86_400);
/// How long a scan may be missing, of which there are two a day.
const SCAN: Duration = DAY;
/// How long behind its end emergency access may wait for its review: parameter `breakglass_review_h` of the controls, as it is unless
/// somebody declares another.
const REVIEWED: Duration = Duration::from_secs(72 * 3600);
/// Most alerts that are written at once.
const MOST_AT_ONCE: usize = 256;
/// Most principals whose last credential ends that are looked at.
const MOST_ENDING: u32 = 1000;
/// Most keys that a job failed with that are told of by name.
const MOST_KEYS: u32 = 1000;

/// What a look found.
type Looked = Result<Vec<Found>, ServiceError>;

/// What stands as it should not, and when it was last told.
#[derive(Debug, Default)]
pub(crate) struct Standing(BTreeMap<Found, Timestamp>);

impl Standing {
    /// What of this is to be told now. What is not found any more is forgotten, unless not all was looked at.
    fn due(&mut self, found: &BTreeSet<Found>, is_whole: bool, now: Timestamp) -> Vec<Found> {
        if is_whole {
            self.0.retain(|known, _| found.contains(known));
        }
        let is_due = |one: &&Found| self.0.get(*one).is_none_or(|told| now.since(*told) >= DAY);
        found.iter().filter(is_due).take(MOST_AT_ONCE).copied().collect()
    }

    fn told(&mut self, found: Found, now: Timestamp) {
        self.0.insert(found, now);
    }
}

pub(super) async fn run(road: &Road) -> Result<Done, ServiceError> {
    if road.room() != Room::Plenty {
        // What was noted is kept until then.
        return Ok(Done::default());
    }
    let (found, is_whole) = look(road).await;
    let mut standing = road.state.alerts.standing.lock().await;
    let now = road.now();
    for one in standing.due(&found, is_whole, now) {
        match write(road, one, 1, DAY).await {
            Ok(_) => standing.told(one, now),
            Err(error) => not_written(one, &error),
        }
    }
    write_noted(road, AGAIN).await;
    Ok(Done::default())
}

/// Raises what is noted soon after it was, until the road stops.
pub(crate) async fn keep_raising(road: Road) {
    loop {
        tokio::select! {
            () = road.state.alerts.noted() => {}
            () = road.stopping() => return,
        }
        raise_noted(&road, AGAIN).await;
        tokio::select! {
            () = tokio::time::sleep(SOON) => {}
            () = road.stopping() => return,
        }
    }
}

/// Writes what is noted and would be written later, because there may be no later.
pub(crate) async fn raise_the_rest(road: &Road) {
    raise_noted(road, Duration::ZERO).await;
}

async fn raise_noted(road: &Road, again: Duration) {
    if road.room() == Room::Plenty {
        let _one_at_a_time = road.state.alerts.standing.lock().await;
        write_noted(road, again).await;
    }
}

async fn write_noted(road: &Road, again: Duration) {
    let (alerts, now) = (&road.state.alerts, road.now());
    let mut left = MOST_AT_ONCE;
    for (found, times) in alerts.due(now, again) {
        match write(road, found, times, again).await {
            Ok(true) => {
                alerts.settle(found, times, now);
                left -= 1;
            }
            Ok(false) => alerts.settle(found, 0, now),
            Err(error) => {
                not_written(found, &error);
                alerts.settle(found, 0, now);
            }
        }
        if left == 0 {
            return;
        }
    }
}

/// Writes what was found: as one more of the alert that is open, or as a new one. Gives whether it did: not, where that was written less than
/// `again` ago.
async fn write(road: &Road, found: Found, times: u64, again: Duration) -> Result<bool, ServiceError> {
    write_within(road, found, times, again, Alert::MOST_OPEN).await
}

/// The same, where so many by one rule are open at most.
pub(crate) async fn write_within(
    road: &Road,
    found: Found,
    times: u64,
    again: Duration,
    most: u64,
) -> Result<bool, ServiceError> {
    let ((rule, subject), now, store) = (found, road.now(), &road.state.store);
    let open = store.find_open_alert(rule, subject).await?;
    let alert = match open {
        Some(open) if now.since(open.last_at) < again => return Ok(false),
        Some(open) => {
            Alert { count: open.count.saturating_add(times), last_at: now.max(open.last_at), ..open }
        }
        None => {
            // A row that somebody altered so that they cannot be counted keeps no alert from being raised.
            let open = AlertFigures::of(store.as_ref()).await.map_or(0, |figures| figures.by(rule));
            if open >= most {
                return beyond(road, found, times).await.map(|_| true);
            }
            Alert { count: times, ..Alert::raised(AlertId::random()?, rule, subject, now) }
        }
    };
    let detail = detail(found, alert.id.as_bytes());
    road.put_as_system(Op::RaiseAlert, detail, vec![Change::PutAlert(alert)]).await.map(|_| true)
}

/// There is no room for another alert: the log says what was found, and how often, and a number counts it.
async fn beyond(road: &Road, found: Found, times: u64) -> Result<u64, ServiceError> {
    let outcome = EntryOutcome(Outcome::Limit);
    let detail = EntryDetail { outcome, ..detail(found, &times.to_be_bytes()) };
    let entry = road.record_entry(EntryHeader::of_system(Op::RaiseAlert, road.now()), detail).await?;
    road.state.alerts.count_unraised(times);
    Ok(entry)
}

/// The number of the rule, and behind it the alert; or how often it was found, where there is none.
fn detail((rule, subject): Found, behind: &[u8]) -> EntryDetail {
    let (key, version) = match subject {
        Some(Object::Key(key)) => (Some(key), None),
        Some(Object::Version(version)) => (Some(version.key), Some(version.number)),
        _ => (None, None),
    };
    EntryDetail { key, version, reference: reference(&[&[rule.code()], behind]), ..EntryDetail::default() }
}

fn not_written((rule, subject): Found, error: &ServiceError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let subject = subject.map(|subject| subject.to_string());
    tracing::error!(%rule, subject, %error, cause, "an alert was not raised, and is tried again");
}

/// Everything that stands as it should not, and whether all was looked at.
async fn look(road: &Road) -> (BTreeSet<Found>, bool) {
    let (mut found, mut is_whole) = (BTreeSet::new(), true);
    for (at, looked) in [
        ("jobs", overdue_jobs(road).await),
        ("keys that a job failed with", overdue_keys(road).await),
        ("destructions", Ok(held_destructions(road))),
        ("credentials", ending_credentials(road).await),
        ("emergency access", unreviewed_emergencies(road).await),
        ("access reviews", overdue_reviews(road).await),
        ("recoveries", unknown_recoveries(road).await),
    ] {
        match looked {
            Ok(more) => found.extend(more),
            Err(error) => {
                is_whole = false;
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(at, %error, cause, "what somebody must look at was not found out");
            }
        }
    }
    (found, is_whole)
}

/// What runs by itself and did not.
async fn overdue_jobs(road: &Road) -> Looked {
    let (state, now) = (&road.state, road.state.time.log_time());
    let record = state.store.load_log_time().await?;
    let begun = take_snapshot::begun(road).await?;
    let since = |last: Option<Timestamp>| now.since(last.unwrap_or(begun));
    // A scan is due some minutes behind a start, and may take hours.
    let is_unscanned = state.alerts.uptime() > SCAN && since(record.scanned_at) > SCAN;
    let is_overdue = road.is_clock_held()
        || state.evaluations.is_overdue(now)
        || since(record.snapshot_at) > SNAPSHOT
        || is_unscanned;
    Ok(is_overdue.then_some((AlertRule::JobOverdue, None)).into_iter().collect())
}

/// Keys that a job failed with, of which something was due a day ago.
async fn overdue_keys(road: &Road) -> Looked {
    if road.troubled.is_empty() {
        return Ok(Vec::new());
    }
    let (store, day_ago) = (&road.state.store, before(road.state.time.log_time(), DAY));
    let mut keys: BTreeSet<_> = store.list_rotation_due(day_ago, MOST_KEYS).await?.into_iter().collect();
    let page = Page { after: None, limit: MOST_KEYS };
    let scheduled = store.list_scheduled_destructions(page).await?;
    let held = road.state.blocked.held();
    let destroyed =
        scheduled.iter().filter(|one| one.destruction.at <= day_ago && !held.contains_key(&one.key));
    keys.extend(destroyed.map(|one| one.key));
    let failed = keys.into_iter().filter(|key| road.troubled.has(*key));
    Ok(failed.map(|key| (AlertRule::JobOverdue, Some(Object::Key(key)))).collect())
}

/// Destructions that are due and held.
fn held_destructions(road: &Road) -> Vec<Found> {
    let held = road.state.blocked.held();
    held.keys().map(|key| (AlertRule::DestructionHeld, Some(Object::Key(*key)))).collect()
}

/// Of each person whose last credential ends soon, or ended, that credential, unless it was made for less than four weeks.
async fn ending_credentials(road: &Road) -> Looked {
    let now = road.now();
    let ending = road.state.store.list_ending(before(now, EXPIRES), now.after(EXPIRES), MOST_ENDING).await?;
    let mut found = Vec::new();
    for one in ending {
        let last = match last_of_person(road, one.id).await {
            // Nothing rests on a row that somebody altered, and it is found as that.
            Err(error) if error.kind() == ErrorKind::RowAltered => None,
            last => last?,
        };
        found.extend(last.map(|last| (AlertRule::CredentialExpires, Some(Object::Credential(last.id)))));
    }
    Ok(found)
}

/// The credential of a person that ends last, of those that prove or proved them.
async fn last_of_person(road: &Road, id: PrincipalId) -> Result<Option<Credential>, ServiceError> {
    let principal = road.state.store.find_principal(id).await?;
    if principal.is_none_or(|principal| principal.kind != PrincipalKind::Human) {
        return Ok(None);
    }
    let credentials = road.state.credentials_of(id).await?;
    let proves = |one: &Credential| {
        one.status == Status::Active && !one.awaits_confirmation && one.kind != CredentialKind::EnrolmentCode
    };
    Ok(credentials.into_iter().filter(proves).max_by_key(|one| one.expires_at))
}

/// Emergency access that ended, and that nobody has reviewed in time.
async fn unreviewed_emergencies(road: &Road) -> Looked {
    let now = road.now();
    let filter = BreakGlassFilter { open: Some(false), reviewed: Some(false), holder: None, now };
    let (mut page, mut found) = (Page { after: None, limit: 100 }, Vec::new());
    loop {
        let some = road.state.store.list_break_glass(filter, page.clone()).await?;
        let Some(last) = some.last() else { return Ok(found) };
        page.after = Some(last.id);
        let late = some.iter().filter(|one| now.since(one.end()) > REVIEWED);
        found.extend(late.map(|one| (AlertRule::BreakGlassUnreviewed, Some(Object::BreakGlass(one.id)))));
    }
}

/// Access reviews that were not closed in time. They are long, and read a few at a time.
async fn overdue_reviews(road: &Road) -> Looked {
    let (now, store) = (road.now(), &road.state.store);
    let filter = ReviewFilter { open: Some(true) };
    let (mut page, mut found) = (Page { after: None, limit: 8 }, Vec::new());
    loop {
        let some = store.list_reviews(filter, page.clone()).await?;
        let Some(last) = some.last() else { return Ok(found) };
        page.after = Some(last.id);
        let late = some.iter().filter(|one| one.due_at < now);
        found.extend(late.map(|one| (AlertRule::ReviewOverdue, Some(Object::Review(one.id)))));
    }
}

/// Security officers made by a recovery that nobody else has acknowledged.
async fn unknown_recoveries(road: &Road) -> Looked {
    let officers = match road.state.store.list_unacknowledged().await {
        Err(StoreError::RowAltered(_)) => Vec::new(),
        officers => officers?,
    };
    let found = |id| (AlertRule::OfficerRecovered, Some(Object::Principal(id)));
    Ok(officers.into_iter().map(|officer| found(officer.id)).collect())
}

/// The instant that was so long ago; the first one there is, where that lies before it.
fn before(now: Timestamp, span: Duration) -> Timestamp {
    Timestamp::default().after(now.since(Timestamp::default().after(span)))
}

#[cfg(test)]
mod tests {
    use claviger_core::KeyId;

    use super::*;

    fn found(number: u8) -> Found {
        (AlertRule::DestructionHeld, Some(Object::Key(KeyId::from_bytes([number; 16]))))
    }

    #[test]
    fn what_goes_on_is_told_once_a_day_and_at_once_when_it_comes_back() {
        let (mut standing, begin) = (Standing::default(), Timestamp::from_micros(1 << 50));
        let all = BTreeSet::from([found(1), found(2)]);
        let mut tell = |all: &BTreeSet<Found>, is_whole, now| {
            let due = standing.due(all, is_whole, now);
            due.iter().for_each(|one| standing.told(*one, now));
            due
        };
        assert_eq!(tell(&all, true, begin), [found(1), found(2)]);
        assert!(tell(&all, true, begin.after(DAY / 2)).is_empty());
        // One is over, and comes back the same day. What was not looked at is not over.
        let one = BTreeSet::from([found(1)]);
        assert!(tell(&one, true, begin.after(DAY / 2)).is_empty());
        assert!(tell(&BTreeSet::new(), false, begin.after(DAY / 2)).is_empty());
        assert_eq!(tell(&all, true, begin.after(DAY / 2)), [found(2)]);
        assert_eq!(tell(&all, true, begin.after(DAY)), [found(1)]);
        assert!(tell(&BTreeSet::new(), true, begin.after(DAY * 9)).is_empty());
    }

    #[test]
    fn spans_before_the_first_instant_end_there() {
        assert_eq!(before(Timestamp::from_micros(5_000_000), Duration::from_secs(2)).as_micros(), 3_000_000);
        assert_eq!(before(Timestamp::from_micros(5), DAY), Timestamp::default());
    }

    #[test]
    fn entries_name_rule_and_alert_and_the_key_that_it_is_about() {
        let entry = detail(found(7), &[9; 16]);
        assert_eq!(entry.key, Some(KeyId::from_bytes([7; 16])));
        let reference = entry.reference.unwrap();
        assert_eq!((reference[0], &reference[1..]), (AlertRule::DestructionHeld.code(), &[9; 16][..]));
        assert_eq!(detail((AlertRule::JobOverdue, None), &[]).key, None);
    }
}
