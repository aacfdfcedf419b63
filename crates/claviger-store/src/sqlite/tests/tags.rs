//! Rows that somebody edits, makes or exchanges in the database.

use std::collections::BTreeSet;
use std::time::Duration;

use claviger_core::access_key::AccessKey;
use claviger_core::alert::{Alert, AlertAct, AlertRule};
use claviger_core::alias::{Alias, AliasScope};
use claviger_core::approval::{Approval, DoneStep, Ended, Outcome, SeenRow, Verdict};
use claviger_core::asset::Asset;
use claviger_core::break_glass::{BreakGlass, BreakGlassClosed, BreakGlassReviewed, BreakGlassVerdict};
use claviger_core::capacity;
use claviger_core::change::Change;
use claviger_core::declaration::DeclarationKind;
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::{DataClass, Key, PolicyDocument};
use claviger_core::node::{Node, NodeReport};
use claviger_core::object::{Kind, Object, RowCursor};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Status};
use claviger_core::reason::{ReasonCode, ReasonRecord, TextAtRest};
use claviger_core::review::{ItemDecision, Review, ReviewClosed, ReviewDecision};
use claviger_core::rights_review::{Capacity, Confirmation, RightsReview};
use claviger_core::{
    Action, AlertId, AliasId, ApprovalId, AssetId, BreakGlassId, CredentialId, Declaration, DeclarationId,
    Governance, GrantId, KeyId, KeyRingId, KeyVersionId, NodeId, PrincipalId, ReasonId, ReviewId,
    RightsReviewId,
};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::super::row::{
    alert, alias, approval, asset, break_glass, credential, declaration, governance, grant, key, node,
    principal, reason, review, rights_review, ring, version,
};
use super::super::tag::Tagged;
use super::*;

/// What names a row of each table of objects.
const TABLES: [(&str, &str, &[&Tagged]); 17] = [
    ("alert", "id = x'16161616161616161616161616161616'", &[&alert::TAGGED]),
    ("alias", "id = x'06060606060606060606060606060606'", &[&alias::TAGGED]),
    ("approval", "id = x'0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a'", &[&approval::TAGGED]),
    ("asset", "id = x'08080808080808080808080808080808'", &[&asset::TAGGED]),
    ("break_glass", "id = x'17171717171717171717171717171717'", &[&break_glass::TAGGED]),
    ("credential", "id = x'04040404040404040404040404040404'", &[&credential::TAGGED]),
    ("declaration", "id = x'09090909090909090909090909090909'", &[&declaration::TAGGED]),
    ("governance", "id = x'00000000000000000000000000000000'", &[&governance::TAGGED]),
    ("grants", "id = x'05050505050505050505050505050505'", &[&grant::TAGGED]),
    ("key", "id = x'02020202020202020202020202020202'", &[&key::TAGGED]),
    ("key_version", "key = x'02020202020202020202020202020202'", &[&version::TAGGED, &version::COUNTED]),
    ("node", "id = x'00000000000000000000000000000001'", &[&node::TAGGED]),
    ("principal", "id = x'03030303030303030303030303030303'", &[&principal::TAGGED]),
    ("reason", "id = x'07070707070707070707070707070707'", &[&reason::TAGGED]),
    ("review", "id = x'15151515151515151515151515151515'", &[&review::TAGGED]),
    ("rights_review", "id = x'01010101010101010101010101010101'", &[&rights_review::TAGGED]),
    ("ring", "id = x'01010101010101010101010101010101'", &[&ring::TAGGED]),
];

/// A store with an object of each kind, and a second of most.
fn furnished() -> Shelf {
    let mut shelf = shelf();
    let ring = shelf.ring(1, None);
    shelf.key(ring, 2, |_| {});
    shelf.key(ring, 12, |_| {});
    let app = shelf.principal(3, PrincipalKind::Workload);
    // Answers for something.
    let officer = shelf.principal(13, PrincipalKind::Human).with_capacity(capacity::Capacity::Ciso, app.id);
    assert_eq!(shelf.apply(&[Change::PutPrincipal(officer)]), Applied::Yes);
    let credential = |number: u8| Credential {
        id: CredentialId::from_bytes([number; 16]),
        principal: app.id,
        kind: CredentialKind::AccessKey,
        digest: [number; 32],
        access_key: Some(AccessKey {
            id: format!("AKIA{}", char::from(b'A' + number).to_string().repeat(16)).parse().unwrap(),
            sealed_secret: vec![7; 40],
            session_digest: Some([number; 32]),
        }),
        label: "sdk".parse().unwrap(),
        status: Status::Active,
        created_at: at(0),
        expires_at: at(9),
        reason: None,
        revision: 0,
        created_by: Some(app.id),
        renews: Some(CredentialId::from_bytes([14; 16])),
        awaits_confirmation: false,
    };
    let changes = [4, 14].map(|number| Change::PutCredential(credential(number)));
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let grant = |number: u8| Grant {
        id: GrantId::from_bytes([number; 16]),
        principal: app.id,
        selector: Selector::Key(KeyId::from_bytes([2; 16])),
        operations: vec![Action::Encrypt],
        conditions: Conditions { until: Some(at(number.into())), ..Conditions::default() },
        reason: None,
        name: Some("name".into()),
        retiring: None,
        created_by: PrincipalId::from_bytes([13; 16]),
        created_at: at(0),
        basis: Basis::Role,
        origin: GrantOrigin::Direct,
        spelling: Spelling::default(),
        status: Status::Active,
        ending: None,
        revision: 0,
    };
    let changes = [5, 15].map(|number| Change::PutGrant(grant(number)));
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let alias = |number: u8| Alias {
        id: AliasId::from_bytes([number; 16]),
        name: format!("name-{number}").parse().unwrap(),
        key: KeyId::from_bytes([2; 16]),
        ring,
        created_at: at(0),
        updated_at: at(0),
        scope: AliasScope::Deployment,
        revision: 0,
    };
    let changes = [6, 16].map(|number| Change::PutAlias(alias(number)));
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let reason = |number: u8| ReasonRecord {
        id: ReasonId::from_bytes([number; 16]),
        action: Action::CreateGrant,
        code: Some(ReasonCode::Maintenance),
        text: TextAtRest::Sealed(vec![number; 40]),
        given_by: app.id,
        given_at: at(0),
        erasure: None,
        revision: 0,
    };
    let changes = [7, 17].map(|number| Change::PutReason(reason(number)));
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let asset = |number: u8| Asset {
        id: AssetId::from_bytes([number; 16]),
        name: format!("asset-{number}").parse().unwrap(),
        owner: PrincipalId::from_bytes([13; 16]),
        class: DataClass::Ephi,
        created_by: PrincipalId::from_bytes([13; 16]),
        created_at: at(0),
        revision: 0,
    };
    let changes = [8, 18].map(|number| Change::PutAsset(asset(number)));
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let declaration = |number: u8| Declaration {
        id: DeclarationId::from_bytes([number; 16]),
        kind: DeclarationKind::Parameter,
        subject: format!("parameter_{number}").parse().unwrap(),
        body: vec![number; 40],
        text: "as the auditor asked".into(),
        declared_by: PrincipalId::from_bytes([13; 16]),
        declared_at: at(0),
        withdrawal: None,
        reason: None,
        revision: 0,
    };
    let changes = [9, 19].map(|number| Change::PutDeclaration(declaration(number)));
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    // One that ended, and one that is open.
    let person = PrincipalId::from_bytes([13; 16]);
    let ended = Ended { outcome: Outcome::Executed, at: at(2), by: person };
    let open = shelf::approval(20, person, [20; 32]);
    let decisions = [1, 2].map(|number| shelf::decided(number, Verdict::Approve, at(1))).to_vec();
    let shown = shelf::approval(10, person, [10; 32]);
    let moved = vec![SeenRow { revision: 2, ..shown.rows[0] }];
    let steps = vec![DoneStep { step: 0, moved }];
    let done = Approval {
        action: Action::ApplyPlan,
        decisions,
        done: steps,
        ended: Some(ended),
        ..shelf::approval(10, person, [10; 32])
    };
    let changes = [done, open].map(Change::PutApproval);
    assert_eq!(shelf.apply(&changes), Applied::Yes);
    let rules = Governance::of_new_deployment(person, at(0));
    assert_eq!(shelf.apply(&[Change::PutGovernance(rules)]), Applied::Yes);
    let review = RightsReview::new(RightsReviewId::UPGRADE, at(0));
    let one = Confirmation { by: PrincipalId::from_bytes([13; 16]), at: at(1) };
    let review = review.confirmed([1; 32], Capacity::Officer, one).unwrap();
    assert_eq!(shelf.apply(&[Change::PutRightsReview(review)]), Applied::Yes);
    emergencies(&mut shelf, person);
    let report = NodeReport {
        environment: Some("test".parse().unwrap()),
        insecure: vec!["insecure_software_root".into()],
        release: "1".into(),
        hardening: vec!["memory_locked=yes".into(), "no_core_dumps=no".into()],
        listeners: vec!["control 127.0.0.1:7400 TLS1.3".into()],
        clock_source: "tsc".into(),
        generators: vec!["module_drbg=CTR_DRBG".into()],
        domains: vec!["store_storage=node".into()],
        root_keys: vec!["seal=root-seal-1".into()],
        certificates: vec!["server sha256=00".into()],
        ..NodeReport::default()
    };
    let released = vec!["encrypt=1".into()];
    let node =
        Node { id: NodeId::of_shard(1), incarnation: 1, reported_at: at(0), report, released, revision: 0 };
    assert_eq!(shelf.apply(&[Change::PutNode(node)]), Applied::Yes);
    shelf
}

/// A review, an alert and an emergency access that people have done with, and one of each that is as it was at first.
fn emergencies(shelf: &mut Shelf, person: PrincipalId) {
    let mut reviewed = shelf::review(0x15);
    let decision = ItemDecision { decision: ReviewDecision::Remove, by: person, at: at(2) };
    reviewed.items.iter_mut().for_each(|item| item.decided = Some(decision));
    let closed = Some(ReviewClosed { by: person, at: at(3) });
    let reviewed = Review { ring: Some(KeyRingId::from_bytes([1; 16])), closed, ..reviewed };
    let act = Some(AlertAct { by: person, at: at(2) });
    let subject = Some(Object::Key(KeyId::from_bytes([2; 16])));
    let raised = shelf::alert(0x16, AlertRule::RowAltered, subject);
    let looked_at = Alert { triaged: act, closed: act, reason: reviewed.reason, ..raised };
    let closed = Some(BreakGlassClosed { by: person, at: at(2) });
    let verdict = BreakGlassReviewed { verdict: BreakGlassVerdict::Justified, by: person, at: at(4) };
    let opened = shelf::break_glass(0x17, PrincipalId::from_bytes([3; 16]));
    let over = BreakGlass { closed, reviewed: Some(verdict), ..opened.clone() };
    let changes = [
        Change::PutReview(reviewed),
        Change::PutReview(shelf::review(0x25)),
        Change::PutAlert(looked_at),
        Change::PutAlert(shelf::alert(0x26, AlertRule::JobOverdue, None)),
        Change::PutBreakGlass(over),
        Change::PutBreakGlass(BreakGlass { id: BreakGlassId::from_bytes([0x27; 16]), ..opened }),
    ];
    assert_eq!(shelf.apply(&changes), Applied::Yes);
}

fn database(shelf: &Shelf) -> Connection {
    let database = Connection::open(shelf.directory.path().join("data/store.db")).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.pragma_update(None, "ignore_check_constraints", true).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}

fn columns_of(database: &Connection, table: &str) -> Vec<String> {
    let mut statement = database.prepare(&format!("PRAGMA table_info({table})")).unwrap();
    statement.query_map([], |row| row.get(1)).unwrap().map(Result::unwrap).collect()
}

/// How many rows of objects there are.
const ROWS: usize = 30;

/// The objects whose rows do not hold, or do not read. A row that is out of place, and so not there, counts as not reading.
async fn altered(store: &SqliteStore) -> Result<BTreeSet<Object>, StoreError> {
    let (mut found, mut count, mut next) = (BTreeSet::new(), 0, Some(RowCursor::default()));
    while let Some(from) = next {
        let rows = store.list_rows(from, 3).await?;
        next = from.next(rows.last().map(|found| found.row.object()), rows.len() == 3);
        count += rows.len();
        found.extend(rows.iter().filter(|found| !found.holds).map(|found| found.row.object()));
    }
    if count == ROWS { Ok(found) } else { Err(StoreError::Corrupt(format!("{count} rows"))) }
}

/// Reads each object in the ways in which decisions do.
async fn read_all(store: &SqliteStore) -> Vec<StoreError> {
    let mut failed = Vec::new();
    failed.extend(store.find_key(KeyId::from_bytes([2; 16])).await.err());
    failed.extend(store.find_principal(PrincipalId::from_bytes([3; 16])).await.err());
    failed.extend(store.find_credential(CredentialId::from_bytes([4; 16])).await.err());
    failed.extend(store.find_grant(GrantId::from_bytes([5; 16])).await.err());
    failed.extend(store.find_alias(&"name-6".parse().unwrap()).await.err());
    failed.extend(store.find_asset(AssetId::from_bytes([8; 16])).await.err());
    failed.extend(store.find_declaration(DeclarationId::from_bytes([9; 16])).await.err());
    failed.extend(store.find_approval(ApprovalId::from_bytes([10; 16])).await.err());
    failed.extend(store.find_governance().await.err());
    failed.extend(store.find_review(ReviewId::from_bytes([0x15; 16])).await.err());
    failed.extend(store.find_alert(AlertId::from_bytes([0x16; 16])).await.err());
    failed.extend(store.find_break_glass(BreakGlassId::from_bytes([0x17; 16])).await.err());
    failed
}

#[tokio::test]
async fn each_column_of_the_live_schema_is_covered() {
    let shelf = shelf();
    let database = database(&shelf);
    for (table, _, tags) in TABLES {
        let mut covered = BTreeSet::from(["tag".to_owned()]);
        for tagged in tags {
            let names =
                tagged.columns.split(',').map(|name| name.trim().rsplit('.').next().unwrap().to_owned());
            covered.extend(names);
        }
        if tags.len() > 1 {
            covered.insert("uses_tag".to_owned());
        }
        let live: BTreeSet<_> = columns_of(&database, table).into_iter().collect();
        assert_eq!(covered, live, "{table}");
    }
}

#[tokio::test]
async fn a_row_with_any_column_edited_is_refused() {
    let shelf = furnished();
    assert_eq!(altered(&shelf.store).await.unwrap(), BTreeSet::new());
    assert_eq!(read_all(&shelf.store).await, []);
    let database = database(&shelf);
    for (table, row, _) in TABLES {
        for column in columns_of(&database, table) {
            let sql = format!("SELECT {column} FROM {table} WHERE {row}");
            let was: Value = database.query_row(&sql, [], |row| row.get(0)).unwrap();
            let edited = match &was {
                Value::Null => Value::Integer(1),
                Value::Integer(number) => Value::Integer(number ^ 1),
                Value::Real(number) => Value::Real(number + 1.0),
                Value::Text(text) => Value::Text(format!("{text}x")),
                Value::Blob(bytes) => Value::Blob(bytes.iter().map(|byte| byte ^ 1).collect()),
            };
            // A blob where nothing was: the column takes no number.
            let set = |value: &Value, of: &Value| {
                let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {column} IS ?2 AND ({row} OR ?3)");
                let is_name = row.starts_with(&format!("{column} ="));
                database.execute(&sql, rusqlite::params![value, of, is_name])
            };
            let edited = match set(&edited, &was) {
                Ok(_) => edited,
                Err(_) => {
                    let edited = if was == Value::Null { Value::Blob(vec![1; 16]) } else { Value::Null };
                    match set(&edited, &was) {
                        Ok(_) => edited,
                        Err(_) => {
                            let edited = Value::Text("x".to_owned());
                            set(&edited, &was).unwrap();
                            edited
                        }
                    }
                }
            };
            let found = altered(&shelf.store).await;
            assert!(
                found.as_ref().is_err() || !found.as_ref().unwrap().is_empty(),
                "{table}.{column}: {found:?}"
            );
            set(&was, &edited).unwrap();
            assert_eq!(altered(&shelf.store).await.unwrap(), BTreeSet::new(), "{table}.{column} as it was");
        }
    }
    assert!(shelf.store.altered_rows() > 0);
}

/// Old rows have no value in such a column, and a tag that says nothing of it.
#[tokio::test]
async fn a_column_of_a_later_schema_is_covered_from_its_first_value_on() {
    let shelf = furnished();
    let database = database(&shelf);
    let principal = |number: u8| Object::Principal(PrincipalId::from_bytes([number; 16]));
    let credential = Object::Credential(CredentialId::from_bytes([4; 16]));
    let approval = |number: u8| Object::Approval(ApprovalId::from_bytes([number; 16]));
    let given = "'ciso=03030303-0303-0303-0303-030303030303'";
    for (table, column, id, value, object) in [
        ("principal", "capacities", 3, given, principal(3)),
        ("principal", "capacities", 3, "''", principal(3)),
        ("principal", "capacities", 13, "NULL", principal(13)),
        ("principal", "capacities", 13, "replace(capacities, 'ciso', 'dpo')", principal(13)),
        ("principal", "capacities", 13, "replace(capacities, '03', '04')", principal(13)),
        ("credential", "awaits_confirmation", 4, "1", credential),
        ("credential", "awaits_confirmation", 4, "0", credential),
        ("approval", "done", 10, "NULL", approval(10)),
        ("approval", "done", 20, "x'01'", approval(20)),
        ("approval", "done", 10, "x'01'", approval(10)),
    ] {
        let id = format!("x'{}'", format!("{id:02x}").repeat(16));
        let edit = format!("UPDATE {table} SET {column} = {value} WHERE id = {id}");
        let kept = format!("CREATE TEMP TABLE kept AS SELECT {column} AS was FROM {table} WHERE id = {id}");
        database.execute_batch(&format!("{kept}; {edit}")).unwrap();
        let found = match object {
            Object::Principal(id) => shelf.store.find_principal(id).await.err(),
            Object::Credential(id) => shelf.store.find_credential(id).await.err(),
            Object::Approval(id) => shelf.store.find_approval(id).await.err(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, Some(StoreError::RowAltered(object)), "{edit}");
        let undo = format!("UPDATE {table} SET {column} = (SELECT was FROM kept) WHERE id = {id}");
        database.execute_batch(&format!("{undo}; DROP TABLE kept")).unwrap();
    }
    assert_eq!(altered(&shelf.store).await.unwrap(), BTreeSet::new());
}

#[tokio::test]
async fn rows_that_are_exchanged_copied_or_made_are_refused_where_decisions_read_them() {
    let shelf = furnished();
    let database = database(&shelf);
    let (one, other) = ("x'03030303030303030303030303030303'", "x'0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d'");
    let person = Object::Principal(PrincipalId::from_bytes([3; 16]));
    for (edit, undo, refused) in [
        (
            format!("UPDATE principal SET roles = 'administrator' WHERE id = {one}"),
            format!("UPDATE principal SET roles = '' WHERE id = {one}"),
            person,
        ),
        // The tag of another row.
        (
            format!(
                "CREATE TEMP TABLE kept AS SELECT tag FROM principal WHERE id = {one}; \
                 UPDATE principal SET tag = (SELECT tag FROM principal WHERE id = {other}) WHERE id = {one}"
            ),
            format!("UPDATE principal SET tag = (SELECT tag FROM kept) WHERE id = {one}; DROP TABLE kept"),
            person,
        ),
        (
            format!(
                "CREATE TEMP TABLE kept AS SELECT tag FROM principal WHERE id = {one}; \
                 UPDATE principal SET tag = NULL WHERE id = {one}"
            ),
            format!("UPDATE principal SET tag = (SELECT tag FROM kept) WHERE id = {one}; DROP TABLE kept"),
            person,
        ),
        // Two rows change places, with their tags.
        (
            format!(
                "UPDATE credential SET id = zeroblob(16) WHERE id = x'{}'; UPDATE credential SET id = x'{}' WHERE id = x'{}'",
                "04".repeat(16),
                "04".repeat(16),
                "0e".repeat(16)
            ),
            format!(
                "UPDATE credential SET id = x'{}' WHERE id = x'{}'; UPDATE credential SET id = x'{}' WHERE id = zeroblob(16)",
                "0e".repeat(16),
                "04".repeat(16),
                "04".repeat(16)
            ),
            Object::Credential(CredentialId::from_bytes([4; 16])),
        ),
        // The material of another key, with the tag of its version.
        (
            "UPDATE key_version SET key = zeroblob(16) WHERE key = x'02020202020202020202020202020202'; \
             UPDATE key_version SET key = x'02020202020202020202020202020202' WHERE key = x'0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c'"
                .to_owned(),
            "UPDATE key_version SET key = x'0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c' WHERE key = x'02020202020202020202020202020202'; \
             UPDATE key_version SET key = x'02020202020202020202020202020202' WHERE key = zeroblob(16)"
                .to_owned(),
            Object::Version(KeyVersionId { key: KeyId::from_bytes([2; 16]), number: 1 }),
        ),
        // A count that begins anew.
        (
            "UPDATE key_version SET protect_uses = 7".to_owned(),
            "UPDATE key_version SET protect_uses = 0".to_owned(),
            Object::Version(KeyVersionId { key: KeyId::from_bytes([2; 16]), number: 1 }),
        ),
    ] {
        database.execute_batch(&edit).unwrap();
        assert_eq!(read_all(&shelf.store).await, [StoreError::RowAltered(refused)], "{edit}");
        assert!(shelf.store.take_altered().contains(&refused));
        database.execute_batch(&undo).unwrap();
        assert_eq!(read_all(&shelf.store).await, [], "{undo}");
    }
    // A copy under another identifier.
    database
        .execute_batch(
            "CREATE TEMP TABLE made AS SELECT * FROM grants WHERE id = x'05050505050505050505050505050505'; \
             UPDATE made SET id = x'09090909090909090909090909090909'; INSERT INTO grants SELECT * FROM made",
        )
        .unwrap();
    let made = GrantId::from_bytes([9; 16]);
    let refused = shelf.store.find_grant(made).await;
    assert_eq!(refused, Err(StoreError::RowAltered(Object::Grant(made))));
}

#[tokio::test]
async fn a_row_that_was_altered_is_not_written_over() {
    let mut shelf = furnished();
    let principal = shelf.store.find_principal(PrincipalId::from_bytes([3; 16])).await.unwrap().unwrap();
    let database = database(&shelf);
    database.execute("UPDATE principal SET roles = 'administrator' WHERE name = 'principal-3'", []).unwrap();
    let change = Change::PutPrincipal(Principal { home: None, ..principal.clone() });
    let other = shelf.store.find_ring(KeyRingId::from_bytes([1; 16])).await.unwrap().unwrap();
    assert_eq!(shelf.journal.apply(&[Change::PutRing(other.clone())]).unwrap(), Applied::Yes);
    let refused = shelf.journal.apply(std::slice::from_ref(&change));
    assert_eq!(refused, Err(StoreError::RowAltered(Object::Principal(principal.id))));
    // What others wrote in the same transaction is committed all the same.
    assert_eq!(shelf.apply(&[]), Applied::Yes);
    let written = shelf.store.find_ring(other.id).await.unwrap().unwrap();
    assert_eq!(written.revision, other.revision + 1);
    database.execute("UPDATE principal SET roles = '' WHERE name = 'principal-3'", []).unwrap();
    assert_eq!(shelf.apply(&[change]), Applied::Yes);
}

#[tokio::test]
async fn counted_uses_hold_and_a_count_that_was_edited_is_refused() {
    let mut shelf = furnished();
    let version = KeyVersionId { key: KeyId::from_bytes([2; 16]), number: 1 };
    for _ in 0..3 {
        assert_eq!(shelf.apply(&[Change::CountUses { version, uses: 5 }]), Applied::Yes);
    }
    let record = shelf.store.find_key(version.key).await.unwrap().unwrap();
    assert_eq!(record.find_version(1).unwrap().protect_uses, 15);
    // What is taken back is not counted.
    shelf.journal.apply(&[Change::CountUses { version, uses: 5 }]).unwrap();
    shelf.journal.roll_back();
    assert_eq!(shelf.apply(&[Change::CountUses { version, uses: 1 }]), Applied::Yes);
    let record = shelf.store.find_key(version.key).await.unwrap().unwrap();
    assert_eq!(record.find_version(1).unwrap().protect_uses, 16);
    database(&shelf).execute("UPDATE key_version SET protect_uses = 0", []).unwrap();
    shelf.journal.roll_back();
    let refused = shelf.journal.apply(&[Change::CountUses { version, uses: 1 }]);
    assert_eq!(refused, Err(StoreError::RowAltered(Object::Version(version))));
}

#[tokio::test]
async fn rows_are_read_and_written_under_the_key_of_their_tags_alone() {
    let shelf = furnished();
    let path = shelf.directory.path().join("data");
    let Shelf { store, journal, directory: _directory, .. } = shelf;
    drop((store, journal));
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    assert!(!store.rows_are_open());
    let person = PrincipalId::from_bytes([3; 16]);
    assert!(matches!(store.find_principal(person).await, Err(StoreError::Unavailable(_))));
    let from = RowCursor { kind: Kind::Principal, after: None };
    let rows = store.list_rows(from, 9).await.unwrap();
    assert!(rows.len() == 2 && rows.iter().all(|found| !found.holds), "they stand, and nobody knows more");
    store.open_rows(Arc::new(HmacSha256::new(&SecretBytes::new(vec![2; 32]))));
    let refused = store.find_principal(person).await;
    assert_eq!(refused, Err(StoreError::RowAltered(Object::Principal(person))));
    let _journal = store.open_journal(1).unwrap();
    let late = store.tag_rows(row_key(), RowCursor::default(), 9).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
}

#[tokio::test]
async fn the_document_of_a_policy_is_the_one_of_which_the_key_has_the_digest() {
    let mut shelf = furnished();
    let id = KeyId::from_bytes([2; 16]);
    let key = shelf.store.find_key(id).await.unwrap().unwrap().key;
    assert_eq!(shelf.store.find_policy_document(id).await.unwrap(), None);
    let grants = vec![GrantId::from_bytes([5; 16])];
    let document = PolicyDocument { key: id, text: "{ \"a\": 1 }".to_owned(), grants };
    let put = |document: &PolicyDocument, key: &Key| {
        let key = Key { policy: Some(document.digest()), ..key.clone() };
        vec![Change::PutKey(key), Change::PutPolicyDocument(document.clone())]
    };
    assert_eq!(shelf.apply(&put(&document, &key)), Applied::Yes);
    assert_eq!(shelf.store.find_policy_document(id).await.unwrap(), Some(document.clone()));
    let key = shelf.store.find_key(id).await.unwrap().unwrap().key;
    let other = PolicyDocument { text: "{}".to_owned(), grants: Vec::new(), ..document };
    assert_eq!(shelf.apply(&put(&other, &key)), Applied::Yes);
    assert_eq!(shelf.store.find_policy_document(id).await.unwrap(), Some(other));

    for edit in [
        "UPDATE key_policy SET text = '{ }'",
        "UPDATE key_policy SET text = '{}', grants = x'05050505050505050505050505050505'",
        "DELETE FROM key_policy",
    ] {
        assert_eq!(database(&shelf).execute(edit, []).unwrap(), 1, "{edit}");
        let found = shelf.store.find_policy_document(id).await;
        assert_eq!(found, Err(StoreError::RowAltered(Object::Key(id))), "{edit}");
        assert_eq!(shelf.store.take_altered(), [Object::Key(id)], "{edit}");
    }
}
