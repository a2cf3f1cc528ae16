//! Who works on the state file, when a command comes that wants something done in it.

use std::path::Path;

use rusqlite::Connection;

use super::{DbError, RunLock, open};

/// How a command can get at the state file that wants something done.
pub enum Access<Beside> {
    /// There is no state yet, or nothing is in it.
    NoState,
    /// No daemon runs, and none starts while the command keeps the lock: it does what it wants itself.
    Alone(RunLock),
    /// A daemon has the lock, and carries out what is left to it here.
    BesideDaemon(Beside),
}

impl Access<Connection> {
    /// Takes the lock, or finds the daemon that has it.
    pub(super) fn gain(path: &Path) -> Result<Self, DbError> {
        if !open::exists(path)? {
            return Ok(Self::NoState);
        }
        match RunLock::take(path) {
            Ok(lock) => Ok(Self::Alone(lock)),
            Err(DbError::Locked { .. }) => {
                Ok(open::open_beside_a_daemon(path)?.map_or(Self::NoState, Self::BesideDaemon))
            }
            Err(error) => Err(error),
        }
    }
}
