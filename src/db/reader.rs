//! What commands read, on a connection of their own, whether or not a daemon runs.

use std::{fs::OpenOptions, io::Write, path::Path};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    DbError, RunLock, StoreState,
    error::During,
    examine,
    health::ROOM,
    lock::{Holder, directory_of},
    open,
    rows::{count_at, json_at, micros, timestamp, unreadable, uuid_at},
};
use crate::{change::event::ChangeEvent, outbox::state::DeliveryState};

/// A look at the state file.
pub struct Reader {
    pub(super) connection: Connection,
    daemon: Option<Holder>,
}

/// An event with the store it happened in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Ingest order.
    pub seq: i64,
    /// The store's name.
    pub store: String,
    /// What happened.
    pub event: ChangeEvent,
    /// Whether the bulk guard holds it back now.
    pub is_held: bool,
}

/// A message of the outbox without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The order in which messages were written.
    pub seq: i64,
    /// Its id.
    pub id: Uuid,
    /// The store's name.
    pub store: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// The address.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// When it was written.
    pub created: Timestamp,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the next is due.
    pub next_attempt: Option<Timestamp>,
    /// What the server said last.
    pub last_answer: Option<String>,
    /// The events in it.
    pub events: Vec<Uuid>,
}

/// All there is about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeMessage {
    /// What the list shows.
    pub row: MessageRow,
    /// RFC 5322, as it goes over the wire.
    pub bytes: Vec<u8>,
    /// Oldest first.
    pub attempts: Vec<AttemptRow>,
}

/// One attempt to deliver a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// When it ended.
    pub at: Timestamp,
    /// How: `delivered`, `transient`, `permanent` or `unreachable`.
    pub outcome: String,
    /// The server's words, or ours where it had none.
    pub answer: String,
}

/// A store as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow {
    /// The store's name.
    pub store: String,
    /// The word of the contract; `stopped` when no daemon runs.
    pub state: String,
    /// Connected to.
    pub url: Option<String>,
    /// Of server.
    pub kind: Option<String>,
    /// In use.
    pub feed: Option<String>,
    /// In use.
    pub bell: Option<String>,
    /// When the checkpoint was stored.
    pub checkpoint_at: Option<Timestamp>,
    /// In microseconds.
    pub lag_us: Option<i64>,
    /// Mirrored.
    pub entries: u64,
    /// Scheduled or deferred.
    pub outbox_pending: u64,
    /// Given up.
    pub outbox_failed: u64,
    /// Events that the bulk guard holds back.
    pub held: u64,
    /// What needs a hand.
    pub alerts: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// Which events to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventFilter<'a> {
    /// Seen by our clock at this instant or later.
    pub since: Option<Timestamp>,
    /// Of this store only.
    pub store: Option<&'a str>,
}

/// What is at the place of the state file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFile {
    /// Nothing yet, and it can be created.
    New,
    /// Ours, of a version we know, and writable.
    Usable {
        /// Whether a daemon works on it.
        daemon_runs: bool,
    },
}

impl StateFile {
    /// Finds out whether a daemon could use the file and has room to write, and whether the file is whole, which
    /// takes as long as it takes to read it; leaves no trace.
    pub fn inspect(path: &Path) -> Result<Self, DbError> {
        let refused = |source| open::open_error(path, source);
        let directory = directory_of(path);
        // SQLite's log and our lock lie beside the file.
        let mut beside = tempfile::tempfile_in(directory).map_err(refused)?;
        beside
            .write_all(&vec![0; ROOM])
            .map_err(|source| DbError::Room { directory: directory.to_owned(), source })?;
        drop(beside);
        if !open::exists(path)? {
            return Ok(Self::New);
        }
        // SQLite itself would be content with a file that it can only read.
        OpenOptions::new().read(true).write(true).open(path).map_err(refused)?;
        match Reader::open(path) {
            Ok(None) => Ok(Self::New),
            Ok(Some(reader)) => {
                examine::whole(path, &reader.connection)?;
                Ok(Self::Usable { daemon_runs: reader.daemon_runs() })
            }
            // A daemon brings it up to date.
            Err(DbError::Older { .. }) => Ok(Self::Usable { daemon_runs: RunLock::is_held(path) }),
            Err(error) => Err(error),
        }
    }
}

impl Reader {
    /// `None`: there is no state file yet, or nothing is in it.
    pub fn open(path: &Path) -> Result<Option<Self>, DbError> {
        if !open::exists(path)? {
            return Ok(None);
        }
        let Some(connection) = open::open_for_reading(path)? else { return Ok(None) };
        Ok(Some(Self { connection, daemon: RunLock::held(path) }))
    }

    /// Whether a daemon works on the state file.
    pub fn daemon_runs(&self) -> bool {
        self.daemon.is_some()
    }

    /// Newest last; at most `most` of those after the one with number `seq` (0: from the first on). Whoever
    /// prints them asks for one page after the other: a reading that waits for a pager would keep the daemon
    /// from tidying up its write-ahead log.
    pub fn events_after(
        &self,
        filter: EventFilter<'_>,
        seq: i64,
        most: u32,
    ) -> Result<Vec<EventRow>, DbError> {
        self.connection
            .prepare(&format!("{EVENT} AND event.seq > ?3 ORDER BY event.seq LIMIT ?4"))
            .and_then(|mut s| {
                let since = filter.since.map_or(i64::MIN, micros);
                s.query_map(params![since, filter.store, seq, most], event_at)?.collect()
            })
            .during("read events")
    }

    /// The newest `most` of those, oldest first.
    pub fn last_events(&self, filter: EventFilter<'_>, most: u32) -> Result<Vec<EventRow>, DbError> {
        let newest_first: Result<Vec<EventRow>, DbError> = self
            .connection
            .prepare(&format!("{EVENT} ORDER BY event.seq DESC LIMIT ?3"))
            .and_then(|mut s| {
                let since = filter.since.map_or(i64::MIN, micros);
                s.query_map(params![since, filter.store, most], event_at)?.collect()
            })
            .during("read the last events");
        newest_first.map(|rows| rows.into_iter().rev().collect())
    }

    /// The number of the newest event; 0: there is none.
    pub fn newest_event(&self) -> Result<i64, DbError> {
        self.connection
            .query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0))
            .during("find the newest event")
    }

    /// How much is stored and on its way to be told: findings, change sets, notifications and messages that
    /// wait for their next stage. 0: whoever had to be told was, or will not be, or is when an operator says so.
    pub fn in_hand(&self) -> Result<u64, DbError> {
        self.connection
            .query_row(
                "SELECT (SELECT count(*) FROM finding)
                      + (SELECT count(*) FROM change_set
                         WHERE dispatched_at IS NULL AND held = 0 AND set_aside IS NULL)
                      + (SELECT count(*) FROM notification WHERE message IS NULL AND set_aside IS NULL)
                      + (SELECT count(*) FROM message WHERE due_at IS NOT NULL)",
                [],
                |row| count_at(row, 0),
            )
            .during("count what is in hand")
    }

    /// Oldest first; at most `most` of those after the one with number `seq` (0: from the first on). Page by page, as
    /// with [`events_after`](Self::events_after): a queue may be long, and so may be its readers' patience.
    pub fn messages_after(
        &self,
        store: Option<&str>,
        seq: i64,
        most: u32,
    ) -> Result<Vec<MessageRow>, DbError> {
        self.connection
            .prepare_cached(&format!(
                "SELECT {MESSAGE} AND message.seq > ?2 AND (?1 IS NULL OR store.name = ?1)
                 ORDER BY message.seq LIMIT ?3"
            ))
            .and_then(|mut s| s.query_map(params![store, seq, most], message_at)?.collect())
            .during("read the outbox")
    }

    /// The ids of those that were given up, oldest first.
    pub fn failed_messages(&self, store: Option<&str>) -> Result<Vec<Uuid>, DbError> {
        self.connection
            .prepare(
                "SELECT message.id FROM message JOIN store ON store.no = message.store
                 WHERE message.state = 'failed' AND deleted_at IS NULL AND (?1 IS NULL OR store.name = ?1)
                 ORDER BY message.seq",
            )
            .and_then(|mut s| s.query_map([store], |row| uuid_at(row, 0))?.collect())
            .during("look for mail that was given up")
    }

    /// `None`: there is none with this id, or not any more.
    pub fn message(&self, id: Uuid) -> Result<Option<WholeMessage>, DbError> {
        let found = self
            .connection
            .prepare(&format!("SELECT {MESSAGE} AND message.id = ?1"))
            .and_then(|mut s| s.query_row([id.as_bytes()], message_at).optional())
            .during("read a message")?;
        let Some(row) = found else { return Ok(None) };
        let bytes = self
            .connection
            .query_row("SELECT bytes FROM message WHERE seq = ?1", [row.seq], |row| row.get(0))
            .during("read the text of a message")?;
        let attempts = self.attempts(row.seq)?;
        Ok(Some(WholeMessage { row, bytes, attempts }))
    }

    fn attempts(&self, message: i64) -> Result<Vec<AttemptRow>, DbError> {
        self.connection
            .prepare("SELECT at, outcome, answer FROM attempt WHERE message = ?1 ORDER BY seq")
            .and_then(|mut s| {
                s.query_map([message], |row| {
                    Ok(AttemptRow { at: timestamp(row.get(0)?), outcome: row.get(1)?, answer: row.get(2)? })
                })?
                .collect()
            })
            .during("read attempts")
    }

    /// One row for each store the state file knows.
    pub fn status(&self) -> Result<Vec<StatusRow>, DbError> {
        self.connection
            .prepare(
                "SELECT name, state, url, kind, feed, bell, checkpoint_at, lag_us, entries,
                        (SELECT count(*) FROM message WHERE store = store.no AND due_at IS NOT NULL),
                        (SELECT count(*) FROM message WHERE store = store.no AND message.state = 'failed'
                         AND deleted_at IS NULL),
                        last_error,
                        (SELECT count(*) FROM change_set WHERE store = store.no AND set_aside IS NOT NULL)
                        + (SELECT count(*) FROM notification WHERE store = store.no AND set_aside IS NOT NULL),
                        (SELECT count(*) FROM hold JOIN change_set ON change_set.hold = hold.seq AND held = 1
                                                   JOIN event ON event.change_set = change_set.seq
                         WHERE hold.store = store.no AND hold.ended_at IS NULL),
                        (SELECT count(*) FROM alert WHERE store = store.no AND ended_at IS NULL)
                 FROM store ORDER BY name",
            )
            .and_then(|mut s| s.query_map([], |row| self.status_at(row))?.collect())
            .during("read the status")
    }

    fn status_at(&self, row: &Row<'_>) -> rusqlite::Result<StatusRow> {
        // What the file says of a daemon that cannot write into it was true before.
        let note = self.daemon.as_ref().and_then(|daemon| daemon.note.clone());
        let state: String = match (&self.daemon, &note) {
            (None, _) => StoreState::Stopped.as_str().into(),
            (Some(_), Some(_)) => StoreState::Connecting.as_str().into(),
            (Some(_), None) => row.get(1)?,
        };
        let stored: Option<String> = row.get(11)?;
        Ok(StatusRow {
            store: row.get(0)?,
            state,
            url: row.get(2)?,
            kind: row.get(3)?,
            feed: row.get(4)?,
            bell: row.get(5)?,
            checkpoint_at: row.get::<_, Option<i64>>(6)?.map(timestamp),
            lag_us: row.get(7)?,
            entries: count_at(row, 8)?,
            outbox_pending: count_at(row, 9)?,
            outbox_failed: count_at(row, 10)?,
            held: count_at(row, 13)?,
            alerts: count_at(row, 14)?,
            last_error: note.or(stored).or_else(|| set_aside(count_at(row, 12).ok()?)),
        })
    }
}

/// What is wrong when nothing else is.
fn set_aside(rows: u64) -> Option<String> {
    match rows {
        0 => None,
        1 => Some(
            "1 row of the state file cannot be read, and what it says is not told: it is tried again at the next start"
                .to_owned(),
        ),
        _ => Some(format!(
            "{rows} rows of the state file cannot be read, and what they say is not told: they are tried again at \
             the next start"
        )),
    }
}

/// As [`event_at`] reads it.
const EVENT: &str = "SELECT event.seq, store.name, event.facts, change_set.held
    FROM event JOIN change_set ON change_set.seq = event.change_set JOIN store ON store.no = change_set.store
    WHERE change_set.seen >= ?1 AND (?2 IS NULL OR store.name = ?2)";

pub(super) fn event_at(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow { seq: row.get(0)?, store: row.get(1)?, event: json_at(row, 2)?, is_held: row.get(3)? })
}

/// Behind `SELECT`, without the text: it is long.
const MESSAGE: &str = "message.id, store.name, message.state, address, subject, created_at, attempts, due_at,
    last_answer, events, message.seq FROM message JOIN store ON store.no = message.store
    WHERE deleted_at IS NULL";

fn message_at(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let state: String = row.get(2)?;
    Ok(MessageRow {
        seq: row.get(10)?,
        id: uuid_at(row, 0)?,
        store: row.get(1)?,
        state: DeliveryState::parse(&state).ok_or_else(|| unreadable(2, "unknown state of a message"))?,
        to: row.get(3)?,
        subject: row.get(4)?,
        created: timestamp(row.get(5)?),
        attempts: row.get(6)?,
        next_attempt: row.get::<_, Option<i64>>(7)?.map(timestamp),
        last_answer: row.get(8)?,
        events: json_at(row, 9)?,
    })
}
