//! What an operator wants done with a hold: a row that whoever has the lock of `run` carries out, piece by piece.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::{
    change::{
        event::{Change, ChangeEvent},
        guard::HoldNo,
    },
    db::{
        Db, DbError, Requests, StoreContext, StoreNo,
        error::During,
        notifications::note_deleted,
        rows::{json_at, micros, unreadable, uuid_at},
        worker::Priority,
    },
};

/// Change sets let go by one call, which is to stay well under 50 ms.
const CHANGE_SETS_AT_ONCE: u32 = 512;

/// What is to become of what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldWish {
    /// To be told after all.
    Release,
    /// To be told to nobody.
    Discard,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldAnswer {
    /// It is written down.
    Asked,
    /// That, or the other, was asked for before and is under way.
    UnderWay(HoldWish),
    /// That, or the other, has been done.
    Ended(HoldWish),
}

/// What one piece of the work did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldNews {
    /// Change sets that were let go.
    pub change_sets: usize,
    /// A hold that ended with it, and what was asked for.
    pub ended: Option<(Uuid, HoldWish)>,
    /// Nothing is asked for, or all of it is done.
    pub is_idle: bool,
}

impl HoldWish {
    const ALL: [Self; 2] = [Self::Release, Self::Discard];

    /// The word of the command line and of the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }
}

pub(super) fn wish_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<HoldWish>> {
    let word: Option<String> = row.get(column)?;
    let parse = |word: String| {
        HoldWish::ALL
            .into_iter()
            .find(|wish| wish.as_str() == word)
            .ok_or_else(|| unreadable(column, "unknown wish for a hold"))
    };
    word.map(parse).transpose()
}

impl Db {
    /// Does a piece of what is asked for the store's holds: to be called until it is idle. What is released can be
    /// dispatched at once, in its order; the hold goes on taking events until nothing is left in it.
    pub async fn carry_out_wishes(
        &self,
        context: Arc<StoreContext>,
        now: Timestamp,
    ) -> Result<HoldNews, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to let go what is held")?;
                let news = carry_out(&transaction, Some(context.no), now)?;
                transaction.commit().during("commit what was let go")?;
                if news.ended.is_some() {
                    context.counting.forget();
                }
                Ok(news)
            })
            .await
    }
}

impl Requests {
    /// Asks something for a hold; a daemon that runs carries it out. `None`: there is no such hold.
    pub fn ask_for_hold(
        &mut self,
        hold: Uuid,
        wish: HoldWish,
        now: Timestamp,
    ) -> Result<Option<HoldAnswer>, DbError> {
        let transaction = self.connection.transaction().during("begin a request")?;
        let found: Option<(Option<HoldWish>, bool)> = transaction
            .query_row(
                "SELECT wish, ended_at IS NOT NULL FROM hold WHERE id = ?1",
                [hold.as_bytes()],
                |row| Ok((wish_at(row, 0)?, row.get(1)?)),
            )
            .optional()
            .during("find a hold")?;
        let Some((before, ended)) = found else { return Ok(None) };
        let answer = match before {
            Some(before) if ended => HoldAnswer::Ended(before),
            Some(before) => HoldAnswer::UnderWay(before),
            None => {
                transaction
                    .execute(
                        "UPDATE hold SET wish = ?2, wished_at = ?3 WHERE id = ?1",
                        params![hold.as_bytes(), wish.as_str(), micros(now)],
                    )
                    .during("store a wish")?;
                HoldAnswer::Asked
            }
        };
        transaction.commit().during("commit a request")?;
        Ok(Some(answer))
    }

    /// Without a daemon: does a piece of what is asked for the holds of all stores.
    pub fn carry_out_wishes(&mut self, now: Timestamp) -> Result<HoldNews, DbError> {
        let transaction = self.connection.transaction().during("begin to let go what is held")?;
        let news = carry_out(&transaction, None, now)?;
        transaction.commit().during("commit what was let go")?;
        Ok(news)
    }
}

struct Wished {
    hold: HoldNo,
    id: Uuid,
    store: StoreNo,
    wish: HoldWish,
}

fn carry_out(connection: &Connection, store: Option<StoreNo>, now: Timestamp) -> Result<HoldNews, DbError> {
    let Some(Wished { hold, id, store, wish }) = oldest(connection, store)? else {
        return Ok(HoldNews { is_idle: true, ..HoldNews::default() });
    };
    let change_sets = match wish {
        HoldWish::Release => release(connection, hold)?,
        HoldWish::Discard => discard(connection, store, hold, now)?,
    };
    if change_sets > 0 {
        return Ok(HoldNews { change_sets, ..HoldNews::default() });
    }
    connection
        .prepare_cached("UPDATE hold SET ended_at = ?2 WHERE seq = ?1")
        .and_then(|mut s| s.execute(params![hold.0, micros(now)]))
        .during("end a hold")?;
    Ok(HoldNews { ended: Some((id, wish)), ..HoldNews::default() })
}

fn oldest(connection: &Connection, store: Option<StoreNo>) -> Result<Option<Wished>, DbError> {
    let read = |row: &Row<'_>| {
        let wish = wish_at(row, 3)?.ok_or_else(|| unreadable(3, "a wish that is none"))?;
        Ok(Wished { hold: HoldNo(row.get(0)?), id: uuid_at(row, 1)?, store: StoreNo(row.get(2)?), wish })
    };
    connection
        .prepare_cached(
            "SELECT seq, id, store, wish FROM hold INDEXED BY hold_open
             WHERE ended_at IS NULL AND wish IS NOT NULL AND (?1 IS NULL OR store = ?1) ORDER BY seq LIMIT 1",
        )
        .and_then(|mut s| s.query_row([store.map(|store| store.0)], read).optional())
        .during("look for what is asked for a hold")
}

fn release(connection: &Connection, hold: HoldNo) -> Result<usize, DbError> {
    connection
        .prepare_cached(
            "UPDATE change_set SET held = 0 WHERE seq IN
                (SELECT seq FROM change_set WHERE hold = ?1 AND held = 1 ORDER BY seq LIMIT ?2)",
        )
        .and_then(|mut s| s.execute(params![hold.0, CHANGE_SETS_AT_ONCE]))
        .during("release what is held")
}

/// As if told, but to nobody: whoever was deleted is not written to any more all the same.
fn discard(connection: &Connection, store: StoreNo, hold: HoldNo, now: Timestamp) -> Result<usize, DbError> {
    let sets: Vec<i64> = connection
        .prepare_cached("SELECT seq FROM change_set WHERE hold = ?1 AND held = 1 ORDER BY seq LIMIT ?2")
        .and_then(|mut s| s.query_map(params![hold.0, CHANGE_SETS_AT_ONCE], |row| row.get(0))?.collect())
        .during("read what is held")?;
    for set in &sets {
        if let Some(deletion) = deletion(connection, *set)? {
            note_deleted(connection, store, &[deletion], now)?;
        }
        connection
            .prepare_cached("UPDATE change_set SET held = 0, dispatched_at = ?2 WHERE seq = ?1")
            .and_then(|mut s| s.execute(params![set, micros(now)]))
            .during("discard what is held")?;
    }
    Ok(sets.len())
}

/// A change set holds one at most, before all that follows from it. One that cannot be read is none.
fn deletion(connection: &Connection, set: i64) -> Result<Option<ChangeEvent>, DbError> {
    let first: Option<Option<ChangeEvent>> = connection
        .prepare_cached("SELECT facts FROM event WHERE change_set = ?1 ORDER BY seq LIMIT 1")
        .and_then(|mut s| s.query_row([set], |row| Ok(json_at(row, 0).ok())).optional())
        .during("read the first event of a change set")?;
    Ok(first.flatten().filter(|event| matches!(event.change, Change::ObjectDeleted { .. })))
}
