//! Rows as the port gives them back.

use claviger_core::alias::{Alias, AliasName, AliasScope};
use claviger_core::capacity::{Capacity, HeldCapacity};
use claviger_core::change::{Change, RingLife};
use claviger_core::declaration::{DeclarationKind, Withdrawal};
use claviger_core::key::{
    Destruction, Key, KeyRecord, KeyRing, KeyVersion, RingPolicy, RotatedKeys, Rotation, State,
};
use claviger_core::log_time::{Step, TimeRecord};
use claviger_core::port::Store;
use claviger_core::port::store::{
    AliasFilter, Applied, Home, Packed, Page, ScheduledDestruction, Ties, UsageRows, UseCounts, VersionUsage,
};
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Status};
use claviger_core::{
    ApprovalId, AssetId, CredentialId, Declaration, DeclarationId, KeyId, KeyRingId, KeyVersionId,
    PrincipalId, Purpose, Spec, Timestamp,
};

use super::shelf::{DAY, Shelf, alias, at, awaiting, material};

const NO_USES: UsageRows<'static> = UsageRows { rows: &[], counted_to: 0 };

pub async fn a_key_comes_back_as_it_was_written_and_its_tombstone_without_material<S: Store>(
    mut shelf: Shelf<S>,
) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |key| {
        key.state = State::Suspended;
        let approval = Some(ApprovalId::from_bytes([7; 16]));
        key.destruction = Some(Destruction { scheduled_at: at(10), at: at(30), approval });
    });
    let record = shelf.store.find_key(key.id).await.unwrap().unwrap();
    assert_eq!(record.key, key);
    assert_eq!(record.versions[0].rotated, Some(Rotation::ByPolicy));
    let gone = record.versions[0].destroyed(at(30)).unwrap();
    let changes = [Change::PutKey(key.destroyed().unwrap()), Change::PutVersion(gone.clone())];
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let tombstone = shelf.store.find_key(key.id).await.unwrap().unwrap();
    assert_eq!((tombstone.key.state, tombstone.key.destruction), (State::Destroyed, None));
    assert_eq!(tombstone.versions, [KeyVersion { revision: 2, ..gone }]);
    // A key that waits cannot be active, whoever asks.
    let destruction = Some(Destruction { scheduled_at: at(40), at: at(60), approval: None });
    let back = Key { state: State::Active, destruction, ..tombstone.key };
    assert!(shelf.journal.apply(&[Change::PutKey(back)]).is_err());
}

pub async fn the_newest_versions_of_a_key_are_at_hand_and_the_primary_one_however_old<S: Store>(
    mut shelf: Shelf<S>,
) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let at_hand = async |shelf: &Shelf<S>| {
        let record = shelf.store.find_key(key.id).await.unwrap().unwrap();
        record.versions.iter().map(|version| version.id.number).collect::<Vec<_>>()
    };
    let first = shelf.store.find_key(key.id).await.unwrap().unwrap().versions.remove(0);
    let mut numbers = vec![1];
    for number in 2..=KeyRecord::AT_HAND + 3 {
        let id = KeyVersionId { key: key.id, number };
        let next =
            KeyVersion { id, state: State::PreActive, activated_at: None, revision: 0, ..first.clone() };
        assert_eq!(shelf.apply(&[Change::PutVersion(next)]), Applied::Yes);
        numbers.push(number);
        let newest = numbers.iter().rev().take(64).rev().copied();
        let expected: Vec<_> = newest.clone().take(1).filter(|n| *n > 1).map(|_| 1).chain(newest).collect();
        assert_eq!(at_hand(&shelf).await, expected, "{number}");
    }
}

pub async fn rotation_is_found_when_it_is_due_and_destruction_in_its_order<S: Store>(mut shelf: Shelf<S>) {
    let (monthly, never) = (shelf.ring(1, Some(DAY * 30)), shelf.ring(2, None));
    let id = |number: u8| KeyId::from_bytes([number; 16]);
    shelf.key(monthly, 1, |_| {});
    shelf.key(monthly, 2, |key| key.rotation_period = Some(DAY * 10));
    shelf.key(monthly, 3, |key| key.state = State::Suspended);
    shelf.key(monthly, 4, |key| key.rotates_from = at(20));
    shelf.key(never, 5, |_| {});
    shelf.key(never, 6, |key| key.rotation_period = Some(DAY * 20));
    // Of what has a public half the ring says nothing, and a key of its own does.
    shelf.key(monthly, 9, |key| (key.purpose, key.spec) = (Purpose::Sign, Spec::EcP256));
    for (number, day) in [(7, 40), (8, 20)] {
        shelf.key(never, number, |key| {
            key.state = State::PreActive;
            key.destruction = Some(Destruction { scheduled_at: at(3), at: at(day), approval: None });
        });
    }
    for (day, rotate) in [
        (9, vec![]),
        (10, vec![id(2)]),
        (20, vec![id(2), id(6)]),
        (30, vec![id(2), id(6), id(1)]),
        (50, vec![id(2), id(6), id(1), id(4)]),
    ] {
        assert_eq!(shelf.store.list_rotation_due(at(day), 10).await.unwrap(), rotate, "day {day}");
    }
    assert_eq!(shelf.store.list_rotation_due(at(50), 3).await.unwrap(), [id(2), id(6), id(1)]);
    let ring = shelf.store.find_ring(monthly).await.unwrap().unwrap();
    let policy = RingPolicy { rotates: RotatedKeys::All, ..ring.policy.clone() };
    assert_eq!(shelf.apply(&[Change::PutRing(KeyRing { policy, ..ring })]), Applied::Yes);
    let due = shelf.store.list_rotation_due(at(30), 10).await.unwrap();
    assert!(due.contains(&id(9)) && due.len() == 4, "{due:?}");
    let scheduled = |number, day| ScheduledDestruction {
        key: id(number),
        ring: never,
        destruction: Destruction { scheduled_at: at(3), at: at(day), approval: None },
    };
    let list =
        async |after, limit| shelf.store.list_scheduled_destructions(Page { after, limit }).await.unwrap();
    assert_eq!(list(None, 10).await, [scheduled(8, 20), scheduled(7, 40)]);
    assert_eq!(list(None, 1).await, [scheduled(8, 20)]);
    assert_eq!(list(Some((at(20), id(8))), 1).await, [scheduled(7, 40)]);
    let life = async |ring| shelf.store.find_ring_life(ring).await.unwrap();
    assert_eq!(life(monthly).await, RingLife { keys: true, scheduled_destructions: false });
    assert_eq!(life(never).await, RingLife { keys: true, scheduled_destructions: true });
}

pub async fn what_a_ring_must_not_have_is_looked_for_in_the_commit<S: Store>(mut shelf: Shelf<S>) {
    let (empty, full) = (shelf.ring(1, None), shelf.ring(2, None));
    shelf.key(full, 1, |_| {});
    let expect = |ring| Change::ExpectNone { ring, unwanted: RingLife { keys: true, ..RingLife::default() } };
    let new = |name: &str, key| Change::PutAlias(alias(name, key));
    let key = shelf.store.find_key(KeyId::from_bytes([1; 16])).await.unwrap().unwrap().key;
    assert_eq!(shelf.apply(&[new("a", &key), expect(full)]), Applied::Conflict);
    assert_eq!(shelf.store.find_alias(&"a".parse().unwrap()).await.unwrap(), None);
    assert_eq!(shelf.apply(&[new("a", &key), expect(empty)]), Applied::Yes);
}

pub async fn time_that_is_remembered_comes_back_and_is_written_from_the_row_as_it_stands<S: Store>(
    mut shelf: Shelf<S>,
) {
    assert_eq!(shelf.store.load_log_time().await.unwrap(), TimeRecord::default());
    let record = TimeRecord {
        snapshot_at: Some(at(3)),
        scanned_at: Some(at(4)),
        evaluated_at: Some(at(5)),
        confirmed_at: Some(at(2)),
        held_at: Some(at(3)),
        steps: vec![Step { hour: 7, micros: 8 }, Step { hour: 9, micros: 10 }],
        revision: 0,
    };
    assert_eq!(shelf.apply(&[Change::PutLogTime(record.clone())]), Applied::Yes);
    assert_eq!(shelf.apply(&[Change::PutLogTime(record.clone())]), Applied::Conflict);
    assert_eq!(shelf.store.load_log_time().await.unwrap(), TimeRecord { revision: 1, ..record });
}

pub async fn an_alias_is_written_only_from_the_row_as_it_stands<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let (first, second) = (shelf.key(ring, 1, |_| {}), shelf.key(ring, 2, |_| {}));
    let made = alias("a", &first);
    assert_eq!(shelf.apply(&[Change::PutAlias(made.clone())]), Applied::Yes);
    assert_eq!(shelf.apply(&[Change::PutAlias(made.clone())]), Applied::Conflict);
    let seen = Alias { revision: 1, ..made.clone() };
    assert_eq!(shelf.store.find_alias(&made.name).await.unwrap(), Some(seen.clone()));
    // Taken away and given anew in between: the same revision, another alias.
    assert_eq!(shelf.apply(&[Change::RemoveAlias(seen.clone())]), Applied::Yes);
    let anew = Alias { created_at: at(2), updated_at: at(2), ..alias("a", &second) };
    assert_eq!(shelf.apply(&[Change::PutAlias(anew.clone())]), Applied::Yes);
    let moved = Alias { key: second.id, ..seen.clone() };
    assert_eq!(shelf.apply(&[Change::PutAlias(moved)]), Applied::Conflict);
    assert_eq!(shelf.apply(&[Change::RemoveAlias(seen)]), Applied::Conflict);
    let now = Alias { revision: 1, ..anew };
    assert_eq!(shelf.store.find_alias(&made.name).await.unwrap(), Some(now.clone()));
    let to_nothing = Alias { key: KeyId::from_bytes([7; 16]), ..now };
    assert_eq!(shelf.apply(&[Change::PutAlias(to_nothing)]), Applied::Conflict);
}

pub async fn a_name_stays_with_its_ring_but_for_an_alias_of_the_deployment<S: Store>(mut shelf: Shelf<S>) {
    let (one, other) = (shelf.ring(1, None), shelf.ring(2, None));
    let (first, second) = (shelf.key(one, 1, |_| {}), shelf.key(other, 2, |_| {}));
    let of_ring = |key: &Key| Alias { scope: AliasScope::Ring, ..alias("a", key) };
    let made = of_ring(&first);
    assert_eq!(shelf.apply(&[Change::PutAlias(made.clone())]), Applied::Yes);
    let seen = Alias { revision: 1, ..made };
    let list = async |shelf: &Shelf<S>, home: Option<KeyRingId>| {
        let filter = AliasFilter { seen_from: Some(Home(home)), ..AliasFilter::default() };
        shelf.store.list_aliases(filter, Page { after: None, limit: 10 }).await.unwrap().len()
    };
    assert_eq!(
        (list(&shelf, Some(one)).await, list(&shelf, Some(other)).await, list(&shelf, None).await),
        (1, 0, 0)
    );
    // Gone, the name is still the ring's.
    assert_eq!(shelf.apply(&[Change::RemoveAlias(seen)]), Applied::Yes);
    assert_eq!(shelf.store.find_alias_owner(&"a".parse().unwrap()).await.unwrap(), Some(one));
    assert_eq!(shelf.apply(&[Change::PutAlias(of_ring(&second))]), Applied::Conflict);
    assert_eq!(shelf.apply(&[Change::PutAlias(alias("a", &second))]), Applied::Yes);
    assert_eq!(shelf.store.find_alias_owner(&"a".parse().unwrap()).await.unwrap(), Some(other));
    assert_eq!((list(&shelf, Some(one)).await, list(&shelf, None).await), (1, 1));
}

pub async fn an_alias_that_reads_as_a_key_of_a_ring_is_found_by_the_name_of_the_ring<S: Store>(
    mut shelf: Shelf<S>,
) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    for name in ["orders", "orders/a/b", "orders/A", "orders-x/a", "orders/", "order/s", "orders/_a"] {
        assert_eq!(shelf.apply(&[Change::PutAlias(alias(name, &key))]), Applied::Yes);
    }
    let found = async |shelf: &Shelf<S>, ring: &str| {
        shelf.store.find_alias_like(&ring.parse().unwrap()).await.unwrap().map(|alias| alias.name.to_string())
    };
    assert_eq!(found(&shelf, "orders").await, None);
    assert_eq!(shelf.apply(&[Change::PutAlias(alias("orders/main_2-x", &key))]), Applied::Yes);
    assert_eq!(found(&shelf, "orders").await.as_deref(), Some("orders/main_2-x"));
    assert_eq!(found(&shelf, "order").await.as_deref(), Some("order/s"));
    assert_eq!(found(&shelf, "other").await, None);
}

pub async fn aliases_are_listed_in_order_and_go_with_their_key<S: Store>(mut shelf: Shelf<S>) {
    let (one, other) = (shelf.ring(1, None), shelf.ring(2, None));
    let (first, second) = (shelf.key(one, 1, |_| {}), shelf.key(other, 2, |_| {}));
    let aliases = [("c", &first), ("a", &second), ("b", &first)];
    let changes: Vec<_> = aliases.iter().map(|(name, key)| Change::PutAlias(alias(name, key))).collect();
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let list = async |shelf: &Shelf<S>, key: Option<KeyId>, ring: Option<KeyRingId>, after: Option<&str>| {
        let page = Page { after: after.map(|name| name.parse::<AliasName>().unwrap()), limit: 2 };
        let found = shelf.store.list_aliases(AliasFilter { key, ring, seen_from: None }, page).await.unwrap();
        found.into_iter().map(|alias| alias.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(&shelf, None, None, None).await, ["a", "b"]);
    assert_eq!(list(&shelf, None, None, Some("b")).await, ["c"]);
    assert_eq!(list(&shelf, Some(first.id), None, None).await, ["b", "c"]);
    assert_eq!(list(&shelf, None, Some(other), None).await, ["a"]);
    assert_eq!(list(&shelf, Some(first.id), Some(other), None).await, Vec::<String>::new());
    // The name that goes with one key is free for the other in the same set.
    let left = shelf.store.list_aliases(
        AliasFilter { key: Some(first.id), ..AliasFilter::default() },
        Page { after: None, limit: 9 },
    );
    let gone = left.await.unwrap().into_iter().map(Change::RemoveAlias);
    let taken = Change::PutAlias(alias("c", &second));
    assert_eq!(shelf.apply(&[taken.clone(), Change::ExpectNoAlias(first.id)]), Applied::Conflict);
    let changes: Vec<_> = [taken, Change::ExpectNoAlias(first.id)].into_iter().chain(gone).collect();
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    assert_eq!(list(&shelf, None, None, None).await, ["a", "c"]);
}

pub async fn a_lost_race_alone_leaves_no_transaction_open<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let key = shelf.key(ring, 1, |_| {});
    let stale = Change::PutKey(Key { revision: 7, ..key.clone() });
    let missing = KeyVersionId { key: key.id, number: 9 };
    for lost in [stale.clone(), Change::CountUses { version: missing, uses: 1 }] {
        assert_eq!(shelf.journal.apply(&[lost]).unwrap(), Applied::Conflict);
        let size = shelf.cuts;
        shelf.journal.append_cut(size, [2; 32], b"cut", &[], NO_USES).unwrap();
        shelf.cuts += 1;
    }
    // Behind changes that are kept, it takes none of them along.
    let kept = Change::PutKey(Key { description: "kept".into(), ..key });
    assert_eq!(shelf.journal.apply(&[kept]).unwrap(), Applied::Yes);
    assert_eq!(shelf.apply(&[stale]), Applied::Conflict);
    let size = shelf.cuts;
    shelf.journal.append_cut(size, [2; 32], b"cut", &[], NO_USES).unwrap();
    // What is handed in at the wrong moment is no damage to what is stored.
    let ring = Change::ExpectNoAlias(KeyId::from_bytes([1; 16]));
    assert_eq!(shelf.journal.apply(&[ring]).unwrap(), Applied::Yes);
    let refused = shelf.journal.append_cut(size + 1, [2; 32], b"cut", &[], NO_USES).unwrap_err().to_string();
    assert!(refused.contains("stored data is as it was") && !refused.contains("backup"), "{refused}");
}

pub async fn imported_material_comes_goes_and_stays_the_same<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let (key, waiting) = awaiting(&mut shelf, ring, 1).await;
    let bare = KeyVersion { state: State::Active, ..waiting.clone() };
    assert!(shelf.journal.apply(&[Change::PutVersion(bare)]).is_err(), "nothing is active without material");

    let filled = waiting.with_material(material(1, Some(at(9))), true, at(1)).unwrap();
    assert_eq!(shelf.apply(&[Change::PutVersion(filled.clone())]), Applied::Yes);
    let filled = KeyVersion { revision: 2, ..filled };
    let stored = shelf.store.find_key(key.id).await.unwrap().unwrap();
    assert_eq!(stored.versions[1], filled);
    let emptied = filled.without_material(at(2)).unwrap();
    assert_eq!(shelf.apply(&[Change::PutVersion(emptied.clone())]), Applied::Yes);
    let emptied = KeyVersion { revision: 3, ..emptied };
    let stored = shelf.store.find_key(key.id).await.unwrap().unwrap();
    assert_eq!(stored.versions[1], emptied);

    let other = emptied.with_material(material(2, None), true, at(3)).unwrap();
    assert!(
        shelf.journal.apply(&[Change::PutVersion(other)]).is_err(),
        "no other material comes in its place"
    );
    let back = emptied.with_material(material(1, None), true, at(3)).unwrap();
    assert_eq!(shelf.apply(&[Change::PutVersion(back)]), Applied::Yes);
}

pub async fn expired_material_is_found_as_long_as_it_is_here<S: Store>(mut shelf: Shelf<S>) {
    let ring = shelf.ring(1, None);
    let mut ids = Vec::new();
    for (number, day) in [(1, Some(20)), (2, Some(10)), (3, None)] {
        let (_, waiting) = awaiting(&mut shelf, ring, number).await;
        let filled = waiting.with_material(material(number, day.map(at)), false, at(1)).unwrap();
        assert_eq!(shelf.apply(&[Change::PutVersion(filled.clone())]), Applied::Yes);
        ids.push(KeyVersion { revision: 2, ..filled });
    }
    for (day, found) in [(9, vec![]), (10, vec![ids[1].id]), (20, vec![ids[1].id, ids[0].id])] {
        assert_eq!(shelf.store.list_expired_material(at(day), 10).await.unwrap(), found, "day {day}");
    }
    assert_eq!(shelf.store.list_expired_material(at(20), 1).await.unwrap(), [ids[1].id]);
    let emptied = ids[1].without_material(at(20)).unwrap();
    assert_eq!(shelf.apply(&[Change::PutVersion(emptied)]), Applied::Yes);
    assert_eq!(shelf.store.list_expired_material(at(20), 10).await.unwrap(), [ids[0].id]);
}

pub async fn uses_are_kept_with_cuts_and_a_later_one_is_never_replaced_by_an_earlier<S: Store>(
    mut shelf: Shelf<S>,
) {
    let key = KeyId::from_bytes([3; 16]);
    let row = |number, last_index| VersionUsage {
        version: KeyVersionId { key, number },
        counted_to: last_index + 1,
        last_index,
        last_at: at(1),
        last_operation: 101,
        counts: UseCounts { protected: 3, processed: 1, bytes: 40, children: 0 },
    };
    assert_eq!(shelf.store.usage_counted_to(1).await.unwrap(), 0);
    shelf.cut(0, &[row(1, 50), row(2, 40)], 60);
    shelf.cut(1, &[row(1, 45), row(2, 70)], 55);
    let kept = shelf.store.list_usage(key, 0..=9).await.unwrap();
    // The earlier one that comes late brings nothing, the later one its counts.
    let twice = UseCounts { protected: 6, processed: 2, bytes: 80, children: 0 };
    assert_eq!(kept, [row(1, 50), VersionUsage { counts: twice, ..row(2, 70) }]);
    assert_eq!(shelf.store.list_usage(key, 2..=2).await.unwrap(), kept[1..]);
    assert_eq!(shelf.store.usage_counted_to(1).await.unwrap(), 60);
    assert!(shelf.store.list_usage(KeyId::from_bytes([4; 16]), 0..=9).await.unwrap().is_empty());
}

pub async fn batches_become_one_where_they_are_what_they_are_said_to_be<S: Store>(mut shelf: Shelf<S>) {
    for _ in 0..5 {
        assert_eq!(shelf.apply(&[]), Applied::Yes);
    }
    let of = async |shelf: &Shelf<S>, index| {
        let found = shelf.store.list_batches(1, index, 9).await.unwrap();
        found.into_iter().map(|batch| (batch.first_index, batch.count, batch.body)).collect::<Vec<_>>()
    };
    let lone = |index| (index, 1, b"x".to_vec());
    assert_eq!(of(&shelf, 0).await, [0, 1, 2, 3, 4].map(lone));
    let before = shelf.store.list_batches(1, 3, 1).await.unwrap().remove(0);
    let packed = |first_index, count, batches| Packed { first_index, count, batches, body: b"packed" };
    for other in [packed(1, 3, 2), packed(3, 9, 2), packed(7, 2, 2), packed(1, 2, 3)] {
        assert!(!shelf.journal.pack(other).unwrap(), "{other:?}");
    }
    assert_eq!(of(&shelf, 0).await, [0, 1, 2, 3, 4].map(lone));
    assert!(shelf.journal.pack(packed(1, 3, 3)).unwrap());
    let one = (1, 3, b"packed".to_vec());
    assert_eq!(of(&shelf, 0).await, [lone(0), one.clone(), lone(4)]);
    // Whichever of its entries is asked for.
    assert_eq!(of(&shelf, 2).await, [one.clone(), lone(4)]);
    let after = shelf.store.list_batches(1, 1, 1).await.unwrap().remove(0);
    assert_eq!((after.root, after.epoch, after.incarnation), (before.root, before.epoch, before.incarnation));
    let outlines = shelf.store.list_batch_outlines(1, 1, 9).await.unwrap();
    assert_eq!(
        outlines.iter().map(|one| (one.first_index, one.count, one.bytes)).collect::<Vec<_>>(),
        [(1, 3, 6), (4, 1, 1)]
    );
    // What was applied and not committed is in nobody's way.
    assert_eq!(
        shelf.journal.apply(&[Change::ExpectNoAlias(KeyId::from_bytes([1; 16]))]).unwrap(),
        Applied::Yes
    );
    assert!(shelf.journal.pack(packed(0, 4, 2)).is_err());
    shelf.journal.roll_back();
    assert!(shelf.journal.pack(packed(0, 4, 2)).unwrap());
}

pub async fn declarations_are_counted_by_who_made_them<S: Store>(mut shelf: Shelf<S>) {
    let [one, other, nobody] = [1, 2, 3].map(|number| PrincipalId::from_bytes([number; 16]));
    let declaration = |number: u8, declared_by: PrincipalId| Declaration {
        id: DeclarationId::from_bytes([number; 16]),
        kind: DeclarationKind::Device,
        subject: "hsm".parse().unwrap(),
        body: vec![number; 40],
        text: "the one below the stairs".to_owned(),
        declared_by,
        declared_at: at(1),
        withdrawal: None,
        reason: None,
        revision: 0,
    };
    for (number, by) in [(1, one), (2, other), (3, one)] {
        assert_eq!(shelf.apply(&[Change::PutDeclaration(declaration(number, by))]), Applied::Yes);
    }
    let made = shelf.store.find_declaration(DeclarationId::from_bytes([1; 16])).await.unwrap().unwrap();
    // Whoever withdraws it made no declaration, and it stays one of its maker's.
    let withdrawn = Declaration { withdrawal: Some(Withdrawal { by: other, at: at(2) }), ..made };
    assert_eq!(shelf.apply(&[Change::PutDeclaration(withdrawn)]), Applied::Yes);
    for (by, count) in [(one, 2), (other, 1), (nobody, 0)] {
        assert_eq!(shelf.store.count_declarations(by).await.unwrap(), count);
    }
}

/// A principal that somebody made.
fn made(shelf: &mut Shelf<impl Store>, number: u8, by: Option<PrincipalId>, status: Status) -> Principal {
    let id = PrincipalId::from_bytes([number; 16]);
    let name = format!("made-{number}").parse().unwrap();
    let new = Principal::new(id, name, PrincipalKind::Human, at(0));
    let principal = Principal { created_by: by, status, subject_key: vec![1], ..new };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(principal.clone())]), Applied::Yes);
    Principal { revision: 1, ..principal }
}

fn credential_of(of: PrincipalId, by: PrincipalId, number: u8, expires_at: Timestamp) -> Credential {
    Credential {
        id: CredentialId::from_bytes([number; 16]),
        principal: of,
        kind: CredentialKind::Token,
        digest: [number; 32],
        access_key: None,
        label: "card".parse().unwrap(),
        status: Status::Active,
        created_by: Some(by),
        renews: None,
        awaits_confirmation: false,
        created_at: at(0),
        expires_at,
        reason: None,
        revision: 0,
    }
}

pub async fn what_others_depend_on_somebody_for_is_found_and_nothing_that_is_gone<S: Store>(
    mut shelf: Shelf<S>,
) {
    let somebody = made(&mut shelf, 1, None, Status::Active);
    let other = made(&mut shelf, 2, None, Status::Active);
    let kept = made(&mut shelf, 3, Some(somebody.id), Status::Active);
    let gone = made(&mut shelf, 4, Some(somebody.id), Status::Revoked);
    made(&mut shelf, 5, Some(other.id), Status::Active);
    let second = Principal {
        id: PrincipalId::from_bytes([6; 16]),
        name: "second".parse().unwrap(),
        same_person_as: Some(somebody.id),
        created_by: Some(other.id),
        revision: 0,
        ..somebody.clone()
    };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(second.clone())]), Applied::Yes);
    let second = Principal { revision: 1, ..second };

    let ring = shelf.ring(1, None);
    for (number, owner) in [(3, somebody.id), (1, other.id), (2, somebody.id)] {
        shelf.key(ring, number, |key| key.owner = owner);
    }
    let dead = shelf.key(ring, 4, |key| {
        key.owner = somebody.id;
        key.state = State::Suspended;
    });
    let version = shelf.store.find_key(dead.id).await.unwrap().unwrap().versions.remove(0);
    let changes = [
        Change::PutKey(Key { state: State::Destroyed, ..dead }),
        Change::PutVersion(version.destroyed(at(1)).unwrap()),
    ];
    assert_eq!(shelf.apply(&changes), Applied::Yes);

    let revoked = Credential { status: Status::Revoked, ..credential_of(kept.id, somebody.id, 14, at(9)) };
    for credential in [
        credential_of(other.id, somebody.id, 11, at(9)),
        credential_of(kept.id, somebody.id, 12, at(5)),
        // Over, of somebody who is gone, revoked, one's own, and made by another.
        credential_of(kept.id, somebody.id, 13, at(2)),
        credential_of(gone.id, somebody.id, 15, at(9)),
        revoked,
        credential_of(somebody.id, somebody.id, 16, at(9)),
        credential_of(kept.id, other.id, 17, at(9)),
    ] {
        assert_eq!(shelf.apply(&[Change::PutCredential(credential)]), Applied::Yes);
    }

    let find =
        async |of: &Principal, limit| shelf.store.find_ties(of.id, of.person(), at(2), limit).await.unwrap();
    let ties = find(&somebody, 10).await;
    let names = |ties: &Ties| ties.keys.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
    let ids = |ties: &Ties| ties.credentials.iter().map(|one| one.id.as_bytes()[0]).collect::<Vec<_>>();
    assert_eq!(names(&ties), ["ring-1/key-2", "ring-1/key-3"]);
    assert_eq!(ids(&ties), [12, 11]);
    assert_eq!((&ties.principals, &ties.accounts), (&vec![kept], &vec![second.clone()]));
    let first = find(&somebody, 1).await;
    assert_eq!((names(&first).len(), ids(&first)), (1, vec![12]));
    // The first account is one of the second's.
    let ties = find(&second, 10).await;
    assert_eq!((ties.keys.len(), ties.credentials.len(), ties.accounts), (0, 0, vec![somebody]));
}

pub async fn capacities_come_back_with_who_gave_them_and_those_who_hold_some_are_found<S: Store>(
    mut shelf: Shelf<S>,
) {
    let somebody = made(&mut shelf, 1, None, Status::Active);
    let other = made(&mut shelf, 2, None, Status::Active);
    let gone = made(&mut shelf, 3, None, Status::Active);
    let holders = async |shelf: &Shelf<S>| -> Vec<PrincipalId> {
        shelf.store.list_capacity_holders().await.unwrap().into_iter().map(|one| one.id).collect()
    };
    assert_eq!(holders(&shelf).await, []);
    let held = somebody
        .with_capacity(Capacity::KeyOwner(KeyId::from_bytes([7; 16])), other.id)
        .with_capacity(Capacity::Dpo, other.id)
        .with_capacity(Capacity::AssetOwner(AssetId::from_bytes([8; 16])), gone.id)
        .with_capacity(Capacity::RiskOwner, other.id);
    assert_eq!(shelf.apply(&[Change::PutPrincipal(held.clone())]), Applied::Yes);
    let stored = Principal { revision: 2, ..held };
    assert_eq!(shelf.store.find_principal(stored.id).await.unwrap().as_ref(), Some(&stored));
    assert_eq!(shelf.store.list_capacity_holders().await.unwrap(), std::slice::from_ref(&stored));
    let revoked = Principal { status: Status::Revoked, ..gone.with_capacity(Capacity::Ciso, other.id) };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(revoked)]), Applied::Yes);
    assert_eq!(holders(&shelf).await, [stored.id], "who is gone answers for nothing");

    // Given to oneself, twice, out of order, or to a machine.
    let given = |capacity, given_by| HeldCapacity { capacity, given_by };
    let machine = shelf.principal(5, PrincipalKind::Workload);
    for (of, capacities) in [
        (&stored, vec![given(Capacity::Ciso, stored.id)]),
        (&stored, vec![given(Capacity::Ciso, other.id), given(Capacity::Ciso, machine.id)]),
        (&stored, vec![given(Capacity::Dpo, other.id), given(Capacity::Ciso, other.id)]),
        (&machine, vec![given(Capacity::Executive, other.id)]),
    ] {
        let wrong = Principal { capacities, ..of.clone() };
        assert!(shelf.journal.apply(&[Change::PutPrincipal(wrong.clone())]).is_err(), "{wrong:?}");
    }
    let none = Principal { capacities: Vec::new(), ..stored };
    assert_eq!(shelf.apply(&[Change::PutPrincipal(none.clone())]), Applied::Yes);
    let none = Principal { revision: 3, ..none };
    assert_eq!(shelf.store.find_principal(none.id).await.unwrap(), Some(none));
    assert_eq!(holders(&shelf).await, []);
}

pub async fn a_credential_that_awaits_its_confirmation_comes_back_and_is_confirmed_once<S: Store>(
    mut shelf: Shelf<S>,
) {
    let holder = made(&mut shelf, 1, None, Status::Active);
    let maker = made(&mut shelf, 2, None, Status::Active);
    let kind = CredentialKind::Certificate;
    let waits =
        Credential { kind, awaits_confirmation: true, ..credential_of(holder.id, maker.id, 11, at(9)) };
    let code =
        Credential { kind: CredentialKind::EnrolmentCode, ..credential_of(holder.id, maker.id, 12, at(9)) };
    let changes = [waits.clone(), code.clone()].map(Change::PutCredential);
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let find = async |shelf: &Shelf<S>, id| shelf.store.find_credential(id).await.unwrap();
    let waits = Credential { revision: 1, ..waits };
    assert_eq!(find(&shelf, waits.id).await.as_ref(), Some(&waits));
    assert!(!waits.is_live(at(1)));
    let code = Credential { revision: 1, ..code };
    assert_eq!(find(&shelf, code.id).await, Some(code));
    // What somebody else made is told of, whatever it proves yet.
    let ties = shelf.store.find_ties(maker.id, maker.person(), at(2), 9).await.unwrap();
    assert_eq!(ties.credentials.len(), 2);

    let confirmed = Credential { awaits_confirmation: false, ..waits.clone() };
    assert_eq!(shelf.apply(&[Change::PutCredential(confirmed.clone())]), Applied::Yes);
    assert_eq!(shelf.apply(&[Change::PutCredential(confirmed.clone())]), Applied::Conflict);
    let confirmed = Credential { revision: 2, ..confirmed };
    assert!(confirmed.is_live(at(1)));
    assert_eq!(find(&shelf, confirmed.id).await.as_ref(), Some(&confirmed));
    let again = Credential { awaits_confirmation: true, ..confirmed };
    assert!(shelf.journal.apply(&[Change::PutCredential(again)]).is_err(), "what was confirmed stays so");
}
