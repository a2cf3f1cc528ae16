//! Messages that waited for too long for a mail server that cannot be used.

use jiff::Timestamp;
use rusqlite::params;

use super::super::{Db, DbError, StoreNo, error::During, rows::micros, worker::Priority};
use crate::outbox::state::Answer;

/// Keeps one call well under 50 ms: the rows are long.
const MESSAGES_AT_ONCE: u32 = 64;

impl Db {
    /// Gives up some of the messages that were written, or last retried by hand, at `begun` or before, and says how
    /// many; 0: there are no more. What one probe learns of a server holds for all that wait: were each to be tried
    /// first, a long queue would be given up at one message a minute. None may be in flight.
    pub async fn give_up_aged(
        &self,
        store: StoreNo,
        begun: Timestamp,
        why: Answer,
        now: Timestamp,
    ) -> Result<usize, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                connection
                    .prepare_cached(
                        "UPDATE message SET state = 'failed', due_at = NULL, ended_at = ?3, last_answer = ?4
                         WHERE seq IN (SELECT seq FROM message
                                       WHERE store = ?1 AND due_at IS NOT NULL
                                       AND coalesce(renewed_at, created_at) <= ?2 LIMIT ?5)",
                    )
                    .and_then(|mut s| {
                        let why = why.to_string();
                        s.execute(params![store.0, micros(begun), micros(now), why, MESSAGES_AT_ONCE])
                    })
                    .during("give aged messages up")
            })
            .await
    }
}
