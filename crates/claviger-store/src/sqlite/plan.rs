//! Holds every statement that reads against its plan: an index is searched, nothing is scanned or sorted.

use rusqlite::Connection;

pub(super) fn check(connection: &Connection, sql: &str) {
    // Schema, pragmas, and the check at the start, which looks at ends of small tables.
    if sql.starts_with("PRAGMA") || sql.contains("sqlite_schema") || sql.starts_with("SELECT coalesce(max") {
        return;
    }
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let unbound = rusqlite::params_from_iter(std::iter::repeat_n(None::<i64>, statement.parameter_count()));
    let steps = statement.query_map(unbound, |row| row.get::<_, String>(3)).unwrap();
    for step in steps.map(Result::unwrap) {
        let is_fine = step.starts_with("SEARCH") || step.contains("SCALAR SUBQUERY");
        assert!(is_fine, "`{sql}`: {step}");
    }
}
