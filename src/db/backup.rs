//! A copy of the state file while a daemon works on it.

use std::{
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    error::{DbError, During},
    lock::directory_of,
    open,
};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is written over.
    #[error("{file} is there already: name a file that is not, or move that one away")]
    Exists {
        /// As given.
        file: PathBuf,
    },
    /// There is no state file, or nothing is in it.
    #[error("there is no state yet at {state}")]
    Nothing {
        /// As configured.
        state: PathBuf,
    },
    /// The state file.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The place of the copy.
    #[error("cannot write {file}: its directory must exist, be writable for this user, and have room")]
    Place {
        /// As given.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Copies the state file to `file`, which must not exist, and answers how many bytes that are. The copy is
/// readable for its owner alone, on the disk before it bears its name, and holds all that was committed at one
/// moment. A daemon writes on meanwhile: it is a reader of the write-ahead log that does the work, and nobody waits
/// for one.
///
/// By `VACUUM INTO`: the copying that SQLite calls backup begins again whenever the daemon commits, or copies all
/// pages in one go and with them what is damaged. This reads every row and leaves free pages out.
pub fn back_up(state: &Path, file: &Path) -> Result<u64, BackupError> {
    let place = |source| BackupError::Place { file: file.to_owned(), source };
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { file: file.to_owned() });
    }
    let nothing = || BackupError::Nothing { state: state.to_owned() };
    if !open::exists(state)? {
        return Err(nothing());
    }
    let connection = open::open_for_copying(state)?.ok_or_else(nothing)?;
    let directory = directory_of(file);
    let begun = tempfile::Builder::new().prefix(".dirherald-").tempfile_in(directory).map_err(place)?;
    connection.execute("VACUUM INTO ?1", [begun.path().to_string_lossy()]).during("copy all there is")?;
    begun.as_file().sync_all().map_err(place)?;
    let copy = begun.persist_noclobber(file).map_err(|failed| match failed.error.kind() {
        ErrorKind::AlreadyExists => BackupError::Exists { file: file.to_owned() },
        _ => place(failed.error),
    })?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(place)?;
    Ok(copy.metadata().map_err(place)?.len())
}
