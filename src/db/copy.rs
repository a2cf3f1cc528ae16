//! A copy of the state file for trying out what would come of something.

use std::{
    fs::Permissions,
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

/// Beside the state file, readable by its owner alone; gone when dropped.
#[derive(Debug)]
pub struct StateCopy {
    directory: TempDir,
    daemon_runs: bool,
}

impl StateCopy {
    /// As the file is at one moment; nobody who writes waits for that. `None`: there is no state yet.
    ///
    /// What a comparison of everything would find in it is new: what a running daemon has in hand is left out.
    pub fn of(path: &Path) -> Result<Option<Self>, DbError> {
        let refused = |source| open::open_error(path, source);
        if !path.try_exists().map_err(refused)? {
            return Ok(None);
        }
        let daemon_runs = RunLock::is_held(path);
        let Some(state) = open::open_for_reading(path)? else { return Ok(None) };
        let directory = tempfile::Builder::new()
            .prefix(".dirherald-compare-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(directory_of(path))
            .map_err(refused)?;
        let copy = Self { directory, daemon_runs };
        open::create_private(&copy.path())?;
        let mut connection = Connection::open(copy.path()).during("open a copy of the state file")?;
        fill(&state, &mut connection)?;
        connection
            .execute_batch("DELETE FROM comparison WHERE ended_at IS NULL;")
            .during("prepare a copy of the state file")?;
        if daemon_runs {
            connection.execute_batch("DELETE FROM finding;").during("prepare a copy of the state file")?;
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

/// In one step: between two of them another writer would make it begin anew.
fn fill(state: &Connection, copy: &mut Connection) -> Result<(), DbError> {
    let backup = Backup::new(state, copy).during("begin to copy the state file")?;
    while backup.step(-1).during("copy the state file")? != StepResult::Done {
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
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&copy.path()), 0o600);
        assert_eq!(mode(copy.path().parent().unwrap()), 0o700);
        assert!(open::open_for_reading(&copy.path()).unwrap().is_some());
        drop(copy);
        let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name.to_str().unwrap().starts_with("state.db")), "{left:?}");
    }
}
