//! What happened to a group after a change set that is being decided about.

use std::{cell::RefCell, collections::BTreeMap};

use rusqlite::{OptionalExtension, Row, params};
use serde::Deserialize;

use super::{DbError, error::During, mirror::StoreMirror, rows::json_at};
use crate::{
    change::event::{Change, ChangeEvent, ChangeSetId},
    directory::{
        entry::{EntryId, EntryKind, EntryRef},
        mirror::{MirroredAttributes, People, Profile},
    },
    notify::hindsight::{Hindsight, Later, Past},
};

/// Of a store, because two may watch one directory. A change set that is not stored has no number, and nothing
/// comes after it.
const MEMBERS_SINCE: &str = "SELECT event.facts, event.change_set
     FROM event JOIN change_set ON change_set.seq = event.change_set
     WHERE event.members_of = ?2 AND change_set.store = ?1
     AND event.change_set > (SELECT seq FROM change_set WHERE id = ?3)
     ORDER BY event.change_set, event.seq";

/// As much of a [`ChangeEvent`] as is asked for.
#[derive(Deserialize)]
struct OnlyChange {
    change: Change,
}

fn turn_at(row: &Row<'_>) -> rusqlite::Result<(i64, Change)> {
    Ok((row.get(1)?, json_at(row, 0).map(|OnlyChange { change }| change)?))
}

impl StoreMirror<'_> {
    /// Each with the number of its change set.
    fn turns_since(&self, group: EntryId, set: ChangeSetId) -> Result<Vec<(i64, Change)>, DbError> {
        self.connection
            .prepare_cached(MEMBERS_SINCE)
            .and_then(|mut s| {
                s.query_map(params![self.store.0, group.0.as_bytes(), set.0.as_bytes()], turn_at)?.collect()
            })
            .during("read what happened to a group since")
    }
}

impl Hindsight for StoreMirror<'_> {
    fn members_since(&self, group: EntryId, change_set: ChangeSetId) -> Result<Vec<Change>, DbError> {
        Ok(self.turns_since(group, change_set)?.into_iter().map(|(_, change)| change).collect())
    }
}

/// The mirror within one transaction that decides about change sets in their order, and changes neither what was
/// read nor what happened.
pub(super) struct InOrder<'a> {
    mirror: StoreMirror<'a>,
    groups: RefCell<BTreeMap<EntryId, Later>>,
}

impl<'a> InOrder<'a> {
    pub(super) fn new(mirror: StoreMirror<'a>) -> Self {
        Self { mirror, groups: RefCell::default() }
    }

    fn number_of(&self, set: ChangeSetId) -> Result<Option<i64>, DbError> {
        self.mirror
            .connection
            .prepare_cached("SELECT seq FROM change_set WHERE id = ?1")
            .and_then(|mut s| s.query_row([set.0.as_bytes()], |row| row.get(0)).optional())
            .during("find a change set")
    }
}

impl People for InOrder<'_> {
    type Error = DbError;

    fn profile(&self, id: EntryId) -> Result<Option<Profile>, DbError> {
        self.mirror.profile(id)
    }

    fn members(&self, group: EntryId, limit: usize) -> Result<Vec<EntryRef>, DbError> {
        self.mirror.members(group, limit)
    }

    fn mail(&self, attributes: &MirroredAttributes) -> Vec<String> {
        self.mirror.mail(attributes)
    }
}

impl Hindsight for InOrder<'_> {
    fn members_since(&self, group: EntryId, change_set: ChangeSetId) -> Result<Vec<Change>, DbError> {
        self.mirror.members_since(group, change_set)
    }

    /// What happened to a group is read once, and each of its change sets goes on from the one before.
    fn past(&self, group: EntryId, change_set: ChangeSetId, limit: usize) -> Result<Past, DbError> {
        let Some(number) = self.number_of(change_set)? else { return Ok(Past::Now) };
        let mut groups = self.groups.borrow_mut();
        if let Some(later) = groups.get_mut(&group)
            && later.go_on_to(number)
        {
            return Ok(later.past(limit));
        }
        let turns = self.mirror.turns_since(group, change_set)?;
        let later = Later::of(turns, limit, |most| self.mirror.members(group, most))?;
        let past = later.past(limit);
        groups.insert(group, later);
        Ok(past)
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
