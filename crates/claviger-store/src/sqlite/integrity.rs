//! Do the indexes say what the rows say? Decisions are read by index: one that lacks a row hides a grant or a credential, or its
//! end, and no reading by row would show it.
//!
//! Each table is looked at on a connection of its own that only reads, in a transaction of its own: commits wait for nothing, and
//! the write-ahead log is held for no longer than one table takes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use claviger_core::port::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::columns::{Columns, list};
use super::error::translate;
use super::row::grant_index;
use super::tag::{Guard, Guarded};
use super::{Inner, connection, log, plain, schema, sums};

/// The tables of the log. Their content is held against signed trees, which is more.
const OF_THE_LOG: [&str; 3] = ["audit_batch", "root_leaf", "tile"];

/// One check of a store at a time.
struct Turn(Arc<Inner>);

impl Turn {
    fn take(inner: &Arc<Inner>) -> Option<Self> {
        (!inner.checking.swap(true, Ordering::AcqRel)).then(|| Self(Arc::clone(inner)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.checking.store(false, Ordering::Release);
    }
}

pub(super) async fn check(inner: Arc<Inner>) -> Result<Vec<String>, StoreError> {
    let unavailable = |what: &str| StoreError::Unavailable(format!("indexes are not checked: {what}"));
    let turn = Turn::take(&inner).ok_or_else(|| unavailable("another check is at work; try again"))?;
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("integrity".to_owned())
        .spawn(move || {
            let found = connection::reading(inner.database(), &inner.options)
                .and_then(|connection| examine(&connection, &inner.guard));
            // Whoever gets the result may close the store.
            drop((turn, inner));
            // The caller may have gone; nobody then wants to know.
            drop(reply.send(found));
        })
        .map_err(|error| unavailable(&error.to_string()))?;
    answer.await.unwrap_or_else(|_| Err(unavailable("the thread ended")))
}

fn examine(connection: &Connection, guard: &Guard) -> Result<Vec<String>, StoreError> {
    let mut found = differing_schema(connection)?;
    for table in tables(connection)? {
        let sql = format!("PRAGMA integrity_check('{}')", table.replace('\'', "''"));
        let verdicts = match texts(connection, &sql) {
            Ok(verdicts) => verdicts,
            // A page that does not read at all.
            Err(StoreError::Corrupt(what)) => vec![what],
            Err(other) => return Err(other),
        };
        let sound = verdicts == ["ok"];
        found.extend(
            verdicts
                .into_iter()
                .filter(|verdict| verdict != "ok")
                .map(|what| format!("table `{table}`: {what}")),
        );
        if sound {
            found.extend(differing_indexes(connection, &table)?);
        }
    }
    found.extend(differing_rows(connection)?);
    found.extend(rows_of_nothing(connection)?);
    found.extend(batches_of_nothing(connection)?);
    found.extend(rows_too_many(connection)?);
    if guard.is_open() {
        found.extend(plain::differing(Guarded::new(connection, guard))?);
        found.extend(sums::differing(Guarded::new(connection, guard))?);
    }
    Ok(found)
}

/// Holds the table by which decisions find grants, and the count of them, against the grants; and the names of aliases against
/// the aliases that bear them.
fn differing_rows(connection: &Connection) -> Result<Vec<String>, StoreError> {
    const ACTIVE: &str =
        "SELECT principal, coalesce(key, ring), place, id FROM grants WHERE standing = 'active'";
    const FOUND: &str = "SELECT principal, target, place, id FROM grant_index";
    const COUNTED: &str = "SELECT target, count(*) FROM grant_index GROUP BY target";
    const KEPT: &str = "SELECT target, active FROM grant_count WHERE active > 0";
    let checks = [
        (ACTIVE, FOUND, "active grants are not where decisions look for them"),
        (FOUND, ACTIVE, "entries by which decisions find grants are of no active one"),
        (COUNTED, KEPT, "keys and rings have another number of active grants than is kept"),
        (KEPT, COUNTED, "kept numbers of active grants are wrong"),
    ];
    let mut found = Vec::new();
    for (rows, others, what) in checks {
        let sql = format!("SELECT count(*) FROM (SELECT * FROM ({rows}) EXCEPT SELECT * FROM ({others}))");
        match connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_err(translate) {
            Ok(0) => {}
            Ok(count) => found.push(format!("table `grant_index`: {count} {what}")),
            // Reported above, with its table.
            Err(StoreError::Corrupt(_)) => {}
            Err(other) => return Err(other),
        }
    }
    const NAMES: &str = "SELECT count(*) FROM alias AS a LEFT JOIN alias_name AS n ON n.name = a.name WHERE n.ring IS NOT a.ring";
    match connection.query_row(NAMES, [], |row| row.get::<_, i64>(0)).map_err(translate) {
        Ok(0) | Err(StoreError::Corrupt(_)) => {}
        Ok(count) => {
            found.push(format!("table `alias_name`: {count} aliases have names of other rings, or of none"))
        }
        Err(other) => return Err(other),
    }
    match grant_index::count_differing(Guarded::off(connection)) {
        Ok(0) => {}
        Ok(count) => {
            found.push(format!("table `grant_index`: {count} entries are not what their grants say"))
        }
        // A grant that does not read is found by its row.
        Err(StoreError::Corrupt(_)) => {}
        Err(other) => return Err(other),
    }
    Ok(found)
}

/// Rows that refer to rows which are not there.
fn rows_of_nothing(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2";
    let mut statement = connection.prepare(sql).map_err(translate)?;
    let named = |row: &rusqlite::Row<'_>| {
        let (table, parent, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("table `{table}`: {count} rows refer to rows of `{parent}` that are not there"))
    };
    let found = statement.query_map([], named).and_then(Iterator::collect).map_err(translate);
    match found {
        // Reported above, with its table.
        Err(StoreError::Corrupt(_)) => Ok(Vec::new()),
        found => found,
    }
}

/// Rows that nothing reads, in tables of one row each.
fn rows_too_many(connection: &Connection) -> Result<Vec<String>, StoreError> {
    const OF_ONE_ROW: [&str; 5] = ["fact_head", "fence", "log_time", "root_head", "row_root"];
    let mut found = Vec::new();
    for table in OF_ONE_ROW {
        let sql = format!("SELECT count(*) FROM {table} WHERE id IS NOT 1");
        match connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_err(translate) {
            // What does not read is reported above, with its table.
            Ok(0) | Err(StoreError::Corrupt(_)) => {}
            Ok(count) => found.push(format!("table `{table}`: there are {count} rows beside its one")),
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

/// Batches that are of no log, or lie behind its end. Those of a log are held against its head where they are read.
fn batches_of_nothing(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM audit_batch WHERE id >= ?1 AND id < ?2)";
    let is_there = |from: i64, to: i64| {
        connection.query_row(sql, [from, to], |row| row.get::<_, bool>(0)).map_err(translate)
    };
    // In one state of the store: a commit in between would move the end. It ends with the guard.
    let _transaction = connection.unchecked_transaction().map_err(translate)?;
    let (mut behind, mut stray) = (i64::MIN, false);
    for head in log::list_heads(Guarded::off(connection))? {
        stray |= is_there(behind, log::batch_id(head.shard, 0)?)?;
        behind = log::batch_id(head.shard, head.size)?;
    }
    stray |= is_there(behind, i64::MAX)?;
    let message = "table `audit_batch`: there are batches of no log, or behind its end";
    Ok(stray.then(|| message.to_owned()).into_iter().collect())
}

/// Holds each index of a table against its rows. SQLite's own check finds rows that an index lacks, and not every entry of a
/// partial index whose row is not there any more: one would keep a right alive that was revoked.
fn differing_indexes(connection: &Connection, table: &str) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let indexes = indexes_of(connection, table)?;
    let own = indexes.iter().find(|index| index.is_table).map(|index| index.name.clone());
    for index in indexes.iter().filter(|index| !index.is_table) {
        let Some(columns) = &index.columns else { continue };
        let (row, find): (Vec<String>, String) = match &own {
            Some(own) => (keys_of(connection, table)?, format!("INDEXED BY {}", quoted(own))),
            None => (vec!["rowid".to_owned()], "NOT INDEXED".to_owned()),
        };
        let (table, name, holds) = (quoted(table), quoted(&index.name), &index.holds);
        let same = row.iter().map(|column| format!("r.{column} = i.{column}"));
        let same = same.chain(columns.iter().map(|column| format!("r.{column} IS i.{column}")));
        let same = same.collect::<Vec<_>>().join(" AND ");
        let count =
            |sql: String| connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_err(translate);
        let strange = count(format!(
            "SELECT count(*) FROM {table} AS i INDEXED BY {name} WHERE ({holds}) AND NOT EXISTS \
             (SELECT 1 FROM {table} AS r {find} WHERE {same} AND ({holds}))"
        ))?;
        let entries = count(format!("SELECT count(*) FROM {table} INDEXED BY {name} WHERE ({holds})"))?;
        let rows = count(format!("SELECT count(*) FROM {table} NOT INDEXED WHERE ({holds})"))?;
        if strange != 0 || entries != rows {
            found.push(format!(
                "index `{}` has {entries} entries for {rows} rows, and {strange} of them are of no row as it stands",
                index.name
            ));
        }
    }
    Ok(found)
}

/// An index, as far as it can be held against rows.
struct Index {
    name: String,
    /// Is it the order of the table itself?
    is_table: bool,
    /// What it is over, quoted; `None` if one of them is an expression.
    columns: Option<Vec<String>>,
    /// Of which rows it holds an entry, as SQL.
    holds: String,
}

fn indexes_of(connection: &Connection, table: &str) -> Result<Vec<Index>, StoreError> {
    let is_ordered = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
    let is_ordered: bool = connection.query_row(is_ordered, [table], |row| row.get(0)).map_err(translate)?;
    let listed = rows(
        connection,
        "SELECT l.name, l.origin, coalesce(s.sql, '') FROM pragma_index_list(?1) AS l \
         LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name",
        table,
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)),
    )?;
    let mut indexes = Vec::new();
    for (name, origin, sql) in listed {
        let columns = "SELECT name FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno";
        let columns = rows(connection, columns, &name, |row| row.get::<_, Option<String>>(0))?;
        let columns = columns.into_iter().map(|column| column.map(|column| quoted(&column))).collect();
        let holds = sql.split_once(" WHERE ").map_or_else(|| "1".to_owned(), |(_, holds)| holds.to_owned());
        indexes.push(Index { name, is_table: is_ordered && origin == "pk", columns, holds });
    }
    Ok(indexes)
}

/// The columns that a table without row numbers is ordered by.
fn keys_of(connection: &Connection, table: &str) -> Result<Vec<String>, StoreError> {
    let keys = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
    let keys = rows(connection, keys, table, |row| row.get::<_, String>(0))?;
    Ok(keys.iter().map(|key| quoted(key)).collect())
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    name: &str,
    parse: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare(sql).map_err(translate)?;
    let rows = statement.query_map([name], parse).map_err(translate)?;
    rows.collect::<rusqlite::Result<_>>().map_err(translate)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let all = texts(connection, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    Ok(all.into_iter().filter(|name| !OF_THE_LOG.contains(&name.as_str())).collect())
}

/// An index that is missing, or is another one, agrees with every row.
fn differing_schema(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT type || ' `' || name || '`: ' || coalesce(sql, '') FROM sqlite_schema";
    let as_made = Connection::open_in_memory().map_err(translate)?;
    schema::migrate(&as_made)?;
    let wanted: BTreeSet<_> = texts(&as_made, sql)?.into_iter().collect();
    let there: BTreeSet<_> = texts(connection, sql)?.into_iter().collect();
    let name =
        |object: &String| object.split_once(": ").map_or_else(String::new, |(name, _)| name.to_owned());
    let missing =
        wanted.difference(&there).map(|object| format!("schema: {} is not as it was made", name(object)));
    let more =
        there.difference(&wanted).map(|object| format!("schema: {} was not made like this", name(object)));
    Ok(missing.chain(more).collect())
}

fn texts(connection: &Connection, sql: &str) -> Result<Vec<String>, StoreError> {
    list(Guarded::off(connection), sql, [], |row| {
        Columns::new("sqlite_schema", row).text().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::config::DbConfig;

    use claviger_core::GrantId;

    use super::super::row::grant;
    use super::super::{SqliteOptions, SqliteStore};
    use super::*;

    const INDEXES: [&str; 4] = ["grants_on_key", "grants_on_ring", "credential_by_principal", "key_by_state"];

    fn open(path: &std::path::Path) -> SqliteStore {
        SqliteStore::open(path, SqliteOptions::default()).unwrap()
    }

    /// Edits the schema of a store at rest as somebody with the file would.
    fn edit(path: &std::path::Path, sql: &str) {
        let connection = Connection::open(path.join("store.db")).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON").unwrap();
        connection.execute_batch(sql).unwrap();
    }

    const ROWS: &str = "INSERT INTO ring (id, name, protection, destroy_waiting_period, quorum, separation, kek, created_at, revision)
            VALUES (x'00000000000000000000000000000001', 'r', 'software', 1, 2, 'strict', x'00', 1, 1);
        INSERT INTO principal (id, name, kind, standing, roles, subject_key, created_at, revision)
            VALUES (x'00000000000000000000000000000002', 'p', 'workload', 'active', '', x'00', 1, 1);
        INSERT INTO credential (id, principal, kind, digest, label, standing, created_at, expires_at, revision) VALUES
            (x'00000000000000000000000000000003', x'00000000000000000000000000000002', 'token',
             x'0000000000000000000000000000000000000000000000000000000000000000', '', 'active', 1, 2, 1);
        INSERT INTO key (id, ring, ring_name, name, purpose, spec, protection, data_class, description, owner, state,
                         primary_version, rotates_from, created_at, revision)
            VALUES (x'00000000000000000000000000000004', x'00000000000000000000000000000001', 'r', 'k', 'encrypt',
                    'aes-256-gcm', 'software', 'internal', '', x'00000000000000000000000000000002', 'active', 1, 1, 1, 1);
        INSERT INTO grants (id, principal, key, of_ring, administers, operations, created_by, created_at, standing, revision, place)
            VALUES (x'00000000000000000000000000000005', x'00000000000000000000000000000002',
                    x'00000000000000000000000000000004',
                    x'00000000000000000000000000000001', 0, 'encrypt', x'00000000000000000000000000000002', 1, 'active', 1, zeroblob(80));
        INSERT INTO grants (id, principal, ring, of_ring, administers, operations, created_by, created_at, standing, revision, place)
            VALUES (x'00000000000000000000000000000006', x'00000000000000000000000000000002',
                    x'00000000000000000000000000000001',
                    x'00000000000000000000000000000001', 0, 'encrypt', x'00000000000000000000000000000002', 1, 'active', 1, zeroblob(80));
        INSERT INTO grant_index (principal, target, place, ends, id, kin)
            SELECT principal, coalesce(key, ring), place, 9223372036854775807, id, zeroblob(16) FROM grants;
        INSERT INTO grant_count (target, active) SELECT target, 1 FROM grant_index;";

    fn fill(path: &std::path::Path) {
        edit(path, ROWS);
        let connection = Connection::open(path.join("store.db")).unwrap();
        for id in [5, 6] {
            let id = GrantId::from_bytes(std::array::from_fn(|at| if at == 15 { id } else { 0 }));
            let grant = grant::find_by_id(Guarded::off(&connection), id).unwrap().unwrap();
            let kin = grant_index::kin(&grant);
            let set = "UPDATE grant_index SET kin = ?2 WHERE id = ?1";
            assert_eq!(connection.execute(set, rusqlite::params![id.as_bytes(), kin]).unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn an_index_that_lacks_a_row_or_is_missing_is_found() {
        for index in INDEXES {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data");
            drop(open(&path));
            fill(&path);
            let store = open(&path);
            assert_eq!(check(store.inner.clone()).await, Ok(vec![]));
            drop(store);

            // The index is taken out of the schema, so that what is written next does not reach it, and is put back.
            edit(&path, &format!("CREATE TABLE aside AS SELECT * FROM sqlite_schema WHERE name = '{index}'"));
            edit(&path, &format!("DELETE FROM sqlite_schema WHERE name = '{index}'"));
            let store = open(&path);
            let found = check(store.inner.clone()).await.unwrap();
            assert!(found.iter().any(|what| what.contains(index)), "{found:?}");
            drop(store);
            edit(
                &path,
                "UPDATE grants SET standing = 'revoked', principal = x'00000000000000000000000000000009';
                 UPDATE credential SET principal = x'00000000000000000000000000000009';
                 UPDATE key SET state = 'suspended';
                 INSERT INTO sqlite_schema SELECT * FROM aside",
            );
            edit(&path, "DROP TABLE aside");
            let store = open(&path);
            let found = check(store.inner.clone()).await.unwrap();
            assert!(found.iter().any(|what| what.contains(index)), "{index}: {found:?}");
        }
    }

    #[tokio::test]
    async fn a_grant_that_decisions_do_not_find_or_find_too_often_is_found() {
        for (edited, what) in [
            (
                "DELETE FROM grant_index WHERE target = x'00000000000000000000000000000001'",
                "not where decisions look",
            ),
            ("UPDATE grants SET standing = 'revoked' WHERE ring IS NULL", "of no active one"),
            (
                "UPDATE grant_index SET place = CAST(x'01' || zeroblob(79) AS BLOB)",
                "not where decisions look",
            ),
            ("UPDATE grant_count SET active = 0", "another number"),
            ("UPDATE grant_count SET active = 7", "are wrong"),
            ("UPDATE grant_index SET ends = 1", "not what their grants say"),
            ("UPDATE grant_index SET kin = zeroblob(16)", "not what their grants say"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data");
            drop(open(&path));
            fill(&path);
            edit(&path, edited);
            let store = open(&path);
            let found = check(store.inner.clone()).await.unwrap();
            assert!(found.iter().any(|found| found.contains(what)), "{edited}: {found:?}");
        }
    }

    #[tokio::test]
    async fn one_check_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("data"));
        let turn = Turn::take(&store.inner);
        assert!(turn.is_some());
        let refused = check(store.inner.clone()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        drop(turn);
        assert_eq!(check(store.inner.clone()).await, Ok(vec![]));
    }
}
