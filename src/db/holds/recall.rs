//! What is not in a mail yet when a hold begins is called back into it.

use std::collections::BTreeSet;

use rusqlite::{Row, params};
use serde::Deserialize;

use super::{Gate, State, length};
use crate::{
    change::guard::{HoldCause, HoldNo, NewHold},
    db::{DbError, error::During, rows::micros},
    directory::entry::EntryId,
};

/// A change set that went out within the window.
struct WentOut {
    seq: i64,
    /// It waits for something else: to be readable, or it was released from another hold.
    is_bound: bool,
    /// Some mail tells it.
    is_mailed: bool,
    /// It is decided about, and nobody is left whom a mail is still to tell of it.
    is_done: bool,
}

/// Whose events a change set holds; `None`: that cannot be said of one of them.
type Entries = BTreeSet<Option<EntryId>>;

/// As much of an event as is asked for.
#[derive(Deserialize)]
struct OnlyEntry {
    entry: OnlyId,
}

#[derive(Deserialize)]
struct OnlyId {
    id: Option<EntryId>,
}

/// Takes change sets that went out within the window back into `no`, from the newest on, and says how many:
/// those all of whose events belong there and that no mail tells. One that stays and is still to be told keeps
/// older ones of its entries where they are, because they come first.
pub(super) fn recall(
    gate: &Gate<'_>,
    state: &State<'_>,
    no: HoldNo,
    hold: &NewHold,
) -> Result<usize, DbError> {
    let (mut recalled, mut blocked) = (0, Entries::new());
    for set in went_out(gate)? {
        if set.is_done && (set.is_mailed || set.is_bound) {
            continue;
        }
        let entries = entries(gate, set.seq)?;
        let stays =
            set.is_mailed || set.is_bound || !blocked.is_disjoint(&entries) || !takes(state, hold, &entries)?;
        if stays {
            blocked.extend(entries);
            continue;
        }
        take_back(gate, set.seq, no)?;
        recalled += 1;
    }
    Ok(recalled)
}

fn takes(state: &State<'_>, hold: &NewHold, entries: &Entries) -> Result<bool, DbError> {
    match hold.facts.cause() {
        // What comes after it to an entry with a hold of its own may be released from there before this is.
        HoldCause::MaxEvents => {
            for entry in entries.iter().flatten() {
                if state.of_entry(*entry)?.is_some() {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        HoldCause::Membership => {
            Ok(entries.iter().all(|entry| entry.is_some_and(|id| hold.entries.contains(&id))))
        }
        // What was told before was true.
        HoldCause::BackInTime => Ok(false),
    }
}

/// Newest first; with what was released, which is not called back any more.
fn went_out(gate: &Gate<'_>) -> Result<Vec<WentOut>, DbError> {
    let begin = gate.now.checked_sub(length(&gate.context.guard)).unwrap_or(jiff::Timestamp::MIN);
    let read = |row: &Row<'_>| {
        Ok(WentOut { seq: row.get(0)?, is_bound: row.get(1)?, is_mailed: row.get(2)?, is_done: row.get(3)? })
    };
    gate.connection
        .prepare_cached(
            "SELECT seq, set_aside IS NOT NULL OR hold IS NOT NULL,
                    EXISTS (SELECT 1 FROM notification WHERE change_set = change_set.seq AND message IS NOT NULL),
                    dispatched_at IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM notification WHERE change_set = change_set.seq AND message IS NULL)
             FROM change_set WHERE store = ?1 AND seen > ?2 AND held = 0 AND (counted = 1 OR hold IS NOT NULL)
             ORDER BY seq DESC",
        )
        .and_then(|mut s| s.query_map(params![gate.context.no.0, micros(begin)], read)?.collect())
        .during("look for what is not in a mail yet")
}

fn entries(gate: &Gate<'_>, set: i64) -> Result<Entries, DbError> {
    let read = |row: &Row<'_>| {
        let text = row.get_ref(0)?.as_str()?;
        // What cannot be read is nobody's.
        Ok(serde_json::from_str::<OnlyEntry>(text).ok().and_then(|event| event.entry.id))
    };
    gate.connection
        .prepare_cached("SELECT facts FROM event WHERE change_set = ?1 ORDER BY seq")
        .and_then(|mut s| s.query_map([set], read)?.collect())
        .during("read whose events they are")
}

fn take_back(gate: &Gate<'_>, set: i64, hold: HoldNo) -> Result<(), DbError> {
    let execute = |sql: &str, parameters: &[i64]| {
        gate.connection
            .prepare_cached(sql)
            .and_then(|mut s| s.execute(rusqlite::params_from_iter(parameters)))
            .during("call back what is not in a mail yet")
    };
    execute("DELETE FROM notification WHERE change_set = ?1", &[set])?;
    execute("DELETE FROM skipped WHERE change_set = ?1", &[set])?;
    execute(
        "UPDATE change_set SET dispatched_at = NULL, options = NULL, hold = ?2, held = 1, counted = 0
         WHERE seq = ?1",
        &[set, hold.0],
    )
    .map(drop)
}
