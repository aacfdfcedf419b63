//! Rows that somebody edits in the database: whatever they change is found when live rows are held against the log.

use std::collections::BTreeSet;
use std::time::Duration;

use claviger_audit::fact::show_field;
use claviger_audit::verify::{Comparison, Verified};
use claviger_core::break_glass::BreakGlassVerdict;
use claviger_core::capacity::Capacity;
use claviger_core::grant::Conditions;
use claviger_core::key::{DataClass, KeyRecord, Labels, RotatedKeys};
use claviger_core::object::{Kind, Object, RowCursor};
use claviger_core::port::Store as _;
use claviger_core::port::store::{AlertFilter, Page};
use claviger_core::principal::PrincipalKind;
use claviger_core::review::{ReviewDecision, ReviewScope, ReviewSubject};
use claviger_core::{Action, AlertId, BreakGlassId, KeyRingId, Purpose, ReviewId, Spec};
use claviger_service::operation::{
    AssignCapacity, CloseAlert, CloseBreakGlass, CloseReview, CreateAlias, CreateAsset, CreateCredential,
    CreateGrant, CreatePrincipal, DecideReview, GrantOn, ItemRef, KeyPatch, LabelPatch, NewCredential,
    OpenBreakGlass, OpenReview, ReadRows, ReviewBreakGlass, RingPatch, ScheduleDestroy, SetGovernance,
    TriageAlert, UpdateKey, UpdateRing, WithdrawDeclaration,
};
use claviger_service::{KeyRef, PrincipalRef, RingRef};
use claviger_testkit::older::{OLDER, WITHOUT_FACTS};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::approvals::{approval, custodian, denial, pending};
use crate::declarations::parameter;
use crate::deployment::{DAY, Deployment, certificate_of};
use crate::evidence::{differences, is_raised_since, replay};

/// Tables of objects, with what names a row of each.
const TABLES: [(&str, &[&str]); 15] = [
    ("alert", &["id"]),
    ("alias", &["name"]),
    ("approval", &["id"]),
    ("asset", &["id"]),
    ("break_glass", &["id"]),
    ("credential", &["id"]),
    ("declaration", &["id"]),
    ("governance", &["id"]),
    ("grants", &["id"]),
    ("key", &["id"]),
    ("key_version", &["key", "number"]),
    ("principal", &["id"]),
    ("reason", &["id"]),
    ("review", &["id"]),
    ("ring", &["id"]),
];

/// A deployment with objects of every kind, and most of what they can say.
async fn furnished() -> Deployment {
    let deployment = Deployment::build().await;
    emergencies(&deployment).await;
    furnish(&deployment).await;
    // The newest person answers for something.
    let assign = AssignCapacity { principal: principal("carl"), capacity: Capacity::Dpo };
    deployment.ask("olga", assign).await.unwrap();
    deployment
}

/// What people did with what others must look at: emergency access, an alert and a review.
pub(crate) struct Emergencies {
    /// What is open, and what was closed and reviewed.
    pub(crate) accesses: [BreakGlassId; 2],
    /// That each of them was opened; the second is closed.
    pub(crate) alerts: [AlertId; 2],
    /// One that is open, and one that was closed.
    pub(crate) reviews: [ReviewId; 2],
}

/// Has people do it, before there is anything else in the deployment than those who begin it.
pub(crate) async fn emergencies(deployment: &Deployment) -> Emergencies {
    let key = deployment.key("vault", Purpose::Encrypt, Spec::Aes128Gcm).await;
    let create = CreatePrincipal {
        name: "nora".parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("otto", create).await.unwrap();
    let expires_at = deployment.clock.wall().after(DAY * 3650);
    let what = NewCredential::Certificate { der: certificate_of("nora"), chain: Vec::new(), expires_at };
    let label = "card".parse().unwrap();
    let create = CreateCredential { principal: principal("nora"), label, what, to_confirm: false };
    deployment.ask("otto", create).await.unwrap();
    let open = async || {
        let keys = vec![KeyRef::Id(key.key.id)];
        let open = OpenBreakGlass { holder: principal("nora"), keys, lifetime: None };
        deployment.ask("olga", open).await.unwrap().output.id
    };
    let accesses = [open().await, open().await];
    let access = accesses[1];
    deployment.ask("olga", CloseBreakGlass { access }).await.unwrap();
    let verdict = BreakGlassVerdict::Justified;
    deployment.ask("ada", ReviewBreakGlass { access, verdict }).await.unwrap();
    let raised = async |access| {
        let filter = AlertFilter { subject: Some(Object::BreakGlass(access)), ..AlertFilter::default() };
        let found = deployment.store.list_alerts(filter, Page { after: None, limit: 9 }).await.unwrap();
        let [alert] = found.as_slice() else { panic!("{found:?}") };
        alert.id
    };
    let alerts = [raised(accesses[0]).await, raised(accesses[1]).await];
    deployment.ask("otto", TriageAlert { alert: alerts[1] }).await.unwrap();
    deployment.ask("otto", CloseAlert { alert: alerts[1] }).await.unwrap();
    let reviews = [review(deployment).await, review(deployment).await];
    deployment.ask("olga", CloseReview { review: reviews[1] }).await.unwrap();
    Emergencies { accesses, alerts, reviews }
}

/// Opens a review of what people have, of which everything stays.
async fn review(deployment: &Deployment) -> ReviewId {
    let open = OpenReview::new(ReviewScope::Humans, None, DAY * 30);
    let id = deployment.ask("otto", open).await.unwrap().output.id;
    let opened = deployment.store.find_review(id).await.unwrap().unwrap();
    for item in &opened.items {
        // Nobody decides on what they have themselves.
        let by = if item.subject.principal() == opened.opened_by { "olga" } else { "otto" };
        let ring = match item.subject {
            ReviewSubject::Office(_) => None,
            ReviewSubject::Uses(_, ring) => Some(RingRef::Id(ring)),
        };
        let named = ItemRef { principal: PrincipalRef::Id(item.subject.principal()), ring };
        let decisions = vec![(named, ReviewDecision::Keep)];
        deployment.ask(by, DecideReview { review: id, decisions }).await.unwrap();
    }
    id
}

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

/// Makes them in a deployment that has no ring, or that of [`emergencies`].
pub(crate) async fn furnish(deployment: &Deployment) {
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes128Gcm).await;
    deployment.key("signing", Purpose::Sign, Spec::EcP256).await;
    let id = KeyRef::Id(key.key.id);
    let labels = Labels::new(vec![("team".to_owned(), "payments".to_owned())]).unwrap();
    let patch = KeyPatch {
        description: Some("of the shop".to_owned()),
        labels: Some(LabelPatch::Some { set: labels, remove: Vec::new() }),
        rotation_period: Some(Some(Duration::from_secs(86_400 * 90))),
        ..KeyPatch::default()
    };
    deployment.ask("ada", UpdateKey { key: id.clone(), patch, if_revision: None }).await.unwrap();
    deployment
        .ask("ada", CreateAlias { name: "shop/cards".parse().unwrap(), key: id.clone() })
        .await
        .unwrap();
    for (name, class) in [("patients", DataClass::Ephi), ("orders", DataClass::Confidential)] {
        let create = CreateAsset { name: name.parse().unwrap(), owner: None, class };
        deployment.ask("ada", create).await.unwrap();
    }
    deployment.ask("ada", parameter("period_days", "180")).await.unwrap();
    let withdrawn = deployment.ask("ada", parameter("period_days", "90")).await.unwrap().output.row.id;
    deployment.ask("otto", WithdrawDeclaration { declaration: withdrawn }).await.unwrap();
    approvals(deployment, &key).await;
    let app = || PrincipalRef::Name("app".parse().unwrap());
    let lifetime = Duration::from_secs(3600);
    let what = NewCredential::ShortLived { lifetime };
    let made = CreateCredential { principal: app(), label: "sdk".parse().unwrap(), what, to_confirm: false };
    deployment.ask("ada", made).await.unwrap();
    let conditions = Conditions {
        context_equals: vec![("tenant".into(), "7".into())],
        context_exactly: Some(vec![("tenant".into(), "7".into())]),
        source_networks: vec!["10.0.0.0/8".parse().unwrap()],
        until: Some(deployment.clock.wall().after(lifetime)),
    };
    let grant = CreateGrant {
        principal: app(),
        on: GrantOn::Key(id),
        operations: vec![Action::Encrypt],
        conditions,
        name: Some("first".into()),
        retiring: None,
    };
    deployment.ask("otto", grant).await.unwrap();
}

/// Rules of the deployment; and approvals, one that somebody approved and one that somebody denied.
async fn approvals(deployment: &Deployment, key: &KeyRecord) {
    let rules = SetGovernance { human_grant_lifetime: Some(Some(DAY * 90)), ..SetGovernance::default() };
    deployment.ask("otto", rules).await.unwrap();
    let signer = custodian(deployment, "carl").await;
    for denied in [false, true] {
        let waiting = Some(DAY * if denied { 31 } else { 30 });
        let schedule = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting };
        let id = pending(deployment.ask("ada", schedule).await);
        let row = deployment.store.find_approval(id).await.unwrap().unwrap();
        let now = deployment.clock.wall();
        if denied {
            deployment.ask_with(signer.presented(), denial(&signer, &row, now)).await.unwrap();
        } else {
            deployment.ask_with(signer.presented(), approval(&signer, &row, now)).await.unwrap();
        }
    }
}

/// What differs, or that a row does not read. Alerts that the server raises about the edits are none.
async fn found(deployment: &Deployment, verified: &Verified) -> bool {
    let mut comparison = Comparison::new(&verified.objects);
    let mut from = RowCursor::default();
    loop {
        let Ok(page) = deployment.ask("vera", ReadRows { from, limit: 1000 }).await else { return true };
        let rows = page.output.rows.iter().filter(|row| !is_raised_since(verified, row));
        rows.for_each(|row| comparison.see(row));
        match page.output.next {
            Some(next) => from = next,
            None => return !comparison.finish().is_empty(),
        }
    }
}

fn other_than(value: &Value, declared: &str) -> Value {
    match value {
        Value::Null => match declared {
            "BLOB" => Value::Blob(vec![1; 16]),
            "TEXT" => Value::Text("x".to_owned()),
            _ => Value::Integer(1),
        },
        Value::Integer(number) => Value::Integer(number + 1),
        Value::Real(number) => Value::Real(number + 1.0),
        Value::Text(word) => Value::Text(
            match word.as_str() {
                "active" => "suspended",
                "auditor" => "administrator",
                "encrypt" => "encrypt,decrypt",
                "strict" => "relaxed",
                other => return Value::Text(format!("{other}x")),
            }
            .to_owned(),
        ),
        Value::Blob(bytes) => {
            let mut bytes = bytes.clone();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            Value::Blob(bytes)
        }
    }
}

fn open(deployment: &Deployment) -> Connection {
    let database = Connection::open(deployment.directory.path().join("data/store.db")).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.pragma_update(None, "ignore_check_constraints", true).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}

/// Names and declared types.
fn columns_of(database: &Connection, table: &str) -> Vec<(String, String)> {
    let mut statement = database.prepare(&format!("PRAGMA table_info({table})")).unwrap();
    statement.query_map([], |row| Ok((row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

/// The values of the newest row.
fn row_of(database: &Connection, table: &str, columns: &[String]) -> Vec<Value> {
    let made = match table {
        "alert" => "raised_at",
        "approval" => "requested_at",
        "break_glass" | "review" => "opened_at",
        "declaration" => "declared_at",
        "governance" => "set_at",
        "reason" => "given_at",
        _ => "created_at",
    };
    let sql = format!("SELECT {} FROM {table} ORDER BY {made} DESC, 1 LIMIT 1", columns.join(", "));
    database.query_row(&sql, [], |row| (0..columns.len()).map(|at| row.get(at)).collect()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edited_column_is_found() {
    let deployment = furnished().await;
    let verified = replay(&deployment).await;
    assert_eq!(differences(&deployment, &verified).await, Vec::<String>::new());
    let mut unseen = BTreeSet::new();
    for (table, key) in TABLES {
        let database = open(&deployment);
        let (columns, declared): (Vec<_>, Vec<_>) = columns_of(&database, table).into_iter().unzip();
        let row = row_of(&database, table, &columns);
        let at = |name: &str| columns.iter().position(|column| column == name).unwrap();
        for (column, value) in columns.iter().zip(&row) {
            let mut edited = row.clone();
            edited[at(column)] = other_than(value, &declared[at(column)]);
            let set = |from: &[Value], to: &Value| {
                let wanted: Vec<_> =
                    key.iter().enumerate().map(|(n, name)| format!("{name} = ?{}", n + 2)).collect();
                let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {}", wanted.join(" AND "));
                let values = std::iter::once(to.clone()).chain(key.iter().map(|name| from[at(name)].clone()));
                assert_eq!(database.execute(&sql, rusqlite::params_from_iter(values)).unwrap(), 1, "{sql}");
            };
            set(&row, &edited[at(column)]);
            if !found(&deployment, &verified).await {
                unseen.insert((table.to_owned(), column.clone()));
            }
            set(&edited, value);
        }
    }
    assert_eq!(differences(&deployment, &verified).await, Vec::<String>::new(), "all is as it was");
    assert_eq!(unseen, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_taken_out_put_in_or_made_another_are_named() {
    let deployment = furnished().await;
    let verified = replay(&deployment).await;
    let database = open(&deployment);
    for (edit, undo, names) in [
        (
            "UPDATE principal SET roles = 'administrator' WHERE name = 'vera'",
            "UPDATE principal SET roles = 'auditor' WHERE name = 'vera'",
            "roles",
        ),
        (
            "UPDATE grants SET operations = 'encrypt,decrypt' WHERE name = 'first'",
            "UPDATE grants SET operations = 'encrypt' WHERE name = 'first'",
            "operations",
        ),
        (
            "UPDATE ring SET quorum = 0 WHERE name = 'orders'",
            "UPDATE ring SET quorum = 2 WHERE name = 'orders'",
            "quorum",
        ),
        (
            "UPDATE principal SET capacities = replace(capacities, 'dpo', 'ciso') WHERE name = 'carl'",
            "UPDATE principal SET capacities = replace(capacities, 'ciso', 'dpo') WHERE name = 'carl'",
            "capacities",
        ),
        (
            "UPDATE credential SET awaits_confirmation = 1 WHERE principal = (SELECT id FROM principal WHERE name = 'app')",
            "UPDATE credential SET awaits_confirmation = NULL WHERE awaits_confirmation IS NOT NULL",
            "awaits_confirmation",
        ),
        (
            "UPDATE alert SET count = count + 1 WHERE closed_at IS NULL AND rule = 2",
            "UPDATE alert SET count = count - 1 WHERE closed_at IS NULL AND rule = 2",
            "count",
        ),
        (
            "UPDATE break_glass SET ends_at = ends_at + 1",
            "UPDATE break_glass SET ends_at = ends_at - 1",
            "ends_at",
        ),
        (
            "CREATE TEMP TABLE closed AS SELECT * FROM review WHERE closed_at IS NOT NULL; \
             DELETE FROM review WHERE closed_at IS NOT NULL",
            "INSERT INTO review SELECT * FROM closed; DROP TABLE closed",
            "(it is not there)",
        ),
        (
            "CREATE TEMP TABLE kept AS SELECT * FROM grants; DELETE FROM grants",
            "INSERT INTO grants SELECT * FROM kept; DROP TABLE kept",
            "(it is not there)",
        ),
        (
            "CREATE TEMP TABLE gone AS SELECT * FROM reason; DELETE FROM reason",
            "INSERT INTO reason SELECT * FROM gone; DROP TABLE gone",
            "(it is not there)",
        ),
        (
            "CREATE TEMP TABLE keyless AS SELECT * FROM veil WHERE name IN (SELECT CAST(x'08' || id AS BLOB) FROM reason); \
             DELETE FROM veil WHERE name IN (SELECT CAST(x'08' || id AS BLOB) FROM reason)",
            "INSERT INTO veil SELECT * FROM keyless; DROP TABLE keyless",
            "text",
        ),
        (
            "CREATE TEMP TABLE made AS SELECT * FROM principal WHERE name = 'app'; \
             UPDATE made SET id = randomblob(16), name = 'made'; INSERT INTO principal SELECT * FROM made",
            "DELETE FROM principal WHERE name = 'made'; DROP TABLE made",
            "(the log knows no such object)",
        ),
    ] {
        database.execute_batch(edit).unwrap();
        let mut found = differences(&deployment, &verified).await;
        // Whatever was edited, its row does not hold either.
        found.retain(|line| !line.contains("tag"));
        assert!(!found.is_empty() && found.iter().all(|line| line.contains(names)), "{edit}: {found:?}");
        database.execute_batch(undo).unwrap();
        assert_eq!(differences(&deployment, &verified).await, Vec::<String>::new(), "{undo}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_before_there_were_facts_are_recorded_at_the_next_start_and_once() {
    let deployment = furnished().await;
    let before = deployment.road.figures().entries.load(std::sync::atomic::Ordering::Relaxed);
    assert!(before > 0);
    // As an older store is when it comes to this release.
    let deployment = deployment
        .restart_after(|database| {
            let database = Connection::open(database).unwrap();
            database.execute("INSERT INTO fact_head (id, kind, after) VALUES (1, 1, x'')", []).unwrap();
        })
        .await;
    let verified = replay(&deployment).await;
    assert_eq!(verified.findings, []);
    assert_eq!(differences(&deployment, &verified).await, Vec::<String>::new());
    let newest = verified.objects.iter().map(|(_, current)| current.at.1).max().unwrap();
    let deployment = deployment.restart().await;
    let again = replay(&deployment).await;
    assert_eq!(again.objects.iter().map(|(_, current)| current.at.1).max(), Some(newest), "recorded once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wraps_the_kek_of_a_ring_is_recorded_and_of_an_older_one_once_it_opens() {
    let deployment = furnished().await;
    let sealing = deployment.road.provider().module().sealing;
    let own = deployment.store.find_ring_by_name(&"orders".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(own.kek_wrap, Some(sealing.clone()));
    let [older, damaged] = [21, 22].map(|byte| KeyRingId::from_bytes([byte; 16]));
    let kek = deployment.road.provider().create_ring_kek(older).await.unwrap();
    // As rings of schema 1 are once their table was brought here. The KEK of the second is that of another ring.
    let deployment = deployment
        .restart_after(|database| {
            let database = Connection::open(database).unwrap();
            database.execute_batch(&format!("{OLDER} {WITHOUT_FACTS}")).unwrap();
            let sql = "INSERT INTO ring (id, name, protection, destroy_waiting_period, quorum, separation, kek, created_at, revision) \
                       SELECT ?1, ?2, protection, destroy_waiting_period, quorum, separation, ?3, created_at, 3 \
                       FROM ring WHERE name = 'orders'";
            for (id, name) in [(older, "older"), (damaged, "damaged")] {
                let made = database.execute(sql, rusqlite::params![id.as_bytes(), name, kek]).unwrap();
                assert_eq!(made, 1);
            }
        })
        .await;
    let wrapped = async |id| {
        let ring = deployment.store.find_ring(id).await.unwrap().unwrap();
        (ring.kek_wrap, ring.revision)
    };
    assert_eq!(wrapped(older).await, (Some(sealing.clone()), 4));
    assert_eq!(wrapped(damaged).await, (None, 3));
    // It stays with the ring when something else of it changes.
    let patch = RingPatch { rotates: Some(RotatedKeys::All), ..RingPatch::default() };
    for ring in [older, own.id] {
        let change = UpdateRing { ring: RingRef::Id(ring), patch: patch.clone(), if_revision: None };
        deployment.ask("ada", change).await.unwrap();
    }
    assert_eq!(wrapped(older).await, (Some(sealing.clone()), 5));
    let verified = replay(&deployment).await;
    assert_eq!(verified.findings, []);
    assert_eq!(differences(&deployment, &verified).await, Vec::<String>::new());
    let said = |id| {
        let fields = verified.objects.find(&Object::Ring(id)).unwrap().fields();
        let shown = fields.iter().filter(|(number, _)| (18..=21).contains(*number));
        let shown = shown.map(|(number, field)| show_field(Kind::Ring, *number, field));
        shown.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let expected = [
        format!("kek_root_key={}", sealing.key),
        "kek_root_version=1".to_owned(),
        "kek_wrap_algorithm=aes-256-gcm".to_owned(),
        "kek_wrap_strength=256".to_owned(),
    ];
    assert_eq!((said(own.id), said(older)), (expected.to_vec(), expected.to_vec()));
    assert_eq!(said(damaged), Vec::<String>::new());
}
