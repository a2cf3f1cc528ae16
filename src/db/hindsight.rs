//! What happened to a group after a change set that is being decided about.

use rusqlite::{Row, params};
use serde::Deserialize;

use super::{DbError, error::During, mirror::StoreMirror, rows::json_at};
use crate::{
    change::event::{Change, ChangeEvent, ChangeSetId},
    directory::entry::{EntryId, EntryKind},
    notify::hindsight::Hindsight,
};

/// Of a store, because two may watch one directory. A change set that is not stored has no number, and nothing
/// comes after it.
const MEMBERS_SINCE: &str = "SELECT event.facts
     FROM event JOIN change_set ON change_set.seq = event.change_set
     WHERE event.members_of = ?2 AND change_set.store = ?1
     AND event.change_set > (SELECT seq FROM change_set WHERE id = ?3)
     ORDER BY event.change_set, event.seq";

/// As much of a [`ChangeEvent`] as is asked for.
#[derive(Deserialize)]
struct OnlyChange {
    change: Change,
}

fn change_at(row: &Row<'_>) -> rusqlite::Result<Change> {
    json_at(row, 0).map(|OnlyChange { change }| change)
}

impl Hindsight for StoreMirror<'_> {
    fn members_since(&self, group: EntryId, change_set: ChangeSetId) -> Result<Vec<Change>, DbError> {
        self.connection
            .prepare_cached(MEMBERS_SINCE)
            .and_then(|mut s| {
                s.query_map(params![self.store.0, group.0.as_bytes(), change_set.0.as_bytes()], change_at)?
                    .collect()
            })
            .during("read what happened to a group since")
    }
}

/// The group under which `event` is found again, if it says anything of a group's members.
pub(super) fn members_of(event: &ChangeEvent) -> Option<EntryId> {
    match &event.change {
        Change::MemberAdded { .. } | Change::MemberRemoved { .. } | Change::ObjectDeleted { .. } => {
            event.entry.id.filter(|_| event.entry.kind == Some(EntryKind::Group))
        }
        Change::OwnerAdded { .. }
        | Change::OwnerRemoved { .. }
        | Change::ManagerChanged { .. }
        | Change::ObjectCreated
        | Change::ObjectRenamed { .. }
        | Change::AttributesChanged { .. }
        | Change::ScopeEntered
        | Change::ScopeLeft => None,
    }
}

#[cfg(test)]
mod tests;
