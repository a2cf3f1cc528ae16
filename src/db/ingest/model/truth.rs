//! What must be told, judged by the server's states alone.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::server::number;
use crate::{
    change::event::{Cause, Change, ChangeEvent},
    directory::entry::Relation,
};

/// Who holds it, what it says, and of whom.
type Link = (u32, Relation, u32);

/// What is true at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) names: BTreeMap<u32, String>,
    /// RDN and parent.
    pub(super) places: BTreeMap<u32, (String, u32)>,
    pub(super) titles: BTreeMap<u32, u32>,
    pub(super) groups: BTreeSet<u32>,
    pub(super) containers: BTreeSet<u32>,
    pub(super) links: BTreeSet<Link>,
    /// What exists and is not watched.
    pub(super) elsewhere: BTreeSet<u32>,
    /// The links of these.
    pub(super) hidden: BTreeSet<Link>,
    /// To entries that are gone.
    pub(super) dangling: BTreeSet<Link>,
}

/// An event, in short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    Created(u32),
    Deleted(u32),
    Entered(u32),
    Left(u32),
    Renamed(u32),
    Retitled(u32),
    Came(Link),
    Went(Link),
    WentWithItsTarget(Link),
    /// Of a name that nobody bears.
    Nameless(u32),
}

impl Line {
    pub(super) fn of(event: &ChangeEvent) -> Self {
        let holder = number(event.entry.id.unwrap());
        let link =
            |relation| event.change.subject().and_then(|who| who.id).map(|id| (holder, relation, number(id)));
        let came = |relation| link(relation).map_or(Self::Nameless(holder), Self::Came);
        let went = |relation| match (event.cause, link(relation)) {
            (_, None) => Self::Nameless(holder),
            (Cause::Directory, Some(link)) => Self::Went(link),
            (Cause::Consequence, Some(link)) => Self::WentWithItsTarget(link),
            (Cause::Accepted, Some(_)) => unreachable!("nobody accepts anything here"),
        };
        match &event.change {
            Change::ObjectCreated => Self::Created(holder),
            Change::ObjectDeleted { .. } => Self::Deleted(holder),
            Change::ObjectRenamed { .. } => Self::Renamed(holder),
            Change::AttributesChanged { .. } => Self::Retitled(holder),
            Change::MemberAdded { .. } => came(Relation::Member),
            Change::MemberRemoved { .. } => went(Relation::Member),
            Change::OwnerAdded { .. } => came(Relation::Owner),
            Change::OwnerRemoved { .. } => went(Relation::Owner),
            Change::ScopeEntered => Self::Entered(holder),
            Change::ScopeLeft => Self::Left(holder),
            Change::ManagerChanged { .. } => unreachable!("nobody has a manager here"),
        }
    }
}

pub(super) fn lines(events: &[ChangeEvent]) -> Vec<Line> {
    events.iter().map(Line::of).collect()
}

/// What the way from one state to another must tell, and what it may.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) required: BTreeSet<Line>,
    pub(super) allowed: BTreeSet<Line>,
}

pub(super) fn expected(before: &Facts, after: &Facts) -> Expected {
    let mut required = BTreeSet::new();
    let mut allowed = BTreeSet::new();
    let exists = |facts: &Facts, id: u32| facts.names.contains_key(&id) || facts.elsewhere.contains(&id);
    let lives = |facts: &Facts, id: u32| id == 90 || id == 91 || exists(facts, id);
    for id in after.names.keys().filter(|id| !after.containers.contains(id)) {
        if !before.names.contains_key(id) {
            let is_old = before.elsewhere.contains(id);
            required.insert(if is_old { Line::Entered(*id) } else { Line::Created(*id) });
        }
    }
    for id in before.names.keys().filter(|id| !before.containers.contains(id)) {
        if !after.names.contains_key(id) {
            let lives = after.elsewhere.contains(id);
            required.insert(if lives { Line::Left(*id) } else { Line::Deleted(*id) });
        }
    }
    for (id, place) in &after.places {
        let Some(was) = before.places.get(id) else { continue };
        let has_children = before.places.iter().any(|(child, (_, parent))| {
            parent == id && after.places.get(child).is_some_and(|(_, parent)| parent == id)
        });
        if place == was {
            continue;
        }
        if before.names.get(id) == after.names.get(id) || (after.containers.contains(id) && !has_children) {
            allowed.insert(Line::Renamed(*id));
        } else {
            required.insert(Line::Renamed(*id));
        }
    }
    for (id, title) in &after.titles {
        if before.titles.get(id).is_some_and(|was| was != title) {
            required.insert(Line::Retitled(*id));
        }
    }
    for link in after.links.difference(&before.links) {
        if before.elsewhere.contains(&link.0) {
            continue;
        }
        let is_new = !before.groups.contains(&link.0);
        if !is_new || link.1 == Relation::Member {
            required.insert(Line::Came(*link));
        }
    }
    for link in before.links.difference(&after.links).filter(|link| after.groups.contains(&link.0)) {
        let line = if lives(after, link.2) { Line::Went(*link) } else { Line::WentWithItsTarget(*link) };
        required.insert(line);
    }
    // Who was deleted before or after the group came in, a refresh does not say.
    for link in before.hidden.iter().filter(|link| after.groups.contains(&link.0) && !lives(after, link.2)) {
        allowed.insert(Line::WentWithItsTarget(*link));
    }
    // A value of somebody who came and was deleted while nobody listened.
    for link in after.dangling.difference(&before.dangling) {
        allowed.insert(Line::Nameless(link.0));
    }
    for link in before.dangling.difference(&after.dangling) {
        allowed.insert(Line::Nameless(link.0));
    }
    Expected { required, allowed }
}

impl Expected {
    /// Each that is required exactly once, and nothing that is not allowed.
    pub(super) fn check(&self, told: &[Line]) -> TestCaseResult {
        let mut told = told.to_vec();
        told.retain(|line| !self.allowed.contains(line));
        told.sort();
        let required: Vec<_> = self.required.iter().cloned().collect();
        prop_assert_eq!(told, required, "after a refresh");
        Ok(())
    }
}

/// What somebody believes who believes every event and nothing else.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: BTreeSet<u32>,
    links: BTreeSet<Link>,
    /// Groups that came into what is watched: nobody was told who is in them.
    untold: BTreeSet<u32>,
}

impl Ledger {
    pub(super) fn new(facts: &Facts) -> Self {
        Self { entries: entries(facts), links: members(&facts.links), untold: BTreeSet::new() }
    }

    /// What did not exist cannot go, what is there cannot come.
    pub(super) fn book(&mut self, events: &[ChangeEvent]) -> TestCaseResult {
        for line in lines(events) {
            match line {
                Line::Created(id) => prop_assert!(self.entries.insert(id), "{:?} twice", line),
                Line::Deleted(id) => {
                    prop_assert!(self.entries.remove(&id), "{:?} twice", line);
                    self.links.retain(|link| link.0 != id);
                }
                Line::Entered(id) => {
                    prop_assert!(self.entries.insert(id), "{:?} twice", line);
                    self.untold.insert(id);
                }
                Line::Left(id) => {
                    prop_assert!(self.entries.remove(&id), "{:?} twice", line);
                    self.links.retain(|link| link.0 != id);
                }
                Line::Came(link) | Line::Went(link) | Line::WentWithItsTarget(link)
                    if self.untold.contains(&link.0) => {}
                Line::Came(link) if link.1 == Relation::Member => {
                    prop_assert!(self.links.insert(link), "{:?} twice", line);
                }
                Line::Went(link) | Line::WentWithItsTarget(link) if link.1 == Relation::Member => {
                    prop_assert!(self.links.remove(&link), "{:?} twice", line);
                }
                Line::Renamed(_)
                | Line::Retitled(_)
                | Line::Came(_)
                | Line::Went(_)
                | Line::WentWithItsTarget(_)
                | Line::Nameless(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn compare(&self, facts: &Facts) -> TestCaseResult {
        prop_assert_eq!(&self.entries, &entries(facts), "entries by the events");
        let mut truth = members(&facts.links);
        truth.retain(|link| !self.untold.contains(&link.0));
        prop_assert_eq!(&self.links, &truth, "members by the events");
        Ok(())
    }
}

fn entries(facts: &Facts) -> BTreeSet<u32> {
    facts.names.keys().filter(|id| !facts.containers.contains(id)).copied().collect()
}

fn members(links: &BTreeSet<Link>) -> BTreeSet<Link> {
    links.iter().filter(|link| link.1 == Relation::Member).copied().collect()
}
