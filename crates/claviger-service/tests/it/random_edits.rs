//! Random edits of a stopped store, made by code that knows nothing but SQLite's own schema: each is found, and named, by what
//! `claviger audit verify` does; what decides is refused at use. Stores that nobody touched have no finding.

#![expect(
    clippy::indexing_slicing,
    reason = "an edit that points beyond what there is is a mistake of this test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use claviger_audit::verify::Comparison;
use claviger_core::object::{Kind, Object, RowCursor};
use claviger_core::port::{Store as _, StoreError};
use claviger_core::{Action, KeyVersionId, Purpose, Spec};
use claviger_service::KeyRef;
use claviger_service::operation::*;
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::deployment::{Deployment, Stopped};
use crate::edited_rows::{emergencies, furnish};
use crate::evidence::{try_live_rows, try_replay};

/// Edits by night, and untouched stores beside them; a few of each otherwise.
const MOST: usize = 500;
const FEW: usize = 36;

/// What nobody finds, and why that is so: tables, columns, or rows of a table that were taken away, copied or put back.
const NOT_FOUND: &[(&str, &str)] = &[
    ("root_head.signed_size", "the same head is signed again at the start"),
    ("shard_head.incarnation", "a greater one fences older writers, of which there are none at a start"),
    ("usage_head", "when a key was last used is derived from the log, and no evidence"),
    ("version_usage", "the same"),
];

/// By what an edit of a table is named, beside the table's own name: its objects, or the part of the log.
const NAMES: &[(&str, &[&str])] = &[
    ("audit_batch", &["entr", "log", "batch"]),
    ("grant_count", &["active grants"]),
    ("grants", &["grant"]),
    ("key_version", &["version"]),
    ("root_head", &["root log", "cut", "checkpoint"]),
    ("root_leaf", &["root log", "cut", "root-log"]),
    ("row_block", &["record of which rows", "rows"]),
    ("row_root", &["record of which rows"]),
    ("shard_head", &["log", "shard"]),
    ("usage_head", &["uses are counted"]),
];

/// One edit: what was done, and to which table.
struct Edit {
    table: String,
    column: Option<String>,
    text: String,
}

struct Table {
    name: String,
    /// Names, and which are of the primary key.
    columns: Vec<(String, bool)>,
}

impl Table {
    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.0.as_str()).collect()
    }

    fn rows(&self, database: &Connection) -> Vec<Vec<Value>> {
        let sql = format!("SELECT {} FROM \"{}\"", self.names().join(", "), self.name);
        let mut statement = database.prepare(&sql).unwrap();
        let width = self.columns.len();
        let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect());
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Which row it is, as SQL with the values to bind behind `from`.
    fn place(&self, row: &[Value], from: usize) -> (String, Vec<Value>) {
        let named = self.columns.iter().zip(row).filter(|(column, _)| column.1);
        let (mut sql, mut values) = (String::from("1"), Vec::new());
        for ((name, _), value) in named {
            let _ = write!(sql, " AND {name} IS ?{}", from + values.len() + 1);
            values.push(value.clone());
        }
        (sql, values)
    }
}

fn open(database: &Path) -> Connection {
    let database = Connection::open(database).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.pragma_update(None, "ignore_check_constraints", true).unwrap();
    database
}

/// All tables, by introspection.
fn tables(database: &Connection) -> Vec<Table> {
    let sql =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = database.prepare(sql).unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let columns = |name: &String| {
        let mut statement = database.prepare(&format!("PRAGMA table_info(\"{name}\")")).unwrap();
        let columns = statement.query_map([], |row| Ok((row.get(1)?, row.get::<_, i64>(5)? > 0)));
        columns.unwrap().map(Result::unwrap).collect()
    };
    names.into_iter().map(|name| Table { columns: columns(&name), name }).collect()
}

fn below(random: &mut TestRng, end: usize) -> usize {
    usize::try_from(random.next_u64() % (end.max(1) as u64)).unwrap()
}

fn pick<'a, T>(random: &mut TestRng, all: &'a [T]) -> Option<&'a T> {
    all.get(below(random, all.len()))
}

/// Another value, of the same type mostly.
fn other_than(random: &mut TestRng, value: &Value, column: &[Value]) -> Value {
    if random.next_u32().is_multiple_of(3)
        && let Some(other) = pick(random, column)
        && other != value
    {
        return other.clone();
    }
    match value {
        Value::Null => match pick(random, column) {
            Some(Value::Null) | None => match random.next_u32() % 3 {
                0 => Value::Integer(1),
                1 => Value::Blob(vec![1; 16]),
                _ => Value::Text("x".to_owned()),
            },
            Some(other) => other.clone(),
        },
        Value::Integer(number) => match random.next_u32() % 3 {
            0 => Value::Integer(number.wrapping_add(1)),
            1 => Value::Integer(number ^ (1 << (random.next_u32() % 32))),
            _ => Value::Integer(0),
        },
        Value::Real(number) => Value::Real(number + 1.0),
        Value::Text(text) if text.is_empty() => Value::Text("x".to_owned()),
        Value::Text(text) => Value::Text(match random.next_u32() % 2 {
            0 => text[..text.len() - 1].to_owned(),
            _ => format!("{text}x"),
        }),
        Value::Blob(bytes) if bytes.is_empty() => Value::Blob(vec![0; 16]),
        Value::Blob(bytes) => {
            let (mut bytes, at) = (bytes.clone(), below(random, bytes.len()));
            bytes[at] ^= 1 << (random.next_u32() % 8);
            Value::Blob(bytes)
        }
    }
}

fn insert(database: &Connection, table: &Table, row: &[Value]) -> bool {
    let places: Vec<_> = (1..=row.len()).map(|at| format!("?{at}")).collect();
    let sql = format!(
        "INSERT INTO \"{}\" ({}) VALUES ({})",
        table.name,
        table.names().join(", "),
        places.join(", ")
    );
    database.execute(&sql, rusqlite::params_from_iter(row)).is_ok()
}

fn delete(database: &Connection, table: &Table, row: &[Value]) -> bool {
    let (place, values) = table.place(row, 0);
    let sql = format!("DELETE FROM \"{}\" WHERE {place}", table.name);
    database.execute(&sql, rusqlite::params_from_iter(values)).is_ok_and(|rows| rows == 1)
}

/// Sets one column of one row; `false` where the schema does not let it.
fn set(database: &Connection, table: &Table, row: &[Value], column: &str, value: &Value) -> bool {
    let (place, mut values) = table.place(row, 1);
    values.insert(0, value.clone());
    let sql = format!("UPDATE \"{}\" SET {column} = ?1 WHERE {place}", table.name);
    database.execute(&sql, rusqlite::params_from_iter(values)).is_ok_and(|rows| rows == 1)
}

fn edit_column(database: &Connection, random: &mut TestRng, table: &Table, at: usize) -> Option<Edit> {
    let rows = table.rows(database);
    let of_column: Vec<_> = rows.iter().map(|row| row[at].clone()).collect();
    let column = table.columns[at].0.clone();
    for _ in 0..40 {
        let row = pick(random, &rows)?;
        let value = other_than(random, &row[at], &of_column);
        if value != row[at] && set(database, table, row, &column, &value) {
            let text = format!("UPDATE {} SET {column} = {value:?} (was {:?})", table.name, row[at]);
            return Some(Edit { table: table.name.clone(), column: Some(column), text });
        }
    }
    None
}

fn edit_rows(
    database: &Connection,
    earlier: &Connection,
    random: &mut TestRng,
    table: &Table,
    how: usize,
) -> Option<Edit> {
    let rows = table.rows(database);
    let text = match how {
        0 => {
            let row = pick(random, &rows)?;
            delete(database, table, row).then(|| format!("DELETE FROM {}: {row:?}", table.name))?
        }
        1 => {
            // A copy under another key.
            let mut row = pick(random, &rows)?.clone();
            let keys: Vec<_> = (0..row.len()).filter(|at| table.columns[*at].1).collect();
            let at = *pick(random, &keys)?;
            row[at] = other_than(random, &row[at].clone(), &[]);
            insert(database, table, &row).then(|| format!("copy in {}: {row:?}", table.name))?
        }
        2 => {
            // All but the keys of two rows exchanged.
            let (one, other) = (pick(random, &rows)?, pick(random, &rows)?);
            let exchange = |into: &[Value], of: &[Value]| -> Vec<Value> {
                let columns = table.columns.iter().zip(into.iter().zip(of));
                columns.map(|(column, (into, of))| if column.1 { into.clone() } else { of.clone() }).collect()
            };
            let (first, second) = (exchange(one, other), exchange(other, one));
            if first == *one {
                return None;
            }
            let done = delete(database, table, one)
                && delete(database, table, other)
                && insert(database, table, &first)
                && insert(database, table, &second);
            assert!(done, "{}: an exchange that the schema does not let", table.name);
            format!("swap in {}: {one:?} and {other:?}", table.name)
        }
        _ => {
            // A row as it was earlier.
            let before = table.rows(earlier);
            let changed: Vec<_> = before
                .iter()
                .filter_map(|old| {
                    let key = table.place(old, 0).1;
                    let now = rows.iter().find(|row| table.place(row, 0).1 == key)?;
                    (now != old).then_some((now, old))
                })
                .collect();
            let (now, old) = pick(random, &changed)?;
            let done = delete(database, table, now) && insert(database, table, old);
            done.then(|| format!("older row in {}: {old:?}", table.name))?
        }
    };
    Some(Edit { table: table.name.clone(), column: None, text })
}

/// Every row of every table that begins with one identifier, taken away or put back to what it was earlier.
fn edit_object(
    database: &Connection,
    earlier: &Connection,
    random: &mut TestRng,
    all: &[Table],
) -> Option<Edit> {
    let with_rows: Vec<_> = all.iter().filter(|table| table.columns[0].0 == "id").collect();
    let table = pick(random, &with_rows)?;
    let first = |row: Vec<Value>| match row.into_iter().next() {
        Some(Value::Blob(id)) if id.len() == 16 => Some(id),
        _ => None,
    };
    let ids: Vec<_> = table.rows(database).into_iter().filter_map(first).collect();
    let id = pick(random, &ids)?;
    let is_of = |row: &Vec<Value>| {
        row.iter().any(|value| matches!(value, Value::Blob(bytes) if bytes == id || bytes.ends_with(id) && bytes.len() == 17))
    };
    let put_back = random.next_u32().is_multiple_of(2);
    let all_rows = |all: &[Table]| -> Vec<_> { all.iter().map(|table| table.rows(database)).collect() };
    let (before, mut changed) = (all_rows(all), 0);
    for table in all {
        for row in table.rows(database).iter().filter(|row| is_of(row)) {
            changed += usize::from(delete(database, table, row));
        }
        if put_back {
            for row in table.rows(earlier).iter().filter(|row| is_of(row)) {
                insert(database, table, row);
            }
        }
    }
    let how = if put_back { "put back to what they were" } else { "taken away" };
    let text = format!("all {changed} rows of {}, of table {}, {how}", hexadecimal(id), table.name);
    // What was put back may be what was there: in part, or all of it.
    let after = all_rows(all);
    let is_other = |at: &usize| before[*at] != after[*at];
    let picked = all.iter().position(|one| one.name == table.name).filter(is_other);
    let table = picked.or_else(|| (0..all.len()).find(is_other))?;
    Some(Edit { table: all[table].name.clone(), column: None, text })
}

/// What `claviger audit verify` says, or what stands in the way of it.
async fn audit_verify(deployment: &Deployment) -> Vec<String> {
    let mut said = Vec::new();
    match deployment.ask("vera", CheckIndexes {}).await {
        Ok(found) => said.extend(found.output),
        Err(error) => said.push(chain(&error)),
    }
    let verified = match try_replay(deployment).await {
        Ok(verified) => verified,
        Err(error) => {
            said.push(error);
            return said;
        }
    };
    said.extend(verified.findings.iter().map(|finding| format!("{}: {finding}", finding.code())));
    match try_live_rows(deployment).await {
        Ok(rows) => {
            let mut comparison = Comparison::new(&verified.objects);
            rows.iter().for_each(|row| comparison.see(row));
            said.extend(comparison.finish().iter().map(ToString::to_string));
        }
        Err(error) => said.push(chain(&error)),
    }
    said
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}

/// Is the edit named?
fn names(said: &[String], edit: &Edit) -> bool {
    let more =
        NAMES.iter().filter(|(table, _)| *table == edit.table).flat_map(|(_, names)| names.iter().copied());
    let mut names = more.chain([edit.table.as_str()]);
    names.any(|name| said.iter().any(|line| line.contains(name)))
}

/// Reads objects in the ways in which decisions do: those that are refused.
async fn refused_at_use(deployment: &Deployment, kind: Kind) -> BTreeSet<String> {
    let mut refused = BTreeSet::new();
    let rows = deployment.store.list_rows(RowCursor { kind, after: None }, 1000).await;
    let Ok(rows) = rows else { return BTreeSet::from(["(the rows do not read)".to_owned()]) };
    for row in rows {
        let store = &deployment.store;
        let object = row.row.object();
        let outcome: Result<bool, StoreError> = match object {
            Object::Ring(id) => store.find_ring(id).await.map(|found| found.is_some()),
            Object::Key(id) => store.find_key(id).await.map(|found| found.is_some()),
            Object::Version(id) => store.find_version(id).await.map(|found| found.is_some()),
            Object::Principal(id) => store.find_principal(id).await.map(|found| found.is_some()),
            Object::Credential(id) => store.find_credential(id).await.map(|found| found.is_some()),
            Object::Grant(id) => store.find_grant(id).await.map(|found| found.is_some()),
            Object::Asset(id) => store.find_asset(id).await.map(|found| found.is_some()),
            Object::Declaration(id) => store.find_declaration(id).await.map(|found| found.is_some()),
            Object::Approval(id) => store.find_approval(id).await.map(|found| found.is_some()),
            Object::Governance(_) => store.find_governance().await.map(|found| found.is_some()),
            Object::Review(id) => store.find_review(id).await.map(|found| found.is_some()),
            Object::Alert(id) => store.find_alert(id).await.map(|found| found.is_some()),
            Object::BreakGlass(id) => store.find_break_glass(id).await.map(|found| found.is_some()),
            Object::Alias(_) | Object::Node(_) | Object::Reason(_) | Object::RightsReview(_) => Ok(row.holds),
        };
        if !matches!(outcome, Ok(true)) {
            refused.insert(object.to_string());
        }
    }
    if kind == Kind::Version {
        refused.extend(refused_versions(deployment).await);
    }
    refused
}

/// Versions that their keys have and that are refused, wherever their rows are.
async fn refused_versions(deployment: &Deployment) -> BTreeSet<String> {
    let (store, mut refused) = (&deployment.store, BTreeSet::new());
    let keys = store.list_rows(RowCursor { kind: Kind::Key, after: None }, 1000).await.unwrap();
    for key in keys {
        let Object::Key(key) = key.row.object() else { continue };
        let Ok(Some(record)) = store.find_key(key).await else {
            refused.insert(Object::Key(key).to_string());
            continue;
        };
        for number in 1..=record.newest() {
            let id = KeyVersionId { key, number };
            if !matches!(store.find_version(id).await, Ok(Some(_))) {
                refused.insert(Object::Version(id).to_string());
            }
        }
    }
    refused
}

fn kind_of(table: &str) -> Option<Kind> {
    Some(match table {
        "ring" => Kind::Ring,
        "key" => Kind::Key,
        "key_version" => Kind::Version,
        "principal" => Kind::Principal,
        "credential" => Kind::Credential,
        "grants" => Kind::Grant,
        "alias" => Kind::Alias,
        "asset" => Kind::Asset,
        "declaration" => Kind::Declaration,
        "approval" => Kind::Approval,
        "governance" => Kind::Governance,
        "review" => Kind::Review,
        "alert" => Kind::Alert,
        "break_glass" => Kind::BreakGlass,
        _ => return None,
    })
}

/// A store with something in every table, stopped in good order; and its database as it was half way.
async fn template() -> (Stopped, tempfile::TempDir) {
    let deployment = Deployment::build().await;
    let others = emergencies(&deployment).await;
    furnish(&deployment).await;
    let time = deployment.clock.wall();
    deployment.ask("ada", ConfirmClock { time }).await.unwrap();
    let new = deployment.new_key("orders", "once", Purpose::Encrypt, Spec::Aes128Gcm);
    let once = deployment.ask_once("ada", "again", new).await.unwrap().output;
    deployment.grant(&once, &[Action::Encrypt, Action::Decrypt]).await;
    let earlier = tempfile::tempdir().unwrap();
    deployment.road.cut().await.unwrap();
    let database = Connection::open(deployment.directory.path().join("data/store.db")).unwrap();
    let copy = earlier.path().join("earlier.db");
    database.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(database);
    // What is older lies packed, what is newer as it came.
    deployment.road.pack_log().await.unwrap();
    for key in ["cards", "signing", "once"] {
        let key = KeyRef::Name(format!("orders/{key}").parse().unwrap());
        let patch = KeyPatch { description: Some("later".to_owned()), ..KeyPatch::default() };
        deployment.ask("ada", UpdateKey { key, patch, if_revision: None }).await.unwrap();
    }
    deployment.ask("ada", RotateKey { key: KeyRef::Id(once.key.id) }).await.unwrap();
    deployment.encrypt("app", &once, b"x").await.unwrap();
    let grant = deployment.grant(&once, &[Action::Encrypt]).await;
    deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
    let patch =
        RingPatch { destroy_waiting_period: Some(Duration::from_secs(86_400 * 45)), ..RingPatch::default() };
    let ring = "orders".parse().unwrap();
    deployment.ask("ada", UpdateRing { ring, patch, if_revision: None }).await.unwrap();
    let role = claviger_core::principal::Role::Responder;
    let principal = || claviger_service::PrincipalRef::Name("vera".parse().unwrap());
    let _ = deployment.ask("otto", AssignRole { principal: principal(), role }).await;
    let alias = |name: &str| name.parse().unwrap();
    let key = || KeyRef::Id(once.key.id);
    deployment.ask("ada", MoveAlias { name: alias("shop/cards"), key: key() }).await.unwrap();
    deployment.ask("ada", CreateAlias { name: alias("shop/gone"), key: key() }).await.unwrap();
    deployment.ask("ada", RemoveAlias { name: alias("shop/gone") }).await.unwrap();
    deployment.ask("olga", CloseBreakGlass { access: others.accesses[0] }).await.unwrap();
    deployment.ask("otto", CloseAlert { alert: others.alerts[0] }).await.unwrap();
    deployment.ask("olga", CloseReview { review: others.reviews[0] }).await.unwrap();
    deployment.ask("vera", TakeSnapshot {}).await.unwrap();
    deployment.road.do_what_is_due().await;
    deployment.road.cut().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    (deployment.stop().await, earlier)
}

/// How many of them: `PROPTEST_CASES` says that it is night.
fn count() -> usize {
    if std::env::var_os("PROPTEST_CASES").is_some() { MOST } else { FEW }
}

/// Each column once, and then rows; a random part of that where there are to be fewer.
fn plan(random: &mut TestRng, tables: &[Table], count: usize) -> Vec<(usize, Option<usize>, usize)> {
    let columns = tables
        .iter()
        .enumerate()
        .flat_map(|(at, table)| (0..table.columns.len()).map(move |column| (at, column)));
    let mut plan: Vec<_> = columns.map(|(table, column)| (table, Some(column), 0)).collect();
    if plan.len() > count / 2 && count < MOST {
        for at in (1..plan.len()).rev() {
            plan.swap(at, below(random, at + 1));
        }
        plan.truncate(count / 2);
    }
    while plan.len() < count {
        plan.push((below(random, tables.len()), None, below(random, 5)));
    }
    plan
}

/// A generator, and what it is begun with: `CLAVIGER_EDIT_SEED` begins it again.
fn seed() -> (TestRng, String) {
    let given = std::env::var("CLAVIGER_EDIT_SEED").ok();
    let seed: [u8; 32] = match &given {
        Some(text) => std::array::from_fn(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()),
        // The same few by day.
        None if count() < MOST => [7; 32],
        None => claviger_crypto::random::array().unwrap(),
    };
    let text = format!("CLAVIGER_EDIT_SEED={}", hexadecimal(&seed));
    (TestRng::from_seed(RngAlgorithm::ChaCha, &seed), text)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_is_found_and_named_and_what_decides_is_refused() {
    let (template, earlier) = template().await;
    let earlier = open(&earlier.path().join("earlier.db"));
    let (mut random, seed) = seed();
    let all = tables(&open(&template.database()));
    let (mut unseen, mut unnamed, mut used, mut done) = (BTreeMap::new(), Vec::new(), Vec::new(), 0);
    for (table, column, how) in plan(&mut random, &all, count()) {
        let edited = template.copy();
        let edit = {
            let database = open(&edited.database());
            match (column, how) {
                (Some(column), _) => edit_column(&database, &mut random, &all[table], column),
                (None, 4) => edit_object(&database, &earlier, &mut random, &all),
                (None, how) => edit_rows(&database, &earlier, &mut random, &all[table], how),
            }
        };
        // Nothing there to edit, or nothing that the schema lets be.
        let Some(edit) = edit else { continue };
        done += 1;
        let deployment = match edited.open().await {
            Ok(deployment) => deployment,
            Err(error) => {
                if !names(&[chain(&error)], &edit) {
                    unnamed.push(format!("{}: {}", edit.text, chain(&error)));
                }
                continue;
            }
        };
        let said = audit_verify(&deployment).await;
        if said.is_empty() {
            unseen
                .entry((edit.table.clone(), edit.column.clone()))
                .or_insert_with(Vec::new)
                .push(edit.text.clone());
        } else if !names(&said, &edit) {
            unnamed.push(format!("{}: {said:?}", edit.text));
        }
        if let (Some(kind), Some(_)) = (kind_of(&edit.table), &edit.column)
            && refused_at_use(&deployment, kind).await.is_empty()
        {
            used.push(edit.text.clone());
        }
        deployment.road.stop().await;
    }
    let known = |table: &str, column: Option<&str>| {
        let place = column.map_or_else(|| format!("{table}/rows"), |column| format!("{table}.{column}"));
        NOT_FOUND.iter().any(|(known, _)| *known == place || *known == table)
    };
    unseen.retain(|(table, column), _| !known(table, column.as_deref()));
    assert!(unseen.is_empty(), "{seed}: not found, of {done}: {unseen:#?}");
    assert!(unnamed.is_empty(), "{seed}: found, and not named: {unnamed:#?}");
    assert!(used.is_empty(), "{seed}: used all the same: {used:#?}");
    assert!(done * 3 > count(), "{seed}: {done} edits");
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_nobody_touched_have_no_finding() {
    let (template, _earlier) = template().await;
    let controls = if count() == MOST { MOST } else { FEW / 6 };
    for _ in 0..controls {
        let deployment = template.copy().open().await.unwrap();
        assert_eq!(audit_verify(&deployment).await, Vec::<String>::new());
        deployment.road.stop().await;
    }
}
