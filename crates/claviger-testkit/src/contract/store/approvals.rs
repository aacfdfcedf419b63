//! What others must approve, and the rules of the deployment.

use claviger_core::alert::AlertRule;
use claviger_core::approval::{Approval, DoneStep, Ended, Outcome, SeenRow, Verdict};
use claviger_core::change::{Change, Expectation, Row};
use claviger_core::key::{DataClass, KeyRing, RingPolicy};
use claviger_core::object::Object;
use claviger_core::port::Store;
use claviger_core::port::store::{Applied, ApprovalFilter, Page};
use claviger_core::principal::{Principal, PrincipalKind};
use claviger_core::reason::{ReasonRecord, TextAtRest};
use claviger_core::{
    Action, ApprovalId, DeclarationId, Governance, GovernanceId, KeyId, KeyVersionId, PrincipalId, ReasonId,
    Timestamp,
};

use super::shelf::{Shelf, alert, approval, at, break_glass, decided, review};

const TAG: [u8; 32] = [7; 32];

fn person(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([number; 16])
}

fn ended(outcome: Outcome, when: Timestamp) -> Option<Ended> {
    Some(Ended { outcome, at: when, by: person(1) })
}

pub async fn an_approval_comes_back_with_what_was_decided_and_ends_once<S: Store>(mut shelf: Shelf<S>) {
    let asked = approval(1, person(1), TAG);
    let find = async |shelf: &Shelf<S>| shelf.store.find_approval(asked.id).await.unwrap();
    assert_eq!(find(&shelf).await, None);
    assert_eq!(shelf.apply(&[Change::PutApproval(asked.clone())]), Applied::Yes);
    let mut stored = Approval { revision: 1, ..asked.clone() };
    assert_eq!(find(&shelf).await.as_ref(), Some(&stored));
    for number in [2, 3] {
        let mut next = stored.clone();
        next.decisions.push(decided(number, Verdict::Approve, at(2)));
        assert_eq!(shelf.apply(&[Change::PutApproval(next.clone())]), Applied::Yes);
        // Whoever decided on the row before has lost.
        assert_eq!(shelf.apply(&[Change::PutApproval(stored)]), Applied::Conflict);
        stored = Approval { revision: next.revision + 1, ..next };
        assert_eq!(find(&shelf).await.as_ref(), Some(&stored));
    }
    let other = Approval { asked: vec![1], ..stored.clone() };
    assert!(shelf.journal.apply(&[Change::PutApproval(other)]).is_err(), "what was asked for is fixed");
    let without = Approval { decisions: Vec::new(), ..stored.clone() };
    assert!(shelf.journal.apply(&[Change::PutApproval(without)]).is_err(), "a decision is taken back");
    let done = Approval { ended: ended(Outcome::Executed, at(3)), ..stored };
    assert_eq!(shelf.apply(&[Change::PutApproval(done.clone())]), Applied::Yes);
    let done = Approval { revision: done.revision + 1, ..done };
    assert_eq!(find(&shelf).await.as_ref(), Some(&done));
    let again = Approval { ended: ended(Outcome::Cancelled, at(4)), ..done };
    assert!(shelf.journal.apply(&[Change::PutApproval(again)]).is_err(), "it ends once");
}

pub async fn one_approval_of_a_request_is_open_and_it_is_found_before_those_that_ended<S: Store>(
    mut shelf: Shelf<S>,
) {
    let find = async |shelf: &Shelf<S>, by: u8| {
        let found = shelf.store.find_approval_by_tag(person(by), &TAG).await.unwrap();
        found.map(|found| (found.id, found.ended.is_some()))
    };
    let id = |number: u8| ApprovalId::from_bytes([number; 16]);
    assert_eq!(find(&shelf, 1).await, None);
    assert_eq!(shelf.apply(&[Change::PutApproval(approval(9, person(1), TAG))]), Applied::Yes);
    assert_eq!((find(&shelf, 1).await, find(&shelf, 2).await), (Some((id(9), false)), None));
    let second = Approval { requested_at: at(5), expires_at: at(9), ..approval(2, person(1), TAG) };
    assert_eq!(shelf.apply(&[Change::PutApproval(second.clone())]), Applied::Conflict);
    // Others may ask for the same, and the same one for something else.
    for (number, by, tag) in [(3, 2, TAG), (4, 1, [8; 32])] {
        let other = approval(number, person(by), tag);
        assert_eq!(shelf.apply(&[Change::PutApproval(other)]), Applied::Yes);
    }
    // What ends makes room for the next in the same set.
    let expired =
        Approval { ended: ended(Outcome::Expired, at(8)), revision: 1, ..approval(9, person(1), TAG) };
    let changes = [expired, second.clone()].map(Change::PutApproval);
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    assert_eq!(find(&shelf, 1).await, Some((id(2), false)));
    let over = Approval { ended: ended(Outcome::Moved, at(6)), revision: 1, ..second };
    assert_eq!(shelf.apply(&[Change::PutApproval(over)]), Applied::Yes);
    assert_eq!(find(&shelf, 1).await, Some((id(2), true)), "the newest of those that ended");
    // A clock that was set back hides none that is open.
    let early = Approval { requested_at: at(0), ..approval(5, person(1), TAG) };
    assert_eq!(shelf.apply(&[Change::PutApproval(early)]), Applied::Yes);
    assert_eq!(find(&shelf, 1).await, Some((id(5), false)));
}

pub async fn approvals_are_listed_and_counted_by_whether_they_are_open<S: Store>(mut shelf: Shelf<S>) {
    for (number, by, last) in [(1, 1, 8), (2, 1, 20), (3, 2, 20), (4, 1, 20)] {
        let asked = Approval { expires_at: at(last), ..approval(number, person(by), [number; 32]) };
        assert_eq!(shelf.apply(&[Change::PutApproval(asked.clone())]), Applied::Yes);
        if number == 4 {
            let over = Approval { ended: ended(Outcome::Cancelled, at(2)), revision: 1, ..asked };
            assert_eq!(shelf.apply(&[Change::PutApproval(over)]), Applied::Yes);
        }
    }
    let list = async |filter: ApprovalFilter, after: Option<u8>, limit| {
        let after = after.map(|number| ApprovalId::from_bytes([number; 16]));
        let found = shelf.store.list_approvals(filter, Page { after, limit }).await.unwrap();
        found.into_iter().map(|found| found.id.as_bytes()[0]).collect::<Vec<_>>()
    };
    let of = |open, by: Option<u8>, now| ApprovalFilter { open, requester: by.map(person), now };
    for (open, by, now, expected) in [
        (None, None, at(2), vec![1, 2, 3, 4]),
        (None, Some(1), at(2), vec![1, 2, 4]),
        (Some(true), None, at(2), vec![1, 2, 3]),
        (Some(true), None, at(8), vec![2, 3]),
        (Some(true), Some(1), at(2), vec![1, 2]),
        (Some(true), Some(1), at(8), vec![2]),
        (Some(false), None, at(2), vec![4]),
        (Some(false), None, at(8), vec![1, 4]),
        (Some(false), Some(1), at(8), vec![1, 4]),
        (Some(false), Some(2), at(8), vec![]),
        // Whatever was not ended, expired or not.
        (Some(true), None, Timestamp::default(), vec![1, 2, 3]),
    ] {
        assert_eq!(list(of(open, by, now), None, 9).await, expected, "{open:?} {by:?} {now:?}");
    }
    assert_eq!(list(of(Some(true), None, at(2)), Some(1), 1).await, [2]);
    assert_eq!(list(of(None, Some(1), at(2)), Some(1), 9).await, [2, 4]);
    for (by, now, expected) in [(1, at(2), 2), (1, at(8), 1), (2, at(2), 1), (3, at(2), 0)] {
        assert_eq!(shelf.store.count_open_approvals(person(by), now).await.unwrap(), expected);
    }
}

pub async fn the_rules_of_the_deployment_are_one_row<S: Store>(mut shelf: Shelf<S>) {
    assert_eq!(shelf.store.find_governance().await.unwrap(), None);
    let first = Governance::of_new_deployment(person(1), at(1));
    assert_eq!(shelf.apply(&[Change::PutGovernance(first.clone())]), Applied::Yes);
    let stored = Governance { revision: 1, ..first.clone() };
    assert_eq!(shelf.store.find_governance().await.unwrap(), Some(stored.clone()));
    assert_eq!(shelf.apply(&[Change::PutGovernance(first)]), Applied::Conflict);
    let next = Governance {
        quorum: 0,
        human_grant_lifetime: None,
        compromise_burst: 3,
        set_by: person(2),
        set_at: at(2),
        ..stored
    };
    assert_eq!(shelf.apply(&[Change::PutGovernance(next.clone())]), Applied::Yes);
    let stored = Governance { revision: 2, ..next };
    assert_eq!(shelf.store.find_governance().await.unwrap(), Some(stored.clone()));
    let unsound = Governance { quorum: 33, ..stored };
    assert!(shelf.journal.apply(&[Change::PutGovernance(unsound)]).is_err());
}

pub async fn rows_that_an_approval_rests_on_are_compared_in_the_commit<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let asked = approval(1, person(1), TAG);
    let rules = Governance::of_new_deployment(person(1), at(1));
    let reason = reason(3, person(1), Action::UpdateRing, at(1));
    let changes = [
        Change::PutApproval(asked.clone()),
        Change::PutGovernance(rules.clone()),
        Change::PutReason(reason.clone()),
        Change::PutReview(review(1)),
        Change::PutAlert(alert(1, AlertRule::JobOverdue, None)),
        Change::PutBreakGlass(break_glass(1, person(1))),
    ];
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let version = KeyVersionId { key: key.id, number: 1 };
    let missing = KeyVersionId { key: key.id, number: 9 };
    // A use that is counted changes nothing of it.
    assert_eq!(shelf.apply(&[Change::CountUses { version, uses: 3 }]), Applied::Yes);
    for (row, revision) in [
        (Row::Approval(asked.id), 1),
        (Row::Governance(GovernanceId::ONLY), 1),
        (Row::Reason(reason.id), 1),
        (Row::Version(version), 1),
        (Row::Version(missing), 0),
        (Row::Declaration(DeclarationId::from_bytes([1; 16])), 0),
        (Row::Review(review(1).id), 1),
        (Row::Alert(alert(1, AlertRule::JobOverdue, None).id), 1),
        (Row::BreakGlass(break_glass(1, person(1)).id), 1),
        (Row::Review(review(2).id), 0),
        (Row::Alert(alert(2, AlertRule::JobOverdue, None).id), 0),
        (Row::BreakGlass(break_glass(2, person(1)).id), 0),
    ] {
        assert_eq!(shelf.expect(Expectation::Revision { row, revision }), Applied::Yes, "{row:?}");
        let revision = revision + 1;
        assert_eq!(shelf.expect(Expectation::Revision { row, revision }), Applied::Conflict, "{row:?}");
    }
    // Compared as they were before the set.
    let row = Row::Governance(GovernanceId::ONLY);
    let moved = Change::PutGovernance(Governance { quorum: 1, revision: 1, ..rules });
    let expect = |revision| Change::Expect(Expectation::Revision { row, revision });
    assert_eq!(shelf.apply(&[moved.clone(), expect(2)]), Applied::Conflict);
    assert_eq!(shelf.apply(&[moved, expect(1)]), Applied::Yes);
    assert_eq!(shelf.apply(&[expect(2)]), Applied::Yes);
}

pub async fn whose_account_it_is_and_how_a_ring_gives_grants_comes_back<S: Store>(mut shelf: Shelf<S>) {
    let first = shelf.principal(1, PrincipalKind::Human);
    let second = Principal {
        id: person(2),
        name: "second".parse().unwrap(),
        same_person_as: Some(first.id),
        revision: 0,
        ..first.clone()
    };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(second.clone())]), Applied::Yes);
    let stored = shelf.store.find_principal(second.id).await.unwrap().unwrap();
    assert_eq!(stored, Principal { revision: 1, ..second });
    assert_eq!(stored.person(), first.person());
    let changed = Principal { same_person_as: None, ..stored };
    assert!(shelf.journal.apply(&[Change::PutPrincipal(changed)]).is_err(), "whose account it is is fixed");

    let id = shelf.ring(1, None);
    let ring = shelf.store.find_ring(id).await.unwrap().unwrap();
    assert!(!ring.policy.grants_under_quorum);
    let policy = RingPolicy {
        grants_under_quorum: true,
        data_class: Some(DataClass::Cardholder),
        ..ring.policy.clone()
    };
    assert_eq!(shelf.apply(&[Change::PutRing(KeyRing { policy: policy.clone(), ..ring })]), Applied::Yes);
    assert_eq!(shelf.store.find_ring(id).await.unwrap().unwrap().policy, policy);
    let key = shelf.key(id, 3, |_| {});
    assert_eq!(shelf.store.find_key(key.id).await.unwrap().unwrap().ring.policy, policy);
}

fn reason(number: u8, given_by: PrincipalId, action: Action, given_at: Timestamp) -> ReasonRecord {
    ReasonRecord {
        id: ReasonId::from_bytes([number; 16]),
        action,
        code: None,
        text: TextAtRest::Sealed(vec![number; 40]),
        given_by,
        given_at,
        erasure: None,
        revision: 0,
    }
}

pub async fn compromises_are_counted_by_the_person_who_declared_them<S: Store>(mut shelf: Shelf<S>) {
    let first = shelf.principal(1, PrincipalKind::Human);
    let second = Principal {
        id: person(2),
        name: "second".parse().unwrap(),
        same_person_as: Some(first.id),
        revision: 0,
        ..first.clone()
    };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(second)]), Applied::Yes);
    let other = shelf.principal(3, PrincipalKind::Human);
    let given = [
        reason(11, first.id, Action::CompromiseKey, at(1)),
        reason(12, first.id, Action::CompromiseKey, at(2)),
        reason(13, first.id, Action::SuspendKey, at(2)),
        reason(14, person(2), Action::CompromiseVersion, at(3)),
        reason(15, other.id, Action::CompromiseKey, at(3)),
    ];
    assert_eq!(shelf.apply(&given.map(Change::PutReason)), Applied::Yes);
    for (who, since, count) in
        [(first.id, 1, 3), (first.id, 2, 2), (first.id, 4, 0), (other.id, 1, 1), (person(9), 0, 0)]
    {
        assert_eq!(shelf.store.count_compromised_by(who, at(since)).await.unwrap(), count, "{since}");
    }
}

pub async fn steps_of_a_plan_that_were_done_come_back_and_none_is_taken_back<S: Store>(mut shelf: Shelf<S>) {
    let asked = Approval { action: Action::ApplyPlan, quorum: 1, ..approval(1, person(1), TAG) };
    assert_eq!(shelf.apply(&[Change::PutApproval(asked.clone())]), Applied::Yes);
    let object = asked.rows[0].object;
    let done = |step, revision| DoneStep { step, moved: vec![SeenRow { object, revision }] };
    let early = Approval { done: vec![done(0, 2)], revision: 1, ..asked.clone() };
    assert!(shelf.journal.apply(&[Change::PutApproval(early)]).is_err(), "nobody has approved it");
    let approved = decided(2, Verdict::Approve, at(2));
    let approved = Approval { decisions: vec![approved], revision: 1, ..asked };
    assert_eq!(shelf.apply(&[Change::PutApproval(approved.clone())]), Applied::Yes);

    let mut stored = Approval { revision: 2, ..approved };
    for (step, revision) in [(0, 2), (1, 3)] {
        let mut next = stored.clone();
        next.done.push(done(step, revision));
        assert_eq!(shelf.apply(&[Change::PutApproval(next.clone())]), Applied::Yes);
        assert_eq!(shelf.apply(&[Change::PutApproval(stored)]), Applied::Conflict);
        stored = Approval { revision: next.revision + 1, ..next };
        let found = shelf.store.find_approval(stored.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&stored));
        assert_eq!(stored.expected(object), Some(revision));
    }
    let key = Object::Key(KeyId::from_bytes([9; 16]));
    let foreign = DoneStep { step: 2, moved: vec![SeenRow { object: key, revision: 1 }] };
    for wrong in [
        // Taken back, done otherwise, done again, one left out, and with a row that nobody was shown.
        vec![done(0, 2)],
        vec![done(0, 2), done(1, 4)],
        vec![done(0, 2), done(1, 3), done(1, 4)],
        vec![done(0, 2), done(1, 3), done(3, 4)],
        vec![done(0, 2), done(1, 3), foreign],
    ] {
        let wrong = Approval { done: wrong, ..stored.clone() };
        assert!(shelf.journal.apply(&[Change::PutApproval(wrong.clone())]).is_err(), "{:?}", wrong.done);
    }
    let over = Approval { ended: ended(Outcome::Executed, at(3)), ..stored };
    assert_eq!(shelf.apply(&[Change::PutApproval(over.clone())]), Applied::Yes);
    let mut late = Approval { revision: over.revision + 1, ..over };
    late.done.push(done(2, 4));
    assert!(shelf.journal.apply(&[Change::PutApproval(late)]).is_err(), "it has ended");
    // Nothing but a plan has steps.
    let other = Approval { done: vec![done(0, 2)], quorum: 1, ..approval(2, person(1), [8; 32]) };
    let other = Approval { decisions: vec![decided(2, Verdict::Approve, at(2))], ..other };
    assert!(shelf.journal.apply(&[Change::PutApproval(other)]).is_err());
}
