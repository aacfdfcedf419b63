//! Grants, and what sets of changes expect of the rows around them.

use claviger_core::change::{Change, Expectation, Row};
use claviger_core::grant::{Basis, Conditions, EndedBy, Grant, GrantOrigin, Selector};
use claviger_core::key::{KeyRing, RingPolicy, Separation};
use claviger_core::lineage::{How, Wanted};
use claviger_core::port::store::{Applied, GrantFilter, MixedUse, Page};
use claviger_core::principal::{Principal, PrincipalKind, Role, Standing};
use claviger_core::{Action, CredentialId, GrantId, KeyRingId, PrincipalId};

use super::*;

impl Shelf {
    pub(super) fn principal(&mut self, number: u8, kind: PrincipalKind) -> Principal {
        let principal = Principal {
            subject_key: vec![1],
            ..Principal::new(
                PrincipalId::from_bytes([number; 16]),
                format!("principal-{number}").parse().unwrap(),
                kind,
                at(0),
            )
        };
        assert_eq!(self.apply(&[Change::PutPrincipal(principal.clone())]), Applied::Yes);
        Principal { revision: 1, ..principal }
    }

    fn relaxed_ring(&mut self, number: u8) -> KeyRing {
        let ring = KeyRing {
            id: KeyRingId::from_bytes([number; 16]),
            name: format!("ring-{number}").parse().unwrap(),
            policy: RingPolicy { separation: Separation::Relaxed, ..RingPolicy::default() },
            kek: vec![1],
            created_at: at(0),
            revision: 0,
        };
        assert_eq!(self.apply(&[Change::PutRing(ring.clone())]), Applied::Yes);
        KeyRing { revision: 1, ..ring }
    }

    fn expect(&mut self, expected: Expectation) -> Applied {
        self.apply(&[Change::Expect(expected)])
    }
}

pub(super) fn grant(number: u8, principal: &Principal, selector: Selector, operations: &[Action]) -> Grant {
    Grant {
        id: GrantId::from_bytes([number; 16]),
        principal: principal.id,
        selector,
        operations: operations.to_vec(),
        conditions: Conditions::default(),
        reason: "test".into(),
        name: None,
        retiring: None,
        created_by: PrincipalId::from_bytes([9; 16]),
        created_at: at(1),
        basis: Basis::Role,
        origin: GrantOrigin::Direct,
        standing: Standing::Active,
        ending: None,
        revision: 0,
    }
}

fn revoked(grant: &Grant) -> Change {
    Change::PutGrant(Grant { standing: Standing::Revoked, revision: 1, ..grant.clone() })
}

#[tokio::test]
async fn a_set_whose_expectation_does_not_hold_is_a_conflict_and_leaves_nothing() {
    let mut shelf = Shelf::new();
    let ring = shelf.ring(1, None);
    let app = shelf.principal(1, PrincipalKind::Workload);
    let of = |row, revision| Change::Expect(Expectation::Revision { row, revision });
    let given = |number| Change::PutGrant(grant(number, &app, Selector::Ring(ring), &[Action::Encrypt]));
    assert_eq!(shelf.apply(&[given(1), of(Row::Ring(ring), 1), of(Row::Principal(app.id), 1)]), Applied::Yes);
    assert_eq!(shelf.apply(&[given(2), of(Row::Ring(ring), 2)]), Applied::Conflict);
    assert_eq!(shelf.apply(&[given(2), of(Row::Principal(app.id), 0)]), Applied::Conflict);
    assert_eq!(shelf.store.find_grant(GrantId::from_bytes([2; 16])).await.unwrap(), None);
    // What was compared was not written.
    assert_eq!(shelf.store.find_ring(ring).await.unwrap().unwrap().revision, 1);
    assert_eq!(shelf.store.find_principal(app.id).await.unwrap().unwrap().revision, 1);
    // A row that is not there, one that is, and rows that the same set writes.
    let absent = GrantId::from_bytes([3; 16]);
    assert_eq!(shelf.apply(&[of(Row::Grant(absent), 0)]), Applied::Yes);
    assert_eq!(shelf.apply(&[of(Row::Grant(absent), 1)]), Applied::Conflict);
    assert_eq!(shelf.apply(&[given(3), of(Row::Grant(absent), 0)]), Applied::Yes);
    assert_eq!(shelf.apply(&[of(Row::Grant(absent), 1)]), Applied::Yes);
    let key = shelf.key(ring, 1, |_| {});
    assert_eq!(shelf.apply(&[of(Row::Key(key.id), 1)]), Applied::Yes);
    assert_eq!(shelf.apply(&[of(Row::Key(key.id), 2)]), Applied::Conflict);
    assert_eq!(shelf.apply(&[of(Row::Credential(CredentialId::from_bytes([1; 16])), 1)]), Applied::Conflict);
}

#[tokio::test]
async fn the_strictest_use_of_a_principal_is_that_of_its_active_grants() {
    let mut shelf = Shelf::new();
    let (strict, relaxed) = (shelf.ring(1, None), shelf.relaxed_ring(2));
    let key = shelf.key(strict, 1, |_| {});
    let (person, other) =
        (shelf.principal(1, PrincipalKind::Human), shelf.principal(2, PrincipalKind::Human));
    let within = |strictest| Expectation::UsesWithin { principal: person.id, strictest };
    let all = [None, Some(Separation::Relaxed), Some(Separation::Strict)];
    let check = async |shelf: &mut Shelf, strictest| {
        assert_eq!(shelf.store.find_strictest_use(person.id).await.unwrap(), strictest);
        for most in all {
            let expected = if strictest <= most { Applied::Yes } else { Applied::Conflict };
            assert_eq!(shelf.expect(within(most)), expected, "{strictest:?} within {most:?}");
        }
    };
    check(&mut shelf, None).await;
    let foreign = grant(1, &other, Selector::Key(key.id), &[Action::Encrypt]);
    shelf.apply(&[Change::PutGrant(foreign)]);
    check(&mut shelf, None).await;
    for number in 2..5 {
        let loose = grant(number, &person, Selector::Ring(relaxed.id), &[Action::Encrypt]);
        assert_eq!(shelf.apply(&[Change::PutGrant(loose)]), Applied::Yes);
    }
    check(&mut shelf, Some(Separation::Relaxed)).await;
    let on_strict = grant(5, &person, Selector::Key(key.id), &[Action::Encrypt]);
    assert_eq!(shelf.apply(&[Change::PutGrant(on_strict.clone())]), Applied::Yes);
    check(&mut shelf, Some(Separation::Strict)).await;
    assert_eq!(shelf.apply(&[revoked(&on_strict)]), Applied::Yes);
    check(&mut shelf, Some(Separation::Relaxed)).await;
    // The ring becomes strict: all grants on it are, from that moment.
    let policy = RingPolicy { separation: Separation::Strict, ..relaxed.policy.clone() };
    assert_eq!(shelf.apply(&[Change::PutRing(KeyRing { policy, ..relaxed })]), Applied::Yes);
    check(&mut shelf, Some(Separation::Strict)).await;
}

#[tokio::test]
async fn a_mixed_use_is_found_by_role_or_by_what_a_grant_gives_of_active_principals_only() {
    let mut shelf = Shelf::new();
    let (ring, other) = (shelf.relaxed_ring(1), shelf.relaxed_ring(2));
    let key = shelf.key(ring.id, 1, |_| {});
    let app = shelf.principal(1, PrincipalKind::Workload);
    let ada = shelf.principal(2, PrincipalKind::Human);
    let none = Expectation::NoMixedUse { ring: ring.id };
    let on_key = Selector::Key(key.id);
    for (number, who, on, operations) in [
        (1, &app, on_key, &[Action::Encrypt][..]),
        (2, &ada, on_key, &[Action::Encrypt]),
        (3, &app, Selector::Ring(other.id), &[Action::RotateKey]),
    ] {
        assert_eq!(shelf.apply(&[Change::PutGrant(grant(number, who, on, operations))]), Applied::Yes);
    }
    assert_eq!(shelf.store.find_mixed_use(ring.id).await.unwrap(), None);
    assert_eq!(shelf.expect(none), Applied::Yes);

    let in_office = Principal { roles: vec![Role::Administrator], ..ada.clone() };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(in_office.clone())]), Applied::Yes);
    let found = MixedUse { principal: ada.id, administers: false };
    assert_eq!(shelf.store.find_mixed_use(ring.id).await.unwrap(), Some(found));
    assert_eq!(shelf.expect(none), Applied::Conflict);
    let gone = Principal { standing: Standing::Revoked, revision: 2, ..in_office };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(gone)]), Applied::Yes);
    assert_eq!(shelf.expect(none), Applied::Yes);

    let administering = grant(4, &app, on_key, &[Action::Encrypt, Action::RotateKey]);
    assert_eq!(shelf.apply(&[Change::PutGrant(administering.clone())]), Applied::Yes);
    let found = MixedUse { principal: app.id, administers: true };
    assert_eq!(shelf.store.find_mixed_use(ring.id).await.unwrap(), Some(found));
    assert_eq!(shelf.expect(none), Applied::Conflict);
    assert_eq!(shelf.apply(&[revoked(&administering)]), Applied::Yes);
    assert_eq!(shelf.expect(none), Applied::Yes);
}

#[tokio::test]
async fn what_a_grant_rests_on_comes_back_with_its_chain_and_is_fixed() {
    let mut shelf = Shelf::new();
    let ring = shelf.relaxed_ring(1);
    let key = shelf.key(ring.id, 1, |_| {});
    let [deploy, shop, cart] = [1, 2, 3].map(|number| shelf.principal(number, PrincipalKind::Workload));
    let all = [Action::Encrypt, Action::DelegateGrant];
    let passed = |number: u8, by: &Principal, to: &Principal, on: &Grant| Grant {
        basis: Basis::Grants(vec![on.id]),
        origin: GrantOrigin::KeyPolicy,
        created_by: by.id,
        ..grant(number, to, Selector::Key(key.id), &all)
    };
    let root = grant(1, &deploy, Selector::Ring(ring.id), &all);
    let first = passed(2, &deploy, &shop, &root);
    let second = passed(3, &shop, &cart, &first);
    for one in [&root, &first, &second] {
        assert_eq!(shelf.apply(&[Change::PutGrant(one.clone())]), Applied::Yes);
    }
    let stored = shelf.store.find_grant(second.id).await.unwrap().unwrap();
    assert_eq!(stored, Grant { revision: 1, ..second.clone() });
    let verdict = async |shelf: &Shelf| {
        let wanted = Wanted::of([&stored]).unwrap();
        shelf.store.load_lineage(wanted).await.unwrap().judge(at(2)).verdict(&stored)
    };
    assert_eq!(verdict(&shelf).await.honoured().unwrap().depth, 2);
    let of_policy = GrantFilter { key: Some(key.id), of_policy: true, ..GrantFilter::default() };
    let listed = shelf.store.list_grants(of_policy.clone(), Page { after: None, limit: 10 }).await.unwrap();
    assert_eq!(listed.iter().map(|grant| grant.id).collect::<Vec<_>>(), [first.id, second.id]);
    // Who passed it on is revoked: the chain knows.
    let gone = Principal { standing: Standing::Revoked, ..deploy.clone() };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(gone)]), Applied::Yes);
    assert_eq!(verdict(&shelf).await.ended().unwrap().principal(), Some(deploy.id));
    let ended = Grant { revision: 1, ..first.clone() }.ended(EndedBy::Retirement, at(2));
    assert_eq!(shelf.apply(&[Change::PutGrant(ended.clone())]), Applied::Yes);
    assert_eq!(shelf.store.find_grant(first.id).await.unwrap(), Some(Grant { revision: 2, ..ended }));
    assert_eq!(verdict(&shelf).await.ended().unwrap().how(), How::Retired);
    let listed = shelf.store.list_grants(of_policy, Page { after: None, limit: 10 }).await.unwrap();
    assert_eq!(listed.iter().map(|grant| grant.id).collect::<Vec<_>>(), [second.id]);
    for changed in [
        Grant { basis: Basis::Role, ..stored.clone() },
        Grant { basis: Basis::Grants(vec![root.id]), ..stored.clone() },
        Grant { origin: GrantOrigin::Direct, ..stored.clone() },
    ] {
        assert!(shelf.journal.apply(&[Change::PutGrant(changed)]).is_err());
    }
}
