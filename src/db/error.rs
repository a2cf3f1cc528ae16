//! Why the state could not be read or written.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
};

/// What went wrong with the state file, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The file cannot be opened or created.
    #[error(
        "cannot open the state file {path}: make its directory exist and be writable for this user, or set state.path"
    )]
    Open {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is something else.
    #[error(
        "{path} is not a state file of dirherald, or its first bytes are damaged: set state.path to another file, or \
         restore a backup; this one was not touched"
    )]
    Foreign {
        /// As configured.
        path: PathBuf,
    },
    /// A newer dirherald wrote the file.
    #[error(
        "the state file {path} has version {found}, this dirherald knows versions up to {known}: \
         install the newer dirherald again, or restore a backup from before the upgrade"
    )]
    Newer {
        /// As configured.
        path: PathBuf,
        /// In the file.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// An older dirherald wrote the file.
    #[error(
        "the state file {path} has version {found}, this dirherald works with version {known}: start \
         `dirherald run`, or restart it, which brings the file up to date"
    )]
    Older {
        /// As configured.
        path: PathBuf,
        /// In the file.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another dirherald runs on this file.
    #[error("another dirherald (pid {pid}) runs on {path}: stop it first, or set another state.path")]
    Locked {
        /// As configured.
        path: PathBuf,
        /// As the other one wrote it down.
        pid: String,
    },
    /// Bytes in the file are not what they were.
    #[error("the state file {path} is damaged: {found}")]
    Damaged {
        /// As configured.
        path: PathBuf,
        /// What the first look found.
        found: String,
    },
    /// The file is there and holds nothing. We never leave one behind like that.
    #[error(
        "the state file {path} is empty, as a full disk or a crash may leave it: restore a backup, or remove it to \
         begin with a new silent baseline"
    )]
    Empty {
        /// As configured.
        path: PathBuf,
    },
    /// The file is gone, and commits that belong to it lie beside its place.
    #[error(
        "the state file {path} is gone, and its log {path}-wal is still there: put the file back; or remove {path}-wal \
         and {path}-shm as well, then restore a backup or begin with a new silent baseline"
    )]
    LogAlone {
        /// As configured.
        path: PathBuf,
    },
    /// Nothing more can be written beside the file.
    #[error("cannot write into {directory}, where the state file is")]
    Room {
        /// Where.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A statement failed.
    #[error("cannot {operation} in the state file")]
    Statement {
        /// What was being done.
        operation: &'static str,
        /// What `SQLite` said.
        #[source]
        source: rusqlite::Error,
    },
    /// A row holds what we never write.
    #[error(
        "the state file holds a {what} that cannot be read: restore a backup, or start with a new state file"
    )]
    Corrupt {
        /// Which kind of row.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not a failure of the file: what was to be stored cannot be true.
    #[error(
        "the directory shows nobody under base_dn: give the account read access to the tree; \
         nothing was stored and nothing was taken as deleted"
    )]
    NothingShown,
    /// Nothing was read of a store yet, or not to its end.
    #[error(
        "nothing is known of the identity store {store} yet: start `dirherald run` and wait until \
         `dirherald status` says live"
    )]
    NoBaseline {
        /// Its name.
        store: String,
    },
    /// The work was lost: it panicked, or the database thread has ended.
    #[error("the database thread could not finish its work")]
    Closed,
}

impl DbError {
    /// Whether one row is to blame, and not the file: the same will come of trying again, and other rows are not
    /// concerned.
    pub fn is_unreadable(&self) -> bool {
        match self {
            Self::Corrupt { .. } => true,
            Self::Statement { source, .. } => matches!(
                source,
                rusqlite::Error::FromSqlConversionFailure(..)
                    | rusqlite::Error::IntegralValueOutOfRange(..)
                    | rusqlite::Error::InvalidColumnType(..)
                    | rusqlite::Error::Utf8Error(..)
                    | rusqlite::Error::QueryReturnedNoRows
            ),
            Self::Open { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Locked { .. }
            | Self::Damaged { .. }
            | Self::Empty { .. }
            | Self::LogAlone { .. }
            | Self::Room { .. }
            | Self::NoBaseline { .. }
            | Self::NothingShown
            | Self::Closed => false,
        }
    }

    /// What is wrong with the file as a whole, where it is that which made this fail: other calls fail alike.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Damaged { .. } => Some(Trouble::Damaged),
            Self::Statement { source, .. } => Trouble::of(source),
            Self::Room { source, .. } => Some(match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Trouble::Full,
                ErrorKind::ReadOnlyFilesystem => Trouble::ReadOnly,
                _ => Trouble::Unusable,
            }),
            Self::Open { source, .. } => source.downcast_ref().and_then(Trouble::of),
            Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Locked { .. }
            | Self::Empty { .. }
            | Self::LogAlone { .. }
            | Self::Corrupt { .. }
            | Self::NoBaseline { .. }
            | Self::NothingShown
            | Self::Closed => None,
        }
    }
}

/// What is wrong with the state file, whatever was being done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room for it on the disk.
    Full,
    /// It may be read, and not written.
    ReadOnly,
    /// The system refuses to read or write it.
    Unusable,
    /// Its bytes are not what was written. Nothing makes that good again but a backup.
    Damaged,
}

impl Trouble {
    pub(super) fn of(source: &rusqlite::Error) -> Option<Self> {
        use rusqlite::ErrorCode as Code;
        match source.sqlite_error_code()? {
            Code::DiskFull => Some(Self::Full),
            Code::ReadOnly => Some(Self::ReadOnly),
            Code::SystemIoFailure | Code::CannotOpen | Code::PermissionDenied => Some(Self::Unusable),
            Code::DatabaseCorrupt | Code::NotADatabase => Some(Self::Damaged),
            // What we asked for was wrong, or somebody else was in the way. The enum is not ours.
            _ => None,
        }
    }

    /// What an operator does about it, as half a sentence.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Full => "the disk of the state file is full: make room on it",
            Self::ReadOnly => "the state file cannot be written: make it and its directory writable again",
            Self::Unusable => {
                "the system refuses to write or read the state file: look at the system's log for its disk"
            }
            Self::Damaged => {
                "the state file is damaged: stop dirherald, look after the disk and restore a backup; or move the \
                 file away with its -wal and -shm, which begins with a new silent baseline and tells nothing of what \
                 happened meanwhile"
            }
        }
    }
}

/// Turns what `SQLite` says into what we were doing.
pub(super) trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, DbError>;
}

impl<T> During<T> for Result<T, rusqlite::Error> {
    fn during(self, operation: &'static str) -> Result<T, DbError> {
        self.map_err(|source| DbError::Statement { operation, source })
    }
}
