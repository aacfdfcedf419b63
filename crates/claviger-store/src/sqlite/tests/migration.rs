//! Stores of earlier schemas open, and have what they would have had if they had been made today.

use claviger_core::alias::AliasScope;
use claviger_core::capacity::Capacity;
use claviger_core::change::Change;
use claviger_core::grant::{Basis, Grant, GrantOrigin};
use claviger_core::key::Destruction;
use claviger_core::lineage::{How, Verdict, Wanted};
use claviger_core::object::RowCursor;
use claviger_core::port::store::{Applied, GrantFilter, GrantQuery, MixedUse, Page};
use claviger_core::principal::Principal;
use claviger_core::reason::{TextAtRest, Why};
use claviger_core::{Action, ApprovalId, CredentialId, GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};
use rusqlite::Connection;

use super::super::{directory, schema, tag};
use super::*;

/// A store of the first schema, with what `rows` say, as an earlier release leaves it.
async fn of_schema_1(rows: &str) -> (SqliteStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let place = directory::Directory::take(&data).unwrap();
    let connection = Connection::open(place.database()).unwrap();
    schema::migrate_to(&connection, 1).unwrap();
    connection.execute_batch(rows).unwrap();
    drop((connection, place));
    let store = SqliteStore::open(&data, SqliteOptions::default()).unwrap();
    let mut next = Some(RowCursor::default());
    while let Some(from) = next {
        next = store.tag_rows(row_key(), from, 2).await.unwrap();
    }
    store.open_rows(row_key());
    (store, directory)
}

#[tokio::test]
async fn grants_of_schema_1_are_found_by_ring_and_by_what_they_give() {
    let rows = "
        INSERT INTO ring VALUES (x'00000000000000000000000000000001', 'orders', 'software', NULL, NULL, NULL, 1, 0, 'relaxed', x'00', 0, 1);
        INSERT INTO key VALUES (x'00000000000000000000000000000002', x'00000000000000000000000000000001', 'orders', 'main', 'encrypt', 'aes-256-gcm',
            'software', 'internal', '', zeroblob(16), NULL, NULL, 'active', 1, 0, NULL, 0, 1);
        INSERT INTO principal VALUES (x'00000000000000000000000000000003', 'app', 'workload', 'active', '', NULL, x'00', 0, 1);
        INSERT INTO principal VALUES (x'00000000000000000000000000000004', 'batch', 'workload', 'active', '', NULL, x'00', 0, 1);
        INSERT INTO grants VALUES (x'00000000000000000000000000000005', x'00000000000000000000000000000003', x'00000000000000000000000000000002', NULL,
            'encrypt,rotate_key', NULL, 'why', 'name', NULL, zeroblob(16), 0, 'active', 1);
        INSERT INTO grants VALUES (x'00000000000000000000000000000006', x'00000000000000000000000000000004', NULL, x'00000000000000000000000000000001',
            'encrypt,decrypt', NULL, 'why', NULL, NULL, zeroblob(16), 0, 'revoked', 2);";
    let (store, _directory) = of_schema_1(rows).await;
    let id = |last: u8| {
        let mut id = [0; 16];
        id[15] = last;
        id
    };
    let everything = GrantFilter { with_revoked: true, ..GrantFilter::default() };
    let grants = store.list_grants(everything, Page { after: None, limit: 10 }).await.unwrap();
    let ids: Vec<_> = grants.iter().map(|grant| grant.id).collect();
    assert_eq!(ids, [GrantId::from_bytes(id(5)), GrantId::from_bytes(id(6))]);
    assert_eq!(grants[0].operations, [Action::Encrypt, Action::RotateKey]);
    let (ring, app) = (KeyRingId::from_bytes(id(1)), PrincipalId::from_bytes(id(3)));
    let mixed = MixedUse { principal: app, administers: true };
    assert_eq!(store.find_mixed_use(ring).await.unwrap(), Some(mixed));
    assert!(store.find_strictest_use(app).await.unwrap().is_some());
    assert_eq!(store.find_strictest_use(PrincipalId::from_bytes(id(4))).await.unwrap(), None);
    assert_eq!(candidates(&store, 3, Action::Encrypt, 1).await, [GrantId::from_bytes(id(5))]);
    assert_eq!(candidates(&store, 4, Action::Encrypt, 1).await, []);
    assert_eq!(store.find_same_grant(grants[0].clone()).await.unwrap().as_ref(), Some(&grants[0]));
    assert_eq!(store.check_indexes().await.unwrap(), Vec::<String>::new());
    // What the grants said of why they were given stands in rows of its own, to be sealed by the first start.
    let why = grants.iter().filter_map(|grant| grant.reason.and_then(Why::given)).collect();
    let reasons = store.list_reasons(why).await.unwrap();
    let texts: Vec<_> =
        reasons.iter().map(|kept| (kept.record.action, &kept.record.text, &kept.key)).collect();
    let clear = TextAtRest::Clear("why".to_owned());
    assert_eq!(texts, [(Action::CreateGrant, &clear, &None), (Action::CreateGrant, &clear, &None)]);
}

/// What the principal with that last byte has on the key of these tests for a call without a context.
async fn candidates(store: &SqliteStore, principal: u8, action: Action, now: u64) -> Vec<GrantId> {
    let id = |last: u8| {
        let mut id = [0; 16];
        id[15] = last;
        id
    };
    let query = GrantQuery {
        principal: PrincipalId::from_bytes(id(principal)),
        key: Some(KeyId::from_bytes(id(2))),
        ring: KeyRingId::from_bytes(id(1)),
        actions: vec![action],
        contexts: vec![Vec::new()],
        now: Timestamp::from_micros(now),
    };
    let found = store.list_candidates(query).await.unwrap().remove(0);
    found.into_iter().map(|grant| grant.id).collect()
}

/// A grant of schema 1 on the key, by its last byte, from whom, to whom, with what, since when.
fn passed_on(id: u8, by: u8, to: u8, operations: &str, name: &str, at: u64) -> String {
    let of = |last: u8| format!("x'{}{last:02x}'", "00".repeat(15));
    format!(
        "INSERT INTO grants VALUES ({}, {}, {}, NULL, '{operations}', NULL, 'why', {name}, NULL, {}, {at}, 'active', 1);",
        of(id),
        of(to),
        of(2),
        of(by),
    )
}

#[tokio::test]
async fn what_applications_passed_on_under_schema_1_rests_on_what_they_still_had_before() {
    let mut rows = "
        INSERT INTO ring VALUES (x'00000000000000000000000000000001', 'orders', 'software', NULL, NULL, NULL, 1, 0, 'relaxed', x'00', 0, 1);
        INSERT INTO key VALUES (x'00000000000000000000000000000002', x'00000000000000000000000000000001', 'orders', 'main', 'encrypt', 'aes-256-gcm',
            'software', 'internal', '', zeroblob(16), NULL, NULL, 'active', 1, 0, NULL, 0, 1);
        INSERT INTO principal VALUES (x'00000000000000000000000000000003', 'otto', 'human', 'active', 'security_officer', NULL, x'00', 0, 1);
        INSERT INTO principal VALUES (x'00000000000000000000000000000004', 'deploy', 'workload', 'active', '', NULL, x'00', 0, 1);
        INSERT INTO principal VALUES (x'00000000000000000000000000000005', 'shop', 'workload', 'active', '', NULL, x'00', 0, 1);
        INSERT INTO grants VALUES (x'00000000000000000000000000000010', x'00000000000000000000000000000004', NULL, x'00000000000000000000000000000001',
            'encrypt,delegate_grant', NULL, 'why', NULL, NULL, x'00000000000000000000000000000003', 10, 'active', 1);
        INSERT INTO grants VALUES (x'00000000000000000000000000000011', x'00000000000000000000000000000004', x'00000000000000000000000000000002', NULL,
            'decrypt', NULL, 'why', NULL, NULL, x'00000000000000000000000000000003', 10, 'revoked', 2);".to_owned();
    for grant in [
        passed_on(0x20, 4, 5, "encrypt", "'key-policy/a'", 20),
        passed_on(0x21, 4, 5, "decrypt", "NULL", 20),
        passed_on(0x22, 4, 4, "encrypt,delegate_grant", "NULL", 20),
        passed_on(0x23, 5, 4, "encrypt", "NULL", 30),
        passed_on(0x24, 3, 5, "encrypt", "'key-policy/b'", 20),
        // Before its giver had anything.
        passed_on(0x25, 4, 5, "encrypt", "NULL", 5),
    ] {
        rows.push_str(&grant);
    }
    let (store, _directory) = of_schema_1(&rows).await;
    let id = |last: u8| {
        let mut id = [0; 16];
        id[15] = last;
        GrantId::from_bytes(id)
    };
    let read = async |last: u8| -> (Grant, Verdict) {
        let grant = store.find_grant(id(last)).await.unwrap().unwrap();
        let lineage = store.load_lineage(Wanted::of([&grant]).unwrap_or_default()).await.unwrap();
        let verdict = lineage.judge(Timestamp::from_micros(100)).verdict(&grant);
        (grant, verdict)
    };
    let (by_policy, verdict) = read(0x20).await;
    assert_eq!((by_policy.origin, by_policy.basis), (GrantOrigin::KeyPolicy, Basis::Grants(vec![id(0x10)])));
    assert!(verdict.honoured().is_some());
    // What its giver had was revoked before: nothing bears it.
    let (_, verdict) = read(0x21).await;
    assert_eq!(verdict.ended().unwrap().how(), How::NotCovered);
    // A right given to oneself rests on what was there before, never on itself.
    let (own, verdict) = read(0x22).await;
    assert_eq!(own.basis, Basis::Grants(vec![id(0x10)]));
    assert!(verdict.honoured().is_some());
    let (_, verdict) = read(0x23).await;
    assert!(verdict.ended().is_some(), "its giver had no right to pass anything on");
    let (by_person, verdict) = read(0x24).await;
    assert_eq!((by_person.origin, by_person.basis), (GrantOrigin::Direct, Basis::Role));
    assert!(verdict.honoured().is_some());
    let (early, verdict) = read(0x25).await;
    assert_eq!(early.basis, Basis::Grants(Vec::new()));
    assert!(verdict.ended().is_some());
    // Found is what can be honoured: what nothing bears, because nothing of its basis gives that, is not looked at.
    assert_eq!(candidates(&store, 5, Action::Encrypt, 100).await, [id(0x20), id(0x24)]);
    assert_eq!(candidates(&store, 5, Action::Decrypt, 100).await, []);
    assert_eq!(store.check_indexes().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn aliases_of_schema_1_belong_to_their_ring_and_name_keys_of_relaxed_rings_at_home_only() {
    let rows = "
        INSERT INTO ring VALUES (x'00000000000000000000000000000001', 'relaxed', 'software', NULL, NULL, NULL, 1, 0, 'relaxed', x'00', 0, 1);
        INSERT INTO ring VALUES (x'00000000000000000000000000000002', 'strict', 'software', NULL, NULL, NULL, 1, 2, 'strict', x'00', 0, 1);
        INSERT INTO key VALUES (x'00000000000000000000000000000003', x'00000000000000000000000000000001', 'relaxed', 'main', 'encrypt', 'aes-256-gcm',
            'software', 'internal', '', zeroblob(16), NULL, NULL, 'active', 1, 0, NULL, 0, 1);
        INSERT INTO key VALUES (x'00000000000000000000000000000004', x'00000000000000000000000000000002', 'strict', 'main', 'encrypt', 'aes-256-gcm',
            'software', 'internal', '', zeroblob(16), NULL, NULL, 'active', 1, 0, NULL, 0, 1);
        INSERT INTO alias VALUES ('tool', x'00000000000000000000000000000003', x'00000000000000000000000000000001', 0, 0, 1);
        INSERT INTO alias VALUES ('shop', x'00000000000000000000000000000004', x'00000000000000000000000000000002', 0, 0, 1);
        INSERT INTO principal VALUES (x'00000000000000000000000000000005', 'otto', 'human', 'active', 'security_officer', NULL, x'00', 0, 1);
        INSERT INTO credential VALUES (x'00000000000000000000000000000006', x'00000000000000000000000000000005', 'certificate', zeroblob(32), NULL, NULL,
            NULL, 'card', 'active', 0, 1, 1);";
    let (store, _directory) = of_schema_1(rows).await;
    for (name, scope, ring) in [("tool", AliasScope::Ring, 1), ("shop", AliasScope::Deployment, 2)] {
        let found = store.find_alias(&name.parse().unwrap()).await.unwrap().unwrap();
        let mut id = [0; 16];
        id[15] = ring;
        assert_eq!((found.scope, found.ring), (scope, KeyRingId::from_bytes(id)), "{name}");
        assert_eq!(store.find_alias_owner(&found.name).await.unwrap(), Some(found.ring));
    }
    // Who made a principal or a credential was not kept, and who gave a role neither.
    let otto = store.list_role_holders().await.unwrap().remove(0);
    assert_eq!((otto.name.as_str(), otto.created_by, otto.role_givers.len()), ("otto", None, 0));
    assert_eq!((otto.recovery, otto.same_person_as, otto.capacities.len()), (None, None, 0));
    let credentials = store.list_credentials(Some(otto.id), Page { after: None, limit: 2 }).await.unwrap();
    let made = credentials.iter().map(|one| (one.created_by, one.awaits_confirmation));
    assert_eq!(made.collect::<Vec<_>>(), [(None, false)]);
    assert_eq!(store.list_unacknowledged().await.unwrap(), []);
}

#[tokio::test]
async fn what_schema_1_scheduled_nobody_approved_and_its_rings_put_no_grant_under_quorum() {
    let rows = "
        INSERT INTO ring VALUES (x'00000000000000000000000000000001', 'orders', 'software', NULL, NULL, NULL, 1, 2, 'strict', x'00', 0, 1);
        INSERT INTO key VALUES (x'00000000000000000000000000000002', x'00000000000000000000000000000001', 'orders', 'main', 'encrypt', 'aes-256-gcm',
            'software', 'internal', '', zeroblob(16), NULL, NULL, 'suspended', 1, 0, 9, 0, 1);";
    let (store, _directory) = of_schema_1(rows).await;
    let id = |last: u8| {
        let mut id = [0; 16];
        id[15] = last;
        id
    };
    let ring = store.find_ring(KeyRingId::from_bytes(id(1))).await.unwrap().unwrap();
    assert_eq!((ring.policy.quorum, ring.policy.grants_under_quorum), (2, false));
    let scheduled = store.list_scheduled_destructions(Page { after: None, limit: 9 }).await.unwrap();
    let at = Timestamp::from_micros(9);
    let destructions: Vec<_> = scheduled.iter().map(|one| one.destruction).collect();
    assert_eq!(destructions, [Destruction { scheduled_at: at, at, approval: None }]);
    // Nobody has set any rules.
    assert_eq!(store.find_governance().await.unwrap(), None);
    assert_eq!(store.check_indexes().await.unwrap(), Vec::<String>::new());
}

/// What tags covered under schema 2 in tables that have more columns since.
const UNDER_SCHEMA_2: [(&str, &str); 3] = [
    (
        "principal",
        "fact, id, name, kind, standing, roles, home, subject_key, created_at, revision, role_givers, created_by, recovered_at, \
         acknowledged_by, reason, erased_by, erased_at, environment, same_person_as",
    ),
    (
        "credential",
        "fact, id, principal, kind, digest, access_key_id, sealed_secret, session_digest, label, standing, created_at, expires_at, \
         reason, revision, created_by, renews",
    ),
    (
        "approval",
        "fact, id, action, ring, requester, asked, salt, request, digest, seen, quorum, eligible, requested_at, expires_at, \
         decisions, outcome, ended_at, ended_by, reason, revision",
    ),
];

/// Gives rows their tags as a release did whose schema was the second.
fn tag_under_schema_2(connection: &Connection) {
    for (table, columns) in UNDER_SCHEMA_2 {
        let mut tags = Vec::new();
        let mut select = connection.prepare(&format!("SELECT {columns} FROM {table}")).unwrap();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let width = columns.split(',').count();
            let values: Vec<_> = (0..width).map(|at| row.get_ref(at).unwrap()).collect();
            let id: Vec<u8> = row.get(1).unwrap();
            tags.push((id, row_key().half(&[&tag::message(table, &values)])));
        }
        let update = format!("UPDATE {table} SET tag = ?2 WHERE id = ?1");
        for named in tags {
            assert_eq!(connection.execute(&update, named).unwrap(), 1);
        }
    }
}

#[tokio::test]
async fn rows_of_schema_2_hold_by_the_tags_that_they_had_and_say_nothing_of_what_came_later() {
    let rows = format!(
        "INSERT INTO principal (id, name, kind, standing, roles, subject_key, created_at, revision) VALUES
            (x'00000000000000000000000000000003', 'otto', 'human', 'active', 'security_officer', x'00', 0, 1);
        INSERT INTO credential (id, principal, kind, digest, label, standing, created_at, expires_at, revision) VALUES
            (x'00000000000000000000000000000004', x'00000000000000000000000000000003', 'certificate', zeroblob(32), 'card', 'active', 0, 9, 1);
        INSERT INTO approval (id, action, requester, asked, salt, request, digest, seen, quorum, eligible, requested_at, expires_at,
            decisions, revision) VALUES (x'00000000000000000000000000000005', {}, x'00000000000000000000000000000003', x'61', zeroblob(16),
            zeroblob(32), zeroblob(32), x'01', 2, 'custodians', 1, 9, x'01', 1);",
        Action::ScheduleDestroy.code()
    );
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let place = directory::Directory::take(&data).unwrap();
    let connection = Connection::open(place.database()).unwrap();
    schema::migrate_to(&connection, 2).unwrap();
    connection.execute_batch(&rows).unwrap();
    tag_under_schema_2(&connection);
    drop((connection, place));
    let store = SqliteStore::open(&data, SqliteOptions::default()).unwrap();
    store.open_rows(row_key());
    let id = |last: u8| {
        let mut id = [0; 16];
        id[15] = last;
        id
    };
    let otto = store.find_principal(PrincipalId::from_bytes(id(3))).await.unwrap().unwrap();
    assert_eq!(otto.capacities, []);
    assert_eq!(store.list_capacity_holders().await.unwrap(), []);
    let card = store.find_credential(CredentialId::from_bytes(id(4))).await.unwrap().unwrap();
    assert!(!card.awaits_confirmation && card.is_live(Timestamp::from_micros(1)));
    let approval = store.find_approval(ApprovalId::from_bytes(id(5))).await.unwrap().unwrap();
    assert_eq!(approval.done, []);
    assert_eq!(store.count_open_reviews().await.unwrap(), 0);
    assert_eq!(store.count_open_alerts().await.unwrap(), []);
    assert_eq!(store.altered_rows(), 0);
    assert_eq!(store.check_indexes().await.unwrap(), Vec::<String>::new());

    // What is written from now on has what came later.
    let mut shelf = Shelf::new(store, directory);
    let officer = otto.with_capacity(Capacity::Ciso, PrincipalId::from_bytes(id(9)));
    assert_eq!(shelf.apply(&[Change::PutPrincipal(officer.clone())]), Applied::Yes);
    let officer = Principal { revision: 2, ..officer };
    assert_eq!(shelf.store.list_capacity_holders().await.unwrap(), [officer]);
}
