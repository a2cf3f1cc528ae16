//! Opening, recognising and migrating the state file.

pub(super) mod private;

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

pub(super) use self::private::create as create_private;
use super::{
    error::{DbError, During, Trouble},
    lock::{RunLock, directory_of, true_name},
};

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

/// Opens, creating (mode 0600) and migrating where needed. Who does that holds the lock.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, DbError> {
    create(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    recognise(path, &connection)?;
    private::take_from_others(path)?;
    private::keep_large_work_beside(path, &connection)?;
    connection.execute_batch(SETTINGS).during("set up the connection")?;
    migrate(&mut connection)?;
    write_at_once(&mut connection);
    // What cannot be written is found out here, where the file can be opened anew.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT;").during("begin to write")?;
    Ok(connection)
}

/// Of a connection that writes:
///
/// - `journal_mode`: commands read while the daemon writes, and a commit is one write to one file.
/// - `synchronous`: a commit that was answered survives a power failure, because the next thing we do may be to
///   send a mail that cannot be unsent.
/// - `foreign_keys`: they hold for the queue's tables. The mirror's declare none: a link may mean an entry that
///   is read later.
/// - `cache_size`: 8 MiB, enough that a batch is not spilled into the log before its commit.
/// - `journal_size_limit`: after a baseline or a long look by a command the log is cut to 64 MiB again.
/// - `cell_size_check`: a page that is damaged is refused when it is read and not followed out of its bounds.
/// - `auto_vacuum` stays off: pages that pruning frees are used again, and moving pages at each commit would cost
///   more than a file that does not shrink.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
     PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 67108864; PRAGMA cell_size_check = ON;";

/// Commands write as well: a transaction that begins by reading and comes to write after another's commit
/// would fail without waiting for anything.
fn write_at_once(connection: &mut Connection) {
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
}

/// Opens for leaving requests to the daemon that holds the lock. `None`: it has written nothing yet.
pub(super) fn open_beside_a_daemon(path: &Path) -> Result<Option<Connection>, DbError> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    recognise(path, &connection)?;
    private::keep_work_in_memory(&connection)?;
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

/// Opens for looking; the file must exist. `None`: an older daemon created it and wrote nothing.
pub(super) fn open_for_reading(path: &Path) -> Result<Option<Connection>, DbError> {
    // Read-write access is needed to read a WAL that a daemon left behind.
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let connection = match recognise(path, &connection) {
        Ok(()) => connection,
        Err(DbError::Open { source, .. }) => at_rest(path)?.ok_or_else(|| open_error(path, source))?,
        Err(error) => return Err(error),
    };
    private::keep_work_in_memory(&connection)?;
    connection.execute_batch("PRAGMA query_only = ON;").during("set up the connection")?;
    up_to_date(path, connection)
}

/// Where nothing can be put beside the file, because the disk is full or may only be read, a file that nobody
/// works on can be read as it is. `None`: somebody does, or left a log that belongs to it.
fn at_rest(path: &Path) -> Result<Option<Connection>, DbError> {
    if RunLock::is_held(path) || has_log(path) {
        return Ok(None);
    }
    let uri = format!("file:{}?immutable=1", escaped(&true_name(path)));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = connect(Path::new(&uri), flags)?;
    recognise(path, &connection)?;
    Ok(Some(connection))
}

/// As a URI has it: all but what no part of one is made of.
fn escaped(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.as_os_str().as_encoded_bytes().iter().map(|byte| escape(*byte)).collect()
}

/// Whether there is a state file. Where it is gone and its log is still there, a new file would take the commits in that
/// log for its own.
pub(super) fn exists(path: &Path) -> Result<bool, DbError> {
    if path.try_exists().map_err(|source| open_error(path, source))? {
        return Ok(true);
    }
    if has_log(path) {
        return Err(DbError::LogAlone { path: path.to_owned() });
    }
    Ok(false)
}

/// Whether commits lie beside the file that are not in it yet.
pub(super) fn has_log(path: &Path) -> bool {
    let mut log = true_name(path).into_os_string();
    log.push("-wal");
    fs::metadata(log).is_ok_and(|log| log.len() > 0)
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

/// Opens for reading all there is into another file; as above.
pub(super) fn open_for_copying(path: &Path) -> Result<Option<Connection>, DbError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    recognise(path, &connection)?;
    up_to_date(path, connection)
}

/// Opens for writes that are taken back, all of them; as above.
pub(super) fn open_for_rehearsing(path: &Path) -> Result<Option<Connection>, DbError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    recognise(path, &connection)?;
    private::keep_work_in_memory(&connection)?;
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

/// It is made whole beside its place, so that no crash and no full disk leaves an empty file there, which could
/// not be told from a state that was lost.
fn create(path: &Path) -> Result<(), DbError> {
    let refused = |source| open_error(path, source);
    let place = true_name(path);
    if exists(path)? {
        return Ok(());
    }
    let directory = directory_of(&place);
    let begun = tempfile::Builder::new().prefix(".dirherald-").tempfile_in(directory).map_err(refused)?;
    let mut connection = connect(begun.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Nothing has to be taken back in a file that nobody knows, and a write that fails is noticed at once: what a
    // log holds, closing may fail to put into the file without a word.
    connection
        .execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL;")
        .during("create all there is")?;
    migrate(&mut connection)?;
    connection.execute_batch(SETTINGS).during("create all there is")?;
    connection.close().map_err(|(_, source)| source).during("create all there is")?;
    begun.as_file().sync_all().map_err(refused)?;
    match begun.persist_noclobber(&place) {
        Ok(_) => {}
        Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(refused(error.error)),
    }
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(refused)
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, DbError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|source| open_error(path, source))?;
    connection.busy_timeout(BUSY_TIMEOUT).during("set the busy timeout")?;
    Ok(connection)
}

/// Before anything is written: is this file ours, and do we know its version? A file without a table is anyone's:
/// earlier versions left one behind until their first migration was stored.
pub(super) fn recognise(path: &Path, connection: &Connection) -> Result<(), DbError> {
    if fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0) && !has_log(path) {
        return Err(DbError::Empty { path: path.to_owned() });
    }
    let foreign = || DbError::Foreign { path: path.to_owned() };
    // One transaction: a daemon may be at its first migration just now.
    let look = connection.unchecked_transaction().during("look at the file")?;
    let number = |question| -> Result<i64, DbError> {
        look.query_row(question, [], |row| row.get(0)).map_err(|source| {
            match (source.sqlite_error_code(), Trouble::of(&source)) {
                (Some(ErrorCode::NotADatabase), _) => foreign(),
                (_, Some(Trouble::Damaged)) => damaged(path, source.to_string()),
                (_, Some(Trouble::Full | Trouble::ReadOnly | Trouble::Unusable) | None) => {
                    open_error(path, source)
                }
            }
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

pub(super) fn damaged(path: &Path, found: String) -> DbError {
    DbError::Damaged { path: path.to_owned(), found }
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

#[cfg(test)]
mod tests;
