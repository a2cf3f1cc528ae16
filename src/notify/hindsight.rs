//! A group's members as they were after a change set: those of now, with what happened since undone.
//!
//! Only the members of the changed group itself are worked out so. Groups within it are opened as they are now.

mod later;

use std::collections::BTreeMap;

pub use self::later::Later;
use crate::{
    change::{
        event::{Change, ChangeSetId},
        resolve::{Identity, identity},
    },
    directory::{
        entry::{EntryId, EntryRef},
        mirror::People,
    },
};

/// What the rules ask of the events that came after those they decide about.
pub trait Hindsight: People {
    /// Every member-added, member-removed and object-deleted of a group in the change sets after this one, first
    /// to last. None for a change set that is not stored: nothing came after what did not happen.
    fn members_since(&self, group: EntryId, change_set: ChangeSetId) -> Result<Vec<Change>, Self::Error>;

    /// The group as it was after the change set. Whoever is asked of one change set after another may keep in mind
    /// what it has worked out ([`Later`]).
    fn past(&self, group: EntryId, change_set: ChangeSetId, limit: usize) -> Result<Past, Self::Error>
    where
        Self: Sized,
    {
        let since = Since::of(self, group, change_set)?;
        if since.nothing_happened() {
            return Ok(Past::Now);
        }
        let members = since.members_before(self, group, limit)?;
        Ok(Past::Then { saw_the_end: since.end.is_some(), members })
    }
}

/// A group as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// As it is now.
    Now,
    /// Otherwise.
    Then {
        /// It was deleted since.
        saw_the_end: bool,
        /// The direct members. `None`: more than the limit, or nobody can say who they all were.
        members: Option<Vec<EntryRef>>,
    },
}

/// What has become of a group's members since a change set.
#[derive(Debug)]
pub(super) struct Since {
    /// Came or went before the group's end, if that has come.
    turns: Vec<Change>,
    end: Option<End>,
}

/// The members a group had when it was deleted.
#[derive(Debug)]
struct End {
    last_members: Vec<EntryRef>,
    /// There were more than the event could carry.
    is_cut: bool,
}

impl End {
    /// `None`: it is another change.
    fn of(change: &Change) -> Option<Self> {
        let Change::ObjectDeleted { last_members, last_member_count, .. } = change else { return None };
        let is_cut = usize::try_from(*last_member_count).map_or(true, |all| all > last_members.len());
        Some(Self { last_members: last_members.clone(), is_cut })
    }
}

impl Since {
    pub fn of<P: Hindsight>(people: &P, group: EntryId, set: ChangeSetId) -> Result<Self, P::Error> {
        let mut turns = Vec::new();
        for change in people.members_since(group, set)? {
            // What was before the end is in the event of the end, whatever came of the group after it.
            if let Some(end) = End::of(&change) {
                return Ok(Self { turns, end: Some(end) });
            }
            turns.push(change);
        }
        Ok(Self { turns, end: None })
    }

    /// So many members of now say enough: each turn brought one at most, and more are over the limit without them, too.
    fn beyond(limit: usize, turns: usize) -> usize {
        limit.saturating_add(turns).saturating_add(1)
    }

    pub fn nothing_happened(&self) -> bool {
        self.turns.is_empty() && self.end.is_none()
    }

    /// The direct members before all this. `None`: more than `limit`, or nobody can say who they all were.
    pub fn members_before<P: People>(
        &self,
        people: &P,
        group: EntryId,
        limit: usize,
    ) -> Result<Option<Vec<EntryRef>>, P::Error> {
        let mut members = match &self.end {
            Some(end) if end.is_cut => return Ok(None),
            Some(end) => end.last_members.clone(),
            None => {
                let beyond = Self::beyond(limit, self.turns.len());
                let members = people.members(group, beyond)?;
                if members.len() == beyond {
                    return Ok(None);
                }
                members
            }
        };
        self.undo(&mut members);
        Ok((members.len() <= limit).then_some(members))
    }

    /// Undone last first, the first turn of each member has the last word.
    fn undo(&self, members: &mut Vec<EntryRef>) {
        let mut first = BTreeMap::new();
        for (place, change) in self.turns.iter().enumerate() {
            if let Some(who) = change.subject() {
                first.entry(identity(who)).or_insert((place, change));
            }
        }
        // Who had never been read when the event was written is told apart by name there.
        let has_turned = |member: &EntryRef| {
            first.contains_key(&identity(member)) || first.contains_key(&Identity::Name(member.dn.key().0))
        };
        members.retain(|member| !has_turned(member));
        let mut turns: Vec<_> = first.into_values().collect();
        turns.sort_unstable_by_key(|(place, _)| *place);
        members.extend(turns.into_iter().filter_map(|(_, change)| match change {
            Change::MemberRemoved { member } => Some(member.clone()),
            Change::MemberAdded { .. }
            | Change::OwnerAdded { .. }
            | Change::OwnerRemoved { .. }
            | Change::ManagerChanged { .. }
            | Change::ObjectCreated
            | Change::ObjectDeleted { .. }
            | Change::ObjectRenamed { .. }
            | Change::AttributesChanged { .. }
            | Change::ScopeEntered
            | Change::ScopeLeft => None,
        }));
    }
}
