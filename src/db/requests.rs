//! What commands ask of the queue: rows that whoever holds the lock of `run` carries out.

use std::{collections::BTreeSet, path::Path};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    Access, DbError, RunLock, StoreNo,
    error::During,
    open,
    rows::{micros, unreadable},
};
use crate::outbox::state::DeliveryState;

/// Keeps one call well under 50 ms.
pub(super) const REQUESTS_AT_ONCE: u32 = 64;

/// What is asked for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To be sent now, as if it were new.
    Retry,
    /// To be forgotten, and never told again.
    Delete,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// Carried out.
    Done,
    /// Refused: the mail server has the message.
    Delivered,
    /// There is no such message any more.
    Gone,
}

/// The number of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestNo(i64);

impl Wish {
    const ALL: [Self; 2] = [Self::Retry, Self::Delete];

    /// The word of the command line and of the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Delete => "delete",
        }
    }
}

impl RequestOutcome {
    const ALL: [Self; 3] = [Self::Done, Self::Delivered, Self::Gone];

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Delivered => "delivered",
            Self::Gone => "gone",
        }
    }
}

/// Where a command leaves its requests.
pub struct Requests {
    pub(super) connection: Connection,
    /// `None`: a daemon has it, and carries out what is asked.
    lock: Option<RunLock>,
}

impl Requests {
    /// `None`: there is no state file yet, or nothing is in it.
    pub fn open(path: &Path) -> Result<Option<Self>, DbError> {
        Ok(match Access::gain(path)? {
            Access::NoState => None,
            Access::Alone(lock) => Some(Self { connection: open::open_for_writing(path)?, lock: Some(lock) }),
            Access::BesideDaemon(connection) => Some(Self { connection, lock: None }),
        })
    }

    /// Whether a daemon is there to send what is to be sent.
    pub fn daemon_runs(&self) -> bool {
        self.lock.is_none()
    }

    /// Asks; without a daemon that is also the carrying out. `None`: there is no message with this id.
    pub fn ask(&mut self, id: Uuid, wish: Wish, now: Timestamp) -> Result<Option<RequestNo>, DbError> {
        Ok(self.ask_for_each(&[id], wish, now)?.pop().map(|(_, request)| request))
    }

    /// The same for each of these, in their order and piece by piece; without those of which there is no message.
    pub fn ask_for_each(
        &mut self,
        ids: &[Uuid],
        wish: Wish,
        now: Timestamp,
    ) -> Result<Vec<(Uuid, RequestNo)>, DbError> {
        let mut asked = Vec::with_capacity(ids.len());
        for some in ids.chunks(REQUESTS_AT_ONCE as usize) {
            let transaction = self.connection.transaction().during("begin a request")?;
            for id in some {
                let Some((request, message)) = insert(&transaction, *id, wish, now)? else { continue };
                if self.lock.is_some() {
                    // What a daemon that has ended was asked for before comes first.
                    for (request, wish) in open_requests_for(&transaction, message)? {
                        carry_out_one(&transaction, request, message, wish, now)?;
                    }
                }
                asked.push((*id, request));
            }
            transaction.commit().during("commit a request")?;
        }
        Ok(asked)
    }

    /// `None`: not carried out yet.
    pub fn outcome(&self, request: RequestNo) -> Result<Option<RequestOutcome>, DbError> {
        self.connection
            .prepare_cached("SELECT outcome FROM outbox_request WHERE seq = ?1")
            .and_then(|mut s| {
                s.query_row([request.0], |row| {
                    let word: Option<String> = row.get(0)?;
                    let parse = |word: String| {
                        RequestOutcome::ALL
                            .into_iter()
                            .find(|outcome| outcome.as_str() == word)
                            .ok_or_else(|| unreadable(0, "unknown outcome of a request"))
                    };
                    word.map(parse).transpose()
                })
            })
            .during("read a request")
    }

    /// Whether an attempt was made, or ruled out, since the message was last retried.
    pub fn is_settled(&self, id: Uuid) -> Result<bool, DbError> {
        self.connection
            .prepare_cached(
                "SELECT due_at IS NULL
                        OR EXISTS (SELECT 1 FROM attempt
                                   WHERE attempt.message = message.seq AND attempt.seq > renewed_after)
                 FROM message WHERE id = ?1",
            )
            .and_then(|mut s| s.query_row([id.as_bytes()], |row| row.get(0)))
            .during("read a message")
    }
}

/// The request, and the number of its message. `None`: there is none with this id.
fn insert(
    connection: &Connection,
    id: Uuid,
    wish: Wish,
    now: Timestamp,
) -> Result<Option<(RequestNo, i64)>, DbError> {
    connection
        .prepare_cached(
            "INSERT INTO outbox_request (store, message, wish, asked_at)
             SELECT store, seq, ?2, ?3 FROM message WHERE id = ?1 AND deleted_at IS NULL
             RETURNING seq, message",
        )
        .and_then(|mut s| {
            s.query_row(params![id.as_bytes(), wish.as_str(), micros(now)], |row| {
                Ok((RequestNo(row.get(0)?), row.get(1)?))
            })
            .optional()
        })
        .during("store a request")
}

/// What [`carry_out`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CarriedOut {
    /// Messages that are due now.
    pub retried: usize,
    /// Requests that wait until an attempt is over.
    pub waiting: usize,
    /// Whether there may be more.
    pub unfinished: bool,
}

/// Carries out what is asked for messages of `store`, those `in_flight` excepted: an attempt that is under way
/// ends first.
pub(super) fn carry_out(
    connection: &Connection,
    store: StoreNo,
    in_flight: &BTreeSet<i64>,
    now: Timestamp,
) -> Result<CarriedOut, DbError> {
    let mut done = CarriedOut::default();
    let open = open_requests(connection, store)?;
    done.unfinished = open.len() == REQUESTS_AT_ONCE as usize;
    for (request, message, wish) in open {
        if in_flight.contains(&message) {
            done.waiting += 1;
            continue;
        }
        let outcome = carry_out_one(connection, request, message, wish, now)?;
        done.retried += usize::from(wish == Wish::Retry && outcome == RequestOutcome::Done);
    }
    // Those that wait would be found again and again.
    done.unfinished &= done.waiting < REQUESTS_AT_ONCE as usize;
    Ok(done)
}

fn open_requests(connection: &Connection, store: StoreNo) -> Result<Vec<(i64, i64, Wish)>, DbError> {
    connection
        .prepare_cached(
            "SELECT seq, message, wish FROM outbox_request
             WHERE store = ?1 AND outcome IS NULL ORDER BY seq LIMIT ?2",
        )
        .and_then(|mut s| {
            s.query_map(params![store.0, REQUESTS_AT_ONCE], |row| {
                Ok((row.get(0)?, row.get(1)?, wish_at(row, 2)?))
            })?
            .collect()
        })
        .during("read requests")
}

/// Oldest first.
fn open_requests_for(connection: &Connection, message: i64) -> Result<Vec<(i64, Wish)>, DbError> {
    connection
        .prepare_cached(
            "SELECT seq, wish FROM outbox_request
             WHERE store = (SELECT store FROM message WHERE seq = ?1) AND outcome IS NULL AND message = ?1
             ORDER BY seq",
        )
        .and_then(|mut s| s.query_map([message], |row| Ok((row.get(0)?, wish_at(row, 1)?)))?.collect())
        .during("read the requests for a message")
}

fn wish_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Wish> {
    let word: String = row.get(column)?;
    Wish::ALL.into_iter().find(|wish| wish.as_str() == word).ok_or_else(|| unreadable(column, "unknown wish"))
}

fn carry_out_one(
    connection: &Connection,
    request: i64,
    message: i64,
    wish: Wish,
    now: Timestamp,
) -> Result<RequestOutcome, DbError> {
    let (state, deleted): (String, bool) = connection
        .prepare_cached("SELECT state, deleted_at IS NOT NULL FROM message WHERE seq = ?1")
        .and_then(|mut s| s.query_row([message], |row| Ok((row.get(0)?, row.get(1)?))))
        .during("read the state of a message")?;
    let state = DeliveryState::parse(&state);
    let outcome = match wish {
        Wish::Retry | Wish::Delete if deleted => RequestOutcome::Gone,
        Wish::Retry | Wish::Delete if state == Some(DeliveryState::Delivered) => RequestOutcome::Delivered,
        Wish::Retry => {
            renew(connection, message, now)?;
            RequestOutcome::Done
        }
        Wish::Delete => {
            delete(connection, message, now)?;
            RequestOutcome::Done
        }
    };
    connection
        .prepare_cached("UPDATE outbox_request SET outcome = ?2 WHERE seq = ?1")
        .and_then(|mut s| s.execute(params![request, outcome.as_str()]))
        .during("store what came of a request")?;
    Ok(outcome)
}

/// Due now, with its whole time and all its attempts before it: whoever asks thinks that what stood in the way is
/// gone. One that the server put off stays marked so.
fn renew(connection: &Connection, message: i64, now: Timestamp) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "UPDATE message SET state = CASE state WHEN 'deferred' THEN 'deferred' ELSE 'scheduled' END,
                                due_at = ?2, ended_at = NULL, renewed_at = ?2,
                                renewed_after = coalesce((SELECT max(seq) FROM attempt WHERE message = ?1), 0)
             WHERE seq = ?1",
        )
        .and_then(|mut s| s.execute(params![message, micros(now)]))
        .during("retry a message")
        .map(drop)
}

/// The row stays, so that nobody composes again what it told. One that never left counts for no hour.
fn delete(connection: &Connection, message: i64, now: Timestamp) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "UPDATE message SET deleted_at = ?2, bytes = x'', ended_at = coalesce(ended_at, ?2), due_at = NULL,
                                state = CASE WHEN due_at IS NULL THEN state ELSE 'suppressed' END,
                                cap_key = CASE state WHEN 'delivered' THEN cap_key END
             WHERE seq = ?1",
        )
        .and_then(|mut s| s.execute(params![message, micros(now)]))
        .during("delete a message")
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::company::State;

    /// Somebody was added to a group, and the mail waits.
    async fn one_mail() -> (State, Uuid) {
        let mut state = State::new("user anna\nuser bert\ngroup sales member=anna", "added_members").await;
        state.modify("sales", "member+bert").await;
        state.dispatch().await;
        state.compose(std::time::Duration::ZERO, state.now()).await;
        (state, Uuid::from_u128(1))
    }

    #[tokio::test]
    async fn what_a_daemon_left_undone_is_done_before_what_is_asked_without_it() {
        let (state, id) = one_mail().await;
        let daemon = RunLock::take(&state.path()).unwrap();
        let mut beside = Requests::open(&state.path()).unwrap().unwrap();
        let deletion = beside.ask(id, Wish::Delete, state.now()).unwrap().unwrap();
        assert_eq!(beside.outcome(deletion).unwrap(), None);
        drop((beside, daemon));

        let mut alone = Requests::open(&state.path()).unwrap().unwrap();
        let retry = alone.ask(id, Wish::Retry, state.now()).unwrap().unwrap();
        assert_eq!(alone.outcome(deletion).unwrap(), Some(RequestOutcome::Done));
        assert_eq!(alone.outcome(retry).unwrap(), Some(RequestOutcome::Gone));
    }
}
