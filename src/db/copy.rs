//! A copy of the state file for trying out what would come of something.

use std::{
    fs::{self, DirEntry, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};
use tempfile::TempDir;

use super::{DbError, RunLock, error::During, lock::directory_of, open};

const PREFIX: &str = ".dirherald-compare-";

/// How often a place is sought anew that somebody took for a leftover in the moment in which it was made.
const ATTEMPTS: u32 = 10;

/// Beside the state file, readable by its owner alone; gone when dropped. One whose command was killed is left, and
/// goes with the next copy or the next start of the daemon: nobody has the lock on it any more.
#[derive(Debug)]
pub struct StateCopy {
    directory: TempDir,
    /// Says that it is in use.
    _lock: File,
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
        remove_leftovers(path);
        let (directory, lock) = place(directory_of(path)).map_err(refused)?;
        let copy = Self { directory, _lock: lock, daemon_runs };
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

/// A directory that is ours alone, and the lock on it.
fn place(beside: &Path) -> io::Result<(TempDir, File)> {
    let mut attempt = 1;
    loop {
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(beside)?;
        match locked(directory.path()) {
            Ok(lock) => return Ok((directory, lock)),
            Err(error) if error.kind() != io::ErrorKind::NotFound || attempt == ATTEMPTS => {
                return Err(error);
            }
            Err(_) => attempt += 1,
        }
    }
}

/// "Not found" where somebody removed it before it was locked.
fn locked(directory: &Path) -> io::Result<File> {
    let lock = File::open(directory)?;
    lock.lock()?;
    let (ours, there) = (lock.metadata()?, fs::metadata(directory)?);
    if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
        Ok(lock)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Removes the copies beside the state file whose commands were killed. What cannot be removed stays: it is only in
/// the way of whoever looks, and whoever made it may be another user.
pub fn remove_leftovers(state: &Path) {
    let Ok(entries) = fs::read_dir(directory_of(state)) else { return };
    let is_ours = |entry: &DirEntry| {
        entry.file_name().to_string_lossy().starts_with(PREFIX)
            // Not of what a link points to.
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    for leftover in entries.flatten().filter(is_ours).map(|entry| entry.path()) {
        let Ok(lock) = File::open(&leftover) else { continue };
        if lock.try_lock().is_ok() && fs::remove_dir_all(&leftover).is_ok() {
            tracing::info!(path = %leftover.display(), "removed what an interrupted comparison had left");
        }
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
    fn what_a_killed_command_left_goes_and_what_is_in_use_or_not_ours_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state.db");
        drop(open::open_for_writing(&path).unwrap());
        let leftover = place.path().join(".dirherald-compare-killed");
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("precious"), "").unwrap();
        let others = [".dirherald-compare-file", ".dirherald-compare-link", "dirherald-compare-other"]
            .map(|name| place.path().join(name));
        fs::write(&others[0], "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &others[1]).unwrap();
        fs::create_dir(&others[2]).unwrap();
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("state.db"), "of somebody who was killed").unwrap();

        let copy = StateCopy::of(&path).unwrap().unwrap();
        assert!(!leftover.exists());
        let another = StateCopy::of(&path).unwrap().unwrap();
        assert!(copy.path().exists() && another.path().exists(), "they are in use");
        assert!(others.iter().all(|other| other.symlink_metadata().is_ok()));
        assert!(elsewhere.path().join("precious").exists());

        // As a signal leaves it: nothing is dropped, and the kernel takes the lock back.
        let StateCopy { directory, _lock: lock, .. } = copy;
        let left = directory.keep();
        remove_leftovers(&path);
        assert!(left.exists());
        drop(lock);
        remove_leftovers(&path);
        assert!(!left.exists() && another.path().exists());
    }
}
