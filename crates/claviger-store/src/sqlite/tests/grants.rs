//! Grants, and what sets of changes expect of the rows around them.

use claviger_core::change::{Change, Expectation, Row};
use claviger_core::grant::{Conditions, Grant, Selector};
use claviger_core::key::{KeyRing, RingPolicy, Separation};
use claviger_core::port::store::{Applied, MixedUse};
use claviger_core::principal::{Principal, PrincipalKind, Role, Standing};
use claviger_core::{Action, CredentialId, GrantId, KeyRingId, PrincipalId};

use super::*;

impl Shelf {
    pub(super) fn principal(&mut self, number: u8, kind: PrincipalKind) -> Principal {
        let principal = Principal {
            id: PrincipalId::from_bytes([number; 16]),
            name: format!("principal-{number}").parse().unwrap(),
            kind,
            standing: Standing::Active,
            roles: Vec::new(),
            home: None,
            subject_key: vec![1],
            created_at: at(0),
            revision: 0,
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
        standing: Standing::Active,
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
