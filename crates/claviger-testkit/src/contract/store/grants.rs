//! Grants, and what sets of changes expect of the rows around them.

use claviger_core::change::{Change, Expectation, Row};
use claviger_core::grant::{Basis, EndedBy, Grant, GrantOrigin, MAX_ALIKE, MAX_NAME_SETS, Selector};
use claviger_core::key::{KeyRing, RingPolicy, Separation};
use claviger_core::lineage::{How, Wanted};
use claviger_core::port::Store;
use claviger_core::port::store::{Applied, GrantFilter, GrantQuery, GrantRoom, MixedUse, Page};
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::{Action, CredentialId, GrantId};

use super::shelf::{Shelf, at, grant, numbered, revoked};

pub async fn a_set_whose_expectation_does_not_hold_is_a_conflict_and_leaves_nothing<S: Store>(
    mut shelf: Shelf<S>,
) {
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

pub async fn the_strictest_use_of_a_principal_is_that_of_its_active_grants<S: Store>(mut shelf: Shelf<S>) {
    let (strict, relaxed) = (shelf.ring(1, None), shelf.relaxed_ring(2));
    let key = shelf.key(strict, 1, |_| {});
    let (person, other) =
        (shelf.principal(1, PrincipalKind::Human), shelf.principal(2, PrincipalKind::Human));
    let within = |strictest| Expectation::UsesWithin { principal: person.id, strictest };
    let all = [None, Some(Separation::Relaxed), Some(Separation::Strict)];
    let check = async |shelf: &mut Shelf<S>, strictest| {
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

pub async fn a_mixed_use_is_found_by_role_or_by_what_a_grant_gives_of_active_principals_only<S: Store>(
    mut shelf: Shelf<S>,
) {
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

    let with_role = Principal { roles: vec![Role::Administrator], ..ada.clone() };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(with_role.clone())]), Applied::Yes);
    let found = MixedUse { principal: ada.id, administers: false };
    assert_eq!(shelf.store.find_mixed_use(ring.id).await.unwrap(), Some(found));
    assert_eq!(shelf.expect(none), Applied::Conflict);
    let gone = Principal { status: Status::Revoked, revision: 2, ..with_role };
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

pub async fn what_a_grant_rests_on_comes_back_with_its_chain_and_is_fixed<S: Store>(mut shelf: Shelf<S>) {
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
    let verdict = async |shelf: &Shelf<S>| {
        let wanted = Wanted::of([&stored]).unwrap();
        shelf.store.load_lineage(wanted).await.unwrap().judge(at(2)).verdict(&stored)
    };
    assert_eq!(verdict(&shelf).await.honoured().unwrap().depth, 2);
    let of_policy = GrantFilter { key: Some(key.id), of_policy: true, ..GrantFilter::default() };
    let listed = shelf.store.list_grants(of_policy.clone(), Page { after: None, limit: 10 }).await.unwrap();
    assert_eq!(listed.iter().map(|grant| grant.id).collect::<Vec<_>>(), [first.id, second.id]);
    // Who passed it on is revoked: the chain knows.
    let gone = Principal { status: Status::Revoked, ..deploy.clone() };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(gone)]), Applied::Yes);
    assert_eq!(verdict(&shelf).await.ended().unwrap().principal(), Some(deploy.id));
    let ended = Grant { revision: 1, ..first.clone() }.ended(EndedBy::Retirement, at(2), None);
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

pub async fn of_many_grants_a_decision_reads_those_that_its_context_can_meet<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let app = shelf.principal(1, PrincipalKind::Workload);
    let mut ids = Vec::new();
    for number in 0..300 {
        // All share a pair; every fourth asks for a name of its own.
        let (name, value) = (format!("name-{number}"), format!("value-{number}"));
        let own = if number % 4 == 0 { (name.as_str(), "x") } else { ("document", value.as_str()) };
        let given = numbered(number, &app, &key, &[("application", "shop"), own]);
        shelf.give(&given);
        ids.push(given.id);
    }
    for number in [0, 5, 150, 299] {
        let value = format!("value-{number}");
        let name = format!("name-{number}");
        let own = if number % 4 == 0 { (name.as_str(), "x") } else { ("document", value.as_str()) };
        let found = shelf.candidates(&app, &key, &[("application", "shop"), own, ("other", "y")]).await;
        assert_eq!(found, [ids[number as usize]], "{number}");
    }
    let found = shelf.candidates(&app, &key, &[("application", "shop")]).await;
    assert_eq!(found, []);
    // That the key may be known, one of them shows.
    let witnesses = shelf.store.list_witnesses(app.id, Some(key.id), ring).await.unwrap();
    assert!(witnesses.iter().all(|witness| witness.id == witnesses[0].id), "{}", witnesses.len());
    // What was taken back is not found, and what was given to others never was.
    let gone = numbered(5, &app, &key, &[("application", "shop"), ("document", "value-5")]);
    assert_eq!(shelf.apply(&[revoked(&gone)]), Applied::Yes);
    let found = shelf.candidates(&app, &key, &[("application", "shop"), ("document", "value-5")]).await;
    assert!(!found.contains(&gone.id));
    let other = shelf.principal(2, PrincipalKind::Workload);
    assert!(shelf.candidates(&other, &key, &[("application", "shop")]).await.is_empty());
}

pub async fn of_grants_that_differ_in_their_end_only_a_few_are_read_and_among_them_the_one_that_ends_last<
    S: Store,
>(
    mut shelf: Shelf<S>,
) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let app = shelf.principal(1, PrincipalKind::Workload);
    let hour = |number: u32| at(number * 3_600);
    // Once an hour, for thirty hours.
    for number in 0..400 {
        let mut given = numbered(number, &app, &key, &[("a", "1")]);
        (given.created_at, given.conditions.until) = (hour(number), Some(hour(number + 30)));
        shelf.give(&given);
    }
    let last = numbered(399, &app, &key, &[]).id;
    let read = async |now| {
        let query = GrantQuery {
            principal: app.id,
            key: Some(key.id),
            ring,
            actions: vec![Action::Encrypt],
            contexts: vec![vec![("a".to_owned(), "1".to_owned())]],
            now,
        };
        let found = shelf.store.list_candidates(query).await.unwrap().remove(0);
        found.into_iter().map(|grant| grant.id).collect::<Vec<_>>()
    };
    // None is passed over that has not ended, however far back the clock stands.
    for now in [1, 100, 300, 399, 428] {
        let found = read(hour(now)).await;
        assert!(found.contains(&last), "{now}");
        assert!(now < 399 || found.len() <= 32, "{now}: {}", found.len());
    }
    assert_eq!(read(hour(500)).await, []);
    let granted = shelf.store.list_granted(app.id).await.unwrap();
    assert_eq!(granted.iter().map(|grant| grant.id).collect::<Vec<_>>(), [last]);
}

pub async fn grants_that_ended_with_what_they_rested_on_keep_no_new_one_out<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.relaxed_ring(1);
    let key = shelf.key(ring.id, 1, |_| {});
    let [deploy, app] = [1, 2].map(|number| shelf.principal(number, PrincipalKind::Workload));
    let operations = [Action::Encrypt, Action::DelegateGrant];
    let basis = |number: u32| Grant {
        operations: operations.to_vec(),
        ..numbered(1_000_000 + number, &deploy, &key, &[])
    };
    let passed = |number: u32| Grant {
        basis: Basis::Grants(vec![basis(number).id]),
        created_by: deploy.id,
        ..numbered(number, &app, &key, &[("a", "1")])
    };
    // A right for each of many runs, passed on and given up.
    const RUNS: u32 = 500;
    for number in 0..RUNS {
        let (basis, passed) = (basis(number), passed(number));
        if number % 50 == 0 {
            let room = shelf.store.find_grant_room(passed.clone()).await.unwrap();
            assert_eq!(room, GrantRoom::Yes, "{number}");
        }
        let mut changes = vec![Change::PutGrant(basis.clone()), Change::PutGrant(passed.clone())];
        if number < RUNS - 1 {
            let ended = Grant { revision: 1, ..basis }.ended(EndedBy::Retirement, at(2), None);
            changes.push(Change::PutGrant(ended));
        }
        assert_eq!(shelf.apply(&changes), Applied::Yes, "{number}");
        if number % 100 == 0 || number == RUNS - 1 {
            let found = shelf.candidates(&app, &key, &[("a", "1")]).await;
            assert!(found.contains(&passed.id) && found.len() <= MAX_ALIKE + 64, "{number}: {}", found.len());
        }
    }
    // What was set aside is revoked like any other, and is still shown.
    let on_key = GrantFilter { key: Some(key.id), principal: Some(app.id), ..GrantFilter::default() };
    let all = shelf.store.list_grants(on_key.clone(), Page { after: None, limit: 2_000 }).await.unwrap();
    assert_eq!(all.len(), RUNS as usize);
    let revoked: Vec<_> = all
        .into_iter()
        .map(|grant| Change::PutGrant(grant.ended(EndedBy::Revocation, at(3), None)))
        .collect();
    for some in revoked.chunks(100) {
        assert_eq!(shelf.apply(some), Applied::Yes);
    }
    assert_eq!(shelf.store.list_grants(on_key, Page { after: None, limit: 2 }).await.unwrap(), []);
    assert_eq!(shelf.candidates(&app, &key, &[("a", "1")]).await, []);
    assert_eq!(shelf.store.list_granted(app.id).await.unwrap(), []);
    // As many that are honoured, and as many that time ended, are a crowd, and none.
    let whole = basis(5_000);
    shelf.give(&whole);
    let short = |number: u32, until: u32| {
        let mut given = passed(number);
        given.basis = Basis::Grants(vec![whole.id]);
        given.conditions.until = Some(at(until));
        given.conditions.source_networks =
            vec![format!("10.{}.{}.0/24", number / 256, number % 256).parse().unwrap()];
        given
    };
    let mut changes = Vec::new();
    for number in 0..400 {
        changes.push(Grant { created_at: at(2 + number), ..short(10_000 + number, 3 + number) });
    }
    for number in 0..u32::try_from(MAX_ALIKE).unwrap() {
        changes.push(Grant { created_at: at(1_000), ..short(20_000 + number, 5_000) });
    }
    let changes: Vec<_> = changes.into_iter().map(Change::PutGrant).collect();
    for some in changes.chunks(100) {
        assert_eq!(shelf.apply(some), Applied::Yes);
    }
    let one_more = Grant { created_at: at(1_000), ..short(30_000, 5_000) };
    assert_eq!(shelf.store.find_grant_room(one_more).await.unwrap(), GrantRoom::TooManyAlike);
}

pub async fn what_makes_decisions_long_is_bounded<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let app = shelf.principal(1, PrincipalKind::Workload);
    // Sets of names that share each of their pairs with others.
    let mut names = Vec::new();
    for number in 0..MAX_NAME_SETS {
        names.push(format!("n{number}"));
    }
    for (number, name) in (0..).zip(&names) {
        for shared in ["x", "y"] {
            let number = number * 2 + u32::from(shared == "y");
            // The pair of its own is taken by a first grant, so that the next ones crowd together under the shared pair.
            shelf.give(&numbered(number, &app, &key, &[(shared, "1"), (name, "1")]));
        }
    }
    let room = shelf.store.find_grant_room(numbered(9000, &app, &key, &[("x", "1"), ("fresh", "1")])).await;
    assert_eq!(room.unwrap(), GrantRoom::Yes, "a pair of its own is always there to be found by");
    // Grants for one context that differ in their networks.
    let mut alike = Vec::new();
    for number in 0..u32::try_from(MAX_ALIKE).unwrap() {
        let mut given = numbered(10_000 + number, &app, &key, &[("z", "1")]);
        let network = format!("10.{}.{}.0/24", number / 256, number % 256);
        given.conditions.source_networks = vec![network.parse().unwrap()];
        alike.push(Change::PutGrant(given));
    }
    assert_eq!(shelf.apply(&alike), Applied::Yes);
    let mut one_more = numbered(20_000, &app, &key, &[("z", "1")]);
    assert_eq!(shelf.store.find_grant_room(one_more.clone()).await.unwrap(), GrantRoom::TooManyAlike);
    // Those who come at the same moment are let in up to a second bound, and no further.
    let mut more = 0;
    while shelf.apply(&[Change::PutGrant({
        let mut late = numbered(30_000 + more, &app, &key, &[("z", "1")]);
        late.conditions.source_networks =
            vec![format!("11.{}.{}.0/24", more / 256, more % 256).parse().unwrap()];
        late
    })]) == Applied::Yes
    {
        more += 1;
    }
    assert_eq!(more, 64);
    // One that is like another in all that a decision looks at is no one too many.
    one_more.conditions.source_networks = vec!["10.0.7.0/24".parse().unwrap()];
    assert_eq!(shelf.store.find_grant_room(one_more).await.unwrap(), GrantRoom::Yes);
}

pub async fn pages_hold_what_their_filter_takes_in_order<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let (key, other) = (shelf.key(ring, 1, |_| {}), shelf.key(ring, 2, |_| {}));
    let app = shelf.principal(1, PrincipalKind::Workload);
    let friend = shelf.principal(2, PrincipalKind::Workload);
    let retiring = Grant { retiring: Some(friend.id), ..numbered(4, &app, &key, &[]) };
    for given in [
        numbered(1, &app, &key, &[]),
        numbered(2, &friend, &key, &[]),
        numbered(3, &app, &other, &[]),
        retiring,
        Grant { selector: Selector::Ring(ring), ..numbered(5, &app, &key, &[]) },
        numbered(6, &app, &key, &[]),
    ] {
        shelf.give(&given);
    }
    assert_eq!(shelf.apply(&[revoked(&numbered(6, &app, &key, &[]))]), Applied::Yes);
    let number = |id: GrantId| u32::from_be_bytes(id.as_bytes()[..4].try_into().unwrap());
    let all = |filter: GrantFilter, after: Option<u32>, limit| {
        let after = after.map(|number| numbered(number, &app, &key, &[]).id);
        let store = &shelf.store;
        async move {
            let grants = store.list_grants(filter, Page { after, limit }).await.unwrap();
            grants.into_iter().map(|grant| number(grant.id)).collect::<Vec<_>>()
        }
    };
    let none = GrantFilter::default();
    let on_key = GrantFilter { key: Some(key.id), ..none.clone() };
    assert_eq!(all(none.clone(), None, 10).await, [1, 2, 3, 4, 5]);
    assert_eq!(all(none.clone(), Some(2), 2).await, [3, 4]);
    assert_eq!(all(GrantFilter { with_revoked: true, ..none.clone() }, Some(3), 10).await, [4, 5, 6]);
    assert_eq!(all(on_key.clone(), None, 10).await, [1, 2, 4, 5]);
    assert_eq!(all(on_key.clone(), Some(1), 2).await, [2, 4]);
    let of_app = GrantFilter { principal: Some(app.id), ..on_key.clone() };
    assert_eq!(all(of_app.clone(), None, 10).await, [1, 4, 5]);
    assert_eq!(all(GrantFilter { with_revoked: true, ..of_app }, None, 10).await, [1, 4, 5, 6]);
    assert_eq!(all(GrantFilter { principal: Some(app.id), ..none.clone() }, None, 10).await, [1, 3, 4, 5]);
    assert_eq!(all(GrantFilter { ring: Some(ring), ..none.clone() }, None, 10).await, [5]);
    assert_eq!(all(GrantFilter { retiring: Some(friend.id), ..none }, None, 10).await, [4]);
}

pub async fn the_same_grant_is_found_by_its_name_and_terms<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let app = shelf.principal(1, PrincipalKind::Workload);
    let named = |number, name: &str| Grant { name: Some(name.into()), ..numbered(number, &app, &key, &[]) };
    shelf.give(&named(1, "a"));
    shelf.give(&named(2, "b"));
    let same = shelf.store.find_same_grant(named(9, "a")).await.unwrap().unwrap();
    assert_eq!(same.id, named(1, "a").id);
    let other = Grant { operations: vec![Action::Decrypt], ..named(9, "a") };
    assert_eq!(shelf.store.find_same_grant(other).await.unwrap(), None);
    let retired = Grant { retiring: Some(app.id), ..named(9, "a") };
    assert_eq!(shelf.store.find_same_grant(retired).await.unwrap(), None);
    let passed_on = Grant { basis: Basis::Grants(vec![named(2, "b").id]), ..named(9, "a") };
    assert_eq!(shelf.store.find_same_grant(passed_on).await.unwrap(), None);
    assert_eq!(shelf.apply(&[revoked(&named(1, "a"))]), Applied::Yes);
    assert_eq!(shelf.store.find_same_grant(named(9, "a")).await.unwrap(), None);
}
