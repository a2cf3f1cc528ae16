//! What is in the state concerns nobody else on this machine, and nothing of it lies anywhere but beside it.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::Path,
};

use rusqlite::Connection;

use super::{DbError, During, directory_of, open_error};

/// Read and written by its owner, and by nobody else.
const PRIVATE: u32 = 0o600;

/// Creates the file where there is none.
pub(in crate::db) fn create(path: &Path) -> Result<(), DbError> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(PRIVATE).open(path);
    file.map(drop).map_err(|source| open_error(path, source))
}

/// A file that others may read, because it was copied back from a backup for example, is taken from them. What
/// `SQLite` puts beside it has the same mode.
pub(super) fn take_from_others(path: &Path) -> Result<(), DbError> {
    let refused = |source| open_error(path, source);
    let mode = fs::metadata(path).map_err(refused)?.mode();
    if mode & 0o777 & !PRIVATE == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(PRIVATE)).map_err(refused)
}

/// What an administrator's command creates beside a state is to be of use to whom the state belongs to. Whoever
/// may not give it away is that one.
pub(in crate::db) fn give_to_the_owner(state: &Path, file: &File) {
    let directory = directory_of(state);
    let Ok(owner) = fs::metadata(state).or_else(|_| fs::metadata(directory)) else { return };
    if file.metadata().is_ok_and(|file| file.uid() != owner.uid()) {
        let _ = fchown(file, Some(owner.uid()), Some(owner.gid()));
    }
}

/// Sorting and indexing may take more than is to be kept in memory. It is written beside the state and nowhere
/// else: the system's temporary directory may not be ours to write to, or not be private.
pub(super) fn keep_large_work_beside(path: &Path, connection: &Connection) -> Result<(), DbError> {
    let directory = directory_of(path);
    let quoted = directory.to_string_lossy().replace('\'', "''");
    connection
        .execute_batch(&format!("PRAGMA temp_store_directory = '{quoted}';"))
        .during("choose where large work is kept")
}

/// For connections that do no large work: nothing is written anywhere.
pub(super) fn keep_work_in_memory(connection: &Connection) -> Result<(), DbError> {
    connection.execute_batch("PRAGMA temp_store = MEMORY;").during("keep work in memory")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{super::open_for_writing, *};

    /// Where the files are that this process has open and that nobody else can open any more.
    fn unlinked_files() -> Vec<String> {
        let open = fs::read_dir("/proc/self/fd").unwrap();
        let links = open.filter_map(|fd| Some(fs::read_link(fd.ok()?.path()).ok()?.display().to_string()));
        links.filter(|link| link.ends_with(" (deleted)")).collect()
    }

    /// Plays both parts: where large work is kept is the same for the whole process, so that a process of its own
    /// has to show it.
    #[test]
    fn large_work_is_kept_beside_the_state() {
        const ALONE: &str = "DIRHERALD_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let name = "db::open::private::tests::large_work_is_kept_beside_the_state";
            let mut process = Command::new(std::env::current_exe().unwrap());
            let status = process.args(["--exact", name]).env(ALONE, "1").status().unwrap();
            assert!(status.success(), "{status}");
            return;
        }
        let place = tempfile::Builder::new().prefix("it's").tempdir().unwrap();
        let fill = "CREATE TEMP TABLE large (bytes BLOB);
                    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 4000)
                    INSERT INTO large SELECT randomblob(4000) FROM number;";
        let work = open_for_writing(&place.path().join("state.db")).unwrap();
        work.execute_batch(fill).unwrap();
        let beside = place.path().display().to_string();
        let kept = unlinked_files();
        assert!(!kept.is_empty() && kept.iter().all(|file| file.starts_with(&beside)), "{kept:?}");
        drop(work);
        let look = super::super::open_for_reading(&place.path().join("state.db")).unwrap().unwrap();
        look.execute_batch("PRAGMA query_only = OFF;").unwrap();
        look.execute_batch(fill).unwrap();
        assert_eq!(unlinked_files(), Vec::<String>::new());
    }

    #[test]
    fn a_file_that_others_may_read_is_taken_from_them() {
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("state.db");
        let mode = || fs::metadata(&state).unwrap().permissions().mode() & 0o777;
        drop(open_for_writing(&state).unwrap());
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&state, Permissions::from_mode(0o664)).unwrap();
        drop(open_for_writing(&state).unwrap());
        assert_eq!(mode(), 0o600);
    }
}
