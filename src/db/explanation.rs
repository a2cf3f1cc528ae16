//! What was decided about an event, and what became of the mails; for one that waits, what would be decided.

use std::{fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::{
    DbError, EventRow, Reader, StoreNo,
    compose::allowance,
    error::During,
    holds::{HoldSpan, HoldWish, span_of},
    mirror::StoreMirror,
    notifications::events_of,
    reader::event_at,
    rows::{from_json, json_at, timestamp, unreadable, uuid_at},
};
use crate::{
    change::event::{ChangeEvent, ChangeSet, EventId},
    directory::schema::Schema,
    notify::{
        decide::{Decision, decide},
        digest::{Allowance, closing},
        notification::{Notification, Skipped},
        options::Options,
        table::Ticked,
    },
    outbox::state::DeliveryState,
};

/// How a store is read and whom it tells, as it is configured now.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// How entries are read.
    pub schema: &'a Schema,
    /// Who is told what.
    pub options: &'a Options,
}

/// How fast mails are written, as it is configured now: what waits for its mail waits by that.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// `digest_window`.
    pub window: Duration,
    /// `max_messages_per_hour`.
    pub cap: u32,
    /// By our clock.
    pub now: Timestamp,
}

/// One event and everything decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The store's name.
    pub store: String,
    /// What happened, or would.
    pub event: ChangeEvent,
    /// Whether it was decided, and when.
    pub stage: Stage,
    /// The hold that it is in, or went through.
    pub held: Option<HoldSpan>,
    /// Which options were on. `None`: an earlier version decided, and did not record it.
    pub ticked: Option<Ticked>,
    /// Those that tell of the event, in the order in which they were found.
    pub notifications: Vec<Notification>,
    /// What became of each of `notifications`, in their order; empty before it is decided.
    pub fates: Vec<Fate>,
    /// Those who are not told of the event.
    pub skipped: Vec<Skipped>,
}

/// How far an event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It was decided then.
    Decided(Timestamp),
    /// An operator discarded it then, and nobody is told.
    Discarded(Timestamp),
    /// It waits, perhaps in a hold: this would be decided now.
    Waiting,
    /// It did not happen.
    Supposed,
}

/// What became of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its digest is open until then.
    InDigest {
        /// When the mail may be written.
        until: Timestamp,
    },
    /// It cannot be read, and waits for the next start of the daemon.
    SetAside {
        /// Why not.
        why: String,
    },
    /// It is part of a mail.
    InMail(MailFate),
}

/// Where a mail stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFate {
    /// Of the outbox.
    pub id: Uuid,
    /// The header.
    pub message_id: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// When the next attempt is due.
    pub due: Option<Timestamp>,
    /// When it was delivered, given up or suppressed.
    pub ended: Option<Timestamp>,
    /// What the server said last.
    pub last_answer: Option<String>,
    /// Where it goes in place of the recipient: `redirect_to`. The first of several addresses.
    pub redirected_to: Option<String>,
    /// When somebody deleted it.
    pub deleted: Option<Timestamp>,
}

/// The first hexadecimal digits of an id, at least [`IdPrefix::LEAST`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPrefix {
    text: String,
    first: Uuid,
    last: Uuid,
}

/// Not the beginning of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an event's id as `dirherald events` shows it, or at least its first 6 hexadecimal digits")]
pub struct IdPrefixError;

impl IdPrefix {
    /// Fewer digits say nothing: ids begin with the time.
    pub const LEAST: usize = 6;

    const DIGITS: usize = 32;

    /// The least and the greatest id that begins so.
    pub(super) fn range(&self) -> (Uuid, Uuid) {
        (self.first, self.last)
    }
}

impl FromStr for IdPrefix {
    type Err = IdPrefixError;

    fn from_str(text: &str) -> Result<Self, IdPrefixError> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let is_prefix = digits.chars().all(|c| c.is_ascii_hexdigit())
            && (Self::LEAST..=Self::DIGITS).contains(&digits.len());
        if !is_prefix {
            return Err(IdPrefixError);
        }
        let filled_with = |digit: char| {
            let filler = digit.to_string().repeat(Self::DIGITS - digits.len());
            Uuid::try_parse(&format!("{digits}{filler}")).map_err(|_| IdPrefixError)
        };
        Ok(Self { text: text.to_owned(), first: filled_with('0')?, last: filled_with('f')? })
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl Reader {
    /// Whether the store's mirror was read as `view` says; see [`super::Db::begin_store`].
    pub fn is_read_as(&self, store: &str, view: &str) -> Result<bool, DbError> {
        self.connection
            .prepare("SELECT 1 FROM store WHERE name = ?1 AND view = ?2")
            .and_then(|mut s| s.exists([store, view]))
            .during("read a store")
    }

    /// The events whose ids begin so, oldest first; at most `most`. They are found by the index on ids and then
    /// ordered: ids of one millisecond have no order.
    pub fn events_beginning_with(&self, id: &IdPrefix, most: u32) -> Result<Vec<EventRow>, DbError> {
        self.connection
            .prepare(
                "SELECT event.seq, store.name, event.facts, change_set.held
                 FROM event JOIN change_set ON change_set.seq = event.change_set
                            JOIN store ON store.no = change_set.store
                 WHERE event.id BETWEEN ?1 AND ?2 ORDER BY +event.seq LIMIT ?3",
            )
            .and_then(|mut s| {
                s.query_map(params![id.first.as_bytes(), id.last.as_bytes(), most], event_at)?.collect()
            })
            .during("look for an event")
    }

    /// What was decided about an event. `None`: nothing yet.
    pub fn decided(&self, row: &EventRow, pace: Pace) -> Result<Option<Explanation>, DbError> {
        let look = self.connection.unchecked_transaction().during("begin to explain")?;
        let set = SetRow::of(&look, row.seq)?;
        let Some(decided) = set.dispatched else { return Ok(None) };
        let held = span_of(&look, set.seq)?;
        let is_discarded = held.as_ref().is_some_and(|held| held.wish == Some(HoldWish::Discard));
        let stage = if is_discarded { Stage::Discarded(decided) } else { Stage::Decided(decided) };
        let ticked = set.options.map(|text| from_json("set of options", &text)).transpose()?;
        let told = told(&look, set.seq, row.event.id)?;
        let mut notifications = Vec::with_capacity(told.len());
        let mut fates = Vec::with_capacity(told.len());
        for told in told {
            fates.push(match (told.mail, told.set_aside) {
                (Some(mail), _) => Fate::InMail(mail),
                (None, Some(why)) => Fate::SetAside { why },
                (None, None) => Fate::InDigest { until: told.place.mail_due(&look, set.store, pace)? },
            });
            notifications.push(told.notification);
        }
        let skipped = skipped(&look, set.seq, row.event.id)?;
        let (store, event) = (row.store.clone(), row.event.clone());
        Ok(Some(Explanation { store, event, stage, held, ticked, notifications, fates, skipped }))
    }

    /// What would be decided about an event that waits.
    pub fn would_decide(&self, row: &EventRow, rules: Rules<'_>) -> Result<Explanation, DbError> {
        let look = self.connection.unchecked_transaction().during("begin to explain")?;
        let SetRow { seq, store, .. } = SetRow::of(&look, row.seq)?;
        let set = ChangeSet { id: row.event.change_set, events: events_of(&look, seq)? };
        let mirror = StoreMirror { connection: &look, store, schema: rules.schema };
        let decision = decide(&set, rules.options, &mirror)?;
        let ticked = Ticked::of(rules.options);
        let held = span_of(&look, seq)?;
        let would = Explanation::of(row.store.clone(), row.event.clone(), Stage::Waiting, ticked, &decision);
        Ok(Explanation { held, ..would })
    }
}

impl Explanation {
    /// What `decision` says of `event`, before anything came of it.
    pub(super) fn of(
        store: String,
        event: ChangeEvent,
        stage: Stage,
        ticked: Ticked,
        decision: &Decision,
    ) -> Self {
        let tells = |notification: &&Notification| notification.events.contains(&event.id);
        let leaves_out = |skipped: &&Skipped| skipped.events.contains(&event.id);
        Self {
            notifications: decision.notifications.iter().filter(tells).cloned().collect(),
            skipped: decision.skipped.iter().filter(leaves_out).cloned().collect(),
            fates: Vec::new(),
            ticked: Some(ticked),
            held: None,
            store,
            event,
            stage,
        }
    }
}

/// The change set of an event.
struct SetRow {
    seq: i64,
    store: StoreNo,
    dispatched: Option<Timestamp>,
    options: Option<String>,
}

impl SetRow {
    fn of(connection: &Connection, event: i64) -> Result<Self, DbError> {
        connection
            .query_row(
                "SELECT seq, store, dispatched_at, options FROM change_set
                 WHERE seq = (SELECT change_set FROM event WHERE seq = ?1)",
                [event],
                |row| {
                    Ok(Self {
                        seq: row.get(0)?,
                        store: StoreNo(row.get(1)?),
                        dispatched: row.get::<_, Option<i64>>(2)?.map(timestamp),
                        options: row.get(3)?,
                    })
                },
            )
            .during("read a change set")
    }
}

/// A notification as it is stored.
struct ToldRow {
    notification: Notification,
    place: QueuePlace,
    mail: Option<MailFate>,
    set_aside: Option<String>,
}

/// Where a notification waits for its mail.
struct QueuePlace {
    seq: i64,
    recipient_key: String,
    role: String,
}

/// A change set may have a hundred thousand notifications: only those of the event are kept.
fn told(connection: &Connection, change_set: i64, event: EventId) -> Result<Vec<ToldRow>, DbError> {
    connection
        .prepare(
            "SELECT notification.facts, notification.seq, notification.recipient_key, role,
                    message.id, message.message_id, message.state, due_at, ended_at, last_answer,
                    iif(message.intended IS NULL, NULL, message.address), message.deleted_at,
                    notification.set_aside
             FROM notification LEFT JOIN message ON message.seq = notification.message
             WHERE change_set = ?1 ORDER BY notification.seq",
        )
        .and_then(|mut s| {
            let mut rows = s.query([change_set])?;
            let mut told = Vec::new();
            while let Some(row) = rows.next()? {
                let notification: Notification = json_at(row, 0)?;
                if notification.events.contains(&event) {
                    let place =
                        QueuePlace { seq: row.get(1)?, recipient_key: row.get(2)?, role: row.get(3)? };
                    told.push(ToldRow { notification, place, mail: mail_at(row)?, set_aside: row.get(12)? });
                }
            }
            Ok(told)
        })
        .during("read who was told")
}

fn mail_at(row: &Row<'_>) -> rusqlite::Result<Option<MailFate>> {
    let Some(state) = row.get::<_, Option<String>>(6)? else { return Ok(None) };
    Ok(Some(MailFate {
        id: uuid_at(row, 4)?,
        message_id: row.get(5)?,
        state: DeliveryState::parse(&state).ok_or_else(|| unreadable(6, "unknown state of a message"))?,
        due: row.get::<_, Option<i64>>(7)?.map(timestamp),
        ended: row.get::<_, Option<i64>>(8)?.map(timestamp),
        last_answer: row.get(9)?,
        redirected_to: row.get(10)?,
        deleted: row.get::<_, Option<i64>>(11)?.map(timestamp),
    }))
}

impl QueuePlace {
    fn mail_due(&self, connection: &Connection, store: StoreNo, pace: Pace) -> Result<Timestamp, DbError> {
        let Pace { window, cap, now } = pace;
        let waiting: Vec<(Timestamp, i64)> = connection
            .prepare_cached(
                "SELECT created_at, seq FROM notification
                 WHERE store = ?1 AND recipient_key = ?2 AND role = ?3 AND message IS NULL
                 AND set_aside IS NULL ORDER BY seq",
            )
            .and_then(|mut s| {
                s.query_map(params![store.0, self.recipient_key, self.role], |row| {
                    Ok((timestamp(row.get(0)?), row.get(1)?))
                })?
                .collect()
            })
            .during("read the notifications of a recipient")?;
        let closes = closing(waiting, window, &self.seq, now);
        Ok(match allowance(connection, store, (&self.recipient_key, &self.role), cap, now)? {
            Allowance::Nothing { until } => closes.max(until),
            Allowance::Unlimited | Allowance::Left { .. } | Allowance::Summary { .. } => closes,
        })
    }
}

fn skipped(connection: &Connection, change_set: i64, event: EventId) -> Result<Vec<Skipped>, DbError> {
    connection
        .prepare("SELECT facts FROM skipped WHERE change_set = ?1 ORDER BY seq")
        .and_then(|mut s| {
            let mut rows = s.query([change_set])?;
            let mut skipped = Vec::new();
            while let Some(row) = rows.next()? {
                let one: Skipped = json_at(row, 0)?;
                if one.events.contains(&event) {
                    skipped.push(one);
                }
            }
            Ok(skipped)
        })
        .during("read who was not told")
}

#[cfg(test)]
mod tests;
