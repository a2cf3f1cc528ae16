//! Why the reader gets a mail, gathered from the grounds of all its notifications.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Shown,
    view::{Cut, Named},
};
use crate::{
    change::{
        event::{Change, ChangeEvent},
        resolve::{Identity, identity},
    },
    directory::entry::EntryRef,
    notify::{
        notification::{Ground, Via},
        reason::Reason,
    },
};

/// Sentences in one mail, entries in one sentence.
const MOST_SENTENCES: usize = 6;
const MOST_ENTRIES: usize = 4;

/// One sentence: "you get this mail because ‹who› ‹own, owned, were added to, …› ‹entries›".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Because {
    reason: &'static str,
    /// Another person with the same address. `None`: the reader.
    other: Option<String>,
    /// The group that comes between, or that is written to in place of its members.
    group: Option<String>,
    in_place: Option<&'static str>,
    /// True no longer, after these changes.
    past: bool,
}

/// [`Because`] with the entries it speaks of.
#[derive(Debug, Serialize)]
pub(super) struct Why {
    #[serde(flatten)]
    because: Because,
    entries: Cut<String>,
}

/// All sentences, each once, ordered by reason; entries by name.
pub(super) fn why(shown: &[Shown<'_>], reader: Option<&EntryRef>) -> Cut<Why> {
    let past = Past::of(shown.iter().map(|shown| shown.event));
    let mut sentences: BTreeMap<Because, BTreeSet<String>> = BTreeMap::new();
    for Shown { event, grounds } in shown {
        for ground in grounds {
            let entry = Named::of(&event.entry).name;
            sentences.entry(because(ground, event, &past, reader)).or_default().insert(entry);
        }
    }
    drop_indirect(&mut sentences);
    let sentences: Vec<_> = sentences.into_iter().collect();
    Cut::of(&sentences, MOST_SENTENCES, |(because, entries)| Why {
        because: because.clone(),
        entries: Cut::of(&entries.iter().collect::<Vec<_>>(), MOST_ENTRIES, |&entry| entry.clone()),
    })
}

fn because(ground: &Ground, event: &ChangeEvent, past: &Past, reader: Option<&EntryRef>) -> Because {
    let who = ground.who.as_ref();
    let group = group_between(ground);
    let (other, in_place) = match &ground.via {
        Via::InPlaceOfMembers(why) => (None, Some(why.as_str())),
        Via::Directly | Via::Group(_) => (who.filter(|who| !is_same(who, reader)), None),
    };
    Because {
        reason: ground.reason.as_str(),
        other: other.map(|who| Named::of(who).name),
        group: group.map(|group| Named::of(group).name),
        in_place,
        past: ground.reason == Reason::Owner && past.has(&event.entry, group.or(who)),
    }
}

/// Who owns something directly need not read that a group they are in owns it too.
fn drop_indirect(sentences: &mut BTreeMap<Because, BTreeSet<String>>) {
    let all = sentences.clone();
    sentences.retain(|because, entries| {
        let directly = Because { group: None, in_place: None, ..because.clone() };
        let Some(covered) = all.get(&directly).filter(|_| because.group.is_some()) else { return true };
        entries.retain(|entry| !covered.contains(entry));
        !entries.is_empty()
    });
}

/// What is owned no longer when all is told.
#[derive(Default)]
struct Past {
    entries: BTreeSet<Identity>,
    owners: BTreeSet<(Identity, Identity)>,
}

impl Past {
    fn of<'a>(events: impl Iterator<Item = &'a ChangeEvent>) -> Self {
        let mut past = Self::default();
        for event in events {
            let entry = identity(&event.entry);
            match &event.change {
                Change::ObjectDeleted { .. } => {
                    past.entries.insert(entry);
                }
                Change::OwnerRemoved { owner, .. } => {
                    past.owners.insert((entry, identity(owner)));
                }
                Change::OwnerAdded { owner, .. } => {
                    past.owners.remove(&(entry, identity(owner)));
                }
                Change::MemberAdded { .. }
                | Change::MemberRemoved { .. }
                | Change::ManagerChanged { .. }
                | Change::ObjectCreated
                | Change::ObjectRenamed { .. }
                | Change::AttributesChanged { .. }
                | Change::ScopeEntered
                | Change::ScopeLeft => {}
            }
        }
        past
    }

    fn has(&self, entry: &EntryRef, owner: Option<&EntryRef>) -> bool {
        let entry = identity(entry);
        self.entries.contains(&entry)
            || owner.is_some_and(|owner| self.owners.contains(&(entry, identity(owner))))
    }
}

/// Whether both are the same entry.
pub(super) fn is_same(entry: &EntryRef, other: Option<&EntryRef>) -> bool {
    other.is_some_and(|other| identity(entry) == identity(other))
}

/// The group that stands between a reader and what an option says of them; also one that is written to in
/// place of its members, because it is they who read its mail.
pub(super) fn group_between(ground: &Ground) -> Option<&EntryRef> {
    match &ground.via {
        Via::Directly => None,
        Via::Group(group) => Some(group),
        Via::InPlaceOfMembers(_) => ground.who.as_ref(),
    }
}
