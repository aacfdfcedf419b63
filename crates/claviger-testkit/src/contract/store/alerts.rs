//! Alerts.

use claviger_core::alert::{Alert, AlertAct, AlertRule};
use claviger_core::change::Change;
use claviger_core::object::Object;
use claviger_core::port::Store;
use claviger_core::port::store::{AlertFilter, Applied, Page};
use claviger_core::reason::{Unasked, Why};
use claviger_core::{AlertId, KeyId, KeyVersionId, PrincipalId};

use super::shelf::{Shelf, alert, at};

const WHY: Option<Why> = Some(Why::Unasked(Unasked::Protocol));

fn key(number: u8) -> Option<Object> {
    Some(Object::Key(KeyId::from_bytes([number; 16])))
}

fn act(by: u8, day: u32) -> Option<AlertAct> {
    Some(AlertAct { by: PrincipalId::from_bytes([by; 16]), at: at(day) })
}

pub async fn an_alert_counts_is_looked_at_and_is_closed_once<S: Store>(mut shelf: Shelf<S>) {
    let version = KeyVersionId { key: KeyId::from_bytes([1; 16]), number: 3 };
    let raised = alert(1, AlertRule::RowAltered, Some(Object::Version(version)));
    let find = async |shelf: &Shelf<S>| shelf.store.find_alert(raised.id).await.unwrap();
    assert_eq!(find(&shelf).await, None);
    assert_eq!(shelf.apply(&[Change::PutAlert(raised.clone())]), Applied::Yes);
    let mut stored = Alert { revision: 1, ..raised.clone() };
    assert_eq!(find(&shelf).await.as_ref(), Some(&stored));
    for next in [
        Alert { count: 3, last_at: at(2), ..stored.clone() },
        Alert { count: 3, last_at: at(2), triaged: act(2, 3), reason: WHY, ..stored.clone() },
        Alert { count: 4, last_at: at(4), triaged: act(2, 3), reason: WHY, ..stored.clone() },
    ] {
        let next = Alert { revision: stored.revision, ..next };
        assert_eq!(shelf.apply(&[Change::PutAlert(next.clone())]), Applied::Yes);
        // Whoever found something on the row before finds it again.
        assert_eq!(shelf.apply(&[Change::PutAlert(stored)]), Applied::Conflict);
        stored = Alert { revision: next.revision + 1, ..next };
        assert_eq!(find(&shelf).await.as_ref(), Some(&stored));
    }
    for (what, wrong) in [
        ("another rule", Alert { rule: AlertRule::JobOverdue, ..stored.clone() }),
        ("about something else", Alert { subject: None, ..stored.clone() }),
        ("first found at another time", Alert { raised_at: at(0), ..stored.clone() }),
        ("findings that are taken back", Alert { count: 3, ..stored.clone() }),
        ("nobody looked at it any more", Alert { triaged: None, reason: None, ..stored.clone() }),
        ("somebody else looked at it", Alert { triaged: act(3, 3), ..stored.clone() }),
    ] {
        assert!(shelf.journal.apply(&[Change::PutAlert(wrong)]).is_err(), "{what}");
    }
    let done = Alert { closed: act(3, 5), ..stored };
    assert_eq!(shelf.apply(&[Change::PutAlert(done.clone())]), Applied::Yes);
    let done = Alert { revision: done.revision + 1, ..done };
    assert_eq!(find(&shelf).await.as_ref(), Some(&done));
    for (what, wrong) in [
        ("closed twice", Alert { closed: act(4, 6), ..done.clone() }),
        ("opened again", Alert { closed: None, ..done.clone() }),
        ("found again behind its close", Alert { count: 5, ..done.clone() }),
        ("another reason", Alert { reason: None, ..done.clone() }),
    ] {
        assert!(shelf.journal.apply(&[Change::PutAlert(wrong)]).is_err(), "{what}");
    }
    let nothing = Alert { count: 0, ..alert(2, AlertRule::JobOverdue, None) };
    assert!(shelf.journal.apply(&[Change::PutAlert(nothing)]).is_err(), "nothing was found");
    let silent = Alert { reason: WHY, ..alert(2, AlertRule::JobOverdue, None) };
    assert!(shelf.journal.apply(&[Change::PutAlert(silent)]).is_err(), "a reason for nothing");
}

pub async fn one_alert_of_a_rule_about_a_subject_is_open<S: Store>(mut shelf: Shelf<S>) {
    use AlertRule::{DestructionHeld, JobOverdue};
    let find = async |shelf: &Shelf<S>, rule, subject| {
        let found = shelf.store.find_open_alert(rule, subject).await.unwrap();
        found.map(|found| found.id.as_bytes()[0])
    };
    // About the whole deployment as about a key.
    for (number, subject) in [(10, None), (20, key(1))] {
        assert_eq!(find(&shelf, JobOverdue, subject).await, None);
        let first = alert(number, JobOverdue, subject);
        assert_eq!(shelf.apply(&[Change::PutAlert(first.clone())]), Applied::Yes);
        assert_eq!(find(&shelf, JobOverdue, subject).await, Some(number));
        let second = alert(number + 1, JobOverdue, subject);
        assert_eq!(shelf.apply(&[Change::PutAlert(second.clone())]), Applied::Conflict);
        // What is closed makes room for the next in the same set.
        let over = Alert { closed: act(2, 2), reason: WHY, revision: 1, ..first };
        let changes = [over, second].map(Change::PutAlert);
        assert_eq!(shelf.apply(&changes), Applied::Yes);
        assert_eq!(find(&shelf, JobOverdue, subject).await, Some(number + 1));
    }
    // By another rule, and about another key.
    for (number, rule, subject) in [(30, DestructionHeld, key(1)), (31, JobOverdue, key(2))] {
        assert_eq!(shelf.apply(&[Change::PutAlert(alert(number, rule, subject))]), Applied::Yes);
        assert_eq!(find(&shelf, rule, subject).await, Some(number));
    }
    assert_eq!(find(&shelf, DestructionHeld, None).await, None);
}

pub async fn alerts_are_listed_by_state_rule_and_subject_and_counted_by_rule<S: Store>(mut shelf: Shelf<S>) {
    use AlertRule::{DestructionHeld, JobOverdue, UseWhileDestroying};
    for (number, rule, subject, is_open) in [
        (1, DestructionHeld, key(1), false),
        (2, DestructionHeld, key(1), true),
        (3, DestructionHeld, key(2), true),
        (4, JobOverdue, None, true),
        (5, UseWhileDestroying, key(1), true),
        (6, JobOverdue, None, false),
    ] {
        let closed = if is_open { None } else { act(2, 2) };
        let one = Alert { closed, ..alert(number, rule, subject) };
        assert_eq!(shelf.apply(&[Change::PutAlert(one)]), Applied::Yes);
    }
    let list = async |filter, after: Option<u8>, limit| {
        let after = after.map(|number| AlertId::from_bytes([number; 16]));
        let found = shelf.store.list_alerts(filter, Page { after, limit }).await.unwrap();
        found.into_iter().map(|found| found.id.as_bytes()[0]).collect::<Vec<_>>()
    };
    let of = |open, rule, subject| AlertFilter { open, rule, subject };
    for (filter, expected) in [
        (of(None, None, None), vec![1, 2, 3, 4, 5, 6]),
        (of(Some(true), None, None), vec![2, 3, 4, 5]),
        (of(Some(false), None, None), vec![1, 6]),
        (of(None, Some(DestructionHeld), None), vec![1, 2, 3]),
        (of(Some(true), Some(DestructionHeld), None), vec![2, 3]),
        (of(Some(false), Some(DestructionHeld), None), vec![1]),
        (of(None, None, key(1)), vec![1, 2, 5]),
        (of(Some(true), None, key(1)), vec![2, 5]),
        (of(Some(false), None, key(1)), vec![1]),
        (of(None, Some(DestructionHeld), key(1)), vec![1, 2]),
        (of(Some(true), Some(DestructionHeld), key(1)), vec![2]),
        (of(None, Some(JobOverdue), key(1)), vec![]),
    ] {
        assert_eq!(list(filter, None, 9).await, expected, "{filter:?}");
    }
    assert_eq!(list(of(None, None, None), Some(2), 2).await, [3, 4]);
    assert_eq!(list(of(Some(true), None, None), Some(2), 1).await, [3]);
    assert_eq!(list(of(None, Some(DestructionHeld), None), Some(1), 1).await, [2]);
    assert_eq!(list(of(None, None, key(1)), Some(2), 9).await, [5]);
    let counted = shelf.store.count_open_alerts().await.unwrap();
    assert_eq!(counted, [(UseWhileDestroying, 1), (JobOverdue, 1), (DestructionHeld, 2)]);
}
