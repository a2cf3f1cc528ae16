//! Alerts: what needs a hand, on record from its beginning to its end, with when it was said.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::{
    Db, DbError, StoreNo,
    error::During,
    notifications::recipient_key,
    rows::{count_at, micros, timestamp, unreadable, uuid_at},
    worker::Priority,
};
use crate::{
    change::guard::{HoldCause, HoldFacts},
    directory::mail_address::MailAddress,
    notify::alerts::{
        Alert, Changes, Condition, Counted, Facts, Feed, Kind, Matter, PATIENCE, Said, Standing, changes, due,
    },
};

/// So long what is over stays on record.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Something that is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueAlert {
    /// Its row.
    seq: i64,
    /// When it was said last.
    said_at: Option<Timestamp>,
    /// What there is to say of it.
    pub said: Said,
}

/// A rendered mail about some alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMail {
    /// What it says.
    pub alerts: Vec<DueAlert>,
    /// As the reader sees it.
    pub subject: String,
    /// One for each address. Never empty.
    pub letters: Vec<AlertLetter>,
}

/// One message of an [`AlertMail`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertLetter {
    /// UUIDv7 of the message.
    pub id: Uuid,
    /// Where it goes.
    pub address: MailAddress,
    /// Kept for all attempts.
    pub message_id: String,
    /// RFC 5322, kept for all attempts.
    pub bytes: Vec<u8>,
}

impl Db {
    /// Puts on record what needs a hand now and what no longer does, and gives what is to be said, the worst
    /// first. Until [`Db::say_alerts`] has stored a mail about it, it is given again.
    pub async fn due_alerts(&self, store: StoreNo, now: Timestamp) -> Result<Vec<DueAlert>, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to look for what needs a hand")?;
                let due = due_alerts(&transaction, store, now)?;
                transaction.commit().during("commit what needs a hand")?;
                Ok(due)
            })
            .await
    }

    /// Stores a mail together with the fact that it says what it says. `false`: some of that was said meanwhile or
    /// is over, and nothing was stored.
    pub async fn say_alerts(&self, store: StoreNo, mail: AlertMail, now: Timestamp) -> Result<bool, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to say what needs a hand")?;
                let said = say_alerts(&transaction, store, &mail, now)?;
                if said {
                    transaction.commit().during("commit an alert")?;
                }
                Ok(said)
            })
            .await
    }
}

/// An alert that is not over.
struct Open {
    seq: i64,
    since: Timestamp,
    alert: Alert,
}

fn due_alerts(connection: &Connection, store: StoreNo, now: Timestamp) -> Result<Vec<DueAlert>, DbError> {
    let facts = facts(connection, store)?;
    let open = open(connection, store)?.into_iter().map(|open| open.alert.condition);
    put_on_record(connection, store, &changes(&facts, open, PATIENCE, now), now)?;
    let open = open_by_condition(connection, store)?;
    let alerts: Vec<Alert> = open.values().map(|open| open.alert).collect();
    let due = due(&alerts, &last_said(connection, store)?, now);
    let due = due.into_iter().filter_map(|condition| open.get(&condition));
    due.map(|open| {
        let matter = matter(connection, store, open.alert.condition, &facts)?;
        let said = Said { since: open.since, matter };
        Ok(DueAlert { seq: open.seq, said_at: open.alert.said_at, said })
    })
    .collect()
}

fn facts(connection: &Connection, store: StoreNo) -> Result<Facts, DbError> {
    let feed = connection
        .prepare_cached("SELECT standing, behind_since, coalesce(begun_at, 0) FROM store WHERE no = ?1")
        .and_then(|mut s| {
            s.query_row([store.0], |row| {
                let word: String = row.get(0)?;
                Ok(Feed {
                    standing: Standing::parse(&word)
                        .ok_or_else(|| unreadable(0, "unknown standing of a store"))?,
                    behind_since: row.get::<_, Option<i64>>(1)?.map(timestamp),
                    begun_at: timestamp(row.get(2)?),
                })
            })
        })
        .during("read how the directory is followed")?;
    let holds = connection
        .prepare_cached("SELECT id, since FROM hold WHERE store = ?1 AND ended_at IS NULL ORDER BY seq")
        .and_then(|mut s| {
            s.query_map([store.0], |row| Ok((uuid_at(row, 0)?, timestamp(row.get(1)?))))?.collect()
        })
        .during("read what is held")?;
    let failed_mail = connection
        .prepare_cached(
            "SELECT count(*), min(ended_at) FROM message
             WHERE store = ?1 AND alert = 0 AND state = 'failed' AND deleted_at IS NULL",
        )
        .and_then(|mut s| {
            s.query_row([store.0], |row| {
                let since: Option<i64> = row.get(1)?;
                Ok(Counted { count: count_at(row, 0)?, since: since.map(timestamp) })
            })
        })
        .during("count messages that were given up")?;
    let set_aside = connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM change_set WHERE store = ?1 AND set_aside IS NOT NULL)
                  + (SELECT count(*) FROM notification WHERE store = ?1 AND set_aside IS NOT NULL)",
        )
        .and_then(|mut s| s.query_row([store.0], |row| count_at(row, 0)))
        .during("count what is set aside")?;
    Ok(Facts { feed, holds, failed_mail, set_aside })
}

fn open(connection: &Connection, store: StoreNo) -> Result<Vec<Open>, DbError> {
    connection
        .prepare_cached(
            "SELECT seq, since, kind, about, said_at FROM alert WHERE store = ?1 AND ended_at IS NULL ORDER BY seq",
        )
        .and_then(|mut s| {
            s.query_map([store.0], |row| {
                let condition = kind_at(row, 2)?.condition(|| uuid_at(row, 3))?;
                let said_at = row.get::<_, Option<i64>>(4)?.map(timestamp);
                let alert = Alert { condition, said_at };
                Ok(Open { seq: row.get(0)?, since: timestamp(row.get(1)?), alert })
            })?
            .collect()
        })
        .during("read alerts")
}

fn open_by_condition(connection: &Connection, store: StoreNo) -> Result<BTreeMap<Condition, Open>, DbError> {
    Ok(open(connection, store)?.into_iter().map(|open| (open.alert.condition, open)).collect())
}

fn kind_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Kind> {
    let word: String = row.get(column)?;
    Kind::parse(&word).ok_or_else(|| unreadable(column, "unknown kind of alert"))
}

fn about(condition: Condition) -> Vec<u8> {
    condition.about().map(|id| id.as_bytes().to_vec()).unwrap_or_default()
}

fn put_on_record(
    connection: &Connection,
    store: StoreNo,
    changes: &Changes,
    now: Timestamp,
) -> Result<(), DbError> {
    for condition in &changes.ended {
        execute(
            connection,
            "UPDATE alert SET ended_at = ?4
             WHERE store = ?1 AND kind = ?2 AND about = ?3 AND ended_at IS NULL",
            params![store.0, condition.kind().as_str(), about(*condition), micros(now)],
        )?;
    }
    for (condition, since) in &changes.raised {
        execute(
            connection,
            "INSERT INTO alert (store, kind, about, since) VALUES (?1, ?2, ?3, ?4)",
            params![store.0, condition.kind().as_str(), about(*condition), micros(*since)],
        )?;
    }
    let forgotten = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    execute(
        connection,
        "DELETE FROM alert WHERE store = ?1 AND ended_at < ?2",
        params![store.0, micros(forgotten)],
    )
}

/// Of each kind that was ever said, whether or not that is over.
fn last_said(connection: &Connection, store: StoreNo) -> Result<BTreeMap<Kind, Timestamp>, DbError> {
    connection
        .prepare_cached(
            "SELECT kind, max(said_at) FROM alert WHERE store = ?1 AND said_at IS NOT NULL GROUP BY kind",
        )
        .and_then(|mut s| {
            s.query_map([store.0], |row| Ok((kind_at(row, 0)?, timestamp(row.get(1)?))))?.collect()
        })
        .during("read when alerts were said")
}

fn matter(
    connection: &Connection,
    store: StoreNo,
    condition: Condition,
    facts: &Facts,
) -> Result<Matter, DbError> {
    match condition {
        Condition::FeedStopped | Condition::FeedRefused | Condition::FeedAway => {
            let error = connection
                .prepare_cached("SELECT directory_error FROM store WHERE no = ?1")
                .and_then(|mut s| s.query_row([store.0], |row| row.get(0)))
                .during("read what is wrong with a directory")?;
            Ok(Matter::Feed { standing: facts.feed.standing, error })
        }
        Condition::Hold(id) => hold(connection, id),
        Condition::FailedMail => Ok(Matter::FailedMail(facts.failed_mail.count)),
        Condition::SetAside => Ok(Matter::SetAside(facts.set_aside)),
    }
}

fn hold(connection: &Connection, id: Uuid) -> Result<Matter, DbError> {
    connection
        .prepare_cached(
            "SELECT cause, facts,
                    (SELECT count(*) FROM change_set JOIN event ON event.change_set = change_set.seq
                     WHERE change_set.hold = hold.seq AND held = 1)
             FROM hold WHERE id = ?1",
        )
        .and_then(|mut s| {
            s.query_row([id.as_bytes()], |row| {
                let cause: String = row.get(0)?;
                Ok(Matter::Hold {
                    id,
                    cause: HoldCause::parse(&cause)
                        .ok_or_else(|| unreadable(0, "unknown cause of a hold"))?,
                    group: group_of(row.get_ref(1)?.as_str()?),
                    events: count_at(row, 2)?,
                })
            })
        })
        .during("read a hold")
}

/// The name of the group that the facts of a hold are about. Of facts that cannot be read the alert says none: it
/// is worth more without than not at all.
fn group_of(facts: &str) -> Option<String> {
    let facts: HoldFacts = serde_json::from_str(facts).ok()?;
    facts.group().map(|group| group.name.clone())
}

fn say_alerts(
    connection: &Connection,
    store: StoreNo,
    mail: &AlertMail,
    now: Timestamp,
) -> Result<bool, DbError> {
    for alert in &mail.alerts {
        let marked = connection
            .prepare_cached(
                "UPDATE alert SET said_at = ?3 WHERE seq = ?1 AND said_at IS ?2 AND ended_at IS NULL",
            )
            .and_then(|mut s| s.execute(params![alert.seq, alert.said_at.map(micros), micros(now)]))
            .during("mark an alert as said")?;
        if marked == 0 {
            return Ok(false);
        }
    }
    for letter in &mail.letters {
        execute(
            connection,
            "INSERT INTO message (id, store, address, recipient_key, subject, message_id, bytes, events,
                                  created_at, state, due_at, alert)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '[]', ?8, 'scheduled', ?8, 1)",
            params![
                letter.id.as_bytes(),
                store.0,
                letter.address.as_str(),
                recipient_key(&letter.address),
                mail.subject,
                letter.message_id,
                letter.bytes,
                micros(now),
            ],
        )?;
    }
    Ok(true)
}

fn execute(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<(), DbError> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute(parameters)).during("write an alert").map(drop)
}

#[cfg(test)]
mod tests;
