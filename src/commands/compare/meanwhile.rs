//! What a daemon tells by itself while somebody compares beside it is no difference.

use std::{collections::BTreeSet, path::Path, time::Duration};

use crate::{
    change::event::ChangeEvent,
    commands::patience::Patience,
    connector::{is_covered, is_reached},
    db::{DbError, EventFilter, EventRow, Reader},
    directory::{checkpoint::Checkpoint, entry::EntryRef},
};

/// How long the daemon has to come to where the comparison was.
const TO_CATCH_UP: Duration = Duration::from_secs(10);

/// The copy that was compared, and where it stood before.
pub(super) struct Compared<'a> {
    /// The store's name.
    pub(super) store: &'a str,
    /// The state that the daemon goes on with.
    pub(super) state: &'a Path,
    /// The mirror after the comparison.
    pub(super) copy: &'a Reader,
    /// What the daemon had seen when it was copied.
    pub(super) seen: Option<Checkpoint>,
    /// The newest event then.
    pub(super) newest: i64,
}

impl Compared<'_> {
    /// `rows` without what the daemon tells: changes on entries that are newer than what it had seen, and whatever
    /// it has told by the time that it has seen what was read here.
    pub(super) async fn without_what_is_told(&self, rows: Vec<EventRow>) -> Result<Vec<EventRow>, DbError> {
        let mut left = self.without_newer(rows)?;
        let read = self.copy.checkpoint(self.store)?;
        let mut patience = Patience::default();
        while !self.has_told_all(read.as_ref(), &mut left)? {
            if !patience.lasts(TO_CATCH_UP).await {
                break;
            }
        }
        Ok(left)
    }

    /// Takes out of `left` what the daemon has told. `true`: that is all that it tells of what was seen by `read`.
    fn has_told_all(&self, read: Option<&Checkpoint>, left: &mut Vec<EventRow>) -> Result<bool, DbError> {
        let Some(daemon) = Reader::open(self.state)? else { return Ok(true) };
        // In this order: what is told by a checkpoint is stored with it.
        let reached = daemon.checkpoint(self.store)?;
        self.take_out_told(&daemon, left)?;
        let caught_up = match (read, &reached) {
            (Some(read), Some(reached)) => is_reached(read, reached),
            (None, _) | (_, None) => true,
        };
        Ok(left.is_empty() || caught_up || !daemon.daemon_runs())
    }

    /// The feed shows such an entry as a whole. The first event of a change set is on the entry that was read; one
    /// that is gone has no stamp.
    fn without_newer(&self, rows: Vec<EventRow>) -> Result<Vec<EventRow>, DbError> {
        let Some(seen) = &self.seen else { return Ok(rows) };
        let mut left = Vec::with_capacity(rows.len());
        for set in rows.chunk_by(|one, next| one.event.change_set == next.event.change_set) {
            let Some(id) = set.first().and_then(|row| row.event.entry.id) else { continue };
            let stamp = self.copy.stamp(self.store, id)?;
            if stamp.is_none_or(|stamp| is_covered(&stamp, seen)) {
                left.extend_from_slice(set);
            }
        }
        Ok(left)
    }

    fn take_out_told(&self, daemon: &Reader, left: &mut Vec<EventRow>) -> Result<(), DbError> {
        let filter = EventFilter { since: None, store: Some(self.store) };
        let told = daemon.events_after(filter, self.newest, u32::MAX)?;
        let told: BTreeSet<_> = told.iter().map(|row| fact(&row.event)).collect();
        left.retain(|row| !told.contains(&fact(&row.event)));
        Ok(())
    }
}

/// What an event says, whoever found it out.
fn fact(event: &ChangeEvent) -> (&'static str, String, Option<String>) {
    (event.change.name(), who(&event.entry), event.change.subject().map(who))
}

fn who(entry: &EntryRef) -> String {
    entry.id.map_or_else(|| entry.dn.to_string(), |id| id.to_string())
}
