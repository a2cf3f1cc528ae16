//! Deliver: which messages are due, and what became of them.

mod aged;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{
    Db, DbError, StoreNo,
    error::During,
    notifications::recipient_key,
    requests::carry_out,
    rows::{micros, timestamp, unreadable},
    worker::Priority,
};
use crate::{
    directory::mail_address::MailAddress,
    notify::options::Options,
    outbox::{
        message::{MessageError, Redirection, redirected, sibling_id},
        state::{Answer, DeliveryState, FailureClass, Outcome},
    },
};

/// Messages suppressed or redirected by one call, which is to stay well under 50 ms.
const MESSAGES_AT_ONCE: u32 = 32;

/// What is to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// The oldest waiting message of each recipient: those that are due, oldest first and so many at most, and the
    /// next that will be.
    pub heads: Vec<QueueHead>,
    /// Messages that somebody wants sent now.
    pub retried: usize,
    /// Requests that wait until an attempt is over.
    pub requests_waiting: usize,
    /// Not all could be done in one call: nothing is to be sent before the next.
    pub unfinished: bool,
}

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
    /// When it was written, or last retried by hand.
    pub begun: Timestamp,
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
    /// Carries out what commands asked for messages that are not `in_flight`, lets no message leave for anybody
    /// but those whom dry run and redirection allow, however long it has waited already, and says what is to be
    /// sent.
    pub async fn take_stock(
        &self,
        store: StoreNo,
        options: Arc<Options>,
        in_flight: BTreeSet<i64>,
        now: Timestamp,
    ) -> Result<Stock, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to take stock")?;
                let stock = take_stock(&transaction, store, &options, &in_flight, now)?;
                transaction.commit().during("commit what is to be sent")?;
                Ok(stock)
            })
            .await
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
const HEADS_AT_ONCE: usize = 256;

fn take_stock(
    connection: &Connection,
    store: StoreNo,
    options: &Options,
    in_flight: &BTreeSet<i64>,
    now: Timestamp,
) -> Result<Stock, DbError> {
    let carried_out = carry_out(connection, store, in_flight, now)?;
    let kept = if options.dry_run {
        suppress(connection, store, now)?
    } else if options.redirect_to.is_empty() {
        0
    } else {
        redirect(connection, store, &options.redirect_to, now)?
    };
    let unfinished = carried_out.unfinished || kept == MESSAGES_AT_ONCE as usize;
    Ok(Stock {
        heads: if unfinished { Vec::new() } else { queue_heads(connection, store, now)? },
        retried: carried_out.retried,
        requests_waiting: carried_out.waiting,
        unfinished,
    })
}

/// Ends waiting messages as suppressed, and says how many.
fn suppress(connection: &Connection, store: StoreNo, now: Timestamp) -> Result<usize, DbError> {
    connection
        .prepare_cached(
            "UPDATE message SET state = 'suppressed', due_at = NULL, ended_at = ?2
             WHERE seq IN (SELECT seq FROM message WHERE store = ?1 AND due_at IS NOT NULL LIMIT ?3)",
        )
        .and_then(|mut s| s.execute(params![store.0, micros(now), MESSAGES_AT_ONCE]))
        .during("suppress messages")
}

/// A waiting message as it was written for its recipient.
struct Astray {
    seq: i64,
    address: MailAddress,
    message_id: String,
    bytes: Vec<u8>,
}

/// Rewrites waiting messages that would leave for their recipients, and says how many.
fn redirect(
    connection: &Connection,
    store: StoreNo,
    to: &[MailAddress],
    now: Timestamp,
) -> Result<usize, DbError> {
    let astray: Vec<Astray> = connection
        .prepare_cached(
            "SELECT seq, address, message_id, bytes FROM message
             WHERE store = ?1 AND due_at IS NOT NULL AND intended IS NULL ORDER BY seq LIMIT ?2",
        )
        .and_then(|mut s| {
            s.query_map(params![store.0, MESSAGES_AT_ONCE], |row| {
                let address: String = row.get(1)?;
                Ok(Astray {
                    seq: row.get(0)?,
                    address: address.parse().map_err(|source| unreadable(1, source))?,
                    message_id: row.get(2)?,
                    bytes: row.get(3)?,
                })
            })?
            .collect()
        })
        .during("read what is to be redirected")?;
    for message in &astray {
        if let Err(error) = redirect_one(connection, message, to)? {
            give_up(connection, message.seq, &Answer::words(&error.to_string()), now)?;
        }
    }
    Ok(astray.len())
}

/// The message goes to the first address, copies of it to the others. They are new messages, and count for no
/// hour.
fn redirect_one(
    connection: &Connection,
    message: &Astray,
    to: &[MailAddress],
) -> Result<Result<(), MessageError>, DbError> {
    let rewritten = |message_id: &str| {
        redirected(&message.bytes, &Redirection { to, intended: &message.address, message_id })
    };
    let mut copies = Vec::new();
    for (number, address) in to.iter().enumerate() {
        let id = Uuid::now_v7();
        let message_id =
            if number == 0 { message.message_id.clone() } else { sibling_id(&message.message_id, id) };
        match rewritten(&message_id) {
            Ok(bytes) => copies.push((address, id, message_id, bytes)),
            Err(error) => return Ok(Err(error)),
        }
    }
    for (number, (address, id, message_id, bytes)) in copies.into_iter().enumerate() {
        let (key, intended) = (recipient_key(address), message.address.as_str());
        let written = if number == 0 {
            connection
                .prepare_cached(
                    "UPDATE message SET address = ?2, recipient_key = ?3, bytes = ?4, intended = ?5
                     WHERE seq = ?1",
                )
                .and_then(|mut s| s.execute(params![message.seq, address.as_str(), key, bytes, intended]))
        } else {
            connection
                .prepare_cached(
                    "INSERT INTO message (id, store, address, recipient_key, subject, message_id, bytes,
                                          events, created_at, state, due_at, intended, alert)
                     SELECT ?2, store, ?3, ?4, subject, ?5, ?6, events, created_at, 'scheduled', due_at, ?7,
                            alert
                     FROM message WHERE seq = ?1",
                )
                .and_then(|mut s| {
                    let id = id.as_bytes();
                    s.execute(params![message.seq, id, address.as_str(), key, message_id, bytes, intended])
                })
        };
        written.during("redirect a message")?;
    }
    Ok(Ok(()))
}

fn give_up(connection: &Connection, seq: i64, why: &Answer, now: Timestamp) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "UPDATE message SET state = 'failed', due_at = NULL, ended_at = ?2, last_answer = ?3 WHERE seq = ?1",
        )
        .and_then(|mut s| s.execute(params![seq, micros(now), why.to_string()]))
        .during("give a message up")
        .map(drop)
}

/// In the order in which messages were written, until enough are found: a long queue is not read to its end. Of what
/// is not due only the first matters.
fn queue_heads(connection: &Connection, store: StoreNo, now: Timestamp) -> Result<Vec<QueueHead>, DbError> {
    let (mut due, mut later): (Vec<QueueHead>, Option<QueueHead>) = (Vec::new(), None);
    let mut seen = BTreeSet::new();
    connection
        .prepare_cached(
            "SELECT seq, recipient_key, due_at FROM message
             WHERE store = ?1 AND due_at IS NOT NULL ORDER BY seq",
        )
        .and_then(|mut s| {
            let mut rows = s.query([store.0])?;
            while due.len() < HEADS_AT_ONCE
                && let Some(row) = rows.next()?
            {
                let recipient_key = row.get_ref(1)?.as_str()?;
                if seen.contains(recipient_key) {
                    continue;
                }
                seen.insert(recipient_key.to_owned());
                let head = QueueHead {
                    seq: row.get(0)?,
                    recipient_key: recipient_key.to_owned(),
                    due: timestamp(row.get(2)?),
                };
                if head.due <= now {
                    due.push(head);
                } else if later.as_ref().is_none_or(|first| head.due < first.due) {
                    later = Some(head);
                }
            }
            Ok(())
        })
        .during("read the queue")?;
    due.extend(later);
    Ok(due)
}

fn queued_mail(connection: &Connection, seq: i64) -> Result<QueuedMail, DbError> {
    connection
        .prepare_cached(
            "SELECT seq, address, message_id, bytes, coalesce(renewed_at, created_at),
                    (SELECT count(*) FROM attempt
                     WHERE attempt.message = ?1 AND attempt.seq > renewed_after AND outcome = ?2)
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
                    begun: timestamp(row.get(4)?),
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
