//! Whether the state file can be worked on. What keeps one call from its work keeps all from it, so it is found
//! out here, for everybody, and said once.

use std::{
    io::{ErrorKind, Write},
    path::PathBuf,
};

use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    Db, DbError,
    error::{During, Trouble},
    lock::directory_of,
    worker::Priority,
};
use crate::error_chain::chain;

/// Bytes that must find room on the disk before it counts as having some: more than most batches need.
pub(super) const ROOM: usize = 1 << 20;

/// How it stands with the state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileHealth {
    /// It can be read and written, for all that is known.
    Sound,
    /// Nothing can be stored. It ends when a [`Db::try_writing`] succeeds.
    Failing {
        /// Why.
        trouble: Trouble,
        /// What could not be done, and what `SQLite` said.
        error: String,
    },
    /// Nothing is read or written any more by this process.
    Damaged {
        /// What could not be done, and what `SQLite` said.
        error: String,
    },
}

impl FileHealth {
    /// After a call ended like this; `None`: as before. Damage does not pass, and only [`Db::try_writing`] ends the rest: small
    /// writes may succeed on a disk that has no room for anything else.
    pub(super) fn after(&self, error: &DbError) -> Option<Self> {
        let trouble = error.trouble()?;
        match (self, trouble) {
            (
                Self::Damaged { .. } | Self::Failing { .. },
                Trouble::Full | Trouble::ReadOnly | Trouble::Unusable,
            )
            | (Self::Damaged { .. }, Trouble::Damaged) => None,
            (Self::Sound | Self::Failing { .. }, Trouble::Damaged) => {
                Some(Self::Damaged { error: chain(error) })
            }
            (Self::Sound, Trouble::Full | Trouble::ReadOnly | Trouble::Unusable) => {
                Some(Self::Failing { trouble, error: chain(error) })
            }
        }
    }
}

impl Db {
    /// How it stands, now and whenever that changes.
    pub fn health(&self) -> watch::Receiver<FileHealth> {
        self.worker.health()
    }

    /// Whether there is any use in beginning something that ends with a write.
    pub fn is_sound(&self) -> bool {
        *self.worker.health().borrow() == FileHealth::Sound
    }

    /// Waits until there is.
    pub async fn sound(&self) {
        // An error: the thread has ended, and the next call says so.
        drop(self.health().wait_for(|health| *health == FileHealth::Sound).await);
    }

    /// Tries whether the file can be written and has room to grow, and says so in [`Self::health`] if it can.
    pub async fn try_writing(&self) -> Result<(), DbError> {
        self.worker.call(Priority::Rest, try_writing).await?;
        self.worker.mended();
        Ok(())
    }
}

fn try_writing(connection: &mut Connection) -> Result<(), DbError> {
    find_room(connection)?;
    let transaction = connection.transaction().during("begin to try the file")?;
    let version: i64 =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0)).during("read the version")?;
    // The same as before, which is written all the same.
    transaction.pragma_update(None, "user_version", version).during("try to write the file")?;
    transaction.commit().during("try to write the file")
}

fn find_room(connection: &Connection) -> Result<(), DbError> {
    let Some(path) = connection.path().map(PathBuf::from) else { return Ok(()) };
    let directory = directory_of(&path);
    match tempfile::tempfile_in(directory).and_then(|mut file| file.write_all(&vec![0; ROOM])) {
        Ok(()) => Ok(()),
        // The file and its log are open; what may not be put beside them does not matter.
        Err(source) if source.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(source) => Err(DbError::Room { directory: directory.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{StoreState, company::State},
        directory::store_name::StoreName,
    };

    async fn set_query_only(db: &Db, on: bool) {
        db.worker
            .call(Priority::Rest, move |connection| {
                connection.pragma_update(None, "query_only", on).during("set a pragma")
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn m28_what_cannot_be_written_now_can_be_later() {
        let state = State::new("", "").await;
        let (db, context) = (&state.db, &state.context);
        let begin = || {
            db.begin_store("other".parse::<StoreName>().unwrap(), "all".into(), jiff::Timestamp::UNIX_EPOCH)
        };
        assert!(db.is_sound());
        set_query_only(db, true).await;
        assert_eq!(begin().await.unwrap_err().trouble(), Some(Trouble::ReadOnly));
        let failing = db.health().borrow().clone();
        assert!(matches!(failing, FileHealth::Failing { trouble: Trouble::ReadOnly, .. }), "{failing:?}");
        assert!(db.try_writing().await.is_err());
        assert!(db.set_state(context.no, StoreState::Live).await.is_err());
        assert_eq!(*db.health().borrow(), failing, "it began once");

        set_query_only(db, false).await;
        begin().await.unwrap();
        assert!(!db.is_sound(), "one small write says nothing of the next");
        db.try_writing().await.unwrap();
        db.sound().await;
        assert!(db.is_sound());
    }

    #[tokio::test]
    async fn nothing_is_done_in_a_file_that_was_found_damaged() {
        let state = State::new("", "").await;
        let (db, context) = (&state.db, &state.context);
        let found: Result<(), _> = db
            .worker
            .call(Priority::Rest, |_| {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
                Err(rusqlite::Error::SqliteFailure(code, None)).during("read a store")
            })
            .await;
        assert_eq!(found.unwrap_err().trouble(), Some(Trouble::Damaged));
        for refused in
            [db.set_state(context.no, StoreState::Live).await, db.try_writing().await, db.try_writing().await]
        {
            let said = refused.unwrap_err().to_string();
            assert!(said.contains("is damaged: cannot read a store in the state file"), "{said}");
        }
        assert!(matches!(*db.health().borrow(), FileHealth::Damaged { .. }));
    }
}
