//! Opening, recognising and migrating the state file; the lock of the one daemon that writes it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::error::{DbError, During};

/// "DHRD" in ASCII, in the header of every state file.
const APPLICATION_ID: i64 = 0x4448_5244;

/// In order; the number of the last one applied is `user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_options.sql"),
    include_str!("../../migrations/0003_guard.sql"),
];

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

/// Opens, creating (mode 0600) and migrating where needed.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, DbError> {
    create_private(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    recognise(path, &connection)?;
    // WAL lets commands read while the daemon writes. FULL: a commit that was answered survives a power
    // failure, because the next thing we do may be to send a mail that cannot be unsent. Foreign keys hold
    // for the queue tables; the mirror's tables declare none.
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 67108864;",
        )
        .during("set up the connection")?;
    migrate(&mut connection)?;
    write_at_once(&mut connection);
    Ok(connection)
}

/// Commands write as well: a transaction that begins by reading and comes to write after another's commit
/// would fail without waiting for anything.
fn write_at_once(connection: &mut Connection) {
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
}

/// Opens for leaving requests to the daemon that holds the lock. `None`: it has written nothing yet.
pub(super) fn open_beside_a_daemon(path: &Path) -> Result<Option<Connection>, DbError> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    recognise(path, &connection)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .during("set up the connection")?;
    write_at_once(&mut connection);
    up_to_date(path, connection)
}

/// For pieces of a first baseline: nobody believes them before its end, and the commit of that end waits for
/// the disk, which has then everything before it too, as all stand in one log in this order. Until then a
/// power failure may take the last pieces, never a part of one.
pub(super) fn without_waiting_for_the_disk<R>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<R, DbError>,
) -> Result<R, DbError> {
    connection.execute_batch("PRAGMA synchronous = NORMAL;").during("stop waiting for the disk")?;
    let done = work(connection);
    wait_for_the_disk(connection)?;
    done
}

/// How it is but for the above.
pub(super) fn wait_for_the_disk(connection: &Connection) -> Result<(), DbError> {
    connection.execute_batch("PRAGMA synchronous = FULL;").during("wait for the disk")
}

/// Opens for looking; the file must exist. `None`: a daemon that starts has created it and written nothing.
pub(super) fn open_for_reading(path: &Path) -> Result<Option<Connection>, DbError> {
    // Read-write access is needed to read a WAL that a daemon left behind.
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    recognise(path, &connection)?;
    connection.execute_batch("PRAGMA query_only = ON;").during("set up the connection")?;
    up_to_date(path, connection)
}

/// `None`: nothing was written yet.
fn up_to_date(path: &Path, connection: Connection) -> Result<Option<Connection>, DbError> {
    match version(&connection)? {
        0 => Ok(None),
        found if found < known_version() => {
            Err(DbError::Older { path: path.to_owned(), found, known: known_version() })
        }
        _ => Ok(Some(connection)),
    }
}

/// Opens for writes that are taken back, all of them; as above.
pub(super) fn open_for_rehearsing(path: &Path) -> Result<Option<Connection>, DbError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    recognise(path, &connection)?;
    // What is never committed stays in memory, and does not even reach the write-ahead log.
    connection.execute_batch("PRAGMA cache_spill = OFF;").during("set up the connection")?;
    up_to_date(path, connection)
}

#[cfg(test)]
pub(super) fn in_memory() -> Result<Connection, DbError> {
    let mut connection = Connection::open_in_memory().during("open")?;
    migrate(&mut connection)?;
    Ok(connection)
}

pub(super) fn open_error(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> DbError {
    DbError::Open { path: path.to_owned(), source: source.into() }
}

pub(super) fn create_private(path: &Path) -> Result<(), DbError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|source| open_error(path, source))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, DbError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|source| open_error(path, source))?;
    connection.busy_timeout(BUSY_TIMEOUT).during("set the busy timeout")?;
    Ok(connection)
}

/// Before anything is written: is this file ours, and do we know its version? A file in which there is nothing
/// is anyone's: a daemon that begins leaves one behind until its first migration is stored.
fn recognise(path: &Path, connection: &Connection) -> Result<(), DbError> {
    let foreign = || DbError::Foreign { path: path.to_owned() };
    // One transaction: a daemon may be at its first migration just now.
    let look = connection.unchecked_transaction().during("look at the file")?;
    let number = |question| -> Result<i64, DbError> {
        look.query_row(question, [], |row| row.get(0)).map_err(|source| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => foreign(),
            _ => open_error(path, source),
        })
    };
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let is_empty = application == 0 && found == 0 && tables == 0;
    if application != APPLICATION_ID && !is_empty {
        return Err(foreign());
    }
    if found > known_version() {
        return Err(DbError::Newer { path: path.to_owned(), found, known: known_version() });
    }
    Ok(())
}

/// How many migrations were applied.
fn version(connection: &Connection) -> Result<i64, DbError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).during("read the version")
}

/// All in one transaction: who looks meanwhile finds the file as it was, or as it will be.
fn migrate(connection: &mut Connection) -> Result<(), DbError> {
    let done = usize::try_from(version(connection)?).unwrap_or(0);
    let left = MIGRATIONS.get(done..).unwrap_or_default();
    if left.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction().during("begin to migrate")?;
    for sql in left {
        transaction.execute_batch(sql).during("migrate")?;
    }
    transaction
        .execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};",
            known_version()
        ))
        .during("store the version")?;
    transaction.commit().during("commit a migration")
}

/// Held by `run` for as long as it lives: two daemons on one state would tell everything twice.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock beside `state`, or says who has it.
    pub fn take(state: &Path) -> Result<Self, DbError> {
        let path = lock_path(state);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| open_error(state, source))?;
        if !take_exclusively(&file).map_err(|source| open_error(state, source))? {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(|source| open_error(state, source))?;
            return Err(DbError::Locked { path: state.to_owned(), pid: pid.trim().to_owned() });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(|source| open_error(state, source))?;
        Ok(Self { _file: file })
    }

    /// Whether some daemon holds the lock beside `state`.
    pub fn is_held(state: &Path) -> bool {
        let Ok(file) = OpenOptions::new().read(true).write(true).open(lock_path(state)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// `false`: a daemon has it. Whoever merely asks in [`RunLock::is_held`] shares the lock for a moment, and a
/// daemon that starts just then must not take that for another daemon.
fn take_exclusively(file: &File) -> std::io::Result<bool> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(source)) => return Err(source),
            Err(TryLockError::WouldBlock) => {}
        }
        match file.try_lock_shared() {
            Ok(()) => file.unlock()?,
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(source)) => return Err(source),
        }
        thread::yield_now();
    }
}

fn lock_path(state: &Path) -> PathBuf {
    let mut path = state.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn who_asks_for_the_lock_keeps_no_daemon_from_taking_it() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state.db");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        RunLock::is_held(&state);
                    }
                });
            }
            let taken: Vec<_> = (0..500).map(|_| RunLock::take(&state).map(drop)).collect();
            done.store(true, Ordering::Relaxed);
            assert!(taken.iter().all(Result::is_ok), "{taken:?}");
        });
        let lock = RunLock::take(&state).unwrap();
        assert!(RunLock::is_held(&state));
        assert!(matches!(RunLock::take(&state), Err(DbError::Locked { .. })));
        drop(lock);
        assert!(!RunLock::is_held(&state));
    }

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
            let before = std::fs::read(&path).unwrap();
            for opened in [open_for_writing(&path).map(drop), open_for_reading(&path).map(drop)] {
                assert!(matches!(opened, Err(DbError::Foreign { .. })), "{sql}: {opened:?}");
            }
            assert_eq!(std::fs::read(&path).unwrap(), before, "{sql}");
        };
        check("tables", "CREATE TABLE shopping (what TEXT)");
        check("application", "PRAGMA application_id = 7");
        check("version", "PRAGMA user_version = 7");
    }
}
