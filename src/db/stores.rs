//! The identity stores as the state file knows them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Db, DbError, error::During, rows::micros, worker::Priority};
use crate::{
    directory::{
        checkpoint::{Checkpoint, Mechanism},
        store_name::StoreName,
    },
    notify::alerts::Standing,
};

/// The number of a store in this state file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreNo(pub(super) i64);

/// What the daemon is doing about a store; the words of `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreState {
    /// Not connected, or connected and not caught up yet.
    Connecting,
    /// Reading the first baseline.
    Baseline,
    /// Caught up; every change from now on is told.
    Live,
    /// A refresh after a lost checkpoint is being compared with the mirror.
    Comparing,
    /// Gave up until somebody acts, or no daemon runs.
    Stopped,
}

impl StoreState {
    /// The word of `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Baseline => "baseline",
            Self::Live => "live",
            Self::Comparing => "comparing",
            Self::Stopped => "stopped",
        }
    }
}

/// What an error is about: each side clears only its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Reading the directory and storing what it says.
    Directory,
    /// The mail server.
    Mail,
}

/// How much of the mirror can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Nothing was ever read, or reading it was cut short.
    Missing,
    /// A whole baseline stands.
    Complete,
}

/// What a feed needs to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// Its number.
    pub no: StoreNo,
    /// Whether its mirror, if there is one, was read as it would be now.
    pub mirror: MirrorView,
}

/// Whether a mirror can be compared with what will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorView {
    /// It can, or there is none.
    Same,
    /// It could not, and is not believed any more.
    Another,
}

impl Db {
    /// Registers a store and sets it to `connecting`.
    ///
    /// `view` stands for what is read of the directory, and how. When it is another than that of the mirror,
    /// the mirror is not believed any more: the next reading is a first, silent baseline.
    pub async fn begin_store(
        &self,
        name: StoreName,
        view: String,
        now: Timestamp,
    ) -> Result<StoreFacts, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to register a store")?;
                let dropped = transaction
                    .execute(
                        "UPDATE store SET baseline = 'none', checkpoint = NULL, checkpoint_mechanism = NULL,
                                          checkpoint_at = NULL
                         WHERE name = ?1 AND view <> ?2 AND baseline = 'complete'",
                        [name.as_str(), &view],
                    )
                    .during("compare what is read")?;
                transaction
                    .execute(
                        "INSERT INTO store (name, view, behind_since, begun_at) VALUES (?1, ?2, ?3, ?3)
                         ON CONFLICT (name) DO UPDATE
                         SET state = 'connecting', url = NULL, directory_error = NULL, mail_error = NULL,
                             view = excluded.view, standing = 'away', begun_at = excluded.begun_at,
                             behind_since = coalesce(behind_since, excluded.behind_since)",
                        params![name.as_str(), view, micros(now)],
                    )
                    .during("register a store")?;
                let no = transaction
                    .query_row("SELECT no FROM store WHERE name = ?1", [name.as_str()], |row| row.get(0))
                    .during("read a store")?;
                transaction.commit().during("register a store")?;
                let mirror = if dropped == 0 { MirrorView::Same } else { MirrorView::Another };
                Ok(StoreFacts { no: StoreNo(no), mirror })
            })
            .await
    }

    /// Whether there is a "before" by now.
    pub async fn baseline(&self, store: StoreNo) -> Result<Baseline, DbError> {
        self.worker.call(Priority::Ingest, move |connection| baseline(connection, store)).await
    }

    /// Where the store's feed stands.
    pub async fn checkpoint(&self, store: StoreNo) -> Result<Option<Checkpoint>, DbError> {
        self.worker.call(Priority::Ingest, move |connection| checkpoint(connection, store)).await
    }

    /// Says in `status` what is going on.
    pub async fn set_state(&self, store: StoreNo, state: StoreState) -> Result<(), DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                connection
                    .execute("UPDATE store SET state = ?2 WHERE no = ?1", params![store.0, state.as_str()])
                    .during("store a state")
                    .map(drop)
            })
            .await
    }

    /// Keeps how the directory is being followed, and since when it is not caught up.
    pub async fn set_standing(
        &self,
        store: StoreNo,
        standing: Standing,
        now: Timestamp,
    ) -> Result<(), DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let behind_since = match standing {
                    Standing::Following => None,
                    Standing::Connected | Standing::Away | Standing::Refused | Standing::Stopped => {
                        Some(micros(now))
                    }
                };
                connection
                    .execute(
                        "UPDATE store SET standing = ?2, behind_since = iif(?3 IS NULL, NULL, coalesce(behind_since, ?3))
                         WHERE no = ?1",
                        params![store.0, standing.as_str(), behind_since],
                    )
                    .during("store how the directory is followed")
                    .map(drop)
            })
            .await
    }

    /// Says in `status` where the feed comes from.
    pub async fn set_connected(
        &self,
        store: StoreNo,
        url: String,
        kind: &'static str,
        feed: Mechanism,
    ) -> Result<(), DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                // The persist phase of RFC 4533 is its own bell.
                connection
                    .execute(
                        "UPDATE store SET url = ?2, kind = ?3, feed = ?4, bell = ?4 WHERE no = ?1",
                        params![store.0, url, kind, feed.as_str()],
                    )
                    .during("store a connection")
                    .map(drop)
            })
            .await
    }

    /// Says in `status` what is wrong with one of the two sides; `None` when it is over.
    pub async fn set_error(&self, store: StoreNo, side: Side, error: Option<String>) -> Result<(), DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let sql = match side {
                    Side::Directory => "UPDATE store SET directory_error = ?2 WHERE no = ?1",
                    Side::Mail => "UPDATE store SET mail_error = ?2 WHERE no = ?1",
                };
                connection.execute(sql, params![store.0, error]).during("store an error").map(drop)
            })
            .await
    }
}

fn parse_baseline(word: &str) -> Baseline {
    if word == "complete" { Baseline::Complete } else { Baseline::Missing }
}

/// Inside an ingest transaction.
pub(super) fn baseline(connection: &Connection, store: StoreNo) -> Result<Baseline, DbError> {
    connection
        .prepare_cached("SELECT baseline FROM store WHERE no = ?1")
        .and_then(|mut s| s.query_row([store.0], |row| row.get::<_, String>(0)))
        .map(|word| parse_baseline(&word))
        .during("read a store")
}

/// The store of this name, if a whole baseline of it stands.
pub(super) fn known_store(connection: &Connection, name: &str) -> Result<StoreNo, DbError> {
    connection
        .query_row("SELECT no FROM store WHERE name = ?1 AND baseline = 'complete'", [name], |row| {
            row.get(0).map(StoreNo)
        })
        .optional()
        .during("read a store")?
        .ok_or_else(|| DbError::NoBaseline { store: name.to_owned() })
}

pub(super) fn checkpoint(connection: &Connection, store: StoreNo) -> Result<Option<Checkpoint>, DbError> {
    let found = connection
        .query_row(
            "SELECT checkpoint_mechanism, checkpoint FROM store WHERE no = ?1 AND checkpoint IS NOT NULL",
            [store.0],
            |row| Ok((row.get::<_, String>(0)?, row.get(1)?)),
        )
        .optional()
        .during("read a checkpoint")?;
    let known = |(mechanism, bytes): (String, Vec<u8>)| {
        Some(Checkpoint { mechanism: Mechanism::parse(&mechanism)?, bytes })
    };
    Ok(found.and_then(known))
}

/// Inside an ingest transaction: the checkpoint moves with what it covers.
pub(super) fn store_checkpoint(
    connection: &Connection,
    store: StoreNo,
    checkpoint: &Checkpoint,
    now: Timestamp,
) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "UPDATE store SET checkpoint_mechanism = ?2, checkpoint = ?3, checkpoint_at = ?4 WHERE no = ?1",
        )
        .and_then(|mut s| {
            s.execute(params![store.0, checkpoint.mechanism.as_str(), checkpoint.bytes, micros(now)])
        })
        .during("store a checkpoint")
        .map(drop)
}
