//! Why the state could not be read or written.

use std::path::PathBuf;

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
        "{path} is not a state file of dirherald: set state.path to another file; this one was not touched"
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
            | Self::NoBaseline { .. }
            | Self::NothingShown
            | Self::Closed => false,
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
