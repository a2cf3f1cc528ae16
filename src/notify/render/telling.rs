//! Which mail tells an event to its reader, and how much of the event the reader sees.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    templates::Mail,
    why::{group_between, is_same},
};
use crate::{
    change::event::{Change, ChangeEvent, Direction},
    directory::entry::{EntryKind, EntryRef},
    notify::{notification::Ground, reason::Reason},
};

/// An event with the grounds on which the reader sees it.
pub(super) struct Shown<'a> {
    pub event: &'a ChangeEvent,
    /// Never empty.
    pub grounds: Vec<&'a Ground>,
}

/// How one event is told to this reader.
#[derive(Debug, Clone)]
pub(super) struct Telling<'a> {
    pub mail: Mail,
    pub subject: Subject<'a>,
    /// The group through which the reader, as a member, owner or manager, is concerned.
    pub through: Option<&'a EntryRef>,
    pub extent: Extent,
    pub ties: BTreeSet<Tie>,
}

/// Who the member, owner or manager of an event is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// The reader.
    Reader,
    /// A group, and what becomes of it becomes of the reader.
    Through(&'a EntryRef),
    /// Somebody else, or there is none.
    Named,
    /// Another member of the reader's group, of whom the reader may not know.
    Unnamed,
}

/// How much of an event a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it: owners, managers, who did it, the listed addresses.
    Full,
    /// What concerns the reader, as a member or as the object itself: no other member.
    OwnPart { show_actor: bool },
}

/// What a reader is to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tie {
    /// Did it.
    Actor,
    /// Is the user or contact.
    Itself,
    /// Manages the user or contact, or did.
    Manager,
    /// Belongs to the group, or did.
    Member,
    /// Owns the group, or did.
    Owner,
}

impl<'a> Telling<'a> {
    /// `show_actor`: whether members and objects read who did it.
    pub fn of(shown: &Shown<'a>, reader: Option<&'a EntryRef>, show_actor: bool) -> Self {
        let is_full = shown.grounds.iter().any(|ground| is_full(ground.reason));
        let extent = if is_full { Extent::Full } else { Extent::OwnPart { show_actor } };
        let ties = ties(shown, reader);
        let subject = subject(shown, reader, extent, &ties);
        let mail = mail(shown, reader, subject, extent, &ties);
        let through = match (mail, subject) {
            (Mail::YourGroupIsGone, _) => through_to_member(shown, reader),
            (_, Subject::Through(group)) => Some(group),
            (_, Subject::Reader | Subject::Named | Subject::Unnamed) => None,
        };
        Self { mail, subject, through, extent, ties }
    }
}

/// Whether this reason lets the reader see an event in full, or only what concerns the reader.
pub(super) fn is_full(reason: Reason) -> bool {
    match reason {
        Reason::Alert
        | Reason::LoggedInUsers
        | Reason::Manager
        | Reason::Owner
        | Reason::PublicGroupOwner
        | Reason::Recipients
        | Reason::Test => true,
        Reason::AddedMembers | Reason::ObjectModified | Reason::RemovedMembers => false,
    }
}

fn is_own(ground: &Ground, reader: Option<&EntryRef>) -> bool {
    ground.who.as_ref().is_some_and(|who| is_same(who, reader))
}

fn ties(shown: &Shown<'_>, reader: Option<&EntryRef>) -> BTreeSet<Tie> {
    shown.grounds.iter().filter_map(|ground| tie(ground, shown.event, reader)).collect()
}

/// Owners, managers and members answer for each other where they share an address; nobody else has done
/// what one has done, or is who one is.
fn tie(ground: &Ground, event: &ChangeEvent, reader: Option<&EntryRef>) -> Option<Tie> {
    match ground.reason {
        Reason::LoggedInUsers => is_own(ground, reader).then_some(Tie::Actor),
        Reason::Manager => Some(Tie::Manager),
        Reason::Owner | Reason::PublicGroupOwner => Some(Tie::Owner),
        Reason::ObjectModified if is_person(&event.entry) => {
            is_same(&event.entry, reader).then_some(Tie::Itself)
        }
        Reason::AddedMembers | Reason::ObjectModified | Reason::RemovedMembers => Some(Tie::Member),
        Reason::Alert | Reason::Recipients | Reason::Test => None,
    }
}

fn is_person(entry: &EntryRef) -> bool {
    match entry.kind {
        Some(EntryKind::User | EntryKind::Contact) => true,
        Some(EntryKind::Group | EntryKind::Container) | None => false,
    }
}

fn subject<'a>(
    shown: &Shown<'a>,
    reader: Option<&'a EntryRef>,
    extent: Extent,
    ties: &BTreeSet<Tie>,
) -> Subject<'a> {
    let Some(subject) = shown.event.change.subject() else { return Subject::Named };
    // Who has the reader's address now, and is told for another reason, has not come or gone.
    let is_told_as_reader = shown.grounds.iter().any(|ground| is_own(ground, reader));
    if let Some(reader) = reader.filter(|reader| is_told_as_reader && is_same(subject, Some(reader))) {
        // A group that reads is read by its members.
        let is_group = reader.kind == Some(EntryKind::Group);
        return if is_group { Subject::Through(reader) } else { Subject::Reader };
    }
    if ties.contains(&Tie::Actor) {
        return Subject::Named;
    }
    let own = shown.grounds.iter().filter(|ground| is_own(ground, reader) && is_of_subject(ground.reason));
    if let Some(group) =
        own.filter_map(|ground| group_between(ground)).find(|group| is_same(subject, Some(group)))
    {
        return Subject::Through(group);
    }
    let is_told = shown.grounds.iter().any(|ground| {
        is_of_subject(ground.reason) && is_same(subject, group_between(ground).or(ground.who.as_ref()))
    });
    let is_membership =
        matches!(shown.event.change, Change::MemberAdded { .. } | Change::MemberRemoved { .. });
    if is_membership && extent != Extent::Full && !is_told { Subject::Unnamed } else { Subject::Named }
}

/// Whether this reason can tell the member, owner or manager who came or went.
fn is_of_subject(reason: Reason) -> bool {
    match reason {
        Reason::AddedMembers | Reason::RemovedMembers | Reason::Owner | Reason::Manager => true,
        Reason::Alert
        | Reason::LoggedInUsers
        | Reason::ObjectModified
        | Reason::PublicGroupOwner
        | Reason::Recipients
        | Reason::Test => false,
    }
}

fn mail(
    shown: &Shown<'_>,
    reader: Option<&EntryRef>,
    subject: Subject<'_>,
    extent: Extent,
    ties: &BTreeSet<Tie>,
) -> Mail {
    use Subject::{Named, Reader, Through, Unnamed};
    let is_receipt = ties.contains(&Tie::Actor);
    let was_member = extent != Extent::Full && shown.grounds.iter().any(|ground| is_own(ground, reader));
    let is_itself = ties.contains(&Tie::Itself);
    match (&shown.event.change, subject) {
        (Change::ScopeEntered, _) => Mail::ScopeEntered,
        (Change::ScopeLeft, _) => Mail::ScopeLeft,
        (_, _) if is_receipt => Mail::Receipt,
        (Change::MemberAdded { .. }, Reader | Through(_)) => Mail::YouWereAdded,
        (Change::MemberAdded { .. }, Named) => Mail::MemberAdded,
        (Change::MemberAdded { .. }, Unnamed) => Mail::MembersAdded,
        (Change::MemberRemoved { .. }, Reader | Through(_)) => Mail::YouWereRemoved,
        (Change::MemberRemoved { .. }, Named) => Mail::MemberRemoved,
        (Change::MemberRemoved { .. }, Unnamed) => Mail::MembersRemoved,
        (Change::OwnerAdded { .. }, Reader | Through(_)) => Mail::YouBecameOwner,
        (Change::OwnerAdded { .. }, Named | Unnamed) => Mail::OwnerAdded,
        (Change::OwnerRemoved { .. }, Reader | Through(_)) => Mail::YouAreNoLongerOwner,
        (Change::OwnerRemoved { .. }, Named | Unnamed) => Mail::OwnerRemoved,
        (Change::ManagerChanged { direction: Direction::Added, .. }, Reader | Through(_)) => {
            Mail::YouBecameManager
        }
        (Change::ManagerChanged { direction: Direction::Removed, .. }, Reader | Through(_)) => {
            Mail::YouAreNoLongerManager
        }
        (Change::ManagerChanged { .. }, Named | Unnamed) if is_itself => Mail::YourManagerChanged,
        (Change::ManagerChanged { .. }, Named | Unnamed) => Mail::ManagerChanged,
        (Change::ObjectCreated, _) => Mail::ObjectCreated,
        (Change::ObjectDeleted { .. }, _) if was_member => Mail::YourGroupIsGone,
        (Change::ObjectDeleted { .. }, _) => Mail::ObjectDeleted,
        (Change::ObjectRenamed { .. }, _) if is_itself => Mail::YouWereRenamed,
        (Change::ObjectRenamed { .. }, _) => Mail::ObjectRenamed,
        (Change::AttributesChanged { .. }, _) if is_itself => Mail::YourEntryWasChanged,
        (Change::AttributesChanged { .. }, _) => Mail::AttributesChanged,
    }
}

/// Through which group the reader was in a group that is gone. `None`: directly, also.
fn through_to_member<'a>(shown: &Shown<'a>, reader: Option<&EntryRef>) -> Option<&'a EntryRef> {
    let own = || shown.grounds.iter().filter(|ground| is_own(ground, reader));
    let through =
        |ground: &&'a Ground| group_between(ground).filter(|group| !is_same(group, Some(&shown.event.entry)));
    if own().any(|ground| through(ground).is_none()) {
        return None;
    }
    own().find_map(through)
}
