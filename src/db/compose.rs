//! Compose: from notifications to mails.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{
    Db, DbError, StoreNo,
    error::During,
    notifications::{execute, insert_skipped, recipient_key, role_word},
    rows::{from_json, json_at, micros, timestamp, to_json},
    worker::Priority,
};
use crate::{
    change::{
        event::{ChangeEvent, EventId},
        resolve::identity,
    },
    directory::{
        entry::{EntryId, EntryRef},
        mail_address::MailAddress,
    },
    notify::{
        digest::{Allowance, Gathered, HOUR, Planned, closes, plan},
        notification::{Notification, Role},
        options::Options,
        render::{Beyond, Notice},
    },
};

/// Keeps one call well under 50 ms.
const RECIPIENTS_AT_ONCE: u32 = 64;

/// Notifications of one recipient that share a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailDue {
    /// Why they share it.
    pub gathered: Gathered,
    /// Rows that the mail stands for, in ingest order, never empty.
    pub notifications: Vec<i64>,
}

/// What can be composed now, and when there will be more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composable {
    /// Mails that may be written.
    pub due: Vec<MailDue>,
    /// When there may be more to the recipients looked at, if nothing else happens until then.
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

/// What some rows of a [`MailDue`] say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Those that are told, with their rows. Whoever was deleted meanwhile is told nothing any more.
    pub notices: Vec<(i64, Notice)>,
    /// Those that are told too, by their number alone.
    pub counted: Vec<i64>,
    /// What is told by its number alone.
    pub beyond: Beyond,
    /// How many could not be read back and were set aside.
    pub set_aside: usize,
}

/// A rendered mail, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The rows that it tells.
    pub notifications: Vec<i64>,
    /// For whom it is.
    pub recipient: MailAddress,
    /// As what.
    pub role: Role,
    /// As the reader sees it.
    pub subject: String,
    /// Ids of the events in it, in order.
    pub events: Vec<Uuid>,
    /// One, or one for each address to which mail is redirected. Never empty.
    pub copies: Vec<DraftCopy>,
}

/// One message of a [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftCopy {
    /// UUIDv7 of the message.
    pub id: Uuid,
    /// Where it goes.
    pub address: MailAddress,
    /// For whom it is, where it goes to somebody else.
    pub intended: Option<MailAddress>,
    /// Kept for all attempts.
    pub message_id: String,
    /// RFC 5322, kept for all attempts.
    pub bytes: Vec<u8>,
}

impl Db {
    /// The mails that may be written to some recipients from `after` on.
    pub async fn composable(
        &self,
        store: StoreNo,
        options: Arc<Options>,
        after: Cursor,
        now: Timestamp,
    ) -> Result<Composable, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to look for what is due")?;
                let composable = composable(&transaction, store, &options, &after, now)?;
                transaction.commit().during("commit who waits")?;
                Ok(composable)
            })
            .await
    }

    /// What some rows of a [`MailDue`] say: few at a time, since each is read with its events, as long as there is
    /// `room` for them. What comes after that is only counted.
    pub async fn told(&self, store: StoreNo, notifications: Vec<i64>, room: usize) -> Result<Told, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to read notifications")?;
                let told = told(&transaction, store, &notifications, room)?;
                transaction.commit().during("commit who is told")?;
                Ok(told)
            })
            .await
    }

    /// Stores rendered mails and marks what they tell. A draft of which a part was told meanwhile, or called back
    /// into a hold, is dropped; how many were is the answer. What else they say is due still.
    pub async fn enqueue(
        &self,
        store: StoreNo,
        drafts: Vec<Draft>,
        now: Timestamp,
    ) -> Result<usize, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to compose")?;
                let mut dropped = 0;
                for draft in &drafts {
                    if is_still_to_be_told(&transaction, draft)? {
                        enqueue(&transaction, store, draft, now)?;
                    } else {
                        dropped += 1;
                    }
                }
                transaction.commit().during("commit mails")?;
                Ok(dropped)
            })
            .await
    }
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
    options: &Options,
    after: &Cursor,
    now: Timestamp,
) -> Result<Composable, DbError> {
    let mut found = Composable { due: Vec::new(), next: None, more: None };
    let mut firsts = firsts(connection, store, after)?;
    let last = if firsts.len() < RECIPIENTS_AT_ONCE as usize { None } else { firsts.last() };
    found.more = last.map(|f| Cursor { recipient_key: f.recipient_key.clone(), role: f.role.clone() });
    firsts.sort_by_key(|first| first.seq);
    for first in firsts {
        let again = of_recipient(connection, store, options, &first, now, &mut found.due)?;
        found.next = [found.next, again].into_iter().flatten().min();
    }
    Ok(found)
}

/// Adds what is due to one recipient, and says when to look again. What waits is read only when a mail may be
/// written: a recipient that many changes concern may wait for the better part of an hour.
fn of_recipient(
    connection: &Connection,
    store: StoreNo,
    options: &Options,
    first: &First,
    now: Timestamp,
    due: &mut Vec<MailDue>,
) -> Result<Option<Timestamp>, DbError> {
    let window: Duration = options.digest_window;
    let closes = closes(first.created, window, now);
    if closes > now {
        return Ok(Some(closes));
    }
    let cap = options.max_messages_per_hour;
    let mut allowance = allowance(connection, store, (&first.recipient_key, &first.role), cap, now)?;
    if has_waited(connection, first.seq)? {
        allowance = allowance.after_a_wait();
    }
    if let Allowance::Nothing { until } = allowance {
        let waits = "UPDATE notification SET has_waited = 1 WHERE seq = ?1 AND has_waited = 0";
        execute(connection, waits, [first.seq])?;
        return Ok(Some(until));
    }
    let plan = plan(waiting(connection, store, first)?, window, allowance, now);
    due.extend(
        plan.mails.into_iter().map(|Planned { gathered, notifications }| MailDue { gathered, notifications }),
    );
    Ok(plan.again)
}

/// Whether it was found due before, when the hour allowed nothing more.
fn has_waited(connection: &Connection, seq: i64) -> Result<bool, DbError> {
    connection
        .prepare_cached("SELECT has_waited FROM notification WHERE seq = ?1")
        .and_then(|mut s| s.query_row([seq], |row| row.get(0)))
        .during("read a notification")
}

/// What the hour leaves to a recipient in a role.
pub(super) fn allowance(
    connection: &Connection,
    store: StoreNo,
    (recipient_key, role): (&str, &str),
    cap: u32,
    now: Timestamp,
) -> Result<Allowance, DbError> {
    if role != role_word(Role::ByRole) {
        return Ok(Allowance::Unlimited);
    }
    Ok(Allowance::after(left_within_the_hour(connection, store, recipient_key, cap, now)?, cap, now))
}

/// When the last mails by role left for a recipient; what is still to leave counts as leaving now.
fn left_within_the_hour(
    connection: &Connection,
    store: StoreNo,
    recipient_key: &str,
    cap: u32,
    now: Timestamp,
) -> Result<Vec<Timestamp>, DbError> {
    let since = now.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
    connection
        .prepare_cached(
            "SELECT * FROM (SELECT ?4 FROM message
                            WHERE store = ?1 AND cap_key = ?2 AND ended_at IS NULL LIMIT ?5)
             UNION ALL
             SELECT * FROM (SELECT ended_at FROM message
                            WHERE store = ?1 AND cap_key = ?2 AND ended_at > ?3
                            ORDER BY ended_at DESC LIMIT ?5)",
        )
        .and_then(|mut s| {
            s.query_map(params![store.0, recipient_key, micros(since), micros(now), cap], |row| {
                row.get(0).map(timestamp)
            })?
            .collect()
        })
        .during("read the mails of the last hour")
}

/// In the order of the index, so that a page costs a page.
fn firsts(connection: &Connection, store: StoreNo, after: &Cursor) -> Result<Vec<First>, DbError> {
    connection
        .prepare_cached(
            "SELECT recipient_key, role, min(seq), created_at FROM notification
             WHERE store = ?1 AND message IS NULL AND set_aside IS NULL AND (recipient_key, role) > (?2, ?3)
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

fn waiting(connection: &Connection, store: StoreNo, first: &First) -> Result<Vec<(Timestamp, i64)>, DbError> {
    connection
        .prepare_cached(
            "SELECT created_at, seq FROM notification
             WHERE store = ?1 AND recipient_key = ?2 AND role = ?3 AND message IS NULL AND set_aside IS NULL
             ORDER BY seq",
        )
        .and_then(|mut s| {
            s.query_map(params![store.0, first.recipient_key, first.role], |row| {
                Ok((timestamp(row.get(0)?), row.get(1)?))
            })?
            .collect()
        })
        .during("read the notifications of a recipient")
}

fn told(
    connection: &Connection,
    store: StoreNo,
    notifications: &[i64],
    mut room: usize,
) -> Result<Told, DbError> {
    let mut told = Told::default();
    for &seq in notifications {
        match notice(connection, store, seq, room) {
            Ok(Some((notice, beyond))) => {
                room -= notice.events.len();
                told.beyond.extend(beyond);
                if notice.events.is_empty() {
                    told.counted.push(seq);
                } else {
                    told.notices.push((seq, notice));
                }
            }
            Ok(None) => (),
            Err(error) if error.is_unreadable() => {
                execute(
                    connection,
                    "UPDATE notification SET set_aside = ?2 WHERE seq = ?1",
                    params![seq, error.to_string()],
                )?;
                told.set_aside += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(told)
}

/// With as many events as there is `room` for. `None`: all whom it was for were deleted, which is on record now, or
/// it is gone since it was found due.
fn notice(
    connection: &Connection,
    store: StoreNo,
    seq: i64,
    room: usize,
) -> Result<Option<(Notice, Beyond)>, DbError> {
    let found: Option<(i64, String)> = connection
        .prepare_cached("SELECT change_set, facts FROM notification WHERE seq = ?1")
        .and_then(|mut s| s.query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?.next().transpose())
        .during("read a notification")?;
    let Some((change_set, facts)) = found else { return Ok(None) };
    let mut notification: Notification = from_json("notification", &facts)?;
    part_with_the_deleted(connection, store, seq, change_set, &mut notification)?;
    if notification.grounds.is_empty() {
        return Ok(None);
    }
    let (carried, uncarried) = notification.events.split_at(room.min(notification.events.len()));
    let events = own_events(connection, carried)?;
    let beyond = beyond(connection, &notification, uncarried)?;
    Ok(Some((Notice { notification, events }, beyond)))
}

/// Of each event no more is read than whom it concerns.
fn beyond(
    connection: &Connection,
    notification: &Notification,
    events: &[EventId],
) -> Result<Beyond, DbError> {
    let mut beyond = Beyond::default();
    for id in events {
        let entry: EntryRef = connection
            .prepare_cached("SELECT facts -> '$.entry' FROM event WHERE id = ?1")
            .and_then(|mut s| s.query_row([id.0.as_bytes()], |row| json_at(row, 0)))
            .during("read whom an event concerns")?;
        *beyond.entries.entry(identity(&entry)).or_default() += 1;
        beyond.reasons.extend(notification.reasons_of(*id));
    }
    beyond.events.extend(events);
    Ok(beyond)
}

fn part_with_the_deleted(
    connection: &Connection,
    store: StoreNo,
    seq: i64,
    change_set: i64,
    notification: &mut Notification,
) -> Result<(), DbError> {
    let mut gone = BTreeSet::new();
    for id in notification.grounds.iter().filter_map(|ground| ground.who.as_ref()?.id) {
        if is_deleted(connection, store, id)? {
            gone.insert(id);
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    for skipped in notification.part_with(|entry| entry.id.is_some_and(|id| gone.contains(&id))) {
        insert_skipped(connection, change_set, &skipped)?;
    }
    if notification.grounds.is_empty() {
        execute(connection, "DELETE FROM notification WHERE seq = ?1", [seq])?;
        return Ok(());
    }
    let facts = to_json(notification);
    execute(connection, "UPDATE notification SET facts = ?2 WHERE seq = ?1", params![seq, facts]).map(drop)
}

/// Its deletion was seen, and it is not back. Who is merely not in the mirror may never have been, or may be
/// read again just now.
fn is_deleted(connection: &Connection, store: StoreNo, id: EntryId) -> Result<bool, DbError> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM deleted_entry WHERE store = ?1 AND id = ?2)
                AND NOT EXISTS (SELECT 1 FROM entry WHERE store = ?1 AND id = ?2)",
        )
        .and_then(|mut s| s.query_row(params![store.0, id.0.as_bytes()], |row| row.get(0)))
        .during("ask whether somebody was deleted")
}

/// One by one: a change set may have a hundred thousand events, and each recipient one of them.
fn own_events(connection: &Connection, ids: &[EventId]) -> Result<Vec<ChangeEvent>, DbError> {
    let mut events: Vec<(i64, ChangeEvent)> = Vec::with_capacity(ids.len());
    for id in ids {
        let event = connection
            .prepare_cached("SELECT seq, facts FROM event WHERE id = ?1")
            .and_then(|mut s| s.query_row([id.0.as_bytes()], |row| Ok((row.get(0)?, json_at(row, 1)?))))
            .during("read an event")?;
        events.push(event);
    }
    events.sort_by_key(|(seq, _)| *seq);
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

/// All of it.
fn is_still_to_be_told(connection: &Connection, draft: &Draft) -> Result<bool, DbError> {
    for seq in &draft.notifications {
        let waits = connection
            .prepare_cached("SELECT 1 FROM notification WHERE seq = ?1 AND message IS NULL")
            .and_then(|mut s| s.exists([seq]))
            .during("read a notification")?;
        if !waits {
            return Ok(false);
        }
    }
    Ok(true)
}

fn enqueue(connection: &Connection, store: StoreNo, draft: &Draft, now: Timestamp) -> Result<(), DbError> {
    let mut first = None;
    for copy in &draft.copies {
        insert_message(connection, store, draft, copy, first, now)?;
        first = first.or(Some(connection.last_insert_rowid()));
    }
    for seq in &draft.notifications {
        execute(connection, "UPDATE notification SET message = ?2 WHERE seq = ?1", params![seq, first])?;
    }
    Ok(())
}

/// `first`: the row of the copy before it. A mail counts once for the hour, however many get it redirected.
fn insert_message(
    connection: &Connection,
    store: StoreNo,
    draft: &Draft,
    copy: &DraftCopy,
    first: Option<i64>,
    now: Timestamp,
) -> Result<(), DbError> {
    let counts = match draft.role {
        Role::ByRole => first.is_none(),
        Role::To | Role::Cc => false,
    };
    execute(
        connection,
        "INSERT INTO message (id, store, address, recipient_key, subject, message_id, bytes, events,
                              created_at, state, due_at, intended, cap_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'scheduled', ?9, ?10, ?11)",
        params![
            copy.id.as_bytes(),
            store.0,
            copy.address.as_str(),
            recipient_key(&copy.address),
            draft.subject,
            copy.message_id,
            copy.bytes,
            to_json(&draft.events),
            micros(now),
            copy.intended.as_ref().map(MailAddress::as_str),
            counts.then(|| recipient_key(&draft.recipient)),
        ],
    )
    .map(drop)
}

#[cfg(test)]
mod tests;
