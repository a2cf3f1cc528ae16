//! What a mail itself tells the end of.

use std::collections::BTreeSet;

use super::Relation;
use crate::{
    change::{
        event::{Change, ChangeEvent, Direction},
        resolve::{Identity, identity},
    },
    directory::entry::EntryRef,
};

/// What is true no longer when all is told.
#[derive(Default)]
pub(super) struct Past {
    entries: BTreeSet<Identity>,
    links: BTreeSet<(Relation, Identity, Identity)>,
}

impl Past {
    pub fn of<'a>(events: impl Iterator<Item = &'a ChangeEvent>) -> Self {
        let mut past = Self::default();
        for event in events {
            let entry = identity(&event.entry);
            let link = |relation, target: &EntryRef| (relation, entry, identity(target));
            match &event.change {
                Change::ObjectDeleted { .. } => {
                    past.entries.insert(entry);
                }
                Change::ObjectCreated => {
                    past.entries.remove(&entry);
                }
                Change::OwnerRemoved { owner, .. } => {
                    past.links.insert(link(Relation::Owner, owner));
                }
                Change::OwnerAdded { owner, .. } => {
                    past.links.remove(&link(Relation::Owner, owner));
                }
                Change::MemberRemoved { member } => {
                    past.links.insert(link(Relation::Member, member));
                }
                Change::MemberAdded { member } => {
                    past.links.remove(&link(Relation::Member, member));
                }
                Change::ManagerChanged { manager, direction: Direction::Removed, .. } => {
                    past.links.insert(link(Relation::Manager, manager));
                }
                Change::ManagerChanged { manager, direction: Direction::Added, .. } => {
                    past.links.remove(&link(Relation::Manager, manager));
                }
                Change::ObjectRenamed { .. }
                | Change::AttributesChanged { .. }
                | Change::ScopeEntered
                | Change::ScopeLeft => {}
            }
        }
        past
    }

    /// Whether `target` is nothing to `entry` any more of what `relation` says.
    pub fn has(&self, relation: Relation, entry: &EntryRef, target: Option<&EntryRef>) -> bool {
        let entry = identity(entry);
        let is_cut =
            |link| target.is_some_and(|target| self.links.contains(&(link, entry, identity(target))));
        match relation {
            Relation::Actor | Relation::Itself | Relation::Added | Relation::Removed | Relation::Listed => {
                false
            }
            Relation::Owner | Relation::PublicOwner => {
                self.entries.contains(&entry) || is_cut(Relation::Owner)
            }
            Relation::Manager | Relation::Member => self.entries.contains(&entry) || is_cut(relation),
        }
    }
}
