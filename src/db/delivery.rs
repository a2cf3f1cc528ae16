//! Deliver: which messages are due, and what became of them.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    Db, DbError, StoreNo,
    error::During,
    rows::{micros, timestamp, unreadable},
    worker::Priority,
};
use crate::{
    directory::mail_address::MailAddress,
    outbox::state::{Answer, DeliveryState, FailureClass, Outcome},
};

/// The oldest waiting message of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueHead {
    /// Its row.
    pub seq: i64,
    /// Under which order is kept.
    pub recipient_key: String,
    /// Not before.
    pub due: Timestamp,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMail {
    /// Its row.
    pub seq: i64,
    /// To whom.
    pub address: MailAddress,
    /// The same in every attempt.
    pub message_id: String,
    /// The same in every attempt.
    pub bytes: Vec<u8>,
    /// When it was written.
    pub created: Timestamp,
    /// How often the server put it off.
    pub transient_failures: u32,
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The message's row.
    pub seq: i64,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// The server's words, or ours where it had none.
    pub answer: Answer,
    /// What follows for the message.
    pub next: AfterAttempt,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAttempt {
    /// The server has it.
    Delivered,
    /// To be tried again.
    Deferred(Timestamp),
    /// Given up.
    Failed,
}

impl Db {
    /// The oldest waiting message of each recipient: those that are due at `now`, oldest first and so many at
    /// most, and the next that will be.
    pub async fn queue_heads(&self, store: StoreNo, now: Timestamp) -> Result<Vec<QueueHead>, DbError> {
        self.worker.call(Priority::Rest, move |connection| queue_heads(connection, store, now)).await
    }

    /// One message, to be sent.
    pub async fn queued_mail(&self, seq: i64) -> Result<QueuedMail, DbError> {
        self.worker.call(Priority::Rest, move |connection| queued_mail(connection, seq)).await
    }

    /// Stores an attempt and what follows from it, in one transaction.
    pub async fn record_attempt(&self, record: AttemptRecord) -> Result<(), DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to record an attempt")?;
                record_attempt(&transaction, &record)?;
                transaction.commit().during("commit an attempt")
            })
            .await
    }
}

/// Enough to keep all connections busy between two looks.
const HEADS_AT_ONCE: i64 = 256;

fn queue_heads(connection: &Connection, store: StoreNo, now: Timestamp) -> Result<Vec<QueueHead>, DbError> {
    connection
        .prepare_cached(
            "WITH head AS MATERIALIZED (
                 SELECT min(seq) AS seq, recipient_key, due_at FROM message
                 WHERE store = ?1 AND due_at IS NOT NULL GROUP BY recipient_key)
             SELECT * FROM (SELECT * FROM head WHERE due_at <= ?2 ORDER BY seq LIMIT ?3)
             UNION ALL
             SELECT * FROM (SELECT * FROM head WHERE due_at > ?2 ORDER BY due_at LIMIT 1)",
        )
        .and_then(|mut s| {
            s.query_map(params![store.0, micros(now), HEADS_AT_ONCE], |row| {
                Ok(QueueHead { seq: row.get(0)?, recipient_key: row.get(1)?, due: timestamp(row.get(2)?) })
            })?
            .collect()
        })
        .during("read the queue")
}

fn queued_mail(connection: &Connection, seq: i64) -> Result<QueuedMail, DbError> {
    connection
        .prepare_cached(
            "SELECT seq, address, message_id, bytes, created_at,
                    (SELECT count(*) FROM attempt WHERE message = ?1 AND outcome = ?2)
             FROM message WHERE seq = ?1",
        )
        .and_then(|mut s| {
            s.query_row(params![seq, Outcome::Failed(FailureClass::Transient).as_str()], |row| {
                let address: String = row.get(1)?;
                Ok(QueuedMail {
                    seq: row.get(0)?,
                    address: address.parse().map_err(|source| unreadable(1, source))?,
                    message_id: row.get(2)?,
                    bytes: row.get(3)?,
                    created: timestamp(row.get(4)?),
                    transient_failures: row.get(5)?,
                })
            })
        })
        .during("read a message")
}

fn record_attempt(connection: &Connection, record: &AttemptRecord) -> Result<(), DbError> {
    let (state, due, ended) = match record.next {
        AfterAttempt::Delivered => (DeliveryState::Delivered, None, Some(micros(record.at))),
        AfterAttempt::Deferred(at) => (DeliveryState::Deferred, Some(micros(at)), None),
        AfterAttempt::Failed => (DeliveryState::Failed, None, Some(micros(record.at))),
    };
    let answer = record.answer.to_string();
    connection
        .prepare_cached("INSERT INTO attempt (message, at, outcome, answer) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut s| s.execute(params![record.seq, micros(record.at), record.outcome.as_str(), answer]))
        .during("store an attempt")?;
    connection
        .prepare_cached(
            "UPDATE message SET state = ?2, due_at = ?3, ended_at = ?4, attempts = attempts + 1, last_answer = ?5
             WHERE seq = ?1",
        )
        .and_then(|mut s| s.execute(params![record.seq, state.as_str(), due, ended, answer]))
        .during("store the state of a message")
        .map(drop)
}
