//! The bulk guard in the state file: which hold takes what, in the transaction that stores it.

mod emptied;
mod listing;
mod recall;
mod wishes;

use std::{
    cell::OnceCell,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

pub(super) use self::listing::span_of;
use self::recall::recall;
pub use self::{
    listing::{HoldRow, HoldSpan},
    wishes::{HoldAnswer, HoldNews, HoldWish},
};
use super::{
    DbError, StoreContext, StoreNo,
    error::During,
    rows::{json_at, micros, timestamp, to_json},
};
use crate::{
    change::{
        event::{ChangeEvent, ChangeSet, ChangeSetId},
        guard::{GuardSettings, HoldFacts, HoldNo, Holding, NewHold, Way, Window, judge},
        purpose::Purpose,
    },
    directory::entry::EntryId,
};

/// A hold that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedHold {
    /// As `held list` shows it.
    pub id: Uuid,
    /// Why it began.
    pub facts: HoldFacts,
    /// Change sets that were about to be told, and now wait in it.
    pub recalled: usize,
}

/// What is counted of a store, in memory. Read from the state file again whenever what was last counted is not
/// there, as after a transaction that failed.
#[derive(Debug, Default)]
pub(super) struct Counting(Mutex<Option<Counted>>);

#[derive(Debug)]
struct Counted {
    window: Window,
    /// The last change set that was stored with it.
    last: ChangeSetId,
}

impl Counting {
    /// What was counted from before the end of a hold is not to be counted any more.
    pub fn forget(&self) {
        drop(self.take());
    }

    fn take(&self) -> Option<Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, counted: Counted) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
    }
}

/// Where a change set goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To dispatch.
    Dispatch {
        /// Whether the guard counts it.
        counted: bool,
    },
    /// Into this hold.
    Hold(HoldNo),
}

/// A unit that has passed the guard. The holds stand in the state file already, the change sets do not.
#[derive(Debug)]
pub(super) struct Guarded {
    pub opened: Vec<OpenedHold>,
    pub sets: Vec<(Place, ChangeSet)>,
}

/// One unit before the guard, inside the transaction that stores it.
pub(super) struct Gate<'a> {
    pub connection: &'a Connection,
    pub context: &'a StoreContext,
    pub now: Timestamp,
}

impl Gate<'_> {
    pub fn pass(
        &self,
        sets: Vec<ChangeSet>,
        purpose: Purpose,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<Guarded, DbError> {
        if sets.is_empty() {
            return Ok(Guarded { opened: Vec::new(), sets: Vec::new() });
        }
        let mut window = self.window()?;
        window.slide(self.now, length(&self.context.guard));
        let state = self.state();
        let judged = judge(sets, purpose, &self.context.guard, &mut window, &state, new_id)?;
        let mut begun = Vec::with_capacity(judged.holds.len());
        let mut opened = Vec::with_capacity(judged.holds.len());
        for hold in judged.holds {
            let id = new_id();
            let no = self.begin(id, &hold)?;
            let recalled = recall(self, &state, no, &hold)?;
            begun.push(no);
            opened.push(OpenedHold { id, facts: hold.facts, recalled });
        }
        let place = |way, set: &ChangeSet| match way {
            Way::Out => Place::Dispatch { counted: set.events.iter().any(|event| event.cause.may_be_told()) },
            Way::Behind(hold) => Place::Hold(hold),
            Way::Into(which) => Place::Hold(*begun.get(which).expect("the guard names its own holds")),
        };
        let sets: Vec<_> = judged.sets.into_iter().map(|(way, set)| (place(way, &set), set)).collect();
        if let Some((_, last)) = sets.last() {
            self.context.counting.keep(Counted { window, last: last.id });
        }
        Ok(Guarded { opened, sets })
    }

    fn state(&self) -> State<'_> {
        State { connection: self.connection, store: self.context.no, everything: OnceCell::new() }
    }

    fn begin(&self, id: Uuid, hold: &NewHold) -> Result<HoldNo, DbError> {
        self.connection
            .prepare_cached("INSERT INTO hold (id, store, cause, facts, since) VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut s| {
                let (store, cause) = (self.context.no.0, hold.facts.cause().as_str());
                s.execute(params![id.as_bytes(), store, cause, to_json(&hold.facts), micros(self.now)])
            })
            .during("begin a hold")?;
        let no = HoldNo(self.connection.last_insert_rowid());
        for entry in &hold.entries {
            self.connection
                .prepare_cached("INSERT INTO held_entry (entry, hold) VALUES (?1, ?2)")
                .and_then(|mut s| s.execute(params![entry.0.as_bytes(), no.0]))
                .during("hold an entry")?;
        }
        Ok(no)
    }

    fn window(&self) -> Result<Window, DbError> {
        match self.context.counting.take() {
            Some(Counted { window, last }) if self.is_stored(last)? => Ok(window),
            Some(_) | None => self.recounted(),
        }
    }

    fn is_stored(&self, set: ChangeSetId) -> Result<bool, DbError> {
        self.connection
            .prepare_cached("SELECT 1 FROM change_set WHERE id = ?1")
            .and_then(|mut s| s.exists([set.0.as_bytes()]))
            .during("look for what was counted")
    }

    /// What the state file says went out within the window, and after the end of the last hold that it concerns.
    fn recounted(&self) -> Result<Window, DbError> {
        let mut window = Window::default();
        let length = length(&self.context.guard);
        let Some(begin) = self.recount_from(self.now.checked_sub(length).unwrap_or(Timestamp::MIN))? else {
            return Ok(window);
        };
        for (seen, event) in self.went_out_after(begin)? {
            if !self.was_held_since(event.entry.id, seen)? {
                window.slide(seen, length);
                window.count(std::iter::once(&event));
            }
        }
        Ok(window)
    }

    /// `None`: everything is held.
    fn recount_from(&self, begin: Timestamp) -> Result<Option<Timestamp>, DbError> {
        let ends: Vec<Option<i64>> = self
            .connection
            .prepare_cached(
                "SELECT CASE wish WHEN 'discard' THEN wished_at ELSE ended_at END
                 FROM hold WHERE store = ?1 AND cause = 'max-events' AND (ended_at IS NULL OR ended_at > ?2)",
            )
            .and_then(|mut s| {
                s.query_map(params![self.context.no.0, micros(begin)], |row| row.get(0))?.collect()
            })
            .during("read when holds ended")?;
        let ends: Option<Vec<i64>> = ends.into_iter().collect();
        Ok(ends.map(|ends| ends.into_iter().map(timestamp).fold(begin, Timestamp::max)))
    }

    fn went_out_after(&self, begin: Timestamp) -> Result<Vec<(Timestamp, ChangeEvent)>, DbError> {
        let read = |row: &Row<'_>| Ok((timestamp(row.get(0)?), json_at::<ChangeEvent>(row, 1).ok()));
        let rows: Vec<(Timestamp, Option<ChangeEvent>)> = self
            .connection
            .prepare_cached(
                "SELECT change_set.seen, event.facts
                 FROM change_set JOIN event ON event.change_set = change_set.seq
                 WHERE change_set.store = ?1 AND counted = 1 AND change_set.seen > ?2 AND change_set.seen <= ?3
                 ORDER BY change_set.seq, event.seq",
            )
            .and_then(|mut s| {
                s.query_map(params![self.context.no.0, micros(begin), micros(self.now)], read)?.collect()
            })
            .during("count what went out")?;
        // What cannot be read does not say what it was.
        Ok(rows.into_iter().filter_map(|(seen, event)| Some((seen, event?))).collect())
    }

    fn was_held_since(&self, entry: Option<EntryId>, seen: Timestamp) -> Result<bool, DbError> {
        let Some(entry) = entry else { return Ok(false) };
        self.connection
            .prepare_cached(
                "SELECT 1 FROM held_entry JOIN hold ON hold.seq = held_entry.hold
                 WHERE held_entry.entry = ?1 AND hold.store = ?2
                 AND coalesce(CASE wish WHEN 'discard' THEN wished_at ELSE ended_at END >= ?3, 1)",
            )
            .and_then(|mut s| s.exists(params![entry.0.as_bytes(), self.context.no.0, micros(seen)]))
            .during("ask whether an entry was held")
    }
}

fn length(settings: &GuardSettings) -> SignedDuration {
    SignedDuration::try_from(settings.window).unwrap_or(SignedDuration::MAX)
}

/// What the guard asks, during one unit. A hold takes nothing more from the moment on in which somebody asked to
/// discard it: what they saw of it was the rest.
struct State<'a> {
    connection: &'a Connection,
    store: StoreNo,
    /// The oldest open hold that takes everything.
    everything: OnceCell<Option<HoldNo>>,
}

impl State<'_> {
    fn everything(&self) -> Result<Option<HoldNo>, DbError> {
        if let Some(known) = self.everything.get() {
            return Ok(*known);
        }
        let found = self
            .connection
            .prepare_cached(
                "SELECT min(seq) FROM hold
                 WHERE store = ?1 AND ended_at IS NULL AND cause = 'max-events' AND wish IS NOT 'discard'",
            )
            .and_then(|mut s| s.query_row([self.store.0], hold_at))
            .during("look for a hold of everything")?;
        Ok(*self.everything.get_or_init(|| found))
    }

    fn of_entry(&self, entry: EntryId) -> Result<Option<HoldNo>, DbError> {
        self.connection
            .prepare_cached(
                "SELECT min(hold.seq) FROM held_entry JOIN hold ON hold.seq = held_entry.hold
                 WHERE held_entry.entry = ?1 AND hold.store = ?2 AND ended_at IS NULL
                 AND wish IS NOT 'discard'",
            )
            .and_then(|mut s| s.query_row(params![entry.0.as_bytes(), self.store.0], hold_at))
            .during("look for a hold of an entry")
    }
}

/// `NULL`: there is none.
fn hold_at(row: &Row<'_>) -> rusqlite::Result<Option<HoldNo>> {
    row.get::<_, Option<i64>>(0).map(|no| no.map(HoldNo))
}

impl Holding for State<'_> {
    type Error = DbError;

    fn taker(&self, entry: Option<EntryId>) -> Result<Option<HoldNo>, DbError> {
        let of_entry = entry.map_or(Ok(None), |entry| self.of_entry(entry))?;
        Ok([self.everything()?, of_entry].into_iter().flatten().min())
    }

    fn members(&self, group: EntryId) -> Result<u64, DbError> {
        self.connection
            .prepare_cached(
                "SELECT count(*) FROM link WHERE entry = (SELECT no FROM entry WHERE store = ?1 AND id = ?2)
                 AND role = 1 AND (target IS NULL OR target <> 0)",
            )
            .and_then(|mut s| {
                s.query_row(params![self.store.0, group.0.as_bytes()], |row| row.get::<_, i64>(0))
            })
            .map(i64::unsigned_abs)
            .during("count the members of a group")
    }

    fn has_more_groups_than(&self, count: usize) -> Result<bool, DbError> {
        emptied::has_more_groups_than(self.connection, self.store, count)
    }
}

#[cfg(test)]
mod tests;
