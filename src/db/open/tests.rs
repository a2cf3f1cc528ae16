use std::collections::BTreeMap;

use rusqlite::types::Value;

use super::*;
use crate::db::baseline;

#[test]
fn a_file_whose_first_migration_never_came_is_ours_and_says_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.db");
    let begun = Connection::open(&state).unwrap();
    begun.execute_batch("PRAGMA journal_mode = WAL;").unwrap();
    assert!(open_for_reading(&state).unwrap().is_none());
    drop(begun);
    assert!(open_for_reading(&state).unwrap().is_none());
    drop(open_for_writing(&state).unwrap());
    assert!(open_for_reading(&state).unwrap().is_some());
}

#[test]
fn a_file_of_an_older_version_is_brought_up_to_date_by_who_writes_and_not_by_who_looks() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.db");
    let first = MIGRATIONS.first().unwrap();
    let sql = format!("{first} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;");
    Connection::open(&state).unwrap().execute_batch(&sql).unwrap();
    for looked in [open_for_reading(&state), open_beside_a_daemon(&state)] {
        assert!(matches!(looked, Err(DbError::Older { found: 1, .. })), "{looked:?}");
    }
    drop(open_for_writing(&state).unwrap());
    assert!(open_for_reading(&state).unwrap().is_some());
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, sql: &str| {
        let path = directory.path().join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        for opened in [open_for_writing(&path).map(drop), open_for_reading(&path).map(drop)] {
            assert!(matches!(opened, Err(DbError::Foreign { .. })), "{sql}: {opened:?}");
        }
        assert_eq!(fs::read(&path).unwrap(), before, "{sql}");
    };
    check("tables", "CREATE TABLE shopping (what TEXT)");
    check("application", "PRAGMA application_id = 7");
    check("version", "PRAGMA user_version = 7");
}

/// States that the real program of each earlier version left behind when it was killed, with rows in every table.
const EARLIER: [(i64, &str); 2] = [
    (1, include_str!("../../../fixtures/state/v1.sql")),
    (2, include_str!("../../../fixtures/state/v2.sql")),
];

/// Whatever a table holds, in the columns it has in `of`.
fn rows(of: &Connection, connection: &Connection) -> BTreeMap<String, Vec<String>> {
    let names = |sql: &str| -> Vec<String> {
        let mut statement = of.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let tables = names("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    let read = |table: String| {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let mut statement =
            connection.prepare(&format!("SELECT {} FROM {table} ORDER BY 1, 2", columns.join(", "))).unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            let cells = (0..columns.len()).map(|column| row.get::<_, Value>(column).unwrap());
            Ok(format!("{:?}", cells.collect::<Vec<_>>()))
        };
        let rows = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        (table, rows)
    };
    tables.into_iter().map(read).collect()
}

fn schema(connection: &Connection) -> BTreeMap<String, Option<String>> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_earlier_version_is_brought_up_to_date_without_losing_a_row() {
    let directory = tempfile::tempdir().unwrap();
    let fresh = open_for_writing(&directory.path().join("fresh.db")).unwrap();
    baseline::ensure_indexes(&fresh).unwrap();
    for (number, dump) in EARLIER {
        let path = directory.path().join(format!("v{number}.db"));
        let old = Connection::open(&path).unwrap();
        old.execute_batch(dump).unwrap();
        assert_eq!(version(&old).unwrap(), number);
        let before = rows(&old, &old);
        for (table, rows) in &before {
            assert!(!rows.is_empty(), "version {number}: there is nothing in {table}");
        }
        assert_eq!(schema_of_version(number), schema(&old), "version {number} was as it is written down");
        let columns = Connection::open_in_memory().unwrap();
        columns.execute_batch(dump).unwrap();
        drop(old);

        let migrated = open_for_writing(&path).unwrap();
        assert_eq!(version(&migrated).unwrap(), known_version());
        assert_eq!(rows(&columns, &migrated), before, "version {number}");
        assert_eq!(schema(&migrated), schema(&fresh), "version {number}");
        for (check, expected) in [("integrity_check", vec!["ok".to_owned()]), ("foreign_key_check", vec![])] {
            let mut statement = migrated.prepare(&format!("PRAGMA {check}")).unwrap();
            let found = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap);
            assert_eq!(found.collect::<Vec<String>>(), expected, "version {number}: {check}");
        }
    }
}

/// A migration must not be changed any more once a version with it was in use.
fn schema_of_version(number: i64) -> BTreeMap<String, Option<String>> {
    let connection = Connection::open_in_memory().unwrap();
    for sql in &MIGRATIONS[..usize::try_from(number).unwrap()] {
        connection.execute_batch(sql).unwrap();
    }
    baseline::ensure_indexes(&connection).unwrap();
    schema(&connection)
}

#[test]
fn every_earlier_version_has_its_fixture() {
    assert_eq!(i64::try_from(EARLIER.len()).unwrap(), known_version() - 1);
}
