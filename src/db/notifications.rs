//! Dispatch and compose: from change sets to notifications, from notifications to mails.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{
    Db, DbError, StoreContext, StoreNo,
    error::During,
    mirror::StoreMirror,
    rows::{from_json, json_at, micros, timestamp, to_json, uuid_at},
    worker::Priority,
};
use crate::{
    change::event::{ChangeEvent, ChangeSet, ChangeSetId},
    directory::mail_address::MailAddress,
    notify::{
        decide::decide,
        digest::{closes, windows},
        notification::{Notification, Role},
        options::Options,
        render::Notice,
        table::Ticked,
    },
};

/// Keeps one call well under 50 ms.
const CHANGE_SETS_AT_ONCE: u32 = 64;
const RECIPIENTS_AT_ONCE: u32 = 64;

/// What one call of [`Db::dispatch`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatched {
    /// Change sets that are done with. Zero: there were none.
    pub change_sets: usize,
    /// Notifications that were made of them.
    pub notifications: usize,
}

/// Notifications of one recipient that share a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailDue {
    /// Rows that the mail stands for.
    pub notifications: Vec<i64>,
    /// What it says.
    pub notices: Vec<Notice>,
}

/// What can be composed now, and when there will be more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composable {
    /// Windows that have closed.
    pub due: Vec<MailDue>,
    /// When the next window closes, if one is open among the recipients looked at.
    pub next: Option<Timestamp>,
    /// Where to go on. `None`: these were all.
    pub more: Option<Cursor>,
}

/// A place among the recipients, so that mail to one that cannot be written holds up nobody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    recipient_key: String,
    role: String,
}

/// A rendered mail, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The rows of [`MailDue::notifications`].
    pub notifications: Vec<i64>,
    /// UUIDv7 of the message.
    pub id: Uuid,
    /// To whom.
    pub address: MailAddress,
    /// As the reader sees it.
    pub subject: String,
    /// Kept for all attempts.
    pub message_id: String,
    /// RFC 5322, kept for all attempts.
    pub bytes: Vec<u8>,
    /// Ids of the events in it, in order.
    pub events: Vec<Uuid>,
}

/// The key under which mail to one address keeps its order.
pub(super) fn recipient_key(address: &MailAddress) -> String {
    address.as_str().to_lowercase()
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::ByRole => "by-role",
        Role::To => "to",
        Role::Cc => "cc",
    }
}

impl Db {
    /// Decides who is told of the oldest change sets that nobody was told of. Safe to run twice: a change
    /// set is marked in the transaction that stores its notifications.
    pub async fn dispatch(
        &self,
        context: Arc<StoreContext>,
        options: Arc<Options>,
        now: Timestamp,
    ) -> Result<Dispatched, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin a dispatch")?;
                let dispatched = dispatch(&transaction, &context, &options, now)?;
                transaction.commit().during("commit a dispatch")?;
                Ok(dispatched)
            })
            .await
    }

    /// The mails whose windows have closed, of some recipients from `after` on.
    pub async fn composable(
        &self,
        store: StoreNo,
        window: Duration,
        after: Cursor,
        now: Timestamp,
    ) -> Result<Composable, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| composable(connection, store, window, &after, now))
            .await
    }

    /// Stores rendered mails and marks what they tell. A draft of which a part was told meanwhile is dropped.
    pub async fn enqueue(&self, store: StoreNo, drafts: Vec<Draft>, now: Timestamp) -> Result<(), DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to compose")?;
                for draft in &drafts {
                    enqueue(&transaction, store, draft, now)?;
                }
                transaction.commit().during("commit mails")
            })
            .await
    }
}

fn dispatch(
    connection: &Connection,
    context: &StoreContext,
    options: &Options,
    now: Timestamp,
) -> Result<Dispatched, DbError> {
    let mirror = StoreMirror { connection, store: context.no, schema: &context.schema };
    let ticked = to_json(&Ticked::of(options));
    let mut dispatched = Dispatched { change_sets: 0, notifications: 0 };
    for (seq, id) in waiting_change_sets(connection, context.no)? {
        let set = ChangeSet { id, events: events_of(connection, seq)? };
        let decision = decide(&set, options, &mirror)?;
        for notification in &decision.notifications {
            insert_notification(connection, context.no, seq, notification, now)?;
        }
        for skipped in &decision.skipped {
            execute(
                connection,
                "INSERT INTO skipped (change_set, facts) VALUES (?1, ?2)",
                params![seq, to_json(skipped)],
            )?;
        }
        execute(
            connection,
            "UPDATE change_set SET dispatched_at = ?2, options = ?3 WHERE seq = ?1",
            params![seq, micros(now), ticked],
        )?;
        dispatched.change_sets += 1;
        dispatched.notifications += decision.notifications.len();
    }
    Ok(dispatched)
}

fn execute(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, DbError> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute(parameters)).during("write a notification")
}

fn waiting_change_sets(connection: &Connection, store: StoreNo) -> Result<Vec<(i64, ChangeSetId)>, DbError> {
    connection
        .prepare_cached(
            "SELECT seq, id FROM change_set WHERE store = ?1 AND dispatched_at IS NULL ORDER BY seq LIMIT ?2",
        )
        .and_then(|mut s| {
            s.query_map(params![store.0, CHANGE_SETS_AT_ONCE], |row| {
                Ok((row.get(0)?, ChangeSetId(uuid_at(row, 1)?)))
            })?
            .collect()
        })
        .during("read change sets")
}

pub(super) fn events_of(connection: &Connection, change_set: i64) -> Result<Vec<ChangeEvent>, DbError> {
    connection
        .prepare_cached("SELECT facts FROM event WHERE change_set = ?1 ORDER BY seq")
        .and_then(|mut s| s.query_map([change_set], |row| json_at(row, 0))?.collect())
        .during("read the events of a change set")
}

fn insert_notification(
    connection: &Connection,
    store: StoreNo,
    change_set: i64,
    notification: &Notification,
    now: Timestamp,
) -> Result<(), DbError> {
    execute(
        connection,
        "INSERT INTO notification (change_set, store, recipient_key, role, facts, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            change_set,
            store.0,
            recipient_key(&notification.recipient.address),
            role_word(notification.recipient.role),
            to_json(notification),
            micros(now)
        ],
    )
    .map(drop)
}

/// The first waiting notification of each recipient and role.
struct First {
    recipient_key: String,
    role: String,
    seq: i64,
    created: Timestamp,
}

fn composable(
    connection: &Connection,
    store: StoreNo,
    window: Duration,
    after: &Cursor,
    now: Timestamp,
) -> Result<Composable, DbError> {
    let mut due = Vec::new();
    let mut next: Option<Timestamp> = None;
    let mut firsts = firsts(connection, store, after)?;
    let last = if firsts.len() < RECIPIENTS_AT_ONCE as usize { None } else { firsts.last() };
    let more = last.map(|f| Cursor { recipient_key: f.recipient_key.clone(), role: f.role.clone() });
    firsts.sort_by_key(|first| first.seq);
    for first in firsts {
        let closing = closes(first.created, window);
        if closing > now {
            next = Some(next.map_or(closing, |next| next.min(closing)));
            continue;
        }
        for window in windows(waiting(connection, store, &first)?, window) {
            if window.closes > now {
                next = Some(next.map_or(window.closes, |next| next.min(window.closes)));
            } else {
                due.push(mail_due(connection, window.notifications)?);
            }
        }
    }
    Ok(Composable { due, next, more })
}

/// In the order of the index, so that a page costs a page.
fn firsts(connection: &Connection, store: StoreNo, after: &Cursor) -> Result<Vec<First>, DbError> {
    connection
        .prepare_cached(
            "SELECT recipient_key, role, min(seq), created_at FROM notification
             WHERE store = ?1 AND message IS NULL AND (recipient_key, role) > (?2, ?3)
             GROUP BY recipient_key, role ORDER BY recipient_key, role LIMIT ?4",
        )
        .and_then(|mut s| {
            s.query_map(params![store.0, after.recipient_key, after.role, RECIPIENTS_AT_ONCE], |row| {
                Ok(First {
                    recipient_key: row.get(0)?,
                    role: row.get(1)?,
                    seq: row.get(2)?,
                    created: timestamp(row.get(3)?),
                })
            })?
            .collect()
        })
        .during("read waiting notifications")
}

/// Row and facts of a waiting notification.
struct Waiting {
    seq: i64,
    facts: String,
}

fn waiting(
    connection: &Connection,
    store: StoreNo,
    first: &First,
) -> Result<Vec<(Timestamp, Waiting)>, DbError> {
    connection
        .prepare_cached(
            "SELECT created_at, seq, facts FROM notification
             WHERE store = ?1 AND recipient_key = ?2 AND role = ?3 AND message IS NULL ORDER BY seq",
        )
        .and_then(|mut s| {
            s.query_map(params![store.0, first.recipient_key, first.role], |row| {
                let waiting = Waiting { seq: row.get(1)?, facts: row.get(2)? };
                Ok((timestamp(row.get(0)?), waiting))
            })?
            .collect()
        })
        .during("read the notifications of a recipient")
}

fn mail_due(connection: &Connection, waiting: Vec<Waiting>) -> Result<MailDue, DbError> {
    let mut due = MailDue { notifications: Vec::new(), notices: Vec::new() };
    for waiting in waiting {
        let notification: Notification = from_json("notification", &waiting.facts)?;
        let events = own_events(connection, &notification)?;
        due.notifications.push(waiting.seq);
        due.notices.push(Notice { notification, events });
    }
    Ok(due)
}

/// One by one: a change set may have a hundred thousand events, and each recipient one of them.
fn own_events(connection: &Connection, notification: &Notification) -> Result<Vec<ChangeEvent>, DbError> {
    let mut events: Vec<(i64, ChangeEvent)> = Vec::with_capacity(notification.events.len());
    for id in &notification.events {
        let event = connection
            .prepare_cached("SELECT seq, facts FROM event WHERE id = ?1")
            .and_then(|mut s| s.query_row([id.0.as_bytes()], |row| Ok((row.get(0)?, json_at(row, 1)?))))
            .during("read an event")?;
        events.push(event);
    }
    events.sort_by_key(|(seq, _)| *seq);
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

fn enqueue(connection: &Connection, store: StoreNo, draft: &Draft, now: Timestamp) -> Result<(), DbError> {
    for seq in &draft.notifications {
        let told = connection
            .prepare_cached("SELECT message IS NOT NULL FROM notification WHERE seq = ?1")
            .and_then(|mut s| s.query_row([seq], |row| row.get::<_, bool>(0)))
            .during("read a notification")?;
        if told {
            return Ok(());
        }
    }
    execute(
        connection,
        "INSERT INTO message (id, store, address, recipient_key, subject, message_id, bytes, events,
                              created_at, state, due_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'scheduled', ?9)",
        params![
            draft.id.as_bytes(),
            store.0,
            draft.address.as_str(),
            recipient_key(&draft.address),
            draft.subject,
            draft.message_id,
            draft.bytes,
            to_json(&draft.events),
            micros(now)
        ],
    )?;
    let message = connection.last_insert_rowid();
    for seq in &draft.notifications {
        execute(connection, "UPDATE notification SET message = ?2 WHERE seq = ?1", params![seq, message])?;
    }
    Ok(())
}
