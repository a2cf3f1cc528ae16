//! What is not in a mail yet when a hold begins is called back into it.

use std::collections::BTreeSet;

use rusqlite::{Row, params};
use serde::Deserialize;

use super::{Gate, length};
use crate::{
    change::guard::{HoldCause, HoldNo, NewHold},
    db::{DbError, error::During, rows::micros},
    directory::entry::EntryId,
};

/// A change set that went out within the window.
struct WentOut {
    seq: i64,
    is_set_aside: bool,
    /// Some mail tells it.
    is_mailed: bool,
    /// Some mail is still to tell it.
    waits: bool,
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
pub(super) fn recall(gate: &Gate<'_>, no: HoldNo, hold: &NewHold) -> Result<usize, DbError> {
    let takes = |entries: &Entries| match hold.facts.cause() {
        HoldCause::MaxEvents => true,
        HoldCause::Membership => {
            entries.iter().all(|entry| entry.is_some_and(|id| hold.entries.contains(&id)))
        }
        // What was told before was true.
        HoldCause::BackInTime => false,
    };
    let (mut recalled, mut blocked) = (0, Entries::new());
    for set in went_out(gate)? {
        if set.is_mailed && !set.waits {
            continue;
        }
        let entries = entries(gate, set.seq)?;
        let stays = set.is_mailed || set.is_set_aside || !takes(&entries) || !blocked.is_disjoint(&entries);
        if stays {
            blocked.extend(entries);
            continue;
        }
        take_back(gate, set.seq, no)?;
        recalled += 1;
    }
    Ok(recalled)
}

/// Newest first.
fn went_out(gate: &Gate<'_>) -> Result<Vec<WentOut>, DbError> {
    let begin = gate.now.checked_sub(length(&gate.context.guard)).unwrap_or(jiff::Timestamp::MIN);
    let read = |row: &Row<'_>| {
        Ok(WentOut {
            seq: row.get(0)?,
            is_set_aside: row.get(1)?,
            is_mailed: row.get(2)?,
            waits: row.get(3)?,
        })
    };
    gate.connection
        .prepare_cached(
            "SELECT seq, set_aside IS NOT NULL,
                    EXISTS (SELECT 1 FROM notification WHERE change_set = change_set.seq AND message IS NOT NULL),
                    EXISTS (SELECT 1 FROM notification WHERE change_set = change_set.seq AND message IS NULL)
             FROM change_set WHERE store = ?1 AND counted = 1 AND seen > ?2 AND hold IS NULL
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
