//! Emergency access, and the grants that it gives.

use claviger_core::break_glass::{BreakGlass, BreakGlassClosed, BreakGlassReviewed, BreakGlassVerdict};
use claviger_core::change::Change;
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector};
use claviger_core::port::Store;
use claviger_core::port::store::{Applied, BreakGlassCount, BreakGlassFilter, Page};
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, BreakGlassId, GrantId, KeyId, PrincipalId, Timestamp};

use super::shelf::{DAY, Shelf, at, break_glass, grant};

fn person(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([number; 16])
}

fn closed(when: Timestamp) -> Option<BreakGlassClosed> {
    Some(BreakGlassClosed { by: person(9), at: when })
}

fn reviewed(by: u8, when: Timestamp) -> Option<BreakGlassReviewed> {
    Some(BreakGlassReviewed { verdict: BreakGlassVerdict::Unjustified, by: person(by), at: when })
}

/// An instant on the first day.
fn midday() -> Timestamp {
    at(1).after(DAY / 2)
}

pub async fn an_emergency_access_comes_back_and_is_closed_and_reviewed_once<S: Store>(mut shelf: Shelf<S>) {
    let opened = break_glass(1, person(1));
    let find = async |shelf: &Shelf<S>| shelf.store.find_break_glass(opened.id).await.unwrap();
    assert_eq!(find(&shelf).await, None);
    assert_eq!(shelf.apply(&[Change::PutBreakGlass(opened.clone())]), Applied::Yes);
    assert_eq!(shelf.apply(&[Change::PutBreakGlass(opened.clone())]), Applied::Conflict);
    let mut stored = BreakGlass { revision: 1, ..opened.clone() };
    assert_eq!(find(&shelf).await.as_ref(), Some(&stored));
    let over = BreakGlass { closed: closed(midday()), ..stored.clone() };
    let judged = BreakGlass { reviewed: reviewed(3, at(2)), ..over.clone() };
    for next in [over, judged] {
        let next = BreakGlass { revision: stored.revision, ..next };
        assert_eq!(shelf.apply(&[Change::PutBreakGlass(next.clone())]), Applied::Yes);
        assert_eq!(shelf.apply(&[Change::PutBreakGlass(stored)]), Applied::Conflict);
        stored = BreakGlass { revision: next.revision + 1, ..next };
        assert_eq!(find(&shelf).await.as_ref(), Some(&stored));
    }
    for (what, wrong) in [
        ("closed at another time", BreakGlass { closed: closed(at(2)), ..stored.clone() }),
        ("not closed any more", BreakGlass { closed: None, ..stored.clone() }),
        ("reviewed by another one", BreakGlass { reviewed: reviewed(4, at(3)), ..stored.clone() }),
        ("not reviewed any more", BreakGlass { reviewed: None, ..stored.clone() }),
    ] {
        assert!(shelf.journal.apply(&[Change::PutBreakGlass(wrong)]).is_err(), "{what}");
    }
    // What nobody asked to approve, with as many keys as there may be.
    let id = |of: usize| [u8::try_from(of).unwrap(); 16];
    let most = BreakGlass {
        keys: (0..BreakGlass::MOST_KEYS).map(|of| KeyId::from_bytes(id(of))).collect(),
        grants: (0..BreakGlass::MOST_KEYS).map(|of| GrantId::from_bytes(id(of))).collect(),
        approval: None,
        ..break_glass(2, person(2))
    };
    assert_eq!(shelf.apply(&[Change::PutBreakGlass(most.clone())]), Applied::Yes);
    let found = shelf.store.find_break_glass(most.id).await.unwrap();
    assert_eq!(found, Some(BreakGlass { revision: 1, ..most }));
}

pub async fn what_breaks_the_rules_of_emergency_access_is_written_nowhere<S: Store>(mut shelf: Shelf<S>) {
    let opened = break_glass(1, person(1));
    assert_eq!(shelf.apply(&[Change::PutBreakGlass(opened.clone())]), Applied::Yes);
    let stored = BreakGlass { revision: 1, ..opened };
    let (mut one_key, mut turned) = (stored.clone(), stored.clone());
    one_key.keys.pop();
    one_key.grants.pop();
    turned.keys.reverse();
    for (what, wrong) in [
        ("another holder", BreakGlass { holder: person(2), ..stored.clone() }),
        ("fewer keys", one_key),
        ("keys out of order", turned),
        ("a key without a grant", BreakGlass { grants: Vec::new(), ..stored.clone() }),
        ("a later end", BreakGlass { ends_at: at(9), ..stored.clone() }),
        ("another opener", BreakGlass { opened_by: person(8), ..stored.clone() }),
        ("another reason", BreakGlass { reason: None, ..stored.clone() }),
        ("reviewed while it is open", BreakGlass { reviewed: reviewed(3, midday()), ..stored.clone() }),
        ("reviewed by its holder", BreakGlass { reviewed: reviewed(1, at(3)), ..stored.clone() }),
        ("reviewed by who opened it", BreakGlass { reviewed: reviewed(9, at(3)), ..stored.clone() }),
    ] {
        assert!(shelf.journal.apply(&[Change::PutBreakGlass(wrong)]).is_err(), "{what}");
    }
    let own = break_glass(2, person(9));
    assert!(shelf.journal.apply(&[Change::PutBreakGlass(own)]).is_err(), "opened for oneself");
    assert_eq!(shelf.store.find_break_glass(stored.id).await.unwrap(), Some(stored));

    // Its grants are to process what one key protected, until an end.
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let holder = shelf.principal(1, PrincipalKind::Human);
    let given = |number| Grant {
        origin: GrantOrigin::BreakGlass,
        conditions: Conditions { until: Some(at(2)), ..Conditions::default() },
        ..grant(number, &holder, Selector::Key(key.id), &[Action::Decrypt])
    };
    shelf.give(&given(1));
    let found = shelf.store.find_grant(given(1).id).await.unwrap();
    assert_eq!(found, Some(Grant { revision: 1, ..given(1) }));
    for (what, wrong) in [
        ("for ever", Grant { conditions: Conditions::default(), ..given(2) }),
        ("on a ring", Grant { selector: Selector::Ring(ring), ..given(2) }),
        ("to protect", Grant { operations: vec![Action::Encrypt], ..given(2) }),
        ("passed on", Grant { basis: Basis::Grants(vec![given(1).id]), ..given(2) }),
        ("another origin of what was given", Grant { origin: GrantOrigin::Direct, revision: 1, ..given(1) }),
    ] {
        assert!(shelf.journal.apply(&[Change::PutGrant(wrong)]).is_err(), "{what}");
    }
}

pub async fn emergency_accesses_are_listed_and_counted_by_whether_they_are_open_and_reviewed<S: Store>(
    mut shelf: Shelf<S>,
) {
    for (number, holder, ends, is_closed, is_reviewed) in [
        (1, 1, 4, false, false),
        (2, 1, 3, true, false),
        (3, 2, 3, false, true),
        (4, 2, 5, true, true),
        (5, 1, 5, false, false),
    ] {
        let one = BreakGlass {
            ends_at: at(ends),
            closed: if is_closed { closed(at(2)) } else { None },
            reviewed: if is_reviewed { reviewed(3, at(6)) } else { None },
            ..break_glass(number, person(holder))
        };
        assert_eq!(shelf.apply(&[Change::PutBreakGlass(one)]), Applied::Yes);
    }
    let list = async |filter, after: Option<u8>, limit| {
        let after = after.map(|number| BreakGlassId::from_bytes([number; 16]));
        let found = shelf.store.list_break_glass(filter, Page { after, limit }).await.unwrap();
        found.into_iter().map(|found| found.id.as_bytes()[0]).collect::<Vec<_>>()
    };
    let of = |open, reviewed, holder: Option<u8>, day| BreakGlassFilter {
        open,
        reviewed,
        holder: holder.map(person),
        now: at(day),
    };
    for (filter, expected) in [
        (of(None, None, None, 1), vec![1, 2, 3, 4, 5]),
        (of(Some(true), None, None, 1), vec![1, 2, 3, 4, 5]),
        (of(Some(true), None, None, 2), vec![1, 3, 5]),
        (of(Some(true), None, None, 3), vec![1, 5]),
        (of(Some(false), None, None, 3), vec![2, 3, 4]),
        (of(None, Some(false), None, 9), vec![1, 2, 5]),
        (of(None, Some(true), None, 9), vec![3, 4]),
        (of(Some(false), Some(false), None, 4), vec![1, 2]),
        (of(Some(true), Some(false), None, 4), vec![5]),
        (of(None, None, Some(1), 1), vec![1, 2, 5]),
        (of(Some(true), None, Some(1), 4), vec![5]),
        (of(None, Some(true), Some(1), 4), vec![]),
        (of(Some(false), Some(true), Some(2), 4), vec![3, 4]),
    ] {
        assert_eq!(list(filter, None, 9).await, expected, "{filter:?}");
    }
    assert_eq!(list(of(None, None, None, 1), Some(2), 2).await, [3, 4]);
    assert_eq!(list(of(None, Some(false), None, 1), Some(1), 1).await, [2]);
    assert_eq!(list(of(None, None, Some(1), 1), Some(2), 9).await, [5]);
    for (day, open) in [(1, 5), (2, 3), (3, 2), (4, 1), (5, 0)] {
        let counted = shelf.store.count_break_glass(at(day)).await.unwrap();
        assert_eq!(counted, BreakGlassCount { open, unreviewed: 3 }, "{day}");
    }
}
