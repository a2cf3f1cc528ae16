//! A copy of the state file for trying out what would come of something.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};
use tempfile::TempDir;

use super::{DbError, RunLock, error::During, lock::directory_of, open};

/// How the directories begin that copies lie in.
const PREFIX: &str = ".dirherald-compare-";

/// Beside the state file, readable by its owner alone; gone when dropped, or with the next copy where whoever made it
/// was killed.
#[derive(Debug)]
pub struct StateCopy {
    directory: TempDir,
    /// Locked for as long as somebody works in it.
    _in_use: File,
    daemon_runs: bool,
}

impl StateCopy {
    /// As the file is at one moment; nobody who writes waits for that. `None`: there is no state yet.
    ///
    /// What a comparison of everything would find in it is new: what a running daemon has in hand is left out.
    pub fn of(path: &Path) -> Result<Option<Self>, DbError> {
        let refused = |source| open::open_error(path, source);
        if !open::exists(path)? {
            return Ok(None);
        }
        let daemon_runs = RunLock::is_held(path);
        let Some(state) = open::open_for_reading(path)? else { return Ok(None) };
        let (directory, in_use) = private_directory(directory_of(path)).map_err(refused)?;
        let copy = Self { directory, _in_use: in_use, daemon_runs };
        open::create_private(&copy.path())?;
        let mut connection = Connection::open(copy.path()).during("open a copy of all there is")?;
        fill(&state, &mut connection)?;
        connection
            .execute_batch("DELETE FROM comparison WHERE ended_at IS NULL;")
            .during("prepare a copy of all there is")?;
        if daemon_runs {
            connection.execute_batch("DELETE FROM finding;").during("prepare a copy of all there is")?;
        }
        Ok(Some(copy))
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("state.db")
    }

    /// Whether a daemon worked on the state when it was copied.
    pub fn daemon_runs(&self) -> bool {
        self.daemon_runs
    }
}

/// Each is as large as the state: what was left by those who were killed is removed first. One after the other, so
/// that none is removed before it is locked.
fn private_directory(beside: &Path) -> io::Result<(TempDir, File)> {
    let alone = File::open(beside)?;
    alone.lock()?;
    for entry in fs::read_dir(beside)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            remove_if_left(&entry.path());
        }
    }
    let directory = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(beside)?;
    let in_use = File::open(directory.path())?;
    in_use.lock()?;
    Ok((directory, in_use))
}

/// What cannot be removed is in nobody's way.
fn remove_if_left(directory: &Path) {
    if let Ok(found) = File::open(directory)
        && found.try_lock().is_ok()
    {
        let _ = fs::remove_dir_all(directory);
    }
}

/// In one step: between two of them another writer would make it begin anew.
fn fill(state: &Connection, copy: &mut Connection) -> Result<(), DbError> {
    let backup = Backup::new(state, copy).during("begin to copy all there is")?;
    while backup.step(-1).during("copy all there is")? != StepResult::Done {
        thread::yield_now();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_private_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state.db");
        assert!(StateCopy::of(&path).unwrap().is_none());
        drop(open::open_for_writing(&path).unwrap());
        let copy = StateCopy::of(&path).unwrap().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&copy.path()), 0o600);
        assert_eq!(mode(copy.path().parent().unwrap()), 0o700);
        assert!(open::open_for_reading(&copy.path()).unwrap().is_some());
        drop(copy);
        let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name.to_str().unwrap().starts_with("state.db")), "{left:?}");
    }

    #[test]
    fn what_a_killed_comparison_left_goes_with_the_next_and_what_is_in_use_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state.db");
        drop(open::open_for_writing(&path).unwrap());
        let left = place.path().join(".dirherald-compare-killed");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("state.db"), "a copy").unwrap();
        let mine = place.path().join(".dirherald-notes");
        fs::create_dir(&mine).unwrap();
        let one = StateCopy::of(&path).unwrap().unwrap();
        assert!(!left.exists());
        let other = StateCopy::of(&path).unwrap().unwrap();
        assert!(one.path().exists() && other.path().exists() && mine.exists());
        assert_ne!(one.path(), other.path());
    }
}
