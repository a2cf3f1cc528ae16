//! Pruning: what was told, and is older than `state.keep`, is removed. What waits for anything stays, however old
//! it is, and so does what later decisions look back at.

use jiff::Timestamp;
use rusqlite::{Connection, Params, params};

use super::{Db, DbError, error::During, rows::micros, worker::Priority};

/// Rows that one call looks at or removes: measured, some milliseconds, and what the disk takes to make them last.
const ROWS_AT_ONCE: u32 = 64;

/// What pruning has come to. It begins with the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruning {
    step: Step,
    /// Where the step goes on: two columns of the table it is about, the second the number of a row.
    after: (i64, i64),
    /// Change sets that were removed, with their events.
    pub change_sets: u64,
    /// Messages that were removed, with their attempts.
    pub messages: u64,
}

/// What one call of [`Db::prune`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// There may be more to remove.
    Some(Pruning),
    /// This was all.
    All(Pruning),
}

/// Before the first row of any table.
const BEGINNING: (i64, i64) = (i64::MIN, i64::MIN);

impl Default for Pruning {
    fn default() -> Self {
        Self { step: Step::Requests, after: BEGINNING, change_sets: 0, messages: 0 }
    }
}

/// In an order in which whatever belongs to a row goes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Requests,
    Messages,
    ChangeSets,
    Holds,
    Comparisons,
    Deleted,
    Strays,
}

impl Step {
    fn next(self) -> Option<Self> {
        match self {
            Self::Requests => Some(Self::Messages),
            Self::Messages => Some(Self::ChangeSets),
            Self::ChangeSets => Some(Self::Holds),
            Self::Holds => Some(Self::Comparisons),
            Self::Comparisons => Some(Self::Deleted),
            Self::Deleted => Some(Self::Strays),
            Self::Strays => None,
        }
    }
}

/// How far one call came with a step.
enum Done {
    /// To its end.
    All,
    /// There may be more after this place.
    UpTo((i64, i64)),
}

impl Db {
    /// Removes some of what ended before `before`.
    pub async fn prune(&self, so_far: Pruning, before: Timestamp, now: Timestamp) -> Result<Pruned, DbError> {
        self.worker
            .call(Priority::Rest, move |connection| {
                let transaction = connection.transaction().during("begin to prune")?;
                let pruned = prune(&transaction, so_far, micros(before), micros(now))?;
                transaction.commit().during("commit what was pruned")?;
                Ok(pruned)
            })
            .await
    }
}

fn prune(connection: &Connection, mut pruning: Pruning, before: i64, now: i64) -> Result<Pruned, DbError> {
    let after = pruning.after;
    let done = match pruning.step {
        Step::Requests => requests(connection, before)?,
        Step::Messages => messages(connection, before, after, &mut pruning.messages)?,
        Step::ChangeSets => change_sets(connection, before, after, &mut pruning.change_sets)?,
        Step::Holds => holds(connection, before)?,
        Step::Comparisons => comparisons(connection, before)?,
        Step::Deleted => deleted_entries(connection, before, now)?,
        Step::Strays => strays(connection, after)?,
    };
    match done {
        Done::UpTo(place) => pruning.after = place,
        Done::All => match pruning.step.next() {
            Some(step) => (pruning.step, pruning.after) = (step, BEGINNING),
            None => return Ok(Pruned::All(pruning)),
        },
    }
    Ok(Pruned::Some(pruning))
}

/// Rows that may go are gone when there were fewer than asked for.
fn all_if_few(rows: u32) -> Done {
    if rows < ROWS_AT_ONCE { Done::All } else { Done::UpTo(BEGINNING) }
}

/// Whether a page of rows was the last.
fn is_short(rows: usize) -> bool {
    rows < ROWS_AT_ONCE as usize
}

fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<u32, DbError> {
    let rows = connection.prepare_cached(sql).and_then(|mut s| s.execute(parameters)).during("prune")?;
    Ok(u32::try_from(rows).unwrap_or(u32::MAX))
}

fn requests(connection: &Connection, before: i64) -> Result<Done, DbError> {
    let sql = "DELETE FROM outbox_request WHERE seq IN (
                   SELECT seq FROM outbox_request WHERE outcome IS NOT NULL AND asked_at < ?1 LIMIT ?2)";
    execute(connection, sql, params![before, ROWS_AT_ONCE]).map(all_if_few)
}

/// Messages that ended, whatever became of them, with what only they are about. What was asked for one, and is
/// not carried out yet, keeps it.
fn messages(
    connection: &Connection,
    before: i64,
    after: (i64, i64),
    count: &mut u64,
) -> Result<Done, DbError> {
    let ended: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT ended_at, seq FROM message
             WHERE ended_at IS NOT NULL AND (ended_at, seq) > (?2, ?3) AND ended_at < ?1
             ORDER BY ended_at, seq LIMIT ?4",
        )
        .and_then(|mut s| {
            s.query_map(params![before, after.0, after.1, ROWS_AT_ONCE], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect()
        })
        .during("look for what ended")?;
    let (mut room, mut place) = (ROWS_AT_ONCE, after);
    for (ended_at, seq) in &ended {
        if !is_asked_for(connection, *seq)? {
            room = room.saturating_sub(remove_some(connection, ATTEMPTS, *seq, room)?);
            room = room.saturating_sub(remove_some(connection, NOTIFICATIONS, *seq, room)?);
            room = room.saturating_sub(remove_some(connection, REQUESTS, *seq, room)?);
            if room == 0 {
                return Ok(Done::UpTo(place));
            }
            *count += u64::from(execute(connection, "DELETE FROM message WHERE seq = ?1", [seq])?);
            room -= 1;
        }
        place = (*ended_at, *seq);
        if room == 0 {
            return Ok(Done::UpTo(place));
        }
    }
    Ok(if is_short(ended.len()) { Done::All } else { Done::UpTo(place) })
}

fn is_asked_for(connection: &Connection, message: i64) -> Result<bool, DbError> {
    connection
        .prepare_cached("SELECT 1 FROM outbox_request WHERE message = ?1 AND outcome IS NULL")
        .and_then(|mut s| s.exists([message]))
        .during("look for requests")
}

const ATTEMPTS: &str =
    "DELETE FROM attempt WHERE seq IN (SELECT seq FROM attempt WHERE message = ?1 LIMIT ?2)";
const NOTIFICATIONS: &str =
    "DELETE FROM notification WHERE seq IN (SELECT seq FROM notification WHERE message = ?1 LIMIT ?2)";
const REQUESTS: &str =
    "DELETE FROM outbox_request WHERE seq IN (SELECT seq FROM outbox_request WHERE message = ?1 LIMIT ?2)";
const SKIPPED: &str =
    "DELETE FROM skipped WHERE seq IN (SELECT seq FROM skipped WHERE change_set = ?1 LIMIT ?2)";
const EVENTS: &str = "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE change_set = ?1 LIMIT ?2)";

fn remove_some(connection: &Connection, sql: &str, of: i64, most: u32) -> Result<u32, DbError> {
    execute(connection, sql, params![of, most])
}

/// An old change set, and whether nothing of it is needed any more.
struct Old {
    seq: i64,
    may_go: bool,
}

/// Change sets that were decided about, and of which nobody is left who is to be told or whose mail is kept.
/// None that came after one that waits to be decided about: that decision asks what happened since.
fn change_sets(
    connection: &Connection,
    before: i64,
    after: (i64, i64),
    count: &mut u64,
) -> Result<Done, DbError> {
    let old = old_change_sets(connection, before, after.1)?;
    let (mut room, mut place) = (ROWS_AT_ONCE, after);
    for Old { seq, may_go } in &old {
        if *may_go {
            room = room.saturating_sub(remove_some(connection, SKIPPED, *seq, room)?);
            room = room.saturating_sub(remove_some(connection, EVENTS, *seq, room)?);
            if room == 0 {
                return Ok(Done::UpTo(place));
            }
            *count += u64::from(execute(connection, "DELETE FROM change_set WHERE seq = ?1", [seq])?);
            room -= 1;
        }
        place.1 = *seq;
        if room == 0 {
            return Ok(Done::UpTo(place));
        }
    }
    Ok(if is_short(old.len()) { Done::All } else { Done::UpTo(place) })
}

/// Up to the first that is not old: their order is the order in which they were seen. Where the clock was set
/// back, some wait until those before them are old.
fn old_change_sets(connection: &Connection, before: i64, after: i64) -> Result<Vec<Old>, DbError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT seq, seen < ?1,
                    coalesce(dispatched_at < ?1, 0) AND held = 0 AND set_aside IS NULL
                    AND NOT EXISTS (SELECT 1 FROM notification WHERE notification.change_set = change_set.seq)
             FROM change_set WHERE seq > ?2 AND seq < ?3 ORDER BY seq LIMIT ?4",
        )
        .during("look for what was decided")?;
    let undecided = first_undecided(connection)?;
    let mut rows = statement
        .query(params![before, after, undecided, ROWS_AT_ONCE])
        .during("look for what was decided")?;
    let mut old = Vec::new();
    while let Some(row) = rows.next().during("look for what was decided")? {
        let read = || Ok((row.get(0)?, row.get::<_, bool>(1)?, row.get(2)?));
        let (seq, is_old, may_go) = read().during("look for what was decided")?;
        if !is_old {
            break;
        }
        old.push(Old { seq, may_go });
    }
    Ok(old)
}

/// Of all stores. What is set aside does not count: it may stay for ever.
fn first_undecided(connection: &Connection) -> Result<i64, DbError> {
    let mut first = i64::MAX;
    for sql in [
        "SELECT min(seq) FROM change_set WHERE dispatched_at IS NULL AND held = 0 AND set_aside IS NULL",
        "SELECT min(seq) FROM change_set WHERE held = 1",
    ] {
        let found: Option<i64> = connection
            .prepare_cached(sql)
            .and_then(|mut s| s.query_row([], |row| row.get(0)))
            .during("look for what is undecided")?;
        first = first.min(found.unwrap_or(i64::MAX));
    }
    Ok(first)
}

/// What was released or discarded long ago, and of which no change set is left.
fn holds(connection: &Connection, before: i64) -> Result<Done, DbError> {
    let ended = "SELECT seq FROM hold WHERE ended_at < ?1
                 AND NOT EXISTS (SELECT 1 FROM change_set WHERE change_set.hold = hold.seq)";
    let entries = format!(
        "DELETE FROM held_entry WHERE (entry, hold) IN (
             SELECT entry, hold FROM held_entry WHERE hold IN ({ended}) LIMIT ?2)"
    );
    if execute(connection, &entries, params![before, ROWS_AT_ONCE])? == ROWS_AT_ONCE {
        return Ok(Done::UpTo(BEGINNING));
    }
    let holds = format!("DELETE FROM hold WHERE seq IN ({ended} LIMIT ?2)");
    execute(connection, &holds, params![before, ROWS_AT_ONCE]).map(all_if_few)
}

/// But for the last of each store, by which the next is timed.
fn comparisons(connection: &Connection, before: i64) -> Result<Done, DbError> {
    let sql = "DELETE FROM comparison WHERE seq IN (
                   SELECT seq FROM comparison WHERE ended_at < ?1
                   AND seq NOT IN (SELECT max(seq) FROM comparison GROUP BY store) LIMIT ?2)";
    execute(connection, sql, params![before, ROWS_AT_ONCE]).map(all_if_few)
}

/// Who was deleted long ago, where nothing that is as old may still be told to them.
fn deleted_entries(connection: &Connection, before: i64, now: i64) -> Result<Done, DbError> {
    let dated = "UPDATE deleted_entry SET at = ?1 WHERE (store, id) IN (
                     SELECT store, id FROM deleted_entry WHERE at IS NULL LIMIT ?2)";
    if execute(connection, dated, params![now, ROWS_AT_ONCE])? == ROWS_AT_ONCE {
        return Ok(Done::UpTo(BEGINNING));
    }
    let sql = "DELETE FROM deleted_entry WHERE (store, id) IN (
                   SELECT store, id FROM deleted_entry
                   WHERE at < ?1
                   AND NOT EXISTS (SELECT 1 FROM change_set
                                   WHERE change_set.store = deleted_entry.store AND seen < ?1
                                   AND dispatched_at IS NULL)
                   AND NOT EXISTS (SELECT 1 FROM notification
                                   WHERE notification.store = deleted_entry.store AND message IS NULL
                                   AND set_aside IS NULL AND created_at < ?1)
                   AND NOT EXISTS (SELECT 1 FROM notification
                                   WHERE notification.store = deleted_entry.store AND set_aside IS NOT NULL)
                   LIMIT ?2)";
    execute(connection, sql, params![before, ROWS_AT_ONCE]).map(all_if_few)
}

/// Names that no link uses any more, of stores of which all is known that waits to be told.
fn strays(connection: &Connection, after: (i64, i64)) -> Result<Done, DbError> {
    let looked_at: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT store, key FROM stray WHERE (store, key) > (?1, ?2) ORDER BY store, key LIMIT ?3",
        )
        .and_then(|mut s| {
            s.query_map(params![after.0, after.1, ROWS_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .during("look for names")?;
    for (store, key) in &looked_at {
        let sql = "DELETE FROM stray WHERE store = ?1 AND key = ?2
                   AND NOT EXISTS (SELECT 1 FROM link WHERE link.key = ?2)
                   AND NOT EXISTS (SELECT 1 FROM finding WHERE finding.store = ?1)
                   AND EXISTS (SELECT 1 FROM store WHERE no = ?1 AND baseline = 'complete')
                   AND NOT EXISTS (SELECT 1 FROM store WHERE baseline = 'reading')";
        execute(connection, sql, params![store, key])?;
    }
    Ok(match looked_at.last() {
        Some(last) if !is_short(looked_at.len()) => Done::UpTo(*last),
        Some(_) | None => Done::All,
    })
}

#[cfg(test)]
mod tests;
