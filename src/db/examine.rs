//! Whether a state file is whole.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig};

use super::{
    error::{DbError, During, Trouble},
    open::{connect, damaged, has_log, recognise},
};

/// Before a daemon writes into it: every page is where it belongs. Not every index is compared with its table,
/// which would take ten times as long: measured, 1,000,000 entries with 2,600,000 memberships (514 MB) take 1.3 s
/// this way. A file that is not there yet is whole. The file is not written to.
pub(super) fn whole_pages(path: &Path) -> Result<(), DbError> {
    if !path.exists() {
        return Ok(());
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if has_log(path) {
        // Closing it would copy what a killed daemon left in the log into a file that may be damaged.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .during("set up the connection")?;
    }
    recognise(path, &connection)?;
    pages(path, &connection)
}

/// The same, and every row that another belongs to is there.
pub(super) fn whole(path: &Path, connection: &Connection) -> Result<(), DbError> {
    pages(path, connection)?;
    rows(path, connection)
}

fn pages(path: &Path, connection: &Connection) -> Result<(), DbError> {
    let found: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match found {
        Ok(found) if found == "ok" => Ok(()),
        // One line of what may be several.
        Ok(found) => {
            let line = found.lines().find(|line| !line.starts_with("***")).unwrap_or("it does not say what");
            Err(damaged(path, line.to_owned()))
        }
        Err(source) if Trouble::of(&source) == Some(Trouble::Damaged) => {
            Err(damaged(path, source.to_string()))
        }
        Err(source) => Err(source).during("look whether the file is whole"),
    }
}

fn rows(path: &Path, connection: &Connection) -> Result<(), DbError> {
    let found = connection
        .query_row("PRAGMA foreign_key_check", [], |row| {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            Ok(format!("a row of {table} belongs to a row of {parent} that is not there"))
        })
        .optional()
        .during("look whether rows belong together")?;
    found.map_or(Ok(()), |found| Err(damaged(path, found)))
}
