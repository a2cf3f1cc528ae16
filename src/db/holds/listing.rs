//! What is held, for whoever looks.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::wishes::{HoldWish, wish_at};
use crate::{
    change::guard::HoldFacts,
    db::{
        DbError, EventRow, IdPrefix, Reader,
        error::During,
        reader::event_at,
        rows::{count_at, json_at, timestamp, uuid_at},
    },
};

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// Its id.
    pub id: Uuid,
    /// The store's name.
    pub store: String,
    /// Why it began.
    pub facts: HoldFacts,
    /// When.
    pub since: Timestamp,
    /// What an operator wants done with it.
    pub wish: Option<HoldWish>,
    /// When that was done.
    pub ended: Option<Timestamp>,
    /// So many are in it now.
    pub events: u64,
}

/// The time that a change set spent in a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldSpan {
    /// Of the hold.
    pub hold: Uuid,
    /// Why that began.
    pub facts: HoldFacts,
    /// Since when the change set is in it.
    pub from: Timestamp,
    /// Whether the change set is in it now.
    pub is_held: bool,
    /// What was asked for it.
    pub wish: Option<HoldWish>,
    /// When all that was in it was let go.
    pub ended: Option<Timestamp>,
}

const HOLD: &str = "SELECT hold.id, store.name, hold.facts, since, wish, ended_at,
        (SELECT count(*) FROM change_set JOIN event ON event.change_set = change_set.seq
         WHERE change_set.hold = hold.seq AND held = 1)
    FROM hold JOIN store ON store.no = hold.store";

fn row_at(row: &Row<'_>) -> rusqlite::Result<HoldRow> {
    Ok(HoldRow {
        id: uuid_at(row, 0)?,
        store: row.get(1)?,
        facts: json_at(row, 2)?,
        since: timestamp(row.get(3)?),
        wish: wish_at(row, 4)?,
        ended: row.get::<_, Option<i64>>(5)?.map(timestamp),
        events: count_at(row, 6)?,
    })
}

impl Reader {
    /// Those that are open, oldest first.
    pub fn holds(&self, store: Option<&str>) -> Result<Vec<HoldRow>, DbError> {
        self.connection
            .prepare(&format!(
                "{HOLD} WHERE ended_at IS NULL AND (?1 IS NULL OR store.name = ?1) ORDER BY hold.seq"
            ))
            .and_then(|mut s| s.query_map([store], row_at)?.collect())
            .during("read what is held")
    }

    /// How much of `store` is held, and stays so until somebody releases or discards it: the number of holds.
    pub fn open_holds(&self, store: &str) -> Result<u64, DbError> {
        self.connection
            .query_row(
                "SELECT count(*) FROM hold JOIN store ON store.no = hold.store
                 WHERE store.name = ?1 AND ended_at IS NULL",
                [store],
                |row| row.get::<_, i64>(0).map(i64::unsigned_abs),
            )
            .during("count what is held")
    }

    /// Those whose ids begin so, ended ones too, oldest first; at most `most`.
    pub fn holds_beginning_with(
        &self,
        id: &IdPrefix,
        store: Option<&str>,
        most: u32,
    ) -> Result<Vec<HoldRow>, DbError> {
        let (first, last) = id.range();
        self.connection
            .prepare(&format!(
                "{HOLD} WHERE hold.id BETWEEN ?1 AND ?2 AND (?3 IS NULL OR store.name = ?3)
                 ORDER BY hold.seq LIMIT ?4"
            ))
            .and_then(|mut s| {
                s.query_map(params![first.as_bytes(), last.as_bytes(), store, most], row_at)?.collect()
            })
            .during("look for a hold")
    }

    /// What is in a hold, in ingest order: at most `most` events after the one with number `seq` (0: from the
    /// first on).
    pub fn held_events_after(&self, hold: Uuid, seq: i64, most: u32) -> Result<Vec<EventRow>, DbError> {
        self.connection
            .prepare_cached(
                "SELECT event.seq, store.name, event.facts, held
                 FROM change_set JOIN event ON event.change_set = change_set.seq
                                 JOIN store ON store.no = change_set.store
                 WHERE change_set.hold = (SELECT seq FROM hold WHERE id = ?1) AND held = 1
                 AND change_set.seq >= coalesce((SELECT change_set FROM event WHERE seq = ?2), 0)
                 AND event.seq > ?2
                 ORDER BY change_set.seq, event.seq LIMIT ?3",
            )
            .and_then(|mut s| s.query_map(params![hold.as_bytes(), seq, most], event_at)?.collect())
            .during("read the events of a hold")
    }
}

/// The hold that the change set went through, or is in.
pub(in crate::db) fn span_of(connection: &Connection, change_set: i64) -> Result<Option<HoldSpan>, DbError> {
    connection
        .query_row(
            "SELECT hold.id, hold.facts, max(hold.since, change_set.seen), change_set.held, wish, ended_at
             FROM change_set JOIN hold ON hold.seq = change_set.hold WHERE change_set.seq = ?1",
            [change_set],
            |row| {
                Ok(HoldSpan {
                    hold: uuid_at(row, 0)?,
                    facts: json_at(row, 1)?,
                    from: timestamp(row.get(2)?),
                    is_held: row.get(3)?,
                    wish: wish_at(row, 4)?,
                    ended: row.get::<_, Option<i64>>(5)?.map(timestamp),
                })
            },
        )
        .optional()
        .during("read a hold")
}
