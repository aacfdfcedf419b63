//! Rows that somebody edits in the database of a stopped server: nothing rests on them once it runs again.

use std::path::Path;
use std::time::Duration;

use claviger_audit::{Entry, Op};
use claviger_core::grant::Grant;
use claviger_core::key::{Event, KeyRecord, State};
use claviger_core::object::{Kind, RowCursor};
use claviger_core::port::{Store as _, StoreError};
use claviger_core::{Action, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{Encrypt, ReadPublicKey, UseKey};
use claviger_service::operation::{
    ChangeKeyState, CheckIndexes, CloseAlert, CloseBreakGlass, CloseReview, CreateAlias, ReadEntries,
    ReadKey, ReadSystem, RemoveAlias, RevokeGrant, ScheduleDestroy,
};
use claviger_service::{ErrorKind, KeyRef, ServiceError};
use rusqlite::Connection;
use rusqlite::types::Value;

use claviger_testkit::older::OLDER;

use crate::deployment::{DAY, Deployment};
use crate::edited_rows::emergencies;

fn id(key: &KeyRecord) -> KeyRef {
    KeyRef::Id(key.key.id)
}

async fn furnished() -> (Deployment, KeyRecord, Grant) {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let grant = deployment.grant(&key, &[Action::Encrypt]).await;
    let name = "shop/cards".parse().unwrap();
    deployment.ask("ada", CreateAlias { name, key: id(&key) }).await.unwrap();
    deployment.encrypt("app", &key, b"x").await.unwrap();
    (deployment, key, grant)
}

fn edit(database: &Path, sql: &str) {
    let database = Connection::open(database).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.execute_batch(sql).unwrap();
}

async fn encrypt_by_alias(deployment: &Deployment) -> Result<Vec<u8>, ServiceError> {
    let what = Encrypt { plaintext: b"x".to_vec().into(), context: Context::EMPTY, algorithm: None };
    let alias = KeyRef::Alias("shop/cards".parse().unwrap());
    Ok(deployment.ask("app", UseKey::new(alias, what)).await?.output.ciphertext)
}

/// What the log says of altered rows, once it says so much: kind and identifier of each object.
async fn reported(deployment: &Deployment, at_least: usize) -> Vec<Vec<u8>> {
    let mut reported = Vec::new();
    for _ in 0..100 {
        let filter = EntryFilter { operation: Some(Op::RowAltered.code()), ..EntryFilter::default() };
        let read = ReadEntries { from: 0, limit: 1000, filter };
        let page = deployment.ask("vera", read).await.unwrap().output;
        let entries = page.entries.iter().map(|found| Entry::decode(&found.bytes).unwrap());
        reported = entries.map(|entry| entry.reference.unwrap().to_vec()).collect();
        if reported.len() >= at_least {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    reported
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_would_rest_on_an_edited_row_is_refused_and_the_log_says_so_once() {
    for (sql, kind) in [
        ("UPDATE grants SET operations = 'encrypt,decrypt'", Kind::Grant),
        ("UPDATE grants SET conditions = NULL, name = 'x'", Kind::Grant),
        ("UPDATE principal SET roles = 'administrator' WHERE name = 'app'", Kind::Principal),
        (
            "UPDATE principal SET capacities = 'ciso=' || lower(hex(zeroblob(16))) WHERE name = 'app'",
            Kind::Principal,
        ),
        ("UPDATE credential SET expires_at = expires_at + 1", Kind::Credential),
        (
            "UPDATE credential SET awaits_confirmation = 1 \
             WHERE principal = (SELECT id FROM principal WHERE name = 'app')",
            Kind::Credential,
        ),
        ("UPDATE ring SET quorum = 0 WHERE name = 'orders'", Kind::Ring),
        ("UPDATE key SET data_class = 'internal'", Kind::Key),
        ("UPDATE key_version SET protect_uses = protect_uses + 1", Kind::Version),
        ("UPDATE key_version SET wrap = randomblob(length(wrap))", Kind::Version),
        ("UPDATE key SET tag = NULL", Kind::Key),
    ] {
        let (deployment, key, _) = furnished().await;
        let only_of_app = sql.replace(
            "UPDATE credential SET expires_at = expires_at + 1",
            "UPDATE credential SET expires_at = expires_at + 1 \
             WHERE principal = (SELECT id FROM principal WHERE name = 'app')",
        );
        let deployment = deployment.restart_after(|database| edit(database, &only_of_app)).await;
        for _ in 0..3 {
            let refused = deployment.encrypt("app", &key, b"x").await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::RowAltered, "{sql}");
        }
        assert!(deployment.road.row_figures().altered >= 3, "{sql}");
        let entries = reported(&deployment, 1).await;
        assert_eq!(entries.len(), 1, "{sql}: one an hour");
        assert_eq!(entries[0][0], kind.code(), "{sql}");
        deployment.clock.advance(Duration::from_secs(3_601));
        deployment.encrypt("app", &key, b"x").await.unwrap_err();
        assert_eq!(reported(&deployment, 2).await.len(), 2, "{sql}: again after it");
        // What does not rest on the row goes on.
        let other = deployment.key_in("other", "main", Purpose::Encrypt, Spec::Aes256Gcm).await;
        deployment.ask("vera", ReadKey { key: id(&other) }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_must_look_at_is_not_dealt_with_on_an_edited_row() {
    let kind = |table: &str| match table {
        "alert" => Kind::Alert,
        "break_glass" => Kind::BreakGlass,
        _ => Kind::Review,
    };
    for (table, edited) in [
        // As if it were about something else, somebody had looked at it, it had ended at once or others had opened it, or there were more time.
        ("alert", "SET subject = x''"),
        ("alert", "SET triaged_by = zeroblob(16), triaged_at = 1"),
        ("break_glass", "SET closed_by = opened_by, closed_at = opened_at"),
        ("break_glass", "SET holder = opened_by, opened_by = holder"),
        ("review", "SET due_at = due_at + 1"),
        ("review", "SET tag = NULL"),
    ] {
        let deployment = Deployment::build().await;
        let there = emergencies(&deployment).await;
        let sql = format!("UPDATE {table} {edited}");
        let deployment = deployment.restart_after(|database| edit(database, &sql)).await;
        let refused = match table {
            "alert" => deployment.ask("otto", CloseAlert { alert: there.alerts[0] }).await.err(),
            "break_glass" => {
                deployment.ask("olga", CloseBreakGlass { access: there.accesses[0] }).await.err()
            }
            _ => deployment.ask("olga", CloseReview { review: there.reviews[0] }).await.err(),
        };
        assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::RowAltered), "{sql}");
        assert_eq!(reported(&deployment, 1).await[0][0], kind(table).code(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_was_turned_and_names_that_were_exchanged_lead_nowhere() {
    let (deployment, _, _) = furnished().await;
    deployment.key("trap", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let turn = "UPDATE alias SET key = (SELECT id FROM key WHERE name = 'trap')";
    let deployment = deployment.restart_after(|database| edit(database, turn)).await;
    assert_eq!(encrypt_by_alias(&deployment).await.unwrap_err().kind(), ErrorKind::RowAltered);

    let (deployment, key, _) = furnished().await;
    let trap = deployment.key("trap", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for key in [&key, &trap] {
        deployment.grant(key, &[Action::Encrypt]).await;
    }
    let exchange = "UPDATE key SET name = 'aside' WHERE name = 'cards'; \
                    UPDATE key SET name = 'cards' WHERE name = 'trap'; \
                    UPDATE key SET name = 'trap' WHERE name = 'aside'";
    let deployment = deployment.restart_after(|database| edit(database, exchange)).await;
    let what = Encrypt { plaintext: b"x".to_vec().into(), context: Context::EMPTY, algorithm: None };
    let named = KeyRef::Name("orders/cards".parse().unwrap());
    let refused = deployment.ask("app", UseKey::new(named, what)).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RowAltered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_that_was_exchanged_is_not_given_out() {
    let deployment = Deployment::build().await;
    let mine = deployment.key("mine", Purpose::Sign, Spec::EcP256).await;
    deployment.key("other", Purpose::Sign, Spec::EcP256).await;
    deployment.grant(&mine, &[Action::ReadPublicKey]).await;
    let exchange = "CREATE TEMP TABLE kept AS SELECT public_key FROM key_version v JOIN key k ON k.id = v.key WHERE k.name = 'other'; \
                    UPDATE key_version SET public_key = (SELECT public_key FROM kept)";
    let deployment = deployment.restart_after(|database| edit(database, exchange)).await;
    let read = ReadPublicKey { key: id(&mine), version: None, in_use: false };
    let refused = deployment.ask("app", read).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RowAltered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_does_nothing_to_a_key_whose_row_was_edited() {
    let deployment = Deployment::build().await;
    deployment.relaxed_ring("orders").await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.ask("ada", ScheduleDestroy { key: id(&key), waiting: Some(DAY * 30) }).await.unwrap();
    let now = "UPDATE key SET destroy_at = destroy_scheduled_at + 1";
    let deployment = deployment.restart_after(|database| edit(database, now)).await;
    deployment.clock.advance(DAY);
    deployment.road.do_what_is_due().await;
    let from = RowCursor { kind: Kind::Version, after: None };
    let rows = deployment.store.list_rows(from, 10).await.unwrap();
    let is_destroyed = |found: &claviger_core::object::FoundRow| match &found.row {
        claviger_core::object::StateRow::Version(version) => version.state == State::Destroyed,
        _ => true,
    };
    assert!(rows.len() == 1 && !rows.iter().any(is_destroyed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_tags_were_taken_away_does_not_open() {
    for (sql, opens) in [
        ("SELECT 1", true),
        ("DELETE FROM document WHERE name = 'row-tags'", false),
        (
            "DELETE FROM document WHERE name = 'row-tags'; UPDATE principal SET roles = 'administrator', tag = NULL; \
             UPDATE key SET tag = NULL",
            false,
        ),
    ] {
        let (deployment, _, _) = furnished().await;
        let opened = deployment.try_restart_after(|database| edit(database, sql)).await;
        assert_eq!(opened.is_ok(), opens, "{sql}: {opened:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_is_looked_at_after_a_start_though_nobody_asks_for_it() {
    let (deployment, _, _) = furnished().await;
    let deployment =
        deployment.restart_after(|database| edit(database, "UPDATE grants SET name = 'none'")).await;
    let entries = reported(&deployment, 1).await;
    assert_eq!((entries.len(), entries[0][0]), (1, Kind::Grant.code()));
    for _ in 0..100 {
        if deployment.road.row_figures().is_done {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let figures = deployment.road.row_figures();
    // Beside those that there were, it may meet the alert that the edit raised.
    assert!(figures.is_done && figures.checked >= figures.rows && figures.rows > 8, "{figures:?}");
    assert_eq!(deployment.ask("vera", ReadSystem {}).await.unwrap().output.rows, figures);
}

/// Everything that a table says of something, to be put back later.
fn keep(database: &Path, table: &str, row: &str) -> Vec<Vec<Value>> {
    let database = Connection::open(database).unwrap();
    let mut select = database.prepare(&format!("SELECT * FROM {table} WHERE {row}")).unwrap();
    let width = select.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at)).collect();
    select.query_map([], read).unwrap().map(Result::unwrap).collect()
}

fn put_back(database: &Path, table: &str, row: &str, kept: &[Vec<Value>]) {
    let database = Connection::open(database).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.execute(&format!("DELETE FROM {table} WHERE {row}"), []).unwrap();
    for row in kept {
        let places = vec!["?"; row.len()].join(", ");
        let sql = format!("INSERT INTO {table} VALUES ({places})");
        database.execute(&sql, rusqlite::params_from_iter(row)).unwrap();
    }
}

fn database(deployment: &Deployment) -> std::path::PathBuf {
    deployment.directory.path().join("data/store.db")
}

#[tokio::test(flavor = "multi_thread")]
async fn older_rows_that_are_put_back_with_their_tags_decide_nothing() {
    // A right that was revoked, with the entry by which it is found.
    let (deployment, key, grant) = furnished().await;
    let tables = ["grants", "grant_index", "grant_count"];
    let kept = tables.map(|table| keep(&database(&deployment), table, "1"));
    deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
    assert_eq!(deployment.encrypt("app", &key, b"x").await.unwrap_err().kind(), ErrorKind::NotFound);
    let deployment = deployment
        .restart_after(|database| {
            tables.iter().zip(&kept).for_each(|(table, kept)| put_back(database, table, "1", kept));
        })
        .await;
    assert_eq!(deployment.encrypt("app", &key, b"x").await.unwrap_err().kind(), ErrorKind::RowAltered);
    assert_eq!(reported(&deployment, 1).await[0][0], Kind::Grant.code());

    // A key that was suspended, and a role that was taken away.
    let (deployment, key, _) = furnished().await;
    let kept = keep(&database(&deployment), "key", "name = 'cards'");
    deployment.ask("ada", ChangeKeyState::new(id(&key), None, Event::Suspend).unwrap()).await.unwrap();
    let deployment =
        deployment.restart_after(|database| put_back(database, "key", "name = 'cards'", &kept)).await;
    assert_eq!(deployment.encrypt("app", &key, b"x").await.unwrap_err().kind(), ErrorKind::RowAltered);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_taken_out_are_missed() {
    for (sql, kind) in [
        ("DELETE FROM key_version", Kind::Key),
        ("DELETE FROM key", Kind::Key),
        ("DELETE FROM principal WHERE name = 'app'", Kind::Principal),
    ] {
        let (deployment, key, _) = furnished().await;
        let deployment = deployment.restart_after(|database| edit(database, sql)).await;
        let refused = deployment.encrypt("app", &key, b"x").await.unwrap_err();
        // A key without its primary version does not read at all.
        let kinds = [ErrorKind::RowAltered, ErrorKind::Internal];
        assert!(kinds.contains(&refused.kind()), "{sql}: {refused:?}");
        assert!(deployment.road.row_figures().altered > 0, "{sql}: {kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_rows_that_was_put_back_with_them_does_not_open() {
    const EVERYTHING: &[&str] = &["grants", "grant_index", "grant_count", "row_block", "row_root", "row_sum"];
    let opened = async |tables: &'static [&'static str], gone: &'static str| {
        let (deployment, _, grant) = furnished().await;
        let kept: Vec<_> = tables.iter().map(|table| keep(&database(&deployment), table, "1")).collect();
        deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
        deployment
            .try_restart_after(|database| {
                tables.iter().zip(&kept).for_each(|(table, kept)| put_back(database, table, "1", kept));
                edit(database, gone);
            })
            .await
    };
    assert!(opened(&[], "SELECT 1").await.is_ok());
    for (tables, gone, why) in [
        (EVERYTHING, "UPDATE fence SET state_seq = state_seq - 1", "is not that of the last cut"),
        (EVERYTHING, "SELECT 1", "another one than when state was last changed"),
        // Before the cut that followed: the log records it.
        (&EVERYTHING[..3], "UPDATE row_root SET log_size = log_size - 1", "as a server wrote it"),
        (&EVERYTHING[3..4], "SELECT 1", "does not hold"),
        (&[], "DELETE FROM row_root", "is gone"),
        (&[], "UPDATE row_block SET digest = zeroblob(32)", "does not hold"),
    ] {
        let refused = opened(tables, gone).await.unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains(why), "{why}: {cause}");
    }
}

/// Rows of no object: their tags hold, and some of them are gone, or are those of before.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_no_object_that_were_taken_out_or_put_back_are_named() {
    let begin = async || {
        let (deployment, key, grant) = furnished().await;
        let alias = || "shop/gone".parse().unwrap();
        deployment.ask("ada", CreateAlias { name: alias(), key: id(&key) }).await.unwrap();
        deployment.ask("ada", RemoveAlias { name: alias() }).await.unwrap();
        let new = deployment.new_key("orders", "once", Purpose::Encrypt, Spec::Aes128Gcm);
        deployment.ask_once("ada", "again", new).await.unwrap();
        deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
        deployment
    };
    let check = async |deployment: &Deployment| deployment.ask("vera", CheckIndexes {}).await.unwrap().output;
    for (sql, table) in [
        ("DELETE FROM alias_name WHERE name = 'shop/gone'", "alias_name"),
        ("DELETE FROM idempotency", "idempotency"),
        ("UPDATE idempotency SET created_at = 1", "idempotency"),
        ("DELETE FROM fence_delta WHERE epoch = (SELECT min(epoch) FROM fence_delta)", "fence_delta"),
        ("DELETE FROM veil WHERE name = (SELECT name FROM veil WHERE substr(name, 1, 1) = x'07')", "veil"),
        ("INSERT INTO veil SELECT zeroblob(17), sealed FROM veil LIMIT 1", "veil"),
        (
            "DELETE FROM document WHERE name = (SELECT min(name) FROM document WHERE name LIKE 'node/%')",
            "document",
        ),
        ("UPDATE document SET bytes = x'39' WHERE name = 'newest-shard-checkpoint/since'", "document"),
        ("DELETE FROM document WHERE name = 'newest-shard-checkpoint/since'", "document"),
        ("INSERT INTO document SELECT name || 'x', bytes FROM document LIMIT 1", "document"),
        ("INSERT INTO row_root SELECT 2, root, log_size, log_root, beside, tag FROM row_root", "row_root"),
        (
            "INSERT INTO key_version SELECT zeroblob(16), number, state, wrap_format, wrap, public_key, origin, module, \
             generator, health_ok, rotated, created_at, activated_at, state_changed_at, protect_uses, revision, \
             material_digest, material_expires_at, material_removed_at, fingerprint, transport_algorithm, transport_spec, \
             transport_key, reason, fact, tag, uses_tag FROM key_version LIMIT 1",
            "key_version",
        ),
    ] {
        let deployment = begin().await;
        if table == "fence_delta" {
            // The newest one is looked at before anything else.
            let key = deployment.key("other", Purpose::Encrypt, Spec::Aes128Gcm).await;
            let suspend = ChangeKeyState::new(id(&key), None, Event::Suspend).unwrap();
            deployment.ask("ada", suspend).await.unwrap();
        }
        let deployment = deployment
            .restart_after(|database| {
                let database = Connection::open(database).unwrap();
                database.pragma_update(None, "foreign_keys", false).unwrap();
                database.pragma_update(None, "ignore_check_constraints", true).unwrap();
                assert!(database.execute(sql, []).unwrap() > 0, "{sql}");
            })
            .await;
        deployment.road.do_what_is_due().await;
        let found = check(&deployment).await;
        assert!(found.iter().any(|line| line.contains(&format!("`{table}`"))), "{sql}: {found:?}");
    }
    // What the server forgets of itself is not missed.
    let deployment = begin().await;
    deployment.clock.advance(DAY * 8);
    deployment.road.do_what_is_due().await;
    assert_eq!(check(&deployment).await, Vec::<String>::new());
    let database = Connection::open(database(&deployment)).unwrap();
    let left: i64 = database.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    drop(database);
    let deployment = deployment.restart().await;
    assert_eq!(check(&deployment).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_of_rows_that_were_put_back_do_not_open() {
    let (deployment, key, _) = furnished().await;
    let kept = keep(&database(&deployment), "row_sum", "1");
    deployment.ask("ada", CreateAlias { name: "shop/other".parse().unwrap(), key: id(&key) }).await.unwrap();
    let opened = deployment.try_restart_after(|database| put_back(database, "row_sum", "1", &kept)).await;
    let refused = opened.unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("`row_sum`"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_older_store_get_tags_once_its_keys_are_as_its_log_has_them() {
    let (deployment, key, _) = furnished().await;
    let deployment = deployment.restart_after(|database| edit(database, OLDER)).await;
    deployment.encrypt("app", &key, b"x").await.unwrap();
    let deployment = deployment.restart().await;
    deployment.encrypt("app", &key, b"x").await.unwrap();
    assert_eq!(deployment.road.row_figures().altered, 0);
    for tampered in [
        "UPDATE key SET state = 'suspended'",
        "UPDATE key_version SET state = 'deactivated'",
        "DELETE FROM key_version",
        "INSERT INTO key_version SELECT key, 2, state, wrap_format, wrap, public_key, origin, module, generator, health_ok, \
         rotated, created_at, activated_at, state_changed_at, protect_uses, revision, material_digest, material_expires_at, \
         material_removed_at, fingerprint, transport_algorithm, transport_spec, transport_key, reason, fact, tag, uses_tag \
         FROM key_version",
    ] {
        let (deployment, _, _) = furnished().await;
        let refused =
            deployment.try_restart_after(|database| edit(database, &format!("{OLDER} {tampered}"))).await;
        let refused = refused.unwrap_err();
        let cause = std::error::Error::source(&refused).and_then(|cause| cause.downcast_ref::<StoreError>());
        assert!(matches!(cause, Some(StoreError::RowAltered(_))), "{tampered}: {refused:?}");
    }
}
