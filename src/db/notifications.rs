//! Dispatch: from change sets to notifications.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    Db, DbError, StoreContext, StoreNo,
    error::During,
    hindsight::InOrder,
    mirror::StoreMirror,
    rows::{json_at, micros, to_json, uuid_at},
    worker::Priority,
};
use crate::{
    change::event::{Change, ChangeEvent, ChangeSet, ChangeSetId},
    directory::mail_address::MailAddress,
    notify::{
        decide::{Decision, decide},
        notification::{Notification, Role, Skipped},
        options::Options,
        table::Ticked,
    },
};

/// Keeps one call well under 50 ms.
const CHANGE_SETS_AT_ONCE: u32 = 64;

/// What one call of [`Db::dispatch`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// Change sets that are done with, those set aside included. Zero: there were none.
    pub change_sets: usize,
    /// Notifications that were made of them.
    pub notifications: usize,
    /// Those that could not be read back, and what could not.
    pub set_aside: Vec<(ChangeSetId, String)>,
}

/// The key under which mail to one address keeps its order.
pub(super) fn recipient_key(address: &MailAddress) -> String {
    address.key()
}

pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::ByRole => "by-role",
        Role::To => "to",
        Role::Cc => "cc",
    }
}

impl Db {
    /// Decides who is told of the oldest change sets that nobody was told of. Safe to run twice: a change
    /// set is marked in the transaction that stores its notifications. One that cannot be read back is set
    /// aside and holds up no other.
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

    /// Lets what was set aside be tried once more: another version may read what this one could not.
    pub async fn try_set_aside_again(&self, store: StoreNo) -> Result<(), DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                for table in ["change_set", "notification"] {
                    let sql = format!(
                        "UPDATE {table} SET set_aside = NULL WHERE store = ?1 AND set_aside IS NOT NULL"
                    );
                    execute(connection, &sql, [store.0])?;
                }
                Ok(())
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
    let mirror = InOrder::new(StoreMirror { connection, store: context.no, schema: &context.schema });
    let ticked = Ticked::of(options);
    let mut dispatched = Dispatched::default();
    for (seq, id) in waiting_change_sets(connection, context.no)? {
        dispatched.change_sets += 1;
        let decided = events_of(connection, seq).and_then(|events| {
            let set = ChangeSet { id, events };
            decide(&set, options, &mirror).map(|decision| (set, decision))
        });
        match decided {
            Ok((set, decision)) => {
                note_deleted(connection, context.no, &set.events, now)?;
                store_decision(connection, context.no, seq, &decision, &ticked, now)?;
                dispatched.notifications += decision.notifications.len();
            }
            Err(error) if error.is_unreadable() => {
                let why = error.to_string();
                execute(
                    connection,
                    "UPDATE change_set SET set_aside = ?2 WHERE seq = ?1",
                    params![seq, why],
                )?;
                dispatched.set_aside.push((id, why));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(dispatched)
}

fn store_decision(
    connection: &Connection,
    store: StoreNo,
    seq: i64,
    decision: &Decision,
    ticked: &Ticked,
    now: Timestamp,
) -> Result<(), DbError> {
    for notification in &decision.notifications {
        insert_notification(connection, store, seq, notification, now)?;
    }
    for skipped in &decision.skipped {
        insert_skipped(connection, seq, skipped)?;
    }
    execute(
        connection,
        "UPDATE change_set SET dispatched_at = ?2, options = ?3 WHERE seq = ?1",
        params![seq, micros(now), to_json(ticked)],
    )
    .map(drop)
}

pub(super) fn insert_skipped(
    connection: &Connection,
    change_set: i64,
    skipped: &Skipped,
) -> Result<(), DbError> {
    execute(
        connection,
        "INSERT INTO skipped (change_set, facts) VALUES (?1, ?2)",
        params![change_set, to_json(skipped)],
    )
    .map(drop)
}

/// Whoever was deleted is not written to any more, not even with what is on its way already.
pub(super) fn note_deleted(
    connection: &Connection,
    store: StoreNo,
    events: &[ChangeEvent],
    now: Timestamp,
) -> Result<(), DbError> {
    let deleted = events.iter().filter(|event| matches!(event.change, Change::ObjectDeleted { .. }));
    for id in deleted.filter_map(|event| event.entry.id) {
        execute(
            connection,
            "INSERT INTO deleted_entry (store, id, at) VALUES (?1, ?2, ?3)
             ON CONFLICT (store, id) DO UPDATE SET at = excluded.at",
            params![store.0, id.0.as_bytes(), micros(now)],
        )?;
    }
    Ok(())
}

pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<usize, DbError> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute(parameters)).during("write a notification")
}

fn waiting_change_sets(connection: &Connection, store: StoreNo) -> Result<Vec<(i64, ChangeSetId)>, DbError> {
    connection
        .prepare_cached(
            "SELECT seq, id FROM change_set
             WHERE store = ?1 AND dispatched_at IS NULL AND held = 0 AND set_aside IS NULL
             ORDER BY seq LIMIT ?2",
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
