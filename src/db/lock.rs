//! The lock of the one daemon that works on a state file, and what it says of itself beside the file.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
};

use super::{
    error::DbError,
    open::{open_error, private},
};

/// The lock file has this length from the beginning, so that a note needs no room on a disk that is full.
const LENGTH: usize = 1024;

/// Links from one name to the next that are followed.
const LINKS: usize = 40;

/// Held by `run` for as long as it lives: two daemons on one state would tell everything twice.
///
/// The lock is on a file beside the state file, whatever name of it the configuration has, and on the state file
/// itself, which a hard link gives a second name.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    itself: Option<File>,
}

impl RunLock {
    /// Takes the lock beside `state`, or says who has it.
    pub fn take(state: &Path) -> Result<Self, DbError> {
        let refused = |source| open_error(state, source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock_path(state))
            .map_err(refused)?;
        private::give_to_the_owner(state, &file);
        if !take_exclusively(&file).map_err(refused)? {
            return Err(DbError::Locked { path: state.to_owned(), pid: Page::of(&file).pid });
        }
        let mut lock = Self { file, itself: None };
        lock.cover(state)?;
        lock.note(None).map_err(refused)?;
        Ok(lock)
    }

    /// Takes the lock on the state file itself, where there is one. Whoever creates it calls this afterwards.
    pub fn cover(&mut self, state: &Path) -> Result<(), DbError> {
        if self.itself.is_some() {
            return Ok(());
        }
        let itself = match OpenOptions::new().read(true).write(true).open(state) {
            Ok(itself) => itself,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(open_error(state, error)),
        };
        if !take_exclusively(&itself).map_err(|source| open_error(state, source))? {
            let pid = "unknown, as it uses another name of the file, a hard link".into();
            return Err(DbError::Locked { path: state.to_owned(), pid });
        }
        self.itself = Some(itself);
        Ok(())
    }

    /// Says, or takes back, what `status` tells of the state file while it cannot be written itself. Overwrites
    /// what is there: that works on a full disk.
    pub fn note(&self, note: Option<&str>) -> io::Result<()> {
        let mut page = format!("{}\n{}", std::process::id(), note.unwrap_or_default()).into_bytes();
        page.resize(LENGTH, b'\n');
        self.file.write_all_at(&page, 0)
    }

    /// Whether some daemon holds the lock beside `state`.
    pub fn is_held(state: &Path) -> bool {
        Self::held(state).is_some()
    }

    /// The same, and what that daemon noted. `None`: there is none.
    pub(super) fn held(state: &Path) -> Option<Holder> {
        let file = OpenOptions::new().read(true).open(lock_path(state)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                Some(Holder { note: Page::of(&file).note.or_else(|| read_only(state)) })
            }
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

/// What a daemon cannot note itself: that the file system it would note it on may only be read.
fn read_only(state: &Path) -> Option<String> {
    let opened = OpenOptions::new().write(true).open(lock_path(state));
    opened.is_err_and(|error| error.kind() == ErrorKind::ReadOnlyFilesystem).then(|| {
        "the state file is on a file system that is read-only: make that writable, and restart dirherald if it had to \
         be mounted anew"
            .to_owned()
    })
}

/// The daemon that has the lock.
#[derive(Debug)]
pub(super) struct Holder {
    /// Why it cannot write the state file.
    pub(super) note: Option<String>,
}

/// What the lock file says.
#[derive(Debug, Default)]
struct Page {
    pid: String,
    note: Option<String>,
}

impl Page {
    /// Empty where it cannot be read.
    fn of(file: &File) -> Self {
        let mut bytes = vec![0; LENGTH];
        let read = file.read_at(&mut bytes, 0).unwrap_or(0);
        bytes.truncate(read);
        let text = String::from_utf8_lossy(&bytes);
        let (pid, note) = text.split_once('\n').unwrap_or((&text, ""));
        let note = note.trim();
        Self { pid: pid.trim().to_owned(), note: (!note.is_empty()).then(|| note.to_owned()) }
    }
}

/// `false`: a daemon has it. Whoever merely asks in [`RunLock::is_held`] shares the lock for a moment, and a
/// daemon that starts just then must not take that for another daemon.
fn take_exclusively(file: &File) -> io::Result<bool> {
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

/// Beside the file itself: two configurations may name it by different ways.
fn lock_path(state: &Path) -> PathBuf {
    let mut path = true_name(state).into_os_string();
    path.push(".lock");
    path.into()
}

/// Where a file lies.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Without symbolic links. The file need not exist yet, and links to it may.
pub(super) fn true_name(path: &Path) -> PathBuf {
    follow(path, LINKS)
}

fn follow(path: &Path, links: usize) -> PathBuf {
    if let Ok(known) = fs::canonicalize(path) {
        return known;
    }
    let directory = directory_of(path);
    match fs::read_link(path) {
        Ok(target) if links > 0 => follow(&directory.join(target), links - 1),
        Ok(_) | Err(_) => match (fs::canonicalize(directory), path.file_name()) {
            (Ok(directory), Some(name)) => directory.join(name),
            (Ok(_) | Err(_), _) => path.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::symlink,
        sync::atomic::{AtomicBool, Ordering},
    };

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
    fn m27_every_name_of_a_state_file_has_one_lock() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state.db");
        let link = directory.path().join("link.db");
        let far = directory.path().join("far.db");
        symlink("state.db", &link).unwrap();
        symlink(&link, &far).unwrap();
        symlink(directory.path(), directory.path().join("here")).unwrap();
        let dotted = directory.path().join("here/./here/state.db");
        let pid = std::process::id().to_string();
        let check = |taken: &Path, others: &[&Path]| {
            let _lock = RunLock::take(taken).unwrap();
            for other in others {
                let refused = RunLock::take(other);
                assert!(
                    matches!(&refused, Err(DbError::Locked { pid: by, .. }) if *by == pid),
                    "{refused:?}"
                );
                assert!(RunLock::is_held(other));
            }
        };
        for _ in 0..2 {
            check(&state, &[&link, &far, &dotted]);
            check(&far, &[&state, &link, &dotted]);
            // The second time it exists.
            fs::write(&state, "").unwrap();
        }
        let other_name = directory.path().join("hard.db");
        fs::hard_link(&state, &other_name).unwrap();
        let mut lock = RunLock::take(&state).unwrap();
        lock.cover(&state).unwrap();
        let refused = RunLock::take(&other_name).map(drop).unwrap_err().to_string();
        assert!(refused.contains("another dirherald (pid unknown, as"), "{refused}");
    }

    #[test]
    fn a_note_stands_until_it_is_taken_back_or_its_daemon_ends() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state.db");
        let noted = || RunLock::held(&state).map(|holder| holder.note);
        assert_eq!(noted(), None);
        let lock = RunLock::take(&state).unwrap();
        assert_eq!(noted(), Some(None));
        lock.note(Some("the disk is full")).unwrap();
        assert_eq!(noted(), Some(Some("the disk is full".to_owned())));
        lock.note(None).unwrap();
        assert_eq!(noted(), Some(None));
        lock.note(Some("and again")).unwrap();
        drop(lock);
        assert_eq!(noted(), None);
        let next = RunLock::take(&state).unwrap();
        assert_eq!(noted(), Some(None));
        drop(next);
    }
}
