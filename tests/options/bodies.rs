//! M29: nothing in a mail that its reader has no reason to see.

use std::collections::BTreeSet;

use dirherald::{
    change::event::{Actor, Cause, Change, ChangeEvent, RankedRef},
    directory::entry::{EntryKind, EntryRef},
};
use serde_json::Value;

use super::{
    check::renamings,
    openldap,
    row::{Class, Edit, Entry, Field, Operation, Row},
};
use crate::support::{mail::Letter, slapd::NOBODY};

/// A mail of a row, and what its reader has to do with it.
pub struct Reading<'a> {
    pub letter: &'a Letter,
    /// The reader's address, or what stands before the at sign where it is at the row's own domain.
    pub who: &'a str,
    pub tag: &'a str,
    pub row: &'a Row,
    /// The events in the mail.
    pub told: &'a [&'a ChangeEvent],
    /// Those of the same change set that are not in it.
    pub untold: &'a [&'a ChangeEvent],
    pub actors: Actors,
}

/// Whether members and objects may read who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actors {
    Shown,
    Hidden,
}

/// How much of an event a reason shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Full,
    /// The reader's own part.
    Own,
}

/// The reasons that show events in full. `recipients` shows everything.
const FULL: [&str; 4] = ["logged_in_users", "owner", "manager", "public_group_owner"];

/// Those that show the reader's own part.
const OWN: [&str; 3] = ["object_modified", "added_members", "removed_members"];

impl Reading<'_> {
    /// What is wrong.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for secret in [NOBODY, openldap::PASSWORD].into_iter().filter(|secret| self.shows(secret)) {
            faults.push(format!("shows {secret}"));
        }
        let to_all = self.letter.store == "changes";
        if !to_all && self.told.iter().any(|event| event.marks.ignored) {
            faults.push("tells of an entry that is to be ignored".to_owned());
        }
        if self.has("recipients") {
            return faults;
        }
        for event in self.told.iter().filter(|event| !self.reasons().any(|reason| self.is_for(reason, event)))
        {
            faults.push(format!("no reason to see {} {}", event.change.name(), event.entry.name));
        }
        for reason in
            self.reasons().filter(|reason| !self.told.iter().any(|event| self.is_for(reason, event)))
        {
            faults.push(format!("no event for {reason}"));
        }
        faults.extend(self.people_shown());
        faults.extend(self.groups_shown());
        faults
    }

    fn reasons(&self) -> impl Iterator<Item = &str> {
        self.letter.reasons.split(", ")
    }

    fn has(&self, reason: &str) -> bool {
        self.reasons().any(|own| own == reason)
    }

    fn shows(&self, words: &str) -> bool {
        let Letter { subject, text, html, .. } = self.letter;
        // Long lines of the text are broken at spaces.
        text.contains(words)
            || text.split_whitespace().collect::<Vec<_>>().join(" ").contains(words)
            || html.contains(words)
            || subject.contains(words)
    }

    /// Whether the option means this reader when this happens.
    fn is_for(&self, reason: &str, event: &ChangeEvent) -> bool {
        let is_group = event.entry.kind == Some(EntryKind::Group);
        let is_person = matches!(event.entry.kind, Some(EntryKind::User | EntryKind::Contact));
        match (reason, &event.change) {
            ("logged_in_users", _) => {
                event.cause == Cause::Directory
                    && matches!(&event.actor, Actor::Known(actor) if self.is_reader(actor))
            }
            ("owner", _) => is_group && self.is_among(&event.owners),
            ("manager", _) => is_person && self.is_among(&event.managers),
            (
                "object_modified",
                Change::AttributesChanged { .. }
                | Change::ObjectRenamed { .. }
                | Change::ManagerChanged { .. },
            ) if is_person => self.is_reader(&event.entry),
            ("object_modified", _) | ("removed_members", Change::ObjectDeleted { .. }) => is_group,
            ("public_group_owner", Change::MemberAdded { .. } | Change::MemberRemoved { .. }) => {
                event.marks.public && self.is_among(&event.owners)
            }
            ("added_members", Change::MemberAdded { member })
            | ("removed_members", Change::MemberRemoved { member }) => self.is_reader_or_group(member),
            _ => false,
        }
    }

    fn is_among(&self, all: &[RankedRef]) -> bool {
        all.iter().any(|one| self.is_reader_or_group(&one.entry))
    }

    /// A group stands for its members.
    fn is_reader_or_group(&self, entry: &EntryRef) -> bool {
        entry.kind == Some(EntryKind::Group) || self.is_reader(entry)
    }

    fn is_reader(&self, entry: &EntryRef) -> bool {
        self.readers().iter().any(|name| self.is_named(entry, name))
    }

    fn is_named(&self, entry: &EntryRef, name: &str) -> bool {
        entry.name == openldap::display_name(name, self.tag)
            || entry.dn.as_str().contains(&format!("uid={},", openldap::account(name, self.tag)))
    }

    /// The names of the people who read what is sent to this address.
    fn readers(&self) -> BTreeSet<&'static str> {
        let mut names: BTreeSet<&'static str> =
            self.people().iter().filter(|person| self.reads(person)).map(|person| person.name).collect();
        for (old, new) in renamings(self.row) {
            if names.contains(old) {
                names.insert(new);
            }
        }
        names
    }

    fn reads(&self, person: &Entry) -> bool {
        self.addresses_of(person).iter().map(|address| address.to_lowercase()).any(|address| {
            address == self.who || address.strip_suffix(&format!("@{}.example", self.tag)) == Some(self.who)
        })
    }

    fn edits_of(&self, name: &str) -> impl Iterator<Item = &Edit> {
        self.row
            .steps
            .iter()
            .filter_map(move |step| match &step.does {
                Operation::Modify(modified, edits) if *modified == name => Some(edits),
                Operation::Modify(..)
                | Operation::Create(_)
                | Operation::Delete(_)
                | Operation::Rename(..)
                | Operation::Move(..) => None,
            })
            .flatten()
    }

    fn entries(&self) -> Vec<Entry> {
        let created = self.row.steps.iter().filter_map(|step| match &step.does {
            Operation::Create(entry) => Some(entry.clone()),
            Operation::Delete(_) | Operation::Rename(..) | Operation::Move(..) | Operation::Modify(..) => {
                None
            }
        });
        self.row.entries().into_iter().chain(created).collect()
    }

    fn people(&self) -> Vec<Entry> {
        let all = self.entries().into_iter();
        all.filter(|entry| matches!(entry.class, Class::Person | Class::Contact)).collect()
    }

    /// No mail names people whom its events, as far as the reader may see them, do not concern.
    fn people_shown(&self) -> Vec<String> {
        let readers = self.readers();
        let (known, unknown): (Vec<Entry>, Vec<Entry>) = self.people().into_iter().partition(|person| {
            readers.contains(person.name) || self.told.iter().any(|event| self.may_show(event, person))
        });
        let allowed: BTreeSet<String> = known.iter().flat_map(|person| self.addresses_of(person)).collect();
        let names = unknown.iter().flat_map(|person| {
            let mut names = self.addresses_of(person);
            names.retain(|address| !allowed.contains(address));
            names.insert(openldap::display_name(person.name, self.tag));
            names.insert(openldap::account(person.name, self.tag));
            names
        });
        names.filter(|name| self.shows(name)).map(|name| format!("names {name}")).collect()
    }

    /// Those that the person has at any time.
    fn addresses_of(&self, person: &Entry) -> BTreeSet<String> {
        let later = self.edits_of(person.name).map(|edit| (edit.field(), edit.text()));
        let given = person.fields.iter().copied().chain(later).filter(|(field, _)| *field == Field::Mail);
        let mut addresses: BTreeSet<String> = given
            .filter(|(_, text)| !text.is_empty())
            .map(|(_, text)| openldap::address(text, self.tag))
            .collect();
        if !person.fields.iter().any(|(field, _)| *field == Field::Mail) {
            addresses.insert(openldap::address(&format!("{}@row", person.name), self.tag));
        }
        addresses
    }

    fn may_show(&self, event: &ChangeEvent, person: &Entry) -> bool {
        match self.extent(event) {
            Extent::Full => facts(event).iter().any(|entry| self.is_named(entry, person.name)),
            Extent::Own => self.may_show_part(event, person),
        }
    }

    /// Who did it; and whom the entry has or had as owner or manager: that somebody owns a group does not say
    /// that they belong to it.
    fn may_show_part(&self, event: &ChangeEvent, person: &Entry) -> bool {
        let is_person = |entry: &EntryRef| self.is_named(entry, person.name);
        if matches!(&event.actor, Actor::Known(actor) if is_person(actor)) {
            return self.actors == Actors::Shown;
        }
        match &event.change {
            Change::OwnerAdded { owner, .. } | Change::OwnerRemoved { owner, .. } => is_person(owner),
            Change::ManagerChanged { manager, .. } => is_person(manager),
            Change::ObjectCreated => event.owners.iter().any(|owner| is_person(&owner.entry)),
            Change::MemberAdded { .. }
            | Change::MemberRemoved { .. }
            | Change::ObjectDeleted { .. }
            | Change::ObjectRenamed { .. }
            | Change::AttributesChanged { .. }
            | Change::ScopeEntered
            | Change::ScopeLeft => false,
        }
    }

    fn extent(&self, event: &ChangeEvent) -> Extent {
        let full = self.reasons().any(|reason| FULL.contains(&reason) && self.is_for(reason, event));
        if full { Extent::Full } else { Extent::Own }
    }

    /// What happened to other groups in the same change set is not for this reader.
    fn groups_shown(&self) -> Vec<String> {
        assert!(
            self.reasons().all(|reason| FULL.contains(&reason) || OWN.contains(&reason)),
            "{:?}",
            self.letter
        );
        let allowed: BTreeSet<String> =
            self.told.iter().flat_map(|event| facts(event)).map(|entry| entry.name).collect();
        let others = self.untold.iter().map(|event| &event.entry);
        others
            .filter(|other| other.kind == Some(EntryKind::Group) && !allowed.contains(&other.name))
            .filter(|other| self.shows(&other.name))
            .map(|other| format!("names {}", other.name))
            .collect()
    }
}

/// Everybody whom an event names.
fn facts(event: &ChangeEvent) -> Vec<EntryRef> {
    let mut named = Vec::new();
    gather(&serde_json::to_value(event).expect("an event is data"), &mut named);
    named
}

fn gather(value: &Value, named: &mut Vec<EntryRef>) {
    named.extend(serde_json::from_value::<EntryRef>(value.clone()));
    match value {
        Value::Object(fields) => fields.values().for_each(|value| gather(value, named)),
        Value::Array(values) => values.iter().for_each(|value| gather(value, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
